"""A replay that goes on when the test says so.

In go permits, from any thread or task; out they go to players, one for each read. Rules: one condition guards all
there is, for threads and for both kinds of event loop; async code waits in a worker thread, because a permit may come
from a thread that knows nothing of its loop. Nobody who was cancelled keeps a permit, or a thread.
"""

from __future__ import annotations

from functools import partial
from threading import Condition
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Steps"]


class Steps:
    """Lets a replay go on read by read: ``recording.play(step=steps)``, or ``aplay`` the same.

        steps = Steps()
        stream = ChatCompletionStream(recording.play(step=steps))
        steps.step()     # one read may come; whoever reads further waits for the next step
        steps.run()      # all the others may, and the end

    The end of a stream takes a step as a read does. Steps may be given before anybody waits for them, and from any
    thread: in sync code the reader is in another thread than the test, or reads no further than was stepped. In async
    code a reader waits without holding up its event loop. ``taken``: how many steps have been taken so far. A reader
    that waits longer than ``timeout`` seconds gets a TimeoutError, and not a test that hangs; None is for ever.

    ``until_waiting`` returns when somebody waits for a step that was not given yet, so that what came before it has
    been read, and dealt with; TimeoutError if nobody does within ``timeout`` seconds, as after the end of the stream.
    ``auntil_waiting`` is for async code.
    """

    def __init__(self, *, timeout: float | None = 30.0) -> None:
        self.taken: int = 0
        self._timeout = timeout
        self._free = 0  # steps that were given, and not taken yet
        self._runs = False
        self._waiting = 0
        self._changed = Condition()

    def step(self, n: int = 1) -> None:
        """Let ``n`` more reads come; ValueError for less than one."""
        if n < 1:
            raise ValueError(f"a number of steps is 1 or more, not {n!r}")
        with self._changed:
            self._free += n
            self._changed.notify_all()

    def run(self) -> None:
        """Let everything come that is still to come."""
        with self._changed:
            self._runs = True
            self._changed.notify_all()

    def __call__(self) -> Awaitable[None] | None:
        """Take a step: at once if there is one, or else wait for it; in an event loop, by what is given to await."""
        with self._changed:
            if self._may_go():
                self._take()
                return None
        wait = _Wait(self._changed, self._may_go, self._take, self._timeout)
        if _in_event_loop():
            return self._counted_async(wait)
        self._counted(wait)
        return None

    def until_waiting(self, timeout: float = 5.0) -> None:
        """Wait until a reader waits for its next step."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting > 0 and not self._may_go(), timeout):
                raise TimeoutError(f"nobody has waited for a step within {timeout} seconds")

    async def auntil_waiting(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109  a thread waits, and must know when to stop
        """The same for async code."""
        import anyio.to_thread

        await anyio.to_thread.run_sync(partial(self.until_waiting, timeout))

    def _may_go(self) -> bool:
        return self._runs or self._free > 0

    def _take(self) -> None:
        self.taken += 1
        self._free = max(self._free - 1, 0)

    def _count(self, change: int) -> None:
        with self._changed:
            self._waiting += change
            self._changed.notify_all()

    def _counted(self, wait: _Wait) -> None:
        self._count(1)
        try:
            wait.run()
        finally:
            self._count(-1)

    async def _counted_async(self, wait: _Wait) -> None:
        import anyio.to_thread

        self._count(1)
        try:
            await anyio.to_thread.run_sync(wait.run, abandon_on_cancel=True)
        except BaseException:
            self._give_back(wait)
            raise
        finally:
            self._count(-1)

    def _give_back(self, wait: _Wait) -> None:
        """A reader was cancelled: its thread ends, and what it took in that moment is there for the next one."""
        with self._changed:
            wait.given_up = True
            if wait.done:
                self.taken -= 1
                self._free += 1
            self._changed.notify_all()


class _Wait:
    """One wait for one step, in the thread that ``run`` is called in."""

    def __init__(
        self, changed: Condition, may_go: Callable[[], bool], take: Callable[[], None], timeout: float | None
    ) -> None:
        self.given_up = False
        self.done = False
        self._changed = changed
        self._may_go = may_go
        self._take = take
        self._timeout = timeout

    def run(self) -> None:
        """Return with the step taken, or without it once it was given up."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.given_up or self._may_go(), self._timeout):
                raise TimeoutError(f"no step was given within {self._timeout} seconds")
            if not self.given_up:
                self._take()
                self.done = True


def _in_event_loop() -> bool:
    """Whether this thread runs asyncio or trio just now."""
    import anyio

    try:
        anyio.get_current_task()
    except Exception:  # noqa: BLE001  none runs; what that raises is another class in each series of anyio
        return False
    return True
