"""The errors: the tree, what `str()` may show, and that they survive a process border."""

import copy
import inspect
import pickle

import pytest

from building import event, read_error, say
from chatstream import errors
from chatstream.errors import (
    APIError,
    APIStatusError,
    APIStreamError,
    APITimeoutError,
    ChatStreamError,
    NotAStreamError,
    RecordingError,
    StreamInterruptedError,
    StreamLimitError,
    ToolLoopLimitError,
    status_error_class,
)
from chatstream.types import ChatCompletion, build

# errors.md, drawn as child: parents.
TREE = {
    "ChatStreamError": ["Exception"],
    "APIError": ["ChatStreamError"],
    "APIStatusError": ["APIError"],
    "BadRequestError": ["APIStatusError"],
    "AuthenticationError": ["APIStatusError"],
    "PermissionDeniedError": ["APIStatusError"],
    "NotFoundError": ["APIStatusError"],
    "ConflictError": ["APIStatusError"],
    "UnprocessableEntityError": ["APIStatusError"],
    "RateLimitError": ["APIStatusError"],
    "InternalServerError": ["APIStatusError"],
    "APIStreamError": ["APIError"],
    "APIConnectionError": ["APIError"],
    "APITimeoutError": ["APIConnectionError"],
    "APIUserAbortError": ["APIError"],
    "InvalidStreamError": ["APIError"],
    "TruncatedStreamError": ["InvalidStreamError"],
    "IncompleteStreamError": ["TruncatedStreamError"],
    "StreamInterruptedError": ["TruncatedStreamError", "APIConnectionError"],
    "StreamProtocolError": ["InvalidStreamError"],
    "StreamLimitError": ["InvalidStreamError"],
    "NotAStreamError": ["InvalidStreamError"],
    "LengthFinishReasonError": ["ChatStreamError"],
    "ContentFilterFinishReasonError": ["ChatStreamError"],
    "OutputParseError": ["ChatStreamError"],
    "ToolLoopLimitError": ["ChatStreamError"],
    "RecordingError": ["ChatStreamError"],
    "ParameterError": ["ChatStreamError", "ValueError"],
    "StreamConsumedError": ["ChatStreamError", "RuntimeError"],
}
CLASSES = [getattr(errors, name) for name in TREE]


@pytest.mark.parametrize("name", TREE)
def test_the_tree_is_the_one_that_is_drawn(name):
    assert [parent.__name__ for parent in getattr(errors, name).__bases__] == TREE[name]


def test_there_is_no_other_class_and_each_can_be_imported():
    classes = {
        name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, BaseException)
    }
    assert classes == TREE.keys()
    assert set(errors.__all__) == {*TREE, "status_error_class"}


def test_every_class_is_drawn_in_the_module_s_own_tree():
    assert all(name in errors.__doc__ for name in TREE)


@pytest.mark.parametrize(
    ("status", "name"),
    [(400, "BadRequestError"), (401, "AuthenticationError"), (403, "PermissionDeniedError"), (404, "NotFoundError"),
     (409, "ConflictError"), (422, "UnprocessableEntityError"), (429, "RateLimitError"),
     (500, "InternalServerError"), (503, "InternalServerError"), (599, "InternalServerError"),
     (402, "APIStatusError"), (418, "APIStatusError"), (499, "APIStatusError")],
)  # fmt: skip
def test_each_status_has_its_class(status, name):
    assert status_error_class(status).__name__ == name


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_can_be_made_with_a_message_alone(cls):
    error = cls("what happened")
    assert "what happened" in str(error)
    assert error.message == "what happened"
    assert error.completion is None
    assert error.request_id is None


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_can_be_made_without_anything(cls):
    str(cls())
    assert cls().completion is None


COMPLETION = build(ChatCompletion, {"id": "c1", "choices": [{"index": 0, "message": {"content": "the answer"}}]})
DETAILED = [
    *(cls("what", completion=COMPLETION, request_id="r1") for cls in CLASSES),
    APIStatusError(
        "what", status_code=429, body={"a": 1}, headers={"x-y": "z"}, type="t", code="c", param="p", request_id="r"
    ),
    APIStreamError("what", type="t", code=5, param="p", body={"b": [1]}),
    APITimeoutError("what", phase="idle"),
    StreamLimitError(limit="max_text", value=5, events=[1]),
    NotAStreamError("what", content_type="text/html"),
    ToolLoopLimitError("what", messages=[{"role": "user"}]),
    RecordingError("what", line=3, offset=70),
]


@pytest.mark.parametrize("error", DETAILED, ids=repr)
@pytest.mark.parametrize("way", [*range(pickle.HIGHEST_PROTOCOL + 1), copy.copy, copy.deepcopy])
def test_errors_survive_pickling_and_copying(error, way):
    found = way(error) if callable(way) else pickle.loads(pickle.dumps(error, protocol=way))  # noqa: S301  our own
    assert type(found) is type(error)
    assert str(found) == str(error)
    assert found.args == error.args
    assert found.completion == error.completion
    mine, theirs = ({key: value for key, value in vars(one).items() if key != "_completion"} for one in (found, error))
    assert mine == theirs


def test_an_error_of_a_stream_survives_pickling_with_what_had_arrived():
    error = read_error(event(say(content="Hi")))
    found = pickle.loads(pickle.dumps(error))  # noqa: S301  our own
    assert type(found) is type(error)
    assert found.completion == error.completion
    assert found.completion.choices[0].message.content == "Hi"


def test_a_completion_is_built_when_it_is_read_and_once():
    built = []
    error = ChatStreamError("x", completion=lambda: built.append(1) or COMPLETION)
    assert built == []
    assert error.completion is COMPLETION
    assert error.completion is COMPLETION
    assert built == [1]
    assert ChatStreamError("x", completion=lambda: None).completion is None


def test_attributes_say_what_their_class_promises():
    status = APIStatusError(
        "no", status_code=429, body={"a": 1}, headers={"h": "v"}, type="t", code="c", param="p", request_id="r"
    )
    assert (status.status_code, status.body, status.headers) == (429, {"a": 1}, {"h": "v"})
    assert (status.type, status.code, status.param, status.request_id) == ("t", "c", "p", "r")
    assert APITimeoutError(phase="idle").phase == "idle"
    assert (StreamLimitError(limit="max_text", value=5).limit, StreamLimitError(limit="max_text", value=5).value) == (
        "max_text",
        5,
    )
    assert NotAStreamError(content_type="text/html").content_type == "text/html"
    assert ToolLoopLimitError(messages=[1]).messages == [1]
    assert (RecordingError(line=1, offset=2).line, RecordingError(line=1, offset=2).offset) == (1, 2)


# ---------------------------------------------------------------- what is shown


def test_str_has_the_status_the_code_and_the_service_s_own_message():
    shown = str(APIStatusError("You exceeded your quota", status_code=429, code="insufficient_quota"))
    assert all(part in shown for part in ("429", "insufficient_quota", "You exceeded your quota"))
    shown = str(APIStreamError("Overloaded", code="server_error"))
    assert all(part in shown for part in ("server_error", "Overloaded"))


def test_a_limit_is_named_with_its_value():
    shown = str(StreamLimitError(limit="max_choices", value=128))
    assert "max_choices" in shown
    assert "128" in shown


SECRETS = [
    "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789",
    "sk-ant-api03-AbCdEf_123-456789012345678901234567890",
    "sk-or-v1-0123456789abcdef0123456789abcdef0123456789abcdef",
    "sk-abcd************************wxyz",
    "gsk_0123456789abcdefghijklmnop",
    "xai-0123456789abcdefghijklmnop",
    "AIzaSyA0123456789abcdefghijklmnopqrstuv",
    "hf_0123456789abcdefghijklmnop",
    "pplx-0123456789abcdefghijklmnop",
    "nvapi-0123456789abcdefghijklmnop",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: %s. See the docs.",
        "key=%s",
        '{"api_key": "%s"}',
        "%s",
        "Authorization: Bearer %s",
        "(%s)",
        "a\n%s\nb",
    ],
)
@pytest.mark.parametrize(
    "make",
    [ChatStreamError, lambda text: APIStatusError(text, status_code=401), lambda text: APIStreamError(text, code="x")],
)
def test_keys_are_masked_in_str_and_repr_and_kept_in_the_attribute(make, secret, text):
    error = make(text % secret)
    assert secret not in str(error)
    assert secret[-8:] not in str(error)
    assert secret not in repr(error)
    assert "".join(map(str, error.args)).count(secret[-8:]) == 0
    assert error.message == text % secret


@pytest.mark.parametrize(
    "header", ["Bearer abcdef0123456789", "Basic dXNlcjpwYXNzd29yZA==", "api-key: 0123456789abcdef0123456789abcdef"]
)
def test_header_values_are_masked(header):
    assert header.split()[-1] not in str(APIError(f"the proxy said: {header}"))


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("cannot reach redis://:hunter2secret@cache:6379", "hunter2secret"),
        ("cannot reach postgres://app:hunter2secret@db/x", "hunter2secret"),
        ("401 for https://hunter2secret@host.example/x", "hunter2secret"),
        ("pwd=hunter2secret is wrong", "hunter2secret"),
        ("sent Cookie: session=hunter2secret; id=hunter3secret", "hunter2secret"),
        ("sent Cookie: session=hunter2secret; id=hunter3secret", "hunter3secret"),
    ],
)
def test_what_is_said_in_addresses_and_cookies_is_masked(text, secret):
    assert secret not in str(APIError(text))


@pytest.mark.parametrize(
    "text",
    [
        "https://docs.example/errors says: mail me@host.example",
        "The model `gpt-4o` does not exist",
        "Rate limit reached for gpt-4o: 10000 tokens per min",
        "max_tokens is too large: 99999",
        "task-oriented risk-based",
    ],
)
def test_plain_words_are_not_masked(text):
    assert str(APIError(text)) == text


def test_a_key_in_a_code_is_masked_as_well():
    assert SECRETS[0] not in str(APIStreamError("x", code=SECRETS[0]))


@pytest.mark.parametrize("length", [0, 1, 499, 500, 501, 10_000, 10**6])
def test_str_is_cut_at_500_characters(length):
    for error in (
        ChatStreamError("x" * length),
        APIStatusError("x" * length, status_code=500),
        APIStreamError("x" * length, code="c" * length),
    ):
        assert len(str(error)) <= 500
        assert len(error.message) == length
    if length <= 490:
        assert str(ChatStreamError("x" * length)) == "x" * length


@pytest.mark.parametrize("at", [490, 495, 499, 3990, 3999])
def test_a_key_at_the_cut_is_not_shown_in_part(at):
    shown = str(ChatStreamError(" " * at + SECRETS[0]))
    assert "abcdef" not in shown


def test_str_can_always_be_encoded():
    assert str(ChatStreamError("a\ud83db\udc00")).encode()
    assert str(APIStreamError("x", code="\ud83d")).encode()


@pytest.mark.parametrize("cls", CLASSES)
def test_neither_str_nor_repr_shows_the_answer(cls):
    error = cls("what happened", completion=COMPLETION)
    assert "the answer" not in str(error) + repr(error)


def test_neither_body_nor_headers_are_shown():
    error = APIStatusError("no", status_code=400, body={"prompt": "tell me"}, headers={"authorization": "hunter2"})
    assert "tell me" not in str(error) + repr(error)
    assert "hunter2" not in str(error) + repr(error)


def test_one_clause_catches_all_that_asking_can_bring():
    assert issubclass(StreamInterruptedError, APIError)
    with pytest.raises(APIError):
        raise StreamInterruptedError
