"""The attempts of one call, but for the waiting: with which patience each is made, and when the next one is due.

In go a call and the errors of its attempts, out come what an HTTP library is to be given and seconds to wait. Both
senders own one for each call, and differ in nothing that is done here.
"""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chatstream.client.network import attend
from chatstream.client.patience import Patience, Stop
from chatstream.client.retries import wait_before_retry
from chatstream.errors import APIStatusError
from chatstream.types.answer import ResponseInfo

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from chatstream.client.call import Call
    from chatstream.errors import APIError

__all__ = ["REFUSED", "Attempts", "Chances", "stream"]

REFUSED = 300  # redirects and above: no answer to what was asked

_log = logging.getLogger("chatstream.client")

# httpx-sse sets these itself, under its own spelling: beside ours each would be sent twice.
_SET_BY_HTTPX_SSE = frozenset({"accept", "cache-control"})

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5


@dataclass(frozen=True)
class Chances:
    """Where randomness and time come from, so that a test can bring its own.

    A number from 0 to below 1, the seconds of a clock that never goes back, and Unix seconds.
    """

    random: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time

    @classmethod
    def of(cls, random: Callable[[], float] | None, clock: Callable[[], float] | None) -> Self:
        """These, or the usual ones."""
        usual = cls()
        return cls(random or usual.random, clock or usual.clock)


class Attempts:
    """The attempts of one call: how many there were, and what the next one takes."""

    def __init__(self, call: Call, chances: Chances, stop: Stop) -> None:
        self.call: Call = call
        self.stop: Stop = stop
        self.retries: int = 0
        self._redirects = 0
        self._chances = chances
        total = call.timeout.total
        self._deadline = None if total is None else chances.clock() + total
        self._began = 0.0

    def begin(self) -> Patience:
        """The patience of an attempt that begins now; APIUserAbortError or APITimeoutError if it may not."""
        self.stop.check()
        chances = self._chances
        timeout = self.call.timeout
        if not self.call.streams:
            timeout = replace(timeout, data_idle=None)  # what is read whole has no events
        patience = Patience(timeout, clock=chances.clock, deadline=self._deadline, stop=self.stop)
        self.stop.patience = patience
        patience.check()
        self._began = chances.clock()
        return patience

    def options(self, patience: Patience, trace: Callable[..., object]) -> dict[str, Any]:
        """What the HTTP library is given beside method and address."""
        call = self.call
        headers = call.headers
        if call.streams:
            headers = {name: value for name, value in headers.items() if name not in _SET_BY_HTTPX_SSE}
        return {
            "headers": dict(headers),
            "params": call.query or None,
            "content": call.body,
            "follow_redirects": False,
            "extensions": {"timeout": patience.limits(), "trace": trace},
        }

    def head_of(self, response: Any) -> ResponseInfo:
        """What is to be told of an answer whose head has come."""
        attend(response.extensions.get("network_stream"))
        if self.stop.patience is not None:
            self.stop.patience.has_head = True
        return ResponseInfo(
            status_code=response.status_code,
            headers=response.headers,
            request_id=response.headers.get("x-request-id"),
            retries=self.retries,
            elapsed=self._chances.clock() - self._began,
        )

    def redirect(self, info: ResponseInfo) -> bool:
        """Whether a redirect is to be followed; the call is then the one that it asks for."""
        call = self.call.redirected(info.headers.get("location"))
        if call is None or info.status_code not in _REDIRECTS or self._redirects == _MOST_REDIRECTS:
            return False
        self._redirects += 1
        self.call = call
        return True

    def wait_after(self, error: APIError) -> float | None:
        """The seconds until the next attempt, which is counted with this; None if the error is final."""
        wait = wait_before_retry(
            error,
            retries=self.retries,
            max_retries=self.call.max_retries,
            random=self._chances.random,
            now=self._chances.now,
        )
        if wait is None or (self._deadline is not None and self._chances.clock() + wait >= self._deadline):
            return None
        self.retries += 1
        what = error.status_code if isinstance(error, APIStatusError) else type(error).__name__
        _log.info("%r: %s, again in %.2f s, retry %d of %d", self.call, what, wait, self.retries, self.call.max_retries)
        return wait


def stream(http: Any, method: str, url: str, **options: Any) -> Any:
    """What opens an answer that is read whole; for one that streams httpx-sse has the like."""
    return http.stream(method, url, **options)
