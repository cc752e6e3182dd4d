"""A call as what a stream reads from: sent when it is first read, or opened.

In go a sender and a call, out come reads. Rules: nothing is sent before somebody wants to read; an answer that nobody
closed is told of (ResourceWarning), and closed at once where that needs no waiting.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from chatstream.client.failures import hide
from chatstream.client.patience import Stop
from chatstream.client.taping import asked_of
from chatstream.errors import StreamConsumedError
from chatstream.sources import AsyncSource, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatstream.client.async_sending import AsyncAnswer, AsyncSender
    from chatstream.client.call import Call
    from chatstream.client.sending import Answer, Sender
    from chatstream.errors import ChatStreamError

__all__ = ["AsyncRequestSource", "RequestSource"]

_UNCLOSED = "a stream was dropped while it was open: read it to its end, close it, or use it as a context manager"


class _Requested:
    """What both halves know of a call that may have been sent."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._stop = Stop()
        self._is_closed = False
        self._in_use = False  # by whoever sends or reads; an abort in another thread leaves the closing to him
        # Told once and let go of, so that a stream which is dropped is gone at once.
        self._tell: tuple[Callable[[], object], Callable[[Any], object]] | None = None

    @property
    def asked(self) -> dict[str, Any]:
        """What the call asks, as a recorder takes it."""
        return asked_of(self._call)

    @property
    def secrets(self) -> list[str]:
        """What of the call nobody is to be shown."""
        return self._call.secrets

    def when(self, sent: Callable[[], object], opened: Callable[[Any], object]) -> None:
        """Have these called when it is sent, and with its answer when that has come."""
        self._tell = sent, opened

    def _begin(self) -> None:
        if self._is_closed:
            raise StreamConsumedError("the stream was closed already")
        if self._tell is not None:
            self._tell[0]()

    def _tell_open(self, answer: Any) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell[1](answer)

    def __del__(self) -> None:
        answer = self.__dict__.get("_answer")
        if answer is not None and not answer.is_closed:
            warnings.warn(_UNCLOSED, ResourceWarning, stacklevel=2, source=self)
            self._drop()

    def _drop(self) -> None:
        """Close what nobody holds any more, as far as that needs no waiting."""


class _Request(_Requested, Iterator[bytes]):
    """A call, and the reads of its answer."""

    def __init__(self, sender: Sender, call: Call) -> None:
        super().__init__(call)
        self._sender = sender
        self._answer: Answer | None = None

    def __next__(self) -> bytes:
        self._in_use = True
        try:
            return next(self._answer or self._open())
        finally:
            self._in_use = False

    def open(self) -> None:
        """Send it, unless it was sent; raises an APIError if there is no answer."""
        self._in_use = True
        try:
            self._open()
        finally:
            self._in_use = False

    def _open(self) -> Answer:
        if self._answer is None:
            self._begin()
            self._answer = self._sender.open(self._call, self._stop)
            self._tell_open(self._answer)
        return self._answer

    def abort(self) -> None:
        """Give it up, from any thread."""
        self._stop.say()
        if not self._in_use:
            self.close()

    def close(self) -> None:
        """Close its answer; it is not sent any more if it was not."""
        self._is_closed = True
        if self._answer is not None:
            self._answer.close()

    def _drop(self) -> None:
        self.close()


class RequestSource(Source):
    """A call as a source of a sync stream."""

    def __init__(self, sender: Sender, call: Call) -> None:
        self._request = _Request(sender, call)
        super().__init__(self._request, self._request.close)

    def when(self, sent: Callable[[], object], opened: Callable[[], object]) -> None:
        """Have these called when the request is sent, and when its answer has come."""
        self._request.when(sent, lambda answer: self._learn(answer, opened))

    @property
    def request(self) -> dict[str, Any]:
        """What is asked."""
        return self._request.asked

    def hide(self, error: ChatStreamError) -> None:
        """Take the secrets of the request out of an error."""
        hide(error, self._request.secrets)

    def _learn(self, answer: Answer, opened: Callable[[], object]) -> None:
        self.learn(answer.response, answer.info)
        opened()

    def open(self) -> None:
        """Send the request, unless it was sent; raises an APIError if there is no answer."""
        self._request.open()

    def abort(self) -> None:
        """Give it up, from any thread; whoever waits for it is woken."""
        self._request.abort()


class _AsyncRequest(_Requested, AsyncIterator[bytes]):
    """A call, and the reads of its answer."""

    def __init__(self, sender: AsyncSender, call: Call) -> None:
        super().__init__(call)
        self._sender = sender
        self._answer: AsyncAnswer | None = None

    async def __anext__(self) -> bytes:
        return await anext(self._answer or await self.open())

    async def open(self) -> AsyncAnswer:
        """Send it, unless it was sent; raises an APIError if there is no answer."""
        if self._answer is None:
            self._begin()
            self._answer = await self._sender.open(self._call, self._stop)
            self._tell_open(self._answer)
        return self._answer

    def abort(self) -> None:
        """Give it up: the connection is shut, and whoever reads it closes it."""
        self._stop.say()
        if self._answer is not None and not self._answer.is_closed:
            self._answer.shut()

    async def aclose(self) -> None:
        """Close its answer; it is not sent any more if it was not."""
        self._is_closed = True
        if self._answer is not None:
            await self._answer.aclose()


class AsyncRequestSource(AsyncSource):
    """A call as a source of an async stream."""

    def __init__(self, sender: AsyncSender, call: Call) -> None:
        self._request = _AsyncRequest(sender, call)
        super().__init__(self._request, self._request.aclose)

    def when(self, sent: Callable[[], object], opened: Callable[[], object]) -> None:
        """Have these called when the request is sent, and when its answer has come."""
        self._request.when(sent, lambda answer: self._learn(answer, opened))

    @property
    def request(self) -> dict[str, Any]:
        """What is asked."""
        return self._request.asked

    def hide(self, error: ChatStreamError) -> None:
        """Take the secrets of the request out of an error."""
        hide(error, self._request.secrets)

    def _learn(self, answer: AsyncAnswer, opened: Callable[[], object]) -> None:
        self.learn(answer.response, answer.info)
        opened()

    async def open(self) -> None:
        """Send the request, unless it was sent; raises an APIError if there is no answer."""
        await self._request.open()

    def abort(self) -> None:
        """Give it up; whoever waits for it is woken."""
        self._request.abort()
