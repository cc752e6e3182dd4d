"""How a recording is played on the command line: how fast, with which faults, and whether it waits for Enter.

In go a recording and what was asked for, out comes what to read and the clock to time it by. Rules: the faults strike
as they do in the server and in a ``ReplayTransport``, and take their time whatever the speed is; the clock is that of
the tape, with its faults, at any speed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chatstream.recording import Fault, Player
from chatstream.recording.changing.striking import alone, is_refusal, strike, struck_by
from chatstream.recording.library.answering import paced

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatstream.recording import Exchange, Recording

__all__ = ["Play", "Playing"]

_LONGEST_SLEEP = 1e6  # seconds: a clock may be asked for more than sleep() can take


@dataclass(frozen=True)
class Play:
    """One playing: its reads, their clock, whether that clock means anything, and the faults that struck it."""

    reads: Player
    clock: Callable[[], float]
    timed: bool
    faults: list[str]


@dataclass(frozen=True)
class Playing:
    """The way to play recordings.

    ``speed``: so many times as fast as recorded, None at once. ``faults``: what goes wrong, beside what the tape says;
    ``tape_faults``: whether that is heeded; ``seed`` decides what the faults leave open. ``step``: called before each
    read, in place of waiting.
    """

    speed: float | None = 1.0
    faults: list[Fault] = field(default_factory=list[Fault])
    tape_faults: bool = True
    seed: int = 0
    step: Callable[[], object] | None = None

    def play(self, recording: Recording, number: int = 1) -> Play:
        """The playing of a recording; ``number``: which one it is of those that are played, from 1."""
        faults = self._striking(recording, number)
        exchange, told = strike(recording, faults, seed=self.seed)
        wait = self.step
        if wait is None:
            # The same seed gives the same reads, of which those of this one come when they are to be shown.
            shown, _ = strike(paced(recording, self.speed), faults, seed=self.seed)
            wait = _Sleeper(shown).sleep
        clock = _TapeClock(exchange, wait)
        # A fault may split reads of no time, and it may also be what takes some.
        timed = any(read.interval is not None for read in recording.reads) or any(_pauses(exchange))
        return Play(Player(exchange, speed=None, sleep=time.sleep, step=clock.step), clock, timed, told)

    def _striking(self, recording: Recording, number: int) -> list[Fault]:
        asked_for = struck_by(self.faults, number, seed=self.seed)
        if is_refusal(asked_for) or not self.tape_faults:
            return asked_for
        return alone([*struck_by(recording.faults, 1, seed=self.seed), *asked_for])


class _TapeClock:
    """The time on the tape. Each step is one read on, once ``wait`` has returned."""

    def __init__(self, exchange: Exchange, wait: Callable[[], object]) -> None:
        self._pauses = iter(_pauses(exchange))
        self._wait = wait
        self._now = 0.0

    def __call__(self) -> float:
        return self._now

    def step(self) -> None:
        """Wait for the next read, or for the end."""
        self._wait()
        self._now += next(self._pauses, 0.0)


class _Sleeper:
    """Waits as long before each read as an exchange did."""

    def __init__(self, exchange: Exchange) -> None:
        self._pauses = iter(_pauses(exchange))

    def sleep(self) -> None:
        """Wait for the next read, or for the end."""
        seconds = next(self._pauses, 0.0)
        if seconds > 0:
            time.sleep(min(seconds, _LONGEST_SLEEP))


def _pauses(exchange: Exchange) -> list[float]:
    """Seconds before each read, and before the end; what could not be read on has not ended then."""
    rest = 0.0 if exchange.flaw is not None else exchange.rest
    return [*(read.interval or 0.0 for read in exchange.reads), rest]
