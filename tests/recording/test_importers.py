"""Cassettes, HAR files and curl's output: of the real tools, after the formats' own rules, and broken."""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.server
import json
import shutil
import subprocess
import sys
import threading
import urllib.request
import zlib
from pathlib import Path

import brotli
import httpx
import httpx2
import msgspec
import pytest
import vcr
import yaml
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from chatstream.errors import RecordingError
from chatstream.parser import ChatStreamParser
from chatstream.recording import Recording
from chatstream.server import ReplayServer

KEY = "sk-canary-0123456789abcdef"
WORDS = ["Grüße", " to", " the", " 🦊", "."]
CHUNKS = [
    {"id": "c1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": word}}]}
    for word in WORDS
]
CHUNKS.append(
    {"id": "c1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
)
STREAM = (
    b"".join(b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n" for value in CHUNKS)
    + b"data: [DONE]\n\n"
)
ASKED = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
HEADERS = {"authorization": f"Bearer {KEY}", "content-type": "application/json", "x-api-key": KEY}
ENCODINGS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "br, gzip": lambda data: gzip.compress(brotli.compress(data)),
}


def chunks_of(recording):
    """The chunks of a recording, through the parser that live streams go through."""
    parser = ChatStreamParser()
    events = []
    for data in recording.play(speed=None):
        events += parser.feed(data)
    events += parser.close()
    return [json.loads(event.data) for event in events if event.type == "chunk"]


def check(recording, url="/v1/chat/completions"):
    """An import that holds the stream above, and nothing that is secret."""
    assert recording.bytes == STREAM
    assert (recording.form, recording.source, recording.problems, recording.torn) == ("sse", "bytes", [], False)
    assert recording.response == {"status": 200, "headers": {"content-type": "text/event-stream"}}
    assert (recording.request["method"], recording.request["url"]) == ("POST", url)
    assert recording.request["body"] == ASKED
    assert set(recording.request["headers"]) <= {"accept", "content-type", "user-agent"}
    assert KEY not in repr(recording.request) + repr(recording.response)


@contextlib.contextmanager
def service(encoding=None):
    """A server that answers with the stream, packed as it is told."""
    body = ENCODINGS[encoding](STREAM) if encoding else STREAM

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer("text/html", b"<title>x</title>")

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.answer("text/event-stream", body)

        def answer(self, kind, content):
            self.send_response(200)
            self.send_header("content-type", kind)
            if content is body and encoding:
                self.send_header("content-encoding", encoding)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# What the real tools write


def ask_httpx(url):
    with httpx.Client() as client, client.stream("POST", url, json=ASKED, headers=HEADERS) as response:
        assert b"".join(response.iter_bytes()) == STREAM


def ask_httpx2(url):
    with httpx2.Client() as client, client.stream("POST", url, json=ASKED, headers=HEADERS) as response:
        assert b"".join(response.iter_bytes()) == STREAM


def ask_urllib(url):
    request = urllib.request.Request(url, json.dumps(ASKED).encode(), HEADERS)  # noqa: S310  our own server
    with urllib.request.urlopen(request) as response:  # noqa: S310  the same
        assert response.read()


@pytest.mark.parametrize("ask", [ask_httpx, ask_httpx2, ask_urllib])
@pytest.mark.parametrize("serializer", ["yaml", "json"])
def test_a_cassette_that_vcrpy_wrote_has_the_stream_and_no_key(ask, serializer, tmp_path):
    path = tmp_path / f"cassette.{serializer}"
    with service() as url, vcr.VCR(serializer=serializer).use_cassette(str(path)):
        ask(f"{url}/v1/chat/completions")
    assert KEY in path.read_text("utf-8")
    (recording,) = Recording.load_all(path)
    check(recording)
    assert (recording.reads[0].interval, recording.head, recording.name) == (None, 0.0, path.name)
    assert chunks_of(recording) == CHUNKS


@pytest.mark.parametrize("ask", [ask_httpx, ask_urllib])
@pytest.mark.parametrize("is_decoded", [False, True])
def test_a_cassette_of_a_packed_stream_is_read_whether_vcrpy_unpacked_it_or_not(ask, is_decoded, tmp_path):
    path = tmp_path / "cassette.yaml"
    with service("gzip") as url, vcr.use_cassette(str(path), decode_compressed_response=is_decoded):
        ask(f"{url}/v1/chat/completions")
    check(Recording.load(path))


def test_a_cassette_of_vcrpy_s_has_the_chunks_of_the_tape_that_was_served(tmp_path):
    (tmp_path / "served.sse").write_bytes(STREAM)
    path = tmp_path / "cassette.yaml"
    with ReplayServer(tmp_path / "served.sse", match="order", speed=None) as server, vcr.use_cassette(str(path)):
        for _ in range(2):
            httpx.post(f"{server.base_url}/chat/completions", json=ASKED, headers=HEADERS)
    recordings = Recording.load_all(path)
    assert len(recordings) == 2
    for recording in recordings:
        assert (recording.request["url"], recording.request["body"]) == ("/v1/chat/completions", ASKED)
        assert chunks_of(recording) == CHUNKS


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this system")
@pytest.mark.parametrize("options", [["-N"], ["-i", "-N"], ["-i", "-N", "--http1.0"]])
def test_what_curl_writes_is_the_stream(options, tmp_path):
    (tmp_path / "served.sse").write_bytes(STREAM)
    with ReplayServer(tmp_path / "served.sse", match="order", speed=None) as server:
        url = f"{server.base_url}/chat/completions"
        command = ["curl", "-s", *options, url, "-H", "content-type: application/json", "-d", json.dumps(ASKED)]
        (tmp_path / "x.sse").write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    recording = Recording.load(tmp_path / "x.sse")
    assert (recording.form, recording.bytes) == ("sse", STREAM)
    assert chunks_of(recording) == CHUNKS
    assert (recording.response is not None) == ("-i" in options)


def save_har(path, url):
    """Have Playwright drive a browser through one request, and write down what it saw."""
    library = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed, and weighs 140 MB")
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        pytest.skip("no Chromium on this system")
    with library.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        context = browser.new_context(record_har_path=path, record_har_content="embed")
        page = context.new_page()
        page.goto(f"{url}/")
        options = {"method": "POST", "headers": HEADERS, "body": json.dumps(ASKED)}
        page.evaluate(
            "async ([url, options]) => await (await fetch(url, options)).text()",
            [f"{url}/v1/chat/completions", options],
        )
        context.close()
        browser.close()


@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_a_har_file_that_playwright_writes_of_chromium_has_the_stream_and_no_key(encoding, tmp_path):
    path = tmp_path / "x.har"
    with service(encoding) as url:
        save_har(path, url)
    check_playwright(path)


def test_a_har_file_that_playwright_wrote_of_chromium_has_the_stream_and_no_key():
    check_playwright(Path(__file__).parent / "playwright.har")


def check_playwright(path):
    page, *_, recording = Recording.load_all(path)
    assert KEY in path.read_text("utf-8")
    assert (page.request["url"], page.bytes) == ("/", b"<title>x</title>")
    assert recording.problems in ([], ["the body of the response was saved as windows-1252, and is read as UTF-8"])
    check(msgspec.structs.replace(recording, problems=[]))
    assert 0 < recording.head == recording.reads[0].interval < 5
    assert 0 < recording.rest < 5


# Cassettes as the format has them


def cassette(*interactions, **others):
    return {"interactions": list(interactions), "version": 1, **others}


def interaction(body=None, **response):
    asked = {
        "method": "POST",
        "uri": "https://me:pass@api.example/v1/chat/completions?n=1#x",
        "body": json.dumps(ASKED),
        "headers": {"Authorization": [f"Bearer {KEY}"]},
    }
    answered = {
        "status": {"code": 200, "message": "OK"},
        "headers": {"Content-Type": ["text/event-stream"]},
        "body": {"string": STREAM.decode() if body is None else body},
    }
    return {"request": asked, "response": {**answered, **response}}


def as_yaml(value, **options):
    return yaml.dump(value, **options).encode()


def test_the_url_of_an_import_has_no_password_and_no_host():
    (recording,) = Recording.parse_all(as_yaml(cassette(interaction())))
    check(recording, url="/v1/chat/completions?n=1")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://h", "/"),
        ("http://h?a=1", "/?a=1"),
        ("http://[", "/"),
        ("/x", "/x"),
        ("", "/"),
        (None, "/"),
        ("//u:p@h/x", "/x"),
    ],
)
def test_a_url_gives_its_path_and_its_query(url, path):
    value = interaction()
    value["request"]["uri"] = url
    assert Recording.parse(as_yaml(cassette(value))).request["url"] == path


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_body_is_unpacked_where_its_header_says_so_and_it_is_packed(encoding):
    packed = ENCODINGS[encoding](STREAM)
    headers = {"Content-Type": "text/event-stream", "Content-Encoding": [encoding]}
    for body in (packed, STREAM, STREAM.decode()):
        check(Recording.parse(as_yaml(cassette(interaction(body, headers=headers)))), url="/v1/chat/completions?n=1")
    cut = Recording.parse(as_yaml(cassette(interaction(packed[:-1], headers=headers))))
    assert len(cut.problems) == 1
    assert STREAM.startswith(cut.bytes)


def test_a_body_that_is_not_what_its_header_says_is_told_and_kept():
    headers = {"content-encoding": ["gzip"]}
    odd = Recording.parse(as_yaml(cassette(interaction(b"\xff\xfe data", headers=headers))))
    assert (odd.bytes, len(odd.problems)) == (b"\xff\xfe data", 1)
    unknown = Recording.parse(as_yaml(cassette(interaction(b"\xff\xfe", headers={"content-encoding": "compress"}))))
    assert (unknown.bytes, len(unknown.problems)) == (b"", 1)
    assert "compress" in unknown.problems[0]


def test_older_cassettes_keep_status_and_body_in_other_places():
    old = {
        "status_code": 200,
        "headers": [["content-type", "text/event-stream"]],
        "content": STREAM.decode(),
        "http_version": "HTTP/1.1",
    }
    value = {"request": interaction()["request"], "response": old}
    check(Recording.parse(as_yaml(cassette(value))), url="/v1/chat/completions?n=1")
    check(Recording.parse(json.dumps({"version": 1, "interactions": [value]}).encode()), url="/v1/chat/completions?n=1")


def test_cassettes_of_vcr_in_ruby_are_read():
    asked = {
        "method": "post",
        "uri": "https://api.example/v1/chat/completions",
        "body": {"encoding": "UTF-8", "string": json.dumps(ASKED)},
        "headers": {"Authorization": [KEY]},
    }
    head = {"status": {"code": 200, "message": "OK"}, "headers": {"Content-Type": ["text/event-stream"]}}
    plain = {"encoding": "UTF-8", "string": STREAM.decode()}
    packed = {"encoding": "ASCII-8BIT", "base64_string": base64.b64encode(STREAM).decode()}
    values = [{"request": asked, "response": {**head, "body": body}, "recorded_at": "Mon"} for body in (plain, packed)]
    data = b"---\n" + as_yaml({"http_interactions": values, "recorded_with": "VCR 6.0.0"})
    for recording in Recording.parse_all(data):
        check(recording)


def test_a_body_that_is_an_object_is_one():
    value = interaction()
    value["request"]["body"] = {**ASKED, "temperature": 0.5, "n": None}
    value["response"]["body"] = {"object": "chat.completion", "choices": []}
    recording = Recording.parse(as_yaml(cassette(value)))
    assert recording.request["body"] == {**ASKED, "temperature": 0.5, "n": None}
    assert (recording.form, json.loads(recording.bytes)) == ("completion", {"object": "chat.completion", "choices": []})


def test_an_import_has_the_form_of_its_body():
    lines = "".join(json.dumps(value) + "\n" for value in CHUNKS)
    bodies = {"completion": '{"object": "chat.completion", "choices": []}', "chunks": lines, "sse": "<!doctype html>"}
    recordings = Recording.parse_all(as_yaml(cassette(*map(interaction, bodies.values()))))
    assert [recording.form for recording in recordings] == list(bodies)
    assert [read.data for read in recordings[1].reads] == CHUNKS


def test_an_interaction_without_a_response_is_told():
    recordings = Recording.parse_all(as_yaml(cassette({"request": {"method": "GET"}}, 5, interaction())))
    assert [len(recording.problems) for recording in recordings] == [1, 1, 0]
    assert recordings[0].request == {"method": "GET", "url": "/", "headers": {}}
    assert [recording.response is None for recording in recordings] == [True, True, False]


def test_an_empty_cassette_is_one_recording_that_says_so():
    for data in (as_yaml(cassette()), b'{"version": 1, "interactions": []}', b'{"log": {"entries": []}}', b'{"log": {'):
        (recording,) = Recording.parse_all(data)
        assert (recording.reads, len(recording.problems) >= 1) == ([], True)


@pytest.mark.parametrize("style", ['"', "'", "|", None])
def test_yaml_is_read_in_all_its_styles(style):
    head = b"%YAML 1.1\n---\n# a comment\n\n"
    check(
        Recording.parse(head + as_yaml(cassette(interaction()), default_style=style, allow_unicode=True)),
        url="/v1/chat/completions?n=1",
    )


def test_yaml_makes_no_objects_and_runs_nothing(tmp_path):
    target = tmp_path / "made"
    evil = (
        f"interactions:\n- request: !!python/object/apply:os.mkdir ['{target}']\n  response: !!python/name:os.system\n"
    )
    (recording,) = Recording.parse_all(evil.encode())
    assert recording.response is None
    assert not target.exists()


def test_an_alias_stands_for_what_it_names_and_a_circle_for_nothing():
    shared = interaction()["response"]
    data = as_yaml(cassette(*[{"request": interaction()["request"], "response": shared} for _ in range(3)]))
    assert b"*id" in data
    assert [recording.bytes for recording in Recording.parse_all(data)] == [STREAM] * 3
    (circle,) = Recording.parse_all(b"interactions:\n- &a\n  request: {body: *a, method: POST}\n  response: *b\n")
    assert (circle.request, circle.response) == ({"method": "POST", "url": "/", "headers": {}}, None)


def test_a_cassette_that_bursts_is_refused():
    levels = "".join(f"x{number}: &x{number} [{', '.join([f'*x{number - 1}'] * 10)}]\n" for number in range(1, 12))
    many = f"interactions:\n- &a\n  response: {{body: {{string: {'x' * 100_000}}}}}\n" + "- *a\n" * 3000
    packed = base64.b64encode(gzip.compress(bytes(300 * 2**20), 9)).decode()
    bomb = f"interactions:\n- response: {{headers: {{content-encoding: gzip}}, body: {{string: !!binary {packed}}}}}\n"
    for data in ("interactions: []\nx0: &x0 [a]\n" + levels, many, bomb):
        with pytest.raises(RecordingError, match="256 MiB"):
            Recording.parse_all(data.encode())


@pytest.mark.parametrize("deep", ["[" * 200_000, "{a: " * 200_000, "- " * 200_000, "[" * 90 + "]" * 90])
def test_a_cassette_that_is_nested_without_end_is_cut(deep):
    data = (
        as_yaml(cassette(interaction())).replace(b"version: 1\n", b"")
        + f"- request:\n    {deep}\nversion: 1\n".encode()
    )
    recordings = Recording.parse_all(data)
    assert recordings[0].bytes == STREAM
    assert recordings[0].torn == (len(deep) > 1000)


def test_without_its_library_a_yaml_cassette_says_what_to_install_and_a_json_one_is_read():
    code = """
import sys
sys.modules["yaml"] = None
from chatstream.errors import RecordingError
from chatstream.recording import Recording
try: Recording.parse(b"interactions: []")
except RecordingError as error: print(error)
print(Recording.parse(b'{"interactions": [{"response": {"body": {"string": "x"}}}]}').bytes)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    error, read = done.stdout.splitlines()
    assert "chatstream[vcr]" in error
    assert read == "b'x'"


@pytest.mark.parametrize("dump", [as_yaml, lambda value: json.dumps({"version": 1, **value}, indent=4).encode()])
def test_a_cassette_that_was_cut_gives_the_interactions_that_are_whole(dump):
    data = dump(cassette(*[interaction(f"data: {number}\n\n") for number in range(4)]))
    bodies = [f"data: {number}\n\n".encode() for number in range(4)]
    starts = [place for place in range(len(data)) if data.startswith(b"request", place)]
    for cut in range(data.index(b"interactions") + 20, len(data) - 20, 7):
        *before, last = Recording.parse_all(data[:cut])
        whole = sum(start < cut for start in starts) - 1
        given = [recording.bytes for recording in (*before, last)]
        assert given[:whole] == bodies[: max(whole, 0)]
        assert given[:-1] == bodies[: len(before)]
        assert (last.torn, any(recording.torn for recording in before)) == (True, False)


# HAR files as the format and the browsers have them


def entry(text=None, *, content=None, response=None, **members):
    asked = {
        "method": "POST",
        "url": "https://api.example/v1/chat/completions",
        "httpVersion": "h2",
        "cookies": [{"name": "s", "value": KEY}],
        "queryString": [],
        "headersSize": -1,
        "bodySize": 80,
    }
    asked["headers"] = [
        {"name": "Authorization", "value": f"Bearer {KEY}"},
        {"name": "Content-Type", "value": "application/json"},
    ]
    asked["postData"] = {"mimeType": "application/json", "text": json.dumps(ASKED), "params": []}
    body = {"size": len(STREAM), "mimeType": "text/event-stream", "text": STREAM.decode() if text is None else text}
    answered = {
        "status": 200,
        "statusText": "OK",
        "httpVersion": "h2",
        "cookies": [],
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": -1,
    }
    answered["headers"] = [{"name": "content-type", "value": "text/event-stream"}, {"name": "set-cookie", "value": KEY}]
    answered["content"] = content if content is not None else body
    timings = {"blocked": 3.0, "dns": -1, "connect": -1, "ssl": -1, "send": 0.25, "wait": 412.5, "receive": 1800.0}
    return {
        "startedDateTime": "2026-11-22T17:30:00.000Z",
        "time": 2215.75,
        "request": asked,
        "response": {**answered, **(response or {})},
        "cache": {},
        "timings": timings,
        **members,
    }


def har(*entries):
    return json.dumps(
        {
            "log": {
                "version": "1.2",
                "creator": {"name": "by hand", "version": "1"},
                "pages": [],
                "entries": list(entries),
            }
        }
    ).encode()


def test_a_har_file_by_hand_after_the_format_has_the_stream_and_its_times():
    recording = Recording.parse(b"\xef\xbb\xbf" + har(entry()))
    check(recording)
    assert (recording.head, recording.reads[0].interval, recording.rest) == (0.41275, 0.41275, 1.8)
    assert recording.duration == 2.21275


def test_a_har_file_by_hand_in_chrome_s_shape_has_the_stream():
    shown = entry(
        _initiator={"type": "script"},
        _priority="High",
        _resourceType="fetch",
        connection="443",
        serverIPAddress="::1",
        _webSocketMessages=[{"type": "send", "data": "x"}],
    )
    shown["response"].update(_transferSize=2000, _error=None, _fetchedViaServiceWorker=False)
    shown["timings"].update(_blocked_queueing=1.2, _workerStart=-1)
    check(Recording.parse(har(shown)))


def test_a_har_file_by_hand_in_firefox_s_shape_has_the_stream():
    shown = entry(pageref="page_1", serverIPAddress="127.0.0.1", connection="443", _securityState="secure")
    shown["response"]["content"].update(encoding="base64", text=base64.b64encode(STREAM).decode())
    shown["timings"] = {"blocked": 0, "dns": 0, "connect": 0, "ssl": 0, "send": 0, "wait": 412, "receive": 0}
    recording = Recording.parse(har(shown))
    check(recording)
    assert (recording.head, recording.rest) == (0.412, 0.0)


def test_a_stream_that_was_saved_as_windows_1252_is_read_as_the_utf_8_that_it_is():
    seen = "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in STREAM)
    assert "Ã¼" in seen
    sure = entry(seen, response={"bodySize": len(STREAM)})
    check(Recording.parse(har(sure)))
    unsure = Recording.parse(har(entry(seen)))
    assert (unsure.bytes, unsure.problems) == (
        STREAM,
        ["the body of the response was saved as windows-1252, and is read as UTF-8"],
    )
    meant = Recording.parse(har(entry(seen, response={"bodySize": len(seen.encode())})))
    assert (meant.bytes, meant.problems) == (seen.encode(), [])
    page = Recording.parse(har(entry(content={"text": seen, "mimeType": "text/html"}, response={"headers": []})))
    assert page.bytes == seen.encode()
    for text in ("naïve", "日本", "Ã", "Ã¼日"):
        assert Recording.parse(har(entry(text))).bytes == text.encode()


def test_a_har_file_in_lines_is_one_too():
    check(Recording.parse(json.dumps(json.loads(har(entry())), indent=2).encode()))


def test_a_body_that_was_not_saved_is_told():
    for content in ({"size": 1234, "mimeType": "text/event-stream"}, {"size": 12, "_file": "0123.txt"}, {}):
        recording = Recording.parse(har(entry(content=content)))
        assert (recording.reads, recording.problems) == ([], ["the body of the response was not saved in the HAR file"])
    assert Recording.parse(har(entry(content={"size": 0}))).problems == []
    assert Recording.parse(har(entry(content={"text": "%%%a", "encoding": "base64"}))).problems == [
        "the body of the response is no base64"
    ]


@pytest.mark.parametrize("name", ["_error", "_failureText"])
def test_a_request_that_failed_in_the_browser_fails_when_it_is_played(name):
    recording = Recording.parse(har(entry("data: 1\n\n", response={name: "net::ERR_INCOMPLETE_CHUNKED_ENCODING"})))
    assert recording.end == {"end": "error", "error": "net::ERR_INCOMPLETE_CHUNKED_ENCODING"}
    nothing = Recording.parse(har(entry(response={"status": 0, "content": {"size": 0}, "headers": []})))
    assert (nothing.response, nothing.problems) == (None, ["an entry without a response"])


@pytest.mark.parametrize("wait", [-1, None, "3", float("nan"), float("inf"), 1e300, -5, True, [1]])
def test_a_time_that_is_none_is_not_known(wait):
    shown = entry()
    shown["timings"]["wait"] = wait
    recording = Recording.parse(har(shown))
    assert (recording.head, recording.rest, recording.reads[0].interval) == (0.0, 0.0, None)


def test_the_fields_of_a_form_are_the_body():
    shown = entry()
    shown["request"]["postData"] = {
        "mimeType": "application/x-www-form-urlencoded",
        "params": [{"name": "a b", "value": "ü"}, {"name": "c"}],
    }
    assert Recording.parse(har(shown)).request["body"] == "a+b=%C3%BC&c="
    del shown["request"]["postData"]
    assert "body" not in Recording.parse(har(shown)).request


def test_a_har_file_that_was_cut_gives_the_entries_that_are_whole():
    data = har(*[entry(f"data: {number} }}]{{[\n\n") for number in range(3)])
    ends = [index for index in range(len(data)) if data.startswith(b'"receive": 1800.0}}', index)]
    for cut in range(20, len(data) - 3, 11):
        recordings = Recording.parse_all(data[:cut])
        whole = sum(end + 19 <= cut for end in ends)
        assert [recording.bytes for recording in recordings if recording.reads] == [
            f"data: {number} }}]{{[\n\n".encode() for number in range(whole)
        ]
        assert (recordings[-1].torn, "the HAR file was cut or damaged" in recordings[-1].problems) == (True, True)


# Whatever was done to a file


SEEDS = [
    as_yaml(
        cassette(interaction(), interaction(gzip.compress(STREAM, mtime=0), headers={"content-encoding": ["gzip"]}))
    ),
    json.dumps({"version": 1, **cassette(interaction())}, indent=1).encode(),
    har(entry(), entry()),
]
MARKS = [
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b"\n- ",
    b": ",
    b"&a ",
    b"*a",
    b"!!binary ",
    b"\x00",
    b"\xff",
    b"\\ud800",
    b"null",
    b"1e999",
    b"<<: *a",
]


@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 40), st.sampled_from(MARKS)), max_size=6),
)
def test_a_file_that_was_spoilt_anywhere_is_read_all_the_same(data, changes):
    for place, size, mark in changes:
        start = place % len(data)
        data = data[:start] + mark + data[start + size :]
    recordings = Recording.parse_all(data)
    assert recordings
    for recording in recordings:
        assert isinstance(recording.bytes, bytes)
        assert recording.duration >= 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "headers",
                    "body",
                    "string",
                    "status",
                    "code",
                    "uri",
                    "content",
                    "text",
                    "size",
                    "timings",
                    "wait",
                    "postData",
                    "params",
                    "name",
                    "value",
                    "method",
                    "url",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON, JSON)
def test_members_of_any_type_are_read_all_the_same(asked, answered):
    value = {"request": asked, "response": answered, "timings": answered}
    for document in ({"interactions": [value]}, {"log": {"entries": [value]}}):
        (recording,) = Recording.parse_all(json.dumps(document).encode())
        assert isinstance(recording.bytes, bytes)
    (recording,) = Recording.parse_all(as_yaml({"interactions": [value]}))
    assert isinstance(recording.bytes, bytes)


@pytest.mark.parametrize(
    "data",
    [b"data: interactions:\n\n", b'{"log": 5}', b'{"interactions": 5}', b"version: 1\n\n", b'{"log"', b"#\n" * 50],
)
def test_what_only_looks_a_little_like_them_is_none(data):
    (recording,) = Recording.parse_all(data)
    assert (recording.request, recording.problems) == (None, [])


ECHOED = {"authorization": "Bearer canaryhdr-value99", "set-cookie": "id=canary-cookie-7", "cookie": "s=canary-jar-88"}


def foreign(kind, answer, url="https://h.test/v1/x?key=canaryquery9"):
    """A file whose exchange shows all of these, and echoes them in what its request says and is answered."""
    values = ["canaryhdr-value99", "canary-cookie-7", "canary-jar-88", "canaryquery9"]
    text = answer.replace("ECHO", " ".join(values))
    sent = json.dumps({"said": " ".join(values)})
    if kind == "har":
        asked = {"method": "POST", "url": url, "headers": [{"name": "Authorization", "value": ECHOED["authorization"]}]}
        asked |= {"cookies": [{"name": "s", "value": "canary-jar-88"}], "postData": {"text": sent}}
        head = [{"name": "Set-Cookie", "value": ECHOED["set-cookie"]}]
        answered = {"status": 200, "headers": head, "content": {"text": text}}
        return json.dumps({"log": {"entries": [{"request": asked, "response": answered}]}}).encode(), text
    asked = {"method": "POST", "uri": url, "body": sent}
    asked["headers"] = {name: [ECHOED[name]] for name in ("authorization", "cookie")}
    answered = {"status": {"code": 200}, "headers": {"set-cookie": [ECHOED["set-cookie"]]}, "body": {"string": text}}
    return yaml.dump({"interactions": [{"request": asked, "response": answered}], "version": 1}).encode(), text


@pytest.mark.parametrize("kind", ["har", "vcr"])
@pytest.mark.parametrize("answer", ['{"said":"ECHO"}', 'data: {"said":"ECHO"}\n\n', "ECHO"])
def test_what_let_a_foreign_request_in_is_masked_wherever_it_is_echoed(kind, answer):
    data, text = foreign(kind, answer)
    one = Recording.parse(data)
    assert b"canary" not in msgspec.json.encode([one.request, one.response, one.notes, one.end])
    assert b"canary" not in one.bytes
    assert len(one.bytes) == len(text.encode())
    assert one.bytes.count(b"*") == sum(
        map(len, ["canaryhdr-value99", "canary-cookie-7", "canary-jar-88", "canaryquery9"])
    )


def test_a_foreign_exchange_that_shows_nothing_keeps_its_bytes():
    entry = {"request": {"method": "GET", "url": "/"}, "response": {"status": 200, "content": {"text": f"a {KEY}"}}}
    assert Recording.parse(json.dumps({"log": {"entries": [entry]}}).encode()).bytes == f"a {KEY}".encode()
