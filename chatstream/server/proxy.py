"""The proxy that records: a service's API on loopback, and each exchange on a tape.

In go the service's URL and a place for the tapes, out comes a base URL for clients. Rules: paths stay as they are, the
host alone changes; nobody is followed, remembered or asked again on a client's behalf; keys go to the service and
nowhere else, which is why nothing but loopback is listened on, and plain http is for near services.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import anyio
import httpx

from chatstream.client.address import check_base_url, is_near
from chatstream.recording.recorder import Recorder
from chatstream.server.guard import Guard, is_loopback
from chatstream.server.http import Refusal, reply_of
from chatstream.server.limits import ServerLimits
from chatstream.server.listener import Listener
from chatstream.server.passage import Passage, Service, plain_body
from chatstream.server.seen import SeenRequest, SeenRequests
from chatstream.server.sockets import PeerGone

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence
    from contextlib import ExitStack

    from chatstream.recording.secrets import Secrets
    from chatstream.server.http import Reply, Request, SendAny

__all__ = ["RecordingProxy", "is_plain_and_far"]

_MOST_PARTS = 8  # of a path, in the log
_WORD = re.compile(r"[a-z][a-z._-]{0,31}|v[0-9]{1,2}[a-z]{0,8}")  # and no name, number or key


class RecordingProxy(Listener):
    """A service's API on loopback, and a tape of each exchange: for programs that only know a base URL.

        with RecordingProxy("https://api.openai.com/v1", "tapes/") as proxy:
            client = OpenAI(base_url=proxy.base_url)

    ``async with`` runs it in the event loop that is there, asyncio's or trio's; ``with`` in a thread of its own.

    ``to``: the service's base URL; a request goes to its host, with the path that it has here. ``target``: a folder,
    for a tape each, or a file, or a Recorder, which stays yours to close. ``secrets``: what must not be written,
    besides what looks like a key or is shown as one. ``port``: 0 for any that is free; of several, the first such.
    ``allow_plain_http``: whether keys may go over http to a service that is neither on this machine nor in a private
    network. ``allowed_hosts``: names besides this machine's that the Host header may have. ``timeout``: seconds until
    a silent service counts as gone. ``grace``: seconds that open streams get when it stops. ``transport``: what carries
    requests, which stays yours to close; without it httpx does, by the proxy that the environment names, if any.

    Bodies of requests are read whole before they are passed on, those of answers never: each read goes out as it came.
    ValueError for options that make no sense; OSError for a port that is taken. A tape that cannot be written disturbs
    nobody: see ``Recorder``.
    """

    def __init__(
        self,
        to: str,
        target: str | os.PathLike[str] | Recorder,
        *,
        host: str = "127.0.0.1",
        port: int | Sequence[int] = 0,
        secrets: Secrets | Iterable[str] = (),
        allow_plain_http: bool = False,
        allowed_hosts: str | Iterable[str] = (),
        timeout: float = 600.0,
        grace: float = 2.0,
        limits: ServerLimits = ServerLimits(),  # noqa: B008  frozen
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(host=host, port=port, grace=grace, limits=limits)
        url = check_base_url(to, "to")
        if not allow_plain_http and is_plain_and_far(url):
            raise ValueError("to: http:// would send keys in the clear; use https://, or say allow_plain_http=True")
        if not is_loopback(host):
            raise ValueError(f"{host} is not loopback: other machines may not have their keys passed on from here")
        if not timeout > 0:
            raise ValueError(f"timeout is a number of seconds, not {timeout!r}")
        parts = urlsplit(url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._path = parts.path or "/v1"
        names = [allowed_hosts] if isinstance(allowed_hosts, str) else allowed_hosts
        self._guard = Guard(host=host, api_key=None, allowed_hosts=names)
        self._target = target
        self._secrets = secrets
        self._timeout = timeout
        self._transport = transport
        self._seen = SeenRequests()
        self._carrier: httpx.AsyncBaseTransport | None = None  # our own, while it is running

    @property
    def base_url(self) -> str:
        """What clients take for their ``base_url``: our URL with the path of the service's, or ``/v1`` if it has none.

        RuntimeError unless it is running.
        """
        return self.url + self._path

    @property
    def recorder(self) -> Recorder:
        """What writes the tapes: ``paths`` are those that there are, ``lost`` whether something is missing.

        RuntimeError if it has never been running.
        """
        if not hasattr(self, "_recorder"):
            raise RuntimeError("the proxy has not been running: enter its context first")
        return self._recorder

    @property
    def requests(self) -> list[SeenRequest]:
        """The last requests, oldest first, with their bodies: for tests that look at what was sent."""
        return list(self._seen)

    # What the listener asks for

    def _prepare(self, stack: ExitStack) -> None:
        if isinstance(self._target, Recorder):
            self._recorder = self._target
        else:
            self._recorder = Recorder(self._target, secrets=self._secrets)
            stack.callback(self._recorder.close)
        self._carrier = _carrier(self._origin) if self._transport is None else None

    def _answers(self) -> _Passing:
        carrier = self._carrier or self._transport
        assert carrier is not None  # noqa: S101  one or the other
        service = Service(self._origin, carrier, timeout=self._timeout)
        return _Passing(service, self._recorder, self._guard, self._seen, most=self._limits.max_body)

    async def _finish(self) -> None:
        with anyio.CancelScope(shield=True):
            if self._carrier is not None:
                await self._carrier.aclose()
            if self._recorder is not self._target:
                await self._recorder.aclose()


class _Passing:
    """Passes requests on."""

    def __init__(self, service: Service, recorder: Recorder, guard: Guard, seen: SeenRequests, *, most: int) -> None:
        self._service = service
        self._recorder = recorder
        self._guard = guard
        self._seen = seen
        self._most = most

    async def handle(self, request: Request, send: SendAny) -> None:
        """Pass one request on, and its answer back."""
        began = time.perf_counter()
        seen = self._seen.begin(request.method, request.path)
        seen.route, seen.content = _shown(request.parts), request.body
        reply = self._reply(request, seen)
        outcome = "stopped"
        try:
            await send(reply)
            outcome = "sent"
        except PeerGone:
            outcome = "cut off" if isinstance(reply, Passage) and reply.broken else "client left"
            raise
        finally:
            if isinstance(reply, Passage):
                seen.status, seen.code = reply.status, reply.code
                await reply.aclose()
            self._seen.end(seen, outcome, time.perf_counter() - began)

    def _reply(self, request: Request, seen: SeenRequest) -> Passage | Reply:
        try:
            self.admit(request)
        except Refusal as refusal:
            seen.status, seen.code = refusal.status, refusal.code or ""
            return reply_of(refusal.exchange)
        take = self._recorder.begin(
            method=request.method,
            url=self._service.origin + request.target,
            headers=request.headers,
            body=plain_body(request, self._most),
        )
        return Passage(self._service, request, take)

    def refused(self, refusal: Refusal) -> None:
        """Note what never became a request."""
        seen = self._seen.begin("-", "")
        seen.route, seen.status, seen.code = "(no whole request)", refusal.status, refusal.code or ""
        self._seen.end(seen, "sent", 0.0)

    def admit(self, request: Request) -> None:
        """Look at a head, before its body is read: Refusal for whoever may not ask, and for what is not passed on."""
        self._guard.check_origin(request.headers)
        if request.method == "CONNECT":
            raise Refusal(405, "this is no proxy for other hosts", code="method_not_allowed")


def is_plain_and_far(url: str) -> bool:
    """Whether a base URL is one to which keys would go in the clear, over a network that others are in."""
    return url.startswith("http:") and not is_near(url)


def _carrier(origin: str) -> httpx.AsyncBaseTransport:
    """The way to an origin that httpx has, by the proxy in the environment; ValueError for one that cannot be used."""
    # As many connections as clients have opened: how many that may be is the server's limit.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    try:
        return httpx.AsyncHTTPTransport(limits=limits, proxy=_proxy_of(origin))
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise ValueError(f"the proxy in the environment cannot be used ({type(error).__name__})") from None


def _proxy_of(origin: str) -> str | None:
    parts = urlsplit(origin)
    host = parts.hostname or ""
    if is_loopback(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def _shown(parts: list[str]) -> str:
    """The path for the log: only what looks like a word of an API, as anything may stand in a path, a key as well."""
    words = (part if _WORD.fullmatch(part) else "…" for part in parts[:_MOST_PARTS])
    return "/" + "/".join(words)
