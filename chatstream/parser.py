"""The stages as one machine, and how a stream may end.

In go bytes, or chunks that came parsed; out come events, the last of them terminal. Rules: a failure is a value here,
an ErrorEvent, always last: a broken chunk may stand behind ten good ones in the same read. What a caller does wrong
still raises. The parser waits for nothing and reads no clock; the streams drive it, and you may, too.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from chatstream.accumulator import APPEND_FIELDS, ChatCompletionAccumulator
from chatstream.chunks import has_error, plain_mapping, read_error, read_payload
from chatstream.ends import Limits, StreamEnd
from chatstream.errors import APIUserAbortError, ChatStreamError, StreamLimitError, StreamProtocolError
from chatstream.events import AbortEvent, EndEvent, ErrorEvent
from chatstream.jsontext import BAD_UTF8, ODD_STRINGS, plain, read_json
from chatstream.ledger import approximate_size
from chatstream.readers import Readers, arguments_reader, content_reader
from chatstream.sse import COMMENT, Block, SSEDecoder, Stray
from chatstream.verdict import FINISH_ERRORS, incomplete_error, is_completion, judge, late_error, not_a_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from chatstream.ends import Anomaly, EndKind
    from chatstream.events import ChatStreamEvent
    from chatstream.types import ChatCompletion

__all__ = ["ChatStreamParser"]

_WHITE_SPACE = b" \t\n\r\x0c"  # ASCII white space, as the HTML standard has it
_MAX_STRAY = 64 * 1024


class ChatStreamParser:
    """Events of a chat-completion stream, without any I/O: ``feed`` bytes, ``close`` at their clean end.

    ``feed`` and ``close`` give the events that are complete by then, and never raise for what the peer sent: a stream
    that fails ends with an ErrorEvent. After that, or after ``[DONE]``, feed gives ``[]`` and reads nothing.

    ``response_format``: makes partial and final values of the content. A dict as the API takes it (the content is read
    as JSON), a class with ``model_validate_json`` (a pydantic model), or a callable that takes the whole content.
    ``tools``: likewise for arguments: the tools of the request as dicts, or pydantic models, named by their class.
    ``limits``: what an answer may grow to. ``append_fields``: unknown strings of a delta that come in pieces.
    ``allow_incomplete``: a stream that was cut is a plain end. ``raise_on``: finish reasons, of ``length`` and
    ``content_filter``, that are errors once the stream was read to its end.
    """

    def __init__(
        self,
        *,
        tools: Iterable[Any] | None = None,
        response_format: Any = None,
        limits: Limits = Limits(),  # noqa: B008  frozen
        append_fields: Iterable[str] = APPEND_FIELDS,
        allow_incomplete: bool = False,
        raise_on: Iterable[str] = frozenset(),
    ) -> None:
        if isinstance(raise_on, str):
            problem = f"raise_on takes a set of {sorted(FINISH_ERRORS)}, not a str"
            raise ValueError(problem)  # noqa: TRY004  its letters are names that are none, as any others would be
        self._raise_on = frozenset(raise_on)
        if unknown := self._raise_on - FINISH_ERRORS.keys():
            problem = f"raise_on takes {sorted(FINISH_ERRORS)}, not {sorted(unknown)}"
            raise ValueError(problem)
        tools = list(tools or ())
        models = [model for model in (response_format, *tools) if hasattr(model, "model_json_schema")]
        self._readers = Readers(content_reader(response_format), arguments_reader(tools), models)
        if hasattr(response_format, "model_validate_json"):
            self._raise_on |= FINISH_ERRORS.keys()  # a model was asked for: an answer that was cut is none
        self._limits = limits
        self._allow_incomplete = allow_incomplete
        self._accumulator = ChatCompletionAccumulator(
            limits=limits,
            append_fields=append_fields,
            readers=self._readers,
        )
        self._ledger = self._accumulator.ledger
        self.decoder: SSEDecoder = SSEDecoder(max_event_size=limits.max_event_size, stray=_no_listener)
        self._leading: list[bytes] = []  # lines before the first field: perhaps a document
        self._leading_size = 0
        self._source: str | None = None  # "bytes" or "chunks", once something was fed
        self._closed = False  # by the caller, who must not feed any more
        self._exhausted = False  # nothing more comes, for whatever reason
        self._in_tail = False  # reading an unfinished last event: what is not whole there is no failure
        self._tail_broken = False  # what is not whole has been reached
        self._comments = 0
        self._empty_events = 0
        self._templates = self._accumulator.templates
        # What ``feed`` tries first with a read that is one whole event; a driver may, too, and save a call.
        self.take_alike: Callable[..., list[ChatStreamEvent] | None] = self._templates.take
        self.end: StreamEnd | None = None

    @property
    def snapshot(self) -> ChatCompletion | None:
        """The completion so far, or None before the first chunk."""
        return self._accumulator.snapshot if self._accumulator.chunks else None

    @property
    def anomalies(self) -> list[Anomaly]:
        """What was odd so far, one record a kind: kind, first_event, count."""
        return self._accumulator.anomalies

    @property
    def chunks(self) -> int:
        """How many chunks have arrived."""
        return self._accumulator.chunks

    @property
    def keep_alives(self) -> int:
        """How many comments and empty events have arrived."""
        return self._comments + self._empty_events

    def parsed_values(self) -> dict[str, Any]:
        """The completion so far as plain values, with ``parsed`` and ``parsed_arguments`` where there are any."""
        return self._accumulator.parsed_values()

    def feed(self, data: bytes) -> list[ChatStreamEvent]:
        """The events that are complete with these bytes."""
        if self._templates.between_events and type(data) is bytes:
            events = self.take_alike(data, True)  # noqa: FBT003  a keyword costs
            if events is not None:
                return events
        out: list[ChatStreamEvent] = []
        if self._closed or self._source != "bytes":
            self._begin("bytes")
        if self.end is not None and isinstance(data, bytes | bytearray | memoryview):
            return out
        try:
            blocks: list[Any] = self.decoder.feed_blocks(data)
        except StreamLimitError as error:
            self._take_blocks(error.events, out)
            if self.end is None:
                error.events = []
                self._fail(error, out)
        else:
            if blocks:
                self._take_blocks(blocks, out)
        self._templates.between_events = self.decoder.clean and self.end is None
        return out

    def feed_chunk(self, chunk: Mapping[str, Any]) -> list[ChatStreamEvent]:
        """The events of one chunk that came parsed, from another SDK or a file; not to be mixed with ``feed``."""
        if not hasattr(chunk, "keys") or not hasattr(chunk, "__getitem__"):
            problem = f"feed_chunk() takes a mapping, not {type(chunk).__name__}"
            raise TypeError(problem)
        self._begin("chunks")
        out: list[ChatStreamEvent] = []
        if self.end is None:
            self._ledger.event_number += 1
            try:
                raw, odd = plain_mapping(chunk, self._limits.max_depth)
            except (StreamProtocolError, StreamLimitError) as error:
                self._fail(error, out)
            else:
                self._ledger.event_size = approximate_size(raw)
                # The event's is a copy of its own: whoever changes it must not change the completion.
                data = plain(raw, keep_infinities=True)
                self._take_json(raw, ODD_STRINGS if odd else 0, data, out)
        return out

    def close(self) -> list[ChatStreamEvent]:
        """The events at the clean end of the source, the terminal one among them unless it was given before."""
        out: list[ChatStreamEvent] = []
        if not self._closed:
            self._closed = True
            self._take_rest(out)
            if self.end is None:
                self._conclude(out, done_seen=None if self._source == "chunks" else False)
        return out

    def fail(self, error: ChatStreamError) -> list[ChatStreamEvent]:
        """The events at an unclean end: what was still whole, then ``error``, unless ``[DONE]`` had come."""
        out: list[ChatStreamEvent] = []
        if self.end is None:
            self._take_rest(out, clean=False)
            if self.end is None:
                self._fail(error, out)
        return out

    def abort(self) -> list[ChatStreamEvent]:
        """The AbortEvent of a stream that you stop, unless it had ended."""
        if self.end is not None:
            return []
        self._exhausted = True
        self._templates.between_events = False
        error = APIUserAbortError("the stream was aborted")
        self.end = self._stream_end("aborted", done_seen=None if self._source == "chunks" else False)
        return [AbortEvent(error, self._attach(error))]

    def _begin(self, source: str) -> None:
        if self._closed:
            problem = "feed() after close()"
            raise RuntimeError(problem)
        if self._source != source:
            if self._source is not None:
                problem = "feed() and feed_chunk() cannot be mixed"
                raise RuntimeError(problem)
            self._source = source

    # From blocks to chunks

    def _take_blocks(self, blocks: list[Any], out: list[ChatStreamEvent]) -> None:
        for block in blocks:
            if type(block) is bytes:
                events = self.take_alike(block)
                if events is not None:
                    out += events
                    continue
                if self.end is None:
                    self._read_leading(out)
                    self._take("", self._data_of(block), out)
            elif self.end is not None:
                return
            elif type(block) is Block:
                self._read_leading(out)
                events = None if block.event == "error" else self.take_alike(self._templates.field + block.data)
                if events is None:
                    self._take(block.event, block.data, out)
                else:
                    out += events
            elif block is COMMENT:
                self._comments += 1
            elif block.leading:
                self._keep_leading(block)
            else:
                self._read_leading(out)
                self._take_stray(block.line, out)

    def _data_of(self, line: bytes) -> bytes:
        """What a data line says; from now on a chunk that is taken is expected to begin as this one does."""
        spaced = line[5:6] == b" "
        self._templates.field = b"data: " if spaced else b"data:"
        return line[6:] if spaced else line[5:]

    def _take(self, name: str, data: bytes, out: list[ChatStreamEvent]) -> None:
        """One event: an error, a keep-alive, the end, or a chunk."""
        if self.end is not None:
            return
        self._ledger.event_number += 1
        self._ledger.event_size = len(data)
        data = data.strip(_WHITE_SPACE)
        if name == "error":
            self._take_error(data, out)
        elif not data or data == b"null":
            self._empty_events += 1
        elif data == b"[DONE]":
            self._conclude(out, done_seen=True)
        else:
            self._take_data(data, out)

    def _take_data(self, data: bytes, out: list[ChatStreamEvent]) -> None:
        try:
            raw, flags = read_json(data, max_depth=self._limits.max_depth)
        except StreamProtocolError as error:
            if 10 in data:  # LF: perhaps the server forgot the blank line between two chunks
                self._take_lines(data, out)
            else:
                self._fail(error, out)
        except StreamLimitError as error:
            self._fail(error, out)
        else:
            self._take_json(raw, flags, data, out)

    def _take_lines(self, data: bytes, out: list[ChatStreamEvent]) -> None:
        lines = data.split(b"\n")
        events = len(out)
        for line in lines:
            if self._tail_broken:
                break
            before = self._ledger.event_number
            self._take("", line, out)
            self._ledger.event_number = before  # they are one event
        if len(out) - events > 1 or self.end is None:
            self._ledger.note("lost_blank_line")

    def _take_json(self, raw: Any, flags: int, data: bytes | Mapping[str, Any], out: list[ChatStreamEvent]) -> None:
        if flags & BAD_UTF8:
            self._ledger.note("bad_utf8")
        failure: ChatStreamError | None = read_error(raw) if has_error(raw) else None
        if failure is not None:
            raw = read_payload(raw[0] if type(raw) is list else raw)
        try:
            if type(raw) is not dict:
                problem = f"JSON, but no object: {'a list' if type(raw) is list else 'a ' + type(raw).__name__}"
                raise StreamProtocolError(problem)  # noqa: TRY301  one place turns what is raised into an event
            chunk = self._accumulator.read(raw, odd=bool(flags & ODD_STRINGS))
            if chunk is not None:
                self._accumulator.add_chunk(chunk, data, out)
        except (StreamProtocolError, StreamLimitError) as broken:
            failure = failure or broken
        except RecursionError:  # a value as deep as is allowed, and a caller who is deep himself
            failure = failure or StreamLimitError(limit="max_depth", value=self._limits.max_depth)
        if failure is not None:
            self._fail(failure, out)

    def _take_error(self, data: bytes, out: list[ChatStreamEvent]) -> None:
        """An event named error is one, whatever its data; a chunk beside the error is merged first."""
        try:
            raw, _ = read_json(data, max_depth=self._limits.max_depth)
        except (StreamProtocolError, StreamLimitError):
            # Words of its own, unless it looks like a chunk that was cut.
            raw = None if data[:1] in (b"{", b"[") else data.decode("utf-8", "replace")
        if type(raw) is dict and ("choices" in raw or raw.get("usage")):
            try:
                chunk = self._accumulator.read(read_payload(raw), odd=True)
                if chunk is not None:
                    self._accumulator.add_chunk(chunk, data, out)
            except (StreamProtocolError, StreamLimitError):
                pass  # the error itself matters more than what came with it
        self._fail(read_error(raw or "the server sent an error event"), out)

    # Lines that are no field

    def _keep_leading(self, stray: Stray) -> None:
        """Keep a line before the first field, as a possible document; past the event limit it is none."""
        self._leading_size += len(stray.line) + 1
        limit = self._limits.max_event_size
        if limit is None or self._leading_size <= limit:
            self._leading.append(stray.line)

    def _read_leading(self, out: list[ChatStreamEvent]) -> None:
        """A field came after all: what stood before it are stray lines like any others."""
        lines, self._leading = self._leading, []
        for line in lines:
            if len(line) <= _MAX_STRAY:
                self._take_stray(line, out)

    def _take_stray(self, line: bytes, out: list[ChatStreamEvent]) -> None:
        """A stray line, or the value of an ``error:`` line, that is a JSON error object is an error."""
        if self.end is not None:
            return
        self._ledger.note("stray_line")
        line = line.strip(_WHITE_SPACE)
        named = line.startswith(b"error:")
        if named:
            line = line[6:].strip(_WHITE_SPACE)
        if line[:1] + line[-1:] not in (b"{}", b"[]") or not (named or b"error" in line or b"\\" in line):
            return  # no JSON error object, nor one in an array: a server that talks is not worth parsing
        try:
            raw, _ = read_json(line, max_depth=self._limits.max_depth)
        except (StreamProtocolError, StreamLimitError):
            return
        if has_error(raw) or (named and type(raw) is dict and raw.get("message")):
            self._fail(read_error(raw), out)

    # The end

    def _take_rest(self, out: list[ChatStreamEvent], *, clean: bool = True) -> None:
        """Read what is whole of an unfinished last event, or of a body that was no event stream at all."""
        self._exhausted = True
        self._templates.between_events = False
        if self.end is not None or self._source == "chunks":
            return
        self._take_blocks(self.decoder.close_blocks(), out)
        if self.decoder.field_seen:
            self._read_leading(out)
            self._take_tail(out)
        elif clean and self.end is None:
            self._take_document(b"\n".join(self._leading), out)

    def _take_tail(self, out: list[ChatStreamEvent]) -> None:
        values = self.decoder.pending_data
        self._in_tail = True
        if values and self.end is None:
            data = b"\n".join(values)
            event_number, chunks = self._ledger.event_number, self._accumulator.chunks
            self._take(self.decoder.pending_event, data, out)
            if self._accumulator.chunks == chunks and self.end is None:
                self._ledger.event_number = event_number
        self._in_tail = False

    def _take_document(self, body: bytes, out: list[ChatStreamEvent]) -> None:
        """A body without a single field line: one finished answer, an error, or no stream at all."""
        body = body.strip(_WHITE_SPACE)
        if not body and not self._leading_size:
            return
        try:
            raw, flags = read_json(body, max_depth=self._limits.max_depth)
        except StreamLimitError as error:
            self._fail(error, out)
            return
        except StreamProtocolError:
            raw, flags = None, 0
        self._ledger.event_number += 1
        if has_error(raw):
            self._take_json(raw, flags, body, out)
        elif is_completion(raw):
            self._ledger.note("not_streamed")
            self._take_json(raw, flags, body, out)
            if self.end is None:
                self._conclude(out, done_seen=None, whole=True)
        else:
            self._fail(not_a_stream(body), out)

    def _conclude(self, out: list[ChatStreamEvent], *, done_seen: bool | None, whole: bool = False) -> None:
        """The verdict at a clean end, as merging.md has it under "How a stream ends"."""
        choices = list(self._accumulator.choices.values())
        try:
            for choice in choices:
                choice.run_aside(out)
            kind = judge(choices, done_seen=done_seen, whole=whole)
            if kind == "incomplete":
                self._conclude_incomplete(out, done_seen=done_seen)
                return
            for choice in choices:
                choice.end_unfinished(out)
        except StreamLimitError as error:
            self._fail(error, out)
            return
        except RecursionError:  # a value as deep as is allowed, and a caller who is deep himself
            self._fail(StreamLimitError(limit="max_depth", value=self._limits.max_depth), out)
            return
        late = late_error(choices, self._raise_on, self._readers)
        if late is not None:
            self._fail(late, out, done_seen=done_seen)
        else:
            self.end = self._stream_end(kind, done_seen=done_seen)
            out.append(EndEvent(self.end, self._accumulator.frame()))

    def _conclude_incomplete(self, out: list[ChatStreamEvent], *, done_seen: bool | None) -> None:
        self.end = self._stream_end("incomplete", done_seen=done_seen)
        if self._allow_incomplete:
            out.append(EndEvent(self.end, self._accumulator.frame()))
            return
        lines_ended = self.decoder.lines_ended or not self.decoder.pending
        error = incomplete_error(self._accumulator.choices.values(), lines_ended=lines_ended)
        out.append(ErrorEvent(error, self._attach(error)))

    def _fail(self, error: ChatStreamError, out: list[ChatStreamEvent], *, done_seen: bool | None = False) -> None:
        if self._in_tail and isinstance(error, StreamProtocolError | StreamLimitError):
            self._tail_broken = True
            return
        if self.end is None:
            with suppress(StreamLimitError):
                for choice in self._accumulator.choices.values():
                    choice.run_aside(out)
            self.end = self._stream_end("error", done_seen=None if self._source == "chunks" else done_seen)
            out.append(ErrorEvent(error, self._attach(error)))

    def _attach(self, error: ChatStreamError) -> Any:
        """Give the error what had arrived, unbuilt; the frame of it."""
        if not self._accumulator.chunks:
            return None
        frame = self._accumulator.frame()
        error.completion = frame.completion
        return frame

    def _stream_end(self, kind: EndKind, *, done_seen: bool | None) -> StreamEnd:
        self._templates.forget()  # nothing is merged any more
        choices = self._accumulator.choices.values()
        finish_seen = bool(choices) and all(choice.finish_reason is not None for choice in choices)
        trailing = len(self.decoder.pending) if self._exhausted else 0
        return StreamEnd(kind, done_seen, finish_seen, trailing)


def _no_listener(line: bytes) -> None:
    """Stray lines come in their places among the blocks; the decoder only needs to know that they are wanted."""
