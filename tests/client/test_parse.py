"""parse and stream with formats and tools, over HTTP: what is sent, what is made of the answer, and how it fails."""

import dataclasses
import datetime as dt
import enum
import json
from base64 import b64decode
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Annotated, Any, Generic, Literal, TypeVar

import pydantic_core
import pytest
from pydantic import BaseModel, Field, RootModel, field_validator
from typing_extensions import TypedDict

from chatstream import ChatClient, function_tool
from chatstream.errors import (
    ChatStreamError,
    ContentFilterFinishReasonError,
    LengthFinishReasonError,
    OutputParseError,
    ParameterError,
    StreamInterruptedError,
)
from chatstream.server import ReplayServer
from chatstream.structured import FunctionTool, output_format
from chatstream.types import ParsedChatCompletion, ParsedChatCompletionMessage
from client.wire_server import ASK, CLOSE, KEY, LAST_CHUNK, RESET, WireServer, check_left, chunked, head, pool_of, whole
from counting import opcodes
from halves import all_of, both_halves, entered, got, talking
from own_cases import FAULTS
from wire import block, chunk, wire

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Event(BaseModel):
    name: str
    day: dt.date
    at: dt.datetime
    colour: Colour
    tags: list[str]
    note: str | None = None


class Node(BaseModel):
    value: int
    children: list["Node"]


class Page(BaseModel, Generic[T]):
    entries: list[T]
    total: int


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0
    when: dt.date | None = None


class Place(TypedDict):
    city: str
    since: dt.date


class Renamed(BaseModel):
    inner: Annotated[int, Field(alias="the-inner")]


class Person(BaseModel):
    """Somebody."""

    name: str
    born: dt.date


EVENT = '{"name":"Fair","day":"2026-05-01","at":"2026-05-01T09:30:00Z","colour":"blue","tags":["a","é"],"note":null}'
AT = dt.datetime(2026, 5, 1, 9, 30, tzinfo=dt.UTC)
DAY = dt.date(2026, 5, 1)
FAIR = Event(name="Fair", day=DAY, at=AT, colour=Colour.BLUE, tags=["a", "é"])

# What is asked for, a text that fits it, and what is made of that.
FORMATS = {
    "model": (Event, EVENT, FAIR),
    "generic model of a model": (Page[Event], f'{{"entries":[{EVENT}],"total":1}}', Page[Event](entries=[FAIR], total=1)),
    "generic model of int": (Page[int], '{"entries":[1,2],"total":2}', Page[int](entries=[1, 2], total=2)),
    "recursive model": (Node, '{"value":1,"children":[{"value":2,"children":[]}]}', Node(value=1, children=[Node(value=2, children=[])])),
    "model with an alias": (Renamed, '{"the-inner":3}', Renamed(**{"the-inner": 3})),
    "dataclass": (Point, '{"x":1,"y":2,"when":"2026-05-01"}', Point(1, 2.0, DAY)),
    "TypedDict": (Place, '{"city":"Oslo","since":"2026-05-01"}', {"city": "Oslo", "since": DAY}),
    "OutputFormat": (output_format(Point), '{"x":1,"y":2,"when":null}', Point(1, 2.0)),
    "json_schema": ({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}, '{"day": "2026-05-01"}', {"day": "2026-05-01"}),
    "json_object": ({"type": "json_object"}, ' {"a": [1, null]} ', {"a": [1, None]}),
    "json_object, a mapping": (MappingProxyType({"type": "json_object"}), "{}", {}),
    "text": ({"type": "text"}, "{}", None),
    "none": (None, "{}", None),
}  # fmt: skip
TYPES = [name for name, (asked, _, _) in FORMATS.items() if isinstance(asked, type) or hasattr(asked, "param")]


def body(*messages, finish="stop"):
    """A whole completion with a choice for each of these messages."""
    choices = [
        {"index": index, "message": {"role": "assistant", "content": None, **said}, "finish_reason": finish, "logprobs": None}
        for index, said in enumerate(messages)
    ]  # fmt: skip
    named = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m"}
    return json.dumps({**named, "choices": choices}).encode()


def streamed(*deltas, finish="stop"):
    """A stream of these deltas of one choice, with the end of the body in the same segment."""
    return [b"".join([*chunked(wire([*map(chunk, deltas), chunk(finish=finish)])), LAST_CHUNK])]


@asynccontextmanager
async def asking(half, *scripts, **options):
    """A client of a server that answers with these, one after the other."""
    with WireServer(*scripts) as server:
        async with talking(half, server.base_url, **options) as talk:
            talk.server = server
            yield talk


def call(name, arguments, number=0, **members):
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}, **members}


def answers_of(message, finish="stop"):
    """The message as a whole answer, and as a stream of it in small pieces."""
    pieces = [{name: text[at : at + 3]} for name in ("content", "refusal") for text in [message.get(name) or ""] for at in range(0, len(text), 3)]  # fmt: skip
    for index, one in enumerate(message.get("tool_calls", [])):
        text = one["function"]["arguments"]
        pieces.append({"tool_calls": [{**one, "index": index, "function": {**one["function"], "arguments": ""}}]})
        pieces += [
            {"tool_calls": [{"index": index, "function": {"arguments": text[at : at + 3]}}]}
            for at in range(0, len(text), 3)
        ]
    return {"whole": whole(body(message, finish=finish)), "streamed": streamed(*pieces, finish=finish)}


METHODS = ["parse", "stream"]
EACH_METHOD = pytest.mark.parametrize("method", METHODS)
EACH_ANSWER = pytest.mark.parametrize("answer", ["whole", "streamed"])


async def completion_of(talk, method, **params):
    """What parse gives, or what a stream comes to."""
    params = {**ASK, **params}
    if method == "parse":
        return await got(talk.completions.parse(**params))
    async with entered(talk.completions.stream(**params)) as stream:
        return await got(stream.final_chat_completion())


async def message_of(talk, method, **params):
    return (await completion_of(talk, method, **params)).choices[0].message


async def failure_of(talk, method, **params):
    with pytest.raises(ChatStreamError) as raised:
        await completion_of(talk, method, **params)
    return raised.value


def sent(server):
    return json.loads(server.requests[-1].body)


# What the formats make of an answer


@pytest.fixture(scope="module")
def server():
    with ReplayServer(speed=None, fault_header=True, grace=0.1) as running:
        yield running


@both_halves
@EACH_ANSWER
async def test_the_content_is_parsed_by_the_format(half, answer):
    scripts = [answers_of({"content": text})[answer] for _, text, _ in FORMATS.values() for _ in METHODS]
    async with asking(half, *scripts) as talk:
        for name, (asked, text, value) in FORMATS.items():
            for method in METHODS:  # each is understood also by who did not ask for it in this way
                completion = await completion_of(talk, method, response_format=asked)
                message = completion.choices[0].message
                assert isinstance(completion, ParsedChatCompletion)
                assert isinstance(message, ParsedChatCompletionMessage)
                assert (name, message.content, message.parsed) == (name, text, value)
                assert type(message.parsed) is type(value)
                if method == "parse":
                    assert completion.response.request_id == "req_wire"


@both_halves
@EACH_METHOD
async def test_a_type_is_sent_as_a_strict_schema_that_a_service_can_answer(half, method, server):
    async with talking(half, server.base_url) as talk:
        for name in TYPES:
            asked, _, value = FORMATS[name]
            message = await message_of(talk, method, response_format=asked)
            sent = server.requests[-1].body
            assert sent["response_format"] == output_format(asked).param
            assert sent["response_format"]["json_schema"]["strict"] is True
            assert sent.keys() - {"stream"} == {"messages", "model", "response_format"}
            assert type(message.parsed) is type(value), name
            assert message.parsed == output_format(asked).model_validate_json(message.content)


def test_types_have_names_that_the_api_takes(server):
    with ChatClient(base_url=server.base_url) as client:
        for asked, name in [(Event, "Event"), (Page[Event], "Page_Event"), (Page[int], "Page_int"), (Point, "Point"), (Place, "Place")]:  # fmt: skip
            client.chat.completions.parse(**ASK, response_format=asked)
            assert server.requests[-1].body["response_format"]["json_schema"]["name"] == name


def test_a_schema_that_is_sent_is_closed_at_every_level_and_keeps_its_references(server):
    with ChatClient(base_url=server.base_url) as client:
        client.chat.completions.parse(**ASK, response_format=Page[Event])
    schema = server.requests[-1].body["response_format"]["json_schema"]["schema"]
    event = schema["$defs"]["Event"]
    assert schema["properties"]["entries"]["items"] == {"$ref": "#/$defs/Event"}
    assert schema["additionalProperties"] is event["additionalProperties"] is False
    assert schema["required"] == ["entries", "total"]
    assert event["required"] == list(Event.model_fields)
    assert "default" not in event["properties"]["note"]


@both_halves
@EACH_METHOD
async def test_a_dict_is_sent_as_it_is(half, method, server):
    for asked in (FORMATS["json_schema"][0], {"type": "json_object"}, {"type": "text"}):
        async with talking(half, server.base_url) as talk:
            await completion_of(talk, method, response_format=asked)
        assert server.requests[-1].body["response_format"] == asked
    async with talking(half, server.base_url) as talk:
        await completion_of(talk, method)
    assert "response_format" not in server.requests[-1].body


@both_halves
@EACH_ANSWER
async def test_a_refusal_leaves_parsed_none(half, answer):
    messages = [{"refusal": "No."}, {"content": "", "refusal": "No."}, {"content": '{"na', "refusal": "No."}]
    async with asking(half, *(answers_of(message)[answer] for message in messages for _ in METHODS)) as talk:
        for message in messages:
            for method in METHODS:
                told = await message_of(talk, method, response_format=Event)
                assert (told.refusal, told.parsed, told.content or "") == ("No.", None, message.get("content", ""))


@both_halves
@EACH_METHOD
async def test_json_that_a_dict_asked_for_and_did_not_get_is_none(half, method):
    async with asking(half, whole(body({"content": "I would rather not."}))) as talk:
        for asked in ({"type": "json_object"}, FORMATS["json_schema"][0]):
            assert (await message_of(talk, method, response_format=asked)).parsed is None


@both_halves
@EACH_METHOD
async def test_each_of_two_choices_is_parsed(half, method):
    messages = [{"content": '{"x":1}'}, {"refusal": "No."}, {"content": '{"x":3,"y":0.5}'}]
    async with asking(half, whole(body(*messages))) as talk:
        completion = await completion_of(talk, method, response_format=Point, n=3)
    assert [choice.message.parsed for choice in completion.choices] == [Point(1), None, Point(3, 0.5)]
    assert sent(talk.server)["n"] == 3


@both_halves
@EACH_METHOD
async def test_two_choices_of_the_local_server_are_parsed(half, method, server):
    async with talking(half, server.base_url) as talk:
        completion = await completion_of(talk, method, response_format=Event, n=2)
    assert [type(choice.message.parsed) for choice in completion.choices] == [Event, Event]


@both_halves
async def test_an_answer_can_be_appended_to_the_messages(half, server):
    async with talking(half, server.base_url) as talk:
        answered = await message_of(talk, "parse", response_format=Event)
        messages = [*ASK["messages"], answered, {"role": "user", "content": "And now?"}]
        await got(talk.completions.parse(model="m", messages=messages, response_format=Event))
    assert server.requests[-1].body["messages"][1] == {"role": "assistant", "content": answered.content}


# What does not fit


class Grumpy(BaseModel):
    mood: str

    @field_validator("mood")
    @classmethod
    def _raise(cls, value):
        raise RuntimeError(value)  # no ValueError, so pydantic lets it through


MANY = '{"name":1,"day":"may","at":"noon","colour":"green","tags":[7],"note":[]}'

# The format, the content, and what is told of it.
UNFIT = {
    "a member": (Point, '{"x":"hush"}', "x: int_parsing"),
    "a member that is missing": (Node, '{"value":1,"children":[{"value":2}]}', "children.0.children: missing"),
    "a member of a member": (Page[Event], f'{{"total":1,"entries":[{EVENT.replace("blue", "hush")}]}}', "entries.0.colour: enum"),
    "a member of a TypedDict": (Place, '{"city":"Oslo","since":"hush"}', "since: date_from_datetime_parsing"),
    "a name of the answer's": (Point, '{"x":1,"when":{"hush":1}}', "when: date_type"),
    "an alias": (Renamed, '{"the-inner":"hush"}', "the-inner: int_parsing"),
    "no JSON": (Event, "hush", "(root): json_invalid"),
    "half of the JSON": (Event, EVENT[:40], "(root): json_invalid"),
    "more than JSON": (Point, '{"x":1} hush', "(root): json_invalid"),
    "blank": (Point, " \n", "(root): json_invalid"),
    "a list": (Event, "[]", "(root): model_type"),
    "a validator's own error": (Grumpy, '{"mood":"hush"}', "RuntimeError"),
    "many": (Event, MANY, "name: string_type; day: date_from_datetime_parsing; at: datetime_from_date_parsing"),
}  # fmt: skip


@both_halves
@EACH_ANSWER
async def test_what_does_not_fit_is_told_by_its_place_once_all_was_read(half, answer):
    scripts = [answers_of({"content": content})[answer] for _, content, _ in UNFIT.values() for _ in METHODS]
    async with asking(half, *scripts) as talk:
        for name, (asked, content, told) in UNFIT.items():
            for method in METHODS:
                error = await failure_of(talk, method, response_format=asked)
                assert (name, type(error), str(error)) == (name, OutputParseError, f"the answer does not fit: {told}")
                assert error.__cause__ is not None
                assert error.request_id == "req_wire"
                assert error.completion.choices[0].message.content == content
                assert error.completion.choices[0].finish_reason == "stop"
        # Each body was read to its end, so that one connection took all requests.
        assert len(talk.server.connections) == 1
        assert [connection.is_idle() for connection in pool_of(talk.client)] == [True]


class Keyed(BaseModel):
    by_name: dict[str, int]


def test_names_that_the_answer_made_up_are_not_told():
    # A map has no strict form, so that it can be asked for by a dict of one's own alone; a reader of one's own is told.
    reading = output_format(Keyed)
    with pytest.raises(ParameterError):
        _ = reading.param
    with WireServer(whole(body({"tool_calls": [call("Loose", '{"by_name":{"hush":"x"},"hush":1}')]}))) as server:
        loose = function_tool(Keyed, name="Loose", strict=False)
        with ChatClient(base_url=server.base_url) as client, pytest.raises(OutputParseError) as raised:
            client.chat.completions.parse(**ASK, tools=[loose])
    assert str(raised.value) == "the arguments of Loose do not fit: by_name.…: int_parsing"


@both_halves
@EACH_METHOD
async def test_one_choice_that_does_not_fit_fails_all_with_all_attached(half, method):
    async with asking(half, whole(body({"content": '{"x":1}'}, {"content": '{"x":"hush"}'}))) as talk:
        error = await failure_of(talk, method, response_format=Point, n=2)
    assert type(error) is OutputParseError
    assert [choice.message.content for choice in error.completion.choices] == ['{"x":1}', '{"x":"hush"}']


CUT = {"length": LengthFinishReasonError, "content_filter": ContentFilterFinishReasonError}


@both_halves
@EACH_ANSWER
async def test_an_answer_that_was_cut_short_is_an_error_of_its_own(half, answer):
    contents = [EVENT[:50], EVENT]  # whole or not: nobody can tell in general
    cases = [(finish, content, method) for finish in CUT for content in contents for method in METHODS]
    async with asking(half, *(answers_of({"content": text}, finish=why)[answer] for why, text, _ in cases)) as talk:
        for finish, content, method in cases:
            error = await failure_of(talk, method, response_format=Event)
            assert type(error) is CUT[finish]
            assert error.completion.choices[0].message.content == content
            assert error.request_id == "req_wire"


@both_halves
async def test_parse_without_a_format_still_tells_of_an_answer_that_was_cut_short(half):
    async with asking(half, whole(body({"content": "So"}, finish="length"))) as talk:
        assert type(await failure_of(talk, "parse")) is LengthFinishReasonError
        assert (await message_of(talk, "stream")).content == "So"
        assert type(await failure_of(talk, "stream", raise_on={"length"})) is LengthFinishReasonError


# Tools


def weather(city: str, unit: Literal["c", "f"] = "c", day: dt.date | None = None) -> str:
    """The weather.

    Args:
        city: Where.
    """
    return f"{city} {unit} {day}"


PLAIN = {"type": "function", "function": {"name": "plain", "parameters": {"type": "object", "properties": {}}}}
PERSON = '{"name":"Ada","born":"1815-12-10"}'
ADA = Person(name="Ada", born=dt.date(1815, 12, 10))


@both_halves
@EACH_METHOD
@EACH_ANSWER
async def test_the_arguments_of_a_call_are_parsed_by_its_tool(half, method, answer):
    calls = [
        call("weather", '{"city":"Oslo","day":"2026-05-01"}', 0),
        call("Person", PERSON, 1),
        call("plain", '{"a": 1}', 2),
        call("nobody", '{"b": 2}', 3),
        call("named", PERSON, 4),
        call("plain", "", 5),
        call("plain", "[1]", 6),
        call("nobody", '{"b', 7),
    ]
    named = function_tool(Person, name="named", strict=False)
    async with asking(half, answers_of({"tool_calls": calls}, finish="tool_calls")[answer]) as talk:
        message = await message_of(talk, method, tools=(tool for tool in [weather, Person, PLAIN, named]))
    assert [one.function.parsed_arguments for one in message.tool_calls] == [
        {"city": "Oslo", "day": DAY}, ADA, {"a": 1}, {"b": 2}, ADA, {}, None, None,
    ]  # fmt: skip
    assert [one.function.arguments for one in message.tool_calls] == [one["function"]["arguments"] for one in calls]
    told = sent(talk.server)["tools"]
    assert told == [function_tool(weather).to_param(), function_tool(Person).to_param(), PLAIN, named.to_param()]
    weather_, person, _, loose = [tool["function"] for tool in told]
    assert (weather_["name"], weather_["description"], weather_["strict"]) == ("weather", "The weather.", True)
    assert weather_["parameters"]["required"] == ["city", "unit", "day"]
    assert weather_["parameters"]["properties"]["city"]["description"] == "Where."
    assert (person["name"], person["description"]) == ("Person", "Somebody.")
    assert loose["strict"] is False


# The arguments, and what is told of them.
UNFIT_ARGUMENTS = {
    "a member": ('{"city":"Oslo","unit":"hush"}', "unit: literal_error"),
    "a member that is missing": ("{}", "city: missing"),
    "none at all": ("", "city: missing"),
    "one too many": ('{"city":"Oslo","hush":1}', "…: extra_forbidden"),
    "no JSON": ('{"city":', "(root): json_invalid"),
    "a list": ('["Oslo"]', "(root): dict_type"),
}


@both_halves
@EACH_ANSWER
async def test_arguments_that_do_not_fit_are_told_by_their_place(half, answer):
    cases = [(case, [call("plain", "{}", 0), call("weather", case[0], 1)]) for case in UNFIT_ARGUMENTS.values()]
    scripts = [answers_of({"tool_calls": calls}, finish="tool_calls")[answer] for _, calls in cases for _ in METHODS]
    async with asking(half, *scripts) as talk:
        for (arguments, told), _ in cases:
            for method in METHODS:
                error = await failure_of(talk, method, tools=[weather, PLAIN])
                assert (type(error), str(error)) == (OutputParseError, f"the arguments of weather do not fit: {told}")
                assert error.completion.choices[0].message.tool_calls[1].function.arguments == arguments


@both_halves
async def test_arguments_that_were_cut_short_are_that_and_not_unfit(half):
    async with asking(half, whole(body({"tool_calls": [call("weather", '{"city":')]}, finish="length"))) as talk:
        assert type(await failure_of(talk, "parse", tools=[weather])) is LengthFinishReasonError


@both_halves
@EACH_METHOD
async def test_tools_and_a_format_go_together(half, method, server):
    said = {"messages": [{"role": "user", "content": "call weather and call Person"}], "model": "echo"}
    async with talking(half, server.base_url) as talk:
        message = await message_of(talk, method, **said, tools=[weather, Person], response_format=Event)
        assert message.parsed is None
        called = [one.function for one in message.tool_calls]
        assert [type(one.parsed_arguments) for one in called] == [dict, Person]
        assert set(called[0].parsed_arguments) == {"city", "unit", "day"}
        said["messages"] += [
            message,
            *({"role": "tool", "tool_call_id": one.id, "content": "so"} for one in message.tool_calls),
        ]
        assert (
            type((await message_of(talk, method, **said, tools=[weather, Person], response_format=Event)).parsed)
            is Event
        )


@both_halves
async def test_custom_calls_and_older_functions_are_left_as_they_came(half):
    older = {"function_call": {"name": "old", "arguments": '{"a"'}}
    custom = {"tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "run", "input": "{"}}]}
    async with asking(half, whole(body({**older, **custom}, finish="tool_calls"))) as talk:
        for method in METHODS:
            message = await message_of(talk, method, tools=[weather])
            assert message.function_call.arguments == '{"a"'
            assert message.tool_calls[0].custom.input == "{"


@both_halves
async def test_create_sends_types_as_tools_and_parses_nothing(half):
    answer = whole(body({"tool_calls": [call("weather", '{"city": 7}')]}, finish="tool_calls"))
    async with asking(half, answer) as talk:
        completion = await got(talk.completions.create(**ASK, tools=[weather, Person, PLAIN]))
    assert sent(talk.server)["tools"] == [function_tool(weather).to_param(), function_tool(Person).to_param(), PLAIN]
    assert not hasattr(completion.choices[0].message.tool_calls[0].function, "parsed_arguments")


# What is refused before it is sent


@both_halves
async def test_create_takes_no_class_and_says_who_does(half, server):
    async with talking(half, server.base_url) as talk:
        for asked in (Event, Point, Place, int):
            for params in ({}, {"stream": True}):
                with pytest.raises(TypeError, match=r"response_format: expected a dict.*parse\(\) and stream\(\) take"):
                    await got(talk.completions.create(**ASK, **params, response_format=asked))
        assert talk.requests == []


WRONG_FORMATS = {
    "a type": (int, TypeError), "a generic type": (list[int], TypeError), "a class": (object, TypeError),
    "an instance of a model": (FAIR, TypeError), "an instance of a dataclass": (Point(1), TypeError),
    "an object": (object(), TypeError), "a model that is no object": (RootModel[list[int]], ParameterError),
    "a model with a map": (Keyed, ParameterError), "a model with anything": (Page[Any], ParameterError),
    "a name": ("json_object", ParameterError), "a number": (7, ParameterError), "a fraction": (1.5, ParameterError),
    "a list": ([Event], ParameterError), "a function": (json.loads, ParameterError),
    "a dict without a type": ({}, ParameterError), "a dict without its schema": ({"type": "json_schema"}, ParameterError),
}  # fmt: skip


@both_halves
@EACH_METHOD
async def test_a_format_that_is_none_is_told_by_name_before_anything_is_sent(half, method, server):
    async with talking(half, server.base_url) as talk:
        for name, (asked, kind) in WRONG_FORMATS.items():
            with pytest.raises((TypeError, ParameterError), match="response_format") as raised:
                await got(getattr(talk.completions, method)(**ASK, response_format=asked))
            assert (name, raised.type) == (name, kind)
            if kind is ParameterError:
                assert raised.value.param.split(".")[0] == "response_format"
        assert talk.requests == []


WRONG_TOOLS = {
    "no list": (weather, ParameterError), "a dict": (PLAIN, ParameterError), "a text": ("weather", ParameterError),
    "a number": ([7], ParameterError), "nothing": ([None], ParameterError), "a type": ([int], TypeError),
    "an instance": ([ADA], ParameterError), "a function without types": ([dict.get], TypeError), "a function without a name": ([lambda: 1], ParameterError),
    "a dict with a callable": ([{**PLAIN, "callable": weather}], TypeError),
}  # fmt: skip


@both_halves
@EACH_METHOD
async def test_tools_that_are_none_are_told_before_anything_is_sent(half, method, server):
    async with talking(half, server.base_url) as talk:
        for name, (tools, kind) in WRONG_TOOLS.items():
            with pytest.raises((TypeError, ParameterError)) as raised:
                await got(getattr(talk.completions, method)(**ASK, tools=tools))
            assert (name, raised.type) == (name, kind)
        assert talk.requests == []


@both_halves
async def test_options_that_are_none_are_told(half, server):
    async with talking(half, server.base_url) as talk:
        for wrong, kind in [({"stream": True}, TypeError), ({"record": "tape"}, TypeError), ({"raise_on": "length"}, ValueError), ({"raise_on": ["stop"]}, ValueError), ({"temperature": 9}, ParameterError)]:  # fmt: skip
            with pytest.raises(kind, match=next(iter(wrong))):
                await got(talk.completions.parse(**ASK, response_format=Event, **wrong))
        assert talk.requests == []


def test_a_function_tool_is_one_of_the_package_s_own_names():
    assert isinstance(function_tool(weather), FunctionTool)


# Streams: partial values


def partial(prefix):
    """The reference's value of an unfinished text; None if it has none."""
    try:
        return pydantic_core.from_json(prefix, allow_partial="trailing-strings")
    except ValueError:
        return None


TRICKY = '{"name":"Fa\\u0069r \\ud83d\\ude00 \\"é\\"","day":"2026-05-01","at":"2026-05-01T09:30:00Z","colour":"blue","tags":["a",""],"note":null}'


@both_halves
@pytest.mark.parametrize("text", [EVENT, TRICKY, f"  {EVENT}\n"], ids=["plain", "escapes", "space"])
async def test_at_every_prefix_the_partial_value_is_the_reference_s(half, text):
    answer = streamed(*({"content": character} for character in text))
    async with asking(half, answer) as talk, entered(talk.completions.stream(**ASK, response_format=Event)) as stream:
        events = await all_of(stream)
    deltas = [event for event in events if event.type == "content.delta"]
    assert [event.snapshot for event in deltas] == [text[: end + 1] for end in range(len(text))]
    assert [event.parsed for event in deltas] == [partial(text[: end + 1]) for end in range(len(text))]
    (done,) = [event for event in events if event.type == "content.done"]
    assert done.content == text
    assert done.parsed == Event.model_validate_json(text)
    assert json.loads(json.dumps(done.to_dict())) == {
        "type": "content.done", "choice_index": 0, "content": text, "parsed": done.parsed.model_dump(mode="json"),
    }  # fmt: skip


@both_halves
async def test_at_every_prefix_the_partial_arguments_are_the_reference_s(half):
    text = '{"city":"Os\\u006co","unit":"f","day":"2026-05-01"}'
    first = {"tool_calls": [{**call("weather", ""), "index": 0}]}
    deltas = [{"tool_calls": [{"index": 0, "function": {"arguments": character}}]} for character in text]
    async with (
        asking(half, streamed(first, *deltas, finish="tool_calls")) as talk,
        entered(talk.completions.stream(**ASK, tools=[weather])) as stream,
    ):
        events = await all_of(stream)
    told = [event for event in events if event.type == "tool_calls.function.arguments.delta"]
    assert [event.parsed_arguments for event in told] == [partial(text[: end + 1]) for end in range(len(text))]
    (done,) = [event for event in events if event.type == "tool_calls.function.arguments.done"]
    assert (done.complete, done.parsed_arguments) == (True, {"city": "Oslo", "unit": "f", "day": DAY})
    assert json.loads(json.dumps(done.to_dict(lazies=True)))["parsed_arguments"]["day"] == "2026-05-01"


@both_halves
async def test_without_a_format_no_partial_value_is_made(half):
    async with asking(half, streamed({"content": "{}"})) as talk, entered(talk.completions.stream(**ASK)) as stream:
        events = await all_of(stream)
    assert [event.parsed for event in events if event.type.startswith("content.")] == [None, None]


LONG = {
    "model": (Page[str], Page[str]),
    "dataclass": (dataclasses.make_dataclass("Words", [("entries", list[str]), ("total", int)]),) * 2,
    "TypedDict": (TypedDict("TypedWords", {"entries": list[str], "total": int}), dict),
}


def long_answer(deltas):
    """A stream of that many deltas of one JSON text."""
    words = ['{"entries":["word', *(f' {number:05}", "' if number % 5 == 0 else f" {number:05}" for number in range(deltas - 2)), '"],"total":1}']  # fmt: skip
    return streamed(*({"content": word} for word in words))


@pytest.mark.parametrize(("asked", "kind"), LONG.values(), ids=LONG)
def test_10_000_deltas_with_a_read_at_each_are_linear_work(asked, kind, monkeypatch):
    handed = []
    original = pydantic_core.from_json
    monkeypatch.setattr(
        pydantic_core, "from_json", lambda text, **how: handed.append(len(text)) or original(text, **how)
    )

    def work(deltas):
        """The bytecodes run and the characters handed to pydantic for a stream of that many deltas."""
        handed.clear()
        reads = []

        def read():
            reads.extend(event.parsed for event in stream if event.type == "content.delta")

        with WireServer(long_answer(deltas)) as server, ChatClient(base_url=server.base_url) as client:
            with client.chat.completions.stream(**ASK, response_format=asked) as stream:
                counted = opcodes(read)
            assert type(stream.final_message().parsed) is kind
        assert len(reads) == deltas
        assert len(reads[-2]["entries"]) > deltas // 6
        return counted, sum(handed)

    (once, handed_once), (twice, handed_twice) = work(5_000), work(10_000)
    assert twice <= 2.3 * once
    assert handed_twice <= 2.3 * handed_once + 1_000


# Streams: their ends


@both_halves
async def test_what_does_not_fit_is_raised_once_the_stream_was_read_to_its_end(half):
    usage = {**chunk(usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}), "choices": []}
    answer = wire([*(chunk({"content": part}) for part in ('{"x":', '"hush"}')), chunk(finish="stop"), usage])
    async with asking(half, [b"".join([*chunked(answer), LAST_CHUNK])]) as talk:
        events = []
        async with entered(talk.completions.stream(**ASK, response_format=Point)) as stream:
            for name in ("content.done", "choice.done", "usage", "end", "error"):
                stream.on(name, events.append)
            with pytest.raises(OutputParseError) as raised:
                await got(stream.until_done())
        assert [event.type for event in events] == ["content.done", "choice.done", "usage", "error"]
        assert (events[0].content, events[0].parsed) == ('{"x":"hush"}', None)
        assert events[-1].error is raised.value
        assert raised.value.completion.usage.total_tokens == 3
        assert [connection.is_idle() for connection in pool_of(talk.client)] == [True]


class Odd(BaseModel):
    day: dt.date
    colour: Colour
    place: Place
    point: Point
    at: dt.time
    span: dt.timedelta


ODD = '{"day":"2026-05-01","colour":"red","place":{"city":"Oslo","since":"2026-05-01"},"point":{"x":1,"y":2,"when":"2026-05-01"},"at":"09:30","span":"PT1H"}'


@both_halves
async def test_every_event_can_be_written_as_json(half):
    cases = [(Odd, ODD, None), *FORMATS.values()]
    calls = [call("Odd", ODD)]
    scripts = [answers_of({"content": text, "tool_calls": calls})["streamed"] for _, text, _ in cases]
    async with asking(half, *scripts) as talk:
        for asked, _, _ in cases:
            async with entered(talk.completions.stream(**ASK, response_format=asked, tools=[Odd])) as stream:
                events = await all_of(stream)
            written = [json.loads(json.dumps(event.to_dict(lazies=True), allow_nan=False)) for event in events]
            assert [one["type"] for one in written] == [event.type for event in events]
            (arguments,) = [one for one in written if one["type"] == "tool_calls.function.arguments.done"]
            assert arguments["parsed_arguments"] == Odd.model_validate_json(ODD).model_dump(mode="json")
            (done,) = [event for event in events if event.type == "content.done"]
            assert done.to_dict()["parsed"] == pydantic_core.to_jsonable_python(done.parsed, by_alias=False)
            assert (done.parsed is None) == (asked is None or asked == {"type": "text"})


@both_halves
async def test_a_value_that_is_changed_afterwards_changes_no_other(half):
    async with (
        asking(half, streamed({"content": '{"city":"Oslo","since":"2026-05-01"}'})) as talk,
        entered(talk.completions.stream(**ASK, response_format=Place)) as stream,
    ):
        stream.on("content.done", lambda event: event.parsed.clear())
        message = await got(stream.final_message())
    assert message.parsed == {"city": "Oslo", "since": DAY}


# Faults


def script_of(case):
    """The answer of a shared case, write by write."""
    parts = [b64decode(part) for part in case["parts_base64"]]
    headers = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in case["headers"].splitlines())}  # fmt: skip
    described = {"status": case["status"], "content_type": case["content_type"], **headers}
    if case["ending"] == "close-delimited body":
        return [head(**described), *parts, CLOSE]
    endings = {"chunked body, properly ended": LAST_CHUNK, "chunked body, TCP reset": RESET}
    return [*chunked(*parts, **described), endings[case["ending"]]]


async def outcome_of(ask, **params):
    """The completion that was come to, and the error if there was one."""
    try:
        return await got(ask(**ASK, **params)), None
    except ChatStreamError as error:
        return error.completion, error


def told_of(completion, error):
    raw = None if completion is None else completion.model_dump(exclude={"id"}, exclude_unset=False)
    for choice in (raw or {}).get("choices", []):
        choice["message"].pop("parsed", None)
        for one in choice["message"].get("tool_calls") or []:
            if isinstance(one.get("function"), dict):
                one["function"].pop("parsed_arguments", None)
    return raw, type(error), str(error), getattr(error, "request_id", None)


async def check_as_create(half, case):
    async with asking(half, script_of(case)) as talk:
        created = told_of(*await outcome_of(talk.completions.create, raise_on={"length", "content_filter"}))
        # Asked for as what promises nothing, every answer can be read that create can read.
        for asked in (None, {"type": "json_object"}):
            parsed = told_of(*await outcome_of(talk.completions.parse, response_format=asked))
            assert parsed == created
        _, error = await outcome_of(talk.completions.parse, response_format=Event)
        assert isinstance(error, OutputParseError) or told_of(None, error)[1:] == created[1:]
        assert all(connection.is_idle() for connection in pool_of(talk.client))
    check_left(talk.server)


# Each half once: there are many, and what libraries make of broken bytes is tested for streams.
TWICE = pytest.mark.parametrize("half", ["sync-httpx", "async-httpx2"])


@TWICE
@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.conformance("faults.json")
async def test_each_shared_fault_is_told_as_create_tells_it(half, case):
    await check_as_create(half, case)


@both_halves
async def test_each_fault_of_our_own_is_told_as_create_tells_it(half):
    for case in FAULTS:
        await check_as_create(half, case)


@both_halves
async def test_a_whole_answer_that_breaks_off_is_told_with_what_is_known_and_nothing_parsed(half):
    data = body({"content": EVENT})
    async with asking(
        half, [head(content_type="application/json", content_length=len(data)) + data[:-2], CLOSE]
    ) as talk:
        error = await failure_of(talk, "parse", response_format=Event)
    assert type(error) is StreamInterruptedError
    assert error.completion is None


@both_halves
async def test_a_stream_that_breaks_off_tells_what_had_come_unparsed(half):
    deltas = [block(chunk({"content": part})) for part in ('{"x":1', ',"y":2}')]
    async with asking(half, [*chunked(*deltas), RESET]) as talk:
        for method in METHODS:
            error = await failure_of(talk, method, response_format=Point)
            assert type(error) is StreamInterruptedError
            assert error.completion.choices[0].message.content == '{"x":1,"y":2}'


@both_halves
async def test_the_key_is_in_no_error_though_the_answer_has_it(half):
    content = json.dumps({"x": KEY})
    async with asking(half, whole(body({"content": content})), api_key=KEY) as talk:
        for method in METHODS:
            error = await failure_of(talk, method, response_format=Point)
            assert KEY not in f"{error} {error!r} {error.__cause__} {error.__cause__!r} {error.__context__!r}"
            assert error.completion.choices[0].message.content == content
