"""What an import costs: seconds and modules, in fresh interpreters that take turns.

Best of all rounds, files in the operating system's cache. ``import chatstream`` loads names only when they are used, so
what a program needs to read a stream is shown beside it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from benchmarks.measure import spread

STATEMENTS = {
    "import chatstream": "chatstream",
    "from chatstream import ChatCompletionStream": "chatstream",
    "import openai": "openai",
    "from openai import OpenAI": "openai",
}
_PROGRAM = """
import sys, time
before = len(sys.modules)
started = time.perf_counter()
{statement}
print([time.perf_counter() - started, len(sys.modules) - before])
"""


def measure_imports(*, rounds: int) -> list[dict[str, Any]]:
    """Of each statement: seconds in all rounds, modules, and how much longer than ``import chatstream`` it takes."""
    figures = [{"statement": statement, "seconds": [], "modules": 0} for statement in STATEMENTS]
    for _ in range(rounds):
        for figure in figures:
            _import(figure)
    figures = [figure for figure in figures if figure["seconds"]]
    for figure in figures[1:]:
        figure["over_chatstream"] = spread(figure["seconds"], figures[0]["seconds"])
    return figures


def _import(figure: dict[str, Any]) -> None:
    command = [sys.executable, "-c", _PROGRAM.format(statement=figure["statement"])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:  # else it is not installed
        seconds, figure["modules"] = json.loads(done.stdout)
        figure["seconds"].append(seconds)
