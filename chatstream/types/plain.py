"""Any value in, the same as JSON values out.

This is the way round for what pydantic's serializer refuses: nesting past some 250 levels, text that
UTF-8 cannot encode, bytes that are no text. It is slower and is asked only after a refusal.

- It never raises for JSON values, however deep, as long as Python itself can go that deep.
- NaN and the infinities become None: JSON has no word for them.
- Half of a surrogate pair becomes U+FFFD, in keys as in values, so that every text can be encoded.
- It knows nothing of models: pydantic turns those into dicts first.
"""

from collections.abc import Callable
from math import isfinite
from typing import Any, TypeAlias

from pydantic_core import to_jsonable_python

# What a JSON document can hold, and by what a type checker knows what is in it. Nobody checks that a value is such.
Json: TypeAlias = dict[str, Any] | list[Any] | str | float | None
_Sequence: TypeAlias = tuple[Any, ...] | set[Any] | frozenset[Any]


def encodable(text: str) -> str:
    """The text itself if UTF-8 can encode it, else with each lone surrogate replaced by U+FFFD."""
    if text.isascii():
        return text
    # UTF-16 puts a pair that arrived in two halves together, and leaves only the lone ones to replace.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def spelled(value: object) -> str:
    """The `str` of a value that has no form in JSON; the last resort of a dump."""
    return encodable(str(value))


def plain(value: Json | _Sequence, fallback: Callable[[Any], Any]) -> Any:
    """The value as new dicts, lists, strings, numbers, booleans and None.

    `fallback` is asked for a stand-in when a value is of a type that JSON has no form for.
    """
    # Loops, not comprehensions: before Python 3.12 each of those costs a second frame per level, and
    # three hundred levels have to fit under a caller who is himself deep in frames.
    if isinstance(value, dict):
        members: dict[str, Any] = {}
        for key, member in value.items():
            members[_plain_key(key, fallback)] = plain(member, fallback)
        return members
    if isinstance(value, list | tuple | set | frozenset):
        entries: list[Any] = []
        for entry in value:
            entries.append(plain(entry, fallback))  # noqa: PERF401 - see above
        return entries
    return _plain_leaf(value, fallback)


def _plain_leaf(value: Any, fallback: Callable[[Any], Any]) -> Any:
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, float):
        return value if isfinite(value) else None
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return to_jsonable_python(value, fallback=fallback)


def _plain_key(key: Any, fallback: Callable[[Any], Any]) -> str:
    if isinstance(key, str):
        return encodable(key)
    # Only a parsed value of the caller's own can have such keys; pydantic knows how it spells them.
    spelling: dict[str, None] = to_jsonable_python({key: None}, fallback=fallback)
    return encodable(next(iter(spelling)))
