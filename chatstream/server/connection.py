"""One HTTP/1.1 connection: requests come in, replies go out, one after the other.

In goes a socket; h11 makes requests of its bytes, and bytes of replies. Rules: every wait has an end, however slow or
silent the peer is; a body is read to its end before it is looked at; what is no HTTP gets an answer, if one can be
sent, and then the connection is closed.
"""

from __future__ import annotations

import contextlib
from email.utils import formatdate
from typing import TYPE_CHECKING

import anyio
import h11
import msgspec

from chatstream.server.http import BrokenOffError, LiveHead, Refusal, Reply, Request, reply_of
from chatstream.server.sockets import PeerGone

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chatstream.server.http import LiveReply, SendAny
    from chatstream.server.limits import ServerLimits
    from chatstream.server.sockets import Socket

__all__ = ["Connection"]

_DRAIN = 2.0  # seconds for a peer to take the last answer, while it may still be sending
_SMALL_BODY = 64 * 1024  # bytes that are read before it is asked whether they should be
_MOST_AHEAD = 64 * 1024  # bytes of the next request that are taken while an answer goes out
_BODILESS = {204, 304}
_LATE = 0.05  # seconds that are made up for
_BEARABLE = 86_400.0  # seconds of one wait: a tape's number may be more than a clock can take


class Connection:
    """A connection and its place in the protocol. ``serve`` is its whole life."""

    def __init__(self, socket: Socket, limits: ServerLimits) -> None:
        self._socket = socket
        self._limits = limits
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.max_head)
        self._is_bodiless = False  # the answer to HEAD, and a status that has no body
        self._ahead = 0  # bytes read while an answer was going out
        self._half_closed = False
        self._idle: anyio.CancelScope | None = None  # set while nothing is being asked or answered
        self._life = anyio.CancelScope()
        self._stopping = False

    @property
    def is_busy(self) -> bool:
        """Whether something was asked that is not answered yet."""
        return self._http.our_state in {h11.SEND_RESPONSE, h11.SEND_BODY}

    def stop(self) -> None:
        """Close when the answer that is going out is done; at once if there is none."""
        self._stopping = True
        if self._idle is not None:
            self._idle.cancel()
        if self._half_closed:  # it ended its half while it was kept waiting, which is mostly how clients give up
            self._life.cancel()

    async def serve(
        self,
        handle: Callable[[Request, SendAny], Awaitable[None]],
        refused: Callable[[Refusal], object],
        admit: Callable[[Request], object],
    ) -> None:
        """Have requests handled until the peer goes, asks for an end, or does what HTTP does not allow.

        ``handle`` is given each request and a way to send its reply, which raises PeerGone where the connection ends;
        ``refused`` is told of what never became a request; ``admit`` looks at the head of one with a large body, and
        raises a Refusal for what need not be read.
        """
        try:
            with self._life:
                await self._converse(handle, refused, admit)
        finally:
            self._socket.close()

    async def _converse(
        self,
        handle: Callable[[Request, SendAny], Awaitable[None]],
        refused: Callable[[Refusal], object],
        admit: Callable[[Request], object],
    ) -> None:
        try:
            while (request := await self._next_request(admit)) is not None:
                await handle(request, self._send)
                if not self._goes_on():
                    await self._part()
                    break
        except Refusal as refusal:
            refused(refusal)
            await self._refuse(refusal)
        except PeerGone:
            pass

    async def turn_away(self, refusal: Refusal) -> None:
        """Answer before anything was asked, and close."""
        try:
            await self._refuse(refusal)
        finally:
            self._socket.close()

    # Requests

    async def _next_request(self, admit: Callable[[Request], object]) -> Request | None:
        """The next request, or None if none will come; Refusal for what is none, or too large, or too slow."""
        try:
            if not await self._begin():
                return None
            with anyio.fail_after(self._limits.head_timeout):
                head = await self._event()
            if not isinstance(head, h11.Request):
                return None
            self._is_bodiless = head.method == b"HEAD"  # before anything can be refused: h11 counts the bytes
            self._check_head(head)
            with anyio.fail_after(self._limits.body_timeout):
                return await self._whole(head, admit)
        except TimeoutError:
            raise Refusal(408, "the request did not arrive in time", code="request_timeout") from None
        except h11.RemoteProtocolError as error:
            reason = str(error).partition(":")[0]  # what stands behind it are the bytes that came
            raise Refusal(error.error_status_hint, f"this is no HTTP/1.1: {reason}", code="bad_request") from None

    async def _begin(self) -> bool:
        """Wait for the first byte of a request; whether one came."""
        ahead = bool(self._http.trailing_data[0])
        if ahead or self._half_closed or self._stopping:
            return ahead and not self._stopping
        data = b""
        with anyio.move_on_after(self._limits.idle_timeout) as idle:
            self._idle = idle
            data = await self._socket.receive()
        self._idle = None
        self._http.receive_data(data)
        return bool(data)

    async def _event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))
            self._http.receive_data(await self._socket.receive())
        return event

    async def _whole(self, head: h11.Request, admit: Callable[[Request], object]) -> Request:
        headers: dict[str, str] = {}
        for name, value in ((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers):
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        request = Request.of(head.method.decode("ascii"), head.target.decode("ascii"), headers)
        length = int(headers.get("content-length", "0"))
        self._check_size(length)
        if length > _SMALL_BODY or "transfer-encoding" in headers:
            admit(request)
        parts: list[bytes] = []
        size = 0
        while isinstance(event := await self._event(), h11.Data):
            parts.append(bytes(event.data))
            size += len(parts[-1])
            self._check_size(size)
        return msgspec.structs.replace(request, body=b"".join(parts))

    def _check_head(self, head: h11.Request) -> None:
        """Refuse what h11 lets through: another HTTP, and a head that came at once, however large."""
        if not head.http_version.startswith(b"1."):
            raise Refusal(505, "the server speaks HTTP/1.1", code="http_version_not_supported")
        names = {name for name, _ in head.headers}
        if b"content-length" in names and b"transfer-encoding" in names:
            raise Refusal(400, "the length of the body is told in two ways", code="bad_request")
        if len(head.target) + sum(len(name) + len(value) for name, value in head.headers) > self._limits.max_head:
            message = f"the head is larger than {self._limits.max_head} bytes, which is the limit here"
            raise Refusal(431, message, code="head_too_large")

    def _check_size(self, size: int) -> None:
        if size > self._limits.max_body:
            message = f"the body is larger than {self._limits.max_body} bytes, which is the limit here"
            raise Refusal(413, message, code="request_too_large")

    # Replies

    async def _send(self, reply: Reply | LiveReply) -> None:
        if isinstance(reply, Reply):
            await self._play(reply)
        else:
            await self._while_there(reply)

    async def _play(self, reply: Reply) -> None:
        due = anyio.current_time()
        await self._pause(due + reply.head)
        head = self._head(reply)
        if not reply.is_stream:
            await self._pause(due + sum(wait for wait, _ in reply.writes) + reply.rest)
            await self._write(head + self._body(reply) + self._end())
            return
        await self._write(head)
        for wait, data in reply.writes:
            due += wait
            await self._pause(due)
            await self._write(self._data(data))
            # Each wait is a little too long, and a thousand must not add up. A peer that does not read moves the rest.
            due = max(due, anyio.current_time() - _LATE)
        await self._pause(due + reply.rest)
        await self._finish(reply)

    async def _finish(self, reply: Reply) -> None:
        if reply.ending == "eof":
            await self._write(self._end())
            return
        if reply.ending == "hang":
            await self._hang()
        elif reply.ending == "reset":
            self._socket.reset()
        raise PeerGone

    async def _while_there(self, reply: LiveReply) -> None:
        """Pass a reply on for as long as the peer is there, and give it up at once when it has left.

        Here one that ends its half counts as gone: that is how clients leave, and somebody else is being kept busy.
        """
        failure: Exception | None = None
        is_over = False
        async with anyio.create_task_group() as group:
            group.start_soon(self._until_gone, group.cancel_scope)
            try:
                await self._pass_on(reply)
            except Exception as error:  # noqa: BLE001  raised below, as the group would wrap it
                failure = error
            is_over = True
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure
        if not is_over:
            raise PeerGone

    async def _until_gone(self, scope: anyio.CancelScope) -> None:
        with contextlib.suppress(PeerGone):
            await self._watch()
        scope.cancel()

    async def _pass_on(self, reply: LiveReply) -> None:
        head = await reply.head()
        if isinstance(head, Reply):
            await self._play(head)
            return
        try:
            await self._write(self._live_head(head))
            while data := await reply.read():
                await self._write(self._data(data))
        except BrokenOffError as broken:
            if broken.reset or self._http.their_http_version == b"1.0":  # to which a close would be an end
                self._socket.reset()
            raise PeerGone from None
        await self._write(self._end())

    def _live_head(self, head: LiveHead) -> bytes:
        headers = [*head.headers, (b"connection", b"close")] if self._stopping else head.headers
        self._is_bodiless = self._is_bodiless or head.status in _BODILESS
        return self._http.send(h11.Response(status_code=head.status, headers=headers, reason=head.reason)) or b""

    def _head(self, reply: Reply) -> bytes:
        headers = [("date", formatdate(usegmt=True)), ("server", "chatstream"), *reply.headers.items()]
        if not reply.is_stream:
            headers.append(("content-length", str(sum(len(data) for _, data in reply.writes))))
        if self._stopping:
            headers.append(("connection", "close"))
        self._is_bodiless = self._is_bodiless or reply.status in _BODILESS
        return self._http.send(h11.Response(status_code=reply.status, headers=headers)) or b""

    def _data(self, data: bytes) -> bytes:
        # A chunk of no bytes would be the last one: an empty read has no place on this wire.
        return b"" if self._is_bodiless or not data else self._http.send(h11.Data(data=data)) or b""

    def _body(self, reply: Reply) -> bytes:
        return b"".join(self._data(data) for _, data in reply.writes)

    def _end(self) -> bytes:
        return self._http.send(h11.EndOfMessage()) or b""

    async def _write(self, data: bytes | None) -> None:
        if data:
            await self._socket.send(data, patience=self._limits.write_timeout)

    async def _refuse(self, refusal: Refusal) -> None:
        """Answer what is not read any further, if an answer can still be sent; wait until the peer has taken it."""
        if self._http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return
        reply = reply_of(refusal.exchange)
        reply.headers["connection"] = "close"
        try:
            await self._write(self._head(reply) + self._body(reply) + self._end())
        except PeerGone:
            return
        await self._part()

    async def _part(self) -> None:
        """See that the last answer arrives, before the connection is closed."""
        if not self._stopping:
            with anyio.CancelScope() as self._idle:
                await self._socket.drain(_DRAIN)

    def _goes_on(self) -> bool:
        """Whether another request may come on this connection."""
        if (
            self._stopping
            or self._ahead > _MOST_AHEAD
            or self._http.our_state is not h11.DONE
            or self._http.their_state is not h11.DONE
        ):
            return False
        self._http.start_next_cycle()
        self._is_bodiless = False
        self._ahead = 0
        return True

    # Waiting, while the peer may go

    async def _pause(self, due: float) -> None:
        """Wait until then, and notice if the peer resets the connection. One that ended its half still listens."""
        now = anyio.current_time()
        if due <= now:
            return
        end = min(due, now + _BEARABLE)
        with anyio.CancelScope(deadline=end):
            await self._watch()
        await anyio.sleep_until(end)

    async def _hang(self) -> None:
        """Wait for the peer to go, or to end its half, which is how most of them go."""
        await self._watch()

    async def _watch(self) -> None:
        """Read what comes ahead of its time, to the end of the peer's half. What is too much is thrown away."""
        while not self._half_closed:
            data = await self._socket.receive()
            self._half_closed = not data
            self._ahead += len(data)
            if self._ahead <= _MOST_AHEAD:
                self._http.receive_data(data)
