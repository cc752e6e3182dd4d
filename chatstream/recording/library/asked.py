"""What was asked, as far as it tells one request from another.

In go a method, a URL and a body, of a request that is sent or of one on tape; out comes an Asked, and what two of them
differ in. Rules: the host does not count, so that a tape answers wherever the service stands; nor does what stands
before ``/chat/completions``, which belongs to the base URL. What is not known of them counts as the same; but a body
that is neither JSON nor text is told by its digest, and one that is lost is like no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from chatstream.recording.library.matching import differences, unmasked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatstream.recording.library.matching import Paths

__all__ = ["Asked"]

_CHAT = "/chat/completions"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request, as tapes are searched for it.

    ``method``: in capitals; empty where it is not known. ``path``: decoded, without host and query; likewise.
    ``query``: its parts in order of their names; None where it is not known. ``body``: the JSON value, or text, or
    None for nothing. ``body_sha256``: of a body that is neither, in hexadecimal; empty where there is no such body,
    None where nobody has read it yet. ``lost``: whether there was a body that the tape does not have.
    """

    method: str = ""
    path: str = ""
    query: str | None = None
    body: Any = None
    body_sha256: str | None = ""
    lost: bool = False

    @classmethod
    def of(cls, method: object, url: object, body: Any, *, body_sha256: str | None = "", lost: bool = False) -> Self:
        """The request with this method, URL (or path) and body. What is no text, on an odd tape, is not known."""
        path, query = _split(url) if isinstance(url, str) and url else ("", None)
        known = method.upper() if isinstance(method, str) else ""
        return cls(method=known, path=path, query=query, body=body, body_sha256=body_sha256, lost=lost)

    @property
    def is_stream(self) -> bool:
        """Whether the body asks for a stream."""
        return isinstance(self.body, dict) and self.body.get("stream") is True

    @property
    def is_chat(self) -> bool:
        """Whether it may be a request of the Chat Completions API, whose answers can be told in either way."""
        return not self.path or _CHAT in self.path

    def is_alike(self, other: Asked) -> bool:
        """Whether both go to the same place, bodies aside, and want the same kind of answer."""
        return not any(True for _ in self.apart(other))

    def has_unread_body_of(self, tape: Asked) -> bool:
        """Whether this request, as far as its body is neither JSON nor text, has the one that is on tape.

        One that is being streamed is not known yet, and may only be what a tape knows nothing of either.
        """
        return not tape.lost and (self.body_sha256 or "") == tape.body_sha256

    def apart(self, other: Asked) -> Iterator[str]:
        """What of the two differs beside the body: method, path, query, or whether a stream is wanted."""
        if self.method and other.method and self.method != other.method:
            yield "method"
        if self.path and other.path and self._place != other._place:
            yield "path"
        if self.query is not None and other.query is not None and self.query != other.query:
            yield "query"
        both_known = self.body is not None and other.body is not None
        if both_known and not (self.is_chat and other.is_chat) and self.is_stream != other.is_stream:
            yield "stream"

    def differences(self, other: Asked, ignored: Paths) -> list[str]:
        """The places where they differ, in words that a reader finds again; no values."""
        inner = differences(ignored.without(self.body), ignored.without(other.body))
        places = [*self.apart(other), *(path or "body" for path in inner)]
        unread = not other.has_unread_body_of(self) and "body" not in places
        return [*places, "body"] if unread else places

    @property
    def _place(self) -> str:
        start = self.path.find(_CHAT)
        return unmasked(self.path[max(start, 0) :])


def _split(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        fields = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:  # no URL by the book; the same text is the same place all the same
        return url, ""
    query = "&".join(f"{name}={value}" for name, value in sorted(fields))
    return unquote(parts.path) or "/", unmasked(query)
