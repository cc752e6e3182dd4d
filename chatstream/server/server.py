"""The server itself: from ``async with`` or ``with`` to the last connection's end.

In go tapes and options, out comes a base URL that answers. Rules: it listens when the context is entered, and nothing
of it is left when the context is; open streams get a moment, then they are closed.
"""

from __future__ import annotations

import asyncio
import errno
import math
import os
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

import anyio
import anyio.abc
import anyio.from_thread

from chatstream.recording import Fault, Recording
from chatstream.server.completions import Completions
from chatstream.server.connection import Connection
from chatstream.server.faults import RequestFaults
from chatstream.server.guard import Guard
from chatstream.server.http import Refusal
from chatstream.server.library import Library, Source
from chatstream.server.limits import ServerLimits
from chatstream.server.routes import Routes
from chatstream.server.seen import SeenRequest, SeenRequests, logger, note_bug
from chatstream.server.sockets import Socket
from chatstream.server.store import CompletionStore
from chatstream.server.stored import StoredCompletions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType
    from typing import Literal

    from chatstream.server.matching import Level

__all__ = ["ReplayServer"]

_BACKLOG = 1024
_LAST_PORT = 65535
_PATIENCE = 0.1  # seconds until another try, when there are no file descriptors left
_OUT_OF_FILES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class ReplayServer:
    """A server of the Chat Completions API on loopback, that answers from tapes, or with an echo of its own.

        with ReplayServer("weather.tape.jsonl") as server:
            client = OpenAI(base_url=server.base_url, api_key="none")

    ``async with`` runs it in the event loop that is there, asyncio's or trio's; ``with`` in a thread of its own.

    ``tapes``: recordings, paths of files, or folders of them, one or several. ``match``: how a request finds its
    tape, tried in this order: ``exact`` (the same body), ``message`` (the same model and last message), ``order`` (one
    after the other). ``ignore``: places of a body that do not count in the comparison, such as ``metadata`` or
    ``messages[*].name``. ``on_miss``: ``error`` answers 404, naming the nearest tape; ``echo`` has the built-in
    responder answer, and is the default where there are no tapes. ``db``: the file that stored completions are kept in,
    or ``":memory:"``. ``speed``: of tapes, 2.0 is twice as fast, None without waiting. ``faults``: what goes wrong,
    such as ``"stall:2,after=3"``; ``fault_header``: whether a request may say so too, in ``X-Chatstream-Fault``.
    ``port``: 0 for any that is free; of several, the first that is free. ``seed``: of the faults, and of ids.
    ``api_key``: what must be shown; needed for a ``host`` that other machines can reach. ``allowed_hosts``: names
    besides this machine's that the Host header may have. ``grace``: seconds that open streams get when it stops.

    ValueError for options that make no sense, and for a file that is no database of its own; OSError for a tape or
    database that cannot be opened, and for a port that is taken.
    """

    def __init__(
        self,
        tapes: Source | Iterable[Source] = (),
        *,
        match: Level | Sequence[Level] = ("exact", "message"),
        ignore: str | Sequence[str] = (),
        on_miss: Literal["error", "echo"] | None = None,
        db: str | os.PathLike[str] = ":memory:",
        host: str = "127.0.0.1",
        port: int | Sequence[int] = 0,
        api_key: str | None = None,
        allowed_hosts: str | Iterable[str] = (),
        speed: float | None = 1.0,
        faults: str | Fault | Iterable[str | Fault] = (),
        fault_header: bool = False,
        seed: int = 0,
        grace: float = 2.0,
        limits: ServerLimits = ServerLimits(),  # noqa: B008  frozen
    ) -> None:
        if on_miss not in {None, "error", "echo"}:
            raise ValueError(f"on_miss is 'error' or 'echo', not {on_miss!r}")
        if speed is not None and not (isinstance(speed, int | float) and 0 < speed < math.inf):
            raise ValueError(f"speed is a number greater than 0, or None for without waiting, not {speed!r}")
        _check_options(port, grace, seed)
        if not os.fspath(db):
            raise ValueError("the database has an empty name; ':memory:' keeps it in memory")
        sources = [tapes] if isinstance(tapes, str | os.PathLike | Recording) else list(tapes)
        levels: Sequence[Level] = [match] if isinstance(match, str) else match
        self._library = Library(sources, match=levels, ignore=[ignore] if isinstance(ignore, str) else ignore)
        names = [allowed_hosts] if isinstance(allowed_hosts, str) else allowed_hosts
        self._guard = Guard(host=host, api_key=api_key, allowed_hosts=names)
        self._echo = not self._library.tapes if on_miss is None else on_miss == "echo"
        given = [faults] if isinstance(faults, str | Fault) else faults
        self._faults = [Fault.parse(fault) if isinstance(fault, str) else fault for fault in given]
        self._fault_header = fault_header
        self._db = db
        self._host = host
        self._ports = [port] if isinstance(port, int) else list(port)
        self._speed = speed
        self._seed = seed
        self._grace = grace
        self._limits = limits
        self._seen = SeenRequests()
        self._connections: set[Connection] = set()
        self._listener: socket.socket | None = None
        self._opened = ExitStack()  # the listener and the database
        self._abandoned = False  # entering was given up while it was still opening
        self._task: asyncio.Task[None] | None = None  # on asyncio
        self._group: anyio.abc.TaskGroup | None = None  # on trio

    # What it is

    @property
    def url(self) -> str:
        """The root, where the page for people is: ``http://127.0.0.1:8080``. RuntimeError unless it is running."""
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
    def requests(self) -> list[SeenRequest]:
        """The last requests, oldest first, with their bodies: for tests that look at what was sent."""
        return list(self._seen)

    @property
    def tape_names(self) -> list[str]:
        """The names of the tapes, as ``X-Chatstream-Tape`` and the page have them."""
        return [tape.name for tape in self._library.tapes]

    @property
    def echo(self) -> bool:
        """Whether the built-in responder answers what no tape does."""
        return self._echo

    @property
    def busy(self) -> int:
        """How many connections an answer is going out on, just now."""
        return sum(connection.is_busy for connection in self._connections)

    @property
    def notes(self) -> list[str]:
        """What is odd about the tapes, in words: one that was cut, say."""
        return list(self._library.notes)

    # Entering and leaving

    async def __aenter__(self) -> Self:
        """Listen, in the event loop that is there."""
        if self._listener is not None:
            raise RuntimeError("the server is running already")
        self._abandoned = False
        try:
            await anyio.to_thread.run_sync(self._open)  # another process may hold the database for a while
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
            store = stack.enter_context(CompletionStore(self._db))
            listener = stack.enter_context(self._listen())
            listener.setblocking(False)  # noqa: FBT003  the socket module's own
            self._listener = listener  # the routes tell its URL
            try:
                self._routes = self._made_routes(store)
            except BaseException:
                self._listener = None
                raise
            self._opened = stack.pop_all()
        if self._abandoned:
            self._close()
        for note in self.notes:
            logger.warning("note: %s", note)

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

    def _made_routes(self, store: CompletionStore) -> Routes:
        stored = StoredCompletions(store)
        completions = Completions(
            self._library,
            stored.keep,
            echo=self._echo,
            speed=self._speed,
            seed=self._seed,
            begin=store.ever(),
        )
        return Routes(
            guard=self._guard,
            library=self._library,
            completions=completions,
            stored=stored,
            seen=self._seen,
            echo=self._echo,
            faults=RequestFaults(self._faults, header=self._fault_header, seed=self._seed),
            seed=self._seed,
            base_url=self.base_url,
        )

    # Serving

    async def _serve(self) -> None:
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
            await connection.serve(self._routes.handle, self._routes.refused, self._routes.admit)
        except Exception as error:  # noqa: BLE001  a bug must not take the other connections along
            note_bug(error)
        finally:
            self._connections.discard(connection)


def _check_options(port: int | Sequence[int], grace: float, seed: int) -> None:
    """ValueError for what would only fail later, and less clearly."""
    ports = [port] if isinstance(port, int) else list(port)
    if not ports or not all(isinstance(one, int) and 0 <= one <= _LAST_PORT for one in ports):
        raise ValueError(f"a port is a number from 0 to {_LAST_PORT}, not {port!r}")
    if not (isinstance(grace, int | float) and 0 <= grace < math.inf):
        raise ValueError(f"grace is a number of seconds, not {grace!r}")
    if not isinstance(seed, int):
        raise ValueError(f"seed is a whole number, not {seed!r}")  # noqa: TRY004  as all options
