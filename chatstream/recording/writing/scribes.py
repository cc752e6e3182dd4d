"""One exchange on the writer's side: what waits of it, made into lines.

In goes a buffer, out come lines. Rules: a body that is recorded as it was on the wire is taped without its content
encoding; where that cannot be undone, the tape says so and has it as it came.
"""

from __future__ import annotations

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

__all__ = ["Scribe"]


class Scribe:
    """One exchange on the writer's side: what waits of it, made into lines."""

    def __init__(self, buffer: Buffer, composer: Composer, request: Mapping[str, Any], since: float) -> None:
        self.buffer: Buffer = buffer
        self.composer: Composer = composer
        self.is_over: bool = False
        self._is_given_up = False
        self._request: Mapping[str, Any] | None = request
        self._decoder: Decoder | None = None
        self._since = since

    def lines(self) -> list[bytes]:
        """The lines of all that waits by now."""
        found: list[bytes] = []
        if self._request is not None:
            found = [self.composer.header()]
            if self._request:
                found += self.composer.request(0.0, _readable(self._request))
            self._request = None
        items = self.buffer.items
        for _ in range(len(items)):  # and not of what comes meanwhile: who reads fast would never see them written
            when, kind, value = items.popleft()
            self._account(kind, value)
            if not self._is_given_up:
                found += self._lines_of(when - self._since, kind, value)
        return found

    def give_up(self) -> None:
        """Make no more lines, whatever comes."""
        self._is_given_up = True
        self._request = None

    def _account(self, kind: str | bytes, value: Any) -> None:
        """Count what was taken out of the buffer."""
        size = len(kind) if isinstance(kind, bytes) else len(value) if isinstance(value, str) else 0
        self.buffer.written += size + ITEM
        self.is_over = kind == "e"

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
            self.composer.error = self.composer.error or error
            return self.composer.note(at, {"lost": "encoding", "error": type(error).__name__})
        return []

    def _read(self, at: float, data: bytes) -> list[bytes]:
        if self._decoder is None:
            return self.composer.read(at, data)
        whole = b""
        try:
            self._decoder.feed(data)
            while piece := self._decoder.read():
                whole += piece
        except ChatStreamError as error:
            self._decoder = None
            self.composer.error = self.composer.error or error
            lost = self.composer.note(at, {"lost": "encoding", "error": type(error).__name__})
            return [*(self.composer.read(at, whole) if whole else []), *lost]
        return self.composer.read(at, whole)


def _readable(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """The request with its body as JSON, or as text; without it where it is neither."""
    body = request.get("body")
    if not isinstance(body, bytes | bytearray | memoryview):
        return request
    return {**request, "body": body_value(bytes(body))}
