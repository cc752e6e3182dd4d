"""The event-stream format by itself: WHATWG HTML 9.2.5 and 9.2.6, cut anywhere, and the limits on what may pile up."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.errors import StreamLimitError
from chatstream.sse import ServerSentEvent, SSEDecoder, encode
from counting import opcodes, peaks
from wire import byte_by_byte, cut, random_cuts

BOM = b"\xef\xbb\xbf"


def decode(reads, **options):
    decoder = SSEDecoder(**options)
    events = [event for data in reads for event in decoder.feed(data)] + decoder.close()
    return decoder, events


def event(data, event="message", id="", retry=None):
    return ServerSentEvent(event, data, id, retry)


# Each rule of the format: bytes, and the events they are

CASES = {
    "one line": (b"data: a\n\n", [event("a")]),
    "no space behind the colon": (b"data:a\n\n", [event("a")]),
    "one space goes, the second stays": (b"data:  a\n\n", [event(" a")]),
    "a tab stays": (b"data:\ta\n\n", [event("\ta")]),
    "a no-break space stays": ("data:\u00a0a\n\n".encode(), [event("\u00a0a")]),
    "space before the colon is part of the name": (b"data : a\n\n", []),
    "colons in the value": (b"data: a: b:\n\n", [event("a: b:")]),
    "two data lines are joined by LF": (b"data: a\ndata: b\n\n", [event("a\nb")]),
    "three empty data lines are two LF": (b"data\ndata\ndata\n\n", [event("\n\n")]),
    "data without a colon is an empty line": (b"data\n\n", [event("")]),
    "data with nothing behind the colon is an empty line": (b"data:\n\n", [event("")]),
    "an empty line of data ends in nothing": (b"data: a\ndata:\n\n", [event("a\n")]),
    "a block without data is none": (b"event: x\n\ndata: a\n\n", [event("a")]),
    "blank lines alone are nothing": (b"\n\n\r\n\r", []),
    "an event type": (b"event: x\ndata: a\n\n", [event("a", "x")]),
    "the last event type counts": (b"event: x\nevent: y\ndata: a\n\n", [event("a", "y")]),
    "an empty event type is a message": (b"event: x\nevent\ndata: a\n\n", [event("a")]),
    "the event type holds for one block": (b"event: x\ndata: a\n\ndata: b\n\n", [event("a", "x"), event("b")]),
    "the type of a block without data is forgotten": (b"event: x\n\ndata: b\n\n", [event("b")]),
    "the type may follow the data": (b"data: a\nevent: x\n\n", [event("a", "x")]),
    "an id holds on": (b"id: 1\ndata: a\n\ndata: b\n\n", [event("a", id="1"), event("b", id="1")]),
    "an id without data holds on": (b"id: 1\n\ndata: b\n\n", [event("b", id="1")]),
    "an empty id resets it": (b"id: 1\ndata: a\n\nid\ndata: b\n\n", [event("a", id="1"), event("b")]),
    "an empty id behind a colon resets it": (b"id: 1\ndata: a\n\nid: \ndata: b\n\n", [event("a", id="1"), event("b")]),
    "an id with NUL is no id": (b"id: 1\ndata: a\n\nid: 2\x00\ndata: b\n\n", [event("a", id="1"), event("b", id="1")]),
    "the last id of a block counts": (b"id: 1\nid: 2\ndata: a\n\n", [event("a", id="2")]),
    "a reconnection time": (b"retry: 1500\ndata: a\n\ndata: b\n\n", [event("a", retry=1500), event("b")]),
    "a reconnection time with zeros before it": (b"retry: 007\ndata: a\n\n", [event("a", retry=7)]),
    "a reconnection time without data waits for the next event": (b"retry: 5\n\ndata: a\n\n", [event("a", retry=5)]),
    "a reconnection time that is no number": (
        b"retry: 1s\ndata: a\n\nretry: -1\ndata: b\n\nretry\ndata: c\n\n",
        [event("a"), event("b"), event("c")],
    ),
    "a reconnection time in other digits": ("retry: \u0661\u0662\ndata: a\n\n".encode(), [event("a")]),
    "a reconnection time that nobody waits for": (b"retry: " + b"9" * 5000 + b"\ndata: a\n\n", [event("a")]),
    "a bad reconnection time leaves the good one": (b"retry: 5\nretry: x\ndata: a\n\n", [event("a", retry=5)]),
    "a comment": (b": a\ndata: b\n: c\n\n", [event("b")]),
    "a comment of colons": (b":::\n\ndata: b\n\n", [event("b")]),
    "an unknown field": (b"foo: a\ndata: b\nfoo\n\n", [event("b")]),
    "names are lower case": (b"Data: a\nDATA: a\ndata: b\n\n", [event("b")]),
    "names are whole": (b"dat: a\ndata2: a\nidx: 3\ndata: b\n\n", [event("b")]),
    "a name behind space is another": (b" data: a\ndata: b\n\n", [event("b")]),
    "CR ends lines": (b"data: a\rdata: b\r\rdata: c\r\r", [event("a\nb"), event("c")]),
    "CRLF ends lines": (b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", [event("a\nb"), event("c")]),
    "CRLF is one line end": (b"data: a\r\ndata: b\r\n\r\n", [event("a\nb")]),
    "LF CR is two": (b"data: a\n\rdata: b\n\r", [event("a"), event("b")]),
    "CR CR LF is two": (b"data: a\r\r\ndata: b\r\r\n", [event("a"), event("b")]),
    "all three mixed": (
        b"data: a\ndata: b\rdata: c\r\n\ndata: d\r\n\rdata: e\r\r\n",
        [event("a\nb\nc"), event("d"), event("e")],
    ),
    "nothing else ends a line": (
        "data: a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\n\n".encode(),
        [event("a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg")],
    ),
    "one byte order mark at the start goes": (BOM + b"data: a\n\n", [event("a")]),
    "a second one is part of the name": (BOM + BOM + b"data: a\n\ndata: b\n\n", [event("b")]),
    "one further on is part of the name": (b"data: a\n\n" + BOM + b"data: b\n\ndata: c\n\n", [event("a"), event("c")]),
    "one in the data stays": (b"data: " + BOM + b"\n\n", [event("\ufeff")]),
    "two bytes of one are no mark": (BOM[:2] + b"data: a\n\ndata: b\n\n", [event("b")]),
    "bad UTF-8": (b"data: a\xff\xc3(\n\n", [event("a\ufffd\ufffd(")]),
    "bad UTF-8 in a type and in an id": (b"event: \xff\nid: \xfe\ndata: a\n\n", [event("a", "\ufffd", "\ufffd")]),
    "UTF-8 that is cut by the line end": (b"data: \xf0\x9f\x98\n\n", [event("\ufffd")]),
    "NUL in the data": (b"data: a\0b\n\n", [event("a\0b")]),
    "an unfinished block": (b"data: a\n\ndata: b\n", [event("a")]),
    "an unfinished line": (b"data: a\n\ndata: b", [event("a")]),
    "an unfinished comment": (b"data: a\n\n: b", [event("a")]),
    "a CR at the end of a blank line is enough": (b"data: a\r\r", [event("a")]),
    "nothing at all": (b"", []),
    "a byte order mark alone": (BOM, []),
}


@pytest.mark.parametrize(("data", "expected"), CASES.values(), ids=CASES)
def test_bytes_become_these_events_however_they_are_cut(data, expected):
    assert decode([data])[1] == expected
    assert decode(byte_by_byte(data))[1] == expected
    assert decode([data, b"", b""])[1] == expected
    for place in range(len(data) + 1):
        assert decode(cut(data, [place]))[1] == expected, place
        assert decode([data[:place], b"", data[place:]])[1] == expected, place


@given(
    st.lists(
        st.sampled_from(
            [b"\n", b"\r", b"data", b"event", b"id", b"retry", b":", b" ", b"1", b"\0", b"\xff", BOM, b"\xef", b"x"]
        )
    ),
    st.randoms(use_true_random=False),
)
def test_no_cut_changes_an_event_nor_what_is_left_over(parts, random):
    data = b"".join(parts)
    whole, expected = decode([data])
    for reads in (parts, byte_by_byte(data), random_cuts(data, random)):
        decoder, events = decode(reads)
        assert events == expected
        assert (decoder.pending, decoder.last_event_id, decoder.reconnection_time) == (
            whole.pending,
            whole.last_event_id,
            whole.reconnection_time,
        )


@given(st.binary())
def test_the_events_are_those_of_a_slow_reading_of_the_standard(data):
    assert decode([data])[1] == by_the_book(data)


@given(
    st.lists(
        st.sampled_from(
            [
                b"\n",
                b"\r",
                b"\r\n",
                b"data: a",
                b"data:b",
                b"data",
                b"event: e",
                b"id: 1",
                b"id",
                b"id: \0",
                b"retry: 3",
                b"retry: x",
                b": c",
                b"x",
            ]
        )
    )
)
def test_made_up_blocks_are_read_as_the_standard_reads_them(parts):
    data = b"".join(parts)
    assert decode([data])[1] == by_the_book(data)


def by_the_book(data):
    """9.2.6 word by word: split into lines, then line by line into three buffers."""
    text = data.decode("utf-8-sig", "replace")
    events, buffers, last_id, retry = [], {"data": "", "event": ""}, "", None
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if buffers["data"]:
                events.append(
                    ServerSentEvent(buffers["event"] or "message", buffers["data"].removesuffix("\n"), last_id, retry)
                )
                retry = None
            buffers = {"data": "", "event": ""}
        elif name == "data":
            buffers["data"] += value + "\n"
        elif name == "event":
            buffers["event"] = value
        elif name == "id" and "\0" not in value:
            last_id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            retry = int(value)
    return events


# What the decoder tells beside the events


def test_the_last_id_and_the_reconnection_time_can_be_asked_for():
    decoder, _ = decode([b"id: 7\nretry: 30\n\n"])
    assert (decoder.last_event_id, decoder.reconnection_time) == ("7", 30)


def test_the_id_of_an_unfinished_block_is_not_in_force():
    decoder, _ = decode([b"id: 7\n\nid: 8\ndata: a\n"])
    assert decoder.last_event_id == "7"


@pytest.mark.parametrize(
    ("data", "pending"),
    [
        (b"", b""),
        (b"data: a\n\n", b""),
        (b"data: a\n\ndata: b", b"data: b"),
        (b"data: a\n\ndata: b\n", b"data: b\n"),
        (b"data: a\n\nevent: x\r\ndata: b\r\ndata: c", b"event: x\ndata: b\ndata: c"),
        (b"data: a\n\nda", b"da"),
        (b"data: a\n\n: comment", b""),
        (b"data: a\n\nunknown", b""),
    ],
)
def test_what_is_left_of_an_unfinished_block_is_pending(data, pending):
    for reads in ([data], byte_by_byte(data)):
        decoder, _ = decode(reads)
        assert decoder.pending == pending


def test_an_event_can_be_read_as_json():
    assert event('{"a": [1]}').json() == {"a": [1]}
    with pytest.raises(ValueError, match="Expecting value"):
        event("[DONE]").json()


def test_an_event_that_was_made_of_nothing_is_an_empty_message():
    made = ServerSentEvent()
    assert (made.event, made.data, made.id, made.retry) == ("message", "", "", None)


def test_an_event_cannot_be_changed():
    with pytest.raises(AttributeError):
        event("a").data = "b"


# Misuse


@pytest.mark.parametrize("wrong", ["data: a\n\n", None, 1, ["data"], [1, 2]])
def test_what_is_not_bytes_is_refused_at_the_call(wrong):
    decoder = SSEDecoder()
    decoder.feed(b"data: a\n")
    with pytest.raises(TypeError, match=r"feed\(\) takes bytes, not " + type(wrong).__name__):
        decoder.feed(wrong)
    assert decoder.feed(b"\n") == [event("a")]


def test_bytearrays_and_memoryviews_are_bytes():
    data = bytearray(b"data: a\n\n")
    decoder = SSEDecoder()
    assert decoder.feed(memoryview(b"data: a\n")) == []
    assert decoder.feed(bytearray(b"\n")) == [event("a")]
    assert decoder.feed(data) == [event("a")]
    data[6:7] = b"b"
    assert decoder.feed(data) == [event("b")]


def test_what_was_fed_is_not_held_by_reference():
    decoder, data = SSEDecoder(), bytearray(b"data: a")
    decoder.feed(data)
    data[:] = b"xxxxxxx"
    assert decoder.feed(b"\n\n") == [event("a")]


def test_feeding_after_close_is_misuse():
    decoder = SSEDecoder()
    assert decoder.close() == []
    for data in (b"data: a\n\n", b""):
        with pytest.raises(RuntimeError, match="after close"):
            decoder.feed(data)


def test_feeding_what_needs_no_thought_after_close_is_misuse_too():
    decoder = SSEDecoder()
    decoder.feed(b"data: a\n\n")
    decoder.close()
    with pytest.raises(RuntimeError, match="after close"):
        decoder.feed(b"data: a\n\n")


def test_close_gives_nothing_and_can_be_called_again():
    decoder = SSEDecoder()
    decoder.feed(b"data: a\n\ndata: b\n")
    assert decoder.close() == decoder.close() == []
    assert decoder.pending == b"data: b\n"


# Limits


@pytest.mark.parametrize("size", [7, 8, 20, 100])
def test_an_event_of_exactly_the_limit_passes_and_one_byte_more_does_not(size):
    line = b"data: " + b"x" * (size - 6)
    for reads in (
        [line + b"\n\n"],
        byte_by_byte(line + b"\n\n"),
        [b"data: a\n\n", line + b"\n\n"],
        [b"data: a\n\n", line, b"\n\n"],
    ):
        assert decode(reads, max_event_size=size)[1][-1].data == "x" * (size - 6)
        with pytest.raises(StreamLimitError) as caught:
            decode(reads, max_event_size=size - 1)
        assert (caught.value.limit, caught.value.value) == ("max_event_size", size - 1)


@given(
    st.lists(
        st.sampled_from(
            [
                b"data: a\n",
                b"data: bb\r\n",
                b"event: x\n",
                b"id: 1\r",
                b"\n",
                b"\r\n",
                b": comment\n",
                b"unknown\n",
                b"data",
            ]
        )
    ),
    st.integers(0, 30),
    st.randoms(use_true_random=False),
)
def test_no_cut_decides_whether_an_event_is_too_large(parts, limit, random):
    data = b"".join(parts)
    whole = under_limit([data], limit)
    for reads in (parts, byte_by_byte(data), random_cuts(data, random)):
        assert under_limit(reads, limit) == whole


def under_limit(reads, limit):
    decoder, events = SSEDecoder(max_event_size=limit), []
    for data in reads:
        try:
            events += decoder.feed(data)
        except StreamLimitError as error:
            return events + error.events, "too large"
    return events, decoder.close(), decoder.pending


def test_what_was_complete_before_the_limit_is_on_the_error():
    decoder = SSEDecoder(max_event_size=15)
    with pytest.raises(StreamLimitError) as caught:
        decoder.feed(b"data: a\n\nevent: b\ndata:\n\ndata: 0123456789\n\ndata: c\n\n")
    assert caught.value.events == [event("a"), event("", "b")]
    assert "15 bytes" in str(caught.value)


def test_past_the_limit_the_decoder_stays_broken():
    decoder = SSEDecoder(max_event_size=10)
    for data in (b"data: 0123456789", b"\n\ndata: a\n\n", b"data: a\n\n"):
        with pytest.raises(StreamLimitError) as caught:
            decoder.feed(data)
        assert caught.value.events == []


def test_the_lines_of_a_block_count_together():
    with pytest.raises(StreamLimitError):
        decode([b"data: a\n" * 3 + b"\n"], max_event_size=20)
    assert decode([b"data: a\n\n" * 30], max_event_size=20)[1] == [event("a")] * 30


def test_events_without_an_end_are_limited_too():
    with pytest.raises(StreamLimitError):
        decode([b"data: a\n"] * 1000, max_event_size=1000)


def test_comments_and_unknown_lines_do_not_count_towards_the_limit():
    data = b": " + b"c" * 100 + b"\nunknown: " + b"u" * 100 + b"\ndata: a\n: " + b"c" * 100 + b"\n\n"
    for reads in ([data], byte_by_byte(data)):
        assert decode(reads, max_event_size=20)[1] == [event("a")]


def test_without_a_limit_an_event_may_be_of_any_size():
    large = b"x" * (65 * 2**20)
    with pytest.raises(StreamLimitError):
        decode([b"data: ", large])
    assert len(decode([b"data: ", large, b"\n\n"], max_event_size=None)[1][0].data) == len(large)


# Memory: what nobody will see is dropped as it arrives


def held(decoder):
    """The bytes a decoder holds, wherever it does."""
    sizes, seen = 0, [*vars(decoder).values()]
    while seen:
        value = seen.pop()
        if isinstance(value, bytes | bytearray | str):
            sizes += len(value)
        elif isinstance(value, list | tuple | set):
            sizes += 16 * len(value)
            seen += value
        elif isinstance(value, dict):
            seen += [*value, *value.values()]
    return sizes


@pytest.mark.parametrize(
    "start", [b":", b": a", b"unknown", b"unknown: ", b"dataa: ", b"x", b" ", b"retry2", b"\xff", BOM * 2]
)
@pytest.mark.parametrize("before", [b"", b"data: a\n", b"id: 1\n\n"])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_an_endless_line_of_no_use_is_dropped_as_it_arrives(start, before, size):
    decoder = SSEDecoder()
    decoder.feed(before + start)
    small = held(decoder)
    for _ in range(200):
        decoder.feed(b"y" * size)
        assert held(decoder) <= small + 64
    assert [one.data for one in decoder.feed(b"\ndata: b\n\n")] == ["a\nb" if before == b"data: a\n" else "b"]


def test_a_field_that_repeats_for_ever_is_limited_though_only_its_last_value_counts():
    decoder = SSEDecoder(max_event_size=10_000)
    for _ in range(10_000 // 9):
        decoder.feed(b"event: x\n")
    with pytest.raises(StreamLimitError):
        decoder.feed(b"event: x\n")
    assert held(decoder) < 1000


def test_endless_blank_lines_and_blocks_without_data_pile_nothing_up():
    decoder = SSEDecoder()
    for _ in range(2000):
        decoder.feed(b"\n\r\nevent: x\n\n: c\r\rid: 1\n\n")
    assert held(decoder) < 200


def test_nothing_is_held_between_events():
    decoder = SSEDecoder()
    for _ in range(100):
        decoder.feed(b"data: " + b"a" * 1000 + b"\n\n")
    assert held(decoder) < 200


# Stray lines


def with_stray(reads, **options):
    lines = []
    decoder = SSEDecoder(stray=lines.append, **options)
    events = [one for data in reads for one in decoder.feed(data)] + decoder.close()
    return lines, events


def test_lines_that_are_no_field_are_handed_over_without_their_ends():
    data = b'data: a\n\n{"error": 1}\nerror: {}\r\n<html>\rdata : x\n: comment\n\nunknown\n'
    for reads in ([data], byte_by_byte(data)):
        lines, events = with_stray(reads)
        assert lines == [b'{"error": 1}', b"error: {}", b"<html>", b"data : x", b"unknown"]
        assert events == [event("a")]


def test_a_last_stray_line_needs_no_end():
    for reads in ([b"data: a\n\n", b"{}"], [b"{}"]):
        assert with_stray(reads)[0] == [b"{}"]


def test_comments_are_no_stray_lines():
    assert with_stray([b": a\n:\n:b"])[0] == []


def test_stray_lines_come_in_order_with_the_events_of_their_read():
    seen = []
    decoder = SSEDecoder(stray=seen.append)
    seen += decoder.feed(b"data: a\n\nx\ndata: b\n\n")
    seen += decoder.feed(b"y\n")
    assert sorted(map(str, seen)) == sorted(map(str, [b"x", event("a"), event("b"), b"y"]))
    assert seen.index(b"x") < seen.index(b"y")


def test_a_stray_line_up_to_64_kib_is_handed_over_and_a_longer_one_is_dropped():
    limit = 64 * 1024
    for size, expected in ((limit, 1), (limit + 1, 0)):
        data = b"data: a\n\n" + b"x" * size + b"\n"
        for reads in ([data], cut(data, range(0, len(data), 1000)), cut(data, [9, len(data) - 1])):
            assert len(with_stray(reads)[0]) == expected


def test_before_the_first_field_a_stray_line_may_be_as_long_as_an_event():
    data = b"x" * 70_000 + b"\n"
    for reads in ([data], cut(data, range(0, len(data), 1000)), [data[:-1]]):
        assert with_stray(reads)[0] == [data[:-1]]
        assert with_stray(reads, max_event_size=69_999)[0] == []
        assert with_stray(reads, max_event_size=70_000)[0] == [data[:-1]]
        assert with_stray(reads, max_event_size=None)[0] == [data[:-1]]


def test_a_stray_line_too_long_is_dropped_as_it_arrives():
    for before, limit in ((b"data: a\n\n", 64 * 1024), (b"", 100_000)):
        decoder = SSEDecoder(stray=lambda line: None, max_event_size=100_000)
        decoder.feed(before)
        for _ in range(300):
            decoder.feed(b"x" * 1000)
            assert held(decoder) <= limit + 20_000
        assert held(decoder) < 1000


@given(
    st.lists(st.sampled_from([b"\n", b"\r", b"data: a", b"{}", b"error: x", b": c", b"id", b"da", b" ", BOM])),
    st.randoms(use_true_random=False),
)
def test_no_cut_changes_a_stray_line(parts, random):
    data = b"".join(parts)
    whole = with_stray([data])
    for reads in (parts, byte_by_byte(data), random_cuts(data, random)):
        assert with_stray(reads) == whole


# 6. Encode, then decode, is the identity

one_line = st.text().map(lambda text: text.replace("\r", "").replace("\n", ""))
messages = st.builds(
    ServerSentEvent,
    event=one_line.map(lambda text: text or "message"),
    data=st.text().map(lambda text: text.replace("\r\n", "\n").replace("\r", "\n")),
    id=one_line.map(lambda text: text.replace("\0", "")),
    retry=st.none() | st.integers(0, 10**17),
)


@pytest.mark.parametrize("newline", ["\n", "\r", "\r\n"])
@given(made=messages)
def test_what_was_encoded_is_decoded_as_it_was(newline, made):
    data = encode(made, newline=newline)
    assert decode([data])[1] == [made]
    assert decode(byte_by_byte(data))[1] == [made]


@pytest.mark.parametrize("newline", ["\n", "\r", "\r\n"])
@given(made=st.lists(messages))
def test_a_whole_stream_of_encoded_events_is_decoded_as_it_was_but_that_an_id_holds_on(newline, made):
    _, events = decode([b"".join(encode(one, newline=newline) for one in made)])
    last_id = ""
    for found, one in zip(events, made, strict=True):
        last_id = one.id or last_id
        assert found == ServerSentEvent(one.event, one.data, last_id, one.retry)


@given(st.text())
def test_every_line_end_in_the_data_comes_back_as_lf(data):
    (found,) = decode([encode(ServerSentEvent(data=data))])[1]
    assert found.data == data.replace("\r\n", "\n").replace("\r", "\n")


def test_a_message_is_encoded_plainly():
    assert encode(event("a")) == b"data: a\n\n"
    assert (
        encode(event("a\nb", "x", "1", 5), newline="\r\n")
        == b"event: x\r\nid: 1\r\nretry: 5\r\ndata: a\r\ndata: b\r\n\r\n"
    )
    assert encode(event("\ud83d")) == b"data: ?\n\n"


@pytest.mark.parametrize(
    ("made", "newline", "says"),
    [
        (event("a", "x\ny"), "\n", "no line end"),
        (event("a", "x\ry"), "\n", "no line end"),
        (event("a", id="x\ny"), "\n", "no line end"),
        (event("a", id="x\0y"), "\n", "U\\+0000"),
        (event("a", retry=-1), "\n", "-1"),
        (event("a"), "\n\n", "newline must be"),
        (event("a"), "", "newline must be"),
    ],
)
def test_what_the_format_cannot_hold_is_not_encoded(made, newline, says):
    with pytest.raises(ValueError, match=says):
        encode(made, newline=newline)


# 8. Work is linear: bytes copied per byte fed, counted and not timed


def shapes(size):
    """Streams of about this size that are hard for somebody: name -> reads."""
    random = Random(8)
    many = b"data: aaaa\n\n" * (size // 12)
    lines = b"data: a\n" * (size // 8) + b"\n"
    long = b"data: " + b"a" * size + b"\n\n"
    return {
        "many events, byte by byte": byte_by_byte(many),
        "many events, at odd cuts": cut(many, random.sample(range(len(many)), size // 7)),
        "many lines in one event, byte by byte": byte_by_byte(lines),
        "many lines in one event, whole": [lines],
        "one long line, byte by byte": byte_by_byte(long),
        "one long line, in threes": cut(long, range(3, len(long), 3)),
        "one long line of CRs and data, byte by byte": byte_by_byte(b"data: a\r" * (size // 8) + b"\r"),
        "a long comment, byte by byte": byte_by_byte(b":" + b"a" * size + b"\n\n"),
        "a long stray line, byte by byte": byte_by_byte(b"x" * size + b"\n\n"),
        "blank lines": byte_by_byte(b"\r\n" * (size // 2)),
        "many ids, whole": [b"id: 1\n" * (size // 6) + b"data: a\n\n"],
    }


@pytest.mark.parametrize("shape", shapes(100))
def test_four_times_the_bytes_are_four_times_the_work(shape):
    small, large = shapes(500)[shape], shapes(2000)[shape]
    for options in ({}, {"stray": lambda line: None}):
        ratio = opcodes(lambda: decode(large, **options)) / opcodes(lambda: decode(small, **options))  # noqa: B023  called at once
        assert ratio < 4.8


@pytest.mark.parametrize("shape", shapes(100))
def test_each_byte_is_copied_a_few_times_at_most_however_it_is_cut(shape):
    """Each read may need some 2 KiB for whatever objects it makes; beyond that, memory in proportion to what it brought."""
    for options in ({}, {"stray": lambda line: None}):
        for size in (5_000, 20_000):
            reads = shapes(size)[shape]
            assert peaks(SSEDecoder(**options), reads) < 2048 * len(reads) + 20 * sum(map(len, reads))


def test_a_buffer_that_is_built_anew_at_every_read_would_be_noticed():
    class Quadratic(SSEDecoder):
        buffer = b""

        def feed(self, data):
            self.buffer = self.buffer + data
            return []

    reads = byte_by_byte(b"x" * 20_000)
    assert peaks(Quadratic(), reads) > 2048 * len(reads) + 20 * sum(map(len, reads))


def test_looking_at_what_is_pending_is_not_part_of_the_work():
    decoder = SSEDecoder()
    for data in byte_by_byte(b"data: " + b"a" * 2000):
        decoder.feed(data)
    assert len(decoder._partial) > 1000, "the pieces are not joined before somebody looks"
    assert decoder.pending == b"data: " + b"a" * 2000


def test_an_event_that_ends_is_not_lost_when_the_next_begins_past_the_limit():
    for cut_in_two in (False, True):
        decoder = SSEDecoder(max_event_size=8)
        assert decoder.feed(b"data: y") == [] or not cut_in_two
        with pytest.raises(StreamLimitError) as caught:
            decoder.feed(b"\n\ndata: 12345678")
        assert [event.data for event in caught.value.events] == ["y"]
        with pytest.raises(StreamLimitError):
            decoder.feed(b"\n\n")
