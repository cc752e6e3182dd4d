"""langchain-openai: chunks turned into messages, and the messages added up, as its documentation shows.

Timed: the bytes split at blank lines, each block decoded by json, ``ChatOpenAI``'s own conversion of a chunk to an
``AIMessageChunk``, and ``+``; for structured output ``parse_partial_json`` on the text so far at each delta, as its
JsonOutputParser does. Left out, in its favour: the OpenAI SDK's stream below it, callbacks and tracing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.blocks import read_payloads
from benchmarks.contestant import Contestant, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator


class LangchainOpenai(Contestant):
    """``AIMessageChunk`` addition."""

    name = "langchain-openai"
    library = "langchain-openai"
    module = "langchain_openai"
    faults: ClassVar = {
        "n4": "takes the first choice of each chunk, whatever its index",
        "reasoning": "drops reasoning_content",
    }

    def prepare(self, kind: str, reads: list[bytes], framing: str) -> str | None:
        """The model is made once, as a client is."""
        from langchain_openai import ChatOpenAI

        self.model = ChatOpenAI(model="m", api_key="none", stream_usage=True)
        return super().prepare(kind, reads, framing)

    def run(self) -> Outcome:
        """Add message by message."""
        from langchain_core.utils.json import parse_partial_json

        total: Any = None
        outcome = Outcome(None)
        for message in self._messages():
            total = message if total is None else total + message
            if self.keep:
                outcome.kept.append(message)
            elif self.structured and message.content:
                outcome.last_value = parse_partial_json(total.content)
                outcome.values += outcome.last_value is not None
        outcome.completion = total
        return outcome

    def _messages(self) -> Iterator[Any]:
        from langchain_core.messages import AIMessageChunk

        convert = self.model._convert_chunk_to_generation_chunk  # noqa: SLF001  its stream's own step, public or not
        for payload in read_payloads(self.reads, self.framing):
            generation = convert(json.loads(payload), AIMessageChunk, None)
            message = generation.message
            if generation.generation_info:  # its base class does this between conversion and caller
                message.response_metadata = {**generation.generation_info, **message.response_metadata}
            yield message

    def dump(self, completion: Any) -> dict[str, Any]:
        """The message as the API would give it; there is one choice, and its index is lost."""
        metadata = completion.response_metadata
        calls = [
            {"id": call["id"], "function": {"name": call["name"], "arguments": call["args"]}}
            for call in completion.tool_call_chunks
        ]
        reasoning = completion.additional_kwargs.get("reasoning_content")
        message = {"content": completion.content, "tool_calls": calls, "reasoning_content": reasoning}
        choice = {"index": 0, "message": message, "logprobs": metadata.get("logprobs")}
        choice["finish_reason"] = metadata.get("finish_reason")
        return {"choices": [choice], "usage": completion.usage_metadata}
