"""Faults that a replay can be made to have, as values: what they are called, what they take, how they are spelled.

    stall:2,after=3           two seconds of nothing once three events have passed
    status:503,times=2        the first two requests are answered 503
    reset,probability=0.1     one request in ten breaks off in the middle of an event

Behind the name stands the fault's main argument, the others by name. In goes a spelling, from a command line or from an
``x`` line of a tape, out comes a Fault that is valid, or a ValueError that says what would be. What a fault does to an
exchange, and which requests it strikes, is not known here: see ``injection``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, Self, cast, get_args

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Fault", "FaultName"]

FaultName = Literal[
    "status",  # :STATUS, 500 by default: an error instead of the answer
    "rate_limit",  # :SECONDS, 1 by default: 429, and when to come back
    "delay_first",  # :SECONDS, 1 by default: head and body come that much later
    "stall",  # :SECONDS, for ever by default: nothing comes before the event that is hit
    "disconnect",  # :AFTER: the connection is closed before the event, and the body has no end
    "reset",  # :AFTER: the connection is reset in the middle of the event
    "truncate",  # :AFTER: the body ends, properly, in the middle of the event
    "malformed",  # :AFTER: the event's data is no JSON
    "drop_event",  # :AFTER: the event does not come
    "duplicate_event",  # :AFTER: the event comes twice
    "reorder",  # :AFTER: the event and the next one change places
    "error_event",  # :AFTER: an error comes instead of the event, and nothing more
    "bad_utf8",  # :AFTER: bytes that are not UTF-8 in a string of the event's JSON
    "no_done",  # the stream ends without [DONE]
    "split",  # :SIZE bytes a write, 1 to 64 at random by default
    "coalesce",  # :SIZE events a write, all by default
]

_AT_AN_EVENT = ("after",)
_TAKES: dict[str, tuple[str, ...]] = {  # what each fault takes, its main argument first
    "status": ("status",),
    "rate_limit": ("seconds",),
    "delay_first": ("seconds",),
    "stall": ("seconds", "after"),
    "no_done": (),
    "split": ("size",),
    "coalesce": ("size",),
}
_ALL_TAKE = ("times", "probability")

_MOST = 10**9  # of anything: far more than means something, and far from what overflows
_WHOLE: dict[str, tuple[int, int]] = {
    "status": (400, 599),
    "after": (0, _MOST),
    "size": (1, _MOST),
    "times": (1, _MOST),
}
_FRACTIONAL: dict[str, tuple[int, int]] = {"seconds": (0, _MOST), "probability": (0, 1)}
# Narrower than int() and float(), which also take underscores, nan and the digits of other scripts.
_DIGITS = re.compile(r"[0-9]{1,12}")
_DECIMAL = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:e[+-]?[0-9]{1,3})?")
_SHOWN = 30  # characters of a value in an error message


class Fault(msgspec.Struct, frozen=True):
    """One fault: its name, and what it was given; None is not given. ValueError for what it does not take.

    ``after``: how many events with data pass before it strikes; the event after these is the one that is hit. Where it
    is not given, the place is drawn. ``times``: only the first so many requests are struck. ``probability``: from 0 to
    1, of each request. ``str()`` gives the spelling that ``parse`` takes.
    """

    name: FaultName
    seconds: float | None = None
    status: int | None = None
    after: int | None = None
    size: int | None = None  # bytes for split, events for coalesce
    times: int | None = None
    probability: float | None = None

    def __post_init__(self) -> None:
        given = {name: value for name in (*_WHOLE, *_FRACTIONAL) if (value := getattr(self, name)) is not None}
        _check_names(self.name, given)
        for name, value in given.items():
            _check_number(name, value)

    @classmethod
    def parse(cls, spelling: str) -> Self:
        """The fault of a spelling, ``NAME[:main argument][,argument=value…]``; ValueError says what it should be."""
        head, *others = spelling.split(",")
        name, colon, main = (part.strip() for part in head.partition(":"))
        takes = _takes(name)
        if colon and not takes:
            raise ValueError(f"{name} takes nothing behind a colon")
        given = [(takes[0], main)] if colon else []
        for other in others:
            argument, equals, value = (part.strip() for part in other.partition("="))
            if not equals:
                raise ValueError(f"an argument is spelled name=value, not {_short(argument)}")
            given.append((argument, value))
        _check_names(name, [argument for argument, _ in given])
        members: dict[str, Any] = {argument: _read_number(argument, value) for argument, value in given}
        return cls(_known(name), **members)

    @classmethod
    def read(cls, value: Any) -> Self:
        """The fault of an ``x`` line: a spelling, or an object, its name as ``fault``; ValueError if it is neither."""
        if type(value) is str:
            return cls.parse(value)
        if type(value) is not dict:
            raise ValueError("a fault is a string or an object")
        members: dict[str, Any] = dict(value)
        name = members.pop("fault", None)
        _check_names(name, members)
        return cls(_known(name), **members)

    def __str__(self) -> str:
        named = (*self.takes, *_ALL_TAKE)
        given = {name: _spelled(value) for name in named if (value := getattr(self, name)) is not None}
        main = given.pop(self.takes[0], None) if self.takes else None
        head = self.name if main is None else f"{self.name}:{main}"
        return ",".join([head, *(f"{name}={value}" for name, value in given.items())])

    @property
    def takes(self) -> tuple[str, ...]:
        """The names of what this kind of fault takes, its main argument first; ``times`` and ``probability`` aside."""
        return _takes(self.name)


def _known(name: Any) -> FaultName:
    if type(name) is not str or name not in get_args(FaultName):
        raise ValueError(f"no fault is called {_short(name)}; there are {', '.join(get_args(FaultName))}")
    return cast("FaultName", name)


def _takes(name: object) -> tuple[str, ...]:
    return _TAKES.get(_known(name), _AT_AN_EVENT)


def _check_names(name: object, arguments: Iterable[object]) -> None:
    allowed = (*_takes(name), *_ALL_TAKE)
    seen: set[object] = set()
    for argument in arguments:
        if argument not in allowed:
            raise ValueError(f"{name} takes {', '.join(allowed)}, not {_short(argument)}")
        if argument in seen:
            raise ValueError(f"{argument} is given twice")
        seen.add(argument)


def _check_number(name: str, value: object) -> None:
    lowest, highest = _WHOLE.get(name) or _FRACTIONAL[name]
    whole = name in _WHOLE
    # By type and not by isinstance: true and false are no numbers here.
    if (type(value) is int or (type(value) is float and not whole)) and lowest <= value <= highest:
        return
    raise ValueError(f"{name} is a {'whole ' if whole else ''}number from {lowest} to {highest}, not {_short(value)}")


def _read_number(argument: str, text: str) -> float | str:
    """The number of a text; the text itself where it is none, for the check to complain of."""
    if argument in _WHOLE:
        return int(text) if _DIGITS.fullmatch(text) else text
    return float(text) if _DECIMAL.fullmatch(text) else text


def _spelled(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
