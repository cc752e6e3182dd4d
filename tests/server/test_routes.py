"""Every route and every status, as docs/server.md promises them."""

import base64
import json
import re
import sqlite3

import pytest

from chatstream.recording import Recording
from chatstream.server import ReplayServer
from chatstream.server.page import CSP
from serving import DONE, ECHO, RawClient, ask, delta, events, play, post, text_of

PATH = "/v1/chat/completions"
KEY = "sk-käy"


@pytest.fixture(scope="module")
def server():
    with ReplayServer(speed=None) as running:
        yield running


@pytest.fixture(scope="module")
def locked():
    with ReplayServer(speed=None, api_key=KEY) as running:
        yield running


@pytest.fixture
def storing():
    with ReplayServer(speed=None) as running:
        yield running


def keep(server, text="Hello", **members):
    """Store a completion; its id."""
    body = {"model": "m", "messages": [{"role": "user", "content": text}], "store": True, **members}
    answer = post(server, body)
    assert answer.status == 200
    return answer.json["id"]


def listed(server, query=""):
    answer = ask(server, "GET", f"{PATH}?{query}")
    assert answer.status == 200, answer.body
    return answer.json


def ids(page):
    return [completion["id"] for completion in page["data"]]


def refusal(answer, status):
    """The error of an answer that has one, after a look at its shape."""
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    assert answer.error.keys() == {"message", "type", "param", "code"}
    assert answer.error["message"]
    return answer.error


# Paths and methods


@pytest.mark.parametrize("prefix", ["", "/v1", "/v1/v1"])
def test_v1_may_be_left_out_or_be_there_twice(server, prefix):
    assert ask(server, "GET", f"{prefix}/models").status == 200
    assert post(server, path=f"{prefix}/chat/completions").status == 200


@pytest.mark.parametrize(
    "path",
    ["/v2/models", "/v1/chat", "/v1/completions", "/favicon.ico", f"{PATH}/a/b", f"{PATH}/a/messages/b", "/health/x"],
)
def test_there_is_nothing_at_other_paths(server, path):
    for method in ("GET", "POST", "DELETE"):
        error = refusal(ask(server, method, path), 404)
        assert (error["type"], error["code"]) == ("invalid_request_error", "unknown_url")
        assert server.base_url in error["message"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", "GET"),
        ("/health", "GET"),
        ("/v1/models", "GET"),
        ("/v1/models/echo", "GET"),
        (PATH, "GET, POST"),
        (f"{PATH}/x", "GET, POST, DELETE"),
        (f"{PATH}/x/messages", "GET"),
    ],
)
def test_a_method_that_a_path_does_not_take_is_a_405_that_names_those_it_does(server, path, allowed):
    for method in {"POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - set(allowed.split(", ")):
        answer = ask(server, method, path)
        assert refusal(answer, 405)["code"] == "method_not_allowed"
        assert answer.headers["allow"] == allowed


def test_each_answer_has_the_headers_of_the_api(server):
    for answer in (ask(server, "GET", "/v1/models"), post(server), ask(server, "GET", "/v1/nothing")):
        assert answer.headers["x-request-id"].startswith("req_")
        assert answer.headers["openai-processing-ms"].isdigit()
        assert answer.headers["server"] == "chatstream"
        assert answer.headers["date"].endswith("GMT")
    assert ask(server, "GET", "/health").headers["x-request-id"] != answer.headers["x-request-id"]


# Models, health, the page


def test_the_models_are_those_of_the_tapes_and_the_echo():
    def tape(model):
        request = {"method": "POST", "url": PATH, "headers": {}, "body": {**ECHO, "model": model}}
        lines = [{"tape": 1}, [0, "q", request], [0, "s", delta("x")], [0, "e", {"end": "eof"}]]
        return Recording.parse("\n".join(map(json.dumps, lines)).encode())

    with ReplayServer([tape("a"), tape("b/c"), tape("a")], on_miss="echo") as server:
        models = ask(server, "GET", "/v1/models").json
        assert models["object"] == "list"
        assert [model["id"] for model in models["data"]] == ["a", "b/c", "echo"]
        for model in models["data"]:
            assert (model["object"], model["owned_by"]) == ("model", "chatstream")
            assert ask(server, "GET", f"/v1/models/{model['id']}").json == model
        assert ask(server, "GET", "/v1/models/b%2Fc").json["id"] == "b/c"
    with ReplayServer([tape("a")]) as server:
        assert [model["id"] for model in ask(server, "GET", "/v1/models").json["data"]] == ["a"]
        error = refusal(ask(server, "GET", "/v1/models/echo"), 404)
        assert (error["code"], error["param"]) == ("model_not_found", "model")


def test_health_tells_how_it_is(server):
    assert ask(server, "GET", "/health").json == {"status": "ok", "tapes": 0, "echo": True}


def test_the_page_shows_what_there_is_and_runs_nothing(storing):
    id = keep(storing, "<script>alert(1)</script>")
    ask(storing, "GET", "/v1/<b>bold</b>%3Ci%3E")
    answer = ask(storing, "GET", "/")
    page = answer.body.decode()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == CSP
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "script-src" not in CSP or "script-src 'none'" in CSP
    assert "default-src 'none'" in CSP
    assert id in page
    assert storing.base_url in page
    assert "<b>" not in page
    assert "<i>" not in page
    assert "<script" not in page


# Who may ask


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "10.0.0.1"])
@pytest.mark.parametrize("path", ["/", "/health", "/v1/models", "/nowhere"])
def test_a_host_header_that_names_another_machine_is_a_403(server, host, path):
    assert refusal(ask(server, "GET", path, {"Host": host}), 403)["code"] == "host_not_allowed"


def test_allowed_hosts_let_other_names_in():
    with ReplayServer(allowed_hosts=["Dev.example"]) as server:
        assert ask(server, "GET", "/health", {"Host": "dev.EXAMPLE:81"}).status == 200
        assert ask(server, "GET", "/health", {"Host": "other.example"}).status == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", "file://", ""])
def test_a_page_of_another_origin_is_turned_away(server, origin):
    assert refusal(post(server, headers={"Origin": origin}), 403)["code"] == "origin_not_allowed"


def test_a_page_of_the_servers_own_origin_may_ask(server):
    assert post(server, headers={"Origin": f"http://127.0.0.1:{server.port}"}).status == 200


def test_without_the_key_there_is_only_health(locked):
    assert ask(locked, "GET", "/health").status == 200
    for method, path in (
        ("GET", "/v1/models"),
        ("POST", PATH),
        ("GET", PATH),
        ("DELETE", f"{PATH}/x"),
        ("GET", "/nowhere"),
        ("PUT", "/"),
    ):
        answer = ask(locked, method, path)
        assert refusal(answer, 401)["code"] == "invalid_api_key"
        assert answer.headers["www-authenticate"].startswith("Basic" if path == "/" else "Bearer")


def shown(scheme, value):
    return {"Authorization": f"{scheme} {value}".encode().decode("latin-1")}


def basic(name, password):
    return shown("Basic", base64.b64encode(f"{name}:{password}".encode()).decode())


@pytest.mark.parametrize("headers", [shown("Bearer", KEY), shown("bearer", KEY), basic("anybody", KEY), basic("", KEY)])
def test_the_key_opens(locked, headers):
    assert post(locked, headers=headers).status == 200
    assert ask(locked, "GET", "/", headers).status == 200
    assert ask(locked, "GET", "/nowhere", headers).status == 404


@pytest.mark.parametrize(
    "headers",
    [
        shown("Bearer", ""),
        shown("Bearer", "sk-"),
        shown("Bearer", KEY + "x"),
        shown("Token", KEY),
        basic(KEY, ""),
        shown("Basic", "!!!"),
        shown("Basic", ""),
        {"Authorization": KEY.encode().decode("latin-1")},
        {"X-Api-Key": "sk"},
    ],
)
def test_what_is_not_the_key_is_a_401(locked, headers):
    refusal(post(locked, headers=headers), 401)
    refusal(ask(locked, "GET", "/", headers), 401)


# Bodies


@pytest.mark.parametrize(
    "kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"]
)
def test_a_body_that_is_not_called_json_is_a_415(server, kind):
    for path in (PATH, f"{PATH}/x"):
        assert refusal(post(server, headers={"Content-Type": kind}, path=path), 415)["code"] == "unsupported_media_type"


def test_json_may_be_called_so_with_parameters_and_in_capitals(server):
    assert post(server, headers={"Content-Type": "Application/JSON; charset=utf-8"}).status == 200


def test_a_compressed_body_is_a_415(server):
    answer = post(server, headers={"Content-Encoding": "gzip"})
    assert refusal(answer, 415)["code"] == "unsupported_content_encoding"


@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b'{"model":"m"} x', b'{"model":"\xff"}', b"[" * 100_000])
def test_a_body_that_is_no_json_is_a_400(server, body):
    headers = {"Content-Type": "application/json"}
    assert refusal(post(server, body, headers), 400)["code"] == "invalid_json"
    assert refusal(post(server, body, headers, path=f"{PATH}/x"), 400)["code"] == "invalid_json"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"n": "1"}, "n"),
        ({"temperature": 2.5}, "temperature"),
        ({"stream": "yes"}, "stream"),
        ({"metadata": {"k" * 65: "v"}}, None),
        ({"metadata": {"k": "v" * 513}}, None),
        ({"metadata": {str(number): "v" for number in range(17)}}, "metadata"),
        ({"metadata": {"k": 1}}, None),
    ],
)
def test_a_body_that_the_api_does_not_take_is_a_400_that_names_the_place(server, change, param):
    error = refusal(post(server, {**ECHO, **change}), 400)
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param if param else error["param"].startswith("metadata")
    assert error["code"]


@pytest.mark.parametrize("body", [b"[]", b"5", b'"x"', b"null", b"{}"])
def test_json_that_is_no_request_is_a_400(server, body):
    refusal(post(server, body), 400)


def test_a_schema_that_nothing_fits_is_a_422_that_names_the_place(server):
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}, "required": ["a"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    error = refusal(post(server, {**ECHO, "response_format": wanted}), 422)
    assert error["code"] == "unusable_schema"
    assert error["param"].startswith("response_format")


def test_odd_texts_are_answered_and_kept(storing):
    for text in ("\ud800", "\x00", "\U0001f4a9", "é" * 1000, "\u2028"):
        id = keep(storing, text, metadata={"k": text[:9]})
        assert ask(storing, "GET", f"{PATH}/{id}").json["id"] == id
    assert len(listed(storing)["data"]) == 5


# Completions


def test_the_echo_answers_streamed_or_not_with_the_same_text(server):
    whole = post(server).json
    stream = post(server, {**ECHO, "stream": True, "stream_options": {"include_usage": True}})
    assert whole["object"] == "chat.completion"
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert text_of(stream) == whole["choices"][0]["message"]["content"]
    assert events(stream)[-2]["usage"] == whole["usage"]
    assert events(stream)[-1] == "[DONE]"


def test_ids_are_new_each_time_and_the_same_for_the_same_seed():
    def two(seed):
        with ReplayServer(speed=None, seed=seed) as server:
            return [post(server).json["id"] for _ in range(2)]

    assert two(1) == two(1)
    assert len({*two(1), *two(2)}) == 4


def test_a_miss_is_a_404_that_names_the_nearest_tape_and_the_places():
    request = {"method": "POST", "url": PATH, "headers": {}, "body": {**ECHO, "seed": 1}}
    lines = [{"tape": 1}, [0, "q", request], [0, "s", delta("x")], [0, "e", {"end": "eof"}]]
    tape = Recording.parse("\n".join(map(json.dumps, lines)).encode(), name="near")
    with ReplayServer(tape) as server:
        body = {**ECHO, "seed": 2, "messages": [{"role": "user", "content": "SECRET"}]}
        error = refusal(post(server, body), 404)
        assert error["code"] == "no_matching_tape"
        assert "near" in error["message"]
        assert "messages[0].content" in error["message"]
        assert "seed" in error["message"]
        assert "SECRET" not in error["message"]


# Stored completions


def test_only_what_is_to_be_stored_is(storing):
    post(storing)
    post(storing, {**ECHO, "store": False})
    post(storing, {**ECHO, "store": None})
    assert listed(storing) == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    stream = post(storing, {**ECHO, "store": True, "stream": True})
    assert ids(listed(storing)) == [events(stream)[0]["id"]]


def test_a_stored_completion_is_what_was_answered(storing):
    answer = post(storing, {**ECHO, "store": True, "metadata": {"run": "1"}, "user": "me"}).json
    stored = ask(storing, "GET", f"{PATH}/{answer['id']}").json
    for name in ("id", "object", "created", "model", "choices", "usage"):
        assert stored[name] == answer[name]
    assert stored["metadata"] == {"run": "1"}
    assert listed(storing)["data"] == [stored]


def test_a_list_is_paged_in_the_order_of_storing(storing):
    stored = [keep(storing, str(number)) for number in range(5)]
    first = listed(storing, "limit=2")
    assert ids(first) == stored[:2]
    assert (first["first_id"], first["last_id"], first["has_more"]) == (stored[0], stored[1], True)
    second = listed(storing, f"limit=2&after={stored[1]}")
    assert ids(second) == stored[2:4]
    last = listed(storing, f"limit=2&after={stored[3]}")
    assert (ids(last), last["has_more"]) == (stored[4:], False)
    assert ids(listed(storing, "order=desc")) == stored[::-1]
    assert ids(listed(storing, f"order=desc&after={stored[2]}")) == stored[1::-1]
    assert ids(listed(storing, f"after={stored[4]}")) == []
    assert ids(listed(storing, "after=&order=")) == stored


def test_twenty_are_listed_unless_a_limit_says_otherwise(storing):
    stored = [keep(storing, str(number)) for number in range(21)]
    assert ids(listed(storing)) == stored[:20]
    assert ids(listed(storing, "limit=100")) == stored


def test_a_list_can_be_of_one_model_and_of_metadata(storing):
    one = keep(storing, model="a", metadata={"k": "1", "ü []=&": "é"})
    two = keep(storing, model="b", metadata={"k": "1"})
    three = keep(storing, model="b", metadata={"k": "2"})
    assert ids(listed(storing, "model=b")) == [two, three]
    assert ids(listed(storing, "metadata[k]=1")) == [one, two]
    assert ids(listed(storing, "metadata%5Bk%5D=1&model=b")) == [two]
    assert ids(listed(storing, "metadata[k]=1&metadata[%C3%BC%20%5B%5D%3D%26]=%C3%A9")) == [one]
    assert ids(listed(storing, "metadata[k]=3")) == []
    assert ids(listed(storing, "metadata[none]=1")) == []
    assert ids(listed(storing, "model=c")) == []


@pytest.mark.parametrize(
    ("query", "status", "param"),
    [
        ("limit=0", 400, "limit"),
        ("limit=101", 400, "limit"),
        ("limit=-1", 400, "limit"),
        ("limit=x", 400, "limit"),
        ("limit=", 400, "limit"),
        ("limit=1e1", 400, "limit"),
        ("limit=%D9%A3", 400, "limit"),
        ("order=up", 400, "order"),
        ("after=nothing", 404, "after"),
        ("after=%00%FF", 404, "after"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused_by_name(server, query, status, param):
    id = keep(server)
    for path in (PATH, f"{PATH}/{id}/messages"):
        error = refusal(ask(server, "GET", f"{path}?{query}"), status)
        assert (error["type"], error["param"]) == ("invalid_request_error", param)
        assert error["code"]


def test_paging_goes_on_while_what_was_listed_is_deleted(storing):
    left = {keep(storing, str(number)) for number in range(7)}
    after = ""
    while (page := listed(storing, f"limit=2&after={after}"))["data"]:
        for id in ids(page):
            assert ask(storing, "DELETE", f"{PATH}/{id}").status == 200
            left.remove(id)
        after = page["last_id"]
    assert not left


def test_new_metadata_take_the_place_of_the_old(storing):
    id = keep(storing, metadata={"a": "1", "b": "2"})
    before = ask(storing, "GET", f"{PATH}/{id}").json
    answer = post(storing, {"metadata": {"c": "é\U0001f4a9"}}, path=f"{PATH}/{id}")
    assert answer.json == {**before, "metadata": {"c": "é\U0001f4a9"}}
    assert ask(storing, "GET", f"{PATH}/{id}").json == answer.json
    assert ids(listed(storing, "metadata[a]=1")) == []
    assert ids(listed(storing, "metadata[c]=%C3%A9%F0%9F%92%A9")) == [id]
    assert not post(storing, {"metadata": None}, path=f"{PATH}/{id}").json["metadata"]


@pytest.mark.parametrize(
    "metadata",
    [
        {"k" * 65: "v"},
        {"k": "v" * 513},
        {str(number): "v" for number in range(17)},
        {"k": 1},
        {"k": None},
        [],
        "x",
    ],
)
def test_metadata_past_their_limits_are_refused_and_change_nothing(storing, metadata):
    id = keep(storing, metadata={"a": "1"})
    error = refusal(post(storing, {"metadata": metadata}, path=f"{PATH}/{id}"), 400)
    assert error["param"].startswith("metadata")
    assert ask(storing, "GET", f"{PATH}/{id}").json["metadata"] == {"a": "1"}


def test_metadata_at_their_limits_are_kept(storing):
    most = {f"{number:>064}": "\U0001f4a9" * 512 for number in range(16)}
    id = keep(storing, metadata=most)
    assert ask(storing, "GET", f"{PATH}/{id}").json["metadata"] == most
    assert post(storing, {"metadata": most}, path=f"{PATH}/{id}").status == 200


def test_an_update_without_metadata_is_refused(storing):
    id = keep(storing)
    assert refusal(post(storing, b"{}", path=f"{PATH}/{id}"), 400)["param"] == "metadata"


def test_what_is_deleted_is_gone(storing):
    id, other = keep(storing), keep(storing)
    answer = ask(storing, "DELETE", f"{PATH}/{id}")
    assert answer.json == {"object": "chat.completion.deleted", "id": id, "deleted": True}
    assert ids(listed(storing)) == [other]
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/messages")):
        error = refusal(ask(storing, method, f"{PATH}/{id}{path}"), 404)
        assert (error["param"], error["code"]) == ("completion_id", "not_found")
        assert id in error["message"]
    refusal(post(storing, {"metadata": {}}, path=f"{PATH}/{id}"), 404)


def test_the_messages_are_those_of_the_request_whatever_their_role(storing):
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Very."},
        {"role": "user", "content": [{"type": "text", "text": "é"}], "name": "n"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "7"},
    ]
    id = post(storing, {"model": "m", "messages": messages, "store": True}).json["id"]
    page = ask(storing, "GET", f"{PATH}/{id}/messages").json
    assert (page["object"], page["has_more"]) == ("list", False)
    assert [message["role"] for message in page["data"]] == [message["role"] for message in messages]
    assert len(set(ids(page))) == 5
    assert (page["first_id"], page["last_id"]) == (ids(page)[0], ids(page)[-1])
    reverse = ask(storing, "GET", f"{PATH}/{id}/messages?order=desc&limit=2").json
    assert (ids(reverse), reverse["has_more"]) == (ids(page)[:2:-1], True)
    rest = ask(storing, "GET", f"{PATH}/{id}/messages?after={ids(page)[2]}").json
    assert ids(rest) == ids(page)[3:]


def test_ids_of_all_kinds_are_found_again():
    tape = play(delta("x").replace('"id": "c"', '"id": "é \U0001f4a9?&#%"'), DONE)
    with ReplayServer(tape, match="order", speed=None) as server:
        id = post(server, {**ECHO, "store": True}).json["id"]
        assert id == "é \U0001f4a9?&#%"
        encoded = "%C3%A9%20%F0%9F%92%A9%3F%26%23%25"
        assert ask(server, "GET", f"{PATH}/{encoded}").json["id"] == id
        assert ids(listed(server)) == [id]
        assert ids(listed(server, f"after={encoded}")) == []
        assert ask(server, "GET", f"{PATH}/{encoded}/messages").json["data"]
        assert ask(server, "DELETE", f"{PATH}/{encoded}").json["id"] == id


def test_completions_are_there_when_the_server_comes_again(tmp_path):
    with ReplayServer(speed=None, db=tmp_path / "c.db") as server:
        first = keep(server, metadata={"a": "1"})
    with ReplayServer(speed=None, db=tmp_path / "c.db") as server:
        second = keep(server)
        assert first != second
        assert ids(listed(server)) == [first, second]


def test_a_database_that_fails_is_a_500_that_does_not_stop_the_rest(tmp_path):
    with ReplayServer(speed=None, db=tmp_path / "c.db") as server:
        keep(server)
        with sqlite3.connect(tmp_path / "c.db") as database:
            for (name,) in database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            ).fetchall():
                database.execute(f'DROP TABLE IF EXISTS "{name}"')
        database.close()
        assert refusal(ask(server, "GET", PATH), 500)["type"] == "server_error"
        assert refusal(post(server, {**ECHO, "store": True}), 500)["type"] == "server_error"
        assert post(server).status == 200


def test_all_of_it_goes_over_one_connection(storing):
    with RawClient(storing) as client:
        id = client.ask("POST", PATH, body={**ECHO, "store": True}).json["id"]
        assert client.ask("GET", f"{PATH}/{id}").status == 200
        assert client.ask("HEAD", f"{PATH}/{id}").status == 200
        assert client.ask("POST", f"{PATH}/{id}", body={"metadata": {"a": "b"}}).status == 200
        assert client.ask("GET", f"{PATH}/{id}/messages").status == 200
        assert client.ask("DELETE", f"{PATH}/{id}").status == 200
        assert client.ask("GET", f"{PATH}/{id}").status == 404


def test_an_origin_that_is_told_twice_is_a_foreign_one():
    with ReplayServer(speed=None) as server, RawClient(server) as client:
        own = f"http://127.0.0.1:{server.port}"
        lines = [
            f"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1:{server.port}",
            "Origin: http://evil.example",
            f"Origin: {own}",
            "",
            "",
        ]
        client.socket.sendall("\r\n".join(lines).encode())
        assert client.answer().status == 403


def test_an_id_with_a_slash_is_found_by_the_link_of_the_page():
    chunk = {"id": "gen/1 ü", "choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}
    with ReplayServer(play(f"data: {json.dumps(chunk)}\n\n", DONE), match="order", speed=None) as server:
        assert post(server, {**ECHO, "store": True}).status == 200
        (link,) = re.findall(r'href="(/v1/chat/completions/[^"]+)"', ask(server, "GET", "/").body.decode())
        assert ask(server, "GET", link).json["id"] == "gen/1 ü"
        assert ask(server, "GET", f"{link}/messages").json["data"]
        assert ask(server, "DELETE", link).json["deleted"] is True


def test_ids_are_not_given_twice_by_two_servers_on_one_file(tmp_path):
    ids = []
    with ReplayServer(db=tmp_path / "db", speed=None) as one, ReplayServer(db=tmp_path / "db", speed=None) as other:
        for server in (one, other, one, other):
            post(server)
            ids.append(post(server, {**ECHO, "store": True}).json["id"])
        stored = [entry["id"] for entry in ask(one, "GET", "/v1/chat/completions").json["data"]]
    with ReplayServer(db=tmp_path / "db", speed=None) as again:
        ids.append(post(again, {**ECHO, "store": True}).json["id"])
    assert len(set(ids)) == 5
    assert stored == ids[:4]


def test_a_database_that_is_damaged_from_outside_is_told_as_such(tmp_path):
    with ReplayServer(db=tmp_path / "db", speed=None) as server:
        other = sqlite3.connect(tmp_path / "db")
        other.execute("DROP TABLE metadata")
        other.commit()
        other.close()
        answer = post(server, {**ECHO, "store": True})
        assert (answer.status, answer.error["code"]) == (500, "database_error")
