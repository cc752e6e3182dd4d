"""StreamStats: when a stream began to speak, and how evenly it went on.

In go notes of a driver: that it begins, that a read came, which events were in it, that it ended. Out come seconds and
counts for a reader. Rules: the clock is read once for what is taken at once, since that has one time: its chunks came
together, and small pieces of one line are taken with its end; noting is a few assignments, and whatever is computed is
computed when read; a note never raises, in whatever order notes are made.
"""

from __future__ import annotations

import time
from array import array
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from chatstream.events import ChunkEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        "_began",
        "_chunks",
        "_clock",
        "_finished",
        "_first_byte",
        "_first_chunk",
        "_firsts",
        "_gaps_noted",
        "_in_first_read",
        "_last_read",
        "_reads",
        "bytes",
        "chunk_gaps",
        "keep_alives",
        "last_chunk",
        "pieces",
        "usual",
    )

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.bytes: int = 0
        self.keep_alives: int = 0
        self._clock = clock
        # All on the clock's own scale; they are counted from the beginning when somebody reads them.
        self._began: float | None = None
        self._finished: float | None = None
        self._first_byte: float | None = None
        self._firsts: dict[OutputKind, float] = {}  # in the order in which they came
        self._first_chunk: float | None = None
        self._last_read: float | None = None  # the last one that was not of the usual kind
        self._reads = 0  # that were noted
        self._chunks = 0  # likewise
        self._in_first_read = 0  # chunks of the first read that brought any
        self._gaps_noted = 0
        # The usual read brings one chunk, and one event of a kind that ``usual`` says. A driver notes it by adding to
        # ``bytes`` and to ``chunk_gaps`` and setting ``last_chunk``, and need not call ``note``: all else is counted.
        self.usual: type[ChatStreamEvent] | None = None
        self.last_chunk: float = 0.0
        self.chunk_gaps: array[float] = array("f")  # 4 bytes each, and right to a ten-millionth of a gap
        self.pieces: int = 0  # reads that were a piece of an event and brought nothing yet; counted by the driver

    def begin(self) -> None:
        """From now on time is counted; only the first call counts, so that a request may begin before its stream."""
        if self._began is None:
            self._began = self._clock()

    def note(self, now: float, size: int, events: Sequence[ChatStreamEvent]) -> None:
        """A read came at this time of the clock, of so many bytes (0: a parsed chunk), and brought these events."""
        self.bytes += size
        self._reads += 1
        self._last_read = now
        if size and self._first_byte is None:
            self._first_byte = now
        if events:
            self._note_events(now, events)

    def note_late(self, events: Sequence[ChatStreamEvent]) -> None:
        """The end of the source brought these events: what they tell of had come with the last read."""
        if self._last_read is not None:
            self._note_events(max(self._last_read, self.last_chunk), events, late=True)

    def _note_events(self, now: float, events: Sequence[ChatStreamEvent], *, late: bool = False) -> None:
        kinds: list[Any] = list(map(type, events))
        chunks = kinds.count(ChunkEvent)
        if chunks:
            self._chunks += chunks
            if self._first_chunk is None:
                self._first_chunk = now
                self._in_first_read = chunks
            elif not late or now > self.last_chunk:
                self._gaps_noted += 1
                self.chunk_gaps.append(now - self.last_chunk)
            self.last_chunk = now
        for kind in dict.fromkeys(kinds):
            output = _KIND_OF.get(kind.type)
            if output is not None:
                self._firsts.setdefault(output, now)
        self.usual = kinds[-1] if chunks and kinds[-1] is not ChunkEvent else None

    def finish(self) -> None:
        """The stream ended, however; only the first call counts."""
        if self._finished is None:
            self._finished = self._clock()

    @property
    def reads(self) -> int:
        """How many reads came; a parsed chunk is one."""
        return self._reads + self.pieces + len(self.chunk_gaps) - self._gaps_noted

    @property
    def chunks(self) -> int:
        """How many chunks came."""
        return self._chunks + len(self.chunk_gaps) - self._gaps_noted

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
        """Seconds between reads that brought chunks, in order; one fewer than there were such reads.

        They are kept as 4-byte floats, which are right to 7 digits.
        """
        return self.chunk_gaps.tolist()

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
        return max(self.chunk_gaps, default=None)

    def _gap(self, percent: int) -> float | None:
        # By nearest rank: always a gap that was, and no mean of two that were.
        ordered = sorted(self.chunk_gaps)
        return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else None

    @property
    def chunks_per_second(self) -> float | None:
        """How many chunks came per second after the first: those after the first read, by the time from it to the last.

        The wait for the first chunk is no part of it, so that the pace can be told apart from the delay. None until
        chunks have come at two different times.
        """
        if self._first_chunk is None or self.last_chunk == self._first_chunk:
            return None
        return (self.chunks - self._in_first_read) / (self.last_chunk - self._first_chunk)

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
