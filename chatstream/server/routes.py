"""What a request asks for, and who answers it.

In goes a whole request, out goes a reply. Rules: first who asks (guard), then what for (a table of paths), then the
faults, which strike whatever the API would have said; a bug is a 500 whose line in the log has the place and no value.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from chatstream.errors import StreamLimitError, StreamProtocolError
from chatstream.jsontext import BAD_UTF8, ODD_STRINGS, plain, read_json
from chatstream.recording import Exchange, Read
from chatstream.recording.changing.striking import is_refusal, strike
from chatstream.server.faults import is_refused_by
from chatstream.server.guard import check_json
from chatstream.server.http import Refusal, Request, error_exchange, json_exchange, reply_of
from chatstream.server.page import CSP, RequestRow, TapeRow, render
from chatstream.server.seen import SeenRequest, note_bug
from chatstream.server.sockets import PeerGone
from chatstream.server.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chatstream.recording.library import Library, Tape
    from chatstream.server.completions import Completions
    from chatstream.server.faults import RequestFaults
    from chatstream.server.guard import Guard
    from chatstream.server.http import Send
    from chatstream.server.seen import SeenRequests
    from chatstream.server.stored import StoredCompletions

__all__ = ["TAPE_HEADER", "Routes"]

TAPE_HEADER = "x-chatstream-tape"

_WORDS = {"", "v1", "health", "models", "chat", "completions", "messages"}
_MOST_WORDS = 8
_MOST_ROWS = 50  # of requests and of completions, on the page
_MOST_TAPES = 1000
_LARGE_BODY = 64 * 1024  # bytes


class _Asked(msgspec.Struct, frozen=True):
    """A request that has found its route. ``id``: what stands in the path where the route has ``{id}``."""

    request: Request
    seen: SeenRequest
    id: str = ""


_Path: TypeAlias = tuple[str, ...]
_Answer: TypeAlias = "Callable[[_Asked], Awaitable[Exchange]]"


class Routes:
    """Answers requests. ``handle`` is given each one, and a way to send."""

    def __init__(
        self,
        *,
        guard: Guard,
        library: Library,
        completions: Completions,
        stored: StoredCompletions,
        seen: SeenRequests,
        echo: bool,
        faults: RequestFaults,
        seed: int,
        base_url: str,
    ) -> None:
        self._guard = guard
        self._library = library
        self._completions = completions
        self._stored = stored
        self._seen = seen
        self._echo = echo
        self._faults = faults
        self._seed = seed
        self._base_url = base_url
        self._started = int(time.time())
        self._table: dict[_Path, dict[str, _Answer]] = {
            (): {"GET": self._page},
            ("health",): {"GET": self._health},
            ("models",): {"GET": self._models},
            ("models", "{id}"): {"GET": self._model},
            ("chat", "completions"): {"GET": self._list, "POST": self._create},
            ("chat", "completions", "{id}"): {"GET": self._retrieve, "POST": self._update, "DELETE": self._delete},
            ("chat", "completions", "{id}", "messages"): {"GET": self._messages},
        }

    async def handle(self, request: Request, send: Send) -> None:
        """Answer one request."""
        began = time.perf_counter()
        seen = self._seen.begin(request.method, request.path)
        seen.request_id = self._request_id(seen.number)
        seen.content = request.body
        outcome = "stopped"
        try:
            reply = reply_of(await self._answer(request, seen))
            seen.status = reply.status
            reply.headers.setdefault("x-request-id", seen.request_id)
            reply.headers.setdefault("openai-processing-ms", f"{(time.perf_counter() - began) * 1000:.0f}")
            outcome = "client left" if reply.ending == "eof" else "cut off"
            await send(reply)
            outcome = "sent"
        except PeerGone:
            raise
        except BaseException:
            outcome = "stopped"
            raise
        finally:
            self._seen.end(seen, outcome, time.perf_counter() - began)

    def refused(self, refusal: Refusal) -> None:
        """Note what never became a request."""
        seen = self._seen.begin("-", "")
        seen.route, seen.status, seen.code = "(no whole request)", refusal.status, refusal.code or ""
        self._seen.end(seen, "sent", 0.0)

    def admit(self, request: Request) -> None:
        """Look at a head, before its body is read: Refusal for whoever may not ask, or sends what is not read here."""
        route, _ = self._find(_parts(request.parts))
        self._guard.check_origin(request.headers)
        if route != ("health",):
            self._guard.check_key(request.headers)
        if request.method == "POST":
            check_json(request)

    async def _answer(self, request: Request, seen: SeenRequest) -> Exchange:
        route, id = self._find(_parts(request.parts))
        seen.route = _shown(request.path, route)
        try:
            self._guard.check_origin(request.headers)
            if route != ("health",):
                self._guard.check_key(request.headers, browser=route == ())
            if route is None:
                message = f"there is nothing at this path; the API is at {self._base_url}"
                raise Refusal(404, message, code="unknown_url")  # noqa: TRY301  as any other
            return await self._faulty(route, _Asked(request, seen, id))
        except Refusal as refusal:
            seen.code = refusal.code or ""
            return refusal.exchange
        except Exception as error:  # noqa: BLE001  a bug must not take the server along
            note_bug(error)
            return error_exchange(500, f"the server has a bug: {type(error).__name__}", code="internal_error")

    def _find(self, parts: tuple[str, ...]) -> tuple[_Path | None, str]:
        """The route with this path, and what stands there for {id}; the fixed words count before that."""
        for route in self._table:
            if len(route) == len(parts) and all(
                word in {"{id}", part} for word, part in zip(route, parts, strict=True)
            ):
                return route, next((part for word, part in zip(route, parts, strict=True) if word == "{id}"), "")
        return None, ""

    async def _faulty(self, route: _Path, asked: _Asked) -> Exchange:
        """The answer of a route, with the faults that strike it."""
        if not _is_api(route):
            return await self._method(route, asked)(asked)
        faults = self._faults.strike_at(asked.request.headers)
        # A request that fails has not happened: it takes no tape's turn, and stores nothing.
        instead = is_refusal(faults)
        exchange = json_exchange({}) if instead else await self._answered(route, asked)
        if not faults or is_refused_by(asked.seen.faults):  # by its tape: then nothing else strikes
            return exchange
        exchange, told = await in_thread(strike, exchange, faults, seed=self._seed)
        asked.seen.faults += told
        return exchange

    async def _answered(self, route: _Path, asked: _Asked) -> Exchange:
        try:
            return await self._method(route, asked)(asked)
        except Refusal as refusal:
            asked.seen.code = refusal.code or ""
            return refusal.exchange

    def _method(self, route: _Path, asked: _Asked) -> _Answer:
        methods = self._table[route]
        method = "GET" if asked.request.method == "HEAD" else asked.request.method
        if method not in methods:
            allowed = ", ".join(methods)
            message = f"the methods here are: {allowed}"
            raise Refusal(405, message, code="method_not_allowed", headers={"allow": allowed})
        return methods[method]

    async def _create(self, asked: _Asked) -> Exchange:
        body = await _read_body(asked)
        return await self._completions.create(body, _tape_name(asked.request), asked.seen)

    async def _list(self, asked: _Asked) -> Exchange:
        asked.seen.answered_by = "store"
        return await self._stored.list(asked.request)

    async def _retrieve(self, asked: _Asked) -> Exchange:
        asked.seen.answered_by = "store"
        return await self._stored.retrieve(asked.id)

    async def _update(self, asked: _Asked) -> Exchange:
        body = await _read_body(asked)
        asked.seen.answered_by = "store"
        return await self._stored.update(asked.id, body)

    async def _delete(self, asked: _Asked) -> Exchange:
        asked.seen.answered_by = "store"
        return await self._stored.delete(asked.id)

    async def _messages(self, asked: _Asked) -> Exchange:
        asked.seen.answered_by = "store"
        return await self._stored.messages(asked.id, asked.request)

    async def _health(self, _asked: _Asked) -> Exchange:
        return json_exchange({"status": "ok", "tapes": len(self._library.tapes), "echo": self._echo})

    async def _models(self, _asked: _Asked) -> Exchange:
        return json_exchange({"object": "list", "data": self._all_models()})

    async def _model(self, asked: _Asked) -> Exchange:
        for model in self._all_models():
            if model["id"] == asked.id:
                return json_exchange(model)
        raise Refusal(404, f"there is no model {asked.id[:80]!r}", code="model_not_found", param="model")

    def _all_models(self) -> list[dict[str, Any]]:
        names = dict.fromkeys(tape.model for tape in self._library.tapes if tape.model) | (
            {"echo": None} if self._echo else {}
        )
        return [{"id": name, "object": "model", "created": self._started, "owned_by": "chatstream"} for name in names]

    async def _page(self, _asked: _Asked) -> Exchange:
        html = render(
            base_url=self._base_url,
            tapes=[_tape_row(tape) for tape in self._library.tapes[:_MOST_TAPES]],
            requests=[_request_row(seen) for seen in reversed(list(self._seen)[-_MOST_ROWS:])],
            completions=await self._stored.recent(_MOST_ROWS),
            completions_total=await self._stored.count(),
            requests_total=self._seen.total,
            echo=self._echo,
            key_needed=self._guard.needs_key,
        )
        headers = {
            "content-type": "text/html; charset=utf-8",
            "content-security-policy": CSP,
            "cache-control": "no-store",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
        }
        return Exchange(
            form="completion", name="page", response={"status": 200, "headers": headers}, reads=[Read(None, html)]
        )

    def _request_id(self, number: int) -> str:
        return f"req_{hashlib.sha256(b'%d %d' % (self._seed, number)).hexdigest()[:32]}"


async def _read_body(asked: _Asked) -> Any:
    """The JSON value of a body; Refusal for what is none."""
    content = asked.request.body
    check_json(asked.request)
    return await in_thread(_json_of, content) if len(content) > _LARGE_BODY else _json_of(content)


def _json_of(content: bytes) -> Any:
    try:
        value, flags = read_json(content)
    except (StreamProtocolError, StreamLimitError) as error:
        raise Refusal(400, f"the body is no JSON that can be read: {error}", code="invalid_json") from None
    if flags & BAD_UTF8:
        raise Refusal(400, "the body is not UTF-8", code="invalid_json")
    return plain(value) if flags & ODD_STRINGS else value


def _tape_name(request: Request) -> str | None:
    """The tape that a request asks for. Names are of files, and clients send what is not ASCII as UTF-8."""
    name = request.headers.get(TAPE_HEADER)
    return None if name is None else name.encode("latin-1", "replace").decode("utf-8", "replace")


def _tape_row(tape: Tape) -> TapeRow:
    recording = tape.recording
    return TapeRow(
        name=tape.name,
        form=recording.form,
        model=tape.model,
        reads=len(recording.reads),
        seconds=recording.duration,
        served=tape.played,
    )


def _request_row(seen: SeenRequest) -> RequestRow:
    return RequestRow(
        time=seen.time,
        method=seen.method,
        path=seen.path,
        status=seen.status or None,
        model=seen.model,
        stream=seen.stream,
        answered_by=seen.answered_by or None,
        fault=", ".join(seen.faults) or None,
        outcome=seen.code or seen.outcome or None,
        milliseconds=seen.seconds * 1000 if seen.outcome else None,
    )


def _parts(parts: list[str]) -> _Path:
    """The parts of a path. Base URLs are told with /v1 and without, and clients add one too: none is fine, and two."""
    start = next((place for place, part in enumerate(parts) if part != "v1"), len(parts))
    if parts[start : start + 1] == ["models"] and len(parts) > start + 1:
        return "models", "/".join(parts[start + 1 :])  # names of models have slashes in them, as they are written
    return tuple(parts[start:])


def _shown(path: str, route: _Path | None) -> str:
    """The path for the log: of one that is not known, only the words that are ours."""
    if route is not None:
        return "/" + "/".join([*(["v1"] if _is_api(route) else []), *route])
    words = (part if part in _WORDS else "…" for part in path.split("/")[1:_MOST_WORDS])
    return f"/{'/'.join(words)} (no such path)"


def _is_api(route: _Path) -> bool:
    return route[:1] in {("chat",), ("models",)}
