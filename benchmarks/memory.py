"""Bytes a chunk, by tracemalloc: held while one holds what a stream came to, and at the peak while it ran.

``held`` is with the stream and its final completion in hand, ``held_by_stream`` with the stream alone; in the shapes
whose name begins with ``kept``, every chunk event is in hand, too. Rules: each contestant in its own process, its
result checked first; no times, for tracing changes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measure import Race

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measure import Figure
    from benchmarks.process import Process
    from benchmarks.shapes import Fixture

PATIENCE = 300  # seconds: tracing makes some take ten times as long
PARTS = ("held", "held_by_stream", "peak")


def weigh(fixture: Fixture, processes: Sequence[Process]) -> Figure:
    """What each contestant holds of a fixture, one event a read, in bytes a chunk."""
    race = Race(fixture, "events", processes)

    def step(runner: Process) -> None:
        answer = runner.ask({"memory": 1}, PATIENCE)
        race.check(runner, answer["result"])
        race.entry(runner).update({part: answer[part] / fixture.chunks for part in PARTS})

    race.turn(step)
    return race.figure
