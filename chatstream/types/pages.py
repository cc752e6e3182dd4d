"""A page of a list, and where the next one begins.

In go the members of a list answer, out come its entries and the id to ask on from. Rules: nothing is asked here;
whether there is more is what the peer said, so a page that does not say is the last one, as in the SDK for Node;
whatever was sent, looking never raises.
"""

from typing import Generic, Literal, TypeAlias, TypeVar

from chatstream.types.answer import AnswerModel
from chatstream.types.completion import ChatCompletion
from chatstream.types.stored import ChatCompletionStoreMessage

T = TypeVar("T")


class CursorPage(AnswerModel, Generic[T]):
    """Some entries of a list, in order; `first_id` and `last_id` are those of its data."""

    data: list[T]
    object: Literal["list"]
    has_more: bool | None = None
    first_id: str | None = None
    last_id: str | None = None

    def has_next_page(self) -> bool:
        """Whether there is more, and an id to ask on from."""
        return bool(self.has_more) and self.next_cursor() is not None

    def next_cursor(self) -> str | None:
        """The id of the last entry, after which the next page begins; None if there is none."""
        # Not `last_id`: the reference asks on from the entries too, and not every service sends it.
        last = self.data[-1] if isinstance(self.data, list) and self.data else None
        cursor = getattr(last, "id", None)
        return cursor if isinstance(cursor, str) and cursor else None


ChatCompletionsPage: TypeAlias = CursorPage[ChatCompletion]
ChatCompletionStoreMessagesPage: TypeAlias = CursorPage[ChatCompletionStoreMessage]
