"""Transports: what is recorded is what came, what is replayed is what was recorded, and the live stream does not notice."""

import gzip
import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate, pairwise
from typing import get_args

import anyio
import anyio.lowlevel
import httpx
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream import ChatCompletionStream
from chatstream.errors import RecordingError
from chatstream.recording import (
    AsyncRecordingTransport,
    AsyncReplayTransport,
    Fault,
    FaultName,
    Read,
    Recording,
    RecordingTransport,
    ReplayTransport,
    inject,
)
from chatstream.recording.recorder import Recorder

BOTH = pytest.mark.parametrize("library", [httpx, httpx2])
# On trio httpx and the SDKs leave generators of their own behind, where a stream is not read to its end.
LEAVES_GENERATORS = pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
URL = "http://service.test/v1/chat/completions"
BODY = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
DELTAS = [{"content": "One"}, {"content": " two"}, {"content": " three"}]
BLOCKS = [
    b"data: %b\n\n" % json.dumps({"id": "c", "choices": [{"index": 0, "delta": delta}]}).encode() for delta in DELTAS
] + [b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n', b"data: [DONE]\n\n"]


class Clock:
    """Seconds that pass when somebody says so."""

    def __init__(self):
        self.now = 0.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


class Body:
    """A live body: each read comes after its seconds, and then it ends, or breaks."""

    def __init__(self, reads, clock, error=None, rest=0.0):
        self.reads = reads
        self.clock = clock
        self.error = error
        self.rest = rest
        self.closed = 0

    def steps(self):
        for seconds, data in self.reads:
            self.clock.now += seconds
            yield data
        self.clock.now += self.rest
        if self.error is not None:
            raise self.error

    def __iter__(self):
        return self.steps()

    async def __aiter__(self):
        for data in self.steps():
            await anyio.lowlevel.checkpoint()
            yield data

    def close(self):
        self.closed += 1

    async def aclose(self):
        self.closed += 1


def live(library, reads, *, clock=None, head=0.0, headers=None, status=200, error=None, rest=0.0, is_async=False):
    """A transport that answers like a network."""
    clock = clock or Clock()
    kind = library.AsyncByteStream if is_async else library.SyncByteStream
    body = type("LiveBody", (Body, kind), {})(reads, clock, error, rest)

    def answer(request):
        clock.now += head
        return library.Response(status, headers=headers or {"content-type": "text/event-stream"}, stream=body)

    async def async_answer(request):
        return answer(request)

    base = library.AsyncBaseTransport if is_async else library.BaseTransport
    name = "handle_async_request" if is_async else "handle_request"
    transport = type("Live", (base,), {name: staticmethod(async_answer if is_async else answer)})()
    transport.body = body
    return transport


def read(library, transport, clock=None, **options):
    """An answer, when it came, its reads, each with the seconds at which it came, and the exception that ended it."""
    clock = clock or Clock()
    with library.Client(transport=transport) as client, client.stream("POST", URL, json=BODY, **options) as answer:
        begin = clock.now
        reads, error = [], None
        try:
            for data in answer.iter_raw():
                reads += [(clock.now, data)]
        except Exception as failure:  # noqa: BLE001  it is what is asked for
            error = failure
        return answer, begin, reads, error


async def aread(library, transport, clock):
    async with library.AsyncClient(transport=transport) as client, client.stream("POST", URL, json=BODY) as answer:
        begin = clock.now
        return answer, begin, [(clock.now, data) async for data in answer.aiter_raw()], None


def tape(*reads, end="eof", response=True, **members):
    """A recording of these reads; each is bytes, or seconds and bytes."""
    timed = [Read(*(one if isinstance(one, tuple) else (0.0, one))) for one in reads]
    head = {"status": 200, "headers": {"content-type": "text/event-stream"}} if response else None
    ended = end if isinstance(end, dict) else {"end": end}
    request = {"method": "POST", "url": "/v1/chat/completions", "body": BODY}
    return Recording(form="tape", name="tape", request=request, response=head, reads=timed, end=ended, **members)


def bytes_of(reads):
    return [data for _, data in reads]


# A replay is what was recorded


@st.composite
def bodies(draw):
    """Bytes, cut anywhere, each part with its milliseconds; and those before the head and before the end."""
    blocks = st.sampled_from([*BLOCKS, b": keep-alive\n\n", "data: \U0001f4a9é\r\n\r\n".encode(), b"\xff\x00\r"])
    whole = b"".join(draw(st.lists(blocks | st.binary(max_size=12), max_size=6)))
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    times = st.integers(0, 5000).map(lambda milliseconds: milliseconds / 1000)
    reads = [(draw(times), whole[start:stop]) for start, stop in pairwise([0, *cuts, len(whole)])]
    return reads, draw(times), draw(times)


def check_replay(library, path, body, replayed, clock):
    given_reads, head, rest = body
    (recording,) = Recording.load_all(path)
    assert [one.data for one in recording.reads] == bytes_of(given_reads)
    moments = [head + seconds for seconds in accumulate(seconds for seconds, _ in given_reads)]
    answer, begin, reads, error = replayed
    assert error is None
    assert isinstance(answer, library.Response)
    assert begin == pytest.approx(head, abs=1e-5)
    seen = [(moment, data) for moment, (_, data) in zip(moments, given_reads, strict=True) if data]  # httpx drops b""
    assert bytes_of(reads) == bytes_of(seen)
    assert [moment for moment, _ in reads] == pytest.approx([moment for moment, _ in seen], abs=1e-5)
    assert clock.now == pytest.approx(moments[-1] + rest, abs=1e-5)


@BOTH
@given(body=bodies())
def test_bytes_bounds_and_times_of_a_replay_are_those_of_the_recording(library, tmp_path_factory, body):
    reads, head, rest = body
    path = tmp_path_factory.mktemp("tapes") / "one.tape.jsonl"
    clock = Clock()
    inner = live(library, reads, clock=clock, head=head, rest=rest)
    recorded = read(library, RecordingTransport(path, transport=inner, clock=clock), clock)
    clock = Clock()
    replayed = read(library, ReplayTransport(path, sleep=clock.sleep), clock)
    check_replay(library, path, (reads, head, rest), replayed, clock)
    assert bytes_of(recorded[2]) == bytes_of(replayed[2])


@BOTH
@pytest.mark.anyio
async def test_the_same_holds_for_async_clients(library, tmp_path):
    for number, (reads, head, rest) in enumerate(
        [
            (
                [(0.1, BLOCKS[0]), (0.25, b""), (1.0, BLOCKS[1][:7]), (0.0, BLOCKS[1][7:]), (2.5, BLOCKS[-1])],
                0.5,
                0.125,
            ),
            ([(0.0, bytes(range(256))), (3.0, b"\xff")], 0.0, 0.0),
            ([(1.0, b"")], 0.0, 1.0),
        ]
    ):
        path = tmp_path / f"{number}.tape.jsonl"
        clock = Clock()
        inner = live(library, reads, clock=clock, head=head, rest=rest, is_async=True)
        await aread(library, AsyncRecordingTransport(path, transport=inner, clock=clock), clock)
        clock = Clock()
        replayed = await aread(library, AsyncReplayTransport(path, sleep=clock.sleep), clock)
        check_replay(library, path, (reads, head, rest), replayed, clock)


@BOTH
def test_every_shared_stream_is_replayed_as_it_came(library, conformance, tmp_path):
    cases = json.loads((conformance / "streams/index.json").read_text("utf-8"))["streams"]
    for case in cases:
        chunks = (conformance / case["file"]).read_bytes().splitlines()
        reads = [(0.01, b"data: %b\n\n" % chunk) for chunk in chunks] + [(0.0, b"data: [DONE]\n\n")]
        path = tmp_path / f"{case['name']}.tape.jsonl"
        read(library, RecordingTransport(path, transport=live(library, reads)))
        clock = Clock()
        _, _, replayed, error = read(library, ReplayTransport(path, sleep=clock.sleep), clock)
        assert bytes_of(replayed) == bytes_of(reads), case["name"]
        assert error is None
        with (
            library.Client(transport=ReplayTransport(path, speed=None)) as client,
            client.stream("POST", URL, json=BODY) as answer,
            ChatCompletionStream(answer) as stream,
        ):
            assert stream.final_chat_completion().id == case["expected"]["id"]


def test_a_replay_goes_as_fast_as_it_is_told():
    recording = tape((1.0, BLOCKS[0]), (3.0, BLOCKS[-1]))
    for speed, expected in ((1.0, [1.0, 3.0]), (2.0, [0.5, 1.5]), (None, [])):
        clock = Clock()
        read(httpx, ReplayTransport(recording, sleep=clock.sleep, speed=speed))
        assert clock.slept == pytest.approx(expected)


def test_sleeps_that_take_too_long_do_not_add_up(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock)
    monkeypatch.setattr("time.sleep", lambda seconds: clock.sleep(seconds + 0.004))
    _, _, reads, _ = read(httpx, ReplayTransport(tape(*((0.01, block) for block in BLOCKS * 20))), clock)
    assert [moment for moment, _ in reads] == pytest.approx([0.01 * (n + 1) + 0.004 for n in range(len(reads))])


@pytest.mark.parametrize("speed", [0, -1, float("nan"), float("inf"), "fast"])
def test_a_speed_that_is_none_is_refused(speed):
    with pytest.raises(ValueError, match="speed"):
        ReplayTransport(tape(*BLOCKS), speed=speed)


@pytest.mark.anyio
async def test_in_async_code_a_sleep_may_be_awaited_or_not(anyio_backend):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)
        await anyio.lowlevel.checkpoint()

    for one in (sleep, slept.append):
        async with httpx.AsyncClient(transport=AsyncReplayTransport(tape((2.0, BLOCKS[-1])), sleep=one)) as client:
            assert (await client.post(URL, json=BODY)).content == BLOCKS[-1]
    assert slept == [2.0, 2.0]
    async with httpx.AsyncClient(transport=AsyncReplayTransport(tape((0.01, BLOCKS[-1])))) as client:
        began = anyio.current_time()
        await client.post(URL, json=BODY)
        assert anyio.current_time() - began >= 0.01  # anyio's own, without one


def test_a_tape_of_chunks_is_replayed_as_the_bytes_that_would_have_carried_them():
    chunk = {"id": "c", "choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}
    recording = Recording(form="chunks", name="dump", source="chunks", reads=[Read(None, chunk)])
    answer, _, reads, _ = read(httpx, ReplayTransport(recording))
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert bytes_of(reads)[-1] == b"data: [DONE]\n\n"
    with ChatCompletionStream(bytes_of(reads)) as stream:
        assert stream.final_content() == "hi"


def test_headers_of_the_connection_that_was_recorded_are_not_those_of_the_replay():
    recording = tape(*BLOCKS)
    recording.response["headers"] |= {
        "Content-Encoding": "gzip", "Transfer-Encoding": "chunked", "content-length": "3", "x-request-id": "req_1", "x-odd": 7,
    }  # fmt: skip
    answer, _, reads, _ = read(httpx, ReplayTransport(recording))
    assert dict(answer.headers) == {"content-type": "text/event-stream", "x-request-id": "req_1"}
    assert bytes_of(reads) == BLOCKS


# How it ends


ENDS = [
    ({"end": "error", "error": "RemoteProtocolError"}, "RemoteProtocolError"),
    ({"end": "error", "error": "ReadError"}, "ReadError"),
    ({"end": "error", "error": "ConnectionResetError: [Errno 104]"}, "ReadError"),
    ({"end": "error", "error": "SomethingElse"}, "RemoteProtocolError"),
    ({"end": "error", "error": "Client"}, "RemoteProtocolError"),
    ({"end": "error"}, "RemoteProtocolError"),
    ({"end": "timeout", "error": "ReadTimeout"}, "ReadTimeout"),
    ({"end": "timeout", "error": "APITimeoutError", "phase": "idle"}, "ReadTimeout"),
    ({"end": "timeout"}, "ReadTimeout"),
]


@BOTH
@pytest.mark.parametrize(("end", "name"), ENDS)
def test_a_stream_that_broke_off_breaks_off_by_the_librarys_own_name(library, end, name):
    _, _, reads, error = read(library, ReplayTransport(tape(*BLOCKS[:2], end=end), sleep=Clock().sleep))
    assert bytes_of(reads) == BLOCKS[:2]
    assert type(error) is getattr(library, name)
    assert error.request.url == URL


@BOTH
@pytest.mark.parametrize(
    ("end", "name"),
    [
        ({"end": "error", "error": "ConnectError"}, "ConnectError"),
        ({"end": "timeout", "error": "ConnectTimeout"}, "ConnectTimeout"),
        ({"end": "timeout", "phase": "pool"}, "PoolTimeout"),
        ({"end": "error"}, "RemoteProtocolError"),
    ],
)
def test_what_came_before_any_head_comes_before_it_again(library, end, name):
    clock = Clock()
    recording = tape(end=end, response=False, rest=2.0)
    transport = ReplayTransport(recording, sleep=clock.sleep)
    with library.Client(transport=transport) as client, pytest.raises(getattr(library, name)):
        client.post(URL, json=BODY)
    assert clock.slept == [2.0]


@pytest.mark.parametrize(("timeout", "expected"), [(7, [7.0]), (httpx.Timeout(3, read=9), [9]), (None, [])])
def test_a_silence_without_an_end_lasts_as_long_as_the_request_lets_it(timeout, expected):
    clock = Clock()
    transport = ReplayTransport(tape(*BLOCKS), faults="stall,after=1", sleep=clock.sleep)
    _, _, reads, error = read(httpx, transport, timeout=timeout)
    assert bytes_of(reads) == BLOCKS[:1]
    assert isinstance(error, httpx.ReadTimeout)
    assert clock.slept == expected


def test_a_silence_takes_no_time_where_nothing_does():
    clock = Clock()
    transport = ReplayTransport(tape(*BLOCKS), faults="stall,after=1", sleep=clock.sleep, speed=None)
    assert isinstance(read(httpx, transport, timeout=600)[3], httpx.ReadTimeout)
    assert clock.slept == []


def test_a_recorded_pause_is_not_timed_but_one_that_was_asked_for_is():
    clock = Clock()
    _, _, reads, error = read(httpx, ReplayTransport(tape((60, BLOCKS[0]), *BLOCKS[1:]), sleep=clock.sleep), timeout=5)
    assert (len(reads), error, clock.slept) == (len(BLOCKS), None, [60])
    clock = Clock()
    transport = ReplayTransport(tape(*BLOCKS), faults="stall:60,after=2", sleep=clock.sleep)
    _, _, reads, error = read(httpx, transport, timeout=5)
    assert (len(reads), type(error), clock.slept) == (2, httpx.ReadTimeout, [5])


def test_a_tape_that_cannot_be_read_on_says_so_where_it_cannot(tmp_path):
    path = tmp_path / "flawed.tape.jsonl"
    path.write_bytes(b'{"tape":1}\n[0,"s","data: 1\\n\\n"]\nnonsense\n[0,"s","data: 2\\n\\n"]\n')
    _, _, reads, error = read(httpx, ReplayTransport(path))
    assert bytes_of(reads) == [b"data: 1\n\n"]
    assert isinstance(error, RecordingError)
    assert error.line == 3


@BOTH
def test_a_replay_that_is_closed_early_gives_nothing_more(library):
    clock = Clock()
    with library.Client(
        transport=ReplayTransport(tape(*((1.0, block) for block in BLOCKS)), sleep=clock.sleep)
    ) as client:
        with client.stream("POST", URL, json=BODY) as answer:
            stream = answer.stream
            next(answer.iter_raw())
        assert list(stream) == []
    assert clock.slept == [1.0]


# Faults


@BOTH
@pytest.mark.parametrize("name", get_args(FaultName))
def test_each_fault_strikes_a_replay_as_it_strikes_the_exchange(library, name):
    recording = tape(*((0.5, block) for block in BLOCKS))
    fault = Fault.parse(name)
    struck = inject(recording, [fault], seed=3)
    clock = Clock()
    answer, _, reads, error = read(
        library, ReplayTransport(recording, faults=name, seed=3, sleep=clock.sleep), timeout=9
    )
    status = {"status": 500, "rate_limit": 429}.get(name, 200)
    assert answer.status_code == status
    if status == 200:
        assert bytes_of(reads) == [one.data for one in struck.reads if one.data]
    else:
        assert json.loads(b"".join(bytes_of(reads)))["error"]["message"].startswith("a fault that was asked for")
        assert answer.headers.get("retry-after") == ("1" if name == "rate_limit" else None)
    errors = {"stall": "ReadTimeout", "disconnect": "RemoteProtocolError", "reset": "ReadError"}
    assert type(error) is (getattr(library, errors[name]) if name in errors else type(None))
    if name == "delay_first":
        assert sum(clock.slept) == pytest.approx(1 + 0.5 * len(BLOCKS))


def test_a_fault_that_strikes_once_lets_the_next_request_through():
    transport = ReplayTransport(tape(*BLOCKS), faults="status:503,times=1", speed=None)
    with httpx.Client(transport=transport) as client:
        assert [client.post(URL, json=BODY).status_code for _ in range(3)] == [503, 200, 200]
    assert transport.cassette.played == 2


def test_the_faults_of_a_tape_strike_too():
    recording = tape(*BLOCKS, faults=[Fault.parse("status:502,times=1")])
    with httpx.Client(transport=ReplayTransport(recording, faults="no_done", speed=None)) as client:
        assert client.post(URL, json=BODY).status_code == 502
        assert client.post(URL, json=BODY).content == b"".join(BLOCKS[:-1])


# The live stream does not notice


@contextmanager
def serving(blocks, *, headers=(), status=200):
    """A server on loopback that sends these blocks, each by itself."""

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            length = int(self.headers.get("content-length") or 0)
            self.rfile.read(length)
            self.send_response(status)
            for name, value in {
                "content-type": "text/event-stream",
                "transfer-encoding": "chunked",
                **dict(headers),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            for block in [*blocks, b""]:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block))
                self.wfile.flush()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@BOTH
def test_a_live_answer_is_the_one_that_comes_without_a_recorder(library, tmp_path):
    packed = gzip.compress(b"".join(BLOCKS))
    with serving([packed[:20], packed[20:]], headers={"content-encoding": "gzip", "x-kept": "1"}) as url:
        with library.Client() as client, client.stream("POST", url, json=BODY) as plain:
            raw = b"".join(plain.iter_raw())
        with library.Client(transport=RecordingTransport(tmp_path / "a.tape.jsonl")) as client:
            with client.stream("POST", url, json=BODY) as answer:
                assert "network_stream" in answer.extensions
                assert {**answer.headers, "date": ""} == {**plain.headers, "date": ""}
                assert type(answer) is library.Response
                assert b"".join(answer.iter_raw()) == raw == packed
            assert client.post(url, json=BODY).content == b"".join(BLOCKS)
    recordings = Recording.load_all(tmp_path / "a.tape.jsonl")
    assert [one.bytes for one in recordings] == [b"".join(BLOCKS)] * 2  # decoded
    assert "content-encoding" not in recordings[0].response["headers"]
    with library.Client(transport=ReplayTransport(tmp_path / "a.tape.jsonl", speed=None)) as client:
        assert client.post(URL.replace("/v1/chat/completions", "/"), json=BODY).content == b"".join(BLOCKS)


@BOTH
def test_a_body_that_is_in_memory_already_is_recorded_too(library, tmp_path):
    inner = library.MockTransport(lambda request: library.Response(201, json={"a": 1}, request=request))
    with library.Client(transport=RecordingTransport(tmp_path / "a.tape.jsonl", transport=inner)) as client:
        assert client.post(URL, json=BODY).json() == {"a": 1}
    (recording,) = Recording.load_all(tmp_path / "a.tape.jsonl")
    assert json.loads(recording.bytes) == {"a": 1}
    assert (recording.response["status"], recording.end["end"]) == (201, "eof")


@BOTH
@pytest.mark.parametrize(
    ("raised", "end"), [("ReadError", "error"), ("ReadTimeout", "timeout"), ("RemoteProtocolError", "error")]
)
def test_what_breaks_a_live_stream_is_raised_as_it_was_and_comes_again(library, tmp_path, raised, end):
    error = getattr(library, raised)("broke")
    inner = live(library, [(0, BLOCKS[0])], error=error)
    _, _, reads, seen = read(library, RecordingTransport(tmp_path / "a.tape.jsonl", transport=inner))
    assert seen is error
    assert bytes_of(reads) == BLOCKS[:1]
    (recording,) = Recording.load_all(tmp_path / "a.tape.jsonl")
    assert (recording.end["end"], recording.end["error"]) == (end, raised)
    _, _, reads, again = read(library, ReplayTransport(tmp_path / "a.tape.jsonl", speed=None))
    assert bytes_of(reads) == BLOCKS[:1]
    assert type(again) is getattr(library, raised)


@BOTH
def test_a_connection_that_was_refused_is_refused_again(library, tmp_path):
    path = tmp_path / "a.tape.jsonl"
    with serving([]) as url:
        pass  # nobody is there any more
    with library.Client(transport=RecordingTransport(path)) as client, pytest.raises(library.ConnectError):
        client.post(url, json=BODY)
    (recording,) = Recording.load_all(path)
    assert (recording.response, recording.reads) == (None, [])
    assert recording.end["error"] == "ConnectError"
    with library.Client(transport=ReplayTransport(path, speed=None)) as client, pytest.raises(library.ConnectError):
        client.post(url, json=BODY)


@pytest.mark.anyio
async def test_a_connection_that_was_refused_is_refused_again_in_async_code(tmp_path):
    path = tmp_path / "a.tape.jsonl"
    with serving([]) as url:
        pass
    recorder = Recorder(path)
    async with httpx.AsyncClient(transport=AsyncRecordingTransport(recorder)) as client:
        with pytest.raises(httpx.ConnectError):
            await client.post(url, json=BODY)
    await recorder.aclose()
    async with httpx.AsyncClient(transport=AsyncReplayTransport(path, speed=None)) as client:
        with pytest.raises(httpx.ConnectError):
            await client.post(url, json=BODY)


@BOTH
def test_what_is_closed_early_ends_as_cancelled(library, tmp_path):
    inner = live(library, [(0, block) for block in BLOCKS])
    transport = RecordingTransport(tmp_path / "a.tape.jsonl", transport=inner)
    with library.Client(transport=transport) as client, client.stream("POST", URL, json=BODY) as answer:
        next(answer.iter_raw())
    assert inner.body.closed
    (recording,) = Recording.load_all(tmp_path / "a.tape.jsonl")
    assert recording.end["end"] == "cancel"
    assert recording.bytes == BLOCKS[0]


@BOTH
@pytest.mark.anyio
async def test_a_task_that_is_cancelled_leaves_a_tape_that_says_so(library, tmp_path):
    class Silent(library.AsyncByteStream):
        closed = False

        async def __aiter__(self):
            yield BLOCKS[0]
            await anyio.sleep_forever()

        async def aclose(self):
            Silent.closed = True

    class Transport(library.AsyncBaseTransport):
        async def handle_async_request(self, request):
            return library.Response(200, stream=Silent())

    path = tmp_path / "a.tape.jsonl"
    seen = []
    async with library.AsyncClient(transport=AsyncRecordingTransport(path, transport=Transport())) as client:
        with anyio.CancelScope() as scope:
            async with client.stream("POST", URL, json=BODY) as answer:
                async for data in answer.aiter_raw():
                    seen.append(data)
                    scope.cancel()
        assert scope.cancelled_caught
    assert Silent.closed
    (recording,) = Recording.load_all(path)
    assert recording.end["end"] == "cancel"
    assert [recording.bytes] == seen == BLOCKS[:1]


@BOTH
@LEAVES_GENERATORS
@pytest.mark.anyio
async def test_async_streams_are_closed_early_and_break_as_sync_ones_do(library, tmp_path):
    path = tmp_path / "a.tape.jsonl"
    error = library.ReadError("broke")
    inner = live(library, [(0, block) for block in BLOCKS], error=error, is_async=True)
    async with library.AsyncClient(transport=AsyncRecordingTransport(path, transport=inner)) as client:
        async with client.stream("POST", URL, json=BODY) as answer:
            reads = answer.aiter_raw()
            assert await anext(reads) == BLOCKS[0]
            await reads.aclose()
        assert inner.body.closed
        with pytest.raises(library.ReadError) as raised:
            await client.post(URL, json=BODY)
        assert raised.value is error
    assert [one.end["end"] for one in Recording.load_all(path)] == ["cancel", "error"]
    async with library.AsyncClient(transport=AsyncReplayTransport(path, speed=None, match="order")) as client:
        assert (await client.post(URL, json=BODY)).content == BLOCKS[0]
        with pytest.raises(library.ReadError):
            await client.post(URL, json=BODY)


def test_a_streamed_upload_is_not_consumed(tmp_path):
    sent = []

    def answer(request):
        sent.append(b"".join(request.stream))
        return httpx.Response(200, json={})

    with httpx.Client(
        transport=RecordingTransport(tmp_path / "a.tape.jsonl", transport=httpx.MockTransport(answer))
    ) as client:
        client.post(URL, content=iter([b"one", b"two"]))
    assert sent == [b"onetwo"]
    (recording,) = Recording.load_all(tmp_path / "a.tape.jsonl")
    assert recording.request["body"] is None


def test_a_recorder_that_was_handed_in_stays_open(tmp_path):
    recorder = Recorder(tmp_path / "a.tape.jsonl")
    for _ in range(2):
        with httpx.Client(transport=RecordingTransport(recorder, transport=live(httpx, [(0, BLOCKS[-1])]))) as client:
            client.post(URL, json=BODY)
    recorder.close()
    assert [one.bytes for one in Recording.load_all(tmp_path / "a.tape.jsonl")] == [BLOCKS[-1]] * 2


def test_neither_library_is_loaded_before_it_is_needed(tmp_path):
    script = """
import sys
import chatstream.recording
from chatstream.recording import Cassette, Recording
loaded = lambda: [name for name in ("httpx", "httpx2", "anyio") if name in sys.modules]
assert not loaded(), loaded()
import httpx
recording = Recording.parse(b"data: [DONE]\\n\\n")
with httpx.Client(transport=chatstream.recording.ReplayTransport(recording)) as client:
    assert client.get("http://nowhere.test").status_code == 200
assert "httpx2" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)


def test_no_request_of_another_library_is_taken(tmp_path):
    with pytest.raises(TypeError, match="httpx or httpx2"):
        RecordingTransport(tmp_path / "a.tape.jsonl").handle_request("GET /")


def test_keys_get_into_no_tape(tmp_path):
    key = "sk-canary-0123456789abcdef"
    inner = live(httpx, [(0, b'data: {"echo":"%b' % key[:9].encode()), (0, key[9:].encode() + b'"}\n\n')])
    transport = RecordingTransport(tmp_path / "a.tape.jsonl", transport=inner, secrets=["canary of my own"])
    with httpx.Client(transport=transport, headers={"authorization": f"Bearer {key}", "x-api-key": key}) as client:
        body = {**BODY, "user": "canary of my own", "note": key}
        assert key.encode() in client.post(f"{URL}?api_key={key}", json=body).content
    text = (tmp_path / "a.tape.jsonl").read_text("utf-8")
    assert "canary" not in text
    replay = ReplayTransport(tmp_path / "a.tape.jsonl", secrets=["canary of my own"], match="exact", speed=None)
    with httpx.Client(transport=replay) as client:  # another key, which is as secret
        other = {**body, "note": "sk-canary-9999999999999999999"}
        assert client.post(f"{URL}?api_key=canary-9999999", json=other).status_code == 200


# Many at once


def one_of(number):
    return {**BODY, "messages": [{"role": "user", "content": f"number {number}"}]}


def answers_of(number):
    return [b"data: %d of %d\n\n" % (part, number) for part in range(5)]


@pytest.mark.parametrize("target", ["tapes", "one.tape.jsonl"])
@pytest.mark.anyio
async def test_eight_streams_at_once_are_recorded_whole_and_apart(tmp_path, target):
    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            number = int(json.loads(request.content)["messages"][0]["content"].split()[1])

            class Slow(httpx.AsyncByteStream):
                async def __aiter__(self):
                    for data in answers_of(number):
                        await anyio.sleep(0.001 * (number % 3))
                        yield data

            return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Slow())

    got = {}

    async def ask(client, number):
        got[number] = (await client.post(URL, json=one_of(number))).content

    transport = AsyncRecordingTransport(tmp_path / target, transport=Transport())
    async with httpx.AsyncClient(transport=transport) as client, anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(ask, client, number)
    assert got == {number: b"".join(answers_of(number)) for number in range(8)}
    async with httpx.AsyncClient(transport=AsyncReplayTransport(tmp_path / target, match="exact")) as client:
        for number in range(8):
            async with client.stream("POST", URL, json=one_of(number)) as answer:
                assert [data async for data in answer.aiter_raw()] == answers_of(number)


def test_eight_threads_at_once_replay_each_their_own(tmp_path):
    recordings = []
    for number in range(8):
        one = tape(*answers_of(number))
        one.request["body"] = one_of(number)
        recordings.append(one)
    got = {}
    with httpx.Client(transport=ReplayTransport(recordings, speed=None)) as client:

        def ask(number):
            got[number] = client.post(URL, json=one_of(number)).content

        threads = [threading.Thread(target=ask, args=[number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert got == {number: b"".join(answers_of(number)) for number in range(8)}


# The SDKs


def dumped(chunks):
    return [chunk.to_dict() for chunk in chunks]


def reads_of(path):
    return [[one.data for one in recording.reads] for recording in Recording.load_all(path)]


def test_openai_gets_the_same_chunks_in_the_same_reads(tmp_path):
    from openai import OpenAI

    messages = [{"role": "user", "content": "hi"}]

    def ask(transport, url="http://nowhere.test"):
        with OpenAI(
            api_key="sk-canary-1", base_url=f"{url}/v1", http_client=httpx2.Client(transport=transport)
        ) as client:
            return dumped(client.chat.completions.create(model="m", messages=messages, stream=True))

    path, again = tmp_path / "a.tape.jsonl", tmp_path / "again.tape.jsonl"
    with serving([BLOCKS[0][:30], BLOCKS[0][30:] + BLOCKS[1], *BLOCKS[2:]]) as url:
        live_chunks = ask(RecordingTransport(path), url)
    assert [chunk["choices"][0]["delta"] for chunk in live_chunks] == [*DELTAS, {}]
    clock = Clock()
    assert ask(RecordingTransport(again, transport=ReplayTransport(path, sleep=clock.sleep))) == live_chunks
    assert reads_of(again) == reads_of(path)
    (recording,) = Recording.load_all(path)
    # The SDK stops reading at [DONE], and so it does in the replay.
    assert sum(clock.slept) == pytest.approx(recording.duration - recording.rest, abs=1e-5)


@LEAVES_GENERATORS
@pytest.mark.anyio
async def test_async_openai_gets_one_answer_and_streams_from_one_tape(tmp_path):
    from openai import AsyncOpenAI

    path = tmp_path / "a.tape.jsonl"
    messages = [{"role": "user", "content": "hi"}]

    async def ask(transport, url="http://nowhere.test"):
        http_client = httpx2.AsyncClient(transport=transport)
        async with AsyncOpenAI(api_key="sk-canary-1", base_url=f"{url}/v1", http_client=http_client) as client:
            stream = await client.chat.completions.create(model="m", messages=messages, stream=True)
            return dumped([chunk async for chunk in stream])

    with serving(BLOCKS) as url:
        live_chunks = await ask(AsyncRecordingTransport(path), url)
    assert await ask(AsyncReplayTransport(path)) == live_chunks
    http_client = httpx2.AsyncClient(transport=AsyncReplayTransport(path))
    async with AsyncOpenAI(api_key="sk-canary-1", base_url="http://nowhere.test/v1", http_client=http_client) as client:
        whole = await client.chat.completions.create(model="m", messages=messages)
        assert whole.choices[0].message.content == "One two three"


def test_openai_is_told_of_a_miss_and_does_not_try_again():
    from openai import NotFoundError, OpenAI

    transport = ReplayTransport(tape(*BLOCKS), speed=None)
    with (
        OpenAI(
            api_key="k", base_url="http://nowhere.test/v1", http_client=httpx2.Client(transport=transport)
        ) as client,
        pytest.raises(
            NotFoundError, match=r"no tape matches. The nearest is tape; it differs in: messages\[0\].content"
        ),
    ):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "SECRET"}])
    assert len(transport.misses) == 1


def test_anthropic_is_recorded_and_replayed(tmp_path):
    anthropic = pytest.importorskip("anthropic")
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    events = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 2},
        },
        {"type": "message_stop"},
    ]
    blocks = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]

    def ask(transport, url):
        library = httpx2 if issubclass(anthropic.DefaultHttpxClient, httpx2.Client) else httpx
        with (
            anthropic.Anthropic(
                api_key="sk-ant-canary-0123456789", base_url=url, http_client=library.Client(transport=transport)
            ) as client,
            client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]) as stream,
        ):
            return stream.get_final_message().to_dict()

    with serving(blocks) as url:
        said = ask(RecordingTransport(tmp_path / "a.tape.jsonl"), url)
    assert said["content"] == [{"type": "text", "text": "Hello"}]
    assert ask(ReplayTransport(tmp_path / "a.tape.jsonl", speed=None), "http://nowhere.test") == said
    assert "canary" not in (tmp_path / "a.tape.jsonl").read_text("utf-8")


def test_mistral_is_recorded_and_replayed(tmp_path):
    sdk = pytest.importorskip("mistralai.client")
    chunk = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Bonjour"}, "finish_reason": "stop"}],
    }
    blocks = [b"data: %b\n\n" % json.dumps(chunk).encode(), BLOCKS[-1]]

    def ask(transport, url):
        with httpx2.Client(transport=transport) as http_client:
            client = sdk.Mistral(api_key="canary-of-mistral-0123456789", server_url=url, client=http_client)
            stream = client.chat.stream(model="m", messages=[{"role": "user", "content": "hi"}])
            return [event.data.choices[0].delta.content for event in stream]

    with serving(blocks) as url:
        assert ask(RecordingTransport(tmp_path / "a.tape.jsonl"), url) == ["Bonjour"]
    assert ask(ReplayTransport(tmp_path / "a.tape.jsonl", speed=None), "http://nowhere.test") == ["Bonjour"]
    assert "canary" not in (tmp_path / "a.tape.jsonl").read_text("utf-8")
