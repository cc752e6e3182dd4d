"""`chatstream edit`: a recording cut, joined, retimed, given faults and markers."""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatstream.cli.exits import WHOLE, CommandError
from chatstream.cli.outlet import Outlet, say
from chatstream.cli.shelf import failing, load, numbered, store
from chatstream.errors import ChatStreamError
from chatstream.jsontext import write_json
from chatstream.recording import Fault, Recording
from chatstream.tapes import (
    as_tape,
    cut,
    cut_seconds,
    join,
    keep,
    keep_seconds,
    tape_text,
    with_fault,
    with_gap,
    with_max_gap,
    with_note,
    with_speed,
    without_faults,
)

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from chatstream.cli.options import Parser

__all__ = ["DESCRIPTION", "EPILOG", "SUMMARY", "add_options", "run"]

SUMMARY = "cut, join or retime a recording, and put faults and markers into it"
DESCRIPTION = "Change a recording, step by step, in the order of the options."
EPILOG = """\
A:B are events with data, counted from 0, [DONE] among them: 3:10 are seven,
from the fourth on. Or they are seconds, as 2s:5s. Either may be left out. A
negative number, which counts from the end, is written --cut=-1: .

  chatstream edit in.tape.jsonl -o out.tape.jsonl --cut 2s:5s --speed 2
  chatstream edit in.tape.jsonl --in-place --fault reset:3 --note gone@after=3

What is left out takes its time along. Bytes and sha256 in the end line are new.
"""

_PLACE = re.compile(r"(?:after=(?P<events>\d{1,9})|(?P<seconds>\d+(?:\.\d+)?|\.\d+)s?)")


class _Step(argparse.Action):
    """An option that is a step: all steps stay in the order they came in."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002  an Action's arguments
        namespace: Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Note the step."""
        namespace.steps = [*(namespace.steps or []), (_STEPS[self.dest], values, option_string)]


def add_options(parser: Parser) -> None:
    """Say what the command takes."""
    add = parser.add_argument
    add("file", metavar="FILE", help="the recording; - is standard input")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("-o", dest="out", metavar="OUT", help="the tape to write; - is standard output")
    where.add_argument("--in-place", action="store_true", help="write the tape over itself")
    add("--number", type=int, metavar="N", help="of several recordings in FILE, only this one is changed")
    add("--json", action="store_true", help="print a line of JSON that says what was written")
    parser.set_defaults(steps=None)
    for name, metavar, text in (
        ("cut", "A:B", "leave these events out"),
        ("keep", "A:B", "leave all others out"),
        ("join", "OTHER", "put the reads of another recording behind it"),
        ("speed", "N", "N times as fast"),
        ("gap", "S", "S seconds before each read but the first"),
        ("max-gap", "S", "no wait longer than S seconds"),
        ("fault", "FAULT", "a fault that replays should have, as stall:2,after=3"),
        ("note", "TEXT[@WHERE]", "a marker, at so many seconds or after=N events; at the end otherwise"),
    ):
        add(f"--{name}", action=_Step, dest=f"step_{name}", default=argparse.SUPPRESS, metavar=metavar, help=text)
    add(
        "--remove-faults",
        action=_Step,
        dest="step_remove",
        nargs=0,
        default=argparse.SUPPRESS,
        help="take out all faults",
    )


def run(options: Namespace) -> int:
    """Change a recording and write it; the exit code."""
    recordings = load(options.file)
    out = _out(options, recordings)
    numbered(recordings, options.number, options.file)
    changed = [
        _edited(recording, options) if options.number in {None, number} else recording
        for number, recording in enumerate(recordings, 1)
    ]
    with failing(options.file):
        data = b"".join(tape_text(as_tape(recording)[0]) for recording in changed)
    store(out, data)
    if options.json:
        report = {"file": out, "recordings": [_told(recording) for recording in changed]}
        Outlet(sys.stdout).write_json(write_json(report))
    for recording in recordings:
        _warn(options.file, recording)
    return WHOLE


def _told(recording: Recording) -> dict[str, object]:
    return {
        "reads": len(recording.reads),
        "bytes": len(recording.bytes),
        "seconds": recording.duration,
        "faults": [str(fault) for fault in recording.faults],
        "notes": len(recording.notes),
    }


def _out(options: Namespace, recordings: Sequence[Recording]) -> str:
    if options.in_place:
        if options.file == "-" or recordings[0].form != "tape":
            raise CommandError(f"{options.file}: only a tape can be written over itself; use -o")
        return str(options.file)
    out = str(options.out)
    if options.json and out == "-":
        raise CommandError("--json and -o - would both be written to standard output")
    if out != "-" and Path(out).exists() and os.path.realpath(out) == os.path.realpath(options.file):
        raise CommandError(f"{out}: it would be written over itself; if that is meant, use --in-place")
    return out


def _edited(recording: Recording, options: Namespace) -> Recording:
    for step, value, option in options.steps or ():
        try:
            recording = step(recording, value)
        except CommandError:
            raise
        except (ValueError, ChatStreamError) as error:
            raise CommandError(f"{option}: {error}") from error
    return recording


def _warn(file: str, recording: Recording) -> None:
    if recording.flaw is not None or recording.torn:
        where = f"what comes after line {recording.flaw.line}" if recording.flaw else "the last line, which was cut,"
        say(Outlet(sys.stderr), f"{file}: note: {where} could not be read, and is left out")


# The steps: each takes a recording and what stood behind the option


def _range(text: str) -> tuple[bool, float | None, float | None]:
    """Whether it is in seconds, and both bounds."""
    parts = text.split(":")
    if len(parts) != 2 or not any(parts):  # noqa: PLR2004
        raise ValueError(f"a range is A:B, as 3:10 or 2s:5s, not {text[:40]!r}")
    in_seconds = any(part.endswith("s") for part in parts)
    if in_seconds and not all(part.endswith("s") for part in parts if part):
        raise ValueError("both bounds are events, or both are seconds, as 2s:5s")
    bounds = [_number(part.removesuffix("s"), whole=not in_seconds) if part else None for part in parts]
    return in_seconds, bounds[0], bounds[1]


def _number(text: str, *, whole: bool = False) -> float:
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"not a {'whole ' if whole else ''}number: {text[:40]!r}")
    return value


def _cut(recording: Recording, text: str) -> Recording:
    in_seconds, first, last = _range(text)
    if in_seconds:
        return cut_seconds(recording, first or 0.0, math.inf if last is None else last)
    return cut(recording, _index(first), _index(last))


def _keep(recording: Recording, text: str) -> Recording:
    in_seconds, first, last = _range(text)
    if in_seconds:
        return keep_seconds(recording, first or 0.0, math.inf if last is None else last)
    return keep(recording, _index(first), _index(last))


def _index(bound: float | None) -> int | None:
    return None if bound is None else int(bound)


def _join(recording: Recording, file: str) -> Recording:
    for other in load(file):
        recording = join(recording, other)
    return recording


def _note(recording: Recording, text: str) -> Recording:
    words, _, where = text.rpartition("@")
    place = _PLACE.fullmatch(where)
    if not words or place is None:
        return with_note(recording, text)
    if place["events"] is not None:
        return with_note(recording, words, after=int(place["events"]))
    return with_note(recording, words, at=float(place["seconds"]))


_STEPS: dict[str, Callable[[Recording, Any], Recording]] = {
    "step_cut": _cut,
    "step_keep": _keep,
    "step_join": _join,
    "step_speed": lambda recording, text: with_speed(recording, _number(text)),
    "step_gap": lambda recording, text: with_gap(recording, _number(text)),
    "step_max-gap": lambda recording, text: with_max_gap(recording, _number(text)),
    "step_fault": lambda recording, text: with_fault(recording, Fault.parse(text)),
    "step_remove": lambda recording, _: without_faults(recording),
    "step_note": _note,
}
