"""The TypedDicts of requests: as the official SDK has them, and such that pydantic can check them."""

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
from typing import Required, get_args, get_origin

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from typing_extensions import get_type_hints, is_typeddict

import chatstream.types
from chatstream.server.published import stored_message
from chatstream.types import (
    ChatCompletionDeleted,
    ChatCompletionStoreMessage,
    ChatModel,
    CompletionCreateParams,
    build,
)
from made_up import ODD

OURS = {name: value for name in chatstream.types.__all__ if is_typeddict(value := getattr(chatstream.types, name))}
# Parts that the SDK names after the module they stand in, and we by a name of their own. Several of theirs may be one.
NAMES = {
    "chat_completion_assistant_message_param.Audio": "AssistantAudioParam",
    "chat_completion_assistant_message_param.FunctionCall": "FunctionCallParam",
    "chat_completion_content_part_image_param.ImageURL": "ImageURLParam",
    "chat_completion_content_part_image_param.PromptCacheBreakpoint": "PromptCacheBreakpointParam",
    "chat_completion_content_part_input_audio_param.PromptCacheBreakpoint": "PromptCacheBreakpointParam",
    "chat_completion_content_part_param.File": "ChatCompletionContentPartFileParam",
    "chat_completion_content_part_param.FileFile": "FileParam",
    "chat_completion_content_part_param.FilePromptCacheBreakpoint": "PromptCacheBreakpointParam",
    "chat_completion_content_part_text_param.PromptCacheBreakpoint": "PromptCacheBreakpointParam",
    "chat_completion_custom_tool_param.Custom": "CustomDefinition",
    "chat_completion_message_custom_tool_call_param.Custom": "CustomParam",
    "chat_completion_message_function_tool_call_param.Function": "FunctionParam",
    "chat_completion_named_tool_choice_custom_param.Custom": "NamedCustom",
    "chat_completion_named_tool_choice_param.Function": "NamedFunction",
    "completion_create_params.Function": "LegacyFunctionParam",
    "completion_create_params.Moderation": "ModerationParam",
    "completion_create_params.ModerationPolicy": "ModerationPolicyParam",
    "completion_create_params.ModerationPolicyInput": "ModerationModeParam",
    "completion_create_params.ModerationPolicyOutput": "ModerationModeParam",
}
# Shared with the SDK's other resources, and no part of a chat completion.
OTHER_RESOURCES = {
    "comparison_filter",
    "compound_filter",
    "custom_tool_input_format",
    "decision_input_json",
    "decision_question_input_image",
    "decision_question_input_part",
    "decision_question_input_text",
    "reasoning",
}


def published():
    """Each TypedDict of the SDK's requests, as module.name and class."""
    found = {}
    for room in ("openai.types.chat", "openai.types.chat.completions", "openai.types.shared_params"):
        for module in pkgutil.iter_modules(importlib.import_module(room).__path__):
            if module.name in OTHER_RESOURCES or module.ispkg:
                continue
            members = vars(importlib.import_module(f"{room}.{module.name}"))
            for name, value in members.items():
                if is_typeddict(value) and value.__module__ == f"{room}.{module.name}":
                    found[f"{module.name}.{name}"] = value
    return found


def shape(cls):
    """Whether each field must be there, and the fixed words it may have."""
    hints = get_type_hints(cls, include_extras=True)
    return {name: (get_origin(hint) is Required, words(hint)) for name, hint in hints.items()}


def words(hint):
    inner = get_args(hint)
    found = {word for word in inner if isinstance(word, str | bool)}
    return found.union(*(words(part) for part in inner if not is_typeddict(part)))


def test_each_shape_of_the_official_sdk_is_here_with_its_fields_and_words():
    pytest.importorskip("openai")
    theirs = published()
    assert len(theirs) > 60
    used = set()
    for name, cls in theirs.items():
        ours = NAMES.get(name) or name.partition(".")[2]
        assert ours in OURS, name
        assert shape(OURS[ours]) == shape(cls), name
        used.add(ours)
    assert set(NAMES) <= set(theirs)
    # Two that are models there, see below; and parts or kin of what the SDK has in one piece or in functions.
    assert {name for name, cls in OURS.items() if cls not in [OURS[other] for other in used]} == {
        "ResponseFormatTextGrammar",
        "ResponseFormatTextPython",
        "ChatCompletionStreamParams",
        "CompletionParams",
        "CompletionStreamParams",
        "CursorPageParams",
    }


def test_the_formats_that_the_sdk_has_as_models_have_the_same_fields():
    shared = pytest.importorskip("openai.types.shared")
    for name in ("ResponseFormatTextGrammar", "ResponseFormatTextPython"):
        theirs = getattr(shared, name).model_fields
        assert {field: (required, found) for field, (required, found) in shape(OURS[name]).items()} == {
            field: (info.is_required(), words(info.annotation)) for field, info in theirs.items()
        }


def test_the_unions_of_the_official_sdk_have_the_same_members():
    chat = pytest.importorskip("openai.types.chat")
    for name in chatstream.types.__all__:
        ours, theirs = getattr(chatstream.types, name), getattr(chat, name, None)
        if theirs is None or inspect.isclass(ours):
            continue
        assert words(ours) == words(theirs), name
        assert len(members(ours)) == len(members(theirs)), name


def members(union):
    return [part for part in get_args(union) if is_typeddict(part)]


def test_the_names_of_models_are_those_of_the_official_sdk_and_any_other():
    shared = pytest.importorskip("openai.types.shared_params.chat_model")
    assert words(ChatModel) == set(get_args(shared.ChatModel))
    assert TypeAdapter(ChatModel).validate_python("llama", strict=True) == "llama"


def test_requests_have_words_for_what_answers_share_with_them():
    assert words(chatstream.types.ChatCompletionReasoningEffort) >= {"none", "low", "high"}
    assert words(chatstream.types.ChatCompletionRole) == {
        "developer",
        "system",
        "user",
        "assistant",
        "tool",
        "function",
    }
    assert words(chatstream.types.ChatCompletionModality) == {"text", "audio"}


@pytest.mark.parametrize("name", OURS)
def test_pydantic_can_check_each_shape_strictly(name):
    adapter = TypeAdapter(OURS[name])
    with pytest.raises(ValidationError):
        adapter.validate_python("", strict=True)
    required = {field for field, (needed, _) in shape(OURS[name]).items() if needed}
    if not required:
        assert adapter.validate_python({}, strict=True) == {}
        return
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python({}, strict=True)
    assert {error["loc"] for error in caught.value.errors()} == {(field,) for field in required}


def test_required_fields_are_known_at_run_time():
    for cls in OURS.values():
        assert {name for name, (needed, _) in shape(cls).items() if needed} == cls.__required_keys__


def test_a_string_is_no_array_of_strings():
    adapter = TypeAdapter(CompletionCreateParams)
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    adapter.validate_python({**body, "modalities": ("text",)}, strict=True)
    with pytest.raises(ValidationError):
        adapter.validate_python({**body, "modalities": "text"}, strict=True)
    with pytest.raises(ValidationError):
        adapter.validate_python({**body, "messages": "hi"}, strict=True)


def test_importing_chatstream_does_not_load_the_shapes():
    code = "import sys, chatstream; sys.exit('chatstream.types' in sys.modules or 'pydantic' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_asked_with_every_request_and_what_may_be_make_up_the_whole():
    whole, rest = shape(OURS["CompletionCreateParamsBase"]), shape(OURS["CompletionParams"])
    assert list(whole)[:2] == ["messages", "model"]
    assert whole.keys() - rest.keys() == {"messages", "model"}
    assert {name for name, (needed, _) in whole.items() if needed} == {"messages", "model"}
    assert "stream" not in whole
    assert "stream_options" in rest


def test_an_answer_may_be_asked_for_in_five_forms():
    adapter = TypeAdapter(chatstream.types.ResponseFormat)
    for asked in (
        {"type": "text"},
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "n"}},
        {"type": "grammar", "grammar": "start: /a/"},
        {"type": "python"},
    ):
        assert adapter.validate_python(asked, strict=True) == asked


# --- what comes back about stored completions ---------------------------------------------------------


def test_a_stored_message_has_its_id_and_the_parts_of_its_content():
    parts = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:", "detail": "low"}},
    ]
    message = build(ChatCompletionStoreMessage, {"id": "m-0", "role": "user", "content": None, "content_parts": parts})
    text, image = message.content_parts
    assert (message.id, text.text, image.image_url.detail) == ("m-0", "look", "low")
    assert message.model_dump(exclude_unset=True)["content_parts"] == parts


def test_a_stored_message_has_the_role_it_was_sent_with():
    for role in get_args(chatstream.types.ChatCompletionRole):
        values = {"id": "m-0", "role": role, "content": "x", "refusal": None}
        assert build(ChatCompletionStoreMessage, values) == ChatCompletionStoreMessage.model_validate(values)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "developer", "content": "d"},
        {"role": "system", "content": "s", "name": "n"},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": "a", "refusal": "r", "name": "n", "audio": {"id": "a"}},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "tool", "content": "1", "tool_call_id": "c"},
        {"role": "function", "content": "1", "name": "f"},
        {"role": "user", "content": [{"type": "text", "text": "t", "prompt_cache_breakpoint": {"mode": "explicit"}}, {"type": "image_url", "image_url": {"url": "u"}}]},
        {"role": "tool", "content": [{"type": "text", "text": "t"}], "tool_call_id": "c"},
    ],
)  # fmt: skip
def test_a_stored_message_goes_back_as_it_was_sent(message):
    stored = stored_message(message, "chatcmpl-1-0")
    assert build(ChatCompletionStoreMessage, stored).to_param() == message
    TypeAdapter(chatstream.types.ChatCompletionMessageParam).validate_python(message, strict=True)


def test_a_tool_message_goes_back_without_a_name_and_any_other_without_a_call():
    extras = {"id": "m", "content": "x", "name": "n", "tool_call_id": "c", "more": 1}
    told = {
        role: build(ChatCompletionStoreMessage, {**extras, "role": role}).to_param() for role in ("tool", "user", None)
    }
    assert told == {
        "tool": {"role": "tool", "content": "x", "tool_call_id": "c"},
        "user": {"role": "user", "content": "x", "name": "n"},
        None: {"role": "assistant", "content": "x", "name": "n"},
    }


@pytest.mark.parametrize("odd", ODD)
def test_a_stored_message_with_odd_members_goes_back_all_the_same(odd):
    values = dict.fromkeys(("id", "role", "content", "content_parts", "name", "tool_call_id"), odd)
    param = build(ChatCompletionStoreMessage, values).to_param()
    json.dumps(param, allow_nan=False).encode()
    assert "id" not in param
    within = build(ChatCompletionStoreMessage, {"content": "x", "content_parts": [odd, {"type": odd}, {"text": "t"}]})
    assert {"text": "t"} in within.to_param()["content"]


def test_what_goes_back_shares_nothing_with_the_stored_message():
    parts, name = [{"type": "text", "text": "t", "more": [1]}], ["n"]
    message = build(ChatCompletionStoreMessage, {"id": "m", "role": "user", "content_parts": parts, "name": name})
    param = message.to_param()
    param["content"][0]["more"].append(2)
    param["name"].append("o")
    assert message.to_param()["content"] == [{"type": "text", "text": "t", "more": [1]}]
    assert message.to_param()["name"] == ["n"]


def test_word_that_a_completion_is_gone_is_a_model():
    gone = build(ChatCompletionDeleted, {"id": "c1", "deleted": True, "object": "chat.completion.deleted"})
    assert (gone.id, gone.deleted) == ("c1", True)


def test_models_about_stored_completions_are_those_of_the_official_sdk():
    chat = pytest.importorskip("openai.types.chat")
    image = pytest.importorskip("openai.types.chat.chat_completion_content_part_image")
    text = pytest.importorskip("openai.types.chat.chat_completion_content_part_text")
    pairs = [
        (ChatCompletionDeleted, chat.ChatCompletionDeleted),
        (ChatCompletionStoreMessage, chat.ChatCompletionStoreMessage),
        (chatstream.types.ChatCompletionContentPartImage, image.ChatCompletionContentPartImage),
        (chatstream.types.ChatCompletionContentPartText, text.ChatCompletionContentPartText),
        (chatstream.types.ImageURL, image.ImageURL),
        (chatstream.types.PromptCacheBreakpoint, image.PromptCacheBreakpoint),
    ]
    for ours, theirs in pairs:
        assert issubclass(ours, BaseModel)
        assert fields(ours) - {("reasoning", False)} == fields(theirs)


def fields(model):
    return {(name, field.is_required()) for name, field in model.model_fields.items()}
