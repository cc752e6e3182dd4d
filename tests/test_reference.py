"""`chatstream.types` against the published reference: every name of it, and every field of each.

The tables are what the reference says, in the words of the official SDKs: openai-node's `resources/chat`, its `shared`
types and its cursor pages, and openai-python where that one is newer. A field with a `?` may be missing. Both SDKs are asked,
where they are installed, whether the tables have all that they have.
"""

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Required, get_args, get_origin

import pytest
from typing_extensions import get_type_hints, is_typeddict

import chatstream.types

NODE = Path(__file__).parent.parent / "benchmarks/node/node_modules/openai/src"

# --- what comes back ----------------------------------------------------------------------------------

ANSWERS = {
    "Annotation": "type url_citation",
    "AnnotationURLCitation": "end_index start_index title url",
    "ChatCompletion": "id choices created model object metadata? moderation? service_tier? system_fingerprint? usage?",
    "ChatCompletionAudio": "id data expires_at transcript",
    "ChatCompletionChunk": "id choices created model object moderation? service_tier? system_fingerprint? usage?",
    "ChatCompletionContentPartImage": "image_url type prompt_cache_breakpoint?",
    "ChatCompletionContentPartText": "text type prompt_cache_breakpoint?",
    "ChatCompletionDeleted": "id deleted object",
    "ChatCompletionMessage": "content? refusal? role annotations? audio? function_call? tool_calls?",
    "ChatCompletionMessageCustomToolCall": "id custom type",
    "ChatCompletionMessageFunctionToolCall": "id function type",
    "ChatCompletionStoreMessage": "content? refusal? role annotations? audio? function_call? tool_calls? id content_parts?",
    "ChatCompletionTokenLogprob": "token bytes? logprob top_logprobs",
    "Choice": "finish_reason index logprobs? message",
    "ChoiceDelta": "audio? content? function_call? refusal? role? tool_calls?",
    "ChoiceDeltaAudio": "id? data? expires_at? transcript?",
    "ChoiceDeltaFunctionCall": "arguments? name?",
    "ChoiceDeltaToolCall": "index id? function? type?",
    "ChoiceDeltaToolCallFunction": "arguments? name?",
    "ChoiceLogprobs": "content? refusal?",
    "ChunkChoice": "delta index finish_reason? logprobs?",
    "CompletionTokensDetails": "accepted_prediction_tokens? audio_tokens? reasoning_tokens? rejected_prediction_tokens? text_tokens?",
    "CompletionUsage": "completion_tokens prompt_tokens total_tokens completion_tokens_details? prompt_tokens_details?",
    "CursorPage": "data has_more?",
    "Custom": "input name",
    "ErrorObject": "code? message param? type misalignment?",
    "Function": "arguments name",
    "FunctionCall": "arguments name",
    "ImageURL": "url detail?",
    "Misalignment": "detailed_explanation? error_type? review_target? steer?",
    "MisalignmentSteer": "message",
    "Moderation": "input output",
    "ModerationError": "code message type",
    "ModerationResult": "categories category_applied_input_types category_scores flagged model type",
    "ModerationResults": "model results type",
    "ParsedChatCompletion": "id choices created model object metadata? moderation? service_tier? system_fingerprint? usage?",
    "ParsedChatCompletionMessage": "content? refusal? role annotations? audio? function_call? tool_calls? parsed?",
    "ParsedChoice": "finish_reason index logprobs? message",
    "ParsedFunction": "arguments name parsed_arguments?",
    "ParsedFunctionToolCall": "id function type",
    "PromptCacheBreakpoint": "mode ttl?",
    "PromptTokensDetails": "audio_tokens? cache_write_tokens? cached_tokens? image_tokens? text_tokens?",
    "TopLogprob": "token bytes? logprob",
}
# Members that services send and the reference does not have.
BEYOND = {
    "ChatCompletionChunk": "obfuscation?",
    "ChatCompletionMessage": "reasoning?",
    "ChatCompletionStoreMessage": "reasoning?",
    "ChoiceDeltaToolCall": "custom?",
    "CursorPage": "object first_id? last_id?",
    "ParsedChatCompletionMessage": "reasoning?",
}

# --- what is sent -------------------------------------------------------------------------------------

_OPTIONS = """
audio? frequency_penalty? function_call? functions? logit_bias? logprobs? max_completion_tokens? max_tokens?
metadata? modalities? moderation? n? parallel_tool_calls? prediction? presence_penalty? prompt_cache_key?
prompt_cache_options? prompt_cache_retention? reasoning_effort? response_format? safety_identifier? seed?
service_tier? stop? store? stream_options? temperature? tool_choice? tools? top_logprobs? top_p? user?
verbosity? web_search_options?
"""
REQUESTS = {
    "AssistantAudioParam": "id",
    "ChatCompletionAllowedToolChoiceParam": "allowed_tools type",
    "ChatCompletionAllowedToolsParam": "mode tools",
    "ChatCompletionAssistantMessageParam": "role audio? content? function_call? name? refusal? tool_calls?",
    "ChatCompletionAudioParam": "format voice",
    "ChatCompletionContentPartFileParam": "file type prompt_cache_breakpoint?",
    "ChatCompletionContentPartImageParam": "image_url type prompt_cache_breakpoint?",
    "ChatCompletionContentPartInputAudioParam": "input_audio type prompt_cache_breakpoint?",
    "ChatCompletionContentPartRefusalParam": "refusal type",
    "ChatCompletionContentPartTextParam": "text type prompt_cache_breakpoint?",
    "ChatCompletionCustomToolParam": "custom type",
    "ChatCompletionDeveloperMessageParam": "content role name?",
    "ChatCompletionFunctionCallOptionParam": "name",
    "ChatCompletionFunctionMessageParam": "content name role",
    "ChatCompletionFunctionToolParam": "function type",
    "ChatCompletionMessageCustomToolCallParam": "id custom type",
    "ChatCompletionMessageFunctionToolCallParam": "id function type",
    "ChatCompletionNamedToolChoiceCustomParam": "custom type",
    "ChatCompletionNamedToolChoiceParam": "function type",
    "ChatCompletionPredictionContentParam": "content type",
    "ChatCompletionStreamOptionsParam": "include_obfuscation? include_usage?",
    "ChatCompletionSystemMessageParam": "content role name?",
    "ChatCompletionToolMessageParam": "content role tool_call_id",
    "ChatCompletionUserMessageParam": "content role name?",
    "CompletionCreateParamsBase": f"messages model {_OPTIONS}",
    "CompletionCreateParamsNonStreaming": f"messages model stream? {_OPTIONS}",
    "CompletionCreateParamsStreaming": f"messages model stream {_OPTIONS}",
    "CompletionListParams": "after? limit? metadata? model? order?",
    "CompletionStreamParams": f"messages model stream? {_OPTIONS}",
    "CompletionUpdateParams": "metadata",
    "CursorPageParams": "after? limit?",
    "CustomDefinition": "name description? format?",
    "CustomFormatGrammar": "grammar type",
    "CustomFormatGrammarGrammar": "definition syntax",
    "CustomFormatText": "type",
    "CustomParam": "input name",
    "FileParam": "file_data? file_id? filename?",
    "FunctionCallParam": "arguments name",
    "FunctionDefinition": "name description? parameters? strict?",
    "FunctionParam": "arguments name",
    "ImageURLParam": "url detail?",
    "InputAudio": "data format",
    "JSONSchema": "name description? schema? strict?",
    "LegacyFunctionParam": "name description? parameters?",
    "MessageListParams": "after? limit? order?",
    "ModerationModeParam": "mode",
    "ModerationParam": "model policy?",
    "ModerationPolicyParam": "input? output?",
    "NamedCustom": "name",
    "NamedFunction": "name",
    "PromptCacheBreakpointParam": "mode ttl?",
    "PromptCacheOptions": "mode? ttl?",
    "ResponseFormatJSONObject": "type",
    "ResponseFormatJSONSchema": "json_schema type",
    "ResponseFormatText": "type",
    "ResponseFormatTextGrammar": "grammar type",
    "ResponseFormatTextPython": "type",
    "VoiceID": "id",
    "WebSearchOptions": "search_context_size? user_location?",
    "WebSearchOptionsUserLocation": "approximate type",
    "WebSearchOptionsUserLocationApproximate": "city? country? region? timezone?",
}

# --- either of several --------------------------------------------------------------------------------

CHOICES = {
    "ChatCompletionContentPartParam": "ChatCompletionContentPartTextParam ChatCompletionContentPartImageParam ChatCompletionContentPartInputAudioParam ChatCompletionContentPartFileParam",
    "ChatCompletionMessageParam": "ChatCompletionDeveloperMessageParam ChatCompletionSystemMessageParam ChatCompletionUserMessageParam ChatCompletionAssistantMessageParam ChatCompletionToolMessageParam ChatCompletionFunctionMessageParam",
    "ChatCompletionMessageToolCallUnion": "ChatCompletionMessageFunctionToolCall ChatCompletionMessageCustomToolCall",
    "ChatCompletionMessageToolCallUnionParam": "ChatCompletionMessageFunctionToolCallParam ChatCompletionMessageCustomToolCallParam",
    "ChatCompletionModality": "text audio",
    "ChatCompletionReasoningEffort": "none minimal low medium high xhigh max null",
    "ChatCompletionRole": "developer system user assistant tool function",
    "ChatCompletionStoreMessageContentPart": "ChatCompletionContentPartText ChatCompletionContentPartImage",
    "ChatCompletionToolChoiceOptionParam": "none auto required ChatCompletionAllowedToolChoiceParam ChatCompletionNamedToolChoiceParam ChatCompletionNamedToolChoiceCustomParam",
    "ChatCompletionToolUnionParam": "ChatCompletionFunctionToolParam ChatCompletionCustomToolParam",
    "CompletionCreateParams": "CompletionCreateParamsNonStreaming CompletionCreateParamsStreaming",
    "CustomFormat": "CustomFormatText CustomFormatGrammar",
    "FinishReason": "stop length tool_calls content_filter function_call",
    "FunctionCallOption": "none auto ChatCompletionFunctionCallOptionParam",
    "ResponseFormat": "ResponseFormatText ResponseFormatJSONObject ResponseFormatJSONSchema ResponseFormatTextGrammar ResponseFormatTextPython",
    "ServiceTier": "auto default flex scale priority fast",
    "Voice": "str alloy ash ballad coral echo sage shimmer verse marin cedar VoiceID",
}  # fmt: skip
MAPS = {"FunctionParameters": object, "Metadata": str}
PAGES = {"ChatCompletionsPage": "ChatCompletion", "ChatCompletionStoreMessagesPage": "ChatCompletionStoreMessage"}

# --- other names for the same -------------------------------------------------------------------------

ALIASES = {
    "ChatCompletionAllowedToolChoice": "ChatCompletionAllowedToolChoiceParam",
    "ChatCompletionAllowedTools": "ChatCompletionAllowedToolsParam",
    "ChatCompletionContentPart": "ChatCompletionContentPartParam",
    "ChatCompletionContentPartInputAudio": "ChatCompletionContentPartInputAudioParam",
    "ChatCompletionContentPartRefusal": "ChatCompletionContentPartRefusalParam",
    "ChatCompletionCreateParams": "CompletionCreateParams",
    "ChatCompletionCreateParamsBase": "CompletionCreateParamsBase",
    "ChatCompletionCreateParamsNonStreaming": "CompletionCreateParamsNonStreaming",
    "ChatCompletionCreateParamsStreaming": "CompletionCreateParamsStreaming",
    "ChatCompletionCustomTool": "ChatCompletionCustomToolParam",
    "ChatCompletionFunctionCallOption": "ChatCompletionFunctionCallOptionParam",
    "ChatCompletionFunctionTool": "ChatCompletionFunctionToolParam",
    "ChatCompletionListParams": "CompletionListParams",
    "ChatCompletionMessageToolCall": "ChatCompletionMessageToolCallUnion",  # in Python, functions alone
    "ChatCompletionMessageToolCallParam": "ChatCompletionMessageFunctionToolCallParam",
    "ChatCompletionNamedToolChoice": "ChatCompletionNamedToolChoiceParam",
    "ChatCompletionNamedToolChoiceCustom": "ChatCompletionNamedToolChoiceCustomParam",
    "ChatCompletionParseParams": "CompletionCreateParamsNonStreaming",
    "ChatCompletionPredictionContent": "ChatCompletionPredictionContentParam",
    "ChatCompletionStreamOptions": "ChatCompletionStreamOptionsParam",
    "ChatCompletionStreamParams": "CompletionStreamParams",
    "ChatCompletionTool": "ChatCompletionToolUnionParam",
    "ChatCompletionToolChoiceOption": "ChatCompletionToolChoiceOptionParam",
    "ChatCompletionToolParam": "ChatCompletionFunctionToolParam",
    "ChatCompletionUpdateParams": "CompletionUpdateParams",
    "CreateChatCompletionRequestMessageParam": "ChatCompletionMessageParam",
    "Modality": "ChatCompletionModality",
    "ReasoningEffort": "ChatCompletionReasoningEffort",
}
# In Node these are for requests, too. Here as in Python they are models of answers, and requests have shapes of their own.
SHARED_NAMES = {
    "ChatCompletionContentPartImage": "ChatCompletionContentPartImageParam",
    "ChatCompletionContentPartText": "ChatCompletionContentPartTextParam",
}
# Parts without a name of their own, by the place where Node has them.
PARTS = {
    "ChatCompletion.Choice": "Choice",
    "ChatCompletion.Choice.Logprobs": "ChoiceLogprobs",
    "ChatCompletion.Moderation": "Moderation",
    "ChatCompletion.Moderation.Error": "ModerationError",
    "ChatCompletion.Moderation.ModerationResults": "ModerationResults",
    "ChatCompletion.Moderation.ModerationResults.Result": "ModerationResult",
    "ChatCompletionAssistantMessageParam.Audio": "AssistantAudioParam",
    "ChatCompletionAssistantMessageParam.FunctionCall": "FunctionCallParam",
    "ChatCompletionAudioParam.ID": "VoiceID",
    "ChatCompletionChunk.Choice": "ChunkChoice",
    "ChatCompletionChunk.Choice.Delta": "ChoiceDelta",
    "ChatCompletionChunk.Choice.Delta.FunctionCall": "ChoiceDeltaFunctionCall",
    "ChatCompletionChunk.Choice.Delta.ToolCall": "ChoiceDeltaToolCall",
    "ChatCompletionChunk.Choice.Delta.ToolCall.Function": "ChoiceDeltaToolCallFunction",
    "ChatCompletionChunk.Choice.Logprobs": "ChoiceLogprobs",
    "ChatCompletionChunk.Moderation": "Moderation",
    "ChatCompletionChunk.Moderation.Error": "ModerationError",
    "ChatCompletionChunk.Moderation.ModerationResults": "ModerationResults",
    "ChatCompletionChunk.Moderation.ModerationResults.Result": "ModerationResult",
    "ChatCompletionContentPart.File": "ChatCompletionContentPartFileParam",
    "ChatCompletionContentPart.File.File": "FileParam",
    "ChatCompletionContentPart.File.PromptCacheBreakpoint": "PromptCacheBreakpointParam",
    "ChatCompletionContentPartImage.ImageURL": "ImageURL",
    "ChatCompletionContentPartImage.PromptCacheBreakpoint": "PromptCacheBreakpoint",
    "ChatCompletionContentPartInputAudio.InputAudio": "InputAudio",
    "ChatCompletionContentPartInputAudio.PromptCacheBreakpoint": "PromptCacheBreakpointParam",
    "ChatCompletionContentPartText.PromptCacheBreakpoint": "PromptCacheBreakpoint",
    "ChatCompletionCreateParams.ChatCompletionCreateParamsNonStreaming": "CompletionCreateParamsNonStreaming",
    "ChatCompletionCreateParams.ChatCompletionCreateParamsStreaming": "CompletionCreateParamsStreaming",
    "ChatCompletionCreateParams.Function": "LegacyFunctionParam",
    "ChatCompletionCreateParams.Moderation": "ModerationParam",
    "ChatCompletionCreateParams.Moderation.Policy": "ModerationPolicyParam",
    "ChatCompletionCreateParams.Moderation.Policy.Input": "ModerationModeParam",
    "ChatCompletionCreateParams.Moderation.Policy.Output": "ModerationModeParam",
    "ChatCompletionCreateParams.PromptCacheOptions": "PromptCacheOptions",
    "ChatCompletionCreateParams.WebSearchOptions": "WebSearchOptions",
    "ChatCompletionCreateParams.WebSearchOptions.UserLocation": "WebSearchOptionsUserLocation",
    "ChatCompletionCreateParams.WebSearchOptions.UserLocation.Approximate": "WebSearchOptionsUserLocationApproximate",
    "ChatCompletionCustomTool.Custom": "CustomDefinition",
    "ChatCompletionCustomTool.Custom.Grammar": "CustomFormatGrammar",
    "ChatCompletionCustomTool.Custom.Grammar.Grammar": "CustomFormatGrammarGrammar",
    "ChatCompletionCustomTool.Custom.Text": "CustomFormatText",
    "ChatCompletionMessage.Annotation": "Annotation",
    "ChatCompletionMessage.Annotation.URLCitation": "AnnotationURLCitation",
    "ChatCompletionMessage.FunctionCall": "FunctionCall",
    "ChatCompletionMessageCustomToolCall.Custom": "Custom",
    "ChatCompletionMessageFunctionToolCall.Function": "Function",
    "ChatCompletionNamedToolChoice.Function": "NamedFunction",
    "ChatCompletionNamedToolChoiceCustom.Custom": "NamedCustom",
    "ChatCompletionTokenLogprob.TopLogprob": "TopLogprob",
    "CompletionUsage.CompletionTokensDetails": "CompletionTokensDetails",
    "CompletionUsage.PromptTokensDetails": "PromptTokensDetails",
    "CursorPageResponse": "CursorPage",
    "ResponseFormatJSONSchema.JSONSchema": "JSONSchema",
}
# Other resources' types, which stand in the files that are shared.
ELSEWHERE = {
    "AllModels",
    "Completion",
    "CompletionChoice",
    "ComparisonFilter",
    "CompoundFilter",
    "ConversationCursorPageParams",
    "ConversationCursorPageResponse",
    "CompletionCreateParams",  # by these names Python has the chat's
    "CompletionCreateParamsBase",
    "CompletionCreateParamsNonStreaming",
    "CompletionCreateParamsStreaming",
    "CustomToolInputFormat",
    "DecisionInputJSON",
    "DecisionQuestionInputImage",
    "DecisionQuestionInputPart",
    "DecisionQuestionInputText",
    "NextCursorPageParams",
    "NextCursorPageResponse",
    "OAuthErrorCode",
    "PageRequestOptions",
    "PageResponse",
    "Reasoning",
    "ResponsesModel",
}
# Fields that Node declares here and Python in each of the types that build on it.
LOWER = {"ChatCompletionCreateParamsBase": {"stream"}}
# What this package has besides.
OURS = {
    "ChatCompletionMessageLike",
    "ChatModel",  # compared name by name in test_params.py
    "ChoiceDeltaToolCallCustom",
    "CompletionParams",
    "ParsedToolCallUnion",
    "ResponseInfo",
    "WireModel",
    "build",
}


def offered(name):
    return getattr(chatstream.types, name)


def fields(cls):
    """The fields of a class that must be there, and those that may be."""
    if is_typeddict(cls):
        hints = get_type_hints(cls, include_extras=True)
        return told(name if get_origin(hint) is Required else f"{name}?" for name, hint in hints.items())
    return told(name if field.is_required() else f"{name}?" for name, field in cls.model_fields.items())


def told(names):
    return sorted(names)


def members(choice):
    """The names of what may stand there: classes and words."""
    if choice is type(None):
        return {"null"}
    if isinstance(choice, str):
        return {choice}
    if isinstance(choice, type):
        return {choice.__name__}
    return set().union(*(members(part) for part in get_args(choice) if isinstance(part, str | type) or get_args(part)))


@pytest.mark.parametrize("name", [*ANSWERS, *REQUESTS])
def test_each_type_of_the_reference_has_all_its_fields(name):
    table = f"{ANSWERS.get(name) or REQUESTS[name]} {BEYOND.get(name, '')}"
    assert fields(offered(name)) == told(table.split())
    assert is_typeddict(offered(name)) is (name in REQUESTS)


@pytest.mark.parametrize("name", CHOICES)
def test_each_choice_of_the_reference_has_all_its_members(name):
    assert members(offered(name)) == set(CHOICES[name].split())


def test_maps_are_mappings():
    for name, values in MAPS.items():
        assert offered(name) == Mapping[str, values]


def test_pages_are_pages_of_what_the_reference_says():
    for name, within in PAGES.items():
        assert issubclass(offered(name), chatstream.types.CursorPage)
        assert offered(name).model_fields["data"].annotation == list[offered(within)]


def test_each_type_goes_by_the_names_of_both_sdks():
    for name, same in ALIASES.items():
        assert offered(name) is offered(same), name


def test_a_model_whose_name_node_has_for_both_directions_has_a_shape_for_requests_with_the_same_fields():
    for name, shape in SHARED_NAMES.items():
        assert fields(offered(name)) == fields(offered(shape))


def test_nothing_is_offered_that_the_tables_do_not_have():
    tables = [ANSWERS, REQUESTS, CHOICES, MAPS, PAGES, ALIASES, OURS]
    names = [name for table in tables for name in table]
    assert sorted(names) == chatstream.types.__all__
    assert set(PARTS.values()) <= set(names)


def test_the_tables_have_every_name_of_the_sdk_for_python():
    for room in (
        "openai.types.chat",
        "openai.types.chat.completions",
        "openai.types.shared",
        "openai.types.shared_params",
    ):
        module = pytest.importorskip(room)
        names = {
            name for name, value in vars(module).items() if not inspect.ismodule(value) and not name.startswith("_")
        }
        assert names - ELSEWHERE - {"annotations"} <= set(chatstream.types.__all__)


DECLARED = re.compile(r"( *)export (namespace|interface|type) (\w+)")
FIELD = re.compile(r"( *)(\w+)\??:")


def declared(path):
    """Each type that a file of Node's declares, with the fields that stand right in it; parts by their place."""
    found, place, within = {}, [], None
    for line in (NODE / path).read_text(encoding="utf-8").split("\nexport declare namespace")[0].splitlines():
        if match := DECLARED.match(line):
            place = [*place[: len(match[1]) // 2], match[3]]
            within = found.setdefault(".".join(place), set()) if match[2] != "namespace" else None
        elif within is not None and (match := FIELD.match(line)) and len(match[1]) == 2 * len(place):
            within.add(match[2])
        elif line == "}":
            within = None  # a class may come next
    return found


@pytest.mark.skipif(not NODE.is_dir(), reason="openai-node is not installed: see benchmarks/node")
@pytest.mark.parametrize(
    "path",
    [
        "resources/chat/chat.ts",
        "resources/chat/completions/completions.ts",
        "resources/chat/completions/messages.ts",
        "resources/completions.ts",
        "resources/shared.ts",
        "core/pagination.ts",
    ],
)
def test_the_tables_have_every_name_and_field_of_the_sdk_for_node(path):
    found = {place: names for place, names in declared(path).items() if place.partition(".")[0] not in ELSEWHERE}
    assert found
    for place, names in found.items():
        name = PARTS.get(place, place)
        assert name in chatstream.types.__all__, place
        name = ALIASES.get(name, name)
        table = ANSWERS.get(name) or REQUESTS.get(name) or ""
        assert names - LOWER.get(place, set()) <= {field.removesuffix("?") for field in table.split()}, place
