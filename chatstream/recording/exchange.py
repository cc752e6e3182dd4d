"""What was recorded of one exchange, as plain values. They know neither the file they came from nor how to play."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from chatstream.errors import RecordingError
from chatstream.recording.faults import Fault
from chatstream.recording.tape import block_of

__all__ = ["Exchange", "Flaw", "Form", "Note", "Read", "joined"]

Form = Literal["tape", "sse", "chunks", "completion"]


class Read(msgspec.Struct, frozen=True):
    """What came in one read: bytes, or a chunk as a dict where the source was one of chunks.

    ``interval``: seconds since the read before, or since the start; None where no times were recorded.
    """

    interval: float | None
    data: bytes | dict[str, Any]


class Note(msgspec.Struct, frozen=True):
    """A remark on a tape, which players skip: what it says, seconds from the start, and how many reads came before."""

    value: Any
    at: float
    after: int


class Flaw(msgspec.Struct, frozen=True):
    """Where a recording cannot be read on, and why: ``line`` counts from 1, ``offset`` is in bytes."""

    reason: str
    line: int
    offset: int

    def error(self, name: str) -> RecordingError:
        """A new error to raise, so that no two players share one."""
        return RecordingError(f"{name}, line {self.line}: {self.reason}", line=self.line, offset=self.offset)


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded exchange.

    ``form``: what kind of file it was: ``tape``, ``sse`` (also anything that was not recognised), ``chunks`` (JSON
    lines or a JSON array of them), ``completion`` (one JSON document). ``source``: whether the reads are bytes or
    chunks. ``head``: seconds from the start to the response head, a part of the first read's interval, never more.
    ``faults``: what the tape wants a replay to have, each with its place; ``play`` gives what was recorded all the
    same. ``notes``: remarks and markers. ``end``: what the tape's last line says; None if it has none. ``rest``:
    seconds between the last read and the end. ``torn``: the last line was cut. ``flaw``: where a malformed line stands;
    playing raises it when it comes to it. ``problems``: what does not add up, in words, though it can be played.
    """

    form: Form
    name: str
    source: Literal["bytes", "chunks"] = "bytes"
    header: dict[str, Any] | None = None
    request: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    head: float = 0.0
    reads: list[Read] = msgspec.field(default_factory=list[Read])
    faults: list[Fault] = msgspec.field(default_factory=list[Fault])
    notes: list[Note] = msgspec.field(default_factory=list[Note])
    end: dict[str, Any] | None = None
    rest: float = 0.0
    torn: bool = False
    flaw: Flaw | None = None
    problems: list[str] = msgspec.field(default_factory=list[str])


def joined(reads: list[Read]) -> bytes:
    """The bytes of all reads; a chunk counts as the block that would have carried it."""
    return b"".join(block_of(read.data) if isinstance(read.data, dict) else read.data for read in reads)
