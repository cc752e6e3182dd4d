"""A run of the tool loop, but for the waiting.

In go completions, failures and the word of hooks, out come the events that wait to be delivered, and when all have
been, what can be said of the whole. Both runners are one, and differ in nothing that is done here. Rules: what
somebody's tool or hook raised is raised as it is, when everything that happened before has been delivered; any other
failure is an event, the last one.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from chatstream.emitter import EventEmitter, is_coroutine
from chatstream.ends import StreamEnd
from chatstream.errors import (
    APIUserAbortError,
    ChatStreamError,
    IncompleteStreamError,
    OutputParseError,
    StreamConsumedError,
)
from chatstream.events import (
    EVENT_TYPES,
    LOOP_EVENT_TYPES,
    AbortEvent,
    ChatCompletionEvent,
    ConnectEvent,
    ContentDeltaEvent,
    EndEvent,
    ErrorEvent,
)
from chatstream.frames import Whole
from chatstream.tools.calls import calls_of
from chatstream.tools.listening import runner_subscribes
from chatstream.tools.toolbox import Deny
from chatstream.types import ChatCompletionMessageFunctionToolCall, build
from chatstream.types.answer import answered
from chatstream.types.parsed import parsed_anything

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Self

    from chatstream.events import ToolLoopEvent
    from chatstream.tools.calls import AfterCall, BeforeCall, ToolCall
    from chatstream.tools.listening import RunnerListenerName
    from chatstream.tools.loop import Loop, Task
    from chatstream.types import ChatCompletion, ChatCompletionMessageParam, ParsedChatCompletion

__all__ = ["Run"]

_UNCHECKED = "the run ended before the call's result was let through"


class Run(EventEmitter):
    """What both runners know without waiting."""

    _names: ClassVar[tuple[str, ...]] = (*EVENT_TYPES, *LOOP_EVENT_TYPES, "content")
    _names_home: ClassVar[str] = "chatstream.events.EVENT_TYPES and LOOP_EVENT_TYPES have them all"

    def __init__(
        self,
        loop: Loop,
        *,
        streams: bool,
        max_concurrency: int,
        before_call: BeforeCall | None,
        after_call: AfterCall | None,
        allow_async: bool,
    ) -> None:
        super().__init__(allow_async=allow_async)
        for name, hook in (("before_call", before_call), ("after_call", after_call)):
            if hook is not None and not callable(hook):
                raise TypeError(f"{name}: expected a function, got {type(hook).__name__}")
        self._loop = loop
        self._streams = streams
        self._max_concurrency = max_concurrency
        self._before_call = before_call
        self._after_call = after_call
        self._batch: deque[ToolLoopEvent] = deque()
        self._last: ToolLoopEvent | None = None  # the terminal event, once it is known
        self._terminal: ToolLoopEvent | None = None  # the same, once it was delivered
        self._failure: BaseException | None = None  # what somebody's tool or hook raised: raised after the batch
        self._end_event: EndEvent | None = None  # of the round that ended last
        self._stream: Any = None  # the answer that is being read, where answers are streamed
        self._is_aborted = False
        self._is_closed = False
        self._is_answering = False  # calls are being run
        self._reading = threading.Lock()  # held while a step is taken: two readers would run calls twice

    # What there is to be known meanwhile

    @property
    def messages(self) -> list[ChatCompletionMessageParam]:
        """The history: the messages given, then each answer and the results of its calls.

        It can be sent again, unless calls of its last message are yet to be run: when the run is over or closed,
        always. A list of its own each time. What was given stands in it as it was given, what was added as dicts.
        """
        return list(self._loop.messages)

    def all_chat_completions(self) -> list[ParsedChatCompletion[Any]]:
        """The completions of the rounds so far, oldest first."""
        return list(self._loop.completions)

    @property
    def end(self) -> StreamEnd | None:
        """How the last answer ended, once the run has; None before, and if it failed."""
        return self._terminal.end if isinstance(self._terminal, EndEvent) else None

    @property
    def snapshot(self) -> ChatCompletion | None:
        """The completion of the round you are in, as far as it was read; None before anything of it came."""
        return self._latest() if self._stream is None else self._stream.snapshot

    # What is told to listeners

    @runner_subscribes
    def on(self, event: str, listener: Callable[..., object] | None = None) -> object:
        """The runner itself, which from now on calls the listener at each such event of any round.

        As `EventEmitter.on`; the names are those of a stream's events and of the loop's own.
        """
        return self._subscribe(event, listener, once=False)

    @runner_subscribes
    def once(self, event: str, listener: Callable[..., object] | None = None) -> object:
        """As ``on``, for the next such event alone."""
        return self._subscribe(event, listener, once=True)

    def off(self, event: RunnerListenerName, listener: Callable[..., object]) -> Self:
        """The runner itself, without this listener; as `EventEmitter.off`."""
        self._unsubscribe(event, listener)
        return self

    def _tell(self, listeners: Callable[[Any], object], event: ToolLoopEvent) -> Any:
        """What the listeners gave for an event."""
        try:
            return listeners(event)
        except (StopIteration, StopAsyncIteration) as error:  # in an iterator these mean something else
            raise RuntimeError(f"a listener for {event.type!r} raised {type(error).__name__}") from error

    # The steps that need no waiting

    def _check_open(self) -> None:
        if self._terminal is not None or (self._is_closed and not self._batch):
            what = "closed" if self._terminal is None else "read to its end"
            message = f"the run was {what} already; `messages` has what was said"
            raise StreamConsumedError(message, completion=self._latest())

    def _latest(self) -> ChatCompletion | None:
        completions = self._loop.completions
        return completions[-1] if completions else None

    def _note(self, event: ToolLoopEvent) -> None:
        if event is self._last:
            self._terminal = event

    def _raise_if_failed(self, event: ToolLoopEvent) -> None:
        if event is self._terminal:
            self._raise_failure()

    def _raise_failure(self) -> None:
        """Raise what the run failed with, once everything before it was delivered."""
        if self._batch:
            return
        if isinstance(self._failure, StopIteration | StopAsyncIteration):  # in an iterator these mean something else
            problem = f"a tool or a hook raised {type(self._failure).__name__}"
            raise RuntimeError(problem) from self._failure  # noqa: TRY004  no wrong type: somebody's exception
        if self._failure is not None:
            raise self._failure
        if isinstance(self._terminal, ErrorEvent | AbortEvent):
            raise self._terminal.error

    def _put_last(self, event: EndEvent | ErrorEvent | AbortEvent) -> None:
        self._last = event
        self._batch.append(event)

    def _take(self, completion: ParsedChatCompletion[Any], ended: EndEvent | None) -> None:
        """A completion is whole."""
        finished = all(choice.finish_reason for choice in completion.choices)
        self._end_event = ended or EndEvent(StreamEnd("complete", finish_seen=finished), Whole(completion))
        try:
            if ended is not None and ended.end.kind == "incomplete" and _calls(completion):
                raise IncompleteStreamError("the answer was cut, and it calls tools", completion=completion)
            self._batch += self._loop.take(completion)
        except ChatStreamError as error:
            self._fail(error)

    def _take_whole(self, completion: ParsedChatCompletion[Any]) -> None:
        """A completion came as a whole."""
        self._batch.append(ConnectEvent())
        self._take(completion, None)

    def _take_failure(self, error: ChatStreamError) -> None:
        """A completion did not come about, unless all that is wrong with it is what it says beside its calls."""
        said = error.completion if isinstance(error, OutputParseError) else None
        stream, self._stream = self._stream, None
        if said is None or not _calls(said):
            self._fail(error)
            return
        completion = build(parsed_anything(), said.model_dump())
        about = said.response if stream is None else stream.response
        completion = completion if about is None else answered(completion, about)
        self._take(completion, None if stream is None else EndEvent(_end_without(stream.end), Whole(completion)))

    def _fail(self, error: ChatStreamError) -> None:
        if error.completion is None:
            error.completion = self._latest()
        if self._is_aborted and isinstance(error, APIUserAbortError):
            self._put_last(AbortEvent(error, _frame_of(error)))
        else:
            self._put_last(ErrorEvent(error, _frame_of(error)))

    def _end_aborted(self) -> None:
        self._batch += self._loop.answer()
        error = APIUserAbortError("the run was aborted")
        error.completion = self._latest
        self._fail(error)

    def _finish(self) -> None:
        self._batch += self._loop.final_events()
        if self._end_event is not None:
            self._put_last(self._end_event)

    def _take_decision(self, task: Task, decision: Any) -> None:
        """What before_call said of a call."""
        if decision is Deny:
            decision = Deny()
        if isinstance(decision, Deny):
            task.fail(f"the call was denied: {decision.reason}" if decision.reason else "the call was denied")
        elif decision is not None:
            task.settle(decision)

    @contextmanager
    def _answering(self) -> Generator[None, None, None]:
        """Run calls within this: they are answered whatever comes, and what a hook raises is raised after that."""
        self._is_answering = True
        try:
            yield
        except Exception as error:  # noqa: BLE001  a hook's, or misuse: raised when what came before was delivered
            self._failure = error
        except BaseException:
            self._is_closed = True
            raise
        finally:
            self._is_answering = False
            tasks = self._loop.tasks
            for task in tasks:
                if self._after_call is not None and task.is_settled and not (task.failure or task.is_checked):
                    task.fail(_UNCHECKED)  # perhaps it would have been taken out
            self._batch += self._loop.answer()
            failures = [task.error_to_raise for task in tasks]
            self._failure = self._failure or next(filter(None, failures), None)

    @contextmanager
    def _stepping(self) -> Generator[None, None, None]:
        """Take a step within this; RuntimeError if one is being taken already."""
        if not self._reading.acquire(blocking=False):
            raise RuntimeError(
                "the run is being read already: by another task or thread, or by who is called from within"
            )
        try:
            yield
        finally:
            self._reading.release()

    def _close(self) -> None:
        """Nobody reads on: calls that were not run are answered, so that the history can be sent."""
        self._is_closed = True
        if not self._is_answering:
            self._loop.answer()

    def _unawaited_hook(self, name: str, result: Any) -> Any:
        """What a hook of a sync run gave; TypeError if it is async."""
        if is_coroutine(result):
            result.close()
            raise TypeError(f"{name} is async: {self._who_awaits}")
        return result

    def _missed(self, event: str) -> ChatStreamError:
        return StreamConsumedError(f"the run ended without {event!r}", completion=self._latest())

    @property
    def _who_awaits(self) -> str:
        return "use AsyncChatClient, which awaits it"

    def _final_completion(self) -> ParsedChatCompletion[Any]:
        self._loop.last_message()  # raises if there is none
        return self._loop.completions[-1]

    def _text_of(self, event: ToolLoopEvent) -> str | None:
        if isinstance(event, ContentDeltaEvent):
            return event.delta if event.choice_index == 0 else None
        if isinstance(event, ChatCompletionEvent) and not self._streams:
            return event.completion.choices[0].message.content or None
        return None

    def _last_call(self) -> ChatCompletionMessageFunctionToolCall | None:
        call = self._loop.last_call()
        if call is None:
            return None
        values = {"type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        return build(ChatCompletionMessageFunctionToolCall, values if call.id is None else {"id": call.id, **values})

    def _result(self) -> str | None:
        return None if self._loop.last_answer is None else self._loop.last_answer.content


def _calls(completion: ChatCompletion) -> list[ToolCall]:
    return calls_of(completion.choices[0].message) if completion.choices else []


def _end_without(end: StreamEnd) -> StreamEnd:
    """How a stream ended, but for an error that is of no consequence."""
    return StreamEnd("no_done" if end.done_seen is False else "complete", end.done_seen, end.finish_seen)


def _frame_of(error: ChatStreamError) -> Whole | None:
    completion = error.completion
    return None if completion is None else Whole(completion)
