"""The tape of one test, from its first request to what is kept of it.

In go requests, out come answers: from the tape, or from where they were sent, and then they are recorded. Rules: what
is recorded stands in a folder of pytest's until the test has passed, and only then where tapes are: a test that broke
off half-way would otherwise leave half a tape, and miss the rest of it ever after.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from chatstream.pytest_plugin.misses import told
from chatstream.recording.recording import Recording
from chatstream.recording.transports.cassette import Cassette

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from chatstream.pytest_plugin.settings import TapeSettings
    from chatstream.recording.transports.cassette import Miss

__all__ = ["TapeFixture"]


class TapeFixture:
    """What the fixture ``tape`` gives: the tape of this test.

    ``path``: where the tape is kept. ``cassette``: what answers. While the test runs, every client of httpx and httpx2
    goes through it, whoever made it; ``transport()`` and ``async_transport()`` are for those that have a transport of
    their own. ``misses``: requests that no tape answered; they fail the test, unless it takes them off the list.
    """

    def __init__(self, settings: TapeSettings, folder: Path) -> None:
        self.path: Path = settings.path
        self.passthrough: frozenset[str] = settings.passthrough
        self._new = folder / self.path.name  # under its own name: its suffix says how it is packed
        self._old: list[Path] = [self.path] if _holds_something(self.path) else []
        self._told = 0
        # At once, unless the marker says otherwise: few tests are about the pauses.
        options: dict[str, Any] = {"speed": None, **settings.options}
        self.cassette: Cassette = Cassette(self._old, mode=settings.mode, record_to=self._new, **options)
        self._secrets = settings.options.get("secrets", ())

    @property
    def mode(self) -> str:
        """``once``, ``none``, ``all`` or ``new_episodes``: what marker, command line and environment come to."""
        return self.cassette.mode

    @property
    def played(self) -> int:
        """How many requests the tape has answered."""
        return self.cassette.played

    @property
    def recorded(self) -> int:
        """How many requests were sent, and their answers recorded."""
        return self.cassette.recorded

    @property
    def misses(self) -> list[Miss]:
        """The requests that no tape answered."""
        return self.cassette.misses

    @property
    def recordings(self) -> list[Recording]:
        """What is on the tape, as it was when the test began."""
        return [recording for path in self._old for recording in Recording.load_all(path)]

    @property
    def unused(self) -> list[str]:
        """The names of the recordings that have answered nothing in this test."""
        return [tape.name for tape in self.cassette.library.tapes if not tape.played]

    def transport(self) -> Any:
        """A ReplayTransport to this tape, whatever the host: ``httpx.Client(transport=tape.transport())``.

        Typed as anything: clients of httpx and of httpx2 each ask for a class of their own library.
        """
        from chatstream.pytest_plugin.through import Through

        return Through(self.cassette)

    def async_transport(self) -> Any:
        """The same for async clients."""
        from chatstream.pytest_plugin.through import AsyncThrough

        return AsyncThrough(self.cassette)

    def handle(self, request: Any, send: Callable[[Any], Any]) -> Any:
        """The answer to a request of httpx or httpx2; ``send`` sends it."""
        return send(request) if request.url.host in self.passthrough else self.cassette.handle(request, send)

    async def ahandle(self, request: Any, send: Callable[[Any], Awaitable[Any]]) -> Any:
        """The same for async code."""
        if request.url.host in self.passthrough:
            return await send(request)
        return await self.cassette.ahandle(request, send)

    def untold(self) -> str | None:
        """What there is to say of the misses, once; None where there is nothing more."""
        new = self.misses[self._told :]
        self._told = len(self.misses)
        return told(new, self.path, self.mode, self._secrets) if new else None

    @property
    def left(self) -> str | None:
        """Where the recordings of a test that failed are to be found; None if there are none."""
        if not self.recorded:
            return None
        return f"What a failed test has recorded does not become its tape. Until it is cleared away, it is {self._new}"

    def close(self, *, keep: bool) -> None:
        """End the recording; keep what it holds, if it is to be kept."""
        self.cassette.close()
        if keep and _holds_something(self._new):
            self._keep()

    def _keep(self) -> None:
        """Put what was recorded in the tape's place, or behind what it played: whole, or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_name(f".{os.getpid()}-{self.path.name}")
        try:
            shutil.copy(self._new, beside)  # rights and all: a tape is its owner's
            if self.mode == "new_episodes" and self._old:
                beside.write_bytes(_joined(self.path.read_bytes(), self._new.read_bytes()))
            beside.replace(self.path)
        finally:
            beside.unlink(missing_ok=True)


def _joined(old: bytes, new: bytes) -> bytes:
    """One tape behind the other; packed ones follow each other as they are."""
    is_text = old.startswith(b"{")
    return old + (b"\n" if is_text and not old.endswith(b"\n") else b"") + new


def _holds_something(path: Path) -> bool:
    try:
        return path.stat().st_size > 0 if path.is_file() else any(path.iterdir())
    except OSError:
        return False
