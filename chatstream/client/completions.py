"""``client.chat.completions``, sync: the operations of the API.

In go the parameters of the API, out comes what it answers. Parameters are those of the published reference, by its
names; the models and TypedDicts are in `chatstream.types`. The async half is `chatstream.client.async_completions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from chatstream.client.asking import (
    CreateOptions,
    FormatLike,
    ParseOptions,
    RunOptions,
    StreamOptions,
    create_call,
    page_call,
    parse_call,
    stored_call,
    stream_call,
    update_call,
)
from chatstream.client.chunk_stream import ChunkStream
from chatstream.client.pages import SyncCursorPage, asking_on, page_of
from chatstream.client.requested import RequestSource
from chatstream.client.rounds import Rounds, WholeRequest, checked_count
from chatstream.stream import ChatCompletionStream
from chatstream.tools.runner import ToolRunner
from chatstream.types import ChatCompletion, ChatCompletionDeleted, ChatCompletionStoreMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from typing_extensions import Unpack

    from chatstream.client.call import Defaults, RequestOptions
    from chatstream.client.sending import Sender
    from chatstream.tools import AfterCall, BeforeCall, RunnableTool
    from chatstream.types import (
        ChatCompletionMessageLike,
        ChatModel,
        Metadata,
        ParsedChatCompletion,
        ResponseFormat,
    )

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

        ``messages`` are dicts, or messages as they came, so that an answer is appended as it is. ``tools`` may be
        dicts, pydantic models and functions. Raises ValueError or TypeError, naming the parameter, for what the API
        documents as wrong; an APIError if the service cannot be asked, refuses, or gives what is no answer. What the
        API does not document goes into ``extra_body``.
        """
        call, reading = create_call(self._defaults, messages, model, params, stream=stream)
        if call.streams:
            opened = ChatCompletionStream(RequestSource(self._sender, call), **reading)
            return ChunkStream(opened.open())
        return self._sender.complete(call, reading)

    @overload
    def parse(
        self,
        *,
        messages: Iterable[ChatCompletionMessageLike],
        model: ChatModel,
        response_format: type[T],
        **params: Unpack[ParseOptions],
    ) -> ParsedChatCompletion[T]: ...

    @overload
    def parse(
        self,
        *,
        messages: Iterable[ChatCompletionMessageLike],
        model: ChatModel,
        response_format: ResponseFormat | None = None,
        **params: Unpack[ParseOptions],
    ) -> ParsedChatCompletion[Any]: ...

    def parse(
        self,
        *,
        messages: Iterable[ChatCompletionMessageLike],
        model: ChatModel,
        response_format: type[T] | ResponseFormat | None = None,
        **params: Unpack[ParseOptions],
    ) -> ParsedChatCompletion[T] | ParsedChatCompletion[Any]:
        """The answer to these messages, with what ``response_format`` makes of its content as ``message.parsed``.

        ``response_format`` is a pydantic model, a dataclass or a TypedDict, sent as a strict JSON schema, or a dict as
        the API takes it; ``tools`` may be dicts, pydantic models and functions, and make ``parsed_arguments`` of the
        arguments of their calls. A refusal leaves ``parsed`` None. Beside what ``create`` raises: OutputParseError for
        what does not fit, LengthFinishReasonError and ContentFilterFinishReasonError for an answer that was cut short,
        the completion attached.
        """
        arguments = {**params, "response_format": response_format}
        call, reading = parse_call(self._defaults, messages, model, arguments)
        return self._sender.parse(call, reading)

    @overload
    def stream(
        self,
        *,
        messages: Iterable[ChatCompletionMessageLike],
        model: ChatModel,
        response_format: type[T],
        **params: Unpack[StreamOptions],
    ) -> ChatCompletionStream[T]: ...

    @overload
    def stream(
        self,
        *,
        messages: Iterable[ChatCompletionMessageLike],
        model: ChatModel,
        response_format: ResponseFormat | None = None,
        **params: Unpack[StreamOptions],
    ) -> ChatCompletionStream[Any]: ...

    def stream(
        self,
        *,
        messages: Iterable[ChatCompletionMessageLike],
        model: ChatModel,
        response_format: FormatLike[Any] | None = None,
        **params: Unpack[StreamOptions],
    ) -> ChatCompletionStream[Any]:
        """The answer to these messages as a stream of events, to be listened to, read, or asked for its end.

        The request is sent when the stream is entered or first read. Beside the parameters of ``create`` it takes the
        options of ChatCompletionStream; what was wrong with the parameters is raised here, everything else there.
        """
        call, reading = stream_call(self._defaults, messages, model, {**params, "response_format": response_format})
        return ChatCompletionStream(RequestSource(self._sender, call), **reading)

    def run_tools(
        self,
        *,
        messages: Iterable[ChatCompletionMessageLike],
        model: ChatModel,
        tools: Iterable[RunnableTool] | None = None,
        functions: Iterable[RunnableTool] | None = None,
        stream: bool = False,
        response_format: FormatLike[Any] | None = None,
        max_chat_completions: int = 10,
        max_concurrency: int = 8,
        before_call: BeforeCall | None = None,
        after_call: AfterCall | None = None,
        context: Any = None,
        **params: Unpack[RunOptions],
    ) -> ToolRunner:
        """A run of the tool loop: the model is asked, the calls of its answer are run, until it calls no more.

        It begins when it is read; nothing is sent before. ``tools`` are functions, `function_tool`s, pydantic models
        with a ``__call__``, or dicts with a callable in them: sync ones alone, each in a thread of its own.
        ``functions`` is the older form. With ``stream=True`` the events of each answer come as it does, else each
        answer is there at once.

        At most ``max_concurrency`` calls of a message run at once, and at most ``max_chat_completions`` requests are
        made; past that, ToolLoopLimitError with the history. ``before_call(call)`` is asked about each call that can be
        run, and may give a result to use instead, or `Deny`; ``after_call(call, result)`` is told each result, and may
        give another. None changes nothing, and neither hears of a call that failed. ``context`` goes to tools with a
        parameter annotated `ToolContext`.

        Raises TypeError or ValueError, naming it, for what is wrong with an argument. Everything else is as in
        ``create``, for each of the requests.
        """
        rounds = Rounds(
            self._defaults,
            messages,
            model,
            {**params, "response_format": response_format},
            stream=stream,
            tools=tools,
            functions=functions,
            max_chat_completions=max_chat_completions,
            context=context,
            allow_async=False,
        )

        def ask(messages: list[Any]) -> ChatCompletionStream | WholeRequest[ParsedChatCompletion[Any]]:
            call, reading = rounds.call(messages)
            if rounds.streams:
                return ChatCompletionStream(RequestSource(self._sender, call), **reading)
            return WholeRequest(lambda stop: self._sender.parse(call, reading, stop))

        return ToolRunner(
            ask,
            rounds.loop,
            streams=rounds.streams,
            max_concurrency=checked_count("max_concurrency", max_concurrency),
            before_call=before_call,
            after_call=after_call,
        )

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
