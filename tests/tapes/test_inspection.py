import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from chatstream.recording import Exchange, Read, Recording
from chatstream.tapes import inspect
from tapes_for_tests import ASKED, DONE, HEAD, recording, tape
from wire import chunk, wire

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
LINES = [
    (0, "q", ASKED),
    (0.25, "h", HEAD),
    (0.25, "s", ": keep-alive\n\n"),
    (0.5, "j", chunk({"role": "assistant"})),
    (0.5, "j", chunk({"content": "Hel"})),
    (None, "j", chunk({"content": "lo"})),
    (0, "n", {"note": "here"}),
    (1, "s", "data: {"),
    (0.5, "s", json.dumps(chunk(finish="stop", usage=USAGE))[1:] + "\n\n"),
    (0, "s", DONE),
]


def test_the_table_tells_each_read_with_what_it_brought():
    rows = [(row.at, row.gap, row.read, row.kind, row.text) for row in inspect(recording(*LINES)).rows]
    assert rows == [
        (0.25, None, None, "response", "200"),
        (0.5, 0.5, 1, "keep-alive", ""),
        (1, 0.5, 2, "chunk", '{"role":"assistant"}'),
        (1.5, 0.5, 3, "content.delta", "Hel"),
        (1.5, None, None, "content.delta", "lo"),
        (1.5, None, None, "note", '{"note":"here"}'),
        (2.5, 1, 4, "partial", ""),
        (3, 0.5, 5, "content.done", ""),
        (3, None, None, "choice.done", "stop"),
        (3, None, None, "usage", '{"completion_tokens":2,"prompt_tokens":3,"total_tokens":5}'),
        (3, 0, 6, "done", ""),
        (3.25, 0.25, None, "end", "eof"),
    ]


def test_the_totals_are_those_of_the_stream():
    one = inspect(recording(*LINES, masked=3))
    assert (one.method, one.url, one.model, one.status) == ("POST", "/v1/chat/completions", "m", 200)
    assert (one.head, one.first_byte, one.first_token, one.duration) == (0.25, 0.5, 1.5, 3.25)
    assert (one.gap_median, one.gap_max) == (0.5, 1.5)
    assert (one.reads, one.chunks, one.masked, one.integrity) == (6, 4, 3, "ok")
    assert (one.outcome, one.finish_reasons, one.usage["total_tokens"]) == ("complete", ["stop"], 5)
    assert (one.problem, one.torn, one.problems, one.anomalies) == (None, False, [], {})


def test_what_is_not_known_is_none():
    one = inspect(Recording.parse(wire([chunk({"content": "a"}), chunk(finish="stop")])))
    assert (one.duration, one.first_byte, one.first_token, one.gap_max, one.head) == (None,) * 5
    assert (one.method, one.url, one.status, one.integrity, one.masked, one.end) == (None,) * 6
    assert one.model == "m"
    assert {row.at for row in one.rows} == {None}
    assert one.rows[-1].text == "not recorded"


def test_bytes_that_are_not_those_of_the_end_line_are_told():
    data = tape((0, "j", chunk({"content": "a"}))).replace(b'"a"', b'"b"')
    one = inspect(Recording.parse(data))
    assert one.integrity == "broken"
    assert one.problems == ["the bytes are not those of the sha256 in the end line"]


def test_a_failure_is_told_in_its_row():
    one = inspect(recording((0, "j", chunk({"content": "a"})), end="timeout", phase="idle"))
    assert one.problem.endswith("(APITimeoutError)")
    assert [row.kind for row in one.rows[-2:]] == ["error", "end"]
    assert one.rows[-1].text == "timeout idle"


def test_what_is_odd_stands_where_it_was_seen_first():
    one = inspect(
        recording(
            (0, "j", chunk(finish="stop")), (1, "j", chunk({"content": "late"})), (1, "j", chunk({"content": "later"}))
        )
    )
    assert [(row.at, row.text) for row in one.rows if row.kind == "anomaly"] == [(1, "after_finish")]
    assert one.anomalies["after_finish"] == 2


def test_a_fault_is_told():
    one = inspect(recording((0, "x", "stall:2"), (0, "j", chunk({"content": "a"}))))
    assert one.faults == ["stall:2,after=0"]
    assert one.rows[0].text == "stall:2,after=0"


def test_chunks_that_came_parsed_have_a_table_too():
    one = inspect(
        recording((0, "n", {"source": "chunks"}), (1, "j", chunk({"content": "a"})), (1, "j", chunk(finish="stop")))
    )
    assert (one.source, one.outcome, one.first_token) == ("chunks", "complete", 1)
    assert one.rows[0].size == 0


@given(
    st.lists(st.binary(max_size=40), max_size=4),
    st.dictionaries(st.sampled_from(["end", "phase", "bytes", "masked"]), st.none() | st.text() | st.integers()),
)
def test_whatever_was_recorded_nothing_raises_and_all_of_it_is_json(reads, end):
    odd = {"status": "?", "headers": 3, "body": []}
    exchange = Exchange(
        form="tape",
        name="x",
        request={"method": 7, **odd},
        response=odd,
        reads=[Read(1, data) for data in reads],
        end=end,
    )
    values = inspect(exchange).to_dict()
    assert json.loads(msgspec.json.encode(values))["reads"] == len(reads)


def test_what_comes_after_done_is_told_as_unread():
    one = inspect(recording(*LINES, (1, "s", ": bye\n\n"), (1, "j", chunk({"content": "x"}))))
    assert [row.kind for row in one.rows[-4:]] == ["done", "unread", "unread", "end"]
