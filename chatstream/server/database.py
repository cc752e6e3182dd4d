"""The database of stored completions: one SQLite file, opened so that what is committed stays.

In go a path and statements, out come rows. Rules: everything runs in a transaction, one at a time; several processes
may have the file open. What the file system refuses is an OSError, a file that is something else a ValueError; nothing
of sqlite3's gets out, but for mistakes in our own statements. What the tables mean is not known here.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["Database", "Run"]

Run: TypeAlias = "Callable[..., sqlite3.Cursor]"

_MEMORY = ":memory:"
_VERSION = 1
_APPLICATION = 0x63687374  # "chst": tells our files from those of others who count their versions from 1 too
_PATIENCE = 10.0  # seconds to wait for another process: a write takes milliseconds
_PAUSE = 0.01  # seconds between two tries where SQLite does not wait by itself
_FOREIGN = "is no database of chatstream's"

# AUTOINCREMENT: a sequence number is never given twice, so that a cursor keeps its place for good. What is filtered by
# or shown in a table has a column; all else is JSON text, since the API's objects grow with every release.
_SCHEMA = (
    """CREATE TABLE completions (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        model TEXT,
        created INTEGER,
        opening TEXT,
        completion TEXT -- NULL: deleted
    )""",
    "CREATE INDEX living ON completions (model, sequence) WHERE completion IS NOT NULL",
    """CREATE TABLE messages (
        sequence INTEGER NOT NULL REFERENCES completions ON DELETE CASCADE,
        number INTEGER NOT NULL,
        message TEXT NOT NULL,
        PRIMARY KEY (sequence, number)
    )""",
    """CREATE TABLE metadata (
        sequence INTEGER NOT NULL REFERENCES completions ON DELETE CASCADE,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        UNIQUE (sequence, key)
    )""",
    "CREATE INDEX metadata_by_value ON metadata (key, value, sequence)",
    f"PRAGMA application_id = {_APPLICATION}",
)

_SETTINGS = (
    # NORMAL, which is usual with WAL, leaves the last commits to the system's cache: kill -9 would not hurt them, a
    # power cut would. FULL waits for the disk once a commit, which is what makes an acknowledgement worth anything.
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",  # on macOS, where fsync alone does not reach the disk; elsewhere it means nothing
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",  # prompts are people's words: what is deleted is overwritten
)

_ERRORS = {
    "SQLITE_FULL": (errno.ENOSPC, "no space left for stored completions"),
    "SQLITE_CANTOPEN": (errno.EACCES, "the file, or its companions beside it, cannot be opened"),
    "SQLITE_READONLY": (errno.EACCES, "the file, or the folder it is in, cannot be written"),
    "SQLITE_PERM": (errno.EACCES, "the file cannot be used"),
    "SQLITE_IOERR": (errno.EIO, "the disk failed"),
    "SQLITE_BUSY": (errno.ETIMEDOUT, f"another process held it for more than {_PATIENCE:g} seconds"),
}


class Database:
    """The file at ``path``, which is made if it is missing, for its owner alone; or a database in ``":memory:"``.

    OSError where the file cannot be opened or written, TimeoutError among them where another process does not let go
    of it; ValueError where it is no database of chatstream's, or one of another version. A file that is refused stays
    as it was.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._lock = threading.Lock()
        if self._path != _MEMORY:
            _make(self._path)
        with self._translated():
            # isolation_level None: transactions begin and end where we say, not where the module thinks fit.
            self._connection = sqlite3.connect(
                self._path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
            )
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the file; the last one to do so leaves the database without companions."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def reading(self) -> Generator[Run, None, None]:
        """A transaction whose statements all see the same state; inside, call what you get with each statement."""
        with self._transaction("BEGIN"):
            yield self._connection.execute

    @contextmanager
    def writing(self) -> Generator[Run, None, None]:
        """A transaction that is on the disk afterwards; or that never was, if an exception leaves it."""
        # IMMEDIATE: one that reads first and writes then may find that another process wrote in between.
        with self._transaction("BEGIN IMMEDIATE"):
            yield self._connection.execute

    def empty_log(self) -> None:
        """Move everything from the write-ahead log to the database, so that what was deleted is in neither.

        Where a reader in another process stays in the way, nothing is moved, and a later call will do it.
        """
        with self._lock, self._translated():
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @contextmanager
    def _transaction(self, begin: str) -> Generator[None, None, None]:
        with self._lock, self._translated():
            self._connection.execute(begin)
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite ends some by itself, as when the disk is full
                    self._connection.execute("ROLLBACK")
                raise

    def _prepare(self) -> None:
        with self.writing() as run:
            if self._is_new():
                for statement in _SCHEMA:
                    run(statement)
            # Also where it says so already: a file that may only be read is found out now, and not at the first put.
            run(f"PRAGMA user_version = {_VERSION}")
        with self._translated():
            self._turn_on_log()
            for setting in _SETTINGS:
                self._connection.execute(setting)

    def _turn_on_log(self) -> None:
        """Let readers and the writer not wait for each other, where the file system can do that."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL").fetchall()
            except sqlite3.OperationalError as error:
                # While others open the same new file, SQLite refuses at once here instead of waiting for them.
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)
            else:
                return

    def _is_new(self) -> bool:
        """Whether the file is empty; ValueError unless it is that or ours."""
        marks = [self._pragma("application_id"), self._pragma("user_version")]
        tables = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if marks == [_APPLICATION, _VERSION]:
            return False
        if marks[0] == _APPLICATION:
            raise ValueError(
                f"{self._path} holds stored completions of version {marks[1]}; only {_VERSION} is read here"
            )
        if marks != [0, 0] or tables:
            raise ValueError(f"{self._path} {_FOREIGN}")
        return True

    def _pragma(self, name: str) -> int:
        value: int = self._connection.execute(f"PRAGMA {name}").fetchone()[0]
        return value

    @contextmanager
    def _translated(self) -> Generator[None, None, None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            name = getattr(error, "sqlite_errorname", "")  # only errors of SQLite itself have one
            primary = "_".join(name.split("_")[:2])  # SQLITE_IOERR_WRITE is a SQLITE_IOERR
            if primary in {"SQLITE_NOTADB", "SQLITE_CORRUPT"}:
                raise ValueError(f"{self._path} {_FOREIGN}, or a damaged one") from error
            if primary in _ERRORS:
                number, reason = _ERRORS[primary]
                raise OSError(number, reason, self._path) from error
            raise


# Closing a file drops every lock that this process has on it: POSIX knows no connections. So a file is opened here only
# while it is new, and nobody goes on to let SQLite open it before it is closed.
_making = threading.Lock()


def _make(path: str) -> None:
    """Make the file unless it is there, for its owner alone; its companions -wal and -shm will be as it is."""
    with _making, suppress(FileExistsError):
        os.close(os.open(os.path.realpath(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
