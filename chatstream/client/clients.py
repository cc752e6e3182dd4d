"""ChatClient and AsyncChatClient: where a program begins to talk to a service.

In go a key, an address and how patient one is; out come `chat.completions` and its methods. Rules: what is not given
comes from the environment, and all of it is checked when the client is made; a client shows no key and is not pickled;
an HTTP client that was handed in is used and never closed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import httpx
from typing_extensions import TypedDict

from chatstream.client.async_completions import AsyncChat
from chatstream.client.async_sending import AsyncSender
from chatstream.client.attempts import Chances
from chatstream.client.call import Defaults
from chatstream.client.completions import Chat
from chatstream.client.sending import Sender
from chatstream.client.settings import Settings
from chatstream.client.taping import recorder_for
from chatstream.client.timeout import Timeout

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Self

    from typing_extensions import Unpack

__all__ = ["AsyncChatClient", "ChatClient", "ClientOptions"]

_MAX_RETRIES = 2
# As many at once as the official SDKs allow: streams are long, and a gateway has many.
_POOL = httpx.Limits(max_connections=1000, max_keepalive_connections=100)


class ClientOptions(TypedDict, total=False):
    """What of a client may be another in one made from it; as in ChatClient."""

    api_key: str | None
    organization: str | None
    project: str | None
    base_url: str | httpx.URL | None
    timeout: float | Timeout | None
    max_retries: int
    default_headers: Mapping[str, str | None]
    default_query: Mapping[str, object]
    allow_plain_http: bool


class _Client:
    """What both clients know without waiting."""

    def __init__(self, sender: Any, defaults: Defaults, *, owns_http: bool) -> None:
        self._sender = sender
        self._defaults = defaults
        self._owns_http = owns_http

    @property
    def base_url(self) -> str:
        """Where requests go, ending in the version, without a slash."""
        return self._defaults.settings.base_url

    @property
    def timeout(self) -> Timeout:
        """How long a call waits for what, unless it says otherwise."""
        return self._defaults.timeout

    @property
    def max_retries(self) -> int:
        """How often a failed attempt is made again, unless a call says otherwise."""
        return self._defaults.max_retries

    def _changed(self, changes: Mapping[str, Any]) -> Defaults:
        now = self._defaults
        if unknown := changes.keys() - ClientOptions.__optional_keys__:
            raise TypeError(f"with_options() got an unexpected keyword argument {min(unknown)!r}")
        settings = {name: value for name, value in changes.items() if name not in {"timeout", "max_retries"}}
        return Defaults.of(
            now.settings.replace(**settings),
            changes.get("timeout", now.timeout),
            changes.get("max_retries", now.max_retries),
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client holds a key and connections, and is not to be pickled")


class ChatClient(_Client):
    """A client of the Chat Completions API: ``client.chat.completions`` has its operations.

    What is not given comes from OPENAI_API_KEY, OPENAI_BASE_URL, OPENAI_ORG_ID and OPENAI_PROJECT_ID. ``timeout`` is a
    number of seconds, a Timeout, or None for no limit; ``max_retries`` how often a failed attempt is made again;
    ``http_client`` a client of httpx or httpx2, which stays yours to close; ``allow_plain_http`` lets a key go over
    http:// to other places than this machine and private addresses. ``record`` is a file or a folder, or a Recorder:
    each attempt is recorded there, with its times and without keys. ``sleep``, ``random`` and ``clock`` are for tests.

    Raises ValueError or TypeError, naming the parameter. Use it as a context manager, or close it.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        organization: str | None = None,
        project: str | None = None,
        base_url: str | httpx.URL | None = None,
        timeout: float | Timeout | None = Timeout(),  # noqa: B008  frozen
        max_retries: int = _MAX_RETRIES,
        default_headers: Mapping[str, str | None] | None = None,
        default_query: Mapping[str, object] | None = None,
        http_client: Any = None,
        allow_plain_http: bool = False,
        record: Any = None,
        sleep: Callable[[float], object] | None = None,
        random: Callable[[], float] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        settings = Settings.make(
            environ=os.environ,
            api_key=api_key,
            organization=organization,
            project=project,
            base_url=base_url,
            default_headers=default_headers,
            default_query=default_query,
            allow_plain_http=allow_plain_http,
        )
        defaults = Defaults.of(settings, timeout, max_retries)
        _check_http(http_client, "sync")
        http = httpx.Client(limits=_POOL) if http_client is None else http_client
        sender = Sender(
            http,
            owns_http=http_client is None,
            chances=Chances.of(random, clock),
            sleep=sleep,
            recorder=recorder_for(record),
        )
        super().__init__(sender, defaults, owns_http=http_client is None)
        self.chat: Chat = Chat(sender, defaults)

    def with_options(self, **changes: Unpack[ClientOptions]) -> Self:
        """This client with other settings under these names, checked as the first ones were, on the same connections.

        It takes ``api_key``, ``organization``, ``project``, ``base_url``, ``timeout``, ``max_retries``,
        ``default_headers``, ``default_query`` and ``allow_plain_http``. Only the client that it comes from closes
        what they share.
        """
        defaults = self._changed(changes)
        copy = type(self).__new__(type(self))
        _Client.__init__(copy, self._sender, defaults, owns_http=False)
        copy.chat = Chat(self._sender, defaults)
        return copy

    @property
    def is_closed(self) -> bool:
        """Whether its HTTP client was closed."""
        return bool(self._sender.http.is_closed)

    def close(self) -> None:
        """Close the connections, unless they belong to an HTTP client that was handed in."""
        if self._owns_http:
            self._sender.http.close()
        if self._sender.recorder is not None:
            self._sender.recorder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncChatClient(_Client):
    """The same as ChatClient, with ``await``, on asyncio and trio alike; ``http_client`` is an async one."""

    def __init__(
        self,
        *,
        api_key: str | None = None,
        organization: str | None = None,
        project: str | None = None,
        base_url: str | httpx.URL | None = None,
        timeout: float | Timeout | None = Timeout(),  # noqa: B008  frozen
        max_retries: int = _MAX_RETRIES,
        default_headers: Mapping[str, str | None] | None = None,
        default_query: Mapping[str, object] | None = None,
        http_client: Any = None,
        allow_plain_http: bool = False,
        record: Any = None,
        sleep: Callable[[float], Awaitable[object]] | None = None,
        random: Callable[[], float] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        settings = Settings.make(
            environ=os.environ,
            api_key=api_key,
            organization=organization,
            project=project,
            base_url=base_url,
            default_headers=default_headers,
            default_query=default_query,
            allow_plain_http=allow_plain_http,
        )
        defaults = Defaults.of(settings, timeout, max_retries)
        _check_http(http_client, "async")
        http = httpx.AsyncClient(limits=_POOL) if http_client is None else http_client
        sender = AsyncSender(http, chances=Chances.of(random, clock), sleep=sleep, recorder=recorder_for(record))
        super().__init__(sender, defaults, owns_http=http_client is None)
        self.chat: AsyncChat = AsyncChat(sender, defaults)

    def with_options(self, **changes: Unpack[ClientOptions]) -> Self:
        """This client with other settings under these names; as ``ChatClient.with_options``."""
        defaults = self._changed(changes)
        copy = type(self).__new__(type(self))
        _Client.__init__(copy, self._sender, defaults, owns_http=False)
        copy.chat = AsyncChat(self._sender, defaults)
        return copy

    @property
    def is_closed(self) -> bool:
        """Whether its HTTP client was closed."""
        return bool(self._sender.http.is_closed)

    async def aclose(self) -> None:
        """Close the connections, unless they belong to an HTTP client that was handed in."""
        if self._owns_http:
            await self._sender.http.aclose()
        if self._sender.recorder is not None:
            await self._sender.recorder.aclose()

    close = aclose

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


_ARTICLES = {"sync": "a", "async": "an"}


def _check_http(http: Any, kind: Literal["sync", "async"]) -> None:
    """TypeError for what is no HTTP client of this kind, told by what it can do."""
    if http is None:
        return
    can = all(callable(getattr(http, name, None)) for name in ("build_request", "send", "stream"))
    if isinstance(http, type) or not can or hasattr(http, "aclose") != (kind == "async"):
        what = f"the class {http.__name__}" if isinstance(http, type) else type(http).__name__
        raise TypeError(f"http_client: expected {_ARTICLES[kind]} {kind} client of httpx or httpx2, got {what}")
