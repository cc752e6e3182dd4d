"""The event-stream format, and nothing about chat.

Bytes go in, cut anywhere; ServerSentEvents come out. The rules are those of the HTML standard, 9.2.5 "Parsing an
event stream" and 9.2.6 "Interpreting an event stream" (https://html.spec.whatwg.org/multipage/server-sent-events.html):
one leading BOM goes; lines end at LF, CR and CRLF and nothing else; a block without data is not dispatched; bad UTF-8
becomes U+FFFD, and an unfinished block at the end is dropped, though it can be looked at in ``pending``.

Two faces: ``feed`` gives ServerSentEvents, as a caller wants them. ``feed_blocks`` gives what the parser of this
project wants: the bytes of the data, undecoded, and the lines that are no field, in their places.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from chatstream.errors import StreamLimitError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["COMMENT", "Block", "SSEDecoder", "ServerSentEvent", "Stray", "encode"]

_BOM = b"\xef\xbb\xbf"
_FIELDS = (b"data", b"event", b"id", b"retry")
_MAX_STRAY = 64 * 1024  # bytes of one line that is no field: a JSON error fits, an HTML page need not
_MAX_RETRY_DIGITS = 18  # more milliseconds than that are no time anybody waits


class ServerSentEvent(msgspec.Struct, frozen=True):
    """One event: its type, its data, and the last event id when it was dispatched.

    ``retry`` is the reconnection time in milliseconds, if one was set since the event before.
    """

    event: str = "message"
    data: str = ""
    id: str = ""
    retry: int | None = None

    def json(self) -> Any:
        """The data as parsed JSON; ValueError if it is none."""
        return json.loads(self.data)


class Block(msgspec.Struct, frozen=True, gc=False):
    """An event whose data has not been decoded. The plainest kind is passed on as its data line alone."""

    event: str
    data: bytes
    id: str
    retry: int | None


class Stray(msgspec.Struct, frozen=True, gc=False):
    """A line that is no field, and whether it came before any field (so that the body may be no event stream)."""

    line: bytes
    leading: bool


COMMENT = Stray(b":", leading=False)  # stands for any comment: what it says is nobody's business, that it came is


class SSEDecoder:
    """Decodes an event stream: ``feed`` bytes as they come, ``close`` at their end.

    ``max_event_size`` limits the bytes of the event that is not complete yet (None: no limit); past it feed raises
    StreamLimitError, whose ``events`` holds what was complete in that read. Comments and lines that are no field are
    dropped as they arrive, however long. With ``stray`` such lines are handed over instead, comments aside: up to
    64 KiB each, and up to ``max_event_size`` while no field has been seen.

    Work and memory are linear in what is fed, however it is cut.
    """

    def __init__(
        self,
        *,
        max_event_size: int | None = 64 * 2**20,
        stray: Callable[[bytes], object] | None = None,
    ) -> None:
        self._limit = max_event_size
        self._stray = stray
        self._wants_stray = stray is not None
        self._head: bytes | None = b""  # the first bytes, until it is clear whether they are a BOM; then None
        self._after_cr = False  # the last byte was CR: a LF that follows belongs to it
        self._partial: list[bytes] = []  # an unfinished line, in pieces
        self._partial_size = 0
        self._dropping = False  # the unfinished line is of no use: only its end matters
        self._lines: list[bytes] = []  # field lines of the unfinished block
        self._lines_size = 0
        self.clean: bool = (
            False  # nothing unfinished, no id and no retry in force: the usual read may take the short way
        )
        self.in_data: bool = False  # the unfinished line is a data line
        self._retry: int | None = None
        self._failed = False
        self._closed = False
        self.field_seen: bool = False
        self.lines_ended: bool = False
        self.last_event_id: str = ""
        self.reconnection_time: int | None = None

    @property
    def pending(self) -> bytes:
        """The field lines of the unfinished last block, as they came, without its end; empty between blocks."""
        lines = self._lines
        if self._partial and not self._dropping and _kind_of_start(partial := b"".join(self._partial)) == _FIELD:
            lines = [*lines, partial]
        elif lines:
            lines = [*lines, b""]
        return b"\n".join(lines)

    @property
    def pending_data(self) -> list[bytes]:
        """The values of the data lines of the unfinished last block, the last one possibly cut."""
        lines = [*self._lines, b"".join(self._partial)]
        return [_value(line, 4) for line in lines if line[:5] == b"data:" or line == b"data"]

    @property
    def pending_event(self) -> str:
        """The event type that the unfinished last block has named so far."""
        names = [_value(line, 5) for line in self._lines if line[:6] == b"event:"]
        return names[-1].decode("utf-8", "replace") if names else ""

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """The events that are complete with these bytes; TypeError if it is not bytes, RuntimeError after ``close``."""
        try:
            return self._messages(self.feed_blocks(data))
        except StreamLimitError as error:
            error.events = self._messages(error.events)
            raise

    def close(self) -> list[ServerSentEvent]:
        """Nothing, by the standard: a block that no blank line ended is not dispatched. Look at ``pending`` for it."""
        return self._messages(self.close_blocks())

    def feed_blocks(self, data: bytes) -> list[bytes | Block | Stray]:
        """What is complete with these bytes: plain data lines as they are, else Blocks; and stray lines."""
        if self.clean and type(data) is bytes and data[:6] == b"data: " and data[-1:] == b"\n":
            # The usual read is exactly one `data: …` block; 13 is CR.
            whole = data.find(b"\n") == len(data) - 2 and 13 not in data
            if whole and (self._limit is None or len(data) - 2 <= self._limit):
                return [data[:-2]]
        if self.in_data and type(data) is bytes:
            size = self._lines_size + self._partial_size + len(data)
            if 13 not in data and (self._limit is None or size <= self._limit):
                if 10 not in data:
                    self._partial.append(data)
                    self._partial_size += len(data)
                    return []
                if not self._lines and self._plain:
                    # It ends one event, and may begin another.
                    lines = b"".join([*self._partial, data]).split(b"\n")
                    if len(lines) == 3 and not lines[1]:
                        self._begin_line(lines[2])
                        return [lines[0]]
        if not isinstance(data, (bytes, bytearray, memoryview)):
            message = f"feed() takes bytes, not {type(data).__name__}"
            raise TypeError(message)
        if self._closed:
            message = "feed() after close()"
            raise RuntimeError(message)
        return self._feed_any(bytes(data))

    @property
    def room(self) -> int:
        """How many bytes more the unfinished event may have."""
        return 2**62 if self._limit is None else self._limit - self._lines_size - self._partial_size

    def _begin_line(self, start: bytes) -> None:
        """An event has ended; this much has come of the next line."""
        self.lines_ended = self.field_seen = True
        self._partial_size = len(start)
        if self._partial_size > 5 and start[:5] == b"data:":
            self._partial = [start]
            return
        self._partial, self._partial_size = [], 0
        if start:
            self._take_partial(start)
        self._look_back()

    def _look_back(self) -> None:
        """What the next read may be, by what is unfinished after this one."""
        unfinished = self._partial_size or self._lines or self._dropping or self._after_cr
        self.clean = self.field_seen and not unfinished and self._plain
        self.in_data = self._partial_size > 5 and not self._dropping and self._partial[0][:5] == b"data:"

    @property
    def _plain(self) -> bool:
        """Whether no id and no retry is in force."""
        return not self.last_event_id and self._retry is None

    def close_blocks(self) -> list[bytes | Block | Stray]:
        """The unfinished last line, if it is a stray one; one that may have become a field is left in ``pending``."""
        found: list[bytes | Block | Stray] = []
        if not self._closed:
            self._closed = True
            self.clean = self.in_data = False
            line = b"".join(self._partial)
            if line and not self._dropping:
                if _kind_of_start(line) == _FIELD:
                    self.field_seen = True
                else:
                    self._partial = []
                    self._take_stray(line, found)
        return found

    def _messages(self, blocks: list[Any]) -> list[ServerSentEvent]:
        messages: list[ServerSentEvent] = []
        for block in blocks:
            if type(block) is bytes:
                messages.append(ServerSentEvent("message", _value(block, 4).decode("utf-8", "replace")))
            elif type(block) is Block:
                data = block.data.decode("utf-8", "replace")
                messages.append(ServerSentEvent(block.event or "message", data, block.id, block.retry))
            elif self._stray is not None and block is not COMMENT:
                self._stray(block.line)
        return messages

    def _feed_any(self, data: bytes) -> list[bytes | Block | Stray]:
        found: list[bytes | Block | Stray] = []
        if self._failed:
            raise self._too_large()
        if self._head is not None:
            data = self._skip_bom(data)
        if self._after_cr and data:
            self._after_cr = False
            if data[0] == 10:
                data = data[1:]
        if not data:
            return found
        try:
            self._split(data, found)
        except StreamLimitError as error:
            self._failed = True
            self.clean = self.in_data = False
            self._lines, self._partial = [], []
            error.events = list(found)
            raise
        self._look_back()
        return found

    def _skip_bom(self, data: bytes) -> bytes:
        data = (self._head or b"") + data
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._head = data
            return b""
        self._head = None
        return data[3:] if data.startswith(_BOM) else data

    def _split(self, data: bytes, found: list[bytes | Block | Stray]) -> None:
        """Cut at line ends, all in one go: one split is far cheaper than a search for every line."""
        if 13 in data:
            self._after_cr = data[-1] == 13
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        elif 10 not in data:
            self._take_partial(data)
            return
        self.lines_ended = True
        lines = data.split(b"\n")
        rest = lines.pop()
        if self._dropping:
            self._end_dropped(found)
            del lines[0]
        elif self._partial:
            self._partial.append(lines[0])
            lines[0] = b"".join(self._partial)
            self._partial = []
            self._partial_size = 0
        if self._takes_lines(lines):
            found += lines[::2]
            lines = []
        for line in lines:
            if not line:
                if self._lines:
                    self._dispatch(found)
            else:
                self._take_line(line, found)
        if rest:
            self._take_partial(rest)

    def _takes_lines(self, lines: list[bytes]) -> bool:
        """Whether these are data lines, each with a blank one behind it, and nothing else is in force."""
        if self._lines or not self._plain or len(lines) & 1 or any(lines[1::2]):
            return False
        for line in lines[::2]:
            if line[:5] != b"data:":
                return False
        if self._limit is not None and max(map(len, lines), default=0) > self._limit:
            return False
        self.field_seen = self.field_seen or bool(lines)
        return True

    def _take_line(self, line: bytes, found: list[bytes | Block | Stray]) -> None:
        kind = _kind(line)
        if kind == _FIELD:
            self.field_seen = True
            if self._limit is not None and self._lines_size + len(line) > self._limit:
                raise self._too_large()
            self._lines.append(line)
            self._lines_size += len(line) + 1
        elif kind == _COMMENT:
            self._take_comment(found)
        else:
            self._take_stray(line, found)

    def _take_stray(self, line: bytes, found: list[bytes | Block | Stray]) -> None:
        limit = _MAX_STRAY if self.field_seen else self._limit
        if self._wants_stray and (limit is None or len(line) <= limit):
            found.append(Stray(line, not self.field_seen))

    def _take_partial(self, data: bytes) -> None:
        """Keep a piece of an unfinished line, unless nothing would come of it."""
        if self._dropping:
            return
        self._partial.append(data)
        before = self._partial_size
        self._partial_size += len(data)
        if before < 6:
            self._partial = [b"".join(self._partial)]
        head = self._partial[0]
        kind = _kind_of_start(head)
        if kind == _FIELD:
            # A line that may still turn out to be no field is not held against the limit: cuts decide nothing.
            certain = self._partial_size > 5 or b":" in head
            if certain and self._limit is not None and self._lines_size + self._partial_size > self._limit:
                raise self._too_large()
            return
        limit = _MAX_STRAY if self.field_seen else self._limit
        if kind == _COMMENT or not self._wants_stray or (limit is not None and self._partial_size > limit):
            self._partial = [head[:1]]
            self._dropping = True

    def _take_comment(self, found: list[bytes | Block | Stray]) -> None:
        if self._wants_stray:
            found.append(COMMENT)

    def _end_dropped(self, found: list[bytes | Block | Stray]) -> None:
        if self._partial[0] == b":":
            self._take_comment(found)
        self._partial = []
        self._partial_size = 0
        self._dropping = False

    def _too_large(self) -> StreamLimitError:
        return StreamLimitError(
            f"an event larger than {self._limit} bytes",
            limit="max_event_size",
            value=self._limit,
        )

    def _dispatch(self, found: list[bytes | Block | Stray]) -> None:
        """A blank line: interpret the block, and pass it on if it has data (HTML standard, 9.2.6)."""
        lines, self._lines, self._lines_size = self._lines, [], 0
        if len(lines) == 1 and lines[0][:5] == b"data:" and not self.last_event_id and self._retry is None:
            found.append(lines[0])
            return
        event = b""
        values: list[bytes] = []
        for line in lines:
            name, _, _ = line.partition(b":")
            value = _value(line, len(name))
            if name == b"data":
                values.append(value)
            elif name == b"event":
                event = value
            elif name == b"id":
                if b"\0" not in value:
                    self.last_event_id = value.decode("utf-8", "replace")
            elif value.isdigit() and len(value.lstrip(b"0")) <= _MAX_RETRY_DIGITS:
                self._retry = self.reconnection_time = int(value.lstrip(b"0") or b"0")
        if values:
            self._pass_on(event, b"\n".join(values), found)

    def _pass_on(self, event: bytes, data: bytes, found: list[bytes | Block | Stray]) -> None:
        if event or self.last_event_id or self._retry is not None:
            found.append(Block(event.decode("utf-8", "replace"), data, self.last_event_id, self._retry))
            self._retry = None
        else:
            found.append(Block("", data, "", None))


_FIELD, _COMMENT, _STRAY = 0, 1, 2


def _kind(line: bytes) -> int:
    """What a whole, non-empty line is."""
    if line[:5] == b"data:":
        return _FIELD
    name, _, _ = line[:6].partition(b":")
    if not name:
        return _COMMENT
    return _FIELD if name in _FIELDS and (len(line) <= len(name) or line[len(name)] == 58) else _STRAY


def _kind_of_start(start: bytes) -> int:
    """What a line that begins like this is; a field as long as it may become one."""
    if len(start) < 6 and b":" not in start:
        return _FIELD if any(name.startswith(start) for name in _FIELDS) else _STRAY
    return _kind(start)


def _value(line: bytes, name_length: int) -> bytes:
    """What stands behind the colon, less one space."""
    start = name_length + 1
    return line[start + 1 :] if line[start : start + 1] == b" " else line[start:]


def encode(message: ServerSentEvent, *, newline: str = "\n") -> bytes:
    r"""The bytes of one event, with the blank line that ends it.

    Decoding them gives the same event again, for each of the line ends ``"\n"``, ``"\r"`` and ``"\r\n"``; a line end
    inside the data comes back as ``"\n"``, since the format knows no other. ValueError for an event type or an id that
    the format cannot hold (a line end; U+0000 in an id), and for a negative reconnection time.
    """
    if newline not in {"\n", "\r", "\r\n"}:
        problem = f"newline must be LF, CR or CRLF, not {newline!r}"
        raise ValueError(problem)
    if _has_line_end(message.event) or _has_line_end(message.id) or "\0" in message.id:
        problem = "an event type and an id hold no line end, an id no U+0000"
        raise ValueError(problem)
    if message.retry is not None and message.retry < 0:
        problem = f"retry is a number of milliseconds, not {message.retry}"
        raise ValueError(problem)
    lines = [] if message.event == "message" else [f"event: {message.event}"]
    lines += [f"id: {message.id}"] if message.id else []
    lines += [] if message.retry is None else [f"retry: {message.retry}"]
    data = message.data.replace("\r\n", "\n").replace("\r", "\n")
    lines += [f"data: {line}" for line in data.split("\n")]
    return newline.join([*lines, "", ""]).encode("utf-8", "replace")


def _has_line_end(text: str) -> bool:
    return "\n" in text or "\r" in text
