"""A call as a source; and what it stands on: how long a read may wait, and the attempts of a call."""

import random
import threading
import time
import warnings
from types import SimpleNamespace

import httpx
import pytest

from chatstream.client import AsyncChatClient, ChatClient, Timeout
from chatstream.client.attempts import Attempts, Chances
from chatstream.client.call import Call
from chatstream.client.network import attend, attend_streams, attend_streams_async
from chatstream.client.patience import Enough, Patience, Stop
from chatstream.client.requested import AsyncRequestSource, RequestSource
from chatstream.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    APIUserAbortError,
    RateLimitError,
    StreamConsumedError,
)
from chatstream.stream import AsyncChatCompletionStream, ChatCompletionStream
from chatstream.types import ResponseInfo
from own_cases import HI
from sources_for_tests import AsyncBody, Body
from wire import wire

INFO = ResponseInfo(status_code=200, headers={"x-request-id": "r"}, request_id="r", retries=0, elapsed=0.5)
DATA = wire(HI)
ASKED = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


class Clock:
    def __init__(self, now=100.0):
        self.now = now

    def __call__(self):
        return self.now

    def pass_(self, seconds):
        self.now += seconds


# A call as a source


class FakeAnswer:
    def __init__(self, reads):
        self.reads = iter(reads)
        self.response = httpx.Response(200, headers={"x-request-id": "r", "content-type": "text/event-stream"})
        self.info = INFO
        self.is_closed = False
        self.closings = 0
        self.is_shut = False

    def shut(self):
        self.is_shut = True

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.reads)

    def __aiter__(self):
        return self

    async def __anext__(self):
        for data in self.reads:
            return data
        raise StopAsyncIteration

    def close(self):
        self.is_closed = True
        self.closings += 1

    async def aclose(self):
        self.close()


class FakeSender:
    """Answers a call, or fails; remembers how often it was asked."""

    def __init__(self, *reads, failure=None):
        self.answer = FakeAnswer(reads)
        self.failure = failure
        self.calls = []
        self.stops = []

    def open(self, call, stop):
        self.calls.append(call)
        self.stops.append(stop)
        if self.failure is not None:
            raise self.failure
        return self.answer


class FakeAsyncSender(FakeSender):
    async def open(self, call, stop):
        return super().open(call, stop)


CALL = SimpleNamespace(secrets=["a-secret"])


def requested(*reads, failure=None):
    sender = FakeSender(*reads, failure=failure)
    return RequestSource(sender, CALL), sender


def async_requested(*reads, failure=None):
    sender = FakeAsyncSender(*reads, failure=failure)
    return AsyncRequestSource(sender, CALL), sender


def test_nothing_is_sent_before_somebody_reads():
    source, sender = requested(b"a", b"b")
    assert iter(source.reads) is source.reads
    assert (sender.calls, source.status, source.response) == ([], None, None)
    assert next(source.reads) == b"a"
    assert sender.calls == [CALL]
    assert list(source.reads) == [b"b"]
    assert len(sender.calls) == 1
    source.close()


def test_opening_sends_once_however_often():
    source, sender = requested(b"a")
    source.open()
    source.open()
    assert list(source.reads) == [b"a"]
    source.open()
    assert len(sender.calls) == 1
    source.close()


def test_what_is_told_of_the_answer_is_there_once_it_is_open():
    source, _ = requested(b"a")
    source.when(lambda: None, lambda: None)
    source.open()
    assert source.status == 200
    assert source.content_type == "text/event-stream"
    assert source.request_id == "r"
    assert source.response is INFO
    source.close()


def test_sending_is_told_before_and_the_head_after_each_once():
    told = []
    source, sender = requested(b"a")
    source.when(lambda: told.append(("sent", len(sender.calls))), lambda: told.append(("opened", source.status)))
    assert told == []
    list(source.reads)
    source.open()
    assert told == [("sent", 0), ("opened", 200)]
    source.close()


def test_a_failure_to_open_is_told_as_sent_alone_and_can_be_tried_again():
    told = []
    source, sender = requested(b"a", failure=APIConnectionError("no"))
    source.when(lambda: told.append("sent"), lambda: told.append("opened"))
    with pytest.raises(APIConnectionError):
        source.open()
    assert told == ["sent"]
    sender.failure = None
    assert list(source.reads) == [b"a"]
    assert told == ["sent", "sent", "opened"]
    source.close()


def test_closed_before_it_was_sent_it_is_not_sent_any_more():
    source, sender = requested(b"a")
    source.close()
    for read in (source.open, lambda: next(source.reads)):
        with pytest.raises(StreamConsumedError, match="closed already"):
            read()
    assert sender.calls == []


def test_closing_closes_the_answer():
    source, sender = requested(b"a")
    source.open()
    source.close()
    source.close()
    assert sender.answer.is_closed


def test_an_abort_is_said_to_who_sends_and_closes_what_nobody_reads():
    source, sender = requested(b"a")
    source.open()
    source.abort()
    assert sender.stops[0].said
    assert sender.answer.is_closed


def test_an_abort_leaves_the_closing_to_who_reads():
    source, sender = requested()

    def reads():
        source.abort()
        yield b"a"

    sender.answer.reads = reads()
    assert next(source.reads) == b"a"
    assert sender.stops[0].said
    assert not sender.answer.is_closed
    source.close()


def test_a_stream_that_is_entered_after_it_was_closed_sends_nothing():
    source, sender = requested(DATA)
    stream = ChatCompletionStream(source)
    stream.close()
    with pytest.raises(StreamConsumedError), stream:
        raise AssertionError
    assert sender.calls == []


def test_a_stream_may_be_entered_and_opened_again():
    source, sender = requested(DATA)
    with ChatCompletionStream(source).open() as stream, stream:
        assert stream.final_content() == "Hi"
    assert len(sender.calls) == 1


def test_a_failure_to_open_is_heard_by_listeners_and_raised():
    source, _ = requested(failure=APIConnectionError("no"))
    stream, heard = ChatCompletionStream(source), []
    stream.on("error", heard.append)
    with pytest.raises(APIConnectionError) as raised:
        stream.open()
    assert [event.error for event in heard] == [raised.value]
    assert stream.end.kind == "error"


def test_an_answer_that_is_dropped_open_warns_and_is_closed():
    source, sender = requested(b"a", b"b")
    next(source.reads)
    with pytest.warns(ResourceWarning, match="dropped while it was open"):
        del source
    assert sender.answer.is_closed


@pytest.mark.parametrize(
    "begin", [lambda source: None, lambda source: source.close(), lambda source: (source.open(), source.close())]
)
def test_what_was_never_open_or_was_closed_warns_of_nothing(begin):
    source, _ = requested(b"a")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        begin(source)
        del source


@pytest.mark.anyio
async def test_the_async_source_does_the_same():
    told = []
    source, sender = async_requested(b"a", b"b")
    source.when(lambda: told.append(("sent", len(sender.calls))), lambda: told.append(("opened", source.status)))
    assert sender.calls == []
    await source.open()
    await source.open()
    assert [data async for data in source.reads] == [b"a", b"b"]
    assert sender.calls == [CALL]
    assert told == [("sent", 0), ("opened", 200)]
    assert source.response is INFO
    source.abort()
    assert sender.stops[0].said
    assert sender.answer.is_shut
    assert not sender.answer.is_closed  # that would have to wait
    await source.aclose()
    assert sender.answer.is_closed


@pytest.mark.anyio
async def test_an_async_source_that_was_closed_is_not_sent():
    source, sender = async_requested(b"a")
    await source.aclose()
    with pytest.raises(StreamConsumedError, match="closed already"):
        await source.open()
    with pytest.raises(StreamConsumedError, match="closed already"):
        await anext(source.reads)
    stream = AsyncChatCompletionStream(source)
    await stream.aclose()
    with pytest.raises(StreamConsumedError):
        await stream.open()
    assert sender.calls == []


@pytest.mark.anyio
async def test_an_async_answer_that_is_dropped_open_warns():
    source, _ = async_requested(b"a", b"b")
    await anext(source.reads)
    with pytest.warns(ResourceWarning, match="dropped while it was open"):
        del source


# How long a read may wait


def patience(clock=None, *, deadline=None, stop=None, **limits):
    limits = {"first_byte": None, "idle": None, **limits}
    return Patience(Timeout(**limits), clock=clock or Clock(), deadline=deadline, stop=stop)


def wait(patience, clock, seconds, data=None):
    """What the next read may wait; it then takes so long, and brings this."""
    allowed = patience.begin_wait(object())
    clock.pass_(seconds)
    patience.end_wait()
    if data is not None:
        patience.hear(data)
    return allowed


EVENT = b"data: {}\n\n"
COMMENT = b": here\n\n"
# Limits, deadline (seconds from now), reads as (seconds that it takes, what it brings); what the last one might wait,
# and for what it would have been too late.
WAITS = [
    ({}, None, [(0, None)], None, "first_byte"),
    ({"first_byte": 5}, None, [(0, None)], 5, "first_byte"),
    ({"first_byte": 5}, None, [(2, None), (0, None)], 3, "first_byte"),  # the head came bit by bit
    ({"first_byte": 5}, None, [(4, EVENT), (0, None)], None, "first_byte"),
    ({"first_byte": 5, "idle": 2}, None, [(4, EVENT), (0, None)], 2, "idle"),
    ({"first_byte": 5, "idle": 2}, None, [(4, EVENT), (1.5, COMMENT), (0, None)], 2, "idle"),
    ({"idle": 2}, None, [(0, None)], None, "first_byte"),
    ({"idle": 2, "data_idle": 3}, None, [(0, EVENT), (1.5, COMMENT), (0, None)], 1.5, "idle"),
    ({"idle": 2, "data_idle": 3}, None, [(0, EVENT), (1.5, COMMENT), (1, EVENT), (0, None)], 2, "idle"),
    ({"data_idle": 3}, None, [(0, COMMENT), (1, COMMENT), (1, COMMENT), (0, None)], 1, "idle"),
    ({"data_idle": 3}, None, [(9, None), (0, None)], None, "first_byte"),  # it begins with the first byte
    ({"data_idle": 3}, None, [(0, COMMENT), (1, b"data: {}"), (0, None)], 2, "idle"),  # half an event is none
    ({"first_byte": 5}, 3, [(0, None)], 3, "total"),
    ({"first_byte": 5}, 8, [(0, None)], 5, "first_byte"),
    ({"idle": 2}, 8, [(7, EVENT), (0, None)], 1, "total"),
    ({}, 8, [(1, EVENT), (1, EVENT), (0, None)], 6, "total"),
]


@pytest.mark.parametrize(("limits", "left", "reads", "allowed", "phase"), WAITS)
def test_each_read_may_wait_for_what_is_left(limits, left, reads, allowed, phase):
    clock = Clock()
    asked = patience(clock, deadline=None if left is None else clock() + left, **limits)
    waits = [wait(asked, clock, seconds, data) for seconds, data in reads]
    assert waits[-1] == (None if allowed is None else pytest.approx(allowed))
    if allowed is not None:
        assert asked.phase == phase


@pytest.mark.parametrize(
    ("limits", "left", "reads", "phase"),
    [
        ({"first_byte": 5}, None, [(5, None)], "first_byte"),
        ({"first_byte": 5}, None, [(3, None), (3, None)], "first_byte"),
        ({"data_idle": 3}, None, [(0, EVENT), (2, COMMENT), (1, COMMENT)], "idle"),
        ({"first_byte": 5}, 4, [(4, None)], "total"),
        ({"idle": 9}, 4, [(1, EVENT), (3, EVENT)], "total"),
    ],
)
def test_a_read_for_which_nothing_is_left_is_not_begun(limits, left, reads, phase):
    clock = Clock()
    asked = patience(clock, deadline=None if left is None else clock() + left, **limits)
    for seconds, data in reads:
        wait(asked, clock, seconds, data)
    with pytest.raises(APITimeoutError) as raised:
        asked.begin_wait(object())
    assert raised.value.phase == phase


def test_time_between_reads_costs_no_patience_but_the_total():
    clock = Clock()
    asked = patience(clock, first_byte=5, idle=2, data_idle=3, deadline=clock() + 1000)
    asked.has_head = True  # before that there is nobody who could take his time
    clock.pass_(50)
    assert wait(asked, clock, 1, EVENT) == 5
    clock.pass_(50)
    assert wait(asked, clock, 0, EVENT) == 2
    assert wait(asked, clock, 0, COMMENT) == 2
    clock.pass_(898.5)
    assert wait(asked, clock, 0) == pytest.approx(0.5)
    assert asked.phase == "total"


def test_a_wait_is_never_so_short_that_a_socket_would_not_block():
    clock = Clock()
    assert patience(clock, deadline=clock() + 1e-9).begin_wait(object()) > 0


def test_it_is_the_longest_of_the_limits_to_who_takes_it_for_a_number():
    assert patience(first_byte=5, idle=2) == 5.0
    assert patience(first_byte=2, idle=5) + 0 == 5.0
    assert patience(first_byte=2) > 1e5
    assert isinstance(patience(), float)


def test_a_request_is_handed_each_limit_under_its_name():
    clock = Clock()
    asked = patience(clock, connect=1, pool=2, first_byte=3, idle=4)
    limits = asked.limits()
    assert (limits["connect"], limits["pool"]) == (1, 2)
    assert limits["read"] is limits["write"] is asked
    assert asked.begin_write(object()) == 3
    late = patience(clock, connect=1, pool=9, first_byte=None, deadline=clock() + 0.5)
    assert {late.limits()[name] for name in ("connect", "pool")} | {late.begin_write(object())} == {0.5}
    assert patience(clock, connect=None, pool=None, deadline=clock() - 5).limits()["connect"] > 0


def test_one_that_is_spent_waits_for_nothing():
    asked = patience()
    asked.is_spent = True
    with pytest.raises(Enough):
        asked.begin_wait(object())


def test_one_that_was_stopped_waits_for_nothing():
    stop = Stop()
    asked = patience(stop=stop)
    asked.check()
    assert asked.begin_wait(object()) is None
    stop.say()
    for ask in (asked.check, lambda: asked.begin_wait(object()), stop.check):
        with pytest.raises(APIUserAbortError):
            ask()


def test_a_word_to_stop_ends_a_sleep():
    stop = Stop()
    threading.Timer(0.05, stop.say).start()
    began = time.monotonic()
    stop.sleep(20)
    assert time.monotonic() - began < 10
    stop.sleep(20)  # and the next is none
    assert time.monotonic() - began < 10


class FakeSocket:
    def __init__(self):
        self.shut = 0

    def shutdown(self, how):
        self.shut += 1


class FakeStream:
    """A network stream as httpcore has them."""

    def __init__(self):
        self.timeouts = []
        self.socket = FakeSocket()
        self.meanwhile = lambda: None

    def read(self, max_bytes, timeout=None):
        self.timeouts.append(timeout)
        self.meanwhile()
        return b"x" * max_bytes

    def get_extra_info(self, name):
        return self.socket if name == "socket" else None


class FakeAsyncStream(FakeStream):
    async def read(self, max_bytes, timeout=None):  # noqa: ASYNC109  httpcore's own
        return super().read(max_bytes, timeout)


def test_a_stream_that_is_attended_asks_at_each_read():
    clock, stream = Clock(), FakeStream()
    stream.meanwhile = lambda: clock.pass_(2)
    attend(stream)
    attend(stream)  # once is enough
    asked = patience(clock, first_byte=5, idle=1)
    assert stream.read(3, asked) == b"xxx"
    assert stream.read(3, timeout=asked) == b"xxx"
    asked.hear(EVENT)
    stream.read(3, asked)
    assert stream.timeouts == [5, 3, 1]
    assert asked.attended


def test_a_stream_that_is_attended_takes_other_timeouts_as_they_are():
    stream = FakeStream()
    attend(stream)
    stream.read(1, 7.0)
    stream.read(1)
    assert stream.timeouts == [7.0, None]


@pytest.mark.anyio
async def test_an_async_stream_asks_too():
    clock, stream = Clock(), FakeAsyncStream()
    stream.meanwhile = lambda: clock.pass_(2)
    attend(stream)
    attend(stream)
    asked = patience(clock, first_byte=5)
    assert await stream.read(2, asked) == b"xx"
    await stream.read(2, timeout=asked)
    await stream.read(2, 9.0)
    assert stream.timeouts == [5, 3, 9.0]


def test_a_word_to_stop_shuts_the_socket_of_who_waits_and_of_nobody_else():
    stop, stream = Stop(), FakeStream()
    attend(stream)
    asked = patience(stop=stop)
    stop.patience = asked
    stop.say()
    assert stream.socket.shut == 0
    stop = stop_of = Stop()
    asked = stop.patience = patience(stop=stop)
    stream.meanwhile = stop_of.say
    stream.read(1, asked)
    assert stream.socket.shut == 1


class Slotted:
    __slots__ = ()

    def read(self, max_bytes, timeout=None):
        return b""


class ReadOnly:
    read = property(lambda self: None)


@pytest.mark.parametrize("odd", [None, 1, "text", object(), Slotted(), ReadOnly(), type, {"read": 1}, [], len])
def test_what_is_no_such_stream_is_left_as_it_is(odd):
    before = getattr(odd, "__dict__", None) and dict(vars(odd))
    attend(odd)
    assert (getattr(odd, "__dict__", None) and dict(vars(odd))) == before


@pytest.mark.anyio
async def test_streams_are_met_as_httpcore_tells_of_them():
    for tell in (attend_streams, None):
        stream = FakeStream()
        for name, info in [
            ("connect_tcp.started", {"return_value": stream}),
            ("connect_tcp.failed", {}),
            ("x.complete", {}),
        ]:
            await attend_streams_async(name, info) if tell is None else tell(name, info)
        assert "read" not in vars(stream)
        told = ("connect_tcp.complete", {"return_value": stream})
        await attend_streams_async(*told) if tell is None else tell(*told)
        assert "read" in vars(stream)


# The attempts of a call


def a_call(*, method="POST", max_retries=2, streams=True, url="https://host/v1/x", query=(), **timeout):
    return Call(
        method,
        url,
        list(query),
        {"Accept": "text/event-stream", "x-a": "1"},
        b"{}",
        streams,
        Timeout(**timeout),
        max_retries,
    )


def attempts(call, clock=None, stop=None):
    chances = Chances(random=lambda: 0.0, clock=clock or Clock(), now=lambda: 0.0)
    return Attempts(call, chances, stop or Stop())


def test_each_attempt_has_a_patience_of_its_own_and_all_one_deadline():
    clock = Clock()
    made = attempts(a_call(total=10, first_byte=4), clock)
    first = made.begin()
    wait(first, clock, 4)
    second = made.begin()
    assert second is not first
    assert wait(second, clock, 3) == 4
    assert wait(made.begin(), clock, 0) == 3
    assert made.stop.patience is not second
    clock.pass_(3)
    with pytest.raises(APITimeoutError) as raised:
        made.begin()
    assert raised.value.phase == "total"


def test_an_attempt_is_not_begun_after_a_word_to_stop():
    stop = Stop()
    stop.say()
    with pytest.raises(APIUserAbortError):
        attempts(a_call(), stop=stop).begin()


def test_attempts_are_counted_until_there_are_no_more():
    made = attempts(a_call(max_retries=2))
    assert made.wait_after(APIConnectionError("no")) == 0.5
    assert made.wait_after(APIConnectionError("no")) == 1.0
    assert made.retries == 2
    assert made.wait_after(APIConnectionError("no")) is None
    assert made.retries == 2


def test_an_attempt_that_would_come_after_the_deadline_is_not_waited_for():
    late = RateLimitError("no", status_code=429, headers={"Retry-After": "5"})
    assert attempts(a_call(total=5)).wait_after(late) is None
    assert attempts(a_call(total=5.5)).wait_after(late) == 5.0
    assert attempts(a_call()).wait_after(APIStatusError("no", status_code=404)) is None


def test_a_request_has_what_the_library_is_to_be_given():
    made = attempts(a_call(query=[("a", "1")]))
    asked = made.begin()
    options = made.options(asked, attend_streams)
    assert options["params"] == [("a", "1")]
    assert options["content"] == b"{}"
    assert options["follow_redirects"] is False
    assert options["extensions"]["timeout"]["read"] is asked
    assert options["extensions"]["trace"] is attend_streams
    assert attempts(a_call()).options(asked, attend_streams)["params"] is None


def test_what_is_told_of_an_answer_counts_from_its_own_attempt():
    clock = Clock()
    made = attempts(a_call(), clock)
    made.begin()
    clock.pass_(30)
    made.wait_after(APIConnectionError("no"))
    made.begin()
    clock.pass_(2)
    info = made.head_of(httpx.Response(200, headers={"X-Request-Id": "r", "X-B": "2"}))
    assert (info.status_code, info.request_id, info.retries, info.elapsed) == (200, "r", 1, 2)
    assert info.headers["x-b"] == "2"


def answer(status, location):
    headers = {} if location is None else {"location": location}
    return ResponseInfo(status_code=status, headers=headers, request_id=None, retries=0, elapsed=0.0)


@pytest.mark.parametrize(
    ("method", "status", "location", "followed"),
    [
        ("GET", 307, "/v1/y", "https://host/v1/y"),
        ("GET", 302, "https://host/y?a=1", "https://host/y?a=1"),
        ("GET", 301, "https://host:443/y", "https://host:443/y"),
        ("GET", 304, "/v1/y", None),
        ("GET", 200, "/v1/y", None),
        ("GET", 307, None, None),
        ("GET", 307, "https://other/y", None),
        ("GET", 307, "http://host/y", None),
        ("GET", 307, "https://host:444/y", None),
        ("GET", 307, "http://[", None),
        ("GET", 307, "https://host:99999/", None),
        ("POST", 307, "/v1/y", None),
        ("DELETE", 307, "/v1/y", None),
    ],
)
def test_a_redirect_is_followed_within_the_origin_and_for_get_alone(method, status, location, followed):
    made = attempts(a_call(method=method))
    assert made.redirect(answer(status, location)) is (followed is not None)
    assert made.call.url == (followed or "https://host/v1/x")


def test_redirects_come_to_an_end():
    made = attempts(a_call(method="GET"))
    assert sum(made.redirect(answer(307, "/v1/x")) for _ in range(100)) == 5


def test_chance_and_time_are_the_usual_ones_unless_others_are_given():
    usual = Chances.of(None, None)
    assert (usual.random, usual.clock, usual.now) == (random.random, time.monotonic, time.time)
    clock = Clock()
    assert Chances.of(None, clock).clock is clock


# HTTP libraries without such a stream


def mocked(answer, **options):
    http = httpx.Client(transport=httpx.MockTransport(answer))
    return ChatClient(base_url="http://localhost/v1", api_key="k", http_client=http, max_retries=0, **options)


def test_a_mock_answers():
    with mocked(lambda request: httpx.Response(200, content=DATA)) as client:
        assert client.chat.completions.stream(**ASKED).final_content() == "Hi"
        assert len(list(client.chat.completions.create(**ASKED, stream=True))) > 1


@pytest.mark.anyio
async def test_an_async_mock_answers():
    http = httpx.AsyncClient(transport=httpx.MockTransport(lambda request: httpx.Response(200, content=DATA)))
    client = AsyncChatClient(base_url="http://localhost/v1", api_key="k", http_client=http)
    assert await client.chat.completions.stream(**ASKED).final_content() == "Hi"


def test_a_mock_is_given_a_number_of_seconds_and_its_timeouts_are_ours():
    seen = []

    def late(request):
        seen.append(request.extensions["timeout"])
        raise httpx.ReadTimeout("late", request=request)

    client = mocked(late, timeout=Timeout(connect=1, pool=2, first_byte=3, idle=4))
    with client, pytest.raises(APITimeoutError) as raised:
        client.chat.completions.create(**ASKED)
    assert raised.value.phase == "first_byte"
    assert seen == [{"connect": 1, "pool": 2, "write": 4.0, "read": 4.0}]


@pytest.mark.parametrize(
    ("error", "phase"),
    [(httpx.ConnectTimeout, "connect"), (httpx.PoolTimeout, "pool"), (httpx.ReadTimeout, "first_byte")],
)
def test_a_mock_that_is_late_is_told_by_what_it_was_late_for(error, phase):
    def late(request):
        raise error("late", request=request)

    with mocked(late) as client, pytest.raises(APITimeoutError) as raised:
        client.chat.completions.create(**ASKED)
    assert raised.value.phase == phase


def test_a_mock_that_is_late_in_the_middle_is_idle():
    body = Body([DATA[:80]], failure=httpx.ReadTimeout("late"))
    with mocked(lambda request: httpx.Response(200, stream=body)) as client, pytest.raises(APITimeoutError) as raised:
        client.chat.completions.stream(**ASKED).until_done()
    assert raised.value.phase == "idle"
    assert body.reads.closed


def test_the_total_holds_for_a_mock_too():
    clock = Clock()

    def reads():
        while True:
            clock.pass_(1)
            yield b": here\n\n"

    body = Body(reads())
    client = mocked(lambda request: httpx.Response(200, stream=body), timeout=Timeout(total=10), clock=clock)
    with client, pytest.raises(APITimeoutError) as raised:
        client.chat.completions.stream(**ASKED).until_done()
    assert raised.value.phase == "total"
    assert body.reads.taken == 10


@pytest.mark.parametrize("version", [b"HTTP/2", b"HTTP/1.1", b"HTTP/1.0"])
def test_what_comes_behind_the_end_is_not_read_where_reading_might_wait(version):
    # Nobody attends to a mock's stream, and on HTTP/2 there is none that is this response's alone.
    body = Body([DATA, b"more", b"and more"])
    response = httpx.Response(200, stream=body, extensions={"http_version": version})
    with mocked(lambda request: response) as client:
        client.chat.completions.stream(**ASKED).until_done()
    assert (body.reads.taken, body.reads.closed) == (1, 1)


@pytest.mark.parametrize(("version", "taken"), [(b"HTTP/2", 1), (b"HTTP/1.1", 3)])
def test_what_is_there_behind_the_end_is_read_where_a_stream_asks(version, taken):
    stream = FakeStream()

    def reads(asked):
        for data in (DATA, b"more", b""):
            stream.read(1, asked if data == DATA else None)
            yield data

    def answer(request):
        body = Body(reads(request.extensions["timeout"]["read"]))
        bodies.append(body)
        return httpx.Response(200, stream=body, extensions={"http_version": version, "network_stream": stream})

    bodies = []
    with mocked(answer) as client:
        client.chat.completions.stream(**ASKED).until_done()
    assert (bodies[0].reads.taken, bodies[0].reads.closed) == (taken, 1)


@pytest.mark.anyio
async def test_an_async_answer_over_http_2_is_not_drained():
    body = AsyncBody([DATA, b"more"])
    response = httpx.Response(200, stream=body, extensions={"http_version": b"HTTP/2"})
    http = httpx.AsyncClient(transport=httpx.MockTransport(lambda request: response))
    client = AsyncChatClient(base_url="http://localhost/v1", api_key="k", http_client=http)
    await client.chat.completions.stream(**ASKED).until_done()
    assert (body.reads.taken, body.reads.closed) == (1, 1)
