"""The names that the official SDK for Node has for what is declared here under those of the one for Python.

Two of its names are left out, because they are models of answers here, as they are in Python:
`ChatCompletionContentPartText` and `ChatCompletionContentPartImage`.
"""

from typing import TypeAlias

from chatstream.types.params.content import (
    ChatCompletionContentPartInputAudioParam,
    ChatCompletionContentPartParam,
    ChatCompletionContentPartRefusalParam,
)
from chatstream.types.params.create import (
    ChatCompletionModality,
    ChatCompletionPredictionContentParam,
    ChatCompletionReasoningEffort,
    ChatCompletionStreamOptionsParam,
    CompletionCreateParams,
    CompletionCreateParamsBase,
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
    CompletionListParams,
    CompletionStreamParams,
    CompletionUpdateParams,
)
from chatstream.types.params.tools import (
    ChatCompletionAllowedToolChoiceParam,
    ChatCompletionAllowedToolsParam,
    ChatCompletionCustomToolParam,
    ChatCompletionFunctionCallOptionParam,
    ChatCompletionFunctionToolParam,
    ChatCompletionNamedToolChoiceCustomParam,
    ChatCompletionNamedToolChoiceParam,
    ChatCompletionToolChoiceOptionParam,
    ChatCompletionToolUnionParam,
)

ChatCompletionAllowedToolChoice: TypeAlias = ChatCompletionAllowedToolChoiceParam
ChatCompletionAllowedTools: TypeAlias = ChatCompletionAllowedToolsParam
ChatCompletionContentPart: TypeAlias = ChatCompletionContentPartParam
ChatCompletionContentPartInputAudio: TypeAlias = ChatCompletionContentPartInputAudioParam
ChatCompletionContentPartRefusal: TypeAlias = ChatCompletionContentPartRefusalParam
ChatCompletionCreateParams: TypeAlias = CompletionCreateParams
ChatCompletionCreateParamsBase: TypeAlias = CompletionCreateParamsBase
ChatCompletionCreateParamsNonStreaming: TypeAlias = CompletionCreateParamsNonStreaming
ChatCompletionCreateParamsStreaming: TypeAlias = CompletionCreateParamsStreaming
ChatCompletionCustomTool: TypeAlias = ChatCompletionCustomToolParam
ChatCompletionFunctionCallOption: TypeAlias = ChatCompletionFunctionCallOptionParam
ChatCompletionFunctionTool: TypeAlias = ChatCompletionFunctionToolParam
ChatCompletionListParams: TypeAlias = CompletionListParams
ChatCompletionNamedToolChoice: TypeAlias = ChatCompletionNamedToolChoiceParam
ChatCompletionNamedToolChoiceCustom: TypeAlias = ChatCompletionNamedToolChoiceCustomParam
ChatCompletionParseParams: TypeAlias = CompletionCreateParamsNonStreaming
ChatCompletionPredictionContent: TypeAlias = ChatCompletionPredictionContentParam
ChatCompletionStreamOptions: TypeAlias = ChatCompletionStreamOptionsParam
ChatCompletionStreamParams: TypeAlias = CompletionStreamParams
ChatCompletionTool: TypeAlias = ChatCompletionToolUnionParam
ChatCompletionToolChoiceOption: TypeAlias = ChatCompletionToolChoiceOptionParam
ChatCompletionUpdateParams: TypeAlias = CompletionUpdateParams
Modality: TypeAlias = ChatCompletionModality
ReasoningEffort: TypeAlias = ChatCompletionReasoningEffort
