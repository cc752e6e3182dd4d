"""Tools that the model may call, and which of them it is to call."""

from collections.abc import Mapping, Sequence
from typing import Literal, Required, TypeAlias

from typing_extensions import TypedDict

FunctionParameters: TypeAlias = Mapping[str, object]  # a JSON Schema


class FunctionDefinition(TypedDict, total=False):
    """A function: its name of at most 64 letters, digits, `_` and `-`, and the schema of its arguments."""

    name: Required[str]
    description: str
    parameters: FunctionParameters
    strict: bool | None


class ChatCompletionFunctionToolParam(TypedDict, total=False):
    """A tool that is called with JSON arguments."""

    function: Required[FunctionDefinition]
    type: Required[Literal["function"]]


class CustomFormatText(TypedDict, total=False):
    """Input of any form."""

    type: Required[Literal["text"]]


class CustomFormatGrammarGrammar(TypedDict, total=False):
    """A grammar, and the language it is written in."""

    definition: Required[str]
    syntax: Required[Literal["lark", "regex"]]


class CustomFormatGrammar(TypedDict, total=False):
    """Input that follows a grammar."""

    grammar: Required[CustomFormatGrammarGrammar]
    type: Required[Literal["grammar"]]


CustomFormat: TypeAlias = CustomFormatText | CustomFormatGrammar


class CustomDefinition(TypedDict, total=False):
    """A custom tool: its name, and the form of its input."""

    name: Required[str]
    description: str
    format: CustomFormat


class ChatCompletionCustomToolParam(TypedDict, total=False):
    """A tool that is called with text."""

    custom: Required[CustomDefinition]
    type: Required[Literal["custom"]]


ChatCompletionToolParam: TypeAlias = ChatCompletionFunctionToolParam
ChatCompletionToolUnionParam: TypeAlias = ChatCompletionFunctionToolParam | ChatCompletionCustomToolParam


class ChatCompletionAllowedToolsParam(TypedDict, total=False):
    """Some of the tools, each by its type and name, and whether one of them must be called."""

    mode: Required[Literal["auto", "required"]]
    tools: Required[Sequence[Mapping[str, object]]]


class ChatCompletionAllowedToolChoiceParam(TypedDict, total=False):
    """Only these tools may be called."""

    allowed_tools: Required[ChatCompletionAllowedToolsParam]
    type: Required[Literal["allowed_tools"]]


class NamedFunction(TypedDict, total=False):
    """A function by its name."""

    name: Required[str]


class ChatCompletionNamedToolChoiceParam(TypedDict, total=False):
    """This function tool must be called."""

    function: Required[NamedFunction]
    type: Required[Literal["function"]]


class NamedCustom(TypedDict, total=False):
    """A custom tool by its name."""

    name: Required[str]


class ChatCompletionNamedToolChoiceCustomParam(TypedDict, total=False):
    """This custom tool must be called."""

    custom: Required[NamedCustom]
    type: Required[Literal["custom"]]


ChatCompletionToolChoiceOptionParam: TypeAlias = (
    Literal["none", "auto", "required"]
    | ChatCompletionAllowedToolChoiceParam
    | ChatCompletionNamedToolChoiceParam
    | ChatCompletionNamedToolChoiceCustomParam
)


class LegacyFunctionParam(TypedDict, total=False):
    """A function in the older form. Deprecated for `tools`."""

    name: Required[str]
    description: str
    parameters: FunctionParameters


class ChatCompletionFunctionCallOptionParam(TypedDict, total=False):
    """This function must be called. Deprecated for `tool_choice`."""

    name: Required[str]


FunctionCallOption: TypeAlias = Literal["none", "auto"] | ChatCompletionFunctionCallOptionParam
