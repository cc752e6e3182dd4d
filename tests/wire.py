"""What several tests do with a stream: put it on the wire, cut it, read it, and look at all there is to look at."""

import json
from itertools import pairwise

from chatstream.parser import ChatStreamParser

DONE = b"data: [DONE]\n\n"
TERMINAL = {"end", "error", "abort"}


def chunk(delta=None, *, index=0, finish=None, **members):
    """A chunk about one choice, as a dict."""
    choice = {"index": index, "delta": {} if delta is None else delta, "finish_reason": finish}
    named = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return {**named, "choices": [choice], **members}


def block(value, newline="\n"):
    """One event with this JSON as its data."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"data: {text}{newline}{newline}".encode("utf-8", "surrogatepass")


def wire(chunks, *, done=True, newline="\n"):
    """A whole stream of these chunks."""
    return b"".join([block(one, newline) for one in chunks] + ([block("[DONE]", newline)] if done else []))


def cut(data, places):
    """The bytes in pieces, cut at these places."""
    bounds = [0, *sorted(places), len(data)]
    return [data[start:stop] for start, stop in pairwise(bounds)]


def byte_by_byte(data):
    return [data[place : place + 1] for place in range(len(data))]


def random_cuts(data, random, most=8):
    """The bytes in up to that many pieces more than one."""
    return cut(data, (random.randint(0, len(data)) for _ in range(random.randint(1, most))))


def read(reads, **options):
    """The parser that was fed these reads and closed, and its events; the last one is terminal, and no other is."""
    parser = ChatStreamParser(**options)
    events = [event for data in reads for event in parser.feed(data)] + parser.close()
    check_terminal(events)
    assert parser.close() == []
    return parser, events


def read_chunks(chunks, **options):
    """The same for chunks that came parsed."""
    parser = ChatStreamParser(**options)
    events = [event for one in chunks for event in parser.feed_chunk(one)] + parser.close()
    check_terminal(events)
    return parser, events


def check_terminal(events):
    kinds = [event.type for event in events]
    assert kinds, "no event at all"
    assert kinds[-1] in TERMINAL, kinds[-1]
    assert not TERMINAL & set(kinds[:-1]), kinds


def told(parser):
    """What a parser tells beside its events."""
    return parser.end, parser.anomalies, parser.chunks, dump(parser.snapshot)


def dump(model):
    return None if model is None else model.model_dump()


def look_at(event):
    """Read whatever can be read of an event, and write it out; all of it is JSON, and all of it can be encoded."""
    hash(event)
    repr(event).encode()
    names = [name for name in dir(type(event)) if isinstance(getattr(type(event), name), property)]
    for name in {*names, *(name for name in event.__struct_fields__ if name[0] != "_")}:
        value = getattr(event, name)
        repr(value)
        for model in value if isinstance(value, list) else [value]:
            look_at_model(model)
    for lazies in (False, True):
        values = event.to_dict(lazies=lazies)
        assert values["type"] == event.type
        json.dumps(values, ensure_ascii=False, allow_nan=False).encode()


def look_at_model(model):
    if hasattr(model, "model_dump"):
        repr(model).encode()
        model.model_dump()
        json.loads(model.model_dump_json())
        model.model_copy(deep=True)
