"""One chunk of a streamed answer, as the peer sent it: nothing here has been merged."""

from typing import Literal

from chatstream.types.completion import FinishReason, ServiceTier
from chatstream.types.logprobs import ChoiceLogprobs
from chatstream.types.model import WireModel
from chatstream.types.moderation import Moderation
from chatstream.types.usage import CompletionUsage


class ChoiceDeltaAudio(WireModel):
    """The next piece of a spoken answer. `data` is base64 of its own."""

    id: str | None = None
    data: str | None = None
    expires_at: int | None = None
    transcript: str | None = None


class ChoiceDeltaFunctionCall(WireModel):
    """The next piece of a function call in the older form."""

    arguments: str | None = None
    name: str | None = None


class ChoiceDeltaToolCallFunction(WireModel):
    """The next piece of a function tool's call."""

    arguments: str | None = None
    name: str | None = None


class ChoiceDeltaToolCallCustom(WireModel):
    """The next piece of a custom tool's call."""

    input: str | None = None
    name: str | None = None


class ChoiceDeltaToolCall(WireModel):
    """The next piece of the tool call at `index`, of a function or of a custom tool.

    The official SDK's type leaves custom tools out; the API streams them in this place.
    """

    index: int
    id: str | None = None
    custom: ChoiceDeltaToolCallCustom | None = None
    function: ChoiceDeltaToolCallFunction | None = None
    type: Literal["function", "custom"] | None = None


class ChoiceDelta(WireModel):
    """What a chunk adds to a message."""

    audio: ChoiceDeltaAudio | None = None
    content: str | None = None
    function_call: ChoiceDeltaFunctionCall | None = None
    refusal: str | None = None
    role: Literal["developer", "system", "user", "assistant", "tool"] | None = None
    tool_calls: list[ChoiceDeltaToolCall] | None = None


class ChunkChoice(WireModel):
    """What a chunk adds to one choice."""

    delta: ChoiceDelta
    index: int
    finish_reason: FinishReason | None = None
    logprobs: ChoiceLogprobs | None = None


class ChatCompletionChunk(WireModel):
    """One chunk. `created` is in Unix seconds; `usage` comes with the last one, where it was asked for."""

    id: str
    choices: list[ChunkChoice]
    created: int
    model: str
    object: Literal["chat.completion.chunk"]
    moderation: Moderation | None = None
    obfuscation: str | None = None
    service_tier: ServiceTier | None = None
    system_fingerprint: str | None = None
    usage: CompletionUsage | None = None
