"""What may be streamed from, sync and async; and what becomes of it."""

import gzip
import io
import json

import anyio
import brotli
import httpx
import httpx2
import httpx_sse
import openai
import pytest
import zstandard

from chatstream.ends import Limits
from chatstream.errors import (
    APIConnectionError,
    APIStatusError,
    APIStreamError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    IncompleteStreamError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    StreamConsumedError,
    StreamInterruptedError,
    StreamProtocolError,
    UnprocessableEntityError,
)
from chatstream.recording import Recording
from chatstream.stream import AsyncChatCompletionStream, ChatCompletionStream
from chatstream.types import ChatCompletionChunk, build
from own_cases import HI, STOP, USAGE
from sources_for_tests import (
    AsyncBody,
    AsyncReads,
    Body,
    Reads,
    async_response,
    response,
    through_async_stream,
    through_stream,
)
from wire import block, byte_by_byte, chunk, wire

pytestmark = pytest.mark.anyio

CHUNKS = [*HI, {**chunk(), "choices": [], "usage": USAGE}]
DATA = wire(CHUNKS)
TYPES = [
    "chunk",
    "chunk",
    "content.delta",
    "chunk",
    "content.delta",
    "chunk",
    "content.done",
    "choice.done",
    "chunk",
    "usage",
    "end",
]
PIECES = byte_by_byte(DATA)


def check(outcome, *, done_seen=True):
    assert outcome.error is None
    assert outcome.types == TYPES
    assert outcome.completion.choices[0].message.content == "Hi"
    assert outcome.completion.usage.total_tokens == 7
    assert (outcome.end.kind, outcome.end.done_seen) == ("complete", done_seen)


def sse_events():
    return [httpx_sse.ServerSentEvent(data=json.dumps(one)) for one in CHUNKS] + [
        httpx_sse.ServerSentEvent(data="[DONE]")
    ]


def our_models():
    return [build(ChatCompletionChunk, one) for one in CHUNKS]


def sdk_models():
    return [openai.types.chat.ChatCompletionChunk.model_validate(one) for one in CHUNKS]


# What is here already, or can be iterated: sync and async take it alike

PLAIN = {
    "bytes": (lambda: DATA, True),
    "bytearray": (lambda: bytearray(DATA), True),
    "memoryview": (lambda: memoryview(DATA), True),
    "list of bytes": (lambda: [DATA], True),
    "list of single bytes": (lambda: PIECES, True),
    "generator of bytes": (lambda: (one for one in PIECES), True),
    "tuple of bytearrays and memoryviews": (lambda: (bytearray(DATA[:50]), memoryview(DATA)[50:]), True),
    "list of str": (lambda: DATA.decode().splitlines(keepends=True), True),
    "str cut inside a character's neighbours": (lambda: list(DATA.decode()), True),
    "file opened for bytes": (lambda: io.BytesIO(DATA), True),
    "file opened for text": (lambda: io.StringIO(DATA.decode()), True),
    "list of dicts": (lambda: CHUNKS, None),
    "generator of dicts": (lambda: (one for one in CHUNKS), None),
    "our chunk models": (our_models, None),
    "the SDK's chunk models": (sdk_models, None),
    "models of both and dicts": (lambda: [*our_models()[:2], *sdk_models()[2:3], *CHUNKS[3:]], None),
    "server-sent events": (sse_events, True),
    "a recording": (lambda: Recording.parse(DATA), True),
}


@pytest.mark.parametrize(("make", "done_seen"), PLAIN.values(), ids=PLAIN)
async def test_both_streams_read(make, done_seen):
    check(through_stream(make()), done_seen=done_seen)
    check(await through_async_stream(make()), done_seen=done_seen)


ASYNC = {name: make for name, make in PLAIN.items() if "of" in name or "models" in name or name == "server-sent events"}


@pytest.mark.parametrize(("make", "done_seen"), ASYNC.values(), ids=ASYNC)
async def test_the_async_stream_reads_the_same_from_an_async_iterable(make, done_seen):
    check(await through_async_stream(AsyncReads(make())), done_seen=done_seen)

    async def generator():
        for one in make():
            await anyio.lowlevel.checkpoint()
            yield one

    check(await through_async_stream(generator()), done_seen=done_seen)


async def test_an_async_generator_that_was_broken_off_is_closed():
    closed = []

    async def generator():
        try:
            for one in CHUNKS:
                await anyio.lowlevel.checkpoint()
                yield one
        finally:
            await anyio.lowlevel.checkpoint()
            closed.append(True)

    async with AsyncChatCompletionStream(generator()) as stream:
        await anext(stream)
    assert closed == [True]


async def test_a_generator_that_was_broken_off_is_closed():
    closed = []

    def generator():
        try:
            yield from CHUNKS
        finally:
            closed.append(True)

    with ChatCompletionStream(generator()) as stream:
        next(stream)
    assert closed == [True]


async def test_a_file_that_is_yours_stays_open():
    file = io.BytesIO(DATA)
    check(through_stream(file))
    assert not file.closed


async def test_a_dict_that_is_changed_afterwards_changes_no_event():
    one = chunk({"content": "Hi"}, finish="stop")
    outcome = through_stream([one])
    one["choices"][0]["delta"]["content"] = "changed"
    one["choices"].clear()
    assert outcome.events[0].chunk.choices[0].delta.content == "Hi"
    assert outcome.events[0].snapshot.choices[0].message.content == "Hi"


async def test_a_source_of_chunks_without_a_finish_is_incomplete():
    outcome = through_stream(CHUNKS[:3])
    assert isinstance(outcome.error, IncompleteStreamError)
    assert (outcome.end.kind, outcome.end.done_seen) == ("incomplete", None)


async def test_the_id_and_name_of_a_server_sent_event_are_kept_where_they_matter():
    events = [*sse_events()[:2], httpx_sse.ServerSentEvent(event="error", data="overloaded")]
    assert isinstance(through_stream(events).error, APIStreamError)


# Files

FILES = {
    "x.sse": DATA,
    "x.txt": DATA.replace(b"\n", b"\r\n"),
    "x.jsonl": b"".join(json.dumps(one).encode() + b"\n" for one in CHUNKS),
    "x.json": json.dumps(CHUNKS).encode(),
    "x.sse.gz": gzip.compress(DATA),
}


@pytest.mark.parametrize("name", FILES)
async def test_each_kind_of_file_is_read_by_its_path(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(FILES[name])
    done_seen = None if "json" in name else True
    for source in (path, str(path)):
        check(through_stream(source), done_seen=done_seen)
        check(await through_async_stream(source), done_seen=done_seen)


async def test_a_file_with_one_completion_is_delivered_as_it_is(tmp_path):
    answer = {
        "id": "1",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
        "usage": USAGE,
    }
    path = tmp_path / "x.json"
    path.write_text(json.dumps(answer))
    outcome = through_stream(path)
    assert outcome.completion.choices[0].message.content == "Hi"
    assert [one.kind for one in outcome.anomalies] == ["not_streamed"]


async def test_a_tape_is_read_by_its_path(tmp_path):
    path = tmp_path / "x.tape.jsonl"
    through_stream(PIECES, record=path)
    check(through_stream(path))
    check(await through_async_stream(str(path)))


async def test_a_file_that_is_not_there_is_an_os_error_at_the_call(tmp_path):
    for made in (ChatCompletionStream, AsyncChatCompletionStream):
        with pytest.raises(FileNotFoundError):
            made(tmp_path / "none")
        with pytest.raises(IsADirectoryError):
            made(str(tmp_path))


async def test_an_empty_file_is_incomplete(tmp_path):
    (tmp_path / "x").write_bytes(b"")
    assert isinstance(through_stream(tmp_path / "x").error, IncompleteStreamError)


@pytest.mark.parametrize("text", ["data: {}\n\n", "data: [DONE]", "a\nb"])
async def test_a_str_that_is_no_path_is_refused_with_advice(text):
    for made in (ChatCompletionStream, AsyncChatCompletionStream):
        with pytest.raises(ValueError, match="path"):
            made(text)


@pytest.mark.parametrize("wrong", [None, 7, 1.5, object(), {"choices": []}, len])
async def test_what_cannot_be_streamed_from_is_a_type_error_that_says_what_can(wrong):
    for made in (ChatCompletionStream, AsyncChatCompletionStream):
        with pytest.raises(TypeError, match=r"cannot stream from .*: give bytes"):
            made(wrong)


async def test_an_async_source_is_none_for_the_sync_stream():
    for source in (AsyncReads([DATA]), async_response([DATA]), async_response([DATA], library=httpx2)):
        with pytest.raises(TypeError, match="AsyncChatCompletionStream"):
            ChatCompletionStream(source)


async def test_a_sync_response_is_none_for_the_async_stream():
    for library in (httpx, httpx2):
        with pytest.raises(TypeError, match="ChatCompletionStream"):
            AsyncChatCompletionStream(response([DATA], library=library))


# Responses

LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])


@LIBRARIES
async def test_a_response_is_read_as_it_comes_and_closed_at_the_end(library):
    for reads in ([DATA], PIECES):
        made = response(reads, library=library)
        check(through_stream(made))
        assert made.is_closed
        assert made.stream.reads.closed
        made = async_response(reads, library=library)
        check(await through_async_stream(made))
        assert made.is_closed
        assert made.stream.reads.closed


@LIBRARIES
async def test_a_response_is_closed_when_the_context_is_left(library):
    made = response([block(one) for one in CHUNKS], library=library)
    with ChatCompletionStream(made) as stream:
        next(stream)
    assert made.is_closed
    assert made.stream.reads.taken == 1
    made = async_response([block(one) for one in CHUNKS], library=library)
    async with AsyncChatCompletionStream(made) as stream:
        await anext(stream)
    assert made.is_closed
    assert made.stream.reads.taken == 1


@LIBRARIES
async def test_a_response_that_was_read_already_is_read_all_the_same(library):
    made = response([DATA], library=library)
    made.read()
    check(through_stream(made))
    check(await through_async_stream(made))
    check(through_stream(library.Response(200, content=DATA)))
    made = async_response([DATA], library=library)
    await made.aread()
    check(await through_async_stream(made))


@LIBRARIES
async def test_a_zipped_response_that_was_read_already_is_not_unzipped_twice(library):
    made = response([gzip.compress(DATA)], library=library, headers={"content-encoding": "gzip"})
    made.read()
    check(through_stream(made))


@LIBRARIES
async def test_a_response_whose_stream_somebody_else_has_read_is_told_so(library):
    made = response([DATA], library=library)
    list(made.iter_raw())
    with pytest.raises(StreamConsumedError):
        through_stream(made)
    closed = response([DATA], library=library)
    closed.close()
    with pytest.raises(StreamConsumedError):
        through_stream(closed)
    made = async_response([DATA], library=library)
    async for _ in made.aiter_raw():
        pass
    with pytest.raises(StreamConsumedError):
        await through_async_stream(made)


STATUSES = {
    400: BadRequestError, 401: AuthenticationError, 403: PermissionDeniedError, 404: NotFoundError, 409: ConflictError,
    422: UnprocessableEntityError, 429: RateLimitError, 418: APIStatusError, 500: InternalServerError, 503: InternalServerError,
}  # fmt: skip


@LIBRARIES
@pytest.mark.parametrize("status", STATUSES)
async def test_a_status_of_400_or_more_is_its_own_error_in_the_services_words(library, status):
    body = json.dumps({"error": {"message": "because", "type": "t", "code": "c", "param": "p"}}).encode()
    headers = {"x-request-id": "req_7", "content-type": "application/json"}
    read_already = response([body], library=library, status=status, headers=headers)
    read_already.read()
    errors = [
        through_stream_or_error(response(byte_by_byte(body), library=library, status=status, headers=headers)),
        through_stream_or_error(read_already),
        (
            await through_async_stream(
                async_response(byte_by_byte(body), library=library, status=status, headers=headers)
            )
        ).error,
    ]
    for error in errors:
        assert type(error) is STATUSES[status]
        assert (error.status_code, error.type, error.code, error.param, error.request_id) == (
            status,
            "t",
            "c",
            "p",
            "req_7",
        )
        assert error.headers["x-request-id"] == "req_7"
        assert error.body == json.loads(body)
        assert str(error) == f"{status} c: because"
        assert error.completion is None


def through_stream_or_error(source):
    """The error of a stream, whether it came at the call or while reading."""
    try:
        return through_stream(source).error
    except APIStatusError as error:
        return error


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "503"),
        (b"<html>", "503"),
        (b"{", "503"),
        (b'{"error": "busy"}', "busy"),
        (b'[{"error": {"message": "busy"}}]', "busy"),
        (b'{"message": "busy"}', "503"),
        (b"\xff\xfe", "503"),
    ],
)
async def test_whatever_the_body_of_an_error_is_the_status_is_told(body, says):
    error = through_stream(response([body], status=503)).error
    assert isinstance(error, InternalServerError)
    assert says in str(error)


async def test_the_body_of_an_error_is_read_up_to_a_bound():
    body = Body(b"x" * 1000 for _ in range(10**6))
    made = httpx.Response(500, stream=body)
    error = through_stream(made).error
    assert isinstance(error, InternalServerError)
    assert body.reads.taken < 100
    assert body.reads.closed
    assert len(error.body) <= 64 * 1024


async def test_an_error_whose_body_breaks_off_is_still_that_status():
    error = through_stream(response([b"half a wo"], httpx.ReadError("reset"), status=500)).error
    assert isinstance(error, InternalServerError)
    assert error.body == "half a wo"
    error = (await through_async_stream(async_response([], httpx.ReadTimeout("slow"), status=429))).error
    assert isinstance(error, RateLimitError)


@LIBRARIES
async def test_redirects_and_odd_statuses_below_400_are_read(library):
    check(through_stream(response([DATA], library=library, status=203)))


@LIBRARIES
@pytest.mark.parametrize("name", ["httpx", "mid-event"])
async def test_a_reset_in_a_response_is_an_interruption_with_what_had_arrived(library, name):
    reads = [block(HI[1]), block(HI[2])[:20]]
    for error_class in (library.ReadError, library.RemoteProtocolError):
        outcome = through_stream(response(reads, error_class("peer closed connection"), library=library))
        assert isinstance(outcome.error, StreamInterruptedError)
        assert isinstance(outcome.error, APIConnectionError)
        assert outcome.error.completion.choices[0].message.content == "H"
        outcome = await through_async_stream(
            async_response(reads, error_class("peer closed connection"), library=library)
        )
        assert isinstance(outcome.error, StreamInterruptedError)
        assert outcome.error.completion.choices[0].message.content == "H"


@LIBRARIES
async def test_a_timeout_in_a_response_is_a_timeout(library):
    outcome = through_stream(response([block(HI[1])], library.ReadTimeout("slow"), library=library))
    assert isinstance(outcome.error, APITimeoutError)
    assert outcome.error.phase == "idle"
    outcome = await through_async_stream(async_response([], library.ReadTimeout("slow"), library=library))
    assert outcome.error.phase == "first_byte"


@LIBRARIES
@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
async def test_a_zipped_response_is_read_as_it_comes_and_its_cut_is_noticed(library, encoding):
    headers = {"content-encoding": encoding}
    data = gzip.compress(wire(CHUNKS, done=False))
    for reads in ([data], byte_by_byte(data)):
        assert through_stream(response(reads, library=library, headers=headers)).end.kind == "no_done"
        outcome = await through_async_stream(
            async_response(reads[:-1] or [data[:-1]], library=library, headers=headers)
        )
        assert isinstance(outcome.error, StreamInterruptedError)
        assert outcome.error.completion.choices[0].message.content == "Hi"


async def test_a_bomb_is_met_by_the_limits_before_it_fills_the_memory():
    bomb = gzip.compress(b"data: " + b" " * (8 * 2**20))
    limits = Limits(max_event_size=2**20)
    outcome = through_stream(response([bomb], headers={"content-encoding": "gzip"}), limits=limits)
    assert type(outcome.error).__name__ == "StreamLimitError"


@LIBRARIES
async def test_an_encoding_is_told_by_its_header_and_never_guessed(library):
    unknown = {"content-encoding": "something"}
    assert isinstance(through_stream(response([DATA], library=library, headers=unknown)).error, StreamProtocolError)
    outcome = await through_async_stream(async_response([DATA], library=library, headers=unknown))
    assert isinstance(outcome.error, StreamProtocolError)
    for encoding, packed in (("identity", DATA), ("br", brotli.compress(DATA)), ("zstd", zstandard.compress(DATA))):
        headers = {"content-encoding": encoding}
        check(through_stream(response([packed], library=library, headers=headers)))
        check(await through_async_stream(async_response(byte_by_byte(packed), library=library, headers=headers)))


# httpx clients, and what stands on their responses

# Their async generators hold others, and do not close them when they are closed; trio says so, and only they can mend it.
nested_generators_of_others = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <async_generator object:pytest.PytestUnraisableExceptionWarning"
)


def handler(library, data=DATA, status=200):
    def handle(request):
        return library.Response(
            status, headers={"content-type": "text/event-stream", "x-request-id": "req_7"}, stream=Body([data])
        )

    return handle


def async_handler(library, data=DATA, status=200):
    async def handle(request):
        return library.Response(
            status, headers={"content-type": "text/event-stream", "x-request-id": "req_7"}, stream=AsyncBody([data])
        )

    return handle


@nested_generators_of_others
@LIBRARIES
async def test_a_clients_stream_is_read(library):
    with (
        library.Client(transport=library.MockTransport(handler(library))) as client,
        client.stream("POST", "http://t") as made,
    ):
        check(through_stream(made))
    async with (
        library.AsyncClient(transport=library.MockTransport(async_handler(library))) as client,
        client.stream("POST", "http://t") as made,
    ):
        check(await through_async_stream(made))


async def test_an_event_source_is_read_and_closed():
    made = response(PIECES)
    check(through_stream(httpx_sse.EventSource(made)))
    assert made.is_closed
    made = async_response(PIECES)
    check(await through_async_stream(httpx_sse.EventSource(made)))
    assert made.is_closed


@nested_generators_of_others
async def test_an_event_source_of_a_client_is_read():
    with (
        httpx.Client(transport=httpx.MockTransport(handler(httpx))) as client,
        httpx_sse.connect_sse(client, "POST", "http://t") as source,
    ):
        check(through_stream(source))
    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(async_handler(httpx))) as client,
        httpx_sse.aconnect_sse(client, "POST", "http://t") as source,
    ):
        check(await through_async_stream(source))


@nested_generators_of_others
async def test_the_events_of_an_event_source_are_read():
    check(through_stream(httpx_sse.EventSource(response(PIECES)).iter_sse()))
    check(await through_async_stream(httpx_sse.EventSource(async_response(PIECES)).aiter_sse()))


# The openai SDK


def sdk(data=DATA, failure=None):
    def handle(request):
        return httpx2.Response(
            200,
            headers={"content-type": "text/event-stream", "x-request-id": "req_7"},
            stream=Body(byte_by_byte(data), failure),
        )

    client = httpx2.Client(transport=httpx2.MockTransport(handle))
    return openai.OpenAI(api_key="k", base_url="http://t", http_client=client, max_retries=0)


def async_sdk(data=DATA, failure=None):
    async def handle(request):
        return httpx2.Response(
            200,
            headers={"content-type": "text/event-stream", "x-request-id": "req_7"},
            stream=AsyncBody(byte_by_byte(data), failure),
        )

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(handle))
    return openai.AsyncOpenAI(api_key="k", base_url="http://t", http_client=client, max_retries=0)


ASK = {"model": "m", "messages": [{"role": "user", "content": "Hi?"}], "stream": True}


async def test_the_sdks_stream_is_read_from_its_bytes_and_closed():
    with sdk() as client:
        source = client.chat.completions.create(**ASK)
        check(through_stream(source))
        assert source.response.is_closed


async def test_the_sdks_async_stream_is_read_from_its_bytes_and_closed():
    async with async_sdk() as client:
        source = await client.chat.completions.create(**ASK)
        check(await through_async_stream(source))
        assert source.response.is_closed


async def test_the_sdks_stream_can_be_broken_off():
    with sdk() as client:
        source = client.chat.completions.create(**ASK)
        with ChatCompletionStream(source) as stream:
            next(stream)
        assert source.response.is_closed
    async with async_sdk() as client:
        source = await client.chat.completions.create(**ASK)
        async with AsyncChatCompletionStream(source) as stream:
            await anext(stream)
        assert source.response.is_closed


async def test_the_sdks_stream_whose_response_was_read_is_read_as_chunks():
    def handle(request):
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=DATA)

    with openai.OpenAI(
        api_key="k", base_url="http://t", http_client=httpx2.Client(transport=httpx2.MockTransport(handle))
    ) as client:
        check(through_stream(client.chat.completions.create(**ASK)), done_seen=None)


@nested_generators_of_others
async def test_what_is_left_of_the_sdks_stream_is_read_as_chunks():
    with sdk() as client:
        source = client.chat.completions.create(**ASK)
        assert next(source).choices[0].delta.role == "assistant"
        outcome = through_stream(source)
        assert outcome.error is None
        assert outcome.types == TYPES[1:]
    async with async_sdk() as client:
        source = await client.chat.completions.create(**ASK)
        await anext(source)
        outcome = await through_async_stream(source)
        assert outcome.types == TYPES[1:]


async def test_an_iterator_over_the_sdks_stream_is_read():
    with sdk() as client:
        check(through_stream(one for one in client.chat.completions.create(**ASK)), done_seen=None)


@pytest.mark.parametrize(
    ("data", "failure", "expected"),
    [
        (block(HI[1]) + block({"error": {"message": "overloaded", "code": "c"}}), None, APIStreamError),
        (block(HI[1]), httpx2.ReadError("reset"), StreamInterruptedError),
        (block(HI[1]), httpx2.ReadTimeout("slow"), APITimeoutError),
        (block(HI[1]) + b"data: {\n\n", None, StreamProtocolError),
        (block(HI[1]), None, IncompleteStreamError),
    ],
)
async def test_what_goes_wrong_in_the_sdks_stream_is_one_of_our_errors(data, failure, expected):
    def handle(request):
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Body([data], failure))

    with openai.OpenAI(
        api_key="k",
        base_url="http://t",
        http_client=httpx2.Client(transport=httpx2.MockTransport(handle)),
        max_retries=0,
    ) as client:
        for iterated in (False, True):
            source = client.chat.completions.create(**ASK)
            outcome = through_stream((one for one in source) if iterated else source)
            assert isinstance(outcome.error, expected), (iterated, outcome.error)
            assert outcome.error.completion.choices[0].message.content == "H"


async def test_a_source_is_told_by_what_it_can_do_and_not_by_its_class():
    class Response:
        headers = {"Content-Type": "text/event-stream"}  # noqa: RUF012
        status_code = 200
        stream = ()
        closed = False

        def iter_raw(self):
            return iter(PIECES)

        def close(self):
            self.closed = True

    made = Response()
    check(through_stream(made))
    assert made.closed


async def test_reads_of_every_kind_may_follow_each_other_as_long_as_all_are_bytes():
    half = len(DATA) // 2
    check(through_stream([DATA[:10].decode(), bytearray(DATA[10:half]), memoryview(DATA)[half:], STOP["id"]]))
    assert Reads([]).closed == 0


def test_a_recording_of_a_refusal_raises_what_a_live_response_would():
    head = b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nX-Request-Id: r1\r\n\r\n"
    one = Recording.parse(head + b'{"error":{"message":"slow down","code":"busy"}}')
    with pytest.raises(RateLimitError, match="slow down") as caught, ChatCompletionStream(one) as stream:
        list(stream)
    assert (caught.value.status_code, caught.value.code, caught.value.request_id) == (429, "busy", "r1")
