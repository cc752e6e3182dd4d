"""One TCP connection, with what a fault needs and a web framework hides: a reset, and a close without a good-bye.

In go and out bytes. anyio does the waiting, on asyncio and trio; the socket itself stays in our hands, because what its
stream classes do on closing (a FIN before anything else) would turn every reset into a polite end.
"""

from __future__ import annotations

import contextlib
import struct
from socket import IPPROTO_TCP, SHUT_WR, SO_LINGER, SOL_SOCKET, TCP_NODELAY
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

if TYPE_CHECKING:
    from socket import socket

__all__ = ["PeerGone", "Socket", "make_reset"]

_READ_SIZE = 64 * 1024
_LINGER_NOT = struct.pack("ii", 1, 0)  # on, for no time: closing drops what is unsent, and sends a reset
_DRAINED = 64 * 2**20  # bytes thrown away for a peer that is still sending what was refused


class PeerGone(Exception):  # noqa: N818  a peer may go when it likes
    """The other side has closed or reset the connection."""


class Socket:
    """A connection that was accepted. Closing twice does nothing."""

    def __init__(self, connection: socket) -> None:
        connection.setblocking(False)  # noqa: FBT003  the socket module's own
        with contextlib.suppress(OSError):
            connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)  # each write leaves as it is written
        self._connection = connection
        self._closed = False

    async def receive(self) -> bytes:
        """What has come; empty when the other side has ended its half. PeerGone if there is no connection any more."""
        await anyio.lowlevel.checkpoint()  # before, as what was read must not be lost to a cancellation
        while True:
            try:
                return self._connection.recv(_READ_SIZE)
            except (BlockingIOError, InterruptedError):
                await anyio.wait_readable(self._connection)
            except OSError:
                raise PeerGone from None

    async def send(self, data: bytes, *, patience: float) -> None:
        """Send all of it; PeerGone if it cannot arrive, or if nothing of it is taken for ``patience`` seconds."""
        left = memoryview(data)
        await anyio.lowlevel.checkpoint()  # a reader that keeps up must not keep all others waiting
        while left:
            try:
                left = left[self._connection.send(left) :]
            except (BlockingIOError, InterruptedError):
                await self._until_writable(patience)
            except OSError:
                raise PeerGone from None

    async def _until_writable(self, patience: float) -> None:
        try:
            with anyio.fail_after(patience):
                await anyio.wait_writable(self._connection)
        except TimeoutError:
            self.reset()  # what was not taken by now is no use to anybody
            raise PeerGone from None

    async def drain(self, seconds: float) -> None:
        """End our half and throw away what still comes: a close with bytes unread would reset what was just sent."""
        left = _DRAINED
        with contextlib.suppress(OSError, PeerGone), anyio.move_on_after(seconds):
            self._connection.shutdown(SHUT_WR)
            while left > 0 and (data := await self.receive()):
                left -= len(data)

    def close(self) -> None:
        """Close the connection."""
        if not self._closed:
            self._closed = True
            anyio.notify_closing(self._connection)
            self._connection.close()

    def reset(self) -> None:
        """Break the connection off: the other side's next read fails, once it has read what was sent."""
        if not self._closed:
            make_reset(self._connection)
            self.close()


def make_reset(connection: Any) -> None:
    """Have the closing of a connection reset it: a socket, or what asyncio or trio have in its place."""
    with contextlib.suppress(OSError, AttributeError):
        connection.setsockopt(SOL_SOCKET, SO_LINGER, _LINGER_NOT)
