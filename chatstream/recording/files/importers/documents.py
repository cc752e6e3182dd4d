"""JSON and YAML documents, up to where they were cut or damaged.

In go bytes, out come plain values and what is wrong, in words, or None. Rules for YAML: only the parser of its library
is used, and values are made of its events here. So no tag makes an object; nothing recurses (the library's own composer
in C overflows the stack at a hundred thousand brackets); what an alias stands for is counted each time it is named; and
of a document that was cut, what is whole is there.
"""

from __future__ import annotations

import base64
import re
from importlib import import_module
from typing import Any, Final

from chatstream.errors import RecordingError, StreamLimitError, StreamProtocolError
from chatstream.jsontext import entries, members, read_json
from chatstream.recording.files.packing import MAX_UNPACKED

__all__ = ["read_array", "read_yaml"]

_CUT = "was cut or damaged"
_BRACKETS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)

_DEEPEST = 100  # levels
_NODE = 64  # bytes that a value counts for, beside its text
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_PLAIN_JSON = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.\d{1,17})?(?:[eE][+-]?\d{1,2})?|true|false")


def read_array(data: bytes, *names: str) -> tuple[list[Any], str | None]:
    """The values of the array under these names, one in the other; where the JSON is none, those that are whole."""
    try:
        value = read_json(data)[0]
    except (StreamProtocolError, StreamLimitError):
        return _whole_objects(data, names[-1]), _CUT
    for name in names[:-1]:
        value = members(value).get(name)
    return entries(members(value).get(names[-1])), None


def _whole_objects(data: bytes, name: str) -> list[Any]:
    """The objects that follow the first array of this name, each from its bracket to the one that closes it."""
    array = re.search(rb'"%s"\s*:\s*\[' % name.encode(), data)
    found: list[Any] = []
    depth = start = 0
    for match in _BRACKETS.finditer(data, array.end()) if array else ():
        if match[0] in (b"{", b"["):
            start = match.start() if depth == 0 else start
            depth += 1
        elif match[0] in (b"}", b"]"):
            depth -= 1
            if depth < 0:
                break
            if depth == 0:
                found += _object(data[start : match.end()])
    return found


def _object(data: bytes) -> list[Any]:
    try:
        value = read_json(data)[0]
    except (StreamProtocolError, StreamLimitError):
        return []
    return [value] if isinstance(value, dict) else []


def read_yaml(data: bytes) -> tuple[Any, str | None]:
    """The first document in it. Raises RecordingError where PyYAML is missing, or aliases make too much of it."""
    try:
        yaml: Any = import_module("yaml")
    except ImportError:
        raise RecordingError("it is written in YAML: install chatstream[vcr] to read it") from None
    tree = _Tree()
    # The C library's parser, where PyYAML was built with it: many times as fast.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for event in yaml.parse(data, Loader=loader):
            if tree.take(event):
                return tree.root, None
    except (yaml.YAMLError, ValueError, OverflowError):  # the last two: escapes beyond Unicode
        pass
    return tree.root, _CUT


_NO_KEY: Final = object()


class _Open:
    """A list or a mapping that has not ended."""

    def __init__(self, value: list[Any] | dict[str, Any], anchor: str | None, *, placed: bool) -> None:
        self.anchor = anchor
        self.placed = placed  # whether what it is in has it already
        self.size = 0  # bytes, those of aliases counted each time
        self._value = value
        self._key: Any = _NO_KEY

    @property
    def value(self) -> Any:
        return self._value

    def add(self, value: Any) -> None:
        if isinstance(self._value, list):
            self._value.append(value)
        elif self._key is _NO_KEY:
            self._key = value if isinstance(value, str) else str(value)[:_NODE]
        else:
            self._value[self._key] = value
            self._key = _NO_KEY


class _Tree:
    """Values, of the parser's events."""

    _EARLY = 2  # levels: the document, and the list of interactions in it

    def __init__(self) -> None:
        self.root: Any = None
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._size = 0

    def take(self, event: Any) -> bool:
        """One event; whether it ended the document. ValueError where it is nested deeper than any recording."""
        kind = type(event).__name__
        if kind == "ScalarEvent":
            self._add(_scalar(event), len(event.value) + _NODE, event.anchor)
        elif kind == "AliasEvent":
            # One that names what has not ended yet is a circle, and nothing that JSON could hold.
            self._add(*self._anchors.get(event.anchor, (None, _NODE)), None)
        elif kind in {"SequenceStartEvent", "MappingStartEvent"}:
            self._begin([] if kind == "SequenceStartEvent" else {}, event.anchor)
        elif kind in {"SequenceEndEvent", "MappingEndEvent"}:
            self._end()
        return kind == "DocumentEndEvent"

    def _begin(self, value: list[Any] | dict[str, Any], anchor: str | None) -> None:
        if len(self._open) == _DEEPEST:
            raise ValueError("nested too deeply")
        # The outermost are put in their place when they begin, and are there if they never end; the others are whole.
        placed = len(self._open) < self._EARLY
        if placed:
            self._place(value)
        self._open.append(_Open(value, anchor, placed=placed))
        self._count(_NODE)

    def _end(self) -> None:
        ended = self._open.pop()
        if ended.anchor is not None:
            self._anchors[ended.anchor] = ended.value, ended.size
        if not ended.placed:
            self._place(ended.value)
        if self._open:
            self._open[-1].size += ended.size

    def _add(self, value: Any, size: int, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = value, size
        self._count(size)
        self._place(value)

    def _place(self, value: Any) -> None:
        if self._open:
            self._open[-1].add(value)
        else:
            self.root = value

    def _count(self, size: int) -> None:
        if self._open:
            self._open[-1].size += size
        self._size += size
        if self._size > MAX_UNPACKED:
            raise RecordingError(f"its YAML stands for more than {MAX_UNPACKED >> 20} MiB")


def _scalar(event: Any) -> Any:
    """Text; bytes, where it is tagged so; and what JSON would read in it, where it has no quotes."""
    text: str = event.value
    if event.tag is not None:
        return _binary(text) if event.tag.endswith(":binary") else text
    if event.style:
        return text
    if text in _NULLS:
        return None
    return read_json(text.encode())[0] if _PLAIN_JSON.fullmatch(text) else text


def _binary(text: str) -> bytes | str:
    try:
        return base64.b64decode(text)
    except ValueError:
        return text
