"""What an answer cost, in tokens, as the peer counted it. Nothing is summed or filled in here."""

from chatstream.types.model import WireModel


class CompletionTokensDetails(WireModel):
    """What the tokens of the answer were spent on."""

    accepted_prediction_tokens: int | None = None
    audio_tokens: int | None = None
    reasoning_tokens: int | None = None
    rejected_prediction_tokens: int | None = None
    text_tokens: int | None = None


class PromptTokensDetails(WireModel):
    """What the tokens of the prompt consisted of."""

    audio_tokens: int | None = None
    cache_write_tokens: int | None = None
    cached_tokens: int | None = None
    image_tokens: int | None = None
    text_tokens: int | None = None


class CompletionUsage(WireModel):
    """The tokens of one request: prompt, answer and both together."""

    completion_tokens: int
    prompt_tokens: int
    total_tokens: int
    completion_tokens_details: CompletionTokensDetails | None = None
    prompt_tokens_details: PromptTokensDetails | None = None
