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
    IncompleteStreamError,
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
from chatstream.verdict import FINISH_ERRORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatstream.events import ToolLoopEvent
    from chatstream.tools.calls import ToolCall
    from chatstream.tools.toolbox import Tool, Toolbox
    from chatstream.types import (
        CompletionUsage,
        ParsedChatCompletion,
        ParsedChatCompletionMessage,
        ParsedChoice,
    )

__all__ = ["Loop", "Task"]

_MOST_NAMES = 20
_NOT_RUN = "the run ended before the call was run"
_UNSETTLED = "the run ended while the call was being run, and whether it took effect is not known"


@dataclass(eq=False)
class Task:
    """A call that has to be answered: by what its tool gives, by what somebody else gives for it, or by a failure."""

    call: ToolCall
    tool: Tool | None
    result: Any = None
    failure: Failure | None = None
    is_settled: bool = False
    is_given_up: bool = False  # nobody waits for its tool any more
    is_checked: bool = False  # by after_call, where there is one

    def settle(self, result: Any) -> None:
        """Settle it with this result."""
        self.result, self.is_settled = result, True

    def replace(self, result: Any) -> None:
        """Take another result for it, unless that is None."""
        self.is_checked = True
        if result is not None:
            self.result = result

    def fail(self, text: str, error: Exception | None = None) -> Failure:
        """Settle it without a result: the model is told this text."""
        self.failure, self.is_settled = Failure(text, error), True
        return self.failure

    def fail_by(self, error: Exception) -> Failure:
        """Settle it by what its tool raised."""
        return self.fail(told(error), error)

    @property
    def error_to_raise(self) -> Exception | None:
        """What went wrong, if it is to be raised and not only told to the model."""
        if self.failure is None or self.tool is None or self.tool.on_error != "raise":
            return None
        return self.failure.error


@dataclass(eq=False)
class Loop:
    """A run of the tool loop: the history, and what is to be done next.

    Ask for a completion of ``messages`` as long as ``is_over`` is false, and ``take`` it; then answer its ``tasks``.
    """

    messages: list[Any]
    toolbox: Toolbox
    max_chat_completions: int
    max_result: int | None
    is_forced: bool  # every request names the one tool to call: one round is all there is
    context: Any = None
    secrets: Sequence[str] = ()  # what no model is to be told of an error
    completions: list[ParsedChatCompletion[Any]] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    is_over: bool = False
    last_answer: FunctionToolCallResultEvent | None = None  # to a call of a function

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
        """The events of a completion that is whole: it joins the history, and its calls become ``tasks``.

        Raises LengthFinishReasonError or ContentFilterFinishReasonError if a call of it was cut off,
        IncompleteStreamError if it has no choice.
        """
        choice = _first_choice(completion)
        message = choice.message
        calls = calls_of(message)
        if choice.finish_reason in FINISH_ERRORS and any(map(_is_cut, calls)):
            kind, problem = FINISH_ERRORS[choice.finish_reason]
            raise kind(f"{problem}, within a tool call", completion=completion)
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
        """The events of answering every task as it came out; one that did not is answered by what is known of it."""
        events: list[ToolLoopEvent] = []
        tasks, self.tasks = self.tasks, []
        if tasks:
            self.is_over = self.is_forced
        escaped: list[BaseException] = []
        for task in tasks:
            if not task.is_settled:
                task.fail(_UNSETTLED if task.is_given_up else _NOT_RUN)
            events += self._answer(task, escaped)
        if escaped:  # now that each call is answered
            raise escaped[0]
        return events

    def _answer(self, task: Task, escaped: list[BaseException]) -> list[ToolLoopEvent]:
        content = self._content(task, escaped)
        call = task.call
        problem = None if task.failure is None else self._masked(task.failure.text)
        answer = FunctionToolCallResultEvent(call.id, call.name, content, problem)
        if call.type != "custom":
            self.last_answer = answer
        param: Any = answer_to(call, content)
        self.messages.append(param)
        return [answer, MessageEvent(param)]

    def _content(self, task: Task, escaped: list[BaseException]) -> str:
        failure = task.failure
        if failure is None:
            try:
                return content_of(task.result, self.max_result)
            except Exception as error:  # noqa: BLE001  a result is somebody's, and so are the methods that write it
                failure = task.fail_by(error)
            except BaseException as error:  # noqa: BLE001  as above, or Ctrl-C: raised when all calls are answered
                failure = task.fail(_UNSETTLED)
                escaped.append(error)
        return content_of(f"Error: {self._masked(failure.text)}", self.max_result)

    def _masked(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text

    def last_message(self) -> ParsedChatCompletionMessage[Any]:
        """The last message of the model."""
        if not self.completions:
            raise IncompleteStreamError("the run ended before any completion")
        return _first_choice(self.completions[-1]).message

    def last_call(self) -> ToolCall | None:
        """The last call of a function in the run, in either form; None if there was none."""
        for completion in reversed(self.completions):
            for call in reversed(calls_of(_first_choice(completion).message)):
                if call.type != "custom":
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
        call, answer = self.last_call(), self.last_answer
        if call is not None:
            events.append(FinalFunctionToolCallEvent(call.id, call.name, call.arguments))
        if answer is not None:
            events.append(
                FinalFunctionToolCallResultEvent(answer.tool_call_id, answer.name, answer.content, answer.error)
            )
        usage = self.usage()
        if usage is not None:
            events.append(TotalUsageEvent(usage))
        return events


def _first_choice(completion: ParsedChatCompletion[Any]) -> ParsedChoice[Any]:
    """The first choice; raises IncompleteStreamError if there is none."""
    if not completion.choices:
        raise IncompleteStreamError("the completion has no choice", completion=completion)
    return completion.choices[0]


def _is_cut(call: ToolCall) -> bool:
    """Whether a call of an answer that was stopped may miss something: nobody can tell of a custom tool's input."""
    return call.type == "custom" or read_whole_object(call.arguments) is None
