"""What came of a call, as the text that the model gets to read."""

import dataclasses
import datetime as dt
import enum
import types
import uuid
from collections import UserDict
from decimal import Decimal
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, computed_field
from typing_extensions import TypedDict

from chatstream.errors import StreamProtocolError
from chatstream.jsontext import read_json
from chatstream.structured import function_tool
from chatstream.tools.results import MAX_RESULT, Failure, content_of, told, unfit
from chatstream.types import ChatCompletionMessage, build

KEY = "sk-" + "a1B2" * 8

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


class Place(BaseModel):
    name: str = Field(serialization_alias="placeName")
    height: float | None = None


@dataclasses.dataclass
class Point:
    x: int
    at: dt.date | None = None


class Reading(TypedDict):
    celsius: float


class Colour(enum.Enum):
    RED = "red"


class Kind(enum.StrEnum):
    RAIN = "rain"


class Connection:
    pass


# What a tool gave


@pytest.mark.parametrize("text", ["", "sunny", '{"a": 1}', "Zürich 🌧\n", "null"])
def test_text_is_as_it_is(text):
    assert content_of(text, None) == text


def test_none_is_nothing():
    assert content_of(None, None) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Place(name="Zürich", height=408.0), '{"placeName":"Zürich","height":408.0}'),
        (Point(1, dt.date(2026, 3, 1)), '{"x":1,"at":"2026-03-01"}'),
        (Reading(celsius=-3.5), '{"celsius":-3.5}'),
        ({"a": [1, True, None, "ü"]}, '{"a":[1,true,null,"ü"]}'),
        ([Place(name="Bern")], '[{"placeName":"Bern","height":null}]'),
        (0, "0"),
        (False, "false"),
        (2**70, str(2**70)),
        (1.5, "1.5"),
        ((1, 2), "[1,2]"),
        ({7}, "[7]"),
        ({1: "a"}, '{"1":"a"}'),
        ((number for number in range(3)), "[0,1,2]"),
        (Colour.RED, '"red"'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (Decimal("1.50"), '"1.50"'),
        (b"bytes", '"bytes"'),
        (types.MappingProxyType({"a": UserDict(b=1)}), '{"a":{"b":1}}'),
        (build(ChatCompletionMessage, {"role": "assistant", "extra": 1}), None),
    ],
)
def test_anything_else_is_compact_json(value, text):
    content = content_of(value, None)
    assert content == text if text is not None else read_json(content.encode())[0]["extra"] == 1


def test_a_member_of_a_text_enum_is_text():
    assert content_of(Kind.RAIN, None) == "rain"
    assert type(content_of(Kind.RAIN, None)) is str


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_floats_that_json_does_not_have_are_null(number):
    assert content_of(number, None) == "null"
    assert content_of({"a": [number]}, None) == '{"a":[null]}'
    assert content_of(Place(name="x", height=number), None) == '{"placeName":"x","height":null}'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("\ud83c\udf27 \ud800", "🌧 \ufffd"),
        ({"\ud800": "\udfff"}, '{"\ufffd":"\ufffd"}'),
        (Place(name="\ud800"), '{"placeName":"\ufffd","height":null}'),
        ((text for text in ("a", "\ud800")), '["a","\ufffd"]'),
    ],
)
def test_half_a_surrogate_pair_is_replaced_so_that_it_can_be_sent(value, text):
    assert content_of(value, None) == text


def test_a_model_with_members_of_the_wrong_type_is_written_without_a_warning():
    place = Place(name="x")
    place.height = "high"
    assert content_of(place, None) == '{"placeName":"x","height":"high"}'


@given(json_values)
def test_json_values_come_back_from_their_text(value):
    content = content_of(value, None)
    expected = "" if value is None else value
    assert (content if isinstance(expected, str) else read_json(content.encode())[0]) == expected


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Connection(), "Connection"),
        ({"a": [Connection()]}, "Connection"),
        (Reading, "_TypedDictMeta"),
        ({"a": len}, "builtin_function_or_method"),
        (ValueError("secret"), "ValueError"),
        (b"secret\xff", "bytes"),
        ([b"secret\xff"], "list"),
        ({"n": "\ud800", "c": Connection()}, "Connection"),
        ({"\ud800": (number for number in range(3))}, "dict"),
    ],
)
def test_what_cannot_be_written_is_told_by_its_type_alone(value, name):
    with pytest.raises(TypeError) as caught:
        content_of(value, None)
    assert str(caught.value) == f"what the tool gave cannot be written as JSON: {name}"


def test_a_list_that_holds_itself_cannot_be_written():
    circle = []
    circle.append(circle)
    with pytest.raises(match="list"):
        content_of(circle, None)


def test_a_property_that_raises_is_no_more_than_that():
    class Broken(BaseModel):
        @computed_field
        def size(self) -> int:
            raise KeyError("secret")

    with pytest.raises(match="Broken") as caught:
        content_of(Broken(), None)
    assert "secret" not in str(caught.value)


# How long it may be


def test_what_is_too_long_is_cut_and_says_so():
    content = content_of("a" * 300_000, MAX_RESULT)
    assert len(content) == MAX_RESULT
    assert content.endswith("aaa… [cut: 300,000 characters in all]")


def test_json_is_cut_likewise():
    content = content_of(["a" * 100], 60)
    assert content == '["' + "a" * 28 + "… [cut: 104 characters in all]"


@pytest.mark.parametrize("length", [0, 1, 59, 60])
def test_what_fits_is_whole(length):
    assert content_of("a" * length, 60) == "a" * length


def test_without_a_limit_nothing_is_cut():
    assert len(content_of("a" * 300_000, None)) == 300_000


@given(st.text(max_size=200), st.integers(0, 100))
def test_no_content_is_longer_than_its_limit_and_none_within_it_is_changed(text, limit):
    content = content_of(text, limit)
    assert len(content) <= limit
    assert content == text if len(text) <= limit else content != text


# What a tool raised


class HostileError(Exception):
    def __str__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
        (ValueError(), "ValueError"),
        (KeyError("city"), "KeyError: 'city'"),
        (ValueError("two\n  lines\tand\u2028more\r\n"), "ValueError: two lines and more"),
        (ValueError(f"Incorrect API key provided: {KEY}"), "ValueError: Incorrect API key provided: sk-***"),
        (ValueError("bell\x07\x1b[31m"), "ValueError: bell [31m"),
        (TimeoutError("5 s"), "TimeoutError: 5 s"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (
            ExceptionGroup("two", [ValueError("a"), KeyError("b")]),
            "ExceptionGroup: two (2 sub-exceptions): ValueError: a",
        ),
        (
            ExceptionGroup("outer", [ExceptionGroup("inner", [OSError("deep")])]),
            "ExceptionGroup: outer (1 sub-exception): OSError: deep",
        ),
        (HostileError(), "an error that cannot be told"),
        (type("Silent", (Exception,), {"__str__": lambda error: 5})(), "an error that cannot be told"),
        (ExceptionGroup("x", [HostileError()]), "an error that cannot be told"),
    ],
)
def test_an_error_is_its_class_and_its_message_on_one_line(error, text):
    assert told(error) == text


def test_a_long_message_is_cut():
    assert len(told(ValueError("a b " * 10_000))) == 500
    group = told(ExceptionGroup("long " * 1_000, [ValueError("the cause")]))
    assert len(group) <= 500
    assert group.endswith("ValueError: the cause")


def test_a_message_of_many_megabytes_costs_no_more_than_its_beginning():
    assert told(ValueError(" " * 10_000_000 + "late")) == "ValueError"


def test_no_traceback_is_told():
    try:
        Place.model_validate({})
    except ValidationError as error:
        wrapped = RuntimeError("failed")
        wrapped.__cause__ = error
    assert told(wrapped) == "RuntimeError: failed"


def test_a_validation_error_inside_a_tool_is_told_without_the_values():
    with pytest.raises(ValidationError) as caught:
        Place.model_validate({"name": 5, "height": "secret"})
    text = told(caught.value)
    assert text.startswith("ValidationError: name: Input should be a valid string; height: Input should be a valid")
    assert "secret" not in text


@given(st.text())
def test_every_error_is_told_as_one_line_that_can_be_sent(message):
    text = told(ValueError(message))
    assert len(text.encode().decode().splitlines()) == 1
    assert len(text) <= 500


# What is wrong with arguments


def get_weather(city: str, days: list[int]) -> str:
    return city


TOOL = function_tool(get_weather)


def problem_of(text, tool=TOOL):
    with pytest.raises(ValidationError) as caught:
        tool.model_validate_json(text)
    return unfit("get_weather", caught.value)


def test_a_missing_argument_is_named():
    assert problem_of('{"days": []}') == "the arguments do not fit get_weather: city: Field required"


def test_each_problem_is_told_with_its_path():
    assert problem_of('{"city": "Bern", "days": [1, "soon", null]}') == (
        "the arguments do not fit get_weather: "
        "days[1]: Input should be a valid integer, unable to parse string as an integer; "
        "days[2]: Input should be a valid integer"
    )


def test_the_values_are_left_out():
    assert "soon" not in problem_of('{"city": "Bern", "days": ["soon"]}')


def test_malformed_json_is_told():
    text = problem_of('{"city": "Bern"')
    assert text.startswith("the arguments do not fit get_weather: Invalid JSON: EOF")


def test_an_argument_too_many_is_named_and_cut_if_it_is_long():
    text = problem_of('{"city": "Bern", "days": [], "' + "x" * 1_000 + '": 1}')
    assert "xxx…: Extra inputs are not permitted" in text
    assert len(text) < 200


def test_after_five_problems_the_others_are_counted():
    text = problem_of('{"city": "Bern", "days": ["a", "b", "c", "d", "e", "f", "g"]}')
    assert text.count("days[") == 5
    assert text.endswith("; and 2 more")


def test_what_a_validator_says_is_told_with_keys_masked():
    def refuse(value: str) -> str:
        raise ValueError(f"not\n{value}")

    adapter = TypeAdapter(Annotated[str, AfterValidator(refuse)])
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(KEY)
    assert unfit("f", caught.value) == "the arguments do not fit f: Value error, not sk-***"


def test_a_field_with_a_telling_name_hides_nothing_of_what_is_wrong():
    class Login(BaseModel):
        model_config = ConfigDict(extra="forbid")

        password: str = Field(min_length=8)

    with pytest.raises(ValidationError) as caught:
        Login.model_validate({"password": "short"})
    assert unfit("f", caught.value).endswith("password: String should have at least 8 characters")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            StreamProtocolError("malformed JSON: Expecting value at character 0"),
            "malformed JSON: Expecting value at character 0",
        ),
        (ValueError("expected an object"), "expected an object"),
        (TypeError("no text"), "TypeError: no text"),
        (ValueError(), "ValueError"),
        (KeyError("city"), "KeyError: 'city'"),
        (HostileError(), "an error that cannot be told"),
        (type("Silent", (StreamProtocolError,), {"__str__": lambda error: 5})(), "an error that cannot be told"),
    ],
)
def test_any_other_error_is_told_in_its_own_words(error, text):
    assert unfit("f", error) == f"the arguments do not fit f: {text}"


def test_a_failure_holds_words_and_perhaps_an_error():
    error = ValueError("x")
    assert Failure("ValueError: x", error) == Failure("ValueError: x", error)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Failure("denied", None).text = "allowed"
