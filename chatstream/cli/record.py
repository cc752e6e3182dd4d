"""`chatstream record`: a stream on its way from somewhere to somewhere, and a tape of it.

In go a command to run, standard input, or the URL of a service; out goes what came, unchanged, and a tape. Rules: what
cannot be recorded is refused before anything is run; from then on the live stream goes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatstream.cli.exits import CommandError

if TYPE_CHECKING:
    from argparse import Namespace

    from chatstream.cli.options import Parser

__all__ = ["DESCRIPTION", "EPILOG", "SUMMARY", "add_options", "run"]

SUMMARY = "record a stream: a command's, one on standard input, or all that goes through a proxy"
DESCRIPTION = "Pass a stream on, unchanged and at once, and make a tape of it."
EPILOG = """\
  chatstream record -o answer.tape.jsonl -- curl -sN https://...
  curl -sN https://... | chatstream record -o answer.tape.jsonl
  chatstream record --listen 127.0.0.1:0 --to https://api.openai.com/v1 tapes/

What comes is a body, or a head and a body, as curl -i writes them. The third
form is a proxy: the base URL for programs is the first line on standard output,
and each exchange is a tape in the folder. Keys are not written to tapes.
"""


def add_options(parser: Parser) -> None:
    """Say what the command takes."""
    parser.set_defaults(
        hint="a command that has options comes behind --, as in chatstream record -o FILE -- curl -N URL"
    )
    add = parser.add_argument
    add("words", nargs="*", metavar="-- COMMAND | DIR", help="what to run; with --listen, the folder for tapes")
    add("-o", "--output", metavar="FILE", help="the tape, also as .gz or .zst; or a folder to put it into")
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--append", action="store_true", help="add to a FILE that exists")
    existing.add_argument("--force", action="store_true", help="replace a FILE that exists")
    add("--listen", metavar="HOST:PORT", help="be a proxy there; port 0 is any free one")
    add("--to", metavar="URL", help="the base URL of the service that the proxy stands before")
    add("--allow-host", action="append", default=[], metavar="NAME", help="a name that the Host header may have")
    add("--allow-plain-http", action="store_true", help="let keys go to a far service over http")
    add("--quiet", action="store_true", help="pass nothing on; of the proxy: no line for each request")


def run(options: Namespace) -> int:
    """Record until it ends; the exit code."""
    if options.listen is None and options.to is None:
        if options.allow_host or options.allow_plain_http:
            raise CommandError("--allow-host and --allow-plain-http are the proxy's: they need --listen and --to")
        return _tape(options)
    if options.listen is None or options.to is None or len(options.words) != 1:
        raise CommandError("a proxy needs all three: --listen HOST:PORT --to URL DIR")
    if options.output is not None or options.append or options.force:
        raise CommandError("a proxy makes tapes in its folder: -o, --append and --force are not for it")
    from chatstream.cli.proxying import proxy

    return proxy(options)


def _tape(options: Namespace) -> int:
    if options.output is None:
        raise CommandError("-o FILE is needed: where the tape goes")
    if options.output == "-":
        raise CommandError("-o -: standard output is where the stream goes; a tape needs a file")
    from chatstream.cli.taping import tape_command, tape_input

    return tape_command(options) if options.words else tape_input(options)
