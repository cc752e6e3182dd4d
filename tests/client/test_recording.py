"""What a client records of its calls."""

import httpx
import pytest

from chatstream import ChatClient, ChatCompletionStream, Recording
from chatstream.errors import APIConnectionError, InternalServerError
from chatstream.recording import Recorder
from chatstream.server import ReplayServer
from halves import all_of, both_halves, client_class, entered, got, is_async, talking

ASKED = {"model": "echo", "messages": [{"role": "user", "content": "Hello"}]}
KEY = "yellow.canary"  # as no service issues one


@pytest.fixture(scope="module")
def server():
    with ReplayServer(speed=None, fault_header=True) as running:
        yield running


@both_halves
async def test_each_call_is_recorded_with_what_was_asked_and_what_came(half, server, tmp_path):
    path = tmp_path / "x.tape.jsonl"
    async with talking(half, server.base_url, record=path, api_key=KEY) as asked:
        whole = await got(asked.completions.create(**ASKED))
        chunks = await all_of(await got(asked.completions.create(**ASKED, stream=True)))
        async with entered(asked.completions.stream(**ASKED)) as stream:
            streamed = await got(stream.final_chat_completion())
        await got(asked.client.close())
    recordings = Recording.load_all(path)
    assert [recording.end["end"] for recording in recordings] == ["eof"] * 3
    assert [recording.request["body"].get("stream") for recording in recordings] == [None, True, True]
    assert all(recording.request["url"] == "/v1/chat/completions" for recording in recordings)
    assert all(recording.response["status"] == 200 for recording in recordings)
    assert not any(recording.problems for recording in recordings)
    assert ChatCompletionStream(recordings[0]).final_chat_completion().id == whole.id
    assert [chunk.id for chunk in ChatCompletionStream(recordings[1]).chunks()] == [chunk.id for chunk in chunks]
    again = ChatCompletionStream(recordings[2]).final_chat_completion()
    assert (again.id, again.choices) == (streamed.id, streamed.choices)
    assert KEY not in path.read_text(encoding="utf-8")


@both_halves
async def test_each_attempt_is_an_exchange_of_its_own_also_one_that_fails(half, server, tmp_path):
    folder = tmp_path / "tapes"
    faulty = {"X-Chatstream-Fault": "status:503"}

    async def no_wait(seconds):
        pass

    sleep = no_wait if is_async(half) else lambda seconds: None
    async with talking(half, server.base_url, record=folder, max_retries=1, sleep=sleep) as asked:
        with pytest.raises(InternalServerError):
            await got(asked.completions.create(**ASKED, extra_headers=faulty))
    recordings = [Recording.load(file) for file in sorted(folder.iterdir())]
    assert [recording.response["status"] for recording in recordings] == [503, 503]
    assert all(b"a fault that was asked for" in recording.bytes for recording in recordings)


@both_halves
async def test_what_is_stopped_or_breaks_off_is_recorded_as_that(half, server, tmp_path):
    path = tmp_path / "x.tape.jsonl"
    async with talking(half, server.base_url, record=path) as asked:
        stream = asked.completions.stream(**ASKED)
        await got(anext(stream) if is_async(half) else next(stream))
        await got(stream.close())
        async with entered(
            asked.completions.stream(**ASKED, extra_headers={"X-Chatstream-Fault": "reset:3"})
        ) as broken:
            with pytest.raises(APIConnectionError):
                await got(broken.until_done())
        await got(asked.client.close())
    stopped, broken_off = Recording.load_all(path)
    assert stopped.end["end"] in {"cancel", "eof"}  # its answer may have been there to the end
    assert broken_off.end["end"] == "error"
    assert broken_off.bytes.count(b"data:") >= 3


@both_halves
async def test_who_cannot_be_reached_is_recorded_too(half, tmp_path):
    path = tmp_path / "x.tape.jsonl"
    async with talking(half, "http://127.0.0.1:9/v1", record=path) as asked:
        with pytest.raises(APIConnectionError):
            await got(asked.completions.create(**ASKED))
        await got(asked.client.close())
    recording = Recording.load(path)
    assert (recording.response, recording.reads, recording.end["end"]) == (None, [], "error")


@both_halves
async def test_a_stream_of_a_client_that_does_not_record_may_be_recorded_by_itself(half, server, tmp_path):
    path = tmp_path / "x.tape.jsonl"
    async with (
        talking(half, server.base_url, api_key=KEY) as asked,
        entered(asked.completions.stream(**ASKED, record=path)) as stream,
    ):
        await got(stream.until_done())
    recording = Recording.load(path)
    assert recording.request["body"] == {**ASKED, "stream": True}
    assert recording.end["end"] == "eof"
    assert KEY not in path.read_text(encoding="utf-8")


def test_a_response_of_httpx_tells_its_request_to_the_tape(server, tmp_path):
    path = tmp_path / "x.tape.jsonl"
    body = {**ASKED, "stream": True}
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.stream("POST", f"{server.base_url}/chat/completions", json=body, headers=headers) as response:
        ChatCompletionStream(response, record=path).until_done()
    recording = Recording.load(path)
    assert (recording.request["method"], recording.request["body"]) == ("POST", body)
    assert KEY not in path.read_text(encoding="utf-8")


def test_clients_may_share_a_recorder_which_stays_open(server, tmp_path):
    recorder = Recorder(tmp_path / "x.tape.jsonl", secrets=["Hello"])
    for _ in range(2):
        with ChatClient(base_url=server.base_url, record=recorder) as client:
            client.with_options(max_retries=0).chat.completions.create(**ASKED)
    assert len(Recording.load_all(tmp_path / "x.tape.jsonl")) == 2
    assert "Hello" not in (tmp_path / "x.tape.jsonl").read_text(encoding="utf-8")


@both_halves
async def test_a_tape_that_cannot_be_written_leaves_calls_alone_and_is_told_once(half, server, tmp_path):
    (tmp_path / "file").write_text("")
    client = client_class(half)(base_url=server.base_url, record=tmp_path / "file" / "x.tape.jsonl")
    with pytest.warns(RuntimeWarning, match="the tape is not whole"):
        first = await got(client.chat.completions.create(**ASKED))
    second = await got(client.chat.completions.create(**ASKED))  # a second warning would be an error
    await got(client.close())
    assert first.choices[0].message.content
    assert second.choices[0].message.content
