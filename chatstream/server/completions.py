"""POST /v1/chat/completions: which answer a request gets.

In goes the JSON body of a request, out comes an exchange, from a tape or from the echo; or a Refusal. Rules: the answer
is decided, and stored if that was asked for, before the first byte of it goes out.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from chatstream.chunking import chunks_of
from chatstream.recording.changing.striking import is_refusal, strike, struck_by
from chatstream.recording.library.answering import as_asked, paced, renamed, stream_of, wants_usage
from chatstream.recording.library.asked import Asked
from chatstream.recording.library.matching import canonical
from chatstream.server.echo import answer, cut
from chatstream.server.http import Refusal, json_exchange
from chatstream.server.samples import UnusableSchemaError
from chatstream.server.threads import in_thread
from chatstream.validation import first_problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chatstream.recording import Exchange
    from chatstream.recording.library import Library, Tape, Turn
    from chatstream.server.seen import SeenRequest

    # Completion, request and request id; whether it was stored, which it is not under an id that is taken.
    Store = Callable[[dict[str, Any], dict[str, Any], str], Awaitable[bool]]

__all__ = ["Completions"]

_ECHO_PACE = 0.01  # seconds a token: as a fast model, and slow enough to be seen flowing
_MOST_CACHE_KEYS = 10_000
_LONGEST_MODEL = 512
_ID_DIGITS = 29


class Completions:
    """Answers requests for completions. ``begin``: how many were stored before, so that few ids are tried in vain."""

    def __init__(
        self, library: Library, store: Store, *, echo: bool, speed: float | None, seed: int, begin: int = 0
    ) -> None:
        self._library = library
        self._store = store
        self._echo = echo
        self._speed = speed
        self._seed = seed
        self._number = begin
        self._cache_keys: OrderedDict[bytes, None] = OrderedDict()

    async def create(self, body: object, tape_name: str | None, seen: SeenRequest) -> Exchange:
        """The answer to a request. ``tape_name``: the tape that must answer it."""
        if (problem := await in_thread(first_problem, body)) is not None:
            raise Refusal.of(problem)
        assert isinstance(body, dict)  # noqa: S101  else there would have been a problem
        if len(body["model"]) > _LONGEST_MODEL:  # it stands in each chunk
            raise Refusal(400, f"model: no model has a name of more than {_LONGEST_MODEL} characters", param="model")
        seen.model, seen.stream = body["model"], body.get("stream") is True
        turn, digest = await in_thread(self._find, body, tape_name)
        seen.answered_by = "echo" if turn is None else turn.tape.name
        return await (self._made_up(body, digest, seen) if turn is None else self._played(turn, body, digest, seen))

    def _find(self, body: dict[str, Any], name: str | None) -> tuple[Turn | None, bytes]:
        """The tape that answers, or None where the echo does; and what new ids are made of."""
        digest = hashlib.sha256(canonical(body)).digest()
        if name is not None:
            try:
                return self._library.named(name), digest
            except LookupError as error:
                raise Refusal(404, str(error), code="no_matching_tape") from None
        turn = self._library.find(Asked(body=body))
        if turn is None and not self._echo:
            raise Refusal(404, self._library.nearest(Asked(body=body)), code="no_matching_tape")
        return turn, digest

    async def _played(self, turn: Turn, body: dict[str, Any], digest: bytes, seen: SeenRequest) -> Exchange:
        tape = turn.tape
        seen.request_id = tape.request_id or seen.request_id
        faults = struck_by(tape.recording.faults, turn.number, seed=self._seed)
        exchange = await in_thread(self._answer_of, tape, body, stream=seen.stream)
        if body.get("store") is True and not is_refusal(faults) and tape.merged.completion is not None:
            id = await self._kept(tape.merged.completion, body, digest, seen.request_id)
            old = tape.merged.completion.get("id")
            exchange = exchange if id == old else await in_thread(renamed, exchange, old, id)
        # Paced before: a fault takes the time that it says, whatever the speed is.
        exchange, seen.faults = await in_thread(strike, paced(exchange, self._speed), faults, seed=self._seed)
        return exchange

    @staticmethod
    def _answer_of(tape: Tape, body: dict[str, Any], *, stream: bool) -> Exchange:
        if body.get("store") is True:
            _ = tape.merged  # here, where it holds nobody up
        return as_asked(tape, body, stream=stream)

    async def _kept(self, completion: dict[str, Any], body: dict[str, Any], digest: bytes, request_id: str) -> str:
        """Store what a tape answers; the id that it is stored under. Given again, it is another completion."""
        usual = {"model": body["model"], "created": int(time.time())}
        told = {**usual, **{name: value for name, value in completion.items() if value is not None}}
        old = completion.get("id")
        id = old if isinstance(old, str) and old else self._new_id(digest)
        while not await self._store({**told, "id": id}, body, request_id):
            id = self._new_id(digest)
        return id

    async def _made_up(self, body: dict[str, Any], digest: bytes, seen: SeenRequest) -> Exchange:
        cached = self._is_cached(body)
        while True:
            id, created = self._new_id(digest), int(time.time())
            try:
                completion = await in_thread(answer, body, id=id, created=created, cached=cached)
            except UnusableSchemaError as error:
                raise Refusal(422, str(error), code="unusable_schema", param=error.path) from None
            # An id is taken where another server has the same file, or this one had it before.
            if body.get("store") is not True or await self._store(completion, body, seen.request_id):
                break
        return await in_thread(self._told, completion, body) if seen.stream else json_exchange(completion)

    def _told(self, completion: dict[str, Any], body: dict[str, Any]) -> Exchange:
        chunks = chunks_of(completion, include_usage=wants_usage(body), pieces=cut)
        return paced(stream_of(chunks, pace=_ECHO_PACE / len(completion["choices"])), self._speed)

    def _new_id(self, digest: bytes) -> str:
        """An id that follows from the seed, the request and how many came before it."""
        self._number += 1
        made_of = b"%d %d %b" % (self._seed, self._number, digest)
        return f"chatcmpl-{hashlib.sha256(made_of).hexdigest()[:_ID_DIGITS]}"

    def _is_cached(self, body: dict[str, Any]) -> bool:
        """Whether this cache key came before, among the last of them."""
        key = body.get("prompt_cache_key")
        if not isinstance(key, str) or not key:
            return False
        digest = hashlib.sha256(key.encode()).digest()  # a key may be as long as a body
        known = digest in self._cache_keys
        self._cache_keys[digest] = None
        self._cache_keys.move_to_end(digest)
        if len(self._cache_keys) > _MOST_CACHE_KEYS:
            self._cache_keys.popitem(last=False)
        return known
