"""Which tape answers a request."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from chatstream.recording import Recording, TapeWriter
from chatstream.recording.library import Library
from chatstream.recording.library.asked import Asked

CHUNK = {"id": "c", "choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}


def body(text="hi", **members):
    return {"model": "m", "messages": [{"role": "user", "content": text}], **members}


def asked(text="hi", **members):
    return Asked(body=body(text, **members))


def write(path, request=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    with TapeWriter(path) as tape:
        if request is not None:
            tape.request({"method": "POST", "url": "/v1/chat/completions", "headers": {}, "body": request})
        tape.chunk(CHUNK)
        tape.end("eof")
    return path


@pytest.fixture
def tapes(tmp_path):
    write(tmp_path / "a.tape.jsonl", body("one", temperature=0.5))
    write(tmp_path / "b.tape.jsonl", body("two"))
    write(tmp_path / "deeper/c.tape.jsonl", body("two"))
    return tmp_path


def library(*sources, match=("exact", "message"), **options):
    return Library(sources, match=match, **options)


def test_a_folder_gives_its_recordings_by_their_names_in_order(tapes):
    (tapes / "notes.md").write_text("no tape")
    (tapes / ".hidden.jsonl").write_text("{}")
    assert [tape.name for tape in library(tapes).tapes] == ["a.tape.jsonl", "b.tape.jsonl", "deeper/c.tape.jsonl"]


def test_a_folder_without_recordings_is_refused(tmp_path):
    (tmp_path / "notes.md").write_text("no tape")
    with pytest.raises(ValueError, match="holds no recordings"):
        library(tmp_path)


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="there are no links here")
def test_a_link_out_of_the_folder_is_not_followed(tapes, tmp_path_factory):
    outside = write(tmp_path_factory.mktemp("outside") / "secret.tape.jsonl", body("secret"))
    (tapes / "linked.tape.jsonl").symlink_to(outside)
    (tapes / "folder").symlink_to(outside.parent, target_is_directory=True)
    (tapes / "inside.tape.jsonl").symlink_to(tapes / "a.tape.jsonl")
    names = [tape.name for tape in library(tapes).tapes]
    assert "inside.tape.jsonl" in names
    assert not [name for name in names if name.startswith(("linked", "folder"))]


def test_two_recordings_of_one_name_are_numbered(tapes):
    again = library(tapes / "a.tape.jsonl", tapes / "a.tape.jsonl", Recording.load(tapes / "b.tape.jsonl"))
    assert [tape.name for tape in again.tapes] == ["a.tape.jsonl", "a.tape.jsonl#2", "b.tape.jsonl"]


def test_the_same_body_is_found_however_it_is_streamed(tapes):
    same = asked("one", temperature=0.5, stream=True, stream_options={"include_usage": True})
    assert library(tapes).find(same).tape.name == "a.tape.jsonl"


def test_the_model_and_the_last_message_find_a_tape_when_the_rest_differs(tapes):
    assert library(tapes).find(asked("one", seed=3)).tape.name == "a.tape.jsonl"
    longer = {"model": "m", "messages": [{"role": "system", "content": "s"}, *body("one")["messages"]]}
    assert library(tapes).find(Asked(body=longer)).tape.name == "a.tape.jsonl"
    assert library(tapes, match=["exact"]).find(asked("one", seed=3)) is None
    assert library(tapes).find(Asked(body=body("one") | {"model": "another"})) is None


def test_what_is_ignored_makes_no_difference(tapes):
    exact = library(tapes, match=["exact"], ignore=["temperature", "messages[*].name"])
    named = {"model": "m", "messages": [{"role": "user", "content": "one", "name": "n"}], "temperature": 2}
    assert exact.find(Asked(body=named)).tape.name == "a.tape.jsonl"


def test_tapes_of_one_request_take_turns(tapes):
    turns = library(tapes)
    names = [turns.find(asked("two")).tape.name for _ in range(4)]
    assert names == ["b.tape.jsonl", "deeper/c.tape.jsonl"] * 2


def test_in_order_one_tape_follows_the_other_whatever_is_asked(tapes):
    turns = library(tapes, match=["order"])
    assert [turns.find(asked("anything")).tape.name[0] for _ in range(4)] == ["a", "b", "d", "a"]


def test_a_tape_that_recorded_no_request_is_played_when_no_other_matches(tapes):
    write(tapes / "z.tape.jsonl")
    both = library(tapes)
    assert both.find(asked("one")).tape.name == "a.tape.jsonl"
    assert both.find(asked("anything")).tape.name == "z.tape.jsonl"


def test_a_miss_names_the_nearest_tape_and_where_it_differs_and_no_value(tapes):
    told = library(tapes).nearest(asked("SECRET", temperature=0.5, user="SECRET"))
    assert "a.tape.jsonl; it differs in: messages[0].content, user" in told
    assert "SECRET" not in told


def test_a_miss_that_differs_everywhere_stays_short(tapes):
    told = library(tapes).nearest(asked("x", **{f"member{number}" * 100: 1 for number in range(50)}))
    assert "more" in told
    assert len(told) < 1500


def test_a_tape_is_asked_for_by_its_name_and_never_by_a_path(tapes):
    known = library(tapes)
    assert known.named("deeper/c.tape.jsonl").tape.name == "deeper/c.tape.jsonl"
    for name in ("../a.tape.jsonl", str(tapes / "a.tape.jsonl"), "deeper/../a.tape.jsonl", ""):
        with pytest.raises(LookupError, match="no tape of that name"):
            known.named(name)


def test_what_is_odd_about_a_tape_is_noted(tapes):
    (tapes / "torn.tape.jsonl").write_bytes((tapes / "a.tape.jsonl").read_bytes()[:-20])
    (tapes / "flawed.tape.jsonl").write_text('{"tape":1}\n[0,"j",{}]\n[oops]\n[0,"j",{}]\n')
    (tapes / "empty.sse").write_text("")
    notes = "\n".join(library(tapes).notes)
    assert "torn.tape.jsonl: the last line was cut" in notes
    assert "flawed.tape.jsonl, line 3" in notes
    assert "empty.sse: there is no answer in it" in notes


def test_without_rounds_the_last_tape_stays_and_an_order_comes_to_its_end(tapes):
    once = library(tapes, rounds=False)
    assert [once.find(asked("two")).tape.name[0] for _ in range(4)] == ["b", "d", "d", "d"]
    in_order = library(tapes, match=["order"], rounds=False)
    assert [in_order.find(asked("x")).tape.name[0] for _ in range(3)] == ["a", "b", "d"]
    assert in_order.find(asked("x")) is None
    assert in_order.nearest(asked("x")) == "no tape is left: all 3 have been played"


def test_a_recording_that_is_added_plays_from_then_on(tapes):
    known = library()
    assert known.find(asked("two")) is None
    assert known.closest(asked("two")) is None
    assert known.nearest(asked("two")) == "no tape matches: there are none"
    added = known.add(Recording.load(tapes / "b.tape.jsonl"))
    assert known.find(asked("two")).tape is added
    known.load(tapes)
    assert [tape.name for tape in known.tapes] == [
        "b.tape.jsonl",
        "a.tape.jsonl",
        "b.tape.jsonl#2",
        "deeper/c.tape.jsonl",
    ]
    with pytest.raises(ValueError, match="is no recording"):
        known.add(Recording.parse(b"<html>", name="page"))


def test_the_closest_tape_is_told_with_the_places_where_it_differs(tapes):
    tape, places = library(tapes).closest(asked("one", temperature=0.5, user="u"))
    assert (tape.name, places) == ("a.tape.jsonl", ["user"])


def test_a_tape_knows_its_file_if_it_is_alone_there(tapes):
    both = tapes / "z.tape.jsonl"
    both.write_bytes((tapes / "a.tape.jsonl").read_bytes() + (tapes / "b.tape.jsonl").read_bytes())
    files = [tape.file for tape in library(tapes).tapes]
    assert files == [tapes / "a.tape.jsonl", tapes / "b.tape.jsonl", tapes / "deeper/c.tape.jsonl", None, None]


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        (("POST", "https://a.test/v1/x?b=2&a=1", None), ("post", "/v1/x?a=1&b=2", None), []),
        (("GET", "/v1/x", None), ("POST", "/v2/x?q=1", None), ["method", "path", "query"]),
        (("POST", "/v1/x%20y", None), ("POST", "/v1/x y", None), []),
        (("POST", "/api/v1/chat/completions", {}), ("POST", "/chat/completions", {}), []),
        (("POST", "/chat/completions/1", None), ("POST", "/chat/completions/2", None), ["path"]),
        (("POST", "/v1/messages", {"stream": True}), ("POST", "/v1/messages", {}), ["stream"]),
        (("POST", "/chat/completions", {"stream": True}), ("POST", "/chat/completions", {}), []),
        (("POST", "/v1/x?key=****", None), ("POST", "/v1/x?key=********", None), []),
        ((None, None, {}), ("POST", "/v1/x?y", {}), []),
        (("POST", "http://[odd", None), ("POST", "http://[odd", None), []),
        ((7, ["no", "text"], None), ("GET", "/", None), []),
    ],
)
def test_what_sets_requests_apart_beside_their_bodies(one, other, apart):
    assert list(Asked.of(*one).apart(Asked.of(*other))) == apart
    assert list(Asked.of(*other).apart(Asked.of(*one))) == apart


def test_a_level_that_does_not_exist_is_refused(tapes):
    with pytest.raises(ValueError, match="not 'nearest'"):
        library(tapes, match=["nearest"])


def test_turns_are_taken_one_by_one_however_many_ask_at_once(tapes):
    turns = library(tapes, match=["order"])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: turns.find(asked("anything")), range(900)))
    assert [tape.played for tape in turns.tapes] == [300, 300, 300]
