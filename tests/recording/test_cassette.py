"""What is played, what is recorded, and what is a miss."""

import gzip
import hashlib
import json

import httpx
import httpx2
import msgspec
import pytest

from chatstream.errors import RecordingError
from chatstream.recording import (
    AsyncReplayTransport,
    Cassette,
    Read,
    Recording,
    ReplayTransport,
    TapeWriter,
)
from chatstream.recording.secrets import Secrets
from chatstream.recording.transports.cassette import MODE_VARIABLE

URL = "https://service.test/v1/chat/completions"


@pytest.fixture(autouse=True)
def no_mode_from_outside(monkeypatch):
    monkeypatch.delenv(MODE_VARIABLE, raising=False)


def body(text="hi", **members):
    return {"model": "m", "messages": [{"role": "user", "content": text}], **members}


def completion(text):
    message = {"role": "assistant", "content": text}
    return {"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def recording(text, asked, url="/v1/chat/completions", method="POST", name="tape"):
    return Recording(
        form="tape",
        name=name,
        request={"method": method, "url": url, "body": asked},
        response={"status": 200, "headers": {"content-type": "application/json"}},
        reads=[Read(0.0, json.dumps(completion(text)).encode())],
        end={"end": "eof"},
    )


class Service:
    """What answers when a request is sent: each time something else."""

    def __init__(self, library=httpx):
        self.library = library
        self.sent = 0
        self.transport = library.MockTransport(self.answer)

    def answer(self, request):
        self.sent += 1
        return self.library.Response(200, json=completion(f"live {self.sent}"))


def ask(transport, text="hi", *, url=URL, library=httpx, **members):
    """What is answered; for an error, its code."""
    with library.Client(transport=transport) as client:
        answer = client.post(url, json=body(text, **members))
    said = answer.json()
    return said["choices"][0]["message"]["content"] if answer.status_code == 200 else said["error"]["code"]


def told(path):
    """What is on tape: the requests' last messages and what was answered."""
    return [
        (one.request["body"]["messages"][-1]["content"], json.loads(one.bytes)["choices"][0]["message"]["content"])
        for one in Recording.load_all(path)
    ]


# The modes


@pytest.mark.parametrize("library", [httpx, httpx2])
@pytest.mark.parametrize("target", ["one.tape.jsonl", "one.tape.jsonl.gz", "folder"])
def test_once_records_where_there_is_nothing_and_plays_where_there_is(tmp_path, library, target):
    service = Service(library)

    def session(*texts):
        transport = ReplayTransport(tmp_path / target, mode="once", transport=service.transport, speed=None)
        with library.Client(transport=transport) as client:
            answers = [client.post(URL, json=body(text)) for text in texts]
        counted = transport.cassette.played, transport.cassette.recorded, len(transport.misses)
        return [answer.status_code for answer in answers], counted

    assert session("a", "b") == ([200, 200], (0, 2, 0))
    assert session("b", "a", "new") == ([200, 200, 404], (2, 0, 1))
    assert service.sent == 2


def test_once_takes_an_empty_file_and_an_empty_folder_for_nothing(tmp_path):
    (tmp_path / "empty.tape.jsonl").touch()
    (tmp_path / "folder").mkdir()
    for target in ("empty.tape.jsonl", "folder", "not/there/yet"):
        service = Service()
        assert ask(ReplayTransport(tmp_path / target, mode="once", transport=service.transport)) == "live 1"
        assert ask(ReplayTransport(tmp_path / target, mode="once", transport=service.transport)) == "live 1"
        assert service.sent == 1


def test_a_session_that_sends_nothing_leaves_no_file(tmp_path):
    ReplayTransport(tmp_path / "a.tape.jsonl", mode="once").close()
    assert list(tmp_path.iterdir()) == []


def test_none_never_sends(tmp_path):
    service = Service()
    transport = ReplayTransport(recording("taped", body()), transport=service.transport, speed=None)
    assert [ask(transport), ask(transport, "other")] == ["taped", "no_matching_tape"]
    assert service.sent == 0


def test_none_wants_tapes_that_are_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        Cassette(tmp_path / "missing.tape.jsonl")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RecordingError, match="holds no recordings"):
        Cassette(tmp_path / "folder")
    (tmp_path / "empty.tape.jsonl").touch()
    with pytest.raises(RecordingError, match="is empty"):
        Cassette(tmp_path / "empty.tape.jsonl")


@pytest.mark.parametrize("mode", ["none", "once", "new_episodes"])
def test_a_file_that_nothing_can_be_played_from_is_told_at_once(tmp_path, mode):
    (tmp_path / "page.sse").write_text("<html>no stream</html>")
    with pytest.raises(RecordingError, match="is no recording"):
        Cassette(tmp_path / "page.sse", mode=mode)


def test_new_episodes_plays_what_matches_and_records_the_rest(tmp_path):
    path = tmp_path / "a.tape.jsonl"
    service = Service()
    for texts, sent in ((["a"], 1), (["a", "b"], 2), (["b", "a"], 2)):
        transport = ReplayTransport(path, mode="new_episodes", transport=service.transport, speed=None)
        assert [ask(transport, text) for text in texts] == [{"a": "live 1", "b": "live 2"}[text] for text in texts]
        assert service.sent == sent
    assert told(path) == [("a", "live 1"), ("b", "live 2")]


def test_new_episodes_may_go_somewhere_else(tmp_path):
    service = Service()
    new = tmp_path / "new.tape.jsonl"
    transport = ReplayTransport(
        recording("taped", body("a")), mode="new_episodes", record_to=new, transport=service.transport, speed=None
    )
    assert [ask(transport, "a"), ask(transport, "b")] == ["taped", "live 1"]
    assert told(new) == [("b", "live 1")]


def test_all_records_a_file_anew(tmp_path):
    path = tmp_path / "a.tape.jsonl"
    service = Service()
    for _ in range(2):
        transport = ReplayTransport(path, mode="all", transport=service.transport)
        assert path.exists() == bool(service.sent)  # until something is sent, nothing is lost
        with httpx.Client(transport=transport) as client:
            for text in ("a", "b"):
                client.post(URL, json=body(text))
    assert told(path) == [("a", "live 3"), ("b", "live 4")]


def test_all_takes_the_tapes_of_the_same_request_out_of_a_folder_and_no_others(tmp_path):
    service = Service()
    for texts in (["a", "b"], ["b"]):
        transport = ReplayTransport(tmp_path, mode="all", transport=service.transport)
        (tmp_path / "notes.md").write_text("kept")
        (tmp_path / "page.sse").write_text("<html>not ours</html>")
        for text in texts:
            ask(transport, text)
    found = sorted(pair for path in tmp_path.glob("*.tape.jsonl") for pair in told(path))
    assert found == [("a", "live 1"), ("b", "live 3")]
    assert (tmp_path / "notes.md").exists()
    assert (tmp_path / "page.sse").exists()


def test_all_takes_nothing_away_outside_of_where_it_records(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    service = Service()
    ask(ReplayTransport(f"{old}/", mode="once", transport=service.transport))
    (kept,) = old.iterdir()
    new.mkdir()
    assert ask(ReplayTransport(old, mode="all", record_to=new, transport=service.transport)) == "live 2"
    assert told(kept) == [("hi", "live 1")]
    assert len(list(new.iterdir())) == 1


@pytest.mark.parametrize("mode", ["all", "new_episodes", "once"])
@pytest.mark.parametrize("content", [b"data: [DONE]\n\n", b"notes of mine"])
def test_nothing_is_recorded_to_a_file_that_is_no_tape(tmp_path, mode, content):
    path = tmp_path / "mine.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is no tape, so nothing is recorded to it"):
        Cassette(tmp_path / "missing.tape.jsonl", mode=mode, record_to=path)
    assert path.read_bytes() == content


def test_a_mode_that_records_needs_a_place_for_it():
    with pytest.raises(ValueError, match="record_to"):
        Cassette(recording("taped", body()), mode="once")


@pytest.mark.parametrize("mode", ["always", None, ""])
def test_a_mode_that_does_not_exist_is_refused(mode):
    with pytest.raises(ValueError, match="mode is one of once, none, all, new_episodes"):
        Cassette(recording("taped", body()), mode=mode)


def test_the_environment_takes_the_place_of_any_mode_but_none(tmp_path, monkeypatch):
    path = tmp_path / "a.tape.jsonl"
    monkeypatch.setenv(MODE_VARIABLE, "new_episodes")
    assert Cassette(recording("taped", body())).mode == "none"
    assert Cassette(path, mode="once").mode == "new_episodes"
    monkeypatch.setenv(MODE_VARIABLE, "none")
    with pytest.raises(FileNotFoundError):
        Cassette(path, mode="once")
    monkeypatch.setenv(MODE_VARIABLE, "")
    assert Cassette(path, mode="once").mode == "once"
    monkeypatch.setenv(MODE_VARIABLE, "never")
    with pytest.raises(ValueError, match=f"{MODE_VARIABLE} is one of"):
        Cassette(path, mode="once")


# Misses


def test_a_miss_says_what_was_nearest_and_where_it_differs_and_no_value():
    transport = ReplayTransport([recording("x", body("a"), name="a"), recording("y", body("b", user="u"), name="b")])
    with httpx.Client(transport=transport) as client:
        answer = client.post(URL, json=body("SECRET", user="u", seed=1))
    assert answer.status_code == 404
    assert answer.headers["x-should-retry"] == "false"
    message = answer.json()["error"]["message"]
    assert "The nearest is b; it differs in: messages[0].content, seed" in message
    assert "mode none" in message
    assert "SECRET" not in answer.text
    (miss,) = transport.misses
    assert (miss.nearest.name, miss.places, miss.message) == ("b", ["messages[0].content", "seed"], message)
    assert miss.asked.body == body("SECRET", user="u", seed=1)
    assert (transport.cassette.played, transport.cassette.recorded) == (0, 0)


@pytest.mark.parametrize(
    ("url", "place"),
    [(URL.replace("/chat/completions", "/messages"), "path"), (f"{URL}?beta=1", "query")],
)
def test_another_place_is_another_request(url, place):
    transport = ReplayTransport(recording("x", body()), match="exact", speed=None)
    assert ask(transport, url=url) == "no_matching_tape"
    assert transport.misses[0].places == [place]


def test_another_method_is_another_request():
    transport = ReplayTransport(recording("x", None, method="GET"), speed=None)
    with httpx.Client(transport=transport) as client:
        assert client.get(URL).status_code == 200
        assert client.delete(URL).status_code == 404
    assert transport.misses[0].places == ["method"]


def test_no_fault_strikes_a_miss():
    transport = ReplayTransport(recording("x", body()), faults=["disconnect", "split:1"], speed=None)
    assert ask(transport, "other") == "no_matching_tape"


def test_the_host_does_not_count_nor_what_stands_before_the_endpoint():
    transport = ReplayTransport(recording("x", body(), url="https://one.test/api/v1/chat/completions"), speed=None)
    for url in ("http://two.test:8080/v1/chat/completions", "http://three.test/openai/deployments/m/chat/completions"):
        assert ask(transport, url=url) == "x"
    assert ask(transport, url="http://two.test/v1/completions") == "no_matching_tape"


def test_the_order_of_a_query_does_not_count():
    transport = ReplayTransport(recording("x", body(), url="/v1/chat/completions?b=%20&a=1"), match="exact", speed=None)
    assert ask(transport, url=f"{URL}?a=1&b=+") == "x"
    assert ask(transport, url=f"{URL}?a=2&b=+") == "no_matching_tape"


# Which tape


def test_tapes_of_one_request_come_one_after_the_other_and_the_last_one_stays():
    transport = ReplayTransport([recording(str(number), body()) for number in range(3)], speed=None)
    assert [ask(transport) for _ in range(5)] == ["0", "1", "2", "2", "2"]


def test_in_order_each_tape_is_played_once():
    tapes = [recording(str(number), body(str(number))) for number in range(2)]
    transport = ReplayTransport(tapes, match="order", speed=None)
    assert [ask(transport, "x") for _ in range(3)] == ["0", "1", "no_matching_tape"]
    assert "no tape is left: all 2 have been played" in transport.misses[0].message


def test_what_recorded_no_request_answers_all_that_nothing_else_does(tmp_path):
    with TapeWriter(tmp_path / "a.tape.jsonl") as tape:
        tape.response(200, {"content-type": "application/json"})
        tape.read(json.dumps(completion("unasked")).encode())
        tape.end("eof")
    transport = ReplayTransport([tmp_path / "a.tape.jsonl", recording("asked", body("a"))], speed=None)
    assert [ask(transport, text) for text in ("a", "b", "c")] == ["asked", "unasked", "unasked"]


def test_a_stream_is_preferred_for_who_wants_one():
    whole = recording("whole", body())
    stream = recording("stream", body(stream=True))
    transport = ReplayTransport([whole, stream], speed=None)
    assert [ask(transport), ask(transport)] == ["whole", "whole"]
    with httpx.Client(transport=transport) as client:
        assert b"stream" in client.post(URL, json=body(stream=True)).content


def test_one_answer_and_a_stream_stand_for_each_other_in_chat_completions_alone():
    for url, status in ((URL, 200), ("https://service.test/v1/messages", 404)):
        transport = ReplayTransport(recording("x", body(), url=url), speed=None)
        with httpx.Client(transport=transport) as client:
            answer = client.post(url, json=body(stream=True))
        assert answer.status_code == status
        assert transport.misses == [] or transport.misses[0].places == ["stream"]


def test_a_body_without_messages_has_to_be_the_same():
    url = "https://service.test/v1/embeddings"
    transport = ReplayTransport(recording("x", {"model": "m", "input": "a"}, url=url), speed=None)
    with httpx.Client(transport=transport) as client:
        assert client.post(url, json={"model": "m", "input": "a"}).status_code == 200
        assert client.post(url, json={"model": "m", "input": "b"}).status_code == 404


def test_bodies_that_are_no_json_are_compared_as_text_and_those_that_are_no_text_by_their_digest(tmp_path):
    path = tmp_path / "a.tape.jsonl"
    url = "https://service.test/v1/audio/transcriptions"
    for text in ("spoken", b"\xff\xfe"):
        with httpx.Client(
            transport=ReplayTransport(path, mode="new_episodes", transport=Service().transport, speed=None)
        ) as client:
            client.post(f"{url}/{'bytes' if isinstance(text, bytes) else 'text'}", content=text)
    transport = ReplayTransport(path, speed=None)
    with httpx.Client(transport=transport) as client:
        assert client.post(f"{url}/text", content="spoken").status_code == 200
        assert client.post(f"{url}/text", content="other").status_code == 404
        assert client.post(f"{url}/bytes", content=b"\xff\xfe").status_code == 200
        assert client.post(f"{url}/bytes", content=b"\xff\xfd").status_code == 404
    assert [miss.places for miss in transport.misses] == [["body"], ["body"]]


UPLOADS = {
    "binary": {"content": b"\xff2"},
    "gzip": {"content": gzip.compress(b"{}", mtime=0), "headers": {"content-encoding": "gzip"}},
    "multipart": {"files": {"f": ("a", b"two\xff")}},
    "json": {"json": {"a": 1}},
    "text": {"content": "two"},
    "null": {"content": b"null"},
}


@pytest.mark.parametrize("upload", list(UPLOADS))
@pytest.mark.parametrize("known", [{"body_sha256": hashlib.sha256(b"\xff1").hexdigest()}, {}, {"lost": True}])
def test_a_body_that_a_tape_does_not_have_is_never_guessed(upload, known):
    one = recording("x", None)
    one = msgspec.structs.replace(one, request={**one.request, **known})
    transport = ReplayTransport(one, speed=None)
    with httpx.Client(transport=transport) as client:
        assert client.post(URL, **UPLOADS[upload]).status_code == 404
    assert transport.misses[0].places == ["body"]


def test_a_tape_without_a_body_answers_those_who_send_none_or_are_still_sending():
    transport = ReplayTransport(recording("x", None), speed=None)
    with httpx.Client(transport=transport) as client:
        assert client.post(URL).status_code == 200
        assert client.post(URL, content=iter([b"x"])).status_code == 200


def test_a_body_that_was_lost_is_nobodys_not_even_of_those_who_send_none():
    one = recording("x", None)
    lost = msgspec.structs.replace(one, request={**one.request, "lost": True})
    with httpx.Client(transport=ReplayTransport(lost, speed=None)) as client:
        assert client.post(URL).status_code == 404
        assert client.post(URL, content=iter([b"x"])).status_code == 404


def test_what_is_ignored_does_not_count():
    transport = ReplayTransport(recording("x", body()), match="exact", ignore=["user", "metadata.run"], speed=None)
    assert ask(transport, user="u", metadata={"run": 7}) == "no_matching_tape"  # an empty object is left of it
    assert ask(transport, user="u") == "x"


def test_secrets_are_asked_for_as_they_stand_on_tape(tmp_path):
    path = tmp_path / "a.tape.jsonl"
    service = Service()
    secrets = Secrets(["my own canary"], patterns=["order-[0-9]+"])
    text = "my own canary, order-12345, sk-canary-0123456789abcdef"
    ask(ReplayTransport(path, mode="once", secrets=secrets, transport=service.transport), text)
    assert "canary" not in path.read_text("utf-8")
    assert "12345" not in path.read_text("utf-8")
    for said in (text, text.replace("12345", "678")):
        assert ask(ReplayTransport(path, secrets=secrets, match="exact", speed=None), said) == "live 1"
    assert ask(ReplayTransport(path, secrets=secrets, match="exact", speed=None), "another") == "no_matching_tape"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"match": "nearest"}, "not 'nearest'"),
        ({"ignore": "$.x["}, "is no path"),
        ({"faults": "flood"}, "no fault is called"),
        ({"speed": 0}, "speed"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Cassette(recording("x", body()), **options)


def test_what_is_odd_about_the_tapes_is_noted(tmp_path):
    path = tmp_path / "a.tape.jsonl"
    path.write_bytes(b'{"tape":1}\n[0,"s","data: {}\\n\\n"]\n[0,"e",{"en')
    assert any("the last line was cut" in note for note in Cassette(path).notes)


# Async, and by itself


@pytest.mark.anyio
async def test_async_clients_record_and_replay_alike(tmp_path):
    path = tmp_path / "a.tape.jsonl"
    for expected in ("live 1", "live 1"):
        service = Service()
        transport = AsyncReplayTransport(path, mode="once", transport=service.transport, speed=None)
        async with httpx.AsyncClient(transport=transport) as client:
            said = (await client.post(URL, json=body())).json()
        assert said["choices"][0]["message"]["content"] == expected
    assert (transport.cassette.played, service.sent, transport.misses) == (1, 0, [])


def test_a_cassette_may_stand_by_itself_in_a_transport_of_your_own(tmp_path):
    cassette = Cassette(tmp_path / "a.tape.jsonl", mode="once")
    for seconds in range(2):
        request = httpx.Request("POST", URL, json=body(str(seconds)))
        assert cassette.handle(request, Service().transport.handle_request).status_code == 200
        cassette.close()
    assert [asked for asked, _ in told(tmp_path / "a.tape.jsonl")] == ["0", "1"]


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_a_form_finds_its_own_tape_however_it_is_parted_and_whether_it_comes_from_a_file(tmp_path, library):
    path, url = tmp_path / "a.tape.jsonl", "https://service.test/v1/audio/transcriptions"
    (tmp_path / "one").write_bytes(b"one\xff")
    sent = []

    def answer(request):
        sent.append(request.read())
        return library.Response(200, json=completion("live"))

    with (
        library.Client(
            transport=ReplayTransport(path, mode="once", transport=library.MockTransport(answer), speed=None)
        ) as client,
        (tmp_path / "one").open("rb") as file,
    ):
        client.post(url, files={"f": ("a", file)})
    assert b"one\xff" in sent[0]
    assert b"boundary" not in sent[0]
    with library.Client(transport=ReplayTransport(path, speed=None)) as client:
        assert client.post(url, files={"f": ("a", b"one\xff")}).status_code == 200
        assert client.post(url, files={"f": ("a", b"two\xff")}).status_code == 404
