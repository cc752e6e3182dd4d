"""What may be streamed from, told by what it can do and not by its class.

In goes a source as the caller has it, out comes an iterator of reads: bytes, or chunks that came parsed. Rules: nothing
is imported to recognise a thing; an HTTP response is read raw and its content encoding undone here, so that a body that
was cut is noticed; what a foreign source raises because of its peer becomes one of our errors, and nothing else does.

bytes · (async) iterables of bytes, str, dicts, chunk models, server-sent events · responses of httpx and httpx2 ·
``httpx_sse.EventSource`` · the OpenAI SDK's Stream and AsyncStream · recordings, and paths of files (a str is a path).
"""

from __future__ import annotations

import os
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from chatstream.chunks import has_error, read_error
from chatstream.errors import (
    APIConnectionError,
    APIStatusError,
    APIStreamError,
    APITimeoutError,
    ChatStreamError,
    StreamConsumedError,
    StreamInterruptedError,
    StreamProtocolError,
    status_error_class,
)
from chatstream.jsontext import read_json
from chatstream.recording import Recording
from chatstream.sse import ServerSentEvent, encode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chatstream.errors import TimeoutPhase

__all__ = ["AsyncSource", "Source", "open_async_source", "open_source", "read_of", "transport_error"]

_ERROR_STATUS = 400
_MAX_ERROR_BODY = 64 * 1024
_MAX_INFLATED = 1024 * 1024  # bytes a step: a bomb is met by the limits above, not by the memory
_ALL_KINDS = (
    "bytes, an iterable of bytes, str, dicts or chunk models, a response, an SDK's stream, a recording or a path"
)


class _About:
    """What a source tells of itself beside its reads."""

    def __init__(self, response: Any = None) -> None:
        headers: Any = getattr(response, "headers", None)
        self.status: int | None = getattr(response, "status_code", None)
        self.headers: dict[str, str] = {} if headers is None else {key.lower(): value for key, value in headers.items()}

    @property
    def content_type(self) -> str | None:
        return self.headers.get("content-type")

    @property
    def request_id(self) -> str | None:
        return self.headers.get("x-request-id")


class Source(_About):
    """An open source: an iterator of reads, and what closes it."""

    def __init__(self, reads: Iterator[Any], close: Callable[[], object] | None = None, response: Any = None) -> None:
        super().__init__(response)
        self.reads = reads
        self._close = close

    def close(self) -> None:
        """Give back what the source holds; what goes wrong with that is of no use to anybody any more."""
        close, self._close = self._close, None
        if close is not None:
            _quietly(close)


class AsyncSource(_About):
    """An open source: an async iterator of reads, and what closes it."""

    def __init__(
        self,
        reads: AsyncIterator[Any],
        close: Callable[[], Awaitable[object] | object] | None = None,
        response: Any = None,
    ) -> None:
        super().__init__(response)
        self.reads = reads
        self._close = close

    async def aclose(self) -> None:
        """Give back what the source holds, also while being cancelled."""
        close, self._close = self._close, None
        if close is None:
            return
        import anyio

        with anyio.move_on_after(5, shield=True):
            try:
                closing: Any = close()
                if hasattr(closing, "__await__"):
                    await closing
            except Exception:  # noqa: BLE001, S110  the connection is gone either way
                pass


def _quietly(close: Callable[[], object]) -> None:
    try:
        close()
    except Exception:  # noqa: BLE001, S110  the connection is gone either way
        pass


# Opening


def open_source(source: Any) -> Source:
    """The reads of a source, for a sync stream; TypeError for what is none, OSError for a file that cannot be read."""
    found = _open_local(source)
    if found is not None:
        return Source(iter(found), getattr(found, "close", None))
    response = _response_of(source)
    if response is not None:
        close = getattr(source, "close", response.close)
        if not _is_spent(response):
            if not hasattr(response.stream, "__iter__"):
                problem = "an async response or stream: read it with AsyncChatCompletionStream"
                raise TypeError(problem)
            return Source(_ResponseReads(response), close, response)
        if response is source:
            return Source(iter(_content_of(response)), close, response)
    if hasattr(source, "__iter__") and not isinstance(source, str | Mapping):
        return Source(iter(source), _closer(source), response)
    kind = (
        "an async iterable: read it with AsyncChatCompletionStream" if hasattr(source, "__aiter__") else _kind(source)
    )
    problem = f"cannot stream from {kind}"
    raise TypeError(problem)


def open_async_source(source: Any) -> AsyncSource:
    """The reads of a source, for an async stream; what needs no waiting is accepted as well."""
    found = _open_local(source)
    if found is not None:
        return AsyncSource(_NoWait(iter(found)), getattr(found, "close", None))
    response = _response_of(source)
    if response is not None:
        close = getattr(source, "aclose", None) or getattr(source, "close", None)
        close = response.aclose if response is source or close is None else close
        if not _is_spent(response):
            if not hasattr(response.stream, "__aiter__"):
                problem = "a sync response or stream: read it with ChatCompletionStream"
                raise TypeError(problem)
            return AsyncSource(_AsyncResponseReads(response), close, response)
        if response is source:
            return AsyncSource(_NoWait(iter(_content_of(response))), close, response)
    if hasattr(source, "__aiter__"):
        return AsyncSource(aiter(source), getattr(source, "aclose", None), response)
    if hasattr(source, "__iter__") and not isinstance(source, str | Mapping):
        return AsyncSource(_NoWait(iter(source)), _closer(source), response)
    problem = f"cannot stream from {_kind(source)}"
    raise TypeError(problem)


def _kind(source: object) -> str:
    return f"{type(source).__name__}: give {_ALL_KINDS}"


def _closer(source: Any) -> Callable[[], object] | None:
    """What closes an iterable, unless it is the caller's own open file."""
    close: Callable[[], object] | None = None if hasattr(source, "read") else getattr(source, "close", None)
    return close


def _open_local(source: Any) -> Any:
    """The reads of what is here already: bytes, a recording, a file; None for anything else."""
    if isinstance(source, bytes | bytearray | memoryview):
        return [bytes(source)]
    if isinstance(source, str) and ("\n" in source or source.startswith("data:")):
        problem = "a str is the path of a file; give text as bytes, or in a list"
        raise ValueError(problem)
    if isinstance(source, str | os.PathLike):
        source = Recording.load(source)
    return source.play(speed=None) if isinstance(source, Recording) else None


def _response_of(source: Any) -> Any:
    """The HTTP response that a source is or stands on, or None."""
    for candidate in (source, getattr(source, "response", None)):
        if hasattr(candidate, "iter_raw") and hasattr(candidate, "headers"):
            return candidate
    return None


def _is_spent(response: Any) -> bool:
    """Whether its stream was read, or closed, by somebody else."""
    return bool(getattr(response, "is_stream_consumed", False) or getattr(response, "is_closed", False))


def _content_of(response: Any) -> list[bytes]:
    try:
        content: bytes = response.content
    except Exception as error:
        message = "the response was read or closed already"
        raise StreamConsumedError(message) from error
    if response.status_code >= _ERROR_STATUS:
        raise _status_error(response, content)
    return [content]


class _NoWait:
    """A sync iterator where an async one is asked for."""

    def __init__(self, reads: Iterator[Any]) -> None:
        self._next = reads.__next__

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            return self._next()
        except StopIteration:
            raise StopAsyncIteration from None


# HTTP responses


class _Encoding:
    """A content encoding being undone: ``feed`` gives pieces, ``close`` raises if its end never came."""

    def __init__(self, name: str) -> None:
        self._name = name
        # 32: tell gzip and zlib apart by their head. A "deflate" without head is tried when that fails.
        self._inflate: Any = zlib.decompressobj(wbits=47)
        self._fed = False

    def feed(self, data: bytes) -> list[bytes]:
        """What these bytes stand for, in pieces of bounded size."""
        pieces: list[bytes] = []
        while data:
            try:
                piece = self._inflate.decompress(data, _MAX_INFLATED)
            except zlib.error:
                if self._fed or self._name != "deflate":
                    raise
                self._inflate = zlib.decompressobj(wbits=-15)
                piece = self._inflate.decompress(data, _MAX_INFLATED)
            self._fed = True
            if piece:
                pieces.append(piece)
            data = self._inflate.unconsumed_tail
            if self._inflate.eof and self._inflate.unused_data.strip(b"\0"):
                data = self._inflate.unused_data  # another member
                self._inflate = zlib.decompressobj(wbits=47)
        return pieces

    def close(self) -> None:
        """StreamInterruptedError unless the encoding's own end was seen."""
        if self._fed and not self._inflate.eof:
            message = f"the {self._name} body was cut"
            raise StreamInterruptedError(message)


def _encoding_of(response: Any) -> _Encoding | None:
    name = response.headers.get("content-encoding", "").strip().lower()
    return _Encoding(name) if name in {"gzip", "x-gzip", "deflate"} else None


def _is_foreign(response: Any) -> bool:
    """Whether the encoding is one that only the HTTP library may know."""
    name = response.headers.get("content-encoding", "").strip().lower()
    return name not in {"", "identity", "gzip", "x-gzip", "deflate"}


class _ResponseReads:
    """The decoded reads of a sync response; the status is judged at the first one."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self._encoding = _encoding_of(response)
        self._reads: Iterator[bytes] | None = None
        self._ready: list[bytes] = []

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._reads is None:
            response = self._response
            self._reads = response.iter_bytes() if _is_foreign(response) else response.iter_raw()
            if response.status_code >= _ERROR_STATUS:
                raise _status_error(response, self._error_body())
        if self._encoding is None:
            return next(self._reads)
        while not self._ready:
            self._pull()
        return self._ready.pop(0)

    def _pull(self) -> None:
        if self._encoding is None or self._reads is None:
            return
        try:
            self._ready = self._encoding.feed(next(self._reads))
        except StopIteration:
            self._encoding.close()
            raise

    def _error_body(self) -> bytes:
        body = b""
        for data in self._reads or ():
            body += b"".join(self._encoding.feed(data)) if self._encoding is not None else data
            if len(body) > _MAX_ERROR_BODY:
                break
        return body[:_MAX_ERROR_BODY]


class _AsyncResponseReads:
    """The same for an async response."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self._encoding = _encoding_of(response)
        self._reads: AsyncIterator[bytes] | None = None
        self._ready: list[bytes] = []

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._reads is None:
            response = self._response
            self._reads = response.aiter_bytes() if _is_foreign(response) else response.aiter_raw()
            if response.status_code >= _ERROR_STATUS:
                raise _status_error(response, await self._error_body())
        if self._encoding is None:
            return await anext(self._reads)
        while not self._ready:
            await self._pull()
        return self._ready.pop(0)

    async def _pull(self) -> None:
        if self._encoding is None or self._reads is None:
            return
        try:
            self._ready = self._encoding.feed(await anext(self._reads))
        except StopAsyncIteration:
            self._encoding.close()
            raise

    async def _error_body(self) -> bytes:
        body = b""
        if self._reads is not None:
            async for data in self._reads:
                body += b"".join(self._encoding.feed(data)) if self._encoding is not None else data
                if len(body) > _MAX_ERROR_BODY:
                    break
        return body[:_MAX_ERROR_BODY]


def _status_error(response: Any, body: bytes) -> APIStatusError:
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


# Reads


def read_of(value: Any) -> bytes | Mapping[str, Any]:
    """What an iterable gave, as the parser takes it: bytes or a mapping; TypeError for anything else."""
    if isinstance(value, bytes | Mapping):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        dumped: Mapping[str, Any] = dump(exclude_unset=True, warnings=False)
        return dumped
    if hasattr(value, "event") and isinstance(getattr(value, "data", None), str):
        return encode(ServerSentEvent(value.event or "message", value.data))
    problem = f"a source gave {type(value).__name__}; it may give bytes, str, dicts, chunk models or server-sent events"
    raise TypeError(problem)


# What went wrong

_TRANSPORTS = frozenset({
    "httpx", "httpcore", "httpx2", "httpcore2", "h11", "h2", "anyio", "trio", "aiohttp", "requests", "urllib3",
    "http", "openai", "websockets", "ssl", "socket",
})  # fmt: skip
_PHASES: dict[str, TimeoutPhase] = {
    "ConnectTimeout": "connect",
    "PoolTimeout": "pool",
}


def transport_error(error: Exception, *, bytes_seen: bool) -> ChatStreamError | None:
    """What a source raised because of its peer, as one of our errors; None for what is somebody's own mistake."""
    if isinstance(error, ChatStreamError):
        return error
    names = {kind.__name__ for kind in type(error).__mro__}
    library = type(error).__module__.partition(".")[0]
    ours: ChatStreamError | None = None
    if isinstance(error, TimeoutError) or (library in _TRANSPORTS and any("Timeout" in name for name in names)):
        idle: TimeoutPhase = "idle" if bytes_seen else "first_byte"
        ours = APITimeoutError(phase=next((_PHASES[name] for name in names if name in _PHASES), idle))
    elif library == "openai" and "APIConnectionError" not in names and "APIError" in names:
        ours = _sdk_error(error)
    elif names & {"ConnectError", "StreamConsumed", "StreamClosed"}:
        connect = "ConnectError" in names
        ours = APIConnectionError("no connection") if connect else StreamConsumedError("it was read or closed already")
    elif isinstance(error, OSError | EOFError | zlib.error) or library in _TRANSPORTS:
        ours = StreamInterruptedError(f"the connection broke off ({type(error).__name__})")
    if ours is not None:
        ours.__cause__ = error
    return ours


def _sdk_error(error: Any) -> ChatStreamError:
    """An error that the OpenAI SDK read from the stream."""
    body = getattr(error, "body", None)
    message = str(getattr(error, "message", ""))
    if "JSON" in message and body is None:
        return StreamProtocolError(message)
    code = getattr(error, "code", None)
    return APIStreamError(message, type=getattr(error, "type", None), code=code, body=body)
