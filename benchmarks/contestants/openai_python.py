"""The official Python SDK, over a transport in memory: its stream helper, and its raw stream.

Timed: the request through a client that is made once, then bytes to events to the final completion. What the SDK and
its HTTP library do for a request is in the figure, for one cannot use the SDK without; it is the same at any length.
Left out: the network. The raw stream gives chunks and no more: no events, no completion.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.contestant import Contestant, Outcome
from benchmarks.digest import describe_completion
from benchmarks.naive import NaiveMerge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarks.digest import Digest

REQUEST = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


class _OpenaiPython(Contestant):
    library = "openai"
    module = "openai"

    def prepare(self, kind: str, reads: list[bytes], framing: str) -> str | None:
        super().prepare(kind, reads, framing)
        self.client = _client(reads)
        self.format = {"response_format": _answer_model()} if self.structured else {}
        return None


class Helper(_OpenaiPython):
    """``chat.completions.stream()``, iterated, then ``get_final_completion()``."""

    name = "openai-python"

    def run(self) -> Outcome:
        """All events by a for loop."""
        with self.client.chat.completions.stream(**REQUEST, **self.format) as stream:
            outcome = Outcome(None, stream)
            if self.structured:
                for event in stream:
                    if event.type == "content.delta" and (value := event.parsed) is not None:
                        outcome.values += 1
                        outcome.last_value = value
            elif self.keep:
                outcome.kept = [event for event in stream if event.type == "chunk"]
            else:
                for _ in stream:
                    pass
            outcome.completion = stream.get_final_completion()
        return outcome


class Raw(_OpenaiPython):
    """``chat.completions.create(stream=True)``, iterated: chunks and no more."""

    name = "openai-python-raw"
    skips: ClassVar = {"structured": "gives chunks only, and no partial values"}

    def run(self) -> Outcome:
        """All chunks by a for loop."""
        return self._read(_drop)

    def _read(self, take: Callable[[Any], object]) -> Outcome:
        outcome = Outcome(0)
        with self.client.chat.completions.create(stream=True, **REQUEST) as stream:
            if self.keep:
                outcome.kept = list(stream)
                outcome.completion = len(outcome.kept)
            else:
                for chunk in stream:
                    take(chunk)
                    outcome.completion += 1
        return outcome

    def digest(self, outcome: Outcome) -> Digest:
        """The same again, untimed, merging the chunks; a run that counted otherwise has no digest."""
        merge = NaiveMerge()
        if self.keep:
            _merge_all(merge, outcome.kept)
        elif self._read(lambda chunk: merge.add(chunk.model_dump(exclude_unset=True))).completion != outcome.completion:
            return {}
        return describe_completion(merge.completion()) | {"kept": len(outcome.kept)}


def _drop(_chunk: Any) -> None:
    pass


def _merge_all(merge: NaiveMerge, chunks: Iterable[Any]) -> None:
    for chunk in chunks:
        merge.add(chunk.model_dump(exclude_unset=True))


def _client(reads: list[bytes]) -> Any:
    import openai

    http = _http_library(openai)

    class Reads(http.SyncByteStream):
        def __iter__(self) -> Any:
            return iter(reads)

    def answer(_request: Any) -> Any:
        return http.Response(200, headers={"content-type": "text/event-stream"}, stream=Reads())

    memory = http.Client(transport=http.MockTransport(answer))
    return openai.OpenAI(api_key="none", base_url="http://memory", http_client=memory)


def _http_library(openai: Any) -> Any:
    """The HTTP library that this version of the SDK is built on."""
    for parent in openai.DefaultHttpxClient.__mro__:
        if parent.__name__ == "Client":
            return importlib.import_module(parent.__module__.partition(".")[0])
    return importlib.import_module("httpx")


def _answer_model() -> Any:
    """The answer of the shape ``structured``, as a pydantic model: the helper gives partial values for models only."""
    from pydantic import BaseModel, create_model

    step = create_model("Step", explanation=str, output=str, number=int, certain=bool, __base__=BaseModel)
    return create_model("Answer", steps=list[step], confidence=float, final_answer=str, __base__=BaseModel)
