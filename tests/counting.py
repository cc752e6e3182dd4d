"""Work and memory, counted and not timed."""

import sys
import tracemalloc


def opcodes(work):
    """How many bytecodes a call runs in chatstream's own code: work in Python, counted exactly."""
    count = 0

    def trace(frame, what, _):
        nonlocal count
        if "chatstream" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes = True
        count += what == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def peaks(stage, reads):
    """The bytes of memory that each read needed at its peak, beyond what was held before it, added up.

    Whatever is copied, in C or in Python, needs a place for the copy. A stage that builds its buffer anew at every read
    needs the whole size at every read.
    """
    total = 0
    tracemalloc.start()
    try:
        for data in reads:
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            stage.feed(data)
            total += tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    return total
