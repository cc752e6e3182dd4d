"""Chunks and bodies in few words, and what a parser makes of them."""

import json
from types import SimpleNamespace

from chatstream.accumulator import ChatCompletionAccumulator
from chatstream.parser import ChatStreamParser

TERMINAL = {"end", "error", "abort"}


def choice(index=0, *, finish=None, **members):
    """An entry of `choices`: `delta` and other members as given."""
    return {"index": index, "delta": {}, "finish_reason": finish, **members}


def chunk(*choices, **members):
    """A chunk of these choices, with the usual members at the top."""
    usual = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return {**usual, "choices": list(choices), **members}


def say(*, index=0, finish=None, **delta):
    """A chunk with one delta, and nothing at the top: what is said is all there is."""
    return chunk(choice(index, finish=finish, delta=delta))


def finish(reason="stop", index=0):
    return chunk(choice(index, finish=reason))


def calls(*entries, **options):
    """A chunk with deltas of tool calls."""
    return say(tool_calls=list(entries), **options)


def call(index=None, id=None, name=None, arguments=None, **members):
    """A delta of a function call, with only what is given."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    named = {"index": index, "id": id, "function": function or None}
    return {**{key: value for key, value in named.items() if value is not None}, **members}


def event(data, name=None):
    """One event of a stream; data that is no text is written as JSON, with every odd string and number escaped."""
    text = data if isinstance(data, str | bytes) else json.dumps(data)
    raw = text if isinstance(text, bytes) else text.encode()
    lines = [b"event: " + name.encode()] if name else []
    return b"\n".join([*lines, b"data: " + raw, b"", b""])


def body(*chunks, done=True):
    """A whole stream."""
    return b"".join(map(event, [*chunks, "[DONE]"] if done else chunks))


def read(data, **options):
    """What a parser makes of bytes (or of several reads): its events, the last one, and itself."""
    parser = ChatStreamParser(**options)
    reads = [data] if isinstance(data, bytes) else data
    events = [event for data in reads for event in parser.feed(data)]
    events += parser.close()
    assert [event.type in TERMINAL for event in events] == [False] * (len(events) - 1) + [True], types(events)
    return SimpleNamespace(events=events, last=events[-1], parser=parser, types=types(events))


def read_error(data, **options):
    """The error that a stream ends with."""
    last = read(data, **options).last
    assert last.type == "error", last
    return last.error


def read_chunks(*chunks, **options):
    """The same as `read`, for chunks that come parsed."""
    parser = ChatStreamParser(**options)
    events = [event for chunk in chunks for event in parser.feed_chunk(chunk)] + parser.close()
    return SimpleNamespace(events=events, last=events[-1], parser=parser, types=types(events))


def add(*chunks, **options):
    """What an accumulator makes of chunks: the events of each, all of them, and the completion."""
    accumulator = ChatCompletionAccumulator(**options)
    each = [accumulator.add(chunk) for chunk in chunks]
    return SimpleNamespace(
        each=each,
        events=[event for events in each for event in events],
        accumulator=accumulator,
        snapshot=accumulator.snapshot,
        anomalies={anomaly.kind: anomaly.count for anomaly in accumulator.anomalies},
    )


def message(*chunks, **options):
    """The message of choice 0 as plain values."""
    return dump(add(*chunks, **options).snapshot)["choices"][0]["message"]


def merged(*deltas, **options):
    """The message that these deltas of choice 0 add up to, as plain values."""
    return message(*(say(**delta) for delta in deltas), **options)


def dump(model):
    return model.model_dump()


def types(events):
    return [event.type for event in events]


def of_type(events, *names):
    return [event for event in events if event.type in names]


def strings(value):
    """Every string in a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from strings(key)
            yield from strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from strings(inner)
