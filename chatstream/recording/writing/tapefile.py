"""The file that a tape is written to, and how its lines get there.

In goes a path or an open file, and then lines; out goes each write whole. Rules: a file that is made is for its owner
alone, and is only ever appended to; a line that a recorder before this one left torn is ended first. A file that was
handed in stays open. Only the file system's own errors leave here, as they are.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from chatstream.recording.files.packing import pack_writer

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["TapeFile"]


class TapeFile:
    """A file for lines, held against others that would write to it meanwhile.

    ``waits``: until they are done. OSError if it cannot be opened, or is held by another.
    """

    def __init__(self, target: str | os.PathLike[str] | IO[bytes] | IO[str], *, waits: bool = False) -> None:
        self.path: Path | None = Path(target) if isinstance(target, str | os.PathLike) else None
        self._file: Any = target if self.path is None else _open(self.path, waits=waits)
        # Asked once nobody else writes to it.
        self._packer: Any = None if self.path is None else pack_writer(self.path)
        torn = self.path is not None and self._packer is None and _is_torn(self.path)
        self._as_text = _takes_text(self._file)
        if torn:
            self.write([b"\n"])  # a recorder before this one died in the middle of a line

    def write(self, lines: Iterable[bytes]) -> None:
        """Write whole lines, in one go."""
        data = b"".join(lines)
        if self._packer is not None:
            data = self._packer.pack(data)
        _write_all(self._file, data.decode() if self._as_text else data)
        self._file.flush()

    def sync(self) -> None:
        """Bring what was written to the disk."""
        if self._packer is not None:
            packer, self._packer = self._packer, None
            _write_all(self._file, packer.end())
        number = _real_file(self._file)
        if number is not None:
            os.fsync(number)

    def close(self) -> None:
        """Close it, if it was opened here."""
        if self.path is not None:
            self._file.close()


def _open(path: Path, *, waits: bool) -> IO[bytes]:
    """The file to append to, unbuffered, so that what is written is there at once."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    file = cast("IO[bytes]", os.fdopen(os.open(path, flags, 0o600), "ab", buffering=0))
    try:
        _hold(file, waits=waits)
    except BlockingIOError as error:
        file.close()
        raise BlockingIOError(error.errno, "another recorder is writing to it", str(path)) from None
    return file


def _hold(file: IO[bytes], *, waits: bool) -> None:
    """Keep others from writing to the file, where the system can: lines of two tapes between each other make none."""
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError:  # not every file system has locks
        return


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
