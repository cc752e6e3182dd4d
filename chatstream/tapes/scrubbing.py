"""Secrets taken out of a recording, once more: what slipped through, or what nobody knew then to be one.

In go an exchange and Secrets, out comes an exchange with ``*`` in their place, and how many there were, by the code of
the line that they stood on. Rules: lengths, bounds and times stay. A secret is found in the bytes, also where reads cut
it; in a string, however it is escaped; and in the text that the deltas of a stream make together. Headers are kept by
the lists that a recorder keeps them by. What was scrubbed before stays as it is.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from chatstream.errors import StreamLimitError, StreamProtocolError
from chatstream.jsontext import members, read_json
from chatstream.recording import Exchange, Read
from chatstream.recording.changing.body import Body
from chatstream.recording.credentials import credentials_of
from chatstream.recording.exchange import joined
from chatstream.recording.secrets import REQUEST_HEADERS, RESPONSE_HEADERS, masked_at
from chatstream.tapes.strings import texts_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatstream.recording.secrets import Secrets

__all__ = ["Scrubbed", "allowed", "scrub"]

_E = TypeVar("_E", bound=Exchange)
_MASK = "***"  # what is masked already is no secret any more
_DATA = "data"  # what j, s and b lines hold: which one it is, is the writer's business


class Scrubbed(msgspec.Struct, Generic[_E], frozen=True):
    """The exchange without its secrets, and what was taken out of it.

    ``found``: how many secrets there were, by where they stood: ``header`` (the tape's first line), ``q``, ``h``,
    ``data`` (the body's lines), ``n``, ``e``. ``headers``: the names of HTTP headers that were left out, because a tape
    does not have them.
    """

    exchange: _E
    found: dict[str, int]
    headers: list[str]


def scrub(exchange: _E, secrets: Secrets) -> Scrubbed[_E]:
    """Mask whatever is, or looks like, a secret. What the end line says of the bytes is true again afterwards."""
    secrets = secrets.also(_shown(exchange))
    found: Counter[str] = Counter()
    reads = _reads(exchange, secrets, found)
    kept, left_out = allowed(exchange)
    changed = msgspec.structs.replace(
        kept,
        header=_masked(kept.header, "header", secrets, found),
        request=_masked(kept.request, "q", secrets, found),
        response=_masked(kept.response, "h", secrets, found),
        reads=reads,
        notes=[
            msgspec.structs.replace(note, value=_masked(note.value, "n", secrets, found)) for note in exchange.notes
        ],
        end=_masked(kept.end, "e", secrets, found),
    )
    return Scrubbed(_told(changed, sum(found.values())), dict(found), left_out)


def _shown(exchange: Exchange) -> list[str]:
    """What the request showed to be let in, and the answer gave for the next one: it may be echoed anywhere."""
    url = members(exchange.request).get("url")
    heads = (members(members(head).get("headers")) for head in (exchange.request, exchange.response))
    shown = [
        text
        for headers, address in zip(heads, (url if isinstance(url, str) else "", ""), strict=True)
        for text in credentials_of({name: str(value) for name, value in headers.items()}, address)
    ]
    return [text for text in shown if _MASK not in text]


def allowed(exchange: _E) -> tuple[_E, list[str]]:
    """The exchange with those headers that a tape may have, and the names of the others."""
    left_out: list[str] = []
    request = _with_headers(exchange.request, REQUEST_HEADERS, left_out)
    response = _with_headers(exchange.response, RESPONSE_HEADERS, left_out)
    if not left_out:
        return exchange, []
    return msgspec.structs.replace(exchange, request=request, response=response), left_out


def _with_headers(head: dict[str, Any] | None, names: Iterable[str], left_out: list[str]) -> dict[str, Any] | None:
    headers = members(members(head).get("headers"))
    others = [name for name in headers if name.lower() not in names]
    if head is None or not others:
        return head
    left_out += others
    return {**head, "headers": {name: value for name, value in headers.items() if name not in others}}


def _masked(value: Any, code: str, secrets: Secrets, found: Counter[str]) -> Any:
    if value is None:
        return None
    # The sha256 of a tape is no secret, though somebody's pattern may think so.
    hidden = {name: inner for name, inner in value.items() if name != "sha256"} if code == "e" else value
    masked, count = secrets.masked_value(hidden)
    if not count:
        return value
    found[code] += count
    return {**value, **masked} if code == "e" else masked


def _reads(exchange: Exchange, secrets: Secrets, found: Counter[str]) -> list[Read]:
    blocks = [Read(read.interval, joined([read])) for read in exchange.reads]
    body = Body.of(msgspec.structs.replace(exchange, reads=blocks))
    spans = _split_spans(body, secrets)
    texts = msgspec.structs.replace(body, data=masked_at(body.data, [part for parts in spans for part in parts]))
    data, more = secrets.masked(texts.data)
    if not len(spans) + more:
        return exchange.reads
    found[_DATA] += len(spans) + more
    reads = msgspec.structs.replace(texts, data=data).reads()
    if exchange.source == "bytes":
        return reads
    return [_as_chunk(read, before, secrets) for read, before in zip(reads, texts.reads(), strict=True)]


def _split_spans(body: Body, secrets: Secrets) -> list[list[tuple[int, int]]]:
    """For each secret in a text, where in the body it is spelled: in one place, or in several events."""
    known: dict[bytes, list[tuple[int, int]]] = {}  # most strings of a stream are the same in each chunk
    found: list[list[tuple[int, int]]] = []
    for text in texts_of(body):
        value = text.value
        if value not in known:
            known[value] = secrets.spans(value)
        found += [text.spelled(start, stop) for start, stop in known[value] if value[start:stop].strip(b"*")]
    return found


def _as_chunk(read: Read, before: Read, secrets: Secrets) -> Read:
    try:
        chunk, _ = read_json(joined([read]).removeprefix(b"data:"))
    except (StreamProtocolError, StreamLimitError):
        chunk, _ = read_json(_masked_in_strings(before, secrets).removeprefix(b"data:"))
    return Read(read.interval, chunk)


def _masked_in_strings(read: Read, secrets: Secrets) -> bytes:
    """The block of a chunk, masked inside its strings alone: a pattern may take what holds the JSON together."""
    block = joined([read])
    body = Body(block, [(None, len(block))], 0.0)
    pieces = [piece for text in texts_of(body) for piece in text.pieces]
    return masked_at(
        block,
        [
            (max(start, piece.start), min(stop, piece.stop))
            for start, stop in secrets.spans(block)
            for piece in pieces
            if start < piece.stop and piece.start < stop
        ],
    )


def _told(exchange: _E, count: int) -> _E:
    """The exchange whose end line counts what was masked; its bytes and sha256 are the writer's to say."""
    if exchange.end is None or not count:
        return exchange
    before = exchange.end.get("masked")
    end = {name: value for name, value in exchange.end.items() if name not in {"bytes", "sha256"}}
    end["masked"] = count + (before if type(before) is int else 0)
    return msgspec.structs.replace(exchange, end=end)
