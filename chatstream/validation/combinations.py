"""What the parts of a request demand of each other.

In goes a body whose parts are right, each for itself; out come problems. Rules: only what the reference or the
service's own errors say; null is the same as nothing. What a message demands of those before it is at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from chatstream.validation.problem import missing, problem, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chatstream.validation.problem import Path, Problem

    Body: TypeAlias = Mapping[str, Any]

__all__ = ["combination_problems"]

_SAID = ("content", "tool_calls", "function_call", "audio", "refusal")  # one of these an assistant message must have


def combination_problems(body: Body) -> Iterator[Problem]:
    """What is wrong between the parts of a body, the messages last."""
    yield from _lonely_options(body)
    yield from _rivals(body)
    yield from _audio(body)
    yield from _tool_choice(body)
    yield from _message_problems(body["messages"])


def _clash(path: Path, what: str) -> Problem:
    return problem(path, what, "invalid_parameter_combination")


def _lonely_options(body: Body) -> Iterator[Problem]:
    """Options that mean nothing without another one."""
    if body.get("stream_options") is not None and not body.get("stream"):
        yield _clash((None, "stream_options"), "allowed only with stream: true")
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        yield _clash((None, "top_logprobs"), "allowed only with logprobs: true")
    if body.get("function_call") is not None and not body.get("functions"):
        yield _clash((None, "function_call"), "allowed only with functions")
    for name in ("tool_choice", "parallel_tool_calls"):
        if body.get(name) is not None and not body.get("tools"):
            yield _clash((None, name), "allowed only with tools")


def _rivals(body: Body) -> Iterator[Problem]:
    """Options that say the same thing twice, the deprecated one first."""
    for old, new in (("max_tokens", "max_completion_tokens"), ("functions", "tools")):
        if body.get(old) and body.get(new):
            yield _clash((None, old), f"not allowed together with {new}")


def _audio(body: Body) -> Iterator[Problem]:
    wanted = "audio" in (body.get("modalities") or ())
    described = body.get("audio") is not None
    if wanted and not described:
        yield missing((None, "audio"), " when modalities has 'audio'")
    if described and not wanted:
        yield _clash((None, "audio"), "allowed only when modalities has 'audio'")


def _tool_choice(body: Body) -> Iterator[Problem]:
    """A choice of a tool, or of a function in the older form, that is not there."""
    if body.get("tools"):
        tools = {(tool["type"], tool[tool["type"]]["name"]) for tool in body["tools"]}
        yield from _unknown_tools(body.get("tool_choice"), tools)
    call = body.get("function_call")
    if body.get("functions") and isinstance(call, Mapping):
        names = {function["name"] for function in body["functions"]}
        if call["name"] not in names:
            yield _no_such(((None, "function_call"), "name"), call["name"])


def _unknown_tools(choice: Any, tools: set[tuple[str, str]]) -> Iterator[Problem]:
    path: Path = (None, "tool_choice")
    if not isinstance(choice, Mapping):
        return
    if choice["type"] != "allowed_tools":
        yield from _unknown_tool(choice, path, tools)
        return
    for index, allowed in enumerate(choice["allowed_tools"]["tools"]):
        yield from _unknown_tool(allowed, (((path, "allowed_tools"), "tools"), index), tools)


def _unknown_tool(named: Mapping[str, Any], path: Path, tools: set[tuple[str, str]]) -> Iterator[Problem]:
    # Allowed tools may be anything to the reference: what names no function and no custom tool is let through.
    for kind in ("function", "custom"):
        inner = named.get(kind)
        name = inner.get("name") if named.get("type") == kind and isinstance(inner, Mapping) else None
        if isinstance(name, str) and (kind, name) not in tools:
            yield _no_such(((path, kind), "name"), name)


def _no_such(path: Path, name: str) -> Problem:
    return problem(path, f"there is no tool {quoted(name)} of this type", "invalid_value")


def _message_problems(messages: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    """Calls without an answer, answers without a call, and assistant messages that say nothing.

    Answers stand right behind the message with the calls, in any order.
    """
    calls: dict[str, Path] = {}  # of the last message that was no tool message
    open_calls: dict[str, Path] = {}
    for index, message in enumerate(messages):
        path: Path = ((None, "messages"), index)
        if message["role"] == "tool":
            if message["tool_call_id"] not in calls:
                yield _no_call(path, message["tool_call_id"])
            open_calls.pop(message["tool_call_id"], None)
            continue
        yield from map(_no_answer, open_calls.values())
        calls = _calls(message, path)
        open_calls = dict(calls)
        if message["role"] == "assistant" and all(message.get(name) is None for name in _SAID):
            yield missing((path, "content"), " when there are no tool_calls")
    yield from map(_no_answer, open_calls.values())


def _calls(message: Mapping[str, Any], path: Path) -> dict[str, Path]:
    calls = message.get("tool_calls") if message["role"] == "assistant" else None
    return {call["id"]: ((path, "tool_calls"), index) for index, call in enumerate(calls or ())}


def _no_call(path: Path, call_id: str) -> Problem:
    what = f"no call {quoted(call_id)} in the assistant message that these tool messages follow"
    return problem((path, "tool_call_id"), what, "invalid_value")


def _no_answer(path: Path) -> Problem:
    return problem(path, "no tool message answers this call", "invalid_value")
