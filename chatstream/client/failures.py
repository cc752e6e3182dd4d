"""What went wrong while asking, as one of our errors.

In go what the HTTP library raised, or an answer with a status; out come errors of `chatstream.errors`. Rules: whatever
the peer did becomes one of them, what somebody did wrong himself is left as it is; no text holds a header, a body that
was sent, or more of an address than its origin.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chatstream.client.patience import Enough
from chatstream.errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    APIUserAbortError,
    ChatStreamError,
    StreamInterruptedError,
    StreamProtocolError,
)
from chatstream.responses import status_error
from chatstream.transport import transport_error

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from chatstream.client.call import Call
    from chatstream.client.patience import Patience

__all__ = ["hide", "hiding", "refusal", "while_opening", "while_reading"]

_ERROR_STATUS = 400
_DEEPEST_CAUSE = 10
_NO_ADDRESS = frozenset({"InvalidURL", "UnsupportedProtocol"})


def while_reading(error: Exception, patience: Patience) -> ChatStreamError | None:
    """What ended a body before its time; None for what is somebody's own mistake."""
    if isinstance(error, Enough) or patience.is_stopped:
        # Whatever else it looks like: the connection was shut, or the wait was one that cannot be cut short.
        return APIUserAbortError("the request was aborted")
    ours = transport_error(error, bytes_seen=patience.heard)
    if isinstance(ours, APITimeoutError) and ours is not error:
        if patience.is_over:
            ours = APITimeoutError(phase="total")
        elif ours.phase in {"first_byte", "idle"} and ours.phase != patience.phase:
            ours = APITimeoutError(phase=patience.phase)
        ours.__cause__ = error
    return ours


def while_opening(error: Exception, patience: Patience, url: str) -> ChatStreamError | None:
    """Why no answer came; None for what is somebody's own mistake."""
    ours = while_reading(error, patience)
    if type(error).__name__ in _NO_ADDRESS:
        ours = StreamProtocolError(
            f"an address, of the call or of a redirect, that cannot be asked ({type(error).__name__})"
        )
        ours.__cause__ = error
    elif isinstance(ours, StreamInterruptedError):
        # Nothing had begun that could have been interrupted.
        kind = type(error).__name__
        ours = APIConnectionError(f"no answer from {_origin(url)}: the connection broke off ({kind})")
        ours.__cause__ = error
    elif type(ours) is APIConnectionError:
        ours = APIConnectionError(f"no connection to {_origin(url)}{_reason(error)}")
        ours.__cause__ = error
    return ours


def _reason(error: BaseException) -> str:
    """What the system or TLS says of it, in brackets; nothing if neither does."""
    at: BaseException | None = error
    for _ in range(_DEEPEST_CAUSE):
        if at is None:
            break
        if isinstance(at, OSError) and at.strerror:
            return f" ({at.strerror})"
        at = at.__cause__ or at.__context__
    return ""


def refusal(response: Any, body: bytes, call: Call) -> APIStatusError:
    """The error that a status of 300 or more is."""
    error = status_error(response, body)
    if response.status_code < _ERROR_STATUS:
        target = _origin(response.headers.get("location", ""))
        error = APIStatusError(
            f"the service redirects to {target}, where a {call.method} is not sent on to: check base_url",
            status_code=response.status_code,
            body=error.body,
            headers=error.headers,
            request_id=error.request_id,
        )
    hide(error, call.secrets)
    return error


def _origin(location: str) -> str:
    try:
        where = urlsplit(location)
        port = "" if where.port is None else f":{where.port}"
    except ValueError:
        return "nowhere"
    return f"{where.scheme}://{where.hostname}{port}" if where.hostname else "another path"


def hide(error: ChatStreamError, secrets: Sequence[str]) -> None:
    """Take these out of all that an error says: services give back what they were sent, and errors end in logs."""
    if secrets:
        if any(secret in text for text in _texts(error.__cause__) for secret in secrets):
            error.__cause__ = None
            error.__suppress_context__ = True
        error.args = tuple(_without(value, secrets) for value in error.args)
        for name in ("message", "type", "code", "param", "body", "headers", "content_type", "request_id"):
            value = getattr(error, name, None)
            if value is not None:
                try:
                    setattr(error, name, _without(value, secrets))
                except RecursionError:  # nested as deep as is read, and a caller who is deep himself
                    setattr(error, name, None)


def _texts(error: BaseException | None) -> Iterator[str]:
    """What this exception and those behind it say."""
    for _ in range(_DEEPEST_CAUSE):
        if error is None:
            return
        yield str(error)
        error = error.__cause__ or error.__context__


@contextmanager
def hiding(call: Call) -> Generator[None]:
    """Take the secrets of a call out of whatever of ours is raised here."""
    try:
        yield
    except ChatStreamError as error:
        hide(error, call.secrets)
        raise


def _without(value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, "***")
        return value
    if isinstance(value, Mapping):
        return {_without(key, secrets): _without(inner, secrets) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without(inner, secrets) for inner in value]
    return value
