"""Unfinished JSON: what can be read of it already, and whether an object is whole yet.

In goes the text so far, out comes the value of what stands there, or whether it is one whole JSON object.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from chatstream.errors import StreamLimitError, StreamProtocolError
from chatstream.jsontext import plain, read_json

if TYPE_CHECKING:
    from chatstream.text import Text

__all__ = ["ObjectScanner", "read_partial", "read_whole_object"]

_MARKS = re.compile(r'["{}\[\]]')
_STRING_END = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_SPACE = " \t\n\r"


def read_partial(text: str) -> Any:
    """The value of an unfinished JSON text, its last string as far as it came; None where nothing can be read.

    The reference for what that means is ``pydantic_core.from_json(text, allow_partial="trailing-strings")``.
    """
    from pydantic_core import from_json

    try:
        return from_json(text, allow_partial="trailing-strings")
    except ValueError:
        return None


def read_whole_object(text: str) -> dict[str, Any] | None:
    """The object that the text is, all of it; None if it is anything else."""
    try:
        value, flags = read_json(text.encode("utf-8", "replace"))
    except (StreamProtocolError, StreamLimitError):
        return None
    value = plain(value, keep_infinities=True) if flags else value
    return value if type(value) is dict else None


class ObjectScanner:
    """Tells whether a growing text is one whole JSON object, looking at each character once.

    Balanced brackets are necessary and cheap to follow; the text is parsed when they balance for the first time, which
    happens once. What follows that object other than white space makes the text no object for good.
    """

    __slots__ = ("_depth", "_in_string", "_open", "_position", "_whole")

    def __init__(self) -> None:
        self._position = 0
        self._depth = 0
        self._in_string = False
        self._open = True  # it may still become an object
        self._whole = False

    def is_whole(self, text: Text) -> bool:
        """Whether it is an object by now. Ask only when the text ends in ``}``: it cannot be one otherwise."""
        if self._open and text.length > self._position:
            fresh = text.read(start=self._position)
            if not self._position and not fresh.lstrip(_SPACE).startswith("{"):
                self._open = False
            elif self._whole:
                self._open = self._whole = not fresh.strip(_SPACE)
            else:
                self._scan(fresh, text)
            self._position = text.length
        return self._whole

    def _scan(self, fresh: str, text: Text) -> None:
        at = 0
        while True:
            if self._in_string:
                end = _STRING_END.match(fresh, at)
                if end is None:
                    return
                at = end.end()
                self._in_string = False
            mark = _MARKS.search(fresh, at)
            if mark is None:
                return
            at = mark.end()
            if mark[0] == '"':
                self._in_string = True
                continue
            self._depth += 1 if mark[0] in "{[" else -1
            if self._depth == 0:
                self._whole = not fresh[at:].strip(_SPACE) and read_whole_object(text.read()) is not None
                self._open = self._whole
                return
