"""The calls of a message, and the messages that answer them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.jsontext import read_json
from chatstream.tools.calls import ToolCall, answer_to, calls_of, said_again
from chatstream.types import ChatCompletionMessage, ParsedChatCompletionMessage, build
from chatstream.validation import problems

WEATHER = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}
SHELL = {"id": "call_2", "type": "custom", "custom": {"name": "shell", "input": "ls -l"}}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
parts = json_values | st.fixed_dictionaries(
    {}, optional={"name": json_values, "arguments": json_values, "input": json_values}
)
entries = json_values | st.fixed_dictionaries(
    {},
    optional={
        "id": json_values,
        "type": st.sampled_from(["function", "custom", "", "other"]) | json_values,
        "function": parts,
        "custom": parts,
    },
)


def message(**members):
    return build(ChatCompletionMessage, {"role": "assistant", "content": None, **members})


def only_call(**members):
    (call,) = calls_of(message(**members))
    return call


def test_a_function_call_has_its_arguments_as_they_came():
    assert only_call(tool_calls=[WEATHER]) == ToolCall(0, "call_1", "function", "weather", '{"city":"Bern"}')


def test_a_custom_call_has_its_input():
    assert only_call(tool_calls=[SHELL]) == ToolCall(0, "call_2", "custom", "shell", "ls -l")


def test_the_older_form_has_no_id():
    call = only_call(function_call={"name": "weather", "arguments": "{}"})
    assert call == ToolCall(0, None, "function_call", "weather", "{}")


def test_calls_keep_their_order_and_the_older_form_comes_last():
    calls = calls_of(message(function_call={"name": "old", "arguments": ""}, tool_calls=[SHELL, WEATHER]))
    assert [(call.index, call.name) for call in calls] == [(0, "shell"), (1, "weather"), (2, "old")]


def test_the_calls_of_a_parsed_message_are_found_too():
    parsed = build(ParsedChatCompletionMessage, {"role": "assistant", "tool_calls": [WEATHER, SHELL]})
    assert [call.type for call in calls_of(parsed)] == ["function", "custom"]


def test_two_calls_with_one_id_are_two_calls():
    assert [call.id for call in calls_of(message(tool_calls=[WEATHER, WEATHER]))] == ["call_1", "call_1"]


@pytest.mark.parametrize("listed", [None, [], {}, "text", 5, {"0": WEATHER}])
def test_a_message_without_a_list_of_calls_has_none(listed):
    assert calls_of(message(tool_calls=listed)) == []


@pytest.mark.parametrize("older", [None, "weather", ["weather"], True])
def test_what_is_no_object_is_no_call_of_the_older_form(older):
    assert calls_of(message(function_call=older)) == []


def test_entries_that_are_no_objects_are_left_out_and_leave_no_gap():
    calls = calls_of(message(tool_calls=[None, WEATHER, "x", 7, [WEATHER], SHELL]))
    assert [(call.index, call.id) for call in calls] == [(0, "call_1"), (1, "call_2")]


@pytest.mark.parametrize("entry", [{}, {"function": None}, {"function": {}}, {"function": "weather"}, {"type": "odd"}])
def test_an_entry_that_lacks_nearly_everything_is_a_call_all_the_same(entry):
    assert only_call(tool_calls=[entry]) == ToolCall(0, "", "function", "", "")


def test_an_id_or_a_name_that_is_no_text_is_taken_for_missing():
    call = only_call(tool_calls=[{"id": 7, "type": "function", "function": {"name": {"a": 1}, "arguments": "{}"}}])
    assert call == ToolCall(0, "", "function", "", "{}")


@pytest.mark.parametrize("kind", [None, "", "other", 5])
def test_without_a_known_type_a_call_is_what_it_holds(kind):
    assert only_call(tool_calls=[{**SHELL, "type": kind}]).type == "custom"
    assert only_call(tool_calls=[{**WEATHER, "type": kind}]).type == "function"
    assert only_call(tool_calls=[{**SHELL, "type": kind}]).arguments == "ls -l"


def test_the_type_that_a_call_says_decides():
    assert only_call(tool_calls=[{**SHELL, "type": "function"}]).type == "function"
    assert only_call(tool_calls=[{**WEATHER, "type": "custom"}]).type == "custom"


@pytest.mark.parametrize(
    ("arguments", "text"), [({"city": "Zürich"}, '{"city":"Zürich"}'), ([1], "[1]"), (5, "5"), (None, ""), ("", "")]
)
def test_arguments_that_came_as_a_value_are_written_as_json(arguments, text):
    assert only_call(tool_calls=[{"function": {"name": "f", "arguments": arguments}}]).arguments == text
    assert only_call(function_call={"name": "f", "arguments": arguments}).arguments == text


def test_an_input_that_is_no_text_is_missing():
    assert only_call(tool_calls=[{"type": "custom", "custom": {"name": "shell", "input": {"a": 1}}}]).arguments == ""


def test_arguments_are_not_parsed_yet():
    assert only_call(tool_calls=[WEATHER]).parsed_arguments is None


@given(listed=st.lists(entries, max_size=4) | json_values, older=parts)
def test_whatever_came_each_call_that_goes_back_is_a_call_and_nothing_raises(listed, older):
    said = message(tool_calls=listed, function_call=older)
    param = said.to_param()
    calls = calls_of(said)
    sent_back = len(param.get("tool_calls", ())) + ("function_call" in param)
    assert [call.index for call in calls] == list(range(sent_back))
    for call in calls:
        assert type(call.name) is type(call.arguments) is str
        assert (call.id is None) == (call.type == "function_call")


def test_a_call_is_answered_by_its_id():
    answer = answer_to(only_call(tool_calls=[WEATHER]), "sunny")
    assert answer == {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}


def test_a_custom_call_is_answered_likewise():
    answer = answer_to(only_call(tool_calls=[SHELL]), "")
    assert answer == {"role": "tool", "tool_call_id": "call_2", "content": ""}


def test_the_older_form_is_answered_by_its_name():
    answer = answer_to(only_call(function_call={"name": "weather", "arguments": "{}"}), "sunny")
    assert answer == {"role": "function", "name": "weather", "content": "sunny"}


def test_arguments_that_came_as_a_value_can_be_read_back():
    arguments = {"a": [1, None, "ü", 1e300]}
    text = only_call(tool_calls=[{"function": {"name": "f", "arguments": arguments}}]).arguments
    assert read_json(text.encode())[0] == arguments


def again(said):
    return said_again(said, calls_of(said))


def test_a_message_is_said_again_as_it_was():
    said = message(content="Well.", tool_calls=[WEATHER, SHELL])
    assert again(said) == said.to_param()


def test_what_a_call_lacks_is_filled_in_where_it_is_said_again():
    calls = [
        {"id": "a", "type": "other", "function": {"arguments": "{}"}},
        {"id": "b", "custom": {"name": "x y"}, "sign": 1},
    ]
    said = again(message(tool_calls=calls, role="system", function_call={"arguments": {"a": 1}}))
    assert said["role"] == "assistant"
    assert said["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "unknown", "arguments": "{}"}},
        {"id": "b", "type": "custom", "custom": {"name": "x_y", "input": ""}, "sign": 1},
    ]
    assert said["function_call"] == {"name": "unknown", "arguments": '{"a":1}'}


def test_audio_that_has_no_id_is_not_said_again():
    assert again(message(audio={"id": 5})) == {"role": "assistant", "content": ""}
    assert again(message(audio={"id": "audio_1"}))["audio"] == {"id": "audio_1"}


@given(listed=st.lists(entries, max_size=4) | json_values, older=parts)
def test_whatever_came_it_is_valid_where_it_is_said_again(listed, older):
    said = message(tool_calls=listed, function_call=older)
    calls = calls_of(said)
    answers = [answer_to(call, "x") for call in calls]
    body = {"model": "m", "messages": [{"role": "user", "content": "?"}, said_again(said, calls), *answers]}
    assert list(problems(body)) == []
