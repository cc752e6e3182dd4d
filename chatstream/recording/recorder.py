"""Recording beside live streams: a tee that never keeps the stream waiting, and a thread that writes behind it.

In go requests that begin, out come their tees; in files or in memory stands what they took. Rules: nothing of this
raises into the live stream or waits for a file; whoever began the recording is warned once; a file's name holds no
secret, and does not leave its folder.
"""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from chatstream.recording.credentials import credentials_of
from chatstream.recording.secrets import Secrets
from chatstream.recording.writing.channels import Channel
from chatstream.recording.writing.composing import Composer
from chatstream.recording.writing.names import safe_name
from chatstream.recording.writing.scribes import Scribe
from chatstream.recording.writing.takes import PATIENCE, Buffer, Take
from chatstream.recording.writing.tapefile import TapeFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

__all__ = ["Recorder", "Take"]

_BUFFER = 64 * 2**20  # bytes of an exchange that wait to be written: minutes of the fastest stream
_POLL = 0.001  # seconds
_MOST_NAMES = 10_000  # files of one name in a folder


class Recorder:
    """Records exchanges: ``begin`` gives the tee of one.

    ``target``: a file, to which exchanges are appended, packed if it ends in ``.gz`` or ``.zst``; a folder (one that
    exists, or a path that ends with a separator or has no suffix), in which each gets a file of its own; an open file.
    ``secrets``: texts to be masked, besides what requests show and what looks like a key. ``buffer``: bytes of an
    exchange that may wait to be written. ``patience``: seconds that its end may wait for the file.

    Never raises for the file system: what could not be written makes a RuntimeWarning, once, and ``error`` says why.
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | IO[bytes] | IO[str],
        *,
        secrets: Secrets | Iterable[str] = (),
        clock: Callable[[], float] = time.monotonic,
        buffer: int = _BUFFER,
        patience: float = PATIENCE,
    ) -> None:
        self.patience: float = patience
        self.secrets: Secrets = Secrets.of(secrets)
        self._clock = clock
        self._room = buffer
        self._lock = threading.Lock()
        self._folder = _folder_of(target)
        self._target = target
        self._channels: list[Channel] = []
        self._paths: dict[Path, None] = {}
        self._failed: Channel | None = None  # the first that lost something, once it has nothing more to write
        self._number = 0
        self._reported = threading.Event()

    @property
    def error(self) -> Exception | None:
        """Why something is missing from a tape: the first reason; None if nothing is, as far as is known."""
        with self._lock:
            channels = [self._failed, *self._channels] if self._failed else self._channels
            return next((channel.error for channel in channels if channel.error), None)

    @property
    def lost(self) -> bool:
        """Whether something is missing from a tape."""
        return self.error is not None

    @property
    def paths(self) -> list[Path]:
        """The files that were written so far, in the order they were begun."""
        with self._lock:
            return list(self._paths)

    def begin(
        self,
        *,
        method: str | None = None,
        url: str = "",
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        name: str | None = None,
        clock: Callable[[], float] | None = None,
    ) -> Take:
        """The tee of an exchange that begins now.

        ``headers``: all that are sent: those that let in are remembered, to be masked where they are echoed, and only
        a few are written. ``body``: bytes, or a JSON value. ``name``: what its file in a folder is called after.
        """
        created = datetime.now(UTC)
        headers = {name: value for name, value in (headers or {}).items() if isinstance(value, str)}
        request: dict[str, Any] = {}
        if method is not None:
            request = {"method": method, "url": url, "headers": headers, "body": body}
        # A folder may be listed by anybody: what is masked on a tape is not in its name either.
        shown = self.secrets.also(credentials_of(headers, url))
        masked, _ = shown.masked_url(name or _name_of(method, url))
        with self._lock:
            self._number += 1
            channel = self._channel_for(masked, created)
        clock = clock or self._clock
        buffer = Buffer(channel, clock, self._room)
        channel.begin(Scribe(buffer, Composer(self.secrets, created=created), request, clock()))
        return Take(channel, buffer)

    def close(self) -> None:
        """Stop recording, and wait until all is written, ``patience`` seconds at most; warns if something was lost.

        What is still being read has no end on its tape. Exchanges may begin anew.
        """
        end = time.monotonic() + self.patience
        for channel in self._channels_now():
            channel.stop()
            channel.wait(max(0.0, end - time.monotonic()))
            channel.report()

    async def aclose(self) -> None:
        """The same for async code, on asyncio and trio."""
        import anyio

        with anyio.move_on_after(self.patience):
            for channel in self._channels_now():
                channel.stop()
                channel.hurry()
                while not (channel.is_idle or channel.is_stuck) and channel.is_closing:  # noqa: ASYNC110  a thread's work
                    await anyio.sleep(_POLL)
        for channel in self._channels_now():
            channel.wait(0.0)
            channel.report()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        await self.aclose()

    def _channels_now(self) -> list[Channel]:
        with self._lock:
            return [self._failed, *self._channels] if self._failed else list(self._channels)

    def _channel_for(self, name: str, created: datetime) -> Channel:
        if self._folder is None:
            if not self._channels:
                self._channels.append(Channel(self._open, self._reported))
            return self._channels[0]
        for channel in [channel for channel in self._channels if channel.is_idle]:
            if channel.error is not None:
                self._failed = self._failed or channel
            self._channels.remove(channel)
        folder, number = self._folder, self._number
        stem = f"{created:%Y%m%d-%H%M%S}-{number:04d}-{safe_name(name)}"
        channel = Channel(lambda: self._open_in(folder, stem), self._reported)
        self._channels.append(channel)
        return channel

    def _open(self) -> TapeFile:
        file = TapeFile(self._target, waits=True)
        self._note(file)
        return file

    def _open_in(self, folder: Path, stem: str) -> TapeFile:
        """A new file in the folder, which is made if it is not there."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for number in range(_MOST_NAMES):
            path = folder / (f"{stem}-{number}.tape.jsonl" if number else f"{stem}.tape.jsonl")
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            except FileExistsError:
                continue
            file = TapeFile(path)
            self._note(file)
            return file
        raise FileExistsError(f"there are {_MOST_NAMES} files of that name")

    def _note(self, file: TapeFile) -> None:
        if file.path is not None:
            with self._lock:
                self._paths[file.path] = None


def _folder_of(target: object) -> Path | None:
    """The folder that a target is, or None."""
    if not isinstance(target, str | os.PathLike):
        return None
    text = os.fspath(target)
    path = Path(text)
    if path.is_dir() or text.endswith(("/", os.sep)):
        return path
    return None if path.suffix or path.exists() else path


def _name_of(method: str | None, url: str) -> str:
    """What an exchange is called that nobody has named: the last words of its path."""
    try:
        path = urlsplit(url).path
    except ValueError:
        path = ""
    return "-".join([part for part in path.split("/") if part][-2:]) or (method or "stream").lower()
