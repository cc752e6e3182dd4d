"""A request that is sent and recorded: whoever sends it gets the very response that he would get without.

In go a recorder, a request and a way to send it, out comes the live response, of whose body each read also goes to the
tape. Rules: bytes are taken as they are on the wire, before anybody decodes them; nothing is read ahead, nothing is
held back, and what is raised is what was raised. A body that was in memory when it came is taken at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from chatstream.recording.transports.http_libraries import content_of, kind_of, library_of
from chatstream.recording.transports.replying import stream_class

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from chatstream.recording.recorder import Recorder, Take

__all__ = ["asend", "send"]


def send(recorder: Recorder, request: Any, sender: Callable[[Any], Any]) -> Any:
    """What the sender gives for this request, recorded."""
    take = _begin(recorder, request)
    try:
        response = sender(request)
    except BaseException as error:
        take.end(kind_of(error), error)
        raise
    return _teed(response, request, take, "SyncByteStream", _Tee)


async def asend(recorder: Recorder, request: Any, sender: Callable[[Any], Awaitable[Any]]) -> Any:
    """The same for async code."""
    take = _begin(recorder, request)
    try:
        response = await sender(request)
    except BaseException as error:
        take.end(kind_of(error), error)
        raise
    return _teed(response, request, take, "AsyncByteStream", _AsyncTee)


def _begin(recorder: Recorder, request: Any) -> Take:
    return recorder.begin(
        method=request.method, url=str(request.url), headers=dict(request.headers), body=content_of(request)
    )


def _teed(response: Any, request: Any, take: Take, kind: str, tee: type[Any]) -> Any:
    library = library_of(request)
    take.response(response.status_code, dict(response.headers))
    if isinstance(response.stream, library.ByteStream):
        for data in response.stream:
            take.read(data)
        take.end("eof")
    else:
        response.stream = stream_class(tee, getattr(library, kind))(response.stream, take)
    return response


class _Tee:
    """A body whose reads go to a tape as well."""

    def __init__(self, stream: Any, take: Take) -> None:
        self._stream = stream
        self._take = take

    def __iter__(self) -> Iterator[bytes]:
        # A generator, though iterators are the rule: to go on with one costs less than a call, and it is once a read.
        read = self._take.read
        try:
            for data in self._stream:
                read(data)
                yield data
        except GeneratorExit:  # whoever stops here closes the body, or lets go of it
            raise
        except BaseException as error:
            self._take.end(kind_of(error), error)
            raise
        self._take.end("eof")

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._take.end("cancel")  # unless it had ended


class _AsyncTee:
    """The same for async code."""

    def __init__(self, stream: Any, take: Take) -> None:
        self._stream = stream
        self._take = take
        self._reads: Any = None

    def __aiter__(self) -> Self:
        self._reads = aiter(self._stream)
        return self

    async def __anext__(self) -> bytes:
        try:
            data: bytes = await anext(self._reads)
        except StopAsyncIteration:
            self._take.end("eof")
            raise
        except BaseException as error:
            self._take.end(kind_of(error), error)
            raise
        self._take.read(data)
        return data

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._take.end("cancel")  # unless it had ended
