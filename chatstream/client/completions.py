"""``client.chat.completions``, sync: the operations of the API.

In go the parameters of the API, out comes what it answers. Parameters are those of the published reference, by its
names; the models and TypedDicts are in `chatstream.types`. The async half is `chatstream.client.async_completions`.
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
from chatstream.client.chunk_stream import ChunkStream
from chatstream.client.pages import SyncCursorPage, asking_on, page_of
from chatstream.client.requested import RequestSource
from chatstream.stream import ChatCompletionStream
from chatstream.types import ChatCompletion, ChatCompletionDeleted, ChatCompletionStoreMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from typing_extensions import Unpack

    from chatstream.client.call import Defaults, RequestOptions
    from chatstream.client.sending import Sender
    from chatstream.types import ChatCompletionMessageLike, ChatModel, Metadata

__all__ = ["Chat", "Completions", "Messages"]

T = TypeVar("T")


class Chat:
    """``client.chat``."""

    def __init__(self, sender: Sender, defaults: Defaults) -> None:
        self.completions: Completions = Completions(sender, defaults)


class Messages:
    """``client.chat.completions.messages``: the messages of stored completions."""

    def __init__(self, sender: Sender, defaults: Defaults) -> None:
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
    ) -> SyncCursorPage[ChatCompletionStoreMessage]:
        """A page of the messages that a stored completion answered; iterating goes on through all of them.

        ``after`` is the id of the message that the page begins behind, ``limit`` the most that it holds. Raises an
        APIError if the service cannot be asked, NotFoundError if it has no such completion.
        """
        query = {"after": after, "limit": limit, "order": order}
        return _page(
            self._sender, self._defaults, (completion_id, "messages"), query, options, entry=ChatCompletionStoreMessage
        )


class Completions:
    """``client.chat.completions``: making completions, and what was stored of them."""

    def __init__(self, sender: Sender, defaults: Defaults) -> None:
        self.messages: Messages = Messages(sender, defaults)
        self._sender = sender
        self._defaults = defaults

    @overload
    def create(
        self,
        *,
        messages: Iterable[ChatCompletionMessageLike],
        model: ChatModel,
        stream: Literal[False] | None = None,
        **params: Unpack[CreateOptions],
    ) -> ChatCompletion: ...

    @overload
    def create(
        self,
        *,
        messages: Iterable[ChatCompletionMessageLike],
        model: ChatModel,
        stream: Literal[True],
        **params: Unpack[CreateOptions],
    ) -> ChunkStream: ...

    @overload
    def create(
        self,
        *,
        messages: Iterable[ChatCompletionMessageLike],
        model: ChatModel,
        stream: bool,
        **params: Unpack[CreateOptions],
    ) -> ChatCompletion | ChunkStream: ...

    def create(
        self,
        *,
        messages: Iterable[ChatCompletionMessageLike],
        model: ChatModel,
        stream: bool | None = None,
        **params: Unpack[CreateOptions],
    ) -> ChatCompletion | ChunkStream:
        """The answer to these messages; with ``stream=True`` its chunks, as they come, the request sent at once.

        ``messages`` are dicts, or messages as they came, so that an answer is appended as it is. Raises ValueError or
        TypeError, naming the parameter, for what the API documents as wrong; an APIError if the service cannot be
        asked, refuses, or gives what is no answer. What the API does not document goes into ``extra_body``.
        """
        call, reading = create_call(self._defaults, messages, model, params, stream=stream)
        if call.streams:
            opened = ChatCompletionStream(RequestSource(self._sender, call), **reading)
            return ChunkStream(opened.open())
        return self._sender.complete(call, reading)

    def stream(
        self,
        *,
        messages: Iterable[ChatCompletionMessageLike],
        model: ChatModel,
        **params: Unpack[StreamOptions],
    ) -> ChatCompletionStream:
        """The answer to these messages as a stream of events, to be listened to, read, or asked for its end.

        The request is sent when the stream is entered or first read. Beside the parameters of ``create`` it takes the
        options of ChatCompletionStream; what was wrong with the parameters is raised here, everything else there.
        """
        call, reading = stream_call(self._defaults, messages, model, params)
        return ChatCompletionStream(RequestSource(self._sender, call), **reading)

    def retrieve(self, completion_id: str, **options: Unpack[RequestOptions]) -> ChatCompletion:
        """A stored completion; NotFoundError if there is none of this id."""
        return self._sender.complete(stored_call(self._defaults, "GET", "retrieve", completion_id, options))

    def update(
        self, completion_id: str, *, metadata: Metadata | None, **options: Unpack[RequestOptions]
    ) -> ChatCompletion:
        """A stored completion, with this in place of its metadata; None takes the old away.

        Raises NotFoundError if there is none of this id.
        """
        return self._sender.complete(update_call(self._defaults, completion_id, metadata, options))

    def delete(self, completion_id: str, **options: Unpack[RequestOptions]) -> ChatCompletionDeleted:
        """Word that a stored completion is gone; NotFoundError if there was none of this id."""
        call = stored_call(self._defaults, "DELETE", "delete", completion_id, options)
        return self._sender.fetch(call, ChatCompletionDeleted)

    def list(
        self,
        *,
        after: str | None = None,
        limit: int | None = None,
        metadata: Metadata | None = None,
        model: str | None = None,
        order: Literal["asc", "desc"] | None = None,
        **options: Unpack[RequestOptions],
    ) -> SyncCursorPage[ChatCompletion]:
        """A page of the stored completions; iterating goes on through all of them.

        ``after`` is the id of the completion that the page begins behind, ``limit`` the most that it holds;
        ``metadata`` and ``model`` are what they must have, ``order`` that of their time. Raises an APIError if the
        service cannot be asked.
        """
        query = {"after": after, "limit": limit, "metadata": metadata, "model": model, "order": order}
        return _page(self._sender, self._defaults, (), query, options, entry=ChatCompletion)


def _page(
    sender: Sender,
    defaults: Defaults,
    path: tuple[str, ...],
    query: Mapping[str, object],
    options: RequestOptions,
    *,
    entry: type[T],
) -> SyncCursorPage[T]:
    call = page_call(defaults, path, query, options)
    model: type[SyncCursorPage[T]] = page_of(SyncCursorPage, entry)
    page: SyncCursorPage[T] = sender.fetch(call, model)
    return asking_on(
        page, lambda cursor: _page(sender, defaults, path, {**query, "after": cursor}, options, entry=entry)
    )
