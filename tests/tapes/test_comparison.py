import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.recording import Recording
from chatstream.tapes import MISSING, compare
from tapes_for_tests import ASKED, DONE, HEAD, recording
from wire import chunk, random_cuts, wire

LINES = [
    (0, "q", ASKED),
    (0.25, "h", HEAD),
    (0.25, "j", chunk({"role": "assistant", "content": "Hello"})),
    (0.5, "j", chunk(finish="stop")),
    (0, "s", DONE),
]


def places(first, second, **options):
    found = compare(first, second, **options)
    assert [difference.place for difference in compare(second, first, **options)] == [
        difference.place for difference in found
    ]
    return {difference.place: (difference.first, difference.second) for difference in found}


def other(place, **values):
    """The lines with a value of one of them changed."""
    lines = list(LINES)
    interval, code, data = lines[place]
    lines[place] = (values.pop("interval", interval), code, {**data, **values} if values else data)
    return recording(*lines)


@given(st.randoms(use_true_random=False))
def test_how_an_answer_was_cut_is_no_difference(random):
    text = "é some 😀 text"
    whole = Recording.parse(wire([chunk({"content": text}), chunk(finish="stop")]))
    middle = random.randint(0, len(text))
    pieces = [chunk({"content": text[:middle]}), chunk({"content": text[middle:]}), chunk(finish="stop")]
    cut = Recording.parse(b"".join(random_cuts(wire(pieces), random)))
    assert compare(whole, cut) == []


def test_the_order_of_members_and_the_spelling_of_a_number_are_no_difference():
    first = other(0, body={"model": "m", "n": 1, "x": {"a": 1, "b": 2}})
    second = other(0, body={"x": {"b": 2, "a": 1.0}, "n": 1.0, "model": "m"})
    assert compare(first, second) == []
    assert places(other(0, body={"n": 1}), other(0, body={"n": True})) == {"request.body.n": (1, True)}


def test_ids_and_times_count_only_if_they_are_asked_for():
    lines = [
        (0, "q", ASKED),
        (1, "h", {**HEAD, "headers": {"x-request-id": "r"}}),
        (1, "j", chunk({"role": "assistant", "content": "Hello"}, id="b", created=9)),
        (1, "j", chunk(finish="stop", id="b", created=9)),
        (0, "s", DONE),
    ]
    first, second = recording(*LINES), recording(*lines)
    assert compare(first, second) == []
    assert places(first, second, ids=True) == {
        "response.x-request-id": (MISSING, "r"),
        "answer.id": ("chatcmpl-1", "b"),
        "answer.created": (1, 9),
    }
    assert places(first, second, timing=0.6) == {"timing.intervals[0]": (0.5, 2)}
    assert set(places(first, second, timing=0.4)) == {"timing.intervals[0]", "timing.intervals[1]"}
    assert compare(first, second, timing=2) == []


def test_bytes_count_only_if_they_are_asked_for():
    data = wire([chunk({"content": "a"}), chunk(finish="stop")])
    first, second = Recording.parse(data), Recording.parse(data.replace(b"\n", b"\r\n"))
    assert compare(first, second) == []
    found = places(first, second, reads=True)
    assert found["bytes.size"] == (len(data), len(data) + data.count(b"\n"))
    assert f"bytes[{data.index(10)}]" in found
    two = recording((0, "s", "data: [DO"), (0, "s", "NE]\n\n"))
    assert places(two, recording((0, "s", DONE)), reads=True) == {
        "bytes.reads[0]": (9, 14),
        "bytes.reads[1]": (14, MISSING),
    }


def test_what_means_something_else_is_told_with_its_place():
    one = recording(*LINES)
    assert places(one, other(2, choices=[{"index": 0, "delta": {"content": "Hullo"}}])) == {
        "answer.choices[0].message.content": ("Hello", "Hullo")
    }
    assert places(one, other(3, choices=[{"index": 0, "delta": {}, "finish_reason": "length"}])) == {
        "answer.choices[0].finish_reason": ("stop", "length")
    }
    assert places(one, other(0, body={"model": "n", "messages": [{"role": "user"}]})) == {
        "request.body.model": ("m", "n"),
        "request.body.messages[0]": (MISSING, {"role": "user"}),
    }
    assert places(one, other(1, status=500)) == {"response.status": (200, 500)}
    assert places(one, recording(*LINES[1:]))["request.url"] == (ASKED["url"], MISSING)
    early = LINES[:-1]
    assert places(recording(*early), recording(*early, end="cancel")) == {"end": ("eof", "cancel")}
    assert places(one, recording((0, "x", "reset:0"), *LINES)) == {"faults[0]": (MISSING, "reset:0")}
    cut = recording(*LINES[:3])
    assert places(one, cut)["outcome"] == ("complete", "IncompleteStreamError")
    assert "answer" in places(one, recording(*LINES[:2]))


def test_reasoning_that_a_service_names_twice_is_told_once():
    streams = [
        Recording.parse(wire([chunk({"reasoning": text, "reasoning_content": text}), chunk(finish="stop")]))
        for text in "ab"
    ]
    assert len(compare(*streams)) == 1


def test_the_ids_of_calls_are_ids():
    call = {"index": 0, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    streams = [
        Recording.parse(wire([chunk({"tool_calls": [{**call, "id": name}]}), chunk(finish="tool_calls")]))
        for name in ("a", "b")
    ]
    assert compare(*streams) == []
    assert list(places(*streams, ids=True)) == ["answer.choices[0].message.tool_calls[0].id"]


@pytest.mark.parametrize("data", [b"", b"data: {", b"\xff\xfe", b"{}", b"[]", b'{"tape":1}'])
def test_whatever_it_is_it_is_the_same_as_itself(data):
    one = Recording.parse(data)
    assert compare(one, one, timing=0, ids=True, reads=True) == []


def test_a_difference_is_json_without_what_is_not_there():
    (difference,) = compare(recording(*LINES), recording((0, "x", "reset:0"), *LINES))
    assert difference.to_dict() == {"place": "faults[0]", "second": "reset:0"}


def test_to_stop_behind_done_is_to_have_read_to_the_end():
    assert compare(recording(*LINES), recording(*LINES, end="cancel")) == []
    assert "end" in places(recording(*LINES), recording(*LINES, end="error"))
