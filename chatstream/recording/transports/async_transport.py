"""Transports that record, or that play what was recorded, for any async client on httpx or httpx2.

    client = AsyncOpenAI(http_client=httpx2.AsyncClient(transport=AsyncReplayTransport("tapes/weather.tape.jsonl")))

As ``transport``, which says more; the two differ in the wait alone, on asyncio as on trio.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx

from chatstream.recording.transports.cassette import Cassette
from chatstream.recording.transports.teeing import asend
from chatstream.recording.transports.transport import Sender, recorder_of

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence

    from chatstream.recording.faults import Fault
    from chatstream.recording.library import Source
    from chatstream.recording.library.matching import Level
    from chatstream.recording.recorder import Recorder
    from chatstream.recording.secrets import Secrets
    from chatstream.recording.transports.cassette import Miss, Mode

__all__ = ["AsyncRecordingTransport", "AsyncReplayTransport"]


class AsyncRecordingTransport(httpx.AsyncBaseTransport):
    """Sends requests, and records each with its answer; the options are those of RecordingTransport.

    The answer is the one that you would get without: the same class, headers and reads, and the same exceptions. What
    cannot be written makes a RuntimeWarning, and no error.
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | Recorder,
        *,
        transport: Any = None,
        secrets: Secrets | Iterable[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.recorder: Recorder = recorder_of(target, secrets, clock)
        self._owned = self.recorder is not target
        self._sender = Sender(transport)

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request, and record it."""
        return await asend(self.recorder, request, self._sender.to(request, "AsyncHTTPTransport").handle_async_request)

    async def aclose(self) -> None:
        """Close what sends, and bring what was recorded to the disk."""
        try:
            for inner in self._sender.used:
                await inner.aclose()
        finally:
            if self._owned:
                await self.recorder.aclose()


class AsyncReplayTransport(httpx.AsyncBaseTransport):
    """Answers requests from tapes, without a network, as fast as they were recorded.

    The options are those of ReplayTransport. Without ``sleep`` it waits with anyio; what ``sleep`` gives is awaited, if
    it can be.
    """

    def __init__(
        self,
        tapes: Source | Iterable[Source],
        *,
        mode: Mode = "none",
        transport: Any = None,
        match: Level | Sequence[Level] = ("exact", "message"),
        ignore: str | Sequence[str] = (),
        record_to: str | os.PathLike[str] | None = None,
        secrets: Secrets | Iterable[str] = (),
        speed: float | None = 1.0,
        faults: str | Fault | Iterable[str | Fault] = (),
        seed: int = 0,
        sleep: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cassette: Cassette = Cassette(
            tapes,
            mode=mode,
            match=match,
            ignore=ignore,
            record_to=record_to,
            secrets=secrets,
            speed=speed,
            faults=faults,
            seed=seed,
            sleep=sleep,
            clock=clock,
        )
        self._sender = Sender(transport)

    @property
    def misses(self) -> list[Miss]:
        """The requests that no tape answered."""
        return self.cassette.misses

    async def handle_async_request(self, request: Any) -> Any:
        """Answer a request."""
        return await self.cassette.ahandle(
            request, lambda asked: self._sender.to(asked, "AsyncHTTPTransport").handle_async_request(asked)
        )

    async def aclose(self) -> None:
        """Close what sends, and bring what was recorded to the disk."""
        try:
            for inner in self._sender.used:
                await inner.aclose()
        finally:
            await self.cassette.aclose()
