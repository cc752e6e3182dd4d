"""Transports that record, or that play what was recorded, for any client on httpx or httpx2.

    client = OpenAI(http_client=httpx2.Client(transport=ReplayTransport("tapes/weather.tape.jsonl")))

In goes a request, out comes a response of the library that the request is of. Rules: the transports only wait; what is
played and what is recorded is decided in ``cassette``. A transport serves clients of both libraries alike; httpx2 is
never imported for it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx

from chatstream.recording.recorder import Recorder
from chatstream.recording.transports.cassette import Cassette
from chatstream.recording.transports.http_libraries import library_of
from chatstream.recording.transports.teeing import send

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence

    from chatstream.recording.faults import Fault
    from chatstream.recording.library import Source
    from chatstream.recording.library.matching import Level
    from chatstream.recording.secrets import Secrets
    from chatstream.recording.transports.cassette import Miss, Mode

__all__ = ["RecordingTransport", "ReplayTransport"]


class RecordingTransport(httpx.BaseTransport):
    """Sends requests, and records each with its answer.

    ``target``: a file, which is appended to; a folder (one that exists, or a path that ends with a separator or has no
    suffix), in which each exchange gets a file of its own; or a Recorder, which stays yours to close. ``transport``:
    what sends; an HTTPTransport of the library that a request is of by default, with its default settings and no
    proxies. ``secrets``: texts that are not to be written, beside the keys that are found by themselves. ``clock``
    gives the seconds of what is recorded.

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

    def handle_request(self, request: Any) -> Any:
        """Send a request, and record it."""
        return send(self.recorder, request, self._sender.to(request, "HTTPTransport").handle_request)

    def close(self) -> None:
        """Close what sends, and bring what was recorded to the disk."""
        try:
            for inner in self._sender.used:
                inner.close()
        finally:
            if self._owned:
                self.recorder.close()


class ReplayTransport(httpx.BaseTransport):
    """Answers requests from tapes, without a network, as fast as they were recorded.

    ``tapes``: a recording, the path of a file or of a folder, or several of these; ``mode``: whether what no tape
    matches is a miss (``none``) or is sent and recorded (``once``, ``new_episodes``, ``all``); ``transport``: what
    sends it, as for RecordingTransport; the other options are those of Cassette, ``speed`` 1.0 by default. ``cassette``
    tells of ``misses``, and how many requests were ``played`` and ``recorded``.

    A replay has the reads that were recorded, their bounds and times; a stream that broke off breaks off with the
    library's own exception, where it did. A request that nothing answers gets a 404 that says what was nearest.
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

    def handle_request(self, request: Any) -> Any:
        """Answer a request."""
        return self.cassette.handle(
            request, lambda asked: self._sender.to(asked, "HTTPTransport").handle_request(asked)
        )

    def close(self) -> None:
        """Close what sends, and bring what was recorded to the disk."""
        try:
            for inner in self._sender.used:
                inner.close()
        finally:
            self.cassette.close()


class Sender:
    """What sends requests: the transport that was given, or one for each library. ``used``: those to be closed."""

    def __init__(self, given: Any) -> None:
        self._given = given
        self._made: dict[str, Any] = {}

    @property
    def used(self) -> list[Any]:
        """The transports that there are."""
        return [*self._made.values()] if self._given is None else [self._given]

    def to(self, request: Any, kind: str) -> Any:
        """The transport for this request; ``kind``: the name of the library's own."""
        if self._given is not None:
            return self._given
        library = library_of(request)
        if library.__name__ not in self._made:
            self._made[library.__name__] = getattr(library, kind)()
        return self._made[library.__name__]


def recorder_of(
    target: str | os.PathLike[str] | Recorder, secrets: Secrets | Iterable[str], clock: Callable[[], float]
) -> Recorder:
    """The recorder that was given, or a new one."""
    return target if isinstance(target, Recorder) else Recorder(target, secrets=secrets, clock=clock)
