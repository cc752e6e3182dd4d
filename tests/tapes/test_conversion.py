import json

import pytest

from chatstream.errors import IncompleteStreamError, RecordingError
from chatstream.recording import Recording
from chatstream.tapes import as_tape, compare, convert
from tapes_for_tests import ASKED, DONE, HEAD, recording
from wire import chunk, wire

CHUNKS = [chunk({"role": "assistant", "content": "Hel"}), chunk({"content": "lo"}), chunk(finish="stop")]
STREAM = b": hi\r\n\r\n" + wire(CHUNKS)
KEY = "sk-canary-0123456789abcdef"


def sources():
    stream = Recording.parse(STREAM)
    return {
        "sse": stream,
        "chunks": Recording.parse(b"".join(json.dumps(one).encode() + b"\n" for one in CHUNKS)),
        "completion": Recording.parse(convert(stream, "completion").data),
        "tape": recording(
            (0, "q", ASKED), (0.5, "h", HEAD), (0.5, "s", STREAM.decode()[:70]), (1, "s", STREAM.decode()[70:])
        ),
    }


@pytest.mark.parametrize("target", ["sse", "jsonl", "completion", "tape"])
@pytest.mark.parametrize("source", ["sse", "chunks", "completion", "tape"])
def test_whatever_it_becomes_it_means_the_same(source, target):
    one = sources()[source]
    again = Recording.parse(convert(one, target).data)
    assert again.form == {"jsonl": "chunks"}.get(target, target)
    assert [difference.place for difference in compare(one, again) if difference.place.startswith("answer")] == []


@pytest.mark.parametrize("source", ["sse", "tape"])
def test_the_bytes_of_a_stream_stay(source):
    assert convert(sources()[source], "sse").data == STREAM


def test_a_tape_that_becomes_a_tape_keeps_everything():
    one = sources()["tape"]
    again = convert(one, "tape")
    assert again.lost == []
    assert compare(one, Recording.parse(again.data), timing=0, ids=True, reads=True) == []


def test_what_there_is_no_room_for_is_told():
    one = recording(
        (0, "x", "reset:1"),
        (0, "q", ASKED),
        (0, "h", HEAD),
        (0, "n", {"a": 1}),
        (1, "j", CHUNKS[0]),
        (1, "s", "data: oops\n\n"),
        end="error",
    )
    lost = ["the request", "the response head", "times", "where reads ended", "faults", "notes", "how it ended"]
    assert convert(one, "sse").lost == lost
    assert convert(one, "jsonl").lost == ["1 event whose data is no chunk", *lost]
    assert convert(sources()["sse"], "jsonl").lost == []


def test_what_could_not_be_read_is_told():
    data = b'{"tape":1}\n[0,"s","data: [DONE]\\n\\n"]\n'
    assert convert(Recording.parse(data + b'[0,"j",{"a'), "sse").lost[-1] == "the last line, which was cut"
    assert "line 3" in convert(Recording.parse(data + b'?\n[0,"s","x"]\n'), "tape").lost[-1]


def test_a_completion_that_is_not_whole_says_so():
    converted = convert(Recording.parse(wire(CHUNKS[:2], done=False)), "completion")
    assert json.loads(converted.data)["choices"][0]["message"]["content"] == "Hello"
    assert isinstance(converted.failure, IncompleteStreamError)


@pytest.mark.parametrize("data", [b"", b"data: [DONE]\n\n", b'{"error":{"message":"no"}}', b"\xff"])
def test_where_there_is_no_answer_there_is_no_completion(data):
    with pytest.raises(RecordingError, match="no answer"):
        convert(Recording.parse(data), "completion")


def test_what_becomes_a_tape_is_masked_on_the_way():
    head = b"HTTP/1.1 200 OK\r\nSet-Cookie: id=canary-cookie-1\r\nContent-Type: text/event-stream\r\n\r\n"
    one = Recording.parse(head + wire([chunk({"content": f"{KEY} canary-cookie-1"}), chunk(finish="stop")]))
    converted = convert(one, "tape")
    assert KEY.encode() not in converted.data
    assert b"canary-cookie-1" not in converted.data
    assert converted.lost == ["headers: set-cookie", "2 secrets, masked"]
    again = Recording.parse(converted.data)
    assert (again.end["end"], again.end["masked"], again.problems) == ("eof", 2, [])


def test_a_tape_is_masked_as_well_and_loses_the_headers_that_no_recorder_keeps():
    request = {**ASKED, "headers": {"authorization": "Bearer canary-plain-99", "accept": "*/*"}}
    lines = [
        (0, "q", request),
        (0, "h", HEAD),
        (0, "n", {"note": KEY}),
        (1, "j", chunk({"content": f"{KEY} canary-plain-99"})),
    ]
    converted = convert(recording(*lines), "tape")
    assert b"canary" not in converted.data
    assert converted.lost == ["headers: authorization", "3 secrets, masked"]
    again = Recording.parse(converted.data)
    assert (again.request["headers"], again.problems) == ({"accept": "*/*"}, [])


def test_a_tape_without_an_end_gets_none():
    assert Recording.parse(convert(recording((0, "q", ASKED), end=None), "tape").data).end is None


def test_what_was_cut_gets_no_end():
    assert as_tape(Recording.parse(b'{"object":"chat.completion.chunk"}\n{"obj'))[0].end is None
    assert as_tape(Recording.parse(DONE.encode()))[0].end == {"end": "eof"}


def test_another_kind_of_file_is_refused():
    with pytest.raises(ValueError, match="sse, jsonl, completion, tape"):
        convert(sources()["sse"], "yaml")
