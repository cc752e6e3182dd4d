"""What kind of file it is that a stream was kept in.

In go the bytes of a file, out come exchanges. Known are: a tape; JSON lines of chunks, as SDKs dump them, and a JSON
array of them; one JSON completion; a cassette of vcr and a HAR file, whose bodies are any of these; and everything else
is taken for the bytes of an event stream, as ``curl -N`` writes them, with the head that ``curl -i`` puts before it.
Rules: nothing is refused, and nothing raises but what ``importers`` does. What is wrong with bytes that are no stream
at all is for the parser to say, which says it of live ones too.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from chatstream.errors import StreamLimitError, StreamProtocolError
from chatstream.jsontext import read_json
from chatstream.recording.exchange import Exchange, Flaw, Read
from chatstream.recording.files.importers import Imported, read_imported
from chatstream.recording.reader import TextLine, lines, read_tape

__all__ = ["read_exchanges"]

_BOM = b"\xef\xbb\xbf"
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
    """The exchanges in a file, at least one; more than one only on a tape, in a cassette or in a HAR file."""
    response, start = _read_head(data)
    begin = _after_bom(data, start)
    first = next(lines(data, begin), None)
    if first is not None and _begins_tape(first):
        return read_tape(data, name, begin)
    imported = read_imported(data[begin:])
    if imported is not None:
        return [_imported(one, name) for one in imported]
    return [_read_body(data, start, name, response)]


def _read_body(data: bytes, start: int, name: str, response: dict[str, Any] | None) -> Exchange:
    """What came as the body of one response, in the form that it has."""
    begin = _after_bom(data, start)
    first = next(lines(data, begin), None)
    chunks = _read_chunks(data, first, begin) if first is not None else None
    if chunks is not None:
        reads = [Read(None, chunk) for chunk in chunks.found]
        return Exchange(
            form="chunks",
            name=name,
            source="chunks",
            response=response,
            reads=reads,
            torn=chunks.torn,
            flaw=chunks.flaw,
        )
    body = data[start:]
    reads = [Read(None, body)] if body else []
    return Exchange(form="completion" if _is_json(body) else "sse", name=name, response=response, reads=reads)


def _imported(one: Imported, name: str) -> Exchange:
    """What another recorder says of an exchange, with its times, if it knows any."""
    exchange = _read_body(one.body, 0, name, one.response)
    reads, rest = exchange.reads, one.rest or 0.0
    if reads:
        reads = [Read(one.head, reads[0].data), *reads[1:]]
    else:
        rest += one.head or 0.0
    return msgspec.structs.replace(
        exchange,
        request=one.request,
        head=one.head or 0.0,
        reads=reads,
        rest=rest,
        end=one.end,
        torn=exchange.torn or one.torn,
        problems=one.problems,
    )


def _after_bom(data: bytes, start: int) -> int:
    return start + len(_BOM) if data.startswith(_BOM, start) else start


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
