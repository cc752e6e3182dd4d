"""Playing what was recorded: reads come as they came then, and the end as it was.

In goes an exchange, out come its reads, bytes or chunks. Rules: iterators, not generators, so that stopping early
leaves nothing to finalise; the two differ in the wait alone. An end by failure is raised where it happened, so that a
replay runs through the very code that a live stream runs through.

Where a ``step`` is given, it is called before each read and before the end, and nothing else is waited for: whoever
made it decides when the stream goes on.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from chatstream.errors import APITimeoutError, StreamInterruptedError
from chatstream.jsontext import copied

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from chatstream.errors import ChatStreamError
    from chatstream.recording.exchange import Exchange

__all__ = ["AsyncPlayer", "Player"]

_Phase = Literal["connect", "first_byte", "idle", "total", "pool"]
_PHASES: tuple[_Phase, ...] = get_args(_Phase)


class _Script:
    """What comes next, and how long before it: all of a player but the wait."""

    def __init__(self, exchange: Exchange, speed: float | None) -> None:
        if speed is not None and not speed > 0:
            raise ValueError(f"speed is a number greater than 0, or None for at once, not {speed!r}")
        self._exchange = exchange
        self._speed = speed
        self._next = 0
        self.over = False

    def step(self) -> tuple[float, bytes | dict[str, Any] | None]:
        """Seconds to wait, and then the read, or None where the end comes."""
        reads = self._exchange.reads
        if self._next < len(reads):
            read = reads[self._next]
            self._next += 1
            # A chunk is handed out as a copy: whoever changes it must not change the next replay.
            data = read.data if isinstance(read.data, bytes) else copied(read.data)
            return self._scaled(read.interval), data
        self.over = True
        # A flaw is where reading stopped, not something that happened then: nobody waits for it.
        return (0 if self._exchange.flaw else self._scaled(self._exchange.rest)), None

    def failure(self) -> ChatStreamError | None:
        """What to raise at the end."""
        end = self._exchange.end or {}
        if self._exchange.flaw is not None:
            return self._exchange.flaw.error(self._exchange.name)
        if end.get("end") == "timeout":
            phase = end.get("phase")
            return APITimeoutError(phase=phase) if phase in _PHASES else APITimeoutError()
        if end.get("end") == "error":
            name = end.get("error")
            return StreamInterruptedError("the connection broke off" + (f" ({name})" if isinstance(name, str) else ""))
        return None

    def _scaled(self, interval: float | None) -> float:
        return 0 if self._speed is None or interval is None else interval / self._speed


class Player:
    """The reads of a recording, one by one, waiting between them as was waited then, or for ``step`` to return."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        speed: float | None,
        sleep: Callable[[float], object],
        step: Callable[[], object] | None = None,
    ) -> None:
        self._script = _Script(exchange, speed)
        self._sleep = sleep
        self._step = step

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes | dict[str, Any]:
        if self._script.over:
            raise StopIteration
        if self._step is not None:
            _check_waited(self._step())
            if self._script.over:  # closed meanwhile, by another thread
                raise StopIteration
        wait, data = self._script.step()
        if wait > 0 and self._step is None:
            self._sleep(wait)
        if data is not None:
            return data
        raise self._script.failure() or StopIteration

    def close(self) -> None:
        """Stop: nothing comes any more."""
        self._script.over = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()


class AsyncPlayer:
    """The same for async code: ``sleep`` is awaited, and anyio's where none is given; ``step`` is, if it can be."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        speed: float | None,
        sleep: Callable[[float], Awaitable[object]] | None,
        step: Callable[[], object] | None = None,
    ) -> None:
        self._script = _Script(exchange, speed)
        self._sleep = sleep
        self._step = step

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes | dict[str, Any]:
        if self._script.over:
            raise StopAsyncIteration
        if self._step is not None:
            allowed = self._step()
            if inspect.isawaitable(allowed):
                await allowed
            if self._script.over:  # closed meanwhile, by another task
                raise StopAsyncIteration
        wait, data = self._script.step()
        if wait > 0 and self._step is None:
            await self._wait(wait)
        if data is not None:
            return data
        raise self._script.failure() or StopAsyncIteration

    async def _wait(self, seconds: float) -> None:
        if self._sleep is None:
            import anyio

            self._sleep = anyio.sleep
        await self._sleep(seconds)

    async def aclose(self) -> None:
        """Stop: nothing comes any more."""
        self._script.over = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        await self.aclose()


def _check_waited(allowed: object) -> None:
    """TypeError for a step that is to be awaited: it would pass unawaited, and hold nothing back."""
    if inspect.isawaitable(allowed):
        if inspect.iscoroutine(allowed):
            allowed.close()  # or else a warning says that it was never awaited, far from here
        raise TypeError("play() cannot await its step; aplay() does")
