"""Types as formats of answers."""

import dataclasses
import functools
import sys
import typing
from typing import Annotated, Any, Generic, TypeVar

import pydantic.dataclasses
import pytest
import typing_extensions
from pydantic import BaseModel, Field, RootModel, TypeAdapter, ValidationError

from chatstream.errors import ParameterError
from chatstream.parser import ChatStreamParser
from chatstream.structured import OutputFormat, function_tool, output_format
from chatstream.structured.strict import strict_schema

T = TypeVar("T")


class Event(BaseModel):
    """Something that happens."""

    name: str
    people: list[str] = []


class Page(BaseModel, Generic[T]):
    entries: list[T]


@dataclasses.dataclass
class Place:
    city: str
    zip: int | None = None


@pydantic.dataclasses.dataclass
class Checked:
    city: str = Field(min_length=1)


class Step(typing_extensions.TypedDict):
    text: str


@dataclasses.dataclass
class Pair(Generic[T]):
    left: T
    right: T


class Reader:
    """What reads answers by itself, and is no pydantic model."""

    @classmethod
    def model_validate_json(cls, text):
        return text


DESCRIBED = [
    (Event, '{"name": "a", "people": ["b"]}', Event(name="a", people=["b"])),
    (Page[int], '{"entries": [1]}', Page[int](entries=[1])),
    (Place, '{"city": "a", "zip": 7}', Place("a", 7)),
    (Checked, '{"city": "a"}', Checked("a")),
    (Step, '{"text": "a"}', {"text": "a"}),
    (Pair[int], '{"left": 1, "right": 2}', Pair(1, 2)),
]


@pytest.mark.parametrize(("described", "text", "value"), DESCRIBED)
def test_a_type_is_what_its_answer_is_read_as(described, text, value):
    read = output_format(described).model_validate_json(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(("described", "text", "value"), DESCRIBED)
def test_the_param_is_the_strict_schema_under_a_name_that_is_taken(described, text, value):
    made = output_format(described)
    schema = TypeAdapter(described).json_schema()
    assert made.model_json_schema() == schema
    assert made.param == {
        "type": "json_schema",
        "json_schema": {"name": made.name, "schema": strict_schema(schema, where=""), "strict": True},
    }


@pytest.mark.parametrize(
    ("described", "name"),
    [
        (Event, "Event"),
        (Page[int], "Page_int"),
        (Page[list[Event]], "Page_list_Event"),
        (Pair[int], "Pair_int"),
        (Pair[dict[str, Event]], "Pair_dict_str_Event"),
        (type("Änderung", (BaseModel,), {}), "nderung"),
        (type("予定", (BaseModel,), {}), "output"),
        (type("A" * 80, (BaseModel,), {}), "A" * 64),
    ],
)
def test_a_name_is_made_of_the_types(described, name):
    assert output_format(described).name == name
    assert repr(output_format(described)) == f"OutputFormat({name})"


def test_what_is_handed_out_is_the_readers_own():
    made = output_format(Event)
    made.param["json_schema"]["schema"]["properties"].clear()
    made.model_json_schema()["properties"].clear()
    assert list(made.param["json_schema"]["schema"]["properties"]) == ["name", "people"]
    assert list(made.model_json_schema()["properties"]) == ["name", "people"]


def test_an_answer_that_does_not_fit_is_pydantics_error():
    for text in ('{"name": 1}', "{", "", '{"name": "\ud800"}'):
        with pytest.raises(ValidationError):
            output_format(Event).model_validate_json(text)


def test_a_parser_takes_it_as_a_model():
    parser = ChatStreamParser(response_format=output_format(Place))
    parser.feed_chunk({"choices": [{"index": 0, "delta": {"content": '{"city": "Oslo"}'}, "finish_reason": "stop"}]})
    assert parser.close()[-1].type == "end"
    assert parser.parsed_values()["choices"][0]["message"]["parsed"] == Place("Oslo")


# ---------------------------------------------------------------- what passes, and what does not


@pytest.mark.parametrize(
    "passed",
    [
        None,
        {"type": "json_object"},
        output_format(Event),
        Reader,
        Reader(),
        str.upper,
        len,
        lambda text: text,
        functools.partial(int, base=16),
        function_tool(lambda: None, name="f"),
    ],
)
def test_what_is_no_type_of_ours_to_describe_passes_as_it_is(passed):
    assert output_format(passed) is passed


@pytest.mark.parametrize(
    ("refused", "shown"),
    [
        (int, "the type int"),
        (str, "the type str"),
        (dict, "the type dict"),
        (list[int], "the type list_int"),
        (list[Event], "the type list_Event"),
        (dict[str, int], "the type dict_str_int"),
        (Event | None, "the type "),
        (Event | Place, "the type "),
        (Annotated[Event, 1], "the type "),
        (Any, "the type Any"),
        (Event(name="a"), "an instance of Event"),
        (Place("a"), "an instance of Place"),
        (Checked("a"), "an instance of Checked"),
        (TypeAdapter(Event), "an instance of TypeAdapter"),
        (7, "an instance of int"),
        ("json_object", "an instance of str"),
        ([Event], "an instance of list"),
    ],
)
def test_what_is_none_is_told_with_what_is_taken(refused, shown):
    with pytest.raises(TypeError, match="a pydantic model, a dataclass, a TypedDict, a dict") as caught:
        output_format(refused)
    assert f"got {shown}" in str(caught.value)


def test_a_typed_dict_of_the_standard_library_needs_python_3_12():
    class Standard(typing.TypedDict):
        a: int

    if sys.version_info >= (3, 12):
        assert output_format(Standard).model_validate_json('{"a": 1}') == {"a": 1}
    else:
        with pytest.raises(
            TypeError, match=r"expected typing_extensions.TypedDict before Python 3.12, got typing.TypedDict .Standard"
        ):
            output_format(Standard)


# ---------------------------------------------------------------- when it is looked into


class Map(BaseModel):
    names: dict[str, int]


class Strange(BaseModel):
    model_config = {"arbitrary_types_allowed": True}

    reader: Reader


def test_nothing_is_looked_into_before_it_is_needed(monkeypatch):
    made = []
    monkeypatch.setattr("chatstream.structured.shape.TypeAdapter", lambda kind: made.append(kind) or TypeAdapter(kind))
    fmt = output_format(Event)
    assert fmt.name == "Event"
    assert made == []
    for _ in range(2):
        assert fmt.param
        fmt.model_validate_json('{"name": "a"}')
    assert made == [Event]


def test_a_type_without_a_strict_form_reads_all_the_same():
    made = output_format(Map)
    assert made.model_validate_json('{"names": {"a": 1}}') == Map(names={"a": 1})
    for _ in range(2):
        with pytest.raises(ParameterError, match=r"\$\.properties\.names\.additionalProperties") as caught:
            made.param  # noqa: B018
        assert caught.value.param == "response_format"


def test_a_type_that_is_no_object_has_no_param():
    with pytest.raises(ParameterError, match="not an object"):
        output_format(RootModel[list[int]]).param  # noqa: B018


def test_a_type_that_pydantic_cannot_describe_is_a_type_error():
    with pytest.raises(TypeError, match=r"response_format: no JSON can be read as this type: .*Reader"):
        output_format(Strange).param  # noqa: B018

    @dataclasses.dataclass
    class Unresolved:
        a: "Nowhere"  # noqa: F821

    with pytest.raises(TypeError, match=r"response_format: no JSON can be read as this type: .*(Unresolved|Nowhere)"):
        output_format(Unresolved).model_validate_json("{}")


def test_it_is_generic_in_what_it_reads():
    assert OutputFormat[Event](Event).name == "Event"
