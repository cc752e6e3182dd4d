"""Members the API does not have, and those of it that are merged by the same few rules.

In go a key and a JSON value, out comes whether something changed. Rules (merging.md): null says nothing; objects merge
key by key; whatever else comes last counts. Values are never changed in place, only replaced, so that frames can hold
them; what is held is charged to ``max_extras``, not what passes by: a provider may repeat its citations in every chunk.
"""

from __future__ import annotations

from typing import Any

from chatstream.ledger import Ledger, approximate_size

__all__ = ["Members"]


class Members:
    """Unknown members of one object, by key."""

    __slots__ = ("_ledger", "values")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.values: dict[str, Any] = {}

    def set(self, key: str, value: Any) -> bool:
        """Take the value unless it is null; whether that changed anything."""
        if value is None:
            return False
        old = self.values.get(key)
        if old is not None and _same(old, value):
            return False
        size = approximate_size(value)
        size += len(key) + 16 if old is None else -approximate_size(old)
        self._ledger.charge_extras(size)
        self.values = {**self.values, key: value}
        return True

    def merge(self, key: str, value: Any) -> bool:
        """The same, but an object goes into the object that is there, key by key."""
        old = self.values.get(key)
        if type(value) is dict and type(old) is dict:
            value = _merged(old, value)
        return self.set(key, value)


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for key, value in new.items():
        if value is None:
            continue
        before: Any = merged.get(key)
        both = type(before) is dict and type(value) is dict
        merged[key] = _merged(before, value) if both else value
    return merged


def _same(old: Any, new: Any) -> bool:
    """Equal, and of one type: ``1``, ``1.0`` and ``True`` are three values in JSON."""
    if type(old) is not type(new) or old != new:
        return False
    # An equal object may still hide another type deeper down; scalars and strings cannot.
    return type(old) in (str, int, float, bool) or repr(old) == repr(new)
