"""What crosses the wire, as models: whole answers, chunks, messages, calls, usage, log probabilities.

Names and fields are those of the published Chat Completions API. `build` makes a model without validating
the peer; the rules are at the top of `chatstream.types.model`.
"""

from chatstream.types.chunk import (
    ChatCompletionChunk,
    ChoiceDelta,
    ChoiceDeltaAudio,
    ChoiceDeltaFunctionCall,
    ChoiceDeltaToolCall,
    ChoiceDeltaToolCallCustom,
    ChoiceDeltaToolCallFunction,
    ChunkChoice,
)
from chatstream.types.completion import ChatCompletion, Choice, FinishReason, ServiceTier
from chatstream.types.logprobs import ChatCompletionTokenLogprob, ChoiceLogprobs, TopLogprob
from chatstream.types.message import (
    Annotation,
    AnnotationURLCitation,
    ChatCompletionAudio,
    ChatCompletionMessage,
    ChatCompletionMessageCustomToolCall,
    ChatCompletionMessageFunctionToolCall,
    ChatCompletionMessageToolCallUnion,
    Custom,
    Function,
    FunctionCall,
)
from chatstream.types.model import WireModel, build
from chatstream.types.moderation import Moderation, ModerationError, ModerationResult, ModerationResults
from chatstream.types.parsed import (
    ParsedChatCompletion,
    ParsedChatCompletionMessage,
    ParsedChoice,
    ParsedFunction,
    ParsedFunctionToolCall,
    ParsedToolCallUnion,
)
from chatstream.types.usage import CompletionTokensDetails, CompletionUsage, PromptTokensDetails

__all__ = [
    "Annotation",
    "AnnotationURLCitation",
    "ChatCompletion",
    "ChatCompletionAudio",
    "ChatCompletionChunk",
    "ChatCompletionMessage",
    "ChatCompletionMessageCustomToolCall",
    "ChatCompletionMessageFunctionToolCall",
    "ChatCompletionMessageToolCallUnion",
    "ChatCompletionTokenLogprob",
    "Choice",
    "ChoiceDelta",
    "ChoiceDeltaAudio",
    "ChoiceDeltaFunctionCall",
    "ChoiceDeltaToolCall",
    "ChoiceDeltaToolCallCustom",
    "ChoiceDeltaToolCallFunction",
    "ChoiceLogprobs",
    "ChunkChoice",
    "CompletionTokensDetails",
    "CompletionUsage",
    "Custom",
    "FinishReason",
    "Function",
    "FunctionCall",
    "Moderation",
    "ModerationError",
    "ModerationResult",
    "ModerationResults",
    "ParsedChatCompletion",
    "ParsedChatCompletionMessage",
    "ParsedChoice",
    "ParsedFunction",
    "ParsedFunctionToolCall",
    "ParsedToolCallUnion",
    "PromptTokensDetails",
    "ServiceTier",
    "TopLogprob",
    "WireModel",
    "build",
]
