"""A run of the tool loop, but for the waiting.

In go completions, failures and the word of hooks, out come the events that wait to be delivered, and when all have
been, what can be said of the whole. Both runners are one, and differ in nothing that is done here. Rules: what
somebody's tool or hook raised is raised as it is, when everything that happened before has been delivered; any other
failure is an event, the last one.
"""

from __future__ import annotations

from collections import deque
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
    ContentDeltaEvent,
    EndEvent,
    ErrorEvent,
)
from chatstream.frames import Whole
from chatstream.tools.calls import calls_of
from chatstream.tools.listening import runner_subscribes
from chatstream.tools.toolbox import Deny
from chatstream.types import ParsedChatCompletion, build

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self, TypeAlias

    from chatstream.events import ToolLoopEvent
    from chatstream.tools.calls import ToolCall
    from chatstream.tools.listening import RunnerListenerName
    from chatstream.tools.loop import Loop, Task
    from chatstream.types import ChatCompletion, ChatCompletionMessageParam

    BeforeCall: TypeAlias = Callable[[ToolCall], Any]
    AfterCall: TypeAlias = Callable[[ToolCall, Any], Any]

__all__ = ["Run"]


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
        self._at_once = max_concurrency
        self._before_call = before_call
        self._after_call = after_call
        self._batch: deque[ToolLoopEvent] = deque()
        self._last: ToolLoopEvent | None = None  # the terminal event, once it is known
        self._terminal: ToolLoopEvent | None = None  # the same, once it was delivered
        self._failure: BaseException | None = None  # what somebody's tool or hook raised: raised after the batch
        self._end_event: EndEvent | None = None  # of the round that ended last
        self._is_aborted = False
        self._is_closed = False

    # What there is to be known meanwhile

    @property
    def messages(self) -> list[ChatCompletionMessageParam]:
        """The history: the messages given, then each answer and the results of its calls; valid to be sent again.

        A list of its own each time. What was given stands in it as it was given, what was added as dicts.
        """
        return list(self._loop.messages)

    def all_chat_completions(self) -> list[ParsedChatCompletion[Any]]:
        """The completions of the rounds so far, oldest first."""
        return list(self._loop.completions)

    @property
    def end(self) -> StreamEnd | None:
        """How the last answer ended, once the run has; None before, and if it failed."""
        return self._terminal.end if isinstance(self._terminal, EndEvent) else None

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

    def _call(self, call: Callable[[Any], object], event: ToolLoopEvent) -> Any:
        """What the listeners gave for an event."""
        try:
            return call(event)
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

    def _take_failure(self, error: ChatStreamError) -> None:
        """A completion did not come about, unless all that is wrong with it is what it says beside its calls."""
        said = error.completion if isinstance(error, OutputParseError) else None
        if said is not None and _calls(said):
            self._take(build(ParsedChatCompletion[Any], said.model_dump()), None)
        else:
            self._fail(error)

    def _fail(self, error: ChatStreamError) -> None:
        if self._is_aborted and isinstance(error, APIUserAbortError):
            self._put_last(AbortEvent(error, _frame_of(error)))
        else:
            self._put_last(ErrorEvent(error, _frame_of(error)))

    def _end_aborted(self) -> None:
        self._loop.answer()
        error = APIUserAbortError("the run was aborted")
        error.completion = self._latest
        self._fail(error)

    def _finish(self) -> None:
        self._batch += self._loop.final_events()
        if self._end_event is not None:
            self._put_last(self._end_event)

    def _changed(self, task: Task, result: Any) -> None:
        """What after_call said of a result."""
        if result is not None:
            task.result = result

    def _decided(self, task: Task, decision: Any) -> None:
        """What before_call said of a call."""
        if isinstance(decision, Deny):
            task.fail(f"the call was denied: {decision.reason}" if decision.reason else "the call was denied")
        elif decision is not None:
            task.settle(decision)

    def _conclude_calls(self) -> None:
        """Answer the calls; what is to be raised is, once the answers were delivered."""
        tasks = self._loop.tasks
        self._batch += self._loop.answer()
        failure = next((task.raises for task in tasks if task.raises is not None), None)
        if failure is not None and self._failure is None:
            self._failure = failure

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

    def _result(self) -> str | None:
        return None if self._loop.answered is None else self._loop.answered.content


def _calls(completion: ChatCompletion) -> list[ToolCall]:
    return calls_of(completion.choices[0].message) if completion.choices else []


def _frame_of(error: ChatStreamError) -> Whole | None:
    completion = error.completion
    return None if completion is None else Whole(completion)
