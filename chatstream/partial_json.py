"""Unfinished JSON: what can be read of it already, and whether an object is whole yet.

In goes the text as it grows, out comes the value of what stands there, or whether it is one whole JSON object. Rules:
what can be read of a text is what ``pydantic_core.from_json(text, allow_partial="trailing-strings")`` reads of it, down
to the type of each number, and None where that raises; each character is looked at once, however often the value is
read; and nothing here changes a value that was handed out.

Only the grammar is written down. What the versions of pydantic-core do differently, or might (a number, a string with
escapes, how deep is too deep), is cut out and given to ``from_json``. Its habits that are part of the grammar:

- What follows the whole value does not matter, whatever it is.
- A mark that cannot follow a value ends the list or object around it, as if that were closed; the next one out is then
  asked what the mark means to it. So ``{"a": [1}`` is whole, and ``[[1 x`` is as good as ``[[1]]``.
- A number is as far as it came. One cut where it cannot end (``1.``, ``-``) is not there yet, like ``tru``; and a
  member whose value is not there yet is not there either.
- Any other fault is for good: no continuation makes such a text readable.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from chatstream.errors import StreamLimitError, StreamProtocolError
from chatstream.jsontext import plain, read_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatstream.text import Text

__all__ = ["ObjectScanner", "PartialJSON", "partial_value", "read_partial", "read_whole_object"]

_MARKS = re.compile(r'["{}\[\]]')
_STRING_END = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_SPACE = " \t\n\r"
_NO_SPACE = re.compile(f"[^{_SPACE}]")
_CONTROL = re.compile(r"[\x00-\x1f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
# Whatever else there is, numbers and words hold none of it; what they may hold, `from_json` knows.
_NO_SCALAR = re.compile(r"[^-+.\w]", re.ASCII)
# Of a string, what stands before its end and before a cut escape. The first half of a surrogate pair alone is cut.
_WHOLE_ESCAPES = re.compile(
    r'[^"\\]*+(?:\\(?:[^u]|u(?![Dd][89ABab])....|u[Dd][89ABab]..\\u....)[^"\\]*+)*+',
    re.DOTALL,
)
_LONGEST_ESCAPE = len(r"\ud83d\ude00")

_NOTHING: Any = object()  # no value yet; None is one
_Expected: TypeAlias = Literal["value", "scalar", "string", "key", "key string", "colon", "comma"]


def read_partial(text: str) -> Any:
    """The value of an unfinished JSON text, its last string as far as it came; None where nothing can be read.

    The reference for what that means is ``pydantic_core.from_json(text, allow_partial="trailing-strings")``.
    """
    from pydantic_core import from_json

    try:
        return from_json(text, allow_partial="trailing-strings")
    except (ValueError, TypeError):  # a TypeError for lone surrogates
        return None


def partial_value(text: Text, mark: int, fragment: str) -> Any:
    """What ``read_partial`` gives for the text up to the mark, at the price of what came since the last mark asked for.

    ``fragment`` is what was appended last before the mark. An older mark is read from the start. As to what may be
    done with the value, see ``PartialJSON``.
    """
    partial: PartialJSON | None = text.partial
    if partial is None:
        partial = text.partial = PartialJSON()
        if mark > len(fragment):
            return read_partial(text.read(mark))  # perhaps nobody asks again, and at once this is much faster
    missing = mark - partial.length
    if missing == len(fragment):
        partial.feed(fragment)
    elif missing > 0:
        partial.feed(text.read(mark, start=partial.length))
    elif missing < 0:
        return read_partial(text.read(mark))
    return partial.value()


@cache
def _may_hold(depth: int) -> bool:
    """Whether a value may stand inside so many lists and objects."""
    return read_partial("[" * depth + "1") is not None


class PartialJSON:
    """The value of a growing JSON text: ``feed`` it what comes, ask for the ``value`` as often as you like.

    Feeding is linear in what is fed. Reading copies what is still open: the string, and each list and object, its own
    entries and no deeper. So a read costs a pointer for each entry of a wide open list. A number at the end is parsed
    anew at each read, as the next digit may make another one of it.

    What is closed is shared by all values read from then on: treat values as read-only. What is open is the reader's
    own copy each time.
    """

    __slots__ = (
        "_depth",
        "_expected",
        "_inner",
        "_key",
        "_keys",
        "_outer",
        "_pieces",
        "_plain",
        "_root",
        "_tail",
        "length",
    )

    def __init__(self) -> None:
        self.length: int = 0  # characters fed
        self._expected: _Expected = "value"
        self._root: list[Any] = []  # the value, once it is whole or its list or object is open
        self._depth = 0  # how many lists and objects are open
        self._inner: Any = self._root  # the innermost of them
        self._outer: list[tuple[Any, Any]] = []  # those around it, from within, each with the place of what it holds
        self._key = ""  # of the member that is next, where the innermost is an object
        self._keys: dict[str, str] = {}  # a key that comes again and again is held once
        self._pieces: list[str] = []  # of the open string, decoded; or of the open number or word
        self._tail = ""  # the cut escape at the end of the open string
        self._plain = False  # a string is open, and no escape is cut

    def feed(self, fragment: str) -> None:
        """Append to the text. Raises nothing, whatever is fed."""
        self.length += len(fragment)
        # Nearly all fragments lie within a string. Whatever is printable may stand there, and little else does.
        if self._plain and '"' not in fragment and "\\" not in fragment and fragment.isprintable():
            self._pieces.append(fragment)
        else:
            self._read(fragment)

    def value(self) -> Any:
        """The value so far, as ``read_partial`` reads it; None where nothing can be read."""
        if self._plain and self._expected == "string":
            leaf = "".join(self._pieces)
            self._pieces = [leaf]  # so that the next read only adds to it
        else:
            leaf = self._unfinished()
        value = self._inner.copy()
        if leaf is not _NOTHING:
            if type(value) is list:
                value.append(leaf)
            else:
                value[self._key] = leaf
        for container, place in self._outer:
            copy = container.copy()
            copy[place] = value
            value = copy
        if self._depth:
            return value
        return value[0] if value else None

    # ---------------------------------------------------------------- what stands at the end

    def _unfinished(self) -> Any:
        """The string, number or word at the end as far as it can be read, or _NOTHING."""
        token = "".join(self._pieces)
        self._pieces = [token]
        if self._expected == "scalar":
            return self._read_scalar(token)
        if not self._tail:
            return token if self._expected == "string" else _NOTHING
        found = read_partial(f'["{self._tail}')  # some versions leave out a string whose end is a cut escape
        if found is None:
            self._break()
        return token if found and self._expected == "string" else _NOTHING

    def _read_scalar(self, token: str) -> Any:
        from pydantic_core import from_json

        try:
            return from_json(token)
        except ValueError:
            found = read_partial("[" + token)
        if found is None:
            self._break()
        elif found:  # a value, and then a mark that cannot follow one and closes nothing: it ends all that is open
            self._put(found[0])
            while self._depth:
                self._close()
        return _NOTHING

    # ---------------------------------------------------------------- reading on

    def _read(self, fragment: str) -> None:
        if not fragment.isascii() and _SURROGATE.search(fragment):
            self._break()  # the one fault that counts even behind the whole value
        text = self._tail + fragment
        self._tail = ""
        at, end = 0, len(text)
        while at < end:
            at = self._STEPS[self._expected](self, text, at)

    def _value(self, text: str, at: int) -> int:
        mark = text[at]
        if mark in _SPACE:
            return _skip_space(text, at)
        if mark == "]" and self._depth and type(self._inner) is list and not self._inner:
            self._close()  # where the list is not empty, a comma came before, and must be followed by a value
        elif not _may_hold(self._depth):
            self._break()
        elif mark == '"':
            self._begin("string")
        elif mark == "{":
            self._open({}, "key")
        elif mark == "[":
            self._open([], "value")
        else:
            self._begin("scalar")
            return at
        return at + 1

    def _scalar(self, text: str, at: int) -> int:
        found = _NO_SCALAR.search(text, at)
        end = found.start() if found else len(text)
        self._pieces.append(text[at:end])
        if found:
            value = self._unfinished()
            if value is not _NOTHING:
                self._put(value)
            elif self._expected == "scalar":
                self._break()  # cut, and yet something follows
        return end

    def _string(self, text: str, at: int) -> int:
        end = text.find('"', at)
        piece = text[at:end] if end >= 0 else text[at:]
        if "\\" in piece:
            return self._escaped_string(text, at)
        if not piece.isprintable() and _CONTROL.search(piece):
            self._break()
            return len(text)
        self._pieces.append(piece)
        return self._end_piece(text, at + len(piece))

    def _escaped_string(self, text: str, at: int) -> int:
        from pydantic_core import from_json

        found = _WHOLE_ESCAPES.match(text, at)
        end = found.end() if found else at
        try:
            self._pieces.append(from_json(f'"{text[at:end]}"'))
        except ValueError:
            self._break()
            return len(text)
        if text.startswith("\\", end):
            self._plain = False
            self._tail = text[end:]
            if len(self._tail) >= _LONGEST_ESCAPE:
                self._break()  # none, then, and not cut
            return len(text)
        return self._end_piece(text, end)

    def _end_piece(self, text: str, end: int) -> int:
        """Go past the end of the string, if it stands there and not just the end of the text."""
        self._plain = end == len(text)
        if self._plain:
            return end
        string = "".join(self._pieces)
        self._pieces = []
        if self._expected == "string":
            self._put(string)
        else:
            self._key = self._keys.setdefault(string, string)
            self._expected = "colon"
        return end + 1

    def _first_or_next_key(self, text: str, at: int) -> int:
        mark = text[at]
        if mark in _SPACE:
            return _skip_space(text, at)
        if mark == '"':
            self._begin("key string")
        elif mark == "}" and not self._inner:
            self._close()  # where the object is not empty, a comma came before, and must be followed by a key
        else:
            self._break()
        return at + 1

    def _colon(self, text: str, at: int) -> int:
        mark = text[at]
        if mark in _SPACE:
            return _skip_space(text, at)
        if mark == ":":
            self._expected = "value"
        else:
            self._break()
        return at + 1

    def _comma(self, text: str, at: int) -> int:
        if not self._depth:
            return len(text)  # whatever follows the whole value, or a fault
        mark = text[at]
        if mark in _SPACE:
            return _skip_space(text, at)
        in_list = type(self._inner) is list
        if mark == ",":
            self._expected = "value" if in_list else "key"
            return at + 1
        self._close()
        return at + 1 if mark == ("]" if in_list else "}") else at

    _STEPS: ClassVar[dict[_Expected, Callable[[PartialJSON, str, int], int]]] = {
        "value": _value,
        "scalar": _scalar,
        "string": _string,
        "key": _first_or_next_key,
        "key string": _string,
        "colon": _colon,
        "comma": _comma,
    }

    # ---------------------------------------------------------------- what is open

    def _begin(self, expected: _Expected) -> None:
        self._expected = expected
        self._plain = expected != "scalar"
        self._pieces = []

    def _open(self, container: Any, expected: _Expected) -> None:
        self._put(container)
        if self._depth:
            self._outer.insert(0, (self._inner, -1 if type(self._inner) is list else self._key))
        self._depth += 1
        self._inner = container
        self._expected = expected

    def _close(self) -> None:
        self._depth -= 1
        self._inner = self._outer.pop(0)[0] if self._depth else self._root
        self._expected = "comma"

    def _put(self, value: Any) -> None:
        if type(self._inner) is list:
            self._inner.append(value)
        else:
            self._inner[self._key] = value
        self._expected = "comma"

    def _break(self) -> None:
        """Have no value from here on, whatever comes."""
        self._inner = self._root = []
        self._depth, self._outer, self._keys, self._pieces = 0, [], {}, []
        self._expected, self._plain, self._tail = "comma", False, ""


def _skip_space(text: str, at: int) -> int:
    found = _NO_SPACE.search(text, at)
    return found.start() if found else len(text)


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
