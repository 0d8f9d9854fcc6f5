"""The PostgreSQL connector passes the shared conformance suite."""

from typing import Any
from urllib.parse import urlsplit

import psycopg
import pyarrow as pa
import pytest
from psycopg.rows import dict_row

from integrations.connectors.base import Context, WriteMode
from integrations.connectors.postgres import PostgresConnector
from integrations.errors import (
    ADDRESS_BLOCKED,
    CREDENTIAL_MISSING,
    CURSOR_INVALID,
    KEY_MISSING,
    SETTINGS_INVALID,
    STREAM_MISSING,
    UNREACHABLE,
)
from tests.connectors.cases import Broken, Destination, Rows, Source
from tests.connectors.conformance import conformance
from tests.servers import free_port


def url_of(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue("clean_postgres")
    return url


def context_of(url: str, **settings: object) -> Context:
    parts = urlsplit(url)
    base = {"host": parts.hostname, "port": parts.port, "database": parts.path[1:]}
    merged: dict[str, Any] = {**base, **settings}
    credential = {"username": str(parts.username), "password": "not-needed-here"}
    allow = (f"{merged['host']}:{merged['port']}",)
    return Context(merged, credential, "basic", egress_allow=allow)


def run(url: str, *statements: str) -> Rows:
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        for statement in statements[:-1]:
            connection.execute(statement.encode())
        last = connection.execute(statements[-1].encode())
        return last.fetchall() if last.description else []


def keyed(request: pytest.FixtureRequest) -> Source:
    url = url_of(request)
    run(url, "CREATE TABLE item (name text, id int PRIMARY KEY, size bigint)")

    def add(first: int, last: int) -> Rows:
        insert = f"INSERT INTO item SELECT 'näme ' || n, n, n / 9 FROM generate_series({first}, {last}) n"
        return run(url, f"{insert} RETURNING name, id, size")

    records = add(1, 40)
    return Source(context_of(url), "item", records, cursor_field="size", more=lambda: add(50, 70), cuts=True)


def without_key(request: pytest.FixtureRequest) -> Source:
    url = url_of(request)
    insert = "INSERT INTO log SELECT 'line ' || n, repeat('x', 900) FROM generate_series(1, 60) n RETURNING *"
    records = run(url, "CREATE TABLE log (line text, filler text)", insert)
    return Source(context_of(url), "log", records)


def composite(request: pytest.FixtureRequest) -> Source:
    url = url_of(request)
    run(url, 'DROP SCHEMA IF EXISTS "o""x" CASCADE', 'CREATE SCHEMA "o""x"')
    kinds = "CREATE TYPE mood AS ENUM ('sad', 'ok', 'b''ad');"
    table = f'{kinds} CREATE TABLE "o""x"."T e%s" (m mood, t timestamptz, v text, PRIMARY KEY (m, t))'
    insert = """
      INSERT INTO "o""x"."T e%s" SELECT m, '2026-01-01 00:00:00.000001Z'::timestamptz + n * '1 us'::interval, n
      FROM unnest(enum_range(NULL::mood)) m, generate_series(1, 9) n"""
    records = run(url, table, insert, 'SELECT x.m::text, t, v FROM "o""x"."T e%s" x ORDER BY x.m, t')
    return Source(context_of(url, schema='o"x'), "T e%s", records, cuts=True)


def contents(url: str) -> Rows:
    return run(url, "SELECT * FROM target")


def refused_batch(row: dict[str, object]) -> pa.RecordBatch:
    schema = Destination(Context({}), "", list).batches[0].schema
    return pa.RecordBatch.from_pylist([row], schema=schema)


def appended(request: pytest.FixtureRequest) -> Destination:
    url = url_of(request)
    refused = refused_batch({"id": 1, "name": "a\0b", "amount": 1.0})
    return Destination(context_of(url), "target", lambda: contents(url), refused=refused)


def upserted(request: pytest.FixtureRequest) -> Destination:
    url = url_of(request)
    run(url, "CREATE TABLE target (id int PRIMARY KEY, name varchar(9), amount float8 CHECK (amount < 1e9))")
    refused = refused_batch({"id": 99, "name": "x", "amount": 1e10})
    return Destination(
        context_of(url), "target", lambda: contents(url), mode=WriteMode.UPSERT, key=("id",), refused=refused
    )


def nobody_listens(request: pytest.FixtureRequest) -> Broken:
    return Broken(context_of(url_of(request), port=free_port()), frozenset({UNREACHABLE}), stream="item")


def blocked_address(request: pytest.FixtureRequest) -> Broken:
    context = context_of(url_of(request))
    shut = Context(context.settings, context.credential, "basic", egress_allow=())
    return Broken(shut, frozenset({ADDRESS_BLOCKED}), stream="item")


def no_such_database(request: pytest.FixtureRequest) -> Broken:
    return Broken(context_of(url_of(request), database="nowhere"), frozenset({SETTINGS_INVALID}), stream="item")


def no_such_schema(request: pytest.FixtureRequest) -> Broken:
    return Broken(context_of(url_of(request), schema="nowhere"), frozenset({STREAM_MISSING}), stream="item")


def socket_folder(request: pytest.FixtureRequest) -> Broken:
    return Broken(context_of(url_of(request), host="/var/run/postgresql"), frozenset({SETTINGS_INVALID}))


def foreign_option(request: pytest.FixtureRequest) -> Broken:
    return Broken(context_of(url_of(request), options="-c log_statement=all"), frozenset({SETTINGS_INVALID}))


def no_user(request: pytest.FixtureRequest) -> Broken:
    context = context_of(url_of(request))
    return Broken(Context(context.settings, {}, "basic"), frozenset({CREDENTIAL_MISSING}))


def rewritten(request: pytest.FixtureRequest) -> Broken:
    source = without_key(request)
    cursor = {"address": "(1,2)", "file": 1, "updates": 0}
    return Broken(source.context, frozenset({CURSOR_INVALID}), "log", cursor, checks_green=True)


def view_without_key(request: pytest.FixtureRequest) -> Broken:
    url = url_of(request)
    run(url, "CREATE VIEW numbers AS SELECT n FROM generate_series(1, 99) n")
    return Broken(context_of(url), frozenset({KEY_MISSING}), "numbers", {"unordered": 3}, checks_green=True)


TestPostgres = conformance(
    PostgresConnector,
    sources={"keyed": keyed, "without a key": without_key, "composite key": composite},
    destinations={"append": appended, "upsert": upserted},
    broken={
        "nobody listens": nobody_listens,
        "a blocked address": blocked_address,
        "no such database": no_such_database,
        "no such schema": no_such_schema,
        "a socket folder": socket_folder,
        "an option of the driver": foreign_option,
        "no user": no_user,
        "a rewritten table without a key": rewritten,
        "a view without a key": view_without_key,
    },
)
