"""``python -m benchmarks.worker NAME``: one contestant in a process of its own, told what to do by lines of JSON.

In go orders on stdin, out come answers on stdout, one line each; node/worker.mjs speaks the same.

- at the start, unasked: ``{"ready": version}``, or ``{"missing": why}`` and the end
- ``{"prepare": {"kind", "framing", "reads": path}}``: ``{"prepared": word or null}``
- ``{"run": 1}``: ``{"seconds", "result": digest}``
- ``{"memory": 1}``: ``{"held", "held_by_stream", "peak", "result"}`` in bytes
- what fails: ``{"failed": why}``
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import traceback
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contestants import ALL
from benchmarks.framing import load_reads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.contestant import Contestant


def serve(contestant: Contestant, orders: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The answers to a contestant's orders."""
    try:
        yield {"ready": contestant.open()}
    except ImportError as error:
        yield {"missing": f"not installed ({error})"}
        return
    for line in orders:
        try:
            yield _obey(contestant, json.loads(line))
        except Exception as error:  # noqa: BLE001  a rival that fails is a line in the table
            traceback.print_exc()
            yield {"failed": f"{type(error).__name__}: {error}"[:300]}


def _obey(contestant: Contestant, order: dict[str, Any]) -> dict[str, Any]:
    if told := order.get("prepare"):
        return {"prepared": contestant.prepare(told["kind"], load_reads(Path(told["reads"])), told["framing"])}
    return _weigh(contestant) if "memory" in order else _time(contestant)


def _time(contestant: Contestant) -> dict[str, Any]:
    gc.collect()
    started = time.perf_counter()
    outcome = contestant.run()
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "result": contestant.digest(outcome)}


def _weigh(contestant: Contestant) -> dict[str, Any]:
    # Checked first, and so that what is imported and cached at the first run is in nobody's figure.
    result = contestant.digest(contestant.run())
    gc.collect()
    tracemalloc.start()
    try:
        outcome = contestant.run()
        peak = tracemalloc.get_traced_memory()[1]
        held = _held()
        outcome.completion = None
        return {"held": held, "held_by_stream": _held(), "peak": peak, "result": result}
    finally:
        tracemalloc.stop()


def _held() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def main(name: str) -> None:
    """Obey until stdin ends."""
    # Libraries print as they like; what is printed must not come between the answers.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for answer in serve(ALL[name](), sys.stdin):
        channel.write(json.dumps(answer) + "\n")
        channel.flush()


if __name__ == "__main__":
    main(sys.argv[1])
