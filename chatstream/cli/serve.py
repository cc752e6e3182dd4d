"""`chatstream serve`: the local server, in a terminal or in a script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatstream.cli.options import speed

if TYPE_CHECKING:
    from argparse import Namespace

    from chatstream.cli.options import Parser

__all__ = ["DESCRIPTION", "EPILOG", "KEY_VARIABLE", "PORT", "SUMMARY", "add_options", "run"]

SUMMARY = "serve the Chat Completions API on this machine: tapes, or answers made up on the spot"
DESCRIPTION = "Serve the Chat Completions API on this machine, with no key and no network."
EPILOG = """\
TAPES are files or folders of recordings; each request is answered by the one
whose request it matches. Without tapes, an echo answers. The base URL is the
first line on standard output:

  curl -N http://127.0.0.1:8765/v1/chat/completions \\
    -H 'Content-Type: application/json' \\
    -d '{"model":"echo","stream":true,"messages":[{"role":"user","content":"Hello!"}]}'

A fault is NAME[:ARG][,KEY=VALUE...], such as stall:2,after=3 or status:503,times=2.
"""

PORT = 8765
KEY_VARIABLE = "CHATSTREAM_API_KEY"


def add_options(parser: Parser) -> None:
    """Say what the command takes."""
    add = parser.add_argument
    add("tapes", nargs="*", metavar="TAPES", help="files or folders of recordings")
    add("--port", type=int, help=f"0 is any free one (default: {PORT}, or a free one if that is taken)")
    add("--host", default="127.0.0.1", help="one that other machines can reach needs a key (default: 127.0.0.1)")
    add("--db", default=":memory:", metavar="FILE", help="where stored completions are kept (default: in memory)")
    add(
        "--on-miss",
        choices=("error", "echo"),
        help="what answers if no tape matches (default: error; echo without tapes)",
    )
    add("--match", default="exact,message", metavar="LIST", help="of exact, message, order (default: exact,message)")
    add(
        "--ignore",
        action="append",
        default=[],
        metavar="PATH",
        help="a place in the body that need not match, as messages[*].name",
    )
    add(
        "--speed",
        type=speed,
        default=1.0,
        metavar="N|max",
        help="N times as fast as recorded, or without waiting (default: 1)",
    )
    add("--fault", action="append", default=[], metavar="FAULT", help="what goes wrong; may be given several times")
    add("--fault-header", action="store_true", help="let requests say what goes wrong, in X-Chatstream-Fault")
    add("--seed", type=int, default=0, metavar="N", help="of faults and ids (default: 0)")
    add(
        "--api-key",
        metavar="KEY",
        help=f"the key that requests must show; better in ${KEY_VARIABLE}, where ps does not see it",
    )
    add("--allow-host", action="append", default=[], metavar="NAME", help="a name that the Host header may have")
    add("--quiet", action="store_true", help="no line for each request on standard error")


def run(options: Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM; the exit code."""
    from chatstream.cli.serving import serve

    return serve(options)
