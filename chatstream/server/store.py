"""Completions kept in SQLite.

In go completions, with the request's messages and metadata; out they come one by one or in pages, in the order in
which they were stored. Rules:

- What ``put``, ``update`` and ``delete`` did is on the disk when they return: it survives ``kill -9`` and a power cut.
- Each method may be called from any thread. Several processes may use one file.
- A deleted completion leaves its id and its place, so that whoever deletes while paging can go on from there.
- Statements are made of constants alone; every value is a parameter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from chatstream.errors import StreamLimitError, StreamProtocolError
from chatstream.jsontext import mend, read_json, write_json
from chatstream.server.database import Database
from chatstream.server.published import CompletionRow, ListPage, listed, opening, stored_completion, stored_message

if TYPE_CHECKING:
    import builtins
    import os
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from chatstream.server.database import Run

__all__ = ["CompletionStore", "UnknownCursorError"]

Order = Literal["asc", "desc"]

_LARGEST = 2**63 - 1  # SQLite's integers end here, JSON's do not
_LIVING = "completion IS NOT NULL"
_ERASED = "model = NULL, created = NULL, opening = NULL, completion = NULL"
_LONGEST_ID = 80  # characters of an id in an error message


class UnknownCursorError(LookupError):
    """The ``after`` of a page names nothing that is, or was, in the list."""

    def __init__(self, after: str) -> None:
        super().__init__(f"nothing in the list has the id {after[:_LONGEST_ID]!r}")


class CompletionStore:
    """The stored completions in a file, which is made if it is missing, for its owner alone; or in ``":memory:"``.

    OSError where the file cannot be opened or written, TimeoutError among them where another process does not let go
    of it; ValueError where it is no database of chatstream's, or one of another version.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._database = Database(path)

    def close(self) -> None:
        """Close the file; the last one to do so leaves the database without companions."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def put(
        self,
        completion: Mapping[str, Any],
        messages: Sequence[Mapping[str, Any]],
        metadata: Mapping[str, str] | None,
        request: Mapping[str, Any],
        *,
        request_id: str | None = None,
    ) -> bool:
        """Keep a completion, with the messages of its request; it is on the disk when this returns.

        False where its id is taken, also by one that was deleted: nothing is stored then. TypeError unless it has an
        id, ValueError for what is nested too deeply to be read again.
        """
        id = _id(completion.get("id"))
        row = {
            "id": id,
            "model": _text(completion.get("model")),
            "created": _integer(completion.get("created")),
            "opening": mend(opening(completion)),
            "completion": _json(stored_completion(completion, request, request_id)),
        }
        texts = [_json(message) for message in messages]
        with self._database.writing() as run:
            if run("SELECT 1 FROM completions WHERE id = :id", row).fetchone():
                return False
            statement = "INSERT INTO completions (id, model, created, opening, completion)"
            sequence = run(f"{statement} VALUES (:id, :model, :created, :opening, :completion)", row).lastrowid
            for number, text in enumerate(texts):
                run("INSERT INTO messages (sequence, number, message) VALUES (?, ?, ?)", (sequence, number, text))
            _set_metadata(run, sequence, metadata)
        return True

    def get(self, id: str) -> dict[str, Any] | None:
        """The completion as the API gives a stored one, with ``metadata``; None if there is none of that id."""
        with self._database.reading() as run:
            return _completion(run, _living(run, id))

    def update(self, id: str, metadata: Mapping[str, str] | None) -> dict[str, Any] | None:
        """The completion with these metadata in place of its old ones; None if there is none of that id."""
        with self._database.writing() as run:
            sequence = _living(run, id)
            if sequence is not None:
                _set_metadata(run, sequence, metadata)
            return _completion(run, sequence)

    def delete(self, id: str) -> bool:
        """Whether there was one of that id. Its words are gone from the file too, not only from the lists."""
        with self._database.writing() as run:
            sequence = _living(run, id)
            if sequence is None:
                return False
            run(f"UPDATE completions SET {_ERASED} WHERE sequence = ?", (sequence,))  # noqa: S608  a constant
            run("DELETE FROM messages WHERE sequence = ?", (sequence,))
            run("DELETE FROM metadata WHERE sequence = ?", (sequence,))
        self._database.empty_log()
        return True

    def messages(self, id: str, *, after: str | None = None, limit: int = 20, order: Order = "asc") -> ListPage | None:
        """A page of the messages of the request, each with an id; None if there is no completion of that id.

        UnknownCursorError where ``after`` is the id of none of them. ``limit`` is at least 1.
        """
        id = mend(id)
        with self._database.reading() as run:
            sequence = _living(run, id)
            if sequence is None:
                return None
            where, values = ["sequence = ?"], [sequence]
            if after is not None:
                where.append(_beyond("number", order))
                values.append(_message_number(run, sequence, id, after))
            statement = _select("number, message", "messages", where, "number", order)
            rows = run(statement, (*values, limit + 1)).fetchall()
        data = [stored_message(_value(text), f"{id}-{number}") for number, text in rows[:limit]]
        return listed(data, has_more=len(rows) > limit)

    def count(self) -> int:
        """How many completions there are."""
        with self._database.reading() as run:
            found: int = run(f"SELECT count(*) FROM completions WHERE {_LIVING}").fetchone()[0]  # noqa: S608  a constant
        return found

    def ever(self) -> int:
        """How many were ever stored, the deleted and the replaced ones among them."""
        with self._database.reading() as run:
            row = run("SELECT seq FROM sqlite_sequence WHERE name = 'completions'").fetchone()
            return row[0] if row else 0

    def recent(self, limit: int) -> builtins.list[CompletionRow]:
        """The newest completions in a line each, newest first."""
        statement = _select("id, model, created, opening", "completions", [_LIVING], "sequence", "desc")
        with self._database.reading() as run:
            return [CompletionRow(*row) for row in run(statement, (limit,))]

    # The last one: in this class, its name hides the type.
    def list(
        self,
        *,
        after: str | None = None,
        limit: int = 20,
        order: Order = "asc",
        model: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> ListPage:
        """A page of the completions in the order in which they were stored, or the other way round.

        ``after``: the id that the page begins after, also of one that was deleted since; UnknownCursorError if there
        never was one. ``model`` and ``metadata``: only completions of that model, and with every one of these pairs.
        ``limit`` is at least 1.
        """
        where, values = _filters(model, metadata or {})
        with self._database.reading() as run:
            if after is not None:
                where.append(_beyond("sequence", order))
                values.append(_place(run, after))
            statement = _select("sequence", "completions", where, "sequence", order)
            rows = run(statement, (*values, limit + 1)).fetchall()
            # The one too many is only counted: it may be large.
            found = [_completion(run, sequence) for (sequence,) in rows[:limit]]
        return listed([one for one in found if one is not None], has_more=len(rows) > limit)


def _living(run: Run, id: str) -> int | None:
    """The sequence number of a completion that is there."""
    row = run(f"SELECT sequence FROM completions WHERE id = ? AND {_LIVING}", (mend(id),)).fetchone()  # noqa: S608  a constant
    return row[0] if row else None


def _place(run: Run, after: str) -> int:
    """The sequence number of a completion that is, or was, there."""
    row = run("SELECT sequence FROM completions WHERE id = ?", (mend(after),)).fetchone()
    if row is None:
        raise UnknownCursorError(after)
    place: int = row[0]
    return place


def _message_number(run: Run, sequence: int, id: str, after: str) -> int:
    """Which message has the id ``after``. Numbers count from 0 without a gap, so the count tells which there are."""
    digits = after.removeprefix(f"{id}-")
    count: int = run("SELECT count(*) FROM messages WHERE sequence = ?", (sequence,)).fetchone()[0]
    number = int(digits) if digits.isdecimal() and len(digits) <= len(str(count)) else count
    if number >= count or after != f"{id}-{number}":
        raise UnknownCursorError(after)
    return number


def _completion(run: Run, sequence: int | None) -> dict[str, Any] | None:
    if sequence is None:
        return None
    text = run("SELECT completion FROM completions WHERE sequence = ?", (sequence,)).fetchone()[0]
    pairs = run("SELECT key, value FROM metadata WHERE sequence = ? ORDER BY rowid", (sequence,)).fetchall()
    return {**_value(text), "metadata": dict(pairs)}


def _set_metadata(run: Run, sequence: int | None, metadata: Mapping[str, str] | None) -> None:
    run("DELETE FROM metadata WHERE sequence = ?", (sequence,))
    for key, value in _mended(metadata or {}).items():
        run("INSERT INTO metadata (sequence, key, value) VALUES (?, ?, ?)", (sequence, key, value))


def _filters(model: str | None, metadata: Mapping[str, str]) -> tuple[list[str], list[Any]]:
    """Conditions on the completions of a list, and the values in them."""
    where, values = [_LIVING], list[Any]()
    if model is not None:
        where.append("model = ?")
        values.append(mend(model))
    if pairs := _mended(metadata):
        # One condition however many pairs: SQLite limits how deeply conditions may be joined.
        wanted = ", ".join(["(?, ?)"] * len(pairs))
        having = f"(key, value) IN (VALUES {wanted}) GROUP BY sequence HAVING count(*) = ?"
        where.append(f"sequence IN (SELECT sequence FROM metadata WHERE {having})")  # noqa: S608  only question marks
        values += [text for pair in pairs.items() for text in pair]
        values.append(len(pairs))
    return where, values


def _beyond(column: str, order: Order) -> str:
    return f"{column} > ?" if order == "asc" else f"{column} < ?"


def _select(columns: str, table: str, where: list[str], by: str, order: Order) -> str:
    """A statement that gives as many rows as its last parameter says."""
    direction = "ASC" if order == "asc" else "DESC"
    return f"SELECT {columns} FROM {table} WHERE {' AND '.join(where)} ORDER BY {by} {direction} LIMIT ?"  # noqa: S608  constants


def _mended(metadata: Mapping[str, str]) -> dict[str, str]:
    return {mend(key): mend(value) for key, value in metadata.items()}


def _id(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a completion is stored by its id, a string, not {type(value).__name__}")
    return mend(value)


def _text(value: Any) -> str | None:
    return mend(value) if isinstance(value, str) else None


def _integer(value: Any) -> int | None:
    return value if type(value) is int and abs(value) <= _LARGEST else None


def _json(value: Mapping[str, Any]) -> str:
    """The value as JSON text that can be read again: one that cannot would break every list it is in."""
    text = write_json(value)
    try:
        read_json(text.encode())
    except (StreamLimitError, StreamProtocolError) as error:
        raise ValueError(f"this cannot be stored: {error}") from None
    return text


def _value(text: str) -> dict[str, Any]:
    value: dict[str, Any] = read_json(text.encode())[0]
    return value
