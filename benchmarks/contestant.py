"""What a contestant is: told the kind of a stream and its reads, run many times, asked after each run what came of it.

Rules: ``prepare`` and ``digest`` are not timed, ``run`` is, and it does all of the work each time; the digest is read
from what the timed run gave. A contestant imports its library when asked to, so that all can be listed anywhere.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from benchmarks.digest import describe_completion, describe_value

if TYPE_CHECKING:
    from benchmarks.digest import Digest


@dataclass
class Outcome:
    """What a run leaves in its caller's hands; memory is measured while somebody holds it."""

    completion: Any
    stream: Any = None
    kept: list[Any] = field(default_factory=list)
    values: int = 0
    last_value: Any = None


class Contestant:
    """One who is timed. A subclass says in its docstring what is timed, and what it leaves out."""

    name: ClassVar[str]
    role: ClassVar[Literal["own", "rival", "floor"]] = "rival"
    library: ClassVar[str]  # the distribution that must be installed
    module: ClassVar[str]  # what is imported of it
    # By kind of shape: why it is not run there, and what it is known to get wrong there. A wrong result that is not
    # known stops the run: it may be our mistake.
    skips: ClassVar[dict[str, str]] = {}
    faults: ClassVar[dict[str, str]] = {}

    def command(self, python: str) -> list[str]:
        """The worker's command line."""
        return [python, "-m", "benchmarks.worker", self.name]

    def missing(self) -> str | None:
        """Why it cannot take part, as far as can be told without starting it."""
        return None

    def open(self) -> str:
        """Import the library and give its version; ImportError where it is not installed."""
        importlib.import_module(self.module)
        return importlib.metadata.version(self.library)

    def gives(self, kind: str) -> list[str]:
        """The parts of a fixture's promise that its digest has, and must have right."""
        extra = {"structured": ["values"], "kept": ["kept"], "kept-text": ["kept"]}
        return ["choices", "total_tokens", *extra.get(kind, [])]

    def prepare(self, kind: str, reads: list[bytes], framing: str) -> str | None:
        """Make ready; gives a word on how it goes about it, if there is something to say."""
        self.structured = kind == "structured"  # read the partial value at each content delta
        self.keep = kind.startswith("kept")  # keep every chunk event, or what comes nearest to it
        self.reads = reads
        self.framing = framing
        return None

    def run(self) -> Outcome:
        """From the first byte to the final completion."""
        raise NotImplementedError

    def digest(self, outcome: Outcome) -> Digest:
        """What the run came to."""
        digest = describe_completion(self.dump(outcome.completion))
        if self.structured:
            digest["values"] = {"read": outcome.values, "last": describe_value(outcome.last_value)}
        if self.keep:
            digest["kept"] = len(outcome.kept)
        return digest

    def dump(self, completion: Any) -> dict[str, Any]:
        """The completion as plain JSON values."""
        return completion.model_dump(warnings=False)


def response_format() -> dict[str, Any]:
    """The format of the shape ``structured``, as the API takes it."""
    step = {
        "explanation": {"type": "string"},
        "output": {"type": "string"},
        "number": {"type": "integer"},
        "certain": {"type": "boolean"},
    }
    answer = {
        "steps": {"type": "array", "items": _object(step)},
        "confidence": {"type": "number"},
        "final_answer": {"type": "string"},
    }
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": _object(answer)}}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    required = list(properties)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def python_version() -> str:
    """The version of this interpreter."""
    return ".".join(map(str, sys.version_info[:3]))
