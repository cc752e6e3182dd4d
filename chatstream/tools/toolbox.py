"""The tools of a run: what is sent of them, and which one a call is for.

In go functions, models, tools that were made of them, and dicts with a callable in them; out come the parameters of
the request, and for each call its tool. Rules: what is no tool, or could not be told from another, is an error before
anything is sent, with its place in what was given; nothing that can be called is sent; a dict is sent as it was
otherwise, and belongs to the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

from chatstream.errors import ParameterError
from chatstream.jsontext import copied
from chatstream.structured import FunctionTool, tool_at
from chatstream.structured.functions import is_async
from chatstream.structured.signatures import innermost
from chatstream.tools.callables import ByName, WithValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chatstream.structured import ToolContext
    from chatstream.tools.calls import ToolCall

__all__ = ["Deny", "Tool", "Toolbox"]

_TAKEN = "a function, a tool made by function_tool, a pydantic model with a __call__, or a dict with one callable in it"
_SHOWN = 64  # characters of a name


@dataclass(frozen=True)
class Deny:
    """What ``before_call`` returns so that a call is not run; the model is told so, and the reason if there is one."""

    reason: str = ""


@dataclass(frozen=True)
class Tool:
    """A tool of a run: ``param`` is what is sent of it, ``read`` and ``call`` are what is done with a call's text.

    ``read`` gives the arguments; if they do not fit, it raises ValueError, a ChatStreamError, or whatever somebody's
    ``parse`` raises. ``call`` gives the result for them, or an awaitable of it if ``is_async``. A ``timeout`` is in
    seconds.
    """

    name: str
    kind: Literal["function", "custom"]
    param: dict[str, Any]
    read: Callable[[str], Any]
    call: Callable[[Any, ToolContext[Any]], Any]
    is_async: bool
    on_error: Literal["report", "raise"]
    timeout: float | None


class Toolbox:
    """The tools of a run: ``params`` and ``functions`` are what is sent of them, in order, and ``names`` their names.

    Raises TypeError for what is no tool, and for an async one unless ``allow_async``; ParameterError for two of a
    name.
    """

    params: list[dict[str, Any]]
    functions: list[dict[str, Any]]
    names: tuple[str, ...]

    def __init__(self, tools: Iterable[Any] = (), functions: Iterable[Any] = (), *, allow_async: bool) -> None:
        self._allow_async = allow_async
        self._function: dict[str, Tool] = {}
        self._custom: dict[str, Tool] = {}
        self._older: dict[str, Tool] = {}
        self.params = []
        self.functions = []
        for where, given in _listed("tools", tools):
            tool = _tool(given, where)
            self._add(tool, self._custom if tool.kind == "custom" else self._function, where)
            self.params.append(tool.param)
        for where, given in _listed("functions", functions):
            tool = _older_tool(given, where)
            self._add(tool, self._older, where)
            self.functions.append(tool.param)
        self.names = tuple(dict.fromkeys((*self._function, *self._custom, *self._older)))

    def find(self, call: ToolCall) -> Tool | None:
        """The tool that a call is for; None if there is none of its name and kind."""
        if call.type == "custom":
            return self._custom.get(call.name)
        # The form that the call has comes first. A service that knows one form alone answers in that.
        first, second = self._function, self._older
        if call.type == "function_call":
            first, second = second, first
        return first.get(call.name) or second.get(call.name)

    def _add(self, tool: Tool, tools: dict[str, Tool], where: str) -> None:
        if tool.is_async and not self._allow_async:
            raise TypeError(f"{where}: {tool.name[:_SHOWN]} is async: use AsyncChatClient, which awaits it")
        if tool.name in tools:
            name = tool.name[:_SHOWN]
            raise ParameterError(f"{where}: there is a {tool.kind} tool {name!r} before it already", param=where)
        tools[tool.name] = tool


def _listed(what: str, tools: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """What was given, each with its place; TypeError for a tool where there should be several."""
    if isinstance(tools, str | bytes | Mapping) or callable(tools) or not isinstance(tools, Iterable):
        raise TypeError(f"{what}: expected a sequence of tools, got {type(tools).__name__}")
    for index, given in enumerate(tools):
        yield f"{what}[{index}]", given


def _tool(given: Any, where: str) -> Tool:
    return _described_tool(given, where) if isinstance(given, Mapping) else _function_tool(given, where)


def _older_tool(given: Any, where: str) -> Tool:
    """A tool in the older form, which is what stands within the newer one, and knows nothing of strict schemas."""
    if isinstance(given, Mapping):
        parts = _Parts(where, given)
        return parts.tool("function", parts.levels[0])
    tool = _function_tool(given, where)
    definition = {name: value for name, value in tool.param["function"].items() if name != "strict"}
    return replace(tool, param=definition)


def _function_tool(given: Any, where: str) -> Tool:
    """A tool that describes itself."""
    if not callable(given):
        raise TypeError(f"{where}: expected {_TAKEN}, got {type(given).__name__}")
    tool: FunctionTool[..., Any] = tool_at(where, given)
    if not tool.can_run:
        raise TypeError(f"{where}: {tool.name}: its class has no __call__, so there is nothing to run")
    return Tool(
        name=tool.name,
        kind="function",
        param=cast("dict[str, Any]", tool.to_param()),
        read=tool.model_validate_json,
        call=tool.call,
        is_async=tool.is_async,
        on_error=tool.on_error,
        timeout=tool.timeout,
    )


def _described_tool(given: Mapping[str, Any], where: str) -> Tool:
    """A tool that a dict describes."""
    kind = given.get("type")
    if kind != "function" and kind != "custom":  # noqa: PLR1714  a type checker sees no words in a set
        raise TypeError(f"{where}.type: expected 'function' or 'custom', got {str(kind)[:_SHOWN]!r}")
    described = given.get(kind)
    if not isinstance(described, Mapping):
        raise TypeError(f"{where}.{kind}: expected a dict, got {type(described).__name__}")
    parts = _Parts(where, {name: value for name, value in given.items() if name != kind}, described)
    outer, definition = parts.levels
    return parts.tool(kind, definition, within=outer)


class _Parts:
    """A dict with a callable in it, taken apart: what is sent, level by level, and what is called."""

    def __init__(self, where: str, *levels: Mapping[str, Any]) -> None:
        members = [member for level in levels for member in level.items()]
        called = [(key, value) for key, value in members if key != "parse" and callable(value)]
        parsers = [value for key, value in members if key == "parse" and value is not None]
        if len(called) != 1:
            found = f"{len(called)}: {', '.join(repr(key) for key, _ in called)}" if called else "none"
            raise TypeError(f"{where}: expected one callable in the dict, to be run, got {found}")
        if len(parsers) > 1 or not all(map(callable, parsers)):
            raise TypeError(f"{where}: expected one callable as 'parse', which makes something of the arguments")
        self._where = where
        self._function: Any = called[0][1]
        self._parse: Callable[[str], Any] | None = parsers[0] if parsers else None
        self.levels: list[dict[str, Any]] = [
            {key: copied(value) for key, value in level.items() if key != "parse" and not callable(value)}
            for level in levels
        ]

    def tool(
        self,
        kind: Literal["function", "custom"],
        definition: dict[str, Any],
        *,
        within: dict[str, Any] | None = None,
    ) -> Tool:
        """The tool; ``within`` is what the definition stands in where it is sent."""
        name = definition.setdefault("name", getattr(innermost(self._function), "__name__", None))
        if not isinstance(name, str) or name in {"", "<lambda>"}:
            raise TypeError(f"{self._where}: expected a name, got none")
        read, call = self._by_name() if kind == "function" and self._parse is None else self._with_value(kind, name)
        own = self._function if isinstance(self._function, FunctionTool) else None
        return Tool(
            name=name,
            kind=kind,
            param=definition if within is None else {**within, kind: definition},
            read=read,
            call=call,
            is_async=is_async(self._function),
            on_error="report" if own is None else own.on_error,
            timeout=None if own is None else own.timeout,
        )

    def _by_name(self) -> tuple[Callable[[str], Any], Callable[..., Any]]:
        called = ByName(self._function)
        return called.read, called.call

    def _with_value(self, kind: str, name: str) -> tuple[Callable[[str], Any], Callable[..., Any]]:
        try:
            called = WithValue(self._function)
        except TypeError as error:
            raise TypeError(f"{self._where}: {name[:_SHOWN]} cannot be called with one value: {error}") from error
        parse = self._parse or str
        # JSON that nobody wrote is the JSON of no arguments; a custom tool's input is text, and may well be blank.
        return (parse if kind == "custom" else lambda text: parse(text if text.strip() else "{}")), called.call
