"""What servers do that mean no good: each of these was found by attacking the client."""

import sys
import threading
import traceback

import pytest

from chatstream import ChatClient
from chatstream.client import Timeout
from chatstream.errors import APIConnectionError, APITimeoutError, BadRequestError, StreamProtocolError
from client.wire_server import WireServer

KEY = "sk-hostile-5d81f04d7be2a635"
ASK = {"model": "m", "messages": [{"role": "user", "content": "?"}]}


def client_of(server, **options):
    return ChatClient(base_url=server.base_url, api_key=KEY, max_retries=0, **options)


def whole(status, body):
    return b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body)


def test_informational_heads_without_end_are_not_listened_to_for_ever():
    early = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 500
    with (
        WireServer([step for _ in range(400) for step in (early, 0.01)]) as server,
        client_of(server, timeout=Timeout(first_byte=0.4)) as client,
        pytest.raises(APITimeoutError) as raised,
    ):
        client.chat.completions.create(**ASK)
    assert raised.value.phase == "first_byte"


def test_an_error_as_deep_as_is_read_is_told_to_a_caller_who_is_deep_himself():
    body = b'{"error":' + b'{"a":' * 250 + b"1" + b"}" * 251
    caught = []

    def at(depth, client):
        if depth:
            return at(depth - 1, client)
        return client.chat.completions.create(**ASK)

    def run(client):
        try:
            at(sys.getrecursionlimit() // 2, client)
        except Exception as error:  # noqa: BLE001  which kind it is is the point
            caught.append(type(error))

    with WireServer([whole(b"400 Bad Request", body)]) as server, client_of(server) as client:
        thread = threading.Thread(target=run, args=(client,))
        thread.start()
        thread.join()
    assert caught == [BadRequestError]


@pytest.mark.parametrize(
    "answer",
    [
        KEY.encode() + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx " + KEY.encode() + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + KEY.encode() + b"\r\n",
    ],
    ids=["status-line", "header", "chunk"],
)
def test_a_key_that_comes_back_in_a_broken_head_is_in_no_traceback(answer):
    with WireServer([answer]) as server, client_of(server) as client:
        with pytest.raises(APIConnectionError) as raised:
            client.chat.completions.create(**ASK)
        assert KEY not in "".join(traceback.format_exception(raised.value))


def test_a_page_whose_last_id_is_no_text_is_a_protocol_error():
    page = whole(b"200 OK", rb'{"object":"list","data":[{"id":"\ud800"}],"has_more":true}')
    with (
        WireServer([page]) as server,
        client_of(server) as client,
        pytest.raises(StreamProtocolError, match="no request can name"),
    ):
        list(client.chat.completions.list())
