"""The verdict: how a stream ended, and which error that is.

In go the choices and what the bytes said at their end, out comes one of the kinds of StreamEnd, or an error. The table
is that of merging.md, "How a stream ends". Rules: nothing is made up; a cut tail never changes the verdict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatstream.errors import (
    ChatStreamError,
    ContentFilterFinishReasonError,
    IncompleteStreamError,
    LengthFinishReasonError,
    NotAStreamError,
    OutputParseError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatstream.choices import Choice
    from chatstream.ends import EndKind
    from chatstream.readers import Readers

__all__ = ["FINISH_ERRORS", "incomplete_error", "is_completion", "judge", "late_error", "not_a_stream"]

FINISH_ERRORS: dict[str, tuple[type[ChatStreamError], str]] = {
    "length": (LengthFinishReasonError, "the answer stopped at the token limit (finish_reason length)"),
    "content_filter": (ContentFilterFinishReasonError, "a content filter stopped the answer"),
}


def judge(choices: Iterable[Choice], *, done_seen: bool | None, whole: bool) -> EndKind:
    """How a clean end is to be called; ``whole``: the body was one JSON completion, which cannot have been cut."""
    choices = list(choices)
    unfinished = [choice for choice in choices if choice.finish_reason is None]
    if choices and not unfinished:
        return "no_done" if done_seen is False else "complete"
    if (done_seen or whole) and any(choice.streamed for choice in unfinished):
        return "no_finish"
    return "incomplete"


def incomplete_error(choices: Iterable[Choice], *, lines_ended: bool) -> IncompleteStreamError:
    """The error of a stream that was cut, saying what is missing."""
    unfinished = [choice.index for choice in choices if choice.finish_reason is None]
    what = f"choice {unfinished[0]} has no finish reason" if unfinished else "no choice came"
    if not unfinished and not lines_ended:
        what += ", and no line ended (lines are to be given with their ends)"
    return IncompleteStreamError(f"the stream ended too early: {what}")


def late_error(choices: Iterable[Choice], raise_on: frozenset[str], readers: Readers) -> ChatStreamError | None:
    """An error that waited until everything was read: a finish reason that was asked about, a content that is unfit."""
    for choice in choices:
        if choice.finish_reason in raise_on:
            kind, message = FINISH_ERRORS[choice.finish_reason]
            return kind(message)
    if readers.failure is None:
        return None
    error = OutputParseError(f"{readers.unfit} not fit: {readers.where()}")
    error.__cause__ = readers.failure
    return error


def is_completion(raw: Any) -> bool:
    """Whether a JSON value is the answer of a service that did not stream."""
    choices = raw.get("choices") if type(raw) is dict else None
    if type(choices) is not list:
        return False
    messages = any(type(choice) is dict and type(choice.get("message")) is dict for choice in choices)
    return messages or raw.get("object") == "chat.completion"


def not_a_stream(body: bytes, wanted: str = "event stream") -> NotAStreamError:
    """The error of a body that is neither what was wanted nor an error, saying what it looks like."""
    head = body[:512].lower()
    if b"<html" in head or b"<!doctype" in head:
        what = "an HTML page"
    elif head[:1] in {b"{", b"["}:
        what = f"JSON that is no {'chat completion' if wanted == 'event stream' else wanted}"
    else:
        what = f"no {wanted}"
    return NotAStreamError(f"the body is {what}: check base_url, and what stands between you and the service")
