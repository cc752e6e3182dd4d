"""The command line: what was asked for, run, and turned into an exit code.

In go arguments, out comes a number; docs/cli.md says which. Rules: nothing but a bug ends in a traceback; most of the
package is loaded inside ``main``, so that Ctrl-C is quiet from the first moment on.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from chatstream.cli.exits import INTERRUPTED, PIPE, CommandError, writing

if TYPE_CHECKING:
    from chatstream.cli.options import Parser

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the exit code. ``argv``: the arguments; without it those of the process."""
    try:
        code = _run(argv)
        _flush()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        code = PIPE
    except CommandError as error:
        code = error.code
        _complain(error)
    _let_go()
    return code


def _run(argv: list[str] | None) -> int:
    try:
        options = _command_line().parsed(argv)
    except SystemExit as done:  # --help, --version
        return int(done.code or 0)
    code: int = options.run(options)
    return code


def _command_line() -> Parser:
    from chatstream import __version__
    from chatstream.cli import check, convert, demo, diff, edit, inspect, record, replay, scrub, serve
    from chatstream.cli.options import Parser

    parser = Parser(prog="chatstream", description="Streams of chat completions, shown as they come.")
    parser.add_argument("--version", action="version", version=f"chatstream {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, command in (
        ("demo", demo),
        ("replay", replay),
        ("record", record),
        ("inspect", inspect),
        ("diff", diff),
        ("convert", convert),
        ("edit", edit),
        ("scrub", scrub),
        ("check", check),
        ("serve", serve),
    ):
        texts = {"help": command.SUMMARY, "description": command.DESCRIPTION, "epilog": command.EPILOG}
        added: Parser = commands.add_parser(name, **texts)
        command.add_options(added)
        added.set_defaults(run=command.run)
    return parser


def _complain(error: CommandError) -> None:
    from chatstream.cli.outlet import Outlet, say

    with contextlib.suppress(OSError, CommandError):  # there is nowhere left to say it
        say(Outlet(sys.stderr), str(error))


def _flush() -> None:
    with writing():
        for file in (sys.stdout, sys.stderr):
            if file is not None:  # closed by whoever started us
                file.flush()


def _let_go() -> None:
    """Whatever cannot be written is dropped here, or Python would try again on its way out, and complain."""
    for file in (sys.stdout, sys.stderr):
        if file is None:
            continue
        try:
            file.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, file.fileno())
            os.close(nowhere)
