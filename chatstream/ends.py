"""Small values that several rooms share: how a stream ended, what was odd about it, what it may grow to."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Anomaly", "AnomalyKind", "EndKind", "Limits", "StreamEnd"]

EndKind = Literal["complete", "no_done", "no_finish", "incomplete", "error", "aborted"]

AnomalyKind = Literal[
    "after_done",  # a delta came for a part whose `…done` event had been fired
    "after_finish",  # a delta came for a choice that had its finish reason
    "bad_base64",  # audio data that is not base64; what could be decoded was kept
    "bad_utf8",  # bytes that are not UTF-8 became U+FFFD
    "finish_reason_changed",  # a second, different finish reason; the first one stays
    "id_changed",  # a chunk with another completion id; it is the same answer all the same
    "lone_surrogate",  # half a surrogate pair without its other half became U+FFFD
    "lost_blank_line",  # several chunks in one event: the server forgot the blank line between them
    "not_streamed",  # one JSON completion instead of a stream
    "odd_shape",  # a member of a type that the field cannot have; it was left out of the merge
    "repeated_arguments",  # the whole arguments again, after they had been streamed
    "stray_line",  # a line that is no field of an event stream
    "string_changed",  # an unknown string that changed: the last one counts, appending may have been meant
    "tool_call_guessed",  # a tool-call delta without index or id while several calls were open
]


class StreamEnd(msgspec.Struct, frozen=True):
    """How a stream ended.

    ``kind``: complete, no_done and no_finish are success. ``done_seen``: whether ``[DONE]`` came; None where the
    source has no such thing (parsed chunks, one JSON completion). ``finish_seen``: whether every choice, and at least
    one, had its finish reason. ``trailing_bytes``: bytes of an unfinished last event, read or not.
    """

    kind: EndKind
    done_seen: bool | None = None
    finish_seen: bool = False
    trailing_bytes: int = 0


class Anomaly(msgspec.Struct, frozen=True):
    """Something odd that was repaired: its kind, the number of the event it was first seen in (from 1), how often."""

    kind: AnomalyKind
    first_event: int
    count: int


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer may grow to before it is stopped with StreamLimitError; None lifts a limit.

    The defaults are far above what any model sends: they are there so that a broken or hostile peer cannot fill the
    memory, and nobody should meet them by accident.
    """

    max_event_size: int | None = 64 * 2**20  # bytes of the unfinished event
    max_text: int | None = 256 * 2**20  # characters of all texts, logprobs, images and audio of one completion
    max_arguments: int | None = 16 * 2**20  # characters of one call's arguments or input
    max_choices: int | None = 128
    max_tool_calls: int | None = 1024  # of one completion, all choices together
    max_depth: int | None = 256  # nesting of one JSON value; at most 300, as deep as Python can walk
    max_extras: int | None = 2**20  # approximate bytes of JSON held in members that the API does not have
