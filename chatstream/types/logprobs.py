"""How likely each token was, and what else might have stood in its place."""

from chatstream.types.model import LateModel, WireModel


class TopLogprob(WireModel):
    """One of the likeliest tokens at a place."""

    token: str
    bytes: list[int] | None = None
    logprob: float


class ChatCompletionTokenLogprob(WireModel):
    """The token that was chosen, its log probability, and the likeliest ones beside it."""

    token: str
    bytes: list[int] | None = None
    logprob: float
    top_logprobs: list[TopLogprob]


class ChoiceLogprobs(LateModel):
    """The tokens of a choice: of its content and of its refusal. The same in a whole answer and in a chunk."""

    content: list[ChatCompletionTokenLogprob] | None = None
    refusal: list[ChatCompletionTokenLogprob] | None = None
