"""What all events can do: be compared, shown and written out.

In go an event's fields, out come plain values and short texts. Rules: an event is frozen; what costs something is
computed when asked for, and compared and written out then alone.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any, ClassVar

import msgspec

from chatstream.errors import ChatStreamError
from chatstream.jsontext import plain

__all__ = ["Event", "jsonable"]


class Event(msgspec.Struct, frozen=True, eq=False, gc=False):
    """What all events can do: be compared, shown and written out."""

    _computed: ClassVar[tuple[str, ...]] = ()  # what to_dict() gives on request alone

    def to_dict(self, *, lazies: bool = False) -> dict[str, Any]:
        """The event as plain JSON values, ``type`` first; with ``lazies`` also what is computed when read.

        This is the schema of ``chatstream replay --events``: bytes are written as base64, NaN and infinities as null.
        """
        names = self._names() + (self._computed if lazies else ())
        return {"type": getattr(self, "type", ""), **{name: jsonable(getattr(self, name)) for name in names}}

    def _names(self) -> tuple[str, ...]:
        return tuple(name for name in self.__struct_fields__ if name[0] != "_")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.to_dict(lazies=True) == other.to_dict(lazies=True)

    def __hash__(self) -> int:
        # Of what is cheap to look at, and equal where events are: no model is built for it.
        values = [getattr(self, name) for name in self.__struct_fields__ if name[0] != "_"]
        return hash((type(self), *(value for value in values if isinstance(value, str | int))))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={_shown(getattr(self, name))}" for name in self._names())
        return f"{type(self).__name__}({shown})"


_MAX_SHOWN = 80


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"


def jsonable(value: Any) -> Any:
    """The value in JSON's terms: bytes as base64, errors by class and message, NaN and infinities as null."""
    # No comprehensions: each would cost a second frame a level, and a peer sets how many levels there are.
    if type(value) is dict:
        members: dict[Any, Any] = {}
        for key, inner in value.items():
            members[plain(key)] = jsonable(inner)
        return members
    if type(value) is list or type(value) is tuple:
        entries: list[Any] = []
        for inner in value:
            entries.append(jsonable(inner))  # noqa: PERF401
        return entries
    return plain(value) if value is None or isinstance(value, str | int | float) else plain(_told(value))


def _told(value: Any) -> Any:
    if isinstance(value, bytes | bytearray):
        return b64encode(value).decode()
    if isinstance(value, ChatStreamError):
        return {"type": type(value).__name__, "message": str(value)}
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    # What somebody's type made of an answer: it may be a date, an enum, a dataclass, and hold whatever else.
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value, bytes_mode="base64", fallback=str)
