"""The options that say what is a secret, for the commands that look for some."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from chatstream.cli.exits import CommandError
from chatstream.cli.shelf import refuse_endless
from chatstream.recording.secrets import Secrets

if TYPE_CHECKING:
    from argparse import Namespace

    from chatstream.cli.options import Parser

__all__ = ["EPILOG", "add_secret_options", "secrets_of"]

EPILOG = """\
Whatever looks like a key or a token is a secret, with no option at all. A value
given with --secret can be seen by whoever may list processes, and stays in the
shell's history: --secret-env and --secrets-file do not have that.
"""


def add_secret_options(parser: Parser) -> None:
    """The options of a command that looks for secrets."""
    add = parser.add_argument
    add("--secret-env", action="append", default=[], metavar="NAME", help="the value of an environment variable is one")
    add("--secrets-file", action="append", default=[], metavar="FILE", help="each line of a file is one")
    add("--secret", action="append", default=[], metavar="VALUE", help="this is one; others can see it, see below")
    add("--pattern", action="append", default=[], metavar="RE", help="what matches is one, or its first group")


def secrets_of(options: Namespace) -> Secrets:
    """The secrets that the options name."""
    known = [*options.secret, *map(_of_variable, options.secret_env)]
    for file in options.secrets_file:
        known += _of_file(file)
    try:
        return Secrets(known, patterns=options.pattern)
    except ValueError as error:
        raise CommandError(str(error)) from error


def _of_variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise CommandError(f"the environment variable {name} is not set")
    return value


def _of_file(file: str) -> list[str]:
    try:
        refuse_endless(file)
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or no name that a file can have
        raise CommandError(f"{file}: {_reason(error)}") from error
    return [line.strip() for line in lines if line.strip()]


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "not UTF-8"
