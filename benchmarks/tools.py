"""The tool loop: calls of one message side by side against the same one after the other, and what a round costs itself.

The model is scripted and answers at once, so that all the time there is goes into the tools, which sleep, and into the
loop. Rules: the two ways take turns, each run is checked for its history, and the floor is what the longest tool takes.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from benchmarks.measure import WrongResultError, spread
from chatstream.tools import AsyncToolRunner, ToolRunner
from chatstream.tools.loop import Loop
from chatstream.tools.toolbox import Toolbox
from chatstream.types import ParsedChatCompletion, build

if TYPE_CHECKING:
    from collections.abc import Callable

WAYS = ("sync", "async, sync tools", "async")


class _Answer:
    """What a scripted model says, at once."""

    def __init__(self, completion: ParsedChatCompletion[Any]) -> None:
        self.completion = completion

    def read(self) -> ParsedChatCompletion[Any]:
        return self.completion

    def abort(self) -> None:
        pass


class _AsyncAnswer(_Answer):
    async def read(self) -> ParsedChatCompletion[Any]:  # type: ignore[override]
        return self.completion


def measure_tools(calls: tuple[int, ...], *, seconds: float, rounds: int) -> list[dict[str, Any]]:
    """Of each number of calls and each way: seconds side by side, over those of one tool, and over one by one."""
    return [_measure(way, number, seconds, rounds) for number in calls for way in WAYS]


def _measure(way: str, calls: int, seconds: float, rounds: int) -> dict[str, Any]:
    together, one_by_one = [], []
    for _ in range(rounds):
        together.append(_timed(way, calls, seconds, at_once=8))
        one_by_one.append(_timed(way, calls, seconds, at_once=1))
    return {
        "way": way,
        "calls": calls,
        "tool_seconds": seconds,
        "seconds": together,
        "over_one_by_one": spread(together, one_by_one),
        "over_one_tool": spread(together, [seconds] * rounds),
    }


def _timed(way: str, calls: int, seconds: float, *, at_once: int) -> float:
    run = _run_sync if way == "sync" else _run_async
    tool = _sleeper(seconds) if way != "async" else _async_sleeper(seconds)
    started = time.perf_counter()
    messages = run(tool, calls, at_once)
    took = time.perf_counter() - started
    answers = [message["content"] for message in messages if message["role"] == "tool"]
    if answers != [f"city {number}" for number in range(calls)]:
        raise WrongResultError(f"tools, {way}: {answers}")
    return took


def _sleeper(seconds: float) -> Callable[[str], str]:
    def weather(city: str) -> str:
        time.sleep(seconds)
        return city

    return weather


def _async_sleeper(seconds: float) -> Callable[[str], Any]:
    async def weather(city: str) -> str:
        await asyncio.sleep(seconds)
        return city

    return weather


def _loop(tool: Any, *, allow_async: bool) -> Loop:
    return Loop(
        [{"role": "user", "content": "?"}],
        Toolbox([tool], allow_async=allow_async),
        max_chat_completions=2,
        max_result=None,
        is_forced=False,
    )


def _run_sync(tool: Any, calls: int, at_once: int) -> list[Any]:
    turns = _turns(calls)
    runner = ToolRunner(
        lambda _: _Answer(next(turns)), _loop(tool, allow_async=False), streams=False, max_concurrency=at_once
    )
    return runner.until_done().messages


def _run_async(tool: Any, calls: int, at_once: int) -> list[Any]:
    async def run() -> list[Any]:
        turns = _turns(calls)
        runner = AsyncToolRunner(
            lambda _: _AsyncAnswer(next(turns)), _loop(tool, allow_async=True), streams=False, max_concurrency=at_once
        )
        return (await runner.until_done()).messages

    return asyncio.run(run())


def _turns(calls: int) -> Any:
    functions = [{"name": "weather", "arguments": f'{{"city": "city {number}"}}'} for number in range(calls)]
    asked = [{"id": f"call_{n}", "type": "function", "function": each} for n, each in enumerate(functions)]
    yield _completion({"role": "assistant", "content": None, "tool_calls": asked}, "tool_calls")
    yield _completion({"role": "assistant", "content": "Done."}, "stop")


def _completion(message: dict[str, Any], finish_reason: str) -> ParsedChatCompletion[Any]:
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return build(ParsedChatCompletion[Any], {"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice]})
