"""Each timeout on the wire: it strikes for what it names, in time, with what had come; and for nothing else."""

import socket
import time
from contextlib import contextmanager, suppress

import anyio
import httpx
import httpx2
import pytest

from chatstream.client import Timeout
from chatstream.errors import APITimeoutError, ChatStreamError, InternalServerError
from client.wire_server import (
    ASK,
    COMPLETION,
    DONE,
    KEY,
    LAST_CHUNK,
    STALL,
    STOP,
    WHOLE_HI,
    H,
    I,
    WireServer,
    async_client,
    chunked,
    head,
    pool_of,
    sync_client,
    whole,
)
from expectations import content_of

SHORT = 0.2  # seconds: what is waited for in vain
LONG = 20.0  # seconds: what must not strike
IN_TIME = 5.0  # seconds that a busy machine may take over it

LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
PATIENT = {"connect": LONG, "pool": LONG, "first_byte": LONG, "idle": LONG}


def only(**limits):
    """A timeout with these short limits, and all others long."""
    return Timeout(**{**PATIENT, **limits})


def every(seconds, data, times=200):
    return [step for _ in range(times) for step in (seconds, data)]


COMMENT = b": still here\n\n"
HEAD = head(transfer_encoding="chunked")
BY_BYTES = [step for place in range(len(HEAD)) for step in (0.1, HEAD[place : place + 1])]

# What the server does, the timeout, its phase, and what of the answer had come.
STREAMS = {
    "nothing-comes": ([STALL], only(first_byte=SHORT), "first_byte", None),
    "the-head-trickles": (BY_BYTES, only(first_byte=SHORT, idle=SHORT), "first_byte", None),
    "the-head-alone-comes": ([HEAD, STALL], only(first_byte=SHORT), "first_byte", None),
    "the-head-comes-late-and-no-body": ([SHORT / 2, HEAD, STALL], only(first_byte=SHORT), "first_byte", None),
    "one-event-comes": ([*chunked(H), STALL], only(idle=SHORT), "idle", "H"),
    "half-an-event-comes": ([*chunked(H + I[:20]), STALL], only(idle=SHORT), "idle", "H"),
    "comments-are-no-data": (chunked(H, *every(0.05, COMMENT)), only(data_idle=SHORT), "idle", "H"),
    "comments-alone-are-no-data": (chunked(*every(0.05, COMMENT)), only(data_idle=SHORT), "idle", None),
    "events-trickle": (chunked(H, *every(0.1, COMMENT)), only(total=SHORT), "total", "H"),
    "total-before-the-head": ([STALL], only(total=SHORT), "total", None),
    "total-before-the-body": ([HEAD, STALL], only(total=SHORT), "total", None),
    "total-between-events": ([*chunked(H), STALL], only(total=SHORT), "total", "H"),
    "a-number-before-the-head": ([STALL], SHORT, "first_byte", None),
    "a-number-between-events": ([*chunked(H), STALL], SHORT, "idle", "H"),
    "httpx-own": ([*chunked(H), STALL], httpx.Timeout(SHORT), "idle", "H"),
}  # fmt: skip
STREAM_TABLE = pytest.mark.parametrize(("script", "limits", "phase", "content"), STREAMS.values(), ids=STREAMS)


@contextmanager
def in_time(phase, at_least=SHORT):
    """Inside, a timeout of this phase is raised: not before it is due, and soon after."""
    began = time.perf_counter()
    with pytest.raises(APITimeoutError) as raised:
        yield raised
    took = time.perf_counter() - began
    assert raised.value.phase == phase
    assert at_least * 0.9 < took < IN_TIME


@LIBRARIES
@STREAM_TABLE
def test_a_stream_waits_no_longer_than_it_is_told_to(script, limits, phase, content, library):
    with WireServer(script) as server, sync_client(server, library) as client:
        stream = client.chat.completions.stream(**ASK, timeout=limits)
        with in_time(phase) as raised:
            stream.until_done()
        assert content_of(raised.value.completion) == content
        assert pool_of(client) == []
        server.saw_the_end()


@pytest.mark.anyio
@STREAM_TABLE
async def test_an_async_stream_waits_no_longer_than_it_is_told_to(script, limits, phase, content):
    with WireServer(script) as server:
        async with async_client(server) as client:
            stream = client.chat.completions.stream(**ASK, timeout=limits)
            with in_time(phase) as raised:
                await stream.until_done()
            assert content_of(raised.value.completion) == content
            assert pool_of(client) == []
            server.saw_the_end()


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["the-head-trickles", "the-head-alone-comes", "one-event-comes", "events-trickle"])
async def test_an_async_stream_through_httpx2_waits_no_longer_either(name):
    script, limits, phase, content = STREAMS[name]
    with WireServer(script) as server:
        async with async_client(server, httpx2) as client:
            with in_time(phase) as raised:
                await client.chat.completions.stream(**ASK, timeout=limits).until_done()
            assert content_of(raised.value.completion) == content


HALF = [head(content_type="application/json", content_length=len(COMPLETION)) + COMPLETION[:50]]
WHOLES = {
    "nothing-comes": ([STALL], only(first_byte=SHORT), "first_byte"),
    "half-comes": ([*HALF, STALL], only(idle=SHORT), "idle"),
    "it-trickles": ([*HALF, *every(0.1, b" ")], only(total=SHORT), "total"),
}
WHOLE_TABLE = pytest.mark.parametrize(("script", "limits", "phase"), WHOLES.values(), ids=WHOLES)


@LIBRARIES
@WHOLE_TABLE
def test_an_answer_that_is_read_whole_is_waited_for_no_longer_either(script, limits, phase, library):
    with WireServer(script) as server, sync_client(server, library, timeout=limits) as client:
        with in_time(phase):
            client.chat.completions.create(**ASK)
        with in_time(phase):
            client.chat.completions.list()
        assert pool_of(client) == []


@pytest.mark.anyio
@WHOLE_TABLE
async def test_an_answer_that_is_read_whole_is_waited_for_no_longer_without_blocking_either(script, limits, phase):
    with WireServer(script) as server:
        async with async_client(server, timeout=limits) as client:
            with in_time(phase):
                await client.chat.completions.create(**ASK)
            with in_time(phase):
                await client.chat.completions.list()
            assert pool_of(client) == []


def test_the_timeout_of_a_call_goes_before_that_of_its_client():
    with WireServer([STALL]) as server, sync_client(server, timeout=LONG) as client:
        with in_time("first_byte"):
            client.chat.completions.create(**ASK, timeout=SHORT)
        with in_time("first_byte"):
            client.with_options(timeout=SHORT).chat.completions.retrieve("chatcmpl-1")
        with in_time("first_byte"):
            client.with_options(timeout=0.01).chat.completions.create(**ASK, timeout=SHORT, stream=True)
    with WireServer([SHORT, *whole()]) as server, sync_client(server, timeout=0.1) as client:
        client.chat.completions.create(**ASK, timeout=None)
        client.with_options(timeout=LONG).chat.completions.create(**ASK)


# Connecting


@contextmanager
def full_backlog():
    """The address of a listener that takes no more connections, and answers nobody who asks for one."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()[:2]
        waiting = []
        try:
            with suppress(TimeoutError):
                while len(waiting) < 16:
                    waiting += [socket.create_connection(address, timeout=0.3)]
                pytest.skip("this system takes connections without end")
            yield f"http://127.0.0.1:{address[1]}/v1"
        finally:
            for connection in waiting:
                connection.close()


class Nowhere:
    """A server that there is none of, but for its address."""

    connections = ()

    def __init__(self, base_url):
        self.base_url = base_url


@pytest.mark.anyio
async def test_a_connection_is_waited_for_no_longer_than_connect_says():
    with full_backlog() as base_url:
        for library in (httpx, httpx2):
            for limits in ({"connect": SHORT}, {"total": SHORT}):
                phase = next(iter(limits))
                with sync_client(Nowhere(base_url), library, timeout=only(**limits)) as client, in_time(phase):
                    client.chat.completions.create(**ASK)
                async with async_client(Nowhere(base_url), library, timeout=only(**limits)) as client:
                    with in_time(phase):
                        await client.chat.completions.stream(**ASK).until_done()


@pytest.mark.anyio
async def test_connecting_is_not_done_before_tls_is():
    with WireServer([STALL]) as server:  # which takes the greeting for the beginning of a request
        base_url = server.base_url.replace("http:", "https:")
        with sync_client(server, base_url=base_url, timeout=only(connect=SHORT)) as client, in_time("connect"):
            client.chat.completions.create(**ASK)
        async with async_client(server, base_url=base_url, timeout=only(connect=SHORT)) as client:
            with in_time("connect"):
                await client.chat.completions.create(**ASK)


def one_connection(library):
    return {"limits": library.Limits(max_connections=1)}


@pytest.mark.anyio
@LIBRARIES
async def test_a_free_connection_is_waited_for_no_longer_than_pool_says(library):
    options = {"http": one_connection(library), "timeout": only(pool=SHORT)}
    with WireServer([*chunked(H), STALL], whole()) as server, sync_client(server, library, **options) as client:
        with client.chat.completions.create(**ASK, stream=True) as chunks:
            next(chunks)
            with in_time("pool"):
                client.chat.completions.create(**ASK)
        assert client.chat.completions.create(**ASK).choices[0].message.content == "Hi"
    with WireServer([*chunked(H), STALL], whole()) as server:
        async with async_client(server, library, **options) as client:
            async with await client.chat.completions.create(**ASK, stream=True) as chunks:
                await anext(chunks)
                with in_time("pool"):
                    await client.chat.completions.create(**ASK)
            assert (await client.chat.completions.create(**ASK)).choices[0].message.content == "Hi"


# What is no timeout

ALIVE = [*chunked(H, *every(0.1, COMMENT, times=10), I, STOP + DONE), LAST_CHUNK]
IN_PARTS = [*chunked(H, 0.05, I, 0.05, STOP, 0.05, DONE), LAST_CHUNK]


@pytest.mark.anyio
async def test_comments_say_that_the_server_is_there():
    with WireServer(ALIVE) as server:
        with sync_client(server, timeout=only(idle=0.8)) as client:
            assert client.chat.completions.stream(**ASK).final_content() == "Hi"
        async with async_client(server, timeout=only(idle=0.8)) as client:
            assert await client.chat.completions.stream(**ASK).final_content() == "Hi"


@pytest.mark.anyio
async def test_who_reads_slowly_costs_nobody_s_patience():
    seconds = 0.4  # above what a busy machine makes of the server's pauses
    limits = only(first_byte=seconds, idle=seconds, data_idle=seconds)
    with WireServer(IN_PARTS) as server:
        with sync_client(server, timeout=limits) as client, client.chat.completions.stream(**ASK) as stream:
            for _ in range(3):
                time.sleep(seconds * 1.5)  # noqa: ASYNC251  nothing else is to go on
                next(stream)
            assert stream.final_content() == "Hi"
        async with async_client(server, timeout=limits) as client, client.chat.completions.stream(**ASK) as stream:
            for _ in range(3):
                await anyio.sleep(seconds * 1.5)
                await anext(stream)
            assert await stream.final_content() == "Hi"


@pytest.mark.anyio
async def test_no_timeout_waits_for_what_is_slow():
    with WireServer([0.2, HEAD, 0.2, *IN_PARTS[1:]]) as server:
        with sync_client(server, timeout=None) as client:
            assert client.chat.completions.stream(**ASK).final_content() == "Hi"
        async with async_client(server, timeout=None) as client:
            assert await client.chat.completions.stream(**ASK).final_content() == "Hi"


# Timeouts and retries


@pytest.mark.anyio
async def test_what_never_began_is_tried_again_after_a_timeout():
    with WireServer([STALL], WHOLE_HI) as server, sync_client(server, timeout=SHORT, max_retries=1) as client:
        stream = client.chat.completions.stream(**ASK)
        assert stream.final_content() == "Hi"
        assert stream.response.retries == 1
    with WireServer([STALL], WHOLE_HI) as server:
        async with async_client(server, timeout=SHORT, max_retries=1) as client:
            stream = client.chat.completions.stream(**ASK)
            assert await stream.final_content() == "Hi"
            assert stream.response.retries == 1


@pytest.mark.anyio
async def test_what_began_is_not_tried_again_after_a_timeout():
    with WireServer([HEAD, STALL], WHOLE_HI) as server:
        with sync_client(server, timeout=SHORT, max_retries=2) as client, in_time("first_byte"):
            client.chat.completions.create(**ASK)
        assert len(server.requests) == 1
    with WireServer([HEAD, STALL], WHOLE_HI) as server:
        async with async_client(server, timeout=SHORT, max_retries=2) as client:
            with in_time("first_byte"):
                await client.chat.completions.stream(**ASK).until_done()
        assert len(server.requests) == 1


REFUSED_LATE = [SHORT, *whole(b"no", "500 Internal Server Error", retry_after_ms="1")]


@pytest.mark.anyio
async def test_total_is_for_all_attempts_together():
    limits = only(total=SHORT * 1.5)  # the second attempt is over before it is answered
    with WireServer(REFUSED_LATE) as server:
        with sync_client(server, timeout=limits, max_retries=99) as client, in_time("total", limits.total):
            client.chat.completions.create(**ASK)
        assert len(server.requests) == 2
        async with async_client(server, timeout=limits, max_retries=99) as client:
            with in_time("total", limits.total):
                await client.chat.completions.stream(**ASK).until_done()
        assert len(server.requests) == 4


@pytest.mark.anyio
async def test_a_wait_that_would_outlast_the_total_is_not_begun():
    refused = whole(b"no", "500 Internal Server Error", retry_after="60")
    with WireServer(refused) as server:
        began = time.perf_counter()
        with sync_client(server, timeout=only(total=10), max_retries=2) as client, pytest.raises(InternalServerError):
            client.chat.completions.create(**ASK)
        async with async_client(server, timeout=only(total=10), max_retries=2) as client:
            with pytest.raises(InternalServerError):
                await client.chat.completions.create(**ASK)
        assert time.perf_counter() - began < IN_TIME


def test_a_timeout_shows_no_key():
    with WireServer([STALL]) as server, sync_client(server, timeout=0.05) as client:
        with pytest.raises(ChatStreamError) as raised:
            client.chat.completions.create(**ASK)
        assert KEY not in f"{raised.value!r} {raised.value} {raised.value.__cause__!r}"
