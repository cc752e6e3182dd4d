"""The events: their fields, that they never change, how they are compared, and how they are written out."""

import json
import pickle
import typing

import pytest
from pydantic import BaseModel

from building import add, body, call, calls, choice, chunk, event, finish, of_type, read, read_chunks, say, types
from chatstream import events
from chatstream.ends import StreamEnd
from chatstream.errors import APIStreamError, APIUserAbortError
from chatstream.parser import ChatStreamParser
from chatstream.types import (
    ChatCompletion,
    ChatCompletionAudio,
    ChatCompletionChunk,
    ChatCompletionTokenLogprob,
    CompletionUsage,
)

# events.md: the class of each type and its fields; those behind the bar are computed when read.
TABLE = {
    "chunk": ("ChunkEvent", "data | chunk snapshot"),
    "content.delta": ("ContentDeltaEvent", "choice_index delta | snapshot parsed"),
    "content.done": ("ContentDoneEvent", "choice_index content parsed |"),
    "refusal.delta": ("RefusalDeltaEvent", "choice_index delta | snapshot"),
    "refusal.done": ("RefusalDoneEvent", "choice_index refusal |"),
    "reasoning.delta": ("ReasoningDeltaEvent", "choice_index delta | snapshot"),
    "reasoning.done": ("ReasoningDoneEvent", "choice_index reasoning |"),
    "tool_calls.added": ("ToolCallAddedEvent", "choice_index index tool_call_id tool_type name |"),
    "tool_calls.function.arguments.delta": (
        "FunctionToolCallArgumentsDeltaEvent",
        "choice_index index tool_call_id name arguments_delta | arguments parsed_arguments",
    ),
    "tool_calls.function.arguments.done": (
        "FunctionToolCallArgumentsDoneEvent",
        "choice_index index tool_call_id name arguments parsed_arguments complete |",
    ),
    "tool_calls.custom.input.delta": (
        "CustomToolCallInputDeltaEvent",
        "choice_index index tool_call_id name input_delta | input",
    ),
    "tool_calls.custom.input.done": (
        "CustomToolCallInputDoneEvent",
        "choice_index index tool_call_id name input |",
    ),
    "function_call.arguments.delta": (
        "FunctionCallArgumentsDeltaEvent",
        "choice_index name arguments_delta | arguments",
    ),
    "function_call.arguments.done": ("FunctionCallArgumentsDoneEvent", "choice_index name arguments complete |"),
    "audio.delta": ("AudioDeltaEvent", "choice_index data transcript_delta |"),
    "audio.done": ("AudioDoneEvent", "choice_index audio |"),
    "logprobs.content.delta": ("LogprobsContentDeltaEvent", "choice_index content | snapshot"),
    "logprobs.content.done": ("LogprobsContentDoneEvent", "choice_index content |"),
    "logprobs.refusal.delta": ("LogprobsRefusalDeltaEvent", "choice_index refusal | snapshot"),
    "logprobs.refusal.done": ("LogprobsRefusalDoneEvent", "choice_index refusal |"),
    "usage": ("UsageEvent", "| usage"),
    "choice.done": ("ChoiceDoneEvent", "choice_index finish_reason |"),
    "end": ("EndEvent", "end | snapshot"),
    "error": ("ErrorEvent", "error | snapshot"),
    "abort": ("AbortEvent", "error | snapshot"),
}


def fields(name):
    plain, _, computed = TABLE[name][1].partition("|")
    return set(plain.split()), set(computed.split())


TOKENS = [{"token": "a", "logprob": -1.5, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -2.0}]}]
STORY = [
    say(index=1, role="assistant", reasoning="r", content='{"a":', refusal="n"),
    chunk(choice(1, delta={"content": "1}"}, logprobs={"content": TOKENS, "refusal": TOKENS})),
    calls(call(3, "a", "f", '{"x":'), index=1),
    calls({"index": 4, "id": "b", "type": "custom", "custom": {"name": "g", "input": "x"}}, index=1),
    calls(call(3, arguments='"y"}'), index=1),
    say(index=1, function_call={"name": "h", "arguments": "{}"}, audio={"id": "u", "data": "AAE=", "transcript": "t"}),
    chunk(choice(1, finish="stop"), usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}),
]


def happen():
    """At least one event of every type."""
    story = read(body(*STORY), response_format={"type": "json_object"}).events
    failed = read(event(STORY[0]) + event({"error": {"message": "boom", "code": 5}})).events
    stopped = ChatStreamParser()
    stopped.feed(event(STORY[0]))
    return [*story, *failed, *stopped.abort()]


EVENTS = happen()
ONE_OF_EACH = {found.type: found for found in EVENTS}


def public(found):
    """The names of all public members that are data."""
    return {name for name in dir(found) if not name.startswith("_") and not callable(getattr(type(found), name, None))}


# ---------------------------------------------------------------- fields


def test_the_story_has_every_type():
    assert ONE_OF_EACH.keys() == TABLE.keys()


def test_the_types_are_those_of_the_table_and_no_others():
    assert set(events.EVENT_TYPES) == TABLE.keys()
    classes = typing.get_args(events.ChatStreamEvent)
    assert {(typing.get_origin(cls) or cls).type for cls in classes} == TABLE.keys()


@pytest.mark.parametrize("name", TABLE)
def test_an_event_has_the_fields_of_the_table_and_no_others(name):
    found = ONE_OF_EACH[name]
    plain, computed = fields(name)
    assert type(found).__name__ == TABLE[name][0]
    assert public(found) == {"type", *plain, *computed}


@pytest.mark.parametrize("name", TABLE)
def test_the_type_is_a_literal_of_the_class(name):
    cls = getattr(events, TABLE[name][0])
    assert cls.type == name
    assert ONE_OF_EACH[name].type == name


def test_the_fields_have_the_types_of_the_table():
    one = ONE_OF_EACH
    assert type(one["chunk"].chunk) is ChatCompletionChunk
    assert type(one["chunk"].snapshot) is ChatCompletion
    assert type(one["chunk"].data) is bytes
    assert type(one["end"].end) is StreamEnd
    assert type(one["end"].snapshot) is ChatCompletion
    assert type(one["error"].error) is APIStreamError
    assert type(one["error"].snapshot) is ChatCompletion
    assert type(one["abort"].error) is APIUserAbortError
    assert type(one["abort"].snapshot) is ChatCompletion
    assert type(one["usage"].usage) is CompletionUsage
    assert type(one["audio.done"].audio) is ChatCompletionAudio
    assert type(one["audio.delta"].data) is bytes
    for name in ("logprobs.content.delta", "logprobs.content.done"):
        assert [type(token) for token in one[name].content] == [ChatCompletionTokenLogprob]
    for name in ("logprobs.refusal.delta", "logprobs.refusal.done"):
        assert [type(token) for token in one[name].refusal] == [ChatCompletionTokenLogprob]
    for name in ("content.delta", "reasoning.delta", "refusal.delta"):
        assert type(one[name].snapshot) is str


def test_every_event_of_a_choice_says_which():
    for found in EVENTS:
        if "choice_index" in fields(found.type)[0]:
            assert found.choice_index == 1


def test_the_values_are_those_of_the_stream():
    one = ONE_OF_EACH
    assert (one["content.done"].content, one["content.done"].parsed) == ('{"a":1}', None)  # beside a refusal
    assert (one["reasoning.done"].reasoning, one["refusal.done"].refusal) == ("r", "n")
    added = of_type(EVENTS, "tool_calls.added")
    assert [(e.index, e.tool_call_id, e.tool_type, e.name) for e in added] == [
        (0, "a", "function", "f"),
        (1, "b", "custom", "g"),
    ]
    done = one["tool_calls.function.arguments.done"]
    assert (done.index, done.tool_call_id, done.name, done.arguments) == (0, "a", "f", '{"x":"y"}')
    assert (done.parsed_arguments, done.complete) == ({"x": "y"}, True)
    done = one["tool_calls.custom.input.done"]
    assert (done.index, done.tool_call_id, done.name, done.input) == (1, "b", "g", "x")
    done = one["function_call.arguments.done"]
    assert (done.name, done.arguments, done.complete) == ("h", "{}", True)
    assert (one["audio.delta"].data, one["audio.delta"].transcript_delta) == (b"\0\1", "t")
    assert one["audio.done"].audio.to_dict() == {"id": "u", "data": "AAE=", "transcript": "t", "expires_at": None}
    assert one["logprobs.content.delta"].content[0].top_logprobs[0].logprob == -2.0
    assert one["usage"].usage.total_tokens == 3
    assert one["choice.done"].finish_reason == "stop"
    assert one["end"].end == StreamEnd("complete", done_seen=True, finish_seen=True, trailing_bytes=0)
    assert one["end"].snapshot.usage.total_tokens == 3
    assert one["error"].error.message == "boom"


def test_data_is_the_chunk_as_it_came():
    raw = json.dumps(STORY[0], indent=1).replace("\n", " ")
    assert read(event(raw)).events[0].data == raw.encode()
    assert read_chunks(STORY[0]).events[0].data == STORY[0]
    assert json.loads(ONE_OF_EACH["chunk"].chunk.to_json()) == STORY[0]


def test_a_chunk_may_be_what_it_is_not():
    odd = {
        "id": 5,
        "created": "x",
        "model": None,
        "choices": [{"index": 0, "delta": {"content": 5, "self": 1}, "x": 2}],
        "y": [1],
    }
    found = add(odd).events[0].chunk
    assert (found.id, found.created, found.model) == (5, "x", None)
    assert found.choices[0].delta.content == 5
    assert found.choices[0].delta.role is None
    assert found.object is None
    assert found.to_dict() == odd


def test_before_the_first_chunk_the_snapshot_of_an_error_is_none():
    assert read(b"data: {\n\n").last.snapshot is None
    assert read(b"").last.snapshot is None
    assert ChatStreamParser().abort()[0].snapshot is None


# ---------------------------------------------------------------- lazies


def test_partial_content_is_parsed_when_a_format_was_given():
    pieces = ['{"a', '": [1', ", 2", "]}"]
    story = body(*(say(content=piece) for piece in pieces), finish())
    formatted = of_type(read(story, response_format={"type": "json_object"}).events, "content.delta", "content.done")
    assert [found.parsed for found in formatted] == [{}, {"a": [1]}, {"a": [1, 2]}, {"a": [1, 2]}, {"a": [1, 2]}]
    plain = of_type(read(story).events, "content.delta", "content.done")
    assert [found.parsed for found in plain] == [None] * 5


@pytest.mark.parametrize("response_format", [None, {"type": "text"}])
def test_without_a_format_nothing_is_parsed(response_format):
    found = read(body(say(content='{"a": 1}'), finish()), response_format=response_format).events
    assert [one.parsed for one in of_type(found, "content.delta", "content.done")] == [None, None]


def test_content_that_is_no_json_is_none_while_it_comes():
    found = read(body(say(content="no json"), finish()), response_format={"type": "json_object"})
    assert [one.parsed for one in of_type(found.events, "content.delta", "content.done")] == [None, None]
    assert found.last.type == "end"


def test_partial_values_never_raise():
    lone = "\ud83d"
    texts = [
        '{"a": "' + lone,
        "[" * 1000,
        '{"a":' * 1000,
        "1" * 5000,
        "{" + lone,
        "NaN",
        '{"a": Infinity',
        "\x00",
        '"\\ud8',
        '{"a":1}}}',
    ]
    for text in texts:
        found = read(
            body(say(content=text, tool_calls=[call(0, "a", "f", text)]), finish()),
            response_format={"type": "json_object"},
        )
        for one in found.events:
            json.dumps(one.to_dict(lazies=True), allow_nan=False)


def test_what_is_read_twice_is_the_same():
    for found in EVENTS:
        for name in fields(found.type)[1]:
            assert getattr(found, name) == getattr(found, name)


# ---------------------------------------------------------------- they never change


@pytest.mark.parametrize("name", TABLE)
def test_no_field_of_an_event_can_be_set(name):
    found = ONE_OF_EACH[name]
    for field in {"type", "made_up", *fields(name)[0], *fields(name)[1]}:
        with pytest.raises((AttributeError, TypeError)):
            setattr(found, field, 1)
    for field in fields(name)[0]:
        with pytest.raises((AttributeError, TypeError)):
            delattr(found, field)


# ---------------------------------------------------------------- compared and shown


def test_the_events_of_one_stream_read_twice_are_equal():
    for one, other in zip(happen(), happen(), strict=True):
        if one.type in {"error", "abort"}:
            continue  # two errors are two errors
        assert one == other
        assert hash(one) == hash(other)


def test_equal_events_have_one_hash():
    spaced = read(event(json.dumps(STORY[0], indent=1).replace("\n", ""))).events
    for one, other in zip(spaced, read(event(STORY[0])).events, strict=True):
        assert one != other or hash(one) == hash(other)
    floats = [add({**say(content="a"), "x": value}).events[0] for value in (1, 1.0)]
    assert floats[0] != floats[1] or hash(floats[0]) == hash(floats[1])


def test_events_differ_in_what_they_say():
    deltas = [add(say(content=text), say(content="x")).events[3] for text in "ab"]
    assert deltas[0] != deltas[1]  # the same delta, another snapshot
    assert add(say(content="a")).events[1] != add(say(refusal="a")).events[1]
    assert add(say(content="a")).events[1] != add(say(index=1, content="a")).events[1]
    assert add(finish("stop")).events[1] != add(finish("length")).events[1]
    assert ONE_OF_EACH["end"] != ONE_OF_EACH["end"].to_dict()


def test_events_may_stand_in_a_set():
    deltas = of_type(EVENTS, "content.delta")
    assert {*deltas, *deltas} == set(deltas)


@pytest.mark.parametrize("name", TABLE)
def test_an_event_is_shown_with_its_class_and_fields(name):
    shown = repr(ONE_OF_EACH[name])
    assert shown.startswith(TABLE[name][0] + "(")
    for field in fields(name)[0]:
        assert f"{field}=" in shown


def test_an_event_is_shown_in_few_words_however_much_it_holds():
    found = read(body(say(content="x" * 10_000, tool_calls=[call(0, "a", "f", "y" * 10_000)]), finish())).events
    assert all(len(repr(one)) < 1000 for one in found)


# ---------------------------------------------------------------- written out


@pytest.mark.parametrize("lazies", [False, True])
@pytest.mark.parametrize("name", TABLE)
def test_an_event_is_written_out_as_plain_json_values(name, lazies):
    written = ONE_OF_EACH[name].to_dict(lazies=lazies)
    assert json.loads(json.dumps(written, allow_nan=False)) == written
    assert next(iter(written)) == "type"
    assert written["type"] == name


@pytest.mark.parametrize("name", TABLE)
def test_lazies_are_written_out_on_request(name):
    plain, computed = fields(name)
    short, long = ONE_OF_EACH[name].to_dict(), ONE_OF_EACH[name].to_dict(lazies=True)
    assert plain - {"data"} <= short.keys() <= {"type", *plain, *computed}
    assert plain - {"data"} | computed <= long.keys() <= {"type", *plain, *computed}
    assert all(long[key] == value for key, value in short.items())
    assert not {"snapshot", "parsed_arguments"} & (computed & short.keys())


def test_what_is_written_out_is_what_there_is():
    one = ONE_OF_EACH
    assert of_type(EVENTS, "content.delta")[0].to_dict() == {
        "type": "content.delta",
        "choice_index": 1,
        "delta": '{"a":',
    }
    assert one["content.delta"].to_dict(lazies=True)["snapshot"] == '{"a":'
    assert one["audio.delta"].to_dict()["data"] == "AAE="
    assert one["end"].to_dict()["end"] == {
        "kind": "complete",
        "done_seen": True,
        "finish_seen": True,
        "trailing_bytes": 0,
    }
    assert one["end"].to_dict(lazies=True)["snapshot"]["choices"][0]["message"]["content"] == '{"a":1}'
    assert "boom" in json.dumps(one["error"].to_dict())
    assert one["chunk"].to_dict(lazies=True)["chunk"] == STORY[0]


class Answer(BaseModel):
    a: int


def test_a_parsed_model_is_written_out_as_its_values():
    found = read(
        body(say(content='{"a": 1}'), calls(call(0, "x", "Answer", '{"a":2}')), finish()),
        response_format=Answer,
        tools=[Answer],
    )
    (content,) = of_type(found.events, "content.done")
    (arguments,) = of_type(found.events, "tool_calls.function.arguments.done")
    assert content.parsed == Answer(a=1)
    assert arguments.parsed_arguments == Answer(a=2)
    assert content.to_dict()["parsed"] == {"a": 1}
    assert arguments.to_dict()["parsed_arguments"] == {"a": 2}


def test_nan_and_infinities_are_written_out_as_null():
    choices = '[{"delta": {"y": -Infinity}, "logprobs": {"content": [{"logprob": -Infinity}]}}]'
    raw = '{"id": "a", "x": NaN, "usage": {"total_tokens": Infinity}, "choices": ' + choices + "}"
    for found in read(event(raw) + event(finish()) + event("[DONE]")).events:
        json.dumps(found.to_dict(lazies=True), allow_nan=False)
    json.dumps(read(event('{"error": NaN}')).last.to_dict(lazies=True), allow_nan=False)


def test_huge_numbers_are_written_out():
    raw = '{"id": "a", "x": N, "choices": [{"index": N, "delta": {"content": "a"}}]}'.replace("N", "9" * 4300)
    for found in read(event(raw)).events:
        json.dumps(found.to_dict(lazies=True))
        repr(found)


def test_the_docs_name_every_class():
    assert set(events.__all__) >= {cls for cls, _ in TABLE.values()}
    assert sorted(events.__all__, key=lambda name: (not name.isupper(), name)) == events.__all__


def test_a_plain_event_can_be_pickled():
    for name in ("choice.done", "content.done", "tool_calls.added"):
        assert pickle.loads(pickle.dumps(ONE_OF_EACH[name])) == ONE_OF_EACH[name]  # noqa: S301  our own


def test_types_are_in_the_order_in_which_things_happen():
    assert types(read(body(say(content="a", finish="stop"))).events) == [
        "chunk",
        "content.delta",
        "content.done",
        "choice.done",
        "end",
    ]
