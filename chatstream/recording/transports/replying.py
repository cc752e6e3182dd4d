"""An exchange as the response of an HTTP library, without a network.

In go an exchange and the request that it answers, out comes a response of the request's own library, whose body comes
in the reads that were recorded. Rules: sync and async differ in the wait alone; what goes wrong is raised where it went
wrong, by the library's own name for it; a body that is closed gives nothing more.
"""

from __future__ import annotations

import inspect
import time
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from chatstream.recording.changing.changes import as_bytes
from chatstream.recording.library.answers import headers_of, status_of
from chatstream.recording.transports.http_libraries import failure_of, granted, library_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chatstream.recording.exchange import Exchange

__all__ = ["Reply", "stream_class"]

# Seconds to wait, and what comes then: the head or the end where it is None.
_Step: TypeAlias = "tuple[float, bytes | Exception | None]"


class Reply:
    """The answer to one request: ``open`` waits for its head and gives the response, ``aopen`` does in async code.

    ``sleep`` is called with seconds, and what it gives is awaited in async code if it can be; without it, ``time`` and
    anyio wait. ``at_once``: a silence without an end is cut short. ``faulty``: its pauses were asked for, and the
    request's own timeout strikes in them. In those of a recording it does not: they are also the time that the reader
    took, who was not timed then.
    """

    def __init__(
        self,
        exchange: Exchange,
        request: Any,
        *,
        sleep: Callable[[float], object] | None,
        at_once: bool,
        faulty: bool = False,
    ) -> None:
        self._exchange = as_bytes(exchange)
        self._request = request
        self._sleep = sleep
        self._due: float | None = None  # when the last step should have come, where time is the real one
        steps = _steps(self._exchange, request, at_once=at_once)
        self._steps: Iterator[_Step] = _impatient(steps, request) if faulty else steps

    def open(self) -> Any:
        """The response, when its head has come; raises what came instead."""
        self.next()
        return self._response("SyncByteStream", _Reads)

    async def aopen(self) -> Any:
        """The same for async code."""
        await self.anext()
        return self._response("AsyncByteStream", _AsyncReads)

    def next(self) -> bytes | None:
        """What comes next, when it has come; None for the end; raises what went wrong."""
        seconds, came = self._next()
        if seconds > 0:
            (self._sleep or time.sleep)(seconds)
        if isinstance(came, Exception):
            raise came
        return came

    async def anext(self) -> bytes | None:
        """The same for async code."""
        seconds, came = self._next()
        if seconds > 0:
            await self._wait(seconds)
        if isinstance(came, Exception):
            raise came
        return came

    def stop(self) -> None:
        """Let nothing more come."""
        self._steps = iter(())

    def _next(self) -> _Step:
        """What comes next, and the seconds until then. What one sleep took too long, the next one makes up for."""
        seconds, came = next(self._steps, (0.0, None))
        if self._sleep is not None:
            return seconds, came
        now = time.monotonic()
        self._due = (now if self._due is None else self._due) + seconds
        return self._due - now, came

    async def _wait(self, seconds: float) -> None:
        if self._sleep is None:
            import anyio

            await anyio.sleep(seconds)
            return
        waited = self._sleep(seconds)
        if inspect.isawaitable(waited):
            await waited

    def _response(self, kind: str, reads: type[Any]) -> Any:
        library = library_of(self._request)
        return library.Response(
            status_of(self._exchange),
            headers=headers_of(self._exchange),
            stream=stream_class(reads, getattr(library, kind))(self),
            request=self._request,
            extensions={"http_version": b"HTTP/1.1"},
        )


def _steps(exchange: Exchange, request: Any, *, at_once: bool) -> Iterator[_Step]:
    """The head, the reads, and the end; or only the end, if it came before a head."""
    failure = failure_of(exchange, request)
    passed = 0.0
    if exchange.response is not None or exchange.reads or exchange.form != "tape" or failure is None:
        passed = exchange.head
        yield exchange.head, None
    for read in exchange.reads:
        assert isinstance(read.data, bytes)  # noqa: S101  as_bytes saw to it
        yield max((read.interval or 0.0) - passed, 0.0), read.data
        passed = 0.0
    seconds = max(exchange.rest - passed, 0.0)
    if exchange.flaw is not None:
        seconds = 0.0  # where reading stopped, and not something that happened then
    elif seconds == 0 and failure is not None and not at_once:
        # A silence that the tape has no time for lasts as long as the request lets it. Without a timeout it would last
        # for ever, of which nobody learns anything.
        seconds = granted(request, type(failure).__name__) or 0.0
    yield seconds, failure


def _impatient(steps: Iterator[_Step], request: Any) -> Iterator[_Step]:
    """The same steps, up to one that the request does not wait for."""
    most = granted(request, "ReadTimeout")
    for seconds, came in steps:
        if most is not None and seconds > most:
            yield most, library_of(request).ReadTimeout("nothing came in time", request=request)
            return
        yield seconds, came


_classes: dict[tuple[type[Any], type[Any]], type[Any]] = {}


def stream_class(own: type[Any], theirs: type[Any]) -> type[Any]:
    """A class of ours that is also the byte stream of an HTTP library, which asks for its own."""
    both = _classes.get((own, theirs))
    if both is None:
        both = _classes[own, theirs] = type(own.__name__, (own, theirs), {})
    return both


class _Reads:
    """The body of a response."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        data = self._reply.next()
        if data is None:
            raise StopIteration
        return data

    def close(self) -> None:
        self._reply.stop()


class _AsyncReads:
    """The same for async code."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        data = await self._reply.anext()
        if data is None:
            raise StopAsyncIteration
        return data

    async def aclose(self) -> None:
        self._reply.stop()
