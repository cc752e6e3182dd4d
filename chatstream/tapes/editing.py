"""Recordings changed by hand: parts left out, put together, made faster, given faults and markers.

In go exchanges, out come others; nothing is changed in place. Rules: events stay whole, so that what is left of a
stream is one; what a change does not touch keeps its bytes and bounds; what is left out takes its time along. Events
are those with data, counted from 0 as faults count them: ``[DONE]`` is one, a keep-alive is none.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from chatstream.jsontext import read_json
from chatstream.recording import Exchange, Note, Read
from chatstream.recording.changing.body import Body
from chatstream.recording.changing.changes import as_bytes, changed, undescribed
from chatstream.recording.exchange import joined

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatstream.recording import Fault

__all__ = [
    "cut",
    "cut_seconds",
    "join",
    "keep",
    "keep_seconds",
    "with_fault",
    "with_gap",
    "with_max_gap",
    "with_note",
    "with_speed",
    "without_faults",
]

_E = TypeVar("_E", bound=Exchange)
_LONGEST = 10**9  # seconds: what a reader takes for an interval is less
_DIGITS = 9  # of seconds: nanoseconds, as the reader has them


def cut(exchange: _E, first: int | None, last: int | None) -> _E:
    """The exchange without the events from ``first`` to before ``last``, which count as the bounds of a slice do.

    What came after them comes as long after what is before them as it came after the last of them.
    """
    arrivals = _arrivals(exchange)
    begin, stop, _ = slice(first, last).indices(len(arrivals))
    if begin >= stop:
        return exchange
    since = arrivals[begin - 1] if begin else exchange.head
    return _without(exchange, (begin, stop), (since, arrivals[stop - 1]))


def keep(exchange: _E, first: int | None, last: int | None) -> _E:
    """The exchange with these events alone."""
    begin, stop, _ = slice(first, last).indices(len(_arrivals(exchange)))
    return cut(cut(exchange, max(begin, stop), None), 0, begin)


def cut_seconds(exchange: _E, begin: float, end: float = math.inf) -> _E:
    """The exchange without the events that came in this time, counted from the start, and without that time.

    ValueError if the recording has no times.
    """
    if not any(read.interval is not None for read in exchange.reads):
        raise ValueError("it has no times, so nothing can be cut by seconds")
    if end <= begin:
        return exchange
    arrivals = _arrivals(exchange)
    return _without(exchange, (bisect_left(arrivals, begin), bisect_left(arrivals, end)), (begin, end))


def keep_seconds(exchange: _E, begin: float, end: float = math.inf) -> _E:
    """The exchange with the events that came in this time alone; ValueError if the recording has no times."""
    return cut_seconds(cut_seconds(exchange, max(begin, end)), 0.0, begin)


def join(exchange: _E, other: Exchange) -> _E:
    """The exchange, and after it the reads of another one, as long after its end as they came after their own head.

    A ``[DONE]`` of the first goes, for nothing behind it would be read. It ends as the other one ended.
    """
    if exchange.source != other.source:
        exchange, other = as_bytes(exchange), as_bytes(other)
    body = Body.of(_blocks(exchange))
    for number, event in reversed(list(enumerate(body.events()))):
        if not body.is_document and event.is_done(body.data):
            exchange = cut(exchange, number, number + 1)
    events, reads, elapsed = len(_arrivals(exchange)), len(exchange.reads), _duration(exchange)
    later = [*other.reads]
    if later and later[0].interval is not None:
        later[0] = Read(_sum(exchange.rest, later[0].interval, -other.head), later[0].data)
    whole = msgspec.structs.replace(
        exchange,
        reads=[*exchange.reads, *later],
        faults=[*exchange.faults, *(_moved_fault(fault, events) for fault in other.faults)],
        notes=[
            *exchange.notes,
            *(
                Note(note.value, max(_sum(elapsed, note.at, -other.head), elapsed), reads + note.after)
                for note in other.notes
            ),
        ],
        end=other.end,
        rest=other.rest if later else _sum(exchange.rest, other.rest),
        torn=other.torn,
        flaw=other.flaw,
    )
    return undescribed(whole)


def with_speed(exchange: _E, factor: float) -> _E:
    """The exchange so many times as fast; ValueError unless ``factor`` is greater than 0."""
    if not 0 < factor < math.inf:
        raise ValueError(f"a speed is a number greater than 0, not {factor!r}")
    return _retimed(exchange, lambda interval, _: interval / factor)


def with_gap(exchange: _E, seconds: float) -> _E:
    """The exchange whose reads all come that long after the one before; the first one and the end stay.

    ValueError unless ``seconds`` is 0 or more; so for ``with_max_gap``.
    """
    _check_seconds(seconds)
    apart = range(1, len(exchange.reads))
    reads = [Read(read.interval or 0.0, read.data) for read in exchange.reads]  # now there are times, in any case
    timed = msgspec.structs.replace(exchange, reads=reads)
    return _retimed(timed, lambda interval, place: seconds if place in apart else interval)


def with_max_gap(exchange: _E, seconds: float) -> _E:
    """The exchange in which nobody waits longer than that, from the start to the end."""
    _check_seconds(seconds)
    return _retimed(exchange, lambda interval, _: min(interval, seconds))


def with_fault(exchange: _E, fault: Fault) -> _E:
    """The exchange that wants a replay to have this fault; where it says no ``after``, at the first event."""
    if "after" in fault.takes and fault.after is None:
        fault = msgspec.structs.replace(fault, after=0)
    return msgspec.structs.replace(exchange, faults=[*exchange.faults, fault])


def without_faults(exchange: _E) -> _E:
    """The exchange that wants no faults."""
    return msgspec.structs.replace(exchange, faults=[])


def with_note(exchange: _E, text: str, *, at: float | None = None, after: int | None = None) -> _E:
    """The exchange with a marker: ``at`` seconds from the start, or ``after`` so many events; at the end otherwise."""
    end, reads = _duration(exchange), len(exchange.reads)
    place = reads
    if after is not None:
        passed = _last_reads(exchange)[:after]
        place = reads if len(passed) < after else passed[-1] + 1 if passed else 0
        at = end if place == reads else [exchange.head, *_times(exchange)][place]
    elif at is not None and at < end:
        place = bisect_right(_times(exchange), at)
    notes = [*exchange.notes, Note({"note": text}, end if at is None else min(at, end), place)]
    return msgspec.structs.replace(exchange, notes=sorted(notes, key=lambda note: (note.after, note.at)))


# What all of them are made of


def _without(exchange: _E, events: tuple[int, int], window: tuple[float, float]) -> _E:
    """The exchange without these events and without this time, whose notes and faults move along."""
    body = Body.of(_blocks(exchange))
    hit = body.events()[slice(*events)]
    start, stop = (hit[0].start, hit[-1].stop) if hit else (0, 0)
    left = body.replaced(start, stop, b"")
    left = _collapsed(left, *window)
    ends = [end for _, end in left.bounds]

    def placed(note: Note) -> Note:
        size = body.bounds[min(note.after, len(body.bounds)) - 1][1] if note.after and body.bounds else 0
        size -= min(max(size - start, 0), stop - start)
        return Note(note.value, _shifted(note.at, *window), bisect_right(ends, size))

    faults = [_moved_fault(fault, -len(hit), since=events[1]) for fault in exchange.faults if not _is_in(fault, events)]
    moved = msgspec.structs.replace(
        exchange, head=_shifted(exchange.head, *window), notes=[placed(note) for note in exchange.notes], faults=faults
    )
    return _with_body(moved, left)


def _collapsed(body: Body, begin: float, end: float) -> Body:
    """The body without this time: what came in it comes at its beginning."""
    last = now = 0.0
    bounds: list[tuple[float | None, int]] = []
    for interval, stop in body.bounds:
        now = _sum(now, interval)
        at = _shifted(now, begin, end)
        bounds.append((None if interval is None else _sum(at, -last), stop))
        last = at
    return Body(body.data, bounds, _sum(_shifted(_sum(now, body.rest), begin, end), -last))


def _shifted(at: float, begin: float, end: float) -> float:
    return at if at < begin else begin if at < end else _sum(at, begin, -end)


def _retimed(exchange: _E, change: Callable[[float, int], float]) -> _E:
    """The exchange with other intervals: ``change`` gives each from what it was and its place, the end's last.

    ValueError for a wait that no tape can hold.
    """
    before = [0.0, *_times(exchange)]
    reads = [
        Read(None if read.interval is None else round(change(read.interval, place), _DIGITS), read.data)
        for place, read in enumerate(exchange.reads)
    ]
    rest = round(change(exchange.rest, len(reads)), _DIGITS)
    if not all((interval or 0.0) < _LONGEST for interval in [*(read.interval for read in reads), rest]):
        raise ValueError(f"a wait would become {_LONGEST} seconds or longer, and a tape cannot hold that")
    retimed = msgspec.structs.replace(exchange, reads=reads, rest=rest)
    after = [0.0, *_times(retimed)]
    notes: list[Note] = []
    for note in exchange.notes:
        place = min(note.after, len(reads))
        at = _sum(after[place], change(max(note.at - before[place], 0.0), place))
        notes.append(Note(note.value, at, note.after))
    head = round(change(exchange.head, 0), _DIGITS)
    return msgspec.structs.replace(retimed, head=min(head, after[1]) if reads else head, notes=notes)


def _blocks(exchange: _E) -> _E:
    """The exchange with the blocks that its chunks stand for, one a read."""
    if exchange.source == "bytes":
        return exchange
    return msgspec.structs.replace(exchange, reads=[Read(read.interval, joined([read])) for read in exchange.reads])


def _with_body(exchange: _E, body: Body) -> _E:
    if exchange.source == "bytes":
        return changed(exchange, body)
    chunks = [Read(read.interval, _chunk(read.data)) for read in body.reads()]
    return undescribed(msgspec.structs.replace(exchange, reads=chunks, rest=body.rest))


def _chunk(block: Any) -> dict[str, Any]:
    chunk: dict[str, Any] = read_json(block.removeprefix(b"data:"))[0]  # our own block, written from a chunk
    return chunk


def _times(exchange: Exchange) -> list[float]:
    """Seconds from the start to each read."""
    return [round(time, _DIGITS) for time in accumulate(read.interval or 0.0 for read in exchange.reads)]


def _last_reads(exchange: Exchange) -> list[int]:
    """For each event the read that it was whole with, counted from 0."""
    body = Body.of(_blocks(exchange))
    ends = [end for _, end in body.bounds]
    return [bisect_left(ends, event.stop) for event in body.events()] if body.data else []


def _arrivals(exchange: Exchange) -> list[float]:
    times = _times(exchange)
    return [times[place] for place in _last_reads(exchange)]


def _duration(exchange: Exchange) -> float:
    return _sum(*(_times(exchange)[-1:] or [0.0]), exchange.rest)


def _sum(*seconds: float | None) -> float:
    return round(sum(part or 0.0 for part in seconds), _DIGITS)


def _is_in(fault: Fault, events: tuple[int, int]) -> bool:
    return fault.after is not None and events[0] <= fault.after < events[1]


def _moved_fault(fault: Fault, by: int, *, since: int = 0) -> Fault:
    if fault.after is None or fault.after < since:
        return fault
    return msgspec.structs.replace(fault, after=fault.after + by)


def _check_seconds(seconds: float) -> None:
    if not 0 <= seconds < math.inf:
        raise ValueError(f"seconds are a number from 0 on, not {seconds!r}")
