"""What a request asks of the echo, field by field.

In goes the body of a request, out come its wishes as plain values, and the text that answers it before anything limits
it. Two phrases in the last user message are wishes too: ``please refuse``, and ``content filter`` for an answer that
breaks off. Once tools have answered, phrases no longer count. Of a text longer than 100,000 characters, all choices
together, the rest is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatstream.jsontext import entries, members, mend, write_json
from chatstream.server.echo.calls import plan, sample_at
from chatstream.server.echo.prompts import read_prompt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chatstream.server.echo.calls import Plan
    from chatstream.server.echo.prompts import Prompt

__all__ = ["LINK", "Asked"]

LINK = "[example.com](https://example.com/)"
_LONGEST = 200_000  # characters: 128 choices must not make gigabytes of a megabyte
_MOST_CHOICES = 128
_MOST_TOP = 20
_MOST_VARIANTS = 4  # values that are made from one schema: choices past that repeat the last
_SIGNATURE = "This is an echo, made of your own request and by no model."
_THOUGHTS = (
    "The user wants an answer.",
    "There is no model here, so their own words have to do.",
    "Repeating them shows that every part of the request arrived.",
    "Adding one sentence of my own makes it clear that nobody has thought about it.",
)
_EFFORTS = {"minimal": 1, "low": 1, "medium": 2, "high": 3}  # thoughts; whatever else asks for more gets all of them


class Asked:
    """What a request asks for, read once for all its choices."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.body: Mapping[str, Any] = body
        n = body.get("n")
        self.n: int = min(n, _MOST_CHOICES) if type(n) is int and n > 0 else 1
        self.prompt: Prompt = read_prompt(body)
        words = "" if self.prompt.results else self.prompt.said.lower()
        self.refuses: bool = "please refuse" in words
        self.filtered: bool = "content filter" in words
        self.plan: Plan | None = None if self.refuses or self.filtered else plan(body, self.prompt)
        self.speaks: bool = "audio" in entries(body.get("modalities"))
        self.searches: bool = type(body.get("web_search_options")) is dict
        self.format: dict[str, Any] = members(body.get("response_format"))
        self._values: dict[int, str] = {}

    @property
    def most_tokens(self) -> int | None:
        """How many tokens a choice may have; None for any number."""
        for key in ("max_completion_tokens", "max_tokens"):
            most = self.body.get(key)
            if type(most) is int:
                return most
        return None

    @property
    def stops(self) -> list[str]:
        """The sequences that end the text."""
        stop = self.body.get("stop")
        return [one for one in (stop if type(stop) is list else [stop]) if type(one) is str and one]

    @property
    def top(self) -> int | None:
        """How many likeliest tokens are to stand beside each; None if log probabilities are not asked for."""
        top = self.body.get("top_logprobs")
        if self.body.get("logprobs") is not True:
            return None
        return min(top, _MOST_TOP) if type(top) is int and top > 0 else 0

    def thoughts(self) -> str | None:
        """The text of the reasoning, longer with more effort; None if there is to be none."""
        effort = self.body.get("reasoning_effort")
        if type(effort) is not str or effort == "none":
            return None
        return " ".join(_THOUGHTS[: _EFFORTS.get(effort, len(_THOUGHTS))])

    def text(self, index: int) -> str:
        """What is said in a choice, before anything limits it."""
        kind = self.format.get("type")
        if kind == "json_object":
            return write_json(self._object(index))
        if kind == "json_schema":
            return self._value(min(index, _MOST_VARIANTS - 1))
        said = [_SIGNATURE]
        if self.searches:
            said.append(f"More can be read elsewhere ({LINK}).")
        if index:
            said.append(f"This is answer {index + 1} of {self.n}.")
        return "\n\n".join([*self._echoed(), " ".join(said)])

    def _object(self, index: int) -> dict[str, Any]:
        results = [{"tool": name, "result": self._short(text)} for name, text in self.prompt.results]
        return {
            "said": self._short(self.prompt.said),
            **({"results": results} if results else {}),
            **({"answer": index + 1} if self.n > 1 else {}),
        }

    def _value(self, variant: int) -> str:
        if variant not in self._values:
            schema = members(self.format.get("json_schema")).get("schema")
            value = sample_at("response_format.json_schema.schema", schema, variant=variant)
            self._values[variant] = write_json(value)
        return self._values[variant]

    def _echoed(self) -> list[str]:
        prompt = self.prompt
        if prompt.results:
            return [f"{name} returned: {self._short(text)}" for name, text in prompt.results]
        said = [f"You said: {self._short(prompt.said)}"] if prompt.said else ["You said nothing."]
        if prompt.beside:
            counted = (f"{number} {kind}{'s'[: number > 1]}" for kind, number in prompt.beside.items())
            said.append(f"With it came {', '.join(counted)}.")
        return said

    def _short(self, text: str) -> str:
        # Each token is told again by what stands beside it, and each choice tells them all.
        longest = _LONGEST // (self.n * max(1, len(self.prompt.results)) * (2 + (self.top or 0)))
        # Half a character cannot be written out, and would be another one in the stream.
        return mend(text if len(text) <= longest else f"{text[:longest]}…")
