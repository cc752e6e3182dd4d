"""Pages of a list that know how to get the next one.

In goes a page as it came and what asks on from it, out come its entries and those of all the pages behind it. Rules:
the next page is asked for when its first entry is wanted, and not before; a service whose pages go round in a circle is
not asked for ever.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from chatstream.errors import StreamProtocolError
from chatstream.types.pages import CursorPage

if TYPE_CHECKING:
    from types import MemberDescriptorType
    from typing import Self

__all__ = ["AsyncCursorPage", "AsyncPages", "SyncCursorPage", "asking_on", "page_of"]

T = TypeVar("T")
_AGAIN = "the service gave the same page again, and says that there are more"

P = TypeVar("P", bound="_Page[Any]")


class _Page(CursorPage[T], Generic[T]):
    """What both kinds of page know."""

    def _cursor(self) -> str:
        cursor = self.next_cursor() if self.has_next_page() else None
        if cursor is None:
            raise RuntimeError("there is no next page: ask has_next_page() first")
        try:
            cursor.encode()
        except UnicodeEncodeError:
            raise StreamProtocolError("the page ends with an id that no request can name") from None
        return cursor

    def _check_new(self, page: CursorPage[T]) -> None:
        if page.has_next_page() and page.next_cursor() == self.next_cursor():
            raise StreamProtocolError(_AGAIN)

    def _entries(self) -> Iterator[T]:
        return iter(self.data if isinstance(self.data, list) else ())

    # What asks on holds a client, which is not to be copied or pickled with what it brought: so it has a slot of its
    # own, of which pydantic knows nothing.
    __slots__ = ("_asks",)

    def _ask(self, cursor: str) -> Any:
        try:
            ask = _slot.__get__(self)
        except AttributeError:
            raise RuntimeError("this page is a copy, and knows no client to ask") from None
        return ask(cursor)


_slot = cast("MemberDescriptorType", _Page.__dict__["_asks"])


def page_of(page: Any, entry: Any) -> Any:
    """The class of pages of such entries, held: pydantic lets go of it, and takes a millisecond to make it again."""
    return _page_of(page, entry)


@cache
def _page_of(page: Any, entry: Any) -> Any:
    return page[entry]


def asking_on(page: P, ask: Callable[[str], Any]) -> P:
    """The same page, with what gets the page behind a cursor."""
    _slot.__set__(page, ask)
    return page


class _Cursors:
    """The pages that were gone through."""

    def __init__(self) -> None:
        self._seen: set[str | None] = set()

    def check(self, page: CursorPage[Any]) -> None:
        """StreamProtocolError if this page ends where one before it did: it would go on like that for ever."""
        if page.has_next_page():
            cursor = page.next_cursor()
            if cursor in self._seen:
                raise StreamProtocolError(_AGAIN)
            self._seen.add(cursor)


class SyncCursorPage(_Page[T], Generic[T]):
    """A page of a list; iterating gives its entries, and goes on through all the pages behind it."""

    def get_next_page(self) -> SyncCursorPage[T]:
        """The page behind this one; RuntimeError if there is none, or if this is a copy that cannot ask."""
        page: SyncCursorPage[T] = self._ask(self._cursor())
        self._check_new(page)
        return page

    def iter_pages(self) -> Iterator[Self]:
        """This page, and all the pages behind it."""
        page: Any = self
        seen = _Cursors()
        seen.check(page)
        yield page
        while page.has_next_page():
            page = page.get_next_page()
            seen.check(page)
            yield page

    def __iter__(self) -> Iterator[T]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        for page in self.iter_pages():
            yield from page._entries()  # noqa: SLF001  its own kind


class AsyncCursorPage(_Page[T], Generic[T]):
    """A page of a list; iterating with ``async for`` gives its entries, and goes on through the pages behind it."""

    async def get_next_page(self) -> AsyncCursorPage[T]:
        """The page behind this one; RuntimeError if there is none, or if this is a copy that cannot ask."""
        page: AsyncCursorPage[T] = await self._ask(self._cursor())
        self._check_new(page)
        return page

    def iter_pages(self) -> AsyncIterator[AsyncCursorPage[T]]:
        """This page, and all the pages behind it."""
        return _AsyncPageIterator(self)

    def __aiter__(self) -> AsyncIterator[T]:
        return _AsyncEntries(_AsyncPageIterator(self))


class AsyncPages(Generic[T]):
    """A list that was asked for: ``await`` gives its first page, ``async for`` the entries of all of them."""

    def __init__(self, ask: Callable[[], Awaitable[AsyncCursorPage[T]]]) -> None:
        self._ask = ask

    def __await__(self) -> Generator[Any, Any, AsyncCursorPage[T]]:
        return self._ask().__await__()

    def __aiter__(self) -> AsyncIterator[T]:
        return _AsyncEntries(_AsyncPageIterator(None, self._ask))


# Iterators, not generators: stopping early leaves nothing that the event loop would have to finish.


class _AsyncPageIterator(AsyncIterator[AsyncCursorPage[T]], Generic[T]):
    def __init__(
        self, first: AsyncCursorPage[T] | None, ask: Callable[[], Awaitable[AsyncCursorPage[T]]] | None = None
    ) -> None:
        self._first = first
        self._ask = ask
        self._page: AsyncCursorPage[T] | None = None
        self._seen = _Cursors()

    async def __anext__(self) -> AsyncCursorPage[T]:
        if self._page is not None:
            if not self._page.has_next_page():
                raise StopAsyncIteration
            self._page = await self._page.get_next_page()
        elif self._first is not None:
            self._page = self._first
        elif self._ask is not None:
            self._page = await self._ask()
        else:
            raise StopAsyncIteration
        self._seen.check(self._page)
        return self._page


class _AsyncEntries(AsyncIterator[T], Generic[T]):
    def __init__(self, pages: AsyncIterator[AsyncCursorPage[T]]) -> None:
        self._pages = pages
        self._entries: Iterator[T] = iter(())

    async def __anext__(self) -> T:
        while True:
            for entry in self._entries:
                return entry
            self._entries = (await anext(self._pages))._entries()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
