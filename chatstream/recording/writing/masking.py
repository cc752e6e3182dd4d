"""Masking a text that comes in pieces, wherever it is cut.

In go the bytes of reads, out come as many bytes, with ``*`` for each byte of a secret; not always at once. Rules: what
is given out is not taken back, so what may still become a secret is held until it cannot; no secret reaches over the
end of a line, so that a stream whose reads end with lines is never held up; a long line is given out piece by piece.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatstream.recording.looks import LONGEST
from chatstream.recording.secrets import masked_at

if TYPE_CHECKING:
    from chatstream.recording.secrets import Secrets

__all__ = ["Masker"]

_LONGEST_LINE = 64 * 1024  # bytes of a line that are held, before they are looked at in pieces
_KEPT = 2 * LONGEST  # bytes at the end of a piece: a secret, and the name before it


class Masker:
    """The secrets of a text that is fed to it. ``masked``: how many there were so far."""

    def __init__(self, secrets: Secrets) -> None:
        self.secrets: Secrets = secrets
        self.masked: int = 0
        self._held = bytearray()

    @property
    def holds(self) -> bool:
        """Whether there are bytes that were not given out yet."""
        return bool(self._held)

    def feed(self, data: bytes) -> bytes:
        """Take more of the text; what can be said of it and of what was held: its beginning, perhaps nothing."""
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if end:
            whole = self._take(data[:end])
            self._held += data[end:]
            return whole + self._long_piece()
        self._held += data
        return self._long_piece()

    def flush(self) -> bytes:
        """What was held: no more will come."""
        return self._take(b"")

    def _take(self, data: bytes) -> bytes:
        text = bytes(self._held) + data if self._held else data
        self._held.clear()
        masked, count = self.secrets.masked(text)
        self.masked += count
        return masked

    def _long_piece(self) -> bytes:
        """Of a line that grows and grows, all but the end; what is cut there is held with its beginning."""
        if len(self._held) <= _LONGEST_LINE:
            return b""
        text = bytes(self._held)
        spans = self.secrets.spans(text)
        cut = len(text) - _KEPT
        for start, end in spans:
            if start < cut < end and end - start <= LONGEST:
                cut = start
        inside = [(start, min(end, cut)) for start, end in spans if start < cut]
        self.masked += len(inside)
        del self._held[:cut]
        return masked_at(text[:cut], inside)
