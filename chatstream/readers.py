"""Readers: what makes values of finished texts.

In go a whole content, or a call's whole arguments; out comes what the given format or tool makes of it. Rules: a model
is told by what it can do (``model_validate_json``), so that nothing is imported to recognise one; what a reader raises
is kept until the stream has been read to its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatstream.errors import StreamLimitError, StreamProtocolError
from chatstream.jsontext import plain, read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    ArgumentsReader: TypeAlias = Callable[[str | None, str, dict[str, Any] | None], Any]

__all__ = ["Readers", "arguments_reader", "content_reader"]


class Readers:
    """What makes values of the finished texts of one completion.

    ``content`` takes a whole content; ``arguments`` a call's name, its whole arguments, and the object that these are,
    or None. Either may raise: the first failure is kept in ``failure`` until the stream has been read to its end.
    """

    __slots__ = ("arguments", "content", "failure", "has_format", "models", "unfit")

    def __init__(
        self,
        content: Callable[[str], Any] | None = None,
        arguments: ArgumentsReader | None = None,
        models: Iterable[Any] = (),
    ) -> None:
        self.content: Callable[[str], Any] | None = content
        self.arguments: ArgumentsReader | None = arguments
        self.has_format: bool = content is not None
        self.models: list[Any] = list(models)
        self.failure: Exception | None = None
        self.unfit: str = "the answer does"  # what it was that failed, as the beginning of a sentence

    def read_content(self, text: str) -> Any:
        """What the response format makes of a whole content; None without a format, or if it does not fit."""
        return None if self.content is None else self._read(self.content, text)

    def read_arguments(self, name: str | None, text: str, value: dict[str, Any] | None) -> Any:
        """What the tool of that name makes of whole arguments: the object as it is where there is no such tool."""
        if self.arguments is None:
            return value
        failed_before = self.failure is not None
        parsed = self._read(self.arguments, name, text, value)
        if self.failure is not None and not failed_before:
            self.unfit = f"the arguments of {name} do"  # a name that is known: there is a tool of it
        return parsed

    def where(self) -> str:
        """Where the answer did not fit, and how, with no word of the answer in it: errors end in logs.

        The names of a path are shown where the models know them; any other name is the answer's own.
        """
        try:
            known = {name for model in self.models for name in _property_names(model.model_json_schema())}
            failure: Any = self.failure
            found: Any = failure.errors()
            return "; ".join(_told(error, known) for error in found[:3]) or type(self.failure).__name__
        except Exception:  # noqa: BLE001  somebody's exception class: it may be anything but pydantic's
            return type(self.failure).__name__

    def _read(self, reader: Callable[..., Any], *given: Any) -> Any:
        try:
            return reader(*given)
        except Exception as error:  # noqa: BLE001  a model's validators are somebody's code: anything may come
            self.failure = self.failure or error
            return None


def content_reader(response_format: Any) -> Callable[[str], Any] | None:
    """What reads a whole content by the given response format; None without one, TypeError for what is none."""
    if response_format is None:
        return None
    if isinstance(response_format, dict):
        return _read_value if response_format.get("type") in {"json_schema", "json_object"} else None
    validate = getattr(response_format, "model_validate_json", None)
    reader = validate if callable(validate) else response_format
    if not callable(reader):
        problem = f"response_format: expected a dict, a model or a callable, got {type(response_format).__name__}"
        raise TypeError(problem)
    read: Callable[[str], Any] = reader
    return read


def _read_value(text: str) -> Any:
    """The JSON value of a content; None if it is none: a dict promises nothing about what comes back."""
    try:
        value, flags = read_json(text.encode("utf-8", "replace"))
    except (StreamProtocolError, StreamLimitError):
        return None
    return plain(value, keep_infinities=True) if flags else value


def arguments_reader(tools: Iterable[Any] | None) -> ArgumentsReader | None:
    """What reads whole arguments: the models among the tools, by name; any other's arguments are plain JSON."""
    models = {tool.__name__: tool.model_validate_json for tool in tools or () if hasattr(tool, "model_validate_json")}
    if not models:
        return None

    def read(name: str | None, text: str, value: dict[str, Any] | None) -> Any:
        return models[name](text) if name in models else value

    return read


def _told(error: dict[str, Any], known: set[str]) -> str:
    path = [str(part) if type(part) is int or part in known else "…" for part in error["loc"]]
    return f"{'.'.join(path) or '(root)'}: {error['type']}"


def _property_names(schema: Any) -> set[str]:
    """The names of all properties in a JSON schema, however deep."""
    names: set[str] = set()
    if isinstance(schema, dict):
        for key, inner in schema.items():
            names |= _property_names(inner)
            if key == "properties" and isinstance(inner, dict):
                names |= set(inner)
    elif isinstance(schema, list):
        for inner in schema:
            names |= _property_names(inner)
    return names
