"""The short way for chunks that are alike gives what the general way gives, and is taken where it should be."""

import json
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatstream.ends import Limits
from chatstream.parser import ChatStreamParser
from wire import told

TEXTS = [
    "", " word", "a", "}", "{", "{}", '{"', '"', '":', ',"', "\\", "\\n", "\n", "\x7f", "é", "日本", "\U0001f600", "\ud83d", "\ude00", "\x00", "data: ",
    '{"a":1}', '"},"logprobs":null', '"obfuscation":"', "]", "[", "null", " ", "\u2028", '{"content":"x"}', "[DONE]", "\ufffd", "0", '"]}', "}}",
]  # fmt: skip
TOKENS = [
    [], [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}], [{"token": '"', "logprob": -1, "bytes": None, "top_logprobs": [{"token": "]"}]}],
    [{"token": "\ud83d"}], [1, None], [[]], [{"token": "é\\", "logprob": float("nan")}], [{"a": [[[[[]]]]]}],
]  # fmt: skip


def text(random):
    return "".join(random.choices(TEXTS, k=random.choice([1, 1, 1, 2, 3])))


def word(random):
    return "".join(random.choices("abcdefghij", k=random.randint(0, 6)))


def delta_of(random, kind):
    """A function that makes the choice of a chunk of some kind: what it says besides its text stays the same."""
    index, call_id, name = random.randrange(3), f"call_{random.randrange(3)}", f"f{random.randrange(2)}"
    entry = {"index": index} if random.random() < 0.8 else {}
    entry |= random.choice([{}, {}, {"id": call_id}, {"id": call_id, "type": "function"}, {"id": None, "x": 1}])
    named = random.choice([{}, {}, {"name": name}, {"name": None}])
    always = random.choice(
        [
            {},
            {},
            {"role": "assistant"},
            {"content": None},
            {"content": ""},
            {"refusal": None},
            {"reasoning_content": None},
            {"token_ids": [1]},
            {"note": "x"},
            {"token_ids": []},
            {"images": []},
            {"thought": "t"},
            {"reasoning_details": [{"type": "reasoning.text", "text": "d"}]},
            {"annotations": [{"type": "url_citation"}]},
            {"reasoning": "both"},
            {"tool_calls": []},
            {"function_call": None},
            {"audio": {"transcript": "t"}},
            {"extra": {"content": "other", "arguments": "other"}},
        ]
    )
    kinds = {
        "content": lambda: {"content": text(random)},
        "refusal": lambda: {"refusal": text(random)},
        "reasoning": lambda: {"reasoning": text(random)},
        "reasoning_content": lambda: {"reasoning_content": text(random)},
        "two": lambda: {"reasoning_content": text(random), "reasoning": text(random)},
        "arguments": lambda: {"tool_calls": [{**entry, "function": {**named, "arguments": text(random)}}]},
        "input": lambda: {"tool_calls": [{**entry, "custom": {**named, "input": text(random)}}]},
        "calls": lambda: {
            "tool_calls": [
                {"index": 0, "function": {"arguments": text(random)}},
                {"index": 1, "function": {"arguments": text(random)}},
            ]
        },
        "function_call": lambda: {"function_call": {**named, "arguments": text(random)}},
        "audio": lambda: {"audio": {"transcript": text(random)}},
        "parts": lambda: {"content": [{"type": "text", "text": text(random)}]},
        "number": lambda: {"content": random.randrange(100)},
        "none": dict,
    }
    first = random.random() < 0.7
    return lambda: always | kinds[kind]() if first else kinds[kind]() | always


KINDS = [
    "content", "content", "content", "refusal", "reasoning", "reasoning_content", "two", "arguments", "arguments", "arguments", "input", "calls",
    "function_call", "audio", "parts", "number", "none",
]  # fmt: skip


def kind_of_chunk(random):
    """A function that makes chunks of one kind, written in one way."""
    delta = delta_of(random, random.choice(KINDS))
    choice = random.choice([{"index": 0}, {"index": 0}, {"index": 0}, {"index": 1}, {}])
    logprobs = random.choice(["no", "no", "null", "tokens", "tokens before", "refused"])
    finish = {"finish_reason": random.choice([None, None, None, None, None, "stop"])} if random.random() < 0.5 else {}
    before = random.choice(
        [{}, {"id": "c"}, {"id": "c", "model": "m", "created": 1}, {"id": "other"}, {"obfuscation": "same"}]
    )
    after = random.choice([{}, {"usage": None}, {"usage": {"total_tokens": 1}}, {"object": "chat.completion.chunk"}])
    after |= random.choice([{}, {}, {"x": {"y": 1}}, {"system_fingerprint": "fp"}, {"error": None}])
    noise = random.choice(["no", "word", "word", "odd"])
    twice = random.random() < 0.05
    ascii_only, separators = random.random() < 0.5, random.choice([None, (",", ":"), (", ", ":")])
    field = random.choice(
        [b"data: ", b"data: ", b"data: ", b"data:", b"data:  ", b"id: 7\ndata: ", b"event: x\ndata: "]
    )
    end = random.choice([b"\n\n", b"\n\n", b"\n\n", b"\r\n\r\n", b"\n\r\n", b" \n\n"])

    def make():
        said = {**choice, "delta": delta(), **finish}
        if logprobs in {"tokens", "null"}:
            said["logprobs"] = {"content": random.choice(TOKENS), "refusal": None} if logprobs == "tokens" else None
        elif logprobs == "tokens before":
            said = {"logprobs": {"content": random.choice(TOKENS)}, **said}
        elif logprobs == "refused":
            said["logprobs"] = {"content": None, "refusal": random.choice(TOKENS)}
        choices = [said, {**said, "index": 2}] if twice else [said]
        value = {**before, "choices": choices, **after}
        if noise != "no":
            value["obfuscation"] = word(random) if noise == "word" else text(random)
        data = json.dumps(value, ensure_ascii=ascii_only, separators=separators).encode("utf-8", "surrogatepass")
        return field + data + end

    return make


def made_stream(random):
    """Chunks of a few kinds that take turns, in runs; now and then one of them is damaged."""
    kinds = [kind_of_chunk(random) for _ in range(random.randint(1, 4))]
    reads = []
    for _ in range(random.randint(1, 6)):
        kind = random.choice(kinds)
        reads += [kind() for _ in range(random.choice([1, 2, 3, 5, 8]))]
    if random.random() < 0.15:
        place = random.randrange(len(reads))
        damaged = bytearray(reads[place])
        damaged[random.randrange(len(damaged))] = random.randrange(256)
        reads[place] = bytes(damaged)
    reads += random.choice([[b"data: [DONE]\n\n"], [], [b": ping\n\n"]])
    if random.random() < 0.3:  # the same bytes in other reads
        data, reads = b"".join(reads), []
        while data:
            size = random.choice([1, 7, 60, 500, 5000])
            reads.append(data[:size])
            data = data[size:]
    return reads


def options_of(random):
    return random.choice(
        [
            {},
            {},
            {},
            {"limits": Limits(max_text=random.randint(1, 300))},
            {"limits": Limits(max_arguments=random.randint(1, 40))},
            {"limits": Limits(max_depth=random.randint(4, 12))},
            {"limits": Limits(max_event_size=random.randint(60, 400))},
            {"response_format": {"type": "json_object"}},
        ]
    )


def parse(reads, options, *, generally=False):
    parser = ChatStreamParser(**options)
    if generally:
        parser._templates._made = 10**9  # it learns nothing any more
    events = [event for data in reads for event in parser.feed(data)]
    return parser, events + parser.close()


@given(st.integers(0, 2**32))
@settings(max_examples=1000)
def test_the_short_way_is_the_general_way(seed):
    random = Random(seed)
    options, reads = options_of(random), made_stream(random)
    parser, events = parse(reads, options)
    general, expected = parse(reads, options, generally=True)
    assert general._ledger.short_events == 0
    assert events == expected
    assert told(parser) == told(general)
    assert parser.chunks == general.chunks
    assert parser.keep_alives == general.keep_alives


def test_the_short_way_is_taken_in_the_test_above():
    """Or that says nothing: by events of all kinds that have one, and often."""
    taken = {}
    for seed in range(1500):
        random = Random(seed)
        parser = ChatStreamParser(**options_of(random))
        for data in made_stream(random):
            before = parser._ledger.short_events
            events = parser.feed(data)
            if parser._ledger.short_events - before == 1:
                for event in events:
                    taken[event.type] = taken.get(event.type, 0) + 1
    assert {kind for kind, count in taken.items() if count > 20} >= {
        "chunk",
        "content.delta",
        "refusal.delta",
        "reasoning.delta",
        "tool_calls.function.arguments.delta",
        "tool_calls.custom.input.delta",
        "logprobs.content.delta",
    }


def line(literal, logprobs="null"):
    choice = b'{"index":0,"delta":{"content":' + literal + b'},"logprobs":' + logprobs.encode() + b"}"
    return b'data: {"choices":[' + choice + b"]}\n\n"


LOGPROBS = '{"content":[{"token":"a","logprob":-1,"bytes":[97],"top_logprobs":[]}]}'


@pytest.mark.parametrize("end", ["\n", "\r", " ", "\t", "\r\n"])
@pytest.mark.parametrize("logprobs", ["null", LOGPROBS])
def test_white_space_around_a_text_or_within_tokens_is_not_passed_over(end, logprobs):
    odd = [
        line(end.encode() + b'"abc"', logprobs),
        line(b'"abc"' + end.encode(), logprobs),
        line(b'"abc"', logprobs.replace(",", "," + end)),
    ]
    for last in odd:
        reads = [line(b'"a"', logprobs)] * 4 + [last]
        parser, events = parse(reads, {})
        general, expected = parse(reads, {}, generally=True)
        assert parser._ledger.short_events > 1
        assert (events, told(parser)) == (expected, told(general))


@pytest.mark.parametrize(
    "kind",
    [
        "content",
        "reasoning_content",
        "reasoning",
        "refusal",
        "arguments",
        "arguments with id and name",
        "input",
        "tokens",
    ],
)
def test_nearly_all_chunks_of_one_kind_take_the_short_way(kind):
    deltas = {
        "arguments": {"tool_calls": [{"index": 0, "function": {"arguments": "x"}}]},
        "arguments with id and name": {
            "tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "x"}}]
        },
        "input": {"tool_calls": [{"index": 0, "custom": {"input": "x"}}]},
        "tokens": {"content": "x"},
    }
    choice = {"index": 0, "delta": deltas.get(kind, {kind: "x"})}
    if kind == "tokens":
        choice["logprobs"] = json.loads(LOGPROBS)
    data = json.dumps({"id": "c", "choices": [choice], "obfuscation": "abc"}).encode()
    reads = [b"data: " + data.replace(b'"x"', b'"x%d"' % number) + b"\n\n" for number in range(100)]
    for framed in (reads, [b"".join(reads)], [b"event: message\n" + read for read in reads]):
        parser, events = parse(framed, {})
        assert parser._ledger.short_events >= 97
        assert len(events) >= 200


def test_chunks_that_all_differ_cost_a_bounded_number_of_templates():
    parser = ChatStreamParser()
    for number in range(500):
        parser.feed(b'data: {"created":%d,"choices":[{"delta":{"content":"a"}}]}\n\n' % number)
    assert parser._templates._made <= 33
    assert parser._ledger.short_events == 0


def test_many_calls_that_take_turns_all_take_the_short_way():
    opened = [
        b'data: {"choices":[{"delta":{"tool_calls":[{"index":%d,"id":"c%d","function":{"name":"f","arguments":""}}]}}]}\n\n'
        % (n, n)
        for n in range(20)
    ]
    added = [
        b'data: {"choices":[{"delta":{"tool_calls":[{"index":%d,"function":{"arguments":"x"}}]}}]}\n\n' % n
        for n in range(20)
    ]
    parser = ChatStreamParser()
    for read in opened + added * 10:
        parser.feed(read)
    assert parser._ledger.short_events >= 20 * 8
    assert [len(call.function.arguments) for call in parser.snapshot.choices[0].message.tool_calls] == [10] * 20


def test_templates_take_little_room_and_little_time():
    def chunk(spaces, before="", text="x"):
        return f'data: {{{" " * spaces}"choices":[{{"delta":{{{before}"content":"{text}"}}}}]}}\n\n'.encode()

    parser = ChatStreamParser()
    for spaces in range(200):
        for read in (chunk(spaces), chunk(spaces)):
            parser.feed(read)
    assert parser._ledger.short_events > 30
    assert len(parser._templates._lengths) <= 16
    parser = ChatStreamParser()
    for _ in range(5):
        parser.feed(chunk(20_000))
        parser.feed(chunk(0, '"refusal":null,' + " " * 20_000))
    assert parser._ledger.short_events == 0
    assert parser._templates.last is None


def test_events_that_are_equal_have_one_hash_whichever_way_they_came():
    value = {
        "choices": [
            {
                "index": 0,
                "delta": {"content": "a"},
                "logprobs": json.loads(LOGPROBS.replace("}]}", '},{"token":"b"}]}')),
            }
        ]
    }
    reads = [b"data: " + json.dumps(value).encode() + b"\n\n"] * 6
    events, expected = parse(reads, {})[1], parse(reads, {}, generally=True)[1]
    assert parse(reads, {})[0]._ledger.short_events > 2
    assert events == expected
    assert list(map(hash, events)) == list(map(hash, expected))
