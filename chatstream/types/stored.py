"""What comes back about stored completions: their messages, and that one is gone."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from chatstream.types.message import ChatCompletionMessage
from chatstream.types.model import WireModel


class PromptCacheBreakpoint(WireModel):
    """The end of a prefix that was worth caching."""

    mode: Literal["explicit"]
    ttl: Literal["30m", "12h"] | None = None


class ChatCompletionContentPartText(WireModel):
    """A text among the parts of a message."""

    text: str
    type: Literal["text"]
    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None


class ImageURL(WireModel):
    """Where an image is, or the image itself as a data URL."""

    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class ChatCompletionContentPartImage(WireModel):
    """An image among the parts of a message."""

    image_url: ImageURL
    type: Literal["image_url"]
    prompt_cache_breakpoint: PromptCacheBreakpoint | None = None


ChatCompletionStoreMessageContentPart: TypeAlias = Annotated[
    ChatCompletionContentPartText | ChatCompletionContentPartImage,
    Field(discriminator="type"),
]


class ChatCompletionStoreMessage(ChatCompletionMessage):
    """A message of a stored request, with an id; `content_parts` if its content was given in parts."""

    id: str
    content_parts: list[ChatCompletionStoreMessageContentPart] | None = None


class ChatCompletionDeleted(WireModel):
    """Word that a stored completion is gone."""

    id: str
    deleted: bool
    object: Literal["chat.completion.deleted"]
