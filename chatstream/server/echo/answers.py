"""The echo: a request to an answer, without a model.

In goes the body of a request, out comes the whole completion, in the published shape; ``chunking`` makes a stream of
it. Rules: pure, so the same body and id give the same answer. The body was validated, yet nothing in it is trusted.
What is answered follows from the request alone (``asked``, ``calls``). Tokens are an estimate (``tokens``,
``prompts``).
"""

from __future__ import annotations

import base64
from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from chatstream.jsontext import members
from chatstream.server.echo.asked import LINK, Asked
from chatstream.server.echo.calls import PlannedCall
from chatstream.server.echo.likelihoods import weighed
from chatstream.server.echo.prompts import PART_TOKENS, prompt_tokens, text_of
from chatstream.server.echo.speech import speech
from chatstream.server.echo.tokens import count, cut

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FINGERPRINT", "answer"]

FINGERPRINT = "fp_chatstream_echo"
_AUDIO_KEPT = 3600  # seconds
_REFUSAL = "I was asked to refuse, and so I do."


def answer(body: Mapping[str, Any], *, id: str, created: int, cached: bool = False) -> dict[str, Any]:
    """The completion for a request, as JSON values; ``created`` in Unix seconds.

    ``cached``: the prompt counts as one that was seen before. Raises UnusableSchemaError, with the path in the body,
    when arguments or a response format ask for a value that cannot be made.
    """
    asked = Asked(body)
    choices = [_Choice(asked, index, id, created) for index in range(asked.n)]
    tier = body.get("service_tier")
    return {
        "id": id,
        "object": "chat.completion",
        "created": created,
        "model": body.get("model"),
        "choices": [choice.told() for choice in choices],
        "usage": _usage(asked, choices, cached=cached),
        "service_tier": tier if type(tier) is str and tier != "auto" else "default",
        "system_fingerprint": FINGERPRINT,
    }


class _Allowance:
    """The tokens that a choice may still have, and those it had."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self.used: int = 0
        self.cut_short: bool = False

    def take(self, text: str) -> str:
        """As much of the text as is allowed."""
        tokens = cut(text)
        left = len(tokens) if self._most is None else max(0, self._most - self.used)
        self.cut_short = self.cut_short or len(tokens) > left
        self.used += min(left, len(tokens))
        return "".join(tokens[:left])


class _Choice:
    """One of the answers."""

    def __init__(self, asked: Asked, index: int, id: str, created: int) -> None:
        self._asked = asked
        self._index = index
        self._id = id
        self._created = created
        self._allowance = _Allowance(asked.most_tokens)
        self._finish_reason = "content_filter" if asked.filtered else "stop"
        thoughts = asked.thoughts()
        self._thoughts = None if thoughts is None else self._allowance.take(thoughts)
        self.reasoning_tokens: int = self._allowance.used
        self._refusal = self._allowance.take(_REFUSAL) if asked.refuses else None
        self._calls = self._make_calls(asked.plan.calls) if asked.plan is not None else []
        # Where the reasoning left nothing, there is no call to make and nothing to say.
        silent = asked.refuses or bool(self._calls)
        self.text: str | None = None if silent else self._allowance.take(self._limited_text())

    @property
    def tokens(self) -> int:
        """All tokens of this choice."""
        return self._allowance.used

    def _limited_text(self) -> str:
        """The text up to the first stop sequence in it, and half of it if a filter is to break it off."""
        text = self._asked.text(self._index)
        if self._asked.filtered:
            tokens = cut(text)
            text = "".join(tokens[: len(tokens) // 2])
        places = [place for place in map(text.find, self._asked.stops) if place >= 0]
        return text[: min(places, default=len(text))]

    def _make_calls(self, calls: list[PlannedCall]) -> list[PlannedCall]:
        made: list[PlannedCall] = []
        for call in calls:
            text = self._allowance.take(call.text)
            if self._allowance.cut_short and not text:
                break
            made.append(PlannedCall(call.kind, call.name, text))
        if made and self._asked.plan is not None:
            self._finish_reason = self._asked.plan.finish_reason
        return made

    def told(self) -> dict[str, Any]:
        """The choice as it stands in the completion."""
        return {
            "index": self._index,
            "message": self._message(),
            "logprobs": self._logprobs(),
            "finish_reason": "length" if self._allowance.cut_short else self._finish_reason,
        }

    def _message(self) -> dict[str, Any]:
        speaks = self._asked.speaks and self.text is not None
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if speaks else self.text,
            "refusal": self._refusal,
            "annotations": self._annotations(),
        }
        if self._thoughts is not None:
            message["reasoning_content"] = self._thoughts
        if speaks:
            message["audio"] = self._audio()
        calls = [self._call(place, call) for place, call in enumerate(self._calls) if call.kind != "legacy"]
        if calls:
            message["tool_calls"] = calls
        elif self._calls:
            message["function_call"] = {"name": self._calls[0].name, "arguments": self._calls[0].text}
        return message

    def _call(self, place: int, call: PlannedCall) -> dict[str, Any]:
        text_name = "input" if call.kind == "custom" else "arguments"
        named = {"name": call.name, text_name: call.text}
        return {"id": f"call_{self._digits(place, call.name)}", "type": call.kind, call.kind: named}

    def _digits(self, *what: object) -> str:
        """Twenty-four hex digits that follow from the completion, the choice and what they are for."""
        seed = "\0".join(map(str, (self._id, self._index, *what)))
        return sha256(seed.encode("utf-8", "replace")).hexdigest()[:24]

    def _audio(self) -> dict[str, Any]:
        data = speech(members(self._asked.body.get("audio")).get("format"))
        return {
            "id": f"audio_{self._digits('audio')}",
            "data": base64.b64encode(data).decode(),
            "transcript": self.text,
            "expires_at": self._created + _AUDIO_KEPT,
        }

    def _annotations(self) -> list[dict[str, Any]]:
        """The link in the text, if it asked for one and came to it."""
        start = (self.text or "").rfind(LINK) if self._asked.searches and not self._asked.speaks else -1
        if start < 0:
            return []
        cited = {"start_index": start, "end_index": start + len(LINK), "title": "Example Domain"}
        return [{"type": "url_citation", "url_citation": {**cited, "url": "https://example.com/"}}]

    def _logprobs(self) -> dict[str, Any] | None:
        top = self._asked.top
        content = None if self._asked.speaks else self.text
        if top is None or not (content or self._refusal):
            return None
        texts = {"content": content, "refusal": self._refusal}
        return {key: weighed(cut(text), top=top) if text else None for key, text in texts.items()}


def _usage(asked: Asked, choices: list[_Choice], *, cached: bool) -> dict[str, Any]:
    """What it cost. What was predicted and did not come counts too, as at OpenAI."""
    sent = prompt_tokens(asked.body)
    # A prompt is cached from its start: all of it but the last words, and never nothing.
    kept = max(1, sent - count(asked.prompt.said)) if cached else 0
    accepted, rejected = _predicted(asked, choices)
    made = sum(choice.tokens for choice in choices) + rejected
    spoken = sum(count(choice.text or "") for choice in choices) if asked.speaks else 0
    return {
        "prompt_tokens": sent,
        "completion_tokens": made,
        "total_tokens": sent + made,
        "prompt_tokens_details": {
            "cached_tokens": min(kept, sent),
            "audio_tokens": PART_TOKENS * asked.prompt.beside.get("audio clip", 0),
        },
        "completion_tokens_details": {
            "reasoning_tokens": sum(choice.reasoning_tokens for choice in choices),
            "audio_tokens": spoken,
            "accepted_prediction_tokens": accepted,
            "rejected_prediction_tokens": rejected,
        },
    }


def _predicted(asked: Asked, choices: list[_Choice]) -> tuple[int, int]:
    """How many tokens of the prediction stand in the first answer, wherever, and how many do not."""
    prediction = members(asked.body.get("prediction"))
    predicted = Counter(cut(text_of(prediction)))
    accepted = (predicted & Counter(cut(choices[0].text or ""))).total()
    return accepted, predicted.total() - accepted
