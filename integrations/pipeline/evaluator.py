"""A closed DuckDB that evaluates expressions over Arrow columns: no files, no network, memory and time bounded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa

from integrations.errors import MAPPING_INVALID, NeedsPerson

_TABLE = "records"
_INTERRUPT_EVERY_SECONDS = 0.05

# A database that nobody uses now, by its settings: to open one costs as much as a small run. It has no tables, and its
# settings are locked, so nothing of the one who used it is left in it.
_idle: dict[tuple[int, int], duckdb.DuckDBPyConnection] = {}
# Its threads do not live on in a child.
os.register_at_fork(after_in_child=_idle.clear)


class Evaluator:
    """One private in-memory database without tables. One thread uses it; `close` ends it or keeps it for the next."""

    def __init__(self, *, memory_limit_mb: int = 256, threads: int = 1, timeout_seconds: float = 10) -> None:
        self.memory_bytes = memory_limit_mb * 1024 * 1024
        self._timeout_seconds = timeout_seconds
        self._is_late = self._was_late = False
        self._kind = (memory_limit_mb, threads)
        self._database = _idle.pop(self._kind) if self._kind in _idle else _opened(memory_limit_mb, threads)
        self._is_closed = False

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        if self._was_late or _idle.setdefault(self._kind, self._database) is not self._database:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        if self._is_closed:
            raise duckdb.ConnectionException("The evaluator is closed.")
        return self._database

    @contextmanager
    def time_limit(self) -> Iterator[None]:
        """Interrupt whatever `select` does in this block after the timeout, and again until the block is left."""
        done = Event()
        watchdog = Thread(target=self._watch, args=(done,), name="mapping-watchdog", daemon=True)
        watchdog.start()
        try:
            yield
        finally:
            done.set()
            watchdog.join()
            self._is_late = False

    def select(self, expressions: Sequence[str], columns: pa.Table) -> pa.Table:
        """One column f0, f1, ... for each expression, over `columns`, in their order.

        Raises `duckdb.Error` where DuckDB refuses an expression as a whole, NeedsPerson where it is too slow or large.
        """
        if self._is_late:
            raise _too_slow(self._timeout_seconds)
        chosen = ", ".join(f"{sql} AS f{place}" for place, sql in enumerate(expressions))
        self._connection.register(_TABLE, columns)
        try:
            return self._connection.execute(f"SELECT {chosen} FROM {_TABLE}").to_arrow_table()  # noqa: S608 - written from a checked tree
        except duckdb.InterruptException:
            raise _too_slow(self._timeout_seconds) from None
        except duckdb.OutOfMemoryException:
            raise too_large(self.memory_bytes) from None
        finally:
            self._connection.unregister(_TABLE)

    def _watch(self, done: Event) -> None:
        if done.wait(self._timeout_seconds):
            return
        self._is_late = self._was_late = True
        # An interrupt between two statements is forgotten by DuckDB, so one is not enough.
        while not done.wait(_INTERRUPT_EVERY_SECONDS):
            self._connection.interrupt()


def words_of(error: duckdb.Error) -> str:
    """DuckDB's own words, without the lines that quote the generated SQL."""
    first = str(error).split("\nLINE")[0].splitlines()[0]
    return f"{first[:300]} Check the types of the columns, or cast them."


def too_large(limit_bytes: int) -> NeedsPerson:
    """The error of a mapping that needs more memory than it may have."""
    limit = limit_bytes // (1024 * 1024)
    return NeedsPerson(
        MAPPING_INVALID,
        f"The mapping needs more than {limit} MB for one batch: an expression makes values that are too long.",
        what_to_do="Shorten what the expressions make (replacements, paddings, JSON), or read smaller batches.",
    )


def _too_slow(seconds: float) -> NeedsPerson:
    return NeedsPerson(
        MAPPING_INVALID,
        f"The mapping took longer than {seconds:g} seconds for one batch: an expression is too slow.",
        what_to_do="Simplify the expressions (patterns first), or read smaller batches.",
    )


def _opened(memory_limit_mb: int, threads: int) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config=_settings(memory_limit_mb, threads))
    # Timestamps without a zone are read as UTC; after this line no setting can change any more.
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET lock_configuration = true")
    return connection


def _settings(memory_limit_mb: int, threads: int) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "enable_external_access": "false",
        "python_enable_replacements": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "temp_directory": "",
        # Both take parts of an expression out of its TRY, where one bad value would fail the whole batch.
        "disabled_optimizers": "in_clause,common_subexpressions",
        "memory_limit": f"{memory_limit_mb}MB",
        "threads": str(threads),
    }
