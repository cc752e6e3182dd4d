"""What kind of file it is that a stream was kept in.

In go the bytes of a file, out come exchanges. Known are: a tape; JSON lines of chunks, as SDKs dump them, and a JSON
array of them; one JSON completion; and everything else is taken for the bytes of an event stream, as ``curl -N`` writes
them, with the head that ``curl -i`` puts before it. Rules: nothing raises and nothing is refused. What is wrong
with bytes that are no stream at all is for the parser to say, which says it of live ones too.
"""

from __future__ import annotations

import re
import zlib
from typing import Any

import msgspec

from chatstream.errors import RecordingError, StreamLimitError, StreamProtocolError
from chatstream.jsontext import read_json
from chatstream.recording.exchange import Exchange, Flaw, Read
from chatstream.recording.reader import TextLine, lines, read_tape

__all__ = ["decompress", "read_exchanges"]

_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_MAX_UNPACKED = 256 * 2**20  # bytes: hours of streaming, and no bomb
_GZIP_PIECE = 2**20  # bytes unpacked a step
_GZIP_BITS = 31  # zlib's word for: a gzip header, and the largest window
_GZIP_STEP = 1024  # bytes: where a file is damaged, no more than what comes of these is lost
_TAPE = re.compile(rb'\{[ \t]*"tape"[ \t]*:')
_STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d)? (\d{3})[^\n]*\n")
_BLANK_LINE = re.compile(rb"\n\r?\n")
_CHUNK = re.compile(rb'"delta"|"chat\.completion\.chunk"')
_DONE = (b"[DONE]", b"data: [DONE]")  # some dumps keep it, though it is no chunk


class _Chunks(msgspec.Struct):
    """What JSON lines hold, up to where they stop making sense."""

    found: list[dict[str, Any]]
    torn: bool = False
    flaw: Flaw | None = None


def read_exchanges(data: bytes, name: str) -> list[Exchange]:
    """The exchanges in a file, at least one; more than one only on a tape."""
    response, start = _read_head(data)
    begin = start + len(_BOM) if data.startswith(_BOM, start) else start
    first = next(lines(data, begin), None)
    if first is not None and _begins_tape(first):
        return read_tape(data, name, begin)
    chunks = _read_chunks(data, first, begin) if first is not None else None
    if chunks is not None:
        reads = [Read(None, chunk) for chunk in chunks.found]
        return [
            Exchange(
                form="chunks",
                name=name,
                source="chunks",
                response=response,
                reads=reads,
                torn=chunks.torn,
                flaw=chunks.flaw,
            )
        ]
    body = data[start:]
    reads = [Read(None, body)] if body else []
    return [Exchange(form="completion" if _is_json(body) else "sse", name=name, response=response, reads=reads)]


def decompress(data: bytes) -> tuple[bytes, bool]:
    """What a gzip file holds up to where it was cut or damaged, and whether it was; other bytes as they are."""
    if not data.startswith(_GZIP):
        return data, False
    parts: list[bytes] = []
    left = _MAX_UNPACKED
    member = zlib.decompressobj(_GZIP_BITS)
    for start in range(0, len(data), _GZIP_STEP):
        rest = data[start : start + _GZIP_STEP]
        while rest:
            if member.eof:
                rest = rest.lstrip(b"\0")  # padding between members, as on real tapes
                member = zlib.decompressobj(_GZIP_BITS) if rest else member
            if not rest:
                break
            try:
                parts.append(member.decompress(rest, _GZIP_PIECE))
            except zlib.error:
                return b"".join(parts), True
            left -= len(parts[-1])
            if left < 0:
                raise RecordingError(f"it unpacks to more than {_MAX_UNPACKED >> 20} MiB")
            rest = member.unused_data if member.eof else member.unconsumed_tail
    return b"".join(parts), not member.eof


def _read_head(data: bytes) -> tuple[dict[str, Any] | None, int]:
    """The head that ``curl -i`` wrote, as a tape has it, and where the body begins. Of several the last one counts."""
    response: dict[str, Any] | None = None
    start = 0
    while status := _STATUS_LINE.match(data, start):
        blank = _BLANK_LINE.search(data, status.end() - 1)
        head_end, start = blank.span() if blank else (len(data), len(data))
        response = {"status": int(status[1]), "headers": _read_headers(data[status.end() : head_end])}
    return response, start


def _read_headers(head: bytes) -> dict[str, str]:
    headers: dict[str, list[str]] = {}
    for line in head.decode("latin-1").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            headers.setdefault(name.strip().lower(), []).append(value.strip())
    return {name: ", ".join(values) for name, values in headers.items()}


def _begins_tape(first: TextLine) -> bool:
    # Also a header that was cut or broken: the file is a tape all the same, and says so better than a stream could.
    if _TAPE.match(first.text):
        return True
    header = _value(first.text) if first.text[:1] == b"{" else None
    return isinstance(header, dict) and "tape" in header


def _read_chunks(data: bytes, first: TextLine, begin: int) -> _Chunks | None:
    """The chunks, if that is what the file holds."""
    if first.text[:1] == b"[":
        values = _value(data[begin:])
        found = values if isinstance(values, list) and all(isinstance(value, dict) for value in values) else []
        return _Chunks(found) if found else None
    if first.text[:1] != b"{":
        return None
    value = _value(first.text)
    if not isinstance(value, dict):
        if not first.ended and _CHUNK.search(first.text):
            return _Chunks([], torn=True)
        document = _value(data[begin:])  # perhaps one chunk, written over several lines
        return _Chunks([document]) if _is_chunk(document) else None
    chunks = _read_lines(data, begin)
    if chunks is not None and len(chunks.found) == 1 and not (chunks.torn or chunks.flaw or _is_chunk(value)):
        return None
    return chunks


def _read_lines(data: bytes, begin: int) -> _Chunks | None:
    """JSON lines: each an object, the last one perhaps cut; None if the lines are something else.

    A line that is no object among lines that are plainly chunks is a flaw: what came before it still counts.
    """
    chunks = _Chunks([])
    for line in lines(data, begin):
        value = _value(line.text)
        if isinstance(value, dict):
            chunks.found.append(value)
        elif line.text in _DONE:
            break
        elif line.text.startswith(b"{") and not line.ended:
            chunks.torn = True
        elif _is_chunk(chunks.found[0]) and not line.text.startswith(b"data:"):
            chunks.flaw = Flaw("no JSON object", line.number, line.offset)
            break
        else:
            return None
    return chunks


def _is_chunk(value: Any) -> bool:
    """Whether a JSON value is a chunk, and no completion."""
    if not isinstance(value, dict):
        return False
    choices = value.get("choices")
    deltas = isinstance(choices, list) and any(isinstance(choice, dict) and "delta" in choice for choice in choices)
    return deltas or value.get("object") == "chat.completion.chunk"


def _is_json(body: bytes) -> bool:
    """Whether a body is one JSON object or array."""
    text = body.removeprefix(_BOM).strip()
    return text[:1] in (b"{", b"[") and _value(text) is not None


def _value(text: bytes) -> Any:
    """The JSON value of a text; None if it is none."""
    try:
        return read_json(text.strip())[0]
    except (StreamProtocolError, StreamLimitError):
        return None
