"""A problem of a request, where in the body it is, and the words for it.

In go a path and a value, out come problems. Rules: a message names the path, what was expected, and what kind of
value came; a number, or a short string in place of a fixed word, is shown, and what may be somebody's prompt never is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from chatstream.jsontext import mend

__all__ = [
    "Kind",
    "Path",
    "Problem",
    "kind_of",
    "missing",
    "problem",
    "quoted",
    "shown",
    "unknown_word",
    "where",
    "wrong_type",
]

# Linked from the inside out: a step is made for every value that is looked at, and read only if that value is wrong.
Path: TypeAlias = "tuple[Path, str | int] | None"
Kind = Literal["string", "boolean", "integer", "number", "array", "object", "null", "other"]

_LONGEST_QUOTE = 40  # characters: any word of the API, and no prompt to speak of
_LARGEST_SHOWN = 10**20  # past what any field takes; and Python refuses to write out really long numbers

# In this order: True is an int too.
_KINDS: dict[type, Kind] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    tuple: "array",
    dict: "object",
    type(None): "null",
    Mapping: "object",
}
_PLAIN = {"string": "a string", "array": "an array", "object": "an object", "null": "null"}


class Problem(msgspec.Struct, frozen=True):
    """What is wrong with a request, as the API says it: words, the path that is wrong, a code, an HTTP status.

    ``param`` is a path such as ``messages[0].content[1].image_url.url``; None if it is the body as a whole.
    ``unknown_word``: it is a string in a place for fixed words and merely none of those. Other services have their own.
    """

    message: str
    param: str | None
    code: str
    status: int = 400
    unknown_word: bool = False


def kind_of(value: Any) -> Kind:
    """What JSON calls a value; ``other`` if JSON has no such thing."""
    known = _KINDS.get(type(value))
    if known is not None:
        return known
    for cls, kind in _KINDS.items():
        if isinstance(value, cls):
            return kind
    return "other"


def where(path: Path) -> str | None:
    """The path as the API writes it; None for the body itself."""
    steps: list[str] = []
    while path is not None:
        path, step = path
        steps.append(f"[{step}]" if isinstance(step, int) else f".{_cut(step)}")
    return "".join(reversed(steps)).removeprefix(".") or None


def shown(value: Any) -> str:
    """A value as a message may show it: numbers and truth values as they are, anything else by its kind."""
    kind = kind_of(value)
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "integer":
        return str(int(value)) if abs(value) < _LARGEST_SHOWN else "a huge integer"
    if kind == "number":
        return str(float(value))
    return _PLAIN.get(kind) or f"a Python {type(value).__name__}"


def quoted(text: str) -> str:
    """A name or a word in quotes; only its length if it is long."""
    if len(text) > _LONGEST_QUOTE:
        return f"a string of {len(text)} characters"
    return f"'{mend(text)}'"


def problem(path: Path, what: str, code: str) -> Problem:
    """The problem that the value at ``path`` has: ``what`` goes on where the path ends."""
    param = where(path)
    return Problem(f"{param or 'the body'}: {what}", param, code)


def unknown_word(path: Path, expected: str, word: str) -> Problem:
    """A word that is none of those the reference knows in this place."""
    found = problem(path, f"expected {expected}, got {quoted(word)}", "invalid_value")
    return msgspec.structs.replace(found, unknown_word=True)


def wrong_type(path: Path, expected: str, value: Any) -> Problem:
    """A value of a type that cannot stand there."""
    return problem(path, f"expected {expected}, got {shown(value)}", "invalid_type")


def missing(path: Path, why: str = "") -> Problem:
    """A member that must be there and is not; ``why`` if it need not always be."""
    return problem(path, f"must be given{why}", "missing_required_parameter")


def _cut(step: str) -> str:
    """A key as a step of a path: metadata may have any, of any length."""
    return mend(step if len(step) <= _LONGEST_QUOTE else step[:_LONGEST_QUOTE] + "…")
