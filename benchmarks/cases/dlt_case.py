"""Moves the same records by dlt, in its own environment, by default or tuned, and prints its figures.

Default: rows as dlt's users write them, Python dictionaries from the source's reader, by its default strategy.
Tuned: Arrow tables, Parquet files, the ADBC driver and the upsert strategy. Both merge into a table with a unique key.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHUNK = 10_000


def main() -> None:
    """Run one pipeline and print one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=("default", "tuned"), required=True)
    parser.add_argument("--source", choices=("csv", "postgres", "rest"), required=True)
    parser.add_argument("--at", required=True, help="a path, a connection string, or an address")
    parser.add_argument("--token", default="")
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--destination", required=True)
    parser.add_argument("--table", required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"DLT_DATA_DIR": folder, "RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}
        print(json.dumps(measure(given, folder)))


def measure(given: argparse.Namespace, folder: str) -> dict[str, Any]:
    """Time `pipeline.run` alone: the imports are not counted."""
    import dlt

    pipeline = dlt.pipeline(
        pipeline_name=f"bench_{given.mode}",
        pipelines_dir=folder,
        destination=dlt.destinations.postgres(given.destination),
        dataset_name="dlt_bench",
    )
    readers = {"csv": csv_rows, "postgres": postgres_rows, "rest": rest_rows}
    read = arrow_tables if given.mode == "tuned" else readers[given.source]
    is_tuned = given.mode == "tuned"
    strategy = {"disposition": "merge", "strategy": "upsert" if is_tuned else "delete-insert"}
    key = {"id": {"unique": True, "data_type": "bigint"}}
    rows = dlt.resource(read(given), name=given.table, write_disposition=strategy, primary_key="id", columns=key)
    started = time.monotonic()
    pipeline.run(rows, **({"loader_file_format": "parquet"} if is_tuned else {}))
    seconds = time.monotonic() - started
    with pipeline.sql_client() as client:
        loaded = client.execute_sql(f"SELECT count(*) FROM {given.table}")[0][0]
    if loaded != given.rows:
        raise SystemExit(f"dlt loaded {loaded} of {given.rows} rows")
    return {
        "rows": loaded,
        "seconds": round(seconds, 3),
        "rows_per_second": round(given.rows / seconds),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def csv_rows(given: argparse.Namespace) -> Iterator[list[dict[str, Any]]]:
    """Lists of dictionaries, with the types that dlt would else have to guess from text."""
    casts = {"id": int, "customer": int, "quantity": int, "price": float, "discount": float}
    with Path(given.at).open(newline="", encoding="utf-8") as file:
        page: list[dict[str, Any]] = []
        for row in csv.DictReader(file):
            page.append({name: casts.get(name, str)(value) for name, value in row.items()})
            if len(page) == CHUNK:
                yield page
                page = []
        yield page


def postgres_rows(given: argparse.Namespace) -> Iterator[list[dict[str, Any]]]:
    """Rows of a server-side cursor."""
    import psycopg2
    import psycopg2.extras

    with (
        psycopg2.connect(given.at) as connection,
        connection.cursor(name="bench", cursor_factory=psycopg2.extras.RealDictCursor) as cursor,
    ):
        cursor.execute("SELECT * FROM plain")
        while rows := cursor.fetchmany(CHUNK):
            yield [dict(row) for row in rows]


def rest_rows(given: argparse.Namespace) -> Iterator[list[dict[str, Any]]]:
    """Pages of JSON."""
    page: int | None = 1
    while page is not None:
        request = urllib.request.Request(
            f"{given.at}/bulk?size={given.rows}&page={page}", headers={"Authorization": f"Bearer {given.token}"}
        )
        with urllib.request.urlopen(request) as answer:
            body = json.load(answer)
        yield body["data"]
        page = body["next"]


def arrow_tables(given: argparse.Namespace) -> Iterator[Any]:
    """Arrow tables from the same source."""
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    if given.source == "csv":
        options = pa_csv.ReadOptions(block_size=8 * 1024 * 1024)
        for batch in pa_csv.open_csv(given.at, read_options=options):
            yield pa.Table.from_batches([batch])
    elif given.source == "postgres":
        import adbc_driver_postgresql.dbapi as adbc

        with adbc.connect(given.at) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT * FROM plain")
            for batch in cursor.fetch_record_batch():
                yield pa.Table.from_batches([batch])
    else:
        for page in rest_rows(given):
            yield pa.Table.from_pylist(page)


if __name__ == "__main__":
    main()
