import json
import re
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.recording.credentials import credentials_of, hold_credentials
from chatstream.recording.secrets import Secrets
from chatstream.recording.writing.masking import Masker

NOTHING = Secrets()
KNOWN = Secrets(["hunter2-canary/\u00e9"])


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("the key is sk-proj-abcdef0123456789!", "sk-proj-abcdef0123456789"),
        ("gsk_abcdefgh01234567", "gsk_abcdefgh01234567"),
        ("(hf_AbCdEfGhIjKlMnOpQrSt)", "hf_AbCdEfGhIjKlMnOpQrSt"),
        ("AKIAABCDEFGHIJKLMNOP", "AKIAABCDEFGHIJKLMNOP"),
        ("AIzaSyA-0123456789abcdefghijklmnopqrst", "AIzaSyA-0123456789abcdefghijklmnopqrst"),
        ("xoxb-0123-4567-abcdef", "xoxb-0123-4567-abcdef"),
        ("x eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0 y", "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0"),
        ("Authorization: Bearer abcDEF0123", "abcDEF0123"),
        ("authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ('{"api_key":"x y\\"z"}', 'x y\\"z'),
        ('{"clientSecret" : "s"}', "s"),
        ('"{\\"password\\":\\"p w\\"}"', "p w"),
        ("{'accessToken': 'abc'}", "abc"),
        ("OPENAI_API_KEY=abcdef0", "abcdef0"),
        ("password: correct-horse-battery", "correct-horse-battery"),
        ("Cookie: session=abc; theme=dark", "session=abc; theme=dark"),
        ("/v1/models?key=abcdef&x=1", "abcdef"),
        ("/v1/x?a=1&X-Amz-Signature=f00", "f00"),
        ("token=abc&grant=1", "abc"),
        ('{"api_key":"' + "a" * 3000 + '"}', "a" * 3000),
        ("postgres://me:p4ss@db/x", "p4ss"),
        ("https://0123456789@host/", "0123456789"),
        ("-----BEGIN RSA PRIVATE KEY-----\\nMIIEpAIBAAKCAQEA\\n-----END", "\\nMIIEpAIBAAKCAQEA\\n-----END"),
    ],
)
def test_what_looks_like_a_secret_is_masked_and_nothing_else(text, secret):
    masked, count = NOTHING.masked(text.encode())
    assert masked.decode() == text.replace(secret, "*" * len(secret))
    assert count == 1


@pytest.mark.parametrize(
    "text",
    [
        '{"id":"chatcmpl-AbCdEf0123456789AbCdEf","system_fingerprint":"fp_44709d6fcb"}',
        '{"token":"Hello","logprob":-0.1,"bytes":[72]}',
        '{"usage":{"prompt_tokens":12,"total_tokens":20}}',
        '{"tool_calls":[{"id":"call_AbCdEfGhIjKlMnOpQrStUvWx"}]}',
        '{"properties":{"api_key":{"type":"string"},"password":{"type":"string"}}}',
        "from huggingface_hub import hf_hub_download",
        "the bearer of the basic news",
        "Basic Understanding and Bearer Appreciation, basic JavaScript",
        "Fortune cookie: You will have a nice day",
        "password = get_password_from_the_environment()",
        'api_key=os.environ["OPENAI_API_KEY_OF_MINE"]',
        "see /search?key=value&sig=1",
        "task-oriented, ask-me-anything, risk-assessment-matrix",
        "a password is required: none was given",
        '{"key":"value","keys":["a"],"monkey":"business"}',
        "see https://example.com/a?b=c and mail me@example.com",
        '{"audio":{"data":"UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQ=="}}',
    ],
)
def test_what_only_reminds_of_a_secret_stays(text):
    assert NOTHING.masked(text.encode()) == (text.encode(), 0)


@pytest.mark.parametrize(
    "spelled",
    [
        "hunter2-canary/\u00e9",
        "hunter2\\u002dcanary\\/\\u00E9",
        "hunter2%2Dcanary%2f%C3%A9",
        "h\\\\u0075nter2-canary/\u00e9",
    ],
)
def test_a_known_secret_is_found_however_it_is_spelled(spelled):
    data = f"<{spelled}>".encode()
    assert KNOWN.masked(data) == (b"<" + b"*" * (len(data) - 2) + b">", 1)


def test_of_a_secret_of_several_lines_each_is_one():
    key = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA\nx\n-----END KEY-----"
    text = b"data: MIIEpAIBAAKCAQEA\ndata: x\n"
    assert Secrets([key]).masked(text) == (b"data: ****************\ndata: x\n", 1)


def test_a_picture_is_not_searched_for_keys_but_what_stands_around_it_is():
    picture = "iVBORw0KGgo" + "AAAAkeyAAAApasswordAAAA" * 1000
    text = f'{{"api_key":"abc","image":"data:image/png;base64,{picture}==","x":"sk-abcdefgh0"}}'
    masked, count = NOTHING.masked(text.encode())
    assert count == 2
    assert masked.decode() == text.replace("abc", "***", 1).replace("sk-abcdefgh0", "*" * 12)


def test_what_is_masked_is_not_counted_again():
    masked, _ = NOTHING.masked(b'{"api_key":"abc","x":"sk-abcdefgh0"}')
    assert NOTHING.masked(masked) == (masked, 0)


def test_json_stays_json_also_under_a_pattern_that_takes_more_than_a_string():
    greedy = Secrets(patterns=["b.*"])
    value = {"a": ["xbc", 1, None], "b": 2}
    assert greedy.masked_value(value) == ({"a": ["***", 1, None], "*": 2}, 1)
    over = Secrets(patterns=["swordfish[^}]*}"])
    assert over.masked_value([{"a": "a swordfish", "b": "c"}, "d"]) == ([{"a": "*" * 11, "*": "*"}, "d"], 1)
    assert NOTHING.masked_value({"n": 1, "api_key": "abc", "list": ["sk-abcdefgh0"]}) == (
        {"n": 1, "api_key": "***", "list": ["*" * 12]},
        2,
    )
    assert NOTHING.masked_url("/v1/x?key=abcdef&y=1") == ("/v1/x?key=******&y=1", 1)


def test_what_is_for_certain_a_secret_is_one_wherever_else_it_stands():
    text = b'{"password":"a swordfish","client_secret":"short","x":"sk-abcdefgh0","pwd":"        ","token":"Hello there","y":"password=swordfish"}'
    assert NOTHING.named_in(text) == ["a swordfish", "        ", "sk-abcdefgh0"]
    assert repr(NOTHING.also(["        "])) == repr(NOTHING)


@pytest.mark.parametrize("piece", ["password=(", "-eyJ", "?a", "://a:", "a-", "api_key", "keyAAA", "Basic +", "sk-"])
def test_masking_takes_time_in_proportion_to_the_text(piece):
    # No figure, but a guard: a pattern that backtracked would take minutes for this, and it takes less than a second.
    data = piece.encode() * (200_000 // len(piece))
    begun = time.process_time()
    NOTHING.spans(data)
    assert time.process_time() - begun < 5


def test_patterns_mask_their_first_group_or_all_they_find():
    assert Secrets(patterns=["id-[0-9]+"]).masked(b"x id-12 y")[0] == b"x ***** y"
    assert Secrets(patterns=[re.compile("(?i)ID-([0-9]+)")]).masked(b"x id-12 y")[0] == b"x id-** y"


@pytest.mark.parametrize(
    ("make", "error", "what"),
    [
        (lambda: Secrets("abc"), TypeError, "as a list"),
        (lambda: Secrets([b"abc"]), TypeError, "a secret is a str, not bytes"),
        (lambda: Secrets([" "]), ValueError, "empty"),
        (lambda: Secrets(patterns=["("]), ValueError, "no regular expression"),
        (lambda: Secrets(patterns=["x*"]), ValueError, "in nothing"),
        (lambda: Secrets(patterns=[re.compile(b"x")]), TypeError, "not of bytes"),
    ],
)
def test_what_can_be_no_secret_is_told(make, error, what):
    with pytest.raises(error, match=what):
        make()


def test_secrets_are_not_shown():
    assert "hunter2" not in repr(KNOWN)


def test_what_a_request_shows_to_be_let_in_is_known():
    headers = {
        "Authorization": "Bearer none-of-your-business",
        "X-Api-Key": "canary-key-1",
        "Cookie": "sid=canary-cookie; theme=dark",
        "Proxy-Authorization": "Basic dXNlcjpjYW5hcnktcGFzcw==",
        "X-Session": "c4n4ry0123456789abcdef",
        "User-Agent": "openai/3.54.0 and something long 123",
        "X-Stainless-Runtime-Version": "3.11.0-and-more-0123456789",
        "X-Auth-Token": "short",
    }
    found = credentials_of(headers, "https://u:canary-user@h/p?api_key=canary-query&model=gpt-4o-2024-08-06")
    assert {
        "none-of-your-business",
        "canary-key-1",
        "canary-cookie",
        "canary-pass",
        "c4n4ry0123456789abcdef",
        "canary-user",
        "canary-query",
    } <= set(found)
    assert not {"short", "dark", "gpt-4o-2024-08-06", "openai/3.54.0 and something long 123"} & set(found)
    assert not any("3.11.0" in text for text in found)
    assert credentials_of({}, "http://[") == []


def test_headers_that_let_in_are_told_by_their_names():
    assert hold_credentials(["accept", "X-Api-Key"])
    assert not hold_credentials(["accept", "x-max-tokens"])


# Wherever it is cut


SECRET = "sk-canary-0123456789abcdef"  # noqa: S105  made up
TEXTS = [
    f"data: {json.dumps({'content': f'your key is {SECRET}!'})}\n\n",
    f'data: {{"api_key":"{SECRET[3:]}"}}\r\n\r\n',
    "Authorization: Bearer " + SECRET + "\n",
    "known: hunter2-canary/\u00e9 and hunter2%2dcanary/\u00e9.",
    "nothing here\n\nat all",
]


@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4), st.lists(st.integers(0, 400), max_size=12))
def test_a_text_is_masked_alike_wherever_it_is_cut(texts, cuts):
    data = "".join(texts).encode()
    bounds = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    masker = Masker(KNOWN)
    out = b"".join(masker.feed(data[start:end]) for start, end in pairwise(bounds))
    out += masker.flush()
    assert (out, masker.masked) == KNOWN.masked(data)
    assert SECRET.encode() not in out
    assert not masker.holds


def test_reads_that_end_with_their_lines_are_not_held():
    masker = Masker(KNOWN)
    assert masker.feed(b"data: sk-\n\n") == b"data: sk-\n\n"
    assert masker.feed(b"data: hunter2") == b""
    assert masker.feed(b"-canary\n") == b"data: hunter2-canary\n"


def test_a_line_without_an_end_is_given_out_piece_by_piece_and_masked_all_the_same():
    masker = Masker(KNOWN)
    word = b"x" * 50 + b" "
    data = (word * 400 + SECRET.encode() + b" ") * 30
    given_out = [len(masker.feed(data[at : at + 1000])) for at in range(0, len(data), 1000)]
    assert sum(given_out) > len(data) - 100_000
    whole = Masker(KNOWN)
    out = b"".join(whole.feed(data[at : at + 1000]) for at in range(0, len(data), 1000)) + whole.flush()
    assert out == data.replace(SECRET.encode(), b"*" * len(SECRET))
    assert whole.masked == 30
