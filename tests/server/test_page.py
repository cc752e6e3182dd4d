import base64
import hashlib
import re
import shlex
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatstream.jsontext import read_json
from chatstream.server.page import CSP, RequestRow, TapeRow, render
from chatstream.server.published import CompletionRow

BASE = "http://127.0.0.1:8080/v1"
TAPE = TapeRow(name="paris.tape.jsonl", form="tape", model="m1", reads=1212, seconds=4.318, served=3)
REQUEST = RequestRow(
    time=1738960610.7, method="POST", path="/v1/chat/completions", status=200, model="m1", stream=True,
    answered_by="paris.tape.jsonl", fault="stall:2", outcome="sent", milliseconds=4321.4,
)  # fmt: skip
COMPLETION = CompletionRow("chatcmpl-1", "m1", 1738960610, "It is 18 °C & sunny")
VOID = {"meta"}
HOSTILE = [
    "<script>alert(1)</script>", "</style><script>", '"><img src=x onerror=alert(1)>', "' onclick='x", "&lt;", "-->", "]]>",
    "\ud800", "\x00\x07\x1b[31m", "\u202eabc", "\u2066a", "\r\n\r\n", "{style}", "{0}", "%s", "javascript:alert(1)", "../../x",
]  # fmt: skip


class Page(HTMLParser):
    """What is on a page: tags that are open and shut in pairs, attributes, tables, and texts."""

    def __init__(self, data):
        super().__init__()
        self.open, self.tags, self.attributes, self.tables, self.texts = [], [], [], [], []
        self.style = ""
        self.feed(data.decode())
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *attribute) for attribute in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append(SimpleNamespace(head=[], rows=[]))
        elif tag == "tr" and "tbody" in self.open:
            self.tables[-1].rows.append([])
        elif tag == "th":
            self.tables[-1].head.append("")
        elif tag == "td":
            self.tables[-1].rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] == ["style"]:
            self.style += data
            return
        self.texts.append(data)
        if "th" in self.open:
            self.tables[-1].head[-1] += data
        elif "td" in self.open:
            self.tables[-1].rows[-1][-1] += data

    @property
    def text(self):
        return "".join(self.texts)


def page(*, base_url=BASE, tapes=(), requests=(), completions=(), echo=True, **options):
    data = render(base_url=base_url, tapes=tapes, requests=requests, completions=completions, echo=echo, **options)
    return Page(data)


def lines(page):
    """The lines to try, as a shell takes them apart."""
    return [shlex.split(text) for text in page.texts if text.startswith("curl")]


def test_the_page_lists_tapes_requests_and_stored_completions():
    tapes, requests, completions = page(tapes=[TAPE], requests=[REQUEST], completions=[COMPLETION]).tables
    assert dict(zip(tapes.head, tapes.rows[0], strict=True)) == {
        "Name": "paris.tape.jsonl",
        "Form": "tape",
        "Model asked for": "m1",
        "Reads": "1,212",
        "Duration": "4.32 s",
        "Served": "3",
    }
    assert dict(zip(requests.head, requests.rows[0], strict=True)) == {
        "Time": "2025-02-07 20:36:50",
        "Method": "POST",
        "Path": "/v1/chat/completions",
        "Status": "200",
        "Model": "m1",
        "Streamed": "yes",
        "Answered by": "paris.tape.jsonl",
        "Fault": "stall:2",
        "Outcome": "sent",
        "Took": "4,321 ms",
    }
    assert dict(zip(completions.head, completions.rows[0], strict=True)) == {
        "Created": "2025-02-07 20:36:50",
        "Id": "chatcmpl-1",
        "Model": "m1",
        "Begins with": "It is 18 °C & sunny",
    }


def test_rows_are_shown_in_the_order_in_which_they_come():
    rows = [CompletionRow(id, None, None, "") for id in ("c3", "c1", "c2")]
    assert [row[1] for row in page(completions=rows).tables[0].rows] == ["c3", "c1", "c2"]


def test_what_is_not_known_is_a_dash_and_a_request_without_an_answer_is_open():
    request = RequestRow(time=0, method="GET", path="/")
    tables = page(requests=[request], completions=[CompletionRow("c1", None, None, "")]).tables
    assert tables[0].rows == [["1970-01-01 00:00:00", "GET", "/", "open", "\u2013", "no", *["\u2013"] * 4]]
    assert tables[1].rows == [["\u2013", "c1", "\u2013", "\u2013"]]


@pytest.mark.parametrize(("status", "kind"), [(200, "good"), (304, "good"), (404, "poor"), (429, "poor"), (503, "bad")])
def test_a_status_is_coloured_by_what_it_means(status, kind):
    shown = page(requests=[RequestRow(time=0, method="GET", path="/", status=status)])
    assert ("span", "class", kind) in shown.attributes
    assert shown.tables[0].rows[0][3] == str(status)


def test_the_totals_say_of_how_many_these_are_the_newest():
    shown = page(requests=[REQUEST] * 2, completions=[COMPLETION] * 3, requests_total=12345, completions_total=3)
    assert "Requests the newest 2 of 12,345" in shown.text
    assert "Stored completions 3" in shown.text


@pytest.mark.parametrize(
    ("tapes", "echo", "said"),
    [
        ([], True, "Every request is answered by echo"),
        ([], False, "There is nothing to answer with."),
        (
            [TAPE],
            True,
            "Requests are answered from 1 tape; echo, the built-in responder, answers those that match none.",
        ),
        ([TAPE, TAPE], False, "Requests are answered from 2 tapes; one that matches none is refused."),
    ],
)
def test_the_page_says_who_answers(tapes, echo, said):
    assert said in page(tapes=tapes, echo=echo).text


def test_an_empty_page_says_what_to_do():
    empty = page()
    assert empty.tables == []
    assert "chatstream serve tapes/" in empty.text
    stream, store = lines(empty)
    assert stream[:3] == ["curl", "-N", f"{BASE}/chat/completions"]
    assert store[:2] == ["curl", f"{BASE}/chat/completions"]
    bodies = [read_json(line[-1].encode())[0] for line in (stream, store)]
    messages = [{"role": "user", "content": "Hello"}]
    assert bodies == [
        {"model": "echo", "messages": messages, "stream": True},
        {"model": "echo", "messages": messages, "store": True},
    ]
    for line in (stream, store):
        assert line[line.index("-H") + 1] == "Content-Type: application/json"
        assert "Authorization" not in " ".join(line)


def test_a_line_to_try_is_there_where_the_echo_answers_it_and_shows_where_the_key_goes():
    lines_to_try = lines(page(tapes=[TAPE], key_needed=True))
    assert len(lines_to_try) == 2
    assert all("Authorization: Bearer YOUR_KEY" in line for line in lines_to_try)
    assert {read_json(line[-1].encode())[0]["model"] for line in lines_to_try} == {"echo"}
    assert lines(page(tapes=[TAPE], echo=False)) == []


def test_completions_are_linked_where_no_key_stands_in_the_way():
    odd = CompletionRow("../a b?c#d", None, None, "")
    links = [
        value for tag, name, value in page(completions=[COMPLETION, odd]).attributes if (tag, name) == ("a", "href")
    ]
    assert links == ["/v1/chat/completions/chatcmpl-1", "/v1/chat/completions/..%2Fa%20b%3Fc%23d"]
    assert "a" not in page(completions=[COMPLETION], key_needed=True).tags


def test_the_policy_allows_the_pages_own_style_and_nothing_else():
    style = page().style
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert CSP.split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    assert not re.search(r"url\(|@import|<", style)


def test_the_page_is_made_for_readers_of_every_kind():
    shown = page(tapes=[TAPE], requests=[REQUEST], completions=[COMPLETION])
    assert ("html", "lang", "en") in shown.attributes
    assert shown.tags.count("h1") == shown.tags.count("title") == shown.tags.count("main") == 1
    assert ("meta", "content", "width=device-width, initial-scale=1") in shown.attributes
    assert "prefers-color-scheme: dark" in shown.style
    # What scrolls can be reached by keyboard, and has the name of its heading.
    headings = [value for tag, name, value in shown.attributes if (tag, name) == ("h2", "id")]
    named = [value for tag, name, value in shown.attributes if (tag, name) == ("div", "aria-labelledby")]
    assert headings == named == ["tapes", "requests", "completions"]
    assert [value for tag, name, value in shown.attributes if name == "tabindex"] == ["0"] * 3
    assert [value for tag, name, value in shown.attributes if tag == "th" and name == "scope"] == ["col"] * 20


def contrast(one, other):
    """The contrast of two colours, as the WCAG reckon it."""

    def luminance(colour):
        digits = colour if len(colour) == 6 else "".join(digit * 2 for digit in colour)
        parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_every_colour_of_text_can_be_read_on_its_ground_in_light_and_dark():
    schemes = re.findall(r":root \{([^}]*)\}", page().style)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): #(\w+)", scheme))
        for name in ("ink", "faint", "link", "good", "poor", "bad"):
            assert contrast(colours[name], colours["ground"]) >= 4.5, name
        for name in ("ink", "faint"):
            assert contrast(colours[name], colours["shade"]) >= 4.5, name


def rows_of(text):
    """Rows that have this text wherever a text may stand."""
    return {
        "base_url": f"http://h/{text}",
        "tapes": [TapeRow(name=text, form=text, model=text, reads=1, seconds=1, served=1)],
        "requests": [RequestRow(time=0, method=text, path=text, model=text, answered_by=text, fault=text)],
        "completions": [CompletionRow(text, text, 0, text)],
    }


def shape(page):
    """All that is on a page but the values: its tags, and the attributes that are none of a value's."""
    return page.tags, [attribute for attribute in page.attributes if attribute[1] != "href"]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_a_hostile_value_is_text_and_changes_nothing_else(text):
    filled, plain = page(**rows_of(f"x{text}")), page(**rows_of("x"))
    assert shape(filled) == shape(plain)
    assert filled.style == plain.style
    without = {name: value if name == "base_url" else [] for name, value in rows_of(text).items()}
    assert shape(page(**without)) == shape(page())


@given(st.text(st.characters() | st.sampled_from("<>&\"'\0\ud800\u202e\n")), st.booleans())
def test_any_value_is_text_on_one_line_without_controls(text, echo):
    shown = page(**rows_of(f"x{text}"), echo=echo)
    assert shape(shown) == shape(page(**rows_of("x"), echo=echo))
    for table in shown.tables:
        for cell in (cell for row in table.rows for cell in row):
            assert len(cell) <= 160
            assert not re.search("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]", cell)


def test_what_cannot_be_shown_is_seen_to_be_missing():
    rows = [CompletionRow("a\u202eb", "c\x07d\ud800", 0, "one\r\n\ttwo   three")]
    assert page(completions=rows).tables[0].rows[0][1:] == ["a\ufffdb", "c\ufffdd\ufffd", "one two three"]


def test_texts_that_are_written_from_right_to_left_stay_as_they_are():
    rows = [CompletionRow("c1", "שלום\u200f", 0, "مرحبا\u200c")]
    assert page(completions=rows).tables[0].rows[0][2:] == ["שלום\u200f", "مرحبا\u200c"]


def test_long_values_are_cut():
    long = rows_of("x" * 10**6)
    assert len(render(**{**long, "base_url": BASE}, echo=True)) < 10_000
    (tapes, _, completions) = page(**{**long, "base_url": BASE}).tables
    assert tapes.rows[0][0] == "x" * 99 + "…"
    assert completions.rows[0][3] == "x" * 159 + "…"


@pytest.mark.parametrize("seconds", [-1, 2**70, 1e300, float("nan"), float("inf"), 253402300800])
def test_a_time_that_is_none_is_shown_as_the_number_it_is(seconds):
    shown = page(
        requests=[RequestRow(time=seconds, method="GET", path="/")], completions=[CompletionRow("c", "m", seconds, "")]
    )
    assert shown.tables[0].rows[0][0] == shown.tables[1].rows[0][0] == str(seconds)


def test_the_last_time_there_is_can_be_shown():
    rows = [CompletionRow("c", "m", 253402300799, "")]
    assert page(completions=rows).tables[0].rows[0][0] == "9999-12-31 23:59:59"
