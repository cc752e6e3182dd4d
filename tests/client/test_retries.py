"""Whether a request that failed is worth another try, and when."""

import email.utils
import socket
import ssl
import threading
from contextlib import closing
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.client.retries import wait_before_retry
from chatstream.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APIStreamError,
    APITimeoutError,
    APIUserAbortError,
    IncompleteStreamError,
    NotAStreamError,
    StreamInterruptedError,
    StreamLimitError,
    StreamProtocolError,
    status_error_class,
)

NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT


def wait(error, *, retries=0, max_retries=2, random=0.0, now=NOW):
    return wait_before_retry(error, retries=retries, max_retries=max_retries, random=lambda: random, now=lambda: now)


def status(code, headers=None):
    return status_error_class(code)("no", status_code=code, headers=headers)


@pytest.mark.parametrize(
    ("code", "headers", "retries", "seconds"),
    [
        (408, {}, 0, 0.5),
        (409, {}, 0, 0.5),
        (429, {}, 0, 0.5),
        (500, {}, 0, 0.5),
        (502, {}, 1, 1.0),
        (503, None, 1, 1.0),
        (529, {}, 0, 0.5),
        (500, {}, 2, None),  # both were made
        (301, {}, 0, None),
        (400, {}, 0, None),
        (401, {}, 0, None),
        (403, {}, 0, None),
        (404, {}, 0, None),
        (413, {}, 0, None),
        (422, {}, 0, None),
        # What the service says of itself decides over the status, and not over the number of tries.
        (400, {"x-should-retry": "true"}, 0, 0.5),
        (400, {"X-Should-Retry": " True "}, 1, 1.0),
        (400, {"x-should-retry": "true"}, 2, None),
        (429, {"x-should-retry": "false"}, 0, None),
        (500, {"X-SHOULD-RETRY": "FALSE", "retry-after": "1"}, 0, None),
        (500, {"x-should-retry": "maybe"}, 0, 0.5),
        (400, {"x-should-retry": "1"}, 0, None),
        # In seconds.
        (429, {"retry-after": "3"}, 0, 3.0),
        (429, {"Retry-After": "3"}, 1, 3.0),
        (429, {"RETRY-AFTER": " 0.25 "}, 0, 0.25),
        (429, {"retry-after": ".5"}, 0, 0.5),
        (429, {"retry-after": "1e1"}, 0, 10.0),
        (429, {"retry-after": "0"}, 0, 0.0),
        (429, {"retry-after": "120"}, 0, 120.0),
        (429, {"retry-after": "120.001"}, 0, None),
        (429, {"retry-after": "9" * 5000}, 0, None),
        (429, {"x-should-retry": "true", "retry-after": "121"}, 0, None),
        (400, {"retry-after": "1"}, 0, None),
        # In milliseconds, which are the more exact word.
        (429, {"retry-after-ms": "1500"}, 0, 1.5),
        (429, {"Retry-After-Ms": "0.5", "Retry-After": "60"}, 0, 0.0005),
        (429, {"retry-after": "60", "retry-after-ms": "0"}, 0, 0.0),
        (429, {"retry-after-ms": "120000"}, 0, 120.0),
        (429, {"retry-after-ms": "120001", "retry-after": "1"}, 0, None),
        (429, {"retry-after-ms": "soon", "retry-after": "7"}, 0, 7.0),
        # Dates, in the three forms that RFC 9110 has for one moment.
        (503, {"retry-after": "Sun, 06 Nov 1994 08:49:47 GMT"}, 0, 10.0),
        (503, {"retry-after": "Sunday, 06-Nov-94 08:49:47 GMT"}, 0, 10.0),
        (503, {"retry-after": "Sun Nov  6 08:49:47 1994"}, 0, 10.0),
        (503, {"retry-after": "Sun, 06 Nov 1994 09:49:47 +0100"}, 0, 10.0),
        (503, {"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"}, 0, 0.0),
        (503, {"retry-after": "Sun, 06 Nov 1994 08:00:00 GMT"}, 0, 0.0),
        (503, {"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 1, 0.0),
        (503, {"retry-after": "Sun, 06 Nov 1994 08:51:37 GMT"}, 0, 120.0),
        (503, {"retry-after": "Sun, 06 Nov 1994 08:51:38 GMT"}, 0, None),
        (503, {"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, 0, None),
        # What cannot be read says nothing.
        (503, {"retry-after": ""}, 0, 0.5),
        (503, {"retry-after": "-1"}, 0, 0.5),
        (503, {"retry-after": "nan"}, 0, 0.5),
        (503, {"retry-after": "inf"}, 0, 0.5),
        (503, {"retry-after": "Infinity"}, 0, 0.5),
        (503, {"retry-after": "1_0"}, 0, 0.5),
        (503, {"retry-after": "٣"}, 0, 0.5),
        (503, {"retry-after": "5, 5"}, 0, 0.5),
        (503, {"retry-after": "soon"}, 0, 0.5),
        (503, {"retry-after": "Sun, 99 Nov 1994 08:49:47 GMT"}, 0, 0.5),
        (503, {"retry-after": "Sun, 06 Nov 1994 08:49:47 +9999"}, 0, 0.5),
    ],
)  # fmt: skip
def test_a_status_and_its_headers_say_when_to_try_again(code, headers, retries, seconds):
    assert wait(status(code, headers), retries=retries) == seconds


def test_headers_of_any_kind_of_mapping_are_read():
    assert wait(status(429, httpx.Headers({"Retry-After": "4"}))) == 4


@pytest.mark.parametrize(
    ("retries", "seconds"), [(0, 0.5), (1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 8.0), (10**6, 8.0)]
)
def test_waits_double_up_to_eight_seconds(retries, seconds):
    assert wait(status(500), retries=retries, max_retries=10**7) == seconds


@pytest.mark.parametrize(("random", "seconds"), [(0.0, 4.0), (0.5, 3.5), (0.999999, 3.000001)])
def test_jitter_takes_up_to_a_quarter_off(random, seconds):
    assert wait(status(500), retries=3, max_retries=9, random=random) == pytest.approx(seconds)


def test_a_wait_that_was_asked_for_has_no_jitter():
    assert wait(status(500, {"retry-after": "4"}), random=0.9) == 4


def test_the_clock_is_asked_for_dates_alone():
    def broken():
        raise AssertionError

    error = status(429, {"retry-after": "4"})
    assert wait_before_retry(error, retries=0, max_retries=1, random=broken, now=broken) == 4


@pytest.mark.parametrize("max_retries", [0, 1, 2])
def test_there_are_as_many_retries_as_allowed(max_retries):
    waits = [wait(status(500), retries=retries, max_retries=max_retries) for retries in range(4)]
    assert [seconds is not None for seconds in waits] == [retries < max_retries for retries in range(4)]


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (APIConnectionError("reset"), 0.5),
        (StreamInterruptedError("reset"), 0.5),
        (APITimeoutError(phase="connect"), 0.5),
        (APITimeoutError(phase="pool"), 0.5),
        (APITimeoutError(phase="first_byte"), 0.5),
        (APITimeoutError(phase="idle"), 0.5),
        (APITimeoutError(phase="total"), None),
        (APIUserAbortError("stop"), None),
        (APIStreamError("overloaded"), None),
        (IncompleteStreamError("cut"), None),
        (StreamProtocolError("odd"), None),
        (StreamLimitError(limit="max_text", value=1), None),
        (NotAStreamError("a page"), None),
        (APIError("what"), None),
        (APIStatusError("no status"), None),
    ],
)
def test_without_an_answer_it_is_the_kind_of_error_that_decides(error, seconds):
    assert wait(error) == seconds


def chained(*errors, suppressed=False):
    for error, behind in pairwise(errors):
        error.__context__ = behind
        error.__suppress_context__ = suppressed
    return errors[0]


CERTIFICATE = ssl.SSLCertVerificationError("self-signed certificate")


@pytest.mark.parametrize("suppressed", [True, False])
def test_a_tls_error_is_final_however_deep_it_lies(suppressed):
    error = chained(APIConnectionError("no"), RuntimeError(), OSError(), CERTIFICATE, suppressed=suppressed)
    assert wait(error) is None


def test_a_tls_error_given_as_the_cause_is_final():
    error = APIConnectionError("no")
    error.__cause__ = OSError()
    error.__cause__.__cause__ = ssl.SSLError("handshake")
    assert wait(error) is None


def fail(kind, reason):
    try:
        raise reason
    except OSError as error:
        raise kind("no answer") from error


def test_a_tls_error_of_an_earlier_call_says_nothing_of_this_one():
    try:
        fail(APIConnectionError, CERTIFICATE)
    except APIConnectionError as error:
        first = error
        with pytest.raises(APIConnectionError) as second:
            fail(APIConnectionError, ConnectionRefusedError())
    assert second.value.__cause__.__context__ is first  # or this would show nothing
    assert (wait(first), wait(second.value)) == (None, 0.5)


def test_a_chain_without_end_is_followed_to_no_end():
    error, other = APIConnectionError("no"), OSError()
    error.__cause__, other.__cause__ = other, error
    assert wait(error) == 0.5


@pytest.fixture
def plain_port():
    """A port that answers a TLS handshake in plain HTTP."""

    def answer():
        connection = listener.accept()[0]
        with closing(connection):
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\nplain HTTP here")
            connection.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


@pytest.mark.anyio
async def test_a_handshake_that_failed_is_known_in_what_httpx_raises(plain_port):
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError) as caught:
            await client.get(f"https://127.0.0.1:{plain_port}")
    error = APIConnectionError("no answer")
    error.__cause__ = caught.value
    assert wait(error) is None


def test_a_handshake_that_failed_is_known_without_async_too(plain_port):
    with httpx.Client() as client, pytest.raises(httpx.ConnectError) as caught:
        client.get(f"https://127.0.0.1:{plain_port}")
    error = APIConnectionError("no answer")
    error.__cause__ = caught.value
    assert wait(error) is None


PIECES = st.sampled_from(
    ["Sun", ",", " ", "06", "Nov", "1994", "94", "08:49:37", "GMT", "-", "+9999", ":", "0", "99", "9" * 400, ".", "e", "é"]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(PIECES, max_size=12).map("".join)), st.integers(0, 9))
def test_whatever_the_header_says_the_wait_is_none_or_within_two_minutes(value, retries):
    for name in ("retry-after", "retry-after-ms", "x-should-retry"):
        seconds = wait(status(503, {name: value}), retries=retries, max_retries=10)
        assert seconds is None or 0 <= seconds <= 120


@given(st.integers(-3600, 3600))
def test_a_date_is_waited_for_to_the_second(seconds):
    date = email.utils.formatdate(NOW + seconds, usegmt=True)
    expected = None if seconds > 120 else max(seconds, 0)
    assert wait(status(503, {"retry-after": date})) == expected
