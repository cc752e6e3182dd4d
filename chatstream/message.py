"""The message of one choice: each field of a delta merged by its own rule.

In go the members of a delta, out comes what each of them added; and the message as it stands in a frame. The rules are
those of merging.md, "Message": by field, never by key name and JSON type. What fires when is not known here.
"""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as Base64Error
from hashlib import sha256
from typing import Any

from chatstream.jsontext import is_null, write_json
from chatstream.ledger import Ledger, approximate_size
from chatstream.members import Members
from chatstream.text import Blob, Items, Text
from chatstream.tool_calls import Call

__all__ = ["Audio", "Message"]

_MARK_SIZE = 1024  # charged for each growing value that a peer may open: it is one more mark in every later event
_DETAIL_TEXTS = frozenset({"text", "summary", "data"})
_AUDIO_KEYS = frozenset({"id", "expires_at", "data", "transcript"})
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


class Message:
    """What a choice's deltas add up to, except for its tool calls."""

    __slots__ = ("_append_fields", "_details", "_details_by_key", "_ledger", "_lists", "_others", "_seen", "_texts",
                 "audio", "function_call", "node", "role")  # fmt: skip

    def __init__(self, ledger: Ledger, append_fields: frozenset[str]) -> None:
        self._ledger = ledger
        self._append_fields = append_fields
        self._texts: dict[str, Text] = {}
        self._lists: dict[str, Items] = {}
        self._seen: set[bytes] = set()  # digests of the entries that count once
        self._others = Members(ledger)
        self._details: list[dict[str, Any]] = []
        self._details_by_key: dict[tuple[int, str], int] = {}
        self.role: str | None = None
        self.audio: Audio | None = None
        self.function_call: Call | None = None
        self.node: dict[str, Any] | None = None  # as it stands in frames; None when something but text changed

    def take_role(self, role: Any) -> None:
        """The first role that is not empty."""
        if not self.role and type(role) is str and role:
            self._ledger.charge_extras(len(role))
            self.role = role
            self.node = None

    def text(self, key: str) -> Text:
        """The text of a field, begun with this if it was not yet."""
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = self._ledger.text()
            self.node = None
        return text

    def take_text(self, key: str, value: Any) -> str:
        """Append to the text of a field; what was appended."""
        if type(value) is not str:
            if type(value) in (dict, list, bool) or is_null(value):
                self._ledger.note("odd_shape")
                return ""
            value = write_json(value)
        text = self.text(key)
        fragment = self._ledger.mended(text, value)
        if fragment:
            self._ledger.charge_text(len(fragment))
            text.append(fragment)
        return fragment

    def last_half(self, key: str) -> str:
        """Append what a lost half of a surrogate pair at the end stands for; what was appended."""
        lost = self._texts[key].last_half() if key in self._texts else ""
        if lost:
            self._ledger.note("lone_surrogate")
            self._ledger.charge_text(1)
            self._texts[key].append(lost)
        return lost

    def last_halves(self) -> None:
        """The same for the texts that no event tells of."""
        for key in self._texts:
            self.last_half(key)
        for entry in self._details:
            for value in entry.values():
                if type(value) is Text and (lost := value.last_half()):
                    self._ledger.note("lone_surrogate")
                    value.append(lost)

    def take_reasoning(self, delta: dict[str, Any], thinking: str) -> str:
        """Append to the one reasoning text, whatever the provider calls it; what was appended."""
        named = delta.get("reasoning_content")
        added = delta.get("reasoning")
        if named is not None:
            self.take_text("reasoning_content", named)
            # Both at once are the same text under two names: it counts once.
            added = named or added
        if thinking:
            added = f"{added}{thinking}" if type(added) is str else thinking
        return self.take_text("reasoning", added) if added else ""

    def take_content_parts(self, parts: Any) -> tuple[str | None, str]:
        """Split a list of content parts into text (None if there is none) and thinking; the other parts are kept."""
        texts: list[str] = []
        thinking: list[str] = []
        others: list[Any] = []
        for part in parts if type(parts) is list else [parts]:
            kind = part.get("type") if type(part) is dict else None
            if type(part) is str:
                texts.append(part)
            elif _is_text(part):
                texts.append(part["text"])
            elif kind == "thinking":
                thinking.extend(_thoughts(part.get("thinking")))
            elif part is not None:
                others.append(part)
        if others:
            self._ledger.charge_text(approximate_size(others))
            self._list("other_content_parts").extend(others)
        return "".join(texts) if texts else None, "".join(thinking)

    def _list(self, key: str) -> Items:
        items = self._lists.get(key)
        if items is None:
            items = self._lists[key] = Items(self._ledger.marks)
            self.node = None
        return items

    def take_entries(self, key: str, entries: Any) -> None:
        """Extend annotations or images, each identical entry once."""
        fresh: list[Any] = []
        for entry in entries if type(entries) is list else [entries]:
            if type(entry) is not dict:
                self._ledger.note("odd_shape")
                continue
            text = json.dumps(entry, sort_keys=True)
            digest = sha256(f"{key}\0{text}".encode()).digest()
            if digest not in self._seen:
                self._ledger.charge_text(len(text))
                self._seen.add(digest)
                fresh.append(entry)
        if fresh:
            self._list(key).extend(fresh)

    def take_details(self, details: Any) -> None:
        """Merge reasoning_details by index and type."""
        for detail in details if type(details) is list else [details]:
            if type(detail) is dict:
                self._take_detail(detail)
            else:
                self._ledger.note("odd_shape")

    def _take_detail(self, detail: dict[str, Any]) -> None:
        index, kind = detail.get("index"), str(detail.get("type"))
        if type(index) is int:
            place = self._details_by_key.setdefault((index, kind), len(self._details))
        else:
            last = self._details[-1] if self._details else {}
            place = len(self._details) - (last.get("type") == detail.get("type") and bool(last))
        if place == len(self._details):
            self._ledger.charge_extras(128)  # the list is copied when an entry is new, so their number must stay small
            self._details = [*self._details, {}]
            self.node = None
        entry = self._details[place]
        changed: dict[str, Any] = {}
        for key, value in detail.items():
            if value is None:
                continue
            if key in _DETAIL_TEXTS and type(value) is str:
                text = entry.get(key)
                if type(text) is not Text:
                    self._ledger.charge_extras(_MARK_SIZE)
                    text = changed[key] = self._ledger.text()
                fragment = self._ledger.mended(text, value)
                self._ledger.charge_text(len(fragment))
                text.append(fragment)
            elif entry.get(key) != value:
                before = entry.get(key)
                held = 0 if before is None or type(before) is Text else approximate_size(before)
                self._ledger.charge_extras(approximate_size(value) - held + (0 if key in entry else len(key)))
                changed[key] = value
        if changed:
            self._details = [*self._details]
            self._details[place] = {**entry, **changed}
            self.node = None

    def take_audio(self, value: Any) -> tuple[bytes, str]:
        """Merge audio; the bytes and the transcript that were added."""
        if type(value) is not dict:
            self._ledger.note("odd_shape")
            return b"", ""
        if self.audio is None:
            self.audio = Audio(self._ledger)
        added = self.audio.take(value)
        if self.audio.node is None:
            self.node = None
        return added

    def take_function_call(self, value: Any) -> str:
        """Merge a legacy function_call by the rules of a call; what was appended to its arguments."""
        if type(value) is not dict:
            self._ledger.note("odd_shape")
            return ""
        if self.function_call is None:
            self.function_call = Call(self._ledger)
        added = self.function_call.take_function(value)
        if self.function_call.node is None:
            self.node = None
            self.function_call.node = {}  # seen: the call's own parts say None again when they change
        return added

    def take_other(self, key: str, value: Any) -> None:
        """Merge a member that the API does not have."""
        if type(value) is list and not any(type(inner) in (dict, list) for inner in value):
            if key not in self._lists:
                self._ledger.charge_extras(_MARK_SIZE + len(key))
            self._ledger.charge_text(approximate_size(value))
            self._list(key).extend(value)
            return
        if type(value) is str and key in self._append_fields:
            self.take_text(key, value)
            return
        old = self._others.values.get(key)
        if self._others.merge(key, value):
            self.node = None
            if type(old) is str and type(value) is str and old and value:
                self._ledger.note("string_changed")

    def make_node(self, tool_calls: list[dict[str, Any]]) -> dict[str, Any]:
        """The message as it stands in a frame."""
        if self.node is None:
            self.node = {
                "role": self.role or "assistant",
                "content": self._texts.get("content"),
                "refusal": self._texts.get("refusal"),
                **self._texts,
                **self._lists,
                **self._others.values,
            }
            if self._details:
                self.node["reasoning_details"] = self._details
            if self.audio is not None:
                self.node["audio"] = self.audio.make_node()
            if self.function_call is not None:
                self.node["function_call"] = self.function_call.function_node()
        if not tool_calls:
            return self.node
        return {**self.node, "tool_calls": tool_calls}


class Audio:
    """The spoken answer: each delta's data is base64 of its own, so it is decoded, joined and encoded again."""

    __slots__ = ("_ledger", "_others", "data", "expires_at", "id", "node", "transcript")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._others = Members(ledger)
        self.id: Any = None
        self.expires_at: Any = None
        self.data: Blob | None = None
        self.transcript: Text | None = None
        self.node: dict[str, Any] | None = None

    def take(self, audio: dict[str, Any]) -> tuple[bytes, str]:
        """Merge; the bytes and the transcript that were added."""
        for key, value in audio.items():
            if value is None:
                continue
            if key in {"id", "expires_at"}:
                held = getattr(self, key)
                if held != value:
                    self._ledger.charge_extras(
                        approximate_size(value) - (0 if held is None else approximate_size(held))
                    )
                    setattr(self, key, value)
                    self.node = None
            elif key not in _AUDIO_KEYS and self._others.merge(key, value):
                self.node = None
        return self._take_data(audio.get("data")), self._take_transcript(audio.get("transcript"))

    def _take_data(self, value: Any) -> bytes:
        if type(value) is not str:
            if value is not None:
                self._ledger.note("odd_shape")
            return b""
        if self.data is None:
            self.data = Blob(self._ledger.marks)
            self.node = None
        data = self._decoded(value)
        self._ledger.charge_text(len(data))
        if data:
            self.data.append(data)
        return data

    def _decoded(self, value: str) -> bytes:
        """The bytes, as many as can be read: what is no base64 is left out."""
        raw = value.encode("utf-8", "replace")
        try:
            return b64decode(raw, validate=True)
        except Base64Error:
            digits = raw.translate(_URL_SAFE).translate(None, _NOT_BASE64)
            # One character alone holds six bits, no byte.
            whole = digits[: len(digits) - (len(digits) % 4 == 1)]
            if not whole or whole != raw.translate(_URL_SAFE).rstrip(b"="):
                self._ledger.note("bad_base64")
            return b64decode(whole + b"=" * (-len(whole) % 4))

    def _take_transcript(self, value: Any) -> str:
        if type(value) is not str:
            if value is not None:
                self._ledger.note("odd_shape")
            return ""
        if self.transcript is None:
            self.transcript = self._ledger.text()
            self.node = None
        fragment = self._ledger.mended(self.transcript, value)
        self._ledger.charge_text(len(fragment))
        if fragment:
            self.transcript.append(fragment)
        return fragment

    def last_half(self) -> str:
        """Append what a lost half of a surrogate pair at the end of the transcript stands for; what was appended."""
        lost = self.transcript.last_half() if self.transcript is not None else ""
        if lost and self.transcript is not None:
            self._ledger.note("lone_surrogate")
            self.transcript.append(lost)
        return lost

    def make_node(self) -> dict[str, Any]:
        """The audio as it stands in a frame."""
        if self.node is None:
            named = {"id": self.id, "data": self.data, "transcript": self.transcript, "expires_at": self.expires_at}
            self.node = {**self._others.values, **named}
        return self.node


def _is_text(part: Any) -> bool:
    if type(part) is not dict or type(part.get("text")) is not str:
        return False
    kind = part.get("type")
    return kind is None or (type(kind) is str and kind in {"text", "output_text"})


def _thoughts(thinking: Any) -> list[str]:
    """The texts of a thinking part: a string, or a list of text parts."""
    if type(thinking) is str:
        return [thinking]
    parts = thinking if type(thinking) is list else [thinking]
    return [part["text"] for part in parts if type(part) is dict and type(part.get("text")) is str]
