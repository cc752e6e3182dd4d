import json
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.parser import ChatStreamParser
from chatstream.stats import StreamStats
from chatstream.stream import ChatCompletionStream


class Clock:
    """A clock that stands still until it is told to go on, and counts how often it is read."""

    def __init__(self, now=1000.0):
        self.now = now
        self.readings = 0

    def __call__(self):
        self.readings += 1
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stats(clock):
    stats = StreamStats(clock=clock)
    stats.begin()
    return stats


def chunk(delta):
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def read(stats, clock, *deltas, after=1.0, size=100):
    """A read that comes a time after the last one and brings chunks of these deltas."""
    clock.now += after
    parser = ChatStreamParser()
    stats.note(clock.now, size, [event for delta in deltas for event in parser.feed_chunk(chunk(delta))])


ROLE = {"role": "assistant"}
CONTENT = {"content": "x"}
REASONING = {"reasoning_content": "x"}
REFUSAL = {"refusal": "x"}
FUNCTION = {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}
CUSTOM = {"tool_calls": [{"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": "x"}}]}
LEGACY = {"function_call": {"name": "f", "arguments": "{}"}}
AUDIO = {"audio": {"id": "a", "transcript": "x"}}


# ---------------------------------------------------------------- the firsts


def test_the_firsts_are_seconds_since_it_began(stats, clock):
    read(stats, clock, size=20)  # a comment
    read(stats, clock, ROLE, after=0.5)
    read(stats, clock, REASONING, after=0.25)
    read(stats, clock, REASONING, CONTENT)
    read(stats, clock, CONTENT, FUNCTION)
    assert stats.first_byte == 1.0
    assert stats.first_chunk == 1.5
    assert stats.first_output == stats.first_reasoning == 1.75
    assert stats.first_content == 2.75
    assert stats.first_tool_call == 3.75


@pytest.mark.parametrize(
    "delta", [CONTENT, REASONING, REFUSAL, FUNCTION, CUSTOM, LEGACY, AUDIO], ids=lambda delta: next(iter(delta))
)
def test_output_is_content_reasoning_a_refusal_a_call_or_audio(stats, clock, delta):
    read(stats, clock, ROLE)
    assert stats.first_output is None
    read(stats, clock, delta)
    read(stats, clock, CONTENT)
    assert stats.first_output == 2.0


@pytest.mark.parametrize("delta", [FUNCTION, CUSTOM, LEGACY], ids=["function", "custom", "legacy"])
def test_every_kind_of_call_is_a_tool_call(stats, clock, delta):
    read(stats, clock, delta)
    assert stats.first_tool_call == 1.0


def test_what_has_not_happened_is_none():
    assert {value for name, value in StreamStats().to_dict().items() if value != 0} == {None}
    assert {name for name, value in StreamStats().to_dict().items() if value == 0} == {
        "bytes",
        "chunks",
        "reads",
        "keep_alives",
    }


def test_a_request_may_begin_before_its_stream(clock):
    stats = StreamStats(clock=clock)
    stats.begin()
    clock.now += 5
    stats.begin()
    read(stats, clock, CONTENT)
    assert stats.first_output == 6.0


def test_the_duration_is_that_until_the_first_end(stats, clock):
    clock.now += 2
    assert stats.duration is None
    stats.finish()
    clock.now += 2
    stats.finish()
    assert stats.duration == 2.0


# ---------------------------------------------------------------- the gaps


def test_a_gap_is_between_reads_that_brought_chunks(stats, clock):
    read(stats, clock, ROLE, CONTENT, CONTENT)
    read(stats, clock, after=0.25)  # half an event, or a keep-alive
    read(stats, clock, CONTENT, after=0.25)
    read(stats, clock, CONTENT, CONTENT, after=2.0)
    assert stats.gaps == [0.5, 2.0]
    assert (stats.gap_p50, stats.gap_p95, stats.gap_max) == (0.5, 2.0, 2.0)


def test_one_read_with_chunks_has_no_gap(stats, clock):
    read(stats, clock, CONTENT, CONTENT)
    assert stats.gaps == []
    assert stats.gap_p50 is stats.gap_p95 is stats.gap_max is stats.chunks_per_second is None


def test_percentiles_are_gaps_that_were_by_nearest_rank(stats, clock):
    for gap in [0, *range(100, 0, -1)]:
        read(stats, clock, CONTENT, after=gap)
    assert (stats.gap_p50, stats.gap_p95, stats.gap_max) == (50.0, 95.0, 100.0)


@given(st.lists(st.integers(0, 1000), min_size=1))
def test_at_least_so_many_of_100_gaps_are_no_longer_than_a_percentile(gaps):
    clock = Clock(0.0)
    stats = StreamStats(clock=clock)
    for gap in [0, *gaps]:
        read(stats, clock, CONTENT, after=gap)
    assert stats.gaps == gaps
    for percent, value in ((50, stats.gap_p50), (95, stats.gap_p95)):
        assert value in gaps
        assert sum(gap <= value for gap in gaps) * 100 >= percent * len(gaps)
        assert sum(gap < value for gap in gaps) * 100 < percent * len(gaps)
    assert stats.gap_max == max(gaps)


def test_chunks_per_second_is_the_pace_after_the_first_read(stats, clock):
    read(stats, clock, ROLE, CONTENT, after=60)
    read(stats, clock, CONTENT, CONTENT)
    read(stats, clock)
    read(stats, clock, CONTENT, CONTENT, CONTENT, CONTENT)
    assert stats.chunks_per_second == 2.0


def test_no_pace_is_told_when_no_time_went_by(stats, clock):
    read(stats, clock, CONTENT)
    read(stats, clock, CONTENT, after=0)
    assert stats.gaps == [0.0]
    assert stats.chunks_per_second is None


# ---------------------------------------------------------------- the counts


def test_reads_bytes_chunks_and_keep_alives_are_counted(stats, clock):
    read(stats, clock, ROLE, CONTENT, size=300)
    read(stats, clock, CONTENT, size=50)
    read(stats, clock, size=7)
    stats.keep_alives = 3
    assert (stats.reads, stats.bytes, stats.chunks, stats.keep_alives) == (3, 357, 3, 3)


def test_parsed_chunks_have_times_but_no_bytes(stats, clock):
    read(stats, clock, CONTENT, size=0)
    read(stats, clock, CONTENT, size=0)
    assert stats.first_byte is None
    assert stats.bytes == 0
    assert (stats.first_chunk, stats.gaps) == (1.0, [1.0])


def test_two_chunks_without_events_in_one_read_are_two():
    empty = b'data: {"choices":[{"index":0,"delta":{}}]}\n\n'
    stream = ChatCompletionStream([empty, empty * 2, empty * 2], allow_incomplete=True).until_done()
    assert (stream.stats.chunks, stream.stats.reads) == (5, 3)


def test_what_the_end_brings_came_with_the_last_read(stats, clock):
    for reads in ([CONTENT], [CONTENT, None], [None]):
        clock.now, stats = 1000.0, StreamStats(clock=clock)
        stats.begin()
        for delta in reads:
            read(stats, clock, *([delta] if delta else []))
        clock.now += 10
        stats.note_late(ChatStreamParser().feed_chunk(chunk(REASONING)))
        assert stats.chunks == reads.count(CONTENT) + 1
        assert stats.first_reasoning == len(reads)
        assert stats.gaps == ([1.0] if reads == [CONTENT, None] else [])


@given(st.lists(st.sampled_from([[], [ROLE], [CONTENT], [CONTENT, CONTENT], [REASONING], [FUNCTION]])))
def test_reads_that_are_alike_are_noted_as_any_others(reads):
    clock = Clock(0.0)
    stats = StreamStats(clock=clock)
    stats.begin()
    for deltas in reads:
        read(stats, clock, *deltas)
    times = [number for number, deltas in enumerate(reads, 1) if deltas]
    assert stats.chunks == sum(map(len, reads))
    assert stats.gaps == [later - earlier for earlier, later in pairwise(times)]
    assert stats.first_content == next((number for number, deltas in enumerate(reads, 1) if CONTENT in deltas), None)
    assert stats.first_tool_call == next((number for number, deltas in enumerate(reads, 1) if FUNCTION in deltas), None)


@given(st.lists(st.sampled_from(["begin", "read", "late", "finish"])))
def test_notes_in_any_order_raise_nothing(notes):
    clock = Clock()
    stats = StreamStats(clock=clock)
    driver = {
        "begin": stats.begin,
        "read": lambda: read(stats, clock, CONTENT),
        "late": lambda: stats.note_late([]),
        "finish": stats.finish,
    }
    for note in notes:
        driver[note]()
    assert stats.to_dict()["chunks"] == notes.count("read")
    assert repr(stats)


# ---------------------------------------------------------------- to be read


def test_to_dict_is_plain_json_with_every_figure(stats, clock):
    read(stats, clock, ROLE)
    read(stats, clock, CONTENT, after=0.5)
    stats.finish()
    assert json.loads(json.dumps(stats.to_dict())) == {
        "first_byte": 1.0,
        "first_chunk": 1.0,
        "first_output": 1.5,
        "first_content": 1.5,
        "first_reasoning": None,
        "first_tool_call": None,
        "duration": 1.5,
        "gap_p50": 0.5,
        "gap_p95": 0.5,
        "gap_max": 0.5,
        "chunks_per_second": 2.0,
        "chunks": 2,
        "reads": 2,
        "bytes": 200,
        "keep_alives": 0,
    }


def test_to_dict_has_every_public_figure():
    figures = {name for name in dir(StreamStats) if name[0] != "_" and not callable(getattr(StreamStats, name))}
    assert set(StreamStats().to_dict()) == figures - {
        "gaps",
        "chunk_gaps",
        "last_chunk",
        "pieces",
        "usual",
    }  # what a driver writes


def test_the_repr_tells_what_is_known(stats, clock):
    assert repr(stats) == "StreamStats(chunks=0, reads=0, bytes=0, keep_alives=0)"
    read(stats, clock, CONTENT, after=0.123456789)
    assert repr(stats).startswith("StreamStats(first_byte=0.123457, first_chunk=0.123457, first_output=0.123457")


def test_without_a_clock_it_is_the_monotonic_one():
    before = time.monotonic()
    stats = StreamStats()
    stats.begin()
    stats.finish()
    assert 0 <= stats.duration <= time.monotonic() - before
