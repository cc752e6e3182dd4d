"""The laws of architecture.md that hold for all inputs, with Hypothesis. Law 6 and law 8 are in test_sse.py."""

import io
import json
from base64 import b64decode, b64encode
from random import Random

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chatstream.accumulator import ChatCompletionAccumulator
from chatstream.ends import Limits
from chatstream.errors import ChatStreamError
from chatstream.parser import ChatStreamParser
from chatstream.recording import Recording
from chatstream.types import ChatCompletion, build
from counting import opcodes, peaks
from made_up import ODD, arguments, body, chunks, mutated, pieces, text, token, usage
from sources_for_tests import AsyncReads, Reads, through_async_stream, through_stream
from wire import byte_by_byte, chunk, cut, dump, look_at, look_at_model, random_cuts, read, read_chunks, told, wire

randoms = st.randoms(use_true_random=False)
seeds = st.integers(0, 2**32)


# 1. How the bytes are cut does not matter


@given(seeds, randoms, st.booleans())
def test_how_the_bytes_are_cut_does_not_matter(seed, random, broken):
    made = Random(seed)
    data = body(made, odd=made.choice([0.0, 0.2]), halves=0.1)
    data = mutated(made, data) if broken else data
    parser, events = read([data])
    for reads in (byte_by_byte(data), random_cuts(data, random)):
        other_parser, other_events = read(reads)
        assert other_events == events
        assert told(other_parser) == told(parser)


@given(
    st.lists(
        st.sampled_from(
            [b"\n", b"\r", b"data", b":", b" ", b"{}", b'{"choices":[]}', b"[DONE]", b"\xef\xbb\xbf", b"error", b"x"]
        )
    )
)
def test_how_line_ends_and_fields_are_cut_does_not_matter(parts):
    data = b"".join(parts)
    parser, events = read([data])
    for reads in (parts, byte_by_byte(data), [data, b""], [b"", data]):
        other_parser, other_events = read(reads)
        assert other_events == events
        assert told(other_parser) == told(parser)


@given(st.lists(st.sampled_from([b": a\n", b"data:\n\n", b"data: [DONE]\n\n", b"data: x\n\n"]), max_size=6))
def test_keep_alives_are_counted_up_to_the_end_however_the_bytes_are_cut(parts):
    data = b"".join(parts)
    assert read(byte_by_byte(data))[0].keep_alives == read([data])[0].keep_alives


# 2. No bytes and no JSON make the parser raise


def look_at_all(parser, events):
    for event in events:
        look_at(event)
    look_at_model(parser.snapshot)
    if events[-1].type == "error":
        assert isinstance(events[-1].error, ChatStreamError)
        assert dump(events[-1].error.completion) == dump(parser.snapshot)


@given(st.lists(st.binary()))
def test_no_bytes_make_the_parser_raise(reads):
    look_at_all(*read(reads))


keys = st.sampled_from([
    "choices", "usage", "id", "error", "object", "created", "model", "x_groq", "service_tier", "index", "delta", "message", "finish_reason",
    "logprobs", "content", "refusal", "role", "reasoning", "reasoning_content", "reasoning_details", "tool_calls", "function", "custom",
    "function_call", "name", "arguments", "input", "type", "text", "thinking", "audio", "data", "transcript", "expires_at", "annotations",
    "images", "token_ids", "thought", "token", "logprob", "bytes", "top_logprobs", "prompt_tokens", "prompt_tokens_details", "param", "code",
    "parsed", "parsed_arguments", "other_content_parts", "model_extra", "model_fields_set", "__class__", "self", "copy", "json", "\ud800",
])  # fmt: skip
scalars = (
    st.none() | st.booleans() | st.integers(-2, 3) | st.floats() | st.text(max_size=3)
    | st.sampled_from(["", "null", "\ud83d", "\ude00", "{}", "text", "function", "custom", "stop", "AAEC", 2**70, -1, "\0"])
)  # fmt: skip
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys | st.text(max_size=2), inner, max_size=4), max_leaves=12,
)  # fmt: skip


@given(st.lists(json_values, max_size=4), st.booleans())
def test_no_json_makes_the_parser_raise(values, spaced):
    separators = None if spaced else (",", ":")
    look_at_all(*read([b"data: " + json.dumps(value, separators=separators).encode() + b"\n\n" for value in values]))


@given(st.lists(st.dictionaries(keys, json_values, max_size=4), max_size=4))
def test_no_parsed_json_makes_the_parser_raise(values):
    look_at_all(*read_chunks(values))


@given(
    st.lists(st.dictionaries(keys, json_values, max_size=3), max_size=4),
    st.sampled_from([None, "stop", "length", ""]),
    json_values,
)
def test_no_delta_makes_the_parser_raise(deltas, finish, logprobs):
    made = [chunk(delta, finish=finish if place else None) for place, delta in enumerate(deltas)]
    made += [chunk({"content": "x"}, choices=[{"delta": {"content": "x"}, "logprobs": logprobs}])]
    look_at_all(*read_chunks(made))


@given(st.lists(st.dictionaries(keys, json_values, max_size=4), max_size=3))
def test_no_tool_call_makes_the_parser_raise(entries):
    look_at_all(*read_chunks([chunk({"tool_calls": [entry]}) for entry in entries] + [chunk(finish="tool_calls")]))
    look_at_all(
        *read(
            [
                wire(
                    [
                        chunk({"tool_calls": entries}),
                        chunk({"function_call": entries[0] if entries else None}, finish="stop"),
                    ]
                )
            ]
        )
    )


FIELDS = [
    "content", "refusal", "role", "reasoning", "reasoning_content", "tool_calls", "function_call", "audio", "annotations", "images",
    "reasoning_details", "token_ids", "thought", "anything",
]  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_no_odd_value_of_a_field_makes_the_parser_raise(field):
    for odd in ODD:
        look_at_all(*read([wire([chunk({"content": "a"}), chunk({field: odd}), chunk(finish="stop")])]))
    look_at_all(*read_chunks([*(chunk({field: odd}) for odd in ODD), chunk(finish="stop")]))


@pytest.mark.parametrize(
    "place", ["chunk", "choices", "choice", "call", "function", "member", "logprobs", "token", "usage", "audio", "part"]
)
def test_no_odd_value_in_any_place_makes_the_parser_raise(place):
    for odd in ODD:
        value = with_odd(place, odd)
        look_at_all(*read([wire([chunk({"content": "a"}), value, chunk(finish="stop")])]))
        if isinstance(value, dict):
            look_at_all(*read_chunks([chunk({"content": "a"}), value, chunk(finish="stop")]))


def with_odd(place, odd):
    call = {"index": 0, "id": odd, "type": odd, "function": {"name": odd, "arguments": odd}}
    return {
        "chunk": odd,
        "choices": chunk(choices=odd),
        "choice": chunk(choices=[{"index": odd}, odd]),
        "call": chunk({"tool_calls": [call, odd]}),
        "function": chunk({"tool_calls": [{**call, "function": odd, "custom": odd}]}),
        "member": {
            **chunk({"content": "b"}),
            **dict.fromkeys(["id", "object", "created", "model", "service_tier", "extra"], odd),
        },
        "logprobs": chunk(
            choices=[
                {"index": 0, "logprobs": odd},
                {"index": 0, "logprobs": {"content": odd, "refusal": odd, "x": odd}},
            ]
        ),
        "token": chunk(
            choices=[{"index": 0, "logprobs": {"content": [odd, {"token": odd, "bytes": odd, "top_logprobs": [odd]}]}}]
        ),
        "usage": chunk(usage=odd),
        "audio": chunk({"audio": dict.fromkeys(["id", "data", "transcript", "expires_at", "x"], odd)}),
        "part": chunk(
            {"content": [odd, {"type": odd}, {"type": "text", "text": odd}, {"type": "thinking", "thinking": odd}]}
        ),
    }.get(place)


NO_JSON = {
    "a huge int": 10**5000,
    "a huge negative int": -(10**5000),
    "bytes": b"x",
    "a set": {1},
    "an object": object(),
    "a number as a name": {1: 2},
    "None as a name": {None: 2},
}


def in_itself(made):
    made["x" if isinstance(made, dict) else slice(0)] = made if isinstance(made, dict) else [made]
    return made


@pytest.mark.parametrize(
    "value", [*NO_JSON.values(), in_itself({}), in_itself([])], ids=[*NO_JSON, "a dict in itself", "a list in itself"]
)
def test_no_parsed_value_makes_the_parser_raise(value):
    """What a chunk that came parsed holds may be no JSON at all: then it is malformed."""
    for place in (
        chunk({"content": "b"}, extra=value),
        chunk({"content": value}),
        chunk({"content": "b"}, usage={"prompt_tokens": value}),
    ):
        parser, events = read_chunks([chunk({"content": "a"}), place, chunk(finish="stop")])
        look_at_all(parser, events)
        assert type(events[-1].error).__name__ in {"StreamProtocolError", "StreamLimitError"}
        assert parser.snapshot.choices[0].message.content == "a"


@pytest.mark.parametrize("max_depth", [1, 10, 256, 300, 301, 400, 1000, 5000, None])
def test_whatever_depth_is_allowed_what_is_let_through_can_be_read(max_depth):
    for depth in (3, 250, 299, 390, 900, 5000):
        for data in (b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth):
            made = wire([chunk({"content": "a", "deep": 7}, finish="stop")]).replace(b'"deep": 7', b'"deep": ' + data)
            look_at_all(*read([made], limits=Limits(max_depth=max_depth)))


# 3. Deltas add up, and each snapshot is as of its event


TEXTS = {
    "content.delta": ("delta", "snapshot", "content.done", "content"),
    "refusal.delta": ("delta", "snapshot", "refusal.done", "refusal"),
    "reasoning.delta": ("delta", "snapshot", "reasoning.done", "reasoning"),
    "tool_calls.function.arguments.delta": ("arguments_delta", "arguments", "tool_calls.function.arguments.done", "arguments"),
    "tool_calls.custom.input.delta": ("input_delta", "input", "tool_calls.custom.input.done", "input"),
    "function_call.arguments.delta": ("arguments_delta", "arguments", "function_call.arguments.done", "arguments"),
    "logprobs.content.delta": ("content", "snapshot", "logprobs.content.done", "content"),
    "logprobs.refusal.delta": ("refusal", "snapshot", "logprobs.refusal.done", "refusal"),
}  # fmt: skip


def part_of(event, kind):
    """What a part is known by: its kind, its choice, and its call."""
    return kind, event.choice_index, getattr(event, "index", None)


def check_sums(events):
    """Add the deltas up, and compare with every snapshot on the way and with the done event; all read after the end."""
    sums, done = {}, {}
    for event in events:
        if event.type in TEXTS:
            delta, so_far, kind, _ = TEXTS[event.type]
            part = part_of(event, kind)
            added = getattr(event, delta)
            sums[part] = sums[part] + added if part in sums else added
            assert added
            assert getattr(event, so_far) == sums[part]
        elif event.type.endswith(".done") and hasattr(event, "choice_index"):
            part = part_of(event, event.type)
            assert part not in done, "done twice"
            done[part] = event
            names = [names for names in TEXTS.values() if names[2] == event.type]
            if names:
                assert getattr(event, names[0][3]) == sums.get(part, "")
    return sums, done


def check_snapshot(sums, snapshot):
    """What the deltas add up to is what the completion says."""
    for choice in snapshot.choices:
        message = choice.message
        calls = {call.id: call for call in message.tool_calls or []}
        assert len(calls) == len(message.tool_calls or [])
        assert (message.content or "") == sums.get(("content.done", choice.index, None), "")
        assert (message.refusal or "") == sums.get(("refusal.done", choice.index, None), "")
        assert (message.reasoning or "") == sums.get(("reasoning.done", choice.index, None), "")
        for kind in ("content", "refusal"):
            tokens = getattr(choice.logprobs, kind) if choice.logprobs is not None else None
            assert (tokens or []) == sums.get((f"logprobs.{kind}.done", choice.index, None), [])
        legacy = message.function_call.arguments if message.function_call is not None else ""
        assert legacy == sums.get(("function_call.arguments.done", choice.index, None), "")


@given(seeds)
def test_deltas_add_up_to_each_snapshot_and_to_what_is_done(seed):
    random = Random(seed)
    parser, events = read_chunks(chunks(random, halves=0.2))
    sums, done = check_sums(events)
    check_snapshot(sums, parser.snapshot)
    if events[-1].type == "end" and "after_done" not in {anomaly.kind for anomaly in parser.anomalies}:
        assert sums.keys() <= done.keys()
        for part, event in done.items():
            names = [names for names in TEXTS.values() if names[2] == part[0]]
            if names:
                assert getattr(event, names[0][3]) == sums.get(part, "")
        added = [event for event in events if event.type == "tool_calls.added"]
        finished = [
            event
            for event in events
            if event.type in {"tool_calls.function.arguments.done", "tool_calls.custom.input.done"}
        ]
        assert sorted((one.choice_index, one.index) for one in added) == sorted(
            (one.choice_index, one.index) for one in finished
        )


@given(seeds)
def test_calls_in_the_message_are_those_of_their_events(seed):
    _, events = read_chunks(chunks(Random(seed)))
    snapshot = events[-1].snapshot
    for choice in snapshot.choices if snapshot is not None else []:
        told_of = {}
        for event in events:
            if getattr(event, "choice_index", None) == choice.index and hasattr(event, "tool_call_id"):
                call = told_of.setdefault(event.index, {"text": ""})
                call["id"] = event.tool_call_id or call.get("id")
                call["name"] = event.name or call.get("name")
                call["text"] += getattr(event, "arguments_delta", "") + getattr(event, "input_delta", "")
        calls = [call.function or call.custom for call in map(with_both, choice.message.tool_calls or [])]
        texts = sorted(getattr(call, "arguments", None) or getattr(call, "input", "") for call in calls)
        assert texts == sorted(call["text"] for call in told_of.values())
        if events[-1].type == "end":
            assert {call.id for call in choice.message.tool_calls or []} == {call["id"] for call in told_of.values()}


def with_both(call):
    class Both:
        function = getattr(call, "function", None)
        custom = getattr(call, "custom", None)

    return Both


@given(seeds)
def test_audio_deltas_add_up(seed):
    random = Random(seed)
    deltas = []
    for _ in range(random.randint(1, 6)):
        audio = {"id": "audio_1", "expires_at": random.randint(1, 9), "transcript": text(random, 0.3)}
        audio["data"] = b64encode(random.randbytes(random.randint(0, 7))).decode()
        deltas.append({key: audio[key] for key in random.sample(sorted(audio), random.randint(1, 4))})
    _, events = read_chunks([*(chunk({"audio": delta}) for delta in deltas), chunk(finish="stop")])
    found = [event for event in events if event.type == "audio.delta"]
    done = [event.audio for event in events if event.type == "audio.done"]
    audio = events[-1].snapshot.choices[0].message.audio
    assert done == ([audio] if found else [])
    assert b64decode(audio.data or "") == b"".join(event.data for event in found)
    assert (audio.transcript or "") == "".join(event.transcript_delta for event in found)
    assert b64decode(audio.data or "") == b"".join(b64decode(delta.get("data", "")) for delta in deltas)


@given(seeds)
def test_each_chunk_shows_the_completion_as_of_itself_whenever_it_is_read(seed):
    made = chunks(Random(seed), odd=0.1, halves=0.1)
    parser = ChatStreamParser()
    then, events = [], []
    for one in made:
        new = parser.feed_chunk(one)
        events += [event for event in new if event.type == "chunk"]
        then += [dump(parser.snapshot) for event in new if event.type == "chunk"]
    events_to_come = parser.close()
    assert [dump(event.snapshot) for event in events] == then
    assert [dump(event.snapshot) for event in events] == then, "reading it changed it"
    for event in events_to_come:
        look_at(event)
    assert [dump(event.snapshot) for event in events] == then


@given(seeds)
def test_what_is_read_of_an_event_can_be_changed_without_changing_the_event(seed):
    _, events = read_chunks(chunks(Random(seed)))
    for event in events:
        before = event.to_dict(lazies=True)
        for name in ("snapshot", "chunk", "usage", "audio", "content", "refusal"):
            spoil_in_place(getattr(event, name, None))
        assert event.to_dict(lazies=True) == before


def spoil_in_place(value):
    if isinstance(value, list):
        for inner in value:
            spoil_in_place(inner)
        value.clear()
    elif isinstance(value, dict):
        for inner in value.values():
            spoil_in_place(inner)
        value.clear()
    elif hasattr(value, "model_dump"):
        for inner in [*vars(value).values(), value.model_extra]:
            spoil_in_place(inner)


@given(seeds)
def test_chunks_that_came_parsed_give_the_events_of_their_bytes(seed):
    made = chunks(Random(seed), odd=0.1)
    parser, events = read_chunks(json.loads(json.dumps(made)))
    on_the_wire, same = read([json.dumps(one).encode().join([b"data: ", b"\n\n"]) for one in made])
    assert [event.to_dict(lazies=True) for event in events[:-1]] == [event.to_dict(lazies=True) for event in same[:-1]]
    assert dump(parser.snapshot) == dump(on_the_wire.snapshot)


# 4. Sync = async = replay of the recording of it


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@given(seed=seeds, broken=st.booleans())
@settings(max_examples=40)
def test_a_stream_read_live_both_ways_and_replayed_gives_the_same_events(backend, seed, broken):
    random = Random(seed)
    data = body(random, odd=random.choice([0.0, 0.2]), halves=0.1)
    reads = random_cuts(mutated(random, data) if broken else data, random)
    failure = random.choice([None, None, None, ConnectionResetError(104, "reset"), TimeoutError()])
    tape, async_tape = io.BytesIO(), io.BytesIO()
    live = through_stream(Reads(reads, failure), record=tape)
    others = [
        anyio.run(lambda: through_async_stream(AsyncReads(reads, failure), record=async_tape), backend=backend),
        through_stream(Recording.parse(tape.getvalue())),
        anyio.run(through_async_stream, Recording.parse(async_tape.getvalue()), backend=backend),
    ]
    for other in others:
        assert other.told == live.told
        assert (other.end, other.anomalies, dump(other.completion)) == (live.end, live.anomalies, dump(live.completion))
        assert type(other.error) is type(live.error)
        if failure is None:
            assert str(other.error) == str(live.error)
    assert Recording.parse(tape.getvalue()).bytes == b"".join(reads)[: live_bytes(reads)]


def live_bytes(reads):
    """How much was read: what comes after the terminal event is not."""
    parser, read_so_far = ChatStreamParser(), 0
    for data in reads:
        if parser.end is not None:
            break
        parser.feed(data)
        read_so_far += len(data)
    return read_so_far


# 5. The accumulator is a naive fold


class Fold:
    """The rules of merging.md for streams without quirks, without a thought for speed, frames or events."""

    def __init__(self):
        self.named = {"id": None, "object": "chat.completion", "created": None, "model": None}
        self.choices = {}

    def add(self, raw):
        for key, value in raw.items():
            if key in {"id", "created", "model"}:
                self.named[key] = self.named[key] or value
            elif key not in {"object", "choices"} and value is not None:
                self.named[key] = value
        for said in raw["choices"]:
            choice = self.choices.setdefault(
                said["index"], {"message": {"role": "assistant"}, "finish_reason": None, "index": said["index"]}
            )
            choice["finish_reason"] = choice["finish_reason"] or said["finish_reason"]
            for key, tokens in (said.get("logprobs") or {}).items():
                logprobs = choice.setdefault("logprobs", {"content": None, "refusal": None})
                logprobs[key] = (logprobs[key] or []) + tokens
            for key, value in said["delta"].items():
                self.merge(choice["message"], key, value)

    def merge(self, message, key, value):
        if key == "tool_calls":
            for entry in value:
                calls = message.setdefault("tool_calls", {})
                call = calls.setdefault(
                    entry["index"],
                    {"id": entry.get("id"), "type": "function", "function": {"name": "", "arguments": ""}},
                )
                call["function"]["name"] += entry["function"].get("name", "")
                call["function"]["arguments"] += entry["function"]["arguments"]
        elif key in {"content", "refusal", "reasoning", "thought", "token_ids"}:
            message[key] = message[key] + value if key in message else value
        elif key == "extra":
            message[key] = {**message.get(key, {}), **value}
        else:
            message[key] = value

    def completion(self):
        choices = [self.choices[index] for index in sorted(self.choices)]
        for_message = [{**choice["message"]} for choice in choices]
        for message in for_message:
            if "tool_calls" in message:
                message["tool_calls"] = [message["tool_calls"][index] for index in sorted(message["tool_calls"])]
        merged = [{**choice, "message": message} for choice, message in zip(choices, for_message, strict=True)]
        return build(ChatCompletion, json.loads(json.dumps({**self.named, "choices": merged})))


class AccumulatorIsAFold(RuleBasedStateMachine):
    """Whatever comes in whatever order, the snapshot is the fold's; and what was handed out stays as it was."""

    def __init__(self):
        super().__init__()
        self.accumulator = ChatCompletionAccumulator()
        self.fold = Fold()
        self.held = []
        self.calls = {}
        self.finished = set()

    def add(self, delta=None, *, index=0, finish=None, logprobs=None, **members):
        raw = chunk(delta, index=index, finish=finish, **members)
        if logprobs is not None:
            raw["choices"][0]["logprobs"] = logprobs
        events = self.accumulator.add(raw)
        self.fold.add(raw)
        assert events[0].type == "chunk"
        self.held.append((events[0], dump(self.fold.completion())))

    @initialize(role=st.sampled_from([None, "assistant"]))
    def begin(self, role):
        self.add({} if role is None else {"role": role, "content": ""})

    @rule(
        index=st.integers(0, 2),
        key=st.sampled_from(["content", "refusal", "reasoning", "thought"]),
        value=st.sampled_from(["a", "bc", "é", "{"]),
    )
    def say(self, index, key, value):
        self.add({key: value}, index=index)

    @rule(index=st.integers(0, 1), place=st.integers(0, 2), value=st.sampled_from(["{", '"a"', ":1", "}", ""]))
    def call(self, index, place, value):
        known = (index, place) in self.calls
        self.calls[index, place] = True
        entry = {"index": place, "function": {"arguments": value}}
        if not known:
            entry = {
                "index": place,
                "id": f"call_{index}_{place}",
                "type": "function",
                "function": {"name": f"f{place}", "arguments": value},
            }
        self.add({"tool_calls": [entry]}, index=index)

    @rule(index=st.integers(0, 1), key=st.sampled_from(["content", "refusal"]), seed=st.integers(0, 9))
    def weigh(self, index, key, seed):
        self.add({}, index=index, logprobs={key: [token(Random(seed))]})

    @rule(
        value=st.dictionaries(st.sampled_from("ab"), st.integers(0, 2), min_size=1),
        ids=st.lists(st.integers(0, 3), min_size=1),
    )
    def add_extras(self, value, ids):
        self.add({"extra": value, "token_ids": ids})

    @rule(index=st.integers(0, 2), reason=st.sampled_from(["stop", "length", "tool_calls"]))
    def finish(self, index, reason):
        nameless = [call for call in self.calls if call[0] == index]
        assert all(nameless)
        self.add({}, index=index, finish=reason)
        self.finished.add(index)

    @rule(
        seed=st.integers(0, 9),
        citations=st.sampled_from([None, ["u"], ["v", "w"]]),
        tier=st.sampled_from([None, "default"]),
    )
    def tell(self, seed, citations, tier):
        self.add(usage=usage(Random(seed)), citations=citations, service_tier=tier, choices=[])

    @precondition(lambda self: self.held)
    @invariant()
    def the_snapshot_is_the_folds(self):
        assert dump(self.accumulator.snapshot) == dump(self.fold.completion())

    def teardown(self):
        for event, then in self.held:
            assert dump(event.snapshot) == then


AccumulatorIsAFold.TestCase.settings = settings(max_examples=40, stateful_step_count=25)
TestAccumulatorIsAFold = AccumulatorIsAFold.TestCase


# 7. A stream is the answer of the non-streaming endpoint, cut into chunks


def whole_answer(random):
    """A completion as the non-streaming endpoint gives it."""
    made = [whole_choice(random, index) for index in range(random.choice([1, 1, 2]))]
    named = {
        "id": "chatcmpl-7",
        "object": "chat.completion",
        "created": 7,
        "model": "m-7",
        "choices": made,
        "usage": usage(random),
    }
    extras = {"service_tier": "default", "system_fingerprint": "fp_7", "citations": ["u", "v"]}
    return {**named, **{key: extras[key] for key in random.sample(sorted(extras), random.randint(0, 3))}}


def whole_choice(random, index):
    message = {"role": "assistant", "content": random.choice([None, "", text(random) + text(random)]), "refusal": None}
    parts = {
        "refusal": text(random),
        "reasoning_content": text(random) + text(random),
        "reasoning": text(random),
        "tool_calls": [whole_call(random, place) for place in range(random.randint(1, 3))],
        "function_call": {"name": "legacy", "arguments": arguments(random)},
        "audio": {
            "id": "audio_7",
            "data": b64encode(random.randbytes(9)).decode(),
            "transcript": text(random),
            "expires_at": 9,
        },
        "annotations": [
            {
                "type": "url_citation",
                "url_citation": {"url": text(random), "start_index": 0, "end_index": 1, "title": "t"},
            }
        ],
        "vendor": {"a": 1, "b": {"c": [1]}},
    }
    for key in random.sample(sorted(parts), random.choice([0, 1, 1, 2, 3])):
        message[key] = parts[key]
    if "reasoning" in message:
        message.pop("reasoning_content", None)
    choice = {
        "index": index,
        "finish_reason": random.choice(["stop", "length", "tool_calls"]),
        "logprobs": None,
        "message": message,
    }
    if random.random() < 0.3:
        choice["logprobs"] = {"content": [token(random) for _ in range(3)], "refusal": None}
    return choice


def whole_call(random, place):
    if random.random() < 0.2:
        return {"id": f"call_{place}", "type": "custom", "custom": {"name": f"c{place}", "input": text(random)}}
    return {
        "id": f"call_{place}",
        "type": "function",
        "function": {"name": f"f{place}", "arguments": arguments(random)},
        "signature": "s",
    }


def deltas_of(random, message):
    """The message as deltas in an order of its own: each field's in order, the fields one after the other or mixed."""
    tracks = []
    for key, value in message.items():
        if key in {"content", "refusal", "reasoning", "reasoning_content"}:
            tracks.append([] if value is None else [{key: piece} for piece in pieces(random, value)])
        elif key == "tool_calls":
            for place, call in enumerate(value):
                tracks.append(call_deltas(random, place, call))
        elif key == "function_call":
            tracks.append(
                [
                    {key: {"name": value["name"]}},
                    *({key: {"arguments": piece}} for piece in pieces(random, value["arguments"])),
                ]
            )
        elif key == "audio":
            tracks.append(audio_deltas(random, value))
        else:
            tracks.append([{key: value}])
    tracks = [track for track in tracks if track]
    # The calls begin in their order, as in every answer; what comes after that may be mixed.
    made = []
    while tracks:
        track = random.choice(tracks) if random.random() < 0.5 else tracks[0]
        if "tool_calls" in track[0] and "id" in track[0]["tool_calls"][0]:
            track = next(one for one in tracks if "tool_calls" in one[0] and "id" in one[0]["tool_calls"][0])
        made.append(track.pop(0))
        tracks = [one for one in tracks if one]
    return made


def call_deltas(random, place, call):
    kind, key = ("custom", "input") if call["type"] == "custom" else ("function", "arguments")
    first = {**call, "index": place, kind: {**call[kind], key: ""}}
    rest = [{"index": place, kind: {key: piece}} for piece in pieces(random, call[kind][key])]
    return [{"tool_calls": [entry]} for entry in [first, *rest]]


def audio_deltas(random, audio):
    data = b64decode(audio["data"])
    place = random.randint(0, len(data))
    parts = [b64encode(part).decode() for part in (data[:place], data[place:])]
    made = [{"audio": {"id": audio["id"], "data": parts[0]}}, {"audio": {"data": parts[1]}}]
    return [
        *made,
        *({"audio": {"transcript": piece}} for piece in pieces(random, audio["transcript"])),
        {"audio": {"expires_at": 9}},
    ]


def streamed(random, answer):
    """The answer as the chunks of a stream."""
    named = {key: answer[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    tracks = []
    for choice in answer["choices"]:
        said = [{"delta": delta} for delta in deltas_of(random, choice["message"])]
        tokens = (choice["logprobs"] or {}).get("content") or []
        said += [{"delta": {}, "logprobs": {"content": [one], "refusal": None}} for one in tokens]
        said.append({"delta": {}, "finish_reason": choice["finish_reason"]})
        tracks.append([{"index": choice["index"], "finish_reason": None, **one} for one in said])
    # Each choice begins before any of them ends: of one that has not begun, nobody can know.
    made = [{**named, "choices": [track.pop(0)]} for track in tracks if len(track) > 1]
    while tracks := [track for track in tracks if track]:
        made.append({**named, "choices": [random.choice(tracks).pop(0)]})
    others = {key: value for key, value in answer.items() if key not in {*named, "choices", "usage"}}
    made.insert(random.randint(0, len(made)), {**named, "choices": [], **others})
    return [*made, {**named, "choices": [], "usage": answer["usage"]}]


def as_delivered(answer):
    """The answer as a completion; the one reasoning text goes by one name whatever the server called it."""
    for choice in answer["choices"]:
        if "reasoning_content" in choice["message"]:
            choice["message"]["reasoning"] = choice["message"]["reasoning_content"]
    return dump(build(ChatCompletion, answer))


@given(seeds)
def test_an_answer_cut_into_chunks_adds_up_to_the_same_answer(seed):
    random = Random(seed)
    answer = whole_answer(random)
    parser, events = read(random_cuts(wire(streamed(random, answer)), random))
    assert events[-1].type == "end"
    assert events[-1].end.kind == "complete"
    assert dump(parser.snapshot) == as_delivered(answer)
    assert {anomaly.kind for anomaly in parser.anomalies} <= {"after_done"}, "text went on after a call had begun"


@given(seeds)
def test_an_answer_that_was_not_streamed_is_delivered_as_it_is(seed):
    random = Random(seed)
    answer = whole_answer(random)
    parser, events = read(random_cuts(json.dumps(answer, indent=random.choice([None, 1])).encode(), random))
    assert events[-1].type == "end"
    assert dump(parser.snapshot) == as_delivered(answer)
    assert [anomaly.kind for anomaly in parser.anomalies] == ["not_streamed"]


# 8. Work is linear


def many(size):
    """Long streams of one kind each: name -> chunks."""
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": '{"x": "'}}
    token_ids = {"content": "a", "token_ids": [1, 2]}
    return {
        "content": [chunk({"content": "abc "}) for _ in range(size)],
        "reasoning": [chunk({"reasoning_content": "abc "}) for _ in range(size)],
        "arguments": [chunk({"tool_calls": [call]}), *(chunk({"tool_calls": [{"index": 0, "function": {"arguments": "abc}"}}]}) for _ in range(size))],
        "arguments that are whole all the time": [chunk({"tool_calls": [{**call, "function": {"name": "f", "arguments": "{}"}}]}), *(chunk({"tool_calls": [{"index": 0, "function": {"arguments": " "}}]}) for _ in range(size))],
        "arguments without an index": [chunk({"tool_calls": [call]}), *(chunk({"tool_calls": [{"function": {"arguments": "}"}}]}) for _ in range(size))],
        "logprobs": [{**chunk(), "choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [token(Random(1))]}}]} for _ in range(size)],
        "usage in each chunk": [chunk({"content": "a"}, usage={"completion_tokens": place}) for place in range(size)],
        "extras that repeat": [chunk({"content": "a"}, citations=["u"] * 20) for _ in range(size)],
        "extras that change": [chunk({"content": "a", "n": place}) for place in range(size)],
        "lists that grow": [chunk(token_ids) for _ in range(size)],
        "details that grow": [chunk({"reasoning_details": [{"type": "t", "index": 0, "text": "abc"}]}) for _ in range(size)],
        "transcript": [chunk({"audio": {"transcript": "abc", "data": "AAEC"}}) for _ in range(size)],
        "half characters": [chunk({"content": "\ude00\ud83d"[place % 2]}) for place in range(size)],
    }  # fmt: skip


@pytest.mark.parametrize("kind", many(1))
def test_four_times_the_chunks_are_four_times_the_work(kind):
    def work(size):
        reads = [b"data: " + json.dumps(one).encode() + b"\n\n" for one in many(size)[kind]]
        parser = ChatStreamParser()

        def feed():
            for data in reads:
                parser.feed(data)

        return opcodes(feed), peaks(ChatStreamParser(), reads)

    (small, small_peaks), (large, large_peaks) = work(60), work(240)
    assert large / small < 4.4
    assert large_peaks / small_peaks < 5


@pytest.mark.parametrize(
    "named",
    [
        lambda name: {**chunk({"content": "a"}), name: 1},
        lambda name: chunk({name: 1}),
        lambda name: chunk({name: [1]}),
        lambda name: chunk({"x": {name: 1}}),
        lambda name: chunk({"audio": {name: 1}}),
        lambda name: chunk({"reasoning_details": [{"type": name, "index": 1, "text": "a"}]}),
        lambda name: chunk({"tool_calls": [{"index": 0, "id": "c", name: 1}]}),
        lambda name: chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", name: 1}}]}),
        lambda name: chunk({"function_call": {"name": "f", name: 1}}),
        lambda name: chunk({}, choices=[{"index": 0, "delta": {}, name: 1}]),
        lambda name: chunk({}, choices=[{"index": 0, "delta": {}, "logprobs": {name: 1}}]),
    ],
)
def test_members_with_ever_new_names_are_limited(named):
    """Or each chunk would cost what all before it said: work and memory would be quadratic."""
    parser = ChatStreamParser(limits=Limits(max_extras=2**16))
    for place in range(2**16 // 16):
        if parser.feed_chunk(named(f"name{place}"))[-1].type == "error":
            break
    assert parser.end is not None
    assert (parser.close(), parser.end.kind) == ([], "error")


# The cut law: a stream that is cut never looks like a success that it is not


def whole_events_before(data, place):
    """How many blocks were whole in so many bytes, the blank line included."""
    return data[:place].count(b"\n\n")


@pytest.mark.parametrize("number", range(6))
def test_a_stream_cut_at_any_byte_is_told_as_what_it_is(number):
    random = Random(number)
    made = [one for one in chunks(random, most=5) if one["choices"]]
    finishes = [
        chunk(finish="stop", index=index) for index in sorted({c["index"] for one in made for c in one["choices"]})
    ]
    made = [
        *(one for one in made if not any(c["finish_reason"] for c in one["choices"])),
        *finishes,
        {"choices": [], "usage": usage(random)},
    ]
    check_every_cut(wire(made))


def check_every_cut(data):
    blocks = data.split(b"\n\n")[:-1]
    states = [read([b"\n\n".join(blocks[:count]) + b"\n\n" if count else b""]) for count in range(len(blocks) + 1)]
    for place in range(len(data)):
        parser, events = read([data[:place]])
        # The last event counts as soon as its JSON is whole: a blank line, or even a line end, adds nothing.
        whole = whole_events_before(data, place)
        tail = data[:place].split(b"\n\n")[-1]
        whole += bool(tail.strip()) and whole < len(blocks) and tail.rstrip(b"\n") == blocks[whole]
        expected, expected_events = states[whole]
        assert dump(parser.snapshot) == dump(expected.snapshot), place
        assert without_trailing(parser.end) == without_trailing(expected.end), place
        assert [event.type for event in events] == [event.type for event in expected_events]
        assert parser.end.kind in {"incomplete", "no_done", "complete"}
        if parser.end.kind == "incomplete":
            assert type(events[-1].error).__name__ == "IncompleteStreamError"
            assert dump(events[-1].error.completion) == dump(expected.snapshot)
        assert parser.end.trailing_bytes == len(tail)


def without_trailing(end):
    return end.kind, end.done_seen, end.finish_seen


@given(seeds, st.integers(0, 10**6))
def test_a_cut_before_the_last_finish_reason_is_never_a_success(seed, place):
    random = Random(seed)
    answer = whole_answer(random)
    data = wire(streamed(random, answer))
    last_finish = max(data.rfind(json.dumps(reason).encode()) for reason in ("stop", "length", "tool_calls")) + 1
    data_cut = data[: place % last_finish]
    parser, events = read([data_cut])
    assert events[-1].type == "error"
    assert type(events[-1].error).__name__ == "IncompleteStreamError"
    assert parser.end.kind == "incomplete"
    assert cut(data_cut, []) == [data_cut]
