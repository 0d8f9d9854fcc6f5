"""One bounded session with PostgreSQL over ADBC: statements, result rows, Arrow streams and bulk loading."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
from adbc_driver_manager import dbapi as dbapi_errors
from adbc_driver_postgresql import StatementOptions, dbapi
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from integrations.connectors.postgres.failures import Doing, refusal
from integrations.egress import require_connected

# What the driver raises for the outside: its own errors, and OSError from an Arrow stream.
_DRIVER_ERRORS = (dbapi_errors.Error, OSError, pa.ArrowException)


@dataclass(frozen=True)
class Bounds:
    """How long the server may work, wait for a lock, and hold a transaction that we forgot, in seconds."""

    statement_seconds: float
    lock_seconds: float
    idle_seconds: float
    read_only: bool

    def as_settings(self) -> dict[str, str]:
        """Return the server settings; all values are text."""
        return {
            "statement_timeout": f"{round(self.statement_seconds * 1000)}ms",
            "lock_timeout": f"{round(self.lock_seconds * 1000)}ms",
            "idle_in_transaction_session_timeout": f"{round(self.idle_seconds * 1000)}ms",
            "default_transaction_read_only": "on" if self.read_only else "off",
            # Text casts must give the same words everywhere, because cursors are made of them.
            "TimeZone": "UTC",
            "DateStyle": "ISO, YMD",
            "IntervalStyle": "postgres",
            "extra_float_digits": "1",
            "bytea_output": "hex",
            "row_security": "on",
        }


class Session:
    """An open connection in autocommit mode; `transaction()` opens and ends transactions by hand.

    The driver's own transactions would begin the next one at every commit, and so sit idle in it.
    """

    def __init__(self, conninfo: str, bounds: Bounds, doing: Doing, *, on_close: Callable[[], None]) -> None:
        self.doing, self._on_close = doing, on_close
        with self._declared_errors():
            self._connection = dbapi.connect(conninfo, autocommit=True)
        try:
            reached = conninfo_to_dict(conninfo)
            require_connected(str(reached["hostaddr"]), int(str(reached["port"])))
            parts = [
                sql.SQL("set_config({}, {}, false)").format(name, value) for name, value in bounds.as_settings().items()
            ]
            self.rows(sql.SQL("SELECT ") + sql.SQL(", ").join(parts))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, statement: sql.Composable) -> None:
        """Run a statement whose result does not matter."""
        with self._declared_errors(), closing(self._connection.cursor()) as cursor:
            cursor.execute(statement.as_string(None))

    def rows(self, query: sql.Composable) -> list[dict[str, Any]]:
        """Return a small result as a list of dicts."""
        with self._declared_errors(), closing(self._connection.cursor()) as cursor:
            cursor.execute(query.as_string(None))
            found: list[dict[str, Any]] = cursor.fetch_arrow_table().to_pylist()
            return found

    def stream(self, query: sql.Composable, batch_bytes: int) -> Generator[pa.RecordBatch]:
        """Yield the result of a query by COPY, about `batch_bytes` at a time."""
        with closing(self._connection.cursor()) as cursor:
            with self._declared_errors():
                options = {StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(max(1024, batch_bytes))}
                cursor.adbc_statement.set_options(**options)
                cursor.execute(query.as_string(None))
                # The plain reader loses the SQLSTATE of a stream that breaks; this one keeps it.
                reader = cursor._results.reader  # noqa: SLF001 - the driver has no public door to its reader
            while True:
                with self._declared_errors():
                    try:
                        batch = reader.read_next_batch()
                    except StopIteration:
                        return
                yield batch

    def plan_rows(self, query: sql.Composable) -> int:
        """Return how many rows the planner expects of a query."""
        with self._declared_errors(), closing(self._connection.cursor()) as cursor:
            cursor.adbc_statement.set_options(**{StatementOptions.USE_COPY.value: "false"})
            cursor.execute((sql.SQL("EXPLAIN (FORMAT JSON) ") + query).as_string(None))
            plan = cursor.fetch_arrow_table().column(0)[0].as_py()
        return int(json.loads(plan)[0]["Plan"]["Plan Rows"])

    def load(self, table: str, records: pa.RecordBatch) -> None:
        """Append records to a temporary table by binary COPY."""
        with self._declared_errors(), closing(self._connection.cursor()) as cursor:
            cursor.adbc_ingest(table, records, mode="append", temporary=True)

    @contextmanager
    def transaction(self, modes: str = "") -> Iterator[None]:
        """Commit what the block did, or roll it back whole."""
        self.run(sql.SQL(f"BEGIN {modes}"))  # modes is one of our own constants
        try:
            yield
            self.run(sql.SQL("COMMIT"))
        except BaseException:
            self.roll_back()
            raise

    def roll_back(self) -> None:
        """End an open transaction; a connection that is gone has rolled back by itself."""
        with suppress(*_DRIVER_ERRORS), closing(self._connection.cursor()) as cursor:
            cursor.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection; an open transaction rolls back."""
        self._connection.close()
        self._on_close()

    @contextmanager
    def _declared_errors(self) -> Iterator[None]:
        try:
            yield
        except _DRIVER_ERRORS as error:
            raise refusal(error, self.doing) from None
