"""Tapes as text, line by line, for tests of what is done with them."""

import hashlib
import json

from chatstream.recording import Recording
from wire import block

HEADER = {"tape": 1, "tool": "by hand", "created": "2026-11-22T17:30:00Z"}
ASKED = {"method": "POST", "url": "/v1/chat/completions", "headers": {}, "body": {"model": "m", "messages": []}}
HEAD = {"status": 200, "headers": {"content-type": "text/event-stream"}}
DONE = "data: [DONE]\n\n"


def tape(*lines, end="eof", **members):
    """A tape of these lines, each (interval, code, data), with an end that tells the truth."""
    body = b"".join(
        block(json.dumps(data, ensure_ascii=False, separators=(",", ":"))) if code == "j" else data.encode()
        for _, code, data in lines
        if code in "js"
    )
    last = (
        [[0.25, "e", {"end": end, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(), **members}]]
        if end
        else []
    )
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in [HEADER, *lines, *last]).encode()


def recording(*lines, **options):
    return Recording.parse(tape(*lines, **options), "x.tape.jsonl")


def times(exchange):
    """Seconds from the start to each read, and to the end."""
    now, found = 0.0, []
    for read in exchange.reads:
        now = round(now + (read.interval or 0), 9)
        found.append(now)
    return found, round(now + exchange.rest, 9)
