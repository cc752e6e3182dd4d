"""`chatstream replay`: a stream that was recorded, or that comes in just now, shown as it came."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from chatstream import ChatCompletionStream
from chatstream.cli.exits import WHOLE, CommandError, code_of
from chatstream.cli.inlet import open_inlets
from chatstream.cli.options import add_play_options, fault
from chatstream.cli.outlet import Outlet, say
from chatstream.cli.playing import Playing
from chatstream.cli.views import view_of
from chatstream.errors import ChatStreamError, RecordingError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from chatstream.cli.inlet import Inlet
    from chatstream.cli.options import Parser
    from chatstream.cli.views import View

__all__ = ["DESCRIPTION", "EPILOG", "SUMMARY", "add_options", "play_all", "run"]

SUMMARY = "show a stream that was recorded, or that comes on standard input"
DESCRIPTION = "Show a stream as it came."
EPILOG = """\
FILE may be a tape (.tape.jsonl), raw event-stream text as curl writes it, JSON
lines of chunks, or one JSON completion, each also as .gz. Raw text on standard
input is shown as it comes:

  curl -sN https://... | chatstream replay -

A fault is NAME[:ARG][,KEY=VALUE...], such as stall:2,after=3 or status:503.
Those that a tape has, as `chatstream edit --fault` puts them in, strike too.
"""


def add_options(parser: Parser) -> None:
    """Say what the command takes."""
    parser.add_argument("file", metavar="FILE", help="the file to play; - is standard input")
    add_play_options(parser)
    add = parser.add_argument
    add("--step", action="store_true", help="wait for Enter before each read; Ctrl-D: all the rest at once")
    add("--fault", type=fault, action="append", default=[], help="what goes wrong; may be given several times")
    add("--no-faults", action="store_true", help="leave out the faults that the tape has itself")
    add("--seed", type=int, default=0, metavar="N", help="of faults (default: 0)")


def run(options: Namespace) -> int:
    """Play what is in a file, or comes on standard input; the exit code."""
    playing = Playing(
        options.speed,
        options.fault,
        not options.no_faults,
        options.seed,
        _enter(options.file) if options.step else None,
    )
    try:
        inlets = open_inlets(options.file, playing)
    except (OSError, ValueError) as error:  # ValueError: no name that a file can have
        raise CommandError(f"{options.file}: {getattr(error, 'strerror', None) or error}") from error
    return play_all(inlets, options.form)


def _enter(file: str) -> Callable[[], object]:
    """What waits for Enter; CommandError where nobody could press it."""
    if file == "-" or sys.stdin is None or not sys.stdin.isatty():
        raise CommandError("--step waits for Enter: standard input has to be a terminal, and FILE a file")
    keys = iter(sys.stdin.readline, "")  # once it has ended, by Ctrl-D, it is not asked again
    return lambda: next(keys, None)


def play_all(inlets: Sequence[Inlet], form: str | None) -> int:
    """Play one stream after the other; the gravest of their exit codes."""
    out, err = Outlet(sys.stdout), Outlet(sys.stderr)
    code = WHOLE
    try:
        for number, inlet in enumerate(inlets, 1):
            title = f"recording {number} of {len(inlets)}" if len(inlets) > 1 else None
            code = max(code, _play(inlet, view_of(form, out, err, title), err))
    except KeyboardInterrupt:
        for outlet in (out, err):
            if outlet.is_terminal:
                outlet.end_line()
        raise
    except CommandError:
        err.end_line()
        raise
    return code


def _play(inlet: Inlet, view: View, err: Outlet) -> int:
    failure: ChatStreamError | None = None
    for spelling in inlet.faults:
        say(err, f"{inlet.name}: fault: {spelling}")
    with ChatCompletionStream(inlet.source, clock=inlet.clock) as stream:
        stream.on("error", view.show)  # the loop does not see this one: it is raised
        try:
            for event in stream:
                view.show(event)
        except ChatStreamError as error:
            failure = error
        view.close(stream, timed=inlet.timed)
    for note in inlet.notes:
        say(err, f"{inlet.name}: note: {note}")
    if failure is not None:
        # A recording's error names its file, and the line.
        where = "" if isinstance(failure, RecordingError) else f"{inlet.name}: "
        say(err, f"{where}{failure} ({type(failure).__name__})")
    return code_of(failure)
