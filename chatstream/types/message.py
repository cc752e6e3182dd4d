"""The message of a finished answer, and the dict that says it again in the next request.

- The fields are those of the published API, and `reasoning`: the text of the reasoning, whatever a provider
  calls it.
- What goes back is decided by the published shape of an assistant message in a request. Reasoning,
  annotations, parsed values and extras of the message never do; unknown members of a tool call always
  do, since some providers sign their calls and want the signature back.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, cast

from pydantic import Field

from chatstream.types.model import WireModel
from chatstream.types.plain import Json

if TYPE_CHECKING:
    from chatstream.types.params.messages import ChatCompletionMessageParam


class AnnotationURLCitation(WireModel):
    """A page cited in the content, from character `start_index` to `end_index`."""

    end_index: int
    start_index: int
    title: str
    url: str


class Annotation(WireModel):
    """A note on a part of the content."""

    type: Literal["url_citation"]
    url_citation: AnnotationURLCitation


class ChatCompletionAudio(WireModel):
    """A spoken answer: base64 `data`, its transcript, and until when (Unix seconds) its id may be sent back."""

    id: str
    data: str
    expires_at: int
    transcript: str


class FunctionCall(WireModel):
    """The call of a function in the older form, without an id. `arguments` is JSON text, valid or not."""

    arguments: str
    name: str


class Function(WireModel):
    """The function a tool call calls. `arguments` is JSON text, valid or not."""

    arguments: str
    name: str


class Custom(WireModel):
    """The custom tool a tool call calls, with its free-form input."""

    input: str
    name: str


class ChatCompletionMessageFunctionToolCall(WireModel):
    """A call of a function tool."""

    id: str
    function: Function
    type: Literal["function"]

    @property
    def name(self) -> str | None:
        """The name of the function; None if the peer sent none."""
        return getattr(self.function, "name", None)

    @property
    def arguments(self) -> str | None:
        """The arguments as JSON text, valid or not; None if the peer sent none."""
        return getattr(self.function, "arguments", None)


class ChatCompletionMessageCustomToolCall(WireModel):
    """A call of a custom tool."""

    id: str
    custom: Custom
    type: Literal["custom"]


ChatCompletionMessageToolCallUnion: TypeAlias = Annotated[
    ChatCompletionMessageFunctionToolCall | ChatCompletionMessageCustomToolCall,
    Field(discriminator="type"),
]
ChatCompletionMessageToolCall: TypeAlias = ChatCompletionMessageToolCallUnion  # as in Node; in Python, functions alone


class ChatCompletionMessage(WireModel):
    """What the model said: text, refusal, speech, or calls of tools."""

    content: str | None = None
    refusal: str | None = None
    role: Literal["assistant"]
    annotations: list[Annotation] | None = None
    audio: ChatCompletionAudio | None = None
    function_call: FunctionCall | None = None
    tool_calls: list[ChatCompletionMessageToolCallUnion] | None = None
    reasoning: str | None = None

    def to_param(self) -> "ChatCompletionMessageParam":
        """The message as a member of `messages` in the next request, sharing nothing with this one.

        `content` is always there, as None too: the API wants it unless there are calls, and takes null in
        either case. Everything else is left out when it is None.
        """
        said = self.model_dump(mode="json", include={"role", "content", "refusal", "function_call"})
        param: dict[str, Any] = {"role": said["role"] or "assistant", "content": said["content"]}
        if said["refusal"] is not None:
            param["refusal"] = said["refusal"]
        if isinstance(self.function_call, WireModel):
            param["function_call"] = _part_param(self.function_call)
        if calls := _call_params(self.tool_calls):
            param["tool_calls"] = calls
        if audio := _audio_param(self.audio):
            param["audio"] = audio
        return cast("ChatCompletionMessageParam", param)


def _audio_param(audio: ChatCompletionAudio | None) -> dict[str, Any]:
    """The audio by its id alone, which is how the API knows it; empty if it has none."""
    return audio.model_dump(mode="json", include={"id"}, exclude_none=True) if isinstance(audio, WireModel) else {}


def _call_params(calls: Json) -> list[dict[str, Any]]:
    # The peer may have sent anything; what is no call cannot be sent back as one.
    entries = calls if isinstance(calls, list) else []
    return [_call_param(call) for call in entries if isinstance(call, WireModel)]


def _call_param(call: WireModel) -> dict[str, Any]:
    """A call with its unknown members, but without what is ours or belongs to a delta alone."""
    kind = "custom" if isinstance(call, ChatCompletionMessageCustomToolCall) else "function"
    param = call.model_dump(mode="json", exclude={"index", "function", "custom"}, exclude_none=True)
    param.setdefault("type", kind)
    for name in ("function", "custom"):
        part = getattr(call, name, None)
        if isinstance(part, WireModel):
            param[name] = _part_param(part)
    return param


def _part_param(part: WireModel) -> dict[str, Any]:
    return part.model_dump(mode="json", exclude={"parsed_arguments"}, exclude_none=True)
