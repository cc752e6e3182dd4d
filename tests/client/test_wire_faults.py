"""Faults on the wire, through the client: every one is told as what it is, and leaves no connection in use."""

import gc
import gzip
from base64 import b64decode

import httpx
import httpx2
import pytest

from chatstream.errors import (
    APIConnectionError,
    APIStatusError,
    APIStreamError,
    ChatStreamError,
    IncompleteStreamError,
    InternalServerError,
    NotAStreamError,
    NotFoundError,
    RateLimitError,
    StreamInterruptedError,
    StreamLimitError,
    StreamProtocolError,
)
from client.wire_server import (
    ASK,
    CLOSE,
    COMPLETION,
    KEY,
    LAST_CHUNK,
    RESET,
    STALL,
    WHOLE_HI,
    H,
    WireServer,
    async_client,
    check_rest,
    chunk_of,
    chunked,
    head,
    pool_of,
    sync_client,
    whole,
)
from expectations import check_fault
from own_cases import FAULTS
from serving import eventually
from sources_for_tests import Outcome


@pytest.fixture(scope="module", autouse=True)
def _what_is_old_is_not_looked_at():
    """Collecting after each test is quick only if what was there before is left out."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _nothing_is_dropped():
    """What was left open would warn when it is collected, and a warning is an error: so it is collected here."""
    yield
    gc.collect()


# Streams: the shared faults and our own, over HTTP


ENDINGS = {
    "chunked body, properly ended": [LAST_CHUNK],
    "chunked body, TCP reset": [RESET],
    "close-delimited body": [CLOSE],
}


def script_of(case):
    assert case["generator"] is None, "a body in words: say here how it is made"
    parts = [b64decode(part) for part in case["parts_base64"]]
    headers = {
        name.strip(): value.strip() for name, _, value in (line.partition(":") for line in case["headers"].splitlines())
    }
    described = {"status": case["status"], "content_type": case["content_type"], **headers}
    ending = ENDINGS[case["ending"]]
    return [head(**described), *parts, *ending] if ending == [CLOSE] else [*chunked(*parts, **described), *ending]


class Told:
    """What `create(stream=True)` and `stream()` came to, one after the other, on one client."""

    def __init__(self):
        self.events = []
        self.chunks = []
        self.chunk_error = None
        self.outcome = None

    def check(self, expect):
        outcome = self.outcome
        check_fault(expect, outcome)
        assert [told.model_dump() for told in self.chunks] == [
            event.chunk.model_dump() for event in outcome.events if event.type == "chunk"
        ]
        assert type(self.chunk_error) is type(outcome.error)
        assert str(self.chunk_error) == str(outcome.error)
        if outcome.error is not None:
            assert self.chunk_error.completion == outcome.error.completion
            assert self.chunk_error.request_id == outcome.error.request_id == "req_wire"


def check_over_http(case, library=httpx):
    with WireServer(script_of(case)) as server, sync_client(server, library) as client:
        told = Told()
        completions = client.chat.completions
        try:
            with completions.create(**ASK, stream=True) as stream:
                for chunk in stream:
                    told.chunks.append(chunk)
        except ChatStreamError as error:
            told.chunk_error = error
        check_rest(client)
        stream, failure = completions.stream(**ASK), None
        try:
            with stream:
                for event in stream:
                    told.events.append(event)
        except ChatStreamError as error:
            failure = error
        check_rest(client)
        told.outcome = Outcome(told.events, failure, stream)
        told.check(case["expect"])
        assert len(server.requests) == 2


async def check_over_http_async(case, library=httpx):
    with WireServer(script_of(case)) as server:
        async with async_client(server, library) as client:
            told = Told()
            completions = client.chat.completions
            try:
                async with await completions.create(**ASK, stream=True) as stream:
                    async for chunk in stream:
                        told.chunks.append(chunk)
            except ChatStreamError as error:
                told.chunk_error = error
            check_rest(client)
            stream, failure = completions.stream(**ASK), None
            try:
                async with stream:
                    async for event in stream:
                        told.events.append(event)
            except ChatStreamError as error:
                failure = error
            check_rest(client)
            told.outcome = Outcome(told.events, failure, stream)
            told.check(case["expect"])
            assert len(server.requests) == 2


@pytest.mark.conformance("faults.json")
def test_each_shared_fault_is_told_over_http_as_what_it_is(case):
    check_over_http(case)


@pytest.mark.anyio
@pytest.mark.conformance("faults.json")
async def test_each_shared_fault_is_told_over_http_the_same_without_blocking(case):
    await check_over_http_async(case)


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
@pytest.mark.parametrize("case", FAULTS, ids=lambda case: case["name"])
def test_each_fault_of_our_own_is_told_over_http_as_what_it_is(case, library):
    check_over_http(case, library)


@pytest.mark.anyio
@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
@pytest.mark.parametrize("case", FAULTS, ids=lambda case: case["name"])
async def test_each_fault_of_our_own_is_told_over_http_the_same_without_blocking(case, library):
    await check_over_http_async(case, library)


def test_a_stream_that_broke_off_is_not_asked_for_again():
    script = [*chunked(H), RESET]
    with WireServer(script) as server, sync_client(server, max_retries=2) as client:
        with client.chat.completions.stream(**ASK) as stream, pytest.raises(StreamInterruptedError) as raised:
            stream.until_done()
        assert raised.value.completion.choices[0].message.content == "H"
        with client.chat.completions.create(**ASK, stream=True) as chunks, pytest.raises(StreamInterruptedError):
            list(chunks)
        assert len(server.requests) == 2


# Answers that are read whole

ASKS = {
    "create": lambda completions: completions.create(**ASK),
    "retrieve": lambda completions: completions.retrieve("chatcmpl-1"),
    "update": lambda completions: completions.update("chatcmpl-1", metadata={"a": "b"}),
    "list": lambda completions: completions.list(),
    "delete": lambda completions: completions.delete("chatcmpl-1"),
    "messages": lambda completions: completions.messages.list("chatcmpl-1"),
}
COMPLETIONS = ["create", "retrieve", "update"]
OBJECTS = ["list", "delete", "messages"]
OOPS = "500 Internal Server Error"
SLOW_DOWN = "429 Too Many Requests"
ZIPPED = gzip.compress(COMPLETION, mtime=0)
DEEP = b'{"choices": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
JSON_ERROR = b'{"error": {"message": "boom", "type": "server_error", "code": "c"}}'

# What comes, whom it is an answer to, and what that is: the class, then attributes.
ANSWERS = {
    "html": (whole(b"<html>Login</html>", content_type="text/html"), [*ASKS], NotAStreamError, {"content_type": "text/html"}),
    "an-error-with-200": (whole(JSON_ERROR), [*ASKS], APIStreamError, {"message": "boom", "code": "c", "type": "server_error"}),
    "a-stream-to-who-wants-an-object": (WHOLE_HI, OBJECTS, NotAStreamError, {}),
    "shorter-than-its-length": ([head(content_type="application/json", content_length=len(COMPLETION) + 1) + COMPLETION, CLOSE], [*ASKS], StreamInterruptedError, {}),
    "half-of-its-length": ([head(content_type="application/json", content_length=len(COMPLETION)) + COMPLETION[:90], CLOSE], [*ASKS], StreamInterruptedError, {}),
    "chunked-cut": ([*chunked(COMPLETION[:90], content_type="application/json"), CLOSE], [*ASKS], StreamInterruptedError, {}),
    "chunked-without-its-end": ([*chunked(COMPLETION, content_type="application/json"), CLOSE], [*ASKS], StreamInterruptedError, {}),
    "chunk-size-that-is-none": ([head(transfer_encoding="chunked") + b"zz\r\n", CLOSE], [*ASKS], StreamInterruptedError, {}),
    "reset": ([*chunked(COMPLETION[:90], content_type="application/json"), RESET], [*ASKS], StreamInterruptedError, {}),
    "gzip-cut": (whole(ZIPPED[:-20], content_encoding="gzip"), [*ASKS], StreamInterruptedError, {}),
    "gzip-without-its-trailer": (whole(ZIPPED[:-8], content_encoding="gzip"), [*ASKS], StreamInterruptedError, {}),
    "gzip-that-is-none": (whole(COMPLETION, content_encoding="gzip"), [*ASKS], StreamInterruptedError, {}),
    "empty-completion": (whole(b""), COMPLETIONS, IncompleteStreamError, {}),
    "empty-object": (whole(b""), OBJECTS, NotAStreamError, {}),
    "no-content": ([head("204 No Content")], COMPLETIONS, IncompleteStreamError, {}),
    "a-list": (whole(b"[]"), [*ASKS], NotAStreamError, {}),
    "a-number": (whole(b"42"), [*ASKS], NotAStreamError, {}),
    "a-string": (whole(b'"x"'), [*ASKS], NotAStreamError, {}),
    "null": (whole(b"null"), [*ASKS], NotAStreamError, {}),
    "an-empty-object": (whole(b"{}"), COMPLETIONS, NotAStreamError, {}),
    "a-list-to-who-wants-a-completion": (whole(b'{"object": "list", "data": []}'), COMPLETIONS, NotAStreamError, {}),
    "a-completion-to-who-wants-a-list": (whole(), ["list", "messages"], NotAStreamError, {}),
    "half-of-an-object": (whole(b'{"id": '), [*ASKS], IncompleteStreamError, {}),
    "deep": (whole(DEEP), [*ASKS], StreamLimitError, {"limit": "max_depth"}),
    "500-html": (whole(b"<html>oops</html>", OOPS, content_type="text/html"), [*ASKS], InternalServerError, {"status_code": 500, "body": "<html>oops</html>"}),
    "404-of-nothing": (whole(b"", "404 Not Found"), [*ASKS], NotFoundError, {"status_code": 404}),
    "404-cut": ([head("404 Not Found", content_length=99) + b"gon", CLOSE], [*ASKS], NotFoundError, {"status_code": 404, "body": "gon"}),
    "429-gzip-cut": (whole(gzip.compress(b"slow down" * 99, mtime=0)[:-9], SLOW_DOWN, content_encoding="gzip"), [*ASKS], RateLimitError, {"status_code": 429}),
    "429-deep": (whole(DEEP, SLOW_DOWN), [*ASKS], RateLimitError, {"status_code": 429}),
}  # fmt: skip
TABLE = [
    pytest.param(script, ask, error, about, id=f"{name}-{ask}")
    for name, (script, asks, error, about) in ANSWERS.items()
    for ask in asks
]


def check_told(error, expected, about):
    assert isinstance(error, expected), error
    assert error.request_id == "req_wire"
    assert {name: getattr(error, name) for name in about} == about
    assert KEY not in f"{error!r} {error} {error.__cause__!r}"


@pytest.mark.parametrize(("script", "ask", "expected", "about"), TABLE)
def test_an_answer_that_is_none_is_told_as_what_it_is(script, ask, expected, about):
    with WireServer(script) as server, sync_client(server, timeout=5) as client:
        with pytest.raises(ChatStreamError) as raised:
            ASKS[ask](client.chat.completions)
        check_told(raised.value, expected, about)


@pytest.mark.anyio
@pytest.mark.parametrize(("script", "ask", "expected", "about"), TABLE)
async def test_an_answer_that_is_none_is_told_the_same_without_blocking(script, ask, expected, about):
    with WireServer(script) as server:
        async with async_client(server, timeout=5) as client:
            with pytest.raises(ChatStreamError) as raised:
                await ASKS[ask](client.chat.completions)
            check_told(raised.value, expected, about)


@pytest.mark.parametrize("ask", COMPLETIONS)
def test_a_stream_that_was_not_asked_for_is_read_all_the_same(ask):
    with WireServer(WHOLE_HI) as server, sync_client(server) as client:
        completion = ASKS[ask](client.chat.completions)
        assert completion.choices[0].message.content == "Hi"
        assert completion.response.request_id == "req_wire"


@pytest.mark.anyio
async def test_what_is_no_http_is_no_answer():
    for script in ([b"SSH-2.0-nothing\r\n", CLOSE], [CLOSE], [b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000, STALL]):
        with WireServer(script) as server:
            with sync_client(server, timeout=5) as client, pytest.raises(APIConnectionError) as raised:
                client.chat.completions.create(**ASK)
            assert not isinstance(raised.value, APIStatusError | StreamInterruptedError)
            async with async_client(server, timeout=5) as client:
                with pytest.raises(APIConnectionError):
                    await client.chat.completions.create(**ASK)


LARGE = whole(b"x" * (10 * 2**20), SLOW_DOWN, content_type="text/plain")
ENDLESS = [head(SLOW_DOWN, transfer_encoding="chunked", content_type="text/plain"), *[chunk_of(b"x" * 2**16)] * 4000]


@pytest.mark.anyio
@pytest.mark.parametrize("script", [LARGE, ENDLESS], ids=["10-MiB", "250-MiB"])
@pytest.mark.parametrize("ask", ["create", "list", "stream"])
async def test_of_the_body_of_a_refusal_64_kib_are_read_and_the_connection_is_closed(script, ask):
    asks = {**ASKS, "stream": lambda completions: completions.create(**ASK, stream=True)}
    with WireServer(script) as server:
        with sync_client(server) as client:
            with pytest.raises(RateLimitError) as raised:
                asks[ask](client.chat.completions)
            check_large(raised.value, server, client, 0)
        async with async_client(server) as client:
            with pytest.raises(RateLimitError) as raised:
                await asks[ask](client.chat.completions)
            check_large(raised.value, server, client, 1)


def check_large(error, server, client, number):
    assert error.body == "x" * 2**16
    assert pool_of(client) == []
    server.saw_the_end(number)
    assert server.connections[number].ended == "reset"  # it could not send all that it had
    assert server.connections[number].sent < 10 * 2**20


@pytest.mark.anyio
async def test_a_refusal_whose_body_stalls_is_told_with_what_came_of_it():
    with WireServer([head(SLOW_DOWN, content_length=99) + b"slow", STALL]) as server:
        with sync_client(server, timeout=0.3) as client:
            with pytest.raises(RateLimitError) as raised:
                client.chat.completions.create(**ASK)
            assert (raised.value.body, pool_of(client)) == ("slow", [])
            assert raised.value.headers["content-length"] == "99"
        async with async_client(server, timeout=0.3) as client:
            with pytest.raises(RateLimitError) as raised:
                await client.chat.completions.create(**ASK)
            assert (raised.value.body, pool_of(client)) == ("slow", [])


# Redirects


def redirect(location, status="307 Temporary Redirect"):
    return whole(b"", status, location=location)


MOVED = ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]


@pytest.mark.anyio
@pytest.mark.parametrize("status", MOVED)
async def test_a_redirected_post_is_not_sent_on(status):
    with WireServer(whole()) as other, WireServer(lambda _: redirect(f"{other.origin}/v1/x", status)) as server:
        with sync_client(server, max_retries=2) as client:
            for options in ({}, {"stream": True}):
                with pytest.raises(APIStatusError, match="redirects") as raised:
                    client.chat.completions.create(**ASK, **options)
                check_told(raised.value, APIStatusError, {"status_code": int(status[:3])})
        async with async_client(server, max_retries=2) as client:
            with pytest.raises(APIStatusError, match="redirects"):
                await client.chat.completions.create(**ASK)
        assert len(server.requests) == 3
        assert other.connections == []


@pytest.mark.parametrize(
    "location", ["/v1/elsewhere", "elsewhere", "//{host}/v1/elsewhere", "http://{host}/v1/elsewhere"]
)
def test_a_redirected_post_is_not_sent_on_within_its_origin_either(location):
    def script(request):
        return redirect(location.format(host=request.headers["host"]))

    with WireServer(script) as server, sync_client(server) as client:
        with pytest.raises(APIStatusError):
            client.chat.completions.create(**ASK)
        assert len(server.requests) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("location", ["/v1/elsewhere", "//{host}/v1/elsewhere", "http://{host}/v1/elsewhere"])
async def test_a_redirected_get_is_followed_within_its_origin(location):
    def script(request):
        return whole() if "elsewhere" in request.path else redirect(location.format(host=request.headers["host"]))

    with WireServer(script) as server:
        with sync_client(server) as client:
            assert client.chat.completions.retrieve("chatcmpl-1").id == "chatcmpl-1"
        async with async_client(server) as client:
            assert (await client.chat.completions.retrieve("chatcmpl-1")).id == "chatcmpl-1"
        assert [request.path for request in server.requests] == ["/v1/chat/completions/chatcmpl-1", "/v1/elsewhere"] * 2
        assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {KEY}"}


@pytest.mark.anyio
async def test_a_redirected_get_is_not_sent_to_another_origin():
    with WireServer(whole()) as other, WireServer(lambda _: redirect(f"{other.origin}/v1/x")) as server:
        with sync_client(server) as client, pytest.raises(APIStatusError, match="redirects"):
            client.chat.completions.retrieve("chatcmpl-1")
        async with async_client(server) as client:
            with pytest.raises(APIStatusError, match="redirects"):
                await client.chat.completions.list()
        assert len(server.requests) == 2
        assert other.connections == []


def test_the_key_stays_where_it_was_although_the_http_client_follows_redirects():
    with WireServer(whole()) as other, WireServer(lambda _: redirect(f"{other.origin}/v1/x")) as server:
        for library in (httpx, httpx2):
            with sync_client(server, library, http={"follow_redirects": True}) as client:
                for ask in ("retrieve", "create"):
                    with pytest.raises(APIStatusError):
                        ASKS[ask](client.chat.completions)
        assert other.connections == []


@pytest.mark.anyio
async def test_redirects_in_a_circle_end():
    with WireServer(lambda request: redirect(request.path)) as server:
        with sync_client(server, max_retries=2) as client, pytest.raises(APIStatusError):
            client.chat.completions.retrieve("chatcmpl-1")
        assert len(server.requests) == 6
        async with async_client(server, max_retries=2) as client:
            with pytest.raises(APIStatusError):
                await client.chat.completions.retrieve("chatcmpl-1")
        assert len(server.requests) == 12


HOSTILE = [
    None, "", "http://", "//", "https://{host}/v1/x", "ftp://{host}/x", "file:///etc/passwd", "javascript:alert(1)", "http://[", "http://[::1",
    "http://{host}:99999/x", "http://{host}:x/y", "http://{host}@elsewhere.invalid/", "http://user:pass@elsewhere.invalid/x", "//elsewhere.invalid/x",
    "\\\\elsewhere.invalid\\x", "http:\\\\elsewhere.invalid\\x", "http://\x80\xff/", "http://a b/", "http://" + "a" * 30_000,
]  # fmt: skip


@pytest.mark.anyio
@pytest.mark.parametrize("location", HOSTILE, ids=range(len(HOSTILE)))
async def test_a_hostile_location_is_one_of_our_errors(location):
    def script(request):
        return redirect(location and location.replace("{host}", request.headers["host"]))

    with WireServer(script) as server:
        kinds = (APIStatusError, APIConnectionError, StreamProtocolError)
        with sync_client(server) as client, pytest.raises(kinds) as raised:
            client.chat.completions.retrieve("chatcmpl-1")
        assert "pass" not in str(raised.value)
        async with async_client(server) as client:
            with pytest.raises(kinds):
                await client.chat.completions.retrieve("chatcmpl-1")


# Retries


class Waits:
    """A sleep that is written down instead of slept; awaited or not."""

    def __init__(self):
        self.seconds = []

    def __call__(self, seconds):
        self.seconds.append(seconds)

    async def wait(self, seconds):
        self.seconds.append(seconds)


def refused(status, **headers):
    return whole(b'{"error": {"message": "no"}}', status, **headers)


HI_AS = {"create": whole(), "stream": WHOLE_HI}
RETRIED = {
    "429-retry-after": ([refused(SLOW_DOWN, retry_after="3")], [3.0]),
    "429-retry-after-ms": ([refused(SLOW_DOWN, retry_after_ms="250", retry_after="3")], [0.25]),
    "500-twice": ([refused(OOPS)] * 2, [0.5, 1.0]),
    "408-and-409": ([refused("408 Request Timeout"), refused("409 Conflict")], [0.5, 1.0]),
    "reset-before-anything": ([[RESET]], [0.5]),
    "closed-before-anything": ([[CLOSE]] * 2, [0.5, 1.0]),
    "reset-in-the-head": ([[b"HTTP/1.1 200 OK\r\nconte", RESET]], [0.5]),
    "refused-and-cut": ([[head(OOPS, content_length=99) + b"oo", RESET]], [0.5]),
    "asked-to": ([refused("400 Bad Request", x_should_retry="true")], [0.5]),
}


@pytest.mark.parametrize("kind", ["create", "stream"])
@pytest.mark.parametrize("name", RETRIED)
def test_what_may_pass_is_tried_again(name, kind):
    scripts, seconds = RETRIED[name]
    waits = Waits()
    with (
        WireServer(*scripts, HI_AS[kind]) as server,
        sync_client(server, sleep=waits, random=lambda: 0, max_retries=2) as client,
    ):
        completions = client.chat.completions
        if kind == "create":
            answer = completions.create(**ASK, idempotency_key="once")
            assert answer.choices[0].message.content == "Hi"
        else:
            answer = completions.stream(**ASK, idempotency_key="once").until_done()
            assert answer.final_content() == "Hi"
        check_attempts(answer, server, scripts)
        assert waits.seconds == seconds


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["create", "stream"])
@pytest.mark.parametrize("name", RETRIED)
async def test_what_may_pass_is_tried_again_without_blocking(name, kind):
    scripts, seconds = RETRIED[name]
    waits = Waits()
    with WireServer(*scripts, HI_AS[kind]) as server:
        async with async_client(server, sleep=waits.wait, random=lambda: 0, max_retries=2) as client:
            completions = client.chat.completions
            if kind == "create":
                answer = await completions.create(**ASK, idempotency_key="once")
                assert answer.choices[0].message.content == "Hi"
            else:
                answer = await completions.stream(**ASK, idempotency_key="once").until_done()
                assert await answer.final_content() == "Hi"
            check_attempts(answer, server, scripts)
            assert waits.seconds == seconds


def check_attempts(answer, server, scripts):
    assert answer.response.retries == len(scripts)
    assert len(server.requests) == len(scripts) + 1
    assert {request.headers["idempotency-key"] for request in server.requests} == {"once"}
    assert len({request.body for request in server.requests}) == 1


FINAL = {
    "asked-not-to": (refused(OOPS, x_should_retry="false"), InternalServerError),
    "too-long-a-wait": (refused(SLOW_DOWN, retry_after="121"), RateLimitError),
    "not-found": (refused("404 Not Found"), NotFoundError),
    "a-stream-that-is-cut": ([*chunked(H), CLOSE], StreamInterruptedError),
    "an-answer-that-is-cut": ([head(content_length=999), COMPLETION, CLOSE], StreamInterruptedError),
    "an-answer-of-which-nothing-came": ([head(content_length=999), RESET], StreamInterruptedError),
    "an-error-with-200": (whole(JSON_ERROR), APIStreamError),
    "html": (whole(b"<html>"), NotAStreamError),
}


@pytest.mark.anyio
@pytest.mark.parametrize("name", FINAL)
async def test_what_will_not_pass_is_not_tried_again(name):
    script, expected = FINAL[name]
    waits = Waits()
    with WireServer(script) as server:
        with sync_client(server, sleep=waits, max_retries=2) as client:
            with pytest.raises(expected):
                client.chat.completions.create(**ASK)
            with pytest.raises(expected):
                client.chat.completions.stream(**ASK).until_done()
        async with async_client(server, sleep=waits.wait, max_retries=2) as client:
            with pytest.raises(expected):
                await client.chat.completions.create(**ASK)
            with pytest.raises(expected):
                await client.chat.completions.stream(**ASK).until_done()
        assert len(server.requests) == 4
        assert waits.seconds == []


@pytest.mark.anyio
async def test_after_the_last_retry_the_error_of_the_last_attempt_is_raised():
    scripts = [refused(OOPS), refused(SLOW_DOWN), whole(b"third", "503 Service Unavailable", content_type="text/plain")]
    with WireServer(*scripts, *scripts) as server:
        with sync_client(server, sleep=Waits(), max_retries=2) as client, pytest.raises(InternalServerError) as raised:
            client.chat.completions.create(**ASK)
        assert (raised.value.status_code, raised.value.body, len(server.requests)) == (503, "third", 3)
        async with async_client(server, sleep=Waits().wait, max_retries=2) as client:
            with pytest.raises(InternalServerError) as raised:
                await client.chat.completions.create(**ASK)
        assert (raised.value.status_code, raised.value.body, len(server.requests)) == (503, "third", 6)


def test_a_refusal_that_is_there_to_its_end_gives_its_connection_back_to_the_next_attempt():
    with WireServer(refused(OOPS), whole()) as server, sync_client(server, sleep=Waits(), max_retries=1) as client:
        client.chat.completions.create(**ASK)
        assert [request.connection for request in server.requests] == [0, 0]


def test_a_pooled_connection_that_the_server_has_closed_is_noticed():
    with WireServer([*whole(), CLOSE], whole()) as server, sync_client(server) as client:
        client.chat.completions.create(**ASK)
        server.saw_the_end()
        eventually(lambda: client.chat.completions.create(**ASK).id == "chatcmpl-1")
        assert [request.connection for request in server.requests] == [0, 1]
