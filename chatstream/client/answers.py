"""Bodies that are read whole, as what they say.

In go the reads of a body, out come completions, pages and objects. Rules: a completion is read by the very parser that
reads streams, so that both come to the same verdict, odd shapes are repaired alike, and a service that streams although
it was not asked to is understood; nothing else is made up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic_core import from_json

from chatstream.chunks import has_error, read_error
from chatstream.ends import Limits
from chatstream.errors import (
    ChatStreamError,
    IncompleteStreamError,
    NotAStreamError,
    StreamLimitError,
    StreamProtocolError,
)
from chatstream.events import ErrorEvent
from chatstream.jsontext import read_json
from chatstream.parser import ChatStreamParser
from chatstream.types import ChatCompletion, build
from chatstream.types.answer import AnswerModel, answered
from chatstream.types.pages import CursorPage
from chatstream.types.parsed import parsed_anything
from chatstream.verdict import not_a_stream

if TYPE_CHECKING:
    from chatstream.events import ChatStreamEvent
    from chatstream.types import ParsedChatCompletion
    from chatstream.types.answer import ResponseInfo

__all__ = ["CompletionBody", "ObjectBody"]

M = TypeVar("M", bound=AnswerModel)

_LARGEST = 64 * 2**20  # bytes; as of an event of a stream: nobody meets it by accident


class CompletionBody:
    """The body of one completion, read whole."""

    def __init__(self, *, limits: Limits = Limits(), **reading: Any) -> None:  # noqa: B008  frozen
        self._parser = ChatStreamParser(limits=limits, **reading)
        self._limit = limits.max_event_size
        self._last: ChatStreamEvent | None = None
        self._document: list[bytes] = []  # the body, as long as it is no stream
        self._size = 0

    def feed(self, data: bytes) -> bool:
        """Take a read; whether no more is wanted."""
        self._note(self._parser.feed(data))
        if self._parser.decoder.field_seen:
            self._document = []
        else:
            self._keep(data)
        return self._parser.end is not None

    def _keep(self, data: bytes) -> None:
        self._document.append(data)
        self._size += len(data)
        if self._limit is not None and self._size > self._limit:
            what = f"an answer larger than {self._limit} bytes"
            self.fail(StreamLimitError(what, limit="max_event_size", value=self._limit))

    def fail(self, error: ChatStreamError) -> None:
        """It broke off."""
        self._note(self._parser.fail(error))

    def _note(self, events: list[ChatStreamEvent]) -> None:
        if events:
            self._last = events[-1]

    def read(self, info: ResponseInfo) -> ChatCompletion:
        """The completion; raises what is wrong with it, with what of it had come."""
        self._judge(info)
        completion = self._parser.snapshot
        if completion is None:  # cannot be: an end without an error has seen a chunk
            raise _with_head(StreamProtocolError("the body holds no completion"), info)
        return answered(completion, info)

    def read_parsed(self, info: ResponseInfo) -> ParsedChatCompletion[Any]:
        """The completion, with what the response format and the tools made of it; raises likewise."""
        self._judge(info)
        return answered(build(parsed_anything(), self._parser.parsed_values()), info)

    def _judge(self, info: ResponseInfo) -> None:
        self._note(self._parser.close())
        if isinstance(self._last, ErrorEvent):
            error = self._last.error
            if isinstance(error, NotAStreamError):
                error = _unread(b"".join(self._document), "chat completion")
            raise _with_head(error, info)


class ObjectBody:
    """The body of one JSON object, read whole."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._failure: ChatStreamError | None = None

    def feed(self, data: bytes) -> bool:
        """Take a read; whether no more is wanted."""
        self._parts.append(data)
        self._size += len(data)
        if self._size > _LARGEST:
            self.fail(
                StreamLimitError(f"an answer larger than {_LARGEST} bytes", limit="max_event_size", value=_LARGEST)
            )
        return self._failure is not None

    def fail(self, error: ChatStreamError) -> None:
        """It broke off."""
        self._failure = self._failure or error

    def read(self, model: type[M], info: ResponseInfo) -> M:
        """The object as this model; raises what is wrong with it."""
        if self._failure is not None:
            raise _with_head(self._failure, info)
        wanted = "list" if issubclass(model, CursorPage) else "JSON object"
        return answered(build(model, self._object(info, wanted)), info)

    def _object(self, info: ResponseInfo, wanted: str) -> dict[str, Any]:
        body = b"".join(self._parts).strip()
        try:
            raw, _ = read_json(body, max_depth=Limits().max_depth)
        except StreamLimitError as error:
            raise _with_head(error, info) from None
        except StreamProtocolError:
            raw = None
        if has_error(raw):
            raise _with_head(read_error(raw), info)
        if type(raw) is not dict or (wanted == "list" and not _is_list(raw)):
            raise _with_head(_unread(body, wanted), info)
        return raw


def _is_list(raw: dict[str, Any]) -> bool:
    data = raw.get("data")
    return type(data) is list or (data is None and raw.get("object") == "list")  # how some write an empty one


def _unread(body: bytes, wanted: str) -> ChatStreamError:
    """The error of a body that is not what was asked for: JSON that was cut or damaged is told from anything else."""
    body = body.strip()
    if body[:1] not in {b"{", b"["}:
        return not_a_stream(body, wanted)
    try:
        read_json(body)
    except StreamLimitError as error:
        return error
    except StreamProtocolError as error:
        return IncompleteStreamError("the answer was cut: its JSON breaks off") if _breaks_off(body) else error
    return not_a_stream(body, wanted)


def _breaks_off(body: bytes) -> bool:
    try:
        from_json(body, allow_partial="trailing-strings")
    except ValueError:
        return False
    return True


def _with_head(error: ChatStreamError, info: ResponseInfo) -> ChatStreamError:
    """The error with what is known of the answer that it came in."""
    error.request_id = error.request_id or info.request_id
    if isinstance(error, NotAStreamError):
        error.content_type = info.headers.get("content-type")
    return error
