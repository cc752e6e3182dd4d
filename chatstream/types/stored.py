"""What comes back about stored completions: their messages, and that one is gone.

A message of a request may be anybody's: it goes back in the shape that its role has in a request.
"""

from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import Field

from chatstream.types.answer import AnswerModel
from chatstream.types.message import ChatCompletionMessage
from chatstream.types.model import WireModel
from chatstream.types.params.messages import ChatCompletionMessageParam, ChatCompletionRole
from chatstream.types.plain import Json


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
    """A message of a stored request, of any role, with an id; `content_parts` if its content was given in parts."""

    id: str
    role: ChatCompletionRole  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]
    content_parts: list[ChatCompletionStoreMessageContentPart] | None = None

    def to_param(self) -> ChatCompletionMessageParam:
        """The message as a member of `messages` in the next request, sharing nothing with this one.

        Its content is the parts, where it was given in parts. A tool message keeps the id of the call it answers, any
        other the name of who speaks; its own id belongs to the store.
        """
        param: dict[str, Any] = {**super().to_param()}
        if parts := _part_params(self.content_parts):
            param["content"] = parts
        kept = "tool_call_id" if param["role"] == "tool" else "name"
        param |= self.model_dump(mode="json", include={kept}, exclude_none=True)
        return cast("ChatCompletionMessageParam", param)


def _part_params(parts: Json) -> list[dict[str, Any]]:
    # The peer may have sent anything; what is no object cannot be sent back as a part.
    entries = parts if isinstance(parts, list) else []
    return [part.model_dump(mode="json", exclude_none=True) for part in entries if isinstance(part, WireModel)]


class ChatCompletionDeleted(AnswerModel):
    """Word that a stored completion is gone."""

    id: str
    deleted: bool
    object: Literal["chat.completion.deleted"]
