"""What has begun is brought to an end, also where asyncio cancels a task by itself.

In go the opening and the closing of a connection, out they come, done or undone. Rules: HTTP libraries hold off
a cancellation by anyio's scopes alone, so that a task's own ``cancel()`` (``asyncio.timeout``, ``wait_for``, a task
group) strikes in the middle of their bookkeeping, and a connection stays taken for ever. On asyncio both therefore run
in a task of their own, which only a scope cancels, and which is waited for in any case; trio needs none of it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, cast

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

__all__ = ["end", "open_or_undo"]

T = TypeVar("T")


async def open_or_undo(begin: Callable[[], Coroutine[Any, Any, T]], undo: Callable[[T], Awaitable[object]]) -> T:
    """What ``begin`` gives. If this is cancelled it is cancelled too, and what it gave all the same is undone."""
    if not _on_asyncio():
        return await begin()
    scope = anyio.CancelScope()

    async def run() -> T | None:
        with scope:
            return await begin()
        return None

    task = asyncio.create_task(run())
    try:
        result = await _Outcome(task, scope.cancel)
    except asyncio.CancelledError:
        if not task.cancelled() and task.exception() is None and (late := task.result()) is not None:
            await undo(late)
        raise
    return cast("T", result)  # None only if the scope was cancelled


async def end(finish: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run this to its end; a cancellation meanwhile is raised afterwards."""
    if _on_asyncio():
        await _Outcome(asyncio.create_task(finish()), _nothing)
    else:
        await finish()


class _Outcome(asyncio.Future[T]):
    """What comes of a task. Cancelling who waits for it is told, at once, and takes effect when the task is done."""

    # Not asyncio.wait(): a cancellation would come out of that one turn of the loop later, when neighbours who were
    # cancelled in the same turn have given their connections to a request that nobody wants any more.

    def __init__(self, task: asyncio.Task[T], on_cancel: Callable[[], object]) -> None:
        super().__init__()
        self._on_cancel = on_cancel
        self._cancelled_with: Any = None
        self._is_cancelled = False
        task.add_done_callback(self._settle)

    def cancel(self, msg: Any = None) -> bool:
        if self.done():
            return False  # the task that waits has yet to wake, and is to be told itself
        self._is_cancelled = True
        self._cancelled_with = msg
        self._on_cancel()
        return True

    def _settle(self, task: asyncio.Task[T]) -> None:
        error = None if task.cancelled() else task.exception()  # looked at, so that asyncio does not report it
        if self._is_cancelled or task.cancelled():
            super().cancel(self._cancelled_with)
        elif error is not None:
            self.set_exception(error)
        else:
            self.set_result(task.result())


def _nothing() -> None:
    pass


def _on_asyncio() -> bool:
    try:
        return asyncio.current_task() is not None  # a loop alone runs under trio's guest mode, too
    except RuntimeError:
        return False
