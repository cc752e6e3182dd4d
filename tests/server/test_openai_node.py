"""The official SDK for Node drives the server, unchanged: `node/drive.mjs` does, once, and what it found is looked at here."""

import json
import re
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from chatstream.recording import Recording
from chatstream.server import ReplayServer

FOLDER = Path(__file__).resolve().parent / "node"
OLDEST = 20  # the oldest node that the SDK runs on
ANSWER = "You said: Rain in Oslo?\n\nThis is an echo, made of your own request and by no model."
TAPE = """\
data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"From a"}}]}

data: {"id":"c","choices":[{"index":0,"delta":{"content":" tape."},"finish_reason":"stop"}]}

data: [DONE]

"""
# No scripts of packages, nothing asked of the network but the package itself, and that once: where it cannot be had, the
# tests skip and need not wait for it.
INSTALL = [
    "install",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--no-package-lock",
    "--prefer-offline",
    "--fetch-retries=0",
]


@pytest.fixture(scope="session")
def script(tmp_path_factory):
    """The command that runs the script, in a folder where the SDK is installed."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("the SDK for Node needs node and npm, and they are not both here")
    version = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST:
        pytest.skip(f"the SDK for Node needs node {OLDEST}, and this is {version}")
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "drive.mjs"):
        shutil.copy(FOLDER / name, folder)
    install(npm, folder)
    yield [node, str(folder / "drive.mjs")]
    shutil.rmtree(folder / "node_modules")  # pytest keeps the folders of the last runs, and this is 20 MB


def install(npm, folder):
    try:
        done = subprocess.run([npm, *INSTALL], cwd=folder, check=False, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip("the SDK for Node cannot be installed: npm did not come to an end")
    if done.returncode:
        code = re.search(r"^npm err(?:or|!) code (\S+)$", done.stderr, re.IGNORECASE | re.MULTILINE)
        pytest.skip(f"the SDK for Node cannot be installed: npm says {code[1] if code else done.returncode}")


@pytest.fixture(scope="module")
def found(script):
    """What each part of the script found."""
    with ExitStack() as running:

        def start(*tapes, **options):
            return running.enter_context(ReplayServer(tapes, speed=None, grace=0.1, **options)).base_url

        servers = {
            "echo": start(fault_header=True),
            "keyed": start(api_key="right"),
            "failing": start(faults="status:503,times=2"),
            "limited": start(faults="rate_limit:1,times=1"),
            "tape": start(Recording.parse(TAPE.encode())),
        }
        ended = subprocess.run([*script, json.dumps(servers)], check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    parts = json.loads(ended.stdout)
    assert {name: part["threw"] for name, part in parts.items() if "threw" in part} == {}
    return parts


def test_create_gives_a_completion_and_its_request_id(found):
    part = found["create"]
    (choice,) = part["data"]["choices"]
    assert (part["data"]["object"], choice["message"]["content"]) == ("chat.completion", ANSWER)
    assert part["request_id"] == part["header"] == part["own"] != ""


def test_a_stream_adds_up_to_the_answer(found):
    part = found["stream"]
    assert part["text"] == ANSWER
    assert len(part["ids"]) == 1
    assert part["last"]["choices"] == []
    assert part["last"]["usage"]["completion_tokens"] > 0


def test_the_stream_helper_has_the_events_and_the_completion(found):
    part = found["helper"]
    assert (part["content"], part["done"], part["ends"]) == (ANSWER, [ANSWER], 1)
    (choice,) = part["final"]["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (ANSWER, "stop")
    assert "".join(token["token"] for token in choice["logprobs"]["content"]) == ANSWER
    assert part["usage"]["total_tokens"] == found["create"]["data"]["usage"]["total_tokens"]
    assert part["chunks"] > len(choice["logprobs"]["content"])


def test_the_stream_helper_has_the_call_of_a_tool(found):
    part = found["helperWithTool"]
    called = {"name": "getWeather", "arguments": '{"city":"city"}'}
    assert part["call"] == called
    assert [{"name": done["name"], "arguments": done["arguments"]} for done in part["done"]] == [called]
    (choice,) = part["final"]["choices"]
    assert (choice["finish_reason"], choice["message"]["tool_calls"][0]["function"]) == ("tool_calls", called)


@pytest.mark.parametrize("way", ["whole", "streamed"])
def test_run_tools_calls_the_tool_and_gets_a_text(found, way):
    part = found["runTools"][way]
    assert part["called"] == ["city"]
    assert part["roles"] == ["user", "assistant", "tool", "assistant"]
    assert part["text"].startswith("getWeather returned: 12 degrees in city")


def test_lists_page_by_themselves(found):
    part = found["stored"]
    assert len(set(part["made"])) == 5
    assert part["listed"] == part["made"]
    assert part["backwards"] == part["made"][::-1]
    assert part["after"] == part["made"][1:2]


def test_lists_are_filtered_by_model_and_metadata(found):
    part = found["stored"]
    assert part["ofModel"] == part["made"][1::2]
    assert part["even"] == part["made"][::2]
    assert part["oddlyNamed"] == part["made"][3:4]


def test_a_stored_completion_is_retrieved_with_its_messages(found):
    part = found["stored"]
    retrieved, made = part["retrieved"], part["first"]
    assert {name: retrieved[name] for name in made} == made
    assert retrieved["metadata"] == {"parity": "0", "a key": "0 & more"}
    (message,) = part["messages"]
    assert (message["role"], message["content"], bool(message["id"])) == ("user", "Rain in Oslo?", True)


def test_a_stored_completion_is_updated_and_deleted(found):
    part = found["stored"]
    assert part["updated"] == part["again"] == {"seen": "yes"}
    assert part["deleted"] == {"object": "chat.completion.deleted", "id": part["made"][0], "deleted": True}
    assert (part["gone"]["kind"], part["gone"]["status"]) == ("NotFoundError", 404)
    assert part["left"] == []


def test_models_are_listed_and_retrieved(found):
    assert found["models"] == {"listed": ["echo"], "one": "chatstream"}


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("role", ("BadRequestError", 400, "invalid_value", "messages[0].role")),
        ("limit", ("BadRequestError", 400, "invalid_value", "limit")),
        ("key", ("AuthenticationError", 401, "invalid_api_key", None)),
        ("completion", ("NotFoundError", 404, "not_found", "completion_id")),
        ("schema", ("UnprocessableEntityError", 422, "unusable_schema", "response_format.json_schema.schema.properties.no")),
        ("busy", ("RateLimitError", 429, "rate_limit_exceeded", None)),
        ("server", ("InternalServerError", 503, None, None)),
    ],
)  # fmt: skip
def test_errors_are_the_sdks_classes(found, part, told):
    error = found["errors"][part]
    assert (error["kind"], error["status"], error["code"], error["param"]) == told
    assert error["requestID"].startswith("req_")
    assert error["message"].startswith(f"{error['status']} ")


def test_errors_are_retried_away_and_retry_after_is_obeyed(found):
    part = found["retries"]
    assert (part["failing"], part["limited"]) == (ANSWER, ANSWER)
    assert 0.99 <= part["seconds"] < 3


def test_a_first_byte_that_is_late_is_a_timeout(found):
    assert found["faults"]["late"]["kind"] == "APIConnectionTimeoutError"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("reset", "TypeError"),  # what node's fetch says, and the SDK passes on
        ("disconnect", "TypeError"),
        ("malformed", "SyntaxError"),
        ("errorEvent", "APIError"),
    ],
)
def test_a_stream_that_breaks_is_an_error_after_what_came(found, fault, kind):
    part = found["faults"][fault]
    assert (part["text"], part["error"]["kind"]) == ("You said", kind)


def test_an_error_event_has_its_words(found):
    error = found["faults"]["errorEvent"]["error"]
    assert (error["message"], error["type"]) == ("a fault that was asked for: error_event:3", "server_error")


@pytest.mark.parametrize("fault", ["split", "noDone"])
def test_a_fault_that_breaks_nothing_changes_no_text(found, fault):
    assert found["faults"][fault] == {"text": ANSWER, "error": None}


def test_a_stream_can_be_left(found):
    assert (found["abort"]["kind"], found["abort"]["text"], found["abort"]["aborted"]) == (
        "APIUserAbortError",
        "You said",
        True,
    )


def test_a_tape_comes_streamed_and_whole(found):
    assert found["tape"] == {"streamed": "From a tape.", "whole": "From a tape."}


def test_the_base_url_is_taken_from_the_environment(found):
    assert found["environment"]["text"] == ANSWER
    assert found["environment"]["baseURL"].endswith("/v1")
