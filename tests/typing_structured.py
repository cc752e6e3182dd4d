"""What type checkers must see of tools made of functions and models. Read by mypy and basedpyright, never run."""

from typing import Any, assert_type

from pydantic import BaseModel

from chatstream.structured import FunctionTool, OutputFormat, ToolContext, function_tool
from chatstream.types import ChatCompletionFunctionToolParam


class Place(BaseModel):
    city: str


def length(text: str) -> int:
    return len(text)


def by_position(text: str, /) -> int:
    return len(text)


def weather(place: Place, *, unit: str = "C") -> str:
    return f"{place.city} in {unit}"


async def later(text: str) -> int:
    return len(text)


def with_context(text: str, context: ToolContext[dict[str, int]]) -> int:
    return context.context[text]


@function_tool
def plain(text: str) -> int:
    return len(text)


@function_tool()
def empty(text: str) -> int:
    return len(text)


@function_tool(name="other", description="D", strict=False, on_error="raise", timeout=2)
def named(text: str) -> int:
    return len(text)


@function_tool(timeout=1.5)
async def awaited(text: str) -> int:
    return len(text)


def a_tool_keeps_parameters_and_result() -> None:
    assert_type(function_tool(by_position), FunctionTool[[str], int])
    tool: FunctionTool[[str], int] = function_tool(length)
    assert_type(tool("a"), int)
    assert_type(function_tool(length)("a"), int)
    assert_type(function_tool(length, name="x", timeout=3)("a"), int)
    assert_type(function_tool(weather)(Place(city="a"), unit="F"), str)
    function_tool(length)(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    function_tool(length)()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    function_tool(weather)(Place(city="a"), "F")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def a_decorator_does_so_in_each_form() -> None:
    assert_type(plain("a"), int)
    assert_type(empty("a"), int)
    assert_type(named("a"), int)
    named(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(function_tool(name="x")(length)("a"), int)


async def an_async_tool_gives_what_is_awaited() -> None:
    assert_type(await function_tool(later)("a"), int)
    assert_type(await awaited("a"), int)


def a_model_is_a_tool_that_makes_its_instances() -> None:
    assert_type(function_tool(Place)(city="a"), Place)
    assert_type(function_tool(Place, strict=False)(city="a"), Place)


def options_are_what_they_are() -> None:
    function_tool(length, on_error="ignore")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    function_tool(length, "name")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    function_tool(7)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


def members_are_typed(tool: FunctionTool[[str], int], context: ToolContext[dict[str, int]]) -> None:
    assert_type(tool.name, str)
    assert_type(tool.description, str | None)
    assert_type(tool.timeout, float | None)
    assert_type(tool.parameters, dict[str, Any])
    assert_type(tool.to_param(), ChatCompletionFunctionToolParam)
    assert_type(tool.can_run, bool)
    assert_type(context.context, dict[str, int])
    assert_type(context.is_cancelled, bool)
    assert_type(context.tool_call_id, str | None)


def a_format_is_of_what_it_reads() -> None:
    assert_type(OutputFormat(Place), OutputFormat[Place])
    assert_type(OutputFormat(Place).model_validate_json("{}"), Place)
    assert_type(OutputFormat(Place).param, dict[str, Any])
