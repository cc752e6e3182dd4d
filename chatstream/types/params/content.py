"""Parts that the content of a message may be made of."""

from typing import (
    Literal,
    Required,  # before Python 3.12, pydantic takes no other
    TypeAlias,
)

from typing_extensions import TypedDict


class PromptCacheBreakpointParam(TypedDict, total=False):
    """The end of a prefix that is worth caching; `ttl` is how long at least."""

    mode: Required[Literal["explicit"]]
    ttl: Literal["30m", "12h"]


class ChatCompletionContentPartTextParam(TypedDict, total=False):
    """A text."""

    text: Required[str]
    type: Required[Literal["text"]]
    prompt_cache_breakpoint: PromptCacheBreakpointParam


class ImageURLParam(TypedDict, total=False):
    """Where an image is, or the image itself as a data URL; `detail` is how closely to look."""

    url: Required[str]
    detail: Literal["auto", "low", "high", "original"]


class ChatCompletionContentPartImageParam(TypedDict, total=False):
    """An image."""

    image_url: Required[ImageURLParam]
    type: Required[Literal["image_url"]]
    prompt_cache_breakpoint: PromptCacheBreakpointParam


class InputAudio(TypedDict, total=False):
    """Sound as base64, and its format."""

    data: Required[str]
    format: Required[Literal["wav", "mp3"]]


class ChatCompletionContentPartInputAudioParam(TypedDict, total=False):
    """Something spoken."""

    input_audio: Required[InputAudio]
    type: Required[Literal["input_audio"]]
    prompt_cache_breakpoint: PromptCacheBreakpointParam


class FileParam(TypedDict, total=False):
    """A file: the id of an uploaded one, or its bytes as base64 with a name."""

    file_data: str
    file_id: str
    filename: str


class ChatCompletionContentPartFileParam(TypedDict, total=False):
    """A file to read."""

    file: Required[FileParam]
    type: Required[Literal["file"]]
    prompt_cache_breakpoint: PromptCacheBreakpointParam


class ChatCompletionContentPartRefusalParam(TypedDict, total=False):
    """A refusal of the model's, in an assistant message alone."""

    refusal: Required[str]
    type: Required[Literal["refusal"]]


ChatCompletionContentPartParam: TypeAlias = (
    ChatCompletionContentPartTextParam
    | ChatCompletionContentPartImageParam
    | ChatCompletionContentPartInputAudioParam
    | ChatCompletionContentPartFileParam
)
