"""The rounds of a tool loop, as calls of the API.

In go the arguments of ``run_tools``, out come the loop, and a call for each round: the same parameters, and the
messages of the moment. Rules: what is wrong with an argument is told before anything is sent, by its name; a call is
made anew for each round, so that the history is checked as what is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from chatstream.client.asking import round_call
from chatstream.client.patience import Stop
from chatstream.errors import ParameterError
from chatstream.parser import ChatStreamParser
from chatstream.tools.loop import Loop
from chatstream.tools.results import MAX_RESULT
from chatstream.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatstream.client.call import Call, Defaults

__all__ = ["Rounds", "WholeRequest", "checked_count"]

R_co = TypeVar("R_co", covariant=True)


class Rounds:
    """A tool loop, and the calls that its rounds are."""

    def __init__(
        self,
        defaults: Defaults,
        messages: object,
        model: object,
        arguments: Mapping[str, Any],
        *,
        stream: object,
        tools: Iterable[Any] | None,
        functions: Iterable[Any] | None,
        max_chat_completions: int,
        context: object,
        allow_async: bool,
    ) -> None:
        if not isinstance(stream, bool):
            raise TypeError(f"stream: expected true or false, got {type(stream).__name__}")
        if arguments.get("n") not in (None, 1):  # in a tuple: what was given may be unhashable
            raise ParameterError("n: expected 1, as a tool loop goes on from one answer", param="n")
        toolbox = Toolbox(tools or (), functions or (), allow_async=allow_async)
        self.streams: bool = stream
        self._defaults = defaults
        self._model = model
        # Each round reads them anew, and an iterator could be read once.
        self._arguments = {
            name: list(value) if isinstance(value, Iterator) else value for name, value in arguments.items()
        }
        self._added: dict[str, Any] = {}
        if toolbox.params:
            self._added["tools"] = toolbox.params
        if toolbox.functions:
            self._added["functions"] = toolbox.functions
        if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Iterable):
            raise TypeError(f"messages: expected a sequence of messages, got {type(messages).__name__}")
        self.loop: Loop = Loop(
            list(messages),
            toolbox,
            max_chat_completions=checked_count("max_chat_completions", max_chat_completions),
            max_result=MAX_RESULT,
            is_forced=_is_forced(arguments, toolbox),
            context=context,
        )
        call, reading = self.call(self.loop.messages)  # what is wrong with it is told now,
        self.loop.secrets = call.secrets
        ChatStreamParser(**reading)  # and here what is wrong with how it would be read
        if "response_format" in reading:  # described once, and not for each round anew
            self._arguments["response_format"] = reading["response_format"]

    def call(self, messages: list[Any]) -> tuple[Call, dict[str, Any]]:
        """The call that asks for an answer to these messages, and how that is to be read."""
        arguments, number = self._arguments, len(self.loop.completions)
        key = arguments.get("idempotency_key")
        if isinstance(key, str) and number:
            # A service that sees the same key again gives the same answer again, and this is another question.
            arguments = {**arguments, "idempotency_key": f"{key}-{number + 1}"}
        if not self.streams:  # a whole answer that was cut is none, and does not tell later that it was
            arguments = {**arguments, "allow_incomplete": False}
        return round_call(self._defaults, messages, self._model, arguments, self._added, streams=self.streams)


def checked_count(name: str, number: object) -> int:
    """A number that counts something; TypeError or ValueError, naming it, for any other."""
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"{name}: expected a whole number, got {type(number).__name__}")
    if number < 1:
        raise ValueError(f"{name}: expected at least 1, got {number}")
    return number


def _is_forced(arguments: Mapping[str, Any], toolbox: Toolbox) -> bool:
    """Whether one tool must be called, and no other: it would be at each further request, too."""
    choice = arguments.get("tool_choice")
    if choice == "required":
        return len(toolbox.names) == 1
    if not isinstance(choice, Mapping):
        return isinstance(arguments.get("function_call"), Mapping)
    allowed = choice.get("allowed_tools")
    if isinstance(allowed, Mapping):
        tools = allowed.get("tools")
        return allowed.get("mode") == "required" and isinstance(tools, Sequence) and len(tools) == 1
    return choice.get("type") in ("function", "custom")  # in a tuple: what was given may be unhashable


class WholeRequest(Generic[R_co]):
    """A completion that is asked for as a whole; ``parse`` asks for it, or gives what has to be awaited for it."""

    def __init__(self, parse: Callable[[Stop], R_co]) -> None:
        self._parse = parse
        self._stop = Stop()

    def read(self) -> R_co:
        """What ``parse`` gives; raises a ChatStreamError if there is no completion."""
        return self._parse(self._stop)

    def abort(self) -> None:
        """Give it up; a sync one from any thread."""
        self._stop.say()
