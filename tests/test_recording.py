import gzip
import hashlib
import inspect
import io
import json
import os
import stat
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta, timezone
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import chatstream.recording
from chatstream.errors import (
    APIStreamError,
    APITimeoutError,
    ChatStreamError,
    IncompleteStreamError,
    NotAStreamError,
    RecordingError,
    StreamInterruptedError,
)
from chatstream.events import ErrorEvent
from chatstream.parser import ChatStreamParser
from chatstream.recording import Fault, Read, Recording, TapeWriter

CREATED = datetime(2026, 11, 22, 17, 30, tzinfo=UTC)
HEADER = b'{"tape":1,"tool":"by hand","created":"2026-11-22T17:30:00Z"}\n'
FULL_DISK = Path("/dev/full")
needs_full_disk = pytest.mark.skipif(not FULL_DISK.exists(), reason="no /dev/full on this system")


class Clock:
    """A clock that is set by hand, in microseconds."""

    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now / 1_000_000


def chunk(text="Hel", finish=None, **members):
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "choices": [choice], **members}


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def block(value):
    return b"data: " + compact(value) + b"\n\n"


HEL, LO = chunk("Hel"), chunk("lo", "stop")
STREAM = [b": hello\n\n", block(HEL), block(LO) + b"data: [DONE]\n\n"]
COMPLETION = {
    "id": "c1",
    "object": "chat.completion",
    "choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}],
}


def tape_of(reads, end="eof", error=None, **options):
    """A tape in memory: (microseconds to wait, then what was read)."""
    file, clock = io.BytesIO(), Clock()
    writer = TapeWriter(file, clock=clock, created=CREATED, **options)
    for wait, data in reads:
        clock.now += wait
        if isinstance(data, dict):
            writer.chunk(data)
        else:
            writer.read(data)
    if end:
        writer.end(end, error)
    writer.close()
    assert not writer.lost
    return file.getvalue()


def content_of(tape):
    """The lines of a tape, header and end aside."""
    return [json.loads(line) for line in tape.splitlines()[1:-1]]


def played(recording, **options):
    return list(recording.play(speed=None, **options))


def answer_of(recording):
    """What the parser makes of a recording: the text, and how it ended."""
    parser = ChatStreamParser()
    events = []
    for data in recording.play(speed=None):
        events += parser.feed(data) if isinstance(data, bytes) else parser.feed_chunk(data)
    events += parser.close()
    snapshot = parser.snapshot
    return snapshot and snapshot.choices[0].message.content, events[-1]


# What is written comes back

reads_of_bytes = st.lists(
    st.tuples(
        st.integers(0, 10**10),
        st.one_of(
            st.binary(max_size=40),
            st.text(max_size=20).map(str.encode),
            st.sampled_from(
                [*STREAM, b"", b"\n", b"\n\n", b"\r\n\r\n", b"data: {}\n\n", b'data: {"a": 1}\n\n', b"data: "]
            ),
        ),
    ),
    max_size=12,
)


@given(reads_of_bytes)
@example([(0, b'data: {"a":1e5}\n\n'), (1, b'data: {"a":NaN}\n\n'), (1, b'data: {"a":"\\ud83d"}\n\n')])
@example([(3, b'data: {"a":1,"a":1}\n\n'), (0, b'data: {"a":' + b"[" * 400 + b"]" * 400 + b"}\n\n")])
@example([(7, b'data: {"a":' + b"9" * 5000 + b"}\n\n"), (0, 'data: {"\u2028":"\x7f"}\n\n'.encode())])
def test_a_replay_has_the_bytes_the_bounds_and_the_times_of_what_was_written(reads):
    recording = Recording.parse(tape_of(reads))
    assert [(round(read.interval * 1_000_000), read.data) for read in recording.reads] == reads
    assert played(recording) == [data for _, data in reads]
    assert recording.bytes == b"".join(data for _, data in reads)
    assert recording.problems == []
    assert not recording.torn
    assert recording.flaw is None
    assert round(recording.duration * 1_000_000) == sum(wait for wait, _ in reads)


@given(st.text(max_size=60), st.data())
def test_a_character_cut_by_two_reads_comes_back_and_the_rest_of_the_text_stays_readable(text, data):
    whole = f"data: {text}é\n\n".encode()
    cut = data.draw(st.integers(0, len(whole)))
    tape = tape_of([(0, whole[:cut]), (5, whole[cut:])])
    assert played(Recording.parse(tape)) == [whole[:cut], whole[cut:]]
    # Of valid text cut in two, base64 holds the halves of one character at most.
    assert sum(len(line[2]) for line in content_of(tape) if line[1] == "b") <= 8


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
strings_with_surrogates = st.text(st.characters(categories=["Cs", "Lu"]), max_size=4)


@given(
    st.lists(
        st.tuples(st.integers(0, 10**7), st.dictionaries(st.text(), values | strings_with_surrogates, max_size=2)),
        max_size=3,
    )
)
def test_chunks_come_back_as_the_same_values(reads):
    recording = Recording.parse(tape_of(reads))
    # Two halves of a surrogate pair in one string are one character as soon as they are written.
    expected = [json.loads(json.dumps(value)) for _, value in reads]
    assert played(recording) == expected
    assert [round(read.interval * 1_000_000) for read in recording.reads] == [wait for wait, _ in reads]
    assert recording.problems == []
    assert recording.source == ("chunks" if reads else "bytes")


@given(reads_of_bytes, st.booleans(), st.data())
def test_a_tape_cut_anywhere_gives_the_lines_that_are_whole(reads, ended, data):
    whole = tape_of(reads, end="eof" if ended else None)
    check_cut(whole, data.draw(st.integers(0, len(whole))))


def test_a_tape_cut_at_any_byte_gives_the_lines_that_are_whole():
    whole = tape_of([(0, STREAM[0]), (1, "é".encode()[:1]), (20, block(chunk("é")) + b"\xff\n\n"), (10**7, STREAM[2])])
    for cut in range(len(whole) + 1):
        check_cut(whole, cut)


def check_cut(whole, cut):
    recording = Recording.parse(whole[:cut])
    lines = [json.loads(line) for line in whole[:cut].split(b"\n") if is_json(line)]
    if not lines:
        assert not recording.reads or recording.form == "sse"
        return
    assert recording.form == "tape"
    assert recording.flaw is None
    assert recording.torn == (not is_json(whole[:cut].split(b"\n")[-1] or b"0"))
    assert recording.header == lines[0]
    assert Recording.parse(whole).bytes.startswith(recording.bytes)
    assert recording.bytes == Recording.parse(b"".join(compact(line) + b"\n" for line in lines)).bytes
    assert b"".join(played(recording)) == recording.bytes


def is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@given(
    st.binary(),
    st.sampled_from(
        [b"", HEADER, HEADER[:-1], HEADER + tape_of([(0, STREAM[1])]), b'{"a":1}\n', b"[{}", b"HTTP/1.1 200 OK\n"]
    ),
)
def test_whatever_a_file_holds_it_can_be_loaded_and_only_a_recording_error_comes_of_playing_it(noise, before):
    for data in (before + noise, noise + before):
        for recording in Recording.parse_all(data):
            assert recording.bytes is not None
            assert repr(recording)
            try:
                played(recording)
            except RecordingError as error:
                assert error.line == data[: error.offset].count(b"\n") + 1  # noqa: PT017  an error is allowed, not demanded


def test_a_line_reads_as_the_format_says():
    tape = tape_of([(412_031, STREAM[1] + STREAM[2]), (20_110, b": keep-alive\n\n"), (1, b"\xff")])
    data = STREAM[1] + STREAM[2] + b": keep-alive\n\n\xff"
    assert tape.decode().splitlines() == [
        f'{{"tape":1,"tool":"chatstream/{chatstream.__version__}","created":"2026-11-22T17:30:00Z"}}',
        f'[0.412031,"j",{compact(HEL).decode()}]',
        f'[null,"j",{compact(LO).decode()}]',
        '[null,"s","data: [DONE]\\n\\n"]',
        '[0.020110,"s",": keep-alive\\n\\n"]',
        '[0.000001,"b","/w=="]',
        f'[0,"e",{{"end":"eof","bytes":{len(data)},"sha256":"{hashlib.sha256(data).hexdigest()}"}}]',
    ]


@pytest.mark.parametrize(
    "spelled",
    [
        b'data: {"a": 1}\n\n',
        b'data:{"a":1}\n\n',
        b'data: {"a":1}\r\n\r\n',
        b'data: {"a":"\\u00e9"}\n\n',
        b'data: {"a":1.50}\n\n',
        b'data: {"a":1} \n\n',
        b'data: {"a":1}\n',
        b'data: {"a":1}\n\n\n',
        b"data: [1]\n\n",
        b'event: x\ndata: {"a":1}\n\n',
    ],
)
def test_a_block_that_json_would_not_give_back_byte_by_byte_is_kept_as_text(spelled):
    tape = tape_of([(0, spelled)])
    assert content_of(tape) == [[0, "s", spelled.decode()]]
    assert played(Recording.parse(tape)) == [spelled]


def test_a_read_of_nothing_but_line_ends_is_one_line():
    assert len(content_of(tape_of([(0, b"\n" * 1000)]))) == 1


def test_intervals_add_up_without_drift():
    file, clock = io.BytesIO(), Clock()
    writer = TapeWriter(file, clock=clock, created=CREATED)
    for number in range(1, 3001):
        clock.now = number * 1_000_000 / 3  # a third of a second: no number of microseconds
        writer.read(b"x\n")
    assert Recording.parse(file.getvalue()).duration == 1000


def test_a_clock_that_goes_backwards_gives_no_negative_interval():
    recording = Recording.parse(tape_of([(500, b"a"), (-300, b"b"), (400, b"c")]))
    assert [read.interval for read in recording.reads] == [0.0005, 0.0, 0.0001]


def test_a_block_cut_by_two_reads_stays_two_reads():
    whole = STREAM[1]
    for cut in range(len(whole)):
        assert played(Recording.parse(tape_of([(0, whole[:cut]), (0, whole[cut:])]))) == [whole[:cut], whole[cut:]]


# A tape, read


def test_an_interval_of_null_is_the_same_read_as_the_line_before():
    lines = b'[0.1,"s","a"]\n[null,"s","b"]\n[null,"b","/w=="]\n[0.2,"s","c"]\n'
    assert Recording.parse(HEADER + lines).reads == [Read(0.1, b"ab\xff"), Read(0.2, b"c")]


def test_a_read_begins_with_its_first_line_and_counts_the_lines_that_were_skipped():
    lines = (
        b'[0.1,"q",{}]\n[0.2,"h",{"status":200}]\n[null,"s","a"]\n[0.3,"zz",1]\n[0.4,"n","why?"]\n'
        b'[0.05,"s","b"]\n[0.5,"e",{"end":"eof"}]\n'
    )
    recording = Recording.parse(HEADER + lines)
    assert recording.reads == [Read(0.3, b"a"), Read(0.75, b"b")]
    assert recording.rest == 0.5
    assert recording.duration == 1.55
    assert recording.request == {}
    assert recording.response == {"status": 200}
    assert recording.end == {"end": "eof"}


def test_blank_lines_a_bom_and_crlf_do_no_harm():
    tape = b"\xef\xbb\xbf\r\n\r\n" + HEADER + b'\r\n[0.1,"s","a"]\r\n  \r\n[0.2,"j",{"a":1}]\r\n'
    recording = Recording.parse(tape.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    assert recording.form == "tape"
    assert played(recording) == [b"a", b'data: {"a":1}\n\n']


def test_a_header_is_known_wherever_its_members_stand_and_keeps_the_unknown_ones():
    recording = Recording.parse(b'{"tool":"x","later":[1],"tape":1}\n[0,"s","a"]')
    assert recording.form == "tape"
    assert recording.header == {"tool": "x", "later": [1], "tape": 1}
    assert played(recording) == [b"a"]


@pytest.mark.parametrize(
    "malformed",
    [
        b"{}",
        b"[]",
        b"nonsense",
        b'[0,"s"]',
        b'[0,"s","a",1]',
        b'["0","s","a"]',
        b'[-1,"s","a"]',
        b'[true,"s","a"]',
        b'[1e400,"s","a"]',
        b'[NaN,"s","a"]',
        b'[0,5,"a"]',
        b'[0,"s",1]',
        b'[0,"b","a"]',
        b'[0,"b","\xc3\xa9"]',
        b'[0,"s","\\ud83d"]',
        b'[0,"e",1]',
        b'[0,"h",[]]',
        b'[0,"s","\xff"]',
        b'[0,"s",["a"]]',
        b'[0,"n",' + b"[" * 2000 + b"]" * 2000 + b"]",
        b'[0,"j",' + b"9" * 5000 + b"]",
    ],
)
def test_a_malformed_line_is_met_after_everything_before_it_was_played(malformed):
    before = HEADER + b'[0,"s","one"]\n\n'
    recording = Recording.parse(before + malformed + b'\n[0,"s","two"]\n', name="broken.tape.jsonl")
    assert recording.bytes == b"one"
    assert not recording.torn
    player = recording.play(sleep=pytest.fail)
    assert next(player) == b"one"
    with pytest.raises(RecordingError, match=r"broken\.tape\.jsonl, line 4: ") as caught:
        next(player)
    assert (caught.value.line, caught.value.offset) == (4, len(before))
    assert list(player) == []


def test_a_last_line_without_its_newline_is_torn_only_if_it_is_not_whole():
    whole = HEADER + b'[0,"s","one"]\n[0,"s","two"]'
    assert played(Recording.parse(whole)) == [b"one", b"two"]
    assert not Recording.parse(whole).torn
    torn = Recording.parse(whole[:-2])
    assert torn.torn
    assert played(torn) == [b"one"]
    assert "torn" in repr(torn)


def test_a_header_that_was_cut_is_a_torn_tape_and_a_broken_one_fails_when_played():
    cut = Recording.parse(HEADER[:14])
    assert (cut.form, cut.torn, cut.header, played(cut)) == ("tape", True, None, [])
    with pytest.raises(RecordingError, match="line 1"):
        played(Recording.parse(HEADER[:14] + b'\n[0,"s","a"]\n'))


@pytest.mark.parametrize("version", [2, 0, "1", None])
def test_a_tape_of_another_version_is_refused_when_it_is_played(version):
    recording = Recording.parse(compact({"tape": version}) + b'\n[0,"s","a"]\n')
    with pytest.raises(RecordingError, match="another version than 1"):
        played(recording)


def test_many_exchanges_may_follow_each_other():
    first, second = tape_of([(1, b"one")]), tape_of([(2, b"two")])
    assert [recording.bytes for recording in Recording.parse_all(first + second)] == [b"one", b"two"]
    assert Recording.parse(first + second).bytes == b"one"


def test_a_tail_torn_before_the_next_header_is_a_torn_tail_and_no_flaw():
    died = tape_of([(1, b"one"), (1, b"lost")], end=None)[:-5] + b"\n"
    first, second = Recording.parse_all(died + tape_of([(2, b"two")]))
    assert (first.torn, first.flaw, played(first)) == (True, None, [b"one"])
    assert (second.torn, played(second)) == (False, [b"two"])


def test_a_flaw_ends_one_exchange_and_not_the_next():
    broken = tape_of([(1, b"one")], end=None) + b'oops\n[0,"s","more"]\n'
    first, second = Recording.parse_all(broken + tape_of([(2, b"two")]))
    with pytest.raises(RecordingError):
        played(first)
    assert played(second) == [b"two"]


def test_a_tape_that_does_not_add_up_can_be_played_and_says_so():
    tape = tape_of([(1, b"one"), (1, b"two")])
    recording = Recording.parse(tape.replace(b'"two"', b'"too many"'))
    assert played(recording) == [b"one", b"too many"]
    assert recording.problems == [
        "11 bytes, where the end line says 6",
        "the bytes are not those of the sha256 in the end line",
    ]


def test_what_stands_after_the_end_is_not_played():
    recording = Recording.parse(tape_of([(1, b"one")]) + b'[0,"s","two"]\n[0,"s","three"]\nnonsense\n')
    assert played(recording) == [b"one"]
    assert recording.problems == [
        "lines after the end, 's' first",
        "line 6, after the end: malformed JSON: Expecting value at character 0",
    ]


def test_on_a_tape_of_chunks_only_chunks_are_played():
    note = b'[0,"n",{"source":"chunks"}]\n'
    recording = Recording.parse(HEADER + note + b'[0.1,"j",{"a":1}]\n[null,"j",{"a":2}]\n')
    assert recording.reads == [Read(0.1, {"a": 1}), Read(0.0, {"a": 2})]
    assert recording.bytes == b'data: {"a":1}\n\ndata: {"a":2}\n\n'
    for line in (b'[0,"s","a"]\n', b'[0,"j",[]]\n'):
        with pytest.raises(RecordingError, match="line 4: not a chunk"):
            played(Recording.parse(HEADER + note + b'[0.1,"j",{"a":1}]\n' + line))


def test_a_note_about_chunks_after_bytes_changes_nothing():
    recording = Recording.parse(HEADER + b'[0,"s","a"]\n[0,"n",{"source":"chunks"}]\n[0,"j",{"a":1}]\n')
    assert played(recording) == [b"a", b'data: {"a":1}\n\n']


# Playing


def test_reads_come_after_the_waits_of_then_at_the_speed_of_now():
    recording = Recording.parse(tape_of([(300_000, b"one"), (0, b"two"), (500_000, b"three")]))
    waits = []
    assert list(recording.play(sleep=waits.append)) == [b"one", b"two", b"three"]
    assert waits == [0.3, 0.5]
    waits.clear()
    assert list(recording.play(speed=2, sleep=waits.append)) == [b"one", b"two", b"three"]
    assert waits == [0.15, 0.25]
    assert played(recording, sleep=pytest.fail) == [b"one", b"two", b"three"]


def test_by_default_it_sleeps():
    recording = Recording.parse(tape_of([(20_000, b"one")]))
    began = time.monotonic()
    assert list(recording.play()) == [b"one"]
    assert time.monotonic() - began >= 0.015


def test_the_pause_before_the_end_is_played_too():
    file, clock = io.BytesIO(), Clock()
    writer = TapeWriter(file, clock=clock, created=CREATED)
    writer.read(b"one")
    clock.now = 30_000_000
    writer.end("timeout", APITimeoutError(phase="idle"))
    waits = []
    with pytest.raises(APITimeoutError):
        list(Recording.parse(file.getvalue()).play(sleep=waits.append))
    assert waits == [30]


@pytest.mark.parametrize("speed", [0, -1, float("nan"), 0.0])
def test_a_speed_that_is_none_is_named(speed):
    recording = Recording.parse(STREAM[1])
    with pytest.raises(ValueError, match=f"speed .* not {speed}"):
        recording.play(speed=speed)
    with pytest.raises(ValueError, match=f"speed .* not {speed}"):
        recording.aplay(speed=speed)


def test_an_error_at_the_end_is_raised_where_it_happened_and_once():
    player = Recording.parse(tape_of([(1, b"one")], "error", ConnectionResetError())).play(speed=None)
    assert next(player) == b"one"
    with pytest.raises(StreamInterruptedError, match="ConnectionResetError"):
        next(player)
    assert list(player) == []


def test_an_error_that_was_given_by_name_is_named():
    assert b'"error":"ReadError"' in tape_of([], "error", "ReadError")
    with pytest.raises(StreamInterruptedError, match=r"\(ReadError\)"):
        played(Recording.parse(tape_of([], "error", "ReadError")))
    with pytest.raises(StreamInterruptedError, match=r"broke off$"):
        played(Recording.parse(tape_of([], "error")))


@pytest.mark.parametrize("phase", ["connect", "first_byte", "idle", "total", "pool"])
def test_a_timeout_at_the_end_has_its_phase(phase):
    with pytest.raises(APITimeoutError) as caught:
        played(Recording.parse(tape_of([], "timeout", APITimeoutError(phase=phase))))
    assert caught.value.phase == phase


@pytest.mark.parametrize("phase", ['"never"', "1", "[]", "null"])
def test_a_timeout_of_a_phase_that_is_none_is_one_of_all(phase):
    with pytest.raises(APITimeoutError) as caught:
        played(Recording.parse(HEADER + b'[0,"e",{"end":"timeout","phase":%s}]' % phase.encode()))
    assert caught.value.phase == "total"


@pytest.mark.parametrize("end", ["cancel", "eof", None])
def test_a_tape_that_was_stopped_or_that_its_recorder_did_not_survive_simply_ends(end):
    recording = Recording.parse(tape_of([(0, STREAM[1])], end))
    assert played(recording) == [STREAM[1]]
    text, last = answer_of(recording)
    assert text == "Hel"
    assert isinstance(last.error, IncompleteStreamError)


def test_a_player_that_is_closed_gives_nothing_more():
    recording = Recording.parse(tape_of([(0, b"one"), (0, b"two")], "error"))
    with recording.play() as player:
        assert next(player) == b"one"
    assert list(player) == []
    assert next(recording.play()) == b"one"


def test_near_the_bottom_of_the_stack_a_deep_line_is_malformed_or_read_and_nothing_else():
    deep = b'{"a":' * 500 + b"1" + b"}" * 500

    def fall(levels):
        return fall(levels - 1) if levels else Recording.parse(HEADER + b'[0,"j",' + deep + b"]\n")

    for left in (100, 300, *range(490, 530), 600):
        recording = fall(sys.getrecursionlimit() - len(inspect.stack(0)) - left)
        assert recording.flaw is not None or recording.bytes == b"data: " + deep + b"\n\n"


async def collect(player):
    found = []
    try:
        while True:
            found.append(await anext(player))
    except (ChatStreamError, StopAsyncIteration) as error:
        return found, str(error), isinstance(error, ChatStreamError) and type(error)


def collect_sync(player):
    found = []
    try:
        while True:
            found.append(next(player))
    except (ChatStreamError, StopIteration) as error:
        return found, str(error), isinstance(error, ChatStreamError) and type(error)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "data",
    [
        tape_of([(300_000, b"one"), (0, b"two"), (500_000, b"three")]),
        tape_of([(300_000, HEL), (1, LO)], "timeout", APITimeoutError(phase="idle")),
        tape_of([(1, b"one")], "error"),
        HEADER + b'[0.5,"s","one"]\nnonsense\n\n',
        b"".join(STREAM),
        b"",
        json.dumps(COMPLETION, indent=1).encode(),
    ],
)
async def test_async_players_give_the_very_same(data):
    recording = Recording.parse(data)
    waits, async_waits = [], []

    async def sleep(seconds):
        async_waits.append(seconds)

    assert await collect(recording.aplay(speed=3, sleep=sleep)) == collect_sync(
        recording.play(speed=3, sleep=waits.append)
    )
    assert async_waits == waits
    assert await collect(recording.aplay(speed=None)) == collect_sync(recording.play(speed=None))


@pytest.mark.anyio
async def test_an_async_player_sleeps_with_anyio_and_can_be_closed():
    recording = Recording.parse(tape_of([(20_000, b"one"), (20_000, b"two")]))
    began = time.monotonic()
    async with recording.aplay() as player:
        async for data in player:
            assert data == b"one"
            break
    assert time.monotonic() - began >= 0.015
    assert await collect(player) == ([], "", False)


# The kinds of file


def test_raw_event_stream_text_is_one_read_without_a_time():
    recording = Recording.parse(b"".join(STREAM))
    assert recording.form == "sse"
    assert recording.reads == [Read(None, b"".join(STREAM))]
    assert recording.duration == 0
    text, last = answer_of(recording)
    assert (text, last.end.kind) == ("Hello", "complete")
    assert list(recording.play(sleep=pytest.fail)) == [b"".join(STREAM)]


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nset-cookie: a\r\nSet-Cookie: b\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [HEAD, HEAD.replace(b"\r", b""), b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD, HEAD.replace(b"1.1 200 OK", b"2 200 ")],
)
def test_the_head_that_curl_wrote_is_kept_apart(head):
    recording = Recording.parse(head + b"".join(STREAM))
    assert recording.form == "sse"
    assert recording.response == {"status": 200, "headers": {"content-type": "text/event-stream", "set-cookie": "a, b"}}
    assert played(recording) == [b"".join(STREAM)]


def test_behind_a_head_any_kind_of_body_is_known():
    assert Recording.parse(HEAD + compact(COMPLETION)).form == "completion"
    chunks = Recording.parse(HEAD + compact(HEL) + b"\nx\n")
    assert played_until_error(chunks) == ([HEL], 7)
    cut = Recording.parse(HEAD[:31])
    assert (cut.response, played(cut)) == ({"status": 200, "headers": {"content-type": ""}}, [])
    assert Recording.parse(b"HTTP/1.1 204 No Content\r\n\r\n").response == {"status": 204, "headers": {}}


def played_until_error(recording):
    player = recording.play(speed=None)
    found = [next(player) for _ in recording.reads]
    with pytest.raises(RecordingError) as caught:
        next(player)
    return found, caught.value.line


JSON_LINES = compact(HEL) + b"\n" + compact(LO) + b"\n"


@pytest.mark.parametrize(
    "data",
    [
        JSON_LINES,
        JSON_LINES[:-1],
        b"\xef\xbb\xbf" + JSON_LINES.replace(b"\n", b"\r\n\r\n"),
        JSON_LINES + b"[DONE]\n",
        JSON_LINES + b"data: [DONE]\n\n",
        json.dumps([HEL, LO]).encode(),
        b"\xef\xbb\xbf \n" + json.dumps([HEL, LO], indent=2).encode() + b"\n",
    ],
)
def test_chunks_in_json_lines_or_an_array_are_played_as_dicts(data):
    recording = Recording.parse(data)
    assert (recording.form, recording.source, recording.torn, recording.flaw) == ("chunks", "chunks", False, None)
    assert recording.reads == [Read(None, HEL), Read(None, LO)]
    text, last = answer_of(recording)
    assert (text, last.end.kind, last.end.done_seen) == ("Hello", "complete", None)
    assert recording.bytes == block(HEL) + block(LO)


def test_json_lines_cut_at_any_byte_give_the_chunks_that_are_whole():
    for cut in range(JSON_LINES.index(b"delta") + 6, len(JSON_LINES)):
        recording = Recording.parse(JSON_LINES[:cut])
        whole = [json.loads(line) for line in JSON_LINES[:cut].split(b"\n") if is_json(line)]
        assert recording.form == "chunks"
        assert played(recording) == whole
        assert recording.torn == (not is_json(JSON_LINES[:cut].split(b"\n")[-1] or b"0"))


def test_a_broken_line_among_chunks_is_met_after_the_chunks_before_it():
    assert played_until_error(Recording.parse(compact(HEL) + b"\n{\n" + compact(LO) + b"\n")) == ([HEL], 2)


def test_one_object_is_a_chunk_or_a_completion_by_what_it_holds():
    usage = {"id": "c1", "object": "chat.completion.chunk", "choices": [], "usage": {"total_tokens": 1}}
    for value in (HEL, usage):
        for written in (compact(value), compact(value) + b"\n", json.dumps(value, indent=1).encode()):
            assert played(Recording.parse(written)) == [value]
    for written in (
        compact(COMPLETION),
        compact(COMPLETION) + b"\n\n",
        b"\xef\xbb\xbf" + json.dumps(COMPLETION, indent=4).encode(),
    ):
        recording = Recording.parse(written)
        assert (recording.form, played(recording)) == ("completion", [written])
        text, last = answer_of(recording)
        assert (text, last.end.kind) == ("Hello", "complete")


def test_an_error_document_is_given_to_the_parser_as_it_is():
    recording = Recording.parse(b'{"error":{"message":"no such model"}}')
    assert recording.form == "completion"
    assert isinstance(answer_of(recording)[1].error, APIStreamError)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", IncompleteStreamError),
        (b"\n\n", IncompleteStreamError),
        (bytes(range(256)), NotAStreamError),
        (b"\x1f\x8b\x08 cut", NotAStreamError),
        (b"<!doctype html>", NotAStreamError),
        (b"[1, 2]", NotAStreamError),
        (b"[]", NotAStreamError),
        (b'[{"choices": [', NotAStreamError),
        (b'{"choices": [', NotAStreamError),
        (b"null", NotAStreamError),
    ],
)
def test_what_is_nothing_known_goes_to_the_parser_which_says_what_is_wrong(data, error):
    recording = Recording.parse(data)
    assert b"".join(played(recording)) == data
    last = answer_of(recording)[1]
    assert isinstance(last, ErrorEvent)
    assert isinstance(last.error, error)


def test_event_stream_text_that_begins_with_json_stays_text():
    data = b'{"a":1}\n' + block(HEL)
    assert (Recording.parse(data).form, Recording.parse(data).bytes) == ("sse", data)
    data = compact(HEL) + b"\n" + block(LO)
    assert (Recording.parse(data).form, Recording.parse(data).bytes) == ("sse", data)


def test_only_bytes_are_parsed():
    with pytest.raises(TypeError, match="not str"):
        Recording.parse("data: {}\n\n")
    assert Recording.parse(bytearray(STREAM[1])).bytes == STREAM[1]
    assert Recording.parse(memoryview(STREAM[1])).bytes == STREAM[1]


def test_recordings_compare_by_what_they_hold():
    assert Recording.parse(tape_of([(0, b"a")])) == Recording.parse(tape_of([(0, b"a")]))
    assert Recording.parse(tape_of([(0, b"a")])) != Recording.parse(tape_of([(0, b"b")]))


# Files


def test_a_file_is_loaded_by_its_path_and_the_file_system_speaks_for_itself(tmp_path):
    path = tmp_path / "x.tape.jsonl"
    path.write_bytes(tape_of([(0, b"one")]) + tape_of([(0, b"two")]))
    assert Recording.load(path) == Recording.load(str(path)) == Recording.load_all(path)[0]
    assert [recording.bytes for recording in Recording.load_all(path)] == [b"one", b"two"]
    assert Recording.load(path).name == "x.tape.jsonl"
    with pytest.raises(FileNotFoundError):
        Recording.load(tmp_path / "missing")
    with pytest.raises(OSError, match=r"directory|denied"):
        Recording.load(tmp_path)


def test_a_gzip_file_is_read_up_to_where_it_was_cut(tmp_path):
    tape = tape_of([(number, block(chunk(str(number**3)))) for number in range(400)])
    whole = Recording.parse(tape)
    packed = gzip.compress(tape[:9000]) + b"\0" * 7 + gzip.compress(tape[9000:])
    path = tmp_path / "x.tape.jsonl.GZ"
    path.write_bytes(packed)
    assert Recording.load(path).bytes == whole.bytes
    assert (Recording.load(path).torn, Recording.load(path).problems) == (False, [])
    for cut in range(2, len(packed) - 1, 37):
        path.write_bytes(packed[:cut])
        recording = Recording.load(path)
        assert whole.bytes.startswith(recording.bytes)
        assert recording.torn or cut in range(len(gzip.compress(tape[:9000])), len(gzip.compress(tape[:9000])) + 8)
        assert b"".join(played(recording)) == recording.bytes
    assert len(recording.bytes) > len(whole.bytes) * 0.8
    assert recording.problems == ["the gzip file was cut or damaged"]


def test_a_damaged_gzip_file_gives_what_came_before_the_damage(tmp_path):
    packed = bytearray(gzip.compress(b"".join(block(chunk(str(number**5))) for number in range(2000))))
    packed[len(packed) // 2 : len(packed) // 2 + 50] = b"\xff" * 50
    path = tmp_path / "x.sse.gz"
    path.write_bytes(packed)
    assert Recording.load(path).torn
    assert len(Recording.load(path).bytes) > 1000


def test_a_file_that_is_called_gz_and_is_none_is_read_as_it_is(tmp_path):
    path = tmp_path / "x.sse.gz"
    path.write_bytes(STREAM[1])
    assert (Recording.load(path).bytes, Recording.load(path).torn) == (STREAM[1], False)


# Writing


def test_a_new_tape_is_for_its_owner_alone_and_every_line_is_there_at_once(tmp_path):
    path = tmp_path / "x.tape.jsonl"
    with TapeWriter(path) as writer:
        assert path.read_bytes().count(b"\n") == 1
        writer.read(b"one\n")
        assert played(Recording.load(path)) == [b"one\n"]
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Recording.load(path).end is None


def test_a_tape_is_appended_also_to_one_whose_recorder_died(tmp_path):
    path = tmp_path / "x.tape.jsonl"
    path.write_bytes(tape_of([(0, b"one"), (0, b"lost")], end=None)[:-3])
    for data in (b"two", b"three"):
        with TapeWriter(str(path)) as writer:
            writer.read(data)
            writer.end("eof")
    recordings = Recording.load_all(path)
    assert [recording.bytes for recording in recordings] == [b"one", b"two", b"three"]
    assert [recording.torn for recording in recordings] == [True, False, False]


def test_a_path_that_cannot_be_opened_is_an_error_at_once(tmp_path):
    with pytest.raises(FileNotFoundError):
        TapeWriter(tmp_path / "missing" / "x.tape.jsonl")


def test_a_file_of_yours_stays_yours(tmp_path):
    text = io.StringIO()
    with TapeWriter(text, created=CREATED) as writer:
        writer.read("é".encode())
    assert played(Recording.parse(text.getvalue().encode())) == ["é".encode()]
    with (tmp_path / "text").open("w", encoding="utf-8") as file, TapeWriter(file) as writer:
        writer.read("é".encode())
    assert Recording.load(tmp_path / "text").bytes == "é".encode()
    with tempfile.TemporaryFile() as file:
        with TapeWriter(file) as writer:
            writer.read(b"one")
        file.seek(0)
        assert Recording.parse(file.read()).bytes == b"one"
    with tempfile.NamedTemporaryFile("w+", encoding="utf-8") as file:
        with TapeWriter(file) as writer:
            writer.read(b"one")
        assert Recording.load(file.name).bytes == b"one"


def test_a_file_that_takes_little_at_a_time_is_given_the_rest():
    class Slow(io.BytesIO):
        def write(self, data):
            return super().write(data[:3])

    file = Slow()
    with TapeWriter(file) as writer:
        writer.read(b"one and two")
    assert Recording.parse(file.getvalue()).bytes == b"one and two"


def test_the_time_of_creation_is_written_in_utc():
    created = datetime(2026, 11, 22, 18, 30, tzinfo=timezone(timedelta(hours=1)))
    file = io.BytesIO()
    TapeWriter(file, created=created).close()
    assert Recording.parse(file.getvalue()).header["created"] == "2026-11-22T17:30:00Z"
    file = io.BytesIO()
    TapeWriter(file).close()
    now = datetime.fromisoformat(Recording.parse(file.getvalue()).header["created"])
    assert abs(datetime.now(UTC) - now) < timedelta(minutes=1)


def test_of_headers_only_those_are_written_that_cannot_hold_a_key():
    file = io.BytesIO()
    with TapeWriter(file) as writer:
        writer.request(
            {
                "method": "POST",
                "url": "/v1",
                "headers": {"Authorization": "Bearer sk-1", "Accept": "*/*"},
                "body": {"a": 1},
            }
        )
        writer.response(
            200,
            {"Content-Type": "text/event-stream", "Set-Cookie": "x", "content-encoding": "gzip", "X-Request-ID": "r"},
        )
    recording = Recording.parse(file.getvalue())
    assert recording.request == {"method": "POST", "url": "/v1", "headers": {"accept": "*/*"}, "body": {"a": 1}}
    assert recording.response == {"status": 200, "headers": {"content-type": "text/event-stream", "x-request-id": "r"}}
    file = io.BytesIO()
    with TapeWriter(file) as writer:
        writer.request({"method": "GET"})
        writer.response(204)
    assert Recording.parse(file.getvalue()).response == {"status": 204, "headers": {}}


def test_a_note_is_there_and_players_skip_it():
    file = io.BytesIO()
    with TapeWriter(file) as writer:
        writer.note({"about": "why"})
        writer.read(b"one")
    assert b'"n",{"about":"why"}]' in file.getvalue()
    assert played(Recording.parse(file.getvalue())) == [b"one"]


def test_chunks_are_announced_once():
    tape = tape_of([(0, HEL), (1, LO)])
    assert [line[1] for line in content_of(tape)] == ["n", "j", "j"]
    file = io.BytesIO()
    with TapeWriter(file) as writer:
        writer.source_chunks()
        writer.source_chunks()
        writer.chunk(HEL)
    assert file.getvalue().count(b'{"source":"chunks"}') == 1


def test_chunks_may_hold_mappings_models_and_numbers_that_json_does_not_have():
    class Model:
        def model_dump(self):
            return {"x": float("nan")}

    class Odd:
        def keys(self):
            return ["a", "b"]

        def __getitem__(self, key):
            return Model() if key == "a" else float("inf")

    assert played(Recording.parse(tape_of([(0, {"c": Odd()})]))) == [{"c": {"a": {"x": None}, "b": None}}]


@pytest.mark.parametrize("broken", [{"a": object()}, {"a": 10**5000}, {(1, 2): 3}])
def test_a_chunk_that_is_no_json_is_missing_and_the_tape_goes_on(broken):
    file = io.BytesIO()
    writer = TapeWriter(file)
    writer.chunk(HEL)
    with pytest.warns(RuntimeWarning, match="not whole"):
        writer.chunk(broken)
    writer.chunk(LO)
    writer.chunk(broken)  # once is enough
    writer.end("eof")
    assert writer.lost
    recording = Recording.parse(file.getvalue())
    assert played(recording) == [HEL, LO]
    assert recording.problems == []
    assert b'"n",{"lost":"j","error":"' in file.getvalue()


def test_a_chunk_nested_too_deeply_or_in_itself_is_missing():
    deep = {}
    for _ in range(300):
        deep = {"a": deep}
    endless = {}
    endless["a"] = endless
    for broken in (deep, endless):
        writer = TapeWriter(io.BytesIO())
        with pytest.warns(RuntimeWarning, match="not whole"):
            writer.chunk(broken)


def test_misuse_raises():
    writer = TapeWriter(io.BytesIO())
    with pytest.raises(TypeError, match="not str"):
        writer.read("text")
    with pytest.raises(TypeError, match="not list"):
        writer.chunk([])
    with pytest.raises(ValueError, match="eof, error, cancel, timeout, not 'over'"):
        writer.end("over")
    writer.read(b"one")
    with pytest.raises(RuntimeError, match="mixed"):
        writer.chunk(HEL)
    with pytest.raises(RuntimeError, match="mixed"):
        writer.source_chunks()
    writer.end("eof")
    with pytest.raises(RuntimeError, match="ended"):
        writer.read(b"two")
    with pytest.raises(RuntimeError, match="ended"):
        writer.note({})


def test_the_first_end_counts_and_closing_twice_is_no_harm():
    file = io.BytesIO()
    writer = TapeWriter(file)
    writer.end("error", "ReadError")
    writer.end("cancel")
    writer.close()
    writer.close()
    assert Recording.parse(file.getvalue()).end["end"] == "error"
    closed = TapeWriter(io.BytesIO())
    closed.close()
    with pytest.raises(RuntimeError, match="ended"):
        closed.end("eof")


@needs_full_disk
def test_a_full_disk_is_reported_once_and_breaks_nothing():
    with pytest.warns(RuntimeWarning, match="No space left") as caught:
        writer = TapeWriter(FULL_DISK)
    assert len(caught) == 1
    writer.request({})
    writer.read(b"one\n\ntwo")
    writer.end("eof")
    writer.close()
    assert writer.lost
    assert isinstance(writer.error, OSError)


def test_a_disk_that_fills_up_leaves_a_tape_that_can_be_read():
    class Disk(io.BytesIO):
        room = 200

        def write(self, data):
            written = super().write(data[: self.room])
            self.room -= written
            if not self.room:
                raise OSError(28, "No space left on device")
            return written

    file = Disk()
    writer = TapeWriter(file)
    reads = (writer.read(b"%d\n\n" % number * 2) for number in range(20))
    with pytest.warns(RuntimeWarning, match="No space left") as caught:
        assert len(list(reads)) == 20
    writer.close()
    assert len(caught) == 1
    recording = Recording.parse(file.getvalue())
    assert recording.torn
    assert b"".join(played(recording)).startswith(b"0\n\n0\n\n1\n\n")


def test_a_file_that_fails_in_any_way_only_silences_the_tape(monkeypatch, tmp_path):
    closed = io.BytesIO()
    writer = TapeWriter(closed)
    closed.close()
    with pytest.warns(RuntimeWarning, match="closed file"):
        writer.read(b"one\n")
    stuck = io.BytesIO()
    stuck.write = lambda data: 0
    with pytest.warns(RuntimeWarning, match="takes nothing"):
        TapeWriter(stuck)
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    writer = TapeWriter(narrow)
    with pytest.warns(RuntimeWarning, match="codec"):
        writer.read("é\n".encode())

    def fsync(number):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    writer = TapeWriter(tmp_path / "x")
    with pytest.warns(RuntimeWarning, match="Input/output error"):
        writer.close()
    assert writer.lost
    writer.close()


def test_what_was_written_is_brought_to_the_disk_at_the_end(monkeypatch, tmp_path):
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    TapeWriter(tmp_path / "x").close()
    assert len(synced) == 1
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb"), os.fdopen(writing, "wb") as pipe:
        TapeWriter(pipe).close()
    assert len(synced) == 1  # a pipe has no disk


# The demo, and the package


@pytest.fixture(scope="module")
def demo():
    return Recording.parse((files("chatstream") / "cli" / "demo.tape.jsonl").read_bytes(), name="demo.tape.jsonl")


def test_the_demo_tape_is_whole_and_takes_a_couple_of_seconds(demo):
    assert (demo.form, demo.torn, demo.flaw, demo.problems) == ("tape", False, None, [])
    assert demo.end["bytes"] == len(demo.bytes)
    assert 2 < demo.duration < 3
    assert 0.2 < demo.reads[0].interval < 0.4
    assert demo.reads[0].data.startswith(b":")


def test_the_demo_tape_shows_all_that_a_stream_may_hold(demo):
    parser = ChatStreamParser()
    events = []
    for data in demo.play(speed=None):
        events += parser.feed(data)
    events += parser.close()
    assert events[-1].end.kind == "complete"
    assert parser.anomalies == []
    seen = [event.type for event in events]
    assert seen.index("reasoning.delta") < seen.index("content.delta") < seen.index("tool_calls.added")
    calls = [event.index for event in events if event.type == "tool_calls.function.arguments.delta"]
    assert calls[:4] == [0, 1, 0, 1]
    done = [event for event in events if event.type == "tool_calls.function.arguments.done"]
    assert [event.parsed_arguments["city"] for event in done] == ["Paris", "Oslo"]
    usage = parser.snapshot.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.completion_tokens_details.reasoning_tokens > 0
    assert usage.prompt_tokens_details.cached_tokens > 0
    assert parser.snapshot.choices[0].finish_reason == "tool_calls"
    assert parser.snapshot.model == "demo-1"


def test_the_demo_tape_cut_at_any_byte_is_still_a_tape_and_never_ends_otherwise_than_early(demo):
    whole = (files("chatstream") / "cli" / "demo.tape.jsonl").read_bytes()
    for cut in range(20, len(whole), 101):
        recording = Recording.parse(whole[:cut])
        assert recording.form == "tape"
        assert demo.bytes.startswith(b"".join(played(recording)))


def test_recording_has_one_sorted_list_of_names_and_loads_no_more_than_it_needs():
    names = chatstream.recording.__all__
    assert names == sorted(names)
    assert all(getattr(chatstream.recording, name) is not None for name in names)
    code = "import json, sys, chatstream.recording; print(json.dumps(list(sys.modules)))"
    command = [sys.executable, "-W", "error", "-c", code]
    loaded = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert not {"anyio", "httpx", "httpx_sse", "pydantic"} & set(loaded)


# When the head came, and faults on a tape


def test_the_head_has_its_own_time_within_that_of_the_first_read():
    clock, file = Clock(), io.BytesIO()
    writer = TapeWriter(file, clock=clock, created=CREATED)
    for wait, write in [
        (5, lambda: writer.request({})),
        (400_000, lambda: writer.response(200)),
        (3, lambda: writer.note({})),
        (1_000, lambda: writer.read(b"a\n")),
        (7, lambda: writer.read(b"b\n")),
    ]:
        clock.now += wait
        write()
    recording = Recording.parse(file.getvalue())
    assert recording.head == 0.400005
    assert [read.interval for read in recording.reads] == [0.401008, 0.000007]


@pytest.mark.parametrize(
    ("lines", "head", "status"),
    [
        (b'[1,"h",{"status":1}]\n', 1.0, 1),
        (b'[1,"s","a"]\n', 0.0, None),
        (b'[1,"h",{"status":1}]\n[2,"h",{"status":2}]\n[4,"s","a"]\n', 3.0, 2),
        (b'[1,"s","a"]\n[2,"h",{"status":1}]\n[4,"s","b"]\n', 1.0, 1),
        (b'[1,"h",{"status":1}]\n[2,"s","a"]\n[4,"h",{"status":2}]\n', 1.0, 2),
        (b'[0,"n",{"source":"chunks"}]\n[1,"j",{}]\n[2,"h",{"status":1}]\n', 1.0, 1),
        (b'[null,"h",{"status":1}]\n[null,"s","a"]\n', 0.0, 1),
    ],
)
def test_a_head_is_never_later_than_the_first_read_wherever_its_line_stands(lines, head, status):
    recording = Recording.parse(HEADER + lines)
    assert recording.head == head
    assert (recording.response or {}).get("status") == status
    assert recording.flaw is None
    assert not recording.reads or recording.reads[0].interval >= head


def test_a_fault_strikes_where_its_line_stands_unless_it_says_where():
    lines = [
        b'[0.5,"h",{"status":200,"headers":{}}]',
        b'[0.25,"x","status:503,times=2"]',
        b'[0.25,"x","stall:2"]',
        b'[1,"j",{"a":1}]',
        b'[null,"s",": no event\\n\\n"]',
        b'[null,"x",{"fault":"stall","seconds":2}]',
        b'[null,"j",{"a":2}]',
        b'[null,"s","data: cut by "]',
        b'[0,"x","reset"]',
        b'[1,"s","two reads\\n\\n"]',
        b'[0,"x",{"fault":"reset","after":0}]',
        b'[0,"x","no_done"]',
        b'[0.5,"x","disconnect"]',
        b'[1,"e",{"end":"eof"}]',
    ]
    recording = Recording.parse(HEADER + b"\n".join(lines) + b"\n")
    spelled = [
        "status:503,times=2",
        "stall:2,after=0",
        "stall:2,after=1",
        "reset:2",
        "reset:0",
        "no_done",
        "disconnect:3",
    ]
    assert [str(fault) for fault in recording.faults] == spelled
    # The line's time counts as any other's, and it comes between two parts of one read without cutting it.
    assert [read.interval for read in recording.reads] == [2.0, 1.0]
    assert recording.rest == 1.5
    assert (recording.problems, recording.flaw) == ([], None)


def test_faults_on_a_tape_of_chunks_count_the_chunks():
    lines = b'[0,"n",{"source":"chunks"}]\n[0,"j",{}]\n[0,"x","stall:1"]\n[0,"j",{}]\n[0,"x","reset"]\n'
    assert Recording.parse(HEADER + lines).faults == [Fault("stall", seconds=1, after=1), Fault("reset", after=2)]


def test_a_fault_that_is_written_comes_back_and_a_replay_is_that_of_what_was_recorded():
    file = io.BytesIO()
    faults = [Fault("stall", seconds=0.5), Fault("reset", after=7, times=1, probability=0.5), Fault("no_done")]
    with TapeWriter(file, clock=Clock(), created=CREATED) as writer:
        writer.read(STREAM[1])
        for fault in faults:
            writer.fault(fault)
        writer.read(STREAM[2])
        writer.end("eof")
        with pytest.raises(RuntimeError, match="the tape has ended"):
            writer.fault(faults[0])
    assert content_of(file.getvalue())[1:4] == [[0, "x", str(fault)] for fault in faults]
    recording = Recording.parse(file.getvalue())
    assert recording.faults == [Fault("stall", seconds=0.5, after=1), *faults[1:]]
    assert played(recording) == STREAM[1:]
    assert recording.problems == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"1", "a fault is a string or an object"),
        (b'"stal"', "no fault is called 'stal'; there are status, "),
        (b'{"fault":"stall","size":1}', "stall takes seconds, after, times, probability, not 'size'"),
        (b'"status:200"', "status is a whole number from 400 to 599, not 200"),
    ],
)
def test_a_line_that_is_no_fault_is_a_flaw(data, reason):
    recording = Recording.parse(HEADER + b'[0,"s","a"]\n[0,"x",' + data + b']\n[0,"s","b"]\n')
    assert recording.flaw.reason.startswith(reason)
    assert recording.flaw.line == 3
    assert recording.bytes == b"a"
    with pytest.raises(RecordingError, match=r"recording, line 3: "):
        played(recording)
