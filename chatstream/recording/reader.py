"""Lines of a tape to exchanges.

In goes a whole file, out comes an exchange for each header in it. Nothing raises: a tape may have been cut anywhere,
or edited by hand, and everything before the damage counts. A last line that is not whole is a torn tail; a line is also
the last one when the next is a header, because a recorder that died is followed by the next one in the same file. Any
other line that makes no sense is a flaw, and reading of that exchange stops there.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from chatstream.recording.changing.body import events_of
from chatstream.recording.exchange import Exchange, Flaw, Note, Read, joined
from chatstream.recording.faults import Fault
from chatstream.recording.tape import VERSION, Line, read_data, read_line

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["TextLine", "lines", "read_tape"]

_BLANK = b" \t\r"  # besides LF: files come through editors and from other systems
_NANOSECONDS = 10**9


class TextLine(msgspec.Struct, frozen=True):
    """A line of a file that is not blank: its number from 1, its offset in bytes, and whether LF ended it."""

    number: int
    offset: int
    text: bytes
    ended: bool


def lines(data: bytes, start: int = 0) -> Iterator[TextLine]:
    """The lines from ``start`` on; numbers and offsets count from the start of ``data``."""
    number = data.count(b"\n", 0, start)
    while start < len(data):
        number += 1
        end = data.find(b"\n", start)
        ended = end >= 0
        end = end if ended else len(data)
        text = data[start:end].strip(_BLANK)
        if text:
            yield TextLine(number, start, text, ended)
        start = end + 1


def read_tape(data: bytes, name: str, start: int = 0) -> list[Exchange]:
    """The exchanges on a tape, one for each header."""
    tapes: list[_Tape] = []
    for line in lines(data, start):
        content = _read(line)
        if not tapes or isinstance(content, dict):
            tapes.append(_Tape(name))
        tapes[-1].take(line, content)
    return [tape.exchange(followed=tape is not tapes[-1]) for tape in tapes]


def _read(line: TextLine) -> Line | dict[str, Any] | ValueError:
    try:
        return read_line(line.text)
    except ValueError as error:
        return error


class _Tape:
    """One exchange while its lines come in."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._header: dict[str, Any] | None = None
        self._heads: dict[str, dict[str, Any]] = {}  # by code: q and h, the last of each
        self._source: Literal["bytes", "chunks"] = "bytes"
        self._reads: list[tuple[float, list[bytes]]] = []
        self._chunks: list[Read] = []
        # Intervals are added up as whole numbers: the sum of a thousand floats would be off.
        self._since = 0  # nanoseconds since the last read began
        self._elapsed = 0  # nanoseconds since the start
        self._head = 0.0  # seconds from the start to the head
        self._size = 0  # of the data so far: bytes, or chunks on a tape of these
        self._faults: list[tuple[int, Fault]] = []  # each with the size before it
        self._notes: list[Note] = []
        self._end: dict[str, Any] | None = None
        self._problems: list[str] = []
        self._flaw: Flaw | None = None
        self._flaw_is_last = False
        self._last_ended = True  # whether LF ended the last line

    def take(self, line: TextLine, content: Line | dict[str, Any] | ValueError) -> None:
        """One line, or why it is none. After the first one that is none, nothing counts."""
        self._last_ended = line.ended
        if self._flaw is not None:
            self._flaw_is_last = False
            return
        try:
            if isinstance(content, ValueError):
                raise content
            if isinstance(content, dict):
                self._take_header(content)
            else:
                self._take_line(content)
        except ValueError as error:
            self._flaw = Flaw(str(error), line.number, line.offset)
            self._flaw_is_last = True

    def exchange(self, *, followed: bool) -> Exchange:
        """What came; ``followed``: by the header of the next one, so that a last line that is none was cut."""
        torn = self._flaw_is_last and (followed or not self._last_ended)
        reads = self._chunks or [Read(interval, b"".join(parts)) for interval, parts in self._reads]
        flaw = None if torn else self._flaw
        if self._end is not None:
            self._check(self._end, reads)
            if flaw is not None:
                self._note(f"line {flaw.line}, after the end: {flaw.reason}")
                flaw = None
        return Exchange(
            form="tape",
            name=self._name,
            source=self._source,
            header=self._header,
            request=self._heads.get("q"),
            response=self._heads.get("h"),
            head=self._head,
            reads=reads,
            faults=self._placed(reads),
            notes=self._notes,
            end=self._end,
            rest=self._since / _NANOSECONDS,
            torn=torn,
            flaw=flaw,
            problems=self._problems,
        )

    def _take_header(self, header: dict[str, Any]) -> None:
        self._header = header
        if header["tape"] != VERSION:
            raise ValueError(f"a tape of another version than {VERSION}, which is all that is read here")

    def _take_line(self, line: Line) -> None:
        if line.interval is not None:
            waited = round(line.interval * _NANOSECONDS)
            self._since += waited
            self._elapsed += waited
        if self._end is not None:
            self._note(f"lines after the end, {line.code!r} first")
        elif line.code in {"j", "s", "b"}:
            self._take_data(line)
        elif line.code in {"q", "h"}:
            self._take_head(line)
        elif line.code == "x":
            self._faults.append((self._size, Fault.read(line.data)))
        elif line.code == "e":
            self._end = _members(line)
        elif line.code == "n":
            self._take_note(line.data)

    def _take_note(self, value: Any) -> None:
        if type(value) is dict and value.get("source") == "chunks" and not self._reads:
            self._source = "chunks"
        else:
            self._notes.append(Note(value, self._elapsed / _NANOSECONDS, len(self._chunks or self._reads)))

    def _take_head(self, line: Line) -> None:
        """A request or a response head; of several the last one counts.

        A head that stands behind a read, because somebody moved it, was there by the first read all the same.
        """
        first = self._chunks[0].interval if self._chunks else self._reads[0][0] if self._reads else None
        if line.code == "h" and (first is None or "h" not in self._heads):
            self._head = self._since / _NANOSECONDS if first is None else first
        self._heads[line.code] = _members(line)

    def _take_data(self, line: Line) -> None:
        if self._source == "chunks":
            self._take_chunk(line)
            return
        data = read_data(line)
        self._size += len(data)
        if line.interval is None and self._reads:
            self._reads[-1][1].append(data)
        else:
            self._reads.append((self._since / _NANOSECONDS, [data]))
            self._since = 0

    def _take_chunk(self, line: Line) -> None:
        if line.code != "j" or type(line.data) is not dict:
            raise ValueError("not a chunk, on a tape of chunks")
        self._chunks.append(Read(self._since / _NANOSECONDS, line.data))
        self._size += 1
        self._since = 0

    def _placed(self, reads: list[Read]) -> list[Fault]:
        """The faults, each striking where its line stands, if it strikes at an event and does not say which."""
        if not self._faults:
            return []
        stops = range(1, self._size + 1) if self._chunks else [event.stop for event in events_of(joined(reads))]
        return [
            msgspec.structs.replace(fault, after=bisect_right(stops, place))
            if "after" in fault.takes and fault.after is None
            else fault
            for place, fault in self._faults
        ]

    def _check(self, end: dict[str, Any], reads: list[Read]) -> None:
        """Compare what the end line says with what came. A tape that was edited by hand does not add up any more."""
        data = joined(reads)
        if type(end.get("bytes")) is int and end["bytes"] != len(data):
            self._note(f"{len(data)} bytes, where the end line says {end['bytes']}")
        if type(end.get("sha256")) is str and end["sha256"] != hashlib.sha256(data).hexdigest():
            self._note("the bytes are not those of the sha256 in the end line")

    def _note(self, problem: str) -> None:
        if problem not in self._problems:
            self._problems.append(problem)


def _members(line: Line) -> dict[str, Any]:
    if type(line.data) is not dict:
        raise ValueError(f"the data of {line.code!r} is no object")
    return line.data
