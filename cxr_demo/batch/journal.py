"""Results of many films in files of SQLite, so that an interrupted run resumes."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from filelock import FileLock, Timeout

from cxr_demo.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from cxr_demo.batch.films import Part

Row = dict[str, Any]

TABLES = (
    "CREATE TABLE IF NOT EXISTS plan (text TEXT)",
    "CREATE TABLE IF NOT EXISTS films (file TEXT PRIMARY KEY, row TEXT) WITHOUT ROWID",
)


class Success(NamedTuple):
    """When a film's row was stored, in seconds of `time.time`, and the state of its file then."""

    stored: float
    state: str | None


class Journal:
    """The rows of one run, or of one part of a divided run: a JSON object for each film.

    `plan` has everything that the rows depend on besides the films. DataError if the file holds rows of another plan,
    is damaged, or cannot be written.
    """

    def __init__(self, path: Path, plan: Mapping[str, Any]) -> None:
        self.path = path
        text = json.dumps(plan)
        with self._transaction() as journal:
            # others may begin it too: SQLite refuses at once, without waiting, to turn a lock for reading into one for
            # writing that another holds
            journal.execute("BEGIN IMMEDIATE")
            for statement in TABLES:
                journal.execute(statement)
            known = journal.execute("SELECT text FROM plan").fetchone()
            if known is None:
                journal.execute("INSERT INTO plan VALUES (?)", (text,))
            elif changed := _changed(json.loads(known[0]), json.loads(text)):
                raise DataError(f"{path} holds the results of another run. {changed} Give another --out, or delete it.")

    def succeeded(self, files: Sequence[str] | None = None) -> dict[str, Success]:
        """Those of some films, or of all, that have a row without an error."""
        fields = "file, json_extract(row, '$.stored'), json_extract(row, '$.state')"
        where = "json_extract(row, '$.error') IS NULL"
        with self._transaction() as journal:
            found = journal.execute(f"SELECT {fields} FROM films WHERE {where} AND {_among(files)}", files or ())
            return {file: Success(*success) for file, *success in found}

    def rows(self, files: Sequence[str] | None = None) -> Iterator[Row]:
        """The rows of some films, or of all."""
        with self._transaction() as journal:
            for (text,) in journal.execute(f"SELECT row FROM films WHERE {_among(files)}", files or ()):
                yield json.loads(text)

    def add(self, rows: Sequence[Row]) -> None:
        """Store rows with their films, named by the field `file`: all of them, or none if it fails."""
        now = time.time()
        texts = [(row["file"], json.dumps({**row, "stored": now}, allow_nan=False)) for row in rows]
        with self._transaction() as journal:
            journal.executemany("INSERT OR REPLACE INTO films VALUES (?, ?)", texts)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=60)) as journal, journal:
                yield journal
        except sqlite3.Error as error:
            raise DataError(f"{self.path} cannot be used ({error}). Is the disk full, or the file damaged?") from None


def _among(files: Sequence[str] | None) -> str:
    """The condition of SQL that a film is one of `files`, which are its parameters; without them any film."""
    return "1" if files is None else f"file IN ({', '.join('?' * len(files))})"


def _changed(there: Mapping[str, Any], here: Mapping[str, Any], of: str = "") -> str:
    """Sentences on the entries of a plan that have changed; `of` precedes their names."""
    sentences = []
    for key in {**there, **here}:
        was, now = there.get(key), here.get(key)
        if isinstance(was, dict) and isinstance(now, dict) and was.keys() == now.keys():
            sentences.append(_changed(was, now, f"{of}{key} "))
        elif was != now:
            sentences.append(f"{of}{key} was {_said(was)}, now {_said(now)}.")
    return " ".join(filter(None, sentences))


def _said(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return ", ".join(map(str, value))
    if isinstance(value, bool) or value is None:
        return "on" if value else "off"
    return str(value)


class Journals:
    """The journal of one part of a run in the run's folder, and those of all other parts; errors as in Journal.

    A run may have been divided otherwise before, so that a film may have rows in several journals.
    """

    def __init__(self, folder: Path, name: str, part: Part, plan: Mapping[str, Any]) -> None:
        self._folder, self._name, self._plan = folder, name, plan
        self._known: dict[Path, Journal] = {}
        list(self._all())  # before a new one, which would stay with a plan that the others refuse
        self.own = Journal(folder / f"{name}-{part.number + 1}-of-{part.of}.sqlite", plan)

    def succeeded(self, files: Sequence[str] | None = None) -> dict[str, Success]:
        """Those of some films, or of all, that have a row without an error in any part: the newest one."""
        found: dict[str, Success] = {}
        for journal in self._all():
            for file, success in journal.succeeded(files).items():
                found[file] = max(success, found.get(file, success), key=lambda one: one.stored)
        return found

    def rows(self, files: Sequence[str] | None = None) -> Iterator[Row]:
        """The newest row without an error of some films, or of all; for films without one, those with an error."""
        succeeded = self.succeeded(files)
        for journal in self._all():
            for row in journal.rows(files):
                newest = succeeded.get(row["file"])
                if newest is None or (not row["error"] and row["stored"] == newest.stored):
                    yield row

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes off this part; DataError if one works on it."""
        lock = FileLock(self.own.path.with_suffix(".lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise DataError(f"Another process works on this part of the run: {self.own.path} is in use.") from None
        try:
            yield
        finally:
            lock.release()

    def _all(self) -> Iterator[Journal]:
        """The journals that exist now; other parts may have begun since."""
        for path in sorted(self._folder.glob(f"{self._name}-*-of-*.sqlite")):
            if path not in self._known:
                self._known[path] = Journal(path, self._plan)
            yield self._known[path]
