"""What comes in and what goes out, as values: a request, a reply, and an error in the API's shape.

Rules: nothing here waits, and nothing knows a socket. A reply is a script: its writes, each with the seconds before it,
and how it ends; so a tape, a made-up answer, an error and a fault all go out by one way. What nobody has a script of,
because it is still coming from elsewhere, is a live reply, which is asked for each part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias
from urllib.parse import parse_qsl, unquote

import msgspec

from chatstream.recording.library.answers import error_exchange, headers_of, json_exchange, status_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from chatstream.recording import Exchange
    from chatstream.validation import Problem

__all__ = [
    "BrokenOffError",
    "LiveHead",
    "LiveReply",
    "Refusal",
    "Reply",
    "Request",
    "Send",
    "SendAny",
    "error_exchange",
    "json_exchange",
    "reply_of",
]

# Both raise PeerGone where the connection ends.
Send: TypeAlias = "Callable[[Reply], Awaitable[None]]"
SendAny: TypeAlias = "Callable[[Reply | LiveReply], Awaitable[None]]"
_Ending = Literal["eof", "close", "reset", "hang"]

_MOST_QUERY_FIELDS = 200


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request, whole. ``path`` is without the query, ``parts`` are what stands between its slashes, both decoded.

    ``target`` is both as they came, undecoded. ``headers``: by lower-case name, those of one name joined by commas.
    """

    method: str
    path: str
    target: str = ""
    parts: list[str] = msgspec.field(default_factory=list[str])
    query: list[tuple[str, str]] = msgspec.field(default_factory=list[tuple[str, str]])
    headers: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    body: bytes = b""

    @classmethod
    def of(cls, method: str, target: str, headers: dict[str, str]) -> Request:
        """The request with this target, as it stands in the request line: a path, or a whole URL."""
        path, mark, query = target.partition("?")
        if not path.startswith("/"):  # a proxy's form: http://host/path
            path = "/" + path.partition("://")[2].partition("/")[2]
        target = path + mark + query
        try:
            fields = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_QUERY_FIELDS)
        except ValueError:
            raise Refusal(400, f"more than {_MOST_QUERY_FIELDS} query parameters") from None
        parts = [unquote(part) for part in path.split("/") if part]  # in this order: a part may have a slash in it
        return cls(method=method, path=unquote(path), target=target, parts=parts, query=fields, headers=headers)


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


class LiveHead(msgspec.Struct, frozen=True, kw_only=True):
    """The head of an answer that comes from elsewhere, with all that it says: headers may have the same name."""

    status: int
    reason: bytes
    headers: list[tuple[bytes, bytes]]


class LiveReply(Protocol):
    """An answer that goes out as it comes from elsewhere. It is given up, by a cancellation, when the peer leaves."""

    async def head(self) -> LiveHead | Reply:
        """Wait for the head; or a reply that goes out in its place, because there will be none."""
        ...

    async def read(self) -> bytes:
        """Wait for more of the body; empty at its end. BrokenOffError if it will not come to that."""
        ...


class BrokenOffError(Exception):
    """A body that is being passed on has broken off. ``reset``: it was a reset, and no close before its time."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self.reset: bool = reset


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


def reply_of(exchange: Exchange) -> Reply:
    """The exchange as a script of bytes. A tape without a response head is taken for an answer that went well."""
    return Reply(
        status=status_of(exchange),
        headers=headers_of(exchange),
        writes=[(read.interval or 0.0, read.data) for read in exchange.reads if isinstance(read.data, bytes)],
        head=exchange.head,
        rest=exchange.rest,
        ending=_ending(exchange),
    )


def _ending(exchange: Exchange) -> _Ending:
    end = exchange.end or {}
    if exchange.flaw is not None:
        return "close"  # the tape cannot be read on: nobody knows whether the answer was whole
    if end.get("end") == "timeout":
        return "hang"
    if end.get("end") == "error":
        return "reset" if "reset" in str(end.get("error")).lower() else "close"
    return "eof"
