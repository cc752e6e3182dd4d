"""A JSON schema, looked into: its parts, where its references lead, two that both hold as one, and what looking costs.

In goes the schema of a request, as parsed JSON, with anything in it; out come parts of it. Rules: a reference leads
into the schema itself, nothing is fetched. Whatever is wrong is a ValueError; an UnusableSchemaError also says where.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, TypeGuard
from urllib.parse import unquote

import msgspec

from chatstream.jsontext import entries, members, write_json

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Place",
    "UnusableSchemaError",
    "Work",
    "WorkLimitError",
    "is_number",
    "joined",
    "target",
]

_GATHERED = frozenset({"$ref", "allOf", "anyOf", "oneOf", "$defs", "definitions"})


class UnusableSchemaError(ValueError):
    """No value can be made for a schema: where in it, as ``properties.city.items``, and why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path: str = path
        self.reason: str = reason


class WorkLimitError(Exception):
    """A schema or a pattern asks for more work than it is worth; no ValueError, since another branch is no way out."""


class Work:
    """So many steps, and no more: the one thing that bounds time and memory, whatever a schema asks for."""

    def __init__(self, steps: int) -> None:
        self.left: int = steps

    def spend(self, steps: int = 1) -> None:
        """Take so many steps; WorkLimitError when there are none left."""
        self.left -= steps
        if self.left < 0:
            raise WorkLimitError("it asks for too much work")


class Place(msgspec.Struct, frozen=True):
    """Where in the value, and in the schema, something is made."""

    path: tuple[str, ...] = ()
    name: str = "value"  # of the property that this is, or is in: what a string says
    depth: int = 0
    variant: int = 0
    around: frozenset[str] = frozenset()  # the references that lead to what this is in
    here: frozenset[str] = frozenset()  # those that lead to this, with nothing made in between

    def inside(self, *path: str, name: str | None = None, variant: int = 0) -> Place:
        """A place one level further down."""
        around = self.around | self.here
        return Place((*self.path, *path), name or self.name, self.depth + 1, self.variant + variant, around)

    def error(self, reason: str) -> UnusableSchemaError:
        """The error of there being no value here."""
        written = "".join(step if step[:1] == "[" else f".{step}" for step in self.path)
        return UnusableSchemaError(written.lstrip("."), reason)


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a JSON value is a finite number; true and false are none."""
    return type(value) is int or (type(value) is float and math.isfinite(value))


def target(root: Any, reference: Any) -> Any:
    """The schema that a reference leads to, as a pointer into this one; ValueError if it leads nowhere."""
    if type(reference) is not str or (reference != "#" and not reference.startswith("#/")):
        raise ValueError(f"$ref {str(reference)[:80]!r} does not lead into this schema")
    found = root
    for step in reference.split("/")[1:]:
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        if type(found) is list and re.fullmatch("[0-9]{1,6}", key) and int(key) < len(found):
            found = found[int(key)]
        elif type(found) is dict and key in found:
            found = found[key]
        else:
            raise ValueError(f"$ref {reference[:80]!r} leads to nothing")
    return found


def joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """What both schemas say, but for what the caller gathers; ValueError where they contradict each other.

    Of two formats or patterns the first one stays: no sample is worth finding out what fits both.
    """
    both = {**one}
    for keyword, value in other.items():
        if keyword in _GATHERED or (keyword == "type" and type(value) is list):
            continue
        if keyword not in both:
            both[keyword] = value
        elif keyword in _RULES:
            both[keyword] = _RULES[keyword](both[keyword], value)
    if "properties" in both:
        both["properties"] = _properties(one, other)
    return both


def _both(one: Any, other: Any) -> Any:
    if one is True or one == other:
        return other
    return one if other is True else {"allOf": [one, other]}


def _properties(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The schema of each property that either names; to the other one it is an additional one."""
    here, there = members(one.get("properties")), members(other.get("properties"))
    rest_here, rest_there = one.get("additionalProperties", True), other.get("additionalProperties", True)
    return {name: _both(here.get(name, rest_here), there.get(name, rest_there)) for name in {**here, **there}}


def _common(one: Any, other: Any) -> Any:
    if type(one) is not list or type(other) is not list:
        return one
    texts = {write_json(value) for value in other}  # as JSON, where true is not 1
    values = [value for value in one if write_json(value) in texts]
    if not values:
        raise ValueError("its enums have nothing in common")
    return values


def _narrower(one: Any, other: Any) -> Any:
    if one == other:
        return one
    if [one, other] in (["integer", "number"], ["number", "integer"]):
        return "integer"
    raise ValueError(f"nothing is both {str(one)[:80]!r} and {str(other)[:80]!r}")


def _by(choose: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda one, other: choose(one, other) if is_number(one) and is_number(other) else one


_RULES: dict[str, Callable[[Any, Any], Any]] = {
    "type": _narrower,
    "enum": _common,
    "required": lambda one, other: entries(one) + entries(other),
    "multipleOf": lambda one, other: math.lcm(one, other) if type(one) is type(other) is int else one,
    "uniqueItems": lambda one, other: one is True or other is True,
    **dict.fromkeys(("items", "additionalProperties"), _both),
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), _by(max)),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems"), _by(min)),
}
