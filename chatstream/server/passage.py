"""One exchange on its way through the proxy: asked of the service, taped, and passed on read by read.

In goes a request, out comes a live reply. Rules: what is passed on is what came, but for the headers that belong to one
connection (RFC 9110, 7.6.1); each read is on its way to the tape before anybody waits for the client to take it; when
the client leaves, the service's connection is closed at once; what goes wrong is told by the name of an error alone,
as its words may quote what was sent.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import httpx

from chatstream.encodings import decoder_for
from chatstream.errors import ChatStreamError
from chatstream.responses import shut_stream
from chatstream.server.http import BrokenOffError, LiveHead, Reply, error_exchange, reply_of
from chatstream.server.sockets import make_reset
from chatstream.sources import NoWait
from chatstream.transport import transport_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from chatstream.recording.recorder import Take
    from chatstream.server.http import Request

__all__ = ["Passage", "Service", "plain_body"]

_CONNECT_TIMEOUT = 30.0  # seconds
_LONGEST_CLOSE = 2.0  # seconds: TLS says goodbye, and a peer may not listen
_LOWEST_STATUS = 200

# What belongs to one connection, beside what its Connection header names.
_OF_THE_CONNECTION = frozenset({
    b"connection", b"keep-alive", b"proxy-authorization", b"proxy-connection", b"te", b"trailer", b"transfer-encoding",
    b"upgrade",
})  # fmt: skip
_WRITTEN_ANEW = frozenset({b"content-length", b"expect", b"host"})

_Headers = list[tuple[bytes, bytes]]


class Service:
    """Where requests go: an origin (``https://api.openai.com``) and what carries them there.

    A transport and no client: a client would follow redirects, keep cookies, and log URLs, with the keys in them.
    ``timeout``: seconds without a byte, until the service counts as silent.
    """

    def __init__(self, origin: str, transport: httpx.AsyncBaseTransport, *, timeout: float) -> None:
        self.origin: str = origin
        self._transport = transport
        self._timeouts = {"connect": _CONNECT_TIMEOUT, "read": timeout, "write": timeout, "pool": None}

    async def ask(self, request: Request) -> httpx.Response:
        """The answer, as soon as its head is there; httpx's errors."""
        return await self._transport.handle_async_request(self._asked(request))

    def _asked(self, request: Request) -> httpx.Request:
        headers = _passed_on(
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.items()
        )
        headers = [(name, value) for name, value in headers if name not in _WRITTEN_ANEW]
        headers.insert(0, (b"host", urlsplit(self.origin).netloc.encode("ascii")))
        if request.body or "content-length" in request.headers:
            headers.append((b"content-length", b"%d" % len(request.body)))
        # The target of the request line as it came: the URL has it in httpx's spelling.
        extensions = {"timeout": self._timeouts, "target": request.target.encode("ascii")}
        url = self.origin + request.target
        return httpx.Request(request.method, url, headers=headers, stream=_Body(request.body), extensions=extensions)


class _Body(httpx.AsyncByteStream):
    """Bytes to be sent. httpx's own is a generator; a cancellation would leave it unfinished, and trio tells of it."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __aiter__(self) -> AsyncIterator[bytes]:
        return NoWait(iter([self._data] if self._data else []))


class Passage:
    """A live reply: what the service says to a request. ``aclose`` ends it, wherever it has come to.

    ``status`` and ``code``: of what goes out, once there is a head. ``broken``: the service broke off.
    """

    def __init__(self, service: Service, request: Request, take: Take) -> None:
        self.status: int = 0
        self.code: str = ""
        self.broken: bool = False
        self._service = service
        self._request = request
        self._take = take
        self._response: httpx.Response | None = None
        self._reads: Any = None
        self._is_over = False

    async def head(self) -> LiveHead | Reply:
        """The head of the service's answer, or the error that the client gets instead."""
        try:
            response = await self._service.ask(self._request)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return self._instead(error)
        self._response = response
        stream: Any = response.stream  # an async one, as the transport is
        self._reads = aiter(stream)
        self._take.response(response.status_code, dict(response.headers))
        if response.status_code < _LOWEST_STATUS:
            return self._instead(httpx.RemoteProtocolError("another protocol, which nobody asked for"))
        self.status = response.status_code
        reason: bytes = response.extensions.get("reason_phrase", b"")
        return LiveHead(status=self.status, reason=reason, headers=_head_of(response.headers.raw))

    async def read(self) -> bytes:
        """The next read of the body; empty at its end."""
        try:
            data: bytes | None = b""
            while data == b"":
                data = await anext(self._reads, None)
        except (httpx.HTTPError, OSError) as error:
            self.broken = self._is_over = True
            self._end(error)
            raise BrokenOffError(reset=_is_reset(error)) from None
        if data is None:
            self._is_over = True
            self._take.end("eof")
            return b""
        self._take.read(data)
        return data

    async def aclose(self) -> None:
        """End it; what had not come to its end was called off. Waits for no peer."""
        self._take.end("cancel")
        if self._response is None:
            return
        with anyio.move_on_after(_LONGEST_CLOSE, shield=True), contextlib.suppress(Exception):
            if not self._is_over:
                await self._break_off(self._response)
            await self._response.aclose()

    async def _break_off(self, response: httpx.Response) -> None:
        """Close the connection under a body that is not wanted any more."""
        stream = response.extensions.get("network_stream")
        if stream is None:
            await self._reads.aclose()
            return
        # Reset, as a service that is sending more than we take hears of a mere close seconds later. And read to the end
        # that it has now: the library's generators, one in the other, would be found unfinished.
        make_reset(stream.get_extra_info("socket"))
        shut_stream(stream)
        with contextlib.suppress(httpx.HTTPError):
            async for _ in self._reads:
                pass

    def _instead(self, error: Exception) -> Reply:
        """What goes out where there is no head to pass on."""
        self._end(error)
        name = type(error).__name__
        if isinstance(error, httpx.InvalidURL):
            self.status, self.code, message = 400, "bad_request", "this is no path that could be asked for"
        elif isinstance(error, httpx.TimeoutException):
            self.status, self.code = 504, "upstream_timeout"
            message = f"{self._service.origin} did not answer in time ({name})"
        else:
            self.status, self.code = 502, "upstream_unreachable"
            message = f"{self._service.origin} gave no answer ({name})"
        return reply_of(error_exchange(self.status, message, code=self.code))

    def _end(self, error: Exception) -> None:
        if isinstance(error, httpx.TimeoutException):
            self._take.end("timeout", transport_error(error, bytes_seen=self._response is not None))
        else:  # a reset by that name, by which a replay knows it
            self._take.end("error", "ConnectionResetError" if _is_reset(error) else error)


def plain_body(request: Request, limit: int) -> bytes | None:
    """The body of a request for the tape: unpacked, as what nobody can read cannot be searched for secrets.

    None where there is none, or it cannot be unpacked, or is larger than ``limit`` bytes then.
    """
    if not request.body:
        return None
    try:
        decoder = decoder_for(request.headers.get("content-encoding"))
        if decoder is None:
            return request.body
        decoder.feed(request.body)
        parts: list[bytes] = []
        size = 0
        while piece := decoder.read():
            parts.append(piece)
            size += len(piece)
            if size > limit:
                return None
        decoder.close()
    except ChatStreamError:
        return None
    return b"".join(parts)


def _passed_on(headers: Iterable[tuple[bytes, bytes]]) -> _Headers:
    """The headers without those of the connection that they came by."""
    listed = list(headers)
    named = b",".join(value for name, value in listed if name.lower() == b"connection").lower().split(b",")
    left_out = _OF_THE_CONNECTION | {name.strip() for name in named}
    return [(name, value) for name, value in listed if name.lower() not in left_out]


def _head_of(headers: _Headers) -> _Headers:
    """The headers of an answer as they go out: what tells the length of its body is told once."""
    in_chunks = any(name.lower() == b"transfer-encoding" for name, _ in headers)
    passed_on = _passed_on(headers)
    return [(name, value) for name, value in passed_on if not (in_chunks and name.lower() == b"content-length")]


def _is_reset(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ConnectionResetError):
            return True
        error = error.__cause__ or error.__context__
    return False
