"""Whether a request that failed is worth another try, and when.

In go the error and how often it was tried again, out come seconds, or None: the error is final. Rules:

- Nothing is waited for here, no clock is read and no dice are thrown: the caller hands them in, and a test others.
- Once a 2xx answer has begun nothing is sent again; the caller sees to that, who alone knows.
- What the service asks for beats what we would have done, up to two minutes. Longer waits are for the program to decide
  on, so the error comes at once.
"""

from __future__ import annotations

import re
import ssl
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from chatstream.errors import APIConnectionError, APIStatusError, APITimeoutError, ChatStreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chatstream.errors import APIError

__all__ = ["wait_before_retry"]

_FIRST_WAIT = 0.5  # seconds, doubled each time
_DOUBLINGS = 4  # to 8 seconds
_JITTER = 0.25  # of a wait, at most: clients that failed together do not come back together
_LONGEST_ASKED_FOR = 120.0  # seconds

_TRANSIENT = {408, 409, 429}
_SERVER_ERRORS = 500  # and above

# Narrower than float(), which also takes nan, infinity, underscores and the digits of other scripts.
_DECIMAL = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[Ee][+-]?[0-9]+)?")
_LONGEST_CHAIN = 32  # errors behind an error that are looked at; HTTP libraries make four


def wait_before_retry(
    error: APIError,
    *,
    retries: int,
    max_retries: int,
    random: Callable[[], float],
    now: Callable[[], float],
) -> float | None:
    """The seconds to wait before the next try; None if the error is final.

    ``retries``: how many were made already. ``random`` gives a number from 0 to below 1; ``now``, which is asked where
    the service names a date, Unix seconds.
    """
    if retries >= max_retries or not _is_transient(error):
        return None
    asked = _wait_asked_for(error, now)
    if asked is None:
        return _FIRST_WAIT * (1 << min(retries, _DOUBLINGS)) * (1 - _JITTER * random())
    return asked if asked <= _LONGEST_ASKED_FOR else None


def _is_transient(error: APIError) -> bool:
    if isinstance(error, APIStatusError):
        said = _header(error.headers, "x-should-retry").lower()
        if said in {"true", "false"}:
            return said == "true"
        return error.status_code in _TRANSIENT or error.status_code >= _SERVER_ERRORS
    if isinstance(error, APITimeoutError) and error.phase == "total":
        return False  # there is no time left
    return isinstance(error, APIConnectionError) and not _is_tls(error)


def _is_tls(error: BaseException) -> bool:
    """Whether TLS failed: a certificate that is refused now will be refused in a second.

    The context counts although it may be suppressed: httpcore's pool raises ``from None``, which hides the cause that
    its connection had given. But an error of ours in the context is that of an earlier call, whose ``except`` block
    this call is made in, and says nothing of this one.
    """
    link: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if link is None or isinstance(link, ssl.SSLError):
            return link is not None
        if link.__cause__ is not None:
            link = link.__cause__
        else:
            link = None if isinstance(link.__context__, ChatStreamError) else link.__context__
    return False


def _wait_asked_for(error: APIError, now: Callable[[], float]) -> float | None:
    """The seconds that the service wants us to wait; infinite past what a float holds; None if it says nothing."""
    if not isinstance(error, APIStatusError):
        return None
    milliseconds = _decimal(_header(error.headers, "retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    after = _header(error.headers, "retry-after")
    seconds = _decimal(after)
    return _seconds_until(after, now) if seconds is None else seconds


def _decimal(text: str) -> float | None:
    return float(text) if _DECIMAL.fullmatch(text) else None


def _seconds_until(text: str, now: Callable[[], float]) -> float | None:
    """The seconds until an HTTP date, in any of its three forms (RFC 9110, 5.6.7); none for a date that is past."""
    try:
        date = parsedate_to_datetime(text)
        # asctime() names no zone, and means UTC as the other two forms do.
        moment = date.timestamp() if date.tzinfo else date.replace(tzinfo=UTC).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None  # it is no date, which the parser of the standard library says in several ways
    return max(moment - now(), 0.0)


def _header(headers: Mapping[str, str] | None, name: str) -> str:
    """A header's value; names are compared without case, whatever kind of mapping it is. Empty if it is not there."""
    for key, value in (headers or {}).items():
        if key.lower() == name:
            return value.strip()
    return ""
