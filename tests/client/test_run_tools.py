"""run_tools over HTTP: rounds on one connection, each with the options of the call, and nothing left whatever ends it."""

import gc
import json
import subprocess
import sys
import threading
import time
from contextlib import asynccontextmanager, suppress
from functools import partial

import anyio
import httpx
import pytest
from pydantic import BaseModel

from chatstream import AsyncChatClient, ChatClient, function_tool
from chatstream.errors import (
    APIConnectionError,
    APIStreamError,
    APITimeoutError,
    APIUserAbortError,
    BadRequestError,
    ChatStreamError,
    IncompleteStreamError,
    InternalServerError,
    LengthFinishReasonError,
    NotAStreamError,
    OutputParseError,
    ParameterError,
    RateLimitError,
    StreamConsumedError,
    StreamInterruptedError,
    ToolLoopLimitError,
)
from chatstream.server import ReplayServer
from chatstream.tools import AsyncToolRunner, Deny, ToolContext, ToolRunner
from client.test_cancellation import (
    LIBRARIES,
    cancel_at_every_wait,
    cancelled_as_a_task,
    cancelled_by_a_scope,
    cancelled_too_late,
    nothing_left,
)
from client.wire_server import (
    ASK,
    CLOSE,
    KEY,
    LAST_CHUNK,
    RESET,
    STALL,
    WireServer,
    check_left,
    check_rest,
    chunked,
    head,
    pool_of,
    whole,
)
from halves import all_of, both_halves, closed, entered, got, is_async, talking
from wire import block, chunk, wire

STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
USAGE = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}


def clock() -> str:
    """What time it is."""
    return "noon"


def weather(city: str, days: int = 1) -> dict:
    """The weather."""
    return {"city": city, "days": days}


async def async_weather(city: str, days: int = 1) -> dict:
    await anyio.lowlevel.checkpoint()
    return {"city": city, "days": days}


def tools_of(half):
    """A sync tool, and one that is async where the half can await it."""
    return [clock, function_tool(async_weather if is_async(half) else weather, name="weather")]


# What services answer


def called(name="clock", arguments="{}", number=0):
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


BOTH_CALLS = [called(), called("weather", '{"city":"Oslo"}', 1)]


def turn(stream, message, finish=None):
    """An answer that says this, with its end in the same segment."""
    finish = finish or ("tool_calls" if message.get("tool_calls") else "stop")
    if stream:
        entries = [{**one, "index": index} for index, one in enumerate(message.get("tool_calls", []))]
        deltas = [chunk({name: value}) for name, value in {**message, "tool_calls": entries}.items() if value]
        chunks = [*deltas, chunk(finish=finish), {**chunk(usage=USAGE), "choices": []}]
        return [b"".join([*chunked(wire(chunks)), LAST_CHUNK])]
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": finish}
    named = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m"}
    return whole(json.dumps({**named, "choices": [choice], "usage": USAGE}).encode())


def calling(stream, *calls):
    return turn(stream, {"tool_calls": list(calls or BOTH_CALLS)})


def saying(stream, text="Fine."):
    return turn(stream, {"content": text})


@asynccontextmanager
async def asking(half, *scripts, **options):
    """A client of a server that answers with these, one after the other; in the end no connection is left."""
    with WireServer(*scripts) as server:
        async with talking(half, server.base_url, **options) as talk:
            talk.server = server
            yield talk
            check_rest(talk.client)
        check_left(server)


def run_of(talk, stream=False, **params):
    return talk.completions.run_tools(**{**ASK, "tools": tools_of(talk.half), "stream": stream, **params})


def bodies(talk):
    return [json.loads(request.body) for request in talk.server.requests]


def check_history(messages):
    """Each call is answered, once, right behind its message and in order."""
    expected = []
    for message in messages:
        if message["role"] in {"tool", "function"}:
            assert message.get("tool_call_id", message.get("name")) == expected.pop(0)
        else:
            assert expected == []
            expected = [one["id"] for one in message.get("tool_calls", [])]
            if "function_call" in message:
                expected.append(message["function_call"]["name"])
    assert expected == []


SAID = [{"role": "user", "content": "Hi?"}]
ROUND_1 = [
    {"role": "assistant", "content": None, "tool_calls": BOTH_CALLS},
    {"role": "tool", "tool_call_id": "call_0", "content": "noon"},
    {"role": "tool", "tool_call_id": "call_1", "content": '{"city":"Oslo","days":1}'},
]


@pytest.fixture(autouse=True)
def _nothing_is_dropped():
    """What was left open would warn when it is collected, and a warning is an error: so it is collected here."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def server():
    with ReplayServer(speed=None, fault_header=True, grace=0.1) as running:
        yield running


# Runs that go well


@both_halves
@STREAMED
async def test_the_calls_of_an_answer_are_run_and_the_model_is_asked_again(half, stream):
    async with asking(half, calling(stream), saying(stream)) as talk:
        runner = run_of(talk, stream)
        assert type(runner) is (AsyncToolRunner if is_async(half) else ToolRunner)
        assert talk.requests == []  # nothing is sent before it is read
        async with entered(runner):
            assert await got(runner.final_content()) == "Fine."
        assert runner.messages == [*SAID, *ROUND_1, {"role": "assistant", "content": "Fine."}]
        assert [one["messages"] for one in bodies(talk)] == [SAID, [*SAID, *ROUND_1]]
        assert [one.get("stream") for one in bodies(talk)] == [stream or None] * 2
        assert all(one["tools"] == bodies(talk)[0]["tools"] for one in bodies(talk))
        assert (await got(runner.total_usage())).total_tokens == 10
        assert [one.choices[0].finish_reason for one in runner.all_chat_completions()] == ["tool_calls", "stop"]
        assert (await got(runner.final_function_tool_call())).id == "call_1"
        assert await got(runner.final_function_tool_call_result()) == '{"city":"Oslo","days":1}'
        assert len(talk.server.connections) == 1
        assert [connection.is_idle() for connection in pool_of(talk.client)] == [True]


@both_halves
@STREAMED
async def test_the_events_of_all_rounds_come_in_order(half, stream):
    async with asking(half, calling(stream), saying(stream)) as talk:
        heard = []
        runner = run_of(talk, stream)
        runner.on("function_tool_call_result", heard.append)
        events = await all_of(runner)
    loop = [
        event.type
        for event in events
        if not event.type.startswith(("chunk", "content.", "tool_calls.", "choice.", "usage"))
    ]
    assert loop == [
        "connect", "chat_completion", "message", "function_tool_call", "function_tool_call",
        "function_tool_call_result", "message", "function_tool_call_result", "message",
        "connect", "chat_completion", "message",
        "final_chat_completion", "final_message", "final_content", "final_function_tool_call",
        "final_function_tool_call_result", "total_usage", "end",
    ]  # fmt: skip
    assert any(event.type == "content.delta" for event in events) is stream
    assert [event.content for event in heard] == ["noon", '{"city":"Oslo","days":1}']
    for event in events:
        assert json.loads(json.dumps(event.to_dict(lazies=True)))["type"] == event.type


@both_halves
@STREAMED
async def test_a_service_that_streams_or_not_although_it_was_asked_to_is_understood(half, stream):
    async with asking(half, calling(not stream), saying(not stream)) as talk:
        assert await got(run_of(talk, stream).final_content()) == "Fine."


@both_halves
@STREAMED
async def test_the_local_server_calls_and_is_answered(half, stream, server):
    said = {"model": "echo", "messages": [{"role": "user", "content": "call clock and call weather and call clock"}]}
    async with talking(half, server.base_url) as talk:
        runner = await got(run_of(talk, stream, **said).until_done())
        check_rest(talk.client)
    check_history(runner.messages)
    assert [one["content"] for one in runner.messages if one["role"] == "tool"] == [
        "noon",
        '{"city":"city","days":1}',
        "noon",
    ]
    assert "clock returned: noon" in await got(runner.final_content())
    assert [request.body["messages"] for request in server.requests[-2:]] == [said["messages"], runner.messages[:-1]]


class Shout(BaseModel):
    """Say it loudly."""

    text: str

    def __call__(self, context: ToolContext[str]) -> str:
        return f"{self.text.upper()}{context.context}"


def run_code(code: str) -> str:
    return f"ran {code!r}"


@both_halves
@STREAMED
async def test_models_dicts_and_custom_tools_are_run(half, stream):
    described = {"name": "double", "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}}}
    custom = {"type": "custom", "custom": {"name": "run_code"}}
    tools = [
        Shout,
        {"type": "function", "function": {**described, "function": lambda x: 2 * x}},
        {**custom, "callable": run_code},
    ]
    calls = [
        called("Shout", '{"text":"hey"}'),
        called("double", '{"x":21}', 1),
        {"id": "call_2", "type": "custom", "custom": {"name": "run_code", "input": "1+1"}},
    ]
    async with asking(half, calling(stream, *calls), saying(stream)) as talk:
        runner = await got(run_of(talk, stream, tools=tools, context="!").until_done())
        told = bodies(talk)[0]["tools"]
    assert [one["content"] for one in runner.messages if one["role"] == "tool"] == ["HEY!", "42", "ran '1+1'"]
    assert told == [function_tool(Shout).to_param(), {"type": "function", "function": described}, custom]


@both_halves
@STREAMED
async def test_older_functions_are_run_and_answered_in_their_own_form(half, stream, server):
    said = {"model": "echo", "messages": [{"role": "user", "content": "call clock"}]}
    async with talking(half, server.base_url) as talk:
        runner = await got(run_of(talk, stream, **said, tools=None, functions=[clock]).until_done())
    assert runner.messages[2] == {"role": "function", "name": "clock", "content": "noon"}
    assert server.requests[-1].body["functions"][0]["name"] == "clock"
    assert "tools" not in server.requests[-1].body
    check_history(runner.messages)


class Verdict(BaseModel):
    fine: bool


@both_halves
@STREAMED
async def test_the_last_answer_is_parsed_by_the_format(half, stream):
    async with asking(half, calling(stream), saying(stream, '{"fine":true}')) as talk:
        runner = run_of(talk, stream, response_format=Verdict)
        assert (await got(runner.final_message())).parsed == Verdict(fine=True)
        assert [one["response_format"]["json_schema"]["name"] for one in bodies(talk)] == ["Verdict"] * 2
    async with asking(half, calling(stream), saying(stream, '{"fine":"hush"}')) as talk:
        runner = run_of(talk, stream, response_format=Verdict)
        with pytest.raises(OutputParseError, match=r"^the answer does not fit: fine: bool_parsing$") as raised:
            await got(runner.until_done())
        assert raised.value.completion.choices[0].message.content == '{"fine":"hush"}'
        assert runner.messages == [*SAID, *ROUND_1]


@both_halves
@STREAMED
async def test_what_goes_wrong_with_a_call_is_told_to_the_model(half, stream):
    def failing() -> None:
        raise ZeroDivisionError("by nothing")

    calls = [called("weather", '{"city":'), called("weather", '{"days":2}', 1), called("nobody", "{}", 2), called("failing", "{}", 3), called(number=4)]  # fmt: skip
    async with asking(half, calling(stream, *calls), saying(stream)) as talk:
        runner = await got(run_of(talk, stream, tools=[*tools_of(half), failing]).until_done())
        told = [one["content"] for one in bodies(talk)[1]["messages"] if one["role"] == "tool"]
    assert [text.partition(":")[0] for text in told] == ["Error", "Error", "Error", "Error", "noon"]
    assert "do not fit weather" in told[0]
    assert "city: Field required" in told[1]
    assert "no tool 'nobody'" in told[2]
    assert told[3] == "Error: ZeroDivisionError: by nothing"
    check_history(runner.messages)


@both_halves
@STREAMED
async def test_hooks_decide_on_calls_and_results(half, stream):
    async with asking(half, calling(stream), saying(stream)) as talk:
        runner = run_of(
            talk,
            stream,
            before_call=lambda call: Deny("not today") if call.name == "clock" else None,
            after_call=lambda call, result: {**result, "seen": True},
        )
        await got(runner.until_done())
    assert [one["content"] for one in runner.messages if one["role"] == "tool"] == [
        "Error: the call was denied: not today",
        '{"city":"Oslo","days":1,"seen":true}',
    ]


@both_halves
async def test_a_tool_that_is_forced_is_called_once(half):
    async with asking(half, calling(False, called())) as talk:
        forced = {"type": "function", "function": {"name": "clock"}}
        runner = await got(run_of(talk, tool_choice=forced).until_done())
        assert len(talk.requests) == 1
    assert runner.messages[-1] == {"role": "tool", "tool_call_id": "call_0", "content": "noon"}


# The options of the request hold for each round


@both_halves
@STREAMED
async def test_headers_and_what_else_is_sent_are_those_of_each_round(half, stream):
    options = {
        "extra_headers": {"X-Own": "mine"}, "extra_query": {"q": "1"}, "extra_body": {"own": True}, "temperature": 0.5,
    }  # fmt: skip
    async with asking(half, calling(stream), calling(stream), saying(stream)) as talk:
        await got(run_of(talk, stream, **options).until_done())
        sent = talk.server.requests
        assert len(sent) == 3
        assert {request.headers["x-own"] for request in sent} == {"mine"}
        assert {request.path for request in sent} == {"/v1/chat/completions?q=1"}
        assert {(one["own"], one["temperature"]) for one in bodies(talk)} == {(True, 0.5)}


@both_halves
@STREAMED
async def test_each_round_is_another_question_to_who_goes_by_the_key_of_idempotency(half, stream):
    async with asking(half, calling(stream), calling(stream), saying(stream)) as talk:
        await got(run_of(talk, stream, idempotency_key="abc").until_done())
        assert [request.headers["idempotency-key"] for request in talk.server.requests] == ["abc", "abc-2", "abc-3"]
    again = whole(b"", "500 Internal Server Error")
    async with asking(half, again, calling(stream), again, saying(stream), sleep=no_sleep(half)) as talk:
        await got(run_of(talk, stream, idempotency_key="abc", max_retries=1).until_done())
        assert [request.headers["idempotency-key"] for request in talk.server.requests] == [
            "abc",
            "abc",
            "abc-2",
            "abc-2",
        ]


def no_sleep(half):
    async def sleep(seconds):
        await anyio.lowlevel.checkpoint()

    return sleep if is_async(half) else lambda seconds: None


@both_halves
@STREAMED
async def test_each_round_is_tried_again_as_often_as_the_call_says(half, stream):
    failing = whole(b"", "500 Internal Server Error")
    async with asking(half, failing, calling(stream), failing, saying(stream), sleep=no_sleep(half)) as talk:
        runner = run_of(talk, stream, max_retries=1)
        assert await got(runner.final_content()) == "Fine."
        assert len(talk.server.requests) == 4
    async with asking(half, calling(stream), failing, sleep=no_sleep(half)) as talk:
        runner = run_of(talk, stream, max_retries=2)
        with pytest.raises(InternalServerError) as raised:
            await got(runner.until_done())
        assert raised.value.retries == 2
        assert len(talk.server.requests) == 4


@both_halves
@STREAMED
async def test_the_timeout_holds_for_each_round(half, stream):
    for stalling, phase in [([STALL], "first_byte"), ([head(content_length=9) + b"\n", STALL], "idle")]:
        async with asking(half, calling(stream), stalling) as talk:
            runner = run_of(talk, stream, timeout=0.2)
            with pytest.raises(APITimeoutError) as raised:
                await got(runner.until_done())
            assert raised.value.phase == phase
            assert runner.messages == [*SAID, *ROUND_1]


def slow_tool() -> str:
    time.sleep(0.4)
    return "noon"


@both_halves
async def test_a_tool_may_take_longer_than_a_request(half):
    async with asking(half, calling(False, called("slow_tool")), saying(False)) as talk:
        assert await got(run_of(talk, tools=[slow_tool], timeout=0.3).final_content()) == "Fine."


@both_halves
@STREAMED
async def test_reading_options_that_can_be_read_once_hold_for_each_round(half, stream):
    async with asking(half, calling(stream), turn(stream, {"content": "So"}, "length")) as talk:
        runner = run_of(talk, stream, raise_on=iter(["length"]))
        with pytest.raises(LengthFinishReasonError) as raised:
            await got(runner.until_done())
    assert raised.value.completion.choices[0].message.content == "So"


# Runs that fail

HTML = whole(b"<html>Login</html>", content_type="text/html")
JSON_ERROR = b'{"error": {"message": "boom", "code": "c"}}'
FAILURES = {
    "400": (whole(JSON_ERROR, "400 Bad Request"), BadRequestError),
    "429": (whole(JSON_ERROR, "429 Too Many Requests"), RateLimitError),
    "500": (whole(b"", "500 Internal Server Error"), InternalServerError),
    "an error with 200": (whole(JSON_ERROR), APIStreamError),
    "a page": (HTML, NotAStreamError),
    "nothing": (whole(b""), IncompleteStreamError),
    "a choice that is missing": (whole(b'{"object": "chat.completion", "choices": []}'), IncompleteStreamError),
    "closed": ([CLOSE], APIConnectionError),
    "reset": ([*chunked(block(chunk({"content": "F"}))), RESET], StreamInterruptedError),
    "cut": ([*chunked(block(chunk({"content": "F"}))), LAST_CHUNK], IncompleteStreamError),
    "a call that is cut": ([*chunked(block(chunk({"tool_calls": [{**called(), "index": 0}]}))), LAST_CHUNK], IncompleteStreamError),
    "a call at the limit": (turn(True, {"tool_calls": [called(arguments='{"a')]}, "length"), LengthFinishReasonError),
}  # fmt: skip


@both_halves
@STREAMED
async def test_a_failure_in_the_second_round_is_raised_as_what_it_is_and_the_history_is_kept(half, stream):
    for name, (script, kind) in FAILURES.items():
        async with asking(half, calling(stream), script, saying(stream)) as talk:
            heard = []
            runner = run_of(talk, stream)
            runner.on("error", heard.append)
            with pytest.raises(ChatStreamError) as raised:
                await all_of(runner)
            assert (name, raised.type) == (name, kind)
            assert [event.error for event in heard] == [raised.value]
            assert runner.messages == [*SAID, *ROUND_1], name
            assert len(runner.all_chat_completions()) == 1
            with pytest.raises(StreamConsumedError):
                await all_of(runner)
            with pytest.raises(kind):
                await got(runner.until_done())
            check_rest(talk.client)
            # The history can be sent again.
            going_on = run_of(talk, stream, messages=runner.messages)
            assert await got(going_on.final_content()) == "Fine."
            assert bodies(talk)[-1]["messages"] == [*SAID, *ROUND_1]


@both_halves
@STREAMED
async def test_the_calls_of_an_answer_that_was_cut_are_not_run_even_if_cut_answers_are_taken(half, stream):
    ran = []
    run = {"type": "custom", "custom": {"name": "run"}, "callable": ran.append}
    entry = {"index": 0, "id": "call_0", "type": "custom", "custom": {"name": "run", "input": "rm -rf /ho"}}
    cut = [*chunked(block(chunk({"tool_calls": [entry]}))), LAST_CHUNK]
    async with asking(half, cut, saying(stream)) as talk:
        runner = run_of(talk, stream, tools=[run], allow_incomplete=True)
        with pytest.raises(IncompleteStreamError) as raised:
            await got(runner.until_done())
        assert raised.value.completion.choices[0].message.tool_calls[0].custom.input == "rm -rf /ho"
        assert (ran, runner.messages, len(talk.requests)) == ([], SAID, 1)


@both_halves
@STREAMED
async def test_a_failure_in_the_first_round_leaves_the_messages_as_they_were(half, stream):
    async with asking(half, FAILURES["500"][0]) as talk:
        runner = run_of(talk, stream)
        with pytest.raises(InternalServerError):
            await got(runner.until_done())
    assert runner.messages == SAID


@both_halves
@STREAMED
async def test_a_limit_that_is_reached_is_an_error_with_the_whole_history(half, stream):
    async with asking(half, calling(stream)) as talk:
        runner = run_of(talk, stream, max_chat_completions=3)
        with pytest.raises(ToolLoopLimitError) as raised:
            await got(runner.until_done())
        assert len(talk.requests) == 3
        assert raised.value.messages == runner.messages == [*SAID, *ROUND_1 * 3]
        assert raised.value.completion.choices[0].message.tool_calls
        assert len(talk.server.connections) == 1


@both_halves
@STREAMED
async def test_an_error_that_a_tool_is_to_raise_is_raised_as_it_is_and_nothing_is_left(half, stream):
    @function_tool(on_error="raise")
    def failing() -> None:
        raise ZeroDivisionError("by nothing")

    async with asking(half, calling(stream, called("failing"), called(number=1)), saying(stream)) as talk:
        runner = run_of(talk, stream, tools=[failing, clock])
        with pytest.raises(ZeroDivisionError, match="by nothing"):
            await got(runner.until_done())
        assert len(talk.requests) == 1
        check_history(runner.messages)
        assert runner.messages[-1]["content"] == "noon"


# Runs that are left or stopped


@both_halves
@pytest.mark.parametrize(
    "event", ["tool_calls.added", "function_tool_call", "function_tool_call_result", "content.delta"]
)
async def test_a_run_that_is_left_early_gives_its_connection_back(half, event):
    async with asking(half, calling(True), saying(True)) as talk:
        runner = run_of(talk, True)
        async with entered(runner):
            assert (await got(runner.wait_for(event))).type == event
        check_rest(talk.client)
        with suppress(StreamConsumedError):
            await all_of(runner)
        check_history(runner.messages)


@both_halves
async def test_a_run_that_is_closed_in_the_middle_of_an_answer_ends_its_connection(half):
    answer = [*chunked(block(chunk({"content": "F"}))), STALL]
    async with asking(half, calling(True), answer) as talk:
        runner = run_of(talk, True)
        await got(runner.wait_for("content.delta"))
        assert len(pool_of(talk.client)) == 1
        await closed(runner)
        assert pool_of(talk.client) == []
        talk.server.saw_the_end()
        assert runner.messages == [*SAID, *ROUND_1]


@both_halves
@STREAMED
async def test_an_abort_ends_a_request_that_is_waited_for(half, stream):
    for stalling in ([STALL], [*chunked(block(chunk({"content": "F"}))), STALL]):
        asked = threading.Event()

        def script(request, stalling=stalling, asked=asked):
            asked.set()
            return stalling

        async with asking(half, calling(stream), script) as talk:
            runner, heard = run_of(talk, stream), []
            runner.on("abort", heard.append)
            with pytest.raises(APIUserAbortError) as raised:
                await while_waiting(half, runner, asked)
            assert [event.error for event in heard] == [raised.value]
            assert pool_of(talk.client) == []
            talk.server.saw_the_end()
            assert runner.messages == [*SAID, *ROUND_1]


async def while_waiting(half, runner, asked):
    """Read the run to its end, and abort it from elsewhere as soon as it was asked."""
    if is_async(half):
        async with anyio.create_task_group() as group:

            async def abort():
                while not asked.is_set():  # noqa: ASYNC110  a thread sets it
                    await anyio.sleep(0.005)
                await anyio.sleep(0.02)
                runner.abort()

            group.start_soon(abort)
            try:
                await runner.until_done()
            except APIUserAbortError as error:
                aborted = error
        raise aborted
    thread = threading.Thread(target=lambda: (asked.wait(5), time.sleep(0.02), runner.abort()))
    thread.start()
    try:
        runner.until_done()
    finally:
        thread.join()


@both_halves
@STREAMED
async def test_an_abort_by_a_listener_or_a_tool_asks_no_further(half, stream):
    async with asking(half, calling(stream)) as talk:
        runner = run_of(talk, stream)
        runner.on("function_tool_call", lambda event: runner.abort())
        with pytest.raises(APIUserAbortError) as raised:
            await got(runner.until_done())
        check_history(runner.messages)
        assert len(runner.messages) == 4
        assert raised.value.completion is not None

        def stop(city: str) -> None:
            stopping.abort()

        stopping = run_of(talk, stream, tools=[clock, function_tool(stop, name="weather")])
        with pytest.raises(APIUserAbortError):
            await got(stopping.until_done())
        check_history(stopping.messages)
        assert len(talk.requests) == 2


@both_halves
@STREAMED
async def test_an_abort_before_it_begins_sends_nothing(half, stream, server):
    async with talking(half, server.base_url) as talk:
        runner = run_of(talk, stream)
        runner.abort()
        with pytest.raises(APIUserAbortError):
            await got(runner.until_done())
        assert talk.requests == []
        assert runner.messages == SAID


# Cancelled wherever it waits

CALLING = {"model": "echo", "messages": [{"role": "user", "content": "call clock and call weather"}]}


async def run_with_tools(client, *, stream, in_a_context):
    """A run with one sync tool and one async: two rounds. Whatever ends it, its history can be sent."""
    runner = client.chat.completions.run_tools(**CALLING, tools=tools_of("async"), stream=stream)
    try:
        if in_a_context:
            async with runner:
                async for _ in runner:
                    pass
        else:
            await runner.until_done()
    finally:
        check_history(runner.messages)
    assert runner.messages[-1]["role"] == "assistant"


RUNS = {
    "whole": partial(run_with_tools, stream=False, in_a_context=False),
    "streamed": partial(run_with_tools, stream=True, in_a_context=False),
    "whole, in a context": partial(run_with_tools, stream=False, in_a_context=True),
    "streamed, in a context": partial(run_with_tools, stream=True, in_a_context=True),
}
EACH_RUN = pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)


@pytest.mark.anyio
@LIBRARIES
@EACH_RUN
async def test_cancelled_by_a_scope_nothing_is_left(run, library, server):
    await cancel_at_every_wait(run, cancelled_by_a_scope, library, server, warm=False)


@pytest.mark.anyio
@EACH_RUN
async def test_cancelled_as_what_it_waits_for_comes_nothing_is_left(run, server):
    await cancel_at_every_wait(run, cancelled_too_late, httpx, server, warm=True)


@pytest.mark.asyncio
@EACH_RUN
async def test_cancelled_as_a_task_nothing_is_left(run, server):
    await cancel_at_every_wait(run, cancelled_as_a_task, httpx, server, warm=False)


@pytest.mark.anyio
async def test_a_cancelled_run_cancels_its_tools_and_tells_those_in_threads():
    begun, ended = anyio.Event(), []
    told, going = [], threading.Event()

    async def forever() -> str:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("cancelled")

    def in_a_thread(context: ToolContext) -> str:
        going.set()
        deadline = time.monotonic() + 5
        while not context.is_cancelled and time.monotonic() < deadline:
            time.sleep(0.005)
        told.append(context.is_cancelled)
        return "late"

    with WireServer(calling(False, called("forever"), called("in_a_thread", number=1))) as server:
        async with nothing_left(), AsyncChatClient(base_url=server.base_url, max_retries=0) as client:
            runner = client.chat.completions.run_tools(**ASK, tools=[forever, in_a_thread])
            async with anyio.create_task_group() as group:
                group.start_soon(runner.until_done)
                await begun.wait()
                while not going.is_set():  # noqa: ASYNC110  a thread sets it
                    await anyio.sleep(0.005)
                group.cancel_scope.cancel()
            assert ended == ["cancelled"]
            check_rest(client)
            check_history(runner.messages)
            while not told:  # noqa: ASYNC110  a thread tells
                await anyio.sleep(0.005)
    assert told == [True]


def test_an_interrupt_in_a_tool_leaves_nothing():
    def interrupted() -> None:
        raise KeyboardInterrupt

    with WireServer(calling(True, called("interrupted"))) as server:
        with ChatClient(base_url=server.base_url, max_retries=0) as client:
            runner = client.chat.completions.run_tools(**ASK, tools=[interrupted], stream=True)
            with pytest.raises(KeyboardInterrupt):
                runner.until_done()
            check_rest(client)
            check_history(runner.messages)
        check_left(server)


# What is refused before it is sent


async def async_clock() -> str:
    return "noon"


class Mute(BaseModel):
    text: str


WRONG = {
    "a tool that is a number": ({"tools": [7]}, TypeError, r"tools\[0\]"),
    "a tool that is no list": ({"tools": clock}, TypeError, "tools"),
    "tools that are a text": ({"tools": "clock"}, TypeError, "tools"),
    "tools that are a dict": ({"tools": {"type": "function"}}, TypeError, "tools"),
    "a dict without a callable": ({"tools": [clock, {"type": "function", "function": {"name": "x"}}]}, TypeError, r"tools\[1\]"),
    "a model that cannot be run": ({"tools": [Mute]}, TypeError, r"tools\[0\]: Mute"),
    "two tools of a name": ({"tools": [clock, clock]}, ParameterError, r"tools\[1\].*'clock'"),
    "tools and functions": ({"functions": [weather]}, ParameterError, "functions: not allowed together with tools"),
    "two choices": ({"n": 2}, ParameterError, "^n: "),
    "a number of choices that is none": ({"n": [1]}, ParameterError, "^n: "),
    "no round": ({"max_chat_completions": 0}, ValueError, "max_chat_completions"),
    "half a round": ({"max_chat_completions": 1.5}, TypeError, "max_chat_completions"),
    "no call at once": ({"max_concurrency": 0}, ValueError, "max_concurrency"),
    "true calls at once": ({"max_concurrency": True}, TypeError, "max_concurrency"),
    "a stream that is none": ({"stream": None}, TypeError, "stream"),
    "a format that is none": ({"response_format": int}, TypeError, "response_format"),
    "a format by name": ({"response_format": "json"}, ParameterError, "response_format"),
    "a choice of no tool": ({"tool_choice": {"type": "function", "function": {"name": "x"}}}, ParameterError, "tool_choice"),
    "a parameter out of its range": ({"temperature": 9}, ParameterError, "temperature"),
    "a parameter that is unknown": ({"temprature": 1}, TypeError, "temprature"),
    "an option that is unknown": ({"record": "tape"}, TypeError, "record"),
    "a timeout that is none": ({"timeout": "long"}, TypeError, "timeout"),
    "retries that are none": ({"max_retries": -1}, ValueError, "max_retries"),
    "headers that are none": ({"extra_headers": 7}, TypeError, "extra_headers"),
    "no messages": ({"messages": []}, ParameterError, "messages"),
    "messages that are a text": ({"messages": "Hi?"}, TypeError, "messages"),
    "a message that is none": ({"messages": [7]}, TypeError, r"messages\[0\]"),
    "a model that is none": ({"model": 7}, ParameterError, "model"),
    "finish reasons that are none": ({"raise_on": ["stop"]}, ValueError, "raise_on"),
    "finish reasons that are a text": ({"raise_on": "length"}, ValueError, "raise_on"),
}  # fmt: skip


@both_halves
async def test_what_is_wrong_with_an_argument_is_told_by_the_call(half, server):
    async with talking(half, server.base_url) as talk:
        for name, (params, kind, words) in WRONG.items():
            with pytest.raises(kind, match=words) as raised:
                talk.completions.run_tools(**{**ASK, "tools": [clock], **params})
            assert (name, raised.type) == (name, kind)
        assert talk.requests == []


def test_the_sync_client_takes_no_async_tool(server):
    described = {"type": "function", "function": {"name": "x", "function": async_clock}}
    with ChatClient(base_url=server.base_url) as client:
        for tools in ([async_clock], [function_tool(async_clock)], [described]):
            with pytest.raises(TypeError, match=r"tools\[0\].*AsyncChatClient"):
                client.chat.completions.run_tools(**ASK, tools=tools)
        with pytest.raises(TypeError, match=r"functions\[0\].*AsyncChatClient"):
            client.chat.completions.run_tools(**ASK, functions=[async_clock])


@both_halves
async def test_a_run_without_tools_is_an_answer(half):
    for tools in ({}, {"tools": []}, {"tools": None, "functions": None}):
        async with asking(half, saying(False)) as talk:
            runner = talk.completions.run_tools(**ASK, **tools)
            assert await got(runner.final_content()) == "Fine."
            assert bodies(talk)[0].keys() == {"messages", "model"}


@both_halves
async def test_what_was_given_is_not_changed_and_its_later_changes_are_not_sent(half):
    messages, tools = list(SAID), [clock]
    async with asking(half, calling(False, called()), saying(False)) as talk:
        runner = run_of(talk, messages=messages, tools=tools)
        messages.append({"role": "user", "content": "And?"})
        tools.append(weather)
        await got(runner.until_done())
        assert [one["messages"][0] for one in bodies(talk)] == SAID * 2
        assert [len(one["messages"]) for one in bodies(talk)] == [1, 3]
        assert [len(one["tools"]) for one in bodies(talk)] == [1, 1]
    assert (len(messages), len(tools)) == (2, 2)


# Keys


@both_halves
@STREAMED
async def test_the_key_is_in_no_event_message_or_error(half, stream):
    def telling() -> None:
        raise ValueError(f"Authorization: Bearer {KEY} was refused")

    def echoing(request):
        told = {"error": {"message": f"Incorrect API key provided: {request.headers['authorization']}", "code": KEY}}
        return whole(json.dumps(told).encode(), "400 Bad Request")

    async with asking(half, calling(stream, called("telling")), echoing, api_key=KEY) as talk:
        runner, events = run_of(talk, stream, tools=[telling]), []
        with pytest.raises(BadRequestError) as raised:
            async with entered(runner):
                await read_into(events, runner)
        written = [json.dumps(event.to_dict(lazies=True)) for event in events]
        told = [repr(runner), *map(repr, events), *written, json.dumps(runner.messages), repr(runner.messages)]
        error = raised.value
        told += [str(error), repr(error), repr(error.args), repr(error.body), repr(error.__cause__), repr(error.code)]
        assert [text for text in told if KEY in text] == []
        assert "ValueError: Authorization" in runner.messages[-1]["content"]
        assert all(KEY in request.headers["authorization"] for request in talk.server.requests)


async def read_into(events, runner):
    """Iterate, and keep what came also if it fails in the end."""
    if hasattr(runner, "__aiter__"):
        async for event in runner:
            events.append(event)
    else:
        for event in runner:
            events.append(event)


# Names


def test_a_function_tool_is_made_without_a_client_or_an_http_library():
    script = "import json, sys; from chatstream import function_tool; print(json.dumps([function_tool.__name__, *sys.modules]))"
    out = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], check=True, capture_output=True, text=True
    ).stdout
    name, *loaded = json.loads(out)
    assert name == "function_tool"
    assert "pydantic" in loaded
    assert not set(loaded) & {
        "anyio",
        "h11",
        "httpcore",
        "httpx",
        "httpx2",
        "httpx_sse",
        "chatstream.client",
        "chatstream.tools",
    }


def test_the_names_of_the_tool_loop_have_their_rooms():
    import chatstream.structured
    import chatstream.tools

    assert {"AsyncToolRunner", "Deny", "ToolCall", "ToolContext", "ToolRunner"} <= set(chatstream.tools.__all__)
    assert {"FunctionTool", "OutputFormat", "ToolContext", "function_tool", "output_format"} <= set(
        chatstream.structured.__all__
    )
    assert chatstream.tools.ToolContext is chatstream.structured.ToolContext
