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

__all__ = ["Inlet", "open_inlets", "recorded"]

_READ_SIZE = 64 * 1024  # bytes: what a pipe holds
_LONGEST_SLEEP = 1e6  # seconds: a clock may be asked for more than sleep() can take
_BOM = b"\xef\xbb\xbf"
_FIELDS = (b":", b"data:", b"event:", b"id:", b"retry:")  # what the first line of an event stream begins with


@dataclass(frozen=True)
class Inlet:
    """One stream to be shown.

    ``timed``: whether its clock means anything. ``notes``: what is odd about its file.
    """

    name: str
    source: Iterable[Any]
    clock: Callable[[], float]
    timed: bool = True
    notes: list[str] = field(default_factory=list[str])


def open_inlets(file: str, speed: float | None) -> list[Inlet]:
    """The streams in a file, or on standard input if it is ``-``; OSError if it cannot be read.

    Raw event-stream text on standard input is read as it comes; what else it may be is read whole.
    """
    if file != "-":
        return [recorded(recording, file, speed) for recording in Recording.load_all(file)]
    if sys.stdin is None:
        raise OSError("standard input is closed")
    clock = _LiveClock()
    stdin: BinaryIO = sys.stdin.buffer
    head, is_live = _read_head(stdin)
    if is_live:
        return [Inlet("stdin", _live_reads(head, stdin), clock)]
    recordings = Recording.parse_all(head + stdin.read(), name="stdin")
    return [recorded(recording, "stdin", speed) for recording in recordings]


def recorded(recording: Recording, name: str, speed: float | None) -> Inlet:
    """A recording, to be played at a speed; None for at once."""
    clock = _TapeClock(speed)
    timed = any(read.interval is not None for read in recording.reads)
    notes = recording.problems or (["the last line was cut, and is left out"] if recording.torn else [])
    return Inlet(name, recording.play(sleep=clock.sleep), clock, timed, notes)


class _TapeClock:
    """The time on the tape: goes as far as the player says, and takes a fraction of that."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._now = 0.0

    def __call__(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let this time pass on the tape."""
        self._now += seconds
        if self._speed is not None:
            time.sleep(min(seconds / self._speed, _LONGEST_SLEEP))


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
