"""Stopping early: abort from another thread or task, cancellation, and the end of an answer whose body goes on."""

import gc
import random
import socket
import ssl
import threading
import time
from contextlib import contextmanager

import anyio
import httpx
import httpx2
import pytest

from chatstream.client import ChatClient, Timeout
from chatstream.errors import APIUserAbortError, ChatStreamError
from client.wire_server import (
    ASK,
    CLOSE,
    DONE,
    STALL,
    STOP,
    WHOLE_HI,
    H,
    I,
    WireServer,
    async_client,
    check_rest,
    chunked,
    pool_of,
    sync_client,
    whole,
)
from expectations import content_of
from serving import eventually

SOON = 3.0  # seconds that a busy machine may take over what is done at once

# The certificate of localhost for this file alone, with its key, until the year 2120.
CERTIFICATE = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgdU4AIhh2XIoB1Fr4
e2r2z/4CiqS48seCU0DfJZkS01ehRANCAATTRTgPNu4IrkF/EJ7tNCyWE2fY9DO0
eYwcnG3xYk7SshwrBpkg3M4qeKVaEyvClKIoFpvWKYXWqQlyjo4wK5Gd
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBijCCATCgAwIBAgIUNxsl/+51PCUaj3UrMuupWzD9JWkwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAx
MDAwMDAwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATTRTgPNu4IrkF/EJ7tNCyWE2fY9DO0eYwcnG3xYk7SshwrBpkg3M4q
eKVaEyvClKIoFpvWKYXWqQlyjo4wK5Gdo14wXDAaBgNVHREEEzARgglsb2NhbGhv
c3SHBH8AAAEwDwYDVR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAoQwHQYDVR0O
BBYEFH3kfPWlQ6J8p0sv363ILgt972bUMAoGCCqGSM49BAMCA0gAMEUCIEddG21Q
hrdwSbghR3cqaer1Rk+5iSDCOKqJHgdNeG/AAiEAuno+cCEaUGmcAVC/zuiwf8pp
kqcoApu4nfgiMRloEdQ=
-----END CERTIFICATE-----
"""
TRUSTING = ssl.create_default_context(cadata=CERTIFICATE)
TRUSTING.verify_flags |= ssl.VERIFY_X509_STRICT  # as it is by default in later versions of Python


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """What a server speaks TLS with."""
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_text(CERTIFICATE)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context


@pytest.fixture(params=["plain", "tls"])
def wires(request):
    """Options of a server, and of the HTTP clients that talk to it."""
    if request.param == "plain":
        return {}, {}
    return {"tls": request.getfixturevalue("tls")}, {"verify": TRUSTING}


@pytest.fixture(autouse=True)
def _nothing_is_dropped():
    yield
    gc.collect()


LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])


@contextmanager
def another_thread(act):
    """Beside this one, a thread that does this; what it raises is raised here."""
    failures = []

    def run():
        try:
            act()
        except BaseException as error:  # noqa: BLE001  raised below
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join(30)
        assert not thread.is_alive()
        assert failures == []


@contextmanager
def soon():
    began = time.perf_counter()
    yield
    assert time.perf_counter() - began < SOON


def check_aborted(raised, stream, content):
    assert content_of(raised.value.completion) == content
    assert stream.end.kind == "aborted"


def retried(seconds):
    return whole(b"no", "500 Internal Server Error", retry_after=str(seconds))


# Where a stream is when it is aborted: what the server does, how far it is let go before, and what had come.
PLACES = {
    "waiting-for-the-head": ([STALL], lambda server: len(server.requests) == 1, None),
    "in-half-a-head": ([b"HTTP/1.1 200 OK\r\nconte", STALL], lambda server: sent(server) > 20, None),
    "waiting-for-the-body": ([*chunked(), STALL], lambda server: sent(server) > 50, None),
    "in-the-body": ([*chunked(H), STALL], lambda server: sent(server) > 200, "H"),
    "in-half-an-event": ([*chunked(H + I[:30]), STALL], lambda server: sent(server) > 200, "H"),
    "between-the-attempts": (retried(8), lambda server: sent(server) > 50, None),
}
PLACE_TABLE = pytest.mark.parametrize(("script", "is_there", "content"), PLACES.values(), ids=PLACES)


def sent(server):
    return sum(connection.sent for connection in server.connections)


async def until(holds):
    with anyio.fail_after(5):
        while not holds():  # noqa: ASYNC110  what is waited for happens in a thread of the server
            await anyio.sleep(0.005)
    await anyio.sleep(0.05)  # so that the other waits already


@LIBRARIES
@PLACE_TABLE
def test_an_abort_from_another_thread_ends_the_wait(script, is_there, content, library, wires):
    of_server, http = wires
    with WireServer(script, **of_server) as server, sync_client(server, library, http=http, max_retries=2) as client:
        stream = client.chat.completions.stream(**ASK)

        def act():
            eventually(lambda: is_there(server))
            time.sleep(0.05)  # so that the other waits already
            began.append(time.perf_counter())
            stream.abort()

        began = []
        with another_thread(act), pytest.raises(APIUserAbortError) as raised:
            stream.until_done()
        assert time.perf_counter() - began[0] < SOON
        check_aborted(raised, stream, content)
        assert [one for one in pool_of(client) if not one.is_idle()] == []
        if script is not PLACES["between-the-attempts"][0]:
            assert pool_of(client) == []
            server.saw_the_end()
        assert len(server.requests) == 1
        with pytest.raises(APIUserAbortError):  # and it stays so
            stream.until_done()


@pytest.mark.anyio
@LIBRARIES
@PLACE_TABLE
async def test_an_abort_from_another_task_ends_the_wait(script, is_there, content, library, wires):
    of_server, http = wires
    with WireServer(script, **of_server) as server:
        async with async_client(server, library, http=http, max_retries=2) as client:
            stream = client.chat.completions.stream(**ASK)
            began = []

            async def act():
                await until(lambda: is_there(server))
                began.append(time.perf_counter())
                stream.abort()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(act)
                with pytest.raises(APIUserAbortError) as raised:
                    await stream.until_done()
            assert time.perf_counter() - began[0] < SOON
            check_aborted(raised, stream, content)
            check_rest(client)
            assert len(server.requests) == 1


@pytest.mark.anyio
async def test_an_abort_ends_the_wait_for_a_chunk_stream_too():
    script = [*chunked(H), STALL]
    with WireServer(script) as server, sync_client(server, None) as client:
        chunks = client.chat.completions.create(**ASK, stream=True)
        assert next(chunks).choices[0].delta.content == "H"
        with (
            another_thread(lambda: (time.sleep(0.1), chunks.abort())),
            soon(),
            pytest.raises(APIUserAbortError) as raised,
        ):
            next(chunks)
        assert content_of(raised.value.completion) == "H"
        assert pool_of(client) == []
        server.saw_the_end()
    with WireServer(script) as server:
        async with async_client(server, None) as client:
            chunks = await client.chat.completions.create(**ASK, stream=True)
            assert (await anext(chunks)).choices[0].delta.content == "H"
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(abort_later, chunks)
                with soon(), pytest.raises(APIUserAbortError) as raised:
                    await anext(chunks)
            assert content_of(raised.value.completion) == "H"
            assert pool_of(client) == []
            server.saw_the_end()


async def abort_later(stream, seconds=0.1):
    await anyio.sleep(seconds)
    stream.abort()


@pytest.mark.anyio
async def test_an_abort_between_two_reads_is_told_at_the_next_one(wires):
    of_server, http = wires
    script = [*chunked(H), STALL]
    with WireServer(script, **of_server) as server, sync_client(server, http=http) as client:
        stream = client.chat.completions.stream(**ASK)
        while content_of(stream.snapshot) != "H":
            next(stream)
        with another_thread(stream.abort):
            pass
        assert pool_of(client) == []
        server.saw_the_end()  # at once, and not when somebody reads on
        with soon(), pytest.raises(APIUserAbortError) as raised:
            list(stream)
        check_aborted(raised, stream, "H")
    with WireServer(script, **of_server) as server:
        async with async_client(server, http=http) as client:
            stream = client.chat.completions.stream(**ASK)
            while content_of(stream.snapshot) != "H":
                await anext(stream)
            stream.abort()
            with soon(), pytest.raises(APIUserAbortError) as raised:
                await stream.until_done()
            check_aborted(raised, stream, "H")
            assert pool_of(client) == []
            server.saw_the_end()


@pytest.mark.anyio
async def test_what_was_aborted_before_it_was_sent_is_not_sent():
    with WireServer(WHOLE_HI) as server:
        with sync_client(server) as client:
            stream = client.chat.completions.stream(**ASK)
            stream.abort()
            with pytest.raises(APIUserAbortError):
                stream.until_done()
        async with async_client(server) as client:
            stream = client.chat.completions.stream(**ASK)
            stream.abort()
            with pytest.raises(APIUserAbortError):
                await stream.until_done()
        assert server.connections == []


def test_an_abort_ends_a_write_to_who_does_not_read():
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # connects, and takes what fits into its buffers
        base_url = f"http://127.0.0.1:{deaf.getsockname()[1]}/v1"
        with ChatClient(base_url=base_url, max_retries=0, timeout=Timeout(first_byte=20)) as client:
            messages = [{"role": "user", "content": "x" * 30_000_000}]
            stream = client.chat.completions.stream(model="m", messages=messages)
            with another_thread(lambda: (time.sleep(0.5), stream.abort())), soon(), pytest.raises(APIUserAbortError):
                stream.until_done()


# Nobody outside the library can wake who shakes hands or waits for the pool: the limits of these waits are what ends them.


def test_an_abort_is_what_a_wait_for_the_hello_of_tls_ends_with():
    with WireServer([STALL]) as server:  # which takes the hello for the beginning of a request, and says nothing
        base_url = server.base_url.replace("http:", "https:")
        with sync_client(server, base_url=base_url, timeout=Timeout(connect=1)) as client:
            stream = client.chat.completions.stream(**ASK)

            def act():
                eventually(lambda: server.connections)
                time.sleep(0.1)
                stream.abort()

            with another_thread(act), soon(), pytest.raises(APIUserAbortError):
                stream.until_done()


def test_an_abort_is_what_a_wait_for_a_free_connection_ends_with():
    options = {"http": {"limits": httpx.Limits(max_connections=1)}, "timeout": Timeout(pool=1)}
    with (
        WireServer([*chunked(H), STALL]) as server,
        sync_client(server, **options) as client,
        client.chat.completions.create(**ASK, stream=True) as chunks,
    ):
        next(chunks)
        stream = client.chat.completions.stream(**ASK)
        with another_thread(lambda: (time.sleep(0.2), stream.abort())), soon(), pytest.raises(APIUserAbortError):
            stream.until_done()


TRICKLE = [*chunked(*[step for _ in range(20) for step in (H, 0.003)]), *chunked(STOP + DONE)[1:], CLOSE]


@pytest.mark.parametrize("library", [None, httpx, httpx2], ids=["own", "httpx", "httpx2"])
def test_an_abort_at_any_moment_raises_nothing_else(library, wires):
    of_server, http = wires
    chance = random.Random(7)
    ends = []
    if library is None and http:
        pytest.skip("a client of its own trusts no certificate of ours")
    with WireServer(TRICKLE, **of_server) as server, sync_client(server, library, http=http) as client:
        for _ in range(50):
            stream = client.chat.completions.stream(**ASK)
            timer = threading.Timer(chance.uniform(0, 0.08), stream.abort)
            timer.start()
            try:
                stream.until_done()
            except APIUserAbortError as error:
                content = content_of(error.completion)
                assert content is None or set(content) == {"H"}
                assert content_of(stream.snapshot) == content
            timer.join()
            ends.append(stream.end.kind)
            check_rest(client)
        assert "aborted" in ends
        assert set(ends) <= {"aborted", "complete"}


@pytest.mark.anyio
@LIBRARIES
async def test_an_abort_at_any_moment_raises_nothing_else_without_blocking(library, wires):
    of_server, http = wires
    chance = random.Random(7)
    with WireServer(TRICKLE, **of_server) as server:
        async with async_client(server, library, http=http) as client:
            for _ in range(50):
                stream = client.chat.completions.stream(**ASK)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(abort_later, stream, chance.uniform(0, 0.08))
                    try:
                        await stream.until_done()
                    except APIUserAbortError as error:
                        content = content_of(error.completion)
                        assert content is None or set(content) == {"H"}
                assert stream.end.kind in {"aborted", "complete"}
                check_rest(client)


# Cancellation


@pytest.mark.anyio
@LIBRARIES
@PLACE_TABLE
async def test_a_task_that_is_cancelled_leaves_no_connection(script, is_there, content, library, wires):
    of_server, http = wires
    with WireServer(script, **of_server) as server:
        async with async_client(server, library, http=http, max_retries=2) as client:
            stream = client.chat.completions.stream(**ASK)

            async def act():
                await stream.until_done()

            with soon():
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(act)
                    await until(lambda: is_there(server))
                    tasks.cancel_scope.cancel()
            check_rest(client)
            if script is not PLACES["between-the-attempts"][0]:
                assert pool_of(client) == []
                server.saw_the_end()
            assert len(server.requests) == 1
            assert content_of(stream.snapshot) == content


@pytest.mark.anyio
@LIBRARIES
async def test_a_stream_that_took_too_long_leaves_no_connection(library, wires):
    of_server, http = wires
    with WireServer([*chunked(H), STALL], **of_server) as server:
        async with async_client(server, library, http=http) as client:
            with soon(), anyio.move_on_after(0.3) as scope:
                async with client.chat.completions.stream(**ASK) as stream:
                    async for _ in stream:
                        pass
            assert scope.cancelled_caught
            assert pool_of(client) == []
            server.saw_the_end()
            with soon(), anyio.move_on_after(0.3) as scope:
                await client.chat.completions.create(**ASK)
            assert scope.cancelled_caught
            assert pool_of(client) == []
            server.saw_the_end(1)


# When the answer has ended, and its body has not

AFTER_DONE = {
    "it-is-held-open": [*chunked(H + I + STOP + DONE), STALL],
    "it-is-held-open-and-done-comes-late": [*chunked(H + I + STOP, 0.05, DONE), STALL],
    "it-goes-on": chunked(H + I + STOP, DONE, *[b": more\n\n" * 1000] * 10_000),
    "it-trickles": chunked(H + I + STOP, DONE, *[step for _ in range(999) for step in (0.05, b": more\n\n")]),
    "it-has-no-length": [b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + H + I + STOP + DONE, STALL],
}
AFTER_DONE_TABLE = pytest.mark.parametrize("script", AFTER_DONE.values(), ids=AFTER_DONE)


@LIBRARIES
@AFTER_DONE_TABLE
def test_after_done_the_rest_is_not_waited_for(script, library, wires):
    of_server, http = wires
    with WireServer(script, **of_server) as server, sync_client(server, library, http=http) as client:
        with soon():
            assert client.chat.completions.stream(**ASK).final_content() == "Hi"
        assert pool_of(client) == []
        server.saw_the_end()
        with soon():
            chunks = list(client.chat.completions.create(**ASK, stream=True))
        assert len(chunks) == 3
        assert pool_of(client) == []
        server.saw_the_end(1)


@pytest.mark.anyio
@LIBRARIES
@AFTER_DONE_TABLE
async def test_after_done_the_rest_is_not_waited_for_without_blocking_either(script, library, wires):
    of_server, http = wires
    with WireServer(script, **of_server) as server:
        async with async_client(server, library, http=http) as client:
            with soon():
                assert await client.chat.completions.stream(**ASK).final_content() == "Hi"
            assert pool_of(client) == []
            server.saw_the_end()
            with soon():
                chunks = [chunk async for chunk in await client.chat.completions.create(**ASK, stream=True)]
            assert len(chunks) == 3
            assert pool_of(client) == []
            server.saw_the_end(1)


@pytest.mark.anyio
@LIBRARIES
async def test_where_the_end_of_the_body_came_along_the_connection_is_used_again(library, wires):
    of_server, http = wires
    with WireServer(WHOLE_HI, **of_server) as server:
        with sync_client(server, library, http=http) as client:
            assert client.chat.completions.stream(**ASK).final_content() == "Hi"
            assert len(list(client.chat.completions.create(**ASK, stream=True))) == 3
            assert client.chat.completions.create(**ASK).choices[0].message.content == "Hi"
            with client.chat.completions.stream(**ASK) as stream:
                assert "".join(stream.text()) == "Hi"
            assert [one.is_idle() for one in pool_of(client)] == [True]
        assert [request.connection for request in server.requests] == [0] * 4
        async with async_client(server, library, http=http) as client:
            assert await client.chat.completions.stream(**ASK).final_content() == "Hi"
            assert len([chunk async for chunk in await client.chat.completions.create(**ASK, stream=True)]) == 3
            assert (await client.chat.completions.create(**ASK)).choices[0].message.content == "Hi"
            assert [one.is_idle() for one in pool_of(client)] == [True]
        assert [request.connection for request in server.requests] == [0] * 4 + [1] * 3


@pytest.mark.anyio
async def test_a_stream_that_is_left_early_closes_its_connection_at_once(wires):
    of_server, http = wires
    with WireServer([*chunked(H), STALL], **of_server) as server:
        with sync_client(server, http=http) as client:
            with soon(), client.chat.completions.stream(**ASK) as stream:
                next(stream)
            assert pool_of(client) == []
            server.saw_the_end()
            with pytest.raises(KeyError), client.chat.completions.create(**ASK, stream=True) as chunks:
                raise KeyError(next(chunks).id)
            assert pool_of(client) == []
            server.saw_the_end(1)
        async with async_client(server, http=http) as client:
            with soon():
                async with client.chat.completions.stream(**ASK) as stream:
                    await anext(stream)
            assert pool_of(client) == []
            server.saw_the_end(2)


def test_a_certificate_that_is_not_trusted_is_told_at_once_and_not_tried_again(tls):
    with WireServer(whole(), tls=tls) as server, sync_client(server, max_retries=2) as client:
        with soon(), pytest.raises(ChatStreamError) as raised:
            client.chat.completions.create(**ASK)
        assert type(raised.value).__name__ == "APIConnectionError"
        assert len(server.connections) == 1
