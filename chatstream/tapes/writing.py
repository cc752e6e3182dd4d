"""Exchanges to a tape, with the times that they have: the other way round from the reader.

In go exchanges, out come the bytes of a tape, or a file. Rules: what the reader gave is what it gives again; the end
line says of the bytes what is true of them now. A file is written beside its place and then put there, so that nobody
ever sees half of one, and whatever goes wrong leaves the old one as it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from bisect import bisect_left
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatstream import __version__
from chatstream.errors import RecordingError
from chatstream.recording.changing.body import events_of
from chatstream.recording.exchange import joined
from chatstream.recording.files.packing import packed
from chatstream.recording.tape import VERSION, json_text, pieces, write_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from chatstream.recording import Exchange

__all__ = ["save", "tape_text", "write_file"]

_MICROSECONDS = 1_000_000
_LONGEST = 10**9 * _MICROSECONDS  # what a reader takes for an interval is less
_BINARY = getattr(os, "O_BINARY", 0)  # Windows would write CRLF


def save(exchanges: Iterable[Exchange], path: str | os.PathLike[str]) -> None:
    """Write a tape of these exchanges, packed if the name ends in ``.gz`` or ``.zst``; what was there is replaced.

    A new file is for its owner alone, a file that was there keeps its mode, and a link stays one. OSError as the file
    system gives it.
    """
    write_file(path, b"".join(map(tape_text, exchanges)))


def tape_text(exchange: Exchange) -> bytes:
    """The exchange as the lines of a tape.

    RecordingError where its body is of both bytes and chunks, or where it waits longer than any tape.
    """
    return "".join([json_text(_header(exchange)) + "\n", *_Lines(exchange)]).encode()


def write_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Put these bytes in a file, packed by its suffix, at once or not at all; see ``save``."""
    file = Path(os.path.realpath(path))  # what a link points to
    if not _is_replaceable(file):
        file.write_bytes(packed(file, data))  # a device or a pipe has to be written to where it is
        return
    beside = file.with_name(f".{file.name[:100]}.{secrets.token_hex(4)}")
    try:
        _write_new(beside, packed(file, data))
        with contextlib.suppress(FileNotFoundError):
            beside.chmod(stat.S_IMODE(file.stat().st_mode))
        beside.replace(file)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _is_replaceable(file: Path) -> bool:
    return file.is_file() or not file.exists()


def _write_new(path: Path, data: bytes) -> None:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
    with os.fdopen(number, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _header(exchange: Exchange) -> dict[str, Any]:
    if exchange.header is not None:
        return {**exchange.header, "tape": VERSION}
    return {"tape": VERSION, "tool": f"chatstream/{__version__}", "created": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}


class _Lines:
    """The lines of one exchange, header aside, each with the time since the one before."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._last = 0  # microseconds from the start to the line before

    def __iter__(self) -> Iterator[str]:
        exchange = self._exchange
        for at, code, value in self._heads():
            yield self._line(at, code, value)
        if exchange.source == "chunks":
            first = exchange.reads[0].interval if exchange.reads else None
            yield self._line(first or 0.0, "n", {"source": "chunks"})
        yield from self._body()
        if exchange.end is not None:
            yield self._line(_duration(exchange), "e", self._end(exchange.end))

    def _heads(self) -> list[tuple[float, str, Any]]:
        """What comes before the reads, by its time; of one time, a note is first."""
        exchange = self._exchange
        heads = [("q", 0.0, exchange.request), ("h", exchange.head, exchange.response)]
        lines = [(note.at, "n", note.value) for note in exchange.notes if not note.after]
        lines += [(at, code, value) for code, at, value in heads if value is not None]
        return sorted(lines, key=lambda line: line[0])

    def _body(self) -> Iterator[str]:
        """The reads, and between them notes and faults where they belong."""
        exchange = self._exchange
        aside = deque(sorted(self._aside(), key=lambda line: line[0]))  # stable: of one place, as they were
        now = 0.0
        for number, read in enumerate([*exchange.reads, None]):
            then = None if read is None else now + (read.interval or 0.0)
            while aside and (aside[0][0] <= number or read is None):
                _, at, code, value = aside.popleft()
                yield self._line(at if then is None else min(at, then), code, value)
            if read is not None:
                now = then or 0.0
                yield from self._read(now, read.data)

    def _aside(self) -> Iterator[tuple[int, float, str, Any]]:
        """Notes and faults among the reads: how many of these come before each, its time, code and value."""
        exchange = self._exchange
        for note in exchange.notes:
            if note.after:
                yield note.after, note.at, "n", note.value
        passed = _events_passed(exchange) if exchange.faults else []
        place = 0
        for fault in exchange.faults:
            # Where it strikes, for whoever reads the tape; but never before another one: their order means something.
            place = max(place, bisect_left(passed, fault.after or 0))
            yield place, 0.0, "x", str(fault)

    def _read(self, at: float, data: bytes | dict[str, Any]) -> Iterator[str]:
        if isinstance(data, dict) != (self._exchange.source == "chunks"):
            raise RecordingError("an exchange whose reads are both bytes and chunks is no tape")
        if isinstance(data, dict):
            yield self._line(at, "j", data)
            return
        interval: int | None = self._interval(at)
        for code, text in pieces(data):
            yield write_line(interval, code, text)
            interval = None

    def _line(self, at: float, code: str, value: Any) -> str:
        return write_line(self._interval(at), code, json_text(value))

    def _interval(self, at: float) -> int:
        """Microseconds since the line before. What would have come before that comes with it."""
        now = max(round(at * _MICROSECONDS), self._last)
        interval, self._last = now - self._last, now
        if interval >= _LONGEST:
            raise RecordingError(f"a wait of {interval // _MICROSECONDS} seconds is longer than any tape holds")
        return interval

    def _end(self, end: dict[str, Any]) -> dict[str, Any]:
        data = joined(self._exchange.reads)
        return {**end, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _duration(exchange: Exchange) -> float:
    return sum(read.interval or 0.0 for read in exchange.reads) + exchange.rest


def _events_passed(exchange: Exchange) -> list[int]:
    """How many events are complete before each read."""
    if exchange.source == "chunks":
        return list(range(len(exchange.reads)))
    stops = [event.stop for event in events_of(joined(exchange.reads))]
    passed: list[int] = []
    size = events = 0
    for read in exchange.reads:
        passed.append(events)
        size += len(read.data)
        while events < len(stops) and stops[events] <= size:
            events += 1
    return passed
