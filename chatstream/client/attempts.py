"""The attempts of one call, but for the waiting: with which patience each is made, and when the next one is due.

In go a call and the errors of its attempts, out come what an HTTP library is to be given and seconds to wait. Both
senders own one for each call, and differ in nothing that is done here.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chatstream.client.patience import Patience, Stop, attend
from chatstream.client.retries import wait_before_retry
from chatstream.errors import APIStatusError
from chatstream.types.answer import ResponseInfo

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from chatstream.client.call import Call
    from chatstream.errors import APIError

_log = logging.getLogger("chatstream.client")

__all__ = ["Attempts", "Chances", "tell_streams", "tell_streams_async"]

# httpx-sse sets these itself, under its own spelling: beside ours each would be sent twice.
_SET_BY_HTTPX_SSE = frozenset({"accept", "cache-control"})

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5


@dataclass(frozen=True)
class Chances:
    """Where randomness and time come from, so that a test can bring its own. Seconds, all of them."""

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
        patience = Patience(self.call.timeout, clock=chances.clock, deadline=self._deadline, stop=self.stop)
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

    def answered(self, response: Any) -> ResponseInfo:
        """What is to be told of an answer whose head has come."""
        attend(response.extensions.get("network_stream"))
        headers = {name.lower(): value for name, value in response.headers.items()}
        return ResponseInfo(
            status_code=response.status_code,
            headers=headers,
            request_id=headers.get("x-request-id"),
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


def tell_streams(name: str, info: dict[str, Any]) -> None:
    """Look after every network stream that httpcore opens, as it tells of it."""
    if name.endswith(".complete"):
        attend(info.get("return_value"))


async def tell_streams_async(name: str, info: dict[str, Any]) -> None:
    """The same for httpcore's async half, which insists on waiting; and give it a body that may be left unfinished."""
    tell_streams(name, info)
    if name == "http11.send_request_body.started":
        request = info["request"]
        request.stream = _Body(request.stream)


class _Body:
    """The body of a request, read by an iterator where the library has a generator.

    A request that is cancelled while it is sent would leave that unfinished, and trio would tell of it.
    """

    def __init__(self, body: Any) -> None:
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        # httpx's bodies of bytes can be read without waiting, too.
        return _NoWait(iter(self._body)) if hasattr(self._body, "__iter__") else aiter(self._body)


class _NoWait(AsyncIterator[bytes]):
    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts

    async def __anext__(self) -> bytes:
        for part in self._parts:
            return part
        raise StopAsyncIteration
