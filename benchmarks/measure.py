"""Rounds: contestants take turns, each checked before it counts, and what comes of it as ratios.

In go a fixture, its framing and processes, out comes a figure as plain JSON values. Rules: what is compared was timed
in the same round of one run; a wrong result is never ranked, and one that nobody has explained stops everything.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks.digest import difference
from benchmarks.framing import frame, write_reads
from benchmarks.process import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.process import Process
    from benchmarks.shapes import Fixture

    Figure = dict[str, Any]

BASE = "chatstream"


class WrongResultError(Exception):
    """A contestant came to something else than the generator promised, and it is not known why."""


def measure(fixture: Fixture, framing: str, processes: Sequence[Process], *, rounds: int) -> Figure:
    """Microseconds a chunk of each contestant, and the ratios of all rounds to chatstream's."""
    race = Race(fixture, framing, processes)
    race.turn(race.run)  # once to warm up: in a process the second round is as the ninth
    times: dict[str, list[float]] = {runner.name: [] for runner in race.runners}
    for _ in range(rounds):
        race.turn(lambda runner: times[runner.name].append(race.run(runner)))
    for runner in race.runners:
        race.entry(runner)["seconds"] = times[runner.name]
    add_ratios(race.figure)
    return race.figure


class Race:
    """A fixture handed out to contestants: ``runners`` are those who are ready, ``figure`` has an entry for each."""

    def __init__(self, fixture: Fixture, framing: str, processes: Sequence[Process]) -> None:
        self._fixture = fixture
        reads = frame(fixture.blocks, framing)
        self.figure: Figure = {
            "shape": fixture.name,
            "framing": framing,
            "chunks": fixture.chunks,
            "reads": len(reads),
            "bytes": sum(map(len, reads)),
            "contestants": {process.name: {"role": process.contestant.role} for process in processes},
        }
        self.runners = [process for process in processes if not self._leaves_out(process)]
        with TemporaryDirectory() as folder:
            path = Path(folder) / "reads"
            write_reads(reads, path)
            order = {"prepare": {"kind": fixture.kind, "framing": framing, "reads": str(path)}}
            self.turn(lambda runner: runner.tell(order))  # all are told before the first is heard: it takes a while
            self.turn(lambda runner: self.entry(runner).update(word=runner.hear()["prepared"]))

    def entry(self, process: Process) -> dict[str, Any]:
        """What the figure says of a contestant."""
        return self.figure["contestants"][process.name]

    def turn(self, step: Callable[[Process], object]) -> None:
        """One step of each runner; a rival that fails, or is known to be wrong, is shown as that and runs no more."""
        for runner in tuple(self.runners):
            try:
                step(runner)
            except Fault as fault:
                if runner.contestant.role == "own":
                    message = f"{runner.name}: {fault}"
                    raise WrongResultError(message) from fault
                self.entry(runner)["left_out"] = str(fault)
                self.runners.remove(runner)

    def run(self, runner: Process) -> float:
        """Seconds of one run, its result checked."""
        answer = runner.ask({"run": 1})
        self.check(runner, answer["result"])
        return answer["seconds"]

    def check(self, runner: Process, result: dict[str, Any]) -> None:
        """Compare with the promise: Fault where the contestant is known to be wrong, else WrongResultError."""
        parts = runner.contestant.gives(self._fixture.kind)
        promise = {part: self._fixture.promise[part] for part in parts}
        found = difference(promise, {part: result.get(part) for part in parts})
        if found is None:
            return
        if why := runner.contestant.faults.get(self._fixture.kind):
            message = f"wrong result: {why}"
            raise Fault(message)
        message = f"{runner.name} got {self._fixture.name} wrong: {found}"
        raise WrongResultError(message)

    def _leaves_out(self, process: Process) -> bool:
        word = process.missing or process.contestant.skips.get(self._fixture.kind)
        if word:
            self.entry(process)["left_out"] = word
        return bool(word)


def add_ratios(figure: Figure) -> None:
    """Add to each contestant that was timed its best microseconds a chunk, and its ratios to chatstream's time."""
    timed = {name: entry for name, entry in figure["contestants"].items() if "seconds" in entry}
    for name, entry in timed.items():
        entry["microseconds"] = min(entry["seconds"]) * 1e6 / figure["chunks"]
        if BASE in timed and name != BASE:
            entry["over_chatstream"] = spread(entry["seconds"], timed[BASE]["seconds"])
            if entry["role"] == "floor":
                entry["chatstream_over"] = spread(timed[BASE]["seconds"], entry["seconds"])


def spread(times: Sequence[float], others: Sequence[float]) -> dict[str, float]:
    """The ratios of two contestants, round by round: least, median, most."""
    ratios = sorted(time / other for time, other in zip(times, others, strict=True))
    return {"least": ratios[0], "median": statistics.median(ratios), "most": ratios[-1]}
