"""`ChatStreamParser`: from bytes to chunks, what is an error, and how a stream ends."""

import json
import math
import re

import pytest
from pydantic import BaseModel, ValidationError

from building import (
    TERMINAL,
    body,
    call,
    calls,
    choice,
    chunk,
    dump,
    event,
    finish,
    of_type,
    read,
    read_chunks,
    say,
    strings,
    types,
)
from building import read_error as error_of
from chatstream.ends import Limits, StreamEnd
from chatstream.errors import (
    APIConnectionError,
    APIStreamError,
    APIUserAbortError,
    ContentFilterFinishReasonError,
    IncompleteStreamError,
    InvalidStreamError,
    LengthFinishReasonError,
    NotAStreamError,
    OutputParseError,
    StreamInterruptedError,
    StreamLimitError,
    StreamProtocolError,
    TruncatedStreamError,
)
from chatstream.parser import ChatStreamParser

HELLO = body(say(role="assistant", content="Hel"), say(content="lo"), finish())
HI = event(say(content="Hi"))
END = event(finish()) + event("[DONE]")


def content(reading, index=0):
    snapshot = reading.parser.snapshot
    assert snapshot is not None
    (found,) = (choice for choice in snapshot.choices if choice.index == index)
    return found.message.content


def anomalies(reading):
    return {anomaly.kind: anomaly.count for anomaly in reading.parser.anomalies}


def plain_stream(reading, expected="Hi"):
    """The reading is that of a stream in which nothing was wrong."""
    assert reading.last.type == "end"
    assert reading.last.end.kind == "complete"
    assert content(reading) == expected
    return True


# ---------------------------------------------------------------- blocks and lines


@pytest.mark.parametrize("newline", [b"\n", b"\r", b"\r\n"], ids=["LF", "CR", "CRLF"])
def test_lines_end_at_lf_cr_and_crlf(newline):
    assert plain_stream(read(HELLO.replace(b"\n", newline)), "Hello")


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x1c", "\x0b", "\x0c"])
def test_lines_end_at_nothing_else(mark):
    raw = json.dumps(say(content=f"a{mark}b"), ensure_ascii=False)
    if mark in "\x1c\x0b\x0c":
        raw = json.dumps(say(content=f"a{mark}b"))
    assert plain_stream(read(event(raw) + END), f"a{mark}b")


def test_one_leading_byte_order_mark_goes():
    assert plain_stream(read(b"\xef\xbb\xbf" + HELLO), "Hello")


def test_a_second_byte_order_mark_makes_the_line_no_field():
    reading = read(b"\xef\xbb\xbf\xef\xbb\xbf" + event(say(content="no")) + HI + END)
    assert content(reading) == "Hi"
    assert anomalies(reading)["stray_line"] == 1


def test_one_space_behind_the_colon_may_be_missing_or_there_may_be_more():
    lines = [b"data:" + json.dumps(say(content="H")).encode(), b"data:  " + json.dumps(say(content="i")).encode()]
    assert plain_stream(read(b"\n\n".join(lines) + b"\n\n" + END))


def test_json_on_several_data_lines_is_one_value():
    pretty = json.dumps(say(content="Hi"), indent=2).encode()
    block = b"".join(b"data: " + line + b"\n" for line in pretty.split(b"\n")) + b"\n"
    reading = read(block + END)
    assert plain_stream(reading)
    assert anomalies(reading) == {}


def test_bytes_that_are_no_utf8_become_replacement_characters_and_are_counted():
    raw = json.dumps(say(content="a?b")).encode().replace(b"?", b"\xff")
    reading = read(event(raw) + event(raw) + END)
    assert plain_stream(reading, "a\ufffdba\ufffdb")
    assert anomalies(reading) == {"bad_utf8": 2}


def test_a_character_cut_between_two_reads_is_whole():
    raw = body(say(content="añ€😀"), finish()).replace(b"\\u00f1", "ñ".encode())
    raw = event(json.dumps(say(content="añ€😀"), ensure_ascii=False)) + END
    for at in range(len(raw)):
        assert plain_stream(read([raw[:at], raw[at:]]), "añ€😀")


def test_fields_other_than_data_change_nothing():
    reading = read(b"id: 7\nretry: 10\nevent: message\n" + HI + b"event: x\n\n" + b": note\n\n" + b"id\n\n" + END)
    assert plain_stream(reading)
    assert anomalies(reading) == {}


@pytest.mark.parametrize("name", ["message", "completion", "chunk", "Error", " error", "errors"])
def test_a_chunk_counts_whatever_its_event_is_named(name):
    assert plain_stream(read(event(say(content="Hi"), name=name) + END))


# ---------------------------------------------------------------- keep-alives, and the last event


@pytest.mark.parametrize("data", ["", "null", " ", "\t", "  null ", "\tnull\t", "\x0cnull\x0c"])
def test_empty_data_and_null_are_keep_alives(data):
    reading = read(event(data) + HI + event(data) + END)
    assert plain_stream(reading)
    assert reading.parser.keep_alives == 2
    assert anomalies(reading) == {}


def test_comments_are_keep_alives():
    reading = read(b": OPENROUTER PROCESSING\n\n" + HI + b":\n\n" + END)
    assert plain_stream(reading)
    assert reading.parser.keep_alives == 2


@pytest.mark.parametrize("done", ["[DONE]", " [DONE]", "[DONE] ", "\t[DONE]\t "])
def test_done_ends_the_stream_with_white_space_around_it_or_not(done):
    reading = read(HI + event(finish()) + event(done))
    assert plain_stream(reading)
    assert reading.last.end.done_seen is True


def test_done_ends_the_stream_at_once():
    parser = ChatStreamParser()
    assert types(parser.feed(HELLO))[-1] == "end"
    assert parser.end is not None
    assert parser.end.kind == "complete"


@pytest.mark.parametrize(
    "after",
    [b"data: {broken\n\n", HI, event({"error": "x"}), b'{"error": {"message": "x"}}\n', b"\xff" * 99, b"data: x"],
)
def test_nothing_after_done_is_decoded(after):
    for reads in (HELLO + after, [HELLO, after]):
        reading = read(reads)
        assert plain_stream(reading, "Hello")
        assert reading.last.end == StreamEnd("complete", done_seen=True, finish_seen=True, trailing_bytes=0)


@pytest.mark.parametrize(
    "data", ["[DONE]x", "x[DONE]", "[done]", "[DONE", "[DONE][DONE]", "[ DONE ]", "DONE", "\xa0[DONE]"]
)
def test_what_only_looks_like_done_is_malformed(data):
    assert type(error_of(HI + event(finish()) + event(data))) is StreamProtocolError


def test_done_as_a_json_string_is_malformed():
    assert type(error_of(HI + event('"[DONE]"'))) is StreamProtocolError


# ---------------------------------------------------------------- servers that forget the blank line


def test_chunks_without_a_blank_line_between_them_are_read_line_by_line():
    lines = b"".join(event(part)[:-1] for part in (say(content="H"), say(content="i"), finish(), "[DONE]"))
    reading = read(lines + b"\n")
    assert plain_stream(reading)
    assert of_type(reading.events, "chunk").__len__() == 3
    assert anomalies(reading) == {"lost_blank_line": 1}


def test_chunks_without_a_blank_line_and_none_at_the_end_either():
    lines = b"".join(event(part)[:-1] for part in (say(content="H"), say(content="i"), finish(), "[DONE]"))
    for whole in (lines, lines[:-1]):
        assert plain_stream(read(whole))


def test_nothing_after_a_done_among_such_lines_is_read():
    lines = b"".join(event(part)[:-1] for part in (say(content="Hi"), finish(), "[DONE]", say(content="no"), "{broken"))
    assert plain_stream(read(lines + b"\n"))


def test_keep_alives_among_such_lines_are_none_the_less():
    lines = b"".join(event(part)[:-1] for part in (say(content="H"), "", "null", say(content="i"), finish(), "[DONE]"))
    assert plain_stream(read(lines + b"\n"))


def test_a_broken_line_among_such_lines_is_malformed_and_what_came_before_counts():
    lines = b"".join(event(part)[:-1] for part in (say(content="Hi"), "{broken", say(content="no")))
    error = error_of(lines + b"\n")
    assert type(error) is StreamProtocolError
    assert error.completion.choices[0].message.content == "Hi"


def test_an_error_among_such_lines_is_one():
    lines = b"".join(event(part)[:-1] for part in (say(content="Hi"), {"error": {"message": "late"}}))
    error = error_of(lines + b"\n")
    assert type(error) is APIStreamError
    assert error.completion.choices[0].message.content == "Hi"


# ---------------------------------------------------------------- an unfinished last event


@pytest.mark.parametrize("cut", [1, 2], ids=["no blank line", "no line end"])
def test_an_unfinished_last_event_that_is_whole_counts(cut):
    reading = read(HELLO[:-cut])
    assert plain_stream(reading, "Hello")
    assert reading.last.end.done_seen is True


def test_an_unfinished_last_chunk_that_is_whole_counts():
    reading = read((HI + event(finish()))[:-2])
    assert content(reading) == "Hi"
    assert reading.last.end.kind == "no_done"


def test_of_unfinished_lines_what_is_whole_counts_and_the_rest_is_a_cut_tail():
    tail = event(finish())[:-1] + b'data: {"id": "c1", "choi'
    reading = read(HI + tail)
    assert content(reading) == "Hi"
    assert reading.last.end == StreamEnd("no_done", done_seen=False, finish_seen=True, trailing_bytes=len(tail))


@pytest.mark.parametrize(
    "tail",
    [b"d", b"data", b"data:", b'data: {"id', b"data: [DON", b"data: {broken}", b"data: \xff\xfe", b"data: [DONE]x",
     b"data: nul", b"event: error", b"id: 1", b'data: {"error"', b"data: " + b"[" * 300],
)  # fmt: skip
def test_a_cut_tail_never_changes_the_verdict(tail):
    finished = read(HI + event(finish()) + tail)
    assert finished.last.type == "end"
    assert finished.last.end == StreamEnd("no_done", done_seen=False, finish_seen=True, trailing_bytes=len(tail))
    unfinished = read(HI + tail)
    assert type(unfinished.last.error) is IncompleteStreamError
    assert unfinished.parser.end == StreamEnd(
        "incomplete", done_seen=False, finish_seen=False, trailing_bytes=len(tail)
    )


def test_the_bytes_of_an_unfinished_event_are_counted_and_no_others():
    assert read(HELLO).last.end.trailing_bytes == 0
    assert read(HI + event(finish()) + b": note").last.end.trailing_bytes == 0
    assert read([HI, event(finish()), b"da", b"ta: ", b"{"]).last.end.trailing_bytes == 7


def test_an_error_in_an_unfinished_event_is_an_error_when_it_is_whole():
    error = error_of(HI + b'data: {"error": {"message": "late"}}')
    assert type(error) is APIStreamError
    assert error.message == "late"


# ---------------------------------------------------------------- stray lines


@pytest.mark.parametrize(
    "line",
    [b'{"error": {"message": "boom"}}', b'error: {"message": "boom"}', b'error: {"error": {"message": "boom"}}',
     b'error:{"error": "boom"}', b'[{"error": {"message": "boom"}}]', b'{"object": "error", "message": "boom"}'],
)  # fmt: skip
def test_a_stray_line_that_is_a_json_error_is_an_error(line):
    for end in (b"\n", b"\n\n", b""):
        reading = read(HI + line + end)
        error = reading.last.error
        assert type(error) is APIStreamError
        assert "boom" in str(error)
        assert content(reading) == "Hi"


def test_a_stray_error_stands_in_order_with_the_events():
    error = error_of(HI + b'{"error": "boom"}\n\n' + event(say(content=" more")) + END)
    assert error.completion.choices[0].message.content == "Hi"


def test_a_stray_error_before_any_field_is_an_error_when_the_stream_begins():
    assert type(error_of(b'{"error": {"message": "boom"}}\n\n' + HI + END)) is APIStreamError


@pytest.mark.parametrize(
    "line",
    [b"<html>", b"plain words", b"error: no json", b"error:", b"error: [1]", b'error: ["x"]', b"error: 5",
     b"error: {}", b'{"error": null}', b'{"error": ""}', b"{}", b"[]", b"{broken",
     b'{"choices": [{"delta": {"content": "no"}}]}', b"[DONE]", b"Data: x", b" data: x", b"datax: y", b"\xff\xfe",
     b"null"],
)  # fmt: skip
def test_any_other_stray_line_is_dropped_and_noted(line):
    reading = read(HI + line + b"\n\n" + END)
    assert plain_stream(reading)
    assert anomalies(reading) == {"stray_line": 1}


def test_stray_lines_before_the_first_field_are_dropped_and_noted_as_well():
    reading = read(b"<p>\n<p>\n\n" + HI + END)
    assert plain_stream(reading)
    assert anomalies(reading) == {"stray_line": 2}


def test_a_stray_line_inside_an_event_does_not_break_it():
    whole = event(say(content="Hi"))
    assert plain_stream(read(b"event: x\n<p>\n" + whole + END))


def test_stray_lines_longer_than_64_kib_are_not_looked_at():
    padding = b" " * (64 * 1024)
    assert plain_stream(read(HI + b'{"error": "boom"}' + padding + b"\n\n" + END))


def test_a_stray_error_of_exactly_64_kib_is_looked_at():
    line = b'{"error": "boom"}'
    assert type(error_of(HI + line.ljust(64 * 1024) + b"\n\n" + END)) is APIStreamError


# ---------------------------------------------------------------- documents

COMPLETION = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hi", "refusal": None}, "finish_reason": "stop"},
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("around", [b"%s", b"%s\n", b"\n\n%s\n", b"\xef\xbb\xbf%s", b": note\n%s"])
def test_a_body_that_is_a_chat_completion_is_one_finished_answer(indent, around):
    reading = read(around % json.dumps(COMPLETION, indent=indent).encode())
    assert reading.last.type == "end"
    assert reading.last.end.kind == "complete"
    assert reading.last.end.finish_seen is True
    assert content(reading) == "Hi"
    assert reading.parser.snapshot.usage.total_tokens == 3
    assert reading.parser.snapshot.choices[0].finish_reason == "stop"
    assert anomalies(reading) == {"not_streamed": 1}


def test_a_document_brings_about_the_events_of_a_stream():
    reading = read(json.dumps(COMPLETION).encode())
    assert reading.types == ["chunk", "content.delta", "content.done", "choice.done", "usage", "end"]


def test_a_document_may_come_in_pieces():
    raw = json.dumps(COMPLETION, indent=1).encode()
    for at in range(0, len(raw), 7):
        assert content(read([raw[:at], raw[at:]])) == "Hi"


def test_a_document_with_tool_calls_and_several_choices_is_all_there():
    function = {"name": "f", "arguments": "{}"}
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "a", "type": "function", "function": function}],
    }
    choices = [*COMPLETION["choices"], {"index": 1, "message": message, "finish_reason": "tool_calls"}]
    snapshot = read(json.dumps({**COMPLETION, "choices": choices}).encode()).last.snapshot
    assert snapshot.choices[0].message.content == "Hi"
    assert snapshot.choices[1].message.tool_calls[0].function.name == "f"
    assert snapshot.choices[1].finish_reason == "tool_calls"


def test_no_finish_reason_is_made_up_for_a_document():
    choices = [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}]
    reading = read(json.dumps({**COMPLETION, "choices": choices}).encode())
    assert content(reading) == "Hi"
    assert reading.last.type == "end"
    assert reading.parser.snapshot.choices[0].finish_reason is None
    assert all(event.finish_reason is None for event in of_type(reading.events, "choice.done"))


@pytest.mark.parametrize(
    "document",
    [{"error": {"message": "boom", "code": 5}}, {"error": "boom"}, {"object": "error", "message": "boom"},
     [{"error": {"message": "boom"}}]],
)  # fmt: skip
def test_a_body_that_is_a_json_error_is_that_error(document):
    for indent in (None, 2):
        error = error_of(json.dumps(document, indent=indent).encode())
        assert type(error) is APIStreamError
        assert "boom" in str(error)


@pytest.mark.parametrize(
    "document",
    [b"<!DOCTYPE html><html><body>Sign in</body></html>", b"<html>\n<body>\n</body>", b"Bad gateway", b"[DONE]",
     b"null", b"123", b'"text"', b"[]", b"{}", b'{"status": "ok"}', b'{"choices": {}}', b"{broken", b"\xff\xfe\x00",
     b'{"object": "list", "data": []}'],
)  # fmt: skip
def test_any_other_body_without_a_field_is_no_stream(document):
    error = error_of(document)
    assert type(error) is NotAStreamError
    assert "base_url" in str(error)
    assert error.completion is None


def test_what_stands_in_a_body_that_is_no_stream_is_not_in_the_message():
    assert "Sign in" not in str(error_of(b"<html>Sign in, sk-0123456789</html>"))


@pytest.mark.parametrize("nothing", [b"", b"\n", b"\r\n\r\n", b"\xef\xbb\xbf", b": a\n\n: b\n\n", b":", b": cut"])
def test_an_empty_body_or_one_of_comments_only_is_incomplete(nothing):
    reading = read(nothing)
    assert type(reading.last.error) is IncompleteStreamError
    assert reading.parser.end.kind == "incomplete"
    assert reading.parser.snapshot is None
    assert reading.last.error.completion is None


@pytest.mark.parametrize("fields", [b"event: ping\n\n", b"retry: 10\n\n", b"id: 1\n\n", b"data\n\n", b"data: null\n\n"])
def test_a_body_of_fields_without_a_chunk_is_incomplete(fields):
    assert type(error_of(fields)) is IncompleteStreamError


def test_a_document_past_the_event_limit_is_no_answer():
    raw = json.dumps(COMPLETION, indent=1).encode()
    assert content(read(raw, limits=Limits(max_event_size=len(raw) + 1))) == "Hi"
    for document in (raw, json.dumps(COMPLETION).encode()):
        assert isinstance(error_of(document, limits=Limits(max_event_size=100)), InvalidStreamError)


# ---------------------------------------------------------------- errors in a stream


@pytest.mark.parametrize(
    "error", ["boom", {"message": "boom"}, ["boom"], [["boom"]], 1, -1, 0.5, True, {"a": None}, " "]
)
def test_a_member_error_that_is_true_as_a_value_is_an_error_whatever_its_type(error):
    found = error_of(HI + event({"error": error}))
    assert type(found) is APIStreamError
    assert found.completion.choices[0].message.content == "Hi"


@pytest.mark.parametrize("error", [None, False, "", {}, [], 0])
def test_a_member_error_that_is_false_as_a_value_is_none(error):
    assert plain_stream(read(event({**say(content="Hi"), "error": error}) + END))
    assert plain_stream(read(event({"error": error}) + HI + END))


@pytest.mark.parametrize(
    "data",
    ["", "null", "boom", "[DONE]", "{}", '{"message": "boom"}', "{broken", "[1, 2]", "1", "\n", b"\xff"],
)
def test_an_event_named_error_is_one_whatever_its_data(data):
    found = error_of(HI + event(data, name="error") + END)
    assert type(found) is APIStreamError
    assert str(found)
    assert found.completion.choices[0].message.content == "Hi"


def test_an_event_named_error_says_what_its_data_says():
    flat = error_of(event({"message": "boom", "type": "t", "code": "c", "param": "p"}, name="error"))
    nested = error_of(event({"error": {"message": "boom", "type": "t", "code": "c", "param": "p"}}, name="error"))
    for error in (flat, nested):
        assert (error.message, error.type, error.code, error.param) == ("boom", "t", "c", "p")
    assert error_of(event("the server is down", name="error")).message == "the server is down"


def test_an_object_that_says_it_is_an_error_is_one():
    error = error_of(HI + event({"object": "error", "message": "boom", "type": "t", "code": 40303, "param": None}))
    assert (type(error), error.message, error.type, error.code, error.param) == (
        APIStreamError,
        "boom",
        "t",
        40303,
        None,
    )


@pytest.mark.parametrize(
    "alone", [{"error": "boom"}, {"object": "error", "message": "boom"}, {"error": {"message": "boom"}}]
)
def test_an_error_alone_in_an_array_is_one(alone):
    error = error_of(HI + event([alone]))
    assert type(error) is APIStreamError
    assert error.message == "boom"


@pytest.mark.parametrize(
    "array", [[], [{}], [{"error": "a"}, {"error": "b"}], [{"error": None}], [[{"error": "a"}]], [say()]]
)
def test_any_other_array_is_malformed(array):
    assert type(error_of(HI + event(array))) is StreamProtocolError


def test_an_error_has_message_type_code_and_param():
    said = {"message": "Rate limit", "type": "rate_limit", "code": "429", "param": "model"}
    error = error_of(event({"error": said}))
    assert (error.message, error.type, error.code, error.param) == ("Rate limit", "rate_limit", "429", "model")
    assert "Rate limit" in str(error)
    assert error_of(event({"error": {"message": "x"}})).type is None


@pytest.mark.parametrize(
    "said", [{"message": {"a": 1}}, {"message": ["x"]}, {"message": None, "code": {"a": 1}, "type": 5, "param": [1]},
             {"code": True}, {"message": "\ud83d"}, {"\ud83d": "\udc00"}, {"message": 10**400},
             {"message": math.nan}],
)  # fmt: skip
def test_an_error_of_an_odd_shape_is_still_an_error_that_can_be_shown(said):
    error = error_of(event({"error": said}))
    assert type(error) is APIStreamError
    str(error).encode()
    error.message.encode()


@pytest.mark.parametrize("wrap", [lambda chunk: chunk, lambda chunk: [chunk]], ids=["object", "array"])
def test_what_else_stands_in_a_chunk_with_an_error_is_merged_first(wrap):
    last_words = {**say(content=" there", finish="error"), "usage": {"total_tokens": 5}, "error": {"message": "boom"}}
    reading = read(HI + event(wrap(last_words)) + END)
    assert content(reading) == "Hi there"
    assert reading.types[-1] == "error"
    assert "content.delta" in types(reading.events[3:])
    completion = reading.last.error.completion
    assert completion.choices[0].message.content == "Hi there"
    assert completion.usage.total_tokens == 5
    assert reading.last.snapshot == completion


def test_what_else_stands_in_an_event_named_error_is_merged_first():
    reading = read(HI + event({**say(content=" there"), "error": {"message": "boom"}}, name="error"))
    assert content(reading) == "Hi there"
    assert type(reading.last.error) is APIStreamError


def test_an_error_object_is_not_part_of_the_answer():
    reading = read(HI + event({**say(content="!"), "error": {"message": "boom"}}))
    assert "error" not in dump(reading.parser.snapshot)


@pytest.mark.parametrize(
    "said", [{"object": "error"}, {"error": {"code": 5}}, {"error": True}, {"object": "error", "code": 5}]
)
@pytest.mark.parametrize("name", [None, "error"])
def test_an_error_beside_an_answer_does_not_quote_it(said, name):
    error = error_of(event({**say(content="the answer"), **said}, name))
    assert error.completion.choices[0].message.content == "the answer"
    assert "answer" not in str(error)


def test_nothing_comes_after_an_error_event():
    reading = read(HI + event({"error": "boom"}) + HI + END)
    assert reading.types == ["chunk", "content.delta", "error"]
    parser = ChatStreamParser()
    parser.feed(HI + event({"error": "boom"}))
    assert parser.feed(HI) == []
    assert parser.close() == []
    assert content(reading) == "Hi"


def test_what_was_whole_before_a_broken_chunk_in_the_same_read_is_not_lost():
    reading = read(HI * 10 + b"data: {broken\n\n" + HI)
    assert reading.types == ["chunk", "content.delta"] * 10 + ["error"]
    assert type(reading.last.error) is StreamProtocolError
    assert reading.parser.end.kind == "error"


def test_a_failed_stream_fires_no_done_events():
    for cause in (event({"error": "x"}), b"data: {\n\n", b""):
        assert not [name for name in read(HI + cause).types if name.endswith("done")]


# ---------------------------------------------------------------- what is a chunk


@pytest.mark.parametrize(
    "data",
    [{}, {"type": "ping"}, {"object": "chat.completion.chunk"}, {"model": "m", "created": 1}, {"obfuscation": "x"}],
)
@pytest.mark.parametrize("name", [None, "ping"])
def test_objects_that_say_nothing_are_skipped(data, name):
    reading = read(event(data, name) + HI + event(data, name) + END)
    assert plain_stream(reading)
    assert reading.types.count("chunk") == 2


@pytest.mark.parametrize("data", ["1", "0", "true", "false", '"text"', '""', "[]", "1.5", "-0", "NaN"])
def test_json_that_is_no_object_is_malformed(data):
    error = error_of(HI + event(data))
    assert type(error) is StreamProtocolError
    assert error.completion.choices[0].message.content == "Hi"


@pytest.mark.parametrize(
    "data",
    ["{", "}", '{"a": 1,}', "{'a': 1}", '{"a" 1}', '{"choices": [}', "{}{}", '{"a": 01}', "{} x", "undefined", "\x00"],
)
def test_what_is_no_json_is_malformed(data):
    assert type(error_of(HI + event(data))) is StreamProtocolError


def test_a_malformed_event_is_not_quoted():
    assert "secret" not in str(error_of(event('{"secret words": "sk-1234567890", ')))


@pytest.mark.parametrize("kind", ["chat.completion", "", None, "foo", 5, [], {}])
def test_the_member_object_is_not_trusted(kind):
    assert plain_stream(read(event({**say(content="Hi"), "object": kind}) + END))


def test_what_is_twice_in_an_object_is_there_as_it_was_last():
    raw = '{"choices": [], "choices": [{"index": 5, "index": 0, "delta": {"content": "no", "content": "Hi"}}]}'
    assert plain_stream(read(event(raw) + END))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_nan_and_infinities_are_accepted_and_written_out_as_null(number):
    raw = json.dumps(say(content="Hi", odd="?")).replace('"?"', number)
    top = '{"id": "c1", "top": ?, "usage": {"total_tokens": ?}}'.replace("?", number)
    reading = read(event(raw) + event(top) + END)
    assert plain_stream(reading)
    for found in reading.events:
        json.dumps(found.to_dict(lazies=True), allow_nan=False)
    written = json.loads(reading.last.snapshot.model_dump_json())
    assert written["top"] is None
    assert written["usage"]["total_tokens"] is None
    assert written["choices"][0]["message"]["odd"] is None


def test_nan_as_the_time_of_creation_is_neither_first_nor_last():
    raw = json.dumps(say(content="Hi")).replace('"created": 1', '"created": NaN')
    reading = read(event(raw) * 2 + END)
    assert reading.last.end.kind == "complete"
    json.dumps(reading.last.to_dict(lazies=True), allow_nan=False)


@pytest.mark.parametrize("sign", ["", "-"])
def test_numbers_of_4300_digits_are_read(sign):
    raw = json.dumps(say(content="Hi", big="?")).replace('"?"', sign + "7" * 4300)
    reading = read(event(raw) + END)
    assert plain_stream(reading)
    for found in reading.events:
        json.dumps(found.to_dict(lazies=True))


@pytest.mark.parametrize(
    "number", ["7" * 4301, "-" + "7" * 4301, "7" * 5000, "0." + "7" * 4301, "7" * 4301 + "e5", "1" * 9000 + ".5"]
)
def test_numbers_of_more_than_4300_digits_are_malformed(number):
    raw = json.dumps(say(content="Hi", big="?")).replace('"?"', number)
    assert type(error_of(HI + event(raw) + END)) is StreamProtocolError


def test_digits_in_a_string_are_no_number():
    assert plain_stream(read(event(say(content="7" * 9000)) + END), "7" * 9000)


def nested(depth, mark="["):
    """JSON of that depth, a chunk whose member `deep` holds the inner levels."""
    left, right = {"[": ("[", "]"), "{": ('{"a":', "}")}[mark]
    inner = left * (depth - 1) + ("0" if mark == "{" else "") + right * (depth - 1)
    return '{"id": "c1", "deep": ' + inner + "}"


@pytest.mark.parametrize("mark", ["[", "{"])
def test_nesting_of_256_is_read_and_of_more_is_past_the_limit(mark):
    reading = read(event(nested(256, mark)) + HI + END)
    assert plain_stream(reading)
    for found in reading.events:
        json.dumps(found.to_dict(lazies=True))
    error = error_of(HI + event(nested(257, mark)) + END)
    assert type(error) is StreamLimitError
    assert (error.limit, error.value) == ("max_depth", 256)
    assert error.completion.choices[0].message.content == "Hi"


def test_many_brackets_side_by_side_are_no_depth():
    reading = read(event(say(content="Hi", flat=[[], {}] * 500)) + END)
    assert plain_stream(reading)


@pytest.mark.parametrize("text", ["[" * 300, "{" * 300, '\\"' * 5 + "[" * 300, '"' + "[" * 300, "\\" * 7 + "[" * 300])
def test_brackets_in_strings_are_no_depth(text):
    assert plain_stream(read(event(say(content=text)) + END), text)
    assert plain_stream(read(event({**say(content="Hi"), text: 1}) + END))


@pytest.mark.parametrize("depth", [1000, 100_000])
def test_very_deep_nesting_is_past_the_limit_and_no_recursion(depth):
    for raw in (nested(depth), nested(depth, "{"), "[" * depth, '{"error":' * depth):
        assert type(error_of(event(raw))) is StreamLimitError


@pytest.mark.parametrize("depth", [300, 800, 5000, 100_000])
def test_without_a_limit_of_depth_nothing_is_raised_either(depth):
    for raw in (nested(depth), nested(depth, "{")):
        reading = read(event(raw) + HI + END, limits=Limits(max_depth=None))
        if reading.last.type == "error":
            assert isinstance(reading.last.error, InvalidStreamError)
        for found in reading.events:
            found.to_dict(lazies=True)


def test_a_limit_of_depth_of_1_reads_flat_chunks():
    assert error_of(event({"id": "c1"}), limits=Limits(max_depth=1)).__class__ is IncompleteStreamError
    error = error_of(event({"id": "c1", "choices": []}), limits=Limits(max_depth=1))
    assert (type(error), error.limit, error.value) == (StreamLimitError, "max_depth", 1)


# ---------------------------------------------------------------- choices


@pytest.mark.parametrize("choices", [None, []])
def test_choices_that_are_null_or_none_add_nothing(choices):
    reading = read(
        event({"id": "c1", "choices": choices}) + HI + event({"usage": {"total_tokens": 1}, "choices": choices}) + END
    )
    assert plain_stream(reading)
    assert reading.parser.snapshot.usage.total_tokens == 1


def test_choices_may_be_missing():
    assert plain_stream(read(event({"id": "c1"}) + HI + event({"usage": {"total_tokens": 1}}) + END))


def test_a_delta_that_is_null_or_missing_is_empty():
    reading = read(HI + event(chunk({"index": 0, "delta": None})) + event(chunk({"index": 0})) + END)
    assert plain_stream(reading)
    assert reading.types == ["chunk", "content.delta", "chunk", "chunk", "chunk", "content.done", "choice.done", "end"]


def test_a_choice_index_that_is_null_or_missing_is_0():
    reading = read(
        event(chunk({"index": None, "delta": {"content": "H"}})) + event(chunk({"delta": {"content": "i"}})) + END
    )
    assert plain_stream(reading)
    assert len(reading.parser.snapshot.choices) == 1


@pytest.mark.parametrize("index", ["0", "", True, False, 0.0, 1.5, -1, -(10**30), math.nan, [], {}, [0]])
def test_a_choice_index_that_is_no_natural_number_is_malformed(index):
    error = error_of(HI + event(chunk({"index": index, "delta": {"content": "x"}})) + END)
    assert type(error) is StreamProtocolError
    assert error.completion.choices[0].message.content == "Hi"


@pytest.mark.parametrize("index", [7, 10**9, 2**63, 10**30, 10**4000])
def test_the_value_of_a_choice_index_is_not_limited(index):
    reading = read(event(say(index=index, content="Hi")) + event(finish(index=index)) + event("[DONE]"))
    assert reading.last.end.kind == "complete"
    assert [choice.index for choice in reading.last.snapshot.choices] == [index]
    assert content(reading, index) == "Hi"


def test_choices_are_in_the_order_of_their_indexes():
    reading = read(body(*(say(index=index, content=str(index), finish="stop") for index in (5, 0, 3))))
    assert [choice.index for choice in reading.last.snapshot.choices] == [0, 3, 5]


def test_two_entries_for_one_choice_in_one_chunk_both_count_in_order():
    twice = chunk(choice(delta={"content": "H"}), choice(delta={"content": "i"}), choice(finish="stop"))
    reading = read(body(twice))
    assert plain_stream(reading)
    assert [event.delta for event in of_type(reading.events, "content.delta")] == ["H", "i"]


@pytest.mark.parametrize(
    "choices", [{}, {"0": {"delta": {}}}, "text", 5, True, [5], ["x"], [[]], [[{"delta": {}}]], [True]]
)
def test_choices_that_are_no_list_of_objects_never_raise(choices):
    parser = ChatStreamParser()
    events = parser.feed(HI + event({"id": "c1", "choices": choices}) + END)
    assert events[-1].type in TERMINAL
    if events[-1].type == "error":
        assert type(events[-1].error) is StreamProtocolError
    assert parser.snapshot.choices[0].message.content == "Hi"


@pytest.mark.parametrize("odd", [5, True, "x", [1], [], {"a": 1}, math.nan, -1])
@pytest.mark.parametrize(
    "place", ["role", "content", "refusal", "reasoning", "reasoning_content", "reasoning_details", "annotations",
              "images", "audio", "function_call", "tool_calls", "token_ids", "other"],
)  # fmt: skip
def test_a_member_of_a_delta_of_an_odd_type_never_raises(place, odd):
    for first in ({}, {"role": "assistant"}, {place: odd}):
        reading = read(event(say(**first)) + event(say(**{place: odd})) + HI + END)
        assert reading.last.type in TERMINAL
        for found in reading.events:
            json.dumps(found.to_dict(lazies=True), allow_nan=False)
            repr(found)
        assert all(text.encode() is not None for text in strings(dump(reading.parser.snapshot)))


@pytest.mark.parametrize("odd", [5, True, "x", [1], [], {}, {"a": 1}, -1])
@pytest.mark.parametrize(
    "path",
    [
        "delta",
        "message",
        "finish_reason",
        "logprobs",
        "id",
        "model",
        "created",
        "usage",
        "x_groq",
        "service_tier",
        "content_filter",
    ],
)
def test_a_member_of_a_chunk_of_an_odd_type_never_raises(path, odd):
    one = say(content="Hi")
    if path in {"delta", "message", "finish_reason", "logprobs", "content_filter"}:
        one["choices"][0][path] = odd
    else:
        one[path] = odd
    reading = read(event(one) * 2 + END)
    assert reading.last.type in TERMINAL
    for found in reading.events:
        json.dumps(found.to_dict(lazies=True), allow_nan=False)


@pytest.mark.parametrize(
    "call",
    [None, 5, "x", [], True, {}, {"index": 0}, {"index": True}, {"index": "0"}, {"index": -1}, {"index": 0.5},
     {"function": 5}, {"function": []}, {"function": "f"}, {"id": 5}, {"id": {}}, {"id": []}, {"type": 5},
     {"custom": 5}, {"custom": []}, {"function": {"name": 5}}, {"function": {"name": {}}},
     {"function": {"arguments": 5}}, {"function": {"arguments": [1]}}, {"function": {"arguments": True}},
     {"custom": {"input": {"a": 1}}}, {"index": 10**30}, {"function": {"arguments": math.nan}},
     {"function": {"name": "f", "arguments": "{}"}, "custom": {"name": "g", "input": "x"}},
     {"type": "other", "other": {"a": 1}}],
)  # fmt: skip
def test_a_delta_of_a_call_of_an_odd_shape_never_raises(call):
    reading = read(body(say(tool_calls=[call]), say(tool_calls=[call, call]), say(content="Hi"), finish()))
    assert reading.last.end.kind == "complete"
    for found in reading.events:
        json.dumps(found.to_dict(lazies=True), allow_nan=False)
    assert content(reading) == "Hi"


# ---------------------------------------------------------------- surrogates, end to end

HIGH, LOW = "\ud83d", "\ude00"

TEXTS = {
    "content": (lambda text: {"content": text}, "content.delta", "delta"),
    "refusal": (lambda text: {"refusal": text}, "refusal.delta", "delta"),
    "reasoning": (lambda text: {"reasoning": text}, "reasoning.delta", "delta"),
    "reasoning_content": (lambda text: {"reasoning_content": text}, "reasoning.delta", "delta"),
    "part": (lambda text: {"content": [{"type": "text", "text": text}]}, "content.delta", "delta"),
    "thinking": (lambda text: {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]},
                 "reasoning.delta", "delta"),
    "arguments": (lambda text: {"tool_calls": [call(0, arguments=text)]},
                  "tool_calls.function.arguments.delta", "arguments_delta"),
    "input": (lambda text: {"tool_calls": [{"index": 0, "custom": {"input": text}}]},
              "tool_calls.custom.input.delta", "input_delta"),
    "function_call": (lambda text: {"function_call": {"arguments": text}},
                      "function_call.arguments.delta", "arguments_delta"),
    "transcript": (lambda text: {"audio": {"transcript": text}}, "audio.delta", "transcript_delta"),
}  # fmt: skip
SILENT = {
    "details": lambda text: {"reasoning_details": [{"index": 0, "type": "t", "text": text}]},
    "summary": lambda text: {"reasoning_details": [{"type": "t", "summary": text}]},
    "thought": lambda text: {"thought": text},
}


@pytest.mark.parametrize("field", TEXTS)
def test_half_a_character_at_the_end_of_a_delta_waits_for_the_other_half(field):
    make, name, member = TEXTS[field]
    reading = read(body(*(say(**make(text)) for text in ("a" + HIGH, LOW + "b")), finish()))
    assert [getattr(event, member) for event in of_type(reading.events, name)] == ["a", "😀b"]
    assert "lone_surrogate" not in anomalies(reading)
    assert any("a😀b" in text for text in strings(dump(reading.last.snapshot)))


@pytest.mark.parametrize("field", TEXTS)
def test_half_a_character_waits_beyond_empty_deltas_and_those_of_others(field):
    make, name, member = TEXTS[field]
    other = chunk(choice(1, delta=make("x" + HIGH), finish="stop"))
    reading = read(body(say(**make(HIGH)), say(**make("")), say(), other, say(**make(LOW)), finish()))
    ours = [event for event in of_type(reading.events, name) if event.choice_index == 0]
    assert "".join(getattr(event, member) for event in ours) == "😀"


@pytest.mark.parametrize("field", TEXTS)
@pytest.mark.parametrize(
    ("deltas", "whole"),
    [(["a", LOW, "b"], "a\ufffdb"), ([HIGH, "b"], "\ufffdb"), ([HIGH, HIGH, LOW], "\ufffd😀"),
     (["a", HIGH], "a\ufffd"), ([HIGH], "\ufffd"), ([LOW], "\ufffd"), ([LOW + HIGH], "\ufffd\ufffd"),
     (["a" + HIGH + "b"], "a\ufffdb"), ([HIGH, LOW, LOW], "😀\ufffd")],
)  # fmt: skip
def test_any_other_half_becomes_a_replacement_character(field, deltas, whole):
    make, name, member = TEXTS[field]
    for ending in ([finish(), "[DONE]"], ["[DONE]"]):
        reading = read(body(*(say(**make(text)) for text in deltas), *ending, done=False))
        assert reading.last.type == "end"
        assert "".join(getattr(event, member) for event in of_type(reading.events, name)) == whole
        assert whole in set(strings(dump(reading.last.snapshot)))
        assert anomalies(reading)["lone_surrogate"] >= 1
        (done,) = of_type(reading.events, name.replace("delta", "done"))
        assert whole in set(strings(done.to_dict()))


@pytest.mark.parametrize(
    ("field", "first"),
    [("reasoning", {"content": "c"}), ("reasoning_content", {"refusal": "n"}), ("thinking", {"tool_calls": [call(0)]}),
     ("content", {"tool_calls": [call(0)]}), ("refusal", {"tool_calls": [call(0)]})],
)  # fmt: skip
def test_half_a_character_left_when_its_text_is_done_is_told_before(field, first):
    make, name, member = TEXTS[field]
    reading = read(body(say(**make("a" + HIGH)), say(**first), finish()))
    (done,) = of_type(reading.events, name.replace("delta", "done"))
    before = reading.events[: reading.events.index(done)]
    assert "".join(getattr(event, member) for event in of_type(before, name)) == "a\ufffd"
    assert "a\ufffd" in set(strings(done.to_dict()))
    assert not of_type(reading.events[len(before) + 1 :], name)


@pytest.mark.parametrize("field", SILENT)
def test_half_a_character_waits_also_where_no_event_tells_of_it(field):
    make = SILENT[field]
    reading = read(body(say(**make("a" + HIGH)), say(**make(LOW)), say(**make(LOW)), say(**make(HIGH)), finish()))
    assert "a😀\ufffd\ufffd" in set(strings(dump(reading.last.snapshot)))


ODD_PLACES = [
    {"id": HIGH}, {"model": LOW}, {"created": HIGH}, {"system_fingerprint": HIGH}, {"service_tier": LOW},
    {"other": HIGH}, {HIGH: 1}, {"other": {LOW: [HIGH]}}, {"usage": {HIGH: LOW}}, {"x_groq": {"usage": {HIGH: 1}}},
    {"citations": [HIGH]}, {"object": HIGH}, {"obfuscation": HIGH}, {"choices": [{"index": 0, HIGH: LOW}]},
    {"choices": [{"index": 0, "finish_reason": HIGH}]},
    {"choices": [{"index": 0, "logprobs": {"content": [{"token": HIGH, LOW: 1}]}}]},
    {"choices": [{"index": 0, "logprobs": {HIGH: 1}}]},
    {"choices": [{"index": 0, "message": {"content": "x" + HIGH}}]},
    {"choices": [{"index": 0, "message": {"tool_calls": [{"function": {"arguments": HIGH}}]}}]},
]  # fmt: skip
ODD_DELTAS = [
    {"role": HIGH}, {HIGH: "x"}, {HIGH: HIGH}, {"other": HIGH}, {"other": {HIGH: HIGH}},
    {"annotations": [{"a": HIGH}]}, {"images": [{LOW: HIGH}]}, {"tokens": [HIGH]}, {"thinking": HIGH},
    {"content": [{"type": HIGH, "x": HIGH}]}, {"content": [HIGH]},
    {"reasoning_details": [{"type": HIGH, "text": HIGH, "signature": HIGH, LOW: 1}]},
    {"audio": {"id": HIGH, "transcript": HIGH, "data": HIGH, LOW: HIGH}},
    {"function_call": {"name": HIGH, "arguments": HIGH}},
    {"tool_calls": [{"id": HIGH, "type": LOW, "function": {"name": HIGH, "arguments": HIGH, LOW: 1}, HIGH: 1}]},
    {"tool_calls": [{"type": "custom", "custom": {"name": HIGH, "input": HIGH}}]},
    {"tool_calls": [{"function": {"name": "f", "arguments": {HIGH: LOW}}}]},
]  # fmt: skip


@pytest.mark.parametrize("odd", [*ODD_PLACES, *(chunk(choice(delta=delta)) for delta in ODD_DELTAS)], ids=str)
@pytest.mark.parametrize("take", [lambda *chunks: read(body(*chunks)), read_chunks], ids=["bytes", "chunks"])
def test_every_string_handed_out_can_be_encoded(take, odd):
    reading = take({"id": "c1", **odd}, say(content="Hi"), {"id": "c1", **odd}, finish())
    for found in reading.events:
        for text in strings(found.to_dict(lazies=True)):
            text.encode()
        repr(found).encode()
        if found.type == "chunk":
            for text in strings(dump(found.chunk)):
                text.encode()
    for text in strings(dump(reading.parser.snapshot)):
        text.encode()
    if reading.last.type == "error":
        str(reading.last.error).encode()


def test_a_pair_written_as_two_escapes_is_one_character():
    assert plain_stream(read(event(r'{"choices": [{"delta": {"content": "\ud83d\ude00"}}]}') + END), "😀")


def test_chunks_that_come_parsed_have_their_halves_mended_as_well():
    reading = read_chunks(say(content="a" + HIGH), say(content=LOW), finish())
    assert content(reading) == "a😀"


# ---------------------------------------------------------------- how a stream ends


def test_complete_is_done_with_each_choice_finished():
    reading = read(body(say(content="a", finish="stop"), say(index=1, content="b", finish="length")))
    assert reading.last.end == StreamEnd("complete", done_seen=True, finish_seen=True, trailing_bytes=0)
    assert reading.parser.end == reading.last.end


def test_no_done_is_a_clean_end_with_each_choice_finished():
    reading = read(body(say(content="a", finish="stop"), say(index=1, finish="stop"), done=False))
    assert reading.last.type == "end"
    assert reading.last.end == StreamEnd("no_done", done_seen=False, finish_seen=True, trailing_bytes=0)


def test_no_finish_is_done_with_a_choice_that_had_something_and_no_finish_reason():
    reading = read(body(say(content="a")))
    assert reading.last.end == StreamEnd("no_finish", done_seen=True, finish_seen=False, trailing_bytes=0)
    assert reading.last.snapshot.choices[0].finish_reason is None
    assert read(body(say(content="a", finish="stop"), say(index=1, content="b"))).last.end.kind == "no_finish"


@pytest.mark.parametrize(
    "delta",
    [{"content": "a"}, {"refusal": "a"}, {"reasoning": "a"}, {"tool_calls": [{"index": 0, "function": {"name": "f"}}]},
     {"function_call": {"name": "f", "arguments": ""}}, {"audio": {"data": "AAAA"}}, {"images": [{"a": 1}]}],
)  # fmt: skip
def test_whatever_a_choice_had_is_something(delta):
    assert read(body(say(**delta))).last.end.kind == "no_finish"


def test_a_stream_that_ends_as_no_finish_is_done_just_before_its_end():
    reading = read(body(say(reasoning="r"), say(content="a"), calls(call(0, "x", "f", "{}"))))
    assert types(of_type(reading.events, "chunk")) == ["chunk"] * 3
    after_chunks = reading.types[reading.types.index("tool_calls.function.arguments.delta") + 1 :]
    assert after_chunks == ["tool_calls.function.arguments.done", "choice.done", "end"]
    assert of_type(reading.events, "choice.done")[0].finish_reason is None


@pytest.mark.parametrize(
    ("stream", "done_seen"),
    [(body(say(content="a"), done=False), False),
     (body(say(content="a", finish="stop"), say(index=1, content="b"), done=False), False), (body(), True),
     (body({"id": "c1", "usage": {"total_tokens": 1}}), True), (body({"id": "c1"}, done=False), False),
     (body(chunk(), done=False), False), (body(say()), True)],
)  # fmt: skip
def test_incomplete_is_neither_or_no_choice_at_all(stream, done_seen):
    reading = read(stream)
    assert type(reading.last.error) is IncompleteStreamError
    assert isinstance(reading.last.error, TruncatedStreamError)
    assert reading.parser.end.kind == "incomplete"
    assert reading.parser.end.done_seen is done_seen
    assert reading.parser.end.finish_seen is False
    assert not [name for name in reading.types if name.endswith("done")] or "choice.done" in reading.types


def test_an_incomplete_stream_fires_no_done_events_for_what_was_open():
    for options in ({}, {"allow_incomplete": True}):
        reading = read(
            body(say(content="a"), say(reasoning="r"), calls(call(0, "x", "f", "{}")), done=False), **options
        )
        names = [name for name in reading.types if name.endswith(".done")]
        assert set(names) == {"reasoning.done", "content.done"}  # done before the cut, by what came next
        assert "choice.done" not in reading.types


def test_allow_incomplete_makes_it_a_plain_end():
    for stream in (body(say(content="a"), done=False), b"", body(), HI + b"data: {"):
        reading = read(stream, allow_incomplete=True)
        assert reading.last.type == "end"
        assert reading.last.end.kind == "incomplete"
    snapshot = read(HI, allow_incomplete=True).last.snapshot
    assert snapshot.choices[0].message.content == "Hi"
    assert snapshot.choices[0].finish_reason is None


def test_allow_incomplete_allows_nothing_else():
    assert type(error_of(HI + b"data: {\n\n", allow_incomplete=True)) is StreamProtocolError
    assert type(error_of(HI + event({"error": "x"}), allow_incomplete=True)) is APIStreamError
    assert type(error_of(b"<html>", allow_incomplete=True)) is NotAStreamError


def test_the_error_of_an_incomplete_stream_has_what_had_arrived():
    error = error_of(HI + event({"usage": {"total_tokens": 3}}))
    assert error.completion.choices[0].message.content == "Hi"
    assert error.completion.choices[0].finish_reason is None
    assert error.completion.usage.total_tokens == 3


def test_a_source_of_chunks_has_no_done():
    finished = read_chunks(say(content="Hi"), finish())
    assert finished.last.end == StreamEnd("complete", done_seen=None, finish_seen=True, trailing_bytes=0)
    unfinished = read_chunks(say(content="Hi"))
    assert type(unfinished.last.error) is IncompleteStreamError
    assert unfinished.parser.end == StreamEnd("incomplete", done_seen=None, finish_seen=False, trailing_bytes=0)
    assert type(read_chunks().last.error) is IncompleteStreamError
    assert read_chunks(say(content="Hi"), allow_incomplete=True).last.end.kind == "incomplete"


def test_a_reset_is_its_error_even_when_every_choice_had_finished():
    parser = ChatStreamParser()
    parser.feed(HI + event(finish()))
    broken = StreamInterruptedError("reset")
    (last,) = parser.fail(broken)
    assert last.type == "error"
    assert last.error is broken
    assert isinstance(last.error, APIConnectionError)
    assert last.error.completion.choices[0].finish_reason == "stop"
    assert parser.end.kind == "error"


def test_a_reset_after_done_changes_nothing():
    parser = ChatStreamParser()
    parser.feed(HELLO)
    assert parser.fail(StreamInterruptedError("reset")) == []
    assert parser.end.kind == "complete"


def test_what_is_whole_at_a_reset_counts():
    parser = ChatStreamParser()
    parser.feed(HI[:-2])
    assert types(parser.fail(StreamInterruptedError("reset"))) == ["chunk", "content.delta", "error"]


def test_a_stream_that_you_stop_ends_as_aborted():
    parser = ChatStreamParser()
    parser.feed(HI)
    (last,) = parser.abort()
    assert last.type == "abort"
    assert type(last.error) is APIUserAbortError
    assert last.error.completion.choices[0].message.content == "Hi"
    assert last.snapshot.choices[0].message.content == "Hi"
    assert parser.end == StreamEnd("aborted", done_seen=False, finish_seen=False, trailing_bytes=0)
    assert parser.abort() == []
    assert parser.close() == []


def test_a_stream_that_had_ended_cannot_be_aborted():
    parser = ChatStreamParser()
    parser.feed(HELLO)
    assert parser.abort() == []
    assert parser.end.kind == "complete"


@pytest.mark.parametrize("reason", ["length", "content_filter", "stop", "tool_calls", "eos", "x" * 999])
def test_a_finish_reason_is_data(reason):
    reading = read(body(say(content="Hi"), finish(reason)))
    assert reading.last.end.kind == "complete"
    assert reading.last.snapshot.choices[0].finish_reason == reason


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("length", LengthFinishReasonError), ("content_filter", ContentFilterFinishReasonError)],
)
@pytest.mark.parametrize("done", [True, False])
def test_a_finish_reason_that_was_asked_about_is_an_error_once_all_was_read(reason, kind, done):
    stream = body(say(content="Hi"), finish(reason), chunk(usage={"total_tokens": 3}), done=done)
    reading = read(stream, raise_on={reason})
    assert type(reading.last.error) is kind
    assert reading.types[-2:] == ["usage", "error"]
    assert reading.last.error.completion.usage.total_tokens == 3
    assert reading.last.error.completion.choices[0].message.content == "Hi"
    assert "choice.done" in reading.types


def test_only_the_finish_reasons_that_were_asked_about_are_errors():
    assert read(body(say(content="Hi"), finish("length")), raise_on={"content_filter"}).last.type == "end"
    assert read(body(say(content="Hi"), finish("stop")), raise_on={"length", "content_filter"}).last.type == "end"
    assert type(error_of(body(finish(), finish("length", 1)), raise_on=["length"])) is LengthFinishReasonError


class Answer:
    @classmethod
    def model_validate_json(cls, text):
        return json.loads(text)["a"]


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("length", LengthFinishReasonError), ("content_filter", ContentFilterFinishReasonError)],
)
def test_a_parsed_result_that_was_asked_for_and_cut_is_an_error(reason, kind):
    reading = read(
        body(say(content='{"a": 1}'), finish(reason), chunk(usage={"total_tokens": 3})), response_format=Answer
    )
    assert type(reading.last.error) is kind
    assert reading.last.error.completion.usage.total_tokens == 3


def test_a_parsed_result_is_what_the_model_makes_of_it():
    reading = read(body(say(content='{"a": '), say(content="7}"), finish()), response_format=Answer)
    assert of_type(reading.events, "content.done")[0].parsed == 7
    assert [event.parsed for event in of_type(reading.events, "content.delta")] == [{}, {"a": 7}]


class Strict(BaseModel):
    a: int


@pytest.mark.parametrize("content", ["no json", '{"a": "secret words"}', "{}", '{"a": 1', ""])
def test_content_that_does_not_fit_the_model_is_an_error_once_all_was_read(content):
    reading = read(
        body(say(content=content, refusal=""), finish(), chunk(usage={"total_tokens": 3})), response_format=Strict
    )
    if not content:  # nothing came: there is nothing to fit
        assert reading.last.type == "end"
        return
    error = reading.last.error
    assert type(error) is OutputParseError
    assert isinstance(error.__cause__, ValidationError)
    assert error.completion.choices[0].message.content == content
    assert error.completion.usage.total_tokens == 3
    assert "secret" not in str(error)
    assert content != "{}" or "a: missing" in str(error)
    assert of_type(reading.events, "content.done")[0].parsed is None


def test_arguments_that_do_not_fit_the_model_are_an_error_once_all_was_read():
    reading = read(body(calls(call(0, "x", "Strict", '{"a": "secret words"}')), finish("tool_calls")), tools=[Strict])
    assert type(reading.last.error) is OutputParseError
    assert "secret" not in str(reading.last.error)
    (done,) = of_type(reading.events, "tool_calls.function.arguments.done")
    assert (done.arguments, done.parsed_arguments) == ('{"a": "secret words"}', None)


def test_a_callable_may_make_the_value_and_what_it_raises_is_a_cause():
    assert (
        of_type(read(body(say(content="ab"), finish()), response_format=str.upper).events, "content.done")[0].parsed
        == "AB"
    )
    error = error_of(body(say(content="ab"), finish()), response_format=int)
    assert type(error) is OutputParseError
    assert type(error.__cause__) is ValueError


def test_an_answer_that_was_cut_is_not_parsed():
    reading = read(body(say(content='{"a": 1}'), finish("length")), response_format={"type": "json_object"})
    assert of_type(reading.events, "content.done")[0].parsed is None


@pytest.mark.parametrize("odd", [["stop"], {"lengths"}, "length"])
def test_finish_reasons_that_cannot_be_asked_about_are_misuse(odd):
    with pytest.raises(ValueError, match="raise_on"):
        ChatStreamParser(raise_on=odd)


@pytest.mark.parametrize("odd", [5, "json", [], object()])
def test_a_response_format_that_makes_no_values_is_misuse(odd):
    with pytest.raises(TypeError):
        ChatStreamParser(response_format=odd)


# ---------------------------------------------------------------- misuse, and after the end


@pytest.mark.parametrize("data", ["text", None, 5, [b"x"], {"a": 1}, [1, 2]])
def test_what_is_no_bytes_is_a_type_error(data):
    with pytest.raises(TypeError):
        ChatStreamParser().feed(data)


@pytest.mark.parametrize("data", [b"bytes", None, 5, [], "text", [say()]])
def test_a_chunk_that_is_no_mapping_is_a_type_error(data):
    with pytest.raises(TypeError):
        ChatStreamParser().feed_chunk(data)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_anything_like_bytes_may_be_fed(kind):
    parser = ChatStreamParser()
    assert types(parser.feed(kind(HELLO)))[-1] == "end"


def test_bytes_that_change_after_they_were_fed_change_nothing():
    parser, data = ChatStreamParser(), bytearray(HI)
    events = parser.feed(data)
    data[:] = bytes(len(data))
    assert events[0].chunk.choices[0].delta.content == "Hi"


def test_no_bytes_are_no_events():
    parser = ChatStreamParser()
    assert parser.feed(b"") == []
    assert parser.end is None
    assert parser.snapshot is None


def test_bytes_and_chunks_cannot_be_mixed():
    parser = ChatStreamParser()
    parser.feed(HI)
    with pytest.raises(RuntimeError):
        parser.feed_chunk(say(content="x"))
    parser = ChatStreamParser()
    parser.feed_chunk(say(content="x"))
    with pytest.raises(RuntimeError):
        parser.feed(HI)


@pytest.mark.parametrize("stream", [HELLO, HI, event({"error": "x"})])
def test_after_the_terminal_event_nothing_is_read(stream):
    parser = ChatStreamParser()
    events = parser.feed(stream)
    if events[-1].type not in TERMINAL:
        return
    before = dump(parser.snapshot) if parser.snapshot else None
    assert parser.feed(HI) == []
    assert parser.feed(b"data: {broken\n\n") == []
    assert parser.close() == []
    assert (dump(parser.snapshot) if parser.snapshot else None) == before


def test_after_the_terminal_event_chunks_are_not_read_either():
    parser = ChatStreamParser()
    assert types(parser.feed_chunk({"error": "x"})) == ["error"]
    assert parser.feed_chunk(say(content="x")) == []


@pytest.mark.parametrize("stream", [b"", HI, HELLO, event({"error": "x"})])
def test_feeding_after_close_is_misuse(stream):
    parser = ChatStreamParser()
    parser.feed(stream)
    parser.close()
    for data in (b"", HI):
        with pytest.raises(RuntimeError):
            parser.feed(data)


def test_feeding_chunks_after_close_is_misuse():
    parser = ChatStreamParser()
    parser.feed_chunk(say(content="x"))
    parser.close()
    with pytest.raises(RuntimeError):
        parser.feed_chunk(say(content="x"))


def test_closing_twice_gives_nothing_the_second_time():
    parser = ChatStreamParser()
    parser.feed(HI)
    assert types(parser.close()) == ["error"]
    assert parser.close() == []


def test_misuse_leaves_the_parser_as_it_was():
    parser = ChatStreamParser()
    parser.feed(HI[:10])
    with pytest.raises(TypeError):
        parser.feed("text")
    with pytest.raises(TypeError):
        parser.feed_chunk(None)
    assert types(parser.feed(HI[10:])) == ["chunk", "content.delta"]


# ---------------------------------------------------------------- chunks that come parsed


class Lazy:
    """A mapping that is no dict."""

    def __init__(self, values):
        self.values = values

    def keys(self):
        return self.values.keys()

    def __getitem__(self, key):
        return self.values[key]


def test_a_chunk_may_be_any_mapping():
    reading = read_chunks(Lazy(chunk(Lazy(choice(delta=Lazy({"content": "Hi"}))))), finish())
    assert content(reading) == "Hi"


def test_a_chunk_that_changes_after_it_was_fed_changes_nothing():
    parser, one = ChatStreamParser(), say(content="Hi", other={"a": [1]})
    events = parser.feed_chunk(one)
    one["choices"][0]["delta"]["other"]["a"].append(2)
    one["choices"].clear()
    assert dump(events[0].snapshot)["choices"][0]["message"]["other"] == {"a": [1]}
    assert events[0].chunk.choices[0].delta.content == "Hi"


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", 1j, lambda: None, {1: 2}, {None: 1}])
def test_a_value_that_json_does_not_have_is_a_failure_and_no_exception(value):
    reading = read_chunks(say(content="Hi"), {"id": "c1", "odd": value})
    assert type(reading.last.error) is StreamProtocolError
    assert content(reading) == "Hi"


def test_a_chunk_that_holds_itself_is_past_the_limit():
    one = say(content="x")
    one["self"] = one
    reading = read_chunks(one)
    assert type(reading.last.error) is StreamLimitError
    one["self"] = [one]
    assert type(read_chunks(one, limits=Limits(max_depth=None)).last.error) is StreamLimitError


def test_a_chunk_that_comes_parsed_is_limited_in_depth_like_any_other():
    deep = json.loads(nested(256))
    assert read_chunks(deep, say(content="Hi", finish="stop")).last.type == "end"
    deeper = read_chunks(json.loads(nested(257)))
    assert (type(deeper.last.error), deeper.last.error.limit) == (StreamLimitError, "max_depth")


def test_an_error_in_a_chunk_that_comes_parsed_is_one():
    reading = read_chunks({**say(content="Hi"), "error": {"message": "boom"}})
    assert reading.types == ["chunk", "content.delta", "error"]
    assert reading.last.error.message == "boom"


def test_nan_in_a_chunk_that_comes_parsed_is_written_out_as_null():
    reading = read_chunks(say(content="Hi", odd=math.nan), {"id": "c1", "top": [math.inf]}, finish())
    for found in reading.events:
        json.dumps(found.to_dict(lazies=True), allow_nan=False)
    assert json.loads(reading.last.snapshot.model_dump_json())["top"] == [None]


# ---------------------------------------------------------------- limits


def limit_of(stream, **limits):
    error = error_of(stream, limits=Limits(**limits))
    assert type(error) is StreamLimitError, error
    return error.limit, error.value


def test_an_event_past_the_limit_ends_the_stream_after_what_was_complete():
    long = event(say(content="x" * 1000))
    reading = read(HI + HI + long + END, limits=Limits(max_event_size=500))
    assert reading.types == ["chunk", "content.delta"] * 2 + ["error"]
    assert (type(reading.last.error), reading.last.error.limit, reading.last.error.value) == (
        StreamLimitError,
        "max_event_size",
        500,
    )
    assert reading.last.error.completion.choices[0].message.content == "HiHi"
    assert content(read(long + END, limits=Limits(max_event_size=None))) == "x" * 1000


def test_an_event_past_the_limit_is_found_before_it_is_whole():
    parser = ChatStreamParser(limits=Limits(max_event_size=500))
    assert parser.feed(b"data: " + b"x" * 100) == []
    assert types(parser.feed(b"x" * 1000)) == ["error"]
    assert parser.feed(b"x") == []


def test_the_limit_of_an_event_is_exact():
    block = event(say(content="Hi"))
    assert read(block + event(finish()), limits=Limits(max_event_size=len(block))).last.type == "end"
    assert limit_of(block, max_event_size=len(block) - 3) == ("max_event_size", len(block) - 3)


@pytest.mark.parametrize("field", ["content", "refusal", "reasoning", "reasoning_content", "thought"])
def test_texts_are_limited(field):
    fine = body(*(say(**{field: "x" * 5}) for _ in range(2)), finish())
    if field != "reasoning_content":
        assert read(fine, limits=Limits(max_text=10)).last.type == "end"
    assert limit_of(body(*(say(**{field: "x" * 5}) for _ in range(3))), max_text=10) == ("max_text", 10)
    assert read(fine, limits=Limits(max_text=None)).last.type == "end"


def test_the_limit_of_texts_is_one_for_all_choices():
    stream = body(*(say(index=index, content="xxxxx") for index in range(3)))
    assert limit_of(stream, max_text=10) == ("max_text", 10)


@pytest.mark.parametrize(
    "delta",
    [{"annotations": [{"a": "x" * 600}]}, {"images": [{"a": "x" * 600}]}, {"audio": {"data": "A" * 1000}},
     {"audio": {"transcript": "x" * 600}}, {"token_ids": list(range(600))},
     {"reasoning_details": [{"text": "x" * 600}]}, {"content": [{"type": "image", "x": "x" * 600}]},
     {"thinking": "x" * 600}],
)  # fmt: skip
def test_whatever_grows_is_limited(delta):
    assert limit_of(body(say(**delta), finish()), max_text=500, max_extras=500)[0] in {"max_text", "max_extras"}
    assert read(body(say(**delta), finish()), limits=Limits(max_text=None, max_extras=None)).last.type == "end"


def test_logprobs_are_limited():
    tokens = [{"token": "x" * 20, "logprob": 0.0}] * 100
    assert limit_of(body(chunk(choice(logprobs={"content": tokens}))), max_text=500, max_extras=500)[0] == "max_text"


@pytest.mark.parametrize("make", [TEXTS["arguments"][0], TEXTS["input"][0], TEXTS["function_call"][0]])
def test_arguments_are_limited(make):
    stream = body(*(say(**make("xxxxx")) for _ in range(3)), finish())
    assert limit_of(stream, max_arguments=14) == ("max_arguments", 14)
    assert read(stream, limits=Limits(max_arguments=15)).last.type == "end"
    assert read(stream, limits=Limits(max_arguments=None)).last.type == "end"


def test_the_limit_of_arguments_is_one_for_each_call():
    stream = body(calls(call(0, "a", "f", "xxxxx"), call(1, "b", "f", "xxxxx")), finish())
    assert read(stream, limits=Limits(max_arguments=5)).last.type == "end"


def test_128_choices_are_read_and_129_are_past_the_limit():
    choices = [say(index=index * 1000, content="x", finish="stop") for index in range(129)]
    reading = read(body(*choices[:128]))
    assert reading.last.end.kind == "complete"
    assert len(reading.last.snapshot.choices) == 128
    assert limit_of(body(*choices)) == ("max_choices", 128)
    assert len(read(body(*choices), limits=Limits(max_choices=None)).last.snapshot.choices) == 129
    assert limit_of(body(chunk(*(choice(index) for index in range(129))))) == ("max_choices", 128)


def test_1024_calls_are_read_and_1025_are_past_the_limit():
    one_chunk = [call(index, f"id{index}", "f", "{}") for index in range(1025)]
    reading = read(body(calls(*one_chunk[:1024]), finish("tool_calls")))
    assert len(reading.last.snapshot.choices[0].message.tool_calls) == 1024
    assert limit_of(body(calls(*one_chunk))) == ("max_tool_calls", 1024)
    assert limit_of(body(*(calls(call(id=f"id{index}", name="f")) for index in range(1025)))) == (
        "max_tool_calls",
        1024,
    )
    unlimited = read(body(calls(*one_chunk), finish()), limits=Limits(max_tool_calls=None))
    assert len(unlimited.last.snapshot.choices[0].message.tool_calls) == 1025


def test_unknown_members_are_limited_by_what_is_held():
    many = [{"id": "c1", f"member{number}": "x" * 1000} for number in range(1200)]
    assert limit_of(body(*many)) == ("max_extras", 2**20)
    same = [{"id": "c1", "member": str(number % 7) * 1000} for number in range(1200)]
    assert read(body(*same, say(content="Hi"), finish())).last.type == "end"
    assert read(body(*many, finish()), limits=Limits(max_extras=None)).last.type == "end"


@pytest.mark.parametrize(
    "place",
    [lambda key, value: {"id": "c1", key: value}, lambda key, value: say(**{key: value}),
     lambda key, value: chunk(choice(**{key: value})), lambda key, value: calls({"index": 0, key: value}),
     lambda key, value: calls({"index": 0, "function": {key: value}}),
     lambda key, value: calls({"index": 0, "custom": {key: value}}), lambda key, value: say(audio={key: value}),
     lambda key, value: say(function_call={key: value}),
     lambda key, value: say(reasoning_details=[{"index": 0, key: value}]),
     lambda key, value: chunk(choice(logprobs={key: value})), lambda key, value: say(other={key: value})],
)  # fmt: skip
def test_unknown_members_are_limited_wherever_they_stand(place):
    assert limit_of(body(*(place(f"k{number}", "x" * 100) for number in range(100))), max_extras=1000) == (
        "max_extras",
        1000,
    )


GROWING = {
    "name": lambda text, _: calls(call(0, name=text)),
    "name of a custom call": lambda text, _: calls({"index": 0, "custom": {"name": text}}),
    "name of a function call": lambda text, _: say(function_call={"name": text}),
    "id": lambda text, _: {"id": text, "choices": []},
    "model": lambda text, _: {"id": "c1", "model": text},
    "fingerprint": lambda text, _: {"id": "c1", "system_fingerprint": text},
    "usage": lambda text, number: {"id": "c1", "usage": {f"{number}": text}},
    "role": lambda text, _: say(role=text),
    "finish reason": lambda text, _: finish(text),
    "id of a call": lambda text, _: calls(call(0, text)),
    "type of a call": lambda text, _: calls(call(0, type=text)),
    "arguments as objects": lambda text, number: calls(call(0, arguments={str(number): text})),
    "message aside": lambda text, number: chunk(choice(message={str(number): text})),
    "audio id": lambda text, _: say(audio={"id": text}),
    "content": lambda text, _: say(content=text),
    "content parts": lambda text, _: say(content=[{"type": "x", "x": text}]),
    "annotations": lambda text, _: say(annotations=[{"x": text}]),
    "scalars": lambda text, _: say(ids=[text]),
    "details by index": lambda text, number: say(reasoning_details=[{"index": number, "type": text}]),
    "details": lambda text, _: say(reasoning_details=[{"type": text}]),
    "details, one": lambda text, number: say(reasoning_details=[{"index": 0, str(number): text}]),
    "an unknown string": lambda text, _: say(x=text),
    "an unknown object": lambda text, number: say(x={str(number): text}),
    "an unknown list of objects": lambda text, _: say(x=[{"x": text}]),
    "tokens": lambda text, _: chunk(choice(logprobs={"content": [{"token": text}]})),
}


@pytest.mark.parametrize("name", GROWING)
def test_nothing_grows_without_a_limit(name):
    limits = Limits(max_text=2000, max_arguments=2000, max_extras=2000)
    grown = [GROWING[name](f"{number:03}" * 30, number) for number in range(200)]
    reading = read(body(*grown, say(content="x")), limits=limits)
    if reading.last.type == "error" and type(reading.last.error) is not IncompleteStreamError:
        assert type(reading.last.error) is StreamLimitError
    assert len(reading.parser.snapshot.model_dump_json()) < 8000


@pytest.mark.parametrize(
    "name", ["max_event_size", "max_text", "max_arguments", "max_choices", "max_tool_calls", "max_depth", "max_extras"]
)
@pytest.mark.parametrize("value", [0, 1, 2])
def test_the_smallest_limits_raise_nothing(name, value):
    big = chunk(
        choice(
            0, delta={"content": "abc", "tool_calls": [call(0, "a", "f", "{}"), call(1, "b", "g", "{}")], "x": {"y": 1}}
        ),
        choice(
            1,
            delta={"audio": {"data": "AAAA", "transcript": "abc"}, "reasoning": "abc"},
            logprobs={"content": [{"token": "a"}]},
        ),
        other=[1],
    )
    for take in (
        lambda **options: read(body(big, big, finish()), **options),
        lambda **options: read_chunks(big, big, finish(), **options),
    ):
        reading = take(limits=Limits(**{name: value}))
        assert reading.last.type in TERMINAL
        for found in reading.events:
            json.dumps(found.to_dict(lazies=True), allow_nan=False)
        if reading.last.type == "error":
            assert type(reading.last.error) in {StreamLimitError, IncompleteStreamError}


def test_a_limit_of_1_holds_one():
    assert read(body(say(content="x", finish="stop")), limits=Limits(max_choices=1, max_text=1)).last.type == "end"
    assert (
        read(
            body(calls(call(0, "a", "f", "x"), finish="stop")), limits=Limits(max_tool_calls=1, max_arguments=1)
        ).last.type
        == "end"
    )
    assert limit_of(body(say(content="x"), say(index=1)), max_choices=1) == ("max_choices", 1)


# ---------------------------------------------------------------- how the bytes are cut

SMALL = {
    "plain": HELLO,
    "crlf": HELLO.replace(b"\n", b"\r\n"),
    "cr": HELLO.replace(b"\n", b"\r"),
    "bom": b"\xef\xbb\xbf" + HELLO,
    "no done": HI + event(finish()),
    "cut": HI + b'data: {"choi',
    "lost blank lines": HELLO.replace(b"\n\n", b"\n"),
    "error": HI + event({"error": {"message": "boom"}}),
    "named error": HI + event("boom", name="error"),
    "stray error": HI + b'error: {"message": "boom"}\n\n' + END,
    "stray error at the end": HI + b'{"error": "boom"}',
    "html": b"<!doctype html>\r\n<p>hello\r\n",
    "document": json.dumps(COMPLETION, indent=1).encode(),
    "json error": b'{"error":\r\n"boom"}',
    "broken": HI + b"data: {broken\n\n" + END,
    "comments": b": a\n\n" + HI + b":\n\n" + END,
    "ids": b"id: 1\nevent: x\nretry: 5\n" + HI + END,
    "surrogates": body(say(content="a" + HIGH), say(content=LOW), say(content=HIGH), finish()),
    "utf-8": event(json.dumps(say(content="ñ€😀"), ensure_ascii=False)) + END,
    "bad utf-8": event(json.dumps(say(content="?")).encode().replace(b"?", b"\xff\xe2\x82")) + END,
    "calls": body(calls(call(0, "a", "f", '{"x":')), calls(call(0, arguments="1}")), finish("tool_calls")),
    "stray before": b"junk\n\n" + HI + END,
    "nothing": b"",
}


def told(reads, **options):
    """Everything a reader can learn."""
    reading = read(reads, **options)
    return [found.to_dict(lazies=True) for found in reading.events], reading.parser.end, reading.parser.anomalies


@pytest.mark.parametrize("name", SMALL)
def test_every_cut_in_two_gives_the_same_events(name):
    whole = SMALL[name]
    expected = told([whole])
    for at in range(len(whole) + 1):
        assert told([whole[:at], whole[at:]]) == expected, at


@pytest.mark.parametrize("name", SMALL)
def test_byte_by_byte_gives_the_same_events(name):
    whole = SMALL[name]
    assert told([whole[at : at + 1] for at in range(len(whole))]) == told([whole])


@pytest.mark.parametrize("limit", [60, 120, 200])
@pytest.mark.parametrize("name", ["plain", "crlf", "lost blank lines", "html", "document", "comments", "ids"])
def test_every_cut_in_two_gives_the_same_events_also_at_a_limit(name, limit):
    whole = SMALL[name]
    limits = Limits(max_event_size=limit)
    expected = told([whole], limits=limits)
    for at in range(len(whole) + 1):
        assert told([whole[:at], whole[at:]], limits=limits) == expected, at


def test_events_come_with_the_bytes_that_complete_them():
    parser = ChatStreamParser()
    assert parser.feed(HI[:-1]) == []
    assert types(parser.feed(HI[-1:])) == ["chunk", "content.delta"]


# ---------------------------------------------------------------- anomalies


def test_an_anomaly_has_the_number_of_its_first_event_and_a_count():
    parser = ChatStreamParser()
    parser.feed(HI + HI + event({**say(content="x"), "id": "c2"}) + event({**say(content="x"), "id": "c3"}) + END)
    (anomaly,) = parser.anomalies
    assert (anomaly.kind, anomaly.first_event, anomaly.count) == ("id_changed", 3, 2)


def test_a_plain_stream_has_no_anomalies():
    for name in ("plain", "crlf", "bom", "comments", "ids", "calls", "utf-8", "no done"):
        assert read(SMALL[name]).parser.anomalies == []


def test_the_list_of_anomalies_is_yours():
    parser = ChatStreamParser()
    parser.feed(HI + b"junk\n")
    parser.anomalies.clear()
    assert len(parser.anomalies) == 1


# ---------------------------------------------------------------- bytes and parsed chunks alike

PLAIN = (
    '{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":"fp","choices":'
    '[{"index":0,"delta":{"content":"a"},"logprobs":null,"finish_reason":null}]}'
)
VARIANTS = {
    "plain": (),
    "index is a float": ('"index":0', '"index":0.0'),
    "index is a float with an exponent": ('"index":0', '"index":0e0'),
    "index is minus zero": ('"index":0', '"index":-0'),
    "index is a bool": ('"index":0', '"index":false'),
    "index is text": ('"index":0', '"index":"0"'),
    "index is huge": ('"index":0', '"index":18446744073709551616'),
    "index is null": ('"index":0', '"index":null'),
    "index is twice": ('"index":0', '"index":0,"index":1'),
    "created is a float": ('"created":1', '"created":1.0'),
    "created is huge": ('"created":1', '"created":1' + "0" * 400),
    "created is text": ('"created":1', '"created":"1"'),
    "created is null": ('"created":1', '"created":null'),
    "created is a bool": ('"created":1', '"created":true'),
    "content is null": ('"content":"a"', '"content":null'),
    "content is empty": ('"content":"a"', '"content":""'),
    "content is a number": ('"content":"a"', '"content":5'),
    "content is twice": ('"content":"a"', '"content":"x","content":"a"'),
    "content has escapes": ('"content":"a"', r'"content":"\u0061\n\ud83d\ude00\u0000\/"'),
    "content ends in half a character": ('"content":"a"', r'"content":"a\ud83d"'),
    "there is a role": ('"content":"a"', '"role":"assistant","content":"a"'),
    "there is a refusal": ('"content":"a"', '"content":"a","refusal":null'),
    "there is reasoning": ('"content":"a"', '"content":"a","reasoning_content":"r"'),
    "there is something unknown in the delta": ('"content":"a"', '"content":"a","x":1'),
    "there is something unknown in the choice": ('"index":0', '"index":0,"x":1'),
    "there is something unknown at the top": ('"id":"c1"', '"id":"c1","x":1'),
    "there is a usage": ('"id":"c1"', '"id":"c1","usage":{"total_tokens":1}'),
    "there is a usage of null": ('"id":"c1"', '"id":"c1","usage":null'),
    "there is obfuscation": ('"id":"c1"', '"id":"c1","obfuscation":"xyz"'),
    "there is a service tier": ('"id":"c1"', '"id":"c1","service_tier":"default"'),
    "there is an error": ('"id":"c1"', '"id":"c1","error":"boom"'),
    "there is an error of null": ('"id":"c1"', '"id":"c1","error":null'),
    "there is a finish reason": ('"finish_reason":null', '"finish_reason":"length"'),
    "the finish reason is the text null": ('"finish_reason":null', '"finish_reason":"null"'),
    "the finish reason is empty": ('"finish_reason":null', '"finish_reason":""'),
    "the finish reason is missing": (',"finish_reason":null', ""),
    "the finish reason is a number": ('"finish_reason":null', '"finish_reason":5'),
    "there are logprobs": ('"logprobs":null', '"logprobs":{"content":[{"token":"a"}]}'),
    "there is a message": ('"logprobs":null', '"message":{"content":"whole"}'),
    "the delta is null": ('"delta":{"content":"a"}', '"delta":null'),
    "the delta is empty": ('"delta":{"content":"a"}', '"delta":{}'),
    "the delta is a list": ('"delta":{"content":"a"}', '"delta":["a"]'),
    "the delta is twice": ('"delta":{"content":"a"}', '"delta":{"content":"x","refusal":"r"},"delta":{"content":"a"}'),
    "the id is another": ('"id":"c1"', '"id":"c2"'),
    "the id is empty": ('"id":"c1"', '"id":""'),
    "the id is null": ('"id":"c1"', '"id":null'),
    "the id is a number": ('"id":"c1"', '"id":7'),
    "the model is another": ('"model":"m"', '"model":"n"'),
    "the model is missing": (',"model":"m"', ""),
    "the object is another": ("chat.completion.chunk", "error"),
    "the object is missing": ('"object":"chat.completion.chunk",', ""),
    "the fingerprint is another": ('"system_fingerprint":"fp"', '"system_fingerprint":"fq"'),
    "the fingerprint is null": ('"system_fingerprint":"fp"', '"system_fingerprint":null'),
    "the fingerprint is missing": ('"system_fingerprint":"fp",', ""),
    "the fingerprint is a number": ('"system_fingerprint":"fp"', '"system_fingerprint":0'),
    "there are no choices": ('[{"index":0,"delta":{"content":"a"},"logprobs":null,"finish_reason":null}]', "[]"),
    "there are two choices": (
        '"choices":[',
        '"choices":[{"index":1,"delta":{"content":"b"},"logprobs":null,"finish_reason":null},',
    ),
    "a choice is there twice": (
        '"choices":[',
        '"choices":[{"index":0,"delta":{"content":"b"},"logprobs":null,"finish_reason":"stop"},',
    ),
    "choices are null": ('[{"index":0,"delta":{"content":"a"},"logprobs":null,"finish_reason":null}]', "null"),
    "a choice is null": ('"choices":[', '"choices":[null,'),
    "it is spread out": (":", " : "),
}


def learned(reading):
    """Everything a reader can learn, but for what differs by what was fed: the bytes, and that [DONE] is missed."""
    told = [found.to_dict(lazies=True) for found in reading.events]
    for one in told:
        one.pop("data", None)
        if one["type"] == "end":
            one["end"] = {**one["end"], "done_seen": None, "kind": one["end"]["kind"].replace("no_done", "complete")}
    return json.dumps([told, reading.parser.end.finish_seen, reading.parser.anomalies], default=repr)


@pytest.mark.parametrize("where", ["first", "in the middle", "after another", "last"])
@pytest.mark.parametrize("name", VARIANTS)
def test_what_comes_as_bytes_and_what_comes_parsed_is_the_same(name, where):
    varied = PLAIN.replace(*VARIANTS[name]) if VARIANTS[name] else PLAIN
    story = {
        "first": [varied, PLAIN, PLAIN],
        "in the middle": [PLAIN, varied, PLAIN],
        "after another": [PLAIN, varied, varied],
        "last": [PLAIN, json.dumps(finish()), varied],
    }[where]
    assert learned(read(b"".join(map(event, story)))) == learned(read_chunks(*map(json.loads, story)))


CONTEXTS = {
    "reasoning": [say(reasoning="r")],
    "content and reasoning": [say(content="c"), say(reasoning="r"), say(reasoning="s")],
    "reasoning and content": [say(reasoning="r"), say(content="c")],
    "half a character": [say(content="c"), say(content="x" + HIGH)],
    "half a character of a refusal": [say(content="c"), say(refusal=HIGH)],
    "a call": [say(content="c"), calls(call(0, "a", "f", "{}"))],
    "a function call": [say(content="c", function_call={"name": "f", "arguments": "{"})],
    "a finish": [say(content="c"), finish()],
    "a finish of another choice": [say(content="c"), say(index=1, content="d", finish="stop")],
    "another id": [{**say(content="c"), "id": "c0"}],
    "no id": [{"choices": [{"index": 0, "delta": {"content": "c"}}]}],
    "a message aside": [chunk(choice(delta={"content": "c"}, message={"content": "whole"}))],
    "a usage": [{**say(content="c"), "usage": {"total_tokens": 1}}],
    "logprobs": [chunk(choice(delta={"content": "c"}, logprobs={"content": [{"token": "c"}]}))],
    "audio": [say(content="c", audio={"transcript": "t"})],
    "unknown members": [{**say(content="c", x={"a": 1}, ids=[1]), "y": [1]}],
    "another role": [say(role="tool", content="c")],
    "a refusal": [say(content="c"), say(refusal="n")],
    "parts": [say(content=[{"type": "text", "text": "c"}])],
    "an empty content": [say(content="")],
    "thoughts": [say(content="c"), say(thought="t")],
}


@pytest.mark.parametrize(
    "limits", [Limits(), Limits(max_text=4), Limits(max_choices=1), Limits(max_text=None)], ids=repr
)
@pytest.mark.parametrize("name", CONTEXTS)
def test_what_comes_as_bytes_and_what_comes_parsed_is_the_same_in_every_context(name, limits):
    before = [json.dumps(one) for one in CONTEXTS[name]]
    other = PLAIN.replace('"index":0', '"index":1').replace('"a"', '"b"')
    for story in (
        [*before, PLAIN, PLAIN],
        [PLAIN, *before, PLAIN, other, PLAIN, PLAIN],
        [PLAIN, PLAIN, other, *before, PLAIN],
    ):
        raw = read(b"".join(map(event, story)), limits=limits)
        parsed = read_chunks(*map(json.loads, story), limits=limits)
        assert learned(raw) == learned(parsed)


@pytest.mark.parametrize("key", ["created", "index"])
def test_a_number_that_is_too_long_is_malformed_in_any_chunk(key):
    long = re.sub(f'"{key}":[0-9]', f'"{key}":1' + "0" * 4300, PLAIN)
    for before in (b"", event(PLAIN), event(PLAIN) * 3):
        assert type(error_of(before + event(long) + END)) is StreamProtocolError


def test_bytes_that_are_no_utf8_are_told_in_any_chunk():
    bad = PLAIN.encode().replace(b'"a"', b'"\xed\xa0\xbd\xff"')
    reading = read(event(PLAIN) * 3 + event(bad) + END)
    assert anomalies(reading) == {"bad_utf8": 1}
    assert content(reading).encode()
