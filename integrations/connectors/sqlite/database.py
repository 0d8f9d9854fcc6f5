"""Opens the database file of a connector: below the allowed root, bounded in time and size, with no surprises in it."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from integrations.connectors.base import Context, Setting, SettingKind
from integrations.connectors.files.folder import Folder, check_name
from integrations.connectors.sql import refuse_unknown_settings
from integrations.connectors.sqlite.failures import Doing, declared_errors
from integrations.errors import FILE_OUTSIDE_ROOT, FILE_UNREADABLE, SETTINGS_INVALID, NeedsPerson

SETTINGS = (
    Setting(
        "path", "Database file", kind=SettingKind.PATH, required=True, help="Below the folder that the instance allows."
    ),
    Setting(
        "create_file",
        "Create the file when it is missing",
        kind=SettingKind.BOOLEAN,
        default=False,
        help="For a destination; the folder must exist.",
    ),
)
_STEPS_BETWEEN_CLOCK_LOOKS = 20_000
Row = tuple[Any, ...]


class DatabaseFile:
    """Where the file is, and how it may be used."""

    def __init__(self, context: Context) -> None:
        refuse_unknown_settings(context.settings, frozenset(setting.name for setting in SETTINGS))
        path = context.settings.get("path")
        if not isinstance(path, str) or not path:
            raise NeedsPerson(SETTINGS_INVALID, "The path of the database file is missing.", setting="path")
        self.shown = path
        self.creates = bool(context.settings.get("create_file"))
        self._folder, _, self._name = path.rpartition("/")
        if path.startswith("/"):
            raise NeedsPerson(FILE_OUTSIDE_ROOT, f"The path {path!r} must be relative to the allowed folder.")
        self._root, self._limits = context.file_root, context.limits

    def path(self) -> Path:
        """Return the checked path: every step is a real folder below the root, and the file is no link."""
        with closing(Folder(self._root, self._folder)) as folder:
            try:
                mode = os.stat(check_name(self._name), dir_fd=folder.handle, follow_symlinks=False).st_mode
            except FileNotFoundError:
                mode = None
        if mode is not None and not stat.S_ISREG(mode):
            raise NeedsPerson(FILE_OUTSIDE_ROOT, f"{self.shown!r} is a link or no regular file.")
        return Path(self._root, self._folder, self._name)

    def exists(self) -> bool:
        """Whether the file is there."""
        return self.path().exists()

    @contextmanager
    def open(self, doing: Doing) -> Iterator[Database]:
        """Open the file for reading, or for writing, and close it."""
        path = self.path()
        if not path.exists() and not (self.creates and doing is Doing.WRITING):
            what_to_do = "Correct the path, or let the connector create the file when it writes."
            raise NeedsPerson(FILE_UNREADABLE, f"There is no database file {self.shown!r}.", what_to_do=what_to_do)
        mode = "ro" if doing is Doing.READING else "rwc"
        with declared_errors(doing):
            connection = sqlite3.connect(
                f"file:{quote(str(path))}?mode={mode}",
                uri=True,
                timeout=self._limits.connect_timeout_seconds,
                isolation_level=None,
                check_same_thread=False,  # a read may be closed by another thread than it ran in
            )
        with closing(connection):
            database = Database(connection, doing, self._limits.read_timeout_seconds)
            database.prepare(self._limits.max_answer_bytes)
            yield database


class Database:
    """An open file in autocommit mode. Each statement and each fetch has the read timeout."""

    def __init__(self, connection: sqlite3.Connection, doing: Doing, seconds: float) -> None:
        self._connection, self._doing, self._seconds = connection, doing, seconds
        self._deadline = 0.0
        connection.set_progress_handler(lambda: time.monotonic() > self._deadline, _STEPS_BETWEEN_CLOCK_LOOKS)

    def prepare(self, max_value_bytes: int) -> None:
        """Set what every session has; a trigger or view in the file may call no function with effects."""
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max_value_bytes)
        self.rows("PRAGMA trusted_schema = OFF")
        if self._doing is Doing.READING:
            self.rows("PRAGMA query_only = ON")
            return
        self.rows("PRAGMA journal_mode = WAL")
        self.rows("PRAGMA synchronous = FULL")
        self.rows("PRAGMA foreign_keys = ON")

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        """Return the whole, small result of a statement."""
        with self._bounded():
            return self._connection.execute(statement, values).fetchall()

    def changed(self, statement: str, values: Mapping[str, Any]) -> int:
        """Run a statement and return how many rows it changed."""
        with self._bounded():
            return self._connection.execute(statement, values).rowcount

    def insert(self, statement: str, rows: Iterable[Row]) -> None:
        """Run a statement for each row."""
        with self._bounded():
            self._connection.executemany(statement, rows)

    def fetches(self, query: str, values: Sequence[Any], sizes: Iterable[int]) -> Generator[list[Row]]:
        """Yield the rows of a query, each time as many as `sizes` says next."""
        with self._bounded():
            cursor = self._connection.execute(query, values)
        with closing(cursor):
            for size in sizes:
                with self._bounded():
                    rows = cursor.fetchmany(size)
                if not rows:
                    return
                yield rows

    @contextmanager
    def transaction(self, kind: str, *, keep: bool = True) -> Iterator[None]:
        """Commit what the block did, or roll it back whole; `keep=False` always rolls back."""
        self.rows(f"BEGIN {kind}")
        try:
            yield
            if keep:
                self.rows("COMMIT")
        finally:
            self.roll_back()

    def roll_back(self) -> None:
        """End an open transaction, if there is one."""
        if self._connection.in_transaction:
            self._connection.rollback()

    @contextmanager
    def _bounded(self) -> Iterator[None]:
        self._deadline = time.monotonic() + self._seconds
        with declared_errors(self._doing):
            yield
