"""Callables that somebody else described: how they are called."""

import functools
from typing import TYPE_CHECKING, Annotated

import pytest

from chatstream.errors import StreamLimitError, StreamProtocolError
from chatstream.structured import ToolContext, function_tool
from chatstream.structured.functions import is_async
from chatstream.tools.callables import ByName, WithValue

if TYPE_CHECKING:
    from nowhere import Missing

CONTEXT = ToolContext(context="app", tool_call_id="call_1", name="f", messages=())


def called(function, text):
    by_name = ByName(function)
    return by_name.call(by_name.read(text), CONTEXT)


# Arguments by name


def forecast(city, days=1, *, unit="C"):
    return city, days, unit


def positional(city, days=1, /, unit="C"):
    return city, days, unit


def anything(**members):
    return members


def with_context(city, context: ToolContext):
    return city, context


def context_in_front(context: "ToolContext[str]", city, /):
    return city, context


def context_by_keyword(city, *, context: Annotated[ToolContext | None, "the run"] = None):
    return city, context


def context_among_the_unknown(city: "Missing", context: "ToolContext | None" = None) -> "Missing":
    return city, context


class Service:
    def by_method(self, city, context: ToolContext):
        return city, context

    def __call__(self, city, context: ToolContext):
        return city, context


class ServiceOfAnotherModule:
    def __call__(self, city: "Missing", context: "ToolContext[str]"):
        return city, context


@pytest.mark.parametrize("function", [forecast, positional])
@pytest.mark.parametrize(
    ("text", "result"),
    [
        ('{"city": "Bern"}', ("Bern", 1, "C")),
        ('{"city": "Bern", "days": 3}', ("Bern", 3, "C")),
        ('{"unit": "F", "city": null}', (None, 1, "F")),
    ],
)
def test_an_object_is_arguments_by_name_even_where_they_are_given_by_position(function, text, result):
    assert called(function, text) == result


@pytest.mark.parametrize("text", ["", " \n\t", "{}"])
def test_a_blank_text_has_no_arguments(text):
    assert called(lambda: "called", text) == "called"


@pytest.mark.parametrize("name", ["self", "function", "text", "arguments", "context", "kwargs", "", "a b"])
def test_any_name_is_an_argument_where_any_is_taken(name):
    assert called(anything, f'{{"{name}": 1}}') == {name: 1}


def test_nothing_is_converted():
    assert called(lambda days: days, '{"days": "3"}') == "3"


@pytest.mark.parametrize(
    "function",
    [
        with_context,
        context_in_front,
        context_by_keyword,
        context_among_the_unknown,
        Service().by_method,
        Service(),
        ServiceOfAnotherModule(),
        functools.partial(with_context),
    ],
)
def test_a_parameter_annotated_so_gets_the_context(function):
    assert called(function, '{"city": "Bern"}') == ("Bern", CONTEXT)


@pytest.mark.parametrize("function", [with_context, context_in_front, context_by_keyword])
def test_the_context_is_not_for_the_model_to_give(function):
    with pytest.raises(ValueError, match="unexpected keyword argument 'context'"):
        ByName(function).read('{"city": "Bern", "context": "mine"}')


def test_what_a_partial_holds_is_not_for_the_model_to_give():
    def ask(city, *, key, **more):
        return city, key, more

    function = functools.partial(ask, key="secret", also="kept")
    assert called(function, '{"city": "Bern"}') == ("Bern", "secret", {"also": "kept"})
    for name in ("key", "also"):
        with pytest.raises(ValueError, match=f"unexpected keyword argument '{name}'"):
            ByName(function).read(f'{{"city": "Bern", "{name}": "mine"}}')


@pytest.mark.parametrize(
    ("function", "text", "problem"),
    [
        (forecast, "{}", "missing a required argument: 'city'"),
        (positional, "{}", "missing a required argument: 'city'"),
        (forecast, '{"city": "Bern", "week": 1}', "got an unexpected keyword argument 'week'"),
        (with_context, "{}", "missing a required argument: 'city'"),
        (forecast, "[]", "they must be a JSON object"),
        (forecast, "null", "they must be a JSON object"),
        (forecast, '"Bern"', "they must be a JSON object"),
    ],
)
def test_arguments_that_it_does_not_take_are_found_before_it_is_called(function, text, problem):
    with pytest.raises(ValueError, match=problem):
        ByName(function).read(text)


def test_a_type_error_of_its_own_is_its_own():
    def broken(city):
        raise TypeError("missing a required argument: 'city'")

    arguments = ByName(broken).read('{"city": "Bern"}')
    with pytest.raises(TypeError, match="missing"):
        ByName(broken).call(arguments, CONTEXT)


def test_what_is_no_json_is_told():
    with pytest.raises(StreamProtocolError, match="malformed JSON"):
        ByName(forecast).read('{"city": "Bern"')
    with pytest.raises(StreamLimitError):
        ByName(forecast).read('{"city": ' + "[" * 400 + "]" * 400 + "}")


def test_half_a_surrogate_pair_is_replaced():
    assert ByName(forecast).read('{"city": "\\ud800"}') == {"city": "\ufffd"}
    assert ByName(forecast).read('{"city": "\ud800"}')["city"].encode()


def test_a_callable_that_does_not_tell_its_parameters_is_called_all_the_same():
    assert called(dict, '{"a": 1}') == {"a": 1}
    assert WithValue(int).call("7", CONTEXT) == 7


# One value


@pytest.mark.parametrize(
    "function",
    [
        lambda value: value,
        lambda value, more=None: value,
        lambda *values: values[0],
        lambda value, /: value,
        lambda value="": value,
    ],
)
def test_a_value_is_the_first_argument(function):
    assert WithValue(function).call("ls", CONTEXT) == "ls"


def after(text, context: ToolContext, /):
    return text, context


def in_front(context: "ToolContext[str]", text):
    return text, context


def by_keyword(text, verbose=False, *, context: ToolContext):
    return text, context


def behind_a_default(text, verbose=False, context: ToolContext | None = None):
    return text, context


def with_any_number(context: ToolContext, *texts):
    return texts[0], context


@pytest.mark.parametrize("function", [after, in_front, by_keyword, behind_a_default, with_any_number])
def test_the_context_stands_in_its_own_place_beside_the_value(function):
    assert WithValue(function).call("ls", CONTEXT) == ("ls", CONTEXT)


def test_what_cannot_be_called_with_one_value_is_told_when_it_is_given():
    with pytest.raises(TypeError, match="too many positional arguments"):
        WithValue(lambda: None)
    with pytest.raises(TypeError, match="missing a required argument: 'b'"):
        WithValue(lambda a, b: None)


# What has to be awaited


async def later(city: str) -> str:
    return city


class LaterService:
    async def __call__(self, city):
        return city

    async def by_method(self, city):
        return city


@pytest.mark.parametrize(
    "function",
    [later, functools.partial(later, "Bern"), LaterService(), LaterService().by_method, function_tool(later)],
)
def test_async_callables_of_all_kinds_are_known(function):
    assert is_async(function)


@pytest.mark.parametrize("function", [forecast, functools.partial(forecast), Service(), LaterService, len, print])
def test_others_are_not(function):
    assert not is_async(function)
