"""The tools of a run: what is sent of them, and which one a call is for."""

import functools
import json

import pytest
from pydantic import BaseModel, ValidationError

from chatstream.errors import ParameterError, StreamProtocolError
from chatstream.structured import ToolContext, function_tool
from chatstream.tools.calls import ToolCall
from chatstream.tools.toolbox import Deny, Toolbox

CONTEXT = ToolContext(context="app", tool_call_id="call_1", name="f", messages=())
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def get_weather(city: str) -> str:
    """How the weather is."""
    return f"sunny in {city}"


async def get_news(city: str) -> str:
    return city


def run(text):
    return text.upper()


class Add(BaseModel):
    """Adds two numbers."""

    a: int
    b: int

    def __call__(self) -> int:
        return self.a + self.b


class Form(BaseModel):
    name: str


def function_dict(name="weather", **members):
    return {"type": "function", "function": {"name": name, "parameters": SCHEMA, **members}}


def custom_dict(name="shell", **members):
    return {"type": "custom", "custom": {"name": name, **members}}


def call(name, arguments="{}", *, kind="function"):
    return ToolCall(0, None if kind == "function_call" else "call_1", kind, name, arguments)


def answered(toolbox, asked):
    tool = toolbox.find(asked)
    return tool.call(tool.read(asked.arguments), CONTEXT)


def toolbox(*tools, functions=()):
    return Toolbox(tools, functions, allow_async=True)


# Tools that describe themselves


@pytest.mark.parametrize("tool", [get_weather, function_tool(get_weather)])
def test_a_function_is_a_tool(tool):
    box = toolbox(tool)
    assert box.params == [function_tool(get_weather).to_param()]
    assert box.names == ("get_weather",)
    assert answered(box, call("get_weather", '{"city": "Bern"}')) == "sunny in Bern"


def test_a_model_that_can_be_called_is_a_tool():
    box = toolbox(Add)
    assert box.params[0]["function"]["description"] == "Adds two numbers."
    assert answered(box, call("Add", '{"a": 1, "b": 2}')) == 3


def test_a_model_that_cannot_be_called_is_none():
    for tool in (Form, function_tool(Form)):
        with pytest.raises(TypeError, match=r"tools\[0\]: Form: its class has no __call__"):
            toolbox(tool)


def test_the_options_of_a_tool_are_kept():
    tool = toolbox(function_tool(get_weather, name="w", on_error="raise", timeout=2.5)).find(call("w"))
    assert (tool.name, tool.kind, tool.on_error, tool.timeout, tool.is_async) == ("w", "function", "raise", 2.5, False)


def test_a_function_reports_its_errors_and_takes_its_time_by_default():
    tool = toolbox(get_weather).find(call("get_weather"))
    assert (tool.on_error, tool.timeout) == ("report", None)


def test_arguments_that_do_not_fit_a_function_are_a_validation_error():
    with pytest.raises(ValidationError):
        toolbox(get_weather).find(call("get_weather")).read('{"city": 5}')


def test_what_is_wrong_with_a_function_is_told_by_its_name():
    def untyped(city):
        return city

    with pytest.raises(TypeError, match="untyped"):
        toolbox(untyped)


# Tools that a dict describes


@pytest.mark.parametrize(
    "tool",
    [
        function_dict(function=get_weather),
        function_dict(callable=get_weather),
        function_dict(whatever=get_weather, parse=None),
        {**function_dict(), "callable": get_weather},
        {**function_dict(), "run": functools.partial(get_weather)},
    ],
)
def test_a_dict_with_a_callable_at_either_level_is_a_tool_and_is_sent_without_it(tool):
    before = dict(tool), dict(tool["function"])
    box = toolbox(tool)
    assert box.params == [function_dict()]
    assert (tool, tool["function"]) == before
    assert answered(box, call("weather", '{"city": "Bern"}')) == "sunny in Bern"


def test_other_members_are_sent_as_they_are_and_share_nothing_with_the_callers_dict():
    tool = {**function_dict(strict=False, function=get_weather), "cache": {"ttl": [5]}}
    (param,) = toolbox(tool).params
    assert param == {**function_dict(strict=False), "cache": {"ttl": [5]}}
    assert param["cache"]["ttl"] is not tool["cache"]["ttl"]
    assert param["function"]["parameters"] is not SCHEMA


def test_without_a_name_it_has_that_of_its_callable():
    tool = {"type": "function", "function": {"parameters": SCHEMA, "function": functools.partial(get_weather)}}
    box = toolbox(tool)
    assert box.names == ("get_weather",)
    assert box.params == [function_dict("get_weather")]


@pytest.mark.parametrize("function", [lambda: None, functools.partial(lambda: None)])
def test_a_lambda_needs_a_name(function):
    with pytest.raises(TypeError, match=r"tools\[0\]: expected a name, got none"):
        toolbox({"type": "function", "function": {"function": function}})


@pytest.mark.parametrize("name", ["", 5, None])
def test_a_name_is_text(name):
    with pytest.raises(TypeError, match=r"tools\[0\]: expected a name, got none"):
        toolbox(function_dict(name, function=get_weather))


def test_with_parse_the_callable_gets_what_that_makes_of_the_arguments():
    box = toolbox(function_dict(function=sorted, parse=json.loads))
    assert answered(box, call("weather", '{"b": 1, "a": 2}')) == ["a", "b"]
    assert box.params == [function_dict()]


@pytest.mark.parametrize("text", ["", "  "])
def test_blank_arguments_are_none_for_parse_too(text):
    box = toolbox({**function_dict(function=lambda members: members), "parse": json.loads})
    assert answered(box, call("weather", text)) == {}


def test_what_parse_raises_is_the_problem_with_the_arguments():
    tool = toolbox(function_dict(function=run, parse=json.loads)).find(call("weather"))
    with pytest.raises(json.JSONDecodeError):
        tool.read("{")


def test_without_parse_arguments_are_checked_when_they_are_read():
    tool = toolbox(function_dict(function=get_weather)).find(call("weather"))
    with pytest.raises(ValueError, match="missing a required argument: 'city'"):
        tool.read("")
    with pytest.raises(StreamProtocolError):
        tool.read('{"city":')


def test_a_custom_tool_gets_its_input_as_it_is():
    box = toolbox(custom_dict(format={"type": "text"}, function=run))
    assert box.params == [custom_dict(format={"type": "text"})]
    assert answered(box, call("shell", ' ls\n{"a":', kind="custom")) == ' LS\n{"A":'
    assert answered(box, call("shell", "", kind="custom")) == ""


def test_a_custom_tool_may_parse_its_input():
    box = toolbox(custom_dict(function=sorted, parse=str.split))
    assert answered(box, call("shell", "b a", kind="custom")) == ["a", "b"]


def test_a_callable_in_a_dict_may_have_the_context_too():
    def where(city, context: ToolContext):
        return city, context.context

    def shell(text: str, context: "ToolContext[str]"):
        return text, context.context

    box = toolbox(function_dict(function=where), custom_dict(function=shell))
    assert answered(box, call("weather", '{"city": "Bern"}')) == ("Bern", "app")
    assert answered(box, call("shell", "ls", kind="custom")) == ("ls", "app")


def test_a_tool_made_of_a_function_may_stand_in_a_dict_and_keeps_its_options():
    made = function_tool(get_weather, on_error="raise", timeout=3)
    box = toolbox(function_dict(function=made))
    tool = box.find(call("weather"))
    assert (tool.on_error, tool.timeout) == ("raise", 3)
    assert answered(box, call("weather", '{"city": "Bern"}')) == "sunny in Bern"


# What is no tool


@pytest.mark.parametrize(
    ("tool", "problem"),
    [
        (function_dict(), "expected one callable in the dict, to be run, got none"),
        (function_dict(parse=json.loads), "got none"),
        (function_dict(function=run, callable=get_weather), "got 2: 'function', 'callable'"),
        ({**function_dict(parameters=Add), "callable": run}, "got 2: 'callable', 'parameters'"),
        (function_dict(function=run, parse="json"), "expected one callable as 'parse'"),
        ({**function_dict(function=run, parse=str), "parse": str}, "expected one callable as 'parse'"),
        ({"type": "function", "function": get_weather}, "expected a dict, got function"),
        ({"type": "function", "name": "weather", "callable": run}, "expected a dict, got NoneType"),
        ({"type": "web_search", "callable": run}, "expected 'function' or 'custom'"),
        ({"function": {"name": "weather", "function": run}}, "expected 'function' or 'custom'"),
        ({}, "expected 'function' or 'custom'"),
        (custom_dict(function=lambda: None), "shell cannot be called with one value: too many positional arguments"),
        (function_dict(function=lambda a, b: None, parse=str), "weather cannot be called with one value: missing"),
        ("get_weather", "expected a function, .*, got str"),
        (None, "expected a function, .*, got NoneType"),
        (Form(name="x"), "expected a function, .*, got Form"),
    ],
)
def test_what_is_no_tool_is_told_with_its_place(tool, problem):
    with pytest.raises(TypeError, match=r"tools\[1\].*" + problem):
        toolbox(get_weather, tool)


@pytest.mark.parametrize("tools", ["get_weather", b"x", get_weather, Add, function_dict(function=run), 5])
def test_one_tool_where_there_should_be_several_is_told(tools):
    with pytest.raises(TypeError, match=r"^tools: expected a sequence of tools"):
        Toolbox(tools, allow_async=True)
    with pytest.raises(TypeError, match=r"^functions: expected a sequence of tools"):
        Toolbox([], tools, allow_async=True)


def test_two_tools_of_one_name_cannot_be_told_apart():
    with pytest.raises(ParameterError, match=r"tools\[1\]: there is a function tool 'get_weather'") as caught:
        toolbox(get_weather, function_dict("get_weather", function=run))
    assert caught.value.param == "tools[1]"
    with pytest.raises(ParameterError, match=r"tools\[1\]: there is a custom tool 'shell'"):
        toolbox(custom_dict(function=run), custom_dict(function=run))
    with pytest.raises(ParameterError, match=r"functions\[1\]"):
        toolbox(functions=[get_weather, get_weather])


def test_async_tools_need_a_client_that_awaits_them():
    for tool in (get_news, function_dict(function=get_news), custom_dict(function=get_news)):
        assert Toolbox([tool], allow_async=True).params
        with pytest.raises(TypeError, match=r"tools\[0\]: \w+ is async: use AsyncChatClient"):
            Toolbox([tool], allow_async=False)
    with pytest.raises(TypeError, match=r"functions\[0\]: get_news is async"):
        Toolbox([], [get_news], allow_async=False)


@pytest.mark.anyio
async def test_an_async_tool_gives_something_to_await():
    box = toolbox(get_news, function_dict(function=get_news), custom_dict(function=get_news))
    for asked in (
        call("get_news", '{"city": "Bern"}'),
        call("weather", '{"city": "Bern"}'),
        call("shell", "Bern", kind="custom"),
    ):
        assert box.find(asked).is_async
        assert await answered(box, asked) == "Bern"


# The older form


def test_functions_are_sent_as_the_inner_dict_without_strict():
    definition = function_tool(get_weather).to_param()["function"]
    del definition["strict"]
    for function in (get_weather, function_tool(get_weather)):
        box = toolbox(functions=[function])
        assert (box.params, box.functions, box.names) == ([], [definition], ("get_weather",))


def test_a_flat_dict_with_a_callable_is_a_function():
    box = toolbox(functions=[{"name": "weather", "parameters": SCHEMA, "function": get_weather}])
    assert box.functions == [{"name": "weather", "parameters": SCHEMA}]
    assert answered(box, call("weather", '{"city": "Bern"}', kind="function_call")) == "sunny in Bern"


def test_a_dict_in_the_newer_form_is_no_function_of_the_older():
    with pytest.raises(TypeError, match=r"functions\[0\]: .* got none"):
        toolbox(functions=[function_dict(function=get_weather)])


# Which tool a call is for


@pytest.fixture
def box():
    return toolbox(
        function_dict("x", function=lambda: "function"),
        custom_dict("x", function=lambda text: "custom"),
        function_dict("new", function=lambda: "new"),
        custom_dict("free", function=lambda text: "free"),
        functions=[{"name": "x", "function": lambda: "older"}, {"name": "old", "function": lambda: "old"}],
    )


@pytest.mark.parametrize(
    ("kind", "name", "result"),
    [
        ("function", "x", "function"),
        ("custom", "x", "custom"),
        ("function_call", "x", "older"),
        ("function", "new", "new"),
        ("function_call", "new", "new"),
        ("function", "old", "old"),
        ("function_call", "old", "old"),
        ("custom", "free", "free"),
    ],
)
def test_a_call_finds_the_tool_of_its_kind_and_either_form_finds_the_other(box, kind, name, result):
    assert answered(box, call(name, kind=kind)) == result


@pytest.mark.parametrize(
    ("kind", "name"),
    [("custom", "new"), ("function", "free"), ("function_call", "free"), ("function", ""), ("function", "X")],
)
def test_a_call_of_another_kind_or_name_finds_none(box, kind, name):
    assert box.find(call(name, kind=kind)) is None


def test_names_are_told_once_and_tools_are_sent_in_their_order(box):
    assert box.names == ("x", "new", "free", "old")
    assert [param["type"] for param in box.params] == ["function", "custom", "function", "custom"]
    assert [function["name"] for function in box.functions] == ["x", "old"]


def test_a_toolbox_may_be_empty():
    empty = Toolbox(allow_async=False)
    assert (empty.params, empty.functions, empty.names) == ([], [], ())
    assert empty.find(call("x")) is None


def test_tools_may_come_from_an_iterator():
    assert Toolbox(iter([get_weather]), iter([get_weather]), allow_async=False).names == ("get_weather",)


def test_a_refusal_may_have_a_reason():
    assert Deny() == Deny("")
    assert Deny("not today").reason == "not today"
