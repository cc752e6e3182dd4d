"""What a request asks for, and who answers it.

In goes a whole request, out goes a reply. Rules: first who asks (guard), then what for (a table of paths), then the
faults, which strike whatever the API would have said; a bug is a 500 whose line in the log has the place and no value.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from chatstream.errors import StreamLimitError, StreamProtocolError
from chatstream.jsontext import BAD_UTF8, ODD_STRINGS, plain, read_json
from chatstream.recording import Exchange, Fault, Read, inject, is_struck
from chatstream.server.completions import REFUSING
from chatstream.server.guard import check_json
from chatstream.server.http import Refusal, error_exchange, json_exchange, reply_of
from chatstream.server.page import CSP, RequestRow, TapeRow, render
from chatstream.server.seen import note_bug
from chatstream.server.sockets import PeerGone

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from chatstream.server.completions import Completions
    from chatstream.server.guard import Guard
    from chatstream.server.http import Reply, Request
    from chatstream.server.library import Library, Tape
    from chatstream.server.seen import SeenRequest, SeenRequests
    from chatstream.server.stored import StoredCompletions

__all__ = ["FAULT_HEADER", "TAPE_HEADER", "Routes"]

FAULT_HEADER = "x-chatstream-fault"
TAPE_HEADER = "x-chatstream-tape"

_COMPLETIONS = "/chat/completions"
# Which methods a path takes, by its parts; {id} stands for any part.
_PATHS: dict[tuple[str, ...], tuple[str, ...]] = {
    (): ("GET",),
    ("health",): ("GET",),
    ("models",): ("GET",),
    ("models", "{id}"): ("GET",),
    ("chat", "completions"): ("GET", "POST"),
    ("chat", "completions", "{id}"): ("GET", "POST", "DELETE"),
    ("chat", "completions", "{id}", "messages"): ("GET",),
}
_MOST_SPELLINGS = 1000  # of faults in headers
_MOST_ROWS = 50  # of requests and of completions, on the page
_MOST_TAPES = 1000


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
        faults: Sequence[Fault],
        fault_header: bool,
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
        self._fault_header = fault_header
        self._seed = seed
        self._base_url = base_url
        self._asked = 0  # requests to the API, which is what the server's faults count
        self._asked_for: Counter[str] = Counter()  # requests with the same faults in their header
        self._started = int(time.time())

    async def handle(self, request: Request, send: Callable[[Reply], Awaitable[None]]) -> None:
        """Answer one request."""
        began = time.perf_counter()
        seen = self._seen.begin(request.method, request.path)
        seen.request_id = self._request_id(seen.number)
        exchange = await self._answer(request, seen)
        reply = reply_of(exchange)
        seen.status = reply.status
        reply.headers.setdefault("x-request-id", seen.request_id)
        reply.headers.setdefault("openai-processing-ms", f"{(time.perf_counter() - began) * 1000:.0f}")
        outcome = "stopped"
        try:
            await send(reply)
            outcome = "sent"
        except PeerGone:
            outcome = "cut off" if reply.ending != "eof" else "client left"
            raise
        finally:
            self._seen.end(seen, outcome, time.perf_counter() - began)

    def refused(self, refusal: Refusal) -> None:
        """Note what never became a request."""
        seen = self._seen.begin("-", "")
        seen.route, seen.status = "(no whole request)", refusal.status
        self._seen.end(seen, "sent", 0.0)

    async def _answer(self, request: Request, seen: SeenRequest) -> Exchange:
        try:
            self._guard.check_origin(request.headers)
            parts = _parts(request.path)
            known = next((path for path in _PATHS if _is_like(parts, path)), None)
            seen.route = "" if known is None else "/" + "/".join([*(["v1"] if _is_api(known) else []), *known])
            if known != ("health",):
                self._guard.check_key(request.headers, browser=not parts)
            if known is not None:
                return await self._faulty(known, parts, request, seen)
            message = f"there is nothing at this path; the API is at {self._base_url}"
            return error_exchange(404, message, code="unknown_url")
        except Refusal as refusal:
            return refusal.exchange
        except Exception as error:  # noqa: BLE001  a bug must not take the server along
            note_bug(error)
            return error_exchange(500, f"the server has a bug: {type(error).__name__}", code="internal_error")

    async def _faulty(self, known: tuple[str, ...], parts: list[str], request: Request, seen: SeenRequest) -> Exchange:
        """The answer of a route, with the faults that strike it."""
        if not _is_api(known):
            return await self._route(known, parts, request, seen)
        self._asked += 1
        faults = [fault for fault in self._faults if is_struck(fault, self._asked, seed=self._seed)]
        faults += self._faults_asked_for(request.headers.get(FAULT_HEADER))
        seen.faults = [str(fault) for fault in faults]
        instead = [fault for fault in faults if fault.name in REFUSING]
        # A request that fails has not happened: it takes no tape's turn, and stores nothing.
        exchange = json_exchange({}) if instead else await self._route(known, parts, request, seen)
        return inject(exchange, faults, seed=self._seed)

    def _faults_asked_for(self, text: str | None) -> list[Fault]:
        """The faults in a request's own header that strike it. Each spelling counts the requests that have it."""
        if text is None:
            return []
        if not self._fault_header:
            message = f"this server takes no {FAULT_HEADER} header; start it with --fault-header"
            raise Refusal(400, message, code="fault_header_off")
        try:
            faults = [Fault.parse(one.strip()) for one in text.split(";")]
        except ValueError as error:
            raise Refusal(400, f"{FAULT_HEADER}: {error}", code="invalid_value") from None
        if text not in self._asked_for and len(self._asked_for) >= _MOST_SPELLINGS:
            self._asked_for.clear()
        self._asked_for[text] += 1
        return [fault for fault in faults if is_struck(fault, self._asked_for[text], seed=self._seed)]

    async def _route(self, known: tuple[str, ...], parts: list[str], request: Request, seen: SeenRequest) -> Exchange:
        method = "GET" if request.method == "HEAD" else request.method
        if method not in _PATHS[known]:
            allowed = ", ".join(_PATHS[known])
            raise Refusal(
                405, f"the methods here are: {allowed}", code="method_not_allowed", headers={"allow": allowed}
            )
        if known[:2] == ("chat", "completions"):
            return await self._about_completions(method, parts[2:], request, seen)
        if known[:1] == ("models",):
            return self._models(parts[1:])
        if known == ("health",):
            return json_exchange({"status": "ok", "tapes": len(self._library.tapes), "echo": self._echo})
        return await self._page()

    async def _about_completions(self, method: str, parts: list[str], request: Request, seen: SeenRequest) -> Exchange:
        if method == "POST":
            body = _read_body(request)
            seen.body, seen.size = body, len(request.body)
            if not parts:
                return await self._completions.create(body, _tape_name(request), seen)
        seen.answered_by = "store"
        match method, parts:
            case "GET", []:
                return await self._stored.list(request)
            case "GET", [id]:
                return await self._stored.retrieve(id)
            case "POST", [id]:
                return await self._stored.update(id, seen.body)
            case "DELETE", [id]:
                return await self._stored.delete(id)
            case _:
                return await self._stored.messages(parts[0], request)

    def _models(self, parts: list[str]) -> Exchange:
        names = {tape.model: None for tape in self._library.tapes if tape.model} | (
            {"echo": None} if self._echo else {}
        )
        models = [{"id": name, "object": "model", "created": self._started, "owned_by": "chatstream"} for name in names]
        if not parts:
            return json_exchange({"object": "list", "data": models})
        for model in models:
            if model["id"] == parts[0]:
                return json_exchange(model)
        raise Refusal(404, f"there is no model {parts[0][:80]!r}", code="model_not_found", param="model")

    async def _page(self) -> Exchange:
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


def _read_body(request: Request) -> Any:
    """The JSON value of a body; Refusal for what is none."""
    check_json(request)
    try:
        value, flags = read_json(request.body)
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
        milliseconds=seen.seconds * 1000 if seen.outcome else None,
    )


def _parts(path: str) -> list[str]:
    """The parts of a path. Base URLs are told with /v1 and without, and clients add one too: none is fine, and two."""
    parts = [part for part in path.split("/") if part]
    while parts[:1] == ["v1"]:
        del parts[0]
    # Names of models have slashes in them.
    return ["models", "/".join(parts[1:])] if parts[:1] == ["models"] and len(parts) > 1 else parts


def _is_like(parts: list[str], path: tuple[str, ...]) -> bool:
    return len(parts) == len(path) and all(there in {"{id}", part} for part, there in zip(parts, path, strict=True))


def _is_api(path: tuple[str, ...]) -> bool:
    return path[:1] in {("chat",), ("models",)}
