"""Calls out, open answers back: sending, and sending again, with ``await``.

The async half of `chatstream.client.sending`, on asyncio and trio alike; the rules are there. One more: what is to be
given back is given back also while being cancelled.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from httpx_sse import aconnect_sse

from chatstream.client.answers import CompletionBody, ObjectBody
from chatstream.client.attempts import REFUSED, Attempts, Chances, stream
from chatstream.client.failures import hide, hiding, refusal, while_opening, while_reading
from chatstream.client.network import attend_streams_async
from chatstream.client.patience import Stop
from chatstream.client.settling import end, open_or_undo
from chatstream.client.taping import begin_take, end_take
from chatstream.errors import APIError, APIUserAbortError, ChatStreamError
from chatstream.responses import AsyncResponseReads
from chatstream.types.answer import AnswerModel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from chatstream.client.call import Call
    from chatstream.client.patience import Patience
    from chatstream.recording.recorder import Recorder, Take
    from chatstream.types import ChatCompletion, ParsedChatCompletion
    from chatstream.types.answer import ResponseInfo

__all__ = ["AsyncAnswer", "AsyncSender"]

M = TypeVar("M", bound=AnswerModel)

_LONGEST_CLOSE = 5.0  # seconds: TLS says goodbye, and a peer may not listen


class AsyncAnswer(AsyncIterator[bytes]):
    """An open answer: the reads of its body, what is to be told of its head, and the end of both."""

    def __init__(
        self,
        context: Any,
        response: Any,
        info: ResponseInfo,
        patience: Patience,
        call: Call,
        *,
        take: Take | None = None,
    ) -> None:
        self.response: Any = response
        self.info: ResponseInfo = info
        self.is_closed: bool = False
        self._context = context
        self._patience = patience
        self._call = call
        self._take = take
        if take is not None:
            take.response(response.status_code, response.headers, decoded=True)
        # Not by way of aiter_raw(): that gives the connection back by itself, where a cancellation may strike.
        self._reads = AsyncResponseReads(response, raw=response.stream)

    async def __anext__(self) -> bytes:
        patience = self._patience
        try:
            patience.check()
            data = await anext(self._reads)
        except StopAsyncIteration:
            if self.is_closed:  # by whoever was interrupted here, and reads on all the same
                raise APIUserAbortError("reading was interrupted, and the connection closed") from None
            if self._take is not None:
                self._take.end("eof")
            raise
        except Exception as error:
            ours = while_reading(error, patience)
            end_take(self._take, ours or error)
            if ours is None or ours is error:
                raise
            hide(ours, self._call.secrets)
            raise ours  # noqa: B904  its cause is set, unless that gives something away
        except BaseException:
            await self.aclose()  # at once: whoever is stopped here will not come back for it
            raise
        patience.hear(data)
        if self._take is not None:
            self._take.read(data)
        return data

    async def error_body(self) -> bytes:
        """What a refusal says, up to 64 KiB of it."""
        body = await self._reads.error_body()
        if self._take is not None:
            self._take.read(body)
            self._take.end("eof")
        return body

    def shut(self) -> None:
        """Shut the connection, which is for somebody else to close."""
        self._reads.wake()

    async def aclose(self) -> None:
        """Give the connection back if its answer is there to the end already, else close it. Waits for no peer."""
        if self.is_closed:
            return
        self.is_closed = True
        self._patience.is_spent = True
        await end(self._end)
        if self._take is not None:
            self._take.end("cancel")
            await self._take.asettle()

    async def _end(self) -> None:
        with anyio.move_on_after(_LONGEST_CLOSE, shield=True):
            with suppress(Exception):  # the connection is gone either way
                if self._patience.attended and self.response.http_version == "HTTP/1.1":
                    await self._reads.drain()  # what ends it before its time has ended the library's generators, too
                    if self._take is not None:
                        self._take.end("eof")
                await self._reads.aclose()
            with suppress(Exception):
                await self._context.__aexit__(None, None, None)


class AsyncSender:
    """Sends calls through an HTTP client, again where that may help. It is not closed here."""

    def __init__(
        self,
        http: Any,
        *,
        chances: Chances | None = None,
        sleep: Callable[[float], Awaitable[object]] | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.http: Any = http
        self.recorder: Recorder | None = recorder
        self._chances = chances or Chances()
        self._sleep = sleep or anyio.sleep

    async def open(self, call: Call, stop: Stop | None = None) -> AsyncAnswer:
        """The answer to a call, its status good and its body unread; raises an APIError if there is none."""
        stop = stop or Stop()
        attempts = Attempts(call, self._chances, stop)
        while True:
            try:
                return await self._attempt(attempts)
            except APIError as error:
                wait = attempts.wait_after(error)
                if wait is None:
                    error.retries = attempts.retries
                    raise
            with anyio.CancelScope() as scope:
                stop.end_sleep = scope.cancel
                if stop.said:  # while the refusal was read, or closed
                    scope.cancel()
                await self._sleep(wait)
            stop.end_sleep = None

    async def complete(self, call: Call, reading: Mapping[str, Any] | None = None) -> ChatCompletion:
        """The completion that a call is answered with."""
        body = CompletionBody(**(reading or {}))
        info = await self._collect(call, body)
        with hiding(call):
            return body.read(info)

    async def parse(
        self, call: Call, reading: Mapping[str, Any], stop: Stop | None = None
    ) -> ParsedChatCompletion[Any]:
        """The completion that a call is answered with, parsed."""
        body = CompletionBody(**reading)
        info = await self._collect(call, body, stop)
        with hiding(call):
            return body.read_parsed(info)

    async def fetch(self, call: Call, model: type[M]) -> M:
        """The object that a call is answered with, as this model."""
        body = ObjectBody()
        info = await self._collect(call, body)
        with hiding(call):
            return body.read(model, info)

    async def _collect(self, call: Call, body: CompletionBody | ObjectBody, stop: Stop | None = None) -> ResponseInfo:
        answer = await self.open(call, stop)
        try:
            async for data in answer:
                if body.feed(data):
                    break
        except ChatStreamError as error:
            body.fail(error)
        finally:
            await answer.aclose()
        return answer.info

    async def _attempt(self, attempts: Attempts) -> AsyncAnswer:
        while True:
            answer = await self._send(attempts)
            if answer.info.status_code < REFUSED:
                return answer
            try:
                if not attempts.redirect(answer.info):
                    raise refusal(answer.response, await answer.error_body(), attempts.call)
            finally:
                await answer.aclose()

    async def _send(self, attempts: Attempts) -> AsyncAnswer:
        patience = attempts.begin()
        call = attempts.call
        connect = aconnect_sse if call.streams else stream
        context: Any = connect(self.http, call.method, call.url, **attempts.options(patience, attend_streams_async))

        take = begin_take(self.recorder, call)

        async def enter() -> AsyncAnswer:
            entered = await context.__aenter__()
            response = entered.response if call.streams else entered
            return AsyncAnswer(context, response, attempts.head_of(response), patience, call, take=take)

        try:
            return await open_or_undo(enter, AsyncAnswer.aclose)
        except Exception as error:
            ours = while_opening(error, patience, call.url)
            end_take(take, ours or error)
            if ours is None or ours is error:
                raise
            hide(ours, call.secrets)
            raise ours  # noqa: B904  its cause is set, unless that gives something away
