"""Which tools the echo calls, and with what.

In go the body of a request and what it asks, out come the calls to make. A tool is called when ``tool_choice`` forces
it, or when the last user message has the words ``call NAME``: several of them make several calls, in that order, unless
``parallel_tool_calls`` is false. Once tools have answered, nothing is called again. Legacy functions likewise, one at a
time. Arguments are made from the parameters' schema; a custom tool gets a text, or one for its regex.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from chatstream.jsontext import entries, members, mend, write_json
from chatstream.server.samples import UnusableSchemaError, sample

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chatstream.server.echo.prompts import Prompt

__all__ = ["Plan", "PlannedCall", "plan", "sample_at"]

_CALL = re.compile(r"\bcall\s+([A-Za-z0-9_-]{1,64})", re.IGNORECASE)
_MOST_CALLS = 128


class PlannedCall(msgspec.Struct, frozen=True):
    """One call: of what kind, of which tool, and its arguments as JSON or its input."""

    kind: Literal["function", "custom", "legacy"]
    name: str
    text: str


class Plan(msgspec.Struct, frozen=True):
    """The calls to make, perhaps none, and the finish reason that goes with them."""

    calls: list[PlannedCall]
    finish_reason: str = "stop"


class _Tool(msgspec.Struct, frozen=True):
    """A tool that may be called: its definition, and where in the body that stands."""

    kind: Literal["function", "custom", "legacy"]
    name: str
    definition: dict[str, Any]
    path: str


def plan(body: Mapping[str, Any], prompt: Prompt) -> Plan:
    """The calls to make; UnusableSchemaError, with the path in the body, for arguments that cannot be made."""
    if prompt.results:  # or whoever forces a tool would be answered with its call for ever
        return Plan([])
    tools = _tools(body)
    choice = body.get("tool_choice")
    if not tools:
        return _legacy_plan(body, prompt)
    kind = str(members(choice).get("type"))
    if kind in {"function", "custom"}:
        chosen = [tool for tool in tools if tool.name == _name_in(choice)]
        # The API says `stop` and not `tool_calls` where the request itself has named the tool.
        return Plan([_planned(tool, prompt) for tool in chosen[:1]])
    if kind == "allowed_tools":
        allowed = members(members(choice).get("allowed_tools"))
        names = [_name_in(tool) for tool in entries(allowed.get("tools"))]
        tools = [tool for tool in tools if tool.name in names]
        choice = allowed.get("mode")
    called = [] if choice == "none" else _asked_for(tools, prompt)
    if not called and choice == "required":
        called = tools[:1]
    if body.get("parallel_tool_calls") is False:
        called = called[:1]
    # Each is made once, however often it is called.
    planned = {path: _planned(tool, prompt) for path, tool in {tool.path: tool for tool in called}.items()}
    return Plan([planned[tool.path] for tool in called], "tool_calls")


def _legacy_plan(body: Mapping[str, Any], prompt: Prompt) -> Plan:
    functions = [
        _Tool("legacy", definition["name"], definition, f"functions[{place}]")
        for place, definition in enumerate(entries(body.get("functions")))
        if type(members(definition).get("name")) is str
    ]
    choice = body.get("function_call")
    if type(choice) is dict:
        called = [function for function in functions if function.name == choice.get("name")]
        return Plan([_planned(function, prompt) for function in called[:1]])  # `stop`, as for a tool that was named
    called = [] if choice == "none" else _asked_for(functions, prompt)
    return Plan([_planned(function, prompt) for function in called[:1]], "function_call")


def _tools(body: Mapping[str, Any]) -> list[_Tool]:
    tools: list[_Tool] = []
    for place, tool in enumerate(entries(body.get("tools"))):
        kind: Literal["function", "custom"] = "custom" if members(tool).get("type") == "custom" else "function"
        definition = members(members(tool).get(kind))
        if type(definition.get("name")) is str:
            tools.append(_Tool(kind, definition["name"], definition, f"tools[{place}].{kind}"))
    return tools


def _name_in(choice: Any) -> Any:
    part = members(choice)
    return members(part.get("function") or part.get("custom")).get("name")


def _asked_for(tools: list[_Tool], prompt: Prompt) -> list[_Tool]:
    """The tools that the last user message calls by name, in that order."""
    by_name = {tool.name: tool for tool in reversed(tools)}
    named = [by_name[name] for name in _CALL.findall(prompt.said) if name in by_name]
    return named[:_MOST_CALLS]


def _planned(tool: _Tool, prompt: Prompt) -> PlannedCall:
    if tool.kind == "custom":
        return PlannedCall(tool.kind, tool.name, _input(tool, prompt))
    arguments = sample_at(f"{tool.path}.parameters", tool.definition.get("parameters"))
    return PlannedCall(tool.kind, tool.name, write_json(arguments))


def _input(tool: _Tool, prompt: Prompt) -> str:
    grammar = members(members(tool.definition.get("format")).get("grammar"))
    pattern = grammar.get("definition")
    if grammar.get("syntax") != "regex" or type(pattern) is not str:
        # A Lark grammar would take a parser of Lark: such a tool gets a text like any other, and has to say so.
        return f"Input for {tool.name}: {mend(prompt.said[:200])}"
    schema = {"type": "string", "pattern": pattern}
    return str(sample_at(f"{tool.path}.format.grammar.definition", schema))


def sample_at(path: str, schema: Any, *, variant: int = 0) -> Any:
    """A value for the schema at this path of a body; the path of an UnusableSchemaError goes on from there."""
    try:
        return sample(schema, variant=variant)
    except UnusableSchemaError as error:
        raise UnusableSchemaError(".".join(filter(None, (path, error.path))), error.reason) from None
