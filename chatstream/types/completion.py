"""A whole answer: what the endpoint returns without streaming, and what a stream adds up to."""

from typing import Literal, TypeAlias

from chatstream.types.answer import AnswerModel
from chatstream.types.logprobs import ChoiceLogprobs
from chatstream.types.message import ChatCompletionMessage
from chatstream.types.model import WireModel
from chatstream.types.moderation import Moderation
from chatstream.types.usage import CompletionUsage

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]
ServiceTier: TypeAlias = Literal["auto", "default", "flex", "scale", "priority", "fast"]


class Choice(WireModel):
    """One of the answers asked for with `n`, and why it ended."""

    finish_reason: FinishReason
    index: int
    logprobs: ChoiceLogprobs | None = None
    message: ChatCompletionMessage


class ChatCompletion(AnswerModel):
    """A whole answer. `created` is in Unix seconds."""

    id: str
    choices: list[Choice]
    created: int
    model: str
    object: Literal["chat.completion"]
    metadata: dict[str, str] | None = None
    moderation: Moderation | None = None
    service_tier: ServiceTier | None = None
    system_fingerprint: str | None = None
    usage: CompletionUsage | None = None
