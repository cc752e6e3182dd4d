"""`ChatCompletionAccumulator`: the top level, choices, usage, which events come and in which order, and snapshots."""

import copy
import json

import pytest

from building import (
    add,
    call,
    calls,
    choice,
    chunk,
    dump,
    event,
    finish,
    message,
    of_type,
    read,
    read_chunks,
    say,
    types,
)
from chatstream.accumulator import ChatCompletionAccumulator
from chatstream.ends import Limits
from chatstream.errors import APIStreamError, StreamLimitError, StreamProtocolError


def top(*members, **options):
    """The completion that chunks with these members at the top add up to, as plain values."""
    return dump(add(*({"choices": [], **one} for one in members), **options).snapshot)


# ---------------------------------------------------------------- top level


@pytest.mark.parametrize("empty", [None, "", 0])
@pytest.mark.parametrize(("key", "first", "second"), [("id", "a", "b"), ("model", "a", "b"), ("created", 5, 6)])
def test_the_first_id_model_and_time_that_are_neither_empty_nor_0_count(key, empty, first, second):
    assert top({key: empty}, {key: first}, {key: second}, {key: empty})[key] == first


def test_what_never_came_is_none_and_not_made_up():
    completion = top({"id": "a"})
    assert (completion["model"], completion["created"], completion["usage"], completion["choices"]) == (
        None,
        None,
        None,
        [],
    )


def test_an_id_that_changes_is_an_anomaly_and_no_new_answer():
    found = add({**say(content="a"), "id": "x"}, {**say(content="b"), "id": "y"}, {**say(content="c"), "id": "x"})
    assert found.snapshot.id == "x"
    assert found.snapshot.choices[0].message.content == "abc"
    assert found.anomalies == {"id_changed": 1}


@pytest.mark.parametrize("later", [None, "", 0, "x"])
def test_an_id_that_is_missing_or_the_same_is_no_anomaly(later):
    assert add({"id": "x"}, {"id": later, "choices": []}).anomalies == {}


def test_a_model_or_time_that_changes_is_no_anomaly():
    assert add({"id": "x", "model": "a", "created": 1}, {"id": "x", "model": "b", "created": 2}).anomalies == {}


@pytest.mark.parametrize("kind", ["chat.completion.chunk", "text_completion", "", None, 5])
def test_the_object_is_always_a_chat_completion(kind):
    assert top({"object": kind})["object"] == "chat.completion"


@pytest.mark.parametrize(
    "key",
    [
        "service_tier",
        "system_fingerprint",
        "citations",
        "search_results",
        "prompt_filter_results",
        "x_groq",
        "provider",
    ],
)
def test_of_other_members_the_last_that_is_not_null_counts(key):
    assert top({key: "a"}, {key: "b"}, {key: None}, {})[key] == "b"
    assert top({key: "a"}, {key: ""})[key] == ""
    assert top({key: [1]}, {key: [2]})[key] == [2]
    assert top({key: 2}, {key: 0})[key] == 0
    assert top({key: {"a": 1}}, {key: False})[key] is False


def test_objects_at_the_top_are_replaced_and_not_merged():
    assert top({"citations": {"a": 1}}, {"citations": {"b": 2}})["citations"] == {"b": 2}


def test_obfuscation_is_dropped():
    assert "obfuscation" not in top({"id": "a", "obfuscation": "xyz"})


@pytest.mark.parametrize(
    "key", ["self", "cls", "__class__", "__init__", "model_dump", "model_fields_set", "", "values", "_fields", "copy"]
)
def test_a_member_may_have_any_name(key):
    found = add({"id": "a", key: 1}, say(**{"role": "assistant", key + "x": 2}))
    assert found.snapshot.model_extra[key] == 1
    assert json.loads(found.snapshot.model_dump_json())[key] == 1


def test_members_of_one_type_that_are_equal_in_python_are_different_in_json():
    assert top({"x": 1}, {"x": True})["x"] is True
    assert top({"x": [0]}, {"x": [False]})["x"] == [False]
    assert top({"x": [0]}, {"x": [False]})["x"][0] is False


# ---------------------------------------------------------------- usage


def test_the_last_usage_counts_and_is_never_summed_or_erased():
    one, two = {"prompt_tokens": 10, "total_tokens": 11}, {"completion_tokens": 2, "total_tokens": 12}
    assert top({"usage": one}, {"usage": two}, {"usage": None}, {})["usage"]["total_tokens"] == 12
    assert top({"usage": one}, {"usage": two})["usage"]["prompt_tokens"] is None


def test_counts_that_did_not_come_are_none():
    usage = top({"usage": {"prompt_tokens": 3}})["usage"]
    assert usage["prompt_tokens"] == 3
    assert usage["completion_tokens"] is None
    assert usage["total_tokens"] is None


def test_usage_is_not_invented():
    found = add(say(content="a"), finish())
    assert found.snapshot.usage is None
    assert not of_type(found.events, "usage")


def test_counts_of_zero_are_counts():
    zero = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    assert top({"usage": {"total_tokens": 5}}, {"usage": zero})["usage"]["total_tokens"] == 0


def test_usage_may_stand_where_groq_puts_it_or_in_a_choice():
    usage = {"total_tokens": 5}
    assert top({"x_groq": {"usage": usage}})["usage"]["total_tokens"] == 5
    assert top({"choices": [choice(usage=usage)]})["usage"]["total_tokens"] == 5
    assert top({"usage": None, "choices": [choice(usage=usage)]})["usage"]["total_tokens"] == 5


def test_usage_at_the_top_goes_before_the_others():
    one, two, three = ({"total_tokens": number} for number in (1, 2, 3))
    everywhere = {"usage": one, "x_groq": {"usage": two}, "choices": [choice(usage=three)]}
    assert top(everywhere)["usage"]["total_tokens"] == 1
    assert top({**everywhere, "usage": None})["usage"]["total_tokens"] == 2


def test_a_usage_event_comes_each_time_the_usage_changes():
    usages = [{"total_tokens": 1}, {"total_tokens": 1}, None, {"total_tokens": 2}, {"total_tokens": 2}]
    found = add(*({**say(content="x"), "usage": usage} for usage in usages))
    assert [event.usage.total_tokens for event in of_type(found.events, "usage")] == [1, 2]
    assert [types(events)[-1] for events in found.each] == ["usage", *["content.delta"] * 2, "usage", "content.delta"]


def test_details_of_the_usage_and_unknown_counts_are_kept():
    usage = {"total_tokens": 5, "prompt_tokens_details": {"cached_tokens": 3, "new": 1}, "cost": 0.5}
    found = top({"usage": usage})["usage"]
    assert found["prompt_tokens_details"]["cached_tokens"] == 3
    assert found["prompt_tokens_details"]["new"] == 1
    assert found["cost"] == 0.5


@pytest.mark.parametrize("usage", [5, "many", [1], True, [{}], {"total_tokens": "many"}, {"prompt_tokens_details": 5}])
def test_a_usage_of_an_odd_type_never_raises(usage):
    found = add({"id": "a", "usage": usage}, {"id": "a", "choices": [], "x_groq": {"usage": usage}})
    for one in found.events:
        json.dumps(one.to_dict(lazies=True))
        repr(one)
    dump(found.snapshot)


# ---------------------------------------------------------------- choices


@pytest.mark.parametrize("nothing", [None, "", "null"])
def test_the_first_finish_reason_that_is_one_counts(nothing):
    found = add(say(content="a", finish=nothing), finish(nothing), finish("stop"), finish(nothing))
    assert found.snapshot.choices[0].finish_reason == "stop"
    assert [event.finish_reason for event in of_type(found.events, "choice.done")] == ["stop"]
    assert found.anomalies == {}


def test_a_later_finish_reason_that_differs_is_an_anomaly():
    found = add(say(content="a"), finish("tool_calls"), finish("stop"), finish("tool_calls"))
    assert found.snapshot.choices[0].finish_reason == "tool_calls"
    assert found.anomalies == {"finish_reason_changed": 1}
    assert len(of_type(found.events, "choice.done")) == 1


def test_a_finish_reason_that_comes_again_is_no_anomaly():
    assert add(say(content="a"), finish("stop"), finish("stop")).anomalies == {}


def test_logprobs_are_extended():
    one, two, three = ({"token": text, "logprob": -1.0, "bytes": None, "top_logprobs": []} for text in "abc")
    found = add(
        chunk(choice(logprobs={"content": [one], "refusal": None})),
        chunk(choice(logprobs={"content": [two, three], "refusal": [one]})),
    )
    logprobs = found.snapshot.choices[0].logprobs
    assert [token.token for token in logprobs.content] == ["a", "b", "c"]
    assert [token.token for token in logprobs.refusal] == ["a"]


@pytest.mark.parametrize(
    "nothing", [{}, None, {"content": []}, {"content": None}, {"refusal": []}, {"content": [], "refusal": None}]
)
def test_empty_logprobs_add_nothing(nothing):
    one = {"token": "a"}
    found = add(chunk(choice(logprobs={"content": [one]})), chunk(choice(logprobs=nothing)))
    assert types(found.each[1]) == ["chunk"]
    assert len(found.snapshot.choices[0].logprobs.content) == 1


def test_choices_without_logprobs_have_none():
    assert add(say(content="a")).snapshot.choices[0].logprobs is None


def test_the_same_token_twice_counts_twice():
    one = {"token": "a", "logprob": -1.0}
    found = add(chunk(choice(logprobs={"content": [one]})), chunk(choice(logprobs={"content": [one]})))
    assert len(found.snapshot.choices[0].logprobs.content) == 2


def aside(content="whole", **members):
    return {"role": "assistant", "content": content, **members}


def test_a_message_beside_deltas_is_not_added_to_them():
    beside = [chunk(choice(delta={"content": text}, message=aside("ab"[:end]))) for end, text in ((1, "a"), (2, "b"))]
    found = add(*beside, chunk(choice(finish="stop", message=aside("ab"))))
    assert found.snapshot.choices[0].message.content == "ab"
    assert [event.delta for event in of_type(found.events, "content.delta")] == ["a", "b"]


def test_a_message_counts_at_the_finish_if_nothing_was_streamed():
    tool_call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    found = add(
        chunk(choice(delta={"role": "assistant"}, message=aside("old"))),
        chunk(choice(message=aside("new", tool_calls=[tool_call]), finish="stop")),
    )
    assert found.snapshot.choices[0].message.content == "new"
    assert types(found.each[0]) == ["chunk"]
    assert types(found.each[1]) == [
        "chunk",
        "content.delta",
        "content.done",
        "tool_calls.added",
        "tool_calls.function.arguments.delta",
        "tool_calls.function.arguments.done",
        "choice.done",
    ]
    assert found.each[1][1].delta == "new"


@pytest.mark.parametrize(
    "delta", [{}, None, {"role": "assistant"}, {"role": "assistant", "content": ""}, {"content": None}]
)
def test_a_delta_that_says_nothing_beside_the_finish_does_not_hide_the_message(delta):
    for logprobs in (None, {"content": TOKENS}):
        found = add(chunk(choice(delta=delta, message=aside("whole"), logprobs=logprobs, finish="stop")))
        assert found.snapshot.choices[0].message.content == "whole"
        assert types(found.events)[-1] == "choice.done"
        assert of_type(found.events, "content.done")[0].content == "whole"


def test_a_message_kept_from_an_earlier_chunk_counts_at_the_finish():
    assert message(chunk(choice(message=aside("kept"))), chunk(choice(finish="stop")))["content"] == "kept"


def test_a_message_counts_at_the_end_of_the_stream_if_nothing_was_streamed():
    reading = read(event(chunk(choice(message=aside("whole")))) + event("[DONE]"))
    assert reading.last.end.kind == "no_finish"
    assert reading.last.snapshot.choices[0].message.content == "whole"
    assert reading.types == ["chunk", "content.delta", "content.done", "choice.done", "end"]


def test_a_message_of_one_choice_is_no_matter_of_another():
    found = add(
        chunk(choice(0, message=aside("zero"), finish="stop"), choice(1, delta={"content": "one"}, finish="stop"))
    )
    assert [choice.message.content for choice in found.snapshot.choices] == ["zero", "one"]


@pytest.mark.parametrize("odd", [None, "", [], "text", 5, {}])
def test_a_message_that_is_none_changes_nothing(odd):
    found = add(chunk(choice(message=odd)), say(content="a"), chunk(choice(message=odd, finish="stop")))
    assert found.snapshot.choices[0].message.content == "a"


def test_other_members_of_a_choice_are_merged_key_by_key_or_the_last_counts():
    one = {"content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}, "native": "a", "list": [1]}
    two = {
        "content_filter_results": {"hate": {"severity": "low"}, "self_harm": {"filtered": False}},
        "native": "b",
        "list": [2],
    }
    found = dump(add(chunk(choice(**one)), chunk(choice(**two)), chunk(choice(native=None, list=None))).snapshot)[
        "choices"
    ][0]
    hate = {"filtered": False, "severity": "low"}
    assert found["content_filter_results"] == {"hate": hate, "self_harm": {"filtered": False}}
    assert (found["native"], found["list"]) == ("b", [2])


def test_a_null_inside_an_object_erases_nothing():
    found = add(chunk(choice(x={"a": 1, "b": {"c": 2}})), chunk(choice(x={"a": None, "b": {"c": None}})))
    assert dump(found.snapshot)["choices"][0]["x"] == {"a": 1, "b": {"c": 2}}


def test_deltas_after_the_finish_count_and_are_an_anomaly():
    found = add(say(content="a"), finish(), say(content="b"), say(reasoning="r"))
    assert found.snapshot.choices[0].message.content == "ab"
    assert found.anomalies["after_finish"] == 2
    assert types(found.each[2]) == ["chunk", "content.delta"]
    assert len(of_type(found.events, "choice.done")) == 1


def test_empty_deltas_and_usage_after_the_finish_are_no_anomaly():
    found = add(
        say(content="a"), finish(), say(content=""), say(), chunk(usage={"total_tokens": 1}), chunk(choice(delta=None))
    )
    assert found.anomalies == {}


def test_a_delta_beside_the_finish_reason_is_no_anomaly():
    found = add(say(content="a", finish="stop"))
    assert found.anomalies == {}
    assert types(found.events) == ["chunk", "content.delta", "content.done", "choice.done"]


def test_known_fields_of_another_type_keep_their_value():
    found = add({"id": ["x"], "model": 5, "created": "soon", "service_tier": {"a": 1}, "choices": []})
    assert (found.snapshot.id, found.snapshot.model, found.snapshot.created) == (["x"], 5, "soon")
    assert found.snapshot.service_tier == {"a": 1}
    json.loads(found.snapshot.model_dump_json())


# ---------------------------------------------------------------- the order of events

TOKENS = [{"token": "a", "logprob": -1.0}]
ALL = {
    "reasoning": "r",
    "content": "c",
    "refusal": "n",
    "function_call": {"name": "f", "arguments": "{}"},
    "tool_calls": [
        call(0, "a", "f", "{"),
        {"index": 1, "id": "b", "type": "custom", "custom": {"name": "g", "input": "x"}},
    ],
    "audio": {"data": "AAAA", "transcript": "t"},
}
IN_ORDER = [
    "chunk",
    "reasoning.delta",
    "reasoning.done",
    "content.delta",
    "refusal.delta",
    "logprobs.content.delta",
    "logprobs.refusal.delta",
    "function_call.arguments.delta",
    "content.done",
    "refusal.done",
    "logprobs.content.done",
    "logprobs.refusal.done",
    "tool_calls.added",
    "tool_calls.function.arguments.delta",
    "tool_calls.added",
    "tool_calls.custom.input.delta",
    "audio.delta",
]
AT_THE_FINISH = [
    "function_call.arguments.done",
    "tool_calls.function.arguments.done",
    "tool_calls.custom.input.done",
    "audio.done",
    "choice.done",
]


@pytest.mark.parametrize("turn", [1, -1], ids=["as listed", "backwards"])
def test_the_events_of_one_chunk_have_one_order_whatever_that_of_its_members(turn):
    delta = dict(list(ALL.items())[::turn])
    logprobs = dict(list({"content": TOKENS, "refusal": TOKENS}.items())[::turn])
    members = dict(list({"delta": delta, "logprobs": logprobs, "finish_reason": "stop", "index": 0}.items())[::turn])
    found = add(dict(list({"usage": {"total_tokens": 1}, "choices": [members]}.items())[::turn]))
    assert types(found.events) == [*IN_ORDER, *AT_THE_FINISH, "usage"]


def test_what_is_not_done_at_the_finish_is_done_in_the_order_in_which_it_began():
    found = add(
        say(audio={"transcript": "t"}),
        chunk(choice(logprobs={"refusal": TOKENS})),
        say(function_call={"name": "f"}),
        say(refusal="n"),
        say(content="c"),
        chunk(choice(logprobs={"content": TOKENS})),
        finish(),
    )
    assert types(found.each[-1]) == [
        "chunk",
        "audio.done",
        "logprobs.refusal.done",
        "function_call.arguments.done",
        "refusal.done",
        "content.done",
        "logprobs.content.done",
        "choice.done",
    ]


def test_the_events_come_choice_by_choice_in_the_order_of_the_chunk():
    both = chunk(choice(1, delta={"content": "b", "reasoning": "r"}, finish="stop"), choice(0, delta={"content": "a"}))
    found = add({**both, "usage": {"total_tokens": 1}})
    told = [(event.type, getattr(event, "choice_index", None)) for event in found.events]
    assert told == [
        ("chunk", None),
        ("reasoning.delta", 1),
        ("reasoning.done", 1),
        ("content.delta", 1),
        ("content.done", 1),
        ("choice.done", 1),
        ("content.delta", 0),
        ("usage", None),
    ]


def test_usage_in_a_chunk_of_its_own_comes_behind_that_chunk():
    assert types(add(chunk(usage={"total_tokens": 1})).events) == ["chunk", "usage"]


@pytest.mark.parametrize(
    "delta",
    [{}, {"role": "assistant"}, {"content": ""}, {"content": None}, {"refusal": ""}, {"reasoning": ""},
     {"reasoning_content": ""}, {"content": []}, {"tool_calls": []}, {"tool_calls": None}, {"function_call": None},
     {"audio": {}}, {"audio": None}, {"audio": {"data": "", "transcript": ""}},
     {"role": "", "content": "", "refusal": None, "tool_calls": []}, {"other": "x"},
     {"content": [{"type": "text", "text": ""}]}, {"annotations": []}, {"token_ids": [1]}],
)  # fmt: skip
def test_empty_deltas_fire_nothing_but_the_chunk(delta):
    found = add(say(**delta), say(**delta))
    assert types(found.events) == ["chunk", "chunk"]


def test_empty_arguments_fire_no_delta():
    found = add(calls(call(0, "a", "f", "")), calls(call(0, arguments="")))
    assert types(found.events) == ["chunk", "tool_calls.added", "chunk"]


def test_an_empty_content_is_not_done_and_one_that_never_came_neither():
    for delta in ({"content": ""}, {"content": None}, {"role": "assistant"}, {"refusal": "", "reasoning": ""}):
        assert types(add(say(**delta), finish()).events) == ["chunk", "chunk", "choice.done"]


# ---------------------------------------------------------------- done, exactly once


@pytest.mark.parametrize("first", [{"content": "c"}, {"refusal": "n"}, {"tool_calls": [call(0, "a", "f", "{}")]}])
def test_reasoning_is_done_at_the_first_content_refusal_or_tool_delta(first):
    found = add(say(reasoning="a"), say(reasoning="b"), say(**first), say(**first), finish())
    assert types(found.each[2])[:2] == ["chunk", "reasoning.done"]
    (done,) = of_type(found.events, "reasoning.done")
    assert done.reasoning == "ab"


@pytest.mark.parametrize("empty", [{"content": ""}, {"refusal": ""}, {"tool_calls": []}, {"content": None}])
def test_reasoning_is_not_done_at_an_empty_delta(empty):
    found = add(say(reasoning="a"), say(**empty), say(reasoning="b"), finish())
    assert [event.reasoning for event in of_type(found.events, "reasoning.done")] == ["ab"]
    assert types(found.each[3]) == ["chunk", "reasoning.done", "choice.done"]
    assert found.anomalies == {}


def test_reasoning_of_one_choice_is_not_done_by_the_content_of_another():
    found = add(say(reasoning="a"), say(index=1, content="c"))
    assert not of_type(found.events, "reasoning.done")


def test_content_refusal_and_logprobs_are_done_at_the_first_delta_of_a_call():
    found = add(
        chunk(choice(delta={"refusal": "n", "content": "c"}, logprobs={"content": TOKENS, "refusal": TOKENS})),
        calls(call(0, "a", "f", "{}")),
        finish(),
    )
    assert sorted(types(found.each[1])[1:5]) == [
        "content.done",
        "logprobs.content.done",
        "logprobs.refusal.done",
        "refusal.done",
    ]
    assert types(found.each[1])[5:] == ["tool_calls.added", "tool_calls.function.arguments.delta"]
    assert types(found.each[2]) == ["chunk", "tool_calls.function.arguments.done", "choice.done"]
    assert of_type(found.events, "content.done")[0].content == "c"
    assert of_type(found.events, "refusal.done")[0].refusal == "n"
    assert [token.token for token in of_type(found.events, "logprobs.content.done")[0].content] == ["a"]
    assert [token.token for token in of_type(found.events, "logprobs.refusal.done")[0].refusal] == ["a"]


def test_content_in_the_same_chunk_as_the_first_call_is_in_its_done_event():
    found = add(say(content="a"), say(content="b", tool_calls=[call(0, "a", "f")]))
    assert types(found.each[1]) == ["chunk", "content.delta", "content.done", "tool_calls.added"]
    assert of_type(found.events, "content.done")[0].content == "ab"


AFTER = {
    "reasoning": ([{"reasoning": "a"}, {"content": "x"}], {"reasoning": "b"}, "reasoning"),
    "content": ([{"content": "a"}, {"tool_calls": [call(0, "a", "f")]}], {"content": "b"}, "content"),
    "refusal": ([{"refusal": "a"}, {"tool_calls": [call(0, "a", "f")]}], {"refusal": "b"}, "refusal"),
}


@pytest.mark.parametrize("name", AFTER)
def test_what_comes_after_a_done_event_fires_its_deltas_and_no_second_done(name):
    before, after, key = AFTER[name]
    found = add(*(say(**delta) for delta in before), say(**after), finish())
    assert types(found.each[2]) == ["chunk", f"{name}.delta"]
    assert found.each[2][1].snapshot == "ab"
    (done,) = of_type(found.events, f"{name}.done")
    assert getattr(done, key) == "a"
    assert dump(found.snapshot)["choices"][0]["message"][key] == "ab"
    assert found.anomalies == {"after_done": 1}


def test_after_done_is_counted_delta_by_delta():
    found = add(say(reasoning="a"), say(content="x"), say(reasoning="b"), say(reasoning=""), say(reasoning="c"))
    assert found.anomalies == {"after_done": 2}
    (anomaly,) = found.accumulator.anomalies
    assert anomaly.first_event == 3


def test_logprobs_after_their_done_event_fire_their_deltas_and_no_second_done():
    one = chunk(choice(logprobs={"content": TOKENS}))
    found = add(one, calls(call(0, "a", "f", "{}")), one, finish())
    assert types(found.each[2]) == ["chunk", "logprobs.content.delta"]
    assert len(of_type(found.events, "logprobs.content.done")) == 1
    assert len(found.snapshot.choices[0].logprobs.content) == 2
    assert found.anomalies == {"after_done": 1}


@pytest.mark.parametrize(
    ("delta", "name"),
    [({"audio": {"data": "AAAA"}}, "audio.delta"),
     ({"function_call": {"arguments": "x"}}, "function_call.arguments.delta"),
     ({"tool_calls": [call(0, arguments="x")]}, "tool_calls.function.arguments.delta"),
     ({"content": "x"}, "content.delta"),
     ({"tool_calls": [{"index": 0, "custom": {"input": "x"}}]}, "tool_calls.custom.input.delta")],
)  # fmt: skip
def test_whatever_was_done_at_the_finish_is_not_done_again(delta, name):
    found = add(say(**delta), finish(), say(**delta), say(**delta), finish())
    assert types(found.each[2]) == ["chunk", name]
    assert len(of_type(found.events, name.replace("delta", "done"))) == 1
    assert found.anomalies["after_done"] == 2
    reading = read_chunks(say(**delta), finish(), say(**delta))
    assert reading.types.count(name.replace("delta", "done")) == 1
    assert reading.last.end.kind == "complete"


def test_what_only_began_after_the_finish_is_done_once_by_the_end():
    reading = read(b"".join(map(event, [say(content="a"), finish(), say(refusal="n"), say(refusal="m"), "[DONE]"])))
    assert reading.types.count("refusal.done") <= 1
    assert reading.types.count("choice.done") == 1
    assert reading.last.snapshot.choices[0].message.refusal == "nm"


def test_each_done_event_has_the_whole_value():
    found = add(*(say(content=text, reasoning=text.upper()) for text in "abc"), finish())
    assert of_type(found.events, "content.done")[0].content == "abc"


def test_audio_is_done_at_the_finish_with_all_of_it():
    found = add(
        say(audio={"id": "a", "data": "AA==", "transcript": "x"}),
        calls(call(0, "b", "f")),
        say(audio={"data": "AQ==", "expires_at": 5}),
        finish(),
    )
    assert types(found.each[3]) == ["chunk", "audio.done", "tool_calls.function.arguments.done", "choice.done"]
    audio = of_type(found.events, "audio.done")[0].audio
    assert (audio.id, audio.data, audio.transcript, audio.expires_at) == ("a", "AAE=", "x", 5)


@pytest.mark.parametrize(
    ("arguments", "reason", "complete"),
    [("{}", "function_call", True), ('{"a": 1}', "length", True), ("", "stop", True), ("", "length", False),
     ("", "content_filter", False), ('{"a": ', "stop", False), ("[1]", "stop", False), ("5", "stop", False),
     ("{} x", "stop", False), ("{}{}", "stop", False)],
)  # fmt: skip
def test_a_function_call_is_complete_by_the_rules_of_a_call(arguments, reason, complete):
    found = add(say(function_call={"name": "f", "arguments": arguments}), finish(reason))
    (done,) = of_type(found.events, "function_call.arguments.done")
    assert (done.name, done.arguments, done.complete) == ("f", arguments, complete)


# ---------------------------------------------------------------- nothing handed out changes

STORY = [
    say(role="assistant", content=""),
    say(reasoning="r1", reasoning_details=[{"index": 0, "type": "t", "text": "d1"}]),
    say(reasoning="r2", reasoning_details=[{"index": 0, "type": "t", "text": "d2", "signature": "s"}]),
    chunk(choice(delta={"content": "c1", "x": {"a": 1}}, logprobs={"content": TOKENS}), usage={"total_tokens": 1}),
    chunk(choice(delta={"content": "c2", "x": {"b": 2}}, logprobs={"content": TOKENS}), choice(1, delta={"ids": [1]})),
    say(ids=[2], content="c3"),
    say(index=1, ids=[3], content="o"),
    say(annotations=[{"type": "url", "url": "u"}], refusal="n", thought="t1"),
    say(annotations=[{"type": "url", "url": "v"}], images=[{"a": 1}], thought="t2"),
    calls(call(1, "a", "f", '{"a":'), content="c3"), calls(call(1, arguments="1}"), call(0, "b", "g")),
    calls({"index": 2, "type": "custom", "custom": {"name": "h", "input": "i1"}, "extra": {"s": 1}}),
    calls({"index": 2, "custom": {"input": "i2"}, "extra": {"s": 2}}),
    say(audio={"id": "x", "data": "AA==", "transcript": "t1"}),
    say(audio={"data": "AQ==", "transcript": "t2"}, function_call={"name": "f", "arguments": "{"}),
    say(function_call={"arguments": "}"}, content=[{"type": "image", "a": [1]}]),
    chunk(choice(finish="stop", filter={"a": 1}), top={"a": [1]}, usage={"total_tokens": 2}),
    chunk(choice(delta={"content": "late"}, filter={"b": 1}), top={"a": [2]}), finish("stop", index=1),
]  # fmt: skip


def told(event):
    return copy.deepcopy(event.to_dict(lazies=True))


def test_each_event_is_as_of_its_chunk_whenever_it_is_read():
    accumulator = ChatCompletionAccumulator()
    at_once, events = [], []
    for one in STORY:
        for found in accumulator.add(one):
            events.append(found)
            at_once.append(told(found))
    assert [told(event) for event in events] == at_once
    assert [told(event) for event in reversed(events)] == at_once[::-1]


def test_the_snapshot_of_a_chunk_is_the_sum_of_all_chunks_up_to_it():
    found = add(*STORY)
    for number, one in enumerate(of_type(found.events, "chunk"), 1):
        assert dump(one.snapshot) == dump(add(*STORY[:number]).snapshot)


def test_a_snapshot_that_was_asked_for_never_changes():
    accumulator = ChatCompletionAccumulator()
    taken = []
    for one in STORY:
        accumulator.add(one)
        taken.append((accumulator.snapshot, copy.deepcopy(dump(accumulator.snapshot))))
    assert all(dump(snapshot) == before for snapshot, before in taken)


def test_the_text_snapshot_of_a_delta_is_as_of_that_delta_also_within_a_chunk():
    twice = chunk(choice(delta={"content": "a"}), choice(delta={"content": "b"}))
    deltas = of_type(add(twice).events, "content.delta")
    assert [event.snapshot for event in deltas] == ["a", "ab"]
    two = calls(call(0, "a", "f", "x"), call(0, arguments="y"))
    assert [event.arguments for event in of_type(add(two).events, "tool_calls.function.arguments.delta")] == ["x", "xy"]


def spoil(value):
    """Change everything in a JSON value that can be changed."""
    if isinstance(value, list):
        for inner in value:
            spoil(inner)
        value.append("spoilt")
    elif isinstance(value, dict):
        for inner in list(value.values()):
            spoil(inner)
        value["spoilt"] = 1
    elif hasattr(value, "model_extra"):
        for inner in list(value.__dict__.values()):
            spoil(inner)
        for inner in list((value.model_extra or {}).values()):
            spoil(inner)


def test_what_a_reader_does_to_a_snapshot_is_seen_by_nobody_else():
    accumulator = ChatCompletionAccumulator()
    events = [found for one in STORY for found in accumulator.add(one)]
    before = [told(found) for found in events]
    for found in events:
        for name in ("snapshot", "chunk", "usage", "audio", "content", "refusal"):
            spoil(getattr(found, name, None))
        spoil(found.to_dict(lazies=True))
    spoil(accumulator.snapshot)
    assert [told(found) for found in events] == before
    assert dump(accumulator.snapshot) == dump(add(*STORY).snapshot)


def test_what_the_caller_does_to_a_chunk_afterwards_changes_nothing():
    accumulator = ChatCompletionAccumulator()
    story = json.loads(json.dumps(STORY))  # no part of it shared with another
    events = []
    for one in story:
        events += accumulator.add(one)
        spoil(one)
    assert [told(found) for found in events] == [told(found) for found in add(*STORY).events]


def test_the_caller_s_chunk_is_not_changed():
    story = copy.deepcopy(STORY)
    events = add(*story).events
    for found in events:
        told(found)
    assert story == STORY


# ---------------------------------------------------------------- failures and misuse


@pytest.mark.parametrize("odd", [None, 5, "text", b"bytes", [], [say()], {1}])
def test_what_is_no_mapping_is_a_type_error(odd):
    with pytest.raises(TypeError):
        ChatCompletionAccumulator().add(odd)


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": [{"index": "0"}]},
        {"choices": [{"index": True}]},
        {"choices": [{"index": -1}]},
        {"x": object(), "id": 1},
    ],
)
def test_what_is_no_chunk_is_a_protocol_error(odd):
    accumulator = ChatCompletionAccumulator()
    accumulator.add(say(content="a"))
    with pytest.raises(StreamProtocolError):
        accumulator.add(odd)
    assert accumulator.snapshot.choices[0].message.content == "a"


def test_a_chunk_that_carries_an_error_is_merged_and_then_raised():
    accumulator = ChatCompletionAccumulator()
    with pytest.raises(APIStreamError) as caught:
        accumulator.add({**say(content="a"), "error": {"message": "boom", "code": 5}})
    assert (caught.value.message, caught.value.code) == ("boom", 5)
    assert caught.value.completion.choices[0].message.content == "a"
    assert accumulator.snapshot.choices[0].message.content == "a"


def test_past_a_limit_what_came_before_is_with_the_error():
    accumulator = ChatCompletionAccumulator(limits=Limits(max_text=3))
    accumulator.add(say(content="abc"))
    with pytest.raises(StreamLimitError) as caught:
        accumulator.add(say(content="d"))
    assert caught.value.limit == "max_text"
    assert caught.value.completion.choices[0].message.content == "abc"


def test_objects_that_say_nothing_bring_no_events():
    accumulator = ChatCompletionAccumulator()
    assert accumulator.add({}) == []
    assert accumulator.add({"type": "ping"}) == []
    assert accumulator.snapshot.choices == []


def test_before_the_first_chunk_the_snapshot_is_empty():
    snapshot = ChatCompletionAccumulator().snapshot
    assert snapshot.choices == []
    assert snapshot.object == "chat.completion"
    assert snapshot.id is None
