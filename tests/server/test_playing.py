"""Recordings as answers: the same bytes in the same reads at the same times, or the other way round."""

import gzip
import json
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream import ChatCompletionStream
from chatstream.recording import Exchange, Read, Recording
from chatstream.recording.library.answering import paced, renamed
from chatstream.server import ReplayServer
from serving import DONE, ECHO, ask, delta, events, play, post, text_of

STREAM = {**ECHO, "stream": True}
BLOCKS = [delta("One"), delta(" two"), delta(" three", finish_reason="stop"), DONE]
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 7,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "One two three"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4},
}


def serve(*tapes, **options):
    return ReplayServer(tapes, **{"match": "order", "speed": None, **options})


def document(value=COMPLETION, status=200, seconds=0, end="eof"):
    """A recording of one JSON answer."""
    lines = [
        {"tape": 1},
        [0, "h", {"status": status, "headers": {"content-type": "application/json", "x-kept": "1"}}],
        [seconds, "s", json.dumps(value)],
        [0, "e", {"end": end}],
    ]
    return Recording.parse("\n".join(map(json.dumps, lines)).encode(), name="one")


def pieces(answer):
    return [data for _, data in answer.chunks]


def times(answer):
    return [moment for moment, _ in answer.chunks]


# As it was recorded


def test_the_reads_of_a_tape_are_the_writes_of_its_answer():
    whole = "".join(BLOCKS).replace("One", "Éins \U0001f4a9").encode()
    cuts = [0, 1, 40, 41, 200, len(whole)]
    reads = [whole[start:stop] for start, stop in pairwise(cuts)]
    tape = play(*BLOCKS)
    tape.reads[:] = [type(tape.reads[0])(0.0, read) for read in reads]
    with serve(tape) as server:
        answer = post(server, STREAM)
    assert pieces(answer) == reads
    assert answer.ended == "whole"


def test_a_read_of_nothing_takes_its_time_and_does_not_end_the_body():
    with serve(play(BLOCKS[0], (0.15, ""), (0.15, DONE)), speed=1.0) as server:
        answer = post(server, STREAM)
    assert pieces(answer) == [BLOCKS[0].encode(), DONE.encode()]
    assert times(answer)[1] - times(answer)[0] > 0.25


def test_the_times_of_a_tape_are_those_of_its_answer():
    with serve(play((0.8, BLOCKS[0]), BLOCKS[1], (0.8, BLOCKS[2]), DONE), speed=1.0) as server:
        answer = post(server, STREAM)
    first, second, third, fourth = times(answer)
    assert answer.first_byte < 0.75  # the head came at once
    assert 0.78 < first < 1.5
    assert second - first < 0.75
    assert 0.75 < third - second < 1.5
    assert fourth - third < 0.75


@pytest.mark.parametrize(("speed", "least", "most"), [(2.0, 0.75, 1.5), (None, 0.0, 0.7), (0.5, 3.1, 9)])
def test_a_tape_can_be_played_faster_and_slower(speed, least, most):
    with serve(play((0.8, BLOCKS[0]), (0.8, BLOCKS[1]), DONE), speed=speed) as server:
        answer = post(server, STREAM)
    assert least < times(answer)[-1] < most


def test_the_time_before_the_head_is_played_too():
    lines = [{"tape": 1}, [0.6, "h", {"status": 200, "headers": {}}], [0.6, "s", BLOCKS[0]], [0, "e", {"end": "eof"}]]
    tape = Recording.parse("\n".join(map(json.dumps, lines)).encode())
    with serve(tape, speed=1.0) as server:
        answer = post(server, STREAM)
    assert 0.58 < answer.first_byte < 1.1
    assert 0.5 < times(answer)[0] - answer.first_byte < 1.1


def test_the_time_before_the_end_is_played_too():
    lines = [{"tape": 1}, [0, "s", BLOCKS[0]], [0.8, "e", {"end": "eof"}]]
    with serve(Recording.parse("\n".join(map(json.dumps, lines)).encode()), speed=1.0) as server:
        answer = post(server, STREAM)
    assert answer.ended == "whole"
    assert times(answer)[0] < 0.75
    assert 0.78 < answer.seconds < 2.5


def test_the_recorded_status_and_headers_come_back_but_for_those_of_the_connection():
    tape = play(*BLOCKS)
    tape.response["headers"].update(
        {
            "X-Request-Id": "req_1",
            "Server": "theirs",
            "Transfer-Encoding": "chunked",
            "content-encoding": "gzip",
            "Connection": "close",
        }
    )
    with serve(tape) as server:
        answer = post(server, STREAM)
    assert answer.headers["x-request-id"] == "req_1"
    assert answer.headers["server"] == "chatstream"
    assert "content-encoding" not in answer.headers
    assert "connection" not in answer.headers
    assert answer.headers["content-type"] == "text/event-stream"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_a_recorded_error_is_the_same_error_streamed_or_not(status, stream):
    error = {"error": {"message": "Slow down", "type": "t", "param": None, "code": "c"}}
    tape = document(error, status)
    tape.response["headers"]["retry-after"] = "7"
    with serve(tape) as server:
        answer = post(server, {**ECHO, "stream": stream})
        assert (answer.status, answer.json, answer.headers["retry-after"]) == (status, error, "7")
        assert post(server, {**ECHO, "store": True}).status == status
        assert ask(server, "GET", "/v1/chat/completions").json["data"] == []


@pytest.mark.parametrize("stream", [True, False])
def test_a_gateways_page_of_html_is_played_as_it_was(stream):
    tape = play("<html>Bad Gateway</html>")
    tape.response.update({"status": 502, "headers": {"content-type": "text/html"}})
    with serve(tape) as server:
        answer = post(server, {**ECHO, "stream": stream})
    assert (answer.status, answer.body) == (502, b"<html>Bad Gateway</html>")
    assert answer.headers["content-type"] == "text/html"


# How it ended


@pytest.mark.parametrize(
    ("end", "ended"),
    [
        ("eof", "whole"),
        ({"end": "error", "error": "RemoteProtocolError"}, "cut"),
        ({"end": "error", "error": "ConnectionResetError: [Errno 104]"}, "reset"),
        ({"end": "error"}, "cut"),
        ({"end": "timeout", "phase": "idle"}, "silent"),
    ],
)
def test_a_stream_ends_as_it_did_when_it_was_recorded(end, ended):
    with serve(play(*BLOCKS[:2], end=end)) as server:
        answer = post(server, STREAM, timeout=0.5)
        assert answer.body == "".join(BLOCKS[:2]).encode()
        assert answer.ended == ended
        assert ask(server, "GET", "/health").status == 200


@pytest.mark.parametrize("end", [{"end": "error", "error": "ReadError"}, {"end": "timeout", "phase": "idle"}])
def test_a_stream_that_was_cut_is_no_single_answer(end):
    with serve(play(*BLOCKS[:2], end=end)) as server:
        answer = post(server, {**ECHO, "store": True})
        assert (answer.status, answer.error["code"]) == (502, "incomplete_tape")
        assert answer.error["type"] == "server_error"
        assert ask(server, "GET", "/v1/chat/completions").json["data"] == []


def test_a_tape_that_cannot_be_read_on_breaks_off_there():
    text = (
        "\n".join(json.dumps(line) for line in ({"tape": 1}, [0, "s", BLOCKS[0]]))
        + "\nnonsense\n"
        + json.dumps([0, "s", DONE])
        + "\n"
    )
    with serve(Recording.parse(text.encode(), name="flawed")) as server:
        assert any("line 3" in note for note in server.notes)
        answer = post(server, STREAM)
        assert (answer.body, answer.ended) == (BLOCKS[0].encode(), "cut")
        assert post(server).status == 502


def test_an_error_event_in_a_stream_is_the_error_of_the_single_answer():
    error = {"error": {"message": "overloaded", "type": "server_error", "param": None, "code": "busy"}}
    with serve(play(BLOCKS[0], f"data: {json.dumps(error)}\n\n")) as server:
        answer = post(server)
        assert answer.status == 500
        assert answer.json == error
        assert events(post(server, STREAM))[-1] == error


# The other way round


def test_a_stream_is_merged_for_who_wants_one_answer_and_takes_as_long():
    with serve(play((0.15, BLOCKS[0]), (0.15, BLOCKS[1]), *BLOCKS[2:]), speed=1.0) as server:
        answer = post(server)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["object"] == "chat.completion"
    assert answer.json["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "One two three", "refusal": None},
            "finish_reason": "stop",
            "logprobs": None,
        }
    ]
    assert 0.28 < answer.first_byte < 1.5


def test_one_answer_is_cut_into_chunks_for_who_wants_a_stream():
    with serve(document()) as server:
        answer = post(server, STREAM)
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert text_of(answer) == "One two three"
        *chunks, done = events(answer)
        assert done == "[DONE]"
        assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
        assert {chunk["id"] for chunk in chunks} == {"chatcmpl-1"}
        assert not any(chunk.get("usage") for chunk in chunks)
        usage = post(server, {**STREAM, "stream_options": {"include_usage": True}})
        assert events(usage)[-2]["usage"] == COMPLETION["usage"]
        assert events(usage)[-2]["choices"] == []


def test_one_answer_that_was_recorded_is_the_same_bytes_again():
    tape = document(seconds=0.2)
    with serve(tape, speed=1.0) as server:
        answer = post(server)
        assert answer.body == tape.bytes
        assert answer.headers["x-kept"] == "1"
        assert 0.18 < answer.first_byte < 1.2
        assert times(post(server, STREAM))[0] > 0.18


# Files of other kinds


def write(path, data):
    path.write_bytes(data)
    return path


KINDS = {
    "answer.sse": "".join(BLOCKS).encode(),
    "headless.tape.jsonl": f'{{"tape":1}}\n{json.dumps([0, "s", json.dumps(COMPLETION)])}\n'.encode(),
    "with-head.sse": b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + "".join(BLOCKS).encode(),
    "chunks.jsonl": "".join(f"{block[6:].strip()}\n" for block in BLOCKS[:-1]).encode(),
    "array.jsonl": ("[" + ",".join(block[6:].strip() for block in BLOCKS[:-1]) + "]").encode(),
    "completion.json": json.dumps(COMPLETION).encode(),
    "packed.sse.gz": gzip.compress("".join(BLOCKS).encode()),
}


@pytest.mark.parametrize("name", KINDS)
def test_files_of_all_kinds_are_served_both_ways(tmp_path, name):
    with serve(write(tmp_path / name, KINDS[name])) as server:
        assert server.tape_names == [name]
        stream = post(server, STREAM)
        assert text_of(stream) == "One two three"
        assert events(stream)[-1] == "[DONE]"
        assert stream.headers["content-type"].startswith("text/event-stream")
        whole = post(server)
        assert whole.json["choices"][0]["message"]["content"] == "One two three"
        assert whole.json["choices"][0]["finish_reason"] == "stop"
        assert whole.headers["content-type"] == "application/json"


def test_an_event_stream_from_a_file_has_its_very_bytes(tmp_path):
    data = "".join(BLOCKS).replace("\n", "\r\n").encode() + b": a comment\r\n"
    with serve(write(tmp_path / "a.sse", data)) as server:
        assert post(server, STREAM).body == data


@pytest.mark.parametrize(
    "data",
    [b"", b'{"tape":1}\n', b'{"tape":1}\n[0,"h",{"status":200}]\n', b'{"tape":2}\n'],
)
def test_a_file_with_no_answer_in_it_is_served_and_breaks_nothing(tmp_path, data):
    with serve(write(tmp_path / "odd.jsonl", data)) as server:
        assert post(server, STREAM).status == 200
        assert post(server).status >= 400
        assert ask(server, "GET", "/health").status == 200
        assert ask(server, "GET", "/").status == 200


@pytest.mark.parametrize("data", [b"nonsense", bytes(range(256)), b'{"a":1}', b'[0,"q",{}]\n[0,"j",{}]\n', b"<html>"])
def test_a_file_that_is_no_recording_is_refused_by_its_name(tmp_path, data):
    with pytest.raises(ValueError, match=r"odd\.jsonl is no recording"):
        ReplayServer(write(tmp_path / "odd.jsonl", data))


# Which tape


def test_a_request_can_name_its_tape(tmp_path):
    tapes = tmp_path / "tapes"
    (tapes / "deeper").mkdir(parents=True)
    for name in ("a.sse", "deeper/é b.sse"):
        write(tapes / name, "".join([delta(name), DONE]).encode())
    write(tmp_path / "secret.sse", b"data: secret\n\n")
    with ReplayServer(tapes, speed=None) as server:
        for name in server.tape_names:
            header = {"X-Chatstream-Tape": name.encode().decode("latin-1")}  # as bytes of UTF-8
            assert text_of(post(server, STREAM, header)) == name
        for name in ("../secret.sse", "/etc/passwd", "", "A.sse", str(tapes / "a.sse"), "./a.sse"):
            answer = post(server, STREAM, {"X-Chatstream-Tape": name})
            assert (answer.status, answer.error["code"]) == (404, "no_matching_tape")
            assert "a.sse" in answer.error["message"]


def test_a_tape_that_is_named_answers_though_the_echo_would():
    with ReplayServer(play(*BLOCKS), speed=None, on_miss="echo", match="exact") as server:
        assert text_of(post(server, STREAM, {"X-Chatstream-Tape": "tape"})) == "One two three"
        assert server.requests[-1].answered_by == "tape"
        assert post(server, STREAM, {"X-Chatstream-Tape": "other"}).status == 404


def test_what_is_stored_of_a_tape_is_its_whole_answer():
    with serve(play(*BLOCKS)) as server:
        post(server, {**STREAM, "store": True, "metadata": {"a": "b"}})
        stored = ask(server, "GET", "/v1/chat/completions/c").json
    assert stored["choices"][0]["message"]["content"] == "One two three"
    assert stored["metadata"] == {"a": "b"}


@pytest.mark.parametrize("id", [None, 7, "", {}])
def test_what_has_no_id_is_stored_under_a_new_one(id):
    nameless = delta("x").replace('"id": "c"', f'"id": {json.dumps(id)}')
    with serve(play(nameless, DONE)) as server:
        for stream in (True, False):
            assert post(server, {**ECHO, "store": True, "stream": stream}).status == 200
        listed = ask(server, "GET", "/v1/chat/completions").json["data"]
        assert len({completion["id"] for completion in listed}) == 2
        for completion in listed:
            assert ask(server, "GET", f"/v1/chat/completions/{completion['id']}").json == completion


# Recorded streams of real providers


def streams(conformance):
    return json.loads((conformance / "streams/index.json").read_text("utf-8"))["streams"]


def test_recorded_streams_come_back_byte_for_byte_and_chunk_by_chunk(conformance):
    for case in streams(conformance):
        path = conformance / case["file"]
        with serve(path) as server:
            answer = post(server, STREAM)
        chunks = path.read_bytes().splitlines()
        got = events(answer)
        assert got[-1] == "[DONE]", case["name"]
        assert got[:-1] == [json.loads(chunk) for chunk in chunks], case["name"]
        assert len(answer.chunks) == len(chunks) + 1


def test_recorded_streams_are_merged_as_expected(conformance):
    for case in streams(conformance):
        expected = case["expected"]
        with serve(conformance / case["file"]) as server:
            answer = post(server).json
        assert answer["id"] == expected["id"]
        assert answer.get("usage") == expected["usage"] or expected["usage"] is None, case["name"]
        assert len(answer["choices"]) == len(expected["choices"])
        for choice, wanted in zip(answer["choices"], expected["choices"], strict=True):
            assert choice["finish_reason"] == wanted["finish_reason"], case["name"]
            assert choice["message"]["content"] == wanted["message"].get("content"), case["name"]
            calls = [call["function"] for call in choice["message"].get("tool_calls") or []]
            wanted_calls = [call["function"] for call in wanted["message"].get("tool_calls") or []]
            assert [call["arguments"] for call in calls] == [call["arguments"] for call in wanted_calls], case["name"]


def test_an_answer_and_the_stream_made_of_it_add_up_to_the_same(conformance):
    for case in streams(conformance):
        with serve(conformance / case["file"]) as server:
            whole = post(server)
        with serve(document(whole.json)) as server:
            stream = post(server, {**STREAM, "stream_options": {"include_usage": True}})
        with ChatCompletionStream([stream.body]) as parsed:
            again = parsed.final_chat_completion().to_dict(exclude_none=True)
        for name, value in again["choices"][0]["message"].items():
            assert value == whole.json["choices"][0]["message"].get(name) or name in {"tool_calls", "parsed"}, case[
                "name"
            ]


def test_a_tape_that_is_played_again_is_another_completion_and_stored_as_one():
    with ReplayServer(play(delta("hi"), DONE), match="order", speed=None) as server:
        for text in ("first", "second", "third"):
            asked = {"model": "m", "messages": [{"role": "user", "content": text}], "store": True}
            assert post(server, asked).status == 200
        stored = ask(server, "GET", "/v1/chat/completions").json["data"]
        said = [ask(server, "GET", f"/v1/chat/completions/{one['id']}/messages").json["data"] for one in stored]
    assert [messages[0]["content"] for messages in said] == ["first", "second", "third"]
    assert {one["model"] for one in stored} == {"m"}
    assert all(isinstance(one["created"], int) for one in stored)


@pytest.mark.parametrize("stream", [True, False])
def test_the_id_of_an_answer_is_the_one_that_it_is_stored_under(stream):
    recording = play(*(delta(text) for text in ("a", "b", "c")), DONE)
    with ReplayServer(recording, match="order", speed=None) as server:
        ids = []
        for text in ("ann", "bob", "cid"):
            asked = {"model": "m", "messages": [{"role": "user", "content": text}], "store": True, "stream": stream}
            answer = post(server, asked)
            told = {event["id"] for event in events(answer) if event != "[DONE]"} if stream else {answer.json["id"]}
            (id,) = told
            ids.append(id)
            (message,) = ask(server, "GET", f"/v1/chat/completions/{id}/messages").json["data"]
            assert message["content"] == text
        assert len(set(ids)) == 3


CHUNKS = [
    {"id": "c", "choices": [{"delta": {"content": 'c "c" x"c', "tool_calls": [{"id": "c"}]}}]},
    {"choices": [{"id": "c"}], "object": "c", "id": "c"},
    {"id": "another", "c": "c"},
    {"id": None, "object": "c"},
    {"object": "c"},
    {},
    ["c"],
    "c",
]


@given(st.lists(st.sampled_from(CHUNKS), max_size=5), st.data(), st.sampled_from(["c", None]), st.booleans())
def test_another_id_stands_where_the_old_one_stood_and_nothing_else_changes(chunks, data, old, spaced):
    separators = (", ", ": ") if spaced else (",", ":")
    whole = (
        "".join(f"data: {json.dumps(chunk, separators=separators)}\n\n" for chunk in chunks).encode() + DONE.encode()
    )
    places = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    reads = [Read(0.5, whole[start:stop]) for start, stop in pairwise([0, *places, len(whole)])]
    after = renamed(Exchange(form="sse", name="x", reads=reads), old, "longer")

    def expected(chunk):
        has_old = isinstance(chunk, dict) and ("id" not in chunk if old is None else chunk.get("id") == old)
        return {**chunk, "id": "longer"} if has_old else chunk

    told = b"".join(read.data for read in after.reads).decode()
    events = [text.removeprefix("data: ") for text in told.split("\n\n")[:-1]]
    assert [json.loads(event) for event in events[:-1]] == [expected(chunk) for chunk in chunks]
    assert events[-1] == "[DONE]"
    assert [read.interval for read in after.reads] == [0.5] * len(reads)
    if old is not None and all(chunk != expected(chunk) for chunk in chunks):
        back = renamed(after, "longer", old)
        assert b"".join(read.data for read in back.reads) == whole


def test_an_id_that_is_spelled_otherwise_is_the_same_id():
    exchange = Exchange(form="sse", name="x", reads=[Read(0, b'data: {"id":"a\\/b","x":1}\n\n')])
    assert renamed(exchange, "a/b", "new").reads[0].data == b'data: {"id":"new","x":1}\n\n'


def test_an_answer_without_an_id_goes_out_with_the_one_it_is_stored_under():
    chunk = {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}
    with ReplayServer(play(f"data: {json.dumps(chunk)}\n\n", DONE), match="order", speed=None) as server:
        for stream in (True, False):
            answer = post(server, {**ECHO, "store": True, "stream": stream})
            id = events(answer)[0]["id"] if stream else answer.json["id"]
            assert ask(server, "GET", f"/v1/chat/completions/{id}").status == 200


def test_a_recorded_head_is_waited_for_at_the_speed_of_the_rest():
    recording = Recording.parse(
        b'{"tape":1}\n[30,"h",{"status":200}]\n[1,"s","data: [DONE]\\n\\n"]\n[20,"e",{"end":"eof"}]\n'
    )
    for speed, took in ((None, 0), (100.0, 0.51)):
        exchange = paced(recording, speed)
        assert (exchange.head, exchange.reads[0].interval, exchange.rest) == (
            pytest.approx(30 / speed if speed else 0),
            pytest.approx(31 / speed if speed else 0),
            pytest.approx(20 / speed if speed else 0),
        )
        with ReplayServer(recording, match="order", speed=speed) as server:
            began = time.perf_counter()
            assert post(server, STREAM).ended == "whole"
            assert took <= time.perf_counter() - began < took + 5


def test_one_answer_comes_after_as_long_as_the_recording_took():
    recording = play((0.2, delta("hi")), (0.2, DONE))
    with ReplayServer(recording, match="order", speed=1.0) as server:
        answer = post(server)
        assert 0.3 < answer.first_byte < 5


def test_json_is_called_json_however_it_was_read():
    reads = [Read(0, b" "), Read(0, b'{"choices":[{"index":0,"message":{"role":"assistant","content":"hi"}}]}')]
    recording = Recording(form="tape", name="x", reads=reads)
    with ReplayServer(recording, match="order", speed=None) as server:
        assert post(server).headers["content-type"] == "application/json"
        assert text_of(post(server, STREAM)) == "hi"


def test_headers_that_are_not_the_answers_own_are_not_passed_on():
    headers = {"host": "evil", "te": "x", "x-kept": "yes", "x-long": "y" * 10_000, "x-request-id": "req_recorded"}
    recording = Recording(
        form="tape", name="x", response={"status": 200, "headers": headers}, reads=[Read(0, DONE.encode())]
    )
    with ReplayServer(recording, match="order", speed=None) as server:
        answer = post(server, STREAM)
        assert answer.headers["x-kept"] == "yes"
        assert answer.headers["x-request-id"] == server.requests[-1].request_id == "req_recorded"
        assert not {"host", "te", "x-long"} & set(answer.headers)


def test_many_short_waits_do_not_add_up_to_more_than_they_are():
    tape = play(*((0.0005, delta("x")) for _ in range(1500)), DONE)
    with ReplayServer(tape, match="order", speed=1.0) as server:
        times_of = times(post(server, STREAM))
    assert 0.7 <= times_of[-1] < 1.5  # 0.75; each wait of half a millisecond takes more than one
