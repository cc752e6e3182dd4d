"""``client.chat.completions``, async: the operations of the API, with ``await``.

The same as `chatstream.client.completions`, on asyncio and trio alike. ``list()`` is both: awaited it is a page, and
iterated it is everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar, overload

from chatstream.client.asking import (
    CreateOptions,
    StreamOptions,
    create_call,
    page_call,
    stored_call,
    stream_call,
    update_call,
)
from chatstream.client.chunk_stream import AsyncChunkStream
from chatstream.client.pages import AsyncCursorPage, AsyncPages, asking_on, page_of
from chatstream.client.requested import AsyncRequestSource
from chatstream.stream import AsyncChatCompletionStream
from chatstream.types import ChatCompletion, ChatCompletionDeleted, ChatCompletionStoreMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from typing_extensions import Unpack

    from chatstream.client.async_sending import AsyncSender
    from chatstream.client.call import Defaults, RequestOptions
    from chatstream.types import ChatCompletionMessageLike, ChatModel, Metadata

__all__ = ["AsyncChat", "AsyncCompletions", "AsyncMessages"]

T = TypeVar("T")


class AsyncChat:
    """``client.chat``."""

    def __init__(self, sender: AsyncSender, defaults: Defaults) -> None:
        self.completions: AsyncCompletions = AsyncCompletions(sender, defaults)


class AsyncMessages:
    """``client.chat.completions.messages``: the messages of stored completions."""

    def __init__(self, sender: AsyncSender, defaults: Defaults) -> None:
        self._sender = sender
        self._defaults = defaults

    def list(
        self,
        completion_id: str,
        *,
        after: str | None = None,
        limit: int | None = None,
        order: Literal["asc", "desc"] | None = None,
        **options: Unpack[RequestOptions],
    ) -> AsyncPages[ChatCompletionStoreMessage]:
        """The messages that a stored completion answered: a page when awaited, all of them when iterated.

        ``after`` is the id of the message that the page begins behind, ``limit`` the most that it holds. Raises an
        APIError if the service cannot be asked, NotFoundError if it has no such completion.
        """
        query = {"after": after, "limit": limit, "order": order}
        return _pages(
            self._sender, self._defaults, (completion_id, "messages"), query, options, entry=ChatCompletionStoreMessage
        )


class AsyncCompletions:
    """``client.chat.completions``: making completions, and what was stored of them."""

    def __init__(self, sender: AsyncSender, defaults: Defaults) -> None:
        self.messages: AsyncMessages = AsyncMessages(sender, defaults)
        self._sender = sender
        self._defaults = defaults

    @overload
    async def create(
        self,
        *,
        messages: Iterable[ChatCompletionMessageLike],
        model: ChatModel,
        stream: Literal[False] | None = None,
        **params: Unpack[CreateOptions],
    ) -> ChatCompletion: ...

    @overload
    async def create(
        self,
        *,
        messages: Iterable[ChatCompletionMessageLike],
        model: ChatModel,
        stream: Literal[True],
        **params: Unpack[CreateOptions],
    ) -> AsyncChunkStream: ...

    @overload
    async def create(
        self,
        *,
        messages: Iterable[ChatCompletionMessageLike],
        model: ChatModel,
        stream: bool,
        **params: Unpack[CreateOptions],
    ) -> ChatCompletion | AsyncChunkStream: ...

    async def create(
        self,
        *,
        messages: Iterable[ChatCompletionMessageLike],
        model: ChatModel,
        stream: bool | None = None,
        **params: Unpack[CreateOptions],
    ) -> ChatCompletion | AsyncChunkStream:
        """The answer to these messages; with ``stream=True`` its chunks, as they come, the request sent at once.

        ``messages`` are dicts, or messages as they came, so that an answer is appended as it is. Raises ValueError or
        TypeError, naming the parameter, for what the API documents as wrong; an APIError if the service cannot be
        asked, refuses, or gives what is no answer. What the API does not document goes into ``extra_body``.
        """
        call, reading = create_call(self._defaults, messages, model, params, stream=stream)
        if call.streams:
            return AsyncChunkStream(
                await AsyncChatCompletionStream(AsyncRequestSource(self._sender, call), **reading).open()
            )
        return await self._sender.complete(call, reading)

    def stream(
        self,
        *,
        messages: Iterable[ChatCompletionMessageLike],
        model: ChatModel,
        **params: Unpack[StreamOptions],
    ) -> AsyncChatCompletionStream:
        """The answer to these messages as a stream of events, to be listened to, read, or asked for its end.

        The request is sent when the stream is entered or first read. Beside the parameters of ``create`` it takes the
        options of AsyncChatCompletionStream; what was wrong with the parameters is raised here, everything else there.
        """
        call, reading = stream_call(self._defaults, messages, model, params)
        return AsyncChatCompletionStream(AsyncRequestSource(self._sender, call), **reading)

    async def retrieve(self, completion_id: str, **options: Unpack[RequestOptions]) -> ChatCompletion:
        """A stored completion; NotFoundError if there is none of this id."""
        return await self._sender.complete(stored_call(self._defaults, "GET", "retrieve", completion_id, options))

    async def update(
        self, completion_id: str, *, metadata: Metadata | None, **options: Unpack[RequestOptions]
    ) -> ChatCompletion:
        """A stored completion, with this in place of its metadata; None takes the old away.

        Raises NotFoundError if there is none of this id.
        """
        return await self._sender.complete(update_call(self._defaults, completion_id, metadata, options))

    async def delete(self, completion_id: str, **options: Unpack[RequestOptions]) -> ChatCompletionDeleted:
        """Word that a stored completion is gone; NotFoundError if there was none of this id."""
        call = stored_call(self._defaults, "DELETE", "delete", completion_id, options)
        return await self._sender.fetch(call, ChatCompletionDeleted)

    def list(
        self,
        *,
        after: str | None = None,
        limit: int | None = None,
        metadata: Metadata | None = None,
        model: str | None = None,
        order: Literal["asc", "desc"] | None = None,
        **options: Unpack[RequestOptions],
    ) -> AsyncPages[ChatCompletion]:
        """The stored completions: a page when awaited, all of them when iterated.

        ``after`` is the id of the completion that the page begins behind, ``limit`` the most that it holds;
        ``metadata`` and ``model`` are what they must have, ``order`` that of their time. Raises an APIError if the
        service cannot be asked.
        """
        query = {"after": after, "limit": limit, "metadata": metadata, "model": model, "order": order}
        return _pages(self._sender, self._defaults, (), query, options, entry=ChatCompletion)


def _pages(
    sender: AsyncSender,
    defaults: Defaults,
    path: tuple[str, ...],
    query: Mapping[str, object],
    options: RequestOptions,
    *,
    entry: type[T],
) -> AsyncPages[T]:
    call = page_call(defaults, path, query, options)
    model: type[AsyncCursorPage[T]] = page_of(AsyncCursorPage, entry)

    async def ask() -> AsyncCursorPage[T]:
        page: AsyncCursorPage[T] = await sender.fetch(call, model)
        return asking_on(
            page, lambda cursor: _pages(sender, defaults, path, {**query, "after": cursor}, options, entry=entry)
        )

    return AsyncPages(ask)
