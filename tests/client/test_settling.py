"""What has begun is brought to an end, also where asyncio cancels a task by itself."""

import asyncio

import anyio
import anyio.lowlevel
import pytest

from chatstream.client.settling import end, open_or_undo


async def undo(result):
    raise AssertionError(result)


@pytest.mark.anyio
async def test_what_is_begun_is_given_and_what_it_raises_is_raised():
    async def begin():
        await anyio.lowlevel.checkpoint()
        return "open"

    async def fail():
        await anyio.lowlevel.checkpoint()
        raise ValueError("no")

    assert await open_or_undo(begin, undo) == "open"
    with pytest.raises(ValueError, match="no"):
        await open_or_undo(fail, undo)
    with pytest.raises(ValueError, match="no"):
        await end(fail)


@pytest.mark.asyncio
async def test_what_a_cancelled_opening_gives_all_the_same_is_undone():
    undone = []

    async def begin():
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.05)
        return "late"

    async def close(result):
        undone.append(result)

    task = asyncio.create_task(open_or_undo(begin, close))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert undone in (["late"], [])  # or the scope struck after the shield, and nothing was given
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.asyncio
async def test_an_end_is_reached_however_often_it_is_cancelled():
    reached = []

    async def finish():
        await asyncio.sleep(0.05)
        reached.append(True)

    task = asyncio.create_task(end(finish))
    for _ in range(5):
        await asyncio.sleep(0.005)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert reached == [True]


@pytest.mark.asyncio
async def test_a_cancellation_that_comes_when_all_is_done_is_delivered():
    async def finish():
        pass

    for turns in range(12):
        went_on = []

        async def run(went_on=went_on):
            await end(finish)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            went_on.append(True)

        task = asyncio.create_task(run())
        for _ in range(turns):
            await asyncio.sleep(0)
        told = task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() == told
        assert bool(went_on) != task.cancelled()
