"""Reading: one stream being read, but for the waiting.

In go the reads of a source, or how it ended; out come events in a queue, and when all have been delivered, what can be
said of the whole. Both stream classes own one, and differ in nothing that is done here.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

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
from chatstream.recording import TapeWriter
from chatstream.sources import read_of, transport_error
from chatstream.stats import StreamStats

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chatstream.events import ChatStreamEvent
    from chatstream.recording import TapeEnd
    from chatstream.sources import AsyncSource, Source
    from chatstream.types import (
        ChatCompletion,
        ChatCompletionMessageFunctionToolCall,
        CompletionUsage,
        ParsedChatCompletion,
        ParsedChatCompletionMessage,
    )

__all__ = ["FAILURES", "TERMINAL", "Reading"]

FAILURES = frozenset({"error", "abort"})  # what is raised when the stream comes to it
TERMINAL = FAILURES | {"end"}


class Reading:
    """One stream being read: the events that wait to be delivered, and what can be said of it when all have been."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        record: Any,
        **options: Any,
    ) -> None:
        self.parser: ChatStreamParser = ChatStreamParser(**options)
        self.stats: StreamStats = StreamStats(clock=clock)
        self.queue: deque[ChatStreamEvent] = deque()
        self.last_chunk: ChatStreamEvent | None = None  # that was delivered
        self.terminal: ChatStreamEvent | None = None  # the last event, once it was delivered
        self.end: StreamEnd | None = None  # likewise: what was read ahead is nobody's business yet
        self.closed: bool = False
        self.about: Source | AsyncSource | None = None
        self._record = record
        self._writer: TapeWriter | None = None
        self._clock = clock

    def begin(self, source: Source | AsyncSource) -> None:
        """The source is open."""
        self.about = source
        self.stats.begin()
        if self._record is not None:
            self._writer = TapeWriter(self._record, clock=self._clock)
            if source.status is not None:
                self._writer.response(source.status, source.headers)

    def take(self, value: Any) -> None:
        """One read arrived."""
        read = read_of(value)
        if isinstance(read, bytes):
            self.stats.note_read(len(read))
            if self._writer is not None:
                self._writer.read(read)
            events = self.parser.feed(read)
        else:
            self.stats.note_read(0)
            self._record_chunk(read)
            events = self.parser.feed_chunk(read)
        self._deliver(events)

    def _record_chunk(self, chunk: Mapping[str, Any]) -> None:
        if self._writer is not None:
            if not self.parser.chunks:
                self._writer.source_chunks()
            self._writer.chunk(chunk)

    def finish(self) -> None:
        """The source ended cleanly."""
        self._deliver(self.parser.close())

    def fail(self, error: Exception) -> None:
        """The source broke. What nobody's peer is to blame for is raised as it is."""
        ours = transport_error(error, bytes_seen=bool(self.stats.bytes))
        if ours is None:
            self._end_tape("error", error)
            raise error
        self._deliver(self.parser.fail(ours))

    def abort(self) -> None:
        """The caller stops it: what has not been delivered yet is in the snapshot alone."""
        if self.end is None:
            undelivered = list(self.queue)
            self.queue.clear()
            self._deliver(self.parser.abort() or [_abort_instead(undelivered)])
            self.end = StreamEnd("aborted", done_seen=False)

    def _deliver(self, events: list[ChatStreamEvent]) -> None:
        self.stats.note_events(events)
        self.queue.extend(events)
        if self.parser.end is not None:
            self._conclude(events[-1] if events else None)

    def _conclude(self, last: ChatStreamEvent | None) -> None:
        self.stats.keep_alives = self.parser.keep_alives
        self.stats.finish()
        if isinstance(last, ErrorEvent | AbortEvent) and self.about is not None:
            last.error.request_id = last.error.request_id or self.about.request_id
            if isinstance(last.error, NotAStreamError):
                last.error.content_type = self.about.content_type
        if isinstance(last, ErrorEvent) and isinstance(last.error, APITimeoutError):
            self._end_tape("timeout", last.error)
        elif isinstance(last, ErrorEvent) and self.parser.end is not None and self.parser.end.kind == "error":
            self._end_tape("error" if isinstance(last.error.__cause__, Exception) else "eof", last.error)
        else:
            self._end_tape("cancel" if isinstance(last, AbortEvent) else "eof", None)

    def _end_tape(self, kind: TapeEnd, error: Exception | None) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.end(kind, error)
            writer.close()

    def close(self) -> None:
        """Nobody will read on."""
        self.closed = True
        self._end_tape("cancel", None)

    def check_open(self) -> None:
        """StreamConsumedError if there is nothing to read on: it ended, or was closed."""
        if self.terminal is not None or (self.closed and not self.queue):
            what = "closed" if self.terminal is None else "read to its end"
            message = f"the stream was {what} already"
            raise StreamConsumedError(message, completion=self.snapshot)

    def conclude(self, event: ChatStreamEvent) -> None:
        """The last event is being delivered."""
        self.terminal = event
        self.end = self.end or self.parser.end

    def snapshot(self) -> ChatCompletion | None:
        """The completion as of the last event that was delivered, or None before the first chunk."""
        if not self.queue:
            return self.parser.snapshot
        return self.last_chunk.snapshot if isinstance(self.last_chunk, ChunkEvent) else None

    def raise_failure(self) -> None:
        """Raise the error that the stream ended with, if it did."""
        if isinstance(self.terminal, ErrorEvent | AbortEvent):
            raise self.terminal.error

    def completion(self) -> ParsedChatCompletion[Any]:
        """The whole completion, with what the response format and the tools made of it."""
        from chatstream.types import ParsedChatCompletion, build

        self.raise_failure()
        return build(ParsedChatCompletion[Any], self.parser.parsed_values())

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


def _abort_instead(undelivered: list[ChatStreamEvent]) -> AbortEvent:
    """The end of a stream that had been read to its end, but not delivered when it was stopped."""
    error = APIUserAbortError("the stream was aborted")
    last = undelivered[-1]
    if isinstance(last, EndEvent | ErrorEvent):
        error.completion = lambda: last.snapshot
    return AbortEvent(error, getattr(last, "_frame", None))
