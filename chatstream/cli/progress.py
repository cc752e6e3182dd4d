"""A bar on standard error while something long goes on; nothing where that is no terminal.

In go names, one for each step, out they come again, with the bar drawn beside. Rules: it comes only after a moment, so
that what is short has none, and is gone when anything else is shown.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Generic, TypeVar

from chatstream.cli.outlet import Outlet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["Progress"]

T = TypeVar("T")

_MOMENT = 0.5  # seconds: what is done by then needs no bar
_OFTEN = 0.1  # seconds between two drawings
_BAR = 24  # columns


class Progress(Generic[T]):
    """An iterable of steps that draws how far it has come. ``hide`` takes the bar away until the next step."""

    def __init__(
        self, steps: Sequence[T], *, err: Outlet | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._steps = steps
        self._err = err or Outlet(sys.stderr)
        self._clock = clock
        self._next = clock() + _MOMENT
        self._shown = False

    def __iter__(self) -> Iterator[T]:
        try:
            for number, step in enumerate(self._steps):
                self._draw(number)
                yield step
        finally:
            self.hide()

    def hide(self) -> None:
        """Take the bar away, so that a line can be written."""
        if self._shown:
            self._shown = False
            self._err.erase_line()

    def _draw(self, done: int) -> None:
        now = self._clock()
        if not self._err.is_terminal or now < self._next or len(self._steps) < 2:  # noqa: PLR2004  one has no share
            return
        self.hide()
        self._next = now + _OFTEN
        self._shown = True
        filled = _BAR * done // len(self._steps)
        self._err.write(f"[{'#' * filled}{'.' * (_BAR - filled)}] {done} of {len(self._steps)}", "dim")
