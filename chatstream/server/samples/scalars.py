"""Strings and numbers for a JSON schema.

In go the keywords of one schema, out comes a value that fits them; ValueError with the reason if there is none. Rules:
a string tells what it is for, unless a format or a pattern says how it is spelled; the numbers are the small ones.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from chatstream.server.samples.fitting import is_number
from chatstream.server.samples.patterns import matches, text_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatstream.server.samples.patterns import Work

__all__ = ["number_for", "string_for"]

_LONGEST = 10_000  # characters
# Names and addresses are those that the standards keep free for examples. The number at {} tells one from another.
_FORMATS = {
    "date": "2026-01-{:02}",
    "date-time": "2026-01-{:02}T09:30:00Z",
    "time": "09:30:{:02}Z",
    "duration": "PT{}M",
    "email": "someone{}@example.com",
    "idn-email": "someone{}@example.com",
    "hostname": "host{}.example.com",
    "idn-hostname": "host{}.example.com",
    "ipv4": "192.0.2.{}",
    "ipv6": "2001:db8::{}",
    "uuid": "00000000-0000-4000-8000-{:012}",
    "uri": "https://example.com/{}",
    "url": "https://example.com/{}",
    "iri": "https://example.com/{}",
    "uri-reference": "/{}",
    "iri-reference": "/{}",
    "uri-template": "https://example.com/{}/{{id}}",
    "json-pointer": "/{}",
    "relative-json-pointer": "{}",
    "regex": "^{}$",
}


def string_for(schema: dict[str, Any], *, name: str, variant: int, work: Work) -> str:
    """A string for the schema: by its format, by its pattern, else the name; ``variant`` numbers it."""
    shortest, longest = _lengths(schema)
    pattern = schema.get("pattern")
    for text in _spellings(schema, name, variant):
        fitting = shortest <= len(text) <= longest
        if fitting and (type(pattern) is not str or matches(pattern, text, work=work)):
            return text
    if type(pattern) is str:
        # A letter of its own for each, and where these run out a length.
        longer = min(longest, shortest + variant // 10)
        return text_for(pattern, work=work, shortest=longer, longest=longest, variant=variant)
    work.spend(shortest // 16)
    ending = "" if variant == 0 else str(variant + 1)
    text = " ".join([name] * (shortest // (len(name) + 1) + 1))
    return (text[: max(0, longest - len(ending))] + ending).ljust(shortest, "x")[:longest]


def _lengths(schema: dict[str, Any]) -> tuple[int, int]:
    least: Any = schema.get("minLength")
    most: Any = schema.get("maxLength")
    shortest = max(0, math.ceil(least)) if is_number(least) else 0
    longest = math.floor(most) if is_number(most) else max(_LONGEST, shortest)
    if shortest > longest or longest < 0:
        raise ValueError("minLength is more than maxLength")
    if shortest > _LONGEST:
        raise ValueError(f"minLength asks for more than {_LONGEST:,} characters")
    return shortest, longest


def _spellings(schema: dict[str, Any], name: str, variant: int) -> Iterator[str]:
    spelling = _FORMATS.get(schema["format"]) if type(schema.get("format")) is str else None
    if spelling is not None:
        # Months have twenty-eight days, minutes more seconds, and networks more hosts than that.
        yield spelling.format(variant % 28 + 1 if "{:02}" in spelling else variant % 254 + 1)
    else:
        yield name if variant == 0 else f"{name} {variant + 1}"


def number_for(schema: dict[str, Any], *, whole: bool, variant: int) -> int | float:
    """A number for the schema: 1 if it may be, else the nearest to it; ``variant`` goes on from there."""
    low, high = _bounds(schema)
    step = _step(schema, whole=whole)
    if step is None:
        return _between(low, high, variant)
    least = None if low is None else _first_multiple(low, step, open_end=_is_open(schema, "Minimum", low))
    most = None if high is None else -_first_multiple(-high, step, open_end=_is_open(schema, "Maximum", high))
    start = _first_multiple(Fraction(1), step, open_end=False)
    if most is not None and start > most:
        start = most if least is None else least
    if least is not None and start < least:
        start = least
    if most is not None and start > most:
        raise ValueError("no number lies within its bounds")
    room = None if most is None else int((most - start) / step) + 1
    return _plain(start + step * (variant if room is None else variant % room))


def _bounds(schema: dict[str, Any]) -> tuple[Fraction | None, Fraction | None]:
    lows = [_exact(schema[key]) for key in ("minimum", "exclusiveMinimum") if is_number(schema.get(key))]
    highs = [_exact(schema[key]) for key in ("maximum", "exclusiveMaximum") if is_number(schema.get(key))]
    return max(lows, default=None), min(highs, default=None)


def _is_open(schema: dict[str, Any], kind: str, bound: Fraction) -> bool:
    value = schema.get(f"exclusive{kind}")
    return is_number(value) and _exact(value) == bound


def _step(schema: dict[str, Any], *, whole: bool) -> Fraction | None:
    divisor: Any = schema.get("multipleOf")
    if not is_number(divisor) or divisor <= 0:
        return Fraction(1) if whole else None
    step = _exact(divisor)
    # The numerator is the least whole multiple of a fraction in its lowest terms.
    return Fraction(step.numerator) if whole else step


def _first_multiple(bound: Fraction, step: Fraction, *, open_end: bool) -> Fraction:
    first = math.ceil(bound / step) * step
    return first + step if open_end and first == bound else first


def _between(low: Fraction | None, high: Fraction | None, variant: int) -> float:
    """Any number: a half and so on, or as far as the bounds let it."""
    if low is not None and high is not None:
        if low > high:
            raise ValueError("no number lies within its bounds")
        return _plain(low + (high - low) / (variant + 2))
    if low is not None:
        return _plain(max(low + Fraction(1, 2), Fraction(1, 2)) + variant)
    if high is not None:
        return _plain(min(high - Fraction(1, 2), Fraction(1, 2)) - variant)
    return 0.5 + variant


def _exact(number: Any) -> Fraction:
    return Fraction(number) if type(number) is int else Fraction(repr(number))


def _plain(number: Fraction) -> int | float:
    try:
        return int(number) if number.denominator == 1 else float(number)
    except OverflowError:
        raise ValueError("no number of a usual size lies within its bounds") from None
