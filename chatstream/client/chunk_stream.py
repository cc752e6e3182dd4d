"""The chunks of a stream, one after the other: what ``create(stream=True)`` gives.

In goes a stream of events whose request was sent, out come its chunks as models. Rules: it ends with the very verdict
of the events' stream; whatever else one wants of an answer is there, at `ChatCompletionStream`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from chatstream.stream import AsyncChatCompletionStream, ChatCompletionStream
    from chatstream.types import ChatCompletionChunk, ResponseInfo

__all__ = ["AsyncChunkStream", "ChunkStream"]


class ChunkStream(Iterator["ChatCompletionChunk"]):
    """An iterator of the chunks of one answer, and a context manager.

    Reading raises what the stream failed with (a ChatStreamError, with ``completion`` attached): also where it ended
    before its time, without an error of the service.
    """

    def __init__(self, stream: ChatCompletionStream) -> None:
        self._stream = stream
        self._chunks = stream.chunks()

    def __next__(self) -> ChatCompletionChunk:
        return next(self._chunks)

    @property
    def response(self) -> ResponseInfo | None:
        """The head of the answer: status, headers, request id, retries, seconds."""
        return self._stream.response

    def abort(self) -> None:
        """Stop at once, from any thread: reading on raises APIUserAbortError with what had arrived."""
        self._stream.abort()

    def close(self) -> None:
        """Close the connection, unless the answer was read to its end."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncChunkStream(AsyncIterator["ChatCompletionChunk"]):
    """An async iterator of the chunks of one answer, and a context manager; else as ChunkStream."""

    def __init__(self, stream: AsyncChatCompletionStream) -> None:
        self._stream = stream
        self._chunks = stream.chunks()

    async def __anext__(self) -> ChatCompletionChunk:
        return await anext(self._chunks)

    @property
    def response(self) -> ResponseInfo | None:
        """The head of the answer: status, headers, request id, retries, seconds."""
        return self._stream.response

    def abort(self) -> None:
        """Stop: reading on raises APIUserAbortError with what had arrived, also whoever waits for it now."""
        self._stream.abort()

    async def aclose(self) -> None:
        """Close the connection, unless the answer was read to its end."""
        await self._stream.aclose()

    close = aclose

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()
