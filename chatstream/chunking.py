"""A completion to the chunks that would have streamed it.

In goes the JSON of a whole answer, out come chunks in the order and shape of the published API. Rules: merged again
(merging.md) they give the same answer, as far as chunks can say it: null and empty lists say nothing, and of two texts
of reasoning that differ ``reasoning_content`` counts. What the API does not have goes along once: members of the answer
in the first chunk, those of a choice or a message in its first delta. An answer may come from a tape, so nothing in it
is trusted; what has another type than the API's is sent in one piece.
"""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["chunks_of", "words"]

_NAMED = ("id", "object", "created", "model", "service_tier", "system_fingerprint")  # in every chunk
_OWN_TURN = frozenset({
    "role", "content", "refusal", "reasoning_content", "reasoning", "function_call", "tool_calls", "audio",
    "annotations",
})  # fmt: skip
_TEXT_OF = {"function": "arguments", "custom": "input"}  # the part of a call -> its text
_AUDIO_SIZE = 4096  # characters of base64 in a delta; four of them are three bytes, so that each delta stands alone
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_WORD = re.compile(r"\s?\S{1,24}|\s+")


def words(text: str) -> list[str]:
    """The words of a text, each with the blank before it; joined they are the text."""
    return _WORD.findall(text)


def chunks_of(
    completion: Mapping[str, Any],
    *,
    include_usage: bool = False,
    pieces: Callable[[str], list[str]] = words,
) -> list[dict[str, Any]]:
    """The chunks that would have streamed this completion, which share their values with it.

    ``include_usage`` is the stream option of that name: a null in each chunk, and the usage in one more at the end.
    ``pieces`` cuts a text; ValueError if its pieces do not join to the text again.
    """
    named = {key: completion[key] for key in _NAMED if key in completion} | {"object": "chat.completion.chunk"}
    usage = {"usage": None} if include_usage else {}
    first = {key: value for key, value in completion.items() if key not in {*_NAMED, "choices", "usage"}}
    choices = completion.get("choices")
    tracks = [
        list(_track(choice, place, pieces))
        for place, choice in enumerate(choices if type(choices) is list else [])
        if type(choice) is dict
    ]
    # In turn, as they come from a service: so each choice begins before any of them ends.
    rounds = zip_longest(*tracks)
    said = [[entry] for entries in rounds for entry in entries if entry is not None]
    chunks = [{**named, "choices": entries, **usage} for entries in said or [[]]]
    chunks[0] |= first
    if include_usage and completion.get("usage") is not None:
        chunks.append({**named, "choices": [], "usage": completion["usage"]})
    return chunks


def _track(choice: dict[str, Any], place: int, pieces: Callable[[str], list[str]]) -> Iterator[dict[str, Any]]:
    """What the chunks say about one choice, in order."""
    message = choice.get("message")
    message = message if type(message) is dict else {}
    logprobs = choice.get("logprobs")
    logprobs = logprobs if type(logprobs) is dict else None
    named = {"index": choice.get("index", place)}
    others = {
        key: value for key, value in choice.items() if key not in {"index", "message", "logprobs", "finish_reason"}
    }
    for delta, beside in _deltas(message, logprobs, pieces):
        yield {**named, "delta": delta, "logprobs": beside, "finish_reason": None, **others}
        others = {}
    if choice.get("finish_reason") is not None:
        yield {**named, "delta": {}, "logprobs": None, "finish_reason": choice["finish_reason"], **others}


def _deltas(
    message: dict[str, Any],
    logprobs: dict[str, Any] | None,
    pieces: Callable[[str], list[str]],
) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """The deltas of a message, each with the log probabilities that go with it."""
    others = {key: value for key, value in (logprobs or {}).items() if key not in {"content", "refusal"}}
    yield _first_delta(message), {"content": None, "refusal": None, **others} if others else None
    for delta in _reasoning(message, pieces):
        yield delta, None
    for key in ("content", "refusal"):
        yield from _weighed(key, message.get(key), (logprobs or {}).get(key), pieces)
    for delta in (*_legacy_call(message, pieces), *_calls(message, pieces), *_audio(message.get("audio"), pieces)):
        yield delta, None
    if message.get("annotations"):
        yield {"annotations": message["annotations"]}, None


def _first_delta(message: dict[str, Any]) -> dict[str, Any]:
    """The role, which texts there are, and what the API does not have."""
    delta = {"role": message.get("role", "assistant")}
    for key in ("content", "refusal"):
        if key in message:
            delta[key] = "" if type(message[key]) is str else message[key]
    return delta | {key: value for key, value in message.items() if key not in _OWN_TURN}


def _cut(text: str, pieces: Callable[[str], list[str]]) -> list[str]:
    """The pieces of a text, none of them empty, and none of them a repeat of all those before it.

    For arguments such a repeat would be taken for a server that sends the whole once more at the end.
    """
    made = [piece for piece in pieces(text) if piece]
    if "".join(made) != text:
        raise ValueError("the pieces of a text do not join to it again")
    kept: list[str] = []
    size = 0
    for piece in made:
        if size == len(piece) and text.startswith(piece):
            kept = [text[: 2 * size]]
        else:
            kept.append(piece)
        size += len(piece)
    return kept


def _reasoning(message: dict[str, Any], pieces: Callable[[str], list[str]]) -> Iterator[dict[str, Any]]:
    # Both at once are one text under two names, and count once if they come in one delta.
    texts = {key: message[key] for key in ("reasoning_content", "reasoning") if type(message.get(key)) is str}
    if texts:
        text = next(iter(texts.values()))
        for piece in _cut(text, pieces):
            yield dict.fromkeys(texts, piece)


def _weighed(
    key: str,
    text: Any,
    tokens: Any,
    pieces: Callable[[str], list[str]],
) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """The deltas of content or refusal; a token's entry beside its own text, or all of them beside the first."""
    entries = tokens if type(tokens) is list else []
    if type(text) is not str:
        if entries:
            yield {}, _entries(key, entries)
        return
    names = [entry.get("token") if type(entry) is dict else None for entry in entries]
    if names and all(type(name) is str for name in names) and "".join(map(str, names)) == text:
        for name, entry in zip(names, entries, strict=True):
            yield {key: name}, _entries(key, [entry])
        return
    for piece in _cut(text, pieces) or [""][: len(entries)]:
        yield {key: piece}, _entries(key, entries) if entries else None
        entries = []


def _entries(key: str, entries: list[Any]) -> dict[str, Any]:
    return {"content": None, "refusal": None, key: entries}


def _legacy_call(message: dict[str, Any], pieces: Callable[[str], list[str]]) -> Iterator[dict[str, Any]]:
    call = message.get("function_call")
    if type(call) is dict:
        head, text = _head(call, "arguments")
        yield {"function_call": head}
        for piece in _cut(text, pieces):
            yield {"function_call": {"arguments": piece}}


def _calls(message: dict[str, Any], pieces: Callable[[str], list[str]]) -> Iterator[dict[str, Any]]:
    calls = message.get("tool_calls")
    for place, call in enumerate(calls if type(calls) is list else []):
        if type(call) is dict:
            for entry in _call(call, pieces):
                yield {"tool_calls": [{"index": place, **entry}]}


def _call(call: dict[str, Any], pieces: Callable[[str], list[str]]) -> Iterator[dict[str, Any]]:
    parts = {part: _head(call[part], key) for part, key in _TEXT_OF.items() if type(call.get(part)) is dict}
    members = {key: value for key, value in call.items() if key != "index"}
    yield members | {part: head for part, (head, _) in parts.items()}
    for part, (_, text) in parts.items():
        for piece in _cut(text, pieces):
            yield {part: {_TEXT_OF[part]: piece}}


def _head(part: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    """What of a call goes first, with an empty text, and the text; a text that is none goes first as it is."""
    text = part.get(key)
    return ({**part, key: ""}, text) if type(text) is str else (part, "")


def _audio(audio: Any, pieces: Callable[[str], list[str]]) -> Iterator[dict[str, Any]]:
    """The speech: who it is, its text and its sound side by side, and until when it may be sent back."""
    if type(audio) is not dict:
        return
    texts, sounds = _texts(audio.get("transcript"), pieces), _sounds(audio.get("data"))
    head = {key: value for key, value in audio.items() if key != "expires_at"}
    if texts is not None:
        head["transcript"] = ""
    if sounds is not None:
        head["data"] = ""
    yield {"audio": head}
    for text, sound in zip_longest(texts or [], sounds or []):
        delta = {"transcript": text, "data": sound}
        yield {"audio": {key: value for key, value in delta.items() if value is not None}}
    if "expires_at" in audio:
        yield {"audio": {"expires_at": audio["expires_at"]}}


def _texts(transcript: Any, pieces: Callable[[str], list[str]]) -> list[str] | None:
    return _cut(transcript, pieces) if type(transcript) is str else None


def _sounds(data: Any) -> list[str] | None:
    """Base64 in pieces that each are base64; None if it is none."""
    if type(data) is not str or not _BASE64.fullmatch(data):
        return None
    return [data[start : start + _AUDIO_SIZE] for start in range(0, len(data), _AUDIO_SIZE)]
