"""An interaction of a vcr cassette: vcrpy's, of the versions that are met, and those of its model in Ruby.

In goes an interaction as plain values, out comes an exchange without times: a cassette has none, nor the bounds of
reads. A body is text or bytes, under ``body.string`` or in base64; for a while it stood under ``content``, and the
status beside it. Whether it was decoded when it was recorded, nothing says.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from chatstream.jsontext import members
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

__all__ = ["interaction"]


def interaction(value: Mapping[str, Any], room: Room) -> Imported:
    """What an interaction says."""
    room.take()
    asked, answered = members(value.get("request")), members(value.get("response"))
    headers = flat_headers(answered.get("headers"))
    body, problem = decoded(_body(answered), headers.get("content-encoding"), room)
    response = response_of(_status(answered), headers)
    problems = [problem] if problem is not None else []
    if response is None:
        problems.append("an interaction without a response")
    request = request_of(asked.get("method"), asked.get("uri", asked.get("url")), asked.get("headers"), _asked(asked))
    imported = Imported(request=request if asked else None, response=response, body=body, problems=problems)
    return veiled(imported, asked, answered)


def _status(answered: dict[str, Any]) -> Any:
    status = answered.get("status")
    return answered.get("status_code", status) if not isinstance(status, dict) else status.get("code")


def _body(answered: dict[str, Any]) -> bytes:
    return to_bytes(_string(answered.get("body", answered.get("content"))))


def _asked(asked: dict[str, Any]) -> Any:
    return _string(asked.get("body"))


def _string(body: Any) -> Any:
    """What stands in a body that says how it is written; any other one is a text or a JSON value itself."""
    if not isinstance(body, dict):
        return body
    if isinstance(body.get("base64_string"), str):
        return _from_base64(body["base64_string"])
    return body.get("string", body or None)


def _from_base64(text: str) -> bytes | str:
    try:
        return base64.b64decode(text)
    except ValueError:
        return text
