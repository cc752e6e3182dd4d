"""The TypedDicts of requests: as the official SDK has them, and such that pydantic can check them."""

import importlib
import inspect
import pkgutil
import subprocess
import sys
from typing import Required, get_args, get_origin

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from typing_extensions import get_type_hints, is_typeddict

import chatstream.types
from chatstream.types import (
    ChatCompletionDeleted,
    ChatCompletionStoreMessage,
    ChatModel,
    CompletionCreateParams,
    build,
)

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
    # Two that are models there, see below.
    assert {name for name, cls in OURS.items() if cls not in [OURS[other] for other in used]} == {
        "ResponseFormatTextGrammar",
        "ResponseFormatTextPython",
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
