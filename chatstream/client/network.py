"""httpcore's network streams, looked after.

In goes what httpcore tells by its ``trace`` extension, out come streams that ask a `Patience` before each read and
write, and bodies of requests that may be left unfinished. Rules: nothing here is of httpcore's inside: streams are told
of, and have ``read``, ``write`` and ``get_extra_info``. What is not as expected is left as it is.
"""

from __future__ import annotations

import inspect
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from chatstream.client.patience import Patience
from chatstream.sources import NoWait

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["attend", "attend_streams", "attend_streams_async"]


def attend_streams(name: str, info: dict[str, Any]) -> None:
    """Look after every network stream that httpcore opens, as it tells of it."""
    if name.endswith(".complete"):
        attend(info.get("return_value"))


async def attend_streams_async(name: str, info: dict[str, Any]) -> None:
    """The same for httpcore's async half, which insists on waiting; and give it a body that may be left unfinished."""
    attend_streams(name, info)
    if name == "http11.send_request_body.started":
        request = info["request"]
        request.stream = _Body(request.stream)


class _Body:
    """The body of a request, read by an iterator where the library has a generator.

    A request that is cancelled while it is sent would leave that unfinished, and trio would tell of it.
    """

    def __init__(self, body: Any) -> None:
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        # httpx's bodies of bytes can be read without waiting, too.
        return NoWait(iter(self._body)) if hasattr(self._body, "__iter__") else aiter(self._body)


def attend(stream: Any) -> None:
    """Have this network stream of httpcore ask, at each read and write, how long it may wait.

    One whose methods cannot be set is left as it is, and so is one of HTTP/2: several requests read it, and what ends
    one of them must not end the rest. The stream is held weakly: it is its own.
    """
    read = getattr(type(stream), "read", None)
    if read is None or "read" in getattr(stream, "__dict__", {"read": None}) or _is_shared(stream):
        return
    is_async = inspect.iscoroutinefunction(read)
    attended, attended_write = (_async_read, _async_write) if is_async else (_read, _write)
    own = weakref.ref(stream)
    with suppress(AttributeError, TypeError):
        stream.read = attended(read, own)
        stream.write = attended_write(type(stream).write, own)


def _is_shared(stream: Any) -> bool:
    get = getattr(stream, "get_extra_info", None)
    tls: Any = get("ssl_object") if callable(get) else None
    return tls is not None and tls.selected_alpn_protocol() == "h2"


def _read(read: Callable[..., bytes], stream_of: Callable[[], Any]) -> Callable[..., bytes]:
    def read_patiently(max_bytes: int, timeout: float | None = None) -> bytes:
        stream = stream_of()
        if not isinstance(timeout, Patience):
            return read(stream, max_bytes, timeout)
        try:
            return read(stream, max_bytes, timeout.begin_wait(stream))
        finally:
            timeout.end_wait()

    return read_patiently


def _async_read(read: Callable[..., Any], stream_of: Callable[[], Any]) -> Callable[..., Any]:
    async def read_patiently(max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109  httpcore's own
        stream = stream_of()
        if not isinstance(timeout, Patience):
            data: bytes = await read(stream, max_bytes, timeout)
            return data
        try:
            data = await read(stream, max_bytes, timeout.begin_wait(stream))
        finally:
            timeout.end_wait()
        return data

    return read_patiently


def _write(write: Callable[..., None], stream_of: Callable[[], Any]) -> Callable[..., None]:
    def write_patiently(buffer: bytes, timeout: float | None = None) -> None:
        stream = stream_of()
        if not isinstance(timeout, Patience):
            write(stream, buffer, timeout)
            return
        try:
            write(stream, buffer, timeout.begin_write(stream))
        finally:
            timeout.end_write()

    return write_patiently


def _async_write(write: Callable[..., Any], stream_of: Callable[[], Any]) -> Callable[..., Any]:
    async def write_patiently(buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109  httpcore's own
        stream = stream_of()
        if not isinstance(timeout, Patience):
            await write(stream, buffer, timeout)
            return
        try:
            await write(stream, buffer, timeout.begin_write(stream))
        finally:
            timeout.end_write()

    return write_patiently
