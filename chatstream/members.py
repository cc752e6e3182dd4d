"""Members the API does not have, and those of it that are merged by the same few rules.

In go a key and a JSON value, out comes whether something changed. Rules (merging.md): null says nothing; objects merge
key by key; whatever else comes last counts. Values are never changed in place, only replaced, so that frames can hold
them; what is held is charged to ``max_extras``, not what passes by: a provider may repeat its citations in every chunk.
"""

from __future__ import annotations

from typing import Any

from chatstream.ledger import Ledger, approximate_size

__all__ = ["KEY_SIZE", "Members"]

KEY_SIZE = 256  # charged for each key: a new one copies all that are there, so their number must stay small
# A change copies the object it is made in. That is free for objects of a sane size; for one of thousands of members it
# is charged, since a small chunk could otherwise cost as much as a large one, for ever.
_FREE_COPY = 16


class Members:
    """Unknown members of one object, by key."""

    __slots__ = ("_ledger", "values")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.values: dict[str, Any] = {}

    def set(self, key: str, value: Any) -> bool:
        """Take the value unless it is null; whether that changed anything."""
        old = self.values.get(key)
        if value is None or (old is not None and _same(old, value)):
            return False
        self._take(key, value, approximate_size(value) - (0 if old is None else approximate_size(old)))
        return True

    def merge(self, key: str, value: Any) -> bool:
        """The same, but an object goes into the object that is there, key by key."""
        old = self.values.get(key)
        if type(value) is not dict or type(old) is not dict:
            return self.set(key, value)
        merged, grown, copied = _merged(old, value)
        if merged is old:
            return False
        self._take(key, merged, grown + copied // _FREE_COPY)
        return True

    def _take(self, key: str, value: Any, grown: int) -> None:
        grown += len(self.values) // _FREE_COPY
        self._ledger.charge_extras(grown if key in self.values else grown + len(key) + KEY_SIZE)
        self.values = {**self.values, key: value}


def _merged(old: dict[str, Any], new: dict[str, Any]) -> tuple[dict[str, Any], int, int]:
    """The one object with the other put into it, by how much it grew, and how many members were copied for that.

    The very same object if nothing is new. Only what is new is looked at: what is there may be much larger.
    """
    merged, grown, copied = old, 0, 0
    for key, value in new.items():
        before: Any = merged.get(key)
        if type(before) is dict and type(value) is dict:
            value, size, inner = _merged(before, value)  # noqa: PLW2901
            copied += inner
            if value is before:
                continue
        elif value is None or (before is not None and _same(before, value)):
            continue
        else:
            size = approximate_size(value) + (64 + len(key) if before is None else -approximate_size(before))
        if merged is old:
            merged = dict(old)
            copied += len(old)
        merged[key] = value
        grown += size
    return merged, grown, copied


def _same(old: Any, new: Any) -> bool:
    """Equal, and of one type: ``1``, ``1.0`` and ``True`` are three values in JSON."""
    if type(old) is not type(new) or old != new:
        return False
    # An equal object may still hide another type deeper down; scalars and strings cannot.
    return type(old) in (str, int, float, bool) or repr(old) == repr(new)
