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
from chatstream.recording import inject, is_struck
from chatstream.server.echo import answer, cut
from chatstream.server.http import Refusal, json_exchange
from chatstream.server.library import Miss
from chatstream.server.matching import canonical
from chatstream.server.playing import as_one_answer, as_stream, merged, paced, stream_of
from chatstream.server.samples import UnusableSchemaError
from chatstream.validation import first_problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chatstream.recording import Exchange
    from chatstream.server.library import Library, Tape
    from chatstream.server.seen import SeenRequest

    Store = Callable[[dict[str, Any], dict[str, Any], str], Awaitable[None]]  # completion, request, request id

__all__ = ["REFUSING", "Completions"]

REFUSING = frozenset({"status", "rate_limit"})  # the faults that come instead of an answer

_ECHO_PACE = 0.01  # seconds a token: as a fast model, and slow enough to be seen flowing
_MOST_CACHE_KEYS = 10_000
_ID_DIGITS = 29


class Completions:
    """Answers requests for completions. ``begin``: how many completions have had an id here before."""

    def __init__(
        self, library: Library, store: Store, *, echo: bool, speed: float | None, seed: int, begin: int = 0
    ) -> None:
        self._library = library
        self._store = store
        self._echo = echo
        self._speed = speed
        self._seed = seed
        self._number = begin
        self._cache_keys: OrderedDict[str, None] = OrderedDict()

    async def create(self, body: object, tape_name: str | None, seen: SeenRequest) -> Exchange:
        """The answer to a request. ``tape_name``: the tape that must answer it."""
        if (problem := first_problem(body)) is not None:
            raise Refusal(problem.status, problem.message, code=problem.code, param=problem.param)
        assert isinstance(body, dict)  # noqa: S101  else there would have been a problem
        seen.model, seen.stream = body.get("model"), body.get("stream") is True
        tape = self._find(body, tape_name)
        seen.answered_by = "echo" if tape is None else tape.name
        return await (self._made_up(body, seen) if tape is None else self._played(tape, body, seen))

    def _find(self, body: dict[str, Any], name: str | None) -> Tape | None:
        """The tape that answers; None: the echo does."""
        try:
            return self._library.named(name) if name is not None else self._library.find(body)
        except Miss as miss:
            if name is None and self._echo:
                return None
            raise Refusal(404, str(miss), code="no_matching_tape") from None

    async def _played(self, tape: Tape, body: dict[str, Any], seen: SeenRequest) -> Exchange:
        if tape.merged is None:
            tape.merged = merged(tape.recording)
        if seen.stream:
            exchange = as_stream(tape.recording, tape.merged, include_usage=_wants_usage(body))
        else:
            exchange = as_one_answer(tape.recording, tape.merged)
        struck = [fault for fault in tape.recording.faults if is_struck(fault, tape.played, seed=self._seed)]
        is_refused = any(fault.name in REFUSING for fault in struck)
        if body.get("store") is True and tape.merged.completion is not None and not is_refused:
            await self._store(self._with_id(tape.merged.completion, body), body, seen.request_id)
        # Paced before: a fault takes the time that it says, whatever the speed is.
        return inject(paced(exchange, self._speed), struck, seed=self._seed)

    async def _made_up(self, body: dict[str, Any], seen: SeenRequest) -> Exchange:
        try:
            completion = answer(body, id=self._new_id(body), created=int(time.time()), cached=self._is_cached(body))
        except UnusableSchemaError as error:
            raise Refusal(422, str(error), code="unusable_schema", param=error.path) from None
        if body.get("store") is True:
            await self._store(completion, body, seen.request_id)
        if not seen.stream:
            return json_exchange(completion)
        chunks = chunks_of(completion, include_usage=_wants_usage(body), pieces=cut)
        return paced(stream_of(chunks, pace=_ECHO_PACE), self._speed)

    def _with_id(self, completion: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        """The completion to be kept; a recorded one may have no id by which it could be found."""
        id = completion.get("id")
        return completion if isinstance(id, str) and id else {**completion, "id": self._new_id(body)}

    def _new_id(self, body: dict[str, Any]) -> str:
        """An id that follows from the seed, the request and how many came before it."""
        self._number += 1
        made_of = b"%d %d %b" % (self._seed, self._number, canonical(body))
        return f"chatcmpl-{hashlib.sha256(made_of).hexdigest()[:_ID_DIGITS]}"

    def _is_cached(self, body: dict[str, Any]) -> bool:
        """Whether this cache key came before, among the last of them."""
        key = body.get("prompt_cache_key")
        if not isinstance(key, str) or not key:
            return False
        known = key in self._cache_keys
        self._cache_keys[key] = None
        self._cache_keys.move_to_end(key)
        if len(self._cache_keys) > _MOST_CACHE_KEYS:
            self._cache_keys.popitem(last=False)
        return known


def _wants_usage(body: dict[str, Any]) -> bool:
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True
