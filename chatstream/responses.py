"""HTTP responses, read raw: the bytes of a body with its content encoding undone.

In goes a response of httpx or httpx2, told by what it can do; out come reads. Rules: lines are never asked for, since
an HTTP library splits where the event-stream format does not; the encoding is undone on this side, since no library
tells when its end is missing; a status of 400 or more is an error in the service's own words.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from chatstream.chunks import has_error, read_error
from chatstream.encodings import decoder_for
from chatstream.errors import APIStatusError, APIStreamError, ChatStreamError, status_error_class
from chatstream.jsontext import read_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterator

    from chatstream.encodings import Decoder

__all__ = ["AsyncResponseReads", "ResponseReads", "shut_stream", "status_error"]

_ERROR_STATUS = 400
_MAX_ERROR_BODY = 64 * 1024


def _decoder_of(response: Any) -> Decoder | None:
    names = [value for key, value in response.headers.items() if key.lower() == "content-encoding"]
    return decoder_for(",".join(names))


def _is_read(response: Any) -> bool:
    """Whether it came whole, as from a mock: its library has read it, and undone its encoding, when it was made."""
    return bool(getattr(response, "is_stream_consumed", False)) and hasattr(response, "_content")


def _once(content: bytes) -> Iterator[bytes]:
    yield content


async def _once_async(content: bytes) -> AsyncIterator[bytes]:
    yield content


class ResponseReads:
    """The decoded reads of a sync response; the status is judged at the first one."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self._decoder: Decoder | None = None
        self._reads: Any = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._reads is None:
            self._open()
        return self._read()

    def _open(self) -> None:
        if self._response.status_code >= _ERROR_STATUS:
            raise status_error(self._response, self.error_body())
        self._begin()

    def _begin(self) -> None:
        response = self._response
        if _is_read(response):
            self._reads = _once(response.content)
            return
        reads = response.iter_raw()
        self._decoder = _decoder_of(response)
        self._reads = reads  # not before it is known how: what cannot be undone is no text when asked for again, either

    def _read(self) -> bytes:
        decoder = self._decoder
        if decoder is None:
            read: bytes = next(self._reads)
            return read
        while not (piece := decoder.read()):
            try:
                decoder.feed(next(self._reads))
            except StopIteration:
                decoder.close()
                raise
        return piece

    def error_body(self) -> bytes:
        """What a refusal says, up to 64 KiB of it, and up to where it breaks off."""
        body = b""
        with suppress(Exception):  # the status is known: a body that breaks off, or cannot be read, only says less
            self._begin()
            while len(body) <= _MAX_ERROR_BODY:
                body += self._read()
        return body[:_MAX_ERROR_BODY]

    def drain(self) -> None:
        """Read on to the end, whatever comes; for whoever has seen to it that nothing waits."""
        for _ in self._reads or ():
            pass

    def wake(self) -> None:
        """End the wait of whoever waits for this response in another thread: what he reads is the connection's end."""
        _shut(self._response)

    def close(self) -> None:
        """End the library's own generator, which would otherwise be found unfinished by the collector."""
        if self._reads is not None:
            self._reads.close()


class AsyncResponseReads:
    """The same for an async response; ``raw`` is what gives its bytes; None: the response."""

    def __init__(self, response: Any, *, raw: AsyncIterable[bytes] | None = None) -> None:
        self._response = response
        self._raw = raw
        self._decoder: Decoder | None = None
        self._reads: Any = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._reads is None:
            await self._open()
        return await self._read()

    async def _open(self) -> None:
        if self._response.status_code >= _ERROR_STATUS:
            raise status_error(self._response, await self.error_body())
        self._begin()

    def _begin(self) -> None:
        response = self._response
        if _is_read(response):
            self._reads = _once_async(response.content)
            return
        reads = response.aiter_raw() if self._raw is None else aiter(self._raw)
        self._decoder = _decoder_of(response)
        self._reads = reads  # not before it is known how: what cannot be undone is no text when asked for again, either

    async def _read(self) -> bytes:
        decoder = self._decoder
        if decoder is None:
            read: bytes = await anext(self._reads)
            return read
        while not (piece := decoder.read()):
            try:
                decoder.feed(await anext(self._reads))
            except StopAsyncIteration:
                decoder.close()
                raise
        return piece

    async def error_body(self) -> bytes:
        """What a refusal says, up to 64 KiB of it, and up to where it breaks off."""
        body = b""
        with suppress(Exception):  # the status is known: a body that breaks off, or cannot be read, only says less
            self._begin()
            while len(body) <= _MAX_ERROR_BODY:
                body += await self._read()
        return body[:_MAX_ERROR_BODY]

    async def drain(self) -> None:
        """Read on to the end, whatever comes; for whoever has seen to it that nothing waits."""
        if self._reads is not None:
            async for _ in self._reads:
                pass

    def wake(self) -> None:
        """End the wait of whoever waits for this response: what he reads is the connection's end."""
        _shut(self._response)

    async def aclose(self) -> None:
        """End the library's own generator, which would otherwise be found unfinished by the collector."""
        if self._reads is not None:
            await self._reads.aclose()


def _shut(response: Any) -> None:
    """Shut the connection under a response that is being read, unless it is shared; whoever waits for it is woken."""
    stream = getattr(response, "extensions", {}).get("network_stream")
    if stream is not None and not response.is_closed and getattr(response, "http_version", "") == "HTTP/1.1":
        shut_stream(stream)


def shut_stream(stream: Any) -> None:
    """Shut the socket of one of httpcore's network streams. Closing it would not wake who waits for it."""
    raw = stream.get_extra_info("socket")
    with suppress(OSError, AttributeError):
        if isinstance(raw, socket.socket):
            # A TLS socket is shut as the plain one that it is too: saying goodbye in TLS would take the peer.
            socket.socket.shutdown(raw, socket.SHUT_RDWR)
        else:
            raw.shutdown(socket.SHUT_RDWR)  # what asyncio and trio hand out is plain already


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
