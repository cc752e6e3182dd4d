"""Reading: one stream being read, but for the waiting.

In go the reads of a source, or how it ended; out come batches of events, and when all have been delivered, what can be
said of the whole. Both stream classes own one, and differ in nothing that is done here.

A batch is a list and its iterator: whoever delivers events takes them from the iterator, which is C's own and the same
for all, so that nothing has to be counted: what it has left is what has not been delivered.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

from chatstream.ends import StreamEnd
from chatstream.errors import (
    APITimeoutError,
    APIUserAbortError,
    IncompleteStreamError,
    NotAStreamError,
    StreamConsumedError,
)
from chatstream.events import AbortEvent, ChunkEvent, EndEvent, ErrorEvent
from chatstream.parser import ChatStreamParser
from chatstream.recording.recorder import Recorder
from chatstream.sources import read_of
from chatstream.stats import StreamStats
from chatstream.transport import transport_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping

    from chatstream.events import ChatStreamEvent
    from chatstream.recording import TapeEnd
    from chatstream.recording.recorder import Take
    from chatstream.sources import AsyncSource, Source
    from chatstream.sse import SSEDecoder
    from chatstream.types import (
        ChatCompletion,
        ChatCompletionMessageFunctionToolCall,
        CompletionUsage,
        ParsedChatCompletion,
        ParsedChatCompletionMessage,
    )

__all__ = ["Reading"]

_TERMINAL = frozenset({"end", "error", "abort"})
_NOTHING: list[Any] = []
_SMALL = 256  # bytes of a read that is worth joining
_MOST_PIECES = 64


class Reading:
    """One stream being read: the events that wait to be delivered, and what can be said of it when all have been."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        record: Any,
        response_format: Any,
        tools: Iterable[Any] | None,
        **options: Any,
    ) -> None:
        if response_format is not None or tools is not None:
            # Loaded for them alone: structured brings pydantic along.
            from chatstream.structured import function_tool, output_format

            response_format = output_format(response_format)
            # Only read here, and not sent: no schema has to be strict.
            tools = [function_tool(tool, strict=False) if _is_function(tool) else tool for tool in tools or ()]
        self.parser: ChatStreamParser = ChatStreamParser(tools=tools, response_format=response_format, **options)
        self.stats: StreamStats = StreamStats(clock=clock)
        self._take_alike: Callable[..., list[ChatStreamEvent] | None] = self.parser.take_alike
        self._feed: Callable[[bytes], list[ChatStreamEvent]] = self.parser.feed
        self.decoder: SSEDecoder = self.parser.decoder
        self._pieces: list[bytes] = []
        self.batch: Any = iter(_NOTHING)  # what has not been taken of it
        self.is_last: bool = False  # the batch ends with the stream's last event
        self._events: list[ChatStreamEvent] = _NOTHING  # all of the batch
        self._chunk_before: ChunkEvent | None = None  # the last one before a batch that does not begin with a chunk
        self.terminal: ChatStreamEvent | None = None  # the last event, once it was delivered
        self.end: StreamEnd | None = None  # likewise: what was read ahead is nobody's business yet
        self.closed: bool = False
        self.about: Source | AsyncSource | None = None
        self._turn = threading.RLock()  # held while a read is taken: an abort may come from any thread, at any moment
        self._record = record
        self._recorder: Recorder | None = None  # the stream's own
        self._take: Take | None = None
        self._clock = clock

    def begin(self, source: Source | AsyncSource) -> None:
        """Read from this source, once it is open."""
        self.about = source
        source.when(self._sent, self._opened)

    def teed(self, reads: Iterator[Any]) -> Iterator[Any]:
        """The reads, each recorded as it comes, if any are to be."""
        return reads if self._record is None else map(self._tee, reads)

    def teed_async(self, reads: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The same for an async stream."""
        return reads if self._record is None else _AsyncTee(reads, self._tee)

    def _tee(self, value: Any) -> Any:
        take = self._take
        if type(value) is not bytes:
            value = read_of(value)
        if take is None:  # it was ended by an abort
            return value
        if isinstance(value, bytes):
            take.read(value)
        else:
            take.chunk(value)
        return value

    def _sent(self) -> None:
        if self._record is not None and self.about is not None:
            recorder = self._record
            if not isinstance(recorder, Recorder):
                recorder = self._recorder = Recorder(recorder)
            self._take = recorder.begin(**self.about.request, clock=self._clock)
        self.stats.begin()

    def _opened(self) -> None:
        source = self.about
        if self._take is not None and source is not None and source.status is not None:
            self._take.response(source.status, source.headers, decoded=True)

    def take(self, value: Any) -> bool:
        """One read arrived; whether there are events: they are the next batch. The batch before has been taken."""
        with self._turn:
            return self.is_last or self._took(value)  # an abort meanwhile has ended it: what came is not read

    def _took(self, value: Any) -> bool:
        now = self._clock()
        if type(value) is bytes:
            events = self._take_alike(value, True)  # noqa: FBT003  a keyword costs
            if events is None:
                events = self._feed(value)
            stats = self.stats
            if len(events) == 2 and type(events[1]) is stats.usual:
                stats.chunk_gaps.append(now - stats.last_chunk)
                stats.last_chunk = now
                stats.bytes += len(value)
                self._events = events
                self.batch = iter(events)
                return True
            stats.note(now, len(value), events)
        else:
            events = self._take_any(read_of(value), now)
        if not events:
            return False
        self._deliver(events)
        return True

    def next_of(self, reads: Iterator[Any]) -> Any:
        """The next read; or, within a line, small pieces of it up to the one that ends it, joined to one read.

        Nothing comes of a piece of a line before its end has come, so they need not be taken one by one.
        """
        if self.decoder.room < _MOST_PIECES * _SMALL:
            return next(reads)
        pieces = self._pieces
        while True:
            value = next(reads)
            if self._pieces is not pieces:  # closed or aborted meanwhile
                return value
            if type(value) is not bytes or len(value) > _SMALL:
                self.take_pieces()
                return value
            pieces.append(value)
            if 10 in value or 13 in value or len(pieces) >= _MOST_PIECES:
                self._pieces = []
                self.stats.pieces += len(pieces) - 1
                return b"".join(pieces)

    def take_pieces(self) -> None:
        """Take the pieces that were read and not taken yet: no end of their line will come with them."""
        pieces, self._pieces = self._pieces, []
        if pieces:
            data = b"".join(pieces)
            self.stats.pieces += len(pieces)
            self.stats.bytes += len(data)
            self.parser.feed(data)

    def _take_any(self, read: bytes | Mapping[str, Any], now: float) -> list[ChatStreamEvent]:
        if isinstance(read, bytes):
            events = self.parser.feed(read)
            self.stats.note(now, len(read), events)
        else:
            events = self.parser.feed_chunk(read)
            self.stats.note(now, 0, events)
        return events

    def finish(self) -> None:
        """The source ended cleanly."""
        with self._turn:
            self.take_pieces()
            self._deliver_late(self.parser.close())

    def fail(self, error: Exception) -> None:
        """The source broke. What nobody's peer is to blame for is raised as it is."""
        with self._turn:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if self.is_last:
            return
        self.take_pieces()
        ours = transport_error(error, bytes_seen=bool(self.stats.bytes))
        if ours is None:
            self._end_tape("error", error)
            raise error
        self._deliver_late(self.parser.fail(ours))

    def abort(self) -> None:
        """The caller stops it: what has not been delivered yet is in the snapshot alone."""
        with self._turn:
            if self.end is None:
                self._abort()

    def _abort(self) -> None:
        self.renew()
        self.take_pieces()
        undelivered = self._events
        events = self.parser.abort()
        if not events and not undelivered:
            return  # too late: whoever reads has the last event in his hands
        ended = self.parser.end
        self.end = ended if ended and ended.kind == "aborted" else StreamEnd("aborted", done_seen=False)
        self._deliver_late(events or [_abort_instead(undelivered)])

    def _deliver_late(self, events: list[ChatStreamEvent]) -> None:
        if events:  # none if it had ended already, by an abort while the source was being read
            self.stats.note_late(events)
            self._deliver(events)

    def _deliver(self, events: list[ChatStreamEvent]) -> None:
        if not events or type(events[0]) is not ChunkEvent:
            self._chunk_before = self._last_chunk()
        self._events = events
        self.batch = iter(events)
        if self.parser.end is not None:
            self.is_last = True
            self._conclude(events[-1] if events else None)

    def renew(self) -> None:
        """Make what is left of the batch a batch of its own: whoever is taking events has to ask for it anew."""
        self._chunk_before = self._last_chunk()
        self._events = list(self.batch)
        self.batch = iter(self._events)

    def _last_chunk(self) -> ChunkEvent | None:
        """The last chunk event that was taken."""
        taken = len(self._events) - self.batch.__length_hint__()
        for event in reversed(self._events[:taken]):
            if type(event) is ChunkEvent:
                return event
        return self._chunk_before

    def _conclude(self, last: ChatStreamEvent | None) -> None:
        self.stats.keep_alives = self.parser.keep_alives
        self.stats.finish()
        if isinstance(last, ErrorEvent | AbortEvent) and self.about is not None:
            last.error.request_id = last.error.request_id or self.about.request_id
            if isinstance(last.error, NotAStreamError):
                last.error.content_type = self.about.content_type
            self.about.hide(last.error)
        if isinstance(last, ErrorEvent) and isinstance(last.error, APITimeoutError):
            self._end_tape("timeout", last.error)
        elif isinstance(last, ErrorEvent) and self.parser.end is not None and self.parser.end.kind == "error":
            self._end_tape("error" if isinstance(last.error.__cause__, Exception) else "eof", last.error)
        else:
            self._end_tape("cancel" if isinstance(last, AbortEvent) else "eof", None)

    def _end_tape(self, kind: TapeEnd, error: Exception | None) -> None:
        if self._take is not None:
            self._take.end(kind, error)

    def settle(self) -> None:
        """Wait a moment for the tape, if there is one and it has ended: who looks at it now finds all of it."""
        take, self._take = self._take, None
        if take is not None:
            take.settle()
            if self._recorder is not None:
                self._recorder.close()

    async def asettle(self) -> None:
        """The same for an async stream."""
        take, self._take = self._take, None
        if take is not None:
            await take.asettle()
            if self._recorder is not None:
                await self._recorder.aclose()

    def close(self) -> None:
        """Nobody will read on."""
        self.closed = True
        self.take_pieces()
        self._end_tape("cancel", None)

    def check_open(self) -> None:
        """StreamConsumedError if there is nothing to read on: it ended, or was closed."""
        if self.terminal is not None or (self.closed and not self.batch.__length_hint__()):
            what = "closed" if self.terminal is None else "read to its end"
            message = f"the stream was {what} already; `snapshot` has what had come"
            raise StreamConsumedError(message, completion=self.snapshot)

    def note(self, event: ChatStreamEvent) -> None:
        """An event of the last batch was taken."""
        if event.type in _TERMINAL and not self.batch.__length_hint__():
            self.terminal = event
            self.end = self.end or self.parser.end

    def snapshot(self) -> ChatCompletion | None:
        """The completion as of the last event that was delivered, or None before the first chunk."""
        if not self.batch.__length_hint__():
            return self.parser.snapshot
        last = self._last_chunk()
        return None if last is None else last.snapshot

    def is_failure(self, event: ChatStreamEvent) -> bool:
        """Whether this event tells of the error that the stream ended with."""
        return event is self.terminal and isinstance(event, ErrorEvent | AbortEvent)

    def raise_failure(self) -> None:
        """Raise the error that the stream ended with, if it did."""
        if isinstance(self.terminal, ErrorEvent | AbortEvent):
            raise self.terminal.error

    def completion(self) -> ParsedChatCompletion[Any]:
        """The whole completion, with what the response format and the tools made of it."""
        from chatstream.types import build
        from chatstream.types.answer import answered
        from chatstream.types.parsed import parsed_anything

        self.raise_failure()
        completion = build(parsed_anything(), self.parser.parsed_values())
        info = None if self.about is None else self.about.response
        return completion if info is None else answered(completion, info)

    def message(self) -> ParsedChatCompletionMessage[Any]:
        """The message of the first choice."""
        completion = self.completion()
        if not completion.choices:
            raise IncompleteStreamError("the completion has no choice", completion=completion)
        return completion.choices[0].message

    def function_tool_call(self) -> ChatCompletionMessageFunctionToolCall | None:
        """The last function tool call of the first choice, or None."""
        calls = self.message().tool_calls or []
        functions = [call for call in calls if call.type != "custom"]
        last: ChatCompletionMessageFunctionToolCall | None = functions[-1] if functions else None
        return last

    def usage(self) -> CompletionUsage | None:
        """The token counts, or None if the server sent none."""
        return self.completion().usage


class _AsyncTee:
    """Async reads, each recorded as it comes."""

    def __init__(self, reads: AsyncIterator[Any], tee: Callable[[Any], Any]) -> None:
        self._next = reads.__anext__
        self._tee = tee

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        return self._tee(await self._next())


def _is_function(tool: Any) -> bool:
    """Whether it is a function to make a tool of: models read arguments as they are."""
    return callable(tool) and not hasattr(tool, "model_validate_json")


def _abort_instead(undelivered: list[ChatStreamEvent]) -> AbortEvent:
    """The end of a stream that had been read to its end, but not delivered when it was stopped."""
    error = APIUserAbortError("the stream was aborted")
    last = undelivered[-1]
    if isinstance(last, EndEvent | ErrorEvent):
        error.completion = lambda: last.snapshot
    return AbortEvent(error, getattr(last, "_frame", None))
