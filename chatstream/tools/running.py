"""The calls of one message, run side by side.

In go tasks and how many of them may run at once, out they come, settled. Rules: they begin in the order of the calls; a
tool's exception is kept with its task, and nobody else's business; a tool that takes longer than it may, or that nobody
waits for any more, is told so by its context and given up. Sync, each has a thread of its own, unless only one may run
at once: then it is the caller's. Async, a sync tool has a thread, and any other runs in the loop that is there.
"""

from __future__ import annotations

import inspect
import math
import threading
import time
from collections import deque
from contextlib import aclosing
from contextvars import copy_context
from types import AsyncGeneratorType, GeneratorType
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread

from chatstream.emitter import is_coroutine
from chatstream.tools.results import MAX_RESULT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chatstream.structured import ToolContext
    from chatstream.tools.loop import Task

    ContextOf = Callable[[Task], ToolContext[Any]]

__all__ = ["Crew", "run_async"]


class _Escape(Exception):  # noqa: N818  no error of ours: what it holds is raised
    """A tool raised what is no Exception, to end more than itself: ``sys.exit()``, Ctrl-C, a test that fails."""

    def __init__(self, raised: BaseException) -> None:
        super().__init__()
        self.raised = raised


def _called(task: Task, context: ToolContext[Any]) -> tuple[Any, Exception | None]:
    """What the tool of a task gives, or what it raises."""
    tool = task.tool
    if tool is None:  # cannot be: such a task was settled when it was made
        return None, LookupError(task.call.name)
    try:
        result = tool.call(task.call.parsed_arguments, context)
        # What a generator does is the tool's, too: it is done here, and not where its result is written.
        return _parts_of(result, task) if isinstance(result, GeneratorType) else result, None
    except Exception as error:  # noqa: BLE001  a tool is somebody's code: anything may come
        return None, error
    except BaseException as error:  # noqa: BLE001  raised by who waits for it: in a thread, nobody would hear of it
        return None, _Escape(error)


def _parts_of(generator: GeneratorType[Any, Any, Any], task: Task) -> list[Any]:
    """What a generator gives, as long as somebody waits for it; ValueError if that is more than anybody would read."""
    parts: list[Any] = []
    try:
        for part in generator:
            if task.is_given_up:
                break
            _add_part(parts, part)
    finally:
        generator.close()
    return parts


def _add_part(parts: list[Any], part: Any) -> None:
    parts.append(part)
    if len(parts) > MAX_RESULT:
        raise ValueError(f"a generator that gives more than {MAX_RESULT:,} parts")


def _called_sync(task: Task, context: ToolContext[Any]) -> tuple[Any, Exception | None]:
    """What the tool gives, or what it raises; a coroutine is the caller's mistake, as nobody can await it."""
    result, error = _called(task, context)
    try:
        if is_coroutine(result) or isinstance(result, AsyncGeneratorType):
            if is_coroutine(result):
                result.close()
            return None, _Escape(TypeError(f"{task.call.name} is async: use AsyncChatClient, which awaits it"))
    except Exception as raised:  # noqa: BLE001  what it gave may refuse to be looked at
        return None, raised
    return result, error


def _settle(task: Task, result: Any, error: Exception | None) -> None:
    if isinstance(error, _Escape):
        raise error.raised
    if error is None:
        task.settle(result)
    else:
        task.fail_by(error)


def _too_late(task: Task) -> None:
    seconds = None if task.tool is None else task.tool.timeout
    task.is_given_up = True
    task.fail_by(TimeoutError(f"{task.call.name} took longer than {seconds:g} s"))


class Crew:
    """The threads that run the calls of a message for a caller who waits for them."""

    def __init__(self, tasks: Sequence[Task], context_of: ContextOf, *, at_once: int) -> None:
        self._waiting = deque(tasks)
        self._context_of = context_of
        self._at_once = at_once
        self._running: dict[Task, float] = {}  # until when each may take, on the monotonic clock
        self._changed = threading.Condition()
        self._finished: list[tuple[Task, Any, Exception | None]] = []
        self._is_stopped = False

    def stop(self) -> None:
        """Wait for them no longer; from any thread."""
        with self._changed:
            self._is_stopped = True
            self._give_up()
            self._changed.notify_all()

    def run(self) -> None:
        """Have every task settled, or given up when it is stopped.

        Raises what a tool raised to end more than itself.
        """
        with self._changed:
            try:
                self._run()
            finally:
                self._give_up()

    def _give_up(self) -> None:
        for task in self._running:
            task.is_given_up = True

    def _run(self) -> None:
        while self._finished or ((self._waiting or self._running) and not self._is_stopped):
            if self._finished:
                _settle(*self._finished.pop(0))
            elif self._waiting and len(self._running) < self._at_once:
                self._begin(self._waiting.popleft())
            else:
                self._changed.wait(self._patience())
                self._give_up_late_ones()

    def _begin(self, task: Task) -> None:
        timeout = None if task.tool is None else task.tool.timeout
        context = self._context_of(task)
        self._running[task] = math.inf if timeout is None else time.monotonic() + timeout
        if self._at_once == 1 and timeout is None:
            self._call_here(task, context)
            return
        # The caller's context variables hold in it, and it keeps no process alive that wants to end.
        thread = threading.Thread(
            target=copy_context().run, args=(self._work, task, context), name=f"tool {task.call.name}", daemon=True
        )
        thread.start()

    def _call_here(self, task: Task, context: ToolContext[Any]) -> None:
        self._changed.release()  # so that the run can be stopped meanwhile
        try:
            _settle(task, *_called_sync(task, context))
        finally:
            self._changed.acquire()
            task.is_given_up = True
            del self._running[task]

    def _work(self, task: Task, context: ToolContext[Any]) -> None:
        came_out = _called_sync(task, context)
        with self._changed:
            task.is_given_up = True
            if self._running.pop(task, None) is not None and not self._is_stopped:
                self._finished.append((task, *came_out))
                self._changed.notify_all()

    def _patience(self) -> float | None:
        earliest = min(self._running.values())
        return None if earliest == math.inf else min(max(0.0, earliest - time.monotonic()), threading.TIMEOUT_MAX)

    def _give_up_late_ones(self) -> None:
        now = time.monotonic()
        for task in [task for task, until in self._running.items() if until <= now]:
            _too_late(task)
            del self._running[task]


async def run_async(tasks: Sequence[Task], context_of: ContextOf, *, at_once: int) -> None:
    """Have every task settled; a cancellation gives up those that have not come to an end.

    Raises what a tool raised to end more than itself.
    """
    crew = _AsyncCrew(tasks, context_of)
    async with anyio.create_task_group() as group:
        for _ in range(min(at_once, len(tasks))):
            group.start_soon(crew.work, group.cancel_scope)
    if crew.escaped is not None:
        raise crew.escaped


class _AsyncCrew:
    """What runs the calls of a message, one after the other; as often as they may run at once."""

    def __init__(self, tasks: Sequence[Task], context_of: ContextOf) -> None:
        self.escaped: BaseException | None = None
        self._remaining = iter(tasks)
        self._context_of = context_of
        # Threads that were given up keep their place here, so it is nobody's but this message's.
        self._limiter = anyio.CapacityLimiter(max(1, len(tasks)))

    async def work(self, scope: anyio.CancelScope) -> None:
        """Run what is not running yet; an exception that is to end more than a tool ends all of them."""
        for task in self._remaining:
            # Or an async tool would run as far as its first wait although nobody waits for it any more.
            await anyio.lowlevel.checkpoint_if_cancelled()
            try:
                await self._run_in_time(task)
            except anyio.get_cancelled_exc_class():
                # A tool may raise it of its own accord, if what it waits for was cancelled: a failure like others.
                if anyio.current_effective_deadline() == -math.inf:
                    raise
                task.fail("CancelledError: what the tool waited for was cancelled")
                # Or all tasks there are, as a program ends: then whoever waits for this one hears of it in this turn.
                await anyio.lowlevel.checkpoint()
            except BaseException as error:  # noqa: BLE001  raised as it is, and not in a group
                self.escaped = error
                scope.cancel()
                return
            finally:
                task.is_given_up = True

    async def _run_in_time(self, task: Task) -> None:
        timeout = None if task.tool is None else task.tool.timeout
        try:
            with anyio.move_on_after(timeout) as scope:
                _settle(task, *await self._outcome(task))
        except Exception as error:  # noqa: BLE001  what is left of a tool's group when the timeout was taken out of it
            task.fail_by(error)
            return
        if scope.cancelled_caught:
            _too_late(task)

    async def _outcome(self, task: Task) -> tuple[Any, Exception | None]:
        context = self._context_of(task)
        if task.tool is not None and task.tool.is_async:
            result, error = _called(task, context)
        else:
            result, error = await anyio.to_thread.run_sync(
                _called, task, context, abandon_on_cancel=True, limiter=self._limiter
            )
        if error is not None:
            return None, error
        try:
            return await _awaited(result), None
        except Exception as raised:  # noqa: BLE001  a tool is somebody's code: anything may come
            return None, raised


async def _awaited(result: Any) -> Any:
    """What a tool gave, waited for: a coroutine of a coroutine, too, and all that an async generator gives."""
    while inspect.isawaitable(result):
        result = await result
    if not isinstance(result, AsyncGeneratorType):
        return result
    parts: list[Any] = []
    async with aclosing(result):
        async for part in result:
            _add_part(parts, part)
    return parts
