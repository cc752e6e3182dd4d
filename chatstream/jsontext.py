"""JSON text to plain values and back: the one place where a decoder is chosen.

In goes JSON as bytes, out come dicts, lists, strings, numbers, booleans and None; and the other way round. Rules:
msgspec decodes first, being the fastest that ships everywhere. What it refuses and peers send all the same is read
by the standard library: NaN and infinities, lone surrogates, numbers beyond a float, and bytes that are not UTF-8
(read as U+FFFD). Nothing here raises anything but StreamProtocolError and StreamLimitError.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec

from chatstream.errors import StreamLimitError, StreamProtocolError

__all__ = [
    "BAD_UTF8",
    "DEEPEST",
    "ODD_STRINGS",
    "copied",
    "deepest",
    "entries",
    "has_long_number",
    "is_null",
    "members",
    "mend",
    "plain",
    "read_json",
    "write_json",
]

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_BRACKETS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
_LONGEST_NUMBER = 4300  # digits: what int() accepts by default, and more than any number that means something
_PERHAPS_LONG = re.compile(rb"(?<![\d.eE+\-])[\d.eE+\-]{%d}" % (_LONGEST_NUMBER + 1))

DEEPEST = 300  # levels that can be walked whatever the caller's own depth is: Python's stack has 1,000 by default

# What read_json may have met on its way, as flags: the caller notes them.
BAD_UTF8 = 1
ODD_STRINGS = 2


def mend(text: str) -> str:
    """The text with surrogate pairs joined and every lone surrogate as U+FFFD, so that it can be encoded."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def read_json(data: bytes, *, max_depth: int | None = DEEPEST) -> tuple[Any, int]:
    """The value of a JSON text, and flags: BAD_UTF8 if bytes were replaced, ODD_STRINGS if surrogates may be lone.

    Raises StreamProtocolError for what is no JSON, StreamLimitError for what is nested deeper than ``max_depth``; None
    is as deep as can be walked, 300 levels.
    """
    max_depth = deepest(max_depth)
    if data.count(b"[") + data.count(b"{") > max_depth:
        _check_depth(data, max_depth)
    if has_long_number(data):
        return _read_odd_json(data)
    try:
        return _decode(data), 0
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _read_odd_json(data)
    except RecursionError:
        raise StreamLimitError(limit="max_depth", value=max_depth) from None


def has_long_number(data: bytes) -> bool:
    """Whether there may be a number in it that has more digits than Python reads by default."""
    return len(data) > _LONGEST_NUMBER and _PERHAPS_LONG.search(data) is not None


def deepest(max_depth: int | None) -> int:
    """The depth that is in force: no limit, or a higher one, is what can be walked."""
    return DEEPEST if max_depth is None else min(max_depth, DEEPEST)


def _read_odd_json(data: bytes) -> tuple[Any, int]:
    flags = 0
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        flags = BAD_UTF8
    try:
        value = json.loads(text, parse_float=_read_float, parse_int=_read_int)
    except RecursionError:
        raise StreamLimitError(limit="max_depth", value=DEEPEST) from None
    except ValueError as error:
        # json's own message quotes nothing of the text, a position alone; but its `doc` holds all of it.
        raise StreamProtocolError(f"malformed JSON: {_reason(error)}") from None
    return value, flags | (ODD_STRINGS if b"\\u" in data else 0)


def _reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.removesuffix(' at')} at character {error.pos}"
    return "a number with too many digits"


def _checked(digits: str) -> str:
    if len(digits) > _LONGEST_NUMBER and sum(map(str.isdigit, digits)) > _LONGEST_NUMBER:
        message = "too many digits"
        raise ValueError(message)
    return digits


def _read_float(digits: str) -> float:
    return float(_checked(digits))


def _read_int(digits: str) -> int:
    return int(_checked(digits))


def _check_depth(data: bytes, max_depth: int) -> None:
    """Walk the brackets outside strings; reached only by texts with more than ``max_depth`` opening ones."""
    depth = 0
    for match in _BRACKETS.finditer(data):
        mark = match[0][0]
        if mark in b"[{":
            depth += 1
            if depth > max_depth:
                raise StreamLimitError(f"JSON nested deeper than {max_depth}", limit="max_depth", value=max_depth)
        elif mark in b"]}":
            depth -= 1


def plain(value: Any, *, keep_infinities: bool = False) -> Any:
    """A copy of a JSON value that shares nothing with it: every string encodable, NaN and infinities as None."""
    # No comprehensions: each would cost a second frame a level, and a peer sets how many levels there are.
    kind = type(value)
    if kind is str:
        return value if value.isascii() else mend(value)
    if kind is dict:
        copy: dict[Any, Any] = {}
        for key, inner in value.items():
            copy[plain(key)] = plain(inner, keep_infinities=keep_infinities)
        return copy
    if kind is list or kind is tuple:
        copied: list[Any] = []
        for inner in value:
            copied.append(plain(inner, keep_infinities=keep_infinities))  # noqa: PERF401  see above
        return copied
    if kind is float and not (keep_infinities or math.isfinite(value)):
        return None
    return value


def copied(value: Any) -> Any:
    """A copy that its reader may change: of dicts and lists, however deep; whatever else is in them stays as it is."""
    # No comprehensions, as above.
    if type(value) is dict:
        copy: dict[Any, Any] = {}
        for key, inner in value.items():
            copy[key] = copied(inner)
        return copy
    if type(value) is list:
        items: list[Any] = []
        for inner in value:
            items.append(copied(inner))  # noqa: PERF401
        return items
    return value


def is_null(value: Any) -> bool:
    """Whether a value is null, or one of the floats that JSON does not have and that are written out as null."""
    return value is None or (type(value) is float and not math.isfinite(value))


def write_json(value: Any) -> str:
    """The value as compact JSON text; NaN and infinities are written as null."""
    try:
        return _encode(value).decode()
    except (UnicodeEncodeError, RecursionError, OverflowError):
        return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))


def members(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if type(value) is dict else {}


def entries(value: Any) -> list[Any]:
    """The value if it is an array, else an empty one."""
    return value if type(value) is list else []
