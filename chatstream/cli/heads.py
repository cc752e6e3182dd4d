"""What `curl -i` writes: heads before a body. Told from a body, and given to the tape as what they are.

In go reads, out go a response and reads to a take. Rules: the live stream does not pass here, so waiting costs it
nothing; what turns out to be no head is the body that it is. Of several heads (100 Continue, a redirect, a proxy's) the
last one counts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatstream.recording.recorder import Take

__all__ = ["HeadReader"]

_LONGEST = 64 * 1024  # bytes of a head
_LONGEST_STATUS_LINE = 1024
_BEGIN = b"HTTP/"
_STATUS_LINE = re.compile(rb"HTTP/[0-9](?:\.[0-9])? ([0-9]{3})(?: ([^\r\n]*))?\r?\n")
_END = re.compile(rb"\r?\n\r?\n")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n]*?)[ \t]*\r?\n")

_NEEDS_LOGIN = {401, 407}  # curl asks again, with --anyauth
_PLAIN = (b"{", b"[", b":", b"data:", b"event:", b"id:", b"retry:")  # what the body of an answer begins with


class HeadReader:
    """Takes reads for a tape: heads first, if there are any, and then the body."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._held = b""  # what may yet be a head
        self._in_body = False
        self._head: tuple[int, dict[str, str]] | None = None  # read, and not told yet

    def read(self, data: bytes) -> None:
        """One read, as it came."""
        if self._in_body:
            self._take.read(data)
            return
        self._held += data
        while self._held and not self._in_body:
            found = self._next_head()
            if found is None:
                return
            if not found:
                self._begin_body()

    def close(self) -> None:
        """There is no more: what is held was no head, or a head without a body."""
        if not self._in_body:
            self._begin_body()

    def _next_head(self) -> bool | None:
        """Whether a head was taken off what is held; None if that cannot be said yet."""
        held = self._held
        if not held.startswith(_BEGIN[: len(held)]):
            return False
        status_line = _STATUS_LINE.match(held)
        if status_line is None:
            return None if b"\n" not in held and len(held) < _LONGEST_STATUS_LINE else False
        end = _END.search(held, status_line.end() - 2)
        if end is None:
            return None if len(held) < _LONGEST else False
        self._held = held[end.end() :]
        self._meet(int(status_line[1]), status_line[2] or b"", held[status_line.end() : end.end()])
        return True

    def _meet(self, status: int, reason: bytes, fields: bytes) -> None:
        headers: dict[str, str] = {}
        for match in _FIELD.finditer(fields):
            name, value = match[1].decode("ascii").lower(), match[2].decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        self._head = status, headers
        if _is_last(status, reason) and "content-encoding" not in headers:
            self._begin_body()  # now, as its first read may be a long time in coming

    def _begin_body(self) -> None:
        held, self._held, self._in_body = self._held, b"", True
        # curl unpacks a body with --compressed, and leaves the head as it was: the body itself says which it is.
        self._tell(is_plain=_is_plain(held))
        if held:
            self._take.read(held)

    def _tell(self, *, is_plain: bool) -> None:
        if self._head is not None:
            status, headers = self._head
            self._head = None
            self._take.response(status, headers, decoded=is_plain or "content-encoding" not in headers)


def _is_plain(body: bytes) -> bool:
    text = body.lstrip()
    return any(text.startswith(begin) or begin.startswith(text) for begin in _PLAIN)


def _is_last(status: int, reason: bytes) -> bool:
    """Whether a body comes next, and no other head."""
    is_tunnel = b"established" in reason.lower()
    return status >= 200 and not 300 <= status < 400 and status not in _NEEDS_LOGIN and not is_tunnel  # noqa: PLR2004
