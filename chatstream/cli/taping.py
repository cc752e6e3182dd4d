"""The tee of `chatstream record`: from a command or standard input to standard output, and to a tape.

In go bytes as they come, out go the same bytes, at once. Rules: whoever reads our output sees what he would see without
us, and whoever writes to us is treated as he would be without us: a reader who leaves ends the writer, as with tee, and
a signal is passed on. The tape is written in a thread of its own; that it cannot be written is said when all is over.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatstream.cli.credentials import secrets_of
from chatstream.cli.exits import UNWRITABLE, WHOLE, CommandError, writing
from chatstream.cli.heads import HeadReader
from chatstream.cli.outlet import Outlet, say
from chatstream.errors import RecordingError
from chatstream.recording.files.packing import pack_writer
from chatstream.recording.recorder import Recorder

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Generator

    from chatstream.recording.recorder import Take

__all__ = ["tape_command", "tape_input"]

_READ_SIZE = 64 * 1024  # bytes: what a pipe holds
_NOT_FOUND, _NOT_RUNNABLE = 127, 126  # as shells and env have it
_BY_SIGNAL = 128  # and the signal's number
_CURL_TIMEOUT = 28  # curl's exit code for it


def tape_command(options: Namespace) -> int:
    """Run a command, pass on what it writes, and tape it; the command's exit code."""
    tape = _Tape(options)
    running: list[subprocess.Popen[bytes]] = []
    with _on_signals("SIGINT", "SIGTERM", "SIGHUP", act=lambda number: _pass_signal(number, running)):
        try:
            process = _started(options.words)
        except CommandError:
            tape.forget()
            raise
        running.append(process)
        with process:
            code = _follow(process, tape, quiet=options.quiet)
    return tape.close(code)


def _follow(process: subprocess.Popen[bytes], tape: _Tape, *, quiet: bool) -> int:
    assert process.stdout is not None  # noqa: S101  it is a pipe
    number = process.stdout.fileno()
    try:
        _pump(lambda: os.read(number, _READ_SIZE), tape.begin(), quiet=quiet)
    except BrokenPipeError:
        tape.end("cancel")
    except CommandError:  # a full disk
        tape.end("cancel")
        process.stdout.close()
        process.wait()
        tape.close(UNWRITABLE)
        raise
    process.stdout.close()  # whose reader has left is told so when it writes, as in any pipe
    code = process.wait()
    tape.end(*_end_of(process, code))
    return code if code >= 0 else _BY_SIGNAL - code


def tape_input(options: Namespace) -> int:
    """Pass on what comes on standard input, and tape it; the exit code."""
    if sys.stdin is None:
        raise CommandError("standard input is closed")
    stdin: Any = sys.stdin.buffer
    tape = _Tape(options)
    reader = tape.begin()
    try:
        with _on_signals("SIGTERM", "SIGHUP", act=_stop):
            _pump(lambda: stdin.read1(_READ_SIZE), reader, quiet=options.quiet)
    except _Stopped as stopped:
        tape.end("cancel")
        return tape.close(stopped.code)
    except BaseException:  # Ctrl-C, a reader who has left, a full disk
        tape.end("cancel")
        tape.close(UNWRITABLE)
        raise
    tape.end("eof")
    return tape.close(WHOLE)


def _pump(read: Callable[[], bytes], reader: HeadReader, *, quiet: bool) -> None:
    """Pass on until there is no more. First to the tape, which is only a note of it: standard output may be slow."""
    out: Any = None if quiet or sys.stdout is None else sys.stdout.buffer
    # Not by way of a buffer, which would try again, at the very end, what a reader who has left did not take.
    out = getattr(out, "raw", out)
    while data := read():
        reader.read(data)
        if out is not None:
            with writing():
                _write_all(out, data)


def _write_all(out: Any, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[out.write(left) :]
    out.flush()


class _Tape:
    """The tape of this run, from the file that is there before anything begins to what is said at the end."""

    def __init__(self, options: Namespace) -> None:
        self._name: str = options.output
        self._is_folder = Path(options.output).is_dir() or options.output.endswith(("/", os.sep))
        self._quiet: bool = options.quiet
        self._made = False
        self._check(append=options.append, force=options.force)
        self._recorder = Recorder(options.output, secrets=secrets_of(options.words, os.environ))
        self._take: Take | None = None

    def begin(self) -> HeadReader:
        """What takes the reads. The clock of the tape starts now."""
        self._take = self._recorder.begin()
        self._reader = HeadReader(self._take)
        return self._reader

    def end(self, kind: Any, error: str | None = None) -> None:
        """How the stream ended; the first one counts."""
        assert self._take is not None  # noqa: S101  there was a stream
        self._reader.close()
        self._take.end(kind, error)

    def close(self, code: int) -> int:
        """Wait until it is written, and say what there is to say; the exit code, given that of the stream."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is said below, as everything is said here
            self._recorder.close()
        err = Outlet(sys.stderr)
        with contextlib.suppress(OSError, CommandError):
            if self._recorder.lost:
                error = self._recorder.error
                reason = f"{type(error).__name__}: {error}"
                say(err, f"{self._name}: the tape is not whole: {reason}")
            elif self._is_folder and not self._quiet:
                for path in self._recorder.paths:
                    say(err, f"the tape is {path}")
        return code or (UNWRITABLE if self._recorder.lost else WHOLE)

    def forget(self) -> None:
        """There is nothing to tape after all: leave no empty file behind."""
        if self._made:
            with contextlib.suppress(OSError):
                Path(self._name).unlink()

    def _check(self, *, append: bool, force: bool) -> None:
        """Make the file; CommandError if that cannot be done, or it is there, and nobody said what to do with it."""
        path = Path(self._name)
        try:
            if not self._is_folder:
                pack_writer(path)  # which knows whether there is a library to pack with
            if self._is_folder:
                path.mkdir(parents=True, exist_ok=True, mode=0o700)
            elif not path.exists() or path.is_file():
                self._made = not path.exists()
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | _how(append=append, force=force), 0o600))
        except RecordingError as error:
            raise CommandError(f"{self._name}: {error}") from error
        except FileExistsError:
            raise CommandError(f"{self._name}: it exists; --append adds to it, --force replaces it") from None
        except (OSError, ValueError) as error:  # ValueError: no name that a file can have
            raise CommandError(f"{self._name}: {getattr(error, 'strerror', None) or error}") from error


def _how(*, append: bool, force: bool) -> int:
    if append:
        return os.O_APPEND
    return os.O_TRUNC if force else os.O_EXCL


# The command


def _started(words: list[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(words, stdout=subprocess.PIPE, bufsize=0)  # noqa: S603  whoever calls us says what
    except FileNotFoundError as error:
        raise CommandError(f"{words[0]}: {error.strerror}", _NOT_FOUND) from error
    except (OSError, ValueError) as error:
        raise CommandError(f"{words[0]}: {getattr(error, 'strerror', None) or error}", _NOT_RUNNABLE) from error


def _end_of(process: subprocess.Popen[bytes], code: int) -> tuple[str, str | None]:
    """How a stream ended, by the exit code of the command that read it."""
    if code == 0:
        return "eof", None
    if code in {-signal.SIGINT, _BY_SIGNAL + signal.SIGINT}:
        return "cancel", None
    command: Any = process.args
    if code == _CURL_TIMEOUT and Path(command[0]).name.startswith("curl"):
        return "timeout", "curl"
    return "error", f"exit code {code}" if code > 0 else f"signal {-code}"


# Signals


@contextlib.contextmanager
def _on_signals(*names: str, act: Callable[[int], None]) -> Generator[None]:
    """Within it, this is done for a signal of such a name, in place of what is done by default."""
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for name in names:
            number = getattr(signal, name, None)
            # What is ignored here (nohup) is to be ignored by the command too, which a handler of ours would undo.
            if number is not None and signal.getsignal(number) not in {signal.SIG_IGN, None}:
                before[number] = signal.signal(number, lambda number, _: act(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _pass_signal(number: int, running: list[subprocess.Popen[bytes]]) -> None:
    """Give a signal to the command, and wait on: its end is ours."""
    if not running:
        raise KeyboardInterrupt
    if number == signal.SIGINT and _is_in_front():
        return  # Ctrl-C goes to all who are in front, and a second one is mostly understood as impatience
    running[0].send_signal(number)


def _is_in_front() -> bool:
    """Whether the terminal sends its signals to us, and so to the command as well."""
    try:
        with Path("/dev/tty").open("rb", buffering=0) as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False
    except AttributeError:  # Windows, where Ctrl-C is for all of a console
        return True


class _Stopped(BaseException):
    """A signal asked for an end, and the tape is to get one."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.code: int = _BY_SIGNAL + number


def _stop(number: int) -> None:
    raise _Stopped(number)
