"""Recordings with faults, for tests of what happens then.

In go a recording and faults, or a stream in any other form; out comes the recording that has them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

import pytest

from chatstream.recording import FaultName, Recording, inject
from chatstream.recording.changing.striking import faults_of
from chatstream.testing import sse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from chatstream.recording import Fault

__all__ = ["Faultless", "StreamFaults", "named_faults"]

# What can be given a fault: a recording, the path of one, the bytes of a file, chunks.
Faultless: TypeAlias = "Recording | str | os.PathLike[str] | bytes | Iterable[Mapping[str, Any]]"


class StreamFaults:
    """Gives recordings with faults: ``stream_faults(recording, "stall:2", seed=1)``.

    ``fault``: the one of this run, if the test is marked ``stream_faults``; then ``inject(recording)`` gives it.
    """

    def __init__(self, fault: Fault | None) -> None:
        self.fault: Fault | None = fault

    def __call__(self, recording: Faultless, *faults: str | Fault, seed: int = 0) -> Recording:
        """The recording with these faults, one after the other; ValueError for what is none."""
        return inject(_recording(recording), faults_of(faults), seed=seed)

    def inject(self, recording: Faultless, *, seed: int = 0) -> Recording:
        """The recording with the fault of this run; RuntimeError if the test is not marked."""
        if self.fault is None:
            raise RuntimeError('there is no fault in this run: mark the test, @pytest.mark.stream_faults("reset")')
        return self(recording, self.fault, seed=seed)

    def __repr__(self) -> str:
        return f"<StreamFaults: {self.fault or 'none'}>"


def named_faults(faults: Sequence[str | Fault]) -> list[Fault]:
    """These faults, or each kind once where none is named; pytest.UsageError for what is none."""
    try:
        return faults_of(faults or get_args(FaultName))
    except ValueError as error:
        raise pytest.UsageError(f"stream_faults: {error}") from None


def _recording(given: Faultless) -> Recording:
    if isinstance(given, Recording):
        return given
    if isinstance(given, bytes):
        return Recording.parse(given)
    if isinstance(given, str | os.PathLike):
        return Recording.load(given)
    return Recording.parse(sse(*given))
