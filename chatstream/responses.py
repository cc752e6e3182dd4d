"""HTTP responses, read raw: the bytes of a body with its content encoding undone.

In goes a response of httpx or httpx2, told by what it can do; out come reads. Rules: lines are never asked for, since
an HTTP library splits where the event-stream format does not; the encoding is undone here, since no library tells when
its end is missing; a status of 400 or more is an error in the service's own words.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from chatstream.chunks import has_error, read_error
from chatstream.errors import (
    APIStatusError,
    APIStreamError,
    ChatStreamError,
    StreamInterruptedError,
    status_error_class,
)
from chatstream.jsontext import read_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

__all__ = ["AsyncResponseReads", "ResponseReads", "status_error"]

_ERROR_STATUS = 400
_MAX_ERROR_BODY = 64 * 1024
_MAX_INFLATED = 1024 * 1024  # bytes a step: a bomb is met by the parser's limits, and not by the memory


class _Encoding:
    """A content encoding being undone: ``feed`` gives pieces, ``close`` raises if its end never came."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._inflate: Any = None
        self._head = b""

    def feed(self, data: bytes) -> list[bytes]:
        """What these bytes stand for, in pieces of bounded size."""
        if self._inflate is None:
            self._head += data
            if len(self._head) < 2:  # noqa: PLR2004  the head of zlib and the magic number of gzip
                return []
            data, self._head = self._head, b""
            self._inflate = zlib.decompressobj(wbits=_window(data, self._name))
        pieces: list[bytes] = []
        while data:
            piece = self._inflate.decompress(data, _MAX_INFLATED)
            if piece:
                pieces.append(piece)
            data = self._inflate.unconsumed_tail
            if self._inflate.eof and self._inflate.unused_data.strip(b"\0"):
                data = self._inflate.unused_data  # another member
                self._inflate = zlib.decompressobj(wbits=_window(data, self._name))
        return pieces

    def close(self) -> None:
        """StreamInterruptedError unless the encoding's own end was seen."""
        if self._head or (self._inflate is not None and not self._inflate.eof):
            raise StreamInterruptedError(f"the {self._name} body was cut")


def _window(data: bytes, name: str) -> int:
    """What zlib is told to expect: a head of gzip or zlib; "deflate" comes without one, too (RFC 9110, 8.4.1.2)."""
    is_zlib = data[0] & 15 == 8 and int.from_bytes(data[:2]) % 31 == 0  # noqa: PLR2004  RFC 1950, 2.2
    return -15 if name == "deflate" and not is_zlib else 47


def _encoding_of(response: Any) -> _Encoding | None:
    name = response.headers.get("content-encoding", "").strip().lower()
    return _Encoding(name) if name in {"gzip", "x-gzip", "deflate"} else None


def _is_foreign(response: Any) -> bool:
    """Whether the encoding is one that only the HTTP library may know."""
    name = response.headers.get("content-encoding", "").strip().lower()
    return name not in {"", "identity", "gzip", "x-gzip", "deflate"}


class ResponseReads:
    """The decoded reads of a sync response; the status is judged at the first one."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self._encoding = _encoding_of(response)
        self._reads: Any = None
        self._ready: list[bytes] = []

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._reads is None:
            response = self._response
            self._reads = response.iter_bytes() if _is_foreign(response) else response.iter_raw()
            if response.status_code >= _ERROR_STATUS:
                raise status_error(response, self._error_body())
        while not self._ready:
            self._pull()
        return self._ready.pop(0)

    def _pull(self) -> None:
        try:
            read: bytes = next(self._reads)
        except StopIteration:
            if self._encoding is not None:
                self._encoding.close()
            raise
        self._ready = [read] if self._encoding is None else self._encoding.feed(read)

    def _error_body(self) -> bytes:
        body = b""
        while len(body) <= _MAX_ERROR_BODY:
            try:
                self._pull()
            except Exception:  # noqa: BLE001  the status is known: a body that breaks off only says less about it
                break
            body += b"".join(self._ready)
        self._ready = []
        return body[:_MAX_ERROR_BODY]

    def close(self) -> None:
        """End the library's own generator, which would otherwise be found unfinished by the collector."""
        if self._reads is not None:
            self._reads.close()


class AsyncResponseReads:
    """The same for an async response."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self._encoding = _encoding_of(response)
        self._reads: Any = None
        self._ready: list[bytes] = []

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._reads is None:
            response = self._response
            self._reads = response.aiter_bytes() if _is_foreign(response) else response.aiter_raw()
            if response.status_code >= _ERROR_STATUS:
                raise status_error(response, await self._error_body())
        while not self._ready:
            await self._pull()
        return self._ready.pop(0)

    async def _pull(self) -> None:
        try:
            read: bytes = await anext(self._reads)
        except StopAsyncIteration:
            if self._encoding is not None:
                self._encoding.close()
            raise
        self._ready = [read] if self._encoding is None else self._encoding.feed(read)

    async def _error_body(self) -> bytes:
        body = b""
        while len(body) <= _MAX_ERROR_BODY:
            try:
                await self._pull()
            except Exception:  # noqa: BLE001  the status is known: a body that breaks off only says less about it
                break
            body += b"".join(self._ready)
        self._ready = []
        return body[:_MAX_ERROR_BODY]

    async def aclose(self) -> None:
        """End the library's own generator, which would otherwise be found unfinished by the collector."""
        if self._reads is not None:
            await self._reads.aclose()


def status_error(response: Any, body: bytes) -> APIStatusError:
    """The error that a status of 400 or more is, in the service's own words where it has any."""
    try:
        raw, _ = read_json(body.strip())
    except ChatStreamError:
        raw = body.decode("utf-8", "replace")
    told = read_error(raw) if has_error(raw) else APIStreamError(getattr(response, "reason_phrase", ""))
    return status_error_class(response.status_code)(
        told.message or "the service gave no reason",
        status_code=response.status_code,
        body=raw,
        headers=dict(response.headers),
        type=told.type,
        code=told.code,
        param=told.param,
        request_id=response.headers.get("x-request-id"),
    )
