"""What the moderation of a request found in its prompt and in its answer.

The official SDK has each of these four times over, for prompt and answer, whole and chunk; the members are
the same, so there is one of each here.
"""

from typing import Annotated, Literal

from pydantic import Field

from chatstream.types.model import WireModel


class ModerationResult(WireModel):
    """The verdict on one input: whether it was flagged, and each category's verdict and score."""

    categories: dict[str, bool]
    category_applied_input_types: dict[str, list[Literal["text", "image"]]]
    category_scores: dict[str, float]
    flagged: bool
    model: str
    type: Literal["moderation_result"]


class ModerationResults(WireModel):
    """The verdicts of one moderation model."""

    model: str
    results: list[ModerationResult]
    type: Literal["moderation_results"]


class ModerationError(WireModel):
    """Why there is no verdict."""

    code: str
    message: str
    type: Literal["error"]


class Moderation(WireModel):
    """What the moderation made of the prompt (`input`) and of the answer (`output`)."""

    input: Annotated[ModerationResults | ModerationError, Field(discriminator="type")]
    output: Annotated[ModerationResults | ModerationError, Field(discriminator="type")]
