"""Two JSON schemas that both have to hold, as one.

In go the keywords of two schemas, out come those of one. Rules: alternatives, references and joined schemas are not
merged here but gathered (``samples``). Where two keywords cannot be said by one, the first one stays: what is made
of it is checked against the whole schema in any case.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from chatstream.server.samples.fitting import is_number, same

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["merged"]

_GATHERED = frozenset({"$ref", "allOf", "anyOf", "oneOf", "if", "then", "else", "$defs", "definitions"})


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """What both schemas say, but for what is gathered."""
    both = dict(one)
    for keyword, value in other.items():
        if keyword in _GATHERED or (keyword == "type" and type(value) is list):
            continue
        rule = _RULES.get(keyword)
        if keyword not in both:
            both[keyword] = value
        elif rule is not None:
            both[keyword] = rule(both[keyword], value)
    return both


def _joined(one: Any, other: Any) -> Any:
    return one if one == other else {"allOf": [one, other]}


def _members(one: Any, other: Any) -> Any:
    if type(one) is not dict or type(other) is not dict:
        return one
    return {**one, **{name: _joined(one[name], schema) if name in one else schema for name, schema in other.items()}}


def _union(one: Any, other: Any) -> Any:
    if type(one) is not list or type(other) is not list:
        return one
    return [*one, *(name for name in other if name not in one)]


def _common(one: Any, other: Any) -> Any:
    if type(one) is not list or type(other) is not list:
        return one
    return [value for value in one if any(same(value, another) for another in other)]


def _narrower(one: Any, other: Any) -> Any:
    if one == other:
        return one
    return "integer" if [one, other] in (["integer", "number"], ["number", "integer"]) else "two types at once"


def _by(choose: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda one, other: choose(one, other) if is_number(one) and is_number(other) else one


def _multiple(one: Any, other: Any) -> Any:
    return math.lcm(one, other) if type(one) is int and type(other) is int else one


_RULES: dict[str, Callable[[Any, Any], Any]] = {
    "type": _narrower,
    "enum": _common,
    "required": _union,
    "properties": _members,
    "patternProperties": _members,
    "multipleOf": _multiple,
    **dict.fromkeys(("items", "additionalProperties", "propertyNames", "contains", "not"), _joined),
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"), _by(max)),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), _by(min)),
}
_RULES["not"] = lambda one, other: {"anyOf": [one, other]}
