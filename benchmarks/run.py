"""A plan carried out: in goes a plan, out come its figures as plain JSON values, shown as they are made."""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING, Any

from benchmarks import table
from benchmarks.contestant import python_version
from benchmarks.contestants import ALL
from benchmarks.growth import measure_growth
from benchmarks.imports import measure_imports
from benchmarks.measure import measure
from benchmarks.memory import weigh
from benchmarks.process import Process
from benchmarks.recording import measure_recording
from benchmarks.shapes import fixture
from benchmarks.tools import measure_tools

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import ExitStack

    from benchmarks.measure import Figure
    from benchmarks.plan import Plan, Trial

    Show = Callable[[Iterable[str]], None]


PARTS = ("figures", "drivers", "memory", "imports", "growth", "tools", "recording")
"""The lists that a run has."""


class Field:
    """The processes of a run, started when they are first needed and kept: importing some libraries takes seconds."""

    def __init__(self, stack: ExitStack, interpreters: Mapping[str, str], *, patience: float) -> None:
        self._stack = stack
        self._interpreters = interpreters
        self._patience = patience
        self._processes: dict[str, Process] = {}

    def processes(self, names: Sequence[str]) -> list[Process]:
        """Those of these contestants, each ready or with a word on why it is not."""
        new = [self._start(name) for name in names if name not in self._processes]
        for process in new:
            process.greet()
        return [self._processes[name] for name in names]

    def _start(self, name: str) -> Process:
        interpreter = self._interpreters.get(name, sys.executable)
        process = self._processes[name] = Process(ALL[name](), interpreter, patience=self._patience)
        return self._stack.enter_context(process)

    def versions(self) -> dict[str, str]:
        """The version of each library that took part."""
        ready = (process for process in self._processes.values() if process.version)
        return {f"{process.contestant.library}": str(process.version) for process in ready}


def carry_out(plan: Plan, field: Field, show: Show) -> dict[str, Any]:
    """All figures of a plan."""
    run: dict[str, Any] = {
        "python": python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "rounds": plan.rounds,
        "seed": plan.seed,
        "figures": [_race(trial, plan, field, show) for trial in plan.figures],
        "drivers": [_race(trial, plan, field, show) for trial in plan.drivers],
        "memory": [_weigh(name, plan, field) for name in plan.memory],
        "versions": field.versions(),
    }
    show(table.lines_of_memory(run["memory"]))
    run["imports"] = measure_imports(rounds=plan.rounds) if plan.imports else []
    show(table.lines_of_imports(run["imports"]))
    run["growth"] = [measure_growth(kind, sizes) for kind, sizes in plan.growth.items()]
    show(table.lines_of_growth(run["growth"]))
    run["tools"] = measure_tools(plan.tools, seconds=plan.tool_seconds, rounds=plan.rounds)
    show(table.lines_of_tools(run["tools"]))
    run["recording"] = measure_recording(plan.recording, rounds=plan.rounds, seed=plan.seed)
    show(table.lines_of_recording(run["recording"]))
    return run


def _race(trial: Trial, plan: Plan, field: Field, show: Show) -> Figure:
    name, framing, names = trial
    figure = measure(fixture(name, seed=plan.seed), framing, field.processes(names), rounds=plan.rounds)
    show(table.lines_of_figure(figure))
    return figure


def _weigh(name: str, plan: Plan, field: Field) -> Figure:
    return weigh(fixture(name, seed=plan.seed), field.processes(plan.weighed))
