"""Functions and models as tools."""

import enum
import functools
import inspect
import math
import subprocess
import sys
from datetime import date
from typing import Annotated, Any, Generic, TypeVar

import pytest
from pydantic import BaseModel, ConfigDict, Discriminator, Field, RootModel, ValidationError

from chatstream.errors import ParameterError
from chatstream.parser import ChatStreamParser
from chatstream.structured import FunctionTool, ToolContext, function_tool

T = TypeVar("T")


class Unit(enum.Enum):
    CELSIUS = "C"
    FAHRENHEIT = "F"


class Place(BaseModel):
    city: str


def get_weather(place: Place, day: date, unit: Unit = Unit.CELSIUS) -> str:
    """The weather in a place.

    Args:
        place: Where to look.
        day: When to look.
        unit: Of the temperature.
    """
    return f"{place.city} {day} {unit.value}"


WEATHER = '{"place": {"city": "Oslo"}, "day": "2024-02-29"}'


def context(**members):
    given = {"context": "mine", "tool_call_id": "call_1", "name": "f", "messages": ()}
    return ToolContext(**{**given, **members})


def run(tool, text="{}"):
    return tool.call(tool.model_validate_json(text), context())


# ---------------------------------------------------------------- what is sent


def test_a_typed_function_is_sent_as_a_strict_tool():
    assert function_tool(get_weather).to_param() == {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather in a place.",
            "parameters": {
                "title": "get_weather",
                "type": "object",
                "$defs": {
                    "Place": {
                        "title": "Place",
                        "type": "object",
                        "properties": {"city": {"title": "City", "type": "string"}},
                        "required": ["city"],
                        "additionalProperties": False,
                    },
                    "Unit": {"title": "Unit", "type": "string", "enum": ["C", "F"]},
                },
                "properties": {
                    "place": {
                        "title": "Place",
                        "description": "Where to look.",
                        "type": "object",
                        "properties": {"city": {"title": "City", "type": "string"}},
                        "required": ["city"],
                        "additionalProperties": False,
                    },
                    "day": {"title": "Day", "description": "When to look.", "type": "string", "format": "date"},
                    "unit": {
                        "title": "Unit",
                        "description": "Of the temperature.",
                        "type": "string",
                        "enum": ["C", "F"],
                    },
                },
                "required": ["place", "day", "unit"],
                "additionalProperties": False,
            },
            "strict": True,
        },
    }


def test_without_strict_the_schema_is_as_pydantic_gives_it():
    def f(names: dict[str, int], what: Any = 1): ...

    tool = function_tool(f, strict=False)
    assert tool.to_param()["function"]["strict"] is False
    assert tool.parameters == tool.model_json_schema()
    assert tool.parameters["required"] == ["names"]
    assert tool.parameters["properties"]["names"]["additionalProperties"] == {"type": "integer"}


def test_a_tool_without_a_description_sends_none():
    assert "description" not in function_tool(lambda: None, name="f").to_param()["function"]
    assert "description" not in function_tool(get_weather, description="").to_param()["function"]


def test_name_and_description_may_be_given():
    tool = function_tool(get_weather, name="weather-2", description="Other.")
    assert (tool.name, tool.__name__, tool.description) == ("weather-2", "weather-2", "Other.")
    assert tool.to_param()["function"]["name"] == "weather-2"
    assert tool.parameters["properties"]["day"]["description"] == "When to look."


def test_what_is_handed_out_is_the_callers_own():
    tool = function_tool(get_weather)
    tool.parameters["properties"].clear()
    tool.to_param()["function"]["parameters"].clear()
    tool.model_json_schema().clear()
    assert len(tool.parameters["properties"]) == len(tool.model_json_schema()["properties"]) == 3


def test_a_function_without_parameters_is_an_empty_object():
    assert function_tool(lambda: 1, name="f").parameters == {
        "title": "f",
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
    }


# ---------------------------------------------------------------- the call


def test_arguments_are_read_as_what_the_annotations_say():
    tool = function_tool(get_weather)
    assert tool.model_validate_json(WEATHER) == {"place": Place(city="Oslo"), "day": date(2024, 2, 29)}
    assert run(tool, WEATHER) == "Oslo 2024-02-29 C"
    assert run(tool, WEATHER[:-1] + ', "unit": "F"}') == "Oslo 2024-02-29 F"


@pytest.mark.parametrize("text", ["", " ", "\n\t", "{}"])
def test_a_blank_text_has_no_arguments(text):
    def f(a: int = 7):
        return a

    assert run(function_tool(f), text) == 7
    with pytest.raises(ValidationError):
        function_tool(get_weather).model_validate_json(text)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "null", '{"a": "x"}', '{"a": 1, "b": 2}', '{"a": 1, "ctx": {}}', '{"a": 1} x', '{"a": "\ud800"}'],
)
def test_arguments_that_do_not_fit_are_pydantics_error(text):
    def f(a: int, ctx: ToolContext[str] | None = None): ...

    with pytest.raises(ValidationError):
        function_tool(f).model_validate_json(text)


def test_a_tool_is_called_as_its_function_was_written():
    tool = function_tool(get_weather)
    assert tool(Place(city="Rome"), date(2024, 1, 1), unit=Unit.FAHRENHEIT) == "Rome 2024-01-01 F"
    assert tool.function is tool.__wrapped__ is get_weather
    assert tool.__doc__ == get_weather.__doc__
    assert inspect.signature(tool) == inspect.signature(get_weather)
    assert repr(tool) == "FunctionTool(get_weather)"


def test_the_context_goes_to_who_asks_for_it():
    @function_tool
    def f(a: int, ctx: ToolContext[str]) -> tuple[int, str, str | None]:
        return a, ctx.context, ctx.tool_call_id

    assert list(f.parameters["properties"]) == ["a"]
    assert run(f, '{"a": 1}') == (1, "mine", "call_1")


@pytest.mark.anyio
async def test_an_async_tool_gives_something_to_await():
    async def plain(a: int) -> int:
        return a

    class Instance:
        async def __call__(self, a: int) -> int:
            return a

        async def method(self, a: int) -> int:
            return a

    class Model(BaseModel):
        a: int

        async def __call__(self) -> int:
            return self.a

    for function in (
        plain,
        Instance(),
        Instance().method,
        functools.partial(plain),
        functools.partial(Instance()),
        Model,
    ):
        tool = function_tool(function, name="f")
        assert tool.is_async
        assert await run(tool, '{"a": 5}') == 5
    assert not function_tool(get_weather).is_async


def test_what_a_function_raises_is_its_own():
    def f() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run(function_tool(f))


# ---------------------------------------------------------------- models


class GetTime(BaseModel):
    """The time in a city.

    Args: this is all text.
    """

    city: str = Field(description="Where.")
    zone: str | None = None

    def __call__(self) -> str:
        return f"12:00 in {self.city}"


class Later(GetTime):
    def __call__(self, ctx: ToolContext[str]) -> str:
        return f"{ctx.context} in {self.city}"


class Data(BaseModel):
    city: str


class Page(BaseModel, Generic[T]):
    """A page."""

    entries: list[T]


def test_a_model_is_sent_with_its_name_its_docstring_and_its_fields():
    function = function_tool(GetTime).to_param()["function"]
    assert function["name"] == "GetTime"
    assert function["description"] == "The time in a city.\n\nArgs: this is all text."
    assert function["parameters"]["required"] == ["city", "zone"]
    assert function["parameters"]["properties"]["city"]["description"] == "Where."


def test_only_its_own_docstring_is_a_models_description():
    assert function_tool(Data).description is None
    assert function_tool(Later).description is None
    assert function_tool(Page[int], name="page").description == "A page."


def test_a_model_is_called_by_its_own_call():
    assert function_tool(GetTime).model_validate_json('{"city": "Oslo"}') == GetTime(city="Oslo")
    assert run(function_tool(GetTime), '{"city": "Oslo"}') == "12:00 in Oslo"
    assert run(function_tool(Later), '{"city": "Oslo"}') == "mine in Oslo"
    assert function_tool(GetTime).can_run


def test_a_model_without_a_call_can_be_sent_and_read_and_not_run():
    tool = function_tool(Data)
    assert not tool.can_run
    assert not tool.is_async
    assert tool.model_validate_json('{"city": "Oslo"}') == tool(city="Oslo") == Data(city="Oslo")
    with pytest.raises(TypeError, match="Data: the model has no __call__"):
        run(tool, '{"city": "Oslo"}')


def test_a_model_whose_call_wants_more_is_told_when_it_is_made():
    class Wants(BaseModel):
        def __call__(self, more: int) -> None: ...

    with pytest.raises(TypeError, match="Wants: its __call__ is given the context at most, and nothing for more"):
        function_tool(Wants)


def test_a_parser_reads_arguments_with_it():
    tool = function_tool(get_weather)
    parser = ChatStreamParser(tools=[tool])
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "get_weather", "arguments": WEATHER}}
    parser.feed_chunk({"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]})
    parser.close()
    (read,) = parser.parsed_values()["choices"][0]["message"]["tool_calls"]
    assert read["function"]["parsed_arguments"] == tool.model_validate_json(WEATHER)


# ---------------------------------------------------------------- options and mistakes


def test_it_is_a_decorator_with_and_without_options():
    @function_tool
    def plain(a: int) -> int:
        return a

    @function_tool()
    def empty(a: int) -> int:
        return a

    @function_tool(name="other", strict=False, on_error="raise", timeout=1.5)
    def named(a: int) -> int:
        return a

    assert [tool.name for tool in (plain, empty, named)] == ["plain", "empty", "other"]
    assert (plain.strict, plain.on_error, plain.timeout) == (True, "report", None)
    assert (named.strict, named.on_error, named.timeout) == (False, "raise", 1.5)
    assert plain(3) == empty(3) == named(3) == 3
    assert all(isinstance(tool, FunctionTool) for tool in (plain, empty, named))


@pytest.mark.parametrize("name", ["", "a b", "a.b", "été", "a" * 65, "a\n", "<lambda>"])
def test_a_name_that_the_api_would_refuse_is_told(name):
    with pytest.raises(ParameterError, match="name=") as caught:
        function_tool(get_weather, name=name)
    assert caught.value.param == "name"
    assert repr(name[:80]) in caught.value.message


def test_a_function_whose_own_name_is_unfit_needs_one():
    for function in (lambda: None, Page[int]):
        with pytest.raises(ParameterError, match="name="):
            function_tool(function)
    assert function_tool(functools.partial(get_weather, unit=Unit.CELSIUS)).name == "get_weather"

    class Clock:
        def __call__(self) -> str:
            """The time."""
            return "12:00"

    assert (function_tool(Clock()).name, function_tool(Clock()).description) == ("Clock", "The time.")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"name": 7}, TypeError, "name: expected a str, got int"),
        ({"description": 7}, TypeError, "description: expected a str, got int"),
        ({"strict": None}, TypeError, "strict: expected true or false, got NoneType"),
        ({"on_error": "ignore"}, ValueError, "on_error: expected 'report' or 'raise', got 'ignore'"),
        ({"on_error": []}, ValueError, "on_error: expected 'report' or 'raise'"),
        ({"timeout": True}, TypeError, "timeout: expected seconds as a number, or None, got bool"),
        ({"timeout": "1"}, TypeError, "timeout: expected seconds as a number, or None, got str"),
        ({"timeout": 0}, ValueError, "timeout: expected seconds above 0, got 0"),
        ({"timeout": -1.0}, ValueError, "timeout: expected seconds above 0"),
        ({"timeout": math.inf}, ValueError, "timeout: expected seconds above 0, got inf"),
        ({"timeout": math.nan}, ValueError, "timeout: expected seconds above 0, got nan"),
        ({"retries": 1}, TypeError, "retries"),
    ],
)
def test_an_option_that_is_none_is_told_by_its_name(options, error, message):
    with pytest.raises(error, match=message):
        function_tool(get_weather, **options)
    with pytest.raises(error, match=message):
        function_tool(**options)(get_weather)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (7, "expected a function or a pydantic model, got an instance of int"),
        (dict, "expected a function or a pydantic model, got the class dict"),
        (Unit, "got the class Unit"),
        (Place(city="a"), "got an instance of Place"),
        (function_tool(get_weather), "got the tool get_weather"),
    ],
)
def test_what_is_no_function_and_no_model_is_told(given, message):
    with pytest.raises(TypeError, match=message):
        function_tool(given)


def test_problems_are_told_when_the_tool_is_made():
    class Strange: ...

    def untyped(a): ...
    def unknown(a: Strange): ...
    def unbuildable(a: Annotated[str, Field(pattern="(")]): ...
    def misfit(a: Annotated[str, Discriminator("kind")]): ...
    def mapped(names: dict[str, int]): ...

    for function, error, message in (
        (untyped, TypeError, "untyped: the parameter a has no annotation"),
        (unknown, TypeError, r"unknown\.parameters: no JSON can be read as this type: .*Strange"),
        (unbuildable, TypeError, r"unbuildable\.parameters: no JSON can be read as this type"),
        (misfit, TypeError, r"misfit\.parameters: no JSON can be read as this type"),
        (mapped, ParameterError, r"mapped\.parameters: .*\$\.properties\.names\.additionalProperties"),
        (RootModel[list[int]], ParameterError, r"f\.parameters: .*not an object"),
    ):
        with pytest.raises(error, match=message):
            function_tool(function, name=function.__name__.partition("[")[0].replace("RootModel", "f"))
    assert function_tool(mapped, strict=False).name == "mapped"


def test_a_model_keeps_its_own_rules_for_unknown_arguments():
    class Closed(BaseModel):
        model_config = ConfigDict(extra="forbid")

    assert function_tool(Data).model_validate_json('{"city": "a", "more": 1}') == Data(city="a")
    with pytest.raises(ValidationError):
        function_tool(Closed).model_validate_json('{"more": 1}')


# ---------------------------------------------------------------- the context


def test_a_context_is_cancelled_when_its_callable_says_so():
    cancelled = []
    given = context(_cancelled=lambda: bool(cancelled))
    assert not given.is_cancelled
    cancelled.append(True)
    assert given.is_cancelled
    assert not context().is_cancelled


def test_a_printed_context_shows_no_prompt_and_no_secret():
    shown = repr(context(context={"key": "hidden"}, messages=[{"role": "user", "content": "hidden"}]))
    assert "hidden" not in shown
    assert "call_1" in shown


def test_nothing_of_this_is_loaded_before_it_is_used():
    command = (
        "import sys, chatstream; print([name for name in sys.modules if 'structured' in name or 'docstring' in name])"
    )
    result = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
