"""Where a stream comes from: a file, the demo's tape, or standard input while it is still being written.

In goes what the command line names, out come inlets: what to read, and the clock that it is timed by. Rules: a
recording is timed by its own clock, however fast it is played; what comes live is shown as it comes.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chatstream.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO

    from chatstream.cli.playing import Playing

__all__ = ["Inlet", "open_inlets", "recorded"]

_READ_SIZE = 64 * 1024  # bytes: what a pipe holds
_BOM = b"\xef\xbb\xbf"
_FIELDS = (b":", b"data:", b"event:", b"id:", b"retry:")  # what the first line of an event stream begins with


@dataclass(frozen=True)
class Inlet:
    """One stream to be shown.

    ``timed``: whether its clock means anything. ``faults``: those that strike. ``notes``: what is odd about its file.
    """

    name: str
    source: Iterable[Any]
    clock: Callable[[], float]
    timed: bool = True
    faults: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])


def open_inlets(file: str, playing: Playing) -> list[Inlet]:
    """The streams in a file, or on standard input if it is ``-``; OSError if it cannot be read.

    Raw event-stream text on standard input is read as it comes; what else it may be is read whole, and so is all that
    faults are to strike.
    """
    if file != "-":
        return _recorded(Recording.load_all(file), file, playing)
    if sys.stdin is None:
        raise OSError("standard input is closed")
    clock = _LiveClock()
    stdin: BinaryIO = sys.stdin.buffer
    head, is_live = _read_head(stdin)
    if is_live and not playing.faults:
        return [Inlet("stdin", _live_reads(head, stdin), clock)]
    return _recorded(Recording.parse_all(head + stdin.read(), name="stdin"), "stdin", playing)


def recorded(recording: Recording, name: str, playing: Playing, number: int = 1) -> Inlet:
    """A recording, to be played as is asked for; ``number``: which one it is of its file."""
    play = playing.play(recording, number)
    notes = recording.problems or (["the last line was cut, and is left out"] if recording.torn else [])
    return Inlet(name, play.reads, play.clock, play.timed, play.faults, notes)


def _recorded(recordings: list[Recording], name: str, playing: Playing) -> list[Inlet]:
    return [recorded(recording, name, playing, number) for number, recording in enumerate(recordings, 1)]


class _LiveClock:
    """Real time, begun when it was made: what kind of stream it is, is known when its first bytes are there."""

    def __init__(self) -> None:
        self._began: float | None = time.monotonic()

    def __call__(self) -> float:
        began, self._began = self._began, None
        return time.monotonic() if began is None else began


# Standard input


def _read_head(stdin: Any) -> tuple[bytes, bool]:
    """The first bytes, as many as it takes to say whether they are event-stream text, and whether they are."""
    head = b""
    while True:
        data: bytes = stdin.read1(_READ_SIZE)
        head += data
        start = head.removeprefix(_BOM).lstrip(b"\r\n")
        if start.startswith(_FIELDS):
            return head, True
        if not data or not any(name.startswith(start) for name in (*_FIELDS, _BOM)):
            return head, False


def _live_reads(head: bytes, stdin: Any) -> Iterator[bytes]:
    """Each read as it comes; read1 gives what is there, and waits only if that is nothing."""
    yield head
    yield from iter(lambda: stdin.read1(_READ_SIZE), b"")
