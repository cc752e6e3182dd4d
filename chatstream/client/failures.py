"""What went wrong while asking, as one of our errors.

In go what the HTTP library raised, or an answer with a status; out come errors of `chatstream.errors`. Rules: whatever
the peer did becomes one of them, what somebody did wrong himself is left as it is; no text holds a header, a body that
was sent, or more of an address than its origin.
"""

from __future__ import annotations

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
)
from chatstream.responses import status_error
from chatstream.sources import transport_error

if TYPE_CHECKING:
    from chatstream.client.patience import Patience

__all__ = ["refusal", "while_opening", "while_reading"]

_ERROR_STATUS = 400


def while_reading(error: Exception, patience: Patience) -> ChatStreamError | None:
    """What ended a body before its time; None for what is somebody's own mistake."""
    if isinstance(error, Enough):
        return APIUserAbortError("the request was aborted")
    ours = transport_error(error, bytes_seen=patience.heard)
    if isinstance(ours, APITimeoutError) and ours is not error:
        if patience.is_over:
            ours = APITimeoutError(phase="total")
        elif ours.phase in {"first_byte", "idle"} and ours.phase != patience.phase:
            ours = APITimeoutError(phase=patience.phase)
        ours.__cause__ = error
    return ours


def while_opening(error: Exception, patience: Patience) -> ChatStreamError | None:
    """Why no answer came; None for what is somebody's own mistake."""
    ours = while_reading(error, patience)
    if isinstance(ours, StreamInterruptedError):
        # Nothing had begun that could have been interrupted.
        kind = type(error).__name__
        ours = APIConnectionError(f"no answer: the connection broke off ({kind})")
        ours.__cause__ = error
    return ours


def refusal(response: Any, body: bytes, *, method: str) -> APIStatusError:
    """The error that a status of 300 or more is."""
    error = status_error(response, body)
    if response.status_code < _ERROR_STATUS:
        target = _origin(response.headers.get("location", ""))
        error = APIStatusError(
            f"the service redirects to {target}, where a {method} is not sent on to: check base_url",
            status_code=response.status_code,
            body=error.body,
            headers=error.headers,
            request_id=error.request_id,
        )
    return error


def _origin(location: str) -> str:
    try:
        where = urlsplit(location)
    except ValueError:
        return "nowhere"
    return f"{where.scheme}://{where.hostname}" if where.hostname else "another path"
