import pytest

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
