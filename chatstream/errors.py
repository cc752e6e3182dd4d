"""Everything that can go wrong, sorted by who can do something about it.

    ChatStreamError                          .completion: what had arrived (or None) · .request_id
    ├─ APIError                              asking the service failed; one except clause catches it all
    │  ├─ APIStatusError                     .status_code .body .headers .type .code .param
    │  │  └─ BadRequestError 400 · AuthenticationError 401 · PermissionDeniedError 403 · NotFoundError 404 ·
    │  │     ConflictError 409 · UnprocessableEntityError 422 · RateLimitError 429 · InternalServerError 5xx
    │  ├─ APIStreamError                     an error object inside a stream: .message .type .code .param
    │  ├─ APIConnectionError                 no answer
    │  │  └─ APITimeoutError                 .phase: connect, first_byte, idle, total, pool
    │  ├─ APIUserAbortError                  you stopped it
    │  └─ InvalidStreamError                 the answer's stream is not what it should be
    │     ├─ TruncatedStreamError            it was cut: this is what most callers catch
    │     │  ├─ IncompleteStreamError        a clean end with neither [DONE] nor all finish reasons
    │     │  └─ StreamInterruptedError       the connection or the encoding broke (also an APIConnectionError)
    │     ├─ StreamProtocolError             a malformed event, JSON or chunk
    │     ├─ StreamLimitError                .limit .value
    │     └─ NotAStreamError                 .content_type, with a hint about base_url
    ├─ LengthFinishReasonError, ContentFilterFinishReasonError
    ├─ OutputParseError                      what came back does not fit your model (cause: pydantic's error)
    ├─ ToolLoopLimitError                    .messages: the whole history
    ├─ RecordingError                        .line .offset
    ├─ ParameterError                        your mistake: the API would refuse it: .param .code (also a ValueError)
    └─ StreamConsumedError                   your mistake: it was read already (also a RuntimeError)

Rules: ``str()`` is safe to log. It holds the status, the code and the service's own message, with keys masked and
cut at 500 characters; prompts, answers and header values are reachable through attributes alone. Every class can be
made with a message alone, so that errors survive pickling. This room imports nothing of the project.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from chatstream.types import ChatCompletion

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APIStreamError",
    "APITimeoutError",
    "APIUserAbortError",
    "AuthenticationError",
    "BadRequestError",
    "ChatStreamError",
    "ConflictError",
    "ContentFilterFinishReasonError",
    "IncompleteStreamError",
    "InternalServerError",
    "InvalidStreamError",
    "LengthFinishReasonError",
    "NotAStreamError",
    "NotFoundError",
    "OutputParseError",
    "ParameterError",
    "PermissionDeniedError",
    "RateLimitError",
    "RecordingError",
    "StreamConsumedError",
    "StreamInterruptedError",
    "StreamLimitError",
    "StreamProtocolError",
    "ToolLoopLimitError",
    "TruncatedStreamError",
    "UnprocessableEntityError",
    "status_error_class",
]

TimeoutPhase = Literal["connect", "first_byte", "idle", "total", "pool"]

MAX_TEXT = 500  # characters of str(error): enough for any service's own words, too short for a prompt to hide in

# What looks like a credential in a service's message. Services echo keys back ("Incorrect API key provided: sk-…"),
# and messages end in logs. The prefix stays, so that the reader can tell which key it was about.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")  # a message is one line, and commands no terminal
_SECRETS = (
    re.compile(
        r"(?<![A-Za-z0-9])((?:sk|pk|rk|gsk|csk|xai|pplx|hf|nvapi|ghp|glpat|github_pat|xox[a-z]|tvly|fw|r8)[-_])[\w*.\-]{6,}"
    ),
    re.compile(r"\b(AIza|AKIA|ya29\.|eyJ)[\w.\-]{10,}"),
    re.compile(r"(?i)\b((?:bearer|basic)[\s:]+)[^\s\"',;]{6,}"),
    re.compile(
        r"(?i)((?:secret|password|passwd|pwd|passphrase|authorization)[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic|token)\s+)?)[^\s\"',;}&]{6,}"
    ),
    # "key" and "token" are also words of the API ("unknown key: response_format"): a credential has a digit in it.
    re.compile(r"(?i)((?:key|token)(?: provided)?[\"']?\s*[:=]\s*[\"']?)(?=[^\s\"',;}&]*\d)[^\s\"',;}&]{6,}"),
    re.compile(r"(://[^/\s:@]*:)[^@\s/]+(?=@)"),
    re.compile(r"(://)[^/\s:@]{8,}(?=@)"),
    re.compile(r"(?i)\b((?:set-)?cookie[\"']?\s*[:=]\s*[\"']?)[^\s\"',;]+(?:;\s*[^\s\"',;=]+=[^\s\"',;]+)*"),
    re.compile(r"\b()[A-Za-z0-9]{32,}\b"),  # keys that are hex or base62, and nothing else
)


def _safe(text: str) -> str:
    """The text with keys masked, fit for a log line: at most 500 characters, encodable."""
    text = text[: 8 * MAX_TEXT].encode("utf-8", "replace").decode("utf-8")
    text = _CONTROLS.sub(" ", text)
    for secret in _SECRETS:
        text = secret.sub(r"\1***", text)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


class ChatStreamError(Exception):
    """Anything chatstream raises because of what a peer sent or what you asked for.

    ``completion`` is what had arrived until then, as a ChatCompletion, or None. It is built when read: most errors
    are caught by class and never looked into.
    """

    request_id: str | None

    def __init__(
        self,
        message: str = "",
        *,
        completion: ChatCompletion | Callable[[], ChatCompletion | None] | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(_safe(message))
        self.message = message
        self.request_id = request_id
        self._completion = completion

    @property
    def completion(self) -> ChatCompletion | None:
        """What had arrived whole before the failure, or None if nothing had."""
        # A model is not callable, a snapshot not yet built is.
        if callable(self._completion):
            self._completion = self._completion()
        return self._completion

    @completion.setter
    def completion(self, value: ChatCompletion | Callable[[], ChatCompletion | None] | None) -> None:
        self._completion = value

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the text and the attributes; a completion not yet built is built first."""
        return type(self), self.args, {**self.__dict__, "_completion": self.completion}


class APIError(ChatStreamError):
    """Asking the service failed: no answer, a refusal, or an answer that cannot be used.

    ``retries`` is how many attempts a client had made before the one that failed so.
    """

    retries: int = 0


class APIStatusError(APIError):
    """The service answered with an HTTP status of 400 or more."""

    def __init__(
        self,
        message: str = "",
        *,
        status_code: int = 0,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        type: str | None = None,
        code: str | int | None = None,
        param: str | None = None,
        **context: Any,
    ) -> None:
        shown = " ".join(str(part) for part in (status_code, code) if part)
        super().__init__(f"{shown}: {message}" if shown else message, **context)
        self.message = message
        self.status_code = status_code
        self.body = body
        self.headers: Mapping[str, str] = headers if headers is not None else {}
        self.type = type
        self.code = code
        self.param = param


class BadRequestError(APIStatusError):
    """400: the request is wrong as it stands."""


class AuthenticationError(APIStatusError):
    """401: the key is missing or not accepted."""


class PermissionDeniedError(APIStatusError):
    """403: the key may not do this."""


class NotFoundError(APIStatusError):
    """404: no such model, completion or path."""


class ConflictError(APIStatusError):
    """409: somebody else changed it."""


class UnprocessableEntityError(APIStatusError):
    """422: well formed, and still not possible."""


class RateLimitError(APIStatusError):
    """429: too many requests, or the quota is used up."""


class InternalServerError(APIStatusError):
    """500 and above: the service failed."""


class APIStreamError(APIError):
    """An error object inside a stream that had begun with status 200."""

    def __init__(
        self,
        message: str = "",
        *,
        type: str | None = None,
        code: str | int | None = None,
        param: str | None = None,
        body: object = None,
        **context: Any,
    ) -> None:
        super().__init__(message if code is None else f"{code}: {message}", **context)
        self.message = message
        self.type = type
        self.code = code
        self.param = param
        self.body = body


class APIConnectionError(APIError):
    """No answer, or none to the end."""


class APITimeoutError(APIConnectionError):
    """Something took longer than allowed; ``phase`` says what."""

    def __init__(self, message: str = "", *, phase: TimeoutPhase = "total", **context: Any) -> None:
        super().__init__(message or f"timed out ({phase})", **context)
        self.phase: TimeoutPhase = phase


class APIUserAbortError(APIError):
    """You stopped it."""


class InvalidStreamError(APIError):
    """The answer's stream is not what it should be."""


class TruncatedStreamError(InvalidStreamError):
    """The stream was cut: what came is in ``completion``, and it is not all."""


class IncompleteStreamError(TruncatedStreamError):
    """The bytes ended cleanly, but neither with [DONE] nor with a finish reason for every choice."""


class StreamInterruptedError(TruncatedStreamError, APIConnectionError):
    """The connection or the content encoding broke off."""


class StreamProtocolError(InvalidStreamError):
    """A malformed event, JSON text or chunk."""


class StreamLimitError(InvalidStreamError):
    """Something grew past a limit: ``limit`` is its name in Limits, ``value`` the value that was in force.

    ``events`` holds what was complete before that in the same call, so that nothing is lost.
    """

    def __init__(
        self,
        message: str = "",
        *,
        limit: str = "",
        value: int | None = None,
        events: Sequence[Any] = (),
        **context: Any,
    ) -> None:
        super().__init__(message or f"{limit} is limited to {value}", **context)
        self.limit = limit
        self.value = value
        self.events: list[Any] = list(events)


class NotAStreamError(InvalidStreamError):
    """The body is no event stream at all: a login page, a proxy's note, a wrong base_url."""

    def __init__(self, message: str = "", *, content_type: str | None = None, **context: Any) -> None:
        super().__init__(message, **context)
        self.content_type = content_type


class LengthFinishReasonError(ChatStreamError):
    """The answer stopped at the token limit, so that it cannot be parsed (or you asked to hear of it)."""


class ContentFilterFinishReasonError(ChatStreamError):
    """The answer was stopped by a content filter, so that it cannot be parsed (or you asked to hear of it)."""


class OutputParseError(ChatStreamError):
    """What came back does not fit your model; the cause is the validator's own error."""


class ToolLoopLimitError(ChatStreamError):
    """The tool loop reached its limit of completions; ``messages`` is the whole history."""

    def __init__(self, message: str = "", *, messages: Sequence[Any] = (), **context: Any) -> None:
        super().__init__(message, **context)
        self.messages: list[Any] = list(messages)


class RecordingError(ChatStreamError):
    """A recording cannot be read or written; ``line`` counts from 1, ``offset`` is in bytes from the start."""

    def __init__(
        self,
        message: str = "",
        *,
        line: int | None = None,
        offset: int | None = None,
        **context: Any,
    ) -> None:
        super().__init__(message, **context)
        self.line = line
        self.offset = offset


class ParameterError(ChatStreamError, ValueError):
    """Your mistake: a parameter that the API would refuse, told before anything is sent.

    ``param`` is its path, such as ``messages[0].content``; ``code`` is the API's own.
    """

    def __init__(
        self,
        message: str = "",
        *,
        param: str | None = None,
        code: str = "invalid_value",
        **context: Any,
    ) -> None:
        super().__init__(message, **context)
        self.param = param
        self.code = code


class StreamConsumedError(ChatStreamError, RuntimeError):
    """Your mistake: the stream was read to its end already."""


_BY_STATUS: dict[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}


def status_error_class(status_code: int) -> type[APIStatusError]:
    """The class of error that an HTTP status of 400 or more is raised as."""
    if status_code >= 500:  # noqa: PLR2004
        return InternalServerError
    return _BY_STATUS.get(status_code, APIStatusError)
