"""The classes of destinations that a campaign writes to: how an integration is made, and what must be found after it.

Every kind has a number of records whose values follow from their number, so that each is known by itself.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from integrations.models import Deployment
from tests.faults.place import Place

RECORDS = 1_500
# A source that changes while it is read, gets so many changes.
CHANGES = 300
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
    guarantee: str
    disturb: Callable[[], None] | None = None


def _mapping(*more: dict[str, object]) -> dict[str, object]:
    return {"fields": [*FIELDS, *more], "filter": ""}


def _write_csv(place: Place, name: str, *, version: bool = False) -> dict[int, str]:
    records = {number: f"{name} record {number}" for number in range(RECORDS)}
    with (place.files / f"{name}.csv").open("w") as file:
        file.write("id,value,version\n" if version else "id,value\n")
        file.writelines(f"{number},{value}{',1' if version else ''}\n" for number, value in records.items())
    return records


def postgres_append(place: Place, number: int) -> Job:
    """A file into a table, every record a new row."""
    name = f"append-{number}"
    records = _write_csv(place, name)
    deployment = place.join(
        name, place.csv_source(), f"{name}.csv", place.postgres(), f"append_{number}",
        mapping=_mapping(), write_mode="append",
    )  # fmt: skip
    return Job("postgres_append", deployment, lambda: records, _table(place, f"append_{number}"), "transactional")


def postgres_upsert(place: Place, number: int) -> Job:
    """A changing table, read by its versions, into another one by key."""
    name, source = f"upsert-{number}", f"source_{number}"
    place.ask(f"CREATE TABLE {source} (id bigint PRIMARY KEY, version bigint NOT NULL, value text NOT NULL)")
    place.ask(f"INSERT INTO {source} SELECT n, n, 'record ' || n FROM generate_series(1, {RECORDS}) AS n")
    deployment = place.join(
        name, place.postgres(), source, place.postgres(), f"upsert_{number}",
        mapping=_mapping(VERSION), write_mode="upsert", key=("id",),
        read_mode="incremental", cursor_field="version", primary_key=("id",),
    )  # fmt: skip
    made = [RECORDS]

    def disturb() -> None:
        if made[0] < RECORDS + CHANGES:
            made[0] += 1
            row = random.randint(1, RECORDS)
            place.ask(f"UPDATE {source} SET version = {made[0]}, value = 'change {made[0]}' WHERE id = {row}")

    return Job(
        "postgres_upsert", deployment, lambda: dict(_table(place, source)()), _table(place, f"upsert_{number}"),
        "transactional", disturb,
    )  # fmt: skip


def sqlite_append(place: Place, number: int) -> Job:
    """A file into a table of a SQLite database."""
    name = f"sqlite-{number}"
    records = _write_csv(place, name)
    target = place.connector(name, "sqlite", path=f"{name}.sqlite3", create_file=True)
    deployment = place.join(
        name, place.csv_source(), f"{name}.csv", target, "records", mapping=_mapping(), write_mode="append"
    )

    def found() -> Records:
        path = place.files / f"{name}.sqlite3"
        if not path.exists():
            return []
        with contextlib.closing(sqlite3.connect(path, timeout=10)) as database:
            try:
                return database.execute("SELECT id, value FROM records").fetchall()
            except sqlite3.OperationalError:
                return []

    return Job("sqlite_append", deployment, lambda: records, found, "transactional")


def _table(place: Place, table: str) -> Callable[[], Records]:
    def found() -> Records:
        exists = place.ask(f"SELECT to_regclass('{table}') IS NOT NULL")[0][0]
        return [(row[0], row[1]) for row in place.ask(f"SELECT id, value FROM {table}")] if exists else []

    return found


KINDS: dict[str, Callable[[Place, int], Job]] = {
    "postgres_append": postgres_append,
    "postgres_upsert": postgres_upsert,
    "sqlite_append": sqlite_append,
}
