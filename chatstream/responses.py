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
    """A content encoding being undone: ``feed`` bytes, ``read`` pieces of bounded size, ``close`` at their end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._inflate: Any = None
        self._input = b""
        self._ended = False  # a member has: what follows may be padding

    def feed(self, data: bytes) -> None:
        """Take the bytes of one read."""
        self._input += data  # what was fed before has been read by now, but for a first byte

    def read(self) -> bytes:
        """The next piece of what was fed stands for; empty when there is no more of it."""
        piece = b""
        while self._input and not piece:
            if self._inflate is not None and self._inflate.eof:
                self._inflate = None
                self._ended = True
            if self._inflate is None:
                if self._ended:
                    self._input = self._input.lstrip(b"\0")  # padding means nothing; what comes behind it is a member
                if len(self._input) < 2:  # noqa: PLR2004  the head of zlib and the magic number of gzip
                    break
                self._inflate = zlib.decompressobj(wbits=_window(self._input, self._name))
            piece = self._inflate.decompress(self._input, _MAX_INFLATED)
            self._input = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
        return piece

    def close(self) -> None:
        """StreamInterruptedError unless the encoding's own end was seen."""
        if self._input or (self._inflate is not None and not self._inflate.eof):
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

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._reads is None:
            response = self._response
            self._reads = response.iter_bytes() if _is_foreign(response) else response.iter_raw()
            if response.status_code >= _ERROR_STATUS:
                raise status_error(response, self._error_body())
        return self._read()

    def _read(self) -> bytes:
        encoding = self._encoding
        if encoding is None:
            read: bytes = next(self._reads)
            return read
        while not (piece := encoding.read()):
            try:
                encoding.feed(next(self._reads))
            except StopIteration:
                encoding.close()
                raise
        return piece

    def _error_body(self) -> bytes:
        body = b""
        while len(body) <= _MAX_ERROR_BODY:
            try:
                body += self._read()
            except Exception:  # noqa: BLE001  the status is known: a body that breaks off only says less about it
                break
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

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._reads is None:
            response = self._response
            self._reads = response.aiter_bytes() if _is_foreign(response) else response.aiter_raw()
            if response.status_code >= _ERROR_STATUS:
                raise status_error(response, await self._error_body())
        return await self._read()

    async def _read(self) -> bytes:
        encoding = self._encoding
        if encoding is None:
            read: bytes = await anext(self._reads)
            return read
        while not (piece := encoding.read()):
            try:
                encoding.feed(await anext(self._reads))
            except StopAsyncIteration:
                encoding.close()
                raise
        return piece

    async def _error_body(self) -> bytes:
        body = b""
        while len(body) <= _MAX_ERROR_BODY:
            try:
                body += await self._read()
            except Exception:  # noqa: BLE001  the status is known: a body that breaks off only says less about it
                break
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
