"""The message of a choice: each row of the table, and what odd values make of it."""

import base64
import json

import pytest

from building import add, choice, chunk, dump, finish, merged, message, of_type, say, types

# ---------------------------------------------------------------- role


@pytest.mark.parametrize("empty", [None, "", 5, [], {}])
def test_the_first_role_that_is_not_empty_counts(empty):
    assert merged({"role": empty}, {"role": "tool"}, {"role": "assistant"})["role"] == "tool"


def test_the_role_is_assistant_if_none_comes():
    assert merged({"content": "a"})["role"] == "assistant"
    assert merged({"role": "", "content": "a"})["role"] == "assistant"


def test_a_role_in_every_chunk_is_one_role():
    assert merged(*[{"role": "assistant", "content": "a"}] * 3)["role"] == "assistant"


# ---------------------------------------------------------------- content and refusal


@pytest.mark.parametrize("key", ["content", "refusal"])
def test_texts_are_appended(key):
    assert merged({key: "a"}, {key: ""}, {key: None}, {}, {key: "b"}, {key: "b"})[key] == "abb"


@pytest.mark.parametrize("key", ["content", "refusal"])
def test_texts_stay_none_until_a_value_comes(key):
    assert merged({"role": "assistant"}, {key: None})[key] is None
    assert merged({key: ""})[key] == ""
    assert merged({key: None}, {key: ""}, {key: None})[key] == ""


def test_text_parts_are_appended_to_the_content():
    parts = [{"type": "text", "text": "b"}, {"type": "text", "text": "c"}]
    found = add(say(content="a"), say(content=parts), say(content="d"))
    assert found.snapshot.choices[0].message.content == "abcd"
    assert "".join(event.delta for event in of_type(found.events, "content.delta")) == "abcd"


def test_thinking_parts_are_appended_to_the_reasoning():
    listed = {"type": "thinking", "thinking": [{"type": "text", "text": "b"}, {"type": "text", "text": "c"}]}
    found = merged(
        {"reasoning": "a"},
        {"content": [listed, {"type": "text", "text": "x"}]},
        {"content": [{"type": "thinking", "thinking": "d"}]},
    )
    assert found["reasoning"] == "abcd"
    assert found["content"] == "x"


def test_thinking_parts_fire_reasoning_deltas():
    found = add(say(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}]), say(content="b"))
    assert types(found.events) == ["chunk", "reasoning.delta", "chunk", "reasoning.done", "content.delta"]


def test_content_of_thinking_alone_is_no_content():
    assert merged({"content": [{"type": "thinking", "thinking": "a"}]})["content"] is None


def test_other_parts_go_to_other_content_parts():
    one, two = {"type": "image_url", "image_url": {"url": "u"}}, {"type": "reference", "reference_ids": [1]}
    found = merged({"content": [one, {"type": "text", "text": "a"}]}, {"content": [two]}, {"content": [one]})
    assert found["other_content_parts"] == [one, two, one]
    assert found["content"] == "a"


@pytest.mark.parametrize(
    "part", [{"type": {}}, {"type": []}, {"type": 5}, {"type": "text"}, {"type": "text", "text": 5},
             {"type": "thinking"}, 5, True, [], {"type": "thinking", "thinking": 5},
             {"type": "thinking", "thinking": [5, {"text": []}]}, None, {"text": {}}, {}],
)  # fmt: skip
def test_parts_of_an_odd_shape_never_raise(part):
    found = add(say(content="a"), say(content=[part, {"type": "text", "text": "b"}]), say(content=[part]))
    assert found.snapshot.choices[0].message.content == "ab"
    for one in found.events:
        json.dumps(one.to_dict(lazies=True))


# ---------------------------------------------------------------- reasoning


@pytest.mark.parametrize("key", ["reasoning", "reasoning_content"])
def test_reasoning_is_appended_under_either_name(key):
    found = merged({key: "a"}, {key: None}, {key: "b"})
    assert found[key] == "ab"
    assert found["reasoning"] == "ab"


def test_each_name_is_appended_on_its_own_and_reasoning_is_the_one_text():
    found = merged({"reasoning_content": "a"}, {"reasoning": "b"}, {"reasoning_content": "c"})
    assert found["reasoning_content"] == "ac"
    assert found["reasoning"] == "abc"


def test_when_both_names_come_in_a_delta_the_text_counts_once():
    found = add(*(say(reasoning=text, reasoning_content=text) for text in "ab"))
    message = found.snapshot.choices[0].message
    assert message.reasoning == "ab"
    assert message.reasoning_content == "ab"
    assert [event.delta for event in of_type(found.events, "reasoning.delta")] == ["a", "b"]


@pytest.mark.parametrize("empty", [None, ""])
def test_a_name_that_comes_empty_does_not_hide_the_other(empty):
    assert merged({"reasoning": empty, "reasoning_content": "a"})["reasoning"] == "a"
    assert merged({"reasoning": "a", "reasoning_content": empty})["reasoning"] == "a"


def test_a_message_without_reasoning_has_none():
    assert merged({"content": "a"}).get("reasoning") is None


# ---------------------------------------------------------------- reasoning_details


def details(*deltas):
    return merged(*({"reasoning_details": list(entries)} for entries in deltas))["reasoning_details"]


def test_details_are_merged_by_index_and_type():
    found = details(
        [{"index": 0, "type": "reasoning.text", "text": "a", "format": "x", "id": "1"}],
        [{"index": 1, "type": "reasoning.summary", "summary": "s"}],
        [{"index": 0, "type": "reasoning.text", "text": "b", "signature": "sig", "id": None}],
        [
            {"index": 1, "type": "reasoning.summary", "summary": "t"},
            {"index": 0, "type": "reasoning.encrypted", "data": "d"},
        ],
        [{"index": 0, "type": "reasoning.encrypted", "data": "e"}],
    )
    assert found == [
        {"index": 0, "type": "reasoning.text", "text": "ab", "format": "x", "id": "1", "signature": "sig"},
        {"index": 1, "type": "reasoning.summary", "summary": "st"},
        {"index": 0, "type": "reasoning.encrypted", "data": "de"},
    ]


def test_in_details_whatever_is_no_text_is_last_non_null():
    one = {"index": 0, "type": "t", "signature": "a", "n": 1, "x": {"a": 1}}
    assert details(
        [one],
        [{"index": 0, "type": "t", "signature": "b", "n": 2, "x": {"b": 1}}],
        [{"index": 0, "type": "t", "signature": None, "n": None}],
    ) == [
        {"index": 0, "type": "t", "signature": "b", "n": 2, "x": {"b": 1}},
    ]


def test_details_without_an_index_go_into_the_entry_just_before_if_its_type_is_the_same():
    found = details(
        [{"type": "a", "text": "1"}, {"type": "a", "text": "2"}],
        [{"type": "a", "text": "3"}],
        [{"type": "b", "text": "4"}],
        [{"type": "a", "text": "5"}],
    )
    assert found == [{"type": "a", "text": "123"}, {"type": "b", "text": "4"}, {"type": "a", "text": "5"}]


def test_details_of_one_index_in_one_chunk_are_one_entry():
    assert details([{"index": 7, "type": "a", "text": "1"}, {"index": 7, "type": "a", "text": "2"}]) == [
        {"index": 7, "type": "a", "text": "12"}
    ]


@pytest.mark.parametrize(
    "odd", [5, "x", {}, [5], [None], [[]], [{"index": {}}], [{"index": 0, "type": {}}],
            [{"index": 10**30, "type": "a", "text": 5}], [{"type": ["a"]}], [{"text": {}}, {"text": "x"}],
            [{"index": 0, "text": "x"}, {"index": 0, "text": 5}]],
)  # fmt: skip
def test_details_of_an_odd_shape_never_raise(odd):
    found = add(say(reasoning_details=odd), say(reasoning_details=odd), say(content="a"))
    assert found.snapshot.choices[0].message.content == "a"
    for one in found.events:
        json.dumps(one.to_dict(lazies=True))


# ---------------------------------------------------------------- annotations and images


def entries(key, *deltas):
    """The entries that these add up to, with only what the peer sent."""
    snapshot = add(*(say(**{key: delta}) for delta in deltas)).snapshot
    return snapshot.to_dict(mode="python")["choices"][0]["message"][key]


@pytest.mark.parametrize("key", ["annotations", "images"])
def test_entries_are_extended_and_identical_ones_count_once(key):
    one, two = {"type": "t", "u": {"url": "a", "n": 1}}, {"type": "t", "u": {"url": "b", "n": 1}}
    assert entries(key, [one, one], [two], None, [], [one, two]) == [one, two]


@pytest.mark.parametrize("key", ["annotations", "images"])
def test_entries_that_only_look_alike_are_kept_apart(key):
    alike = [
        {"a": 1},
        {"a": "1"},
        {"a": True},
        {"a": [1]},
        {"a": None},
        {},
        {"b": 1},
        {"a": 1, "b": 1},
        {"a": 0},
        {"a": False},
        {"a": ""},
    ]
    assert entries(key, alike, alike) == alike


def test_an_annotation_and_an_image_may_be_identical():
    message = add(say(annotations=[{"a": 1}], images=[{"a": 1}])).snapshot.choices[0].message.to_dict()
    assert message["annotations"] == message["images"] == [{"a": 1}]


def test_entries_of_one_choice_are_no_matter_of_another():
    found = add(say(images=[{"a": 1}]), say(index=1, images=[{"a": 1}])).snapshot
    assert [dump(choice)["message"]["images"] for choice in found.choices] == [[{"a": 1}]] * 2


@pytest.mark.parametrize("key", ["annotations", "images"])
@pytest.mark.parametrize("odd", [5, "x", {}, [5], [None], [[]], [True], True])
def test_entries_of_an_odd_shape_never_raise(key, odd):
    assert {"a": 1} in entries(key, odd, [{"a": 1}], odd)


# ---------------------------------------------------------------- audio


def encoded(data):
    return base64.b64encode(data).decode()


def test_each_delta_of_audio_data_is_base64_of_its_own():
    pieces = [b"a", b"bc", b"def", b"", b"\x00\xff"]
    found = add(*(say(audio={"data": encoded(piece)}) for piece in pieces), finish())
    whole = encoded(b"".join(pieces))
    assert found.snapshot.choices[0].message.audio.data == whole
    assert of_type(found.events, "audio.done")[0].audio.data == whole
    assert [event.data for event in of_type(found.events, "audio.delta")] == [piece for piece in pieces if piece]


def test_the_id_and_time_of_audio_are_last_non_null_and_its_transcript_is_appended():
    found = merged(
        {"audio": {"id": "a", "transcript": "x"}},
        {"audio": {"id": "b", "expires_at": 1, "transcript": None}},
        {"audio": {"id": None, "expires_at": 2, "transcript": "y"}},
        {"audio": {"expires_at": None}},
        {"audio": None},
    )["audio"]
    assert (found["id"], found["expires_at"], found["transcript"]) == ("b", 2, "xy")


def test_audio_without_a_text_or_data_has_none():
    found = merged({"audio": {"id": "a"}})["audio"]
    assert (found["id"], found["data"], found["transcript"], found["expires_at"]) == ("a", None, None, None)


def test_unknown_members_of_audio_are_kept():
    assert merged({"audio": {"format": "wav"}}, {"audio": {"format": None}})["audio"]["format"] == "wav"


def test_an_audio_delta_has_both_data_and_transcript():
    (delta,) = of_type(add(say(audio={"data": encoded(b"ab"), "transcript": "t"})).events, "audio.delta")
    assert (delta.data, delta.transcript_delta) == (b"ab", "t")


@pytest.mark.parametrize(
    "data",
    [
        "!",
        "A",
        "AAAAA",
        "A=A=",
        "====",
        "\ud83d",
        "ñ",
        " AA== ",
        "AA==AA==",
        "not base64 at all",
        5,
        [],
        {},
        True,
    ],
)
def test_data_that_is_no_base64_never_raises(data):
    found = add(
        say(audio={"data": encoded(b"ab")}), say(audio={"data": data}), say(audio={"data": encoded(b"cd")}), finish()
    )
    whole = base64.b64decode(found.snapshot.choices[0].message.audio.data, validate=True)
    assert whole.startswith(b"ab")
    assert whole.endswith(b"cd")
    assert whole == b"".join(event.data for event in of_type(found.events, "audio.delta"))
    assert found.anomalies


def test_data_that_is_base64_without_its_padding_or_url_safe_is_read():
    assert merged({"audio": {"data": "YQ"}}, {"audio": {"data": "_-8="}})["audio"]["data"] == encoded(b"a\xff\xef")


# ---------------------------------------------------------------- function_call


def function_call(*deltas):
    return merged(*({"function_call": delta} for delta in deltas))["function_call"]


def test_a_function_call_is_merged_by_the_rules_of_a_call():
    assert function_call({"name": "f", "arguments": ""}, {"arguments": '{"a":'}, {"arguments": "1}"}) == {
        "name": "f",
        "arguments": '{"a":1}',
    }
    assert function_call({"name": "f"}, {"name": "f", "arguments": "{"}, {"name": "f", "arguments": "}"}) == {
        "name": "f",
        "arguments": "{}",
    }
    assert function_call({"name": "get_"}, {"name": "weather"}, {"arguments": None}) == {
        "name": "get_weather",
        "arguments": "",
    }
    assert function_call({"name": "get"}, {"name": "get_weather"})["name"] == "get_weather"
    assert function_call({"name": "f", "arguments": {"a": 1}})["arguments"] == '{"a":1}'
    assert function_call({"name": "f", "arguments": '{"a":1}'}, {"arguments": '{"a":1}'})["arguments"] == '{"a":1}'


def test_a_message_without_a_function_call_has_none():
    assert merged({"content": "a"}, {"function_call": None}).get("function_call") is None


def test_deltas_of_a_function_call_tell_its_name_and_arguments_so_far():
    found = add(
        say(function_call={"name": "f", "arguments": "{"}),
        say(function_call={"arguments": "}"}),
        finish("function_call"),
    )
    deltas = of_type(found.events, "function_call.arguments.delta")
    assert [(event.name, event.arguments_delta, event.arguments) for event in deltas] == [
        ("f", "{", "{"),
        ("f", "}", "{}"),
    ]


# ---------------------------------------------------------------- lists of scalars, and any other


def test_lists_of_scalars_are_extended():
    found = merged(
        {"token_ids": [1, 2]},
        {"token_ids": [2]},
        {"token_ids": None},
        {"token_ids": []},
        {"token_ids": [3], "words": ["a", None, True]},
    )
    assert found["token_ids"] == [1, 2, 2, 3]
    assert found["words"] == ["a", None, True]


def test_unknown_objects_are_merged_key_by_key():
    found = merged(
        {"x": {"a": 1, "b": {"c": 1}}}, {"x": {"b": {"d": 2}, "e": [1]}}, {"x": None}, {"x": {"a": None, "e": [2]}}
    )
    assert found["x"] == {"a": 1, "b": {"c": 1, "d": 2}, "e": [2]}


def test_unknown_strings_and_numbers_are_last_non_null_and_never_summed():
    found = merged(
        {"n": 1, "s": "a", "f": 1.5, "b": True},
        {"n": 2, "s": "b", "f": 2.5, "b": False},
        {"n": None, "s": None, "f": None, "b": None},
    )
    assert (found["n"], found["s"], found["f"], found["b"]) == (2, "b", 2.5, False)


def test_an_unknown_string_that_changes_is_an_anomaly():
    assert add(say(s="a"), say(s="b"), say(s="c")).anomalies == {"string_changed": 2}


def test_an_unknown_string_that_stays_and_a_number_that_changes_are_none():
    assert add(say(s="a", n=1), say(s="a", n=2), say(s=None, n=3)).anomalies == {}


@pytest.mark.parametrize("key", ["reasoning_text", "thinking", "thought"])
def test_some_unknown_strings_are_appended_by_default(key):
    found = add(say(**{key: "a"}), say(**{key: None}), say(**{key: "b"}), say(**{key: "b"}))
    assert dump(found.snapshot)["choices"][0]["message"][key] == "abb"
    assert found.anomalies == {}


def test_the_strings_that_are_appended_can_be_named():
    found = add(say(mine="a", thought="x"), say(mine="b", thought="y"), append_fields={"mine"})
    message = dump(found.snapshot)["choices"][0]["message"]
    assert (message["mine"], message["thought"]) == ("ab", "y")
    assert found.anomalies == {"string_changed": 1}
    assert merged({"thought": "a"}, {"thought": "b"}, append_fields=[])["thought"] == "b"


def test_a_value_that_changes_its_type_is_last_non_null():
    assert merged({"x": {"a": 1}}, {"x": "text"})["x"] == "text"
    assert merged({"x": "text"}, {"x": {"a": 1}})["x"] == {"a": 1}
    assert merged({"x": 1}, {"x": True})["x"] is True


@pytest.mark.parametrize(
    "key",
    ["x", "token_ids", "thought", "annotations", "images", "reasoning_details", "other_content_parts", "tool_call_id"],
)
def test_every_change_of_type_of_any_member_is_survived(key):
    values = ["a", 1, True, [1], [{"a": 1}], {"a": 1}, [], {}, "", None, [[1]], 1.5]
    for first in values:
        for second in values:
            found = add(say(**{key: first}), say(**{key: second}), say(**{key: first}), say(content="a"))
            assert found.snapshot.choices[0].message.content == "a"
            for one in found.events:
                json.dumps(one.to_dict(lazies=True))


@pytest.mark.parametrize(
    "key",
    ["self", "__class__", "__dict__", "model_dump", "model_extra", "parsed", "", "copy", "role ", "Content", "name"],
)
def test_a_member_of_a_delta_may_have_any_name(key):
    found = add(say(**{key: "x", "content": "a"}))
    assert json.loads(found.snapshot.model_dump_json())["choices"][0]["message"][key] == "x"


@pytest.mark.parametrize("key", ["content", "refusal", "reasoning"])
@pytest.mark.parametrize("value", [5, 0, 1.5, True, {"a": 1}, [5]])
def test_a_text_of_another_type_never_raises_and_spoils_nothing(key, value):
    found = add(say(**{key: "a"}), say(**{key: value}), say(**{key: "b"}), finish())
    text = dump(found.snapshot)["choices"][0]["message"][key]
    assert text.startswith("a")
    assert text.endswith("b")
    assert isinstance(text, str)
    assert text == "".join(event.delta for event in of_type(found.events, f"{key}.delta"))


@pytest.mark.parametrize(
    "delta",
    [{"content": True}, {"refusal": {"a": 1}}, {"reasoning": [1]}, {"audio": "x"}, {"function_call": "f"},
     {"images": [5]}, {"annotations": ["x"]}, {"reasoning_details": [5]}, {"audio": {"data": 5}},
     {"audio": {"transcript": []}}],
)  # fmt: skip
def test_a_value_that_a_field_cannot_have_is_left_out_and_noted(delta):
    assert add(say(**delta)).anomalies == {"odd_shape": 1}


def test_a_chunk_without_a_delta_makes_a_message_all_the_same():
    assert message(chunk(choice()))["content"] is None


def test_other_parts_come_in_the_order_in_which_they_stand():
    parts = [{"type": "x", "n": number} for number in range(5)]
    assert merged({"content": parts[:2]}, {"content": parts[2:]})["other_content_parts"] == parts
