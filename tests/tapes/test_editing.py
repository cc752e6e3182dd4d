import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.recording import Fault, Recording
from chatstream.tapes import (
    cut,
    cut_seconds,
    join,
    keep,
    keep_seconds,
    merged,
    tape_text,
    with_fault,
    with_gap,
    with_max_gap,
    with_note,
    with_speed,
    without_faults,
)
from tapes_for_tests import ASKED, DONE, HEAD, recording, times
from wire import chunk, wire

WORDS = ["zero ", "one ", "two ", "three ", "four "]
LINES = [(0, "q", ASKED), (0.5, "h", HEAD)]
LINES += [(0.5 if number == 0 else 1, "j", chunk({"content": word})) for number, word in enumerate(WORDS)]
LINES += [(1, "j", chunk(finish="stop")), (0.125, "s", DONE)]


def content(exchange):
    return merged(exchange).completion["choices"][0]["message"]["content"]


def kept(exchange):
    """What is left of an exchange when it was written and read again; nothing is wrong with it."""
    again = Recording.parse(tape_text(exchange), exchange.name)
    assert again.problems == []
    assert [read.data for read in again.reads] == [read.data for read in exchange.reads]
    assert times(again) == times(exchange)
    assert again.faults == exchange.faults
    return again


def test_events_are_left_out_with_their_time():
    one = kept(cut(recording(*LINES), 1, 3))
    assert content(one) == "zero three four "
    # The head is at half a second, the first at one, and from there on one a second.
    assert times(one) == ([1, 2, 3, 4, 4.125], 4.375)


def test_the_bounds_are_those_of_a_slice():
    one = recording(*LINES)
    assert content(cut(one, None, 2)) == "two three four "
    assert content(cut(one, -4, -2)) == "zero one two "
    assert cut(one, 3, 3) is one
    assert cut(one, 90, None) is one
    assert content(keep(one, 1, 3)) == "one two "
    assert keep(one, 3, 1).reads == []
    assert msgspec.to_builtins(keep(one, None, None)) == msgspec.to_builtins(one)


def test_what_is_left_at_the_beginning_comes_after_the_head_as_it_did():
    one = kept(cut(recording(*LINES), 0, 2))
    assert one.head == 0.5
    assert times(one)[0][:2] == [1.5, 2.5]


def test_seconds_are_left_out_with_what_came_in_them():
    one = kept(cut_seconds(recording(*LINES), 1.5, 3.5))
    assert content(one) == "zero three four "
    assert times(one) == ([1, 2, 3, 4, 4.125], 4.375)
    quiet = kept(cut_seconds(recording(*LINES), 1.25, 1.75))
    assert content(quiet) == "".join(WORDS)
    assert times(quiet)[0][:3] == [1, 1.5, 2.5]


def test_seconds_are_kept_with_what_came_in_them():
    one = kept(keep_seconds(recording(*LINES), 2, 4))
    assert content(one) == "one two "
    assert (one.head, times(one)) == (0, ([0, 1], 2))


def test_an_event_is_never_cut_in_two():
    text = wire([chunk({"content": word}) for word in WORDS]).decode()
    lines = [(0.5, "s", text[start : start + 50]) for start in range(0, len(text), 50)]
    for end in range(12):
        one = cut_seconds(recording(*lines), end / 2, end / 2 + 1.3)
        assert merged(one).anomalies == []
        assert {f"{word} " for word in content(one).split()} <= set(WORDS)


def test_a_recording_without_times_is_not_cut_by_seconds():
    with pytest.raises(ValueError, match="no times"):
        cut_seconds(Recording.parse(wire([chunk({"content": "a"})])), 0, 1)


@given(st.integers(-8, 8), st.integers(-8, 8), st.booleans())
def test_what_is_kept_and_what_is_cut_are_the_whole(first, last, parsed):
    lines = [line for line in LINES if line[1] != "s"]
    one = recording(*([(0, "n", {"source": "chunks"}), *lines] if parsed else LINES), end=None)
    events = list(range(6 if parsed else 7))
    size = len(events[first:last])
    assert len(keep(one, first, last).reads) == size
    assert len(cut(one, first, last).reads) == len(events) - size
    assert {
        read.data if isinstance(read.data, bytes) else str(read.data)
        for exchange in (keep(one, first, last), cut(one, first, last))
        for read in exchange.reads
    } == {read.data if isinstance(read.data, bytes) else str(read.data) for read in one.reads}
    kept(cut(one, first, last))


def test_notes_and_faults_move_with_what_they_stand_at():
    one = with_fault(
        with_fault(with_fault(recording(*LINES), Fault.parse("reset:1")), Fault.parse("drop_event:4")),
        Fault.parse("split:3"),
    )
    one = with_note(with_note(one, "at three", after=3), "first", at=1.5)
    shorter = kept(cut(one, 1, 2))
    assert [str(fault) for fault in shorter.faults] == ["drop_event:3", "split:3"]
    assert [(note.value["note"], note.after, note.at) for note in shorter.notes] == [
        ("first", 1, 1),
        ("at three", 2, 2),
    ]
    assert without_faults(shorter).faults == []


def test_a_note_stands_where_it_is_put():
    one = recording(*LINES)
    for options, expected in (
        ({"at": 2.5}, (2.5, 2)),
        ({"after": 0}, (0.5, 0)),
        ({"after": 2}, (2, 2)),
        ({}, (6.375, 7)),
        ({"after": 99}, (6.375, 7)),
        ({"at": 99}, (6.375, 7)),
    ):
        (note,) = kept(with_note(one, "x", **options)).notes
        assert (note.at, note.after) == expected


def test_two_recordings_become_one_stream():
    one, other = recording(*LINES), with_fault(recording(*LINES, end="timeout"), Fault.parse("reset:1"))
    both = kept(join(cut(one, 5, 6), with_note(other, "x", after=1)))
    assert content(both) == 2 * "".join(WORDS)
    assert both.bytes.count(b"[DONE]") == 1
    assert both.end["end"] == "timeout"
    assert [fault.after for fault in both.faults] == [6]
    assert times(both)[0][4:7] == [5, 5.75, 6.75]  # a quarter of a second to the end, half a one from the head
    assert [(note.after, note.at) for note in both.notes] == [(6, 5.75)]


def test_what_was_joined_has_no_length_of_the_first_alone():
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\n"
    one = Recording.parse(head + b"data: 1\n\n")
    assert "content-length" in one.response["headers"]
    assert join(one, one).response["headers"] == {"content-type": "text/event-stream"}


def test_chunks_and_bytes_become_one_stream_of_bytes():
    chunks = Recording.parse(b'{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"a"}}]}\n')
    both = kept(join(chunks, recording(*LINES)))
    assert (both.source, content(both)) == ("bytes", "a" + "".join(WORDS))


def test_time_goes_faster_and_waits_are_bounded():
    one = with_note(recording(*LINES), "x", at=2.5)
    faster = kept(with_speed(one, 2))
    assert (faster.head, times(faster)) == (0.25, ([0.5, 1, 1.5, 2, 2.5, 3, 3.0625], 3.1875))
    assert faster.notes[0].at == 1.25
    bounded = kept(with_max_gap(one, 0.5))
    assert (bounded.head, times(bounded)) == (0.5, ([0.5, 1, 1.5, 2, 2.5, 3, 3.125], 3.375))
    even = kept(with_gap(one, 0.25))
    assert (even.head, times(even)) == (0.5, ([1, 1.25, 1.5, 1.75, 2, 2.25, 2.5], 2.75))
    assert even.notes[0].at <= 1.5
    assert times(kept(with_gap(Recording.parse(b'{"choices":[{"delta":{}}]}\n{"choices":[{"delta":{}}]}\n'), 2)))[
        0
    ] == [0, 2]


@pytest.mark.parametrize(
    ("change", "value"),
    [
        (with_speed, 0),
        (with_speed, float("inf")),
        (with_speed, 1e-300),
        (with_gap, 1e9),
        (with_gap, -1),
        (with_max_gap, float("nan")),
    ],
)
def test_times_that_are_none_are_refused(change, value):
    with pytest.raises(ValueError, match="not"):
        change(recording(*LINES), value)


def test_nothing_is_changed_in_place():
    one = recording(*LINES)
    before = msgspec.to_builtins(one)
    join(with_gap(with_note(with_fault(cut(one, 1, 2), Fault("reset")), "x"), 1), one)
    assert msgspec.to_builtins(one) == before
