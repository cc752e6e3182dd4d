import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.recording import Recording
from chatstream.recording.changing.body import Body
from chatstream.recording.secrets import Secrets
from chatstream.tapes import merged, scrub, tape_text
from chatstream.tapes.strings import texts_of
from tapes_for_tests import ASKED, DONE, HEAD, recording, tape, times
from wire import chunk, random_cuts, wire

CANARY = "canary-4711-for-tests"
KEY = "sk-canary-0123456789abcdef"
NONE = Secrets()


def escaped(text, random):
    """The text as a JSON string may hold it: each character as it is, or escaped."""
    return "".join(f"\\u{ord(one):04x}" if random.random() < 0.3 else one for one in text)


def spread(secret, random, where="content"):
    """A stream whose answer holds the secret: cut into deltas anywhere, and escaped anywhere."""
    text = f"before {secret} after"
    places = sorted(random.sample(range(len(text)), random.randint(0, 6)))
    pieces = [text[start:stop] for start, stop in zip([0, *places], [*places, len(text)], strict=True)]
    delta = {"content": '{"content":"%s"}', "arguments": '{"tool_calls":[{"index":2,"function":{"arguments":"%s"}}]}'}[
        where
    ]
    line = 'data: {"choices":[{"index":1,"delta":%s}]}\n\n'
    return "".join(line % (delta % escaped(piece, random)) for piece in pieces) + DONE


def text_of(exchange):
    """All that a reader gets of the answer."""
    return json.dumps(merged(exchange).completion)


@given(st.sampled_from([CANARY, KEY]), st.sampled_from(["content", "arguments"]), st.randoms(use_true_random=False))
def test_a_secret_is_found_wherever_it_is_cut_and_however_it_is_escaped(secret, where, random):
    data = spread(secret, random, where).encode()
    one = Recording.parse(tape(*((0.5, "s", piece.decode("utf-8", "replace")) for piece in random_cuts(data, random))))
    scrubbed = scrub(one, Secrets([CANARY]))
    assert secret in text_of(one)
    assert secret not in text_of(scrubbed.exchange)
    assert f"before {'*' * 3}" in text_of(scrubbed.exchange)
    assert scrubbed.found == {"data": 1}
    assert [len(read.data) for read in scrubbed.exchange.reads] == [len(read.data) for read in one.reads]
    assert times(scrubbed.exchange) == times(one)
    again = Recording.parse(tape_text(scrubbed.exchange))
    assert again.problems == []
    assert again.end["masked"] == 1
    assert scrub(again, Secrets([CANARY])).found == {}


@given(st.randoms(use_true_random=False))
def test_chunks_that_came_parsed_are_scrubbed_too(random):
    values = [
        json.loads(line.removeprefix("data: "))
        for line in spread(CANARY, random).split("\n\n")
        if line and line != DONE.strip()
    ]
    one = recording((0, "n", {"source": "chunks"}), *((0.5, "j", value) for value in values))
    scrubbed = scrub(one, Secrets([CANARY])).exchange
    assert CANARY in text_of(one)
    assert CANARY not in text_of(scrubbed)
    assert [read.interval for read in scrubbed.reads] == [read.interval for read in one.reads]
    assert all(type(read.data) is dict for read in scrubbed.reads)


def test_texts_of_several_choices_and_calls_are_kept_apart():
    lines = [
        chunk({"content": "canary-4711"}),
        chunk({"content": "canary-4711"}, index=1),
        chunk({"content": "-for-tests"}, index=1),
    ]
    body = Body.of(Recording.parse(wire(lines)))
    assert {"canary-4711", CANARY} <= {text.value.decode() for text in texts_of(body)}
    scrubbed = scrub(Recording.parse(wire(lines)), Secrets([CANARY])).exchange
    contents = [choice["message"]["content"] for choice in merged(scrubbed).completion["choices"]]
    assert contents == ["canary-4711", "*" * len(CANARY)]


def test_what_was_asked_and_the_heads_and_notes_are_scrubbed():
    asked = {
        **ASKED,
        "url": f"/v1?api_key={CANARY}",
        "headers": {"Authorization": f"Bearer {KEY}", "accept": "*/*"},
        "body": {"messages": [{"content": KEY}]},
    }
    head = {"status": 200, "headers": {"x-request-id": KEY, "set-cookie": "session=abcdefgh1234"}}
    one = recording(
        (0, "q", asked), (0, "h", head), (0, "n", {"note": KEY}), (0, "s", "echo abcdefgh1234\n\n"), error=f"bad {KEY}"
    )
    scrubbed = scrub(one, NONE)
    text = tape_text(scrubbed.exchange)
    for secret in (CANARY, KEY, "abcdefgh1234"):
        assert secret.encode() not in text
    assert sorted(scrubbed.headers) == ["Authorization", "set-cookie"]
    assert scrubbed.found == {"q": 2, "h": 1, "n": 1, "e": 1, "data": 1}
    assert Recording.parse(text).end["masked"] == 6


def test_what_a_request_showed_is_a_secret_in_its_answer():
    asked = {**ASKED, "headers": {"x-api-key": "not-like-any-key"}}
    one = recording((0, "q", asked), (0, "j", chunk({"content": "you are not-like-any-key"})))
    assert b"not-like-any-key" not in tape_text(scrub(one, NONE).exchange)


def test_a_tape_without_secrets_stays_as_it_is():
    one = recording((0, "q", ASKED), (0, "h", HEAD), (0, "j", chunk({"content": "a **** b"})), (0, "s", DONE), masked=2)
    scrubbed = scrub(one, NONE)
    assert (scrubbed.found, scrubbed.headers) == ({}, [])
    assert tape_text(scrubbed.exchange) == tape_text(one)
    assert scrubbed.exchange.end["masked"] == 2


def test_the_sha256_is_no_secret():
    one = recording((0, "s", DONE))
    assert scrub(one, Secrets(patterns=["[0-9a-f]{64}"])).found == {}


def test_a_single_answer_is_scrubbed_where_its_strings_are_escaped():
    body = json.dumps(
        {"choices": [{"index": 0, "message": {"content": "a\n\U0001f600 KEY b"}, "finish_reason": "stop"}]}
    ).replace("KEY", escaped_all(CANARY))
    scrubbed = scrub(Recording.parse(body.encode()), Secrets([CANARY])).exchange
    assert len(scrubbed.bytes) == len(body)
    content = json.loads(scrubbed.bytes)["choices"][0]["message"]["content"]
    assert re.fullmatch(r"a\n\U0001f600 \*+ b", content)


def escaped_all(text):
    return "".join(f"\\u{ord(one):04x}" for one in text)


@given(st.lists(st.binary(max_size=30), max_size=4))
def test_whatever_the_bytes_are_nothing_raises_and_lengths_stay(pieces):
    reads = [
        msgspec.structs.replace(read, data=piece)
        for read, piece in zip(recording(*[(1, "s", "x")] * len(pieces)).reads, pieces, strict=True)
    ]
    one = msgspec.structs.replace(recording(), reads=reads)
    scrubbed = scrub(one, Secrets(patterns=[r"[\x00-\xff]"])).exchange
    assert [len(read.data) for read in scrubbed.reads] == [len(piece) for piece in pieces]


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(ANY, st.booleans())
def test_every_string_of_a_json_value_is_found_with_its_place(value, ascii_only):
    body = Body.of(
        Recording.parse(f"data: {json.dumps(value, ensure_ascii=ascii_only)}\n\n".encode("utf-8", "surrogatepass"))
    )
    found = texts_of(body)
    assert sorted(text.value.decode() for text in found) == sorted(strings(value))
    for text in found:
        for start in range(len(text.value)):
            ((first, last),) = text.spelled(start, start + 1)
            assert first < last
        if text.value:
            spelled = text.spelled(0, len(text.value))
            joined = b"".join(body.data[start:stop] for start, stop in spelled).decode()
            assert json.loads(f'"{joined}"') == text.value.decode()


def strings(value):
    if isinstance(value, str):
        return [value] if value else []
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for one in inner for text in strings(one)]


@pytest.mark.parametrize("secret", [CANARY, KEY])
def test_a_secret_that_reads_cut_is_found(secret):
    data = wire([chunk({"content": f"it is {secret}."})]).decode()
    for place in range(data.index(secret), data.index(secret) + len(secret)):
        one = recording((0, "s", data[:place]), (1, "s", data[place:]))
        scrubbed = scrub(one, Secrets([CANARY])).exchange
        assert secret.encode() not in scrubbed.bytes
        assert [len(read.data) for read in scrubbed.reads] == [place, len(data) - place]


def test_a_pattern_that_takes_more_than_a_string_leaves_a_chunk_a_chunk():
    one = recording((0, "n", {"source": "chunks"}), (0, "j", chunk({"content": "a swordfish b"})))
    scrubbed = scrub(one, Secrets(patterns=[r"swordfish[^}]*\}"])).exchange
    assert type(scrubbed.reads[0].data) is dict
    assert b"swordfish" not in tape_text(scrubbed)
