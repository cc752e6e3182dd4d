"""``python -m benchmarks``: microseconds a chunk, bytes to events, and what that is of a rival and of the floor.

Every figure is a ratio taken in one run: contestants take turns, the best round of each counts, and the spread of the
ratios of all rounds is shown. Flat means: a chunk costs the same in a stream of 16,000 as in one of 1,000.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

from benchmarks import contestants, shapes

if TYPE_CHECKING:
    from collections.abc import Callable

    Contestant = Callable[[shapes.Shape], str | None]


def main() -> int:
    """Run, print a table or JSON; 1 if a contestant got a shape wrong."""
    options = _options()
    runners: dict[str, Contestant] = {"chatstream": contestants.chatstream, "floor": contestants.floor}
    rival = contestants.openai_helper()
    if rival is None:
        print("openai is not installed: left out (pip install -e '.[bench]')", file=sys.stderr)
    else:
        runners["openai"] = rival
    sizes = [200] if options.smoke else [1000, 4000, 16000]
    rows = [_measure(shapes.text(size), runners, rounds=1 if options.smoke else options.rounds) for size in sizes]
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        _print_table(rows)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="rounds of each contestant (default: 9)")
    parser.add_argument("--smoke", action="store_true", help="one round of one small shape: does it run at all?")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args()


def _measure(shape: shapes.Shape, runners: dict[str, Contestant], *, rounds: int) -> dict[str, Any]:
    for name, run in runners.items():
        if run(shape) != shape.content:
            sys.exit(f"{name} got {shape.name} wrong")
    times: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(rounds):
        for name, run in runners.items():
            times[name].append(_time(run, shape))
    best = {name: min(values) * 1e6 / shape.chunks for name, values in times.items()}
    row: dict[str, Any] = {"shape": shape.name, "chunks": shape.chunks, "microseconds_per_chunk": best}
    for name in runners:
        if name != "chatstream":
            ratios = sorted(other / own for other, own in zip(times[name], times["chatstream"], strict=True))
            row[f"{name}_over_chatstream"] = [ratios[0], statistics.median(ratios), ratios[-1]]
    return row


def _time(run: Contestant, shape: shapes.Shape) -> float:
    gc.collect()
    started = time.perf_counter()
    run(shape)
    return time.perf_counter() - started


def _print_table(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        best = row["microseconds_per_chunk"]
        figures = "  ".join(f"{name} {value:7.2f} µs" for name, value in best.items())
        ratios = "  ".join(
            f"{key.removesuffix('_over_chatstream')}: {value[1]:.1f}x ({value[0]:.1f} to {value[2]:.1f})"
            for key, value in row.items()
            if isinstance(value, list)
        )
        print(f"{row['shape']:<12} a chunk: {figures}   against chatstream, median (spread): {ratios}")


if __name__ == "__main__":
    sys.exit(main())
