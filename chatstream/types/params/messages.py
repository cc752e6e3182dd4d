"""Messages, one shape for each role, and the calls that an assistant message holds."""

from collections.abc import Sequence
from typing import Literal, Required, TypeAlias

from typing_extensions import TypedDict

from chatstream.types.message import ChatCompletionMessage
from chatstream.types.params.content import (
    ChatCompletionContentPartParam,
    ChatCompletionContentPartRefusalParam,
    ChatCompletionContentPartTextParam,
)

ChatCompletionRole: TypeAlias = Literal["developer", "system", "user", "assistant", "tool", "function"]


class FunctionParam(TypedDict, total=False):
    """The function that was called. `arguments` is JSON text, valid or not."""

    arguments: Required[str]
    name: Required[str]


class ChatCompletionMessageFunctionToolCallParam(TypedDict, total=False):
    """A call of a function tool."""

    id: Required[str]
    function: Required[FunctionParam]
    type: Required[Literal["function"]]


class CustomParam(TypedDict, total=False):
    """The custom tool that was called, with its free-form input."""

    input: Required[str]
    name: Required[str]


class ChatCompletionMessageCustomToolCallParam(TypedDict, total=False):
    """A call of a custom tool."""

    id: Required[str]
    custom: Required[CustomParam]
    type: Required[Literal["custom"]]


ChatCompletionMessageToolCallParam: TypeAlias = ChatCompletionMessageFunctionToolCallParam
ChatCompletionMessageToolCallUnionParam: TypeAlias = (
    ChatCompletionMessageFunctionToolCallParam | ChatCompletionMessageCustomToolCallParam
)


class FunctionCallParam(TypedDict, total=False):
    """A call in the older form, without an id. Deprecated for `tool_calls`."""

    arguments: Required[str]
    name: Required[str]


class AssistantAudioParam(TypedDict, total=False):
    """A spoken answer that the service still keeps, by its id."""

    id: Required[str]


class ChatCompletionDeveloperMessageParam(TypedDict, total=False):
    """What the developer tells the model; reasoning models take it in place of a system message."""

    content: Required[str | Sequence[ChatCompletionContentPartTextParam]]
    role: Required[Literal["developer"]]
    name: str


class ChatCompletionSystemMessageParam(TypedDict, total=False):
    """What the developer tells a model that is older than developer messages."""

    content: Required[str | Sequence[ChatCompletionContentPartTextParam]]
    role: Required[Literal["system"]]
    name: str


class ChatCompletionUserMessageParam(TypedDict, total=False):
    """What the user says."""

    content: Required[str | Sequence[ChatCompletionContentPartParam]]
    role: Required[Literal["user"]]
    name: str


class ChatCompletionAssistantMessageParam(TypedDict, total=False):
    """What the model said; without content only if it called something, spoke or refused."""

    role: Required[Literal["assistant"]]
    audio: AssistantAudioParam | None
    content: str | Sequence[ChatCompletionContentPartTextParam | ChatCompletionContentPartRefusalParam] | None
    function_call: FunctionCallParam | None
    name: str
    refusal: str | None
    tool_calls: Sequence[ChatCompletionMessageToolCallUnionParam]


class ChatCompletionToolMessageParam(TypedDict, total=False):
    """What a tool answered to the call of this id."""

    content: Required[str | Sequence[ChatCompletionContentPartTextParam]]
    role: Required[Literal["tool"]]
    tool_call_id: Required[str]


class ChatCompletionFunctionMessageParam(TypedDict, total=False):
    """What a function answered, in the older form. Deprecated for tool messages."""

    content: Required[str | None]
    name: Required[str]
    role: Required[Literal["function"]]


ChatCompletionMessageParam: TypeAlias = (
    ChatCompletionDeveloperMessageParam
    | ChatCompletionSystemMessageParam
    | ChatCompletionUserMessageParam
    | ChatCompletionAssistantMessageParam
    | ChatCompletionToolMessageParam
    | ChatCompletionFunctionMessageParam
)
CreateChatCompletionRequestMessageParam: TypeAlias = ChatCompletionMessageParam

# What a conversation is made of where answers are appended as they came; `to_param` makes dicts of them.
ChatCompletionMessageLike: TypeAlias = ChatCompletionMessageParam | ChatCompletionMessage
