"""The page at ``/``, for people who would rather look.

In go rows of plain values, out comes one HTML document as bytes. Rules: whatever the values are, they are text on the
page and nothing else; nothing is loaded and nothing runs, which ``CSP`` holds the browser to; it can be read in light
and dark, on a telephone and by a screen reader. It knows neither the server nor a clock.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from chatstream.jsontext import mend, write_json
from chatstream.server.style import STYLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatstream.server.published import CompletionRow

__all__ = ["CSP", "RequestRow", "TapeRow", "render"]

_LONGEST = 100  # characters of a value; a longer one says nothing more in a table
_LONGEST_TEXT = 160  # of a text that is there to be read
_LAST_SECOND = 253402300799  # 9999-12-31T23:59:59Z, the last that a date can be made of
_FAILED, _REFUSED = 500, 400
# Controls, and what turns the direction of the text around it. Marks of direction within a text stay: each cell is a
# paragraph of its own, which they do not leave.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")

_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CSP: str = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy to send with the page: its own style and nothing else, in nobody's frame."""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>chatstream server</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>chatstream server</h1>
<p>Base URL: <code>{base_url}</code></p>
<p class="faint">{answers}</p>
</header>
<main>
{sections}
</main>
<footer><p>Times are UTC. The page shows what was there when it was loaded; load it again to see more.</p></footer>
</body>
</html>
"""


class TapeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A tape: the ``model`` that was asked, how many ``reads`` in how many ``seconds``, how often it was ``served``."""

    name: str
    form: str
    model: str | None
    reads: int
    seconds: float
    served: int


class RequestRow(msgspec.Struct, frozen=True, kw_only=True):
    """A request: ``time`` in Unix seconds; ``status`` and ``milliseconds`` None while it is being answered."""

    time: float
    method: str
    path: str
    status: int | None = None
    model: str | None = None
    stream: bool = False
    answered_by: str | None = None
    fault: str | None = None
    outcome: str | None = None
    milliseconds: float | None = None


class _Column(msgspec.Struct, frozen=True):
    title: str
    kind: str = ""  # a class of the style


_TAPES = (
    *(_Column("Name", "name"), _Column("Form"), _Column("Model asked for", "value")),
    *(_Column("Reads", "number"), _Column("Duration", "number"), _Column("Served", "number")),
)
_REQUESTS = (
    *(_Column("Time"), _Column("Method"), _Column("Path", "name"), _Column("Status", "number")),
    *(_Column("Model", "value"), _Column("Streamed"), _Column("Answered by", "value"), _Column("Fault", "value")),
    *(_Column("Outcome", "value"), _Column("Took", "number")),
)
_COMPLETIONS = (_Column("Created"), _Column("Id", "name"), _Column("Model", "value"), _Column("Begins with", "text"))


def render(
    *,
    base_url: str,
    tapes: Sequence[TapeRow],
    requests: Sequence[RequestRow],
    completions: Sequence[CompletionRow],
    echo: bool,
    requests_total: int | None = None,
    completions_total: int | None = None,
    key_needed: bool = False,
) -> bytes:
    """The page, in UTF-8; to be sent as ``text/html`` with ``CSP``.

    ``base_url`` is what an SDK is given, with ``/v1``. Rows are shown in the order in which they come, which should be
    newest first; the totals say of how many these are the newest. ``echo``: the server answers by itself where no tape
    does. ``key_needed``: requests take a key, so the lines to try show where it goes.
    """
    # Without the echo, what is asked must have been asked on tape, and no line that is made up here was.
    stream = f" Try it:</p>\n{_curl(base_url, 'stream', key_needed=key_needed)}" if echo else "</p>"
    store = f", such as:</p>\n{_curl(base_url, 'store', key_needed=key_needed)}" if echo else ".</p>"
    sections = (
        _section("tapes", "Tapes", _TAPES, [_tape(row) for row in tapes], empty=_no_tapes(echo=echo)),
        _section(
            "requests",
            "Requests",
            _REQUESTS,
            [_request(row) for row in requests],
            total=requests_total,
            empty=f"<p>Nothing was asked yet.{stream}",
        ),
        _section(
            "completions",
            "Stored completions",
            _COMPLETIONS,
            [_stored(row, linked=not key_needed) for row in completions],
            total=completions_total,
            empty=f"<p>None yet. A request with <code>store</code> keeps its answer{store}",
        ),
    )
    page = _PAGE.format(
        style=STYLE, base_url=_text(base_url), answers=_answers(len(tapes), echo=echo), sections="\n".join(sections)
    )
    return page.encode()


def _answers(tapes: int, *, echo: bool) -> str:
    if not tapes:
        return (
            "Every request is answered by echo, the built-in responder." if echo else "There is nothing to answer with."
        )
    otherwise = (
        "echo, the built-in responder, answers those that match none" if echo else "one that matches none is refused"
    )
    return f"Requests are answered from {_counted(tapes, 'tape')}; {otherwise}."


def _no_tapes(*, echo: bool) -> str:
    how = "Start the server with the path of one, or of a folder:"
    why = "None were given, so echo answers." if echo else "None were given."
    return f"<p>{why} {how}</p>\n<pre>chatstream serve tapes/</pre>"


def _curl(base_url: str, option: str, *, key_needed: bool) -> str:
    """A line for a shell, of a request with this option; the shell's quoting comes before that of HTML."""
    body: dict[str, Any] = {"model": "echo", "messages": [{"role": "user", "content": "Hello"}], option: True}
    words = [["curl", f"{base_url}/chat/completions"], ["-H", "Content-Type: application/json"]]
    words += [["-H", "Authorization: Bearer YOUR_KEY"]] if key_needed else []
    words += [["-d", write_json(body)]]
    if option == "stream":
        words[0].insert(1, "-N")  # or curl keeps the tokens until it has many
    lines = " \\\n  ".join(_fit(shlex.join(line)) for line in words)
    return f"<pre>{escape(lines)}</pre>"


def _section(
    id: str,
    title: str,
    columns: Sequence[_Column],
    rows: Sequence[Sequence[str]],
    *,
    empty: str,
    total: int | None = None,
) -> str:
    """A heading with a table under it, or with what to do to get one. Cells are HTML already."""
    heading = f'<h2 id="{id}">{title}{_how_many(len(rows), total)}</h2>'
    if not rows:
        return f'<section aria-labelledby="{id}">\n{heading}\n{empty}\n</section>'
    head = "".join(f'<th scope="col"{_class(column)}>{column.title}</th>' for column in columns)
    body = "\n".join(_row(columns, cells) for cells in rows)
    table = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    # A region that scrolls must be reachable without a mouse, and have a name.
    region = f'<div class="table" role="region" tabindex="0" aria-labelledby="{id}">\n{table}\n</div>'
    return f'<section aria-labelledby="{id}">\n{heading}\n{region}\n</section>'


def _how_many(shown: int, total: int | None) -> str:
    if total is not None and total > shown:
        return f" <small>the newest {shown:,} of {total:,}</small>"
    return f" <small>{shown:,}</small>" if shown else ""


def _row(columns: Sequence[_Column], cells: Sequence[str]) -> str:
    return (
        "<tr>"
        + "".join(f"<td{_class(column)}>{cell}</td>" for column, cell in zip(columns, cells, strict=True))
        + "</tr>"
    )


def _class(column: _Column) -> str:
    return f' class="{column.kind}"' if column.kind else ""


def _tape(row: TapeRow) -> list[str]:
    return [
        _code(row.name),
        _text(row.form),
        _text(row.model),
        f"{row.reads:,}",
        f"{row.seconds:,.2f} s",
        f"{row.served:,}",
    ]


def _request(row: RequestRow) -> list[str]:
    return [
        _time(row.time),
        _text(row.method),
        _code(row.path),
        _status(row.status),
        _text(row.model),
        "yes" if row.stream else "no",
        _text(row.answered_by),
        _text(row.fault),
        _text(row.outcome),
        _NOTHING if row.milliseconds is None else f"{row.milliseconds:,.0f} ms",
    ]


def _stored(row: CompletionRow, *, linked: bool) -> list[str]:
    id = _code(row.id)
    if linked and len(row.id) <= _LONGEST:
        # From the root of this server, and not from base_url, so that no value decides where a link leads.
        id = f'<a href="/v1/chat/completions/{escape(quote(mend(row.id), safe=""))}">{id}</a>'
    return [_time(row.created), id, _text(row.model), _text(row.text, _LONGEST_TEXT)]


_NOTHING = '<span class="faint">&ndash;</span>'


def _status(status: int | None) -> str:
    if status is None:
        return '<span class="faint">open</span>'
    kind = "bad" if status >= _FAILED else "poor" if status >= _REFUSED else "good"
    return f'<span class="{kind}">{status}</span>'


def _time(seconds: float | None) -> str:
    if seconds is None:
        return _NOTHING
    if not 0 <= seconds <= _LAST_SECOND:
        return _text(str(seconds))  # a tape may say anything
    moment = datetime.fromtimestamp(int(seconds), UTC)
    return f'<time datetime="{moment:%Y-%m-%dT%H:%M:%SZ}">{moment:%Y-%m-%d %H:%M:%S}</time>'


def _code(value: str) -> str:
    return f"<code>{_text(value)}</code>"


def _text(value: str | None, longest: int = _LONGEST) -> str:
    """The value on one line, cut; as text of an element."""
    # Cut first, as what comes after it costs by the character; but long enough for the blanks that are folded.
    line = _fit(" ".join((value or "")[: 4 * longest].split()))
    line = line if len(line) <= longest else line[: longest - 1] + "…"
    return escape(line) or _NOTHING


def _fit(text: str) -> str:
    """The text with U+FFFD for what is no character of it: lone surrogates, controls, turns of direction."""
    return _UNFIT.sub("\ufffd", mend(text))


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
