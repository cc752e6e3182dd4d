"""What all requests of a client share, and what one request is made of: where it goes, its headers, its query.

In go what the caller gave and the environment's variables, out come plain values for any HTTP library. Rules: all is
checked before anything is sent, and a ValueError or TypeError names the parameter; a key is shown by no message and no
``repr``, and goes over plain http to this machine and to private addresses alone, unless the caller says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, cast
from urllib.parse import quote

import msgspec

from chatstream import __version__
from chatstream.client.address import check_base_url, is_near
from chatstream.client.headers import check_given, check_headers, check_value
from chatstream.recording.credentials import hold_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

__all__ = [
    "OPENAI_URL",
    "Settings",
    "check_plain_http",
    "path_of",
    "request_headers",
    "request_query",
    "request_url",
]

OPENAI_URL = "https://api.openai.com/v1"

_LONGEST_SEGMENT = 1024  # characters
_SHOWN = 40  # characters of a name in an error message


class Settings(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What a client sends with every request; ``make`` is how to come by it.

    It is checked however it is made: TypeError and ValueError name the parameter. It shows no key. Pickling it is a
    TypeError, since that would write the key down; a copy is the thing itself, as nothing in it changes.
    """

    api_key: str | None = None
    organization: str | None = None
    project: str | None = None
    base_url: str = OPENAI_URL
    default_headers: Mapping[str, str | None] = {}
    default_query: Mapping[str, object] = {}
    allow_plain_http: bool = False

    def __post_init__(self) -> None:
        for name in ("api_key", "organization", "project"):
            if getattr(self, name) is not None:
                check_given(getattr(self, name), name)
        if not isinstance(self.allow_plain_http, bool):
            raise TypeError(f"allow_plain_http: expected a bool, got {type(self.allow_plain_http).__name__}")
        own = {
            "base_url": check_base_url(self.base_url),
            "default_headers": MappingProxyType(check_headers(self.default_headers)),
            "default_query": MappingProxyType(_check_query(self.default_query, "default_query")),
        }
        for name, value in own.items():
            msgspec.structs.force_setattr(self, name, value)
        request_headers(self, accept="*/*")  # so that a key in the clear is met here, and not at the first call

    @classmethod
    def make(
        cls,
        *,
        environ: Mapping[str, str],
        api_key: str | None = None,
        organization: str | None = None,
        project: str | None = None,
        base_url: object = None,
        default_headers: Mapping[str, str | None] | None = None,
        default_query: Mapping[str, object] | None = None,
        allow_plain_http: bool = False,
    ) -> Self:
        """The settings of these arguments; those that are None come from the variables in ``environ``.

        ValueError if there is no key, unless there is a base_url, as a server of one's own needs none.
        """
        key = _variable(environ, "OPENAI_API_KEY") if api_key is None else api_key
        url = _variable(environ, "OPENAI_BASE_URL", check_base_url) if base_url is None else check_base_url(base_url)
        if key is None and url is None:
            raise ValueError("api_key: must be given, as an argument or as OPENAI_API_KEY in the environment")
        return cls(
            api_key=key,
            organization=_variable(environ, "OPENAI_ORG_ID") if organization is None else organization,
            project=_variable(environ, "OPENAI_PROJECT_ID") if project is None else project,
            base_url=url or OPENAI_URL,
            default_headers=default_headers if default_headers is not None else {},
            default_query=default_query if default_query is not None else {},
            allow_plain_http=allow_plain_http,
        )

    def replace(self, **changes: Any) -> Self:
        """The settings with other values under these names, checked one by one; None takes one away."""
        if changes.get("base_url", "") is None:
            changes["base_url"] = OPENAI_URL
        return msgspec.structs.replace(self, **changes)

    def __repr__(self) -> str:
        return f"<Settings {self.base_url}, {'no key' if self.api_key is None else 'with a key'}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("base_url", self.base_url)]  # a Struct's own would tell the rest

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("settings hold a key, and are not to be pickled")


def _variable(environ: Mapping[str, str], name: str, check: Callable[[str, str], str] = check_value) -> str | None:
    """A variable of the environment, checked under its own name; None if it is not set, or blank."""
    value = environ.get(name)
    return check(value, name) if value is not None and value.strip() else None


def check_plain_http(settings: Settings, headers: Mapping[str, str]) -> None:
    """Raises ValueError if these headers, which are all that a request would have, give a secret away on plain http."""
    url = settings.base_url
    if url.startswith("https:") or settings.allow_plain_http or is_near(url) or not hold_credentials(headers):
        return
    raise ValueError(
        "base_url: http:// would send a key in the clear to a host that is neither loopback nor a private address; "
        "use https://, or say allow_plain_http=True"
    )


def request_headers(
    settings: Settings,
    *,
    accept: str,
    has_body: bool = False,
    is_stream: bool = False,
    extra_headers: Mapping[str, str | None] | None = None,
    idempotency_key: str | None = None,
) -> dict[str, str]:
    """The headers of a request, their names in lower case.

    Over our own go the client's, over those the call's; None leaves ours out, and of ``accept``, ``accept-encoding``
    and ``user-agent`` the HTTP library then sends its own. A stream's ``accept`` is httpx-sse's. It is asked for as it
    is, since an encoder may hold back what it has not filled a block with. Raises TypeError and ValueError, as
    ``check_plain_http`` does too.
    """
    own = {
        "accept": accept,
        "accept-encoding": "identity" if is_stream else "gzip, deflate",
        "user-agent": f"chatstream/{__version__}",
        "content-type": "application/json" if has_body else None,
        "authorization": None if settings.api_key is None else f"Bearer {settings.api_key}",
        "openai-organization": settings.organization,
        "openai-project": settings.project,
    }
    call = {} if idempotency_key is None else {"idempotency-key": check_given(idempotency_key, "idempotency_key")}
    merged = {**own, **settings.default_headers, **call, **check_headers(extra_headers, "extra_headers")}
    headers = {name: value for name, value in merged.items() if value is not None}
    check_plain_http(settings, headers)
    return headers


def request_url(settings: Settings, path: str) -> str:
    """The URL of a path that ``path_of`` made."""
    return settings.base_url + path


def path_of(*segments: str) -> str:
    """The path of these segments, each quoted, so that an id stays the one segment that it is.

    Raises TypeError and ValueError, naming ``completion_id``: the others are ours.
    """
    return "".join(f"/{quote(_check_segment(segment), safe='')}" for segment in segments)


def _check_segment(segment: object) -> str:
    if not isinstance(segment, str):
        raise TypeError(f"completion_id: expected a str, got {type(segment).__name__}")
    if segment in {"", ".", ".."}:  # the path of something else
        raise ValueError(f"completion_id: expected the id of a completion, got {segment!r}")
    if len(segment) > _LONGEST_SEGMENT:
        raise ValueError(f"completion_id: expected at most {_LONGEST_SEGMENT} characters, got {len(segment)}")
    if not segment.isprintable():
        raise ValueError("completion_id: holds a control character, or one that cannot be printed")
    return segment


def request_query(
    settings: Settings, params: Mapping[str, object] | None = None, extra_query: Mapping[str, object] | None = None
) -> list[tuple[str, str]]:
    """The names and values of a query, not yet quoted.

    Over the client's ``default_query`` go the params of the call that are not None, over those ``extra_query``, where
    None leaves a parameter out. Members of a mapping go as ``name[member]``, those of a list as ``name[]``.
    """
    given = {name: value for name, value in (params or {}).items() if value is not None}
    query = {**settings.default_query, **given, **_check_query(extra_query, "extra_query")}
    return [pair for name, value in query.items() for pair in _pairs(name, value, name)]


def _check_query(query: Mapping[str, object] | None, what: str) -> dict[str, object]:
    if query is None:
        return {}
    if not isinstance(query, Mapping):
        raise TypeError(f"{what}: expected a mapping of names to values, got {type(query).__name__}")
    for name, value in query.items():
        for _ in _pairs(_text(name, what), value, f"{what}[{name[:_SHOWN]!r}]"):
            pass
    return dict(query)


def _pairs(name: str, value: object, what: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for member, inner in cast("Mapping[object, object]", value).items():
            yield from _pairs(f"{name}[{_text(member, what)}]", inner, what)
    elif isinstance(value, list | tuple):
        for inner in cast("list[object]", value):
            yield from _pairs(f"{name}[]", inner, what)
    elif isinstance(value, bool):
        yield name, "true" if value else "false"
    elif isinstance(value, int | float):
        yield name, str(value)
    elif value is not None:
        yield name, _text(value, what)


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise TypeError(
            f"{what}: expected a str, a number, a bool, or these in a mapping or list, got {type(value).__name__}"
        )
    if not value.isprintable() and any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError(f"{what}: holds half of a surrogate pair, which no URL can have")
    return value
