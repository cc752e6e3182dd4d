"""Pages of a list: by hand, by themselves, and of services that say odd things."""

import copy
import json
import pickle

import pytest

from chatstream.client import AsyncCursorPage, AsyncPages, SyncCursorPage
from chatstream.errors import (
    APIConnectionError,
    AuthenticationError,
    IncompleteStreamError,
    InternalServerError,
    NotAStreamError,
    StreamProtocolError,
)
from chatstream.types import ChatCompletion
from halves import all_of, both_halves, client_class, first_of, got, is_async, library_of


def entry(name):
    return {"id": name, "object": "chat.completion", "created": 1, "model": "m", "choices": []}


def page_of(*names, more=False, **members):
    return {"object": "list", "data": [entry(name) for name in names], "has_more": more, **members}


class Listed:
    """A client of a service that answers each request for a list with the next of these, the last one for ever."""

    def __init__(self, half, *answers):
        self.asked = []
        self.library = library_of(half)
        self.answers = list(answers)
        transport = self.library.MockTransport(self.answer)
        http = self.library.AsyncClient if is_async(half) else self.library.Client
        self.client = client_class(half)(
            base_url="http://localhost/v1", http_client=http(transport=transport), max_retries=0, api_key="sk-canary"
        )
        self.list = self.client.chat.completions.list

    def answer(self, request):
        self.asked.append(request.url.params.get("after"))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, int):
            return self.library.Response(answer, json={"error": {"message": "no"}})
        if isinstance(answer, Exception):
            raise answer
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return self.library.Response(200, content=content, headers={"content-type": "application/json"})


THREE = [page_of("a", "b", more=True), page_of("c", "d", more=True), page_of("e")]


def ids(entries):
    return [one.id for one in entries]


@both_halves
async def test_pages_are_turned_by_hand(half):
    listed = Listed(half, *THREE)
    page = await got(listed.list())
    assert isinstance(page, AsyncCursorPage if is_async(half) else SyncCursorPage)
    assert ids(page.data) == ["a", "b"]
    assert page.has_next_page()
    second = await got(page.get_next_page())
    assert type(second) is type(page)
    third = await got(second.get_next_page())
    assert (ids(second.data), ids(third.data)) == (["c", "d"], ["e"])
    assert not third.has_next_page()
    with pytest.raises(RuntimeError, match="no next page"):
        await got(third.get_next_page())
    assert listed.asked == [None, "b", "d"]
    assert [one.response.status_code for one in (page, second, third)] == [200, 200, 200]


@both_halves
async def test_iterating_turns_the_pages(half):
    listed = Listed(half, *THREE)
    assert ids(await all_of(listed.list())) == ["a", "b", "c", "d", "e"]
    assert listed.asked == [None, "b", "d"]


@both_halves
async def test_pages_can_be_gone_through_one_by_one(half):
    listed = Listed(half, *THREE)
    page = await got(listed.list())
    pages = await all_of(page.iter_pages())
    assert pages[0] is page
    assert [ids(one.data) for one in pages] == [["a", "b"], ["c", "d"], ["e"]]


@both_halves
async def test_the_next_page_is_asked_for_when_its_first_entry_is_wanted(half):
    listed = Listed(half, *THREE)
    page = await got(listed.list())
    assert ids(await first_of(page, 2)) == ["a", "b"]
    assert listed.asked == [None]
    assert ids(await first_of(page, 3)) == ["a", "b", "c"]
    assert listed.asked == [None, "b"]


@both_halves
async def test_leaving_in_the_middle_leaves_nothing_behind(half, recwarn):
    listed = Listed(half, *THREE)
    assert ids(await first_of(listed.list(), 3)) == ["a", "b", "c"]
    assert listed.asked == [None, "b"]
    assert not recwarn.list


@both_halves
async def test_a_page_can_be_iterated_again(half):
    page = await got(Listed(half, page_of("a", more=True), page_of("b")).list())
    assert ids(await all_of(page)) == ids(await all_of(page)) == ["a", "b"]


@pytest.mark.anyio
async def test_an_async_list_is_asked_for_each_time_it_is_awaited_or_iterated():
    listed = Listed("async-httpx", page_of("a"))
    pages = listed.list()
    assert type(pages) is AsyncPages
    assert listed.asked == []
    assert ids((await pages).data) == ids((await pages).data) == ["a"]
    assert ids([one async for one in pages]) == ["a"]
    assert len(listed.asked) == 3


@both_halves
async def test_an_empty_list_has_nothing(half):
    page = await got(Listed(half, page_of()).list())
    assert (page.data, page.has_next_page()) == ([], False)
    assert await all_of(page) == []
    assert [one.data for one in await all_of(page.iter_pages())] == [[]]


@both_halves
async def test_an_empty_page_that_says_that_there_is_more_is_the_last(half):
    listed = Listed(half, page_of("a", more=True), page_of(more=True))
    assert ids(await all_of(listed.list())) == ["a"]
    assert listed.asked == [None, "a"]


@both_halves
async def test_a_page_that_does_not_say_whether_there_is_more_is_the_last(half):
    page = page_of("a")
    del page["has_more"]
    listed = Listed(half, page)
    assert ids(await all_of(listed.list())) == ["a"]
    assert len(listed.asked) == 1


# Services that would keep us for ever


@both_halves
async def test_a_service_that_gives_the_same_page_again_is_found_out(half):
    listed = Listed(half, page_of("a", "b", more=True))
    taken = []
    with pytest.raises(StreamProtocolError, match="same page"):
        await take(listed.list(), taken)
    assert ids(taken) == ["a", "b"]
    assert len(listed.asked) == 2
    with pytest.raises(StreamProtocolError, match="same page"):
        await got((await got(listed.list())).get_next_page())


@both_halves
async def test_a_service_whose_pages_go_round_in_a_circle_is_found_out(half):
    # Such as a store that wraps, or a proxy that hands out two cached pages by turns.
    listed = Listed(half, *[page_of("a", more=True), page_of("b", more=True)] * 50, page_of("end"))
    with pytest.raises(StreamProtocolError, match="same page"):
        await take(listed.list(), [])
    assert len(listed.asked) < 10


async def take(entries, taken):
    """All that comes, as far as it comes: what came before a failure is the point."""
    if hasattr(entries, "__aiter__"):
        async for one in entries:
            taken.append(one)
    else:
        for one in entries:
            taken.append(one)


# Odd answers

NO_LISTS = [
    {"object": "list", "data": 5},
    {"object": "list", "data": "abc", "has_more": True},
    {"object": "list", "data": {"a": 1}, "has_more": True},
    {"object": "list", "data": True},
]


@both_halves
@pytest.mark.parametrize("answer", NO_LISTS, ids=lambda answer: type(answer["data"]).__name__)
async def test_data_that_is_no_list_is_told(half, answer):
    with pytest.raises(NotAStreamError, match="JSON that is no list"):
        await got(Listed(half, answer).list())


@both_halves
@pytest.mark.parametrize(
    "answer", [{"object": "list"}, {"object": "list", "data": None, "has_more": True}], ids=["none", "null"]
)
async def test_data_that_is_missing_has_no_entries(half, answer):
    page = await got(Listed(half, answer).list())
    assert not page.has_next_page()
    assert await all_of(page) == []
    assert "data" in repr(page)


@both_halves
async def test_entries_that_are_none_are_given_as_they_are(half):
    answer = {"object": "list", "data": [1, None, "x", entry("a")], "has_more": False}
    odd = await all_of(Listed(half, answer).list())
    assert odd[:3] == [1, None, "x"]
    assert type(odd[3]) is ChatCompletion


@both_halves
@pytest.mark.parametrize("last", [{"id": 5}, {}, "a", None, {"id": ""}], ids=str)
async def test_a_last_entry_without_an_id_ends_the_list(half, last):
    listed = Listed(half, {"object": "list", "data": [entry("a"), last], "has_more": True})
    page = await got(listed.list())
    assert not page.has_next_page()
    assert len(await all_of(page)) == 2
    with pytest.raises(RuntimeError, match="no next page"):
        await got(page.get_next_page())


@both_halves
@pytest.mark.parametrize(
    "body", [b"", b"[]", b"5", b"null", b'"list"', b"<html>", b'{"object": "list", "data": [', b"\xff\xfe"], ids=repr
)
async def test_what_is_no_page_is_an_error_of_ours(half, body):
    with pytest.raises((IncompleteStreamError, NotAStreamError, StreamProtocolError)):
        await got(Listed(half, body).list())


@both_halves
async def test_members_that_we_do_not_know_are_kept(half):
    page = await got(Listed(half, page_of("a", first_id="a", last_id="a", total=7)).list())
    assert (page.first_id, page.last_id, page.total) == ("a", "a", 7)
    assert page.model_dump()["total"] == 7


@both_halves
async def test_members_of_a_peer_cannot_take_the_place_of_ours(half):
    odd = {"_asks": 1, "_ask": 2, "get_next_page": 3, "iter_pages": 4, "response": 5, "has_next_page": 6}
    page = await got(Listed(half, page_of("a", more=True, **odd), page_of("b")).list())
    assert page.has_next_page()
    assert page.response.status_code == 200
    assert ids((await got(page.get_next_page())).data) == ["b"]
    assert len(await all_of(page.iter_pages())) == 2


# Errors behind the first page


@both_halves
@pytest.mark.parametrize(("status", "kind"), [(500, InternalServerError), (401, AuthenticationError)])
async def test_a_refusal_behind_the_first_page_comes_after_its_entries(half, status, kind):
    listed = Listed(half, THREE[0], status)
    taken = []
    with pytest.raises(kind):
        await take(listed.list(), taken)
    assert ids(taken) == ["a", "b"]
    listed = Listed(half, THREE[0], status, THREE[2])
    page = await got(listed.list())
    with pytest.raises(kind):
        await got(page.get_next_page())
    assert ids((await got(page.get_next_page())).data) == ["e"]  # one may ask again


@both_halves
async def test_a_connection_that_fails_behind_the_first_page_is_an_error_of_ours(half):
    listed = Listed(half, THREE[0], library_of(half).ConnectError("gone"))
    with pytest.raises(APIConnectionError):
        await all_of(listed.list())


# Copies

COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "model_copy": lambda page: page.model_copy(),
    "deep model_copy": lambda page: page.model_copy(deep=True),
    "pickle": lambda page: pickle.loads(pickle.dumps(page)),  # noqa: S301  our own
}


@both_halves
@pytest.mark.parametrize("make", COPIES.values(), ids=COPIES)
async def test_a_copy_has_the_entries_and_no_client(half, make):
    listed = Listed(half, *THREE)
    page = await got(listed.list())
    made = make(page)
    assert type(made) is type(page)
    assert made == page
    assert ids(made.data) == ["a", "b"]
    assert made.has_next_page()
    assert made.response is None
    with pytest.raises(RuntimeError, match="copy"):
        await got(made.get_next_page())
    taken = []
    with pytest.raises(RuntimeError, match="copy"):
        await take(made, taken)
    assert ids(taken) == ["a", "b"]
    assert listed.asked == [None]
    assert ids((await got(page.get_next_page())).data) == ["c", "d"]  # the first one can go on


@both_halves
async def test_nothing_of_the_client_is_in_what_is_written_of_a_page(half):
    page = await got(Listed(half, *THREE).list())
    assert b"canary" not in pickle.dumps(page)
    assert "canary" not in f"{page!r}{page.model_dump()}{page.model_dump_json()}{page.response!r}"


def test_a_page_of_ones_own_knows_no_client():
    page = SyncCursorPage[ChatCompletion].model_validate(page_of("a", more=True))
    with pytest.raises(RuntimeError, match="copy"):
        page.get_next_page()
