"""Each fault as a client sees it: what arrives, when, and how it ends."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from chatstream.recording import Fault, FaultName, Recording
from chatstream.server import ReplayServer
from serving import DONE, ECHO, RawClient, ask, delta, events, eventually, play, post

STREAM = {**ECHO, "stream": True}
TEXTS = ["One", " two", " three", " four", " five"]
BLOCKS = [*map(delta, TEXTS), DONE]
WHOLE = "".join(BLOCKS).encode()


@pytest.fixture(scope="module")
def server():
    with ReplayServer(play(*BLOCKS), match="order", speed=None, fault_header=True) as running:
        yield running


def struck(server, fault, *, stream=True, timeout=10, told=True):
    answer = post(server, STREAM if stream else ECHO, {"X-Chatstream-Fault": fault}, timeout=timeout)
    assert server.requests[-1].faults == ([str(Fault.parse(fault))] if told else [])
    return answer


def pieces(answer):
    return [data for _, data in answer.chunks]


def test_without_a_fault_the_stream_is_the_tape(server):
    answer = post(server, STREAM)
    assert pieces(answer) == [block.encode() for block in BLOCKS]
    assert answer.ended == "whole"


# Instead of the answer


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("fault", "status"), [("status", 500), ("status:503", 503), ("status:418", 418)])
def test_status_is_an_error_instead_of_the_answer(server, fault, status, stream):
    answer = struck(server, fault, stream=stream)
    assert (answer.status, answer.ended) == (status, "whole")
    assert answer.headers["content-type"] == "application/json"
    assert answer.error["type"] == ("server_error" if status >= 500 else "invalid_request_error")
    assert answer.error.keys() == {"message", "type", "param", "code"}


@pytest.mark.parametrize("stream", [True, False])
def test_rate_limit_is_a_429_that_says_when_to_come_back(server, stream):
    answer = struck(server, "rate_limit", stream=stream)
    assert (answer.status, answer.headers["retry-after"]) == (429, "1")
    assert answer.error["code"] == "rate_limit_exceeded"
    short = struck(server, "rate_limit:0.25", stream=stream)
    assert (short.headers["retry-after"], short.headers["retry-after-ms"]) == ("1", "250")


# In time


@pytest.mark.parametrize("stream", [True, False])
def test_delay_first_keeps_even_the_head_back(server, stream):
    answer = struck(server, "delay_first:0.3", stream=stream)
    assert 0.28 < answer.first_byte < 2
    assert answer.ended == "whole"
    if stream:
        assert answer.body == WHOLE


def test_a_stall_is_a_silence_before_the_event_and_then_it_goes_on(server):
    answer = struck(server, "stall:0.8,after=2")
    times = [moment for moment, _ in answer.chunks]
    assert times[1] < 0.75
    assert times[2] - times[1] > 0.75
    assert times[-1] - times[2] < 0.75
    assert (answer.body, answer.ended) == (WHOLE, "whole")


def test_a_stall_without_an_end_leaves_the_connection_open_and_says_no_more(server):
    answer = struck(server, "stall,after=2", timeout=0.4)
    assert answer.body == "".join(BLOCKS[:2]).encode()
    assert answer.ended == "silent"


def test_one_answer_stalls_before_it_begins(server):
    answer = struck(server, "stall:0.3", stream=False)
    assert 0.28 < answer.first_byte < 2
    assert answer.ended == "whole"
    assert struck(server, "stall", stream=False, timeout=0.3).ended == "silent"


# Where it ends


def test_disconnect_closes_between_two_events_without_the_end_of_the_body(server):
    answer = struck(server, "disconnect:2")
    assert (answer.body, answer.ended) == ("".join(BLOCKS[:2]).encode(), "cut")


def test_reset_breaks_off_in_the_middle_of_an_event(server):
    answer = struck(server, "reset:2")
    before = "".join(BLOCKS[:2]).encode()
    assert answer.ended == "reset"
    assert len(before) < len(answer.body) < len(before) + len(BLOCKS[2])
    assert WHOLE.startswith(answer.body)


def test_truncate_ends_in_the_middle_of_an_event_and_the_connection_goes_on(server):
    with RawClient(server) as client:
        answer = client.ask("POST", "/v1/chat/completions", {"X-Chatstream-Fault": "truncate:2"}, STREAM)
        before = "".join(BLOCKS[:2]).encode()
        assert answer.ended == "whole"
        assert len(before) < len(answer.body) < len(before) + len(BLOCKS[2])
        assert WHOLE.startswith(answer.body)
        assert client.ask("GET", "/health").status == 200


@pytest.mark.parametrize(("fault", "ended"), [("disconnect", "cut"), ("reset", "reset"), ("truncate", "whole")])
def test_one_answer_is_cut_in_its_middle(server, fault, ended):
    answer = struck(server, fault, stream=False)
    assert answer.status == 200
    assert answer.ended == ended
    assert answer.body.startswith(b'{"id":"c"')
    with pytest.raises(ValueError, match=r"."):
        json.loads(answer.body)


@pytest.mark.parametrize(
    ("fault", "outcome"), [("disconnect:1", "cut off"), ("reset:1", "cut off"), ("no_done", "sent")]
)
def test_what_became_of_a_request_is_noted(server, fault, outcome):
    struck(server, fault)
    eventually(lambda: server.requests[-1].outcome)
    assert server.requests[-1].outcome == outcome


# What the events are


def test_malformed_spoils_the_json_of_one_event(server):
    blocks = struck(server, "malformed:2").body.decode().split("\n\n")
    assert len(blocks) == len(BLOCKS) + 1
    for index, block in enumerate(blocks[: len(TEXTS)]):
        if index == 2:
            with pytest.raises(ValueError, match=r"."):
                json.loads(block.removeprefix("data: "))
        else:
            assert block + "\n\n" == BLOCKS[index]
    with pytest.raises(ValueError, match=r"."):
        json.loads(struck(server, "malformed", stream=False).body)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("drop_event:2", [0, 1, 3, 4, 5]),
        ("duplicate_event:2", [0, 1, 2, 2, 3, 4, 5]),
        ("reorder:2", [0, 1, 3, 2, 4, 5]),
        ("no_done", [0, 1, 2, 3, 4]),
        ("drop_event:5", [0, 1, 2, 3, 4]),
        ("drop_event:99", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_events_are_missing_doubled_or_changed_places(server, fault, expected):
    answer = struck(server, fault, told=fault != "drop_event:99")
    assert answer.body.decode() == "".join(BLOCKS[index] for index in expected)
    assert answer.ended == "whole"


@pytest.mark.parametrize("fault", ["drop_event", "duplicate_event", "reorder", "no_done"])
def test_one_answer_has_no_events_to_change(server, fault):
    answer = struck(server, fault, stream=False, told=False)
    assert answer.json["choices"][0]["message"]["content"] == "".join(TEXTS)


def test_error_event_is_an_error_in_place_of_an_event_and_nothing_more(server):
    answer = struck(server, "error_event:2")
    assert answer.ended == "whole"
    *before, error = events(answer)
    assert len(before) == 2
    assert error["error"]["type"] == "server_error"
    assert struck(server, "error_event", stream=False).error["type"] == "server_error"


@pytest.mark.parametrize("stream", [True, False])
def test_bad_utf8_stands_in_the_text(server, stream):
    answer = struck(server, "bad_utf8:2", stream=stream)
    with pytest.raises(UnicodeDecodeError):
        answer.body.decode()
    assert b'"content":"\xff\xfe' in answer.body.replace(b'": "', b'":"')
    assert answer.body.count(b"\xff") == 1


# How the bytes are cut


def test_split_sends_so_many_bytes_a_write(server):
    answer = struck(server, "split:7")
    assert {len(piece) for piece in pieces(answer)[:-1]} <= set(range(1, 8))
    assert max(map(len, pieces(answer))) == 7
    assert answer.body == WHOLE
    sizes = {len(piece) for piece in pieces(struck(server, "split"))}
    assert sizes <= set(range(1, 65))
    assert len(sizes) > 3


def test_split_cuts_one_answer_too(server):
    answer = struck(server, "split:7", stream=False)
    assert max(map(len, pieces(answer))) == 7
    assert answer.json["object"] == "chat.completion"


def test_coalesce_sends_several_events_in_a_write(server):
    assert pieces(struck(server, "coalesce")) == [WHOLE]
    in_pairs = ["".join(BLOCKS[index : index + 2]).encode() for index in (0, 2, 4)]
    assert pieces(struck(server, "coalesce:2")) == in_pairs


def test_faults_are_combined_in_their_order(server):
    answer = post(server, STREAM, {"X-Chatstream-Fault": "no_done; coalesce ;disconnect:3"})
    assert pieces(answer) == ["".join(BLOCKS[:3]).encode()]
    assert answer.ended == "cut"
    assert server.requests[-1].faults == ["no_done", "coalesce", "disconnect:3"]


# By which way they come


def test_every_fault_can_be_asked_for_and_the_server_lives_on(server):
    for name in FaultName.__args__:
        post(server, STREAM, {"X-Chatstream-Fault": name}, timeout=0.2)
        post(server, ECHO, {"X-Chatstream-Fault": name}, timeout=0.2)
    assert ask(server, "GET", "/health").status == 200


def test_the_header_is_refused_where_it_was_not_enabled():
    with ReplayServer(speed=None) as server:
        answer = post(server, headers={"X-Chatstream-Fault": "status"})
        assert (answer.status, answer.error["code"]) == (400, "fault_header_off")
        assert "--fault-header" in answer.error["message"]


@pytest.mark.parametrize(
    "fault", ["", "explode", "status:200", "stall:-1", "no_done:1", "split:0", "status;;", "reset,after=x"]
)
def test_a_header_that_names_no_fault_is_refused(server, fault):
    answer = post(server, STREAM, {"X-Chatstream-Fault": fault})
    assert (answer.status, answer.error["code"]) == (400, "invalid_value")
    assert answer.error["message"].startswith("x-chatstream-fault: ")


def test_faults_strike_all_of_the_api_but_neither_health_nor_the_page():
    with ReplayServer(speed=None, faults="status:503") as server:
        paths = [
            "/v1/models",
            "/models/echo",
            "/v1/chat/completions",
            "/v1/chat/completions/x",
            "/v1/chat/completions/x/messages",
        ]
        assert {ask(server, "GET", path).status for path in paths} == {503}
        assert post(server).status == 503
        assert ask(server, "DELETE", "/v1/chat/completions/x").status == 503
        assert ask(server, "GET", "/health").status == 200
        assert ask(server, "GET", "/").status == 200
        assert ask(server, "GET", "/nowhere").status == 404


def test_several_faults_of_the_server_come_before_those_of_the_header():
    faults = ["no_done", Fault("coalesce")]
    with ReplayServer(play(*BLOCKS), match="order", speed=None, faults=faults, fault_header=True) as server:
        assert pieces(post(server, STREAM)) == ["".join(BLOCKS[:-1]).encode()]
        assert struck_together(server, "drop_event:0") == "".join(BLOCKS[1:-1])


def struck_together(server, fault):
    return post(server, STREAM, {"X-Chatstream-Fault": fault}).body.decode()


def test_a_fault_on_a_tape_strikes_where_its_line_stands_and_at_any_speed():
    recorded = play(*BLOCKS)
    recorded.faults.append(Fault("stall", seconds=0.3, after=2))
    with ReplayServer(recorded, match="order", speed=None) as server:
        answer = post(server, STREAM)
    times = [moment for moment, _ in answer.chunks]
    assert times[2] - times[1] > 0.25
    assert answer.body == WHOLE


X_TAPE = """\
{"tape":1}
[0,"h",{"status":200,"headers":{"content-type":"text/event-stream"}}]
[0,"s","data: {\\"id\\":\\"c\\",\\"choices\\":[{\\"index\\":0,\\"delta\\":{\\"content\\":\\"a\\"}}]}\\n\\n"]
[0,"x","disconnect,times=1"]
[0,"s","data: [DONE]\\n\\n"]
[0,"e",{"end":"eof"}]
"""


def test_a_fault_on_a_tape_can_strike_the_first_time_only():
    with ReplayServer(Recording.parse(X_TAPE.encode()), match="order", speed=None) as server:
        first, second = post(server, STREAM), post(server, STREAM)
    assert (first.ended, len(events(first))) == ("cut", 1)
    assert (second.ended, events(second)[-1]) == ("whole", "[DONE]")


def test_times_strikes_the_first_requests_only():
    with ReplayServer(speed=None, faults="status:503,times=2") as server:
        statuses = [ask(server, "GET", "/v1/models").status for _ in range(4)]
        assert statuses == [503, 503, 200, 200]
        assert [seen.faults for seen in server.requests] == [["status:503,times=2"]] * 2 + [[], []]


def test_probability_strikes_a_part_and_the_same_part_for_the_same_seed():
    def statuses(seed):
        with (
            ReplayServer(speed=None, faults="status:503,probability=0.5", seed=seed) as server,
            RawClient(server) as client,
        ):
            return [client.ask("GET", "/v1/models").status for _ in range(40)]

    one = statuses(1)
    assert one == statuses(1)
    assert one != statuses(2)
    assert 5 < one.count(503) < 35


@pytest.mark.parametrize("fault", ["disconnect", "reset", "truncate", "drop_event", "bad_utf8", "split", "error_event"])
def test_the_place_that_is_drawn_is_the_same_for_the_same_seed(fault):
    def bodies(seed):
        options = {"match": "order", "speed": None, "faults": fault, "seed": seed}
        with ReplayServer(play(*BLOCKS), **options) as server:
            return [pieces(post(server, STREAM)) for _ in range(2)]

    assert bodies(1) == bodies(1)
    assert any(bodies(seed) != bodies(1) for seed in range(2, 8))


# What does not happen


@pytest.mark.parametrize("fault", ["status:503,times=1", "rate_limit:0,times=1"])
def test_a_fault_that_refuses_stores_nothing_and_takes_no_turn(fault):
    tapes = [play(delta("first"), DONE), play(delta("second"), DONE)]
    with ReplayServer(tapes, match="order", speed=None, faults=fault) as server:
        assert post(server, {**STREAM, "store": True}).status >= 400
        assert ask(server, "GET", "/v1/chat/completions").json["data"] == []
        assert b"first" in post(server, {**STREAM, "store": True}).body
        assert len(ask(server, "GET", "/v1/chat/completions").json["data"]) == 1


def test_a_refusal_on_a_tape_stores_nothing_either():
    recorded = play(*BLOCKS)
    recorded.faults.append(Fault("status", status=503, times=1))
    with ReplayServer(recorded, match="order", speed=None) as server:
        assert post(server, {**ECHO, "store": True}).status == 503
        assert ask(server, "GET", "/v1/chat/completions").json["data"] == []
        assert post(server, {**ECHO, "store": True}).status == 200
        assert len(ask(server, "GET", "/v1/chat/completions").json["data"]) == 1


def test_a_refused_deletion_deletes_nothing():
    with ReplayServer(speed=None, fault_header=True) as server:
        id = post(server, {**ECHO, "store": True}).json["id"]
        path = f"/v1/chat/completions/{id}"
        assert ask(server, "DELETE", path, {"X-Chatstream-Fault": "status"}).status == 500
        assert ask(server, "GET", path).json["id"] == id


def test_an_answer_that_breaks_off_was_stored_all_the_same(server):
    answer = post(server, {**ECHO, "store": True}, {"X-Chatstream-Fault": "disconnect"})
    assert answer.ended == "cut"
    assert ask(server, "GET", "/v1/chat/completions/c").status == 200


def test_the_time_of_a_fault_does_not_keep_others_waiting(server):
    with RawClient(server) as client:
        client.send("POST", "/v1/chat/completions", {"X-Chatstream-Fault": "stall"}, ECHO)
        began = time.perf_counter()
        assert post(server).status == 200
        assert time.perf_counter() - began < 2


def test_a_fault_that_refuses_is_all_that_comes():
    faults = ["disconnect:1,times=1", "rate_limit:0.01,times=1"]
    with ReplayServer(speed=None, faults=faults) as server:
        answer = post(server, STREAM)
        assert (answer.status, answer.ended) == (429, "whole")
        assert server.requests[-1].faults == ["rate_limit:0.01,times=1"]
        assert post(server, STREAM).ended == "whole"


def test_a_fault_in_a_header_counts_the_requests_that_have_the_same_one():
    with ReplayServer(speed=None, fault_header=True) as server:
        post(server)
        headers = {"X-Chatstream-Fault": "status:503,times=2"}
        assert [post(server, headers=headers).status for _ in range(4)] == [503, 503, 200, 200]
        assert post(server, headers={"X-Chatstream-Fault": "status:502,times=1"}).status == 502


def test_the_header_faults_that_are_counted_are_limited():
    with ReplayServer(speed=None, fault_header=True) as server, RawClient(server) as client:
        for number in range(1001):
            header = {"X-Chatstream-Fault": f"status:503,times={number + 1}"}
            assert client.ask("GET", "/v1/models", header).status == 503
        assert len(server._routes._faults._spelled) <= 1000


def test_a_fault_strikes_an_error_too():
    with ReplayServer(speed=None, faults="delay_first:0.3,times=1") as server:
        answer = ask(server, "GET", "/v1/chat/completions/none")
        assert (answer.status, server.requests[-1].faults) == (404, ["delay_first:0.3,times=1"])
        assert answer.first_byte >= 0.3


def test_nothing_else_strikes_what_a_tape_refuses():
    tape = play(delta("hi"), DONE)
    tape.faults.append(Fault("status", status=503))
    with ReplayServer(tape, match="order", speed=None, faults=["truncate", "split:5"]) as server:
        answer = post(server, STREAM)
        assert (answer.status, answer.ended, len(answer.chunks)) == (503, "whole", 1)
        assert server.requests[-1].faults == ["status:503"]


def test_a_tapes_fault_counts_the_times_that_it_is_played_however_many_ask_at_once():
    for _ in range(5):
        tape = play(delta("hi"), DONE)
        tape.faults.append(Fault("status", status=503, times=1))
        with ReplayServer(tape, match="order", speed=None) as server, ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: post(server).status, range(8)))
        assert sorted(answers) == [200] * 7 + [503]


def test_a_stop_before_the_first_read_comes_when_that_would_have_come():
    tape = play((1.1, delta("hi")), DONE)
    tape = msgspec.structs.replace(tape, head=1.0)
    with ReplayServer(tape, match="order", faults="disconnect:0") as server:
        began = time.perf_counter()
        assert post(server, STREAM).ended == "cut"
        assert 1.1 <= time.perf_counter() - began < 2


def test_a_request_is_kept_with_its_body_whatever_became_of_it():
    with ReplayServer(speed=None, fault_header=True) as server:
        post(server, headers={"X-Chatstream-Fault": "rate_limit"})
        post(server, b"{nonsense")
        post(server, headers={"Content-Type": "text/plain"})
        assert [seen.status for seen in server.requests] == [429, 400, 415]
        assert [seen.body for seen in server.requests] == [ECHO, None, ECHO]
        assert server.requests[1].content == b"{nonsense"
