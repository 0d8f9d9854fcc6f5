"""The classes of destinations that a campaign writes to: how an integration is made, and what must be found after it.

Every kind has a number of records whose values follow from their number, so that each is known by itself.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from integrations.models import Connector, Deployment
from tests.faults.place import Place

RECORDS = 800
# A source that changes while it is read, gets so many changes.
CHANGES = 100
FIELDS = [
    {"target": "id", "expression": "id", "type": "integer", "required": True},
    {"target": "value", "expression": "value", "type": "text", "required": True},
]
VERSION = {"target": "version", "expression": "version", "type": "integer", "required": True}
Records = list[tuple[int, str]]


@dataclass
class Job:
    """One integration: what it should bring, and what the destination holds.

    `disturb` changes the source a little while a run reads it; a job that has it needs a last run, after all changes.
    """

    kind: str
    deployment: Deployment
    expected: Callable[[], dict[int, str]]
    found: Callable[[], Records]
    disturb: Callable[[], None] | None = None


def _mapping(*more: dict[str, object]) -> dict[str, object]:
    return {"fields": [*FIELDS, *more], "filter": ""}


def _write_csv(place: Place, name: str, offset: int) -> dict[int, str]:
    records = {offset + number: f"{name} record {number}" for number in range(RECORDS)}
    with (place.files / f"{name}.csv").open("w") as file:
        file.write("id,value\n")
        file.writelines(f"{number},{value}\n" for number, value in records.items())
    return records


def postgres_append(place: Place, number: int) -> Job:
    """A file into a table, every record a new row."""
    name = f"append-{number}"
    records = _write_csv(place, name, place.offset())
    deployment = place.join(
        name, place.csv_source(), f"{name}.csv", place.postgres(), f"append_{number}",
        mapping=_mapping(), write_mode="append",
    )  # fmt: skip
    return Job("postgres_append", deployment, lambda: records, _table(place, f"append_{number}"))


def sqlite_append(place: Place, number: int) -> Job:
    """A file into a table of a SQLite database."""
    name = f"sqlite-{number}"
    records = _write_csv(place, name, place.offset())
    target = place.connector(name, "sqlite", path=f"{name}.sqlite3", create_file=True)
    deployment = place.join(
        name, place.csv_source(), f"{name}.csv", target, "records", mapping=_mapping(), write_mode="append"
    )

    def found() -> Records:
        path = place.files / f"{name}.sqlite3"
        if not path.exists():
            return []
        with contextlib.closing(sqlite3.connect(path, timeout=10)) as database:
            made = database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'records'").fetchone()[0]
            return database.execute("SELECT id, value FROM records").fetchall() if made else []

    return Job("sqlite_append", deployment, lambda: records, found)


def postgres_upsert(place: Place, number: int) -> Job:
    """A changing table, read by its versions, into another one by key."""
    target = f"upsert_{number}"
    return _changing(
        place, f"upsert-{number}", place.offset(), place.postgres(), target, "postgres_upsert", _table(place, target)
    )


def upsert_versioned(place: Place, number: int) -> Job:
    """A changing table, read by its versions, to an API that keeps the highest version of each record."""
    offset = place.offset()
    target = place.hostile(
        "versioned", guarantee="upsert_versioned", method="PUT", path="/versioned/items", version_field="version"
    )
    return _changing(
        place, f"versioned-{number}", offset, target, "items", "upsert_versioned", lambda: place.at_hostile(offset)
    )


def idempotency_key(place: Place, number: int) -> Job:
    """A file to an API that takes each batch's key once."""
    return _appended(place, f"keyed-{number}", "idempotency_key")


def append_only(place: Place, number: int) -> Job:
    """A file to an API that takes everything that it is sent."""
    return _appended(place, f"unkeyed-{number}", "append_only")


def _appended(place: Place, name: str, guarantee: str) -> Job:
    offset = place.offset()
    records = _write_csv(place, name, offset)
    deployment = place.join(
        name, place.csv_source(), f"{name}.csv", place.hostile(guarantee, guarantee=guarantee), "items",
        mapping=_mapping(), write_mode="append",
    )  # fmt: skip
    return Job(guarantee, deployment, lambda: records, lambda: place.at_hostile(offset))


def _changing(
    place: Place, name: str, offset: int, target: Connector, into: str, kind: str, found: Callable[[], Records]
) -> Job:
    source = f"source_{offset}"
    place.ask(f"CREATE TABLE {source} (id bigint PRIMARY KEY, version bigint NOT NULL, value text NOT NULL)")
    place.ask(f"INSERT INTO {source} SELECT {offset} + n, n, 'record ' || n FROM generate_series(1, {RECORDS}) AS n")
    deployment = place.join(
        name, place.postgres(), source, target, into, mapping=_mapping(VERSION), write_mode="upsert", key=("id",),
        read_mode="incremental", cursor_field="version", primary_key=("id",),
    )  # fmt: skip
    versions = iter(range(RECORDS + 1, RECORDS + 1 + CHANGES))

    def disturb() -> None:
        version = next(versions, None)
        if version is not None:
            row = offset + random.randint(1, RECORDS)
            place.ask(f"UPDATE {source} SET version = {version}, value = 'change {version}' WHERE id = {row}")

    return Job(kind, deployment, lambda: dict(_table(place, source)()), found, disturb)


def _table(place: Place, table: str) -> Callable[[], Records]:
    def found() -> Records:
        exists = place.ask(f"SELECT to_regclass('{table}') IS NOT NULL")[0][0]
        return [(row[0], row[1]) for row in place.ask(f"SELECT id, value FROM {table}")] if exists else []

    return found


KINDS: dict[str, Callable[[Place, int], Job]] = {
    made.__name__: made
    for made in (postgres_append, postgres_upsert, sqlite_append, idempotency_key, upsert_versioned, append_only)
}
