"""The calls of a message, and the messages that answer them.

In go messages as a peer made them, out come calls that code may rely on, and from a call and a text the dict that
answers it. Rules: what the message says again in the next request is a call here, however odd it is, since each of them
has to be answered there; what cannot be sent back is none. Nothing raises, and nothing but what is missing is made up:
a text that is missing is empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from chatstream.jsontext import write_json
from chatstream.types import WireModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatstream.types import ChatCompletionMessage

__all__ = ["AfterCall", "BeforeCall", "CallType", "ToolCall", "answer_to", "calls_of", "said_again"]

_UNFIT = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_NAME = 64

CallType: TypeAlias = Literal["function", "custom", "function_call"]


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool that the model asks for.

    ``index`` counts the calls of one message from 0, the older ``function_call`` last; that one's ``id`` is None. An id
    or a ``name`` that the model did not give is empty. ``arguments`` are as they came: JSON text, valid or not, or the
    input of a custom tool. ``parsed_arguments`` is what the tool makes of them; None until they are read, or if they do
    not fit.
    """

    index: int
    id: str | None
    type: CallType
    name: str
    arguments: str
    parsed_arguments: Any = None


# What a hook is: None changes nothing; before_call may give a result to use instead, or `Deny`, after_call another one.
BeforeCall: TypeAlias = Callable[[ToolCall], Any]
AfterCall: TypeAlias = Callable[[ToolCall, Any], Any]


def calls_of(message: ChatCompletionMessage) -> list[ToolCall]:
    """The calls of a message: those of ``tool_calls`` in their order, then the older ``function_call``."""
    listed: Any = message.tool_calls
    # The same that `to_param` goes by, which writes the message that the answers will stand behind.
    entries = [entry for entry in listed if isinstance(entry, WireModel)] if isinstance(listed, list) else []
    calls = [_tool_call(entry, index) for index, entry in enumerate(entries)]
    older: Any = message.function_call
    if isinstance(older, WireModel):
        name, arguments = _text(older, "name"), _text(older, "arguments")
        calls.append(ToolCall(len(calls), None, "function_call", name, arguments))
    return calls


def said_again(message: ChatCompletionMessage, calls: Sequence[ToolCall]) -> dict[str, Any]:
    """The message as a part of the next request, valid there whatever it was: what its calls lack is filled in."""
    param: Any = message.to_param()
    param["role"] = "assistant"
    # Always as many, since both go by the same: see above.
    for entry, call in zip(param.get("tool_calls", ()), calls, strict=False):
        told, text = entry.get(call.type), "input" if call.type == "custom" else "arguments"
        described = told if isinstance(told, dict) else {}
        for kind in ("function", "custom"):
            entry.pop(kind, None)
        entry |= {"id": call.id, "type": call.type}
        entry[call.type] = {**described, "name": _sendable(call.name), text: call.arguments}
    older = calls[-1] if calls and calls[-1].type == "function_call" else None
    if older is not None:
        param["function_call"] = {"name": _sendable(older.name), "arguments": older.arguments}
    if "audio" in param and not isinstance(param["audio"].get("id"), str):
        del param["audio"]  # by anything else nobody knows it
    if param["content"] is None and not param.keys() & {"tool_calls", "function_call", "refusal", "audio"}:
        param["content"] = ""
    return param  # type: ignore[no-any-return]  # a dict, as to_param gives it


def _sendable(name: str) -> str:
    """A name as the API takes it back: models make up others, such as ``functions.weather``."""
    return _UNFIT.sub("_", name)[:_LONGEST_NAME] or "unknown"


def answer_to(call: ToolCall, content: str) -> dict[str, Any]:
    """The message that answers a call: of the role tool, or of the role function for the older form."""
    if call.type == "function_call":
        return {"role": "function", "name": _sendable(call.name), "content": content}
    return {"role": "tool", "tool_call_id": call.id, "content": content}


def _tool_call(entry: WireModel, index: int) -> ToolCall:
    call_id = _member(entry, "id")
    kind = _kind(entry)
    called = _member(entry, kind)
    arguments = _text(called, "input" if kind == "custom" else "arguments")
    return ToolCall(index, call_id if isinstance(call_id, str) else "", kind, _text(called, "name"), arguments)


def _kind(entry: WireModel) -> Literal["function", "custom"]:
    """Which kind of call it is: what it says, else what it holds."""
    said = _member(entry, "type")
    holds_input = _member(entry, "function") is None and _member(entry, "custom") is not None
    return "custom" if said == "custom" or (said != "function" and holds_input) else "function"


def _member(part: Any, name: str) -> Any:
    """A member of a model, or of an object that is none because it stands where the API has no such thing."""
    return part.get(name) if isinstance(part, dict) else getattr(part, name, None)


def _text(part: Any, name: str) -> str:
    """A member that should be text: arguments that came as a value are written as the JSON they would have been."""
    value = _member(part, name)
    if isinstance(value, str):
        return value
    return "" if value is None or name != "arguments" else write_json(value)
