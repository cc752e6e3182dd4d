"""What can be said on the command line: one parser, and the options that the commands share."""

from __future__ import annotations

import argparse
import math
import re
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from chatstream.cli.exits import CommandError, writing
from chatstream.recording import Fault

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Parser", "add_play_options", "fault", "speed"]


_OPTION = re.compile(r"--[\w-]{1,30}|-\w")


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help that looks the same whatever Python prints it: before 3.13 the value was repeated behind each name."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line, as all errors here are."""

    def __init__(self, **options: Any) -> None:
        # No abbreviations: an option added later must not change what a script's `--f` means.
        super().__init__(**options, formatter_class=_Help, allow_abbrev=False)

    def parsed(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """What the arguments say, those of the process if None are given; CommandError where they make no sense.

        A command's ``hint`` (``set_defaults``) says what may be meant by an option that it does not have. The option is
        then named only as far as that tells which one it is, since a key may stand behind it.
        """
        options, others = self.parse_known_args(argv)
        hint: str | None = getattr(options, "hint", None)
        unknown = next((match[0] for other in others if (match := _OPTION.match(other))), None)
        if hint is not None and unknown is not None:
            self.error(f"unrecognized: {unknown}; {hint}")
        if others:
            self.error(f"unrecognized arguments: {' '.join(others)}")
        return options

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print over several lines."""
        raise CommandError(f"{message} (see {self.prog} --help)")

    def _print_message(self, message: str, file: Any = None) -> None:
        # argparse's own ignores that it cannot write.
        file = file or sys.stdout
        if file is not None:
            with writing():
                file.write(message)


def add_play_options(parser: Parser) -> None:
    """The options of a command that plays a stream."""
    parser.add_argument(
        "--speed",
        type=speed,
        default=1.0,
        metavar="N|max",
        help="N times as fast as it came, or without waiting (default: 1)",
    )
    shown = parser.add_mutually_exclusive_group()
    for name, text in (
        ("events", "print each event as a line of JSON"),
        ("final", "print the whole completion as JSON, once it is there"),
        ("text", "print the content of choice 0, and nothing else"),
    ):
        shown.add_argument(f"--{name}", dest="form", action="store_const", const=name, help=text)


def speed(text: str) -> float | None:
    """How many times as fast; None for at once."""
    if text == "max":
        return None
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 0 < factor < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number greater than 0 nor 'max'")
    return factor


def fault(text: str) -> Fault:
    """The fault of a spelling."""
    try:
        return Fault.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
