"""Which faults strike a replay, and what they leave of it.

In go faults and the number of a request, out come those that strike it, and the exchange with them. Rules: a fault that
refuses comes instead of an answer, so no other is seen beside it; what makes no difference to an exchange has not
struck it, and is not told as if it had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatstream.recording.changing.injection import inject, is_struck
from chatstream.recording.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chatstream.recording.exchange import Exchange

__all__ = ["alone", "faults_of", "is_refusal", "strike", "struck_by"]

_REFUSING = frozenset({"status", "rate_limit"})


def faults_of(given: str | Fault | Iterable[str | Fault]) -> list[Fault]:
    """Faults as a caller gives them, one or several, spelled or not; ValueError for what is none."""
    several = [given] if isinstance(given, str | Fault) else given
    return [Fault.parse(fault) if isinstance(fault, str) else fault for fault in several]


def struck_by(faults: Sequence[Fault], number: int, *, seed: int) -> list[Fault]:
    """Those of the faults that strike the ``number``-th request, or the ``number``-th playing of a tape."""
    return alone([fault for fault in faults if is_struck(fault, number, seed=seed)])


def alone(faults: list[Fault]) -> list[Fault]:
    """The first of these that refuses, alone; all of them if none does."""
    return [fault for fault in faults if fault.name in _REFUSING][:1] or faults


def is_refusal(faults: Sequence[Fault]) -> bool:
    """Whether these come instead of an answer."""
    return any(fault.name in _REFUSING for fault in faults)


def strike(exchange: Exchange, faults: Sequence[Fault], *, seed: int) -> tuple[Exchange, list[str]]:
    """The exchange with these faults, and the spellings of those that made a difference to it."""
    told: list[str] = []
    for fault in faults:
        struck = inject(exchange, [fault], seed=seed)
        if struck != exchange:
            told.append(str(fault))
        exchange = struck
    return exchange, told
