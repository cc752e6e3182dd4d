import errno
import json
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionStoreMessage

from chatstream.server import database
from chatstream.server.published import CompletionRow
from chatstream.server.store import CompletionStore, UnknownCursorError

# How often a process is killed; CHATSTREAM_KILLS=50 asks for as many as the project promises.
KILLS = int(os.environ.get("CHATSTREAM_KILLS", "10"))
needs_permissions = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no POSIX permissions on this system")
needs_kill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
USER = {"role": "user", "content": "Hello"}

KEEPER = """
import itertools, sys
from chatstream.server.store import CompletionStore
path, name = sys.argv[1:]
store = CompletionStore(path)
for number in itertools.count():
    id = f"{name}-{number}"
    store.put({"id": id, "model": "m"}, [{"role": "user", "content": "Hello" * 200}], {"by": name}, {})
    print(id, flush=True)
"""


def completion(id="c1", text="Hi there", **members):
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usual = {"id": id, "object": "chat.completion", "created": 1738960610, "model": "m", "choices": [choice]}
    return {**usual, **members}


def keep(store, *ids, messages=(USER,), metadata=None, request=(), **members):
    for id in ids:
        store.put(completion(id, **members), list(messages), metadata, dict(request))


def ids(page):
    return [one["id"] for one in page["data"]]


def pages(fetch, limit, order="asc"):
    """All pages of a list, each asked for with the last id of the one before."""
    after, found = None, []
    while True:
        page = fetch(after=after, limit=limit, order=order)
        found.append(page)
        if not page["has_more"]:
            return found
        after = page["last_id"]


def is_sound(path):
    with closing(sqlite3.connect(path)) as connection:
        faults = connection.execute("PRAGMA foreign_key_check").fetchall()
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)] and not faults


@pytest.fixture
def store():
    with CompletionStore(":memory:") as store:
        yield store


@pytest.fixture
def path(tmp_path):
    return tmp_path / "stored.db"


@pytest.fixture
def nobody():
    """The rights of a user who may not do everything, as root may."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


# ---------------------------------------------------------------- one completion


def test_a_stored_completion_comes_back_with_what_the_api_shows_of_its_request(store):
    request = {"temperature": 0, "user": "u1", "tools": [{"type": "function", "function": {"name": "f"}}], "n": 1}
    store.put(completion(system_fingerprint="fp"), [USER], {"k": "v"}, request, request_id="req_1")
    assert store.get("c1") == {
        **completion(),
        "system_fingerprint": "fp",
        "request_id": "req_1",
        "tool_choice": None,
        "seed": None,
        "top_p": 1.0,
        "temperature": 0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "input_user": "u1",
        "service_tier": None,
        "tools": request["tools"],
        "response_format": None,
        "metadata": {"k": "v"},
    }


def test_members_of_the_request_that_are_null_count_as_not_given(store):
    keep(store, "c1", request={"temperature": None, "top_p": None, "seed": None})
    kept = store.get("c1")
    assert (kept["temperature"], kept["top_p"], kept["seed"], kept["metadata"]) == (1.0, 1.0, None, {})


@pytest.mark.parametrize(
    ("answered", "asked", "shown"), [("flex", "auto", "flex"), (None, "auto", "auto"), (None, None, None)]
)
def test_the_service_tier_is_the_answers_and_if_it_has_none_the_requests(store, answered, asked, shown):
    store.put(completion(service_tier=answered), [], None, {"service_tier": asked})
    assert store.get("c1")["service_tier"] == shown


def test_the_sdk_reads_stored_completions_and_messages(store):
    keep(store, "c1", metadata={"k": "v"})
    assert ChatCompletion.model_validate(store.get("c1"), strict=True).choices[0].message.content == "Hi there"
    (message,) = store.messages("c1")["data"]
    assert ChatCompletionStoreMessage.model_validate({**message, "role": "assistant"}).content == "Hello"


def test_what_is_not_there_is_none(store):
    assert store.get("c1") is None
    assert store.update("c1", {"k": "v"}) is None
    assert store.messages("c1") is None
    assert store.delete("c1") is False


def test_updating_replaces_all_metadata(store):
    keep(store, "c1", metadata={"a": "1", "b": "2"})
    keep(store, "c2", metadata={"a": "1"})
    assert store.update("c1", {"b": "3", "c": ""})["metadata"] == {"b": "3", "c": ""}
    assert store.get("c1")["metadata"] == {"b": "3", "c": ""}
    assert store.update("c1", None)["metadata"] == {}
    assert store.get("c2")["metadata"] == {"a": "1"}
    assert ids(store.list(metadata={"a": "1"})) == ["c2"]


def test_a_deleted_completion_is_gone_from_every_view(store):
    keep(store, "c1", "c2", metadata={"k": "v"})
    assert store.delete("c1") is True
    assert store.delete("c1") is False
    assert store.get("c1") is store.messages("c1") is store.update("c1", {}) is None
    assert ids(store.list()) == ids(store.list(model="m")) == ids(store.list(metadata={"k": "v"})) == ["c2"]
    assert [one.id for one in store.recent(5)] == ["c2"]
    assert (store.count(), store.ever()) == (1, 2)


def test_an_id_that_is_taken_is_left_to_whoever_has_it(store):
    keep(store, "c1", "c2", metadata={"k": "old"}, messages=[USER, USER])
    before = store.get("c1")
    assert store.put(completion("c1", text="new"), [USER], {"k": "new"}, {}) is False
    assert store.get("c1") == before
    assert ids(store.list()) == ["c1", "c2"]
    assert len(store.messages("c1")["data"]) == 2
    assert store.put(completion("c3"), [USER], None, {}) is True


def test_a_deleted_id_is_not_given_again(store):
    keep(store, "c1", "c2")
    store.delete("c1")
    assert store.put(completion("c1"), [USER], None, {}) is False
    assert ids(store.list()) == ["c2"]


def test_a_completion_without_an_id_is_refused_and_nothing_is_kept(store):
    with pytest.raises(TypeError, match="by its id, a string, not NoneType"):
        store.put({"model": "m"}, [], None, {})
    assert store.ever() == 0


def test_what_could_not_be_read_again_is_refused_and_nothing_is_kept(store):
    deep = json.loads("[" * 400 + "]" * 400)
    with pytest.raises(ValueError, match="nested deeper than 300"):
        store.put(completion(), [USER, {"role": "user", "content": deep}], None, {})
    assert store.list()["data"] == []
    assert store.ever() == 0


def test_a_failure_in_the_middle_leaves_what_was_there(store):
    keep(store, "c1", metadata={"k": "v"})
    with pytest.raises(AttributeError):
        store.put(completion("c2"), [USER], {"k": 1}, {})
    assert store.get("c2") is None
    assert ids(store.list()) == ["c1"]
    assert store.get("c1")["choices"][0]["message"]["content"] == "Hi there"
    assert store.get("c1")["metadata"] == {"k": "v"}


ODD = [
    "\ud800", "a\0b", "\0", "'; DROP TABLE completions; --", "%", "_", '"', "\u202e", "", "😀", "x" * 5000, "?", ":id",
]  # fmt: skip


@pytest.mark.parametrize("text", ODD, ids=ascii)
def test_odd_texts_are_values_and_nothing_else(store, text):
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    keep(store, "other", metadata={"k": "v"})
    keep(store, text, text=text, model=text, messages=[{"role": "user", "content": text}], metadata={text: text})
    kept = store.get(text)
    assert kept["id"] == kept["model"] == kept["choices"][0]["message"]["content"] == whole
    assert kept["metadata"] == {whole: whole}
    assert store.list(model=text)["data"] == store.list(metadata={text: text})["data"] == [kept]
    (message,) = store.messages(text)["data"]
    assert (message["id"], message["content"]) == (f"{whole}-0", whole)
    assert store.list(after=text, order="desc")["first_id"] == "other"
    assert store.recent(1)[0].text == whole[:120]
    assert store.delete(text)
    assert store.count() == 1


@pytest.mark.parametrize("odd", [2**70, -(2**70), 2**63, 1e308, None, True, [1], {"a": 1}, "x"], ids=repr)
def test_odd_values_come_back_as_json_gives_them(store, odd):
    keep(store, "c1", created=odd, model=odd, extra={"odd": odd}, usage=odd)
    kept = store.get("c1")
    assert kept["created"] == kept["model"] == kept["extra"]["odd"] == kept["usage"] == odd
    assert len(store.recent(1)) == 1


@pytest.mark.parametrize(
    "members",
    [{"choices": None}, {"choices": []}, {"choices": [None]}, {"choices": [{"message": []}]}, {"choices": {"a": 1}}],
)
def test_a_completion_of_an_odd_shape_is_kept_all_the_same(store, members):
    keep(store, "c1", **members)
    assert store.get("c1")["choices"] == members["choices"]
    assert store.recent(1)[0].text == ""


# ---------------------------------------------------------------- messages


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (USER, {"content": "Hello", "content_parts": None}),
        ({"role": "user", "content": "x", "name": "ann"}, {"name": "ann"}),
        ({"role": "assistant", "content": None, "tool_calls": [{"id": "t"}]}, {"content": None, "tool_calls": [{"id": "t"}]}),
        ({"role": "assistant", "refusal": "No."}, {"content": None, "refusal": "No."}),
        ({"role": "tool", "content": "4", "tool_call_id": "t"}, {"role": "tool", "tool_call_id": "t"}),
        ({"role": "user", "content": "x", "id": "mine", "content_parts": 7}, {"id": "c1-0", "content_parts": None}),
    ],
)  # fmt: skip
def test_a_message_is_shown_with_an_id_and_all_it_had(store, message, shown):
    keep(store, "c1", messages=[message])
    (found,) = store.messages("c1")["data"]
    usual = {"id": "c1-0", "content": None, "name": None, "content_parts": None}
    assert found == {**usual, **message, "id": "c1-0", "content_parts": None, **shown}


def test_content_in_parts_is_shown_as_text_and_as_its_texts_and_images(store):
    texts = [{"type": "text", "text": "What is "}, {"type": "text", "text": "this?"}]
    image = {"type": "image_url", "image_url": {"url": "data:"}}
    sound = {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
    told = [{"role": "user", "content": [texts[0], image, sound, texts[1]]}, {"role": "user", "content": [image]}]
    keep(store, "c1", messages=[*told, {"role": "user", "content": []}])
    found = [(message["content"], message["content_parts"]) for message in store.messages("c1")["data"]]
    assert found == [("What is this?", [texts[0], image, texts[1]]), (None, [image]), (None, [])]


def test_messages_come_in_pages_in_both_orders(store):
    keep(store, "c1", messages=[{"role": "user", "content": str(number)} for number in range(25)])
    whole = [f"c1-{number}" for number in range(25)]
    assert ids(store.messages("c1")) == whole[:20]
    for order, expected in (("asc", whole), ("desc", whole[::-1])):
        found = pages(lambda **options: store.messages("c1", **options), 10, order)
        assert [id for page in found for id in ids(page)] == expected
    assert store.messages("c1", limit=3, after="c1-3", order="desc") == {
        "object": "list",
        "data": store.messages("c1", limit=3)["data"][::-1],
        "first_id": "c1-2",
        "last_id": "c1-0",
        "has_more": False,
    }


def test_a_completion_without_messages_has_an_empty_page(store):
    keep(store, "c1", messages=[])
    empty = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    assert store.messages("c1") == empty


@pytest.mark.parametrize(
    "after", ["", "c1", "c1-", "c1-2", "c1-01", "c1--1", "c2-0", "0", "c1-²", "c1-\u0660", "c1-" + "9" * 9000]
)
def test_a_cursor_that_is_no_message_is_an_error(store, after):  # fmt: skip
    keep(store, "c1", "c2", messages=[USER, USER])
    with pytest.raises(UnknownCursorError):
        store.messages("c1", after=after)


# ---------------------------------------------------------------- lists


def test_an_empty_list_is_an_empty_page(store):
    assert store.list() == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def test_a_page_has_twenty_in_the_order_in_which_they_were_stored(store):
    names = [f"c{number}" for number in random.Random(7).sample(range(1000), 21)]
    keep(store, *names, metadata={"k": "v"})
    page = store.list()
    assert page["data"] == [store.get(id) for id in names[:20]]
    assert (page["first_id"], page["last_id"], page["has_more"]) == (names[0], names[19], True)
    assert ids(store.list(order="desc", limit=2)) == [names[20], names[19]]


@given(
    total=st.integers(0, 12),
    limit=st.integers(1, 13),
    order=st.sampled_from(["asc", "desc"]),
    filters=st.tuples(st.sampled_from([None, "m0", "m1"]), st.sampled_from([None, {"a": "0"}, {"a": "1", "b": "0"}])),
    deleted=st.sets(st.integers(0, 11)),
)
def test_pages_of_any_size_make_the_whole_list(total, limit, order, filters, deleted):
    expected, (model, metadata) = [], filters
    with CompletionStore(":memory:") as store:
        for number in range(total):
            told = {"a": str(number % 2), "b": str(number % 3)}
            keep(store, f"c{number}", model=f"m{number % 2}", metadata=told)
            fits = model in {None, f"m{number % 2}"} and (metadata or {}).items() <= told.items()
            if fits and number not in deleted:
                expected.append(f"c{number}")
        for number in deleted:
            store.delete(f"c{number}")

        def fetch(**options):
            return store.list(model=model, metadata=metadata, **options)

        found = pages(fetch, limit, order)
    assert [id for page in found for id in ids(page)] == (expected if order == "asc" else expected[::-1])
    for page in found:
        assert len(page["data"]) == limit or page is found[-1]
        assert (page["first_id"], page["last_id"]) == ((ids(page)[0], ids(page)[-1]) if page["data"] else (None, None))
    assert len(found) == max(1, -(-len(expected) // limit))


@given(
    limit=st.integers(1, 5),
    order=st.sampled_from(["asc", "desc"]),
    deletions=st.lists(st.sets(st.integers(0, 11)), max_size=12),
)
def test_whoever_deletes_while_paging_meets_every_other_one_once(limit, order, deletions):
    with CompletionStore(":memory:") as store:
        keep(store, *(f"c{number}" for number in range(12)))
        met, gone, after, rounds = [], set(), None, iter(deletions)
        while True:
            page = store.list(after=after, limit=limit, order=order)
            met += ids(page)
            if not page["has_more"]:
                break
            after = page["last_id"]
            for id in [f"c{number}" for number in next(rounds, ())] + [after]:
                store.delete(id)
                gone.add(id)
    assert len(met) == len(set(met))
    assert {f"c{number}" for number in range(12)} <= set(met) | gone


def test_a_loop_that_deletes_every_page_ends_with_an_empty_list(store):
    keep(store, *(f"c{number}" for number in range(23)))
    after, more = None, True
    while more:
        page = store.list(after=after, limit=5)
        after, more = page["last_id"], page["has_more"]
        assert all(store.delete(id) for id in ids(page))
    assert store.count() == 0


def test_a_cursor_that_was_never_stored_is_an_error_that_cuts_it_short(store):
    keep(store, "c1")
    with pytest.raises(UnknownCursorError) as caught:
        store.list(after="x" * 1000)
    assert "'xxx" in str(caught.value)
    assert len(str(caught.value)) < 150


def test_every_pair_of_the_metadata_must_match(store):
    keep(store, "c1", metadata={"a": "1", "b": "2"})
    keep(store, "c2", metadata={"a": "1", "b": "1"})
    keep(store, "c3")
    assert ids(store.list(metadata={"a": "1"})) == ["c1", "c2"]
    assert ids(store.list(metadata={"a": "1", "b": "2"})) == ["c1"]
    assert ids(store.list(metadata={"b": "a"})) == []
    assert ids(store.list(metadata={})) == ["c1", "c2", "c3"]
    assert ids(store.list(metadata={str(number): "x" for number in range(3000)})) == []


def test_the_newest_are_told_in_a_line_each(store):
    keep(store, "c1", created=5, text="x" * 200)
    calls = [{"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}, {"custom": {"name": "g"}}]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    keep(store, "c2", model=None, created="then", choices=[{"message": message}])
    keep(store, "c3", choices=[{"message": {"content": None, "refusal": "I can't."}}])
    keep(store, "c4", choices=[{"message": {"content": None, "audio": {"transcript": "Said."}}}])
    assert store.recent(9) == [
        CompletionRow("c4", "m", 1738960610, "Said."),
        CompletionRow("c3", "m", 1738960610, "I can't."),
        CompletionRow("c2", None, None, "f(…), g(…)"),
        CompletionRow("c1", "m", 5, "x" * 120),
    ]
    assert [one.id for one in store.recent(2)] == ["c4", "c3"]


# ---------------------------------------------------------------- the file


def test_what_was_stored_is_there_when_the_file_is_opened_again(path):
    with CompletionStore(path) as store:
        keep(store, "c1", "c2", "c3", metadata={"k": "v"})
        store.delete("c3")
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with CompletionStore(str(path)) as store:
        assert ids(store.list(metadata={"k": "v"})) == ["c1", "c2"]
        assert ids(store.list(after="c3", order="desc")) == ["c2", "c1"]
        keep(store, "c4")
        assert (store.count(), store.ever()) == (3, 4)
    assert is_sound(path)


def test_every_commit_waits_for_the_disk(path):
    with CompletionStore(path) as store:
        run = store._database._connection.execute
        settings = {
            name: run(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "secure_delete")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1}


def test_what_is_deleted_is_no_longer_in_any_file(path):
    words = b"wherefore art thou"
    with CompletionStore(path) as store:
        told = {"role": "user", "content": words.decode()}
        keep(
            store,
            "c1",
            text=words.decode() * 1000,
            messages=[told] * 50,
            metadata={"k": words.decode()},
            model=words.decode(),
        )
        assert any(words in file.read_bytes() for file in path.parent.iterdir())
        store.delete("c1")
        assert not any(words in file.read_bytes() for file in path.parent.iterdir())
        assert ids(store.list(after="c1")) == []


def test_two_stores_on_one_file_see_what_the_other_did(path):
    with CompletionStore(path) as one, CompletionStore(path) as other:
        keep(one, "c1")
        keep(other, "c2")
        assert ids(one.list()) == ids(other.list()) == ["c1", "c2"]
        assert other.delete("c1")
        assert one.get("c1") is None


def test_threads_may_share_a_store(path):
    with CompletionStore(path) as store, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: keep(store, f"c{number}", metadata={"k": "v"}), range(80)))
        counts = list(pool.map(lambda number: len(store.list(limit=100)["data"]), range(8)))
        assert counts == [80] * 8
        assert store.count() == 80


def test_a_new_file_may_be_opened_many_times_at_once(tmp_path):
    def first(path):
        with CompletionStore(path) as store:
            keep(store, os.urandom(8).hex())

    with ThreadPoolExecutor(6) as pool:
        for number in range(10):
            list(pool.map(first, [tmp_path / f"{number}.db"] * 6))
            with CompletionStore(tmp_path / f"{number}.db") as store:
                assert store.count() == 6


def keeper(path, name):
    return subprocess.Popen([sys.executable, "-c", KEEPER, str(path), name], stdout=subprocess.PIPE, text=True)


def kill(process):
    """End a process at once; the lines it had printed whole."""
    process.kill()
    with process:
        said = process.stdout.read()
    return said[: said.rfind("\n") + 1].split()


@needs_kill
def test_nothing_acknowledged_is_lost_when_processes_are_killed(path):
    acknowledged = []
    chance = random.Random(11)
    for number in range(KILLS):
        # Two at once on the same file, so that one dies while it waits for the other too.
        processes = [keeper(path, f"{name}{number}") for name in "ab"]
        acknowledged += [process.stdout.readline().strip() for process in processes]
        time.sleep(chance.uniform(0, 0.1))
        for process in processes:
            acknowledged += kill(process)
        with CompletionStore(path) as store:
            assert [id for id in acknowledged if store.get(id) is None] == []
            # The one that was stored but not yet acknowledged may be there, and whole.
            assert 0 <= store.count() - len(acknowledged) <= 2 * (number + 1)
        assert is_sound(path)
    assert len(acknowledged) >= 4 * KILLS


@needs_permissions
def test_new_files_are_for_their_owner_alone(path):
    before = os.umask(0)
    try:
        with CompletionStore(path) as store:
            keep(store, "c1")
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"stored.db": 0o600, "stored.db-wal": 0o600, "stored.db-shm": 0o600}


def foreign(path, *statements):
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize(
    "statements",
    [["CREATE TABLE t (a)"], ["CREATE TABLE t (a)", "PRAGMA user_version = 1"], ["PRAGMA application_id = 7"]],
)
def test_a_database_of_somebody_else_is_refused_and_stays_as_it_was(path, statements):
    foreign(path, *statements)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"stored\.db is no database of chatstream's"):
        CompletionStore(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("data", [b"hello", b"\0" * 100, b'{"tape":1}\n' * 1000, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_file_that_is_no_database_is_refused_and_stays_as_it_was(path, data):
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"stored\.db is no database of chatstream's"):
        CompletionStore(path)
    assert path.read_bytes() == data


def test_an_empty_file_becomes_a_database(path):
    path.touch()
    with CompletionStore(path) as store:
        keep(store, "c1")
    assert is_sound(path)


def test_a_database_of_another_version_is_refused(path):
    CompletionStore(path).close()
    foreign(path, "PRAGMA user_version = 2")
    with pytest.raises(ValueError, match="holds stored completions of version 2; only 1 is read here"):
        CompletionStore(path)


def test_a_damaged_database_says_so(path):
    with CompletionStore(path) as store:
        keep(store, *(f"c{number}" for number in range(200)))
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with CompletionStore(path) as store, pytest.raises(ValueError, match="or a damaged one"):
        store.list()


def test_a_folder_that_is_not_there_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        CompletionStore(tmp_path / "none" / "stored.db")
    with pytest.raises(OSError, match="cannot be opened"):
        CompletionStore(tmp_path)


@needs_permissions
def test_a_file_or_folder_that_may_not_be_written_is_a_permission_error(nobody):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stored.db")
        CompletionStore(path).close()
        Path(folder).chmod(0o500)
        with pytest.raises(PermissionError, match=r"new\.db"):
            CompletionStore(Path(folder, "new.db"))
        with pytest.raises(PermissionError, match=r"stored\.db"):
            CompletionStore(path)
        Path(folder).chmod(0o700)
        path.chmod(0o400)
        with pytest.raises(PermissionError, match=r"stored\.db"):
            CompletionStore(path)


def test_a_full_disk_is_an_oserror_and_loses_nothing_that_was_stored(path):
    with CompletionStore(path) as store:
        keep(store, "c1")
        run = store._database._connection.execute
        run(f"PRAGMA max_page_count = {run('PRAGMA page_count').fetchone()[0]}")
        with pytest.raises(OSError, match="no space left") as caught:
            keep(store, "c2", text="x" * 100_000)
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
        assert ids(store.list()) == ["c1"]
        run("PRAGMA max_page_count = 100000")
        keep(store, "c3")
        assert ids(store.list()) == ["c1", "c3"]


def test_a_process_that_does_not_let_go_is_a_timeout_error(path, monkeypatch):
    monkeypatch.setattr(database, "_PATIENCE", 0.05)
    with CompletionStore(path) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TimeoutError, match="another process held it"):
            keep(store, "c1")
        assert store.list()["data"] == []
        other.execute("ROLLBACK")
        keep(store, "c1")


def test_deleting_while_another_process_reads_is_done_and_does_not_wait_for_it_for_ever(path, monkeypatch):
    monkeypatch.setattr(database, "_PATIENCE", 0.05)
    with CompletionStore(path) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        keep(store, "c1")
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM completions").fetchone()
        assert store.delete("c1")
        assert store.get("c1") is None
        other.execute("ROLLBACK")
