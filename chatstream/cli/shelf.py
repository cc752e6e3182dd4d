"""Recordings that the command line names: files, folders of them, standard input.

In go names, out come recordings, or a CommandError with the name; and the other way round. Rules: a folder gives the
files in it that are named like recordings, in order; ``-`` is standard input, or output; what may never end is refused.
"""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from chatstream.cli.exits import UNWRITABLE, CommandError, writing
from chatstream.cli.outlet import Outlet
from chatstream.errors import ChatStreamError
from chatstream.recording import Recording
from chatstream.recording.files.packing import read_packed
from chatstream.tapes import write_file

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["failing", "found", "load", "load_with_bytes", "numbered", "pour", "refuse_endless", "store"]


def load_with_bytes(file: str) -> tuple[list[Recording], bytes]:
    """The recordings in a file, and its bytes, unpacked."""
    if file == "-":
        data = _stdin(file)
        recordings = Recording.parse_all(data, name="stdin")
    else:
        recordings = load(file)
        with failing(file):
            data = read_packed(Path(file).read_bytes()).data
    return recordings, data


def load(file: str) -> list[Recording]:
    """The recordings in a file, at least one."""
    if file == "-":
        return Recording.parse_all(_stdin(file), name="stdin")
    with failing(file):
        refuse_endless(file)
        return Recording.load_all(file)


def refuse_endless(file: str) -> None:
    """OSError for a device or a pipe, which may never end; but for standard input and what a shell has opened."""
    kind = Path(file).stat().st_mode
    is_opened = file == "/dev/stdin" or file.startswith("/dev/fd/")
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind) or is_opened):  # of a folder the system says what is wrong
        raise OSError("it is no file, but a device or a pipe")


def _stdin(file: str) -> bytes:
    with failing(file):
        if sys.stdin is None:
            raise OSError("standard input is closed")
        return sys.stdin.buffer.read()


class failing:  # noqa: N801  used as a statement, as contextlib's are
    """Within it, what is wrong with a file is a CommandError that names it."""

    def __init__(self, file: str) -> None:
        self._file = file

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object, /) -> None:
        if isinstance(error, BrokenPipeError):
            return
        if isinstance(error, OSError | ValueError | ChatStreamError):  # ValueError: no name that a file can have
            raise CommandError(f"{self._file}: {getattr(error, 'strerror', None) or error}") from error


def found(names: Iterable[str]) -> list[str]:
    """The files of these names; for a folder, those in it that are recordings by their names."""
    return [file for name in names for file in (_inside(name) if Path(name).is_dir() else [name])]


def _inside(folder: str) -> list[str]:
    from chatstream.recording.library import tape_files

    with failing(folder):
        files = [str(path) for path in tape_files(Path(folder))]
    if not files:
        raise CommandError(f"{folder}: there is no recording in it")
    return files


def numbered(recordings: list[Recording], number: int | None, file: str) -> list[Recording]:
    """The recording of that number, from 1, alone; all without one."""
    if number is None:
        return recordings
    if not 1 <= number <= len(recordings):
        raise CommandError(f"{file}: there is no recording {number}; it holds {len(recordings)}")
    return [recordings[number - 1]]


def store(file: str, data: bytes) -> None:
    """Write a file, packed by its suffix, at once or not at all; ``-`` is standard output."""
    if file == "-":
        pour(data)
        return
    try:
        with failing(file):
            write_file(file, data)
    except CommandError as error:
        raise CommandError(str(error), UNWRITABLE) from error


def pour(data: bytes) -> None:
    """Write bytes to standard output, untouched; on a terminal, as text that is safe there."""
    out = Outlet(sys.stdout)
    if sys.stdout is None or out.is_terminal:
        out.write(data.decode("utf-8", "replace"))
        return
    with writing():
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
