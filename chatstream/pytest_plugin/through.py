"""Transports that go through the tape of a test, for clients that would not come by it.

In go requests of httpx or httpx2, out come the tape's answers. What has to be sent goes out past the place where the
tape stands in the library: nothing may be recorded twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatstream.pytest_plugin.patching import sending
from chatstream.recording.transports.async_transport import AsyncReplayTransport
from chatstream.recording.transports.transport import ReplayTransport, Sender

if TYPE_CHECKING:
    from chatstream.recording.transports.cassette import Cassette

__all__ = ["AsyncThrough", "Through"]


class Through(ReplayTransport):
    """The tape of a test as a transport."""

    def __init__(self, cassette: Cassette) -> None:
        super().__init__(())
        self.cassette: Cassette = cassette
        self._sender = _PastTheTape(None)


class AsyncThrough(AsyncReplayTransport):
    """The same for async clients."""

    def __init__(self, cassette: Cassette) -> None:
        super().__init__(())
        self.cassette: Cassette = cassette
        self._sender = _PastTheTape(None)


class _PastTheTape(Sender):
    """Sends with the libraries' transports as they are without a tape."""

    def to(self, request: Any, kind: str) -> Any:
        return _Unpatched(super().to(request, kind))


class _Unpatched:
    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def handle_request(self, request: Any) -> Any:
        return sending(type(self._transport).handle_request)(self._transport, request)

    async def handle_async_request(self, request: Any) -> Any:
        return await sending(type(self._transport).handle_async_request)(self._transport, request)
