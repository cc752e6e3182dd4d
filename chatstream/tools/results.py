"""What came of a call, as the text that the model gets to read.

In goes what a tool gave, or what it raised, out comes the content of the message that answers. Rules: text is as it is,
anything else is JSON; what is too long is cut, and says so; an error is one line, without a traceback and without keys,
since it leaves the house; what is wrong with arguments is told by where and what, so that they can be mended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import ValidationError, to_jsonable_python

from chatstream.errors import ChatStreamError
from chatstream.jsontext import mend, write_json

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_RESULT", "Failure", "content_of", "told", "unfit"]

MAX_RESULT = 262_144  # characters: more than most models can read, and a mistake rather than an answer

_MOST_ERRORS = 5
_LONGEST_PATH = 100  # characters: a key that does not belong there is the model's own, of any length
_LONGEST_TOLD = 500  # characters, as of any error of ours
_LOOKED_AT = 8 * _LONGEST_TOLD  # an error that holds a whole page is not gone through for its first line
_GROUP_SHARE = 200  # characters of a group's own message, so that there is room for what it holds
_DEEPEST_GROUP = 20
_UNTELLABLE = "an error that cannot be told"


@dataclass(frozen=True)
class Failure:
    """What went wrong with a call: in words for the model, and as the error where there is one."""

    text: str
    error: Exception | None


def content_of(value: object, limit: int | None) -> str:
    """What a tool gave, as text of at most ``limit`` characters: text as it is, None as nothing, the rest as JSON.

    Raises TypeError, which names a type and shows no value, for what JSON has no form for.
    """
    if value is None:
        return ""
    text = _encodable(str.__str__(value)) if isinstance(value, str) else _json(value)
    return text if limit is None else _cut(text, limit)


def told(error: BaseException) -> str:
    """An error as one line of at most 500 characters: its class and its message, with keys masked. Never raises."""
    try:
        leaf = error
        for _ in range(_DEEPEST_GROUP):
            if isinstance(leaf, BaseExceptionGroup):
                leaf = leaf.exceptions[0]
        if leaf is error:
            return _masked(_named(error))
        return _masked(f"{_named(error)[:_GROUP_SHARE]}: {_named(leaf)}")
    except Exception:  # noqa: BLE001  somebody's class, and its __str__ may do anything
        return _UNTELLABLE


def unfit(name: str, error: Exception) -> str:
    """What is wrong with a call's arguments, for the model to mend: up to five places, without the values there."""
    return f"the arguments do not fit {name}: {_problem(error)}"


def _encodable(text: str) -> str:
    return text if text.isascii() else mend(text)


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    note = f"… [cut: {len(text):,} characters in all]"
    return (text[: max(0, limit - len(note))] + note)[: max(0, limit)]


def _json(value: object) -> str:
    strange: list[type] = []

    def stand_in(inner: Any) -> Any:
        if isinstance(inner, Mapping):
            return dict(inner)
        strange.append(type(inner))
        raise TypeError

    try:
        return _written(value, stand_in)
    except Exception as error:  # properties and serializers are somebody's code: anything may come
        named = strange[0] if strange else type(value)
        raise TypeError(f"what the tool gave cannot be written as JSON: {named.__name__}") from error


def _written(value: object, stand_in: Callable[[Any], Any]) -> str:
    try:
        # Not `to_json`, which has no word for half a surrogate pair.
        return write_json(to_jsonable_python(value, inf_nan_mode="null", fallback=stand_in))
    except UnicodeEncodeError:  # in a key: that is for JSON values alone, since generators would be used up by now
        return write_json(value)


def _named(error: BaseException) -> str:
    """The class of an error and its message, which may be empty."""
    kind = type(error).__name__
    message = _places(error) if isinstance(error, ValidationError) else _one_line(str(error))
    return f"{kind}: {message}" if message else kind


def _one_line(text: str) -> str:
    return " ".join(text[:_LOOKED_AT].split())


def _masked(text: str) -> str:
    # What every error of ours does to its message: keys masked, no control characters, 500 characters.
    return str(ChatStreamError(text))


def _problem(error: Exception) -> str:
    try:
        if isinstance(error, ValidationError):
            return _places(error)
        if isinstance(error, ChatStreamError) or type(error) is ValueError:
            return _masked(_one_line(str(error))) or type(error).__name__  # written to be read: the class adds nothing
    except Exception:  # noqa: BLE001  as above
        return _UNTELLABLE
    return told(error)


def _places(error: ValidationError) -> str:
    """Where values did not fit, and what was expected there: the first five places, and how many more."""
    # A validator that raised is among the context, and holds what it likes.
    found = error.errors(include_url=False, include_context=False, include_input=False)
    places = [_place(each["loc"], each["msg"]) for each in found[:_MOST_ERRORS]]
    if len(found) > _MOST_ERRORS:
        places.append(f"and {len(found) - _MOST_ERRORS} more")
    return "; ".join(places)


def _place(path: tuple[int | str, ...], message: str) -> str:
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    where = _one_line(steps.removeprefix("."))
    if len(where) > _LONGEST_PATH:
        where = where[: _LONGEST_PATH - 1] + "…"
    # Masked by itself: behind the name of a field, such as password, any word would be taken for one.
    what = _masked(_one_line(message))
    return f"{where}: {what}" if where else what
