"""The routes of stored completions: a list, one, its messages, new metadata, deletion.

In go ids and query parameters, out come the API's objects. Rules: the database is asked in a worker thread, one
question at a time; what it cannot do because of the disk is a 500 that says so.
"""

from __future__ import annotations

import re
import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, cast

import anyio
import anyio.to_thread

from chatstream.server.http import Refusal, json_exchange
from chatstream.server.store import UnknownCursorError
from chatstream.validation import metadata_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chatstream.recording import Exchange
    from chatstream.server.http import Request
    from chatstream.server.published import CompletionRow
    from chatstream.server.store import CompletionStore

__all__ = ["StoredCompletions"]

P = ParamSpec("P")
T = TypeVar("T")

_MOST = 100
_USUAL = 20
_METADATA = re.compile(r"metadata\[(.*)\]", re.DOTALL)


class StoredCompletions:
    """What is asked of the stored completions; each answer is an exchange. Refusal for what is not there."""

    def __init__(self, store: CompletionStore) -> None:
        self._store = store
        self._one_at_a_time = anyio.CapacityLimiter(1)

    async def keep(self, completion: dict[str, Any], request: dict[str, Any], request_id: str) -> bool:
        """Store a completion; it is on the disk when this returns. False if its id is taken: nothing is replaced."""
        messages: list[dict[str, Any]] = request.get("messages") or []
        metadata = request.get("metadata")
        return await self._ask(self._store.put, completion, messages, metadata, request, request_id=request_id)

    async def list(self, request: Request) -> Exchange:
        """A page of the completions."""
        query = dict(request.query)
        metadata = {match[1]: value for name, value in request.query if (match := _METADATA.fullmatch(name))}
        page = await self._page(
            partial(self._store.list, model=query.get("model") or None, metadata=metadata or None), query
        )
        return json_exchange(page)

    async def retrieve(self, id: str) -> Exchange:
        """One completion."""
        return json_exchange(_found(await self._ask(self._store.get, id), id))

    async def update(self, id: str, body: object) -> Exchange:
        """One completion, with new metadata."""
        if (problem := metadata_problem(body)) is not None:
            raise Refusal.of(problem)
        metadata = cast("dict[str, dict[str, str] | None]", body).get("metadata")
        return json_exchange(_found(await self._ask(self._store.update, id, metadata), id))

    async def delete(self, id: str) -> Exchange:
        """Delete a completion."""
        if not await self._ask(self._store.delete, id):
            raise _no_such(id)
        return json_exchange({"object": "chat.completion.deleted", "id": id, "deleted": True})

    async def messages(self, id: str, request: Request) -> Exchange:
        """A page of the messages that a completion answers."""
        return json_exchange(_found(await self._page(partial(self._store.messages, id), dict(request.query)), id))

    async def recent(self, limit: int) -> Sequence[CompletionRow]:
        """The newest completions, in a line each."""
        return await self._ask(self._store.recent, limit)

    async def count(self) -> int:
        """How many completions there are."""
        return await self._ask(self._store.count)

    async def _page(self, find: Callable[..., T], query: dict[str, str]) -> T:
        options = {"after": query.get("after") or None, "limit": _limit(query), "order": _order(query)}
        try:
            return await self._ask(find, **options)
        except UnknownCursorError as error:
            raise Refusal(404, str(error), code="not_found", param="after") from None

    async def _ask(self, question: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        try:
            return await anyio.to_thread.run_sync(partial(question, *arguments, **options), limiter=self._one_at_a_time)
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise Refusal(500, f"the database cannot be used: {reason}", code="database_error") from error


def _limit(query: dict[str, str]) -> int:
    text = query.get("limit", str(_USUAL))
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(_MOST)) else 0
    if not 1 <= number <= _MOST:
        raise Refusal(400, f"limit is a number from 1 to {_MOST}", code="invalid_value", param="limit")
    return number


def _order(query: dict[str, str]) -> Literal["asc", "desc"]:
    order = query.get("order") or "asc"
    if order not in {"asc", "desc"}:
        raise Refusal(400, "order is asc or desc", code="invalid_value", param="order")
    return cast("Literal['asc', 'desc']", order)


def _found(value: T | None, id: str) -> T:
    if value is None:
        raise _no_such(id)
    return value


def _no_such(id: str) -> Refusal:
    return Refusal(404, f"there is no stored completion {id[:80]!r}", code="not_found", param="completion_id")
