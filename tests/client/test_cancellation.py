"""Cancelled at every point where it waits, a call leaves nothing behind, and the client goes on working.

A call is run again and again, cancelled as it waits for the first time, the second, and so on until it ends by itself:
once through anyio's scopes, as a group of tasks or a timeout does it, and on asyncio also through ``task.cancel()``,
which no shield holds off. Each time the pool has one connection only, so that whatever is left open stops the next
request.
"""

import asyncio
import gc
import ssl
import sys
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path

import anyio
import anyio.lowlevel
import httpx
import httpx2
import pytest
import trio

from chatstream.client import AsyncChatClient
from chatstream.errors import APIStatusError
from chatstream.server import ReplayServer

ASKED = {"model": "echo", "messages": [{"role": "user", "content": "Hello there, you."}]}
ALL = 300  # waits; no call here has as many
TLS = ssl.create_default_context()  # reading the certificates anew for each client would take most of the time
REQUEST_BODY = "ByteStream.__aiter__"  # httpx's own: it has nothing to end but itself, and a test of its own below
LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda library: library.__name__)

spellings = count(1)


@pytest.fixture(scope="module")
def server():
    with ReplayServer(speed=None, fault_header=True, grace=0.1) as running, httpx.Client() as http:
        for _ in range(2):
            http.post(f"{running.base_url}/chat/completions", json=ASKED | {"store": True}).raise_for_status()
        yield running


# What is cancelled


async def create(client):
    await client.chat.completions.create(**ASKED)


async def chunks_in_a_context(client):
    async with await client.chat.completions.create(**ASKED, stream=True) as chunks:
        async for _ in chunks:
            pass


async def chunks_without_a_context(client):
    async for _ in await client.chat.completions.create(**ASKED, stream=True):
        pass


async def chunks_left_early(client):
    async with await client.chat.completions.create(**ASKED, stream=True) as chunks:
        await anext(chunks)


async def stream_in_a_context(client):
    async with client.chat.completions.stream(**ASKED) as stream:
        async for _ in stream:
            pass


async def stream_without_a_context(client):
    async for _ in client.chat.completions.stream(**ASKED):
        pass


async def stream_left_early(client):
    async with client.chat.completions.stream(**ASKED) as stream:
        await stream.wait_for("content.delta")


async def stream_closed_early(client):
    stream = client.chat.completions.stream(**ASKED)
    try:
        await anext(stream)
    finally:
        await stream.aclose()


async def final_completion(client):
    await client.chat.completions.stream(**ASKED).final_chat_completion()


async def listener_that_waits(client):
    async with client.chat.completions.stream(**ASKED) as stream:
        stream.on("content.delta", lambda event: anyio.lowlevel.checkpoint())
        await stream.until_done()


async def list_over_two_pages(client):
    assert len([stored async for stored in client.chat.completions.list(limit=1)]) == 2


async def messages(client):
    page = await client.chat.completions.list(limit=1)
    assert [message async for message in client.chat.completions.messages.list(page.data[0].id)]


def failing_first(fault):
    # The server counts the requests with one and the same header, so each call spells its own.
    return {"X-Chatstream-Fault": f"{fault},times=1;split:{next(spellings)},times=1"}


async def create_again_after_an_error(client):
    answer = await client.chat.completions.create(**ASKED, extra_headers=failing_first("status:500"))
    assert answer.response.retries == 1


async def stream_again_after_an_error(client):
    async with client.chat.completions.stream(**ASKED, extra_headers=failing_first("rate_limit:0.001")) as stream:
        await stream.until_done()
    assert stream.response.retries == 1


async def refused(client):
    try:
        await client.chat.completions.create(**ASKED, extra_headers={"X-Chatstream-Fault": "status:400"})
    except APIStatusError:
        return
    raise AssertionError


async def refused_stream(client):
    try:
        await client.chat.completions.create(**ASKED, stream=True, extra_headers={"X-Chatstream-Fault": "status:400"})
    except APIStatusError:
        return
    raise AssertionError


CALLS = [
    create,
    chunks_in_a_context,
    chunks_without_a_context,
    chunks_left_early,
    stream_in_a_context,
    stream_without_a_context,
    stream_left_early,
    stream_closed_early,
    final_completion,
    listener_that_waits,
    list_over_two_pages,
    messages,
    create_again_after_an_error,
    stream_again_after_an_error,
    refused,
    refused_stream,
]
EACH_CALL = pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)


# How it is cancelled


class Waits:
    """The waits of a coroutine and of the tasks that it begins; something is done as the ``number``-th begins, or ends.

    With ``again`` it is done at so many of the waits that follow, too.
    """

    def __init__(self, number, act, *, late=False, again=0):
        self.acted_at = range(number, number + again + 1)
        self.act = act
        self.late = late
        self.waits = 0

    @property
    def acted(self):
        return self.waits >= self.acted_at.start

    async def of(self, coroutine):
        """What the coroutine gives."""
        return await Steps(coroutine, self)

    async def of_all(self, coroutine):
        """The same, but on asyncio with the waits of each task that is begun meanwhile."""
        if on_trio():
            return await self.of(coroutine)
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, begun, **options: asyncio.Task(self.of(begun), loop=loop, **options))
        try:
            return await self.of(coroutine)
        finally:
            loop.set_task_factory(None)


class Steps:
    """Awaits a coroutine step by step."""

    def __init__(self, coroutine, waits):
        self.coroutine = coroutine
        self.waits = waits

    def __await__(self):
        waits, steps = self.waits, self.coroutine.__await__()
        step = partial(next, steps)
        while True:
            try:
                waited_for = step()
            except StopIteration as stop:
                return stop.value
            waits.waits += 1
            acts = waits.waits in waits.acted_at
            if acts and not waits.late:
                waits.act()
            try:
                step = partial(steps.send, (yield waited_for))
            except BaseException as error:  # noqa: BLE001  handed on to whom it is meant for
                step = partial(steps.throw, error)
            if acts and waits.late:
                waits.act()


async def cancelled_by_a_scope(coroutine, number, *, late=False):
    """Whether the coroutine got as far as its ``number``-th wait; it is cancelled there."""
    with anyio.CancelScope() as scope:
        waits = Waits(number, scope.cancel, late=late)
        await waits.of_all(coroutine)
    return waits.acted


async def cancelled_too_late(coroutine, number):
    """The same, but what it waited for has come by then, so that it hears of it where it would wait again."""
    return await cancelled_by_a_scope(coroutine, number, late=True)


async def cancelled_as_a_task(coroutine, number, *, again=0):
    async def run():
        waits.act = asyncio.current_task().cancel
        await waits.of_all(coroutine)

    waits = Waits(number, None, again=again)
    task = asyncio.create_task(run())
    await asyncio.wait([task])
    assert task.cancelled() == waits.acted  # it hears of it, and of nothing else
    return waits.acted


async def cancelled_again_and_again(coroutine, number):
    """As a program does that wants to end, and is told so by somebody who will not wait."""
    return await cancelled_as_a_task(coroutine, number, again=3)


# What may be left


def on_trio():
    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return False
    return True


def sockets():
    """How many sockets this process has open, those of the server among them."""
    names = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the folder itself, or one that was just closed
            names.append(str(entry.readlink()))
    return sum(name.startswith("socket:") for name in names)


def tasks():
    """How many tasks there are."""
    return trio.lowlevel.current_statistics().tasks_living if on_trio() else len(asyncio.all_tasks())


@asynccontextmanager
async def nothing_left():
    """What was begun within this has an end when it is left: tasks, sockets, generators."""
    unfinished = []
    before = sys.get_asyncgen_hooks()
    tasks_before, sockets_before = tasks(), sockets()

    def note(generator):  # which the loop would have to end for us
        if generator.__qualname__ != REQUEST_BODY:
            unfinished.append(generator)

    sys.set_asyncgen_hooks(finalizer=note)
    try:
        yield
    finally:
        gc.collect()
        sys.set_asyncgen_hooks(*before)
    assert unfinished == []
    assert tasks() == tasks_before
    with anyio.fail_after(5):  # the server closes its end a moment after us
        while sockets() > sockets_before:  # noqa: ASYNC110  nobody tells
            await anyio.sleep(0.005)


def pool_of(http):
    return http._transport._pool


def check_idle(http):
    pool = pool_of(http)
    assert pool._requests == []
    assert [connection for connection in pool.connections if not connection.is_idle()] == []


@asynccontextmanager
async def one_connection(library, server):
    """A client with room for one connection."""
    limits = library.Limits(max_connections=1)
    async with library.AsyncClient(limits=limits, verify=TLS, trust_env=False) as http:
        yield (
            AsyncChatClient(
                base_url=server.base_url,
                api_key="k",
                http_client=http,
                timeout=2.0,
                sleep=lambda seconds: anyio.sleep(0.0001),
            ),
            http,
        )


async def cancel_at_every_wait(call, cancelled, library, server, *, warm):
    async with nothing_left():
        for number in range(1, ALL):
            async with one_connection(library, server) as (client, http):
                if warm:
                    await create(client)
                was_cancelled = await cancelled(call(client), number)
                check_idle(http)
                await create(client)
                check_idle(http)
            if not was_cancelled:
                break
    assert 5 < number < ALL - 1


@pytest.mark.anyio
@LIBRARIES
@EACH_CALL
async def test_cancelled_by_a_scope_nothing_is_left(call, library, server):
    await cancel_at_every_wait(call, cancelled_by_a_scope, library, server, warm=False)


@pytest.mark.anyio
@EACH_CALL
async def test_cancelled_by_a_scope_on_a_used_connection_nothing_is_left(call, server):
    await cancel_at_every_wait(call, cancelled_by_a_scope, httpx, server, warm=True)


@pytest.mark.anyio
@EACH_CALL
async def test_cancelled_as_an_answer_comes_nothing_is_left(call, server):
    await cancel_at_every_wait(call, cancelled_too_late, httpx, server, warm=False)


@pytest.mark.asyncio
@LIBRARIES
@EACH_CALL
async def test_cancelled_as_a_task_nothing_is_left(call, library, server):
    await cancel_at_every_wait(call, cancelled_as_a_task, library, server, warm=False)


# Not the calls that read on their own: while httpcore unwinds a read that was cancelled, a second cancellation strikes it.
@pytest.mark.asyncio
@pytest.mark.parametrize("call", [create, list_over_two_pages, messages, refused], ids=lambda call: call.__name__)
async def test_cancelled_again_and_again_nothing_is_left(call, server):
    await cancel_at_every_wait(call, cancelled_again_and_again, httpx, server, warm=False)


@pytest.mark.asyncio
@EACH_CALL
async def test_cancelled_as_a_task_on_a_used_connection_nothing_is_left(call, server):
    await cancel_at_every_wait(call, cancelled_as_a_task, httpx, server, warm=True)


@pytest.mark.anyio
async def test_a_request_cancelled_while_it_is_sent_warns_of_nothing(server):
    # Trio warns of each generator that is dropped, and pytest makes that an error.
    for number in range(1, 20):
        async with one_connection(httpx, server) as (client, _):
            await cancelled_by_a_scope(create(client), number)
    gc.collect()


@pytest.mark.asyncio
async def test_a_cancellation_between_an_answer_and_who_waits_for_it_is_heard(server):
    # At each turn of the loop, not at each wait: the answer may be there, and the task that waits for it not awake yet.
    async with AsyncChatClient(base_url=server.base_url, max_retries=0) as client:
        for turns in range(150):
            task = asyncio.create_task(create(client))
            for _ in range(turns):
                await asyncio.sleep(0)
            was_told = task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() == was_told
