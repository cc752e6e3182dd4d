"""`chatstream.chunks`: parsed JSON made into a chunk that can be trusted, and errors made readable."""

import copy
import enum
import json
from types import MappingProxyType

import pytest
from pydantic import BaseModel

from building import call, choice, chunk, finish, say, strings
from chatstream.chunks import has_error, mend_chunk, plain_mapping, read_chunk, read_error, read_payload
from chatstream.errors import StreamLimitError, StreamProtocolError

HIGH, LOW = "\ud83d", "\ude00"


# ---------------------------------------------------------------- chunks


@pytest.mark.parametrize("raw", [{}, {"type": "ping"}, {"object": "x", "model": "m"}, {"delta": {"content": "a"}}])
def test_an_object_without_choices_usage_id_or_error_says_nothing(raw):
    assert read_chunk(raw) is None


@pytest.mark.parametrize("key", ["choices", "usage", "id"])
def test_an_object_with_one_of_them_is_a_chunk(key):
    assert read_chunk({key: None}) is not None


def test_what_is_missing_in_a_choice_is_filled_in():
    (found,) = read_chunk({"choices": [{}]}).choices
    assert (found.index, found.delta, found.finish_reason, found.message) == (0, {}, None, None)
    (found,) = read_chunk(
        {"choices": [{"index": None, "delta": None, "finish_reason": None, "logprobs": None}]}
    ).choices
    assert (found.index, found.delta, found.finish_reason, found.logprobs) == (0, {}, None, None)


def test_the_order_of_choices_is_kept_and_so_are_two_for_one_index():
    found = read_chunk(chunk(choice(3), choice(1), choice(3))).choices
    assert [said.index for said in found] == [3, 1, 3]


@pytest.mark.parametrize("index", ["0", "", True, False, 0.0, -1, [], {}])
def test_an_index_that_is_no_natural_number_is_malformed(index):
    with pytest.raises(StreamProtocolError):
        read_chunk({"choices": [{"index": index}]})


@pytest.mark.parametrize(
    "raw",
    [
        {"choices": "text"},
        {"choices": 5},
        {"choices": ["x"]},
        {"choices": [{"delta": "x"}]},
        {"choices": [{"delta": 5}]},
    ],
)
def test_what_is_malformed_is_named_and_not_quoted(raw):
    with pytest.raises(StreamProtocolError) as caught:
        read_chunk(json.loads(json.dumps(raw).replace("text", "my secret prompt").replace('"x"', '"my secret prompt"')))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("reason", "expected"), [("stop", "stop"), ("", None), ("null", None), (None, None), ("nulls", "nulls"), (" ", " ")]
)
def test_a_finish_reason_is_one_or_none(reason, expected):
    assert read_chunk(chunk(choice(finish=reason))).choices[0].finish_reason == expected


def test_reading_a_chunk_does_not_change_it():
    raw = chunk(choice(delta={"content": "a", "x": {"b": [1]}}, y=[1]), usage={"total_tokens": 1}, z=1)
    before = copy.deepcopy(raw)
    read_chunk(raw)
    assert raw == before


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "raw",
    [
        {"error": "x"},
        {"error": {"message": "x"}},
        {"error": 1},
        {"error": True},
        {"object": "error"},
        [{"error": "x"}],
        [{"object": "error"}],
    ],
)
def test_an_error_is_seen(raw):
    assert has_error(raw) is True


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"error": None},
        {"error": ""},
        {"error": {}},
        {"error": False},
        {"object": "Error"},
        [],
        [{}],
        [{"error": 1}, {}],
        "error",
        5,
        None,
        {"errors": [1]},
        [[{"error": 1}]],
    ],
)
def test_what_is_no_error_is_not_taken_for_one(raw):
    assert has_error(raw) is False


def test_an_error_is_found_however_deep_it_was_wrapped():
    inner = {"message": "boom", "type": "t", "code": "c", "param": "p"}
    for raw in (inner, {"error": inner}, [{"error": inner}], {"error": {"error": inner}}, {"object": "error", **inner}):
        error = read_error(raw)
        assert (error.message, error.type, error.code, error.param) == ("boom", "t", "c", "p")


@pytest.mark.parametrize(
    "raw", ["boom", {"error": "boom"}, {"detail": "boom"}, {"error": {"detail": "boom"}}, {"message": "boom"}]
)
def test_the_message_is_found_where_servers_put_it(raw):
    assert read_error(raw).message == "boom"


@pytest.mark.parametrize(
    "raw", [None, 5, True, [], {}, [1, 2], {"error": [1]}, {"error": {"message": {"a": 1}}},
            {"error": {"message": 5, "type": [], "code": {}, "param": 1.5}},
            {"error": {"message": HIGH, "type": LOW, "param": HIGH}}, {HIGH: LOW}, {"error": 10**400}],
)  # fmt: skip
def test_of_whatever_it_is_something_readable_is_made(raw):
    error = read_error(raw)
    str(error).encode()
    for text in (error.message, error.type, error.param):
        assert text is None or text.encode() is not None
    assert error.code is None or type(error.code) in {str, int}


def test_the_body_is_all_that_was_said():
    raw = {"error": {"message": "boom", "metadata": {"provider": "x"}}}
    assert read_error(raw).body == raw


def test_what_is_left_of_a_chunk_when_its_error_is_taken_out():
    assert read_payload({**say(content="a"), "error": {"message": "x"}}) == say(content="a")


# ---------------------------------------------------------------- strings


def test_texts_keep_the_half_that_may_find_its_other_one_and_nothing_else_does():
    delta = {
        "content": "a" + HIGH, "refusal": HIGH, "reasoning": HIGH, "reasoning_content": HIGH, "mine": HIGH,
        "other": HIGH, "role": HIGH, "tool_calls": [call(0, HIGH, HIGH, HIGH)],
        "audio": {"transcript": HIGH, "id": HIGH},
    }  # fmt: skip
    found = mend_chunk(say(**delta), frozenset({"mine"}))["choices"][0]["delta"]
    assert {key for key, value in found.items() if value == HIGH} == {
        "refusal",
        "reasoning",
        "reasoning_content",
        "mine",
    }
    assert found["content"] == "a" + HIGH
    assert found["tool_calls"] == [call(0, "\ufffd", "\ufffd", HIGH)]
    assert found["audio"] == {"transcript": HIGH, "id": "\ufffd"}
    assert (found["other"], found["role"]) == ("\ufffd", "\ufffd")


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": [HIGH]},
        {"choices": {HIGH: 1}},
        {"choices": [{"delta": [HIGH]}]},
        {"choices": [{"delta": {"tool_calls": {HIGH: HIGH}}}]},
        {HIGH: [[{LOW: HIGH}]]},
    ],
)
def test_mending_survives_every_shape(odd):
    assert all(text.encode() for text in strings(mend_chunk(odd, frozenset())))


# ---------------------------------------------------------------- chunks that come parsed


class Colour(str, enum.Enum):  # noqa: UP042  its str() is not its value: that is the point
    RED = "red"


class Number(int):
    pass


class Model(BaseModel):
    a: int = 1


def test_a_mapping_is_copied_as_plain_values():
    given = MappingProxyType({"a": (1, [2, {"b": None}]), "c": MappingProxyType({"d": True}), "e": 1.5})
    found, odd = plain_mapping(given, 256)
    assert found == {"a": [1, [2, {"b": None}]], "c": {"d": True}, "e": 1.5}
    assert odd is False
    assert type(found["c"]) is dict


def test_values_that_only_look_like_json_are_made_plain():
    found, _ = plain_mapping({"a": Colour.RED, Colour.RED: Number(5), "m": Model()}, 256)
    assert found == {"a": "red", "red": 5, "m": {"a": 1}}
    assert [type(value) for value in found.values()] == [str, int, dict]
    assert {type(key) for key in found} == {str}


@pytest.mark.parametrize("value", [object(), {1}, b"x", 1j, len, {1: 2}, {None: 1}, {b"x": 1}])
def test_values_that_json_does_not_have_are_a_protocol_error(value):
    with pytest.raises(StreamProtocolError) as caught:
        plain_mapping({"a": [value]}, 256)
    assert "0x" not in str(caught.value)


@pytest.mark.parametrize("max_depth", [3, 256, None])
def test_what_holds_itself_is_past_the_limit(max_depth):
    one, two = {}, {}
    one["a"], two["b"] = [two], one
    with pytest.raises(StreamLimitError) as caught:
        plain_mapping(one, max_depth)
    assert caught.value.limit == "max_depth"


@pytest.mark.parametrize(
    ("text", "odd"), [("abc", False), ("é😀", False), (HIGH, True), (LOW, True), (HIGH + LOW, True)]
)
def test_strings_that_may_hold_surrogates_are_told(text, odd):
    assert plain_mapping({"a": [text]}, 256)[1] is odd
    assert plain_mapping({text: 1}, 256)[1] is odd


def test_a_copy_shares_nothing():
    given = chunk(choice(delta={"x": {"a": [1]}}))
    found, _ = plain_mapping(given, 256)
    found["choices"][0]["delta"]["x"]["a"].append(2)
    assert given["choices"][0]["delta"]["x"]["a"] == [1]
    assert found != finish()
