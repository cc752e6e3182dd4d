"""What an error says of itself on the wire: the object behind `error` in an error's body, or inside a stream.

What to catch is in `chatstream.errors`, whose errors carry these members as attributes.
"""

from chatstream.types.model import WireModel


class MisalignmentSteer(WireModel):
    """What to say to go on."""

    message: str


class Misalignment(WireModel):
    """Why an answer was blocked; `error_type` may be a word that is not known yet."""

    detailed_explanation: str | None = None
    error_type: str | None = None
    review_target: str | None = None
    steer: MisalignmentSteer | None = None


class ErrorObject(WireModel):
    """An error in the service's words; `param` is the path in the request that it is about."""

    code: str | None = None
    message: str
    param: str | None = None
    type: str
    misalignment: Misalignment | None = None
