"""Exchanges that nobody recorded, and what every exchange is answered with: a status and headers that can be sent.

Rules: a tape is a file, and a file may have been edited, so nothing of its head is taken on trust.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatstream.jsontext import write_json
from chatstream.recording.changing.body import Body
from chatstream.recording.changing.changes import error_document
from chatstream.recording.exchange import Exchange, Read

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["error_exchange", "headers_of", "json_exchange", "status_of"]

_HIGHEST_STATUS = 599
# What belongs to the connection that was recorded and not to this one, or is written anew.
_NOT_PASSED_ON = frozenset({
    "connection", "content-encoding", "content-length", "date", "expect", "host", "keep-alive", "proxy-connection",
    "server", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_LONGEST_HEADER = 8 * 1024  # characters: what clients take


def error_exchange(
    status: int,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    type: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Exchange:
    """An error in the API's shape. ``type`` without a value follows from the status."""
    kind = type or ("server_error" if status >= 500 else "invalid_request_error")  # noqa: PLR2004
    return _document(error_document(message, kind, code=code, param=param), status, headers or {})


def json_exchange(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Exchange:
    """One JSON document, sent at once."""
    return _document(write_json(value).encode(), status, headers or {})


def _document(data: bytes, status: int, headers: Mapping[str, str]) -> Exchange:
    head = {"status": status, "headers": {"content-type": "application/json", **headers}}
    return Exchange(form="completion", name="reply", response=head, reads=[Read(None, data)])


def status_of(exchange: Exchange) -> int:
    """The status of an exchange; 200 where none was recorded, or none that can be sent."""
    status = (exchange.response or {}).get("status")
    return status if type(status) is int and 200 <= status <= _HIGHEST_STATUS else 200  # noqa: PLR2004


def headers_of(exchange: Exchange) -> dict[str, str]:
    """The headers of an exchange that can be sent, by lower-case name; a content-type is always among them."""
    response = exchange.response or {}
    given = response.get("headers")
    headers = {
        name.lower(): value.strip()
        for name, value in (given if isinstance(given, dict) else {}).items()
        if isinstance(value, str) and name.lower() not in _NOT_PASSED_ON and _is_header(name, value)
    }
    if "content-type" not in headers:
        is_document = Body.of(exchange).is_document
        headers["content-type"] = "application/json" if is_document else "text/event-stream; charset=utf-8"
    return headers


def _is_header(name: str, value: str) -> bool:
    """Whether a tape's header can be sent: a tape is a file, and a file may have been edited."""
    token = name.replace("-", "").replace("_", "")
    fits = len(name) + len(value) <= _LONGEST_HEADER
    return fits and token.isascii() and token.isalnum() and value.isascii() and value.isprintable()
