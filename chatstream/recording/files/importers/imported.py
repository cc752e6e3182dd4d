"""What is known of one exchange from another recorder's file, and how its parts become those of a tape.

In go the members of a foreign file, of whatever type they are; out come a request, a response head and a body as a tape
has them. Rules: nothing is guessed, what makes no sense is left out or told; a key that the file shows in a header is
masked wherever it comes again, for the header is not given on, and nobody behind could know it; the room for bodies is
bounded for a whole file, since YAML can name one body a million times, and an encoded one may be a bomb.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from chatstream.encodings import decoder_for
from chatstream.errors import RecordingError, StreamInterruptedError, StreamLimitError, StreamProtocolError
from chatstream.jsontext import mend, read_json, write_json
from chatstream.recording.credentials import credentials_of
from chatstream.recording.files.packing import MAX_UNPACKED
from chatstream.recording.secrets import REQUEST_HEADERS, RESPONSE_HEADERS, Secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatstream.encodings import Decoder

__all__ = ["Imported", "Room", "decoded", "flat_headers", "request_of", "response_of", "to_bytes", "veiled"]

_STEP = 65536  # bytes fed to a decoder at once
_ROOM_OF_ONE = 1024  # bytes that an exchange counts for, beside its body
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_ORIGIN = re.compile(r"\A(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*")


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange. ``head``: seconds to the head of the response; ``rest``: from there to its end; None: not known."""

    request: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    body: bytes = b""
    head: float | None = None
    rest: float | None = None
    end: dict[str, Any] | None = None
    torn: bool = False
    problems: list[str] = msgspec.field(default_factory=list[str])


class Room:
    """How much may come of one file."""

    def __init__(self) -> None:
        self._left = MAX_UNPACKED

    def take(self, size: int = _ROOM_OF_ONE) -> None:
        """RecordingError once it is too much."""
        self._left -= size
        if self._left < 0:
            raise RecordingError(f"its bodies are more than {MAX_UNPACKED >> 20} MiB")


def veiled(imported: Imported, asked: dict[str, Any], answered: dict[str, Any]) -> Imported:
    """The exchange with ``*`` for what its request showed to be let in, and its answer gave for the next one."""
    url = asked.get("uri", asked.get("url"))
    shown = credentials_of(flat_headers(asked.get("headers")), url if isinstance(url, str) else "")
    shown += credentials_of(flat_headers(answered.get("headers")))
    for side in (asked, answered):  # a HAR file has cookies besides the header
        cookies = flat_headers(side.get("cookies")).items()
        shown += credentials_of({f"cookie {name}": value for name, value in cookies})
    if not shown:
        return imported
    secrets = Secrets(shown)
    is_json = imported.body.lstrip()[:1] in {b"{", b"["}
    body, _ = (secrets.masked_json if is_json else secrets.masked)(imported.body)
    request = None if imported.request is None else secrets.masked_value(imported.request)[0]
    response = None if imported.response is None else secrets.masked_value(imported.response)[0]
    end = None if imported.end is None else secrets.masked_value(imported.end)[0]
    return msgspec.structs.replace(imported, request=request, response=response, body=body, end=end)


def request_of(method: Any, url: Any, headers: Any, body: Any) -> dict[str, Any]:
    """The request as a tape has it: the path and the query of its URL, and a body that is JSON as a value."""
    request: dict[str, Any] = {
        "method": method.upper() if isinstance(method, str) and method else "GET",
        "url": _path(url if isinstance(url, str) else ""),
        "headers": _allowed(flat_headers(headers), REQUEST_HEADERS),
    }
    value = _value(body)
    return request if value is None else {**request, "body": value}


def response_of(status: Any, headers: dict[str, str]) -> dict[str, Any] | None:
    """The head of the response; None if there was none, as where the status of a failed request is 0."""
    code = int(status) if isinstance(status, int | str) and re.fullmatch(r"[1-5]\d\d", str(status)) else None
    return None if code is None else {"status": code, "headers": _allowed(headers, RESPONSE_HEADERS)}


def flat_headers(headers: Any) -> dict[str, str]:
    """Headers by their names in lower case, from an object of values or lists of such, or from a list of pairs."""
    flat: dict[str, list[str]] = {}
    for name, value in _pairs(headers):
        values: list[Any] = value if isinstance(value, list) else [value]
        flat.setdefault(str(name).lower(), []).extend(str(one) for one in values if isinstance(one, str | int | float))
    return {name: ", ".join(values) for name, values in flat.items() if values}


def to_bytes(value: Any) -> bytes:
    """A body that is bytes, text, nothing, or a JSON value."""
    if isinstance(value, bytes):
        return value
    if value is None:
        return b""
    return mend(value if isinstance(value, str) else write_json(value)).encode()


def decoded(body: bytes, encoding: str | None, room: Room) -> tuple[bytes, str | None]:
    """A body with its content-encoding undone, and what is wrong with it, in words.

    Recorders give bodies decoded and leave the header, or give them as they came: so the body is asked. What is text is
    not encoded, since no encoding keeps clear of control characters and of bytes that are not UTF-8.
    """
    room.take(len(body))
    if _is_text(body):
        return body, None
    pieces: list[bytes] = []
    try:
        decoder = decoder_for(encoding)
        if decoder is None:
            return body, None
        for place in range(0, len(body), _STEP):
            decoder.feed(body[place : place + _STEP])
            while piece := decoder.read():
                room.take(len(piece))
                pieces.append(piece)
    except StreamProtocolError as error:
        return b"", str(error)
    except StreamInterruptedError as error:
        return (b"".join(pieces), str(error)) if pieces else (body, f"{error}, or it never was encoded")
    return b"".join(pieces), _what_is_missing(decoder)


def _what_is_missing(decoder: Decoder) -> str | None:
    try:
        decoder.close()
    except StreamInterruptedError as error:
        return str(error)
    return None


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return _CONTROL.search(body) is None


def _pairs(headers: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(headers, dict):
        yield from headers.items()
    elif isinstance(headers, list):
        for pair in headers:
            if isinstance(pair, dict):
                yield pair.get("name"), pair.get("value")
            elif isinstance(pair, list) and len(pair) == 2:  # noqa: PLR2004  a name and a value
                yield pair[0], pair[1]


def _allowed(headers: dict[str, str], names: frozenset[str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name in names}


def _path(url: str) -> str:
    # No library's reading of a URL: there is none that takes all of what stands in files, and one thing alone must not
    # fail, that what may be a password in front of the host is left out.
    path = _ORIGIN.sub("", url).partition("#")[0]
    return path if path.startswith("/") else f"/{path}"


def _value(body: Any) -> Any:
    """The JSON value of a body, else its text; None for an empty one."""
    data = to_bytes(body)
    try:
        return read_json(data)[0]
    except (StreamProtocolError, StreamLimitError):
        return data.decode("utf-8", "replace") or None
