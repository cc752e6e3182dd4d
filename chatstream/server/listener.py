"""What listens: a port that is opened and closed again, and the connections that come in through it.

In go a host, ports and limits, out comes a URL that answers. Rules: it listens when the context is entered, and nothing
of it is left when the context is; answers that are going out get a moment, then they are closed. What is answered is
for a class below this one to say.
"""

from __future__ import annotations

import asyncio
import errno
import math
import socket
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol, Self

import anyio
import anyio.abc
import anyio.from_thread

from chatstream.server.connection import Connection
from chatstream.server.http import Refusal
from chatstream.server.seen import note_bug
from chatstream.server.sockets import Socket

if TYPE_CHECKING:
    from types import TracebackType

    from chatstream.server.http import Request, SendAny
    from chatstream.server.limits import ServerLimits

__all__ = ["Answering", "Listener"]

_BACKLOG = 1024
_LAST_PORT = 65535
_PATIENCE = 0.1  # seconds until another try, when there are no file descriptors left
_OUT_OF_FILES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Answering(Protocol):
    """Who answers, as ``Connection.serve`` asks for it."""

    async def handle(self, request: Request, send: SendAny) -> None:
        """Answer one request."""

    def refused(self, refusal: Refusal) -> None:
        """Note what never became a request."""

    def admit(self, request: Request) -> None:
        """Look at a head, before its large body is read: Refusal for what need not be."""


class Listener(ABC):
    """A port, and the life of whoever listens there. ValueError for a port or a grace that is none."""

    def __init__(self, *, host: str, port: int | Sequence[int], grace: float, limits: ServerLimits) -> None:
        ports = list(port) if isinstance(port, Sequence) else [port]
        if not ports or not all(isinstance(one, int) and 0 <= one <= _LAST_PORT for one in ports):
            raise ValueError(f"a port is a number from 0 to {_LAST_PORT}, not {port!r}")
        if not (isinstance(grace, int | float) and 0 <= grace < math.inf):
            raise ValueError(f"grace is a number of seconds, not {grace!r}")
        self._host = host
        self._ports = ports
        self._grace = grace
        self._limits = limits
        self._connections: set[Connection] = set()
        self._listener: socket.socket | None = None
        self._opened = ExitStack()  # the listener, and what a class below has opened
        self._abandoned = False  # entering was given up while it was still opening
        self._task: asyncio.Task[None] | None = None  # on asyncio
        self._group: anyio.abc.TaskGroup | None = None  # on trio

    # What it is

    @property
    def url(self) -> str:
        """The root: ``http://127.0.0.1:8080``. RuntimeError unless it is running."""
        if self._listener is None:
            raise RuntimeError("the server is not running: enter its context first")
        port = self._listener.getsockname()[1]
        return f"http://[{self._host}]:{port}" if ":" in self._host else f"http://{self._host}:{port}"

    @property
    def base_url(self) -> str:
        """What clients take for their ``base_url``: ``http://127.0.0.1:8080/v1``. RuntimeError unless it is running."""
        return f"{self.url}/v1"

    @property
    def port(self) -> int:
        """The port that it listens on. RuntimeError unless it is running."""
        return int(self.url.rpartition(":")[2])

    @property
    def busy(self) -> int:
        """How many connections an answer is going out on, just now."""
        return sum(connection.is_busy for connection in self._connections)

    # What a class below says

    @abstractmethod
    def _prepare(self, stack: ExitStack) -> None:
        """Open what must be there before anybody may ask; ``stack`` closes it."""

    @abstractmethod
    def _answers(self) -> Answering:
        """Who answers. The URL is known by now."""

    async def _finish(self) -> None:  # noqa: B027  most have nothing
        """Close what only an event loop can close; nobody is connected any more."""

    # Entering and leaving

    async def __aenter__(self) -> Self:
        """Listen, in the event loop that is there."""
        if self._listener is not None:
            raise RuntimeError("the server is running already")
        self._abandoned = False
        try:
            await anyio.to_thread.run_sync(self._open)  # another process may hold a database for a while
        except BaseException:
            self._abandoned = True  # the thread may still be at it
            if self._listener is not None:
                self._close()
            raise
        self._stopping = anyio.Event()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # trio
            self._group = anyio.create_task_group()
            await self._group.__aenter__()
            self._group.start_soon(self._serve)
        else:
            # A task of its own and no task group: pytest-asyncio enters and leaves a fixture in two tasks, which is
            # more than a group allows.
            self._task = loop.create_task(self._serve())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Stop: idle connections at once, open streams within ``grace`` seconds."""
        self._stopping.set()
        try:
            if self._task is not None:
                await self._task
            elif self._group is not None:
                await self._group.__aexit__(None, None, None)
        finally:
            self._task = self._group = None
            self._close()

    def __enter__(self) -> Self:
        """Listen, in a thread of its own."""
        with ExitStack() as stack:
            portal = stack.enter_context(anyio.from_thread.start_blocking_portal())
            stack.enter_context(portal.wrap_async_context_manager(self))
            self._thread = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Stop, as when an async context is left."""
        self._thread.__exit__(None, None, None)

    def _open(self) -> None:
        """Do all that may fail."""
        with ExitStack() as stack:
            self._prepare(stack)
            listener = stack.enter_context(self._listen())
            listener.setblocking(False)  # noqa: FBT003  the socket module's own
            self._listener = listener  # who answers may tell its URL
            try:
                self._answering = self._answers()
            except BaseException:
                self._listener = None
                raise
            self._opened = stack.pop_all()
        if self._abandoned:
            self._close()

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        for port in self._ports[:-1]:
            try:
                return socket.create_server((self._host, port), family=family, backlog=_BACKLOG)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
        return socket.create_server((self._host, self._ports[-1]), family=family, backlog=_BACKLOG)

    def _close(self) -> None:
        self._listener = None
        self._opened.close()

    # Serving

    async def _serve(self) -> None:
        try:
            await self._accept_until_stopped()
        finally:
            await self._finish()

    async def _accept_until_stopped(self) -> None:
        """Accept connections until told to stop, and see the open ones to their end, or to the end of the grace."""
        assert self._listener is not None  # noqa: S101  _open came first
        async with anyio.create_task_group() as serving:
            async with anyio.create_task_group() as accepting:
                accepting.start_soon(self._accept, self._listener, serving)
                await self._stopping.wait()
                accepting.cancel_scope.cancel()
            self._listener.close()
            for connection in self._connections:
                connection.stop()
            serving.cancel_scope.deadline = anyio.current_time() + self._grace

    async def _accept(self, listener: socket.socket, serving: anyio.abc.TaskGroup) -> None:
        while True:
            await anyio.wait_readable(listener)
            try:
                accepted, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                continue  # somebody was there, and has gone again
            except OSError as error:
                if error.errno not in _OUT_OF_FILES:
                    raise
                await anyio.sleep(_PATIENCE)
                continue
            serving.start_soon(self._talk, Connection(Socket(accepted), self._limits))

    async def _talk(self, connection: Connection) -> None:
        if len(self._connections) >= self._limits.max_connections:
            await connection.turn_away(Refusal(503, "too many connections", code="too_many_connections"))
            return
        self._connections.add(connection)
        if self._stopping.is_set():  # it was accepted just before
            connection.stop()
        try:
            await connection.serve(self._answering.handle, self._answering.refused, self._answering.admit)
        except Exception as error:  # noqa: BLE001  a bug must not take the other connections along
            note_bug(error)
        finally:
            self._connections.discard(connection)
