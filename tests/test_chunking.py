"""A completion cut into chunks: their order and shape, and that they add up to it again (law 7, from the other side)."""

from base64 import b64decode, b64encode
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.accumulator import ChatCompletionAccumulator
from chatstream.chunking import chunks_of, words
from chatstream.jsontext import read_json, write_json
from chatstream.types import ChatCompletion, build
from made_up import FINISHES, arguments, pieces, spoil, text, token, usage
from wire import dump, read, wire

seeds = st.integers(0, 2**32)


def completion(message=None, **members):
    """A completion of one choice, or of those given."""
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    named = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m"}
    return {**named, "choices": [choice], "usage": {"prompt_tokens": 1}, **members}


def said(content="", **members):
    return {"role": "assistant", "content": content, "refusal": None, **members}


def deltas(chunks):
    return [choice["delta"] for chunk in chunks for choice in chunk["choices"]]


# ---------------------------------------------------------------- the shape


def test_a_text_comes_as_the_api_streams_it():
    answer = completion(said("Hello you"), service_tier="default", system_fingerprint="fp")
    named = {
        "id": "chatcmpl-1", "created": 1, "model": "m", "service_tier": "default", "system_fingerprint": "fp", "object": "chat.completion.chunk",
    }  # fmt: skip

    def of(delta, finish=None):
        return {**named, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}

    assert chunks_of(answer) == [
        of({"role": "assistant", "content": "", "refusal": None}),
        of({"content": "Hello"}),
        of({"content": " you"}),
        of({}, "stop"),
    ]


def test_with_usage_each_chunk_has_a_null_and_the_last_has_no_choice():
    *before, last = chunks_of(completion(said("a")), include_usage=True)
    assert [chunk["usage"] for chunk in before] == [None] * len(before)
    assert (last["choices"], last["usage"]) == ([], {"prompt_tokens": 1})


def test_without_usage_no_chunk_speaks_of_it():
    assert not any("usage" in chunk for chunk in chunks_of(completion(said("a"))))


def test_a_call_is_begun_with_empty_arguments_and_goes_on_in_fragments():
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}, "signature": "s"}
    _, first, *rest, _ = deltas(chunks_of(completion(said(None, tool_calls=[call]))))
    assert first == {"tool_calls": [{**call, "index": 0, "function": {"name": "f", "arguments": ""}}]}
    assert rest == [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in ['{"a":', " 1}"]]


def test_a_custom_call_has_its_input_in_fragments():
    call = {"id": "c", "type": "custom", "custom": {"name": "sh", "input": "ls -l"}}
    _, first, *rest, _ = deltas(chunks_of(completion(said(None, tool_calls=[call]))))
    assert first["tool_calls"][0]["custom"] == {"name": "sh", "input": ""}
    assert [delta["tool_calls"] for delta in rest] == [
        [{"index": 0, "custom": {"input": piece}}] for piece in ["ls", " -l"]
    ]


def test_calls_come_one_after_the_other_under_their_own_index():
    calls = [
        {"id": f"c{place}", "type": "function", "function": {"name": "f", "arguments": "{}"}} for place in range(3)
    ]
    indexes = [
        delta["tool_calls"][0]["index"] for delta in deltas(chunks_of(completion(said(None, tool_calls=calls))))[1:-1]
    ]
    assert indexes == [0, 0, 1, 1, 2, 2]


def test_a_message_without_content_has_none_in_its_first_delta():
    first, *_ = deltas(chunks_of(completion(said(None, refusal="no"))))
    assert first == {"role": "assistant", "content": None, "refusal": ""}


def test_sound_is_cut_into_deltas_that_are_each_base64():
    sound = bytes(range(256)) * 50
    audio = {"id": "a", "data": b64encode(sound).decode(), "transcript": "one two", "expires_at": 9}
    parts = [delta["audio"] for delta in deltas(chunks_of(completion(said(None, audio=audio)))) if "audio" in delta]
    assert parts[0] == {"id": "a", "data": "", "transcript": ""}
    assert parts[-1] == {"expires_at": 9}
    assert len(parts) > 4
    assert b"".join(b64decode(part["data"], validate=True) for part in parts if "data" in part) == sound


def test_a_token_stands_beside_its_own_text():
    entries = [{"token": name, "logprob": -1.0, "bytes": None, "top_logprobs": []} for name in ("Hel", "lo", "!")]
    answer = completion(said("Hello!"))
    answer["choices"][0]["logprobs"] = {"content": entries, "refusal": None}
    choices = [chunk["choices"][0] for chunk in chunks_of(answer)][1:-1]
    assert [choice["delta"]["content"] for choice in choices] == ["Hel", "lo", "!"]
    assert [choice["logprobs"] for choice in choices] == [{"content": [entry], "refusal": None} for entry in entries]


def test_tokens_that_do_not_join_to_the_text_come_in_one_lump():
    entries = [{"token": "x"}, {"token": "y"}]
    answer = completion(said("one two"))
    answer["choices"][0]["logprobs"] = {"content": entries, "refusal": None}
    _, first, second, _ = [chunk["choices"][0] for chunk in chunks_of(answer)]
    assert (first["logprobs"]["content"], second["logprobs"]) == (entries, None)


def test_choices_come_in_turn_and_all_begin_before_one_ends():
    choices = [
        {"index": index, "message": said("a b c"[: 2 * index + 1]), "finish_reason": "stop"} for index in range(3)
    ]
    made = chunks_of(completion(choices=choices))
    assert [chunk["choices"][0]["index"] for chunk in made][:6] == [0, 1, 2, 0, 1, 2]
    ends = [place for place, chunk in enumerate(made) if chunk["choices"][0]["finish_reason"]]
    assert min(ends) > 2


def test_what_the_api_does_not_have_comes_once():
    answer = completion(said("a b", vendor="v"), citations=["u"])
    answer["choices"][0]["content_filter_results"] = {"hate": {}}
    chunks = chunks_of(answer)
    assert [chunk.get("citations") for chunk in chunks] == [["u"], None, None, None]
    assert [delta.get("vendor") for delta in deltas(chunks)] == ["v", None, None, None]
    assert ["content_filter_results" in chunk["choices"][0] for chunk in chunks] == [True, False, False, False]


def test_an_answer_without_choices_is_one_chunk():
    assert chunks_of({"id": "x", "moderation": {"a": 1}}) == [
        {"id": "x", "object": "chat.completion.chunk", "choices": [], "moderation": {"a": 1}}
    ]


def test_pieces_that_do_not_join_are_refused():
    with pytest.raises(ValueError, match="do not join"):
        chunks_of(completion(said("abc")), pieces=lambda text: [text[:1]])


@given(st.text())
def test_words_join_to_the_text(whole):
    assert "".join(words(whole)) == whole
    assert "" not in words(whole)


# ---------------------------------------------------------------- the law


def whole_answer(random):
    """A completion as the non-streaming endpoint gives it."""
    named = {"id": "chatcmpl-7", "object": "chat.completion", "created": 7, "model": "m-7"}
    extras = {
        "service_tier": "default", "system_fingerprint": "fp_7", "citations": ["u", "v"], "metadata": {"k": "v"},
        "moderation": {"input": {"type": "error"}, "output": {"type": "error"}},
    }  # fmt: skip
    choices = [whole_choice(random, index) for index in range(random.choice([1, 1, 2, 3]))]
    kept = {key: extras[key] for key in random.sample(sorted(extras), random.randint(0, len(extras)))}
    return {**named, "choices": choices, "usage": usage(random), **kept}


def whole_choice(random, index):
    message = {"role": "assistant", "content": random.choice([None, "", text(random) + text(random)]), "refusal": None}
    reasoning = text(random) + text(random)
    parts = {
        "refusal": text(random),
        "reasoning_content": reasoning,
        "reasoning": reasoning,
        "tool_calls": [whole_call(random, place) for place in range(random.randint(1, 3))],
        "function_call": {"name": "legacy", "arguments": random.choice(["", "{}{}", arguments(random)]), "x": 1},
        "audio": {"id": "a", "data": b64encode(random.randbytes(random.choice([0, 9, 9000]))).decode(), "transcript": text(random), "expires_at": 9},
        "annotations": [{"type": "url_citation", "url_citation": {"url": "u", "start_index": 0, "end_index": 1, "title": "t"}}],
        "vendor": {"a": 1, "b": {"c": [1]}},
        "thought": "kept whole",
        "token_ids": [1, 2, 2],
    }  # fmt: skip
    message |= {key: parts[key] for key in random.sample(sorted(parts), random.choice([0, 1, 1, 2, 3]))}
    choice = {"index": index, "finish_reason": random.choice(FINISHES), "logprobs": None, "message": message}
    if random.random() < 0.4:
        choice["logprobs"] = {"content": whole_tokens(random, message), "refusal": None}
    if random.random() < 0.2:
        choice["content_filter_results"] = {"hate": {"filtered": False}}
    return choice


def whole_tokens(random, message):
    entries = [token(random) for _ in range(3)]
    if message["content"] is not None and random.random() < 0.7:
        message["content"] = "".join(entry["token"] for entry in entries)
    return entries


def whole_call(random, place):
    if random.random() < 0.3:
        return {"id": f"call_{place}", "type": "custom", "custom": {"name": f"c{place}", "input": text(random)}}
    written = random.choice([arguments(random), arguments(random), "", "{}{}{}{}", '{"a":1}' * 3])
    return {
        "id": f"call_{place}",
        "type": "function",
        "function": {"name": f"f{place}", "arguments": written},
        "signature": "s",
    }


def as_delivered(answer):
    """The answer as a completion, whose one reasoning text goes by one name whatever the server called it."""
    for choice in answer["choices"]:
        if "reasoning_content" in choice["message"]:
            choice["message"]["reasoning"] = choice["message"]["reasoning_content"]
    return dump(build(ChatCompletion, answer))


@given(seeds, st.booleans())
def test_the_chunks_of_an_answer_add_up_to_it(seed, by_words):
    random = Random(seed)
    answer = whole_answer(random)
    cut = words if by_words else lambda whole: pieces(random, whole, 12)
    made = chunks_of(answer, include_usage=True, pieces=cut)
    accumulator = ChatCompletionAccumulator()
    for chunk in made:
        accumulator.add(chunk)
    parser, events = read([wire(made)])
    assert events[-1].end.kind == "complete"
    assert dump(accumulator.snapshot) == dump(parser.snapshot) == as_delivered(answer)
    assert parser.anomalies == accumulator.anomalies == []


@given(seeds)
def test_no_answer_is_too_odd_to_be_cut(seed):
    random = Random(seed)
    answer = whole_answer(random)
    for _ in range(3):
        answer = spoil(random, answer)
    if isinstance(answer, dict):
        made = chunks_of(answer, include_usage=True)
        assert made
        assert all(read_json(write_json(one).encode())[0] for one in made)
