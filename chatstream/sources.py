"""What may be streamed from, told by what it can do and not by its class.

In goes a source as the caller has it, out comes an iterator of reads: bytes, or chunks that came parsed. Rules: nothing
is imported to recognise a thing; an HTTP response is read raw and its content encoding undone here, so that a body that
was cut is noticed. What a foreign source raises is for `chatstream.transport` to sort out.

bytes · (async) iterables of bytes, str, dicts, chunk models, server-sent events · responses of httpx and httpx2 ·
``httpx_sse.EventSource`` · the OpenAI SDK's Stream and AsyncStream · recordings, and paths of files (a str is one).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from chatstream.errors import StreamConsumedError
from chatstream.recording import Recording
from chatstream.recording.library.answers import headers_of, status_of
from chatstream.responses import AsyncResponseReads, ResponseReads, status_error
from chatstream.sse import ServerSentEvent, encode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chatstream.errors import ChatStreamError
    from chatstream.types.answer import ResponseInfo

__all__ = ["AsyncSource", "NoWait", "Source", "open_async_source", "open_source", "read_of"]

_ERROR_STATUS = 400
_ALL_KINDS = (
    "bytes, an iterable of bytes, str, dicts or chunk models, a response, an SDK's stream, a recording or a path"
)


class _About:
    """What a source tells of itself beside its reads."""

    def __init__(self, response: Any = None) -> None:
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.response: ResponseInfo | None = None  # of a source that a client opened
        self._asked: dict[str, Any] = {} if response is None else _asked(response)
        self.learn(response)

    def learn(self, response: Any, info: ResponseInfo | None = None) -> None:
        """Take in the head of an HTTP response, and how it came if a client knows."""
        self.response = info
        headers: Any = getattr(response, "headers", None)
        self.status = getattr(response, "status_code", None)
        self.headers = {} if headers is None else {key.lower(): value for key, value in headers.items()}

    def hide(self, error: ChatStreamError) -> None:
        """Take out of an error what nobody is to be shown; what that is only who sent a request knows."""

    def when(self, sent: Callable[[], object], opened: Callable[[], object]) -> None:
        """Have these called when what is asked for was sent, and when its head has come: at once, if it is here."""
        sent()
        opened()

    @property
    def request(self) -> dict[str, Any]:
        """What was asked: method, url, headers and body; nothing where that is not known."""
        return self._asked

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
        self.reads: Iterator[Any] = reads
        self._close = close

    def open(self) -> None:
        """Send what has to be sent before anything can be read; most sources are here already."""

    def abort(self) -> None:
        """Close it, from any thread; whoever waits for a response is woken."""
        if isinstance(self.reads, ResponseReads):
            self.reads.wake()
        self.close()

    def close(self) -> None:
        """Give back what the source holds; what goes wrong with that is of no use to anybody any more."""
        close, self._close = self._close, None
        if isinstance(self.reads, ResponseReads):
            _quietly(self.reads.close)
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
        self.reads: AsyncIterator[Any] = reads
        self._close = close

    async def open(self) -> None:
        """Send what has to be sent before anything can be read; most sources are here already."""

    def abort(self) -> None:
        """Wake whoever waits for a response; he closes it."""
        if isinstance(self.reads, AsyncResponseReads):
            self.reads.wake()

    async def aclose(self) -> None:
        """Give back what the source holds, also while being cancelled."""
        close, self._close = self._close, None
        if close is None:
            return
        import anyio

        with anyio.move_on_after(5, shield=True):
            if isinstance(self.reads, AsyncResponseReads):
                with suppress(Exception):
                    await self.reads.aclose()
            with suppress(Exception):  # the connection is gone either way
                closing: Any = close()
                if hasattr(closing, "__await__"):
                    await closing


def _quietly(close: Callable[[], object]) -> None:
    with suppress(Exception):  # the connection is gone either way
        close()


def _asked(response: Any) -> dict[str, Any]:
    """What a response is the answer to, as a recorder takes it."""
    try:
        request = response.request
        asked = {"method": str(request.method), "url": str(request.url), "headers": dict(request.headers)}
    except Exception:  # noqa: BLE001  a response may have been made without one, and every library says so otherwise
        return {}
    with suppress(Exception):  # a body that was streamed is gone
        asked["body"] = request.content
    return asked


# Opening


def open_source(source: Any) -> Source:
    """The reads of a source, for a sync stream; TypeError for what is none, OSError for a file that cannot be read."""
    if isinstance(source, Source):
        return source
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
            return Source(ResponseReads(response), close, response)
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
    if isinstance(source, AsyncSource):
        return source
    found = _open_local(source)
    if found is not None:
        return AsyncSource(NoWait(iter(found)), getattr(found, "close", None))
    response = _response_of(source)
    if response is not None:
        close = getattr(source, "aclose", None) or getattr(source, "close", None)
        close = response.aclose if response is source or close is None else close
        if not _is_spent(response):
            if not hasattr(response.stream, "__aiter__"):
                problem = "a sync response or stream: read it with ChatCompletionStream"
                raise TypeError(problem)
            return AsyncSource(AsyncResponseReads(response), close, response)
        if response is source:
            return AsyncSource(NoWait(iter(_content_of(response))), close, response)
    if hasattr(source, "__aiter__"):
        return AsyncSource(aiter(source), getattr(source, "aclose", None), response)
    if hasattr(source, "__iter__") and not isinstance(source, str | Mapping):
        return AsyncSource(NoWait(iter(source)), _closer(source), response)
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
    if not isinstance(source, Recording):
        return None
    if status_of(source) >= _ERROR_STATUS:
        head = SimpleNamespace(status_code=status_of(source), headers=headers_of(source), reason_phrase="")
        raise status_error(head, source.bytes)
    return source.play(speed=None)


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
        raise status_error(response, content)
    return [content]


class NoWait(AsyncIterator[Any]):
    """A sync iterator where an async one is asked for."""

    def __init__(self, reads: Iterator[Any]) -> None:
        self._next = reads.__next__

    async def __anext__(self) -> Any:
        try:
            return self._next()
        except StopIteration:
            raise StopAsyncIteration from None


# Reads


def read_of(value: Any) -> bytes | Mapping[str, Any]:
    """What an iterable gave, as the parser takes it: bytes or a mapping; TypeError for anything else."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, Mapping):
        chunk: Mapping[str, Any] = value
        return chunk
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        dumped: Any = dump(exclude_unset=True, warnings=False)
        return read_of(dumped) if isinstance(dumped, Mapping) else {}
    if hasattr(value, "event") and isinstance(getattr(value, "data", None), str):
        event = " ".join(value.event.split()) if isinstance(value.event, str) else ""
        return encode(ServerSentEvent(event or "message", value.data))
    problem = f"a source gave {type(value).__name__}; it may give bytes, str, dicts, chunk models or server-sent events"
    raise TypeError(problem)
