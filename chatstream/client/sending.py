"""Calls out, open answers back: sending, and sending again.

In go calls, out come answers whose head has come and whose status is good, to be read and closed. The sync half; the
async one, `chatstream.client.async_sending`, differs in the wait alone. Rules: a failed attempt leaves nothing open;
what the library raises because of its peer never leaves here as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from httpx_sse import connect_sse

from chatstream.client.answers import CompletionBody, ObjectBody
from chatstream.client.attempts import REFUSED, Attempts, Chances, stream
from chatstream.client.failures import hide, hiding, refusal, while_opening, while_reading
from chatstream.client.network import attend_streams
from chatstream.client.patience import Stop
from chatstream.client.taping import begin_take, end_take
from chatstream.errors import APIError, APIUserAbortError, ChatStreamError
from chatstream.responses import ResponseReads
from chatstream.types.answer import AnswerModel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chatstream.client.call import Call
    from chatstream.client.patience import Patience
    from chatstream.recording.recorder import Recorder, Take
    from chatstream.types import ChatCompletion, ParsedChatCompletion
    from chatstream.types.answer import ResponseInfo

__all__ = ["Answer", "Sender"]

M = TypeVar("M", bound=AnswerModel)


class Answer(Iterator[bytes]):
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
        self._reads = ResponseReads(response)

    def __next__(self) -> bytes:
        patience = self._patience
        try:
            patience.check()
            data = next(self._reads)
        except StopIteration:
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
            self.close()  # at once: whoever is stopped here will not come back for it
            raise
        patience.hear(data)
        if self._take is not None:
            self._take.read(data)
        return data

    def error_body(self) -> bytes:
        """What a refusal says, up to 64 KiB of it."""
        body = self._reads.error_body()
        if self._take is not None:
            self._take.read(body)
            self._take.end("eof")
        return body

    def close(self) -> None:
        """Give the connection back if its answer is there to the end already, else close it. Waits for nothing."""
        if self.is_closed:
            return
        self.is_closed = True
        self._patience.is_spent = True
        with suppress(Exception):  # the connection is gone either way
            if self._patience.attended and self.response.http_version == "HTTP/1.1":
                self._reads.drain()
                if self._take is not None:
                    self._take.end("eof")
            self._reads.close()
        with suppress(Exception):
            self._context.__exit__(None, None, None)
        if self._take is not None:
            self._take.end("cancel")
            self._take.settle()


class Sender:
    """Sends calls through an HTTP client, again where that may help. One of its own is closed when nobody needs it."""

    def __init__(
        self,
        http: Any,
        *,
        owns_http: bool = False,
        chances: Chances | None = None,
        sleep: Callable[[float], object] | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.http: Any = http
        self.recorder: Recorder | None = recorder
        self._owns_http = owns_http
        self._chances = chances or Chances()
        self._sleep = sleep

    def __del__(self) -> None:
        # Not the client's to do: a stream that was asked for through a client may well outlive it.
        if self.__dict__.get("_owns_http"):
            with suppress(Exception):
                self.http.close()

    def open(self, call: Call, stop: Stop | None = None) -> Answer:
        """The answer to a call, its status good and its body unread; raises an APIError if there is none."""
        stop = stop or Stop()
        attempts = Attempts(call, self._chances, stop)
        sleep = self._sleep or stop.sleep
        while True:
            try:
                return self._attempt(attempts)
            except APIError as error:
                wait = attempts.wait_after(error)
                if wait is None:
                    error.retries = attempts.retries
                    raise
            sleep(wait)

    def complete(self, call: Call, reading: Mapping[str, Any] | None = None) -> ChatCompletion:
        """The completion that a call is answered with."""
        body = CompletionBody(**(reading or {}))
        info = self._collect(call, body)
        with hiding(call):
            return body.read(info)

    def parse(self, call: Call, reading: Mapping[str, Any], stop: Stop | None = None) -> ParsedChatCompletion[Any]:
        """The completion that a call is answered with, parsed."""
        body = CompletionBody(**reading)
        info = self._collect(call, body, stop)
        with hiding(call):
            return body.read_parsed(info)

    def fetch(self, call: Call, model: type[M]) -> M:
        """The object that a call is answered with, as this model."""
        body = ObjectBody()
        info = self._collect(call, body)
        with hiding(call):
            return body.read(model, info)

    def _collect(self, call: Call, body: CompletionBody | ObjectBody, stop: Stop | None = None) -> ResponseInfo:
        answer = self.open(call, stop)
        try:
            for data in answer:
                if body.feed(data):
                    break
        except ChatStreamError as error:
            body.fail(error)
        finally:
            answer.close()
        return answer.info

    def _attempt(self, attempts: Attempts) -> Answer:
        while True:
            answer = self._send(attempts)
            if answer.info.status_code < REFUSED:
                return answer
            try:
                if not attempts.redirect(answer.info):
                    raise refusal(answer.response, answer.error_body(), attempts.call)
            finally:
                answer.close()

    def _send(self, attempts: Attempts) -> Answer:
        patience = attempts.begin()
        call = attempts.call
        connect = connect_sse if call.streams else stream
        context: Any = connect(self.http, call.method, call.url, **attempts.options(patience, attend_streams))
        take = begin_take(self.recorder, call)
        try:
            entered = context.__enter__()
        except Exception as error:
            ours = while_opening(error, patience, call.url)
            end_take(take, ours or error)
            if ours is None or ours is error:
                raise
            hide(ours, call.secrets)
            raise ours  # noqa: B904  its cause is set, unless that gives something away
        response = entered.response if call.streams else entered
        return Answer(context, response, attempts.head_of(response), patience, call, take=take)
