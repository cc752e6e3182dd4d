import json
import math
import time
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.errors import (
    APIError,
    APIStreamError,
    APITimeoutError,
    IncompleteStreamError,
    NotAStreamError,
    StreamInterruptedError,
    StreamProtocolError,
)
from chatstream.recording import Exchange, Fault, FaultName, Read, Recording, inject, is_struck
from chatstream.recording.changing.body import Body, events_of
from chatstream.recording.changing.changes import as_bytes
from chatstream.recording.exchange import joined
from chatstream.stream import ChatCompletionStream
from wire import DONE, block, chunk, cut

NAMES = get_args(FaultName)
WORDS = ["Hel", "lo", " wor", "ld"]
EVENTS = [
    block(chunk({"role": "assistant", "content": ""})),
    *(block(chunk({"content": word})) for word in WORDS),
    block(chunk(finish="stop")),
    DONE,
]
COMPLETION = {
    "id": "c1",
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello world"}, "finish_reason": "stop"}],
}
DOCUMENT = json.dumps(COMPLETION).encode()
HEADERS = {"content-type": "text/event-stream", "content-length": "999", "x-request-id": "r"}
AT_AN_EVENT = [name for name in NAMES if Fault(name).takes == ("after",)]
CHANGES_ONE = ["malformed", "bad_utf8", "drop_event", "duplicate_event"]
CUTS = ["disconnect", "reset", "truncate"]


def exchange_of(reads, **members):
    """Reads of bytes, each half a second after the one before."""
    members = {
        "form": "tape",
        "name": "t",
        "head": 0.25,
        "rest": 0.5,
        "end": {"end": "eof", "bytes": 1, "sha256": "x"},
        **members,
    }
    return Recording(
        response={"status": 200, "headers": HEADERS},
        reads=[read if isinstance(read, Read) else Read(0.5, read) for read in reads],
        **members,
    )


STREAM = exchange_of(EVENTS)


def struck(spelling, exchange=STREAM, *, seed=0):
    return inject(exchange, [Fault.parse(spelling)], seed=seed)


def data_of(exchange):
    return [read.data for read in exchange.reads]


def intervals_of(exchange):
    return [read.interval for read in exchange.reads]


def told(exchange):
    """What a client tells of an exchange: the text, and the error or how the stream ended."""
    stream = ChatCompletionStream(exchange.play(speed=None))
    try:
        stream.until_done()
    except APIError as error:
        completion, outcome = error.completion, type(error)
    else:
        completion, outcome = stream.snapshot, stream.end.kind
    return completion and completion.choices and completion.choices[0].message.content, outcome


# Spelling


@pytest.mark.parametrize(
    ("spelling", "fault"),
    [
        ("status", Fault("status")),
        ("status:503,times=2", Fault("status", status=503, times=2)),
        ("rate_limit:20", Fault("rate_limit", seconds=20)),
        ("delay_first:0.5", Fault("delay_first", seconds=0.5)),
        ("stall", Fault("stall")),
        ("stall:2,after=3", Fault("stall", seconds=2, after=3)),
        ("stall,after=3", Fault("stall", after=3)),
        ("reset,probability=0.1", Fault("reset", probability=0.1)),
        ("truncate:0", Fault("truncate", after=0)),
        ("split:7", Fault("split", size=7)),
        ("no_done,times=1,probability=1", Fault("no_done", times=1, probability=1)),
    ],
)
def test_a_spelling_is_a_fault_and_a_fault_has_that_spelling(spelling, fault):
    assert Fault.parse(spelling) == Fault.read(spelling) == fault
    assert str(fault) == spelling


def test_white_space_and_arguments_by_name_are_taken_too():
    assert (
        Fault.parse(" stall : 2 , after = 3 ")
        == Fault.parse("stall,after=3,seconds=2.0")
        == Fault.parse("stall:2,after=3")
    )


NUMBERS = {
    "seconds": st.floats(0, 10**9) | st.integers(0, 10**9),
    "status": st.integers(400, 599),
    "after": st.integers(0, 10**9),
    "size": st.integers(1, 10**9),
    "times": st.integers(1, 10**9),
    "probability": st.floats(0, 1),
}


@st.composite
def faults(draw, names=NAMES, *, most=10**9):
    name = draw(st.sampled_from(names))
    takes = [*Fault(name).takes, "times", "probability"]
    given_ = draw(st.lists(st.sampled_from(takes), unique=True))
    members = {one: draw(NUMBERS[one]) for one in given_}
    if "after" in members:
        members["after"] %= most
    return Fault(name, **members)


@given(faults())
def test_the_spelling_of_every_fault_is_read_as_that_fault(fault):
    assert Fault.parse(str(fault)) == fault
    members = {name: value for name, value in msgspec.structs.asdict(fault).items() if value is not None}
    assert Fault.read({"fault": members.pop("name"), **members}) == fault


@pytest.mark.parametrize(
    ("spelling", "reason"),
    [
        ("", "no fault is called ''; there are status, rate_limit, "),
        ("stal", "no fault is called 'stal'; there are status, rate_limit, "),
        ("Stall", "no fault is called 'Stall'"),
        ("x" * 100, f"no fault is called '{'x' * 28}…; there are"),
        ("no_done:1", "no_done takes nothing behind a colon"),
        ("stall:2,size=3", "stall takes seconds, after, times, probability, not 'size'"),
        ("split:3,after=1", "split takes size, times, probability, not 'after'"),
        ("no_done,after=1", "no_done takes times, probability, not 'after'"),
        ("stall:2,seconds=3", "seconds is given twice"),
        ("stall:2,3", "an argument is spelled name=value, not '3'"),
        ("stall:2,", "an argument is spelled name=value, not ''"),
        ("stall:", "seconds is a number from 0 to 1000000000, not ''"),
        ("stall:-1", "seconds is a number from 0 to 1000000000, not '-1'"),
        ("stall:nan", "seconds is a number from 0 to 1000000000, not 'nan'"),
        ("stall:inf", "seconds is a number from 0 to 1000000000, not 'inf'"),
        ("stall:1e999", "seconds is a number from 0 to 1000000000, not inf"),
        ("stall:1_0", "seconds is a number"),
        ("status:399", "status is a whole number from 400 to 599, not 399"),
        ("status:600", "status is a whole number from 400 to 599, not 600"),
        ("status:five", "status is a whole number from 400 to 599, not 'five'"),
        ("reset:1.5", "after is a whole number from 0 to 1000000000, not '1.5'"),
        ("reset:٣", "after is a whole number"),
        ("reset:" + "9" * 5000, "after is a whole number"),
        ("split:0", "size is a whole number from 1 to"),
        ("reset,times=0", "times is a whole number from 1 to"),
        ("reset,probability=1.1", "probability is a number from 0 to 1, not 1.1"),
    ],
)
def test_what_is_no_fault_is_refused_with_what_would_be_one(spelling, reason):
    with pytest.raises(ValueError, match="^" + reason.replace("|", r"\|").replace(".", r"\.")) as caught:
        Fault.parse(spelling)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        ["stall"],
        {},
        {"fault": None},
        {"fault": ["stall"]},
        {"fault": "stall:2"},
        {"name": "stall"},
        {"fault": "stall", "name": "reset"},
        {"fault": "stall", "secs": 2},
        {"fault": "stall", "seconds": "2"},
        {"fault": "stall", "seconds": True},
        {"fault": "stall", "seconds": math.nan},
        {"fault": "stall", "after": 2.0},
        {"fault": "status", "status": 200},
    ],
)
def test_a_tape_cannot_name_what_is_no_fault(value):
    with pytest.raises(ValueError, match=r"fault|takes|is a (whole )?number"):
        Fault.read(value)


def test_a_fault_cannot_be_made_wrong():
    with pytest.raises(ValueError, match="no_done takes times, probability, not 'after'"):
        Fault("no_done", after=3)
    with pytest.raises(ValueError, match="seconds is a number from 0"):
        Fault("stall", seconds=-1)


# Which requests


def test_times_counts_the_first_requests():
    assert [is_struck(Fault.parse("reset,times=2"), number) for number in range(1, 5)] == [True, True, False, False]
    assert all(is_struck(Fault("reset"), number) for number in range(1, 99))


def test_probability_strikes_that_part_of_the_requests_and_the_same_ones_for_a_seed():
    fault = Fault.parse("reset,probability=0.25")
    numbers = range(1, 2001)
    first = [is_struck(fault, number, seed=1) for number in numbers]
    assert first == [is_struck(fault, number, seed=1) for number in numbers]
    assert first != [is_struck(fault, number, seed=2) for number in numbers]
    assert 400 < sum(first) < 600
    assert not any(is_struck(Fault("reset", probability=0), number) for number in numbers)
    assert all(is_struck(Fault("reset", probability=1), number) for number in numbers)
    assert not any(is_struck(Fault("reset", probability=1, times=5), number) for number in numbers[5:])


# Instead of the answer, and before it


def test_a_status_is_an_error_instead_of_the_answer():
    exchange = struck("status:503")
    headers = {"x-request-id": "r", "content-type": "application/json"}
    assert exchange.response == {"status": 503, "headers": headers}
    assert exchange.end == {"end": "eof"}
    [read] = exchange.reads
    assert read.interval == exchange.head == 0.25
    error = json.loads(read.data)["error"]
    assert error == {
        "message": "a fault that was asked for: status:503",
        "type": "server_error",
        "param": None,
        "code": None,
    }
    assert struck("status").response["status"] == 500
    assert json.loads(struck("status:404").reads[0].data)["error"]["type"] == "invalid_request_error"
    assert told(exchange) == (None, APIStreamError)


@pytest.mark.parametrize(
    ("spelling", "headers"),
    [
        ("rate_limit", {"retry-after": "1"}),
        ("rate_limit:20", {"retry-after": "20"}),
        ("rate_limit:0", {"retry-after": "0"}),
        ("rate_limit:0.25", {"retry-after": "1", "retry-after-ms": "250"}),
    ],
)
def test_a_rate_limit_says_when_to_come_back(spelling, headers):
    exchange = struck(spelling, exchange_of(EVENTS))
    assert exchange.response["status"] == 429
    assert exchange.response["headers"] == {"x-request-id": "r", "content-type": "application/json", **headers}
    error = json.loads(exchange.reads[0].data)["error"]
    assert error["type"] == error["code"] == "rate_limit_exceeded"
    assert json.loads(struck("status:429").reads[0].data)["error"]["type"] == "rate_limit_exceeded"


def test_an_exchange_without_a_head_gets_one_with_a_status():
    exchange = struck("status", Exchange(form="sse", name="s", reads=[Read(None, b"x")]))
    assert exchange.response == {"status": 500, "headers": {"content-type": "application/json"}}


def test_a_delay_is_before_the_head_and_nothing_else():
    exchange = struck("delay_first:2")
    assert exchange.head == 2.25
    assert intervals_of(exchange) == [2.5, *intervals_of(STREAM)[1:]]
    assert (data_of(exchange), exchange.end, exchange.response) == (data_of(STREAM), STREAM.end, STREAM.response)
    untimed = struck("delay_first", Exchange(form="sse", name="s", reads=[Read(None, b"x")]))
    assert (untimed.head, untimed.reads) == (1, [Read(1, b"x")])
    assert struck("delay_first", Exchange(form="sse", name="s")).rest == 1


# At one event


def test_a_stall_is_a_pause_before_the_event():
    exchange = struck("stall:2,after=3")
    assert intervals_of(exchange) == [0.5, 0.5, 0.5, 2.5, 0.5, 0.5, 0.5]
    assert (data_of(exchange), exchange.end, exchange.response) == (data_of(STREAM), STREAM.end, STREAM.response)
    one_read = exchange_of([Read(None, b"".join(EVENTS))])
    assert struck("stall:2,after=1", one_read).reads == [Read(None, EVENTS[0]), Read(2, b"".join(EVENTS[1:]))]
    assert struck("stall:2,after=99").rest == 2.5
    assert told(exchange) == ("Hello world", "complete")


def test_a_stall_for_ever_is_a_time_out():
    exchange = struck("stall,after=3")
    assert data_of(exchange) == EVENTS[:3]
    assert (exchange.rest, exchange.end) == (0, {"end": "timeout", "phase": "idle"})
    assert told(exchange) == ("Hello", APITimeoutError)
    with pytest.raises(APITimeoutError) as caught:
        list(exchange.play(speed=None))
    assert caught.value.phase == "idle"


def test_a_disconnect_comes_between_two_events_when_the_second_would_have_come():
    exchange = struck("disconnect:3")
    assert data_of(exchange) == EVENTS[:3]
    assert (exchange.rest, exchange.end) == (0.5, {"end": "error", "error": "RemoteProtocolError"})
    assert told(exchange) == ("Hello", StreamInterruptedError)
    assert told(struck("disconnect:7")) == ("Hello world", "complete")  # [DONE] was there before


@pytest.mark.parametrize("seed", range(20))
def test_a_reset_and_a_cut_come_in_the_middle_of_the_event(seed):
    reset, cut_off = struck("reset:2", seed=seed), struck("truncate:2", seed=seed)
    for exchange in (reset, cut_off):
        *whole, part = data_of(exchange)
        assert whole == EVENTS[:2]
        assert EVENTS[2].startswith(part)
        assert len(b"data: {") <= len(part) < len(EVENTS[2].rstrip())
        assert exchange.rest == 0
        assert exchange.response["headers"] == {"content-type": "text/event-stream", "x-request-id": "r"}
    assert reset.end == {"end": "error", "error": "ConnectionResetError"}
    assert told(reset) == ("Hel", StreamInterruptedError)
    assert cut_off.end == {"end": "eof"}
    assert told(cut_off) == ("Hel", IncompleteStreamError)


def test_a_cut_done_is_no_done_at_all():
    for seed in range(20):
        assert told(struck("truncate:6", seed=seed)) == ("Hello world", "no_done")


def test_a_malformed_event_is_no_json():
    exchange = struck("malformed:2")
    assert data_of(exchange) == [*EVENTS[:2], b"data: {" + EVENTS[2][6:], *EVENTS[3:]]
    assert intervals_of(exchange) == intervals_of(STREAM)
    assert exchange.end == {"end": "eof"}
    assert exchange.response["headers"] == {"content-type": "text/event-stream", "x-request-id": "r"}
    assert told(exchange) == ("Hel", StreamProtocolError)
    assert told(struck("malformed:6")) == ("Hello world", StreamProtocolError)


def test_an_event_may_be_missing_come_twice_or_change_places():
    assert data_of(struck("drop_event:2")) == [*EVENTS[:2], *EVENTS[3:]]
    assert intervals_of(struck("drop_event:2")) == [0.5, 0.5, 1.0, 0.5, 0.5, 0.5]
    assert told(struck("drop_event:2")) == ("Hel world", "complete")
    assert data_of(struck("duplicate_event:2")) == [*EVENTS[:2], 2 * EVENTS[2], *EVENTS[3:]]
    assert told(struck("duplicate_event:2")) == ("Hellolo world", "complete")
    reordered = struck("reorder:2")
    assert b"".join(data_of(reordered)) == b"".join([*EVENTS[:2], EVENTS[3], EVENTS[2], *EVENTS[4:]])
    assert list(map(len, data_of(reordered))) == list(map(len, EVENTS))  # the bounds stay
    assert told(reordered) == ("Hel worlold", "complete")
    assert struck("reorder:6") is STREAM


def test_an_event_dropped_at_the_end_leaves_its_time_to_the_end():
    exchange = struck("drop_event:6")
    assert (data_of(exchange), exchange.rest) == (EVENTS[:6], 1.0)


def test_an_error_event_comes_instead_of_the_event_and_ends_the_stream():
    exchange = struck("error_event:3")
    assert data_of(exchange)[:3] == EVENTS[:3]
    [last] = data_of(exchange)[3:]
    assert json.loads(last.removeprefix(b"data: "))["error"]["type"] == "server_error"
    assert (exchange.reads[3].interval, exchange.rest, exchange.end) == (0.5, 0, {"end": "eof"})
    assert told(exchange) == ("Hello", APIStreamError)
    no_done = exchange_of([*EVENTS[:5], EVENTS[5][:-1]])
    assert told(struck("error_event:99", no_done)) == ("Hello world", APIStreamError)


def test_bad_utf8_stands_in_a_string_and_the_json_is_whole():
    exchange = struck("bad_utf8:2")
    [before, spoilt] = [data_of(one)[2] for one in (STREAM, exchange)]
    assert spoilt.replace(b"\xff\xfe", b"") == before
    with pytest.raises(UnicodeDecodeError):
        spoilt.decode()
    assert told(exchange) == ("Hel\ufffd\ufffdlo world", "complete")
    assert data_of(exchange)[:2] + data_of(exchange)[3:] == EVENTS[:2] + EVENTS[3:]
    assert struck("bad_utf8:6") is STREAM  # there is no string in [DONE]


@pytest.mark.parametrize(
    ("data", "spoilt"),
    [
        (b'{"a":1,"b":"x"}', b'{"a":1,"b":"\xff\xfex"}'),
        (b'{"a":1}', b'{"\xff\xfea":1}'),
        (rb'{"a":"\"content\":\"x"}', b'{"a":"\xff\xfe' + rb'\"content\":\"x"}'),
        (b'"x', b'"\xff\xfex'),
    ],
)
def test_bad_utf8_finds_a_string_in_any_json(data, spoilt):
    exchange = exchange_of([b"data: " + data + b"\n\n"])
    assert joined(struck("bad_utf8:0", exchange).reads) == b"data: " + spoilt + b"\n\n"


def test_no_done_leaves_out_the_done():
    exchange = struck("no_done")
    assert (data_of(exchange), exchange.rest, exchange.end) == (EVENTS[:-1], 1.0, {"end": "eof"})
    assert told(exchange) == ("Hello world", "no_done")
    assert struck("no_done", exchange) is exchange


# All over the body


def test_a_split_cuts_each_read_and_times_the_first_piece():
    exchange = struck("split:7", exchange_of([b"12345678", b"123", b"", b"1"], end={"end": "eof", "sha256": "x"}))
    assert exchange.reads == [Read(0.5, b"1234567"), Read(0.0, b"8"), Read(0.5, b"123"), Read(1.0, b"1")]
    assert exchange.end == {"end": "eof", "sha256": "x"}
    assert all(1 <= len(data) <= 64 for data in data_of(struck("split")))
    assert len({len(data) for data in data_of(struck("split"))}) > 5
    assert told(struck("split:1")) == ("Hello world", "complete")


def test_coalesced_events_come_when_the_last_of_them_came():
    exchange = struck("coalesce:3")
    assert data_of(exchange) == [b"".join(EVENTS[:3]), b"".join(EVENTS[3:6]), EVENTS[6]]
    assert intervals_of(exchange) == [1.5, 1.5, 0.5]
    assert struck("coalesce").reads == [Read(3.5, b"".join(EVENTS))]
    untimed = exchange_of([Read(None, data) for data in EVENTS])
    assert struck("coalesce", untimed).reads == [Read(None, b"".join(EVENTS))]


# Documents, chunks, several faults


def test_a_document_is_one_event():
    exchange = exchange_of([Read(0.5, DOCUMENT[:20]), Read(0.5, DOCUMENT[20:])], form="completion")
    for name in ("drop_event", "duplicate_event", "reorder", "no_done", "coalesce"):
        assert struck(name, exchange) is exchange
    for spelling in ("truncate", "truncate:5", "reset", "disconnect"):
        cut_off = joined(struck(spelling, exchange).reads)
        assert 0 < len(cut_off) < len(DOCUMENT)
        assert DOCUMENT.startswith(cut_off)
    assert joined(struck("malformed", exchange).reads) == b"{" + DOCUMENT
    assert "error" in json.loads(joined(struck("error_event", exchange).reads))
    spoilt = joined(struck("bad_utf8", exchange).reads)
    assert json.loads(spoilt.decode(errors="replace"))["choices"][0]["message"]["content"] == "\ufffd\ufffdHello world"
    assert intervals_of(struck("stall:2", exchange)) == [2.5, 0.5]
    assert told(struck("malformed", exchange))[1] is NotAStreamError
    assert told(struck("error_event", exchange))[1] is APIStreamError
    assert told(struck("reset", exchange))[1] is StreamInterruptedError


def test_a_source_of_chunks_becomes_the_bytes_a_server_would_have_sent():
    chunks = [json.loads(event[6:]) for event in EVENTS[:-1]]
    reads = [Read(0.5, one) for one in chunks]
    exchange = exchange_of(reads, form="tape", source="chunks")
    sent = as_bytes(exchange)
    assert (sent.source, sent.rest, sent.end) == ("bytes", 0, {"end": "eof"})
    assert sent.reads[-1] == Read(0.5, DONE)
    assert joined(sent.reads) == joined(exchange.reads) + DONE
    assert told(struck("drop_event:2", exchange)) == ("Hel world", "complete")
    for cut_short in (
        exchange_of(reads, source="chunks", end=None),
        exchange_of(reads, source="chunks", end={"end": "error"}),
        exchange_of(reads, source="chunks", form="chunks", torn=True, end=None),
    ):
        assert as_bytes(cut_short).reads[-1] != Read(0.5, DONE)
        assert len(as_bytes(cut_short).reads) == len(reads)
    dump = exchange_of([Read(None, one) for one in chunks], source="chunks", form="chunks", end=None, rest=0.0)
    assert as_bytes(dump).reads[-1] == Read(None, DONE)
    assert inject(exchange, []) is exchange


def test_several_faults_apply_in_the_order_given():
    faults_ = [Fault.parse("drop_event:0"), Fault.parse("stall:2,after=0"), Fault.parse("truncate:1")]
    exchange = inject(STREAM, faults_)
    assert exchange.reads[0] == Read(3.0, EVENTS[1])
    assert len(exchange.reads) == 2
    assert told(exchange) == ("Hel", IncompleteStreamError)
    assert inject(STREAM, [Fault("drop_event"), Fault("status")]).reads == struck("status").reads


def test_a_malformed_line_further_on_is_not_reached_by_a_stream_that_stops():
    tape = b'{"tape":1}\n[0,"j",{"a":1}]\nnonsense\n[0,"e",{"end":"eof"}]\n'
    exchange = Recording.parse(tape)
    assert exchange.flaw is not None
    for spelling in ("status", "truncate:0", "stall", "reset:9", "error_event:9"):
        assert struck(spelling, exchange).flaw is None
    assert struck("malformed:0", exchange).flaw is not None


def test_an_exchange_whose_head_was_written_by_hand_can_have_every_fault():
    for headers in (None, [], "x", {"Content-Length": 3, "a": 1}):
        exchange = msgspec.structs.replace(STREAM, response={"status": "?", "headers": headers})
        for name in NAMES:
            after = struck(name, exchange)
            assert isinstance(after.response["headers"], dict) or after.response == exchange.response
    assert struck("no_done", exchange).response["headers"] == {"a": 1}


# Laws

NEWLINES = [b"\n", b"\r", b"\r\n"]
noise = st.binary(max_size=30) | st.sampled_from(
    [
        *EVENTS,
        b"\n",
        b"\r",
        b"\r\n",
        b": x\n\n",
        b"data",
        b"data:",
        b"data: 1\n\n",
        b'{"a":',
        b"\xef\xbb\xbf",
        b'"',
        DOCUMENT,
    ]
)
reads_of_noise = st.lists(st.builds(Read, st.none() | st.floats(0, 9), noise), max_size=8)
some_faults = st.lists(faults(most=8), max_size=3)


@given(reads_of_noise, some_faults, st.integers(0, 5), st.booleans())
def test_any_fault_on_any_bytes_gives_an_exchange_and_the_same_one_for_the_same_seed(reads, some, seed, ended):
    exchange = exchange_of(reads, head=0.0, end={"end": "eof", "bytes": 1} if ended else None)
    before = msgspec.structs.replace(exchange, reads=list(reads))
    first = inject(exchange, some, seed=seed)
    assert inject(exchange, some, seed=seed) == first
    assert exchange == before
    assert first.rest >= 0
    assert all(read.interval is None or read.interval >= 0 for read in first.reads)
    assert 0 <= first.head <= (first.reads[0].interval or 0 if first.reads else first.rest)
    if joined(first.reads) != joined(reads):
        assert not {"bytes", "sha256"} & set(first.end or {})


@given(reads_of_noise, faults(["split", "coalesce", "stall", "delay_first"]))
def test_faults_of_time_leave_the_bytes_as_they_are(reads, fault):
    exchange = exchange_of(reads)
    after = inject(exchange, [fault])
    whole = joined(exchange.reads)
    if fault == Fault("stall", after=fault.after, times=fault.times, probability=fault.probability):
        assert whole.startswith(joined(after.reads))
        return
    assert joined(after.reads) == whole
    assert after.end == exchange.end
    if fault.name in {"split", "coalesce"}:
        assert math.isclose(after.duration, exchange.duration, abs_tol=1e-6)


@st.composite
def streams(draw):
    """The blocks of a stream with one kind of line end, and comments between some of them."""
    newline = draw(st.sampled_from(NEWLINES))
    comments = draw(st.lists(st.booleans(), min_size=len(EVENTS), max_size=len(EVENTS)))
    blocks = [event.replace(b"\n", newline) for event in EVENTS]
    between = [b": x" + 2 * newline if comment else b"" for comment in comments]
    whole = b"".join(part for pair in zip(between, blocks, strict=True) for part in pair)
    places = draw(st.lists(st.integers(0, len(whole)), max_size=10))
    return blocks, between, exchange_of(cut(whole, places))


@given(streams(), st.sampled_from(AT_AN_EVENT), st.integers(0, len(EVENTS) - 1), st.integers(0, 3))
def test_nothing_but_the_event_that_is_hit_is_changed_however_lines_end_and_reads_are_cut(stream, name, after, seed):
    blocks, between, exchange = stream
    place = sum(map(len, blocks[:after])) + sum(map(len, between[: after + 1]))
    whole = joined(exchange.reads)
    rest = whole[place + len(blocks[after]) :]
    changed = joined(inject(exchange, [Fault(name, after=after)], seed=seed).reads)
    assert changed.startswith(whole[:place])
    hit = changed[place:]
    if name in CUTS:
        assert blocks[after].startswith(hit)
        assert (hit == b"") == (name == "disconnect")
    elif name == "error_event":
        assert b'"server_error"' in hit
        assert len(events_of(changed)) == after + 1
    elif name == "reorder":
        follower = after + 1
        if follower < len(blocks):
            assert hit.startswith(blocks[follower] + between[follower] + blocks[after])
        assert len(changed) == len(whole)
    else:
        assert changed.endswith(rest)
        assert name in CHANGES_ONE
        assert len(events_of(changed)) == len(blocks) + {"drop_event": -1, "duplicate_event": 1}.get(name, 0)
        assert (changed == whole) == (name == "bad_utf8" and after == len(blocks) - 1)


@given(
    streams(),
    st.sampled_from(["truncate", "malformed", "drop_event", "duplicate_event", "reorder", "bad_utf8"]),
    st.integers(0, 50),
)
def test_a_drawn_place_is_one_where_the_fault_is_noticed(stream, name, seed):
    _, _, exchange = stream
    assert told(exchange) == ("Hello world", "complete")
    assert told(inject(exchange, [Fault(name)], seed=seed)) != ("Hello world", "complete")


def test_drawn_places_are_all_over_the_stream_and_never_behind_its_end():
    behind = exchange_of([*EVENTS, *EVENTS[:3]])
    places = {len(struck("disconnect", behind, seed=seed).reads) for seed in range(200)}
    assert places == set(range(len(EVENTS)))


@given(st.lists(noise, max_size=8), st.data())
def test_a_change_keeps_bounds_and_times_outside_it(parts, data):
    body = Body.of(exchange_of(parts))
    start = data.draw(st.integers(0, len(body.data)))
    stop = data.draw(st.integers(start, len(body.data)))
    new = data.draw(st.binary(max_size=9))
    changed = body.replaced(start, stop, new)
    assert changed.data == body.data[:start] + new + body.data[stop:] == joined(changed.reads())
    shift = len(changed.data) - len(body.data)
    ends, new_ends = ([end for _, end in one.bounds] for one in (body, changed))
    assert {end for end in ends if end < start} <= set(new_ends) | {0}
    assert {end + shift for end in ends if end > stop} <= set(new_ends)
    total, new_total = (sum(interval or 0 for interval, _ in one.bounds) + one.rest for one in (body, changed))
    assert math.isclose(total, new_total)


def test_no_bytes_make_a_fault_take_more_than_linear_time():
    began = time.monotonic()
    # Hostile to a search that goes back: no line end, no other half of a quote, nothing but line ends.
    for body in (b"data: " + b'"\\' * 100_000, b"\r" * 100_000, b"data:\n" * 30_000, b'"' * 100_000):
        for name in NAMES:
            struck(name, exchange_of([body]))
    assert time.monotonic() - began < 60  # about a second; were it quadratic, an hour
