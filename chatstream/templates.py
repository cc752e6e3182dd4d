"""Templates: the short way for a chunk that differs from an earlier one in nothing but what it adds.

In goes the JSON of a chunk as bytes, out come its events, or nothing, where the chunk has to take the general way. Most
chunks of most streams are the same, byte for byte, but for a text of a few characters and some noise that says nothing.
Once such a chunk was merged the general way, and did nothing but add its text to one that was there, the bytes around
that text are known to bring nothing new. The next chunk with the same bytes around another text does the same with that
text, so the text is all that is decoded of it.

Why this gives what the general way gives:

- JSON is read from left to right, and a string in the place of another string changes nothing around it. That the place
  is the text's own is not guessed: the chunk is decoded once more with another text put there, and must come out so.
- What the other bytes say is merged by rules that look at what is known by then. As soon as a chunk changes anything
  but texts that grow, all templates are forgotten. What depends on the text itself (whether arguments are whole by now,
  limits) is looked at each time.
- Whatever does not fit or is odd in any way takes the general way, and nothing has been done to it by then.

A property test holds the two together.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from chatstream.errors import StreamLimitError, StreamProtocolError
from chatstream.events import ChunkEvent, LogprobsContentDeltaEvent
from chatstream.growths import CallText, growth_of
from chatstream.jsontext import deepest, has_long_number, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatstream.choices import Choice
    from chatstream.events import ChatStreamEvent
    from chatstream.growths import Growth
    from chatstream.ledger import Ledger
    from chatstream.text import Tokens

__all__ = ["Example", "Templates"]

_decode_text: Callable[[bytes], str] = msgspec.json.Decoder(str).decode

_MOST = 1024  # kept at a time: as many calls, or choices, may take turns
_MOST_LENGTHS = 16  # of prefixes: each is looked for
_LARGEST = 16 * 1024  # bytes around the text
_TRIALS = 32  # made before any has been of use: a stream whose chunks all differ is not worth more
_TAIL = 40  # bytes before the text, among them the index of a choice or call: they tell which template may fit

_STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_TEXT = {
    key: re.compile(rb'"%s"\s*:\s*(%s)' % (key.encode(), _STRING), re.DOTALL)
    for key in ("content", "refusal", "reasoning_content", "reasoning", "arguments", "input")
}
_TOKENS = re.compile(rb'"logprobs"\s*:\s*\{\s*"content"\s*:\s*(\[)')
_NOISE = re.compile(rb'"obfuscation"\s*:\s*("[0-9A-Za-z]*")')
_TOKENS_PATH = ("choices", 0, "logprobs", "content")
_NOISE_PATH = ("obfuscation",)


class _TopLogprob(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    token: str
    logprob: float | None = None
    bytes: list[int] | None = None


class _Token(_TopLogprob, forbid_unknown_fields=True, gc=False):
    top_logprobs: list[_TopLogprob] | None = None


# Tokens are kept as they came and parsed when somebody looks. What is decoded here tells that they can be.
_check_tokens: Callable[[bytes], list[_Token]] = msgspec.json.Decoder(list[_Token]).decode
_TOKENS_DEPTH = 9  # levels of nesting of a chunk with such tokens


class Places(NamedTuple):
    """Where in a data line the values stand that differ from chunk to chunk."""

    text: slice  # with its quotes
    tokens: slice | None  # with their brackets
    noise: slice | None  # with its quotes


class Template:
    """The bytes of a data line around its text, its tokens and its noise, if it has any; and what the text is added to.

    The quotes of the text belong to both, those of the noise to nobody; tokens are a list with its brackets.
    """

    __slots__ = ("before_tokens", "behind", "end", "end_of_event", "field", "gap", "growth", "kept", "length", "noisy",
                 "prefix", "start", "stop", "tail")  # fmt: skip

    def __init__(self, line: bytes, growth: Growth, kept: Tokens | None, places: Places) -> None:
        text, tokens, noise = places.text, places.tokens, places.noise
        self.growth: Growth = growth
        self.kept: Tokens | None = kept
        self.start: int = text.start
        self.prefix: bytes = line[: text.start + 1]
        self.length: int = len(self.prefix)
        self.tail: int = max(0, self.length - _TAIL)
        self.field: int = self.prefix.index(b"{")  # where the chunk begins
        behind = text.stop - 1 if tokens is None else tokens.stop
        self.before_tokens: bytes = b"" if tokens is None else line[text.stop - 1 : tokens.start]
        self.noisy: bool = noise is not None
        self.behind: bytes = line[behind:] if noise is None else line[behind : noise.start]
        self.gap: int = -len(self.behind)
        self.stop: int = self.gap + 1  # of the text, where there are no tokens
        self.end: bytes = b"" if noise is None else line[noise.stop :]
        self.end_of_event: bytes = self.end + b"\n\n"

    def is_proven(self, raw: dict[str, Any], fragment: str) -> bool:
        """Whether other values in these places make the same chunk with other values: decoding such a one shows it."""
        values: list[tuple[tuple[str | int, ...], Any]] = [(self.growth.path, "?" + fragment)]
        line = self.prefix + write_json("?" + fragment).encode()[1:-1]
        if self.kept is not None:
            values.append((_TOKENS_PATH, ["?"]))
            line += self.before_tokens + b'["?"]'
        line += self.behind
        if self.noisy:
            values.append((_NOISE_PATH, "0"))
            line += b'"0"' + self.end
        try:
            trial, odd = read_json(line[self.field :])
            for path, value in values:
                if _exchange(trial, path, _look(raw, path)) != value:
                    return False
        except (StreamProtocolError, StreamLimitError, LookupError, TypeError):
            return False
        return not odd and trial == raw


class Templates:
    """The templates of one completion, and what is done with a chunk that fits one."""

    __slots__ = ("_by_tail", "_deepest", "_ledger", "_lengths", "_longest", "_made", "_marks", "between_events",
                 "field", "last", "tree")  # fmt: skip

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._marks = ledger.marks
        limits = ledger.limits
        self._deepest: int = deepest(limits.max_depth)
        self._by_tail: dict[bytes, Template] = {}
        self._lengths: frozenset[int] = frozenset()  # of their prefixes
        self._made = 0
        self.field: bytes = b"data: "  # what stands before a chunk
        self.last: Template | None = None  # the one that fitted last, or None if there are none
        self._longest: int = 2**62 if limits.max_event_size is None else limits.max_event_size + 2
        self.between_events: bool = False  # nothing is unfinished: a read may be one whole event
        self.tree: dict[str, Any] = {}  # of the frames of all chunks that fit: only texts grow by them

    # Most chunks of most streams go through here: one straight way, and a way out wherever one does not fit.
    def take(self, line: bytes, whole: bool = False) -> list[ChatStreamEvent] | None:  # noqa: C901, FBT001, FBT002, PLR0911, PLR0912
        """The events of a chunk that fits, merged; None, and nothing done, where it takes the general way.

        ``line`` is a data line: a field name and the chunk. If it is ``whole``, it is a read, which may be such a line
        with the blank one behind it.
        """
        template = self.last
        if template is None or (whole and (not self.between_events or len(line) > self._longest)):
            return None
        if line[: template.length] != template.prefix:
            template = self._by_tail.get(line[template.tail : template.length])
            if template is None or line[: template.length] != template.prefix:
                template = self._find(line)
                if template is None:
                    return None
            self.last = template
        if template.noisy:
            body, noise, end = line.rsplit(b'"', 2)
            if end != (template.end_of_event if whole else template.end) or not (noise.isalnum() or not noise):
                return None
        elif not whole:
            body = line
        elif line[-2:] == b"\n\n":
            body = line[:-2]
        else:
            return None
        if body[template.gap :] != template.behind:
            return None
        data = line[template.field : -2] if whole else line[template.field :]
        if template.kept is not None:
            return self._take_tokens(template, template.kept, data, body)
        try:
            fragment = _decode_text(body[template.start : template.stop])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        event = template.growth.add(fragment) if fragment else None
        if event is None:
            return None
        self._ledger.short_events += 1
        return [ChunkEvent(data, self.tree, tuple(self._marks)), event]

    def _take_tokens(
        self,
        template: Template,
        kept: Tokens,
        data: bytes,
        body: bytes,
    ) -> list[ChatStreamEvent] | None:
        """The same for a content with the log probabilities of its tokens behind it."""
        before = template.before_tokens
        closing = body.find(b'"', template.length)
        while closing > 0 and not body.startswith(before, closing):
            closing = body.find(b'"', closing + 1)  # that one was escaped
        tokens = body[closing + len(before) : template.gap]
        if closing < 0 or 10 in tokens or 13 in tokens:
            return None
        ledger = self._ledger
        try:
            fragment = _decode_text(body[template.start : closing + 1])
            if not fragment or has_long_number(tokens) or self._deepest < _TOKENS_DEPTH:
                return None
            count = len(_check_tokens(tokens))
            if not count or not ledger.charge_plain_text(len(data)):
                return None
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        event = template.growth.add(fragment)
        if event is None:
            ledger.text_left += len(data)
            return None
        ledger.short_events += 1
        start = len(kept.values)
        mark = kept.append_json(tokens, count)
        chunk = ChunkEvent(data, self.tree, tuple(self._marks))
        return [chunk, event, LogprobsContentDeltaEvent(template.growth.index, kept, start, mark)]

    def _find(self, line: bytes) -> Template | None:
        """Another template that the chunk begins like."""
        for length in self._lengths:
            template = self._by_tail.get(line[max(0, length - _TAIL) : length])
            if template is not None and line.startswith(template.prefix):
                return template
        return None

    def forget(self) -> None:
        """Something other than texts changed: what was learned no longer holds."""
        if self.last is not None:
            self.last = None
            self._by_tail.clear()
            self._lengths = frozenset()

    def learn(self, example: Example) -> None:
        """Make a template of a chunk that did nothing but let values grow, if it is of a kind that has one."""
        if self._made >= _TRIALS + self._ledger.short_events // 4:
            return
        self._made += 1
        template = _template(example, self.field + example.data)
        if template is None:
            return
        if len(self._by_tail) >= _MOST or len(self._lengths) >= _MOST_LENGTHS:
            self.forget()
        self.tree = example.tree
        self._by_tail[template.prefix[-_TAIL:]] = self.last = template
        self._lengths |= {template.length}


class Example(NamedTuple):
    """A chunk that was merged the general way, and let nothing but values grow."""

    data: bytes
    raw: dict[str, Any]  # its JSON
    events: list[ChatStreamEvent]  # that it brought about
    choice: Choice  # the only one that it spoke of
    grown: dict[int, int]  # by how much each value grew, by the slot of its mark
    charged: int  # how much of max_text that took
    tree: dict[str, Any]  # of the frames, as long as only values grow


def _template(example: Example, line: bytes) -> Template | None:
    """The template of a chunk; None if there is more to it, or less, than one can tell."""
    entry = example.raw["choices"][0]
    if type(entry) is not dict or len(example.events) == 1:
        return None
    growth = growth_of(example.choice, example.events[1], entry.get("delta"))
    has_tokens = isinstance(example.events[-1], LogprobsContentDeltaEvent)
    if growth is None or len(example.events) != 2 + has_tokens:
        return None
    kept = example.choice.tokens("content") if has_tokens else None
    places = _places(line, str(growth.path[-1]), has_tokens=has_tokens)
    if places is None or not _is_all(example, growth, kept):
        return None
    template = Template(line, growth, kept, places)
    if len(template.prefix) + len(template.before_tokens) + len(template.behind) > _LARGEST:
        return None
    return template if template.is_proven(example.raw, _look(example.raw, growth.path)) else None


def _is_all(example: Example, growth: Growth, kept: Tokens | None) -> bool:
    """Whether what a chunk says of a text, and of tokens, is all that grew by it."""
    raw = example.raw
    try:
        fragment = _look(raw, growth.path)
        expected = {text.slot: len(fragment) for text in (growth.text, growth.twin) if text is not None}
        charged = sum(expected.values())
        if kept is not None:
            expected[kept.slot] = len(_look(raw, _TOKENS_PATH))
            charged += len(example.data)
    except (LookupError, TypeError):
        return False  # it came in another shape
    if type(fragment) is not str or example.grown != expected or example.charged != charged:
        return False
    # What a name means depends on whether its call had a text before.
    named = isinstance(growth, CallText) and _look(raw, growth.path[:-1]).get("name")
    return not named or growth.text.length > len(fragment)


def _places(line: bytes, name: str, *, has_tokens: bool) -> Places | None:
    """Where a line has its text, which is called so, its tokens and its noise; None if it is not to be found."""
    text = _TEXT[name].search(line)
    if text is None:
        return None
    tokens = None
    end = text.end()
    if has_tokens:
        opening = _TOKENS.search(line, end)
        if opening is None:
            return None
        # As Latin-1 each byte is a character, so that positions are the same.
        _, end = json.JSONDecoder().raw_decode(line.decode("latin-1"), opening.end() - 1)
        tokens = slice(opening.end() - 1, end)
    noise = _NOISE.search(line, end)
    return Places(slice(*text.span(1)), tokens, None if noise is None else slice(*noise.span(1)))


def _look(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def _exchange(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    """Put a value into its place; what was there."""
    *way, last = path
    place = _look(value, tuple(way))
    old, place[last] = place[last], new
    return old
