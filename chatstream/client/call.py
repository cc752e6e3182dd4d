"""What is to be asked of the service, decided before anything waits.

In go the arguments of a method, out comes a Call: everything that an attempt needs, as plain values. Rules: nothing
here waits or reads a clock; what is wrong with an argument is told by its name, before anything is sent, and is the
caller's mistake: ValueError (`ParameterError` for what the API documents) or TypeError.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from typing_extensions import TypedDict

from chatstream.client.headers import hold_credentials
from chatstream.client.settings import Settings, request_headers, request_query, request_url
from chatstream.client.timeout import Timeout
from chatstream.errors import ParameterError
from chatstream.jsontext import write_json
from chatstream.validation import problems

if TYPE_CHECKING:
    from typing import Self

    from chatstream.validation import Problem

__all__ = ["Call", "Defaults", "RequestOptions", "check_body", "create_body", "split_options"]

_MOST_RETRIES = 1000
_SECRET = 8  # characters
_DEEPEST = 200  # levels; a body that holds itself has more
_SHOWN = 100  # characters of a path


class RequestOptions(TypedDict, total=False):
    """What every call takes beside the parameters of the API.

    ``extra_headers`` (None leaves a header out), ``extra_query`` and ``extra_body`` are added last and are not judged;
    ``timeout`` is as the client's; ``max_retries`` is how often a failed attempt is made again; ``idempotency_key``
    tells the service that two requests are one.
    """

    extra_headers: Mapping[str, str | None] | None
    extra_query: Mapping[str, object] | None
    extra_body: Mapping[str, object] | None
    timeout: float | Timeout | None
    max_retries: int
    idempotency_key: str | None


_OPTIONS: frozenset[str] = RequestOptions.__optional_keys__


@dataclass(frozen=True)
class Defaults:
    """What a client does where a call says nothing else."""

    settings: Settings
    timeout: Timeout
    max_retries: int

    @classmethod
    def of(cls, settings: Settings, timeout: object, max_retries: int) -> Self:
        """The defaults, checked."""
        return cls(settings, Timeout.of(timeout), _retries(max_retries))


@dataclass(frozen=True, repr=False)
class Call:
    """One request, whatever the number of attempts that it takes."""

    method: str
    url: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes | None
    streams: bool
    timeout: Timeout
    max_retries: int

    def __repr__(self) -> str:
        # Headers hold the key, a query may, and a body holds what was said.
        return f"Call({self.method} {urlsplit(self.url).path})"

    @property
    def secrets(self) -> list[str]:
        """What of it nobody is to be shown, the longest first; short ones are words, and hide nothing."""
        values = [value for name, value in self.headers.items() if hold_credentials([name])]
        found = {part for value in values for part in (value, value.rpartition(" ")[2]) if len(part) >= _SECRET}
        return sorted(found, key=len, reverse=True)

    @classmethod
    def make(
        cls,
        defaults: Defaults,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, object] | None = None,
        options: RequestOptions,
        streams: bool = False,
    ) -> Self:
        """The call of this path with these options over the client's own."""
        settings = defaults.settings
        whole = _whole_body(body, options.get("extra_body"))
        headers = request_headers(
            settings,
            accept="text/event-stream" if streams else "application/json",
            has_body=whole is not None,
            is_stream=streams,
            extra_headers=options.get("extra_headers"),
            idempotency_key=options.get("idempotency_key"),
        )
        return cls(
            method,
            request_url(settings, path),
            request_query(settings, query, options.get("extra_query")),
            headers,
            None if whole is None else _written(whole),
            streams,
            Timeout.of(options["timeout"]) if "timeout" in options else defaults.timeout,
            _retries(options["max_retries"]) if "max_retries" in options else defaults.max_retries,
        )

    def redirected(self, location: str | None) -> Self | None:
        """The call that a redirect asks for, if it is one to follow: nothing was sent to be repeated, same origin."""
        if self.method != "GET" or not location:
            return None
        try:
            url = urljoin(self.url, location)
            is_near = _origin(url) == _origin(self.url)
        except ValueError:  # no address at all
            return None
        return replace(self, url=url, query=[] if urlsplit(url).query else self.query) if is_near else None


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _retries(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"max_retries: expected a whole number, got {type(value).__name__}")
    if not 0 <= value <= _MOST_RETRIES:
        raise ValueError(f"max_retries: expected a number from 0 to {_MOST_RETRIES}, got {value}")
    return value


def split_options(method: str, arguments: Mapping[str, Any], known: frozenset[str]) -> RequestOptions:
    """The request options among a method's keyword arguments.

    TypeError for an argument that is neither one of them nor ``known``, as Python would raise it.
    """
    for name in arguments:
        if name not in _OPTIONS and name not in known:
            raise TypeError(
                f"{method}() got an unexpected keyword argument {name!r}; "
                "what the API does not document goes into extra_body"
            )
    chosen: Any = {name: value for name, value in arguments.items() if name in _OPTIONS}
    for name in ("extra_headers", "extra_query", "extra_body"):
        if chosen.get(name) is not None and not isinstance(chosen[name], Mapping):
            raise TypeError(f"{name}: expected a mapping, got {type(chosen[name]).__name__}")
    return chosen  # type: ignore[no-any-return]  # taken from a mapping of anything


# Bodies


def create_body(messages: object, model: object, params: Mapping[str, Any], *, stream: bool) -> dict[str, Any]:
    """The body of ``POST /chat/completions``, checked; message models are told in the API's own terms."""
    body = {"messages": _messages(messages), "model": model, **params}
    if stream:
        body["stream"] = True
    check_body(problems(body))
    return body


def check_body(found: Iterable[Problem]) -> None:
    """ParameterError for the first of these problems, but for words that another service may well know."""
    for problem in found:
        if not problem.unknown_word:
            raise ParameterError(problem.message, param=problem.param, code=problem.code)


def _messages(messages: object) -> list[Any]:
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Iterable):
        raise TypeError(f"messages: expected a sequence of messages, got {type(messages).__name__}")
    return [_message(message, index) for index, message in enumerate(messages)]


def _message(message: object, index: int) -> Any:
    told = message if isinstance(message, Mapping) else _told(message)
    if told is None:
        raise TypeError(f"messages[{index}]: expected a dict or a message model, got {type(message).__name__}")
    return told


def _whole_body(body: Mapping[str, Any] | None, extra: Mapping[str, object] | None) -> Mapping[str, Any] | None:
    return body if not extra else {**(body or {}), **extra}


def _written(body: Mapping[str, Any]) -> bytes:
    # The encoder would take more than JSON has, and change it without a word.
    return write_json(_json(body, "the body", 0)).encode()


def _json(value: Any, path: str, depth: int) -> Any:
    """The value in dicts and lists; TypeError or ValueError, naming the path, for what JSON has not."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{path[:_SHOWN]}: JSON has no {value}")
        return value
    if depth > _DEEPEST:
        raise ValueError(f"{path[:_SHOWN]}: nested deeper than {_DEEPEST} levels")
    inside = f"{path}." if depth else ""
    if isinstance(value, Mapping):
        return {_key(key, path): _json(inner, f"{inside}{key}", depth + 1) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_json(inner, f"{path}[{index}]", depth + 1) for index, inner in enumerate(value)]
    told = _told(value)
    if told is None:
        raise TypeError(f"{path[:_SHOWN]}: a value of type {type(value).__name__} cannot be sent as JSON")
    return _json(told, path, depth + 1)


def _key(key: object, path: str) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{path[:_SHOWN]}: expected str as keys, got {type(key).__name__}")
    return key


def _told(value: Any) -> Any:
    """What a model says of itself for a request; None if it is no model."""
    for name, options in (("to_param", {}), ("model_dump", {"mode": "json", "exclude_none": True})):
        tell = getattr(value, name, None)
        if callable(tell) and not isinstance(value, type):
            return tell(**options)
    return None
