"""Whether a JSON value fits a JSON schema.

In go a value, a schema and the document it stands in, out comes a verdict. Rules: a keyword whose own value makes no
sense says nothing, as one that is not known (``unevaluated…``, ``$dynamicRef``). Formats are remarks, as the standard
has it. Patterns are matched by ``patterns``, in bounded time. Whatever is done is counted as work of the document.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from chatstream.server.samples.patterns import WorkLimitError, matches
from chatstream.server.samples.schemas import entries, members

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

    from chatstream.server.samples.schemas import Document

__all__ = ["divides", "fits", "is_number", "same"]

_DEEPEST = 200  # levels of a schema and of references in it


def fits(value: Any, schema: Any, document: Document, depth: int = 0) -> bool:
    """Whether a JSON value fits a schema of this document.

    WorkLimitError if that is too much to find out, UnusablePatternError or UnknownReferenceError if it cannot be.
    """
    if type(schema) is not dict:
        return schema is not False
    if depth > _DEEPEST:
        raise WorkLimitError("its references never end")
    document.work.spend(1 + len(schema))
    if "$ref" in schema and not fits(value, document.target(schema["$ref"]), document, depth + 1):
        return False
    case = _Case(document, schema, depth + 1)
    return all(_CHECKS[keyword](case, value, wanted) for keyword, wanted in schema.items() if keyword in _CHECKS)


def is_number(value: Any) -> bool:
    """Whether a JSON value is a finite number; true and false are none."""
    return type(value) is int or (type(value) is float and math.isfinite(value))


def divides(divisor: Any, value: Any) -> bool:
    """Whether a number is a multiple of another one, by their decimal digits: 0.3 is one of 0.1."""
    return bool(divisor) and _exact(value) % _exact(divisor) == 0


def _exact(number: Any) -> Fraction:
    return Fraction(number) if type(number) is int else Fraction(repr(number))


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON value: 1 and 1.0 are, 1 and true are not."""
    if type(one) is dict and type(other) is dict:
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if type(one) is list and type(other) is list:
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) and (type(one) is bool) == (type(other) is bool)


class _Case:
    """What a check needs beside the value and the keyword's own: the schema around it, and who looks further down."""

    __slots__ = ("depth", "document", "schema")

    def __init__(self, document: Document, schema: dict[str, Any], depth: int) -> None:
        self.document: Document = document
        self.schema: dict[str, Any] = schema
        self.depth: int = depth

    def fits(self, value: Any, schema: Any) -> bool:
        return fits(value, schema, self.document, self.depth)

    def matches(self, pattern: str, text: str) -> bool:
        return matches(pattern, text, work=self.document.work)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: type(value) is bool,
    "string": lambda value: type(value) is str,
    "integer": lambda value: is_number(value) and value == int(value),
    "number": is_number,
    "array": lambda value: type(value) is list,
    "object": lambda value: type(value) is dict,
}


def _check_type(_case: _Case, value: Any, wanted: Any) -> bool:
    kinds = [kind for kind in (wanted if type(wanted) is list else [wanted]) if type(kind) is str and kind in _TYPES]
    return not kinds or any(_TYPES[kind](value) for kind in kinds)


def _check_properties(case: _Case, value: Any, wanted: Any) -> bool:
    return type(value) is not dict or all(
        case.fits(value[name], schema) for name, schema in members(wanted).items() if name in value
    )


def _check_pattern_properties(case: _Case, value: Any, wanted: Any) -> bool:
    return type(value) is not dict or all(
        case.fits(inner, schema)
        for pattern, schema in members(wanted).items()
        for name, inner in value.items()
        if case.matches(pattern, name)
    )


def _check_additional(case: _Case, value: Any, wanted: Any) -> bool:
    if type(value) is not dict or wanted is True:
        return True
    patterns = members(case.schema.get("patternProperties"))
    named = members(case.schema.get("properties"))
    return all(
        case.fits(inner, wanted)
        for name, inner in value.items()
        if name not in named and not any(case.matches(pattern, name) for pattern in patterns)
    )


def _check_items(case: _Case, value: Any, wanted: Any) -> bool:
    if type(value) is not list:
        return True
    if type(wanted) is list:  # as drafts before 2020-12 have it
        return all(map(case.fits, value, wanted))
    first = len(entries(case.schema.get("prefixItems")))
    return all(case.fits(inner, wanted) for inner in value[first:])


def _check_additional_items(case: _Case, value: Any, wanted: Any) -> bool:
    first = case.schema.get("items")
    return (
        type(value) is not list
        or type(first) is not list
        or all(case.fits(inner, wanted) for inner in value[len(first) :])
    )


def _check_contains(case: _Case, value: Any, wanted: Any) -> bool:
    if type(value) is not list:
        return True
    least: Any = case.schema.get("minContains", 1)
    most: Any = case.schema.get("maxContains")
    found = sum(case.fits(inner, wanted) for inner in value)
    return (not is_number(least) or found >= least) and (not is_number(most) or found <= most)


def _check_unique(case: _Case, value: Any, wanted: Any) -> bool:
    if wanted is not True or type(value) is not list:
        return True
    case.document.work.spend(len(value) ** 2)
    return not any(same(one, other) for place, one in enumerate(value) for other in value[:place])


def _check_required(_case: _Case, value: Any, wanted: Any) -> bool:
    return type(value) is not dict or all(name in value for name in entries(wanted) if type(name) is str)


def _check_dependent_required(_case: _Case, value: Any, wanted: Any) -> bool:
    return type(value) is not dict or all(
        name in value for trigger, names in members(wanted).items() if trigger in value for name in entries(names)
    )


def _check_dependent_schemas(case: _Case, value: Any, wanted: Any) -> bool:
    return type(value) is not dict or all(
        case.fits(value, schema) for trigger, schema in members(wanted).items() if trigger in value
    )


def _check_if(case: _Case, value: Any, wanted: Any) -> bool:
    return case.fits(value, case.schema.get("then" if case.fits(value, wanted) else "else"))


def _bound(holds: Callable[[Any, Any], bool], measure: Callable[[Any], Any]) -> Callable[[_Case, Any, Any], bool]:
    """A check that compares what is measured of a value, None if it has no such measure, with a number."""

    def check(_case: _Case, value: Any, wanted: Any) -> bool:
        measured = measure(value)
        return measured is None or not is_number(wanted) or holds(measured, wanted)

    return check


def _at_least(value: Any, bound: Any) -> bool:
    return bool(value >= bound)


def _at_most(value: Any, bound: Any) -> bool:
    return bool(value <= bound)


def _number(value: Any) -> Any:
    return value if is_number(value) else None


def _size_of(kind: type[Sized]) -> Callable[[Any], Any]:
    return lambda value: len(value) if type(value) is kind else None


_CHECKS: dict[str, Callable[[_Case, Any, Any], bool]] = {
    "type": _check_type,
    "const": lambda _case, value, wanted: same(value, wanted),
    "enum": lambda _case, value, wanted: type(wanted) is not list or any(same(value, one) for one in wanted),
    "allOf": lambda case, value, wanted: all(case.fits(value, one) for one in entries(wanted)),
    "anyOf": lambda case, value, wanted: not entries(wanted) or any(case.fits(value, one) for one in wanted),
    "oneOf": lambda case, value, wanted: not entries(wanted) or sum(case.fits(value, one) for one in wanted) == 1,
    "not": lambda case, value, wanted: not case.fits(value, wanted),
    "if": _check_if,
    "properties": _check_properties,
    "patternProperties": _check_pattern_properties,
    "additionalProperties": _check_additional,
    "propertyNames": lambda case, value, wanted: all(case.fits(name, wanted) for name in members(value)),
    "required": _check_required,
    "dependentRequired": _check_dependent_required,
    "dependentSchemas": _check_dependent_schemas,
    "items": _check_items,
    "additionalItems": _check_additional_items,
    "prefixItems": lambda case, value, wanted: type(value) is not list or all(map(case.fits, value, entries(wanted))),
    "contains": _check_contains,
    "uniqueItems": _check_unique,
    "pattern": lambda case, value, wanted: (
        type(value) is not str or type(wanted) is not str or case.matches(wanted, value)
    ),
    "multipleOf": _bound(lambda value, divisor: divides(divisor, value), _number),
    "minimum": _bound(_at_least, _number),
    "maximum": _bound(_at_most, _number),
    "exclusiveMinimum": _bound(lambda value, bound: bool(value > bound), _number),
    "exclusiveMaximum": _bound(lambda value, bound: bool(value < bound), _number),
    "minLength": _bound(_at_least, _size_of(str)),
    "maxLength": _bound(_at_most, _size_of(str)),
    "minItems": _bound(_at_least, _size_of(list)),
    "maxItems": _bound(_at_most, _size_of(list)),
    "minProperties": _bound(_at_least, _size_of(dict)),
    "maxProperties": _bound(_at_most, _size_of(dict)),
}
