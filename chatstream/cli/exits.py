"""Exit codes, and what ends with which. docs/cli.md has them as a table."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from chatstream.errors import APIConnectionError, ChatStreamError, TruncatedStreamError

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["BAD", "CUT", "INTERRUPTED", "PIPE", "UNWRITABLE", "USAGE", "WHOLE", "CommandError", "code_of", "writing"]

WHOLE = 0
UNWRITABLE = 1
USAGE = 2
CUT = 3
BAD = 4
INTERRUPTED = 130  # 128 and the number of SIGINT, as a shell has it for a program that the signal ended
PIPE = 141  # the same of SIGPIPE


class CommandError(Exception):
    """The command cannot go on, for a reason that is no stream's. Its text is one line for stderr."""

    def __init__(self, message: str, code: int = USAGE) -> None:
        super().__init__(message)
        self.code = code


def code_of(failure: ChatStreamError | None) -> int:
    """The exit code of a stream that ended so; None: it ended well."""
    if failure is None:
        return WHOLE
    return CUT if isinstance(failure, TruncatedStreamError | APIConnectionError) else BAD


@contextlib.contextmanager
def writing() -> Generator[None]:
    """Within it a full disk, say, is a CommandError. A pipe that nobody reads any more is nothing to complain about."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(f"cannot write the output: {error.strerror or error}", UNWRITABLE) from error
