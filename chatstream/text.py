"""Values that grow: text, lists and bytes, appended to by the stream and read up to a mark.

In go fragments, out comes the value as it was at any mark handed out before. Appending is amortised O(1) and copies
nothing that is already there; reading costs whoever reads. Rules: nothing here is ever shortened or changed, so that a
mark stays good for ever; each value keeps its own place in the list of marks up to date, and a copy of that list is
all an event needs to find the values as they were.
"""

from __future__ import annotations

from base64 import b64encode
from io import StringIO
from typing import TYPE_CHECKING, Any

from chatstream.jsontext import copied, mend, read_json

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Blob", "Items", "Text", "Tokens", "Unread"]

_HIGH_FIRST, _HIGH_LAST = "\ud800", "\udbff"


class Text:
    """A growing text: ``append`` gives the mark to read it by, ``read(mark)`` the text as it was then.

    An ``io.StringIO`` with ``newline=""`` underneath: compact (1 byte a character for ASCII), and faster than a list of
    parts, which also costs a pointer a fragment. ``str +=`` is quadratic as soon as anybody holds an old value.
    """

    __slots__ = ("_buffer", "_marks", "half", "length", "partial", "slot", "write")

    def __init__(self, marks: list[int]) -> None:
        self._buffer = StringIO(newline="")
        self.write: Callable[[str], int] = self._buffer.write  # alone it moves no mark: see ``append``
        self._marks = marks
        self.slot: int = len(marks)
        self.length: int = 0
        self.partial: Any = None  # what `partial_json` has read of it so far, once somebody asked
        self.half: str = ""  # a high surrogate at the end of a fragment, waiting for its other half
        marks.append(0)

    def append(self, fragment: str) -> int:
        """The mark after this fragment, which must be encodable: see ``mended``."""
        self.length += self.write(fragment)
        self._marks[self.slot] = self.length
        return self.length

    def read(self, mark: int | None = None, start: int = 0) -> str:
        """The text up to the mark, or all of it; ``start`` leaves out what stands before it."""
        if not start and (mark is None or mark >= self.length):
            return self._buffer.getvalue()
        self._buffer.seek(start)
        text = self._buffer.read(-1 if mark is None else mark - start)
        self._buffer.seek(0, 2)
        return text

    def mended(self, fragment: str) -> str:
        """The fragment as it can be appended: a high surrogate at its end is kept back until its other half comes."""
        fragment = self.half + fragment
        self.half = ""
        if fragment and _HIGH_FIRST <= fragment[-1] <= _HIGH_LAST:
            self.half = fragment[-1]
            fragment = fragment[:-1]
        return mend(fragment)

    def last_half(self) -> str:
        """What is to be appended for a half that never got its other one: U+FFFD, or nothing."""
        lost, self.half = self.half, ""
        return "\ufffd" if lost else ""

    def __repr__(self) -> str:
        return f"Text({self.length} characters)"


class Items:
    """A growing list of JSON values."""

    __slots__ = ("_marks", "slot", "values")

    def __init__(self, marks: list[int]) -> None:
        self.values: list[Any] = []
        self._marks = marks
        self.slot: int = len(marks)
        marks.append(0)

    def extend(self, values: list[Any]) -> int:
        """The mark after these values."""
        self.values.extend(values)
        self._marks[self.slot] = mark = len(self.values)
        return mark

    def read(self, mark: int | None = None) -> list[Any]:
        """The values up to the mark, or all of them."""
        return self.values[:mark]


_SAID: Any = object()  # in the place of a token that the JSON before it holds


class Tokens(Items):
    """A growing list of tokens with their log probabilities: much, and seldom looked at.

    So tokens may also be kept as the JSON of a list of them, which stands in the place of the first and is parsed when
    read; and a completion has them as Unread.
    """

    __slots__ = ()

    def append_json(self, tokens: bytes, count: int) -> int:
        """The mark after this JSON, of a list of so many tokens that can be read with no further ado."""
        self.values.append(tokens)
        if count > 1:
            self.values.extend([_SAID] * (count - 1))
        self._marks[self.slot] = mark = len(self.values)
        return mark

    def read(self, mark: int | None = None, start: int = 0) -> list[Any]:
        """The tokens from one mark to another, or to the end."""
        tokens: list[Any] = []
        for value in self.values[start:mark]:
            if type(value) is bytes:
                tokens += read_json(value)[0]
            elif value is not _SAID:
                tokens.append(value)
        return tokens


class Unread:
    """A list up to a mark, of which nothing has been copied yet."""

    __slots__ = ("_items", "_mark")

    def __init__(self, items: Tokens, mark: int) -> None:
        self._items = items
        self._mark = mark

    def read(self) -> list[Any]:
        """The values, as a copy that its reader may change."""
        values: list[Any] = copied(self._items.read(self._mark))
        return values


class Blob:
    """Growing bytes, read as base64."""

    __slots__ = ("_marks", "data", "slot")

    def __init__(self, marks: list[int]) -> None:
        self.data: bytearray = bytearray()
        self._marks = marks
        self.slot: int = len(marks)
        marks.append(0)

    def append(self, data: bytes) -> int:
        """The mark after these bytes."""
        self.data += data
        self._marks[self.slot] = mark = len(self.data)
        return mark

    def read(self, mark: int | None = None) -> str:
        """The bytes up to the mark, or all of them, as base64."""
        return b64encode(self.data[:mark]).decode()
