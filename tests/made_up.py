"""Made-up streams: chunks as servers may send them, and mutations of their bytes.

Everything is drawn from a `random.Random`: a seeded one, or Hypothesis's own, which it can shrink.
"""

import json

from wire import block, wire

TEXTS = [
    "a",
    "Hel",
    "lo",
    " ",
    "\n\n",
    "é",
    "😀",
    '"',
    "\\",
    "{",
    "}",
    '{"x": 1}',
    "data: ",
    "[DONE]",
    "null",
    "\u2028",
    "x" * 40,
]
HALVES = ["\ud83d", "\ude00", "a\ud83d", "\ude00b", "\ud83d\ude00"]
# What may stand where something else should.
ODD = [
    None, True, False, 0, 1, -1, 7, 2**70, 1.5, float("nan"), float("inf"), -1e400, "", "null", "x", "0", "\ud800", [], [None], [[]],
    ["x"], [{}], [{"index": "0"}], {}, {"x": None}, {"error": None}, {"text": "t"}, {"\udfff": "\ud83d"}, {"index": True},
    {"id": 7, "name": [], "arguments": {"a": [1]}}, [{"type": "text", "text": "t"}, {"type": "thinking", "thinking": "s"}],
]  # fmt: skip
FINISHES = ["stop", "length", "tool_calls", "content_filter", "function_call"]


def text(random, halves=0.0):
    pieces = [random.choice(HALVES if random.random() < halves else TEXTS) for _ in range(random.randint(1, 3))]
    return "".join(pieces)


def token(random):
    top = [{"token": "b", "logprob": -3.5, "bytes": [98]}] if random.random() < 0.3 else []
    return {"token": text(random), "logprob": -random.random(), "bytes": None, "top_logprobs": top}


def usage(random):
    sent, made = random.randint(0, 99), random.randint(0, 99)
    return {"prompt_tokens": sent, "completion_tokens": made, "total_tokens": sent + made}


def arguments(random):
    """A JSON object as text: short, long, nested, empty."""
    value = {
        text(random): random.choice([1, None, text(random), [1, {"deep": {}}]]) for _ in range(random.randint(0, 3))
    }
    return json.dumps(value, ensure_ascii=random.random() < 0.5)


def pieces(random, whole, most=4):
    """The text, cut at random into at least one piece; some may be empty."""
    places = sorted(random.randint(0, len(whole)) for _ in range(random.randint(0, most)))
    return [whole[start:stop] for start, stop in zip([0, *places], [*places, len(whole)], strict=True)]


class Stream:
    """A made-up stream of one completion, a delta at a time."""

    def __init__(self, random, *, odd=0.0, halves=0.0):
        self.random = random
        self.odd = odd
        self.halves = halves
        self.open = {}  # choice -> its calls as [index, id, name, arguments to come]
        self.named = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "m"}

    def chunk(self, *choices, **members):
        value = {**self.named, "choices": list(choices), **members}
        if self.random.random() < self.odd:
            key = self.random.choice(["choices", "choices", "choices", *value])
            value[key] = spoil(self.random, value[key])
        return value

    def choice(self, index, delta, finish=None, **members):
        return {"index": index, "delta": delta, "finish_reason": finish, **members}

    def text_delta(self, index):
        keys = ["content", "content", "content", "refusal", "reasoning_content", "reasoning"]
        delta = {self.random.choice(keys): text(self.random, self.halves)}
        if self.random.random() < 0.1:
            delta["role"] = "assistant"
        if self.random.random() < 0.1:
            delta[self.random.choice(["thought", "kind", "note"])] = text(self.random)
        return self.choice(index, delta)

    def parts_delta(self, index):
        part = self.random.choice(
            [
                {"type": "text", "text": text(self.random, self.halves)},
                {"type": "thinking", "thinking": [{"type": "text", "text": text(self.random)}]},
                {"type": "image_url", "image_url": {"url": "data:"}},
            ]
        )
        return self.choice(index, {"content": [part]})

    def logprobs_delta(self, index):
        key = self.random.choice(["content", "refusal"])
        return self.choice(index, {"content": "p"}, logprobs={key: [token(self.random)]})

    def call_delta(self, index):
        calls = self.open.setdefault(index, [])
        random = self.random
        custom = random.random() < 0.15
        name, text_name = ("custom", "input") if custom else ("function", "arguments")
        if not calls or random.random() < 0.3:
            call = [len(calls), f"call_{len(calls)}", name, pieces(random, "" if custom else arguments(random))]
            calls.append(call)
            entry = {"index": call[0], "id": call[1], "type": name, name: {"name": f"f{call[0]}", text_name: ""}}
        else:
            call = random.choice(calls)
            entry = {"index": call[0], call[2]: {"arguments" if call[2] == "function" else "input": self._more(call)}}
        if random.random() < self.odd:
            entry.pop(random.choice(["index", "id", "type"]), None)
        return self.choice(index, {"tool_calls": [entry]})

    def _more(self, call):
        return call[3].pop(0) if call[3] else random_tail(self.random)

    def legacy_delta(self, index):
        return self.choice(index, {"function_call": {"name": "g", "arguments": text(self.random, self.halves)}})

    def audio_delta(self, index):
        audio = {"id": "audio_1", "data": "AAEC", "transcript": text(self.random, self.halves)}
        kept = self.random.sample(sorted(audio), self.random.randint(1, 3))
        return self.choice(index, {"audio": {key: audio[key] for key in kept}})

    def details_delta(self, index):
        detail = {"type": "reasoning.text", "index": 0, "text": text(self.random, self.halves), "signature": None}
        if self.random.random() < 0.4:
            del detail["index"]
        return self.choice(index, {"reasoning_details": [detail], "annotations": [{"type": "url_citation", "n": 1}]})

    def extras_delta(self, index):
        value = self.random.choice([{"a": {"b": 1}}, {"a": {"c": None}}, 3, "s", [1, 2], [{"k": 1}]])
        return self.choice(index, {"token_ids": [1, 2], "extra": value}, content_filter_results=value)

    def draw(self, index):
        kinds = [self.text_delta] * 6 + [self.call_delta] * 4
        kinds += [
            self.parts_delta,
            self.logprobs_delta,
            self.legacy_delta,
            self.audio_delta,
            self.details_delta,
            self.extras_delta,
        ]
        return self.random.choice(kinds)(index)


def random_tail(random):
    return random.choice(["", " ", "}", "{", '"'])


def spoil(random, value):
    """The value with something odd in one place of it."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        key = random.choice(sorted(value))
        fate = random.random()
        if fate < 0.1:
            return {name: inner for name, inner in value.items() if name != key}
        return {**value, key: spoil(random, value[key])}
    if isinstance(value, list) and value and random.random() < 0.85:
        place = random.randrange(len(value))
        return [*value[:place], spoil(random, value[place]), *value[place + 1 :]]
    return random.choice(ODD)


def chunks(random, *, most=12, odd=0.0, halves=0.0):
    """The chunks of a made-up stream, from the first one to the usage; some streams lack their end."""
    stream = Stream(random, odd=odd, halves=halves)
    indexes = list(range(random.choice([1, 1, 1, 2, 3])))
    made = [stream.chunk(stream.choice(index, {"role": "assistant", "content": ""})) for index in indexes[:1]]
    for _ in range(random.randint(0, most)):
        said = [stream.draw(random.choice(indexes)) for _ in range(1 if random.random() < 0.9 else 2)]
        made.append(stream.chunk(*said))
    finished = [index for index in indexes if random.random() < 0.95]
    made += [stream.chunk(stream.choice(index, {}, random.choice(FINISHES))) for index in finished]
    if random.random() < 0.5:
        made.append(stream.chunk(usage=usage(random)))
    if random.random() < 0.1:
        made.insert(random.randint(0, len(made)), stream.chunk(stream.draw(0)))
    return made


def body(random, **options):
    """The bytes of a made-up stream, with whatever else stands between the chunks of a real one."""
    newline = random.choice(["\n", "\n", "\n", "\r\n", "\r"])
    between = [
        ": ping\n\n",
        "data:\n\n",
        "event: x\n",
        "id: 1\n",
        "retry: 10\n\n",
        "data: {}\n\n",
        "data: null\n\n",
        "stray\n",
    ]
    made = b""
    for one in chunks(random, **options):
        if random.random() < 0.05:
            made += random.choice(between).encode()
        if random.random() < 0.05:
            made += json.dumps(one, indent=1).replace("\n", "\ndata: ").join(["data: ", "\n\n"]).encode()
        else:
            made += wire([one], done=False, newline=newline)
    return made + random.choice([block("[DONE]", newline)] * 6 + [b"", b"data: [DONE]", b"data: [DONE]\n"])


TOKENS = [
    b"\n", b"\n\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xef\xbb\xbf", b":", b"data:", b"data: ", b"data\n\n", b"event: error\n", b"id: \0\n",
    b"retry: 9\n", b"[DONE]", b"data: [DONE]\n\n", b"null", b"NaN", b"1e999", b"-", b'"', b"\\", b"\\ud83d", b"\\u0000", b"{", b"}", b"[", b"]",
    b"{}", b"[]", b"[[[[", b",", b'"error": 1,', b'"error": {"message": "m"},', b'"choices": null,', b'"index": -1,', b'"index": true,', b'"usage": 1,',
    b'"object": "error",', b'data: {"error": "e"}\n\n', b"error: {}\n", b'"delta": null,', b'"finish_reason": "stop",', b"<html>", b"9" * 5000, b"[" * 300,
]  # fmt: skip


def mutated(random, data):
    """The bytes after a mutation, or a few."""
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        data = random.choice(_MUTATIONS)(random, data)
    return data


def _flip(random, data):
    place = random.randrange(len(data)) if data else 0
    return data[:place] + bytes([random.randrange(256)]) + data[place + 1 :]


def _slice(random, data, most=40):
    start = random.randint(0, len(data))
    return start, min(len(data), start + random.randint(1, most))


def _delete(random, data):
    start, stop = _slice(random, data)
    return data[:start] + data[stop:]


def _duplicate(random, data):
    start, stop = _slice(random, data, 400)
    return data[:stop] + data[start:stop] + data[stop:]


def _insert(random, data):
    place = random.randint(0, len(data))
    return data[:place] + random.choice(TOKENS) + data[place:]


def _overwrite(random, data):
    start, stop = _slice(random, data)
    return data[:start] + random.choice(TOKENS) + data[stop:]


def _swap(random, data):
    """Two blocks change places."""
    blocks = data.split(b"\n\n")
    one, other = random.randrange(len(blocks)), random.randrange(len(blocks))
    blocks[one], blocks[other] = blocks[other], blocks[one]
    return b"\n\n".join(blocks)


def _repeat_block(random, data):
    blocks = data.split(b"\n\n")
    place = random.randrange(len(blocks))
    return b"\n\n".join(blocks[:place] + [blocks[place]] * 2 + blocks[place + 1 :])


def _drop_block(random, data):
    blocks = data.split(b"\n\n")
    del blocks[random.randrange(len(blocks))]
    return b"\n\n".join(blocks)


def _truncate(random, data):
    return data[: random.randint(0, len(data))]


def _spoil_block(random, data):
    """Something odd in one place of one chunk, the JSON as such whole."""
    blocks = data.split(b"\n\n")
    place = random.randrange(len(blocks))
    if blocks[place][:6] == b"data: ":
        try:
            value = json.loads(blocks[place][6:])
        except ValueError:
            return data
        blocks[place] = b"data: " + json.dumps(spoil(random, value)).encode()
    return b"\n\n".join(blocks)


_MUTATIONS = [
    _flip,
    _flip,
    _delete,
    _duplicate,
    _insert,
    _insert,
    _overwrite,
    _swap,
    _repeat_block,
    _drop_block,
    _truncate,
]
_MUTATIONS += [_spoil_block] * 8
