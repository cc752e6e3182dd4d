"""The official SDK for JavaScript, in node: its stream helper over the same bytes. The work is in node/worker.mjs.

Timed: the request through a client that is made once, whose ``fetch`` answers from memory, every event with a listener,
then ``finalChatCompletion()``. The helper starts on a timer of a millisecond, which is in the figure, too: it shows at
100 tokens and nowhere else. Left out: the network.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import ClassVar

from benchmarks.contestant import Contestant

FOLDER = Path(__file__).resolve().parent.parent / "node"


class OpenaiNode(Contestant):
    """``chat.completions.stream()`` with listeners, then ``finalChatCompletion()``."""

    name = "openai-node"
    library = "openai (npm)"
    faults: ClassVar = {"reasoning": "each reasoning_content takes the place of the one before"}

    def command(self, python: str) -> list[str]:
        """Node's, with a collector that can be called, as Python's is before each run."""
        del python
        return [shutil.which("node") or "node", "--expose-gc", str(FOLDER / "worker.mjs")]

    def missing(self) -> str | None:
        """Whether node and the SDK are there."""
        if shutil.which("node") is None:
            return "node is not installed"
        if not (FOLDER / "node_modules" / "openai").is_dir():
            return "not installed: npm install in benchmarks/node"
        return None
