"""The server of `chatstream serve`, run: until Ctrl-C or SIGTERM, with its base URL on standard output.

Apart from the command itself, because it loads the server, which few other commands need. What is run the same way, as
the proxy of `chatstream record`, takes the words that are public here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import anyio

from chatstream.cli.exits import WHOLE, CommandError
from chatstream.cli.outlet import Outlet, say
from chatstream.cli.serve import KEY_VARIABLE, PORT
from chatstream.errors import ChatStreamError
from chatstream.server import ReplayServer

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Generator

    from chatstream.server.listener import Listener

__all__ = ["log_lines", "reason_of", "serve", "unheard", "until_stopped"]


def serve(options: Namespace) -> int:
    """Serve until told to stop; the exit code."""
    err = Outlet(sys.stderr)
    wanted = PORT if options.port is None else options.port
    with log_lines(err, quiet=options.quiet):
        server = _server(options)
        try:
            anyio.run(until_stopped, server, err, lambda: _tell(server, err, wanted))
        except OSError as error:
            raise CommandError(reason_of(error)) from error
        except ValueError as error:  # the database is none
            raise CommandError(str(error)) from error
    return WHOLE


def _server(options: Namespace) -> ReplayServer:
    try:
        return ReplayServer(
            options.tapes,
            match=[level.strip() for level in options.match.split(",")],
            ignore=options.ignore,
            on_miss=options.on_miss,
            db=options.db,
            host=options.host,
            port=(PORT, 0) if options.port is None else options.port,
            api_key=options.api_key if options.api_key is not None else os.environ.get(KEY_VARIABLE),
            allowed_hosts=options.allow_host,
            speed=options.speed,
            faults=options.fault,
            fault_header=options.fault_header,
            seed=options.seed,
        )
    except (OSError, ValueError, ChatStreamError) as error:
        raise CommandError(reason_of(error)) from error


async def until_stopped(server: Listener, err: Outlet, tell: Callable[[], None]) -> None:
    """Run a server until Ctrl-C or SIGTERM; ``tell`` says where it is, once it is there."""
    with contextlib.ExitStack() as stack:
        try:
            signals = stack.enter_context(anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM))
        except NotImplementedError:  # on Windows; there Ctrl-C ends the wait as KeyboardInterrupt
            signals = None
        async with server:
            tell()
            if signals is None:
                await anyio.sleep_forever()
            else:
                await anext(signals)
            stack.close()  # from here on, a second signal ends the process as it ends any other
            _say_goodbye(server, err)


def _say_goodbye(server: Listener, err: Outlet) -> None:
    with unheard():
        err.end_line()
        if server.busy:
            say(err, "stopping; answers that are going out get a moment more, Ctrl-C again does not wait")


def _tell(server: ReplayServer, err: Outlet, wanted: int) -> None:
    """The base URL, alone on standard output, for whoever reads it there; the rest is for people."""
    Outlet(sys.stdout).write(f"{server.base_url}\n")
    tapes = len(server.tape_names)
    answers = [f"{tapes} recording{'s'[: tapes != 1]}"] if tapes else []
    answers += ["an echo"] if server.echo else []
    with unheard():
        if wanted not in {0, server.port}:
            say(err, f"port {wanted} is taken; here is another one")
        say(err, f"{' and '.join(answers) or 'nothing'} at {server.base_url}; a page to look at is {server.url}/")


def unheard() -> contextlib.suppress:
    """Nobody reading what it says is no reason to stop serving."""
    return contextlib.suppress(OSError, CommandError)


def reason_of(error: Exception) -> str:
    """Why a server cannot start, as one line."""
    if not isinstance(error, OSError):
        return str(error)
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else f"cannot listen: {reason}"


@contextlib.contextmanager
def log_lines(err: Outlet, *, quiet: bool) -> Generator[None]:
    """Show the server's log on standard error: a line a request, unless that is too much."""
    logger = logging.getLogger("chatstream.server")
    handler = _Lines(err)
    level = logger.level
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _Lines(logging.Handler):
    """Log records as lines with the time of day."""

    def __init__(self, err: Outlet) -> None:
        super().__init__()
        self._err = err

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record."""
        with unheard():
            self._err.write(f"{time.strftime('%H:%M:%S')} {record.getMessage()}\n")
