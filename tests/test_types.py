"""`chatstream.types`: built from whatever the peer sent, and read, copied and dumped without a complaint."""

import copy
import dataclasses
import inspect
import json
import math
import pickle
import subprocess
import sys
from threading import Thread
from types import MappingProxyType
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, PlainSerializer, PrivateAttr, TypeAdapter, ValidationError, field_serializer
from pydantic.fields import FieldInfo
from pydantic_core import to_json

import chatstream.types
from chatstream.accumulator import ChatCompletionAccumulator
from chatstream.stream import ChatCompletionStream
from chatstream.types import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionDeleted,
    ChatCompletionMessage,
    ChatCompletionMessageCustomToolCall,
    ChatCompletionMessageFunctionToolCall,
    ChatCompletionsPage,
    ChatCompletionStoreMessagesPage,
    Choice,
    ChoiceDelta,
    ChoiceDeltaToolCall,
    ChoiceDeltaToolCallCustom,
    ChunkChoice,
    CompletionUsage,
    CursorPage,
    Custom,
    ErrorObject,
    Function,
    FunctionCall,
    ModerationError,
    ModerationResults,
    ParsedChatCompletion,
    ParsedChatCompletionMessage,
    ParsedChoice,
    ParsedFunction,
    ParsedFunctionToolCall,
    ResponseInfo,
    TopLogprob,
    WireModel,
    build,
)
from chatstream.types.answer import answered
from made_up import ODD

ROOTS = [ChatCompletion, ChatCompletionChunk, ParsedChatCompletion]

HOSTILE = [
    "",
    "self",
    "cls",
    "_fields_set",
    "values",
    "model_dump",
    "model_fields",
    "to_param",
    "copy",
    "json",
    "schema",
    "dict",
    "_wire_build",
    "__class__",
    "__dict__",
    "__proto__",
    "__init__",
    "__pydantic_extra__",
    "__pydantic_fields_set__",
    "__pydantic_private__",
    "__pydantic_serializer__",
]

COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "logprobs": {
                "content": [
                    {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "b", "logprob": -1.5}]}
                ],
                "refusal": None,
            },
            "message": {
                "role": "assistant",
                "content": None,
                "annotations": [
                    {
                        "type": "url_citation",
                        "url_citation": {"start_index": 0, "end_index": 1, "title": "t", "url": "https://example.org"},
                    }
                ],
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}},
                    {"id": "call_2", "type": "custom", "custom": {"name": "shell", "input": "ls"}},
                ],
            },
        }
    ],
    "usage": {
        "prompt_tokens": 3,
        "completion_tokens": 5,
        "total_tokens": 8,
        "completion_tokens_details": {"reasoning_tokens": 2},
    },
}


class Answer(BaseModel):
    word: str
    score: float = 0.0


def whole():
    return copy.deepcopy(COMPLETION)


def pickled(model, protocol=None):
    return pickle.loads(pickle.dumps(model, protocol))  # noqa: S301 - what was pickled is our own


def nested(depth, innermost=None):
    value = innermost
    for level in range(depth):
        value = {"in": value} if level % 2 else [value]
    return value


def read_throughout(value):
    """Read every member of every model, its extras too, as a caller who looks at everything would."""
    if isinstance(value, WireModel):
        repr(value), str(value), value.model_extra, value.model_fields_set
        for name in type(value).model_fields:
            read_throughout(getattr(value, name))
        if isinstance(value, ChatCompletionMessageFunctionToolCall):
            assert value.name is None or value.name == value.function.name
            assert value.arguments is None or value.arguments == value.function.arguments
        if isinstance(value, ChatCompletionMessage):
            json.dumps(value.to_param(), allow_nan=False).encode()
        for _ in value:
            pass
    elif isinstance(value, list):
        for entry in value:
            read_throughout(entry)


def models_in(value):
    found = [value] if isinstance(value, WireModel) else []
    parts = value if isinstance(value, list) else [member for _, member in value] if found else []
    return found + [model for part in parts for model in models_in(part)]


# --- what the module offers ---------------------------------------------------------------------------


def test_the_names_are_sorted_complete_and_there():
    assert chatstream.types.__all__ == sorted(chatstream.types.__all__)
    assert all(hasattr(chatstream.types, name) for name in chatstream.types.__all__)
    here = {
        name for name, value in vars(chatstream.types).items() if inspect.isclass(value) or inspect.isfunction(value)
    }
    assert here <= set(chatstream.types.__all__)


def test_importing_the_models_warns_of_nothing():
    subprocess.run([sys.executable, "-W", "error", "-c", "import chatstream.types"], check=True)


def test_the_fields_are_those_of_the_official_sdk():
    pytest.importorskip("openai")
    for ours, theirs, added in published():
        fields, expected = ours.model_fields, theirs.model_fields
        assert set(fields) - {name for name in added if name not in expected} == set(expected), ours
        assert {name for name, field in fields.items() if field.is_required()} == {
            name for name, field in expected.items() if field.is_required()
        }, ours
        for name in set(expected) & {"type", "object", "finish_reason", "service_tier", "role"}:
            literals = literals_in(fields[name].annotation) - set(added.get(name, ()))
            assert literals == literals_in(expected[name].annotation), (ours, name)


def published():
    """Our model, the official one, and what ours has beyond it: fields, and literals of a field."""
    from openai.types import chat, completion_usage, shared
    from openai.types.chat import (
        chat_completion,
        chat_completion_chunk,
        chat_completion_content_part_image,
        chat_completion_content_part_text,
        chat_completion_message,
        chat_completion_message_custom_tool_call,
        chat_completion_message_function_tool_call,
        chat_completion_token_logprob,
    )
    from openai.types.shared import error_object

    added = {
        "ChatCompletionMessage": {"reasoning": ()},
        "ParsedChatCompletionMessage": {"reasoning": ()},
        "ChatCompletionStoreMessage": {
            "reasoning": (),
            "role": ("developer", "system", "user", "tool", "function"),  # theirs is the answer's, inherited
        },
        "ChoiceDeltaToolCall": {"custom": (), "type": ("custom",)},
    }
    elsewhere = {
        "ChunkChoice": [chat_completion_chunk.Choice],
        "ChoiceLogprobs": [chat_completion.ChoiceLogprobs, chat_completion_chunk.ChoiceLogprobs],
        "Moderation": [chat_completion.Moderation, chat_completion_chunk.Moderation],
        "ModerationError": [chat_completion.ModerationInputError, chat_completion_chunk.ModerationOutputError],
        "ModerationResult": [chat_completion.ModerationInputModerationResultsResult],
        "ModerationResults": [chat_completion.ModerationOutputModerationResults],
    }
    rooms = [
        chat,
        completion_usage,
        chat_completion,
        chat_completion_chunk,
        chat_completion_content_part_image,
        chat_completion_content_part_text,
        chat_completion_message,
        chat_completion_message_function_tool_call,
        chat_completion_message_custom_tool_call,
        chat_completion_token_logprob,
        shared,
        error_object,
    ]
    for name in chatstream.types.__all__:
        ours = getattr(chatstream.types, name)
        # Requests are TypedDicts, and compared in test_params.py; pages, which do more there, in test_reference.py.
        if not (inspect.isclass(ours) and issubclass(ours, WireModel)) or issubclass(ours, CursorPage):
            continue
        if ours in {WireModel, ChoiceDeltaToolCallCustom}:
            continue
        found = elsewhere.get(name) or [next(getattr(room, name) for room in rooms if hasattr(room, name))]
        for theirs in found:
            yield ours, theirs, added.get(name, {})


def literals_in(annotation):
    arguments = getattr(annotation, "__args__", ())
    return {argument for argument in arguments if isinstance(argument, str)}.union(*map(literals_in, arguments))


# --- building -----------------------------------------------------------------------------------------


def test_a_completion_is_built_with_models_all_the_way_down():
    completion = build(ChatCompletion, whole())
    (choice,) = completion.choices
    function_call, custom_call = choice.message.tool_calls
    assert type(choice) is Choice
    assert type(function_call) is ChatCompletionMessageFunctionToolCall
    assert type(function_call.function) is Function
    assert type(custom_call) is ChatCompletionMessageCustomToolCall
    assert type(custom_call.custom) is Custom
    assert type(choice.logprobs.content[0].top_logprobs[0]) is TopLogprob
    assert choice.message.annotations[0].url_citation.url == "https://example.org"
    assert completion.usage.completion_tokens_details.reasoning_tokens == 2


def test_what_is_built_is_what_validation_would_make_of_good_values():
    for cls in (ChatCompletion, ParsedChatCompletion, ParsedChatCompletion[Answer]):
        built, validated = build(cls, whole()), cls.model_validate(whole())
        assert built == validated
        assert repr(built) == repr(validated)
        assert [m.model_fields_set for m in models_in(built)] == [m.model_fields_set for m in models_in(validated)]


def test_a_chunk_is_built_with_its_delta_and_calls_of_both_kinds():
    calls = [{"index": 0, "function": {"arguments": "{"}}, {"index": 1, "type": "custom", "custom": {"input": "l"}}]
    chunk = build(ChatCompletionChunk, {"choices": [{"index": 0, "delta": {"content": "a", "tool_calls": calls}}]})
    delta = chunk.choices[0].delta
    assert type(chunk.choices[0]) is ChunkChoice
    assert type(delta) is ChoiceDelta
    assert delta.tool_calls[0].function.arguments == "{"
    assert delta.tool_calls[1].custom.input == "l"


def test_a_required_field_that_is_missing_is_none_and_not_set():
    completion = build(ChatCompletion, {})
    assert (completion.id, completion.choices, completion.created, completion.object) == (None, None, None, None)
    assert completion.model_fields_set == set()
    assert build(CompletionUsage, {"total_tokens": 8}).prompt_tokens is None


def test_known_keys_are_set_and_unknown_ones_are_extras_in_the_order_they_came():
    message = build(ChatCompletionMessage, {"z": 1, "content": None, "a": {"b": [2]}, "role": "assistant"})
    assert message.model_fields_set == {"content", "role"}
    assert list(message.model_extra.items()) == [("z", 1), ("a", {"b": [2]})]
    assert message.a == {"b": [2]}
    assert message.tool_calls is None


@pytest.mark.parametrize("wrong", [True, 5, 1.5, "text", [], [1, "x", None, {}], {"a": 1}, [{"index": []}], 10**400])
@pytest.mark.parametrize("cls", ROOTS)
def test_a_known_field_of_another_type_keeps_its_value(cls, wrong):
    for name in cls.model_fields:
        value = copy.deepcopy(wrong)
        model = build(cls, {name: value})
        assert model.to_dict() == {name: wrong}
        assert json.loads(model.to_json()) == {name: wrong}
        read_throughout(model)


def test_entries_of_a_list_that_are_no_objects_stay_among_the_models():
    message = build(ChatCompletionMessage, {"tool_calls": [None, "x", {"type": "custom"}, 3, [], {}]})
    assert [type(call).__name__ for call in message.tool_calls] == [
        "NoneType",
        "str",
        "ChatCompletionMessageCustomToolCall",
        "int",
        "list",
        "ChatCompletionMessageFunctionToolCall",
    ]


@pytest.mark.parametrize("kind", ["function", "mcp", None, 5, ["custom"], {"type": "custom"}])
def test_a_call_of_any_type_but_custom_is_a_call_of_a_function(kind):
    message = build(ChatCompletionMessage, {"tool_calls": [{"type": kind, "function": {"name": "f"}}]})
    assert type(message.tool_calls[0]) is ChatCompletionMessageFunctionToolCall
    assert message.tool_calls[0].type == kind


def test_what_moderation_says_is_built_by_its_type():
    moderation = {
        "input": {"type": "moderation_results", "model": "m", "results": [{"flagged": True}]},
        "output": {"type": "error", "code": "c", "message": "m"},
    }
    completion = build(ChatCompletion, {"moderation": moderation})
    assert type(completion.moderation.input) is ModerationResults
    assert completion.moderation.input.results[0].flagged is True
    assert type(completion.moderation.output) is ModerationError


def test_every_hostile_key_is_an_extra_like_any_other_at_every_level():
    hostile = {key: f"value of {key!r}" for key in HOSTILE}
    call = {"function": hostile, "name": "n", "arguments": "a", **hostile}
    values = {"choices": [{"message": {"role": "assistant", "tool_calls": [call], **hostile}, **hostile}], **hostile}
    for cls in (ChatCompletion, ParsedChatCompletion[Answer]):
        completion = build(cls, copy.deepcopy(values))
        assert type(completion) is cls
        assert completion.model_extra == hostile
        assert completion.choices[0].message.model_extra == hostile
        assert completion.model_dump(exclude_unset=True) == values
        assert json.loads(completion.model_dump_json(exclude_unset=True)) == values
        assert pickled(completion) == copy.deepcopy(completion) == completion
        read_throughout(completion)


def test_building_leaves_the_values_as_they_are_and_does_not_copy_what_it_keeps():
    values = whole()
    values["x_vendor"] = {"a": [1]}
    completion = build(ChatCompletion, values)
    assert values == {**COMPLETION, "x_vendor": {"a": [1]}}
    assert completion.x_vendor is values["x_vendor"]


def test_a_mapping_of_any_kind_can_be_built_from():
    assert build(ChatCompletion, MappingProxyType(whole())) == build(ChatCompletion, whole())


def test_a_default_that_could_change_is_made_afresh_for_each_model():
    class Noted(ChatCompletionMessage):
        notes: list[str] = []  # noqa: RUF012 - pydantic's models copy it, and so must we
        marks: dict[str, int] = Field(default_factory=dict)
        pages: int = 7

    first, second = build(Noted, {}), build(Noted, {"marks": {"a": 1}})
    first.notes.append("mine")
    assert (second.notes, first.marks, second.marks, first.pages) == ([], {}, {"a": 1}, 7)
    assert Noted.model_fields["notes"].default == []
    assert first.model_fields_set == set()


@pytest.mark.skipif(not hasattr(FieldInfo, "default_factory_takes_validated_data"), reason="pydantic before 2.10")
def test_a_default_made_of_the_other_fields_is_made_of_them():
    class Doubled(ChatCompletionMessage):
        twice: str = Field(default_factory=lambda fields: f"{fields['content']}{fields['content']}")

    assert build(Doubled, {"content": "a"}).twice == "aa"


def test_a_subclass_has_its_own_plan_whichever_was_built_first():
    build(ChatCompletionMessage, {"parent": 1})

    class Child(ChatCompletionMessage):
        parent: int | None = None
        calls: list[ChoiceDeltaToolCall] | None = None
        children: "list[Child] | None" = None
        _seen: int = PrivateAttr(default=3)

    Child.model_rebuild()
    child = build(Child, {"parent": 1, "calls": [{"index": 2}], "children": [{"children": [{}]}]})
    assert (child.parent, child.model_extra, child._seen) == (1, {}, 3)
    assert type(child.calls[0]) is ChoiceDeltaToolCall
    assert type(child.children[0].children[0]) is Child
    assert build(ChatCompletionMessage, {"parent": 1}).model_extra == {"parent": 1}


def test_the_places_of_parsed_values_are_declared_and_empty():
    completion = build(ParsedChatCompletion[Answer], whole())
    (choice,) = completion.choices
    call, custom = choice.message.tool_calls
    assert isinstance(completion, ParsedChatCompletion)
    assert isinstance(choice, ParsedChoice)
    assert isinstance(choice.message, ParsedChatCompletionMessage)
    assert choice.message.parsed is None
    assert type(call) is ParsedFunctionToolCall
    assert type(call.function) is ParsedFunction
    assert call.function.parsed_arguments is None
    assert type(custom) is ChatCompletionMessageCustomToolCall


def test_parsed_values_are_kept_as_they_are_given_and_dumped_with_the_rest():
    answer = Answer(word="a", score=0.5)
    values = {
        "choices": [{"message": {"parsed": answer, "tool_calls": [{"function": {"parsed_arguments": {"a": 1}}}]}}]
    }
    for cls in (ParsedChatCompletion, ParsedChatCompletion[Answer], ParsedChatCompletion[int]):
        completion = build(cls, values)
        message = completion.choices[0].message
        assert message.parsed is answer
        assert message.tool_calls[0].function.parsed_arguments == {"a": 1}
        assert completion.to_dict()["choices"][0]["message"]["parsed"] == {"word": "a", "score": 0.5}
    message.parsed = Answer(word="b")
    assert json.loads(completion.to_json())["choices"][0]["message"]["parsed"]["word"] == "b"


def test_the_dict_of_a_parsed_field_is_not_made_a_model_of_the_callers():
    message = build(ParsedChatCompletionMessage[Answer], {"parsed": {"word": 5}})
    assert message.parsed == {"word": 5}


def test_validation_is_there_for_those_who_ask_for_it():
    assert ChatCompletion.model_validate(whole()).choices[0].message.tool_calls[1].custom.input == "ls"
    with pytest.raises(ValidationError):
        ChatCompletion.model_validate({})


def test_a_schema_can_be_had_for_both_directions():
    for cls in (ChatCompletion, ChatCompletionChunk, ParsedChatCompletion[Answer]):
        assert cls.model_json_schema(mode="validation")["type"] == "object"
        assert cls.model_json_schema(mode="serialization")["type"] == "object"


# --- copies -------------------------------------------------------------------------------------------


def completions():
    class Local(BaseModel):
        word: str

    extras = {"x": {"y": [1, {"z": None}]}, "": 0}
    for cls in (
        *ROOTS,
        ParsedChatCompletion[Answer],
        ParsedChatCompletion[list[int] | None],
        ParsedChatCompletion[Answer],
    ):
        yield build(cls, {**whole(), **copy.deepcopy(extras)})
    yield build(ParsedChoice[Local], whole()["choices"][0])


def test_a_model_survives_copying_of_every_kind():
    for model in completions():
        for made in (copy.copy(model), copy.deepcopy(model), model.model_copy(), model.model_copy(deep=True)):
            assert type(made) is type(model)
            assert made == model
            assert repr(made) == repr(model)
            assert made.model_fields_set == model.model_fields_set


def test_a_model_survives_pickling_parametrised_or_not():
    for model in completions():
        if "Local" in type(model).__name__:
            continue  # its argument is itself a class that pickle cannot find
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            made = pickled(model, protocol)
            assert type(made) is type(model)
            assert made == model
            assert made.model_fields_set == model.model_fields_set
            assert made.to_json() == model.to_json()


def test_models_differ_when_a_field_or_an_extra_does():
    one = build(ChatCompletion, {"id": "a", "x": 1})
    assert one == build(ChatCompletion, {"x": 1, "id": "a"})
    assert one != build(ChatCompletion, {"id": "b", "x": 1})
    assert one != build(ChatCompletion, {"id": "a", "x": 2})
    assert one != build(ChatCompletion, {"id": "a"})


# --- dumping ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["extra", "field", "count", "deep"])
@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_has_no_word_for_are_null_in_json_and_themselves_in_python(odd, where):
    values = {
        "extra": {"x": odd},
        "field": {"logprobs": {"content": [{"logprob": odd}]}},
        "count": {"index": odd},
        "deep": {"x": [{"y": nested(300, odd)}]},
    }[where]
    choice = build(Choice, values)
    for members in (choice.to_dict(), choice.model_dump(mode="json"), json.loads(choice.model_dump_json())):
        assert "NaN" not in json.dumps(members)
        assert "Infinity" not in json.dumps(members)
    assert ("NaN" in json.dumps(choice.model_dump())) == math.isnan(odd)
    assert ("Infinity" in json.dumps(choice.model_dump())) == math.isinf(odd)


def test_the_nan_of_a_parsed_value_is_null_in_json():
    message = build(ParsedChatCompletionMessage[Answer], {"parsed": Answer(word="a", score=math.nan)})
    assert message.model_dump(mode="json", exclude_unset=True) == {"parsed": {"word": "a", "score": None}}
    assert math.isnan(message.model_dump()["parsed"]["score"])


@pytest.mark.parametrize("number", [10**19, 2**1000 + 1, 10**4000, -(10**400)])
@pytest.mark.parametrize("name", ["token", "bytes", "logprob", "top_logprobs", "x"])
def test_huge_integers_survive_whatever_the_field(name, number):
    model = build(TopLogprob, {name: number, "deep": nested(300)})
    assert getattr(model, name) == number
    assert model.to_dict()[name] == model.model_dump()[name] == json.loads(model.to_json())[name] == number
    shallow = build(TopLogprob, {name: number})
    assert shallow.to_dict() == shallow.to_dict(mode="python") == json.loads(shallow.to_json()) == {name: number}


def test_a_value_is_written_as_it_came_and_not_as_it_was_declared():
    values = {"token": 5, "bytes": [True, 1.0, None], "logprob": 2}
    model = build(TopLogprob, values)
    assert model.model_dump_json() == '{"token":5,"bytes":[true,1.0,null],"logprob":2}'
    assert json.dumps(model.model_dump(mode="json")) == json.dumps(values)
    assert json.dumps(model.model_dump()) == json.dumps(values)


@pytest.mark.parametrize("depth", [100, 198, 199, 200, 201, 250, 251, 252, 253, 254, 255, 256, 257, 300])
def test_nesting_is_dumped_however_deep_a_chunk_may_be(depth):
    values = {"id": nested(depth), "choices": [{"message": {"x": nested(depth), "content": nested(depth)}}]}
    completion = build(ChatCompletion, values)
    assert completion.model_dump(exclude_unset=True) == values
    assert completion.model_dump(mode="json", exclude_unset=True) == values
    assert json.loads(completion.model_dump_json(exclude_unset=True)) == values
    assert json.loads(completion.to_json()) == values
    assert pickled(completion) == copy.deepcopy(completion) == completion
    read_throughout(completion)


def test_all_that_may_be_left_out_is_left_out_however_deep_the_rest():
    deep = nested(300)
    values = {
        "id": "a",
        "created": None,
        "x": deep,
        "y": None,
        "choices": [{"index": 0, "message": {"content": None, "z": 1}}],
    }
    completion = build(ChatCompletion, values)
    for dump in (
        lambda **o: completion.model_dump(mode="json", **o),
        lambda **o: json.loads(completion.model_dump_json(**o)),
    ):
        assert dump(exclude_none=True) == {"id": "a", "x": deep, "choices": [{"index": 0, "message": {"z": 1}}]}
        assert dump(exclude_unset=True) == values
        assert dump(exclude_unset=True, exclude={"choices": {"__all__": {"message": {"z"}}}, "x": True})["choices"] == [
            {"index": 0, "message": {"content": None}}
        ]
        assert dump(include={"x"}) == {"x": deep}
        assert "system_fingerprint" not in dump(exclude_defaults=True)


@pytest.mark.parametrize("depth", [1, 300])
@pytest.mark.parametrize(("indent", "ensure_ascii"), [(None, False), (2, False), (None, True), (3, True)])
def test_the_text_has_one_form_however_it_is_written(depth, indent, ensure_ascii):
    if ensure_ascii and "ensure_ascii" not in inspect.signature(BaseModel.model_dump_json).parameters:
        pytest.skip("this pydantic has no such option")
    options = {"ensure_ascii": True} if ensure_ascii else {}
    model = build(TopLogprob, {"token": 'é\n"', "bytes": [], "logprob": -1.5, "x": {}, "deep": nested(depth)})
    separators = (",", ":") if indent is None else (",", ": ")
    assert model.model_dump_json(indent=indent, **options) == json.dumps(
        model.model_dump(), indent=indent, ensure_ascii=ensure_ascii, separators=separators
    )


LONE = "a\ud800b\udc00"


@pytest.mark.parametrize(
    "values", [{"content": LONE}, {"x": [LONE]}, {LONE: 1}, {"x": {LONE: LONE}}, {"tool_calls": [{LONE: 1}]}]
)
def test_half_a_surrogate_pair_becomes_a_replacement_character_in_json(values):
    message = build(ChatCompletionMessage, values)
    expected = json.loads(json.dumps(values).replace("\\ud800", "\\ufffd").replace("\\udc00", "\\ufffd"))
    assert message.to_dict() == expected
    assert json.loads(message.to_json().encode()) == expected
    message.model_dump()
    read_throughout(message)


def test_a_pair_that_arrived_in_two_halves_is_put_together():
    message = build(ChatCompletionMessage, {"content": "\ud83d" + "\ude00", "x": "\ud83d"})
    assert message.to_dict() == {"content": "\U0001f600", "x": "\ufffd"}


def test_options_are_those_of_pydantic():
    completion = build(ChatCompletion, {**whole(), "x": 1})
    assert completion.model_dump(include={"id", "x"}) == {"id": "chatcmpl-1", "x": 1}
    assert completion.model_dump(include={"choices": {0: {"index"}}}, mode="json") == {"choices": [{"index": 0}]}
    assert "choices" not in completion.model_dump(exclude={"choices"})
    assert completion.model_dump(include={"metadata"}) == {"metadata": None}
    assert completion.model_dump(include={"metadata"}, exclude_none=True) == {}
    assert completion.model_dump(include={"metadata", "id"}, exclude_defaults=True) == {"id": "chatcmpl-1"}
    assert inspect.signature(ChatCompletion.model_dump) == inspect.signature(BaseModel.model_dump)
    assert inspect.signature(ChatCompletion.model_dump_json) == inspect.signature(BaseModel.model_dump_json)
    with pytest.raises(TypeError):
        completion.model_dump(nonsense=True)


@pytest.mark.parametrize("warnings", [True, False, "warn", "error", "none"])
def test_no_dump_warns_even_when_asked_to(warnings):
    model = build(TopLogprob, {"token": 5, "bytes": "x"})
    assert model.model_dump(warnings=warnings) == model.model_dump(warnings=warnings, mode="json")
    assert model.model_dump_json(warnings=warnings)
    assert model.to_dict(warnings=bool(warnings))
    assert model.to_json(warnings=bool(warnings))


def test_a_model_within_somebody_elses_does_not_warn_either():
    class Log(BaseModel):
        completion: ChatCompletion
        calls: list[ChatCompletionMessage | None] = []

    completion = build(ChatCompletion, {"id": 5, "created": True, "choices": "x"})
    log = Log.model_construct(completion=completion)
    assert log.model_dump(exclude_unset=True) == {"completion": {"id": 5, "created": True, "choices": "x"}}
    assert json.loads(log.model_dump_json(exclude_unset=True)) == log.model_dump(exclude_unset=True)
    assert TypeAdapter(ChatCompletion).dump_python(completion) == completion.model_dump()
    assert json.loads(to_json([completion])) == [completion.model_dump()]


def test_serializers_that_a_subclass_gives_its_fields_stand():
    class Dated(ChatCompletion):
        created: Annotated[int, PlainSerializer(lambda value: f"at {value}")]
        closed: Annotated[int, PlainSerializer(lambda value: f"till {value}")] | None = None
        model: str

        @field_serializer("model")
        def shout(self, value: str) -> str:
            return value.upper()

    dated = build(Dated, {"created": 5, "closed": 6, "model": "m"})
    assert dated.to_dict() == {"created": "at 5", "closed": "till 6", "model": "M"}
    assert build(Dated, {"id": "a"}).to_dict() == {"id": "a"}


def test_parsed_values_of_any_class_are_dumped():
    class Plain:
        def __str__(self):
            return "plain"

    @dataclasses.dataclass
    class Point:
        x: int

    values = [Plain(), Point(1), b"\xff", {1: (2, {3})}, {4.5}]
    model = build(ParsedChatCompletionMessage, {"parsed": values})
    expected = ["plain", {"x": 1}, "\ufffd", {"1": [2, [3]]}, [4.5]]
    assert model.to_dict() == {"parsed": expected}
    assert json.loads(model.to_json()) == {"parsed": expected}
    assert model.to_dict(mode="python")["parsed"][0] is values[0]


def test_an_error_of_the_callers_own_serializer_is_the_callers():
    class Broken(BaseModel):
        @field_serializer("word", check_fields=False)
        def write(self, _: str) -> str:
            raise ValueError("broken")

        word: str = ""

    model = build(ParsedChatCompletionMessage[Broken], {"parsed": Broken(word="x")})
    for dump in (model.model_dump, model.model_dump_json, model.to_dict, model.to_json):
        with pytest.raises(ValueError, match="broken"):
            dump()


def test_a_dict_for_json_leaves_out_what_the_peer_did_not_send():
    values = whole()
    assert build(ChatCompletion, values).to_dict() == COMPLETION
    assert json.loads(build(ChatCompletion, values).to_json()) == COMPLETION
    assert "\n  " in build(ChatCompletion, values).to_json()
    assert "\n" not in build(ChatCompletion, values).to_json(indent=None)
    assert build(ChatCompletion, {"id": "a", "usage": None}).to_dict(exclude_none=True) == {"id": "a"}
    assert "usage" in build(ChatCompletion, {}).to_dict(exclude_unset=False)


def test_a_dump_shares_nothing_with_the_model():
    extra = {"a": [1]}
    model = build(ChatCompletion, {"x": extra, "id": extra})
    for dumped in (model.model_dump(), model.model_dump(mode="json"), model.to_dict(), model.to_dict(mode="python")):
        dumped["x"]["a"].append(2)
        dumped["id"]["a"].append(2)
    assert extra == {"a": [1]}


# --- sending a message back ---------------------------------------------------------------------------


def param_of(values, cls=ChatCompletionMessage):
    return build(cls, values).to_param()


BOTH = pytest.mark.parametrize(
    "cls", [ChatCompletionMessage, ParsedChatCompletionMessage, ParsedChatCompletionMessage[Answer]]
)


@BOTH
def test_a_text_goes_back_as_role_and_content(cls):
    assert param_of({"role": "assistant", "content": "hi"}, cls) == {"role": "assistant", "content": "hi"}
    assert param_of({"content": ""}, cls) == {"role": "assistant", "content": ""}


@BOTH
def test_what_is_no_part_of_a_request_does_not_go_back(cls):
    values = {
        "role": "assistant",
        "content": "hi",
        "refusal": None,
        "annotations": [],
        "tool_calls": None,
        "function_call": None,
        "audio": None,
        "reasoning": "hm",
        "reasoning_content": "hm",
        "parsed": {"word": "hi"},
        "name": "n",
        "x_vendor": 1,
    }
    assert param_of(values, cls) == {"role": "assistant", "content": "hi"}


@BOTH
def test_calls_go_back_with_unknown_members_and_without_what_is_ours(cls):
    calls = [
        {
            "index": 0,
            "id": "call_1",
            "type": "function",
            "function": {"name": "f", "arguments": "{}", "parsed_arguments": {}, "signature": "s", "none": None},
            "extra_content": {"google": {"thought_signature": "t", "none": None}},
            "none": None,
        },
        {"index": 1, "id": "call_2", "type": "custom", "custom": {"name": "c", "input": ""}},
    ]
    assert param_of({"role": "assistant", "content": None, "tool_calls": calls}, cls) == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "f", "arguments": "{}", "signature": "s"},
                "extra_content": {"google": {"thought_signature": "t", "none": None}},
            },
            {"id": "call_2", "type": "custom", "custom": {"name": "c", "input": ""}},
        ],
    }


def test_parsed_arguments_are_not_even_looked_at():
    class Untouchable(BaseModel):
        word: str = ""

        @field_serializer("word")
        def write(self, _: str) -> str:
            raise ValueError("was looked at")

    function = {"name": "f", "arguments": "{}", "parsed_arguments": Untouchable()}
    param = param_of({"parsed": Untouchable(), "tool_calls": [{"function": function}]}, ParsedChatCompletionMessage)
    assert param["tool_calls"] == [{"type": "function", "function": {"name": "f", "arguments": "{}"}}]


def test_a_call_without_a_type_goes_back_as_what_it_is():
    param = param_of({"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": ""}}]})
    assert param["tool_calls"] == [{"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]


def test_content_that_is_none_goes_back_as_null_with_calls_or_without():
    assert param_of({}) == {"role": "assistant", "content": None}
    assert param_of({"refusal": "no"}) == {"role": "assistant", "content": None, "refusal": "no"}
    assert param_of({"tool_calls": []}) == {"role": "assistant", "content": None}


def test_a_function_call_of_the_older_form_goes_back():
    message = build(ChatCompletionMessage, {"function_call": {"name": "f", "arguments": "{}", "none": None}})
    assert type(message.function_call) is FunctionCall
    assert message.to_param()["function_call"] == {"name": "f", "arguments": "{}"}


def test_audio_goes_back_by_its_id_alone():
    audio = {"id": "audio_1", "data": "AAAA", "expires_at": 1, "transcript": "hi"}
    assert param_of({"audio": audio})["audio"] == {"id": "audio_1"}
    assert "audio" not in param_of({"audio": {"data": "AAAA"}})


@pytest.mark.parametrize("odd", [5, "x", [], [1, None, "x", [2]], {"a": 1}, [{"function": [1]}, {"custom": "x"}], True])
def test_members_of_another_type_are_left_out_or_sent_as_they_are_but_never_raise(odd):
    for name in ("role", "content", "refusal", "tool_calls", "function_call", "audio"):
        param = param_of({name: odd})
        json.dumps(param)
        assert set(param) <= {"role", "content", name}


def test_what_goes_back_shares_nothing_with_the_message():
    call = {"id": "a", "extra_content": {"deep": [1]}, "function": {"name": "f", "arguments": "", "more": [1]}}
    content = [{"type": "text", "text": "hi"}]
    message = build(ChatCompletionMessage, {"content": content, "tool_calls": [call]})
    before = message.to_dict()
    param = message.to_param()
    param["content"][0]["text"] = "changed"
    param["tool_calls"][0]["extra_content"]["deep"].append(2)
    param["tool_calls"][0]["function"]["more"].append(2)
    assert message.to_dict() == before


def test_a_call_of_a_function_tells_name_and_arguments_at_once():
    call = build(ChatCompletionMessageFunctionToolCall, {"function": {"name": "f", "arguments": "{}"}, "name": "extra"})
    assert (call.name, call.arguments) == ("f", "{}")
    assert call.model_extra == {"name": "extra"}
    with pytest.raises(AttributeError):
        call.name = "g"
    for odd in ({}, {"function": None}, {"function": "x"}, {"function": ["x"]}, {"function": {}}):
        call = build(ParsedFunctionToolCall, odd)
        assert (call.name, call.arguments) == (None, None)


# --- the law ------------------------------------------------------------------------------------------


def names_in(cls, seen):
    """All field names that occur below a class, so that random objects find their way into nested models."""
    if cls not in seen:
        seen.add(cls)
        for name, field in cls.model_fields.items():
            yield name
            for part in models_below(field.annotation):
                yield from names_in(part, seen)


def models_below(annotation):
    if inspect.isclass(annotation) and issubclass(annotation, WireModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in models_below(part)]


NAMES = sorted({name for cls in ROOTS for name in names_in(cls, set())})


def json_objects(characters):
    scalars = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.integers(min_value=2**63, max_value=2**400)
        | st.floats()
        | st.text(characters, max_size=5)
        | st.sampled_from(["function", "custom", "error", "moderation_results"])
    )
    keys = st.sampled_from(NAMES) | st.sampled_from(HOSTILE) | st.text(characters, max_size=3)
    values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5))
    return st.dictionaries(keys, values, max_size=6) | st.builds(likely, values, values, values, values)


def likely(choice, message, call, extra):
    """An object shaped like an answer, with something random in each of its places."""
    message = {
        "tool_calls": [call, {"type": "custom", "custom": call}],
        "audio": extra,
        "function_call": extra,
        "x": message,
    }
    choice = {
        "message": message,
        "delta": message,
        "logprobs": {"content": [{"top_logprobs": choice}, choice]},
        "x": choice,
    }
    return {"choices": [choice, extra], "usage": extra, "moderation": {"input": extra, "output": call}}


@given(values=json_objects(st.characters()), cls=st.sampled_from([*ROOTS, ParsedChatCompletion[Answer]]))
def test_any_json_object_can_be_built_read_and_dumped(values, cls):
    model = build(cls, values)
    read_throughout(model)
    for options in ({}, {"exclude_unset": True}, {"exclude_none": True}, {"exclude_defaults": True}):
        model.model_dump(**options)
        text = json.dumps(model.model_dump(mode="json", **options), allow_nan=False, ensure_ascii=False)
        written = model.model_dump_json(**options)
        assert written.encode()
        assert json.loads(written) == json.loads(text)
    assert json.loads(model.to_json()) == model.to_dict()
    assert repr(copy.deepcopy(model)) == repr(model) == repr(pickled(model))


@given(values=json_objects(st.characters(codec="utf-8")), cls=st.sampled_from([*ROOTS, ParsedChatCompletion[Answer]]))
def test_what_was_built_is_written_back(values, cls):
    def spelled(value):
        return json.dumps(value, sort_keys=True)

    before = spelled(values)
    model = build(cls, values)
    assert spelled(model.to_dict(mode="python")) == before
    assert spelled(values) == before
    assert spelled(model.to_dict()) == spelled(json.loads(before, parse_constant=lambda _: None))


# What is built when somebody looks


def late_logprobs():
    token = {
        "token": "a",
        "logprob": -1.5,
        "bytes": [97],
        "top_logprobs": [{"token": "b", "logprob": -2, "bytes": None}],
        "x": 1,
    }
    logprobs = {"content": [token], "refusal": None, "y": 2}
    choice = {"index": 0, "delta": {"content": "a"}, "logprobs": logprobs, "finish_reason": None}
    data = b"data: " + json.dumps({"id": "c", "choices": [choice]}).encode() + b"\n\n"
    stream = ChatCompletionStream([data, data, data], allow_incomplete=True)
    return stream.final_chat_completion().choices[0].logprobs, [token] * 3


LOOKS = {
    "attribute": lambda late: late.content,
    "vars": lambda late: vars(late)["content"],
    "iteration": lambda late: dict(late)["content"],
    "copy": lambda late: copy.copy(late).content,
    "deepcopy": lambda late: copy.deepcopy(late).content,
    "pickle": lambda late: pickle.loads(pickle.dumps(late)).content,  # noqa: S301
    "model_copy": lambda late: late.model_copy().content,
    "model_dump": lambda late: late.model_dump()["content"],
    "model_dump_json": lambda late: json.loads(late.model_dump_json())["content"],
    "exclude_unset": lambda late: late.model_dump(exclude_unset=True)["content"],
    "include": lambda late: late.model_dump(include={"content"})["content"],
    "to_dict": lambda late: late.to_dict()["content"],
    "inside another": lambda late: TypeAdapter(list[chatstream.types.ChoiceLogprobs]).dump_python([late])[0]["content"],
    "validate": lambda late: chatstream.types.ChoiceLogprobs.model_validate(late).content,
    "after deleting another": lambda late: (delattr(late, "refusal"), late.content)[1],
    "after setting another": lambda late: (setattr(late, "refusal", []), late.content)[1],
}  # fmt: skip


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
@pytest.mark.parametrize("seen", [False, True])
def test_tokens_are_there_however_one_looks(look, seen):
    late, tokens = late_logprobs()
    if seen:
        assert len(late.content) == 3
    assert [token if isinstance(token, dict) else token.model_dump() for token in look(late)] == tokens


def test_looking_changes_nothing_about_a_model():
    (late, _), (seen, _) = late_logprobs(), late_logprobs()
    assert seen.content is seen.content
    assert late.model_fields_set == seen.model_fields_set == {"content", "refusal"}
    assert late.model_extra == seen.model_extra == {"y": 2}
    assert late.y == 2
    assert late == seen
    (late, _) = late_logprobs()
    assert list(late.model_dump()) == list(seen.model_dump()) == ["content", "refusal", "y"]
    assert repr(late) == repr(seen)


def test_what_is_set_before_anybody_looked_stays():
    late, _ = late_logprobs()
    late.content = None
    assert late.content is None
    assert late.model_dump()["content"] is None
    late, _ = late_logprobs()
    del late.content
    with pytest.raises(AttributeError):
        _ = late.content
    with pytest.raises(AttributeError, match="nothing"):
        _ = late.nothing


def test_what_one_reader_changes_is_not_changed_for_another():
    accumulator = ChatCompletionAccumulator()
    accumulator.add({"choices": [{"index": 0, "logprobs": {"content": [{"token": "a", "bytes": [1]}]}}]})
    one, other = accumulator.snapshot, accumulator.snapshot
    one.choices[0].logprobs.content[0].bytes.append(2)
    one.choices[0].logprobs.content.clear()
    assert other.choices[0].logprobs.content[0].bytes == [1]


def test_threads_that_look_at_once_see_the_same():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(50):
            late, _ = late_logprobs()
            seen = []
            threads = [Thread(target=lambda late=late, seen=seen: seen.append(late.content)) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(seen) == 4
            assert all(one is seen[0] for one in seen)
    finally:
        sys.setswitchinterval(before)


# --- how an answer came -------------------------------------------------------------------------------

HEADERS = {"X-Request-Id": "req_1", "Set-Cookie": "session=a secret"}


def info(**members):
    return ResponseInfo(
        **{"status_code": 200, "headers": HEADERS, "request_id": "req_1", "retries": 1, "elapsed": 0.25, **members}
    )


def answers():
    yield build(ChatCompletion, whole())
    yield build(ParsedChatCompletion[Answer], whole())
    yield build(ChatCompletionDeleted, {"id": "c", "deleted": True, "object": "chat.completion.deleted"})
    yield build(ChatCompletionsPage, {"object": "list", "data": [whole()], "has_more": False})


def test_how_an_answer_came_is_told_by_what_was_answered():
    for model in answers():
        assert model.response is None
        came = info()
        assert answered(model, came) is model
        assert model.response is came


def test_how_an_answer_came_is_no_part_of_it():
    for model, other in zip(answers(), answers(), strict=True):
        before = (model.model_dump(), model.to_json(), repr(model), list(model), model.model_fields_set)
        answered(model, info())
        assert (model.model_dump(), model.to_json(), repr(model), list(model), model.model_fields_set) == before
        assert model == other
        assert other == answered(model, info(status_code=500))
        assert "response" not in model.model_extra
        assert "response" not in type(model).model_json_schema(mode="serialization")["properties"]


def test_how_an_answer_came_is_lost_in_every_copy():
    for model in answers():
        answered(model, info())
        copies = (
            copy.copy(model),
            copy.deepcopy(model),
            model.model_copy(),
            model.model_copy(deep=True),
            pickled(model),
        )
        for made in copies:
            assert made == model
            assert made.response is None
        assert b"secret" not in pickle.dumps(model)
        assert model.response is not None


def test_what_a_peer_calls_response_is_an_extra_like_any_other():
    sent = {**whole(), "response": {"a": 1}, "_response": 2}
    model = build(ChatCompletion, sent)
    assert model.response is None
    answered(model, info())
    assert (model.response.status, model.model_extra) == (200, {"response": {"a": 1}, "_response": 2})
    assert model.to_dict() == sent
    assert model.model_copy().to_dict() == sent
    assert model.model_copy().response is None


def test_how_an_answer_came_can_be_set_by_nobody_else():
    model = answered(build(ChatCompletion, whole()), info())
    with pytest.raises(AttributeError):
        model.response = info()
    with pytest.raises(AttributeError):
        model.response.status_code = 500
    with pytest.raises(TypeError):
        model.response.headers["x"] = "y"
    assert model.response == info()


def test_how_an_answer_came_is_told_without_its_headers():
    came = info()
    assert repr(came) == "ResponseInfo(status_code=200, request_id='req_1', retries=1, elapsed=0.25)"
    assert "secret" not in f"{came} {came!r}"
    assert b"secret" not in pickle.dumps(came)
    for made in (pickled(came), copy.deepcopy(came)):
        assert made.headers == {}
        assert (made.status, made.request_id, made.retries, made.elapsed) == (200, "req_1", 1, 0.25)


def test_the_names_of_headers_are_in_lower_case():
    came = info()
    assert dict(came.headers) == {"x-request-id": "req_1", "set-cookie": "session=a secret"}
    assert came.status == came.status_code == 200


# --- pages --------------------------------------------------------------------------------------------


def page(data, **members):
    return build(ChatCompletionsPage, {"object": "list", "data": data, **members})


def test_a_page_has_models_in_it():
    read = page([whole()], has_more=True, first_id="a", last_id="b")
    assert read.data[0].choices[0].message.tool_calls[1].custom.input == "ls"
    assert (read.object, read.has_more, read.first_id, read.last_id) == ("list", True, "a", "b")
    assert read.to_dict() == {"object": "list", "data": [whole()], "has_more": True, "first_id": "a", "last_id": "b"}
    messages = build(ChatCompletionStoreMessagesPage, {"data": [{"id": "m-0", "role": "user", "content": "x"}]})
    assert messages.data[0].to_param() == {"role": "user", "content": "x"}
    assert build(CursorPage, {"data": [{"id": "a"}]}).data == [{"id": "a"}]
    assert pickled(read) == read


@pytest.mark.parametrize(
    ("data", "more", "cursor", "expected"),
    [
        ([{"id": "a"}, {"id": "b"}], True, "b", True),
        ([{"id": "a"}, {"id": "b"}], False, "b", False),
        ([{"id": "a"}], None, "a", False),
        ([], True, None, False),
        ([{"id": "a"}, {}], True, None, False),
        ([{"id": ""}], True, None, False),
        ([{"id": 5}], True, None, False),
    ],
)
def test_the_next_page_begins_after_the_last_entry(data, more, cursor, expected):
    read = page(data, has_more=more, last_id="z")
    assert read.next_cursor() == cursor
    assert read.has_next_page() is expected


def test_a_page_that_does_not_say_whether_there_is_more_is_the_last_one():
    assert page([{"id": "a"}]).has_next_page() is False


@pytest.mark.parametrize("odd", ODD)
def test_no_page_makes_looking_raise(odd):
    for read in (page(odd, has_more=odd), page([odd], has_more=True), page([{"id": odd}], has_more=odd)):
        assert read.has_next_page() in {True, False}
        assert read.next_cursor() is None or isinstance(read.next_cursor(), str)
        read_throughout(read)
        read.to_json().encode()


# --- what an error says of itself ---------------------------------------------------------------------


def test_the_object_of_an_error_is_a_model():
    sent = {
        "message": "no",
        "type": "x",
        "misalignment": {"error_type": "new", "steer": {"message": "go on"}},
        "more": 1,
    }
    error = build(ErrorObject, sent)
    assert (error.message, error.code, error.misalignment.steer.message) == ("no", None, "go on")
    assert error.to_dict() == sent
