r"""The line format of a tape: bytes of a read to lines, and a line back to bytes.

    {"tape":1,"tool":"chatstream/0.1.0","created":"2026-11-22T17:30:00Z"}
    [0.412031,"h",{"status":200,"headers":{"content-type":"text/event-stream"}}]
    [0.000902,"j",{"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"Hel"}}]}]
    [null,"s","data: [DONE]\n\n"]
    [0.000100,"e",{"end":"eof","bytes":18233,"sha256":"…"}]

The header is an object, each line after it ``[interval, code, data]``. The interval is in seconds since the line
before; null: in the same read as that. Codes: ``q`` request, ``h`` response head, ``j`` one block of the stream
whose data is this JSON, ``s`` other text, ``b`` base64 of what is not UTF-8, ``n`` a note, ``x`` a fault that a
replay should have here, ``e`` the end. A code that is not known here is skipped.

``j`` stands for ``data: ``, the value as compact JSON, and a blank line. Compact JSON is what Python's ``json.dumps``
makes with ``ensure_ascii=False, separators=(",", ":"), allow_nan=False``; a block that is spelled otherwise, if only
by a space, is ``s``. So the bytes come back as they were, and most lines are readable all the same.

Rules: this file knows lines, not files and not time.
"""

from __future__ import annotations

import base64
import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from chatstream.errors import StreamLimitError, StreamProtocolError
from chatstream.jsontext import BAD_UTF8, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "DEEPEST",
    "VERSION",
    "Line",
    "block_of",
    "body_value",
    "json_text",
    "pieces",
    "read_data",
    "read_line",
    "write_line",
]

VERSION = 1
_LONGEST = 10**9  # seconds: no stream pauses for thirty years, and far beyond it time.sleep overflows
DEEPEST = 256  # nesting of a value on a line: what the parser takes by default
_LINE_PARTS = 3
_MICROSECONDS = 1_000_000

_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_SURROGATE = re.compile("[\ud800-\udfff]")
# What a block ends with: all the blank lines there are, so that a read of nothing but line ends is one piece.
# Two patterns, because the alternation costs several times what either costs, and hardly anybody sends CRLF.
_BLANK_LINES = re.compile(rb"\n\n+")
_BLANK_LINES_OR_CRLF = re.compile(rb"\n\n+|(?:\r\n){2,}")
_CONTINUATION = re.compile(rb"[\x80-\xbf]{1,3}")


class Line(msgspec.Struct, frozen=True):
    """One line of a tape that is no header."""

    interval: float | None
    code: str
    data: Any


def read_line(text: bytes) -> Line | dict[str, Any]:
    """The line, or the header as a dict; ValueError with a reason that quotes nothing of it."""
    try:
        value, flags = read_json(text, max_depth=2 * DEEPEST)
    except (StreamProtocolError, StreamLimitError) as error:
        raise ValueError(str(error)) from None
    if flags & BAD_UTF8:
        raise ValueError("not UTF-8")
    if type(value) is dict and "tape" in value:
        return value
    if type(value) is not list or len(value) != _LINE_PARTS or type(value[1]) is not str:
        raise ValueError("neither a header nor [interval, code, data]")
    interval = value[0]
    if interval is not None and not (type(interval) in (int, float) and 0 <= interval < _LONGEST):
        raise ValueError("the interval is no number of seconds")
    return Line(interval, value[1], value[2])


def write_line(interval: int | None, code: str, text: str) -> str:
    """The line with its end: ``interval`` in microseconds, ``text`` JSON already."""
    if interval is None:
        seconds = "null"
    elif interval == 0:
        seconds = "0"
    else:
        seconds = f"{interval // _MICROSECONDS}.{interval % _MICROSECONDS:06d}"
    return f'[{seconds},"{code}",{text}]\n'


def read_data(line: Line) -> bytes:
    """The bytes that a ``j``, ``s`` or ``b`` line stands for; ValueError if it cannot."""
    if line.code == "j":
        try:
            return block_of(line.data)
        except RecursionError:
            raise ValueError("nested too deeply") from None
    if type(line.data) is not str:
        raise ValueError(f"the data of {line.code!r} is no string")
    try:
        return line.data.encode() if line.code == "s" else base64.b64decode(line.data, validate=True)
    except ValueError:
        problem = "text that cannot be encoded" if line.code == "s" else "no base64"
        raise ValueError(problem) from None


def block_of(value: Any) -> bytes:
    """A JSON value as a block of an event stream: what a ``j`` line stands for."""
    return f"data: {json_text(value)}\n\n".encode()


def json_text(value: Any) -> str:
    r"""The value as compact JSON that can be encoded: NaN and infinities as null, lone surrogates as ``\ud83d``.

    Halves of a pair may come in two chunks, so they must survive. Mappings and models inside are written as what they
    hold; TypeError, ValueError or RecursionError for what no JSON is made of.
    """
    try:
        text = _dump(value)
    except (TypeError, ValueError):
        text = _dump(json.loads(json.dumps(value, default=_inner), parse_constant=_null))
    if _encodes(text):
        return text
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return _SURROGATE.sub(lambda lone: f"\\u{ord(lone[0]):04x}", joined)


def _inner(value: Any) -> Any:
    if hasattr(value, "keys") and hasattr(value, "__getitem__"):
        return {key: value[key] for key in value.keys()}  # noqa: SIM118  any mapping, as dict() takes it
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump()
    raise TypeError(f"no JSON value: {type(value).__name__}")


def _null(_name: str) -> None:
    """What NaN, Infinity and -Infinity are written as."""


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def pieces(data: bytes) -> Iterator[tuple[str, str]]:
    """The code and the JSON text of each line that one read is written as; at least one, also for an empty read."""
    if not data:
        yield "s", '""'
    for block in _blocks(data):
        text = _json_of(block)
        if text is None:
            yield from _texts(block)
        else:
            yield "j", text


def _blocks(data: bytes) -> Iterator[bytes]:
    start = 0
    blank_lines = _BLANK_LINES_OR_CRLF if b"\r\n\r\n" in data else _BLANK_LINES
    for match in blank_lines.finditer(data):
        yield data[start : match.end()]
        start = match.end()
    if start < len(data):
        yield data[start:]


def _json_of(block: bytes) -> str | None:
    """The JSON of a block that can be a ``j`` line; None if writing it back would not give the very same bytes."""
    if block[:7] != b"data: {" or block[-3:] != b"}\n\n":
        return None
    raw = block[6:-2]
    try:
        value, flags = read_json(raw, max_depth=DEEPEST)
        text = _dump(value)
        same = not flags and text.encode() == raw
    except (StreamProtocolError, StreamLimitError, ValueError, RecursionError):
        return None
    return text if same else None


def _texts(block: bytes) -> Iterator[tuple[str, str]]:
    """Text as ``s``. A character cut by the bounds of the read is ``b``, the rest stays readable."""
    head = _CONTINUATION.match(block)
    start = head.end() if head else 0
    end = len(block)
    try:
        text = block[start:].decode()
    except UnicodeDecodeError as error:
        if start + error.end < end or error.reason != "unexpected end of data":
            yield "b", _base64(block)
            return
        end = start + error.start
        text = block[start:end].decode()
    if start:
        yield "b", _base64(block[:start])
    if text:
        yield "s", _dump(text)
    if end < len(block):
        yield "b", _base64(block[end:])


def _base64(data: bytes) -> str:
    return f'"{base64.b64encode(data).decode()}"'


def body_value(content: bytes) -> Any:
    """The body of a request as a tape has it: its JSON value, or text; None for nothing, and for what is neither."""
    with suppress(StreamProtocolError, StreamLimitError):
        return read_json(content)[0]
    with suppress(UnicodeDecodeError):
        return content.decode() or None
    return None
