"""The parser, driven: a stream is an iterator of events with listeners, and whatever else one wants of an answer.

In goes a source, out come events, in order, each to its listeners first and then to the loop. Two classes that differ
in the wait alone; what needs no waiting is in Reading, once. Rules: reading drives everything, there is no task and no
thread behind it; an ErrorEvent is raised when the stream comes to it, with what had arrived attached; leaving the
context closes the source at once.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Generic

from typing_extensions import TypeVar

from chatstream.accumulator import APPEND_FIELDS
from chatstream.emitter import EventEmitter, is_coroutine
from chatstream.ends import Limits
from chatstream.errors import ChatStreamError, StreamConsumedError
from chatstream.events import ChunkEvent, ContentDeltaEvent
from chatstream.listening import waits, waits_async
from chatstream.picked import AsyncPicked, Picked
from chatstream.reading import Reading
from chatstream.sources import open_async_source, open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Self

    from chatstream.ends import Anomaly, StreamEnd
    from chatstream.events import ChatStreamEvent
    from chatstream.stats import StreamStats
    from chatstream.types import (
        ChatCompletion,
        ChatCompletionChunk,
        ChatCompletionMessageFunctionToolCall,
        CompletionUsage,
        ParsedChatCompletion,
        ParsedChatCompletionMessage,
        ResponseInfo,
    )

__all__ = ["AsyncChatCompletionStream", "ChatCompletionStream"]


T = TypeVar("T", default=Any)  # what the response format makes of a content


class _Stream(EventEmitter, Generic[T]):
    """What both streams tell without waiting."""

    def __init__(self, reading: Reading, *, allow_async: bool) -> None:
        super().__init__(allow_async=allow_async)
        self._reading = reading

    @property
    def snapshot(self) -> ChatCompletion | None:
        """The completion as of the event you are at, or None before the first chunk; built when read."""
        return self._reading.snapshot()

    @property
    def end(self) -> StreamEnd | None:
        """How the stream ended; None until you have come to its last event."""
        return self._reading.end

    @property
    def response(self) -> ResponseInfo | None:
        """The head of the answer, of a stream that a client opened: status, headers, request id, retries, seconds."""
        about = self._reading.about
        return None if about is None else about.response

    @property
    def stats(self) -> StreamStats:
        """When the first byte, chunk and output came, and how regularly the rest."""
        stats = self._reading.stats
        stats.keep_alives = self._reading.parser.keep_alives
        return stats

    @property
    def anomalies(self) -> list[Anomaly]:
        """What was odd about the stream and was repaired, one record a kind."""
        return self._reading.parser.anomalies

    def _set(self, event_type: str, listeners: tuple[Any, ...]) -> None:
        was_heard = bool(self.active)
        super()._set(event_type, listeners)
        if not was_heard:
            self._reading.renew()  # a batch that is being taken without telling anybody is not to go on so

    def _missed(self, event: str) -> ChatStreamError:
        message = f"the stream ended without {event!r}"
        return StreamConsumedError(message, completion=self._reading.snapshot)


class ChatCompletionStream(_Stream[T], Iterator["ChatStreamEvent"]):
    """An iterator of typed events over any source of a chat-completion stream.

    ``source``: bytes; an iterable of bytes, str, dicts or chunk models; a response of httpx or httpx2 that streams; an
    ``httpx_sse.EventSource``; the OpenAI SDK's Stream; a Recording, or the path of a file. ``record``: a path or a file
    that a tape of the stream is written to. The other options are those of ChatStreamParser; ``clock`` gives seconds.

    Reading raises what the stream failed with (a ChatStreamError, with ``completion`` attached), after the listeners of
    ``error`` have heard of it. Use it as a context manager to have the source closed as soon as you leave.
    """

    def __init__(
        self,
        source: Any,
        *,
        tools: Iterable[Any] | None = None,
        response_format: Any = None,
        limits: Limits = Limits(),  # noqa: B008  frozen
        append_fields: Iterable[str] = APPEND_FIELDS,
        allow_incomplete: bool = False,
        raise_on: Iterable[str] = frozenset(),
        record: Any = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        reading = Reading(
            clock=clock,
            record=record,
            tools=tools,
            response_format=response_format,
            limits=limits,
            append_fields=append_fields,
            allow_incomplete=allow_incomplete,
            raise_on=raise_on,
        )
        super().__init__(reading, allow_async=False)
        self._source = open_source(source)
        self._reads: Iterator[Any] = reading.teed(self._source.reads)
        reading.begin(self._source)

    def __iter__(self) -> Iterator[ChatStreamEvent]:  # noqa: PYI034  see below
        self._reading.check_open()
        # One C iterator over the batches: through a __next__ of our own each event would cost a call.
        return chain.from_iterable(map(self._next_batch, repeat(None)))

    def __next__(self) -> ChatStreamEvent:
        return self._or_raise(self._next())

    def _next(self) -> ChatStreamEvent:
        """The next event, its listeners called, whatever it is; StopIteration after the last one."""
        reading = self._reading
        while True:
            for event in reading.batch:
                return self._tell(event)
            self._fill()

    def _next_batch(self, _: None) -> Iterator[ChatStreamEvent]:
        """Events that are there, each told to its listeners as it is taken; StopIteration after the last one."""
        reading = self._reading
        if not reading.batch.__length_hint__():
            try:
                self._fill()
            except StopIteration:
                raise
            except BaseException as error:  # noqa: BLE001  it is raised by the iterator, which goes on working so
                return map(_raise, (error,))
        # Held before it is asked whether it is the last: an abort in between takes what is in it, and makes another.
        batch: Iterator[ChatStreamEvent] = reading.batch
        if reading.is_last:
            return map(self._tell_or_raise, reading.batch)
        return map(self._tell, batch) if self.active else batch

    def _tell(self, event: ChatStreamEvent) -> ChatStreamEvent:
        """The event, once its listeners were called."""
        if self._reading.is_last:
            self._reading.note(event)
        call = self.active.get(event.type)
        if call is not None:
            self._call(call, event)
        return event

    def _call(self, call: Callable[[Any], object], event: ChatStreamEvent) -> None:
        try:
            result = call(event)
        except StopIteration as error:  # in an iterator this means something else
            raise RuntimeError(f"a listener for {event.type!r} raised StopIteration") from error
        if result is not None and is_coroutine(result):
            raise self._unawaited(event, result)

    def _tell_or_raise(self, event: ChatStreamEvent) -> ChatStreamEvent:
        return self._or_raise(self._tell(event))

    def _or_raise(self, event: ChatStreamEvent) -> ChatStreamEvent:
        if self._reading.is_failure(event):
            self._reading.settle()
            self._reading.raise_failure()
        return event

    def _fill(self) -> None:
        """Read until there are events to be taken; StopIteration after the last one."""
        reading, source, reads = self._reading, self._source, self._reads
        decoder = reading.decoder
        if reading.terminal is not None:
            reading.settle()
            raise StopIteration
        while True:
            if reading.closed:
                reading.check_open()
            try:
                value = reading.next_of(reads) if decoder.in_data else next(reads)
            except StopIteration:
                reading.finish()
                break
            except Exception as error:  # noqa: BLE001  sorted out by fail(), which raises what is not a peer's fault
                source.close()
                reading.fail(error)
                break
            if reading.take(value):
                break
        if reading.is_last:
            source.close()

    @waits
    def wait_for(self, event: str) -> ChatStreamEvent:
        """Read on until an event of this name happens, and give it.

        Raises what the stream failed with, or StreamConsumedError if it ended without; ValueError for a name that is
        none. The name ``error`` gives the ErrorEvent instead of raising it.
        """
        wanted = self._check_name(event)
        self._reading.check_open()
        while (found := self._next_or_none()) is not None:
            if found.type == wanted:
                return found
            self._reading.raise_failure()
        raise self._missed(event)

    def _next_or_none(self) -> ChatStreamEvent | None:
        try:
            return self._next()
        except StopIteration:
            return None

    def text(self) -> Iterator[str]:
        """The content deltas of choice 0, as they come."""
        return Picked(iter(self), _text_of)

    def chunks(self) -> Iterator[ChatCompletionChunk]:
        """The chunks, as models, as they come."""
        return Picked(iter(self), _chunk_of)

    def until_done(self) -> Self:
        """This stream, read to its end; raises what it failed with, also when asked again."""
        reading = self._reading
        if reading.terminal is None:
            reading.check_open()
        while reading.terminal is None:
            if not reading.batch.__length_hint__():
                self._fill()
            batch = reading.batch  # before it is asked, as above
            if reading.is_last:
                for event in reading.batch:
                    self._tell(event)
            else:
                self._tell_batch(batch)
        reading.settle()
        reading.raise_failure()
        return self

    def _tell_batch(self, batch: Iterator[ChatStreamEvent]) -> None:
        active = self.active
        for event in batch:
            call = active.get(event.type)
            if call is not None:
                self._call(call, event)

    def final_chat_completion(self) -> ParsedChatCompletion[T]:
        """The whole completion, once everything was read."""
        self.until_done()
        return self._reading.completion()

    def final_message(self) -> ParsedChatCompletionMessage[T]:
        """The message of the first choice, once everything was read."""
        self.until_done()
        return self._reading.message()

    def final_content(self) -> str | None:
        """The text of the first choice, once everything was read; None if it had none."""
        return self.final_message().content

    def final_function_tool_call(self) -> ChatCompletionMessageFunctionToolCall | None:
        """The last function tool call of the first choice, once everything was read; None if there was none."""
        self.until_done()
        return self._reading.function_tool_call()

    def total_usage(self) -> CompletionUsage | None:
        """The token counts, once everything was read; None if the server sent none."""
        self.until_done()
        return self._reading.usage()

    def abort(self) -> None:
        """Stop at once: the source is closed, and reading on raises APIUserAbortError with what had arrived."""
        self._reading.abort()
        self._source.abort()

    def close(self) -> None:
        """Close the source. What has arrived can still be read; a stream that had not ended stays without ``end``."""
        self._reading.close()
        self._source.close()
        self._reading.settle()

    def open(self) -> Self:
        """This stream, its request sent if it is a client's and was not; raises what keeps the answer from coming."""
        try:
            self._source.open()
        except Exception as error:  # noqa: BLE001  sorted out by fail(), which raises what is not a peer's fault
            self._source.close()
            self._reading.fail(error)
            self.until_done()  # so that its listeners hear of it
        except BaseException:
            self.close()  # whoever is stopped here has no block to leave, and a tape has to end
            raise
        return self

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncChatCompletionStream(_Stream[T], AsyncIterator["ChatStreamEvent"]):
    """An async iterator of typed events over any source of a chat-completion stream, on asyncio and trio alike.

    The same as ChatCompletionStream, with ``await``; it also takes async iterables, the async responses of httpx and
    httpx2, and the OpenAI SDK's AsyncStream. Listeners may be async: they are awaited in order, so that a slow one
    slows the reading down, and fills no memory.
    """

    def __init__(
        self,
        source: Any,
        *,
        tools: Iterable[Any] | None = None,
        response_format: Any = None,
        limits: Limits = Limits(),  # noqa: B008  frozen
        append_fields: Iterable[str] = APPEND_FIELDS,
        allow_incomplete: bool = False,
        raise_on: Iterable[str] = frozenset(),
        record: Any = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        reading = Reading(
            clock=clock,
            record=record,
            tools=tools,
            response_format=response_format,
            limits=limits,
            append_fields=append_fields,
            allow_incomplete=allow_incomplete,
            raise_on=raise_on,
        )
        super().__init__(reading, allow_async=True)
        self._source = open_async_source(source)
        self._reads: AsyncIterator[Any] = reading.teed_async(self._source.reads)
        reading.begin(self._source)

    def __aiter__(self) -> Self:
        self._reading.check_open()
        return self

    async def __anext__(self) -> ChatStreamEvent:
        event: ChatStreamEvent
        reading = self._reading
        if not self.active and not reading.is_last:
            for event in reading.batch:  # the usual case: there is one, and nobody to be told of it
                return event
        event = await self._next()
        if reading.is_failure(event):
            await reading.asettle()
            reading.raise_failure()
        return event

    async def _next(self) -> ChatStreamEvent:
        """The next event, its listeners called, whatever it is; StopAsyncIteration after the last one."""
        reading = self._reading
        if not reading.batch.__length_hint__():
            await self._fill()
        event: ChatStreamEvent = next(reading.batch)
        if reading.is_last:
            reading.note(event)
            if event is reading.terminal:
                await self._source.aclose()  # an abort in the middle of a batch has not closed it
        if self.active:
            await self.emit_async(event)
        return event

    async def _fill(self) -> None:
        """Read until there are events to be taken; StopAsyncIteration after the last one."""
        reading, source = self._reading, self._source
        while not reading.batch.__length_hint__():
            if reading.terminal is not None:
                await reading.asettle()
                raise StopAsyncIteration
            reading.check_open()
            try:
                value = await anext(self._reads)
            except StopAsyncIteration:
                reading.finish()
            except Exception as error:  # noqa: BLE001  sorted out by fail(), which raises what is not a peer's fault
                await source.aclose()
                reading.fail(error)
            else:
                reading.take(value)
            if reading.is_last:
                await source.aclose()

    @waits_async
    async def wait_for(self, event: str) -> ChatStreamEvent:
        """Read on until an event of this name happens, and give it.

        Raises what the stream failed with, or StreamConsumedError if it ended without; ValueError for a name that is
        none. The name ``error`` gives the ErrorEvent instead of raising it.
        """
        wanted = self._check_name(event)
        self._reading.check_open()
        while (found := await self._next_or_none()) is not None:
            if found.type == wanted:
                return found
            self._reading.raise_failure()
        raise self._missed(event)

    async def _next_or_none(self) -> ChatStreamEvent | None:
        try:
            return await self._next()
        except StopAsyncIteration:
            return None

    def text(self) -> AsyncIterator[str]:
        """The content deltas of choice 0, as they come."""
        return AsyncPicked(aiter(self), _text_of)

    def chunks(self) -> AsyncIterator[ChatCompletionChunk]:
        """The chunks, as models, as they come."""
        return AsyncPicked(aiter(self), _chunk_of)

    async def until_done(self) -> Self:
        """This stream, read to its end; raises what it failed with, also when asked again."""
        if self._reading.terminal is None:
            async for _ in self:
                pass
        await self._reading.asettle()
        self._reading.raise_failure()
        return self

    async def final_chat_completion(self) -> ParsedChatCompletion[T]:
        """The whole completion, once everything was read."""
        await self.until_done()
        return self._reading.completion()

    async def final_message(self) -> ParsedChatCompletionMessage[T]:
        """The message of the first choice, once everything was read."""
        await self.until_done()
        return self._reading.message()

    async def final_content(self) -> str | None:
        """The text of the first choice, once everything was read; None if it had none."""
        return (await self.final_message()).content

    async def final_function_tool_call(self) -> ChatCompletionMessageFunctionToolCall | None:
        """The last function tool call of the first choice, once everything was read; None if there was none."""
        await self.until_done()
        return self._reading.function_tool_call()

    async def total_usage(self) -> CompletionUsage | None:
        """The token counts, once everything was read; None if the server sent none."""
        await self.until_done()
        return self._reading.usage()

    def abort(self) -> None:
        """Stop: reading on raises APIUserAbortError with what had arrived. Whoever waits for a response is woken."""
        self._reading.abort()
        self._source.abort()

    async def aclose(self) -> None:
        """Close the source. What has arrived can still be read; a stream that had not ended stays without ``end``."""
        self._reading.close()
        await self._source.aclose()
        await self._reading.asettle()

    close = aclose

    async def open(self) -> Self:
        """This stream, its request sent if it is a client's and was not; raises what keeps the answer from coming."""
        try:
            await self._source.open()
        except Exception as error:  # noqa: BLE001  sorted out by fail(), which raises what is not a peer's fault
            await self._source.aclose()
            self._reading.fail(error)
            await self.until_done()  # so that its listeners hear of it
        except BaseException:
            await self.aclose()  # whoever is stopped here has no block to leave, and a tape has to end
            raise
        return self

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


def _raise(error: BaseException) -> Any:
    raise error


def _text_of(event: ChatStreamEvent) -> str | None:
    return event.delta if type(event) is ContentDeltaEvent and event.choice_index == 0 else None


def _chunk_of(event: ChatStreamEvent) -> ChatCompletionChunk | None:
    return event.chunk if type(event) is ChunkEvent else None
