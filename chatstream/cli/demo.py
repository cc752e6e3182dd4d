"""`chatstream demo`: a tape that ships with the package, played with no key and no network."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from chatstream.cli.inlet import recorded
from chatstream.cli.options import add_play_options
from chatstream.cli.playing import Playing
from chatstream.cli.replay import play_all
from chatstream.recording import Recording

if TYPE_CHECKING:
    from argparse import Namespace

    from chatstream.cli.options import Parser

__all__ = ["DESCRIPTION", "EPILOG", "SUMMARY", "add_options", "run"]

SUMMARY = "play a stream that comes with chatstream: no key, no network"
DESCRIPTION = "Play a stream that comes with chatstream: reasoning, text, two tool calls."
EPILOG = None


def add_options(parser: Parser) -> None:
    """Say what the command takes."""
    add_play_options(parser)


def run(options: Namespace) -> int:
    """Play it; the exit code."""
    tape = files("chatstream.cli").joinpath("demo.tape.jsonl").read_bytes()
    inlet = recorded(Recording.parse(tape, "demo.tape.jsonl"), "demo", Playing(options.speed))
    return play_all([inlet], options.form)
