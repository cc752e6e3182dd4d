"""The tool loop but for the waiting: what was said so far, and what is to be done next.

In go completions, and how their calls came out; out come the history, the calls that are to be run, and events. Rules:
each call of a message is answered exactly once, in order, so that the history can be sent at any time; whether a
message has calls decides, not its finish reason; a call that was cut off is never run; a limit that is reached is an
error, and never an end. Nothing here waits, and no tool is called.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from chatstream.errors import (
    ContentFilterFinishReasonError,
    IncompleteStreamError,
    LengthFinishReasonError,
    OutputParseError,
    ToolLoopLimitError,
)
from chatstream.events import (
    ChatCompletionEvent,
    FinalChatCompletionEvent,
    FinalContentEvent,
    FinalFunctionToolCallEvent,
    FinalFunctionToolCallResultEvent,
    FinalMessageEvent,
    FunctionToolCallEvent,
    FunctionToolCallResultEvent,
    MessageEvent,
    TotalUsageEvent,
)
from chatstream.partial_json import read_whole_object
from chatstream.structured import ToolContext
from chatstream.tools.calls import answer_to, calls_of, said_again
from chatstream.tools.results import Failure, content_of, told, unfit
from chatstream.tools.usage import added_up
from chatstream.types import ChatCompletionMessageFunctionToolCall

if TYPE_CHECKING:
    from chatstream.events import ToolLoopEvent
    from chatstream.tools.calls import ToolCall
    from chatstream.tools.toolbox import Tool, Toolbox
    from chatstream.types import (
        CompletionUsage,
        ParsedChatCompletion,
        ParsedChatCompletionMessage,
    )

__all__ = ["Loop", "Task"]

_CUT = {
    "length": (LengthFinishReasonError, "the answer stopped at the token limit, within a tool call"),
    "content_filter": (
        ContentFilterFinishReasonError,
        "a content filter stopped the answer, within a tool call",
    ),
}
_MOST_NAMES = 20
_NOT_RUN = "the run ended before the call was run"
_UNKNOWN = "the run ended while the call was being run, and whether it took effect is not known"


@dataclass(eq=False)
class Task:
    """A call that has to be answered: by what its tool gives, by what somebody else gives for it, or by a failure."""

    call: ToolCall
    tool: Tool | None
    result: Any = None
    failure: Failure | None = None
    is_settled: bool = False
    is_given_up: bool = False  # nobody waits for its tool any more

    def settle(self, result: Any) -> None:
        """The result is this."""
        self.result, self.is_settled = result, True

    def fail(self, text: str, error: Exception | None = None) -> None:
        """There is no result, and the model is told why."""
        self.failure, self.is_settled = Failure(text, error), True

    def fail_by(self, error: Exception) -> None:
        """The tool raised this."""
        self.fail(told(error), error)

    @property
    def raises(self) -> Exception | None:
        """What went wrong, if it is to be raised and not only told to the model."""
        wanted = self.failure is not None and self.tool is not None and self.tool.on_error == "raise"
        return self.failure.error if wanted and self.failure is not None else None


@dataclass(eq=False)
class Loop:
    """A run of the tool loop: the history, and what is to be done next.

    Ask for a completion of ``messages`` as long as ``is_over`` is false, and ``take`` it; then answer its ``tasks``.
    """

    messages: list[Any]
    toolbox: Toolbox
    max_chat_completions: int
    max_result: int | None
    is_forced: bool  # one tool must be called, and is called at each request: so there is only one
    context: Any = None
    completions: list[ParsedChatCompletion[Any]] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    is_over: bool = False
    answered: FunctionToolCallResultEvent | None = None  # the last answer to a call

    def check_limit(self) -> None:
        """ToolLoopLimitError, with the history, if no further completion may be asked for."""
        if len(self.completions) >= self.max_chat_completions:
            raise ToolLoopLimitError(
                f"the tool loop made {len(self.completions)} chat completions, and the model still calls tools: see "
                "max_chat_completions",
                messages=self.messages,
                completion=self.completions[-1],
            )

    def take(self, completion: ParsedChatCompletion[Any]) -> list[ToolLoopEvent]:
        """A completion is whole: it is said, and its calls are the tasks. Raises if a call of it was cut off."""
        message, finish_reason = _said(completion)
        calls = calls_of(message)
        if finish_reason in _CUT and any(map(_is_cut, calls)):
            kind, problem = _CUT[finish_reason]
            raise kind(problem, completion=completion)
        self.completions.append(completion)
        param: Any = said_again(message, calls)
        self.messages.append(param)
        self.tasks = [self._task(call) for call in calls]
        self.is_over = not calls
        events: list[ToolLoopEvent] = [ChatCompletionEvent(completion), MessageEvent(param)]
        events += (FunctionToolCallEvent(call.id, call.name, call.arguments) for call in calls)
        return events

    def _task(self, call: ToolCall) -> Task:
        tool = self.toolbox.find(call)
        task = Task(call, tool)
        if tool is None:
            task.fail(self._no_such_tool(call.name))
            return task
        try:
            arguments = tool.read(call.arguments)
        except Exception as error:  # noqa: BLE001  a model's validators are somebody's code: anything may come
            problem = OutputParseError(f"the arguments of a call do not fit {call.name}")
            problem.__cause__ = error
            task.fail(unfit(call.name, error), problem)
        else:
            task.call = replace(call, parsed_arguments=arguments)
        return task

    def _no_such_tool(self, name: str) -> str:
        names = self.toolbox.names
        more = f", and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        return f"there is no tool {name[:64]!r}; the tools are: {', '.join(names[:_MOST_NAMES])}{more}"

    @property
    def open_tasks(self) -> list[Task]:
        """The calls that are not settled yet."""
        return [task for task in self.tasks if not task.is_settled]

    def context_of(self, task: Task) -> ToolContext[Any]:
        """What the tool of a task is told, if it wants to know."""
        return ToolContext(
            context=self.context,
            tool_call_id=task.call.id,
            name=task.call.name,
            messages=tuple(self.messages),
            _cancelled=lambda: task.is_given_up,
        )

    def answer(self) -> list[ToolLoopEvent]:
        """The calls are answered as their tasks came out; those that did not, by what is known of them."""
        events: list[ToolLoopEvent] = []
        tasks, self.tasks = self.tasks, []
        self.is_over = self.is_forced
        escaped: list[BaseException] = []
        for task in tasks:
            if not task.is_settled:
                task.fail(_UNKNOWN if task.is_given_up else _NOT_RUN)
            self._answer(task, events, escaped)
        if escaped:  # now that each call is answered
            raise escaped[0]
        return events

    def _answer(self, task: Task, events: list[ToolLoopEvent], escaped: list[BaseException]) -> None:
        content = self._content(task, escaped)
        call = task.call
        problem = None if task.failure is None else task.failure.text
        self.answered = FunctionToolCallResultEvent(call.id, call.name, content, problem)
        param: Any = answer_to(call, content)
        self.messages.append(param)
        events += (self.answered, MessageEvent(param))

    def _content(self, task: Task, escaped: list[BaseException]) -> str:
        if task.failure is None:
            try:
                return content_of(task.result, self.max_result)
            except Exception as error:  # noqa: BLE001  a result is somebody's, and so are the methods that write it
                task.fail_by(error)
            except BaseException as error:  # noqa: BLE001  as above, or Ctrl-C: raised when all calls are answered
                task.fail(_UNKNOWN)
                escaped.append(error)
        failure: Any = task.failure
        return content_of(f"Error: {failure.text}", self.max_result)

    def last_message(self) -> ParsedChatCompletionMessage[Any]:
        """The last message of the model."""
        if not self.completions:
            raise IncompleteStreamError("the run ended before any completion")
        return _said(self.completions[-1])[0]

    def last_call(self) -> ChatCompletionMessageFunctionToolCall | None:
        """The last call of a function tool in the run, as it came; None if there was none."""
        for completion in reversed(self.completions):
            for call in reversed(_said(completion)[0].tool_calls or []):
                if isinstance(call, ChatCompletionMessageFunctionToolCall):
                    return call
        return None

    def usage(self) -> CompletionUsage | None:
        """The token counts of all completions added up; None if no service sent any."""
        return added_up(completion.usage for completion in self.completions)

    def final_events(self) -> list[ToolLoopEvent]:
        """What there is to be said at the end of a run that went well, but for the end itself."""
        message = self.last_message()
        events: list[ToolLoopEvent] = [FinalChatCompletionEvent(self.completions[-1]), FinalMessageEvent(message)]
        if message.content is not None:
            events.append(FinalContentEvent(message.content))
        call = next(reversed([call for c in self.completions for call in calls_of(_said(c)[0])]), None)
        if call is not None:
            events.append(FinalFunctionToolCallEvent(call.id, call.name, call.arguments))
        if self.answered is not None:
            answer = self.answered
            events.append(
                FinalFunctionToolCallResultEvent(answer.tool_call_id, answer.name, answer.content, answer.error)
            )
        usage = self.usage()
        if usage is not None:
            events.append(TotalUsageEvent(usage))
        return events


def _said(completion: ParsedChatCompletion[Any]) -> tuple[ParsedChatCompletionMessage[Any], str | None]:
    if not completion.choices:
        raise IncompleteStreamError("the completion has no choice", completion=completion)
    choice = completion.choices[0]
    return choice.message, choice.finish_reason


def _is_cut(call: ToolCall) -> bool:
    """Whether a call of an answer that was stopped may miss something: nobody can tell of a custom tool's input."""
    return call.type == "custom" or read_whole_object(call.arguments) is None
