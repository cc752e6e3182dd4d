"""Recording beside live streams: a tee that never keeps the stream waiting, and the thread that writes behind it.

In go reads as they come, each noted with its time and put in a buffer: that is all that whoever reads the stream does.
A thread takes them from there, makes lines of them, and writes. Rules: nothing of this raises into the live stream or
waits for a file; a buffer is bounded, and what does not fit is lost, which the tape says at its place; whoever began
the recording is warned once. Exchanges that go to one file follow each other there, whole, in the order they began.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import warnings
import weakref
from collections import deque
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from chatstream.encodings import decoder_for
from chatstream.errors import ChatStreamError
from chatstream.recording.asked import body_value
from chatstream.recording.composing import Composer, end_of
from chatstream.recording.names import safe_name
from chatstream.recording.secrets import Secrets, credentials_of
from chatstream.recording.tape import json_text
from chatstream.recording.tapefile import TapeFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from chatstream.encodings import Decoder
    from chatstream.recording.composing import TapeEnd

__all__ = ["Recorder", "Take"]

PATIENCE = 2.0  # seconds
_BUFFER = 64 * 2**20  # bytes of an exchange that wait to be written: minutes of the fastest stream
_GATHER = 0.01  # seconds in which reads gather: a thread that woke for each would take its time from the reader
_BURST = 50  # reads in that time: more than a network brings
_LONGEST_BURST = 100  # times: a second
_BREATH = 0.0005  # seconds
_POLL = 0.001  # seconds
_CREDIT = 2**20  # bytes that are taken without a look at what waits
_ITEM = 200  # bytes that the buffer counts for what waits, beside its data
_MOST_NAMES = 10_000  # files of one name in a folder


class _Buffer:
    """What was taken of an exchange and waits to be written. Each count has one side that changes it."""

    def __init__(self, channel: _Channel, clock: Callable[[], float], room: int) -> None:
        self.items: deque[tuple[float, str | bytes, Any]] = deque()
        self.scheduled: bool = False  # the writer knows that there is something
        self.done: threading.Event = threading.Event()  # all of it was written, or never will be
        self.written: int = 0  # bytes of what was taken; only the writer counts them
        self.is_ended: bool = False
        self._channel = channel
        self._clock = clock
        self._room = room
        self._credit = 0  # bytes that may come before it is looked again how much waits
        self._granted = 0  # bytes of credit that were ever given; only the reader counts these three
        self._lost = [0, 0]  # reads and bytes, since the last that fitted

    @property
    def is_filling(self) -> bool:
        """Whether so much waits that it should be written, whoever needs the processor."""
        return self._granted - self._credit - self.written > self._room // 8

    def put(self, kind: str, value: Any, size: int = 0) -> None:
        """What is no read: it always fits."""
        if self._lost[0]:
            self._tell_loss()
        self._credit -= size + _ITEM
        self.items.append((self._clock(), kind, value))
        if not self.scheduled:
            self._channel.schedule(self)

    def reader(self) -> Callable[[bytes], None]:
        """What takes a read. It is called for each read of a live stream, so it does next to nothing."""
        append, clock, channel = self.items.append, self._clock, self._channel

        def read(data: bytes) -> None:
            self._credit -= len(data) + _ITEM
            if self._credit < 0 and not self.has_room(len(data) + _ITEM):
                return
            append((clock(), data if type(data) is bytes else bytes(data), None))
            if not self.scheduled:
                channel.schedule(self)

        return read

    def has_room(self, size: int) -> bool:
        """Whether something of this size fits, once its credit is used up; if not, it is lost."""
        waiting = self._granted - self._credit - self.written  # this one included
        if waiting > self._room // 2:
            self._channel.relieve()
            waiting = self._granted - self._credit - self.written
        if waiting > self._room:
            self._credit += size
            self._lost[0] += 1
            self._lost[1] += size - _ITEM
            return False
        if self._lost[0]:
            self._tell_loss()
        grant = max(0, min(_CREDIT, (self._room - waiting) // 2)) - min(self._credit, 0)
        self._credit += grant
        self._granted += grant
        return True

    def _tell_loss(self) -> None:
        reads, size = self._lost
        self._lost = [0, 0]
        self.put("l", {"lost": "reads", "reads": reads, "bytes": size})


class Take:
    """One exchange being recorded, on the side of whoever reads it: taking waits for no file, and raises nothing.

    ``read(data)`` takes one read, as it came. What is not ended when nobody holds it any more is taken for given up.
    """

    def __init__(self, channel: _Channel, buffer: _Buffer) -> None:
        self.read: Callable[[bytes], None] = buffer.reader()
        self._channel = channel
        self._buffer = buffer

    def response(self, status: int, headers: Mapping[str, str] | None = None, *, decoded: bool = False) -> None:
        """The head of the answer. ``decoded``: reads come without the content encoding that the head may name."""
        self._buffer.put("h", (status, dict(headers or {}), decoded))

    def chunk(self, chunk: Mapping[str, Any]) -> None:
        """One chunk of a source whose chunks come parsed; not to be mixed with ``read``."""
        # Written at once: whose chunk it is may change it, as soon as he has it.
        try:
            text: Any = json_text(chunk)
        except (TypeError, ValueError, RecursionError) as error:
            text = type(error).__name__, str(error)
        size = len(text) if isinstance(text, str) else 0
        if self._buffer.has_room(size):
            self._buffer.put("c", text, size)

    def note(self, note: Mapping[str, Any]) -> None:
        """A remark, for people; players skip it."""
        self._buffer.put("n", dict(note))

    def end(self, kind: TapeEnd, error: BaseException | str | None = None) -> None:
        """How it ended; the first one counts. ValueError for a kind that is none."""
        how = end_of(kind, error)
        if not self._buffer.is_ended:
            self._buffer.is_ended = True
            self._buffer.put("e", how)

    def settle(self, patience: float = PATIENCE) -> None:
        """Wait until it is written, so many seconds at most; warns if something of it was lost."""
        self._channel.hurry()
        if self._channel.is_next(self._buffer) and not self._buffer.done.wait(patience):
            self._channel.is_stuck = True
        self._channel.report()

    async def asettle(self, patience: float = PATIENCE) -> None:
        """The same for async code, on asyncio and trio."""
        self._channel.hurry()
        if self._channel.is_next(self._buffer):
            import anyio

            with anyio.move_on_after(patience):
                while not self._buffer.done.is_set():  # noqa: ASYNC110  it is a thread that sets it
                    await anyio.sleep(_POLL)
            self._channel.is_stuck = not self._buffer.done.is_set()
        self._channel.report()

    def __del__(self) -> None:
        if "_buffer" in self.__dict__:
            self.end("cancel")


_channels: weakref.WeakSet[_Channel] = weakref.WeakSet()


class _Channel:
    """One file, and the thread that writes to it while there is something to write."""

    def __init__(self, open_file: Callable[[], TapeFile], secrets: Secrets) -> None:
        self.error: Exception | str | None = None  # why something is missing; the first reason
        self.is_stuck: bool = False  # somebody waited in vain: nobody else will
        self._open_file = open_file
        self._secrets = secrets
        self._lock = threading.Lock()
        self._scribes: deque[_Scribe] = deque()  # in the order they began; the first one is being written
        self._work: SimpleQueue[None] = SimpleQueue()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None
        self._file: TapeFile | None = None
        self._is_writing = False
        self._silent = False
        self._reported = False
        _channels.add(self)

    def begin(self, scribe: _Scribe) -> None:
        """Write this one too, behind those that began before it."""
        with self._lock:
            self._scribes.append(scribe)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="chatstream recorder", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError as error:  # no more threads, or Python is about to end
                    self._thread = None
                    self._silence(error)
                    self.is_stuck = True
        self._work.put(None)

    def schedule(self, buffer: _Buffer) -> None:
        """There is something to write of this one."""
        buffer.scheduled = True
        self._work.put(None)

    def is_next(self, buffer: _Buffer) -> bool:
        """Whether this one will be written before long: not while one that began before it is still being read."""
        if self.is_stuck or buffer.done.is_set():
            return False
        with self._lock:
            before = takewhile(lambda scribe: scribe.buffer is not buffer, self._scribes)
            return all(scribe.buffer.is_ended for scribe in before)

    def hurry(self) -> None:
        """Somebody waits: write now what there is."""
        self._hurry.set()

    def relieve(self) -> None:
        """Let the writer have the processor, if that is all it lacks. A file that is slow is not waited for."""
        if not self._is_writing and not self._silent:
            time.sleep(_BREATH)

    def report(self) -> None:
        """Warn, the first time, if something is missing."""
        if self.is_stuck:
            self._lose("what writes it hangs")
        if self.error is None or self._reported:
            return
        self._reported = True
        reason = self.error if isinstance(self.error, str) else f"{type(self.error).__name__}: {self.error}"
        warnings.warn(f"the tape is not whole: {reason}", RuntimeWarning, stacklevel=5)

    def wait(self, patience: float) -> None:
        """Wait until there is nothing more to write, so many seconds at most."""
        thread = self._thread
        self._hurry.set()
        if thread is not None and not self.is_stuck and self.is_closing:
            thread.join(patience)
            self.is_stuck = thread.is_alive()

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to write, and nothing open."""
        return self._thread is None

    @property
    def is_closing(self) -> bool:
        """Whether all that began has ended: what is still being read is not waited for."""
        with self._lock:
            return all(scribe.buffer.is_ended for scribe in self._scribes)

    def _run(self) -> None:
        """The thread's whole life: it ends when all that began has ended, and is written."""
        while True:
            self._write()
            self._close()
            with self._lock:
                if not self._scribes:
                    self._thread = None
                    return

    def _write(self) -> None:
        while (scribe := self._first()) is not None:
            scribe.buffer.scheduled = False  # before it is emptied: what comes meanwhile is told anew
            try:
                self._put(scribe.lines())
            except Exception as error:  # noqa: BLE001  a bug must not end in a thread's traceback that nobody sees
                scribe.give_up()
                self._lose(error)
            if scribe.composer.error is not None:
                self._lose(scribe.composer.error)
            if scribe.is_over:
                with self._lock:
                    self._scribes.popleft()
                scribe.buffer.done.set()
            else:
                self._wait(scribe.buffer)

    def _wait(self, buffer: _Buffer) -> None:
        """Wait until there is something to write, and while more comes faster than from any network.

        Whoever reads that fast needs the processor, and will be done, or wait for something, before long.
        """
        self._work.get()
        for _ in range(_LONGEST_BURST):
            before = len(buffer.items)
            while not self._work.empty():
                self._work.get()
            if self._hurry.wait(_GATHER) or len(buffer.items) - before < _BURST or buffer.is_filling:
                break
        self._hurry.clear()

    def _first(self) -> _Scribe | None:
        with self._lock:
            return self._scribes[0] if self._scribes else None

    def _put(self, lines: list[bytes]) -> None:
        if self._silent or not lines:
            return
        self._is_writing = True
        try:
            if self._file is None:
                self._file = self._open_file()
            self._file.write(lines)
            self.is_stuck = False
        except (OSError, ValueError) as error:
            self._silence(error)
        finally:
            self._is_writing = False

    def _lose(self, reason: Exception | str) -> None:
        self.error = self.error or reason

    def _silence(self, error: Exception) -> None:
        self._lose(error)
        self._silent = True

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.sync()
        except (OSError, ValueError) as error:
            self._silence(error)
        try:
            file.close()
        except OSError as error:
            self._silence(error)


@atexit.register
def _finish() -> None:
    """Give what has ended a moment to be written, when Python ends: the threads would be stopped in the middle."""
    end = time.monotonic() + PATIENCE
    for channel in list(_channels):
        channel.wait(max(0.0, end - time.monotonic()))


class _Scribe:
    """One exchange on the writer's side: what waits of it, made into lines."""

    def __init__(self, buffer: _Buffer, composer: Composer, request: Mapping[str, Any], since: float) -> None:
        self.buffer: _Buffer = buffer
        self.composer: Composer = composer
        self.is_over: bool = False
        self._is_given_up = False
        self._request: Mapping[str, Any] | None = request
        self._decoder: Decoder | None = None
        self._since = since

    def lines(self) -> list[bytes]:
        """The lines of all that waits."""
        found: list[bytes] = []
        if self._request is not None:
            found = [self.composer.header()]
            if self._request:
                found += self.composer.request(0.0, _readable(self._request))
            self._request = None
        items = self.buffer.items
        while items and not self.is_over:
            when, kind, value = items.popleft()
            self._account(kind, value)
            if not self._is_given_up:
                found += self._lines_of(when - self._since, kind, value)
        return found

    def give_up(self) -> None:
        """Make no more lines, whatever comes."""
        self._is_given_up = True
        self._request = None

    def _account(self, kind: str | bytes, value: Any) -> None:
        """Count what was taken out of the buffer."""
        size = len(kind) if isinstance(kind, bytes) else len(value) if isinstance(value, str) else 0
        self.buffer.written += size + _ITEM
        self.is_over = kind == "e"

    def _lines_of(self, at: float, kind: str | bytes, value: Any) -> list[bytes]:
        composer = self.composer
        if not isinstance(kind, str):
            return self._read(at, kind)
        if kind == "h":
            status, headers, decoded = value
            return [*self._open(at, headers, decoded=decoded), *composer.response(at, status, headers)]
        if kind == "c":
            return self._chunk(at, value)
        if kind == "e":
            return composer.end(at, value)
        if kind == "l":
            composer.error = composer.error or BufferError(f"{value['reads']} reads did not fit into the buffer")
        return composer.note(at, value)

    def _chunk(self, at: float, text: str | tuple[str, str]) -> list[bytes]:
        if not isinstance(text, str):
            name, reason = text
            self.composer.error = self.composer.error or TypeError(reason)
            return [*self.composer.source_chunks(at), *self.composer.note(at, {"lost": "j", "error": name})]
        return self.composer.chunk(at, text)

    def _open(self, at: float, headers: Mapping[str, str], *, decoded: bool) -> list[bytes]:
        encoding = ",".join(value for name, value in headers.items() if name.lower() == "content-encoding")
        try:
            self._decoder = None if decoded else decoder_for(encoding)
        except ChatStreamError as error:
            self.composer.error = self.composer.error or error
            return self.composer.note(at, {"lost": "encoding", "error": type(error).__name__})
        return []

    def _read(self, at: float, data: bytes) -> list[bytes]:
        if self._decoder is None:
            return self.composer.read(at, data)
        whole = b""
        try:
            self._decoder.feed(data)
            while piece := self._decoder.read():
                whole += piece
        except ChatStreamError as error:
            self._decoder = None
            self.composer.error = self.composer.error or error
            lost = self.composer.note(at, {"lost": "encoding", "error": type(error).__name__})
            return [*(self.composer.read(at, whole) if whole else []), *lost]
        return self.composer.read(at, whole)


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
        self.secrets: Secrets = secrets if isinstance(secrets, Secrets) else Secrets(secrets)
        self._clock = clock
        self._room = buffer
        self._lock = threading.Lock()
        self._folder = _folder_of(target)
        self._target = target
        self._channels: list[_Channel] = []
        self._paths: dict[Path, None] = {}
        self._error: Exception | str | None = None
        self._number = 0

    @property
    def error(self) -> Exception | str | None:
        """Why something is missing from a tape: the first reason; None if nothing is, as far as is known."""
        with self._lock:
            return self._error or next((channel.error for channel in self._channels if channel.error), None)

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
        request: dict[str, Any] = {}
        if method is not None:
            request = {"method": method, "url": url, "headers": dict(headers or {}), "body": body}
        # A folder may be listed by anybody: what is masked on a tape is not in its name either.
        shown = self.secrets.also(credentials_of(headers, url))
        masked, _ = shown.masked_url(name or _name_of(method, url))
        with self._lock:
            self._number += 1
            channel = self._channel_for(masked, created)
        clock = clock or self._clock
        buffer = _Buffer(channel, clock, self._room)
        channel.begin(_Scribe(buffer, Composer(self.secrets, created=created), request, clock()))
        return Take(channel, buffer)

    def close(self) -> None:
        """Wait until all that ended is written, ``patience`` seconds at most; warns if something was lost."""
        end = time.monotonic() + self.patience
        for channel in self._channels_now():
            channel.wait(max(0.0, end - time.monotonic()))
            channel.report()

    async def aclose(self) -> None:
        """The same for async code, on asyncio and trio."""
        import anyio

        with anyio.move_on_after(self.patience):
            for channel in self._channels_now():
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

    def _channels_now(self) -> list[_Channel]:
        with self._lock:
            return list(self._channels)

    def _channel_for(self, name: str, created: datetime) -> _Channel:
        if self._folder is None:
            if not self._channels:
                self._channels.append(_Channel(self._open, self.secrets))
            return self._channels[0]
        for channel in [channel for channel in self._channels if channel.is_idle]:
            self._error = self._error or channel.error
            self._channels.remove(channel)
        folder, number = self._folder, self._number
        stem = f"{created:%Y%m%d-%H%M%S}-{number:04d}-{safe_name(name)}"
        channel = _Channel(lambda: self._open_in(folder, stem), self.secrets)
        self._channels.append(channel)
        return channel

    def _open(self) -> TapeFile:
        file = TapeFile(self._target)
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


def _readable(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """The request with its body as JSON, or as text; without it where it is neither."""
    body = request.get("body")
    if not isinstance(body, bytes | bytearray | memoryview):
        return request
    return {**request, "body": body_value(bytes(body))}
