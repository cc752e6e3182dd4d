"""Whether a request is the one that was recorded, and if not, how far from it.

In go JSON values, out come canonical texts and the paths where two bodies differ. Rules: what two senders write
differently and mean alike counts as the same, such as the order of members, and 1 for 1.0; so does a secret that was
masked, however long it is. Values never get into a message, only their places.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from chatstream.jsontext import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["ALWAYS_IGNORED", "Level", "Paths", "canonical", "comparable", "differences", "last_message", "unmasked"]

Level = Literal["exact", "message", "order"]

# Whether the answer is to be streamed says how it is sent, not what it is.
ALWAYS_IGNORED = ("stream", "stream_options")

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+|\*)\]")
_MASK = re.compile(r"\*{3,}")  # on tape a secret is as many stars as it had bytes, and the next one has other bytes
_encode = msgspec.json.Encoder(order="sorted").encode


class Paths:
    """Places in a body that do not count, such as ``metadata.run`` or ``messages[*].name``; ValueError for others."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = [_steps(path) for path in paths]

    def without(self, body: Any) -> Any:
        """A copy of the body with nothing at these places."""
        copy = plain(body)
        for steps in self._paths:
            _remove(copy, steps)
        return copy


def canonical(value: Any) -> bytes:
    """The value as JSON text that is the same for all that mean the same."""
    return _encode(_whole_numbers(value))


def comparable(value: Any) -> bytes:
    """The canonical text, in which one masked secret is like any other."""
    return unmasked(canonical(value).decode()).encode()


def unmasked(text: str) -> str:
    """The text with every mask of a secret as long as any other."""
    return _MASK.sub("***", text)


def last_message(body: dict[str, Any]) -> bytes | None:
    """The role and content of the last message, as canonical text; None if there is none."""
    messages = body.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    if not isinstance(last, dict):
        return None
    return comparable([last.get("role"), last.get("content"), last.get("tool_call_id")])


def differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """The paths at which two values differ, no deeper than it takes to tell them apart."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted({*one, *other}):
            inner = f"{path}.{name}" if path else name
            if name in one and name in other:
                yield from differences(one[name], other[name], inner)
            else:
                yield inner
    elif isinstance(one, list) and isinstance(other, list):
        for index in range(max(len(one), len(other))):
            if index < min(len(one), len(other)):
                yield from differences(one[index], other[index], f"{path}[{index}]")
            else:
                yield f"{path}[{index}]"
    elif comparable(one) != comparable(other):
        yield path


def _steps(path: str) -> list[str | int]:
    """``messages[*].name`` as ``["messages", "*", "name"]``; indexes are numbers."""
    steps: list[str | int] = []
    end = 0
    for match in _STEP.finditer(path):
        if match.start() != end:
            break
        end = match.end()
        steps.append(match[1] or (int(match[2]) if match[2] != "*" else "*"))
    if not steps or end != len(path) or steps[0] == "$":
        raise ValueError(f"{path!r} is no path; write it as messages[*].name")
    return steps


def _remove(value: Any, steps: list[str | int]) -> None:
    step, rest = steps[0], steps[1:]
    if isinstance(value, list):
        inner = value if step == "*" else value[step : step + 1] if isinstance(step, int) else []
        for one in inner:
            if rest:
                _remove(one, rest)
        if not rest and isinstance(step, int):
            del value[step : step + 1]
        elif not rest and step == "*":
            value.clear()
    elif isinstance(value, dict) and step in value:
        if rest:
            _remove(value[step], rest)
        else:
            del value[step]


def _whole_numbers(value: Any) -> Any:
    # No comprehensions: each would cost a second frame a level, see jsontext.
    if type(value) is float:
        return int(value) if value.is_integer() else value
    if type(value) is dict:
        copy: dict[Any, Any] = {}
        for name, inner in value.items():
            copy[name] = _whole_numbers(inner)
        return copy
    if type(value) is list:
        items: list[Any] = []
        for inner in value:
            items.append(_whole_numbers(inner))  # noqa: PERF401  see above
        return items
    return value
