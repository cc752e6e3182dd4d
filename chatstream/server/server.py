"""The server itself: tapes and options, put together.

In go tapes and options, out comes a base URL that answers. Rules: what makes no sense is refused before anything is
opened; how it listens, and for how long, is the listener's business.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from chatstream.recording import Fault, Recording
from chatstream.recording.changing.striking import faults_of
from chatstream.recording.library import Library, Source
from chatstream.server.completions import Completions
from chatstream.server.faults import RequestFaults
from chatstream.server.guard import Guard
from chatstream.server.limits import ServerLimits
from chatstream.server.listener import Listener
from chatstream.server.routes import Routes
from chatstream.server.seen import SeenRequest, SeenRequests, logger
from chatstream.server.store import CompletionStore
from chatstream.server.stored import StoredCompletions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import ExitStack
    from typing import Literal

    from chatstream.recording.library.matching import Level

__all__ = ["ReplayServer"]


class ReplayServer(Listener):
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
        if not isinstance(seed, int):
            raise ValueError(f"seed is a whole number, not {seed!r}")  # noqa: TRY004  as all options
        super().__init__(host=host, port=port, grace=grace, limits=limits)
        if not os.fspath(db):
            raise ValueError("the database has an empty name; ':memory:' keeps it in memory")
        sources = [tapes] if isinstance(tapes, str | os.PathLike | Recording) else list(tapes)
        levels: Sequence[Level] = [match] if isinstance(match, str) else match
        self._library = Library(sources, match=levels, ignore=[ignore] if isinstance(ignore, str) else ignore)
        names = [allowed_hosts] if isinstance(allowed_hosts, str) else allowed_hosts
        self._guard = Guard(host=host, api_key=api_key, allowed_hosts=names)
        self._echo = not self._library.tapes if on_miss is None else on_miss == "echo"
        self._faults = faults_of(faults)
        self._fault_header = fault_header
        self._db = db
        self._speed = speed
        self._seed = seed
        self._seen = SeenRequests()

    # What it is

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
    def notes(self) -> list[str]:
        """What is odd about the tapes, in words: one that was cut, say."""
        return list(self._library.notes)

    # Entering

    def _open(self) -> None:
        super()._open()
        for note in self.notes:
            logger.warning("note: %s", note)

    def _prepare(self, stack: ExitStack) -> None:
        self._store = stack.enter_context(CompletionStore(self._db))

    def _answers(self) -> Routes:
        self._routes = self._made_routes(self._store)
        return self._routes

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
