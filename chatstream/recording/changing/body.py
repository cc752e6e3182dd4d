"""The body of an exchange as one text that can be changed without losing when its parts came.

In go the reads of an exchange, out come others. Rules: nothing is changed in place; what no change touches keeps its
bytes, its bounds and its times. A read that a change leaves empty goes, and the time before it counts for what follows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self

import msgspec

from chatstream.errors import StreamLimitError, StreamProtocolError
from chatstream.jsontext import read_json
from chatstream.recording.exchange import Read, joined

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatstream.recording.exchange import Exchange

__all__ = ["Body", "Event", "events_of", "missing_end", "newline_of"]

_BOM = b"\xef\xbb\xbf"
_LINE = re.compile(rb"[^\r\n]*+(?:\r\n?|\n)|[^\r\n]++")
_NEWLINE = re.compile(rb"\r\n|\r|\n")
_BLANK_LINE = re.compile(rb"(?>\r\n|\r|\n)(?>\r\n|\r|\n)\Z")  # atomic: the halves of one CRLF are no two line ends
_LONGEST_BLANK_LINE = 4


class Event(msgspec.Struct, frozen=True):
    """A block with data: where it begins and stops, its blank line included, and where the values of its data lines do.

    A body that is one JSON document is one event that is all value.
    """

    start: int
    stop: int
    values: list[tuple[int, int]]

    def data(self, body: bytes) -> bytes:
        """The data of the event, as a client gets it."""
        return b"\n".join(body[start:stop] for start, stop in self.values)

    def is_done(self, body: bytes) -> bool:
        """Whether this is the ``[DONE]`` that ends a stream."""
        return self.data(body).strip() == b"[DONE]"

    def has_delta(self, body: bytes) -> bool:
        """Whether it carries a part of an answer: text, a tool call, anything beside the role."""
        try:
            chunk, _ = read_json(self.data(body))
        except (StreamProtocolError, StreamLimitError):
            return False
        choices = chunk.get("choices") if type(chunk) is dict else None
        return type(choices) is list and any(map(_has_delta, choices))


def events_of(body: bytes) -> list[Event]:
    """The blocks with data of an event stream, in order; the last one also if no blank line ends it."""
    events: list[Event] = []
    values: list[tuple[int, int]] = []
    begin = at = len(_BOM) if body.startswith(_BOM) else 0
    for line in _LINE.finditer(body, at):
        text = line[0].rstrip(b"\r\n")
        at = line.end()
        if text:
            values += _value(text, line.start())
            continue
        if values:
            events.append(Event(begin, at, values))
        begin, values = at, []
    return [*events, Event(begin, at, values)] if values else events


def missing_end(block: bytes) -> bytes:
    """What a block lacks to be ended by a blank line; nothing if it is, or is empty."""
    if not block or _BLANK_LINE.search(block[-_LONGEST_BLANK_LINE:]):
        return b""
    newline = newline_of(block)
    return newline if block.endswith((b"\n", b"\r")) else 2 * newline


def newline_of(body: bytes) -> bytes:
    """The first line end in it; LF if it has none."""
    found = _NEWLINE.search(body)
    return found[0] if found else b"\n"


class Body(msgspec.Struct, frozen=True):
    """The bytes of all reads; of each read, its interval and its end; and the seconds from the last to the end."""

    data: bytes
    bounds: list[tuple[float | None, int]]
    rest: float

    @classmethod
    def of(cls, exchange: Exchange) -> Self:
        """The body of an exchange whose reads are bytes."""
        bounds: list[tuple[float | None, int]] = []
        for read in exchange.reads:
            bounds.append((read.interval, len(read.data) + (bounds[-1][1] if bounds else 0)))
        return cls(joined(exchange.reads), bounds, exchange.rest)

    def reads(self) -> list[Read]:
        """The reads, as an exchange has them."""
        starts = [0, *(end for _, end in self.bounds)]
        return [
            Read(interval, self.data[start:end]) for start, (interval, end) in zip(starts, self.bounds, strict=False)
        ]

    def events(self) -> list[Event]:
        """The events; of a document, the one that it is."""
        if not self.is_document:
            return events_of(self.data)
        start, stop = len(_BOM) if self.data.startswith(_BOM) else 0, len(self.data)
        return [Event(start, stop, [(start, stop)])]

    @property
    def is_document(self) -> bool:
        """Whether it is one JSON document and no stream."""
        text = self.data.removeprefix(_BOM).lstrip()
        return text.startswith((b"{", b"[")) and not events_of(self.data)

    def replaced(self, start: int, stop: int, new: bytes) -> Self:
        """The body with other bytes there, read by read as far as they go; what is more comes with the last of them.

        What is put between two bytes, because ``start`` is ``stop``, comes with the one before.
        """
        data = self.data[:start] + new + self.data[stop:]
        longer = len(data) - len(self.data)
        ends = [end + longer if end >= stop else min(end, start + len(new)) for _, end in self.bounds]
        bounds: list[tuple[float | None, int]] = []
        waited: float | None = None
        old_start = new_start = 0
        for (interval, old_end), new_end in zip(self.bounds, ends, strict=True):
            waited = _sum(waited, interval)
            if new_end > new_start or old_end == old_start:
                bounds.append((waited, new_end))
                waited = None
            old_start, new_start = old_end, new_end
        rest = self.rest if waited is None else _sum(waited, self.rest) or 0.0
        return type(self)(data, bounds or [(None, len(data))] if data else bounds, rest)

    def cut(self, at: int) -> Self:
        """The body up to there. Between two reads, the end comes when the second one would have come."""
        bounds: list[tuple[float | None, int]] = []
        start = 0
        for interval, end in self.bounds:
            if start >= at:
                return type(self)(self.data[:at], bounds, (interval or 0.0) if start == at else 0.0)
            bounds.append((interval, min(end, at)))
            start = end
        return type(self)(self.data[:at], bounds, self.rest if start == at else 0.0)

    def paused(self, at: int, seconds: float) -> Self:
        """The body with that much more time before the byte there, or before the end."""
        bounds: list[tuple[float | None, int]] = []
        start = 0
        for interval, end in self.bounds:
            if start < at < end:
                bounds += [(interval, at), (seconds, end)]
            else:
                bounds.append((_sum(interval, seconds) if start == at < end else interval, end))
            start = end
        return type(self)(self.data, bounds, self.rest if at < start else self.rest + seconds)

    def recut(self, ends: Iterable[int]) -> Self:
        """The body in reads that end there, and at its end; each comes when its last byte came."""
        bounds: list[tuple[float | None, int]] = []
        old = iter(self.bounds)
        arrived = start = 0
        for end in (*ends, len(self.data)):
            if end <= start:
                continue
            waited: float | None = 0.0 if arrived >= end else None
            while arrived < end:
                interval, arrived = next(old)
                waited = _sum(waited, interval)
            bounds.append((waited, end))
            start = end
        late = sum(interval or 0.0 for interval, _ in old)  # reads of nothing, after the last byte
        return type(self)(self.data, bounds, self.rest + late)


def _value(line: bytes, start: int) -> list[tuple[int, int]]:
    """Where the value of a data line stands in the body; nothing for any other line."""
    name, _, value = line.partition(b":")
    if name != b"data":
        return []
    stop = start + len(line)
    return [(stop - len(value.removeprefix(b" ")), stop)]


def _has_delta(choice: Any) -> bool:
    delta = choice.get("delta") if type(choice) is dict else None
    return type(delta) is dict and any(value for name, value in delta.items() if name != "role")


def _sum(first: float | None, second: float | None) -> float | None:
    """The sum of two intervals, to the nanosecond; None, no time known, only if both are."""
    if first is None or second is None:
        return second if first is None else first
    return round(first + second, 9)
