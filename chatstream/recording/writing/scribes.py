"""One exchange on the writer's side: what waits of it, made into lines.

In goes a buffer, out come lines. Rules: a body that is recorded as it was on the wire is taped without its content
encoding; where that cannot be undone, the tape says so, and has no more of it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from chatstream.encodings import decoder_for
from chatstream.errors import ChatStreamError
from chatstream.recording.tape import body_value
from chatstream.recording.writing.takes import ITEM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chatstream.encodings import Decoder
    from chatstream.recording.writing.composing import Composer
    from chatstream.recording.writing.takes import Buffer

__all__ = ["ROUND", "Scribe"]


ROUND = 500  # reads that are made into lines before these are written


class Scribe:
    """One exchange on the writer's side: what waits of it, made into lines."""

    def __init__(self, buffer: Buffer, composer: Composer, request: Mapping[str, Any], since: float) -> None:
        self.buffer: Buffer = buffer
        self.composer: Composer = composer
        self.is_over: bool = False
        self._is_given_up = False
        self._out = 0  # bytes that were taken out of the buffer, and not counted yet
        self._request: Mapping[str, Any] | None = request
        self._decoder: Decoder | None = None
        self._is_unreadable = False  # the body: its encoding cannot be undone
        self._since = since

    def lines(self) -> list[bytes]:
        """The lines of what waits, or of a part of it."""
        found: list[bytes] = []
        if self._request is not None:
            found = [self.composer.header()]
            if self._request:
                found += self.composer.request(0.0, _readable(self._request))
            self._request = None
        items = self.buffer.items
        for _ in range(min(len(items), ROUND)):
            item = items.popleft()
            self._account(item.what, item.value)
            if not self._is_given_up:
                found += self._lines_of(item.when - self._since, item.what, item.value)
        return found

    def count(self) -> None:
        """What was taken out of the buffer is written, or lost: there is room for more."""
        self.buffer.written += self._out
        self._out = 0

    def give_up(self) -> None:
        """Make no more lines, whatever comes."""
        self._is_given_up = True
        self._request = None

    def _account(self, kind: str | bytes, value: Any) -> None:
        size = len(kind) if isinstance(kind, bytes) else len(value) if isinstance(value, str) else 0
        self._out += size + ITEM
        self.is_over = kind in {"e", "quit"}

    def _lines_of(self, at: float, kind: str | bytes, value: Any) -> list[bytes]:
        composer = self.composer
        if not isinstance(kind, str):
            return self._read(at, kind)
        if kind == "h":
            status, headers, decoded = value
            return [*self._open(at, headers, decoded=decoded), *composer.response(at, status, headers)]
        if kind == "c":
            return self._chunk(at, value)
        if kind == "e":
            return composer.end(at, value)
        if kind == "quit":
            return composer.flush()
        if kind == "l":
            composer.error = composer.error or BufferError(f"{value['reads']} reads did not fit into the buffer")
        return composer.note(at, value)

    def _chunk(self, at: float, text: str | tuple[str, str]) -> list[bytes]:
        if not isinstance(text, str):
            name, reason = text
            self.composer.error = self.composer.error or TypeError(reason)
            return [*self.composer.source_chunks(at), *self.composer.note(at, {"lost": "j", "error": name})]
        return self.composer.chunk(at, text)

    def _open(self, at: float, headers: Mapping[str, str], *, decoded: bool) -> list[bytes]:
        encoding = ",".join(value for name, value in headers.items() if name.lower() == "content-encoding")
        try:
            self._decoder = None if decoded else decoder_for(encoding)
        except ChatStreamError as error:
            return self._unreadable(at, error)
        return []

    def _read(self, at: float, data: bytes) -> list[bytes]:
        if self._is_unreadable:
            return []
        if self._decoder is None:
            return self.composer.read(at, data)
        whole = b""
        try:
            self._decoder.feed(data)
            while piece := self._decoder.read():
                whole += piece
        except ChatStreamError as error:
            return [*(self.composer.read(at, whole) if whole else []), *self._unreadable(at, error)]
        return self.composer.read(at, whole)

    def _unreadable(self, at: float, error: ChatStreamError) -> list[bytes]:
        # Not as it came: nobody can say what secrets are in it, and whoever unpacks the tape's bytes would find them.
        self._is_unreadable = True
        self.composer.error = self.composer.error or error
        return self.composer.note(at, {"lost": "body", "error": type(error).__name__})


def _readable(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """The request with its body as JSON, or as text; where it is neither, what tells it from others."""
    body = request.get("body")
    if not isinstance(body, bytes | bytearray | memoryview):
        return request
    value = body_value(bytes(body))
    told = {**request, "body": value}
    return told if value is not None or not body else {**told, "body_sha256": hashlib.sha256(body).hexdigest()}
