"""A clock on which time passes because somebody says so.

In go seconds to sleep, out comes a later time, at once. Rules: nothing here waits, or looks at a real clock.
"""

from __future__ import annotations

import math
from threading import Lock

__all__ = ["VirtualClock"]


class VirtualClock:
    """Seconds that pass when somebody sleeps, and take no time: real timing for a test that cannot wait.

        clock = VirtualClock()
        stream = ChatCompletionStream(recording.play(sleep=clock.sleep), clock=clock)

    ``clock()`` gives the seconds, from ``start`` on. ``sleep`` and ``asleep`` (to be awaited) let as many pass as they
    are told, ``advance`` does so without anybody sleeping. ``slept``: each sleep, in order. Sleeps follow one another,
    so that two streams that would wait side by side take the sum of both: give each a clock of its own.
    """

    def __init__(self, start: float = 0.0) -> None:
        self.slept: list[float] = []
        self._now = start
        self._lock = Lock()

    def __call__(self) -> float:
        """Seconds, as of now."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass; ValueError for less than none."""
        if not 0 <= seconds < math.inf:
            raise ValueError(f"a clock goes forward by a number of seconds, not by {seconds!r}")
        with self._lock:
            self._now += seconds

    def sleep(self, seconds: float) -> None:
        """Let so many seconds pass, and note that somebody slept."""
        self.advance(seconds)
        self.slept.append(seconds)

    async def asleep(self, seconds: float) -> None:
        """The same for async code, and other tasks get their turn."""
        import anyio.lowlevel

        self.sleep(seconds)
        await anyio.lowlevel.checkpoint()
