"""Tool calls: whose delta it is (rules 1 to 5), how the parts merge, ids, order, and when a call is done."""

import json
import re

import pytest
from pydantic_core import from_json

from building import add, body, call, calls, choice, chunk, finish, message, of_type, read, read_chunks, say, types

NO_INDEX = [None, "0", "", True, False, 0.0, 1.5, -1, [], {}]
ADDED = "tool_calls.added"
DELTA = "tool_calls.function.arguments.delta"
DONE = "tool_calls.function.arguments.done"


def told(*chunks, **options):
    """The calls that these chunks add up to: (id, name, arguments) of each, as the message lists them."""
    found = message(*chunks, **options).get("tool_calls") or []
    return [(one["id"], one["function"]["name"], one["function"]["arguments"]) for one in found]


def each(*entries):
    """The same for entries that come one in a chunk."""
    return told(*map(calls, entries))


def together(*entries):
    """The same for entries that come all in one chunk."""
    return told(calls(*entries))


A = call(0, "a", "f", "")
WHOLE = call(0, "a", "f", '{"x":1}')
OPEN = call(0, "a", "f", '{"x":')


# ---------------------------------------------------------------- rule 1: a known id


def test_1_a_known_id_without_an_index_is_that_call():
    assert each(A, call(1, "b", "g", "1"), call(id="a", arguments="2")) == [("a", "f", "2"), ("b", "g", "1")]


@pytest.mark.parametrize("index", NO_INDEX)
def test_1_an_index_that_is_no_natural_number_counts_as_missing(index):
    delta = {"index": index, "id": "a", "function": {"arguments": "2"}}
    assert each(A, call(1, "b", "g", "1"), delta) == [("a", "f", "2"), ("b", "g", "1")]


def test_1_a_known_id_with_the_index_of_its_call_is_that_call():
    assert each(A, call(1, "b", "g"), call(0, "a", arguments="2")) == [("a", "f", "2"), ("b", "g", "")]
    assert each(A, call(0, "a", "f", "1"), call(0, "a", "f", "2")) == [("a", "f", "12")]


def test_1_also_when_another_call_was_opened_at_that_index_since():
    assert each(WHOLE, call(0, "b", "g", "1"), call(0, "a", arguments=" ")) == [("a", "f", '{"x":1} '), ("b", "g", "1")]


def test_1_a_known_id_with_an_unused_index_and_no_name_is_that_call():
    assert each(A, call(5, "a", arguments="1"), call(6, "a", arguments="2")) == [("a", "f", "12")]


def test_1_a_known_id_with_an_unused_index_and_a_name_is_a_new_call():
    assert [name for _, name, _ in each(A, call(5, "a", "g", "1"))] == ["f", "g"]
    assert [name for _, name, _ in each(A, call(5, "a", "f", "1"))] == ["f", "f"]


def test_1_a_known_id_with_a_name_and_no_index_is_that_call():
    assert each(call(id="a", name="f", arguments="1"), call(id="a", name="f", arguments="2")) == [("a", "f", "12")]


def test_1_ids_are_known_within_their_choice():
    found = add(calls(call(id="a", name="f")), calls(call(id="a", name="g"), index=1)).snapshot
    assert [choice.message.tool_calls[0].function.name for choice in found.choices] == ["f", "g"]


# ---------------------------------------------------------------- rule 2: an index in use, and no other id


def test_2_an_index_in_use_without_an_id_is_the_call_there():
    assert each(A, call(1, "b", "g"), call(0, arguments="1"), call(1, arguments="2"), call(0, arguments="3")) == [
        ("a", "f", "13"),
        ("b", "g", "2"),
    ]


@pytest.mark.parametrize("empty", [None, ""])
def test_2_an_id_that_is_empty_or_null_is_none(empty):
    assert each(A, {"index": 0, "id": empty, "function": {"name": empty, "arguments": "1"}}) == [("a", "f", "1")]


def test_2_the_newest_call_at_an_index_is_meant():
    assert each(WHOLE, call(0, "b", "g", "1"), call(0, arguments="2")) == [("a", "f", '{"x":1}'), ("b", "g", "12")]


def test_2_the_same_id_is_the_same_call_whatever_its_arguments():
    assert each(WHOLE, call(0, "a", "f", " ")) == [("a", "f", '{"x":1} ')]


def test_2_a_different_name_after_a_whole_object_makes_a_new_call():
    found = each(call(0, name="f", arguments='{"x":1}'), call(0, name="g", arguments='{"y":2}'))
    assert [(name, arguments) for _, name, arguments in found] == [("f", '{"x":1}'), ("g", '{"y":2}')]
    assert [name for _, name, _ in each(WHOLE, call(0, name="g"))] == ["f", "g"]


def test_2_a_different_name_before_a_whole_object_makes_none():
    assert each(OPEN, call(0, name="g", arguments="1}")) == [("a", "f", '{"x":1}')]
    assert each(A, call(0, name="g", arguments="1")) == [("a", "fg", "1")]


def test_2_the_same_name_or_none_after_a_whole_object_makes_no_new_call():
    assert len(each(WHOLE, call(0, name="f", arguments='{"y":2}'))) == 1
    assert each(WHOLE, call(0, arguments='{"y":2}')) == [("a", "f", '{"x":1}{"y":2}')]


@pytest.mark.parametrize(
    ("arguments", "whole"),
    [('{"x":1}', True), ("{}", True), ('{"x":{"y":"}"}}', True), ('{"x":"{"}', True), (' {"a": [1]}', True),
     ("", False), ("[]", False), ('{"x":1', False), ('{"x":"}', False), ('{"x":"\\"}', False), ("{x}", False),
     ('{"x":1}}', False), ('{"x":1},{}', False), ("null", False), ('{"a"}', False), ('"{}"', False), ("}", False),
     ('{"a":}', False), ("{}{}", False)],
)  # fmt: skip
@pytest.mark.parametrize("cut", ["whole", "by character"])
def test_2_what_a_whole_object_is(arguments, whole, cut):
    pieces = [arguments] if cut == "whole" else list(arguments)
    found = each(call(0, "a", "f"), *(call(0, arguments=piece) for piece in pieces), call(0, name="g"))
    assert len(found) == 1 + whole


def test_2_an_id_that_comes_late_is_that_of_the_call_at_its_index():
    assert each(call(0, name="f", arguments="1"), call(0, "a", arguments="2")) == [("a", "f", "12")]
    assert each(call(0, name="f"), call(1, name="g"), call(0, "a"), call(1, "b")) == [("a", "f", ""), ("b", "g", "")]


# ---------------------------------------------------------------- rule 3: an index in use, and another id


def test_3_another_id_without_a_name_is_that_call_and_the_first_id_stays():
    assert each(OPEN, call(0, "b", arguments="1"), call(0, "c", arguments="}")) == [("a", "f", '{"x":1}')]
    assert each(WHOLE, call(0, "b", arguments=" ")) == [("a", "f", '{"x":1} ')]


@pytest.mark.parametrize("first", [A, OPEN, WHOLE])
def test_3_another_id_with_a_different_name_is_a_new_call(first):
    assert [found[:2] for found in each(first, call(0, "b", "g", "1"))] == [("a", "f"), ("b", "g")]
    assert [found[:2] for found in together(first, call(0, "b", "g", "1"))] == [("a", "f"), ("b", "g")]


def test_3_another_id_with_the_same_name_is_a_new_call_after_a_whole_object():
    assert each(WHOLE, call(0, "b", "f", '{"y":2}')) == [("a", "f", '{"x":1}'), ("b", "f", '{"y":2}')]
    assert each(WHOLE, call(0, "b", "f", '{"x":1}')) == [("a", "f", '{"x":1}'), ("b", "f", '{"x":1}')]


@pytest.mark.parametrize("first", [A, OPEN])
def test_3_another_id_with_the_same_name_is_that_call_before_a_whole_object(first):
    (found,) = each(first, call(0, "b", "f", "1"))
    assert found[:2] == ("a", "f")
    assert found[2].endswith("1")


def test_3_a_fresh_id_in_every_chunk_is_one_call_until_its_object_is_whole():
    found = each(*(call(0, f"id{number}", "f", piece) for number, piece in enumerate(['{"x"', ":", "1}", '{"y":2}'])))
    assert found == [("id0", "f", '{"x":1}'), ("id3", "f", '{"y":2}')]


def test_3_the_new_call_is_the_newest_at_its_index():
    assert each(WHOLE, call(0, "b", "g"), call(0, arguments="1")) == [("a", "f", '{"x":1}'), ("b", "g", "1")]


# ---------------------------------------------------------------- rule 4: an unused index


def test_4_an_unused_index_is_a_new_call():
    assert each(call(0, arguments="1"), call(1, arguments="2"))[0][2] == "1"
    assert len(each(call(0), call(1), call(2), call(1), call(0))) == 3
    assert len(together(call(0), call(1), call(2), call(1), call(0))) == 3


@pytest.mark.parametrize("index", [1, 7, 10**9, 2**64, 10**30, 10**4000])
def test_4_the_value_of_an_index_is_not_limited(index):
    found = add(calls(call(index, "a", "f", "1")), calls(call(index, arguments="2")))
    assert found.snapshot.choices[0].message.tool_calls[0].function.arguments == "12"
    assert [event.index for event in of_type(found.events, ADDED)] == [0]


# ---------------------------------------------------------------- rule 5: no valid index


@pytest.mark.parametrize("index", NO_INDEX)
def test_5_the_first_delta_is_a_new_call(index):
    assert each({"index": index, "id": "a", "function": {"name": "f", "arguments": "1"}}) == [("a", "f", "1")]
    assert [found[2] for found in each({"index": index, "function": {"arguments": "1"}})] == ["1"]


@pytest.mark.parametrize("index", NO_INDEX)
def test_5_a_new_id_is_a_new_call(index):
    second = {"index": index, "id": "b", "function": {"name": "f", "arguments": "2"}}
    assert each(call(id="a", name="f", arguments="1"), second) == [("a", "f", "1"), ("b", "f", "2")]
    assert each(call(id="a", name="f"), {"index": index, "id": "b"}) == [("a", "f", ""), ("b", None, "")]


def test_5_a_name_is_a_new_call_when_the_last_one_has_arguments():
    found = each(call(name="f", arguments="1"), call(name="f", arguments="2"), call(name="g", arguments="3"))
    assert [(name, arguments) for _, name, arguments in found] == [("f", "1"), ("f", "2"), ("g", "3")]


def test_5_a_name_is_a_new_call_when_the_last_one_was_opened_by_this_same_chunk():
    found = together(call(name="f"), call(name="g"), call(name="f"))
    assert [name for _, name, _ in found] == ["f", "g", "f"]


def test_5_a_name_is_the_last_call_when_that_came_earlier_and_has_no_arguments():
    assert each(call(id="a", name="get_"), call(name="weather"), call(arguments="{}")) == [("a", "get_weather", "{}")]
    assert each(call(id="a"), call(name="f"), call(arguments="{}")) == [("a", "f", "{}")]


def test_5_neither_id_nor_name_is_the_last_call():
    assert each(call(id="a", name="f"), call(arguments="1"), call(arguments="2")) == [("a", "f", "12")]
    assert each(A, call(1, "b", "g"), call(arguments="2")) == [("a", "f", ""), ("b", "g", "2")]
    assert together(call(id="a", name="f", arguments="1"), call(arguments="2")) == [("a", "f", "12")]


def test_5_the_last_call_is_an_anomaly_when_several_are_open():
    assert add(calls(A), calls(call(1, "b", "g")), calls(call(arguments="2"))).anomalies == {"tool_call_guessed": 1}
    assert add(calls(call(id="a", name="f")), calls(call(arguments="1"))).anomalies == {}


def test_5_a_call_that_is_done_is_not_open():
    found = add(calls(WHOLE), calls(call(1, "b", "g")), calls(call(arguments="{")), calls(call(arguments="}")))
    assert found.anomalies == {}


def test_a_call_without_an_index_beside_ones_that_have_one():
    assert each(call(id="a", name="f"), call(0, "b", "g"), call(0, arguments="1"), call(id="a", arguments="2")) == [
        ("a", "f", "2"),
        ("b", "g", "1"),
    ]


def test_a_call_that_was_opened_without_an_index_may_get_one_later():
    assert each(call(id="a", name="f"), call(0, "a", arguments="1"), call(0, arguments="2")) == [("a", "f", "12")]


# ---------------------------------------------------------------- the parts


@pytest.mark.parametrize("empty", [None, ""])
def test_the_first_id_that_is_not_empty_counts(empty):
    assert each({**A, "id": empty}, call(0, "a"), call(0, "b"))[0][0] == "a"


@pytest.mark.parametrize("empty", [None, ""])
def test_the_first_type_that_is_not_empty_counts(empty):
    found = message(calls(call(0, "a", "f", type=empty)), calls(call(0, type="function")), calls(call(0, type="other")))
    assert found["tool_calls"][0]["type"] == "function"


def test_a_type_that_never_came_is_custom_if_custom_is_there_else_function():
    assert message(calls(A))["tool_calls"][0]["type"] == "function"
    assert (
        message(calls({"index": 0, "id": "a", "custom": {"name": "f", "input": "x"}}))["tool_calls"][0]["type"]
        == "custom"
    )
    assert message(calls({"index": 0, "id": "a"}))["tool_calls"][0]["type"] == "function"
    assert of_type(add(calls({"index": 0, "custom": {"name": "f"}})).events, ADDED)[0].tool_type == "custom"


def test_a_type_that_comes_late_is_in_the_next_snapshot():
    found = add(calls(call(0, "a", "f")), calls(call(0, type="other")))
    assert [event.snapshot.choices[0].message.tool_calls[0].type for event in of_type(found.events, "chunk")] == [
        "function",
        "other",
    ]


def test_a_name_is_set_if_empty_and_ignored_if_equal():
    assert each(
        call(0, "a"), call(0, name="f"), call(0, name="f"), call(0, name="f", arguments="{}"), call(0, name="f")
    ) == [("a", "f", "{}")]
    assert each(call(0, "a", ""), call(0, name=""), call(0, name="f"))[0][1] == "f"


def test_a_name_that_begins_with_the_old_one_replaces_it():
    assert each(call(0, "a", "get"), call(0, name="get_"), call(0, name="get_weather"))[0][1] == "get_weather"
    assert each(call(0, "a", "get", "{"), call(0, name="get_weather"))[0][1] == "get_weather"


def test_any_other_name_is_appended_while_there_are_no_arguments():
    assert (
        each(call(0, "a", "get_"), call(0, name="wea"), call(0, name="ther", arguments="{"), call(0, name="x"))[0][1]
        == "get_weather"
    )


def test_arguments_are_appended_and_null_adds_nothing():
    assert (
        each(OPEN, {"index": 0, "function": {"arguments": None}}, call(0, arguments=""), call(0, arguments="1}"))[0][2]
        == '{"x":1}'
    )
    assert each({"index": 0, "id": "a", "function": {"name": "f", "arguments": None}}) == [("a", "f", "")]
    assert each({"index": 0, "id": "a", "function": {"name": "f"}}) == [("a", "f", "")]
    assert each({"index": 0, "id": "a", "function": {"name": "f", "arguments": "null"}}) == [("a", "f", "null")]


def test_an_object_as_arguments_is_written_as_compact_json():
    assert each(call(0, "a", "f", {"x": 1, "y": ["é", {"z": None}]}))[0][2] == '{"x":1,"y":["é",{"z":null}]}'
    assert each(call(0, "a", "f", {}))[0][2] == "{}"
    assert json.loads(each(call(0, "a", "f", {"x": float("nan")}))[0][2]) == {"x": None}


def test_arguments_as_an_object_are_complete():
    reading = read(body(calls(call(0, "a", "f", {"x": 1})), finish("tool_calls")))
    (done,) = of_type(reading.events, DONE)
    assert (done.arguments, done.parsed_arguments, done.complete) == ('{"x":1}', {"x": 1}, True)


@pytest.mark.parametrize("arguments", ['{"x":1}', "{}", '{"x": {"y": "}"}}', {"x": 1}])
def test_the_whole_arguments_once_more_are_ignored(arguments):
    found = add(
        calls(call(0, "a", "f", arguments)),
        calls(call(0, arguments=arguments)),
        calls(call(0, "a", "f", arguments)),
        finish(),
    )
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, separators=(",", ":"))
    assert found.snapshot.choices[0].message.tool_calls[0].function.arguments == text
    assert found.anomalies == {"repeated_arguments": 2}
    assert types(found.each[1]) == ["chunk"]
    assert of_type(found.events, DONE)[0].complete is True


def test_the_whole_arguments_once_more_after_they_came_in_pieces_are_ignored():
    assert each(OPEN, call(0, arguments="1}"), call(0, arguments='{"x":1}'))[0][2] == '{"x":1}'
    assert (
        each(*(call(0, "a", "f", piece) for piece in '{"a":"b"}'), call(0, "a", "f", '{"a":"b"}'))[0][2] == '{"a":"b"}'
    )


@pytest.mark.parametrize("text", ["1", "ab", " ", "[1]", '"x"', "null", "{", '{"a"', "}"])
def test_a_repeat_of_what_is_no_object_is_appended(text):
    found = add(calls(call(0, "a", "f", text)), calls(call(0, arguments=text)))
    assert found.snapshot.choices[0].message.tool_calls[0].function.arguments == text * 2
    assert found.anomalies == {}


def test_only_the_whole_of_the_arguments_is_a_repeat():
    assert each(WHOLE, call(0, arguments='{"x":2}'))[0][2] == '{"x":1}{"x":2}'
    assert each(WHOLE, call(0, arguments='{"x": 1}'))[0][2] == '{"x":1}{"x": 1}'
    assert each(OPEN, call(0, arguments='{"x":'))[0][2] == '{"x":{"x":'


def custom(index=None, id=None, name=None, text=None, **members):
    part = {key: value for key, value in (("name", name), ("input", text)) if value is not None}
    named = {key: value for key, value in (("index", index), ("id", id), ("type", "custom")) if value is not None}
    return {**named, "custom": part, **members}


def test_the_input_of_a_custom_call_is_appended():
    found = add(
        calls(custom(0, "a", "f", "x")),
        calls(custom(0, text="x")),
        calls({"index": 0, "custom": {"input": "y"}}),
        finish(),
    )
    (one,) = found.snapshot.choices[0].message.tool_calls
    assert (one.id, one.type, one.custom.name, one.custom.input) == ("a", "custom", "f", "xxy")
    deltas = of_type(found.events, "tool_calls.custom.input.delta")
    assert [(event.name, event.input_delta, event.input) for event in deltas] == [
        ("f", "x", "x"),
        ("f", "x", "xx"),
        ("f", "y", "xxy"),
    ]
    (done,) = of_type(found.events, "tool_calls.custom.input.done")
    assert (done.index, done.tool_call_id, done.name, done.input) == (0, "a", "f", "xxy")


def test_the_input_of_a_custom_call_may_come_after_its_name():
    found = add(calls(custom(0, "a")), calls(custom(0, name="f")), calls(custom(0, text="x")))
    assert [one.snapshot.choices[0].message.tool_calls[0].custom.input for one in of_type(found.events, "chunk")] == [
        "",
        "",
        "x",
    ]
    assert found.snapshot.choices[0].message.tool_calls[0].custom.name == "f"


def test_custom_calls_without_an_index_are_told_apart_by_their_names():
    found = message(calls(custom(name="f", text="x")), calls(custom(name="g", text="y")), calls(custom(text="z")))
    assert [(one["custom"]["name"], one["custom"]["input"]) for one in found["tool_calls"]] == [("f", "x"), ("g", "yz")]


def test_the_name_of_a_custom_call_is_not_appended_to_once_it_has_input():
    assert (
        message(calls(custom(0, "a", "f", "x")), calls(custom(0, name="g")))["tool_calls"][0]["custom"]["name"] == "f"
    )


def test_a_custom_call_that_looks_like_an_object_is_text_all_the_same():
    assert (
        message(calls(custom(0, "a", "f", "{}")), calls(custom(0, text="{}")))["tool_calls"][0]["custom"]["input"]
        == "{}{}"
    )


def test_other_members_of_a_call_are_last_non_null():
    one = {"extra_content": {"google": {"thought_signature": "s1"}}, "signature": "a", "n": 1}
    two = {"extra_content": {"google": {"thought_signature": "s2"}}, "signature": "b", "n": None}
    (found,) = message(calls({**A, **one}), calls(call(0, **two)), calls(call(0, signature=None)))["tool_calls"]
    assert found["extra_content"] == {"google": {"thought_signature": "s2"}}
    assert (found["signature"], found["n"]) == ("b", 1)


def test_other_members_inside_the_function_are_kept_as_well():
    one = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}", "strict": True}}
    assert message(calls(one), calls(call(0, arguments="")))["tool_calls"][0]["function"]["strict"] is True
    one = {"index": 0, "id": "a", "custom": {"name": "f", "input": "x", "signature": "s"}}
    assert message(calls(one))["tool_calls"][0]["custom"]["signature"] == "s"


# ---------------------------------------------------------------- ids, made up


def made_up(*chunks):
    return [one["id"] for one in message(*chunks, finish("tool_calls"))["tool_calls"]]


def test_a_call_that_never_got_an_id_gets_one_at_the_end_of_its_choice():
    (found,) = made_up(calls(call(0, name="f", arguments="{}")))
    assert re.fullmatch("call_[0-9a-f]{24}", found)


def test_an_id_that_was_made_up_is_the_same_on_every_replay():
    story = [calls(call(0, name="f", arguments="{}"), call(1, name="g", arguments="{}"))]
    assert made_up(*story) == made_up(*story)
    pieces = [
        calls(call(0, name="f")),
        calls(call(0, arguments="{}")),
        calls(call(1, name="g")),
        calls(call(1, arguments="{}")),
    ]
    assert made_up(*pieces) == made_up(*story)


def test_ids_that_were_made_up_differ_by_completion_choice_ordinal_and_name():
    one = calls(call(0, name="f"))
    (first,) = made_up(one)
    assert made_up({**one, "id": "c2"}) != [first]
    assert made_up(calls(call(0, name="g"))) != [first]
    assert len(set(made_up(calls(call(0, name="f"), call(1, name="f"), call(2, name="f"))))) == 3
    both = add(
        chunk(
            choice(0, delta=one["choices"][0]["delta"], finish="stop"),
            choice(1, delta=one["choices"][0]["delta"], finish="stop"),
        )
    )
    ids = [choice.message.tool_calls[0].id for choice in both.snapshot.choices]
    assert len(set(ids)) == 2


def test_events_before_an_id_is_known_have_none_and_the_done_event_has_it():
    found = add(calls(call(0, name="f", arguments="{")), calls(call(0, arguments="}")), finish())
    assert [event.tool_call_id for event in of_type(found.events, ADDED, DELTA)] == [None] * 3
    assert of_type(found.events, DONE)[0].tool_call_id == found.snapshot.choices[0].message.tool_calls[0].id


def test_an_id_that_comes_late_is_in_the_events_from_then_on():
    found = add(calls(call(0, name="f", arguments="{")), calls(call(0, "a", arguments="}")), finish())
    assert [event.tool_call_id for event in of_type(found.events, ADDED, DELTA, DONE)] == [None, None, "a", "a"]


def test_a_stream_without_a_finish_reason_has_its_ids_made_up_as_well():
    reading = read(body(calls(call(0, name="f", arguments="{}"))))
    assert reading.last.end.kind == "no_finish"
    (found,) = reading.last.snapshot.choices[0].message.tool_calls
    assert re.fullmatch("call_[0-9a-f]{24}", found.id)
    assert of_type(reading.events, DONE)[0].tool_call_id == found.id


# ---------------------------------------------------------------- order


def names(*entries):
    return [found[1] for found in each(*entries)]


def test_calls_are_listed_by_wire_index_where_each_has_one_of_its_own():
    assert names(call(2, "a", "f"), call(0, "b", "g"), call(10**9, "c", "h"), call(1, "d", "i")) == ["g", "i", "f", "h"]


def test_calls_are_listed_by_first_sight_where_one_has_none():
    assert names(call(2, "a", "f"), call(0, "b", "g"), call(id="c", name="h")) == ["f", "g", "h"]


def test_calls_are_listed_by_first_sight_where_two_share_one():
    assert names(call(2, "a", "f", "{}"), call(0, "b", "g"), call(2, "c", "h")) == ["f", "g", "h"]


def test_the_index_of_an_event_counts_calls_by_first_sight():
    found = add(
        calls(call(5, "a", "f")),
        calls(call(0, "b", "g")),
        calls(call(5, arguments="{}"), call(0, arguments="{}")),
        finish(),
    )
    assert [(event.index, event.tool_call_id) for event in of_type(found.events, ADDED, DELTA)] == [
        (0, "a"),
        (1, "b"),
        (0, "a"),
        (1, "b"),
    ]
    assert sorted((event.index, event.tool_call_id) for event in of_type(found.events, DONE)) == [(0, "a"), (1, "b")]
    assert [one.id for one in found.snapshot.choices[0].message.tool_calls] == ["b", "a"]


def test_the_calls_of_the_finished_message_have_no_index():
    assert "index" not in message(calls(A), finish())["tool_calls"][0]


# ---------------------------------------------------------------- when a call is done


def test_a_call_is_done_at_the_finish_of_its_choice():
    found = add(calls(WHOLE), calls(call(0, arguments=" ")), say(content="x"), finish())
    assert types(found.each[-1])[:2] == ["chunk", DONE]
    assert not of_type(found.each[2], DONE)


def test_a_whole_call_is_done_when_a_chunk_has_a_delta_for_another_and_none_for_it():
    found = add(calls(WHOLE), calls(call(1, "b", "g", "{")), calls(call(1, arguments="}")), finish())
    assert types(found.each[1]) == ["chunk", DONE, ADDED, DELTA]
    assert (found.each[1][1].index, found.each[1][1].arguments, found.each[1][1].complete) == (0, '{"x":1}', True)
    assert types(found.each[3]) == ["chunk", DONE, "choice.done"]
    assert found.each[3][1].index == 1


def test_a_call_is_not_done_early_while_its_arguments_are_no_whole_object():
    for first in (OPEN, A, call(0, "a", "f", "[1]"), call(0, "a", "f", "{}x"), call(0, "a", "f")):
        found = add(calls(first), calls(call(1, "b", "g", "{}")), finish())
        assert not of_type(found.each[1], DONE)
        assert [event.index for event in of_type(found.each[2], DONE)] == [0, 1]


def test_a_call_is_not_done_early_by_a_chunk_that_has_a_delta_for_it_too():
    found = add(
        calls(OPEN, call(1, "b", "g")),
        calls(call(0, arguments="1}"), call(1, arguments="{")),
        calls(call(1, arguments="}")),
        finish(),
    )
    assert not of_type(found.each[1], DONE)
    assert [event.index for event in of_type(found.each[2], DONE)] == [0]


def test_calls_in_one_chunk_are_done_at_the_finish():
    found = add(calls(WHOLE, call(1, "b", "g", "{}")), finish())
    assert types(found.each[0]) == ["chunk", ADDED, DELTA, ADDED, DELTA]
    assert [event.index for event in of_type(found.each[1], DONE)] == [0, 1]


def test_several_whole_calls_may_be_done_by_one_delta():
    found = add(calls(WHOLE, call(1, "b", "g", "{}")), calls(call(2, "c", "h")), finish())
    assert types(found.each[1]) == ["chunk", DONE, DONE, ADDED]
    assert [event.index for event in of_type(found.events, DONE)] == [0, 1, 2]


def test_the_delta_of_another_choice_ends_no_call():
    found = add(calls(WHOLE), calls(call(1, "b", "g"), index=1))
    assert not of_type(found.events, DONE)


def test_custom_calls_are_done_at_the_finish():
    found = add(
        calls(custom(0, "a", "f", "{}")), calls(call(1, "b", "g", "{}")), calls(custom(2, "c", "h", "x")), finish()
    )
    assert types(found.each[1]) == ["chunk", ADDED, DELTA]
    assert types(found.each[2]) == ["chunk", DONE, ADDED, "tool_calls.custom.input.delta"]
    done = of_type(found.each[3], "tool_calls.custom.input.done")
    assert [event.index for event in done] == [0, 2]


def test_a_call_is_done_exactly_once_and_what_comes_after_is_an_anomaly():
    found = add(
        calls(WHOLE), calls(call(1, "b", "g")), calls(call(0, arguments=" ")), calls(call(1, arguments="{}")), finish()
    )
    assert [(event.index, event.arguments) for event in of_type(found.events, DONE)] == [(0, '{"x":1}'), (1, "{}")]
    assert types(found.each[2]) == ["chunk", DELTA]
    assert found.anomalies["after_done"] == 1
    assert found.snapshot.choices[0].message.tool_calls[0].function.arguments == '{"x":1} '


def test_a_call_that_is_opened_without_anything_is_added_and_done():
    found = add(calls(call(0)), finish())
    assert types(found.events) == ["chunk", ADDED, "chunk", DONE, "choice.done"]
    assert (of_type(found.events, DONE)[0].name, of_type(found.events, DONE)[0].arguments) == (None, "")


def test_a_cut_stream_fires_no_done_for_its_calls():
    assert DONE not in read_chunks(calls(WHOLE)).types


# ---------------------------------------------------------------- complete


@pytest.mark.parametrize("reason", ["stop", "tool_calls", "length", "content_filter", "eos"])
@pytest.mark.parametrize(
    ("arguments", "parsed"),
    [
        ('{"x": 1}', {"x": 1}),
        ("{}", {}),
        (' {"x":[{}]}\n', {"x": [{}]}),
        ('{"x":1,"x":2}', {"x": 2}),
        ('{"x":"\\u00e9\\ud83d\\ude00"}', {"x": "é😀"}),
    ],
)
def test_a_whole_object_is_complete_whatever_the_finish_reason(reason, arguments, parsed):
    (done,) = of_type(add(calls(call(0, "a", "f", arguments)), finish(reason)).events, DONE)
    assert (done.arguments, done.parsed_arguments, done.complete) == (arguments, parsed, True)


@pytest.mark.parametrize("reason", ["stop", "tool_calls", "eos"])
def test_empty_arguments_are_complete_and_parsed_as_an_empty_object(reason):
    (done,) = of_type(add(calls(A), finish(reason)).events, DONE)
    assert (done.arguments, done.parsed_arguments, done.complete) == ("", {}, True)


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_empty_arguments_of_an_answer_that_was_cut_are_not_complete(reason):
    (done,) = of_type(add(calls(A), finish(reason)).events, DONE)
    assert (done.arguments, done.parsed_arguments, done.complete) == ("", None, False)


def test_empty_arguments_are_complete_where_no_finish_reason_came():
    (done,) = of_type(read(body(calls(A))).events, DONE)
    assert (done.parsed_arguments, done.complete) == ({}, True)


@pytest.mark.parametrize("reason", ["stop", "length"])
@pytest.mark.parametrize(
    "arguments", ['{"x":', "{", "[1]", "5", "null", '"{}"', "{}{}", "{} x", "{'x':1}", '{"x":1,}', "x", '{"x":\ufffd}']
)
def test_anything_else_is_not_complete_and_has_no_value(reason, arguments):
    found = add(calls(call(0, "a", "f", arguments)), finish(reason))
    (done,) = of_type(found.events, DONE)
    assert (done.arguments, done.parsed_arguments, done.complete) == (arguments, None, False)
    assert found.snapshot.choices[0].message.tool_calls[0].function.arguments == arguments


def test_arguments_of_a_depth_that_no_one_can_read_are_kept_as_they_came():
    deep = '{"x":' + "[" * 100_000 + "]" * 100_000 + "}"
    found = add(calls(call(0, "a", "f", deep)), calls(call(1, "b", "g")), finish())
    for event in found.events:
        event.to_dict(lazies=True)
    assert of_type(found.events, DONE)[0].arguments == deep


def test_partial_arguments_are_what_pydantic_makes_of_the_prefix():
    text = '{"city": "New Y\\u00f6rk", "n": [1, 2.5, true, null], "o": {"a": "b"}}'
    found = add(calls(call(0, "a", "f")), *(calls(call(0, arguments=piece)) for piece in text), finish())
    deltas = of_type(found.events, DELTA)
    assert len(deltas) == len(text)
    for number, event in enumerate(deltas, 1):
        try:
            expected = from_json(text[:number], allow_partial="trailing-strings")
        except ValueError:
            expected = None
        assert event.arguments == text[:number]
        assert event.parsed_arguments == expected


class Weather:
    """A tool whose arguments are made into something."""

    @classmethod
    def model_validate_json(cls, text):
        return ("weather", json.loads(text))


def test_at_the_end_the_value_is_what_the_model_makes_of_it():
    reading = read(
        body(calls(call(0, "a", "Weather", '{"x":1}'), call(1, "b", "other", '{"y":2}')), finish()), tools=[Weather]
    )
    assert [event.parsed_arguments for event in of_type(reading.events, DONE)] == [("weather", {"x": 1}), {"y": 2}]


# ---------------------------------------------------------------- odd shapes


@pytest.mark.parametrize("entries", [None, [], {}, 5, "x", True, [None], [5], [[]], ["x"], [{}], {"index": 0}])
def test_calls_of_an_odd_shape_never_raise_and_spoil_nothing(entries):
    found = add(calls(A), say(tool_calls=entries), calls(call(0, arguments="{}")), finish())
    assert found.snapshot.choices[0].message.tool_calls[0].function.arguments == "{}"


@pytest.mark.parametrize("odd", [5, True, [], [1], "x", {}, None, 1.5, -1])
@pytest.mark.parametrize("path", ["id", "type", "function", "custom", "index", "name", "arguments"])
def test_parts_of_an_odd_type_never_raise(path, odd):
    one = {"index": 0, "function": {path: odd}} if path in {"name", "arguments"} else {"index": 0, path: odd}
    for story in ([one], [A, one], [one, A], [one, one, A]):
        found = add(*map(calls, story), finish())
        for event in found.events:
            json.dumps(event.to_dict(lazies=True))
            repr(event)
