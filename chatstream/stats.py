"""StreamStats: when a stream began to speak, and how evenly it went on.

In go notes of a driver: that it begins, that a read came, which events were in it, that it ended. Out come seconds and
counts for a reader. Rules: the clock is read once a read, for a read is what has a time: its chunks came together;
noting is a few assignments, and whatever is computed is computed when read; a note never raises, in whatever order
notes are made.
"""

from __future__ import annotations

import time
from array import array
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from chatstream.events import ChatStreamEvent, EventType

__all__ = ["OutputKind", "StreamStats"]

OutputKind: TypeAlias = Literal["content", "reasoning", "refusal", "tool_call", "audio"]

_KIND_OF: dict[EventType, OutputKind] = {
    "content.delta": "content",
    "reasoning.delta": "reasoning",
    "refusal.delta": "refusal",
    "tool_calls.added": "tool_call",
    "tool_calls.function.arguments.delta": "tool_call",
    "tool_calls.custom.input.delta": "tool_call",
    "function_call.arguments.delta": "tool_call",
    "audio.delta": "audio",
}


class StreamStats:
    """When a stream's first byte, chunk and output came, how long it took, and the gaps between its chunks.

    All times are seconds as float, counted from ``begin()``, and None as long as there is nothing to tell. They are the
    times at which the reads were taken: a consumer that is slow to read on is part of them. ``bytes``, ``reads``,
    ``chunks`` and ``keep_alives`` are counts; chunks that came parsed have no bytes.

    A gap is the time from one read that brought chunks to the next one that did: what somebody who watches waits for.
    Chunks that came in one read have no gap between them, and count as no gaps of 0 either: those would hide the
    stalls of a stream whose proxy sends in bursts. A server that sends one token a chunk, read as it comes, has so its
    inter-token latencies here. ``clock`` gives seconds from any start and never goes back.
    """

    __slots__ = (
        "_awaited",
        "_began",
        "_clock",
        "_finished",
        "_first_byte",
        "_first_chunk",
        "_firsts",
        "_gaps",
        "_in_first_read",
        "_last_chunk",
        "_now",
        "_read_is_new",
        "bytes",
        "chunks",
        "keep_alives",
        "reads",
    )

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.bytes: int = 0
        self.reads: int = 0
        self.chunks: int = 0
        self.keep_alives: int = 0
        self._clock = clock
        # All on the clock's own scale; they are counted from the beginning when somebody reads them.
        self._began: float | None = None
        self._finished: float | None = None
        self._now: float | None = None  # the time of the last read
        self._first_byte: float | None = None
        self._first_chunk: float | None = None
        self._last_chunk: float | None = None
        self._firsts: dict[OutputKind, float | None] = {}  # in the order in which they came
        # Whose first is still to come: after it, an event costs one look in here.
        self._awaited: dict[EventType, OutputKind] = _KIND_OF
        self._read_is_new = False  # no chunk of the last read has been noted
        self._in_first_read = 0  # chunks of the first read that brought any
        self._gaps = array("d")  # 8 bytes a read: a list of floats would hold 32

    def begin(self) -> None:
        """From now on time is counted; only the first call counts, so that a request may begin before its stream."""
        if self._began is None:
            self._began = self._clock()

    def note_read(self, size: int) -> None:
        """A read came, of this many bytes, or a parsed chunk, of 0: what is noted until the next one came with it."""
        self._now = now = self._clock()
        self.reads += 1
        self._read_is_new = True
        if size:
            self.bytes += size
            if self._first_byte is None:
                self._first_byte = now

    def note_events(self, events: Iterable[ChatStreamEvent]) -> None:
        """These events were in the last read."""
        awaited = self._awaited
        for event in events:
            kind = event.type
            if kind == "chunk":
                if self._read_is_new:
                    self._note_time()
                self.chunks += 1
            elif (output := awaited.get(kind)) is not None:
                self.note_first(output)

    def note_chunk(self) -> None:
        """A chunk was in the last read."""
        if self._read_is_new:
            self._note_time()
        self.chunks += 1

    def note_first(self, kind: OutputKind) -> None:
        """Output of this kind was in the last read; only the first of each kind counts."""
        if kind not in self._firsts:
            self._firsts[kind] = self._now
            self._awaited = {name: other for name, other in self._awaited.items() if other != kind}

    def _note_time(self) -> None:
        """The time of the last read is that of a chunk."""
        self._read_is_new = False
        now, last = self._now, self._last_chunk
        self._last_chunk = now
        if last is None or now is None:
            self._first_chunk = now
            return
        if not self._gaps:
            self._in_first_read = self.chunks
        self._gaps.append(now - last)

    def finish(self) -> None:
        """The stream ended, however; only the first call counts."""
        if self._finished is None:
            self._finished = self._clock()

    def _since(self, moment: float | None) -> float | None:
        return None if moment is None or self._began is None else moment - self._began

    @property
    def first_byte(self) -> float | None:
        """Seconds until the first byte."""
        return self._since(self._first_byte)

    @property
    def first_chunk(self) -> float | None:
        """Seconds until the first chunk, which often holds a role and nothing else."""
        return self._since(self._first_chunk)

    @property
    def first_output(self) -> float | None:
        """Seconds until the first output, the time to first token: content, reasoning, refusal, call or audio."""
        return self._since(next(iter(self._firsts.values()), None))

    @property
    def first_content(self) -> float | None:
        """Seconds until the first content."""
        return self._since(self._firsts.get("content"))

    @property
    def first_reasoning(self) -> float | None:
        """Seconds until the first reasoning."""
        return self._since(self._firsts.get("reasoning"))

    @property
    def first_tool_call(self) -> float | None:
        """Seconds until the first tool call, or legacy function call, was named."""
        return self._since(self._firsts.get("tool_call"))

    @property
    def duration(self) -> float | None:
        """Seconds until the end; None until then."""
        return self._since(self._finished)

    @property
    def gaps(self) -> list[float]:
        """Seconds between reads that brought chunks, in order; one fewer than there were such reads."""
        return self._gaps.tolist()

    @property
    def gap_p50(self) -> float | None:
        """The median gap in seconds: half of the gaps are no longer."""
        return self._gap(50)

    @property
    def gap_p95(self) -> float | None:
        """The gap in seconds than which 95 of 100 are no longer."""
        return self._gap(95)

    @property
    def gap_max(self) -> float | None:
        """The longest gap in seconds."""
        return max(self._gaps, default=None)

    def _gap(self, percent: int) -> float | None:
        # By nearest rank: always a gap that was, and no mean of two that were.
        ordered = sorted(self._gaps)
        return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else None

    @property
    def chunks_per_second(self) -> float | None:
        """How many chunks came per second after the first: those after the first read, by the time from it to the last.

        The wait for the first chunk is no part of it, so that the pace can be told apart from the delay. None until
        chunks have come at two different times.
        """
        if self._first_chunk is None or self._last_chunk is None or self._last_chunk == self._first_chunk:
            return None
        return (self.chunks - self._in_first_read) / (self._last_chunk - self._first_chunk)

    def to_dict(self) -> dict[str, float | int | None]:
        """All of it by name, as plain JSON values: seconds, counts, and None for what is not known."""
        return {name: getattr(self, name) for name in _READ}

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value:g}" for name, value in self.to_dict().items() if value is not None)
        return f"StreamStats({shown})"


_READ = (
    "first_byte",
    "first_chunk",
    "first_output",
    "first_content",
    "first_reasoning",
    "first_tool_call",
    "duration",
    "gap_p50",
    "gap_p95",
    "gap_max",
    "chunks_per_second",
    "chunks",
    "reads",
    "bytes",
    "keep_alives",
)
