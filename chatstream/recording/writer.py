"""Writing a tape, line by line, beside a stream that is being read.

In go reads as they come, out goes a line or more for each, at once: what was written before a crash can be played.
Rules: whoever reads the live stream must not suffer. A tape that cannot be written falls silent, warns once, and says
so in ``lost``; only misuse raises. No keys on tape: of headers, only those are written that are named here.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Self, cast, get_args

from chatstream import __version__
from chatstream.errors import StreamLimitError, StreamProtocolError
from chatstream.jsontext import read_json
from chatstream.recording.tape import DEEPEST, VERSION, json_text, pieces, write_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from chatstream.recording.faults import Fault

__all__ = ["TapeEnd", "TapeWriter"]

TapeEnd = Literal["eof", "error", "cancel", "timeout"]

# Lists of what may be written, not of what may not: the next service invents the next header that holds a key.
_REQUEST_HEADERS = frozenset({"accept", "content-type", "user-agent"})
_RESPONSE_HEADERS = frozenset({"content-type", "openai-processing-ms", "retry-after", "x-request-id"})


class TapeWriter:
    """Writes one exchange: ``request`` and ``response``, each ``read`` or ``chunk`` as it comes, ``end``, ``close``.

    ``target``: a path (the tape is appended; a new file is for its owner alone), or a file that is open for text or for
    bytes and stays yours to close. ``clock`` gives seconds; ``created`` stands in the header, now by default. A path
    that cannot be opened is an OSError here; later failures are no errors: see ``lost``.
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | IO[bytes] | IO[str],
        *,
        clock: Callable[[], float] = time.monotonic,
        created: datetime | None = None,
    ) -> None:
        created = (created or datetime.now(UTC)).astimezone(UTC)
        header = {"tape": VERSION, "tool": f"chatstream/{__version__}", "created": f"{created:%Y-%m-%dT%H:%M:%SZ}"}
        self.error: Exception | None = None  # why something is missing from the tape; the first reason
        self._clock = clock
        self._start = clock()
        self._last = 0  # microseconds from the start to the line before
        self._source: str | None = None  # "bytes" or "chunks", once something was written
        self._size = 0
        self._hash = hashlib.sha256()
        self._silent = False
        self._ended = False
        self._closed = False
        path = Path(target) if isinstance(target, str | os.PathLike) else None
        torn = path is not None and _is_torn(path)
        self._owned = path is not None
        self._file: Any = target if path is None else _open(path)
        self._as_text = _takes_text(self._file)
        if torn:
            self._put("\n")  # a recorder before this one died in the middle of a line
        self._put(json_text(header) + "\n")

    @property
    def lost(self) -> bool:
        """Whether something is missing from the tape, because it could not be written."""
        return self.error is not None

    def request(self, request: Mapping[str, Any]) -> None:
        """What was asked: method, url, headers, body. Of the headers, those that cannot hold a key are written."""
        headers = _allowed(request.get("headers") or {}, _REQUEST_HEADERS)
        self._value("q", {**request, "headers": headers})

    def response(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        """The head of the answer. Of the headers, a few are written; the body is taped decoded, so no encoding is."""
        self._value("h", {"status": status, "headers": _allowed(headers or {}, _RESPONSE_HEADERS)})

    def note(self, note: Mapping[str, Any]) -> None:
        """A remark, for people; players skip it."""
        self._value("n", note)

    def fault(self, fault: Fault) -> None:
        """A fault that a replay should have: it strikes here, unless it says ``after`` how many events."""
        self._value("x", str(fault))

    def source_chunks(self) -> None:
        """Say that chunks follow, and no bytes; ``chunk`` does so by itself."""
        if self._begin("chunks"):
            self._value("n", {"source": "chunks"})

    def read(self, data: bytes) -> None:
        """One read, as it came: one line for each block of the stream in it."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"read() takes bytes, not {type(data).__name__}")
        self._begin("bytes")
        if self._silent:
            return
        data = bytes(data)
        interval: int | None = self._interval()
        for code, text in pieces(data):
            self._put(write_line(interval, code, text))
            interval = None
        self._count(data)

    def chunk(self, chunk: Mapping[str, Any]) -> None:
        """One chunk of a source whose chunks come parsed; not to be mixed with ``read``."""
        if not hasattr(chunk, "keys") or not hasattr(chunk, "__getitem__"):
            raise TypeError(f"chunk() takes a mapping, not {type(chunk).__name__}")
        self.source_chunks()
        text = self._value("j", chunk)
        if text is not None:
            self._count(f"data: {text}\n\n".encode())

    def end(self, kind: TapeEnd, error: BaseException | str | None = None) -> None:
        """How it ended; the first one counts. Of an error, its name is written, and the phase of a timeout."""
        if kind not in get_args(TapeEnd):
            raise ValueError(f"a tape ends by one of {', '.join(get_args(TapeEnd))}, not {kind!r}")
        if self._ended:
            return
        members: dict[str, Any] = {"end": kind}
        if error is not None:
            members["error"] = error if isinstance(error, str) else type(error).__name__
        if kind == "timeout" and isinstance(phase := getattr(error, "phase", None), str):
            members["phase"] = phase
        self._value("e", {**members, "bytes": self._size, "sha256": self._hash.hexdigest()})
        self._ended = True

    def close(self) -> None:
        """Bring what was written to the disk. Without ``end`` before it the tape has none: the recorder was stopped."""
        if self._closed:
            return
        self._closed = True
        try:
            if not self._silent:
                _sync(self._file)
            if self._owned:
                self._file.close()
        except OSError as error:
            self._lose(error)
        finally:
            if self._owned:
                self._file.close()  # an unbuffered file: closing it again does nothing

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def _begin(self, source: str) -> bool:
        """Hold reads and chunks apart; whether this is the first of either."""
        self._check_open()
        first = self._source is None
        if not first and self._source != source:
            raise RuntimeError("read() and chunk() cannot be mixed")
        self._source = source
        return first

    def _check_open(self) -> None:
        if self._ended or self._closed:
            raise RuntimeError("the tape has ended")

    def _value(self, code: str, value: Mapping[str, Any] | str) -> str | None:
        """Write a line of one JSON value; its JSON text, or None if it could not be written."""
        self._check_open()
        if self._silent:
            return None
        interval = self._interval()
        try:
            text = json_text(value)
            read_json(text.encode(), max_depth=DEEPEST)
        except (TypeError, ValueError, RecursionError, StreamProtocolError, StreamLimitError) as error:
            # Not JSON, or too deep to be read back. The stream that it came from will say the same, in its own words.
            self._put(write_line(interval, "n", json_text({"lost": code, "error": type(error).__name__})))
            self._lose(error)
            return None
        self._put(write_line(interval, code, text))
        return text

    def _interval(self) -> int:
        """Microseconds since the line before. The time is rounded first, so that a thousand intervals do not drift."""
        now = max(round((self._clock() - self._start) * 1_000_000), self._last)
        interval, self._last = now - self._last, now
        return interval

    def _count(self, data: bytes) -> None:
        self._size += len(data)
        self._hash.update(data)

    def _put(self, line: str) -> None:
        if self._silent:
            return
        try:
            _write_all(self._file, line if self._as_text else line.encode())
            self._file.flush()
        except (OSError, ValueError) as error:  # ValueError: the file was closed, or cannot encode it
            self._silent = True
            self._lose(error)

    def _lose(self, error: Exception) -> None:
        if self.error is None:
            self.error = error
            warnings.warn(f"the tape is not whole: {type(error).__name__}: {error}", RuntimeWarning, stacklevel=4)


def _open(path: Path) -> IO[bytes]:
    """The file to append to, unbuffered, so that each line is one write."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    return cast("IO[bytes]", os.fdopen(os.open(path, flags, 0o600), "ab", buffering=0))


def _is_torn(path: Path) -> bool:
    """Whether a file is there whose last line has no end."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _takes_text(file: Any) -> bool:
    mode: object = getattr(file, "mode", None)
    return isinstance(file, io.TextIOBase) or (isinstance(mode, str) and "b" not in mode)


def _write_all(file: Any, data: bytes | str) -> None:
    """Write to the end: an unbuffered file may take less than it was given."""
    while data:
        written: int | None = file.write(data)
        if written == 0:
            raise OSError("the file takes nothing")
        data = data[written:] if written is not None else data[:0]  # None: not every file says how much it took


def _real_file(file: Any) -> int | None:
    """The number of a file that is one on a disk, and no pipe, terminal or memory."""
    try:
        number = file.fileno()
    except (OSError, ValueError, AttributeError):
        return None
    return number if stat.S_ISREG(os.fstat(number).st_mode) else None


def _sync(file: Any) -> None:
    number = _real_file(file)
    if number is not None:
        os.fsync(number)


def _allowed(headers: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items() if name.lower() in names}
