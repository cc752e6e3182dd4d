"""A recording: a stream that was kept, from whatever kind of file, to be looked at and played again.

In goes a path or the bytes of a file, out comes a Recording. Rules: while it is read, only the file system raises
(OSError, as it is), and a file that is too large or has no library to read it (RecordingError); what is wrong with the
file's content stands in the recording, or is raised by playing it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from chatstream.errors import RecordingError
from chatstream.recording.exchange import Exchange, joined
from chatstream.recording.files.formats import read_exchanges
from chatstream.recording.files.packing import read_packed
from chatstream.recording.player import AsyncPlayer, Player

if TYPE_CHECKING:
    import builtins
    from collections.abc import Awaitable, Callable

__all__ = ["Recording"]

_MAX_FILE = 2**30  # bytes: it takes several times as many to read one, and a day of streaming is a tenth of it


class Recording(Exchange, frozen=True, kw_only=True):
    """One stream as it was recorded: ``play()`` gives its reads again.

    ``load`` takes the path of a tape (``.tape.jsonl``), of raw event-stream text (``curl -N``, ``curl -i``), of JSON
    lines or a JSON array of chunks, of one JSON completion, of a cassette of vcr (YAML needs ``chatstream[vcr]``) or of
    a HAR file. A gzip or zstd file is read through, up to where it was cut. What kind of file it is, its content says,
    not its name. Anything else is taken for event-stream text, and the parser says what is wrong with it.
    """

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The recording in a file, the first one if there are several.

        OSError as the file system gives it. RecordingError for a file over 1 GiB, for one that unpacks to more than 256
        MiB, and for one whose library is missing: ``chatstream[encodings]`` brings zstd's, ``chatstream[vcr]`` YAML's.
        """
        return cls.load_all(path)[0]

    @classmethod
    def load_all(cls, path: str | os.PathLike[str]) -> list[Self]:
        """All recordings in a file, in order, at least one: one for each header line of a tape, or each request."""
        file = Path(path)
        unpacked = read_packed(_read_file(file))
        recordings = cls.parse_all(unpacked.data, name=file.name)
        if unpacked.problem is not None:
            last = recordings[-1]
            problems = [*last.problems, unpacked.problem]
            recordings[-1] = msgspec.structs.replace(last, torn=last.torn or unpacked.cut, problems=problems)
        return recordings

    @classmethod
    def parse(cls, data: builtins.bytes, name: str = "recording") -> Self:
        """The recording in the bytes of a file; ``name`` is what errors call it."""
        return cls.parse_all(data, name=name)[0]

    @classmethod
    def parse_all(cls, data: builtins.bytes, name: str = "recording") -> list[Self]:
        """All recordings in the bytes of a file, in order, at least one."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"a recording is parsed from bytes, not {type(data).__name__}")
        return [cls(**msgspec.structs.asdict(exchange)) for exchange in read_exchanges(bytes(data), name)]

    def play(
        self,
        *,
        speed: float | None = 1.0,
        sleep: Callable[[float], object] = time.sleep,
        step: Callable[[], object] | None = None,
    ) -> Player:
        """An iterator over the reads: bytes, or dicts where ``source`` is ``chunks``.

        ``speed``: 2.0 is twice as fast, None at once; ValueError unless it is greater than 0. ``sleep`` is called with
        seconds. ``step`` is called before each read and before the end, instead of any waiting: the stream goes on when
        it returns (``chatstream.testing.Steps`` is one to drive by hand). A recording that ended in failure ends so
        again: StreamInterruptedError, or APITimeoutError with its phase. RecordingError where a line could not be read,
        once everything before it was given.
        """
        return Player(self, speed=speed, sleep=sleep, step=step)

    def aplay(
        self,
        *,
        speed: float | None = 1.0,
        sleep: Callable[[float], Awaitable[object]] | None = None,
        step: Callable[[], object] | None = None,
    ) -> AsyncPlayer:
        """The same as an async iterator; without ``sleep`` it waits with anyio, on asyncio and trio.

        What ``step`` gives is awaited, if it can be.
        """
        return AsyncPlayer(self, speed=speed, sleep=sleep, step=step)

    def __repr__(self) -> str:
        state = ", torn" if self.torn else ""
        return f"<Recording {self.name!r}: {self.form}, {len(self.reads)} reads, {self.duration:.3f} s{state}>"

    @property
    def duration(self) -> float:
        """Seconds from the start to the end, or to the last line if no end was recorded; 0 if there are no times."""
        return round(sum(read.interval or 0 for read in self.reads) + self.rest, 9)

    # The last one: in this class, its name hides the type.
    @property
    def bytes(self) -> builtins.bytes:
        """All bytes that were read; a chunk counts as the block that would have carried it."""
        return joined(self.reads)


def _read_file(path: Path) -> bytes:
    """The bytes of a file. How large it is can be told beforehand of a file on a disk, and of no pipe."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > _MAX_FILE:
            raise RecordingError(f"{path.name} is larger than {_MAX_FILE >> 20:,} MiB: a recording is read as a whole")
        return file.read()
