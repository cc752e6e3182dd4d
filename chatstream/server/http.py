"""What comes in and what goes out, as values: a request, a reply, and an error in the API's shape.

Rules: nothing here waits, and nothing knows a socket. A reply is a script: its writes, each with the seconds before it,
and how it ends; so a tape, a made-up answer, an error and a fault all go out by one way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import parse_qsl, unquote

import msgspec

from chatstream.jsontext import write_json
from chatstream.recording import Exchange, Read
from chatstream.recording.body import Body
from chatstream.recording.changes import error_document

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from chatstream.validation import Problem

__all__ = ["Refusal", "Reply", "Request", "Send", "error_exchange", "json_exchange", "reply_of", "status_of"]

Send: TypeAlias = "Callable[[Reply], Awaitable[None]]"  # raises PeerGone where the connection ends
_Ending = Literal["eof", "close", "reset", "hang"]

_MOST_QUERY_FIELDS = 200
_HIGHEST_STATUS = 599
# What belongs to the connection that was recorded and not to this one, or is written anew.
_NOT_PASSED_ON = frozenset({
    "connection", "content-encoding", "content-length", "date", "expect", "host", "keep-alive", "proxy-connection",
    "server", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_LONGEST_HEADER = 8 * 1024  # characters: what clients take


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request, whole. ``path`` is without the query, ``parts`` are what stands between its slashes, both decoded.

    ``headers``: by lower-case name, those of one name joined by commas.
    """

    method: str
    path: str
    parts: list[str] = msgspec.field(default_factory=list[str])
    query: list[tuple[str, str]] = msgspec.field(default_factory=list[tuple[str, str]])
    headers: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    body: bytes = b""

    @classmethod
    def of(cls, method: str, target: str, headers: dict[str, str]) -> Request:
        """The request with this target, as it stands in the request line: a path, or a whole URL."""
        path, _, query = target.partition("?")
        if not path.startswith("/"):  # a proxy's form: http://host/path
            path = "/" + path.partition("://")[2].partition("/")[2]
        try:
            fields = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_QUERY_FIELDS)
        except ValueError:
            raise Refusal(400, f"more than {_MOST_QUERY_FIELDS} query parameters") from None
        parts = [unquote(part) for part in path.split("/") if part]  # in this order: a part may have a slash in it
        return cls(method=method, path=unquote(path), parts=parts, query=fields, headers=headers)


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What goes out, and when.

    ``writes``: each with the seconds before it; those of the first are counted from the start, as ``head`` is, which is
    when the head is sent. ``rest``: seconds between the last write and the end, or from the start if nothing is
    written. ``ending``: ``eof`` ends the body as HTTP wants it, ``close`` closes the connection without that, ``reset``
    resets it, ``hang`` leaves it open and says nothing more.
    """

    status: int
    headers: dict[str, str]
    writes: list[tuple[float, bytes]]
    head: float = 0.0
    rest: float = 0.0
    ending: _Ending = "eof"

    @property
    def is_stream(self) -> bool:
        """Whether its body goes out piece by piece: an event stream, or anything that takes time or breaks off."""
        return (
            self.headers.get("content-type", "").startswith("text/event-stream")
            or len(self.writes) > 1
            or self.ending != "eof"
        )


class Refusal(Exception):  # noqa: N818  it is an answer as much as an error
    """A request is answered with an error: a status of 400 or more, and what the API's error object says."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status: int = status
        self.code: str | None = code
        self.exchange: Exchange = error_exchange(status, message, code=code, param=param, type=type, headers=headers)

    @classmethod
    def of(cls, problem: Problem) -> Refusal:
        """The refusal of a body with this problem."""
        return cls(problem.status, problem.message, code=problem.code, param=problem.param)


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


def reply_of(exchange: Exchange) -> Reply:
    """The exchange as a script of bytes. A tape without a response head is taken for an answer that went well."""
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
    return Reply(
        status=status_of(exchange),
        headers=headers,
        writes=[(read.interval or 0.0, read.data) for read in exchange.reads if isinstance(read.data, bytes)],
        head=exchange.head,
        rest=exchange.rest,
        ending=_ending(exchange),
    )


def status_of(exchange: Exchange) -> int:
    """The status of an exchange; 200 where none was recorded, or none that can be sent."""
    status = (exchange.response or {}).get("status")
    return status if type(status) is int and 200 <= status <= _HIGHEST_STATUS else 200  # noqa: PLR2004


def _ending(exchange: Exchange) -> _Ending:
    end = exchange.end or {}
    if exchange.flaw is not None:
        return "close"  # the tape cannot be read on: nobody knows whether the answer was whole
    if end.get("end") == "timeout":
        return "hang"
    if end.get("end") == "error":
        return "reset" if "reset" in str(end.get("error")).lower() else "close"
    return "eof"


def _is_header(name: str, value: str) -> bool:
    """Whether a tape's header can be sent: a tape is a file, and a file may have been edited."""
    token = name.replace("-", "").replace("_", "")
    fits = len(name) + len(value) <= _LONGEST_HEADER
    return fits and token.isascii() and token.isalnum() and value.isascii() and value.isprintable()
