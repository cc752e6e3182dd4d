"""Writing a tape, line by line.

In go reads as they come, out goes a line or more for each, at once, but for what may turn out to be a secret: what was
written before a crash can be played. Rules: a tape that cannot be written falls silent, warns once, and says so in
``lost``; only misuse raises. Beside a live stream it is the `Recorder` that writes, which never keeps anybody waiting.
"""

from __future__ import annotations

import time
import warnings
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, Self

from chatstream.recording.secrets import Secrets
from chatstream.recording.writing.composing import Composer, TapeEnd, end_of
from chatstream.recording.writing.tapefile import TapeFile

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from chatstream.recording.faults import Fault

__all__ = ["TapeWriter"]


class TapeWriter:
    """Writes one exchange: ``request`` and ``response``, each ``read`` or ``chunk`` as it comes, ``end``, ``close``.

    ``target``: a path (the tape is appended; a new file is for its owner alone; ``.gz`` and ``.zst`` are packed), or a
    file that is open for text or for bytes and stays yours to close. ``clock`` gives seconds; ``created`` stands in the
    header, now by default. ``secrets``: texts to be masked, besides what a request shows and what looks like a key. A
    path that cannot be opened is an OSError here; later failures are no errors: see ``lost``.
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | IO[bytes] | IO[str],
        *,
        clock: Callable[[], float] = time.monotonic,
        created: datetime | None = None,
        secrets: Secrets | Iterable[str] = (),
    ) -> None:
        self.error: Exception | None = None  # why something is missing from the tape; the first reason
        self._clock = clock
        self._start = clock()
        self._composer = Composer(Secrets.of(secrets), created=(created or datetime.now(UTC)).astimezone(UTC))
        self._silent = False
        self._closed = False
        self._file = TapeFile(target)
        self._put([self._composer.header()])

    @property
    def lost(self) -> bool:
        """Whether something is missing from the tape, because it could not be written."""
        return self.error is not None

    def request(self, request: Mapping[str, Any]) -> None:
        """What was asked: method, url, headers, body. Of the headers, those that cannot hold a key are written."""
        self._check_open()
        self._put(self._composer.request(self._now(), request))

    def response(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        """The head of the answer. Of the headers, a few are written; the body is taped decoded, so no encoding is."""
        self._check_open()
        self._put(self._composer.response(self._now(), status, headers or {}))

    def note(self, note: Mapping[str, Any]) -> None:
        """A remark, for people; players skip it."""
        self._check_open()
        self._put(self._composer.note(self._now(), note))

    def fault(self, fault: Fault) -> None:
        """A fault that a replay should have: it strikes here, unless it says ``after`` how many events."""
        self._check_open()
        self._put(self._composer.fault(self._now(), fault))

    def source_chunks(self) -> None:
        """Say that chunks follow, and no bytes; ``chunk`` does so by itself."""
        self._check_open()
        self._put(self._composer.source_chunks(self._now()))

    def read(self, data: bytes) -> None:
        """One read, as it came: one line for each block of the stream in it."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"read() takes bytes, not {type(data).__name__}")
        self._check_open()
        self._put(self._composer.read(self._now(), bytes(data)))

    def chunk(self, chunk: Mapping[str, Any]) -> None:
        """One chunk of a source whose chunks come parsed; not to be mixed with ``read``."""
        if not hasattr(chunk, "keys") or not hasattr(chunk, "__getitem__"):
            raise TypeError(f"chunk() takes a mapping, not {type(chunk).__name__}")
        self._check_open()
        self._put(self._composer.chunk(self._now(), chunk))

    def end(self, kind: TapeEnd, error: BaseException | str | None = None) -> None:
        """How it ended; the first one counts. Of an error, its name is written, and the phase of a timeout."""
        how = end_of(kind, error)
        if not self._composer.is_ended:
            self._check_open()
        self._put(self._composer.end(self._now(), how))

    def close(self) -> None:
        """Bring what was written to the disk. Without ``end`` before it the tape has none: the recorder was stopped."""
        if self._closed:
            return
        if not self._composer.is_ended:
            self._put(self._composer.flush())
        self._closed = True
        try:
            if not self._silent:
                self._file.sync()
        except OSError as error:
            self._lose(error)
        finally:
            self._close_file()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def _close_file(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self._lose(error)

    def _check_open(self) -> None:
        if self._composer.is_ended or self._closed:
            raise RuntimeError("the tape has ended")

    def _now(self) -> float:
        return self._clock() - self._start

    def _put(self, lines: list[bytes]) -> None:
        for line in lines:
            if self._silent:
                break
            try:
                self._file.write([line])
            except (OSError, ValueError) as error:  # ValueError: the file was closed, or cannot encode it
                self._silent = True
                self._lose(error)
        if self._composer.error is not None:
            self._lose(self._composer.error)

    def _lose(self, error: Exception) -> None:
        if self.error is None:
            self.error = error
            warnings.warn(f"the tape is not whole: {type(error).__name__}: {error}", RuntimeWarning, stacklevel=4)
