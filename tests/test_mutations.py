"""Seeded mutations of valid streams: no exception outside the tree, and the last event is terminal.

A few thousand here; `python tests/test_mutations.py 300000` for more, in two processes. Each is named by its number
alone, so that a failure can be repeated: `python tests/test_mutations.py 1 NUMBER`.
"""

import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from random import Random

import pytest

from chatstream.errors import ChatStreamError
from made_up import body, mutated
from wire import cut, look_at, look_at_model, random_cuts, read

BATCH = 250


def reads_of(number):
    """The reads that go by this number."""
    random = Random(number)
    odd = random.choice([0.0, 0.0, 0.1, 0.3])
    data = mutated(random, body(random, odd=odd, halves=random.choice([0.0, 0.2])))
    return random_cuts(data, random) if random.random() < 0.7 else cut(data, [])


def check(number):
    """Read the mutation to its end, and look at what came of it: at all of it every eighth time."""
    parser, events = read(reads_of(number))
    last = events[-1]
    if last.type == "error":
        assert isinstance(last.error, ChatStreamError)
        assert (last.error.completion is None) == (last.snapshot is None)
        str(last.error).encode()
    for event in events if number % 8 == 0 else (last,):
        look_at(event)
    look_at_model(parser.snapshot)
    return last.type if last.type == "error" else last.end.kind


@pytest.mark.parametrize("start", range(0, 2500, BATCH))
def test_no_mutation_of_a_stream_raises_and_the_last_event_is_terminal(start):
    for number in range(start, start + BATCH):
        check(number)


def test_mutations_end_in_every_way_a_stream_can_end():
    assert {check(number) for number in range(150)} == {"complete", "no_done", "no_finish", "error"}


def _run(start, count):
    ends, failures = {}, []
    for number in range(start, start + count):
        try:
            end = check(number)
        except Exception:  # noqa: BLE001  that is what is looked for
            failures.append((number, traceback.format_exc(limit=-3)))
            end = "FAILED"
        ends[end] = ends.get(end, 0) + 1
    return ends, failures


def main(count, start=0):
    """Run that many, and say how it went; the exit code of the process."""
    began, ends, failures = time.perf_counter(), {}, []
    starts = range(start, start + count, BATCH)
    sizes = [min(BATCH, start + count - first) for first in starts]
    with ProcessPoolExecutor(2) as pool:
        for found, failed in pool.map(_run, starts, sizes):
            failures += failed
            for end, times in found.items():
                ends[end] = ends.get(end, 0) + times
    print(f"{count} mutations in {time.perf_counter() - began:.0f} s: {ends}")  # noqa: T201
    for number, trace in failures[:20]:
        print(f"--- {number}\n{trace}")  # noqa: T201
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
