"""How an answer came: status, headers, request id, retries and time, kept beside what was said.

In go a model and what its response was, out comes the model with `.response`. Rules: this is no part of the answer.
It is neither dumped nor compared nor copied nor pickled, since headers may hold what is nobody else's business; and a
member that a peer calls `response` is an extra like any other. Nothing is read here: whoever made the request says
how it went.
"""

from collections.abc import Mapping
from types import MappingProxyType, MemberDescriptorType
from typing import TypeVar, cast

import msgspec

from chatstream.types.model import WireModel

A = TypeVar("A", bound="AnswerModel")


class ResponseInfo(msgspec.Struct, frozen=True, kw_only=True):
    """How a request was answered.

    `headers` has its names in lower case and cannot be changed; it is left out of the repr, of pickles and of deep
    copies. `retries` is how many attempts there were before the one that was answered, `elapsed` how many seconds
    that one took until the head of its answer was there.
    """

    status_code: int
    headers: Mapping[str, str]
    request_id: str | None
    retries: int
    elapsed: float

    def __post_init__(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        msgspec.structs.force_setattr(self, "headers", MappingProxyType(headers))

    @property
    def status(self) -> int:
        """The same as `status_code`, in the reference's word."""
        return self.status_code

    def __repr__(self) -> str:
        told = (f"{name}={getattr(self, name)!r}" for name in _TOLD)
        return f"ResponseInfo({', '.join(told)})"

    def __reduce__(self) -> tuple[object, ...]:
        return _without_headers, tuple(getattr(self, name) for name in _TOLD)


_TOLD = ("status_code", "request_id", "retries", "elapsed")


def _without_headers(status_code: int, request_id: str | None, retries: int, elapsed: float) -> ResponseInfo:
    return ResponseInfo(status_code=status_code, headers={}, request_id=request_id, retries=retries, elapsed=elapsed)


class AnswerModel(WireModel):
    """What the API answers with, as a whole."""

    # A slot of its own, of which pydantic knows nothing: so it is in no dump, no comparison, no copy and no pickle.
    __slots__ = ("_response",)

    @property
    def response(self) -> ResponseInfo | None:
        """How this answer came, if it came by a client and is no copy. What a peer calls so is in `model_extra`."""
        # By the descriptor: where the slot is empty, looking by name goes on to what the peer sent.
        try:
            info: ResponseInfo = _slot.__get__(self)
        except AttributeError:
            return None
        return info


_slot = cast("MemberDescriptorType", AnswerModel.__dict__["_response"])


def answered(model: A, info: ResponseInfo) -> A:
    """The same model, with how it came as its `.response`."""
    _slot.__set__(model, info)
    return model
