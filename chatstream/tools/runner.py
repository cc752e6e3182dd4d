"""The tool loop, driven: a runner is an iterator of the events of all rounds, with listeners, as a stream is.

In go a loop and what asks the model, out come events, each to its listeners first and then to whoever reads. Two
classes that differ in the wait alone. Rules: reading drives everything, there is no task behind it, and no thread but
those of sync tools while they run; the calls of a message are run when it has arrived whole; what ends the run is
raised where the reader comes to it, and the history can be sent again whatever happens.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import anyio.from_thread

from chatstream.emitter import is_coroutine
from chatstream.errors import ChatStreamError
from chatstream.events import (
    ConnectEvent,
    EndEvent,
)
from chatstream.picked import AsyncPicked, Picked
from chatstream.stream import AsyncChatCompletionStream, ChatCompletionStream
from chatstream.tools.listening import runner_waits, runner_waits_async
from chatstream.tools.run import Run
from chatstream.tools.running import Crew, run_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Self

    from chatstream.events import ToolLoopEvent
    from chatstream.tools.calls import AfterCall, BeforeCall
    from chatstream.tools.loop import Loop
    from chatstream.types import (
        ChatCompletionMessageFunctionToolCall,
        CompletionUsage,
        ParsedChatCompletion,
        ParsedChatCompletionMessage,
    )

__all__ = ["AsyncToolRunner", "AsyncWholeAnswer", "ToolRunner", "WholeAnswer"]


class WholeAnswer(Protocol):
    """A completion that is asked for as a whole."""

    def read(self) -> ParsedChatCompletion[Any]:
        """Ask for it; raises a ChatStreamError if there is none."""
        ...

    def abort(self) -> None:
        """Give it up, from any thread."""
        ...


class AsyncWholeAnswer(Protocol):
    """A completion that is asked for as a whole."""

    def read(self) -> Awaitable[ParsedChatCompletion[Any]]:
        """Ask for it; raises a ChatStreamError, once awaited, if there is none."""
        ...

    def abort(self) -> None:
        """Give it up."""
        ...


class ToolRunner(Run, Iterator["ToolLoopEvent"]):
    """A run of the tool loop, as an iterator of the events of all its rounds: what ``run_tools`` gives.

    It begins when it is first read; entering alone sends nothing. Reading raises what the run failed with: a
    ChatStreamError with the last ``completion`` attached, or what a tool of ``on_error="raise"`` or a hook raised. Use
    it as a context manager to have an answer that is still coming closed as soon as you leave.
    """

    def __init__(
        self,
        ask: Callable[[list[Any]], ChatCompletionStream | WholeAnswer],
        loop: Loop,
        *,
        streams: bool,
        max_concurrency: int,
        before_call: BeforeCall | None = None,
        after_call: AfterCall | None = None,
    ) -> None:
        super().__init__(
            loop,
            streams=streams,
            max_concurrency=max_concurrency,
            before_call=before_call,
            after_call=after_call,
            allow_async=False,
        )
        self._ask_model = ask
        self._asked: ChatCompletionStream | WholeAnswer | None = None
        self._crew: Crew | None = None

    def __iter__(self) -> Self:
        self._check_open()
        return self

    def __next__(self) -> ToolLoopEvent:
        event = self._next()
        self._raise_if_failed(event)
        return event

    def _next(self) -> ToolLoopEvent:
        """The next event, its listeners called, whatever it is; StopIteration after the last one."""
        while not self._batch:
            if self._terminal is not None:
                raise StopIteration
            with self._stepping():
                self._step()
        event = self._batch.popleft()
        self._note(event)
        listeners = self.active.get(event.type)
        if listeners is not None:
            result = self._tell(listeners, event)
            if result is not None and is_coroutine(result):
                raise self._unawaited(event, result)
        return event

    def _step(self) -> None:
        """Do what is next."""
        self._raise_failure()
        self._check_open()
        if self._is_aborted and self._stream is None:
            self._end_aborted()
        elif self._stream is not None:
            self._read(self._stream)
        elif self._loop.tasks:
            self._run_calls()
        elif self._loop.is_over:
            self._finish()
        else:
            self._ask()

    def _ask(self) -> None:
        try:
            self._loop.check_limit()
            asked = self._asked = self._ask_model(list(self._loop.messages))
            if self._is_aborted:  # meanwhile, and so nobody could be told
                asked.abort()
            if isinstance(asked, ChatCompletionStream):
                self._stream = asked.open()
                self._batch.append(ConnectEvent())
            else:
                self._take_whole(asked.read())
        except ChatStreamError as error:
            self._take_failure(error)

    def _read(self, stream: ChatCompletionStream) -> None:
        """Pass on an event of the answer that is coming; its end is the end of the round."""
        try:
            event = next(stream)
        except ChatStreamError as error:
            self._take_failure(error)
            return
        if isinstance(event, EndEvent):
            self._stream = None
            self._take(stream.final_chat_completion(), event)
        else:
            self._batch.append(event)

    def _run_calls(self) -> None:
        with self._answering():
            for task in self._loop.open_tasks:
                if self._before_call is not None and not self._is_aborted:
                    self._take_decision(task, self._unawaited_hook("before_call", self._before_call(task.call)))
            self._crew = Crew(self._loop.open_tasks, self._loop.context_of, at_once=self._max_concurrency)
            if self._is_aborted:
                self._crew.stop()
            try:
                self._crew.run()
            finally:
                self._crew = None
            for task in self._loop.tasks:
                if self._after_call is not None and task.is_settled and task.failure is None and not self._is_aborted:
                    task.replace(self._unawaited_hook("after_call", self._after_call(task.call, task.result)))

    @runner_waits
    def wait_for(self, event: str) -> ToolLoopEvent:
        """Read on until an event of this name happens, and give it.

        Raises what the run failed with, or StreamConsumedError if it ended without; ValueError for a name that is none.
        The name ``error`` gives the ErrorEvent instead of raising it.
        """
        wanted = self._check_name(event)
        self._check_open()
        while self._terminal is None:
            found = self._next()
            if found.type == wanted:
                return found
        self._raise_failure()
        raise self._missed(event)

    def text(self) -> Iterator[str]:
        """The content of all rounds as it comes: deltas of choice 0, or whole where nothing is streamed."""
        return Picked(iter(self), self._text_of)

    def until_done(self) -> Self:
        """This runner, run to its end; raises what the run failed with, also when asked again."""
        if self._terminal is None:
            self._raise_failure()
            self._check_open()
        while self._terminal is None:
            self._next()
        self._raise_failure()
        return self

    def final_chat_completion(self) -> ParsedChatCompletion[Any]:
        """The last completion, once the run is over."""
        self.until_done()
        return self._final_completion()

    def final_message(self) -> ParsedChatCompletionMessage[Any]:
        """The last message of the model, once the run is over."""
        self.until_done()
        return self._loop.last_message()

    def final_content(self) -> str | None:
        """The text of the last message, once the run is over; None if it had none."""
        return self.final_message().content

    def final_function_tool_call(self) -> ChatCompletionMessageFunctionToolCall | None:
        """The last call of a function, once the run is over; None if there was none. The older form has no id."""
        self.until_done()
        return self._last_call()

    def final_function_tool_call_result(self) -> str | None:
        """What the last call of a function was answered with, once the run is over; None if there was none."""
        self.until_done()
        return self._result()

    def total_usage(self) -> CompletionUsage | None:
        """The token counts of all completions added up, once the run is over; None if no service sent any."""
        self.until_done()
        return self._loop.usage()

    def abort(self) -> None:
        """Stop at once, from any thread: an answer is read no further, tools are waited for no longer.

        Reading on raises APIUserAbortError with what had arrived. A sync tool cannot be ended from outside: its result
        is dropped, and its ``ToolContext.is_cancelled`` is true; with ``max_concurrency=1`` it is waited for.
        """
        self._is_aborted = True
        asked, crew = self._asked, self._crew
        if asked is not None:
            asked.abort()
        if crew is not None:
            crew.stop()

    def close(self) -> None:
        """Close the answer that is coming. What has arrived can still be read."""
        self._close()
        if self._stream is not None:
            self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncToolRunner(Run, AsyncIterator["ToolLoopEvent"]):
    """A run of the tool loop as an async iterator, on asyncio and trio alike; else as ToolRunner.

    Tools, hooks and listeners may be async. A sync tool has a thread, so that it holds up nobody else.
    """

    def __init__(
        self,
        ask: Callable[[list[Any]], AsyncChatCompletionStream | AsyncWholeAnswer],
        loop: Loop,
        *,
        streams: bool,
        max_concurrency: int,
        before_call: BeforeCall | None = None,
        after_call: AfterCall | None = None,
    ) -> None:
        super().__init__(
            loop,
            streams=streams,
            max_concurrency=max_concurrency,
            before_call=before_call,
            after_call=after_call,
            allow_async=True,
        )
        self._ask_model = ask
        self._asked: AsyncChatCompletionStream | AsyncWholeAnswer | None = None
        self._scope: anyio.CancelScope | None = None  # the calls that are being run
        self._thread: int | None = None  # of the event loop

    def __aiter__(self) -> Self:
        self._check_open()
        return self

    async def __anext__(self) -> ToolLoopEvent:
        event = await self._next()
        self._raise_if_failed(event)
        return event

    async def _next(self) -> ToolLoopEvent:
        """The next event, its listeners called, whatever it is; StopAsyncIteration after the last one."""
        while not self._batch:
            if self._terminal is not None:
                raise StopAsyncIteration
            with self._stepping():
                await self._step()
        event = self._batch.popleft()
        self._note(event)
        listeners = self.active.get(event.type)
        if listeners is not None:
            result = self._tell(listeners, event)
            if result is not None and is_coroutine(result):
                await result
        return event

    async def _step(self) -> None:
        """Do what is next."""
        self._raise_failure()
        self._check_open()
        if self._is_aborted and self._stream is None:
            self._end_aborted()
        elif self._stream is not None:
            await self._read(self._stream)
        elif self._loop.tasks:
            await self._run_calls()
        elif self._loop.is_over:
            self._finish()
        else:
            await self._ask()

    async def _ask(self) -> None:
        try:
            self._loop.check_limit()
            asked = self._asked = self._ask_model(list(self._loop.messages))
            if isinstance(asked, AsyncChatCompletionStream):
                self._stream = await asked.open()
                self._batch.append(ConnectEvent())
            else:
                self._take_whole(await asked.read())
        except ChatStreamError as error:
            self._take_failure(error)

    async def _read(self, stream: AsyncChatCompletionStream) -> None:
        """Pass on an event of the answer that is coming; its end is the end of the round."""
        try:
            event = await anext(stream)
        except ChatStreamError as error:
            self._take_failure(error)
            return
        if isinstance(event, EndEvent):
            self._stream = None
            self._take(await stream.final_chat_completion(), event)
        else:
            self._batch.append(event)

    async def _run_calls(self) -> None:
        self._thread = threading.get_ident()
        with self._answering(), anyio.CancelScope() as self._scope:
            for task in self._loop.open_tasks:
                if self._before_call is not None and not self._is_aborted:
                    self._take_decision(task, await _awaited(self._before_call(task.call)))
            await run_async(self._loop.open_tasks, self._loop.context_of, at_once=self._max_concurrency)
            for task in self._loop.tasks:
                if self._after_call is not None and task.failure is None and not self._is_aborted:
                    task.replace(await _awaited(self._after_call(task.call, task.result)))

    @runner_waits_async
    async def wait_for(self, event: str) -> ToolLoopEvent:
        """Read on until an event of this name happens, and give it.

        Raises what the run failed with, or StreamConsumedError if it ended without; ValueError for a name that is none.
        The name ``error`` gives the ErrorEvent instead of raising it.
        """
        wanted = self._check_name(event)
        self._check_open()
        while self._terminal is None:
            found = await self._next()
            if found.type == wanted:
                return found
        self._raise_failure()
        raise self._missed(event)

    def text(self) -> AsyncIterator[str]:
        """The content of all rounds as it comes: deltas of choice 0, or whole where nothing is streamed."""
        return AsyncPicked(aiter(self), self._text_of)

    async def until_done(self) -> Self:
        """This runner, run to its end; raises what the run failed with, also when asked again."""
        if self._terminal is None:
            self._raise_failure()
            self._check_open()
        while self._terminal is None:
            await self._next()
        self._raise_failure()
        return self

    async def final_chat_completion(self) -> ParsedChatCompletion[Any]:
        """The last completion, once the run is over."""
        await self.until_done()
        return self._final_completion()

    async def final_message(self) -> ParsedChatCompletionMessage[Any]:
        """The last message of the model, once the run is over."""
        await self.until_done()
        return self._loop.last_message()

    async def final_content(self) -> str | None:
        """The text of the last message, once the run is over; None if it had none."""
        return (await self.final_message()).content

    async def final_function_tool_call(self) -> ChatCompletionMessageFunctionToolCall | None:
        """The last call of a function, once the run is over; None if there was none. The older form has no id."""
        await self.until_done()
        return self._last_call()

    async def final_function_tool_call_result(self) -> str | None:
        """What the last call of a function was answered with, once the run is over; None if there was none."""
        await self.until_done()
        return self._result()

    async def total_usage(self) -> CompletionUsage | None:
        """The token counts of all completions added up, once the run is over; None if no service sent any."""
        await self.until_done()
        return self._loop.usage()

    def abort(self) -> None:
        """Stop: an answer is read no further, tools are cancelled, and whoever waits for either is woken.

        To be called in the thread of the event loop, or by a sync tool of the run. Reading on raises APIUserAbortError
        with what had arrived. A sync tool cannot be ended from outside: its result is dropped, and its
        ``ToolContext.is_cancelled`` is true.
        """
        self._is_aborted = True
        if self._scope is not None and self._thread != threading.get_ident():
            anyio.from_thread.run_sync(self._stop)
        else:
            self._stop()

    def _stop(self) -> None:
        if self._asked is not None:
            self._asked.abort()
        if self._scope is not None:
            self._scope.cancel()

    async def aclose(self) -> None:
        """Close the answer that is coming. What has arrived can still be read."""
        self._close()
        if self._stream is not None:
            await self._stream.aclose()

    close = aclose

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


async def _awaited(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result
