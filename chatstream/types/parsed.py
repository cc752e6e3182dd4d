"""A whole answer with what was parsed from it: the content as `T`, the arguments of each function call.

The parsing is done elsewhere. Here are only the places where its results are put; they are None until then,
and whenever there was nothing to parse.
"""

from functools import cache
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

from pydantic import Field

from chatstream.types.completion import ChatCompletion, Choice
from chatstream.types.message import (
    ChatCompletionMessage,
    ChatCompletionMessageCustomToolCall,
    ChatCompletionMessageFunctionToolCall,
    Function,
)

T = TypeVar("T")

# A field that a subclass narrows is, to a type checker, unsound: the parent's may be assigned to. These are
# read, and narrowing them is what the classes are for.


class ParsedFunction(Function):
    """The function a tool call calls, with its arguments as the tool's own model, or as a dict."""

    parsed_arguments: Any = None


class ParsedFunctionToolCall(ChatCompletionMessageFunctionToolCall):
    """A call of a function tool, with parsed arguments."""

    function: ParsedFunction  # pyright: ignore[reportIncompatibleVariableOverride]


ParsedToolCallUnion: TypeAlias = Annotated[
    ParsedFunctionToolCall | ChatCompletionMessageCustomToolCall,
    Field(discriminator="type"),
]


class ParsedChatCompletionMessage(ChatCompletionMessage, Generic[T]):
    """What the model said, with its content parsed."""

    parsed: T | None = None
    tool_calls: list[ParsedToolCallUnion] | None = None  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]


class ParsedChoice(Choice, Generic[T]):
    """One of the answers asked for with `n`, its content parsed."""

    message: ParsedChatCompletionMessage[T]  # pyright: ignore[reportIncompatibleVariableOverride]


class ParsedChatCompletion(ChatCompletion, Generic[T]):
    """A whole answer with the content of each choice parsed."""

    choices: list[ParsedChoice[T]]  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]


@cache
def parsed_anything() -> type[ParsedChatCompletion[Any]]:
    """The class of completions with anything parsed, held: pydantic lets go of it, and takes 4 ms to make it again."""
    return ParsedChatCompletion[Any]
