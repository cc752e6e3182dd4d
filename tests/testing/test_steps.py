import threading
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest

from chatstream import AsyncChatCompletionStream, ChatCompletionStream
from chatstream.errors import StreamInterruptedError
from chatstream.recording import Fault, inject
from chatstream.testing import Steps, text_turn

RECORDING = text_turn("abcdef", pieces=2, gap=1000)  # role, ab, cd, ef, finish, [DONE]
READS = len(RECORDING.reads)


def test_a_step_is_one_read_and_nothing_is_slept():
    steps = Steps()
    player = RECORDING.play(step=steps, sleep=pytest.fail)
    steps.step(2)
    assert [next(player), next(player)] == [read.data for read in RECORDING.reads[:2]]
    assert steps.taken == 2
    steps.run()
    assert list(player) == [read.data for read in RECORDING.reads[2:]]
    assert steps.taken == READS + 1  # and the end


def test_any_function_is_a_step():
    passed = []
    assert list(RECORDING.play(step=lambda: passed.append(1))) == [read.data for read in RECORDING.reads]
    assert len(passed) == READS + 1


def test_a_reader_in_another_thread_waits_for_each_step():
    steps, heard = Steps(), []
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(
            lambda: [heard.append(text) for text in ChatCompletionStream(RECORDING.play(step=steps)).text()]
        )
        steps.until_waiting()
        assert heard == []
        steps.step(2)
        steps.until_waiting()
        assert heard == ["ab"]
        steps.step()
        steps.until_waiting()
        assert heard == ["ab", "cd"]
        steps.run()
        reading.result(10)
    assert heard == ["ab", "cd", "ef"]


def test_two_readers_share_the_steps():
    steps = Steps()
    with ThreadPoolExecutor(2) as pool:
        reading = [pool.submit(lambda: list(RECORDING.play(step=steps))) for _ in range(2)]
        for _ in range(2 * (READS + 1)):
            steps.step()
        assert [len(read.result(10)) for read in reading] == [READS, READS]
    assert steps.taken == 2 * (READS + 1)


@pytest.mark.anyio
async def test_an_async_reader_waits_for_each_step_and_holds_nothing_up():
    steps, heard = Steps(), []

    async def read():
        async with AsyncChatCompletionStream(RECORDING.aplay(step=steps, sleep=pytest.fail)) as stream:
            async for text in stream.text():
                heard.append(text)  # noqa: PERF401  what was heard so far is looked at meanwhile

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await steps.auntil_waiting()
        assert heard == []
        steps.step(2)
        await steps.auntil_waiting()
        assert heard == ["ab"]
        await anyio.to_thread.run_sync(steps.run)  # from a thread that knows nothing of the loop
    assert heard == ["ab", "cd", "ef"]
    assert steps.taken == READS  # behind [DONE] nobody reads


@pytest.mark.anyio
async def test_a_reader_that_is_cancelled_takes_no_step_along():
    steps = Steps()
    threads = threading.active_count()
    with anyio.move_on_after(0.01):
        await anext(RECORDING.aplay(step=steps))
    with pytest.raises(TimeoutError, match="nobody"):
        steps.until_waiting(timeout=0)
    steps.step()
    assert await anext(RECORDING.aplay(step=steps)) == RECORDING.reads[0].data
    assert steps.taken == 1
    assert threading.active_count() <= threads + 1  # the worker of the backend, idle


@pytest.mark.anyio
async def test_steps_that_were_given_before_are_taken_by_sync_code_in_an_event_loop_too():
    steps = Steps()
    steps.step()
    player = RECORDING.play(step=steps)
    assert next(player) == RECORDING.reads[0].data
    with pytest.raises(TypeError, match="cannot await"):
        next(player)


@pytest.mark.anyio
async def test_an_async_step_of_ones_own_is_awaited():
    passed = []

    async def step():
        await anyio.lowlevel.checkpoint()
        passed.append(1)

    assert [data async for data in RECORDING.aplay(step=step)] == [read.data for read in RECORDING.reads]
    assert len(passed) == READS + 1


def test_an_async_step_is_refused_where_it_cannot_be_awaited():
    async def step():
        """Never run."""

    with pytest.raises(TypeError, match="aplay"):
        next(RECORDING.play(step=step))


def test_a_player_that_was_closed_while_somebody_waited_gives_nothing_more():
    steps = Steps()
    player = RECORDING.play(step=steps)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(list, player)
        steps.until_waiting()
        player.close()
        steps.step()
        assert reading.result(10) == []


@pytest.mark.anyio
async def test_an_async_player_that_was_closed_while_somebody_waited_gives_nothing_more():
    steps, got = Steps(), []
    player = RECORDING.aplay(step=steps)

    async def read():
        got.extend([data async for data in player])

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await steps.auntil_waiting()
        await player.aclose()
        steps.step()
    assert got == []


def test_a_failure_at_the_end_takes_its_step_too():
    steps = Steps()
    player = inject(RECORDING, [Fault("reset", after=1)]).play(step=steps)
    steps.step(3)
    with pytest.raises(StreamInterruptedError):
        list(player)
    assert steps.taken == 3


def test_a_reader_that_nobody_steps_is_told_and_does_not_hang():
    with pytest.raises(TimeoutError, match="no step was given"):
        next(RECORDING.play(step=Steps(timeout=0.01)))


@pytest.mark.parametrize("n", [0, -1])
def test_a_step_is_at_least_one(n):
    with pytest.raises(ValueError, match="1 or more"):
        Steps().step(n)
