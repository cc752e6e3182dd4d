"""An entry of a HAR file (HTTP Archive 1.2), as browsers, proxies and test tools save them.

In goes an entry as plain values, out comes an exchange. Of its times these are used: from sending to the first byte
(``send`` and ``wait``), which is the head's, and on to the last one (``receive``). When each read came it does not
say, so all of the body is one read; the messages of web sockets are none of ours. The body's text is decoded by the
format's own rule, and some tools keep the encoding all the same.
"""

from __future__ import annotations

import base64
import math
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from chatstream.jsontext import entries, members
from chatstream.recording.files.importers.imported import (
    Imported,
    Room,
    decoded,
    flat_headers,
    request_of,
    response_of,
    to_bytes,
    veiled,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["entry"]

_LONGEST = 100 * 24 * 3600 * 1000  # milliseconds: what is longer is a clock that was set, and no stream
_LONGEST_ERROR = 100  # characters

_ALWAYS_UTF8 = re.compile(r"\b(?:event-stream|json|ndjson|jsonl)\b")
# windows-1252 as browsers have it: the five bytes that mean nothing in it are the control characters of latin-1.
_WESTERN = {chr(byte): byte for byte in range(256)} | {
    bytes([byte]).decode("cp1252"): byte for byte in range(128, 160) if bytes([byte]).decode("cp1252", "ignore")
}


def entry(value: Mapping[str, Any], room: Room) -> Imported:
    """What an entry says."""
    room.take()
    asked, answered = members(value.get("request")), members(value.get("response"))
    headers = flat_headers(answered.get("headers"))
    problems: list[str] = []
    body, problem = decoded(_body(answered, headers, problems), headers.get("content-encoding"), room)
    response = response_of(answered.get("status"), headers)
    if problem is not None:
        problems.append(problem)
    if response is None:
        problems.append("an entry without a response")
    head, rest = _times(members(value.get("timings")))
    imported = Imported(
        request=request_of(asked.get("method"), asked.get("url"), asked.get("headers"), _asked(asked))
        if asked
        else None,
        response=response,
        body=body,
        head=head,
        rest=rest,
        end=_end(answered),
        problems=problems,
    )
    return veiled(imported, asked, answered)


def _body(answered: dict[str, Any], headers: dict[str, str], problems: list[str]) -> bytes:
    """The body as it was saved; browsers leave out what they did not keep, and some write it to other files."""
    content = members(answered.get("content"))
    text = content.get("text")
    if not isinstance(text, str):
        if content.get("size") != 0:
            problems.append("the body of the response was not saved in the HAR file")
        return b""
    if content.get("encoding") != "base64":
        kind = f"{content.get('mimeType')} {headers.get('content-type')}".lower()
        sizes = {str(size) for size in (answered.get("bodySize"), headers.get("content-length"))}
        return _text_as_sent(text, sizes, problems) if _ALWAYS_UTF8.search(kind) else to_bytes(text)
    try:
        return base64.b64decode(text)
    except ValueError:
        problems.append("the body of the response is no base64")
        return b""


def _text_as_sent(text: str, sizes: set[str], problems: list[str]) -> bytes:
    """The bytes of a text that was UTF-8 when it was sent, whatever the browser took it for.

    Chromium takes a body without a charset for windows-1252, and what is saved is what UTF-8 looks like in it. That is
    undone where it gives UTF-8 again, which other texts do not; how many bytes were sent says so, if it is known.
    """
    data = to_bytes(text)
    if data.isascii() or str(len(data)) in sizes or not all(map(_WESTERN.__contains__, text)):
        return data
    sent = bytes(map(_WESTERN.__getitem__, text))
    try:
        sent.decode()
    except UnicodeDecodeError:
        return data
    if str(len(sent)) not in sizes:
        problems.append("the body of the response was saved as windows-1252, and is read as UTF-8")
    return sent


def _asked(asked: dict[str, Any]) -> Any:
    """The body of the request: its text, or the fields of the form that it was."""
    data = members(asked.get("postData"))
    if data.get("text"):
        return data["text"]
    fields = [members(field) for field in entries(data.get("params"))]
    return urlencode([(to_bytes(field.get("name")), to_bytes(field.get("value"))) for field in fields]) or None


def _times(timings: dict[str, Any]) -> tuple[float | None, float | None]:
    """Seconds to the head and from there to the end. -1 is the format's word for: does not apply."""
    wait = _milliseconds(timings.get("wait"))
    if wait is None:
        return None, None
    head = (_milliseconds(timings.get("send")) or 0.0) + wait
    receive = _milliseconds(timings.get("receive"))
    return round(head / 1000, 6), None if receive is None else round(receive / 1000, 6)


def _milliseconds(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) and 0 <= value <= _LONGEST else None


def _end(answered: dict[str, Any]) -> dict[str, Any] | None:
    """How it ended, where a browser says that it failed: in a member of its own, as the format has none for it."""
    for name in ("_error", "_failureText"):
        error = answered.get(name)
        if isinstance(error, str) and error:
            return {"end": "error", "error": error[:_LONGEST_ERROR]}
    return None
