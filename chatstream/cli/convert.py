"""`chatstream convert`: a recording as another kind of file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from chatstream.cli.exits import CommandError, code_of
from chatstream.cli.outlet import Outlet, say
from chatstream.cli.progress import Progress
from chatstream.cli.shelf import failing, load, numbered, store
from chatstream.jsontext import write_json
from chatstream.tapes import Target, convert

if TYPE_CHECKING:
    from argparse import Namespace

    from chatstream.cli.options import Parser
    from chatstream.recording import Recording

__all__ = ["DESCRIPTION", "EPILOG", "SUMMARY", "add_options", "run"]

SUMMARY = "turn a recording into event-stream text, JSON lines, a completion or a tape"
DESCRIPTION = "Write a recording as another kind of file."
EPILOG = """\
FILE may be whatever `chatstream replay` plays. What OUT becomes is told by its
suffix: .tape.jsonl is a tape, .jsonl JSON lines of chunks, .sse event-stream
text, .json one completion, each also with .gz or .zst. Of several recordings in
FILE, only a tape holds all; in a folder, which ends in / or is there, each gets
a file of its own: a tape, if FILE is none and --to says nothing else. What OUT
has no room for is told on standard error.
"""

_SUFFIXES: dict[str, Target] = {".tape.jsonl": "tape", ".jsonl": "jsonl", ".sse": "sse", ".json": "completion"}


def add_options(parser: Parser) -> None:
    """Say what the command takes."""
    parser.add_argument("file", metavar="FILE", help="the recording; - is standard input")
    parser.add_argument("out", metavar="OUT", help="the file to write, or a folder; - is standard output")
    parser.add_argument("--to", choices=get_args(Target), help="what it becomes, if OUT does not tell")
    parser.add_argument("--number", type=int, metavar="N", help="of several recordings in FILE, this one")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each file that is written")


def run(options: Namespace) -> int:
    """Convert a file; the exit code is that of the stream if a completion was asked for, and it is not whole."""
    if options.json and options.out == "-":
        raise CommandError("--json and OUT would both be written to standard output")
    recordings = numbered(load(options.file), options.number, options.file)
    if options.out != "-" and (options.out.endswith(("/", os.sep)) or Path(options.out).is_dir()):
        return _into_folder(options, recordings)
    target = options.to or _target(options.out)
    if len(recordings) > 1 and target != "tape":
        raise CommandError(
            f"{options.file}: {len(recordings)} recordings, and only a tape holds several; use --number N, or a folder"
        )
    if (
        options.out != "-"
        and Path(options.out).exists()
        and os.path.realpath(options.out) == os.path.realpath(options.file)
    ):
        raise CommandError(f"{options.out}: it would be written over itself")
    return _write(options, recordings, target, options.out)


def _into_folder(options: Namespace, recordings: list[Recording]) -> int:
    # What is no tape mostly comes here to be one.
    target: Target | None = options.to or (None if recordings[0].form == "tape" else "tape")
    if target is None:
        raise CommandError(f"{options.out}: for a folder, say --to {' or '.join(get_args(Target))}")
    with failing(options.out):
        Path(options.out).mkdir(parents=True, exist_ok=True)
    suffix = next(suffix for suffix, kind in _SUFFIXES.items() if kind == target)
    stem = "stdin" if options.file == "-" else Path(options.file).name.split(".")[0] or "recording"
    codes = [
        _write(options, [recording], target, str(Path(options.out, f"{stem}-{number:03d}{suffix}")))
        for number, recording in enumerate(Progress(recordings), options.number or 1)
    ]
    return max(codes)


def _write(options: Namespace, recordings: list[Recording], target: Target, out: str) -> int:
    with failing(options.file):
        converted = [convert(recording, target) for recording in recordings]
    store(out, b"".join(one.data for one in converted))
    err = Outlet(sys.stderr)
    lost = list(dict.fromkeys(name for one in converted for name in one.lost))
    if options.json:
        failures = [type(one.failure).__name__ if one.failure else None for one in converted]
        report = {"file": out, "to": target, "recordings": len(converted), "left_out": lost, "failures": failures}
        Outlet(sys.stdout).write_json(write_json(report))
    elif lost:
        say(err, f"{'standard output' if out == '-' else out}: left out: {'; '.join(lost)}")
    code = 0
    for one in converted:
        if one.failure is not None:
            say(err, f"{options.file}: {one.failure} ({type(one.failure).__name__})")
        code = max(code, code_of(one.failure))
    return code


def _target(out: str) -> Target:
    name = out.lower()
    for packed in (".gz", ".zst"):
        name = name.removesuffix(packed)
    for suffix, target in _SUFFIXES.items():
        if name.endswith(suffix):
            return target
    raise CommandError(
        f"{out}: no suffix that says what it becomes; use --to {' or '.join(cast('tuple[str, ...]', get_args(Target)))}"
    )
