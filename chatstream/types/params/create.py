"""The bodies and queries of requests: making a completion, listing, updating."""

from collections.abc import Mapping, Sequence
from typing import Literal, Required, TypeAlias

from typing_extensions import TypedDict

from chatstream.types.completion import ServiceTier
from chatstream.types.params.content import ChatCompletionContentPartTextParam
from chatstream.types.params.formats import ResponseFormat
from chatstream.types.params.messages import ChatCompletionMessageParam
from chatstream.types.params.models import ChatModel
from chatstream.types.params.tools import (
    ChatCompletionToolChoiceOptionParam,
    ChatCompletionToolUnionParam,
    FunctionCallOption,
    LegacyFunctionParam,
)

ChatCompletionModality: TypeAlias = Literal["text", "audio"]
ChatCompletionReasoningEffort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None
Metadata: TypeAlias = Mapping[str, str]  # at most 16 pairs, keys of 64 characters, values of 512


class VoiceID(TypedDict, total=False):
    """A voice of one's own, by its id."""

    id: Required[str]


_BuiltInVoice: TypeAlias = Literal[
    "alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"
]
Voice: TypeAlias = str | _BuiltInVoice | VoiceID


class ChatCompletionAudioParam(TypedDict, total=False):
    """How a spoken answer is to sound; needed if `modalities` has audio."""

    format: Required[Literal["wav", "aac", "mp3", "flac", "opus", "pcm16"]]
    voice: Required[Voice]


class ModerationModeParam(TypedDict, total=False):
    """Whether what is flagged is only scored, or blocked."""

    mode: Required[Literal["score", "block"]]


class ModerationPolicyParam(TypedDict, total=False):
    """What to do about the prompt (`input`) and about the answer (`output`)."""

    input: ModerationModeParam | None
    output: ModerationModeParam | None


class ModerationParam(TypedDict, total=False):
    """Which moderation model looks at prompt and answer."""

    model: Required[str]
    policy: ModerationPolicyParam | None


class ChatCompletionPredictionContentParam(TypedDict, total=False):
    """What the answer will mostly be, so that it comes sooner."""

    content: Required[str | Sequence[ChatCompletionContentPartTextParam]]
    type: Required[Literal["content"]]


class PromptCacheOptions(TypedDict, total=False):
    """Who places the breakpoints of the prompt cache, and how long at least they last."""

    mode: Literal["implicit", "explicit"]
    ttl: Literal["30m"]


class ChatCompletionStreamOptionsParam(TypedDict, total=False):
    """What a stream has besides the answer: padding against eavesdroppers, and a last chunk with the usage."""

    include_obfuscation: bool
    include_usage: bool


class WebSearchOptionsUserLocationApproximate(TypedDict, total=False):
    """Roughly where the user is: `country` in two letters of ISO 3166, `timezone` as IANA names it."""

    city: str
    country: str
    region: str
    timezone: str


class WebSearchOptionsUserLocation(TypedDict, total=False):
    """Where the user is."""

    approximate: Required[WebSearchOptionsUserLocationApproximate]
    type: Required[Literal["approximate"]]


class WebSearchOptions(TypedDict, total=False):
    """How much the web search may read, and for whom it searches."""

    search_context_size: Literal["low", "medium", "high"]
    user_location: WebSearchOptionsUserLocation | None


class BareCompletionParams(TypedDict, total=False):
    """What may be asked besides messages and model, the tools, and the form of the answer."""

    audio: ChatCompletionAudioParam | None
    frequency_penalty: float | None  # -2 to 2
    function_call: FunctionCallOption  # deprecated for tool_choice
    logit_bias: Mapping[str, int] | None  # token id as text -> -100 to 100
    logprobs: bool | None
    max_completion_tokens: int | None  # reasoning included
    max_tokens: int | None  # deprecated for max_completion_tokens
    metadata: Metadata | None
    modalities: Sequence[ChatCompletionModality] | None
    moderation: ModerationParam | None
    n: int | None  # 1 to 128
    parallel_tool_calls: bool
    prediction: ChatCompletionPredictionContentParam | None
    presence_penalty: float | None  # -2 to 2
    prompt_cache_key: str | None
    prompt_cache_options: PromptCacheOptions
    prompt_cache_retention: Literal["in_memory", "24h"] | None
    reasoning_effort: ChatCompletionReasoningEffort
    safety_identifier: str | None  # at most 128 characters
    seed: int | None
    service_tier: ServiceTier | None
    stop: str | Sequence[str] | None  # at most 4
    store: bool | None
    stream_options: ChatCompletionStreamOptionsParam | None  # only with stream
    temperature: float | None  # 0 to 2
    tool_choice: ChatCompletionToolChoiceOptionParam
    top_logprobs: int | None  # 0 to 20, only with logprobs
    top_p: float | None  # 0 to 1
    user: str  # deprecated for safety_identifier and prompt_cache_key
    verbosity: Literal["low", "medium", "high"] | None
    web_search_options: WebSearchOptions


class CompletionParams(BareCompletionParams, total=False):
    """What may be asked besides the two things that every request has, streamed or not."""

    functions: Sequence[LegacyFunctionParam]  # deprecated for tools
    response_format: ResponseFormat
    tools: Sequence[ChatCompletionToolUnionParam]  # at most 128


class _Question(TypedDict):
    # A base, and the first one: so these two are declared before the rest, and what is wrong is told in that order.
    messages: Required[Sequence[ChatCompletionMessageParam]]
    model: Required[ChatModel]


class CompletionCreateParamsBase(_Question, CompletionParams):
    """What is asked of a model, streamed or not."""


class CompletionCreateParamsNonStreaming(CompletionCreateParamsBase, total=False):
    """A request for a whole answer."""

    stream: Literal[False] | None


class CompletionCreateParamsStreaming(CompletionCreateParamsBase):
    """A request for a stream."""

    stream: Required[Literal[True]]


class CompletionStreamParams(CompletionCreateParamsBase, total=False):
    """A request that is streamed whether it says so or not."""

    stream: Literal[True]


CompletionCreateParams: TypeAlias = CompletionCreateParamsNonStreaming | CompletionCreateParamsStreaming


class CursorPageParams(TypedDict, total=False):
    """Which page of a list: the one `after` this id, of at most `limit` entries."""

    after: str
    limit: int


class CompletionListParams(CursorPageParams, total=False):
    """Which stored completions to list, and in which order of time."""

    metadata: Metadata | None
    model: str
    order: Literal["asc", "desc"]


class CompletionUpdateParams(TypedDict, total=False):
    """The new metadata of a stored completion; null takes the old away."""

    metadata: Required[Metadata | None]


class MessageListParams(CursorPageParams, total=False):
    """Which messages of a stored completion to list, and in which order."""

    order: Literal["asc", "desc"]
