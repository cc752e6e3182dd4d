"""Whatever a model says and whatever its tools do: what holds of the history, of the limits, and of what was run."""

import itertools

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chatstream import function_tool
from chatstream.errors import (
    APIUserAbortError,
    ChatStreamError,
    ContentFilterFinishReasonError,
    LengthFinishReasonError,
    ToolLoopLimitError,
)
from chatstream.events import LOOP_EVENT_TYPES
from chatstream.tools import Deny, ToolContext
from chatstream.tools.loop import Loop
from chatstream.tools.results import told
from chatstream.tools.toolbox import Toolbox
from chatstream.types import ParsedChatCompletion, build
from chatstream.validation import problems
from scripted_model import QUESTION, Way, custom, events_of, function, says

# What a tool may do, by the argument that it is called with.
DEEDS = ["give", "raise", "nothing", "odd", "leave"]


class ToolError(Exception):
    pass


def work(deed: str, number: int, run: ToolContext[list]) -> object:
    """Do something, once."""
    run.context.append(number)
    if deed == "raise":
        raise ToolError(f"number {number}")
    return {"give": {"number": number}, "nothing": None, "odd": object(), "leave": f"left {number}"}[deed]


def shell(text: str, run: ToolContext[list]) -> str:
    run.context.append(int(text))
    return text


@function_tool(on_error="raise")
def strict(number: int, run: ToolContext[list]) -> int:
    """A tool whose failures are the caller's."""
    run.context.append(number)
    raise ToolError(number)


TOOLS = [work, strict, {"type": "custom", "custom": {"name": "shell", "function": shell}}]
NUMBERS = itertools.count()


def a_call(kind, number):
    return {
        "right": lambda: function("work", f'{{"deed": "give", "number": {number}}}'),
        "raises": lambda: function("work", f'{{"deed": "raise", "number": {number}}}'),
        "odd": lambda: function("work", f'{{"deed": "odd", "number": {number}}}'),
        "none": lambda: function("work", f'{{"deed": "nothing", "number": {number}}}'),
        "no id": lambda: function("work", f'{{"deed": "leave", "number": {number}}}', ""),
        "same id": lambda: function("work", f'{{"deed": "leave", "number": {number}}}', "call_same"),
        "unfit": lambda: function("work", f'{{"deed": 1, "number": {number}}}'),
        "no json": lambda: function("work", f'{{"deed": "give", "number": {number}'),
        "no object": lambda: function("work", f"[{number}]"),
        "blank": lambda: function("work", " "),
        "unknown": lambda: function("nothing", f'{{"number": {number}}}'),
        "custom": lambda: custom("shell", str(number)),
        "strict": lambda: function("strict", f'{{"number": {number}}}'),
    }[kind]()


RUN = {"right", "raises", "odd", "none", "no id", "same id", "custom", "strict"}  # the rest is never run
KINDS = [*sorted(RUN), "unfit", "no json", "no object", "blank", "unknown"]
CALLS = st.lists(st.sampled_from([kind for kind in KINDS if kind != "strict"]), max_size=4)
FINISHES = st.sampled_from(["stop", "tool_calls", "length", "content_filter", "other"])


def is_valid(messages):
    """Whether each call is answered exactly once, in order, before anything else is said; by hand and by the rules."""
    expected = []
    for message in messages:
        if message["role"] == "tool":
            assert expected, "an answer to nothing"
            assert message["tool_call_id"] == expected.pop(0)
        else:
            assert not expected, "a call without an answer"
            expected = [call["id"] for call in message.get("tool_calls", [])]
    assert not expected
    assert list(problems({"model": "m", "messages": messages})) == []
    return True


class LoopMachine(RuleBasedStateMachine):
    """The pure half of the loop, with a model that says anything, and tools that come out anyhow."""

    def __init__(self):
        super().__init__()
        self.loop = Loop([QUESTION], Toolbox(TOOLS, allow_async=False), 6, 100, False, [])
        self.kinds = []
        self.asked = 0

    def may_ask(self):
        return not self.loop.is_over and not self.loop.tasks and len(self.loop.completions) < 6

    @precondition(may_ask)
    @rule(kinds=CALLS, finish=FINISHES)
    def the_model_answers(self, kinds, finish):
        self.loop.check_limit()
        self.asked += 1
        calls = [a_call(kind, next(NUMBERS)) for kind in kinds]
        before = list(self.loop.messages)
        cut = finish in {"length", "content_filter"} and {"no json", "no object", "blank", "custom"} & {*kinds}
        completion = build(ParsedChatCompletion, says("Well.", *calls, finish=finish)["completion"])
        if cut:
            with pytest.raises(ChatStreamError):
                self.loop.take(completion)
            assert self.loop.messages == before
            return
        events = self.loop.take(completion)
        self.kinds = kinds
        assert [task.call.name for task in self.loop.open_tasks] == [
            "shell" if kind == "custom" else "work" for kind in kinds if kind in RUN
        ]
        assert len(events) == 2 + len(kinds)
        assert self.loop.is_over is (not kinds)

    @precondition(lambda self: self.loop.open_tasks)
    @rule(which=st.integers(0, 9), how=st.sampled_from(["settle", "fail", "give up"]))
    def a_call_comes_out(self, which, how):
        task = self.loop.open_tasks[which % len(self.loop.open_tasks)]
        if how == "settle":
            task.settle({"x": which})
        elif how == "fail":
            task.fail(told(ToolError(which)))
        else:
            task.is_given_up = True

    @precondition(lambda self: self.loop.tasks)
    @rule()
    def the_calls_are_answered(self):
        number = len(self.loop.tasks)
        events = self.loop.answer()
        assert len(events) == 2 * number
        assert self.loop.tasks == []

    @precondition(lambda self: len(self.loop.completions) >= 6)
    @rule()
    def the_limit_holds(self):
        with pytest.raises(ToolLoopLimitError):
            self.loop.check_limit()

    @precondition(lambda self: self.loop.is_over)
    @rule()
    def the_end_is_told(self):
        assert self.loop.final_events()[0].completion is self.loop.completions[-1]

    @invariant()
    def the_history_can_be_sent(self):
        if not self.loop.tasks:
            assert is_valid(self.loop.messages)

    @invariant()
    def the_limit_is_kept(self):
        assert len(self.loop.completions) <= 6


TestLoop = LoopMachine.TestCase

# A call without an id is given one by what reads streams, and by the client where an answer is whole: the script is neither.
SAME = [kind for kind in KINDS if kind != "no id"]
SCRIPTS = st.lists(st.tuples(st.lists(st.sampled_from(SAME), min_size=1, max_size=5), FINISHES), max_size=4)
HOOKS = st.sampled_from([None, "deny", "instead"])
WAYS = [
    (Way("sync whole", is_async=False, streams=False), "asyncio"),
    (Way("sync streamed", is_async=False, streams=True), "asyncio"),
    (Way("asyncio streamed", is_async=True, streams=True), "asyncio"),
    (Way("trio whole", is_async=True, streams=False), "trio"),
]


def runner_of(way, script, hook, at_once):
    """A runner over a script, what its tools note when they run, and the calls that before_call is asked about."""
    turns, number = [], itertools.count()
    for kinds, finish in script:
        calls = [{**a_call(kind, next(number)), "index": at} for at, kind in enumerate(kinds)]
        turns.append(says(None, *calls, finish=finish))
    turns.append(says("Done."))
    ran, seen = [], []

    def before(call):
        seen.append(call)
        if hook == "deny" and call.index % 2:
            return Deny("odd")
        return {"instead": True} if hook == "instead" and call.index % 2 else None

    return way.runner(turns, TOOLS, context=ran, at_once=at_once, most=3, before_call=before), ran, seen


def heard(runner, backend, listener=None):
    """The events of the loop, listened for until the end, and what was raised there."""
    told, raised = [], []
    for name in (*LOOP_EVENT_TYPES, "end", "error", "abort"):
        runner.on(name, told.append)
        if listener:
            runner.on(name, listener)

    async def read():
        try:
            await events_of(runner)
        except (ChatStreamError, ToolError) as error:
            raised.append(error)

    anyio.run(read, backend=backend)
    return told, raised


@given(script=SCRIPTS, hook=HOOKS, at_once=st.sampled_from([1, 8]))
def test_any_script_comes_to_a_valid_history_and_the_same_one_each_way(script, hook, at_once):
    outcomes = []
    for way, backend in WAYS:
        runner, ran, seen = runner_of(way, script, hook, at_once)
        events, raised = heard(runner, backend)
        assert is_valid(runner.messages)
        assert len(ran) == len(set(ran)), "something ran twice"
        assert len(runner.script.asked) <= 3
        allowed = [call for call in seen if not (hook and call.index % 2)]
        assert len(ran) == len(allowed)  # all that was whole, known and allowed, and nothing else
        if at_once == 1:
            assert ran == sorted(ran)
        outcomes.append(
            (
                [{**message} for message in runner.messages],
                [
                    event.to_dict()
                    for event in events
                    if event.type not in {"chat_completion", "final_chat_completion", "end", "error"}
                ],
                [(type(error), str(error)) for error in raised],
                sorted(ran),
            )
        )
    assert all(outcome == outcomes[0] for outcome in outcomes[1:])


DECIDED = {"final_chat_completion", "final_message", "final_content", "final_function_tool_call"}
DECIDED |= {"final_function_tool_call_result", "total_usage", "end", "error"}  # how the run ended is known by then


@given(script=SCRIPTS, place=st.integers(0, 25), at_once=st.sampled_from([1, 8]), way=st.sampled_from(WAYS))
def test_aborted_at_any_event_a_run_begins_nothing_more_and_says_so(script, place, at_once, way):
    runner, ran, _ = runner_of(way[0], script, None, at_once)
    places, then = itertools.count(), []

    def aborts(event):
        if next(places) == place:
            runner.abort()
            then.append((event.type, list(ran), len(runner.script.asked)))

    events, raised = heard(runner, way[1], aborts)
    assert is_valid(runner.messages)
    for name, ran_by_then, asked_by_then in then:
        assert ran == ran_by_then
        assert len(runner.script.asked) == asked_by_then
        if name in DECIDED:
            assert events[-1].type in {"end", "error"}
        elif isinstance(raised[0], APIUserAbortError):
            assert events[-1].type == "abort"
            assert events[-1].error is raised[0]
        else:  # what it failed with before: a tool that raises, or an answer that had come, and was cut
            assert (type(raised[0]), name) in {
                (ToolError, "function_tool_call_result"),
                (ToolError, "message"),
                (LengthFinishReasonError, "connect"),
                (ContentFilterFinishReasonError, "connect"),
            }
            assert name != "connect" or not way[0].streams
