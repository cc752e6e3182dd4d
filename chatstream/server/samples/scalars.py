"""Strings and numbers for a JSON schema, and whether a given value suits one.

In go the keywords of one schema, out comes a value that fits them; ValueError with the reason if there is none. Rules:
a string tells what it is for, unless a format or a pattern says how it is spelled; the numbers are the small ones.
"""

from __future__ import annotations

import math
import operator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from chatstream.jsontext import entries
from chatstream.server.samples.patterns import text_for
from chatstream.server.samples.schemas import is_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatstream.server.samples.schemas import Work

__all__ = ["number_for", "string_for", "suits"]

# Names and addresses are those that the standards keep free for examples. The number at {} tells one from another.
_FORMATS = {
    "date": "2026-01-{:02}",
    "date-time": "2026-01-{:02}T09:30:00Z",
    "time": "09:30:{:02}Z",
    "duration": "PT{}M",
    "uuid": "00000000-0000-4000-8000-{:012}",
    **{f"uuid{version}": f"00000000-0000-{version}000-8000-{{:012}}" for version in range(1, 9)},
    **dict.fromkeys(("email", "idn-email"), "someone{}@example.com"),
    **dict.fromkeys(("hostname", "idn-hostname"), "host{}.example.com"),
    **dict.fromkeys(("ipv4", "ipv4network", "ipv4interface"), "192.0.2.{}"),
    **dict.fromkeys(("ipvanyaddress", "ipvanynetwork", "ipvanyinterface"), "192.0.2.{}"),
    **dict.fromkeys(("ipv6", "ipv6network", "ipv6interface"), "2001:db8::{}"),
    **dict.fromkeys(("uri", "url", "iri"), "https://example.com/{}"),
    **dict.fromkeys(("uri-reference", "iri-reference", "json-pointer"), "/{}"),
    **dict.fromkeys(("base64", "base64url"), "c2FtcGxl"),
    "relative-json-pointer": "{}",
    "uri-template": "https://example.com/{}/{{id}}",
    "regex": "^{}$",
}
_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: type(value) is str,
    "integer": lambda value: is_number(value) and value == math.floor(value),
    "number": is_number,
    "boolean": lambda value: type(value) is bool,
    "null": lambda value: value is None,
    "array": lambda value: type(value) is list,
    "object": lambda value: type(value) is dict,
}
_HOLDS: dict[str, Callable[[Any, Any], bool]] = {
    "minimum": operator.ge,
    "maximum": operator.le,
    "exclusiveMinimum": operator.gt,
    "exclusiveMaximum": operator.lt,
}
_MEASURED: dict[type, str] = {str: "Length", list: "Items", dict: "Properties"}


def suits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value is of the schema's type, within its bounds, and has what is required: no more than a glance."""
    kind: Any = schema.get("type")
    if type(kind) is str and kind in _TYPES and not _TYPES[kind](value):
        return False
    if type(value) is dict and not all(name in value for name in entries(schema.get("required")) if type(name) is str):
        return False
    measured = _MEASURED.get(type(value))
    if measured is not None:
        bounds = {"minimum": schema.get(f"min{measured}"), "maximum": schema.get(f"max{measured}")}
        return _lies_within(len(value), bounds)
    return not is_number(value) or _lies_within(value, schema)


def _lies_within(size: float, schema: dict[str, Any]) -> bool:
    bounds = {keyword: schema[keyword] for keyword in _HOLDS if is_number(schema.get(keyword))}
    return all(_HOLDS[keyword](size, bound) for keyword, bound in bounds.items())


def string_for(schema: dict[str, Any], *, name: str, variant: int, work: Work) -> str:
    """A string for the schema: by its pattern, by its format, else the name; ``variant`` numbers it."""
    shortest, longest = _lengths(schema)
    work.spend(shortest // 4)
    pattern = schema.get("pattern")
    if type(pattern) is str:
        # A letter of its own for each, and where these run out a length.
        longer = int(min(longest, shortest + variant // 10))
        return text_for(pattern, work=work, shortest=longer, longest=longest, variant=variant)
    text = _spelled(schema.get("format"), name, variant)
    if shortest <= len(text) <= longest:
        return text
    ending = "" if variant == 0 else str(variant + 1)
    text = " ".join([name] * (shortest // (len(name) + 1) + 1))
    return (text[: int(max(0, min(longest, len(text) + len(ending)) - len(ending)))] + ending).ljust(shortest, "x")


def _lengths(schema: dict[str, Any]) -> tuple[int, float]:
    least: Any = schema.get("minLength")
    most: Any = schema.get("maxLength")
    shortest = max(0, math.ceil(least)) if is_number(least) else 0
    longest = math.floor(most) if is_number(most) else math.inf
    if shortest > longest or longest < 0:
        raise ValueError("minLength is more than maxLength")
    return shortest, longest


def _spelled(spelling: Any, name: str, variant: int) -> str:
    spelled = _FORMATS.get(spelling) if type(spelling) is str else None
    if spelled is None:
        return name if variant == 0 else f"{name} {variant + 1}"
    # Months have twenty-eight days, minutes more seconds, and networks more hosts than that.
    return spelled.format(variant % 28 + 1 if "{:02}" in spelled else variant % 254 + 1)


def number_for(schema: dict[str, Any], *, whole: bool, variant: int) -> int | float:
    """A number for the schema: 1 if it may be, else the nearest to it; ``variant`` goes on from there."""
    step = _step(schema, whole=whole)
    least = _least(schema, "minimum", "exclusiveMinimum", step, sign=1)
    negative = _least(schema, "maximum", "exclusiveMaximum", step, sign=-1)
    most = None if negative is None else -negative
    if least is not None and most is not None and least > most:
        raise ValueError("no number lies within its bounds")
    start = math.ceil(1 / step) * step
    if least is not None:
        start = max(start, least)
    if most is not None and start > most:
        start = most if least is None else least
    number = start + step * variant
    if most is not None and number > most:  # round again from the least, or downwards without end
        number = most - step * variant if least is None else least + (number - least) % (most - least + step)
    return _plain(number)


def _step(schema: dict[str, Any], *, whole: bool) -> Fraction:
    """What the numbers to choose from are multiples of."""
    divisor: Any = schema.get("multipleOf")
    if is_number(divisor) and divisor > 0:
        # The numerator is the least whole multiple of a fraction in its lowest terms.
        return Fraction(_exact(divisor).numerator) if whole else _exact(divisor)
    bounds = [_exact(schema[keyword]) for keyword in _HOLDS if is_number(schema.get(keyword))]
    if whole or len(bounds) < 2 or (room := max(bounds) - min(bounds)) >= 2:  # noqa: PLR2004  two halves are room enough
        return Fraction(1) if whole else Fraction(1, 2)
    # Where there is no room, the bound itself is the number. Else a power of two that goes into the room four times or
    # more: its multiples are floats as they are, and do not come to lie on an open bound by being rounded.
    return Fraction(2) ** (math.frexp(room)[1] - 3) if room else abs(bounds[0]) or Fraction(1)


def _least(schema: dict[str, Any], closed: str, open_: str, step: Fraction, *, sign: int) -> Fraction | None:
    """The least multiple of the step from a lower bound on; for upper ones turn the sign, and that of what comes."""
    least: list[Fraction] = []
    if is_number(schema.get(closed)):
        least.append(math.ceil(sign * _exact(schema[closed]) / step) * step)
    if is_number(schema.get(open_)):
        least.append((math.floor(sign * _exact(schema[open_]) / step) + 1) * step)
    return max(least, default=None)


def _exact(number: Any) -> Fraction:
    return Fraction(number) if type(number) is int else Fraction(repr(number))


def _plain(number: Fraction) -> int | float:
    try:
        return int(number) if number.denominator == 1 else float(number)
    except OverflowError:
        raise ValueError("no number of a usual size lies within its bounds") from None
