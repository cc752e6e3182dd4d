"""What is to be asked of the service, decided before anything waits.

In go the arguments of a method, out comes a Call: everything that an attempt needs, as plain values. Rules: nothing
here waits or reads a clock; what is wrong with an argument is told by its name, before anything is sent, and is the
caller's mistake: ValueError (`ParameterError` for what the API documents) or TypeError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from typing_extensions import TypedDict

from chatstream.client.bodies import whole_body, written
from chatstream.client.settings import Settings, request_headers, request_query, request_url
from chatstream.client.timeout import Timeout
from chatstream.recording.credentials import hold_credentials

if TYPE_CHECKING:
    from typing import Self


__all__ = ["Call", "Defaults", "RequestOptions", "split_options"]

_MOST_RETRIES = 1000
_SECRET = 8  # characters


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
        given = [*self.headers.items(), *self.query]
        values = [value for name, value in given if hold_credentials([name])]
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
        whole = whole_body(body, options.get("extra_body"))
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
            None if whole is None else written(whole),
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
            # With a user's name in it, the HTTP library would send that in place of the key.
            is_near = _origin(url) == _origin(self.url) and "@" not in urlsplit(url).netloc
        except ValueError:  # no address at all
            return None
        return replace(self, url=url, query=[]) if is_near else None


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
