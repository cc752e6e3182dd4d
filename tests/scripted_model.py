"""A model that answers from a script: the tool loop under one test, sync and async, streamed and whole.

A test is async and gets a `way`: `way.runner(turns, tools)` makes a runner, `await got(...)` what a call of it gives,
`await events_of(runner)` all its events. The script keeps the messages of each request.
"""

import random

import anyio.lowlevel
import pytest

from chatstream import AsyncChatCompletionStream, ChatCompletionStream
from chatstream.chunking import chunks_of
from chatstream.tools import AsyncToolRunner, ToolRunner
from chatstream.tools.loop import Loop
from chatstream.tools.toolbox import Toolbox
from chatstream.types import ParsedChatCompletion, build

QUESTION = {"role": "user", "content": "Well?"}


def function(name, arguments="{}", call_id=None, **members):
    """A call of a function tool."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}, **members}


def custom(name, text, call_id=None):
    """A call of a custom tool."""
    return {"id": call_id, "type": "custom", "custom": {"name": name, "input": text}}


def says(content=None, *calls, finish=None, usage=None, cut=0, **message):
    """A turn: a completion; ``cut`` chunks are missing at its end when it is streamed."""
    calls = [{**call, "id": f"call_{at}" if call["id"] is None else call["id"]} for at, call in enumerate(calls)]
    said = {"role": "assistant", "content": content, **({"tool_calls": calls} if calls else {}), **message}
    finish = finish or ("tool_calls" if calls else "stop")
    return {
        "completion": {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "message": said, "finish_reason": finish}],
            **({"usage": usage} if usage else {}),
        },
        "cut": cut,
    }


class Script:
    """Answers the k-th request with the k-th turn; a turn that is an exception is raised."""

    def __init__(self, turns, *, is_async, streams, seed=1):
        self.turns = list(turns)
        self.asked = []
        self.answers = []
        self._is_async = is_async
        self._streams = streams
        self._random = random.Random(seed)

    def ask(self, messages):
        self.asked.append(messages)
        turn = self.turns[len(self.asked) - 1]
        if isinstance(turn, Exception):
            raise turn
        answer = self._stream(turn) if self._streams else (_AsyncWhole if self._is_async else _Whole)(turn)
        self.answers.append(answer)
        return answer

    def _stream(self, turn):
        usage = "usage" in turn["completion"]
        chunks = chunks_of(turn["completion"], include_usage=usage, pieces=self._pieces)
        if turn["cut"]:
            chunks = chunks[: -turn["cut"]]
        return AsyncChatCompletionStream(_Arriving(chunks)) if self._is_async else ChatCompletionStream(chunks)

    def _pieces(self, text):
        pieces, at = [], 0
        while at < len(text):
            end = at + self._random.randint(1, 9)
            pieces.append(text[at:end])
            at = end
        return pieces


class _Whole:
    def __init__(self, turn):
        self._completion = build(ParsedChatCompletion, turn["completion"])
        self.aborted = False

    def read(self):
        return self._completion

    def abort(self):
        self.aborted = True


class _AsyncWhole(_Whole):
    async def read(self):
        await anyio.lowlevel.checkpoint()
        return self._completion


class _Arriving:
    """Chunks that are waited for, so that a run can be cancelled at each."""

    def __init__(self, chunks):
        self._chunks = iter(chunks)

    def __aiter__(self):
        return self

    async def __anext__(self):
        await anyio.lowlevel.checkpoint()
        for chunk in self._chunks:
            return chunk
        raise StopAsyncIteration


class Way:
    """One half of the runner, and whether its model streams."""

    def __init__(self, name, *, is_async, streams):
        self.name = name
        self.is_async = is_async
        self.streams = streams

    def runner(self, turns, tools=(), *, functions=(), most=10, at_once=8, forced=False, messages=None, **options):
        """A runner over these turns; its script is ``runner.script``."""
        script = Script(turns, is_async=self.is_async, streams=self.streams)
        loop = Loop(
            [QUESTION] if messages is None else messages,
            Toolbox(tools, functions, allow_async=self.is_async),
            max_chat_completions=most,
            max_result=options.pop("max_result", None),
            is_forced=forced,
            context=options.pop("context", None),
        )
        kind = AsyncToolRunner if self.is_async else ToolRunner
        runner = kind(script.ask, loop, streams=self.streams, max_concurrency=at_once, **options)
        runner.script = script
        return runner


_WAYS = [
    (Way("sync-whole", is_async=False, streams=False), "asyncio"),
    (Way("sync-streamed", is_async=False, streams=True), "asyncio"),
    (Way("async-whole", is_async=True, streams=False), "asyncio"),
    (Way("async-streamed", is_async=True, streams=True), "asyncio"),
    (Way("async-whole", is_async=True, streams=False), "trio"),
    (Way("async-streamed", is_async=True, streams=True), "trio"),
]


def every_way(test):
    """Run the test each way, as `way`; the async ones on both backends."""
    return _each(_WAYS, test)


def every_streamed_way(test):
    """Run the test each way in which the model streams."""
    return _each([run for run in _WAYS if run[0].streams], test)


def every_whole_way(test):
    """Run the test each way in which the model does not stream."""
    return _each([run for run in _WAYS if not run[0].streams], test)


def _each(runs, test):
    ids = [f"{way.name}-{backend}" for way, backend in runs]
    return pytest.mark.anyio(pytest.mark.parametrize(("way", "anyio_backend"), runs, ids=ids)(test))


async def events_of(runner):
    """All events that there still are."""
    return [event async for event in runner] if hasattr(runner, "__aiter__") else list(runner)


def answers(runner):
    """What the calls were answered with, in order."""
    return [message["content"] for message in runner.messages if message["role"] in {"tool", "function"}]
