"""The two HTTP libraries that a request may be of, httpx and httpx2, told apart by the request itself.

In go requests, exceptions and recorded ends of either, out come plain values, or what belongs to the same library.
Rules: neither is imported here: whoever hands in a request has done so. A body that is not in memory yet is somebody's
upload, and is not read for us; but a form is whose files can be read twice. What parts a form is chosen anew for each
request, and is not what was asked.
"""

from __future__ import annotations

import hashlib
import re
import sys
from typing import TYPE_CHECKING, Any

from chatstream.recording.credentials import credentials_of
from chatstream.recording.library.asked import Asked
from chatstream.recording.tape import body_value, json_text

if TYPE_CHECKING:
    from chatstream.recording.exchange import Exchange
    from chatstream.recording.secrets import Secrets
    from chatstream.recording.writing.composing import TapeEnd

__all__ = ["asked_of", "content_of", "failure_of", "granted", "kind_of", "library_of"]

_LIBRARIES = ("httpx", "httpx2")
_BOUNDARY = re.compile(r"multipart/.*boundary=\"?([^\";]+)", re.IGNORECASE)
_LARGEST_FORM = 64 * 1024 * 1024  # bytes of files that are read for it
_PHASES = {"connect": "ConnectTimeout", "pool": "PoolTimeout"}
_SETTINGS = {"ConnectTimeout": "connect", "PoolTimeout": "pool", "ReadTimeout": "read", "WriteTimeout": "write"}


def library_of(request: Any) -> Any:
    """The library that a request is of; TypeError for what is no request of either."""
    for name in _LIBRARIES:
        library: Any = sys.modules.get(name)
        if library is not None and isinstance(request, library.Request):
            return library
    raise TypeError(f"a request of httpx or httpx2 is expected, not {type(request).__name__}")


def content_of(request: Any) -> bytes | None:
    """The body of a request; None if it is streamed, and only whoever sends it will see it.

    Of a form, the parts are told by the same boundary for all.
    """
    try:
        content: bytes | None = request.content
    except library_of(request).RequestNotRead:
        content = _form_of(request)
    boundary = _BOUNDARY.match(request.headers.get("content-type", ""))
    return content.replace(boundary[1].encode(), b"boundary") if content and boundary else content


def _form_of(request: Any) -> bytes | None:
    """The body of a form that is made of what is here: of bytes, and of files that whoever sends them begins anew."""
    fields: Any = getattr(request.stream, "fields", None)
    size = request.headers.get("content-length", "")
    if not isinstance(fields, list) or not size.isdecimal() or int(size) > _LARGEST_FORM:
        return None
    files = [getattr(field, "file", b"") for field in fields]
    if not all(isinstance(file, str | bytes) or file.seekable() for file in files):
        return None
    return b"".join(request.stream)


def asked_of(request: Any, secrets: Secrets) -> Asked:
    """What a request asks for, with its secrets masked as they would be on a tape."""
    url = str(request.url)
    content = content_of(request)
    told = {"url": request.url.raw_path.decode("ascii", "replace"), "body": body_value(content or b"")}
    is_unread = content and told["body"] is None
    digest = hashlib.sha256(content).hexdigest() if content and is_unread else None if content is None else ""
    secrets = secrets.also(credentials_of(request.headers, url))
    secrets = secrets.also(secrets.named_in(json_text(told).encode()))
    masked, _ = secrets.masked_value(told)
    return Asked.of(request.method, masked["url"], masked["body"], body_sha256=digest)


def kind_of(error: BaseException) -> TapeEnd:
    """How a tape ends where this was raised: what is no Exception came from whoever stops the program or the task."""
    if not isinstance(error, Exception):
        return "cancel"
    names = {kind.__name__ for kind in type(error).__mro__}
    return "timeout" if names & {"TimeoutException", "TimeoutError"} else "error"


def failure_of(exchange: Exchange, request: Any) -> Exception | None:
    """What to raise where an exchange ends, of the library that the request is of; None for a clean end.

    It is the exception that was recorded, if the library has one of this name, or else the one that says it best.
    """
    library = library_of(request)
    end = exchange.end or {}
    if exchange.flaw is not None:
        return exchange.flaw.error(exchange.name)
    name = str(end.get("error", "")).partition(":")[0].strip()
    if end.get("end") == "timeout":
        usual = _PHASES.get(str(end.get("phase")), "ReadTimeout")
        kind, message = _error(library, name, library.TimeoutException, usual), "timed out, as it was recorded"
        failure: Exception = kind(message, request=request)
        return failure
    if end.get("end") != "error":
        return None
    usual = "ReadError" if "reset" in name.lower() else "RemoteProtocolError"
    kind, message = _error(library, name, library.TransportError, usual), "the connection broke off, as it was recorded"
    broken: Exception = kind(f"{message} ({name or usual})", request=request)
    return broken


def granted(request: Any, timeout: str) -> float | None:
    """The seconds after which a request ends with this timeout; None if none was set, or for another error."""
    settings = request.extensions.get("timeout")
    seconds = settings.get(_SETTINGS.get(timeout)) if isinstance(settings, dict) else None
    return seconds if isinstance(seconds, int | float) else None


def _error(library: Any, name: str, kind: type[Exception], usual: str) -> Any:
    found = getattr(library, name, None) if name.isidentifier() else None
    return found if isinstance(found, type) and issubclass(found, kind) else getattr(library, usual)
