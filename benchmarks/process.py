"""A contestant's process, from the outside: start it, ask it, end it.

Rules: whatever goes wrong in there is a Fault here; a process that does not answer in time is ended, and so is each of
them when the block that started it is left.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from benchmarks.contestant import Contestant

ROOT = Path(__file__).resolve().parent.parent
START = 120  # seconds for an interpreter to start and import; the first time, from a cold disk, some take half of it


class Fault(Exception):  # noqa: N818  it may be an error, and it may be that nothing is installed
    """What a process did in place of what it was asked."""


class Process:
    """The worker of a contestant. ``missing`` tells why it does not take part, and is None if it does."""

    def __init__(self, contestant: Contestant, python: str, *, patience: float) -> None:
        self.contestant = contestant
        self.name = contestant.name
        self.version: str | None = None
        self.missing = contestant.missing()
        self._command = contestant.command(python)
        self._patience = patience
        self._process: subprocess.Popen[str] | None = None
        if self.missing is None:
            self._start()

    def greet(self) -> None:
        """Wait until it is ready, or has said why it is not."""
        if self.missing is None:
            try:
                answer = self._answer(max(START, self._patience))
            except Fault as fault:
                answer = {"missing": str(fault)}
            self.missing = answer.get("missing")
            self.version = answer.get("ready")

    def tell(self, order: dict[str, Any]) -> None:
        """Give an order without waiting for the answer."""
        if self._process is None:
            self._start()
            self.greet()
        if self.missing is not None:
            raise Fault(self.missing)
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise Fault(self._last_words()) from error

    def hear(self, seconds: float | None = None) -> dict[str, Any]:
        """The answer to the oldest order that has none; Fault if it failed, or did not come in time."""
        answer = self._answer(seconds or self._patience)
        if "failed" in answer:
            raise Fault(answer["failed"])
        return answer

    def ask(self, order: dict[str, Any], seconds: float | None = None) -> dict[str, Any]:
        """Give an order and wait for the answer."""
        self.tell(order)
        return self.hear(seconds)

    def end(self) -> None:
        """End the process; the next order starts another."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
            self._errors.close()

    def _start(self) -> None:
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115  lives as long
        self._process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            encoding="utf-8",
        )

    def _answer(self, seconds: float) -> dict[str, Any]:
        late = threading.Event()
        timer = threading.Timer(seconds, self._lose_patience, [late])
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if line:
            return json.loads(line)
        message = f"takes more than {seconds:g} s" if late.is_set() else self._last_words()
        self.end()
        raise Fault(message)

    def _lose_patience(self, late: threading.Event) -> None:
        late.set()
        self._process.kill()

    def _last_words(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return lines[-1][:300] if lines else f"ended with code {self._process.returncode}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
