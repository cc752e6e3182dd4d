r"""Lines of a tape, made of what happened and when.

In go a request, a head, reads or chunks, an end, each with its seconds; out come lines as bytes, with their line ends.
Rules: nothing here knows a file or a clock. Secrets are masked before anything becomes a line, also those that are cut
by two reads: what may still become one is held until it cannot, so that a line may come out later than its read went
in, but in its order and with its time. Of headers, those are written that are named in `secrets`.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from typing import TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import urlsplit

from chatstream import __version__
from chatstream.errors import ChatStreamError, StreamLimitError, StreamProtocolError
from chatstream.jsontext import read_json
from chatstream.recording.credentials import credentials_of
from chatstream.recording.secrets import REQUEST_HEADERS, RESPONSE_HEADERS
from chatstream.recording.tape import DEEPEST, VERSION, json_text, pieces, write_line
from chatstream.recording.writing.alike import Alike
from chatstream.recording.writing.masking import Masker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from chatstream.recording.faults import Fault
    from chatstream.recording.secrets import Secrets

__all__ = ["Composer", "TapeEnd", "end_of"]

TapeEnd = Literal["eof", "error", "cancel", "timeout"]

_NOT_JSON = (TypeError, ValueError, RecursionError, StreamProtocolError, StreamLimitError)
_DONE = re.compile(rb"(?:^|[\r\n])data: ?\[DONE\][\r\n]*\Z")
_TAIL = 32  # bytes


class Composer:
    """The lines of one exchange. Each method gives those that can be written now.

    ``error``: why something is missing from them; the first reason.
    """

    def __init__(self, secrets: Secrets, *, created: datetime) -> None:
        self.error: Exception | None = None
        self.is_ended: bool = False
        self._created = created
        self._masker = Masker(secrets)
        self._alike = Alike(secrets)
        self._last = 0  # microseconds from the start to the line before
        self._source: str | None = None  # "bytes" or "chunks", once something was written
        self._size = 0
        self._hash = hashlib.sha256()
        self._tail = b""  # the last bytes
        self._arrived: deque[tuple[float, int]] = deque()  # reads that the masker holds: when, and how long
        self._begun = False  # the first of them is on the tape with its beginning

    def header(self) -> bytes:
        """The first line."""
        created = f"{self._created:%Y-%m-%dT%H:%M:%SZ}"
        return _line(json_text({"tape": VERSION, "tool": f"chatstream/{__version__}", "created": created}) + "\n")

    def know(self, secrets: Secrets) -> None:
        """Mask these from now on."""
        self._masker.secrets = secrets
        self._alike = Alike(secrets)

    def request(self, at: float, request: Mapping[str, Any]) -> list[bytes]:
        """What was asked. What it showed to be let in is a secret from now on."""
        headers: Mapping[str, str] = request.get("headers") or {}
        url = request.get("url")
        shown = credentials_of(headers, url if isinstance(url, str) else "")
        self.know(self._masker.secrets.also(shown))
        told = {**request, "headers": _allowed(headers, REQUEST_HEADERS)}
        if isinstance(url, str):
            told["url"] = _path_of(url)
        text = self._json(told)
        if isinstance(text, Exception):
            self.error = self.error or text
            told |= {"body": None, "lost": True}  # else the answer would be one to any question
        else:
            self.know(self._masker.secrets.also(self._masker.secrets.named_in(text.encode())))
        return self._value(at, "q", told)

    def response(self, at: float, status: int, headers: Mapping[str, str]) -> list[bytes]:
        """The head of the answer. A body is taped decoded, so nothing is said of its encoding."""
        self.know(self._masker.secrets.also(credentials_of(headers)))
        return self._value(at, "h", {"status": status, "headers": _allowed(headers, RESPONSE_HEADERS)})

    def note(self, at: float, note: Mapping[str, Any]) -> list[bytes]:
        """A remark, for people; players skip it."""
        return self._value(at, "n", note)

    def fault(self, at: float, fault: Fault) -> list[bytes]:
        """A fault that a replay should have."""
        return self._value(at, "x", str(fault))

    def source_chunks(self, at: float) -> list[bytes]:
        """Say that chunks follow, and no bytes; nothing if that was said."""
        return self._value(at, "n", {"source": "chunks"}) if self._begin("chunks") else []

    def read(self, at: float, data: bytes) -> list[bytes]:
        """One read, as it came."""
        self._begin("bytes")
        if not self._arrived:
            text = self._alike.text_of(data)
            if text is not None:
                self._count(data)
                return [_line(write_line(self._interval(at), "j", text))]
        self._arrived.append((at, len(data)))
        return self._reads(self._masker.feed(data))

    def chunk(self, at: float, chunk: Mapping[str, Any] | str) -> list[bytes]:
        """One chunk, or its JSON text."""
        lines = self.source_chunks(at)
        text = chunk if isinstance(chunk, str) else self._json(chunk)
        if isinstance(text, Exception):
            return [*lines, *self._lost(at, "j", text)]
        masked = self._masked_json(text)
        self._count(f"data: {masked}\n\n".encode())
        return [*lines, _line(write_line(self._interval(at), "j", masked))]

    def end(self, at: float, how: Mapping[str, Any]) -> list[bytes]:
        """How it ended, as ``end_of`` says it; the first one counts."""
        if self.is_ended:
            return []
        lines = self.flush()
        members = {**how, "bytes": self._size, "sha256": self._hash.hexdigest()}
        if how["end"] == "cancel" and _DONE.search(self._tail):
            members["end"] = "eof"  # what was given up behind the last event is the connection, and not the answer
        if self._masker.masked:
            members["masked"] = self._masker.masked
        lines += self._value(at, "e", members)
        self.is_ended = True
        return lines

    def flush(self) -> list[bytes]:
        """What was held, because a secret might have begun in it."""
        return self._reads(self._masker.flush()) if self._arrived else []

    def _begin(self, source: str) -> bool:
        """Hold reads and chunks apart; whether this is the first of either."""
        first = self._source is None
        if not first and self._source != source:
            raise RuntimeError("read() and chunk() cannot be mixed")
        self._source = source
        return first

    def _reads(self, data: bytes) -> list[bytes]:
        """These bytes as lines, in the reads that they came in; a part of a read, if the rest of it is held."""
        lines: list[bytes] = []
        while self._arrived:
            at, length = self._arrived[0]
            if length and not data:
                break
            part, data = data[:length], data[length:]
            if len(part) < length:
                self._arrived[0] = (at, length - len(part))
            else:
                self._arrived.popleft()
            interval = None if self._begun else self._interval(at)
            self._begun = len(part) < length
            codes = ""
            for code, text in pieces(part):
                lines.append(_line(write_line(interval, code, text)))
                interval = None
                codes += code
            self._count(part)
            if codes == "j":
                self._alike.learn(part)
        return lines

    def _value(self, at: float, code: str, value: Mapping[str, Any] | str) -> list[bytes]:
        """A line of one JSON value, behind what was held."""
        lines = self.flush()
        text = self._json(value)
        if isinstance(text, Exception):
            return [*lines, *self._lost(at, code, text)]
        return [*lines, _line(write_line(self._interval(at), code, self._masked_json(text)))]

    def _json(self, value: Mapping[str, Any] | str) -> str | Exception:
        try:
            text = json_text(value)
            read_json(text.encode(), max_depth=DEEPEST)
        except _NOT_JSON as error:
            # Not JSON, or too deep to be read back. The stream that it came from will say the same, in its own words.
            return error
        return text

    def _masked_json(self, text: str) -> str:
        masked, count = self._masker.secrets.masked_json(text.encode())
        self._masker.masked += count
        return masked.decode() if count else text

    def _lost(self, at: float, code: str, error: Exception) -> list[bytes]:
        self.error = self.error or error
        note = json_text({"lost": code, "error": type(error).__name__})
        return [_line(write_line(self._interval(at), "n", note))]

    def _interval(self, at: float) -> int:
        """Microseconds since the line before. The time is rounded first, so that a thousand intervals do not drift."""
        now = max(round(at * 1_000_000), self._last)
        interval, self._last = now - self._last, now
        return interval

    def _count(self, data: bytes) -> None:
        self._size += len(data)
        self._hash.update(data)
        self._tail = data if len(data) > _TAIL else (self._tail + data)[-_TAIL:]


def end_of(kind: TapeEnd, error: BaseException | str | None = None) -> dict[str, Any]:
    """How an exchange ended, as a tape says it: of an error its name, and the phase of a timeout.

    ValueError for a kind that is none.
    """
    if kind not in get_args(TapeEnd):
        raise ValueError(f"a tape ends by one of {', '.join(get_args(TapeEnd))}, not {kind!r}")
    members: dict[str, Any] = {"end": kind}
    if error is not None:
        members["error"] = error if isinstance(error, str) else _name_of(error)
    if kind == "timeout" and isinstance(phase := getattr(error, "phase", None), str):
        members["phase"] = phase
    return members


def _line(text: str) -> bytes:
    return text.encode()


def _name_of(error: BaseException) -> str:
    """The name of an error; of one of ours that tells of another's, that one's."""
    cause = error.__cause__
    return type(cause if isinstance(error, ChatStreamError) and cause is not None else error).__name__


def _path_of(url: str) -> str:
    """The path and the query of a URL: which host it was is nobody's business."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("?")[0]
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _allowed(headers: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items() if name.lower() in names}
