r"""Where the strings of a body stand, and which of them are pieces of one text.

In go the bytes of a body, out come its texts: what a reader gets of a stream is joined from pieces in many events, and
a word of it may be cut anywhere. Rules: each byte of a text knows the bytes of the body that it is spelled with, which
are more where it is escaped (``\n``, ``\ud83d\ude00``); what is no JSON has no strings.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from chatstream.errors import StreamLimitError, StreamProtocolError
from chatstream.jsontext import entries, members, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatstream.recording.changing.body import Body, Event

__all__ = ["Piece", "Text", "texts_of"]

# A string, or a mark that says where in the value we are.
_TOKEN = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"|[\[\]{},:]', re.DOTALL)
_UNIT = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[^\\]++", re.DOTALL
)
_QUOTE, _OPEN, _OPEN_LIST, _COMMA, _COLON = b'"{[,:'
_NAMES_AND_KINDS = {"id", "index", "name", "role", "type"}  # of a delta: what is sent whole, and no text that grows

Path: TypeAlias = tuple[str | int, ...]


class Piece(msgspec.Struct, frozen=True):
    """A string of the body: where it stands between its quotes, what it says, and where each unit of it is spelled.

    ``units``: for each stretch of the value its start there, and its start and end in the body; None if both are the
    same throughout, because nothing is escaped.
    """

    start: int
    stop: int
    value: bytes
    units: list[tuple[int, int, int]] | None

    def spelled(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Where in the body a part of the value is spelled; what is escaped is taken whole."""
        if self.units is None:
            yield self.start + start, self.start + stop
            return
        for (at, begin, end), (after, _, _) in zip(self.units, [*self.units[1:], (len(self.value), 0, 0)], strict=True):
            if at >= stop or after <= start:
                continue
            plain = end - begin == after - at
            yield (begin + max(start - at, 0), end - max(after - stop, 0)) if plain else (begin, end)


class Text(msgspec.Struct, frozen=True):
    """A text and the pieces that it came in; a string that stands alone is a text of one piece."""

    pieces: list[Piece]

    @property
    def value(self) -> bytes:
        """What it says, as UTF-8."""
        return b"".join(piece.value for piece in self.pieces)

    def spelled(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Where in the body a part of the text is spelled."""
        ends = list(accumulate(len(piece.value) for piece in self.pieces))
        found: list[tuple[int, int]] = []
        for piece, end in zip(self.pieces[bisect_right(ends, start) :], ends[bisect_right(ends, start) :], strict=True):
            begin = end - len(piece.value)
            if begin >= stop:
                break
            found += piece.spelled(max(start - begin, 0), min(stop - begin, len(piece.value)))
        return found


def texts_of(body: Body) -> list[Text]:
    """The texts of a body that hold anything: those that grew over its events, and all other strings."""
    growing: dict[Path, list[Piece]] = {}
    alone: list[Text] = []
    for event in body.events():
        for path, piece in _strings(body.data, event):
            if _grows(path):
                growing.setdefault(path, []).append(piece)
            else:
                alone.append(Text([piece]))
    return [*map(Text, growing.values()), *alone]


def _grows(path: Path) -> bool:
    return "delta" in path and path[-1] not in _NAMES_AND_KINDS


def _strings(body: bytes, event: Event) -> Iterator[tuple[Path, Piece]]:
    """The strings of an event's JSON that are values, each with its path; those that are empty are left out."""
    try:
        value, _ = read_json(event.data(body))
    except (StreamProtocolError, StreamLimitError):
        return
    # A string has no line end in it, so none is cut by the lines of its event.
    path: list[str | int] = []
    name = False  # whether a string that comes now is a name
    for start, stop in event.values:
        for token in _TOKEN.finditer(body, start, stop):
            mark = body[token.start()]
            if mark == _QUOTE:
                if name:
                    path[-1] = _decoded(token[1])
                elif token[1]:
                    yield _indexed(path, value), _piece(token)
            else:
                name = _step(path, mark)


def _step(path: list[str | int], mark: int) -> bool:
    """Follow a mark; whether the next string is a name. Of the value it is known that it is JSON."""
    if mark == _OPEN:
        path.append("")
    elif mark == _OPEN_LIST:
        path.append(0)
    elif mark == _COMMA:
        last = path[-1]
        path[-1] = last if isinstance(last, str) else last + 1
    elif mark != _COLON:
        path.pop()
    return mark == _OPEN or (mark == _COMMA and isinstance(path[-1], str))


def _indexed(path: list[str | int], value: Any) -> Path:
    """The path with the index of a choice or a call for its place in the list: in the next event it may be another."""
    found: list[str | int] = []
    for step in path:
        inner = entries(value)[step] if isinstance(step, int) and step < len(entries(value)) else None
        if isinstance(step, str):
            inner = members(value).get(step)
        index = members(inner).get("index") if isinstance(step, int) else None
        found.append(index if type(index) is int else step)
        value = inner
    return tuple(found)


def _piece(token: re.Match[bytes]) -> Piece:
    start, stop = token.span(1)
    text = token[1]
    if b"\\" not in text:
        return Piece(start, stop, text, None)
    parts: list[bytes] = []
    units: list[tuple[int, int, int]] = []
    size = 0
    for unit in _UNIT.finditer(text):
        parts.append(_decoded(unit[0]).encode("utf-8", "replace") if unit[0][:1] == b"\\" else unit[0])
        units.append((size, start + unit.start(), start + unit.end()))
        size += len(parts[-1])
    return Piece(start, stop, b"".join(parts), units)


def _decoded(text: bytes) -> str:
    """What a part of a string says, of which it is known that it is JSON."""
    return str(read_json(b'"' + text + b'"')[0])
