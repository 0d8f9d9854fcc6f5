"""The SQLite connector passes the shared conformance suite."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from integrations.connectors.base import Context, WriteMode
from integrations.connectors.sqlite import SqliteConnector
from integrations.errors import CURSOR_INVALID, FILE_OUTSIDE_ROOT, FILE_UNREADABLE, SETTINGS_INVALID
from tests.connectors.cases import Broken, Destination, Rows, Source
from tests.connectors.conformance import conformance


def root_of(request: pytest.FixtureRequest) -> Path:
    root: Path = request.getfixturevalue("tmp_path")
    return root


def context_of(root: Path, **settings: object) -> Context:
    return Context({"path": "data.db", **settings}, file_root=str(root))


def run(root: Path, *statements: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(root / "data.db")) as connection, connection:
        return [connection.execute(statement).fetchall() for statement in statements][-1]


def keyed(request: pytest.FixtureRequest) -> Source:
    root = root_of(request)
    run(root, "CREATE TABLE item (name TEXT, id INTEGER PRIMARY KEY, size INTEGER)")
    rows: Rows = [{"name": f"näme {n}", "id": n, "size": n // 9} for n in range(1, 41)]

    def add(numbers: range) -> Rows:
        made: Rows = [{"name": f"näme {n}", "id": n, "size": n // 9} for n in numbers]
        run(root, *(f"INSERT INTO item VALUES ('{r['name']}', {r['id']}, {r['size']})" for r in made))
        return made

    add(range(1, 41))
    return Source(context_of(root), "item", rows, cursor_field="size", more=lambda: add(range(50, 70)), cuts=True)


def without_key(request: pytest.FixtureRequest) -> Source:
    root = root_of(request)
    run(root, "CREATE TABLE log (line TEXT)", *(f"INSERT INTO log VALUES ('line {n}')" for n in range(30)))
    return Source(context_of(root), "log", [{"line": f"line {n}"} for n in range(30)], cuts=True)


def composite(request: pytest.FixtureRequest) -> Source:
    root = root_of(request)
    pairs = [(a, b) for a in ("a", "b''", "ü") for b in range(8)]
    run(root, 'CREATE TABLE "od""d" (a TEXT, b REAL, PRIMARY KEY (a, b)) WITHOUT ROWID')
    run(root, *(f'INSERT INTO "od""d" VALUES (\'{a}\', {b})' for a, b in pairs))
    records: Rows = [{"a": a.replace("''", "'"), "b": float(b)} for a, b in pairs]
    return Source(context_of(root), 'od"d', records, cuts=True)


def contents(root: Path) -> Rows:
    with closing(sqlite3.connect(root / "data.db")) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM target")]


def appended(request: pytest.FixtureRequest) -> Destination:
    root = root_of(request)
    schema = Destination(Context({}), "", list).batches[0].schema
    refused = pa.RecordBatch.from_pylist([{"id": 1, "name": "x", "amount": float("nan")}], schema=schema)
    return Destination(context_of(root, create_file=True), "target", lambda: contents(root), refused=refused)


def upserted(request: pytest.FixtureRequest) -> Destination:
    root = root_of(request)
    schema = Destination(Context({}), "", list).batches[0].schema
    refused = pa.RecordBatch.from_pylist([{"id": None, "name": "no key", "amount": 1.0}], schema=schema)
    context = context_of(root, create_file=True)
    return Destination(context, "target", lambda: contents(root), mode=WriteMode.UPSERT, key=("id",), refused=refused)


def missing_file(request: pytest.FixtureRequest) -> Broken:
    return Broken(context_of(root_of(request)), frozenset({FILE_UNREADABLE}), stream="item")


def not_a_database(request: pytest.FixtureRequest) -> Broken:
    root = root_of(request)
    (root / "data.db").write_text("this is a letter, not a database\n" * 50)
    return Broken(context_of(root), frozenset({FILE_UNREADABLE}), stream="item")


def upwards(request: pytest.FixtureRequest) -> Broken:
    return Broken(context_of(root_of(request), path="../data.db"), frozenset({FILE_OUTSIDE_ROOT}), stream="item")


def linked(request: pytest.FixtureRequest) -> Broken:
    root = root_of(request)
    (root / "real.db").write_bytes(b"")
    (root / "data.db").symlink_to(root / "real.db")
    return Broken(context_of(root), frozenset({FILE_OUTSIDE_ROOT}), stream="item")


def unknown_setting(request: pytest.FixtureRequest) -> Broken:
    return Broken(context_of(root_of(request), uri="file:/etc/passwd"), frozenset({SETTINGS_INVALID}))


def vacuumed(request: pytest.FixtureRequest) -> Broken:
    source = without_key(request)
    root = root_of(request)
    (version,) = run(root, "PRAGMA schema_version")[0]
    run(root, "CREATE TABLE other (a)")
    cursor = {"order": ["rowid"], "after": ["integer:7"], "schema_version": version}
    return Broken(source.context, frozenset({CURSOR_INVALID}), "log", cursor, checks_green=True)


TestSqlite = conformance(
    SqliteConnector,
    sources={"keyed": keyed, "without a key": without_key, "composite key": composite},
    destinations={"append": appended, "upsert": upserted},
    broken={
        "no such file": missing_file,
        "not a database": not_a_database,
        "a path upwards": upwards,
        "a link": linked,
        "an unknown setting": unknown_setting,
        "a changed file under row numbers": vacuumed,
    },
)
