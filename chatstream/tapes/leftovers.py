"""The lines of a tape that no recording has anything of.

In go the bytes of a file, out come lines: those with a code that is not known here, those that were cut or make no
sense and all that follow them in their recording, and those after its end. Whoever writes the tape anew leaves them
out, and whoever looks for secrets must look at them as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatstream.recording.reader import lines
from chatstream.recording.tape import VERSION, read_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatstream.recording.reader import TextLine
    from chatstream.recording.secrets import Secrets

__all__ = ["leaking", "leftovers"]

_CODES = {"q", "h", "j", "s", "b", "n", "x", "e"}


def leftovers(data: bytes) -> Iterator[TextLine]:
    """The lines of a tape that are not read, in order."""
    is_over = False  # nothing is read any more until the next header
    for line in lines(data):
        try:
            content = read_line(line.text)
        except ValueError:
            is_over = True
            yield line
            continue
        if isinstance(content, dict):
            is_over = content["tape"] != VERSION
        elif is_over or content.code not in _CODES:
            yield line
        else:
            is_over = content.code == "e"


def leaking(data: bytes, secrets: Secrets) -> list[TextLine]:
    """The lines of a tape that are not read, and hold a secret."""
    return [line for line in leftovers(data) if secrets.masked(line.text)[1]]
