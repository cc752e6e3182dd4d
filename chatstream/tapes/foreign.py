"""What a file that is no tape holds beside what is played of it: the headers of a cassette, of a HAR file, of a head.

In go the bytes of a file and what was read of them, out come the places of secrets that no recording has. Rules: a
header whose name says that it lets in is looked at whatever its value looks like, in all other text a secret has to
look like one, or be known; what stands in a recording as well is told there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from chatstream.jsontext import entries, members, write_json
from chatstream.recording.credentials import credentials_of, hold_credentials
from chatstream.recording.exchange import joined
from chatstream.recording.files.importers.documents import read_array, read_yaml
from chatstream.recording.files.importers.imported import flat_headers
from chatstream.tapes.scrubbing import allowed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from chatstream.recording import Exchange
    from chatstream.recording.secrets import Secrets

__all__ = ["Shown", "hidden", "shown"]

_HAR = re.compile(rb'\s*\{\s*"log"\s*:')
_CASSETTE = re.compile(
    rb'(?m)^[{ \t]*["\']?((?:http_)?interactions)["\']?[ \t]*:|[{,]\s*"((?:http_)?interactions)"\s*:'
)
_FIRST = 4096  # bytes in which a cassette says that it is one
# A word that somebody put in the place of a key, as REDACTED, is none.
_KEY = re.compile(r"(?=\S*[0-9])\S{8,}|\S{16,}")
_MASK = "***"  # what is masked already is no secret any more


class Shown(msgspec.Struct, frozen=True):
    """A header that lets in: of which recording, from 1, its name, and what of its value is secret."""

    number: int
    name: str
    texts: list[str]


def shown(recordings: Sequence[Exchange], data: bytes) -> list[Shown]:
    """The headers by which somebody was let in, once for each name and recording."""
    found: list[Shown] = []
    for number, heads in enumerate(_heads(recordings, data), 1):
        values: dict[str, list[str]] = {}
        for name, value in (pair for headers in heads for pair in headers.items()):
            texts = credentials_of({name: value}) if hold_credentials([name]) else []
            values.setdefault(name, []).extend(text for text in texts if _KEY.fullmatch(text) and _MASK not in text)
        found += [Shown(number, name, texts) for name, texts in values.items() if texts]
    return found


def hidden(
    data: bytes, secrets: Secrets, told: Iterable[str], played: Iterable[tuple[Exchange, Exchange]]
) -> list[int]:
    """The lines with a secret that is told nowhere else.

    ``told``: secrets that are. ``played``: each recording as it is and without its secrets: what is in the one and not
    in the other was found there.
    """
    both = list(played)
    before, after = (
        b"\n".join(map(_text, side)) for side in ([allowed(one)[0] for one, _ in both], [b for _, b in both])
    )
    words = [text.encode() for text in told]
    lines: dict[int, None] = {}
    line, counted = 1, 0
    for start, stop in secrets.spans(data):
        text = data[start:stop]
        line, counted = line + data.count(b"\n", counted, start), start
        is_told = (text in before and text not in after) or any(text in word or word in text for word in words)
        if not is_told and _MASK.encode() not in text and text.strip(b"*"):
            lines[line] = None
    return list(lines)


def _heads(recordings: Sequence[Exchange], data: bytes) -> Iterator[list[dict[str, str]]]:
    """The headers of the request and of the response, for each recording, with those that it was read without."""
    values = _interactions(data)
    if not values:
        for recording in recordings:
            yield [flat_headers(members(head).get("headers")) for head in (recording.request, recording.response)]
    for value in values:
        sides = [members(members(value).get(name)) for name in ("request", "response")]
        yield [flat_headers(side.get("headers")) for side in sides] + [_cookies(side) for side in sides]


def _cookies(side: dict[str, Any]) -> dict[str, str]:
    """What a HAR file has besides the header."""
    return {f"cookie {name}": value for name, value in flat_headers(side.get("cookies")).items()}


def _interactions(data: bytes) -> list[Any]:
    """What a cassette or a HAR file holds, one value for each exchange; nothing if it is neither."""
    if _HAR.match(data):
        return read_array(data, "log", "entries")[0]
    cassette = _CASSETTE.search(data, 0, _FIRST)
    if cassette is None:
        return []
    name = (cassette[1] or cassette[2]).decode()
    if data.lstrip().startswith(b"{"):
        return read_array(data, name)[0]
    return entries(members(read_yaml(data)[0]).get(name))


def _text(exchange: Exchange) -> bytes:
    heads = [write_json(head).encode() for head in (exchange.request, exchange.response) if head is not None]
    return b"\n".join([joined(exchange.reads), *heads])
