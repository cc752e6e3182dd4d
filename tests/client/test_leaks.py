"""Streams that are broken off, dropped or failed give back what they hold, and a client is used up by none of them."""

import asyncio
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import anyio
import httpx
import httpx2
import pytest
import trio

from chatstream.client import AsyncChatClient, ChatClient
from chatstream.errors import (
    AuthenticationError,
    ChatStreamError,
    IncompleteStreamError,
    InternalServerError,
    StreamInterruptedError,
    StreamProtocolError,
)
from chatstream.server import ReplayServer
from serving import delta, eventually, play

ASKED = {"model": "echo", "messages": [{"role": "user", "content": "Hello"}]}
POOL = 10
MANY = 1000
LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda library: library.__name__)


@pytest.fixture(scope="module")
def endless():
    """A server whose streams say two words, and then nothing until the client goes."""
    tape = play(delta("Hello"), delta(" there"), end="timeout")
    with ReplayServer(tape, speed=None, match="order", grace=0.1) as server:
        yield server


@pytest.fixture(scope="module")
def echo():
    with ReplayServer(speed=None, fault_header=True, grace=0.1) as server:
        yield server


@pytest.fixture
def http():
    with httpx.Client(limits=httpx.Limits(max_connections=POOL), trust_env=False) as http:
        yield http


@pytest.fixture
def client(endless, http):
    return ChatClient(base_url=endless.base_url, api_key="k", http_client=http, timeout=5.0, max_retries=0)


def active(http):
    return [connection for connection in http._transport._pool.connections if not connection.is_idle()]


def check_free(http):
    assert active(http) == []
    assert http._transport._pool._requests == []


def until_free(server):
    """The server has seen that the client has gone."""
    eventually(lambda: server.busy == 0)


# A thousand streams, and room for ten


def left_by_break(client):
    with client.chat.completions.create(**ASKED, stream=True) as chunks:
        for _ in chunks:
            break


def closed_after_a_chunk(client):
    chunks = client.chat.completions.create(**ASKED, stream=True)
    next(chunks)
    chunks.close()


def closed_unread(client):
    client.chat.completions.create(**ASKED, stream=True).close()


def stream_left_by_break(client):
    with client.chat.completions.stream(**ASKED) as stream:
        for _ in stream:
            break


def stream_closed(client):
    stream = client.chat.completions.stream(**ASKED)
    next(stream)
    stream.close()


def stream_aborted(client):
    stream = client.chat.completions.stream(**ASKED)
    next(stream)
    stream.abort()


def dropped(client):
    chunks = client.chat.completions.create(**ASKED, stream=True)
    next(chunks)
    with pytest.warns(ResourceWarning, match="dropped while it was open"):
        del chunks


def stream_dropped(client):
    stream = client.chat.completions.stream(**ASKED)
    next(stream)
    with pytest.warns(ResourceWarning, match="dropped while it was open"):
        del stream


def left_by_an_exception(client):
    with suppress(ZeroDivisionError), client.chat.completions.stream(**ASKED) as stream:
        for _ in stream:
            raise ZeroDivisionError


WAYS = [
    left_by_break,
    closed_after_a_chunk,
    closed_unread,
    stream_left_by_break,
    stream_closed,
    stream_aborted,
    dropped,
    stream_dropped,
    left_by_an_exception,
]


def test_a_thousand_streams_broken_off_leave_a_pool_of_ten_free(client, http, endless):
    for number in range(MANY):
        WAYS[number % len(WAYS)](client)
        assert active(http) == []
    check_free(http)
    until_free(endless)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_the_server_sees_at_once_that_a_stream_was_broken_off(way, client, http, endless):
    way(client)
    check_free(http)
    until_free(endless)


def test_twenty_threads_share_a_client(client, http, endless):
    def work(number):
        for turn in range(10):
            WAYS[(number + turn) % 6](client)  # warnings are caught for the whole process, so nothing is dropped here

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(work, range(20)))
    check_free(http)
    until_free(endless)


def test_twenty_threads_share_a_client_and_each_gets_its_own_answer(echo, http):
    client = ChatClient(base_url=echo.base_url, api_key="k", http_client=http, timeout=10.0)

    def ask(number):
        word = f"number{number}"
        asked = {"model": "echo", "messages": [{"role": "user", "content": word}]}
        whole = client.chat.completions.create(**asked).choices[0].message.content
        streamed = client.chat.completions.stream(**asked).final_content()
        return word in whole, whole == streamed

    with ThreadPoolExecutor(20) as threads:
        assert set(threads.map(ask, range(100))) == {(True, True)}
    check_free(http)


async def async_left_by_break(client):
    async with await client.chat.completions.create(**ASKED, stream=True) as chunks:
        async for _ in chunks:
            break


async def async_closed_after_a_chunk(client):
    chunks = await client.chat.completions.create(**ASKED, stream=True)
    await anext(chunks)
    await chunks.aclose()


async def async_closed_unread(client):
    await (await client.chat.completions.create(**ASKED, stream=True)).close()


async def async_stream_left_by_break(client):
    async with client.chat.completions.stream(**ASKED) as stream:
        async for _ in stream:
            break


async def async_stream_closed(client):
    stream = client.chat.completions.stream(**ASKED)
    await anext(stream)
    await stream.aclose()


async def async_stream_cancelled(client):
    with anyio.CancelScope() as scope:
        async for _ in client.chat.completions.stream(**ASKED):
            scope.cancel()


async def async_left_by_an_exception(client):
    with suppress(ZeroDivisionError):
        async with client.chat.completions.stream(**ASKED) as stream:
            async for _ in stream:
                raise ZeroDivisionError


ASYNC_WAYS = [
    async_left_by_break,
    async_closed_after_a_chunk,
    async_closed_unread,
    async_stream_left_by_break,
    async_stream_closed,
    async_stream_cancelled,
    async_left_by_an_exception,
]


def async_client(server, http, **options):
    options = {"timeout": 5.0, "max_retries": 0, **options}
    return AsyncChatClient(base_url=server.base_url, api_key="k", http_client=http, **options)


@pytest.mark.anyio
@LIBRARIES
async def test_a_thousand_async_streams_broken_off_leave_a_pool_of_ten_free(library, endless):
    async with library.AsyncClient(limits=library.Limits(max_connections=POOL), trust_env=False) as http:
        client = async_client(endless, http)
        for number in range(MANY if library is httpx else MANY // 5):
            await ASYNC_WAYS[number % len(ASYNC_WAYS)](client)
            assert active(http) == []
        check_free(http)
    await anyio.to_thread.run_sync(until_free, endless)


@pytest.mark.anyio
async def test_many_async_streams_at_once_are_broken_off_with_room_for_ten(endless):
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=POOL), trust_env=False) as http:
        client = async_client(endless, http, timeout=20.0)
        async with anyio.create_task_group() as group:
            for number in range(200):
                group.start_soon(ASYNC_WAYS[number % 5], client)  # those that end by themselves
        check_free(http)


@pytest.mark.anyio
async def test_a_group_that_is_cancelled_leaves_nothing_open(endless):
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=POOL), trust_env=False) as http:
        client = async_client(endless, http)
        async with anyio.create_task_group() as group:
            for _ in range(3 * POOL):  # most of them wait for the pool
                group.start_soon(client.chat.completions.stream(**ASKED).until_done)
            await anyio.sleep(0.1)
            assert len(active(http)) == POOL
            group.cancel_scope.cancel()
        check_free(http)
        await async_left_by_break(client)
    await anyio.to_thread.run_sync(until_free, endless)


# Dropped while open


def test_a_dropped_stream_warns_and_is_closed(client, http, endless):
    stream = client.chat.completions.stream(**ASKED)
    next(stream)
    eventually(lambda: endless.busy == 1)
    with pytest.warns(ResourceWarning, match="read it to its end, close it, or use it as a context manager"):
        del stream
    check_free(http)
    until_free(endless)


# Trio has a word to say about each of httpx's generators, too.
GENERATORS = pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")


@GENERATORS
@pytest.mark.anyio
async def test_a_dropped_async_stream_warns(endless):
    async with httpx.AsyncClient(trust_env=False) as http:
        client = async_client(endless, http)
        stream = client.chat.completions.stream(**ASKED)
        await anext(stream)
        with pytest.warns(ResourceWarning, match="dropped while it was open"):
            del stream
    await anyio.to_thread.run_sync(until_free, endless)


@GENERATORS
@pytest.mark.anyio
async def test_dropped_async_chunks_warn(endless):
    async with httpx.AsyncClient(trust_env=False) as http:
        chunks = await async_client(endless, http).chat.completions.create(**ASKED, stream=True)
        await anext(chunks)
        with pytest.warns(ResourceWarning, match="dropped while it was open"):
            del chunks


def test_a_stream_that_was_never_sent_warns_nothing(client, recwarn):
    stream = client.chat.completions.stream(**ASKED)
    stream.on("content.delta", print)
    del stream
    gc.collect()
    assert list(recwarn) == []


@pytest.mark.anyio
async def test_an_async_stream_that_was_never_sent_warns_nothing(endless, recwarn):
    async with httpx.AsyncClient(trust_env=False) as http:
        stream = async_client(endless, http).chat.completions.stream(**ASKED)
        del stream
        gc.collect()
    assert list(recwarn) == []


def test_a_stream_that_was_read_to_its_end_warns_nothing(echo, http, recwarn):
    client = ChatClient(base_url=echo.base_url, api_key="k", http_client=http)
    for _ in client.chat.completions.create(**ASKED, stream=True):
        pass
    client.chat.completions.stream(**ASKED).until_done()
    check_free(http)
    gc.collect()
    assert list(recwarn) == []


# Failed


def fault(spelling):
    return {"extra_headers": {"X-Chatstream-Fault": spelling}}


FAILURES = [
    ("status:500", InternalServerError),
    ("status:401", AuthenticationError),
    ("disconnect:1", StreamInterruptedError),
    ("reset:1", StreamInterruptedError),
    ("truncate:1", IncompleteStreamError),
    ("malformed:1", StreamProtocolError),
    ("error_event:1", ChatStreamError),
]


@pytest.mark.parametrize(("spelling", "error"), FAILURES)
def test_what_fails_leaves_nothing_open(spelling, error, echo, http):
    client = ChatClient(base_url=echo.base_url, api_key="k", http_client=http, max_retries=0)
    completions = client.chat.completions
    with pytest.raises(error):
        completions.stream(**ASKED, **fault(spelling)).until_done()
    check_free(http)
    with pytest.raises(error):
        list(completions.create(**ASKED, stream=True, **fault(spelling)))
    check_free(http)
    with suppress(ChatStreamError):  # one answer has no second event to be struck
        completions.create(**ASKED, **fault(spelling))
    check_free(http)


@pytest.mark.anyio
@pytest.mark.parametrize(("spelling", "error"), FAILURES)
async def test_what_fails_async_leaves_nothing_open(spelling, error, echo):
    async with httpx.AsyncClient(trust_env=False) as http:
        completions = async_client(echo, http).chat.completions
        with pytest.raises(error):
            await completions.stream(**ASKED, **fault(spelling)).until_done()
        check_free(http)
        with pytest.raises(error):
            async for _ in await completions.create(**ASKED, stream=True, **fault(spelling)):
                pass
        check_free(http)
        with suppress(ChatStreamError):
            await completions.create(**ASKED, **fault(spelling))
        check_free(http)


def test_an_error_that_is_kept_keeps_no_connection(echo, http):
    client = ChatClient(base_url=echo.base_url, api_key="k", http_client=http, max_retries=0)
    kept = []
    for _ in range(3 * POOL):
        with pytest.raises(StreamInterruptedError) as raised:
            client.chat.completions.stream(**ASKED, **fault("reset:1")).until_done()
        kept.append(raised.value)
    check_free(http)
    assert len({id(error) for error in kept}) == 3 * POOL


def test_a_listener_that_raises_leaves_nothing_open_in_a_context(client, http):
    def fail(event):
        raise ZeroDivisionError

    stream = client.chat.completions.stream(**ASKED)
    stream.on("content.delta", fail)
    with pytest.raises(ZeroDivisionError), stream:
        stream.until_done()
    check_free(http)


# The client and its streams


def test_a_stream_outlives_the_client_that_it_came_from(echo):
    def begun():
        client = ChatClient(base_url=echo.base_url, api_key="k")
        stream = client.chat.completions.stream(**ASKED)
        next(stream)
        return stream, weakref.ref(client)

    stream, client = begun()
    assert client() is None
    assert "Hello" in stream.final_content()


def test_a_stream_that_was_not_sent_yet_outlives_the_client_that_it_came_from(echo):
    stream = ChatClient(base_url=echo.base_url, api_key="k").chat.completions.stream(**ASKED)
    assert "Hello" in stream.final_content()


def test_a_copy_outlives_the_client_that_it_came_from(echo):
    client = ChatClient(base_url=echo.base_url, api_key="k").with_options(timeout=5)
    assert client.chat.completions.create(**ASKED).choices
    client._sender.http.close()


def test_a_dropped_client_closes_its_connections(echo):
    def use():
        client = ChatClient(base_url=echo.base_url, api_key="k")
        client.chat.completions.create(**ASKED)

    before = sockets()
    use()
    eventually(lambda: sockets() <= before)


def sockets():
    names = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            names.append(str(entry.readlink()))
    return sum(name.startswith("socket:") for name in names)


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_a_finished_stream_is_gone_without_the_collector(echo, http):
    client = ChatClient(base_url=echo.base_url, api_key="k", http_client=http)
    for read in (lambda stream: stream.until_done(), list, lambda stream: stream.final_chat_completion()):
        stream = client.chat.completions.stream(**ASKED)
        read(stream)
        gone = weakref.ref(stream)
        del stream
        assert gone() is None
    chunks = client.chat.completions.create(**ASKED, stream=True)
    list(chunks)
    gone = weakref.ref(chunks._stream)
    del chunks
    assert gone() is None


@pytest.mark.usefixtures("no_collector")
def test_a_dropped_stream_is_gone_without_the_collector(client):
    for begin in (lambda stream: None, next, lambda stream: stream.on("chunk", id), lambda stream: stream.snapshot):
        stream = client.chat.completions.stream(**ASKED)
        begin(stream)
        gone = weakref.ref(stream)
        is_open = begin is next
        if is_open:
            with pytest.warns(ResourceWarning):
                del stream
        else:
            del stream
        assert gone() is None


@pytest.mark.usefixtures("no_collector")
def test_a_closed_stream_is_gone_without_the_collector(client):
    with client.chat.completions.stream(**ASKED) as stream:
        next(stream)
    gone = weakref.ref(stream)
    del stream
    assert gone() is None


@pytest.mark.usefixtures("no_collector")
def test_a_client_is_gone_without_the_collector(echo):
    client = ChatClient(base_url=echo.base_url, api_key="k")
    client.chat.completions.create(**ASKED)
    gone = weakref.ref(client)
    del client
    assert gone() is None


# Threads and tasks


def test_no_thread_is_begun(client):
    before = threading.active_count()
    left_by_break(client)
    assert threading.active_count() == before


@pytest.mark.anyio
async def test_no_task_is_begun(endless, anyio_backend):
    def tasks():
        return trio.lowlevel.current_statistics().tasks_living if anyio_backend == "trio" else len(asyncio.all_tasks())

    async with httpx.AsyncClient(trust_env=False) as http:
        before = tasks()
        async with async_client(endless, http).chat.completions.stream(**ASKED) as stream:
            await anext(stream)
            assert tasks() == before
        assert tasks() == before
