"""The proxy of `chatstream record --listen`, run: until Ctrl-C or SIGTERM, with its base URL on standard output."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from chatstream.cli.credentials import secrets_of
from chatstream.cli.exits import UNWRITABLE, WHOLE, CommandError
from chatstream.cli.outlet import Outlet, say
from chatstream.cli.serving import log_lines, reason_of, unheard, until_stopped
from chatstream.client.address import check_base_url
from chatstream.server.proxy import RecordingProxy, is_plain_and_far

if TYPE_CHECKING:
    from argparse import Namespace

__all__ = ["proxy"]


def proxy(options: Namespace) -> int:
    """Stand before a service until told to stop; the exit code."""
    err = Outlet(sys.stderr)
    folder = _folder(options.words[0])
    with log_lines(err, quiet=options.quiet), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a tape that is not whole: it is said below
        try:
            standing = _proxy(options, folder)
            anyio.run(until_stopped, standing, err, lambda: _tell(standing, err, options.to, folder))
        except (OSError, ValueError) as error:
            raise CommandError(reason_of(error)) from error
    return _close(standing, err, folder)


def _proxy(options: Namespace, folder: Path) -> RecordingProxy:
    host, port = _address(options.listen)
    if not options.allow_plain_http and is_plain_and_far(check_base_url(options.to, "--to")):
        raise CommandError("--to: http:// would send keys in the clear; use https://, or say --allow-plain-http")
    return RecordingProxy(
        options.to,
        folder,
        host=host,
        port=port,
        secrets=secrets_of([], os.environ),
        allow_plain_http=options.allow_plain_http,
        allowed_hosts=options.allow_host,
    )


def _address(text: str) -> tuple[str, int]:
    """The host and the port of ``HOST:PORT``; of an IPv6 address, in brackets."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal():
        raise CommandError(f"argument --listen: {text!r} is not HOST:PORT, such as 127.0.0.1:0")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def _folder(name: str) -> Path:
    path = Path(name)
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except FileExistsError:
        raise CommandError(f"{name}: is no folder, and a proxy makes many tapes") from None
    except (OSError, ValueError) as error:
        raise CommandError(f"{name}: {getattr(error, 'strerror', None) or error}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise CommandError(f"{name}: no tape can be written there")
    return path


def _tell(standing: RecordingProxy, err: Outlet, to: str, folder: Path) -> None:
    """The base URL, alone on standard output, for whoever reads it there; the rest is for people."""
    Outlet(sys.stdout).write(f"{standing.base_url}\n")
    with unheard():
        say(err, f"listening on {standing.url}, for {to}; tapes go to {folder}")
        say(err, f"for programs on an SDK: OPENAI_BASE_URL={standing.base_url}")


def _close(standing: RecordingProxy, err: Outlet, folder: Path) -> int:
    recorder = standing.recorder
    with unheard():
        if recorder.lost:
            error = recorder.error
            reason = f"{type(error).__name__}: {error}"
            say(err, f"{folder}: a tape is not whole: {reason}")
        else:
            count = len(recorder.paths)
            say(err, f"{count} tape{'s'[: count != 1]} in {folder}")
    return UNWRITABLE if recorder.lost else WHOLE
