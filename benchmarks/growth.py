"""Work a chunk, counted: the bytecodes of chatstream's own code, and the bytes of memory that the reads needed.

No clock is read, so the figures are the same on a busy machine. Bytecodes miss what is done in C, and memory catches
the worst of that: whatever is copied needs a place for the copy. Rules: what a chunk costs must not depend on how many
went before; 5 % is allowed, and for memory more, because buffers grow by doubling.
"""

from __future__ import annotations

import sys
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contestant import response_format
from benchmarks.shapes import fixture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    from benchmarks.shapes import Fixture

ALLOWED = {"bytecodes": 1.05, "bytes": 1.25}
# A partial value is the reader's own as far as its lists and objects are still open, and so those are copied at each
# read: a pointer an entry. In this shape a list grows with the answer, and the bytes with it. They are shown, though.
NOT_HELD_TO = {"structured": {"bytes"}}


def measure_growth(kind: str, sizes: Sequence[int]) -> dict[str, Any]:
    """Bytecodes and bytes a chunk at each size, and how much the last is over the first."""
    rows = [_count(fixture(f"{kind}-{size}")) for size in sizes]
    return {"kind": kind, "rows": rows, "growth": {part: _growth(rows, part) for part in ALLOWED}}


def grows(figure: dict[str, Any]) -> bool:
    """Whether the work a chunk grows by more than is allowed."""
    excused = NOT_HELD_TO.get(figure["kind"], set())
    return any(figure["growth"][part] > most for part, most in ALLOWED.items() if part not in excused)


def _growth(rows: Sequence[dict[str, Any]], part: str) -> float:
    return max(row[part] for row in rows[1:]) / rows[0][part]


def _count(stream: Fixture) -> dict[str, Any]:
    _read(stream)  # what is imported and cached at the first stream is no work of a chunk
    return {
        "shape": stream.name,
        "chunks": stream.chunks,
        "bytecodes": _bytecodes(lambda: _read(stream)) / stream.chunks,
        "bytes": _bytes(stream) / stream.chunks,
    }


def _read(stream: Fixture) -> None:
    for _ in _steps(stream):
        pass


def _steps(stream: Fixture) -> Iterator[None]:
    """All events of a stream, one step a read; for structured output the partial value is read at each delta."""
    from chatstream import ChatStreamParser

    structured = stream.kind == "structured"
    parser = ChatStreamParser(response_format=response_format() if structured else None)
    for block in stream.blocks:
        for event in parser.feed(block):
            if structured and event.type == "content.delta":
                _ = event.parsed
        yield
    parser.close()


def _bytecodes(work: Callable[[], None]) -> int:
    import chatstream

    package = str(Path(chatstream.__file__).parent)
    count = 0

    def trace(frame: FrameType, what: str, _: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(package):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        count += what == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def _bytes(stream: Fixture) -> int:
    """What each read needed at its peak beyond what was held before it, added up."""
    total = 0
    tracemalloc.start()
    try:
        steps = _steps(stream)
        while True:
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            if next(steps, steps) is steps:
                return total
            total += tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
