import json

import pytest
import yaml

from chatstream.recording import Recording
from chatstream.recording.secrets import Secrets
from chatstream.tapes import check, check_mode
from tapes_for_tests import ASKED, DONE, recording, tape
from wire import chunk, wire

KEY = "sk-canary-0123456789abcdef"
GOOD = tape((0, "q", ASKED), (0, "j", chunk({"content": "a"})), (0, "s", DONE))


def kinds(data, secrets=Secrets()):  # noqa: B008  immutable
    return [finding.kind for finding in check(Recording.parse_all(data), secrets)]


def test_a_tape_in_order_has_no_findings():
    assert kinds(GOOD) == []
    assert kinds(GOOD + GOOD) == []
    assert kinds(wire([chunk({"content": "a"})])) == []


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", ["empty"]),
        (b"some words\n", ["unknown"]),
        (GOOD[:-9], ["torn"]),
        (GOOD.replace(b'[0, "s"', b'[-1, "s"'), ["broken"]),
        (tape((0, "q", ASKED), end=None), ["no_end"]),
        (tape((0, "q", ASKED), end=None) + b"?\n" + b'[0,"s","a"]\n', ["broken"]),
        (GOOD.replace(b'"a"', b'"b"'), ["changed"]),
        (GOOD + b'[0,"n",{}]\n', ["changed"]),
        (tape((0, "n", {"lost": "q", "error": "TypeError"})), ["lost"]),
        (tape((0, "q", {**ASKED, "headers": {"authorization": "x"}})), ["header"]),
        (tape((0, "j", chunk({"content": KEY}))), ["secret"]),
        (tape((0, "j", chunk({"content": KEY[:9]})), (1, "j", chunk({"content": KEY[9:]}))), ["secret"]),
    ],
)
def test_what_is_not_in_order_is_found(data, found):
    assert kinds(data) == found


def test_a_finding_names_the_recording_and_never_the_secret():
    findings = check(
        Recording.parse_all(
            GOOD + tape((0, "q", {**ASKED, "body": KEY}), (0, "j", chunk({"content": f"{KEY} {KEY}"})))
        ),
        Secrets(),
    )
    assert [(finding.number, finding.message) for finding in findings] == [
        (2, "2 secrets in the answer"),
        (2, "a secret in the request"),
    ]
    assert KEY not in str([finding.to_dict() for finding in findings])


def test_a_secret_that_only_its_owner_knows_is_found():
    data = tape((0, "j", chunk({"content": "the word is swordfish"})))
    assert kinds(data) == []
    assert kinds(data, Secrets(["swordfish"])) == ["secret"]


def test_a_file_that_others_may_read_is_told(tmp_path):
    file = tmp_path / "x"
    file.write_bytes(GOOD)
    file.chmod(0o640)
    assert [finding.message for finding in check_mode(file)] == ["others may read it (mode 0640)"]
    file.chmod(0o600)
    assert check_mode(file) == []


def test_what_a_recorder_lost_is_found():
    assert [finding.kind for finding in check([recording((0, "n", {"lost": "reads"}))], Secrets())] == ["lost"]


def test_every_byte_that_is_missing_at_the_end_is_found():
    for end in range(len(GOOD) - 1):  # the last one is a line end, which nobody needs
        assert kinds(GOOD[:end]), end


# Files that are no tapes


def interaction(*, asked=None, answered=None, content="Hello", uri="https://x.example/v1/chat/completions"):
    answer = {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"content": content}, "finish_reason": "stop"}],
    }
    return {
        "request": {"method": "POST", "uri": uri, "headers": asked or {}, "body": json.dumps({"model": "m"})},
        "response": {"status": {"code": 200}, "headers": answered or {}, "body": {"string": json.dumps(answer)}},
    }


def cassette(*interactions, **members):
    return {"interactions": list(interactions), "version": 1, **members}


def har(*interactions, **members):
    def headers(side):
        return [{"name": name, "value": value} for name, values in side["headers"].items() for value in values]

    entries = [
        {
            "request": {
                **one["request"],
                "url": one["request"]["uri"],
                "headers": headers(one["request"]),
                "cookies": [],
            },
            "response": {
                "status": 200,
                "headers": headers(one["response"]),
                "content": {"mimeType": "application/json", "text": one["response"]["body"]["string"]},
            },
            **members,
        }
        for one in interactions
    ]
    return {"log": {"version": "1.2", "entries": entries}}


WRITERS = {
    "YAML": lambda *interactions: yaml.safe_dump(cassette(*interactions)).encode(),
    "narrow YAML": lambda *interactions: yaml.safe_dump(cassette(*interactions), width=20).encode(),
    "JSON": lambda *interactions: json.dumps(cassette(*interactions)).encode(),
    "indented JSON": lambda *interactions: json.dumps(cassette(*interactions), indent=1).encode(),
    "HAR": lambda *interactions: json.dumps(har(*interactions)).encode(),
    "indented HAR": lambda *interactions: json.dumps(har(*interactions), indent=1).encode(),
}


def findings(data, secrets=Secrets()):  # noqa: B008  immutable
    found = check(Recording.parse_all(data), secrets, data)
    return [(finding.kind, finding.message, finding.number) for finding in found]


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", f"Bearer {KEY}"),
        ("authorization", "Basic Y2FuYXJ5OmNhbmFyeS0wMTIzNDU2Nzg5"),
        ("x-api-key", "0123456789abcdef"),
        ("Cookie", "theme=dark; sid=0123456789abcdef"),
    ],
)
def test_a_key_in_a_header_that_is_not_played_is_found(write, name, value):
    data = write(interaction(), interaction(asked={name: [value]}))
    assert findings(data) == [("secret", f"a secret in the header {name.lower()}", 2)]
    assert findings(data.replace(b"\r", b"")) == findings(data)


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_file_without_secrets_has_no_findings_whatever_headers_it_has(write):
    asked = {"user-agent": ["x/1"], "host": ["api.example"], "authorization": ["REDACTED"], "x-api-key": ["***"]}
    answered = {
        "cf-ray": ["8a1b2c3d4e5f6a7b-FRA"],
        "set-cookie": ["sid=***; path=/"],
        "x-ratelimit-limit-tokens": ["150000000"],
    }
    assert findings(write(interaction(asked=asked, answered=answered))) == []


def test_a_key_that_a_header_shows_is_known_in_the_answer_too():
    data = WRITERS["YAML"](interaction(asked={"api-key": ["abcdef0123456789"]}, content="abcdef0123456789?"))
    assert findings(data) == [("secret", "a secret in the header api-key", 1)]
    assert b'"' + b"*" * 16 + b'?"' in Recording.parse(data).bytes


def test_what_is_played_is_told_once_and_what_stands_aside_by_its_line():
    data = WRITERS["JSON"](interaction(content=KEY))
    assert findings(data) == [("secret", "a secret in the answer", 1)]
    data = json.dumps(cassette(interaction(), comment=f"made with {KEY}"), indent=1).encode()
    line = next(number for number, text in enumerate(data.splitlines(), 1) if KEY.encode() in text)
    assert findings(data) == [("secret", f"a secret in line {line}, which is not played", None)]
    data = WRITERS["YAML"](interaction(asked={"x-note": ["the word is swordfish"]}))
    assert findings(data) == []
    line = next(number for number, text in enumerate(data.splitlines(), 1) if b"swordfish" in text)
    assert findings(data, Secrets(["swordfish"])) == [("secret", f"a secret in line {line}, which is not played", None)]


def test_a_password_before_the_host_is_found_though_no_recording_has_the_host():
    data = WRITERS["JSON"](interaction(uri="https://me:canary-0123456789@x.example/v1/chat/completions"))
    assert findings(data) == [("secret", "a secret in line 1, which is not played", None)]


def test_cookies_that_stand_beside_the_headers_of_a_har_file_are_found():
    one = har(interaction())
    one["log"]["entries"][0]["request"]["cookies"] = [{"name": "sid", "value": "abcdefgh12345678"}]
    assert findings(json.dumps(one).encode()) == [("secret", "a secret in the header cookie sid", 1)]


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_wherever_such_a_file_is_cut_a_whole_key_in_it_is_found(write):
    data = write(interaction(asked={"authorization": [f"Bearer {KEY}"]}))
    end = data.index(KEY.encode()) + len(KEY)
    for cut in range(end, len(data), 37):
        assert "secret" in [kind for kind, _, _ in findings(data[:cut])]


def test_the_text_of_a_stream_is_told_once():
    data = wire([chunk({"content": f"{KEY} "}), chunk({"content": KEY[:9]}), chunk({"content": KEY[9:]})])
    assert findings(data) == [("secret", "2 secrets in the answer", 1)]
