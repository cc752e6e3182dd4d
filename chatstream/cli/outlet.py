"""Where output goes: one of the two standard streams, and what it can show.

In goes text, whoever wrote it; out comes text that is safe where it lands. Rules: whatever was streamed goes
through here, so that nothing of it can command a terminal; a file or a pipe gets what came, untouched; each write is
flushed, for the point of a stream is to be seen growing; a character that the encoding lacks becomes `?`.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Literal

from chatstream.cli.exits import writing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

__all__ = ["Outlet", "Style", "say", "visible"]

Style = Literal["", "bold", "dim", "red"]

_STYLES: dict[Style, str] = {"bold": "1", "dim": "2", "red": "31"}

# What a terminal acts on instead of showing it: C0 but for newline and tab, DEL, C1, and the marks that turn the
# direction of text around, which can make a line read as what it is not.
_DIRECTIONS = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_VISIBLE = (
    {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"}
    | {0x7F: "\u2421"}
    | {code: f"<U+{code:04X}>" for code in [*range(0x80, 0xA0), *_DIRECTIONS]}
)
_COMMANDS = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # the same in JSON, where C0 is escaped already
_NO_ASCII = re.compile("[^\x00-\x7e]")


class Outlet:
    """One of the standard streams. ``file`` is None where the caller of the process has closed it: all is dropped."""

    def __init__(self, file: TextIO | None, *, environ: Mapping[str, str] = os.environ) -> None:
        self._file = file
        self._encoding = getattr(file, "encoding", None) or "utf-8"
        self.is_terminal: bool = file is not None and file.isatty()
        plain = environ.get("NO_COLOR") or environ.get("TERM", "dumb") == "dumb"
        self._styled = self.is_terminal and not plain
        self._in_line = False

    @property
    def columns(self) -> int | None:
        """How wide the terminal is; None where lines may have any length."""
        if self._file is None or not self.is_terminal:
            return None
        try:
            return os.get_terminal_size(self._file.fileno()).columns or None  # some give 0: they do not know
        except OSError:
            return None

    def write(self, text: str, style: Style = "") -> None:
        """Show a text, or a piece of one."""
        if not text:
            return
        self._in_line = not text.endswith("\n")
        shown = visible(text) if self.is_terminal else text
        # Styled piece by piece: whenever we are stopped, the terminal is left as it was.
        self._put(f"\x1b[{_STYLES[style]}m{shown}\x1b[0m" if style and self._styled else shown)

    def write_json(self, text: str) -> None:
        """Show a JSON text on lines of its own. It stays the same JSON: what cannot be shown is escaped."""
        unfit = _COMMANDS if self.is_terminal else None
        if not self._encoding.lower().startswith("utf"):
            unfit = _NO_ASCII
        self._in_line = False
        self._put((unfit.sub(_escaped, text) if unfit else text) + "\n")

    def end_line(self) -> None:
        """Begin a new line, unless one has begun."""
        if self._in_line:
            self.write("\n")

    def erase_line(self) -> None:
        """Take back the line that a terminal's cursor is in."""
        if self.is_terminal:
            self._in_line = False
            self._put("\r\x1b[K")

    def _put(self, text: str) -> None:
        if self._file is None:
            return
        with writing():
            self._file.write(text.encode(self._encoding, "replace").decode(self._encoding))
            self._file.flush()


def visible(text: str) -> str:
    """The text as a terminal may have it: with symbols for what it would act on."""
    return text.translate(_VISIBLE)


def say(err: Outlet, message: str) -> None:
    """One line on stderr, whatever the message is made of."""
    err.end_line()
    err.write(f"chatstream: {' '.join(message.split())}\n")


def _escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
