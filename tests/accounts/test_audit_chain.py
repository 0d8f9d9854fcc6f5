"""Entries are signed one after the other, and the databases refuse to alter them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from accounts import audit, audit_keys
from accounts.domain.audit_chain import NOTHING, Columns, canonical, signature
from accounts.models import AuditCounter, AuditEntry, audit_guard
from accounts.models.audit import columns_of
from accounts.request_context import Actor, RequestContext, acting_as, entered
from tests.runs.databases import either_database, migrated_postgres
from tests.world import World, build_world

__all__ = ["either_database", "migrated_postgres"]
COLUMNS = Columns(
    "0" * 32, None, 1, "2026-01-02 03:04:05.000006", None, "a", None, None, "b", "c", "d", "e", None, {"z": 1, "y": 2},
    "f", "12345678",
)  # fmt: skip
HARD = {"float": 1e22, "small": 1.5e-7, "whole": 2.0, "zero": "a\0b", "half": "\ud800", "words": "ü 🎉", "none": None}


@pytest.fixture
def either_world(either_database: str) -> World:
    return build_world()


def write(world: World, **values: object) -> AuditEntry:
    with acting_as(world.owner), transaction.atomic():
        return audit.record(workspace=world.workspace, action="test.done", object=world.workspace, **values)  # type: ignore[arg-type]


def is_signed(entry: AuditEntry) -> bool:
    return entry.mac == signature(audit_keys.ring()[entry.key_id], columns_of(entry), entry.prev)


def test_what_is_signed_is_written_in_one_way_only() -> None:
    assert canonical(COLUMNS).endswith(b'null,{"y":2,"z":1},"f","12345678"]')


@pytest.mark.parametrize("name", Columns._fields)
def test_no_column_changes_without_its_signature(name: str) -> None:
    changed = COLUMNS._replace(**{name: "other"})  # type: ignore[arg-type]  # any other value will do
    assert signature(b"k", changed, NOTHING) != signature(b"k", COLUMNS, NOTHING)


def test_each_entry_signs_the_one_before(either_world: World) -> None:
    first, second = write(either_world), write(either_world)
    assert (first.prev, second.prev) == (NOTHING, first.mac)
    assert AuditCounter.objects.get(pk=either_world.workspace.pk).mac == second.mac


@pytest.mark.parametrize("ip", [None, "203.0.113.9", "2001:DB8::0:1", "::ffff:203.0.113.9"])
def test_what_the_database_gives_back_fits_its_signature(either_world: World, ip: str | None) -> None:
    request = RequestContext(lambda: Actor(user=either_world.owner), ip, "r" * 32)
    with entered(request), transaction.atomic():
        made = audit.record(workspace=None, action="test.done", object=either_world.owner, after=HARD)
    assert is_signed(AuditEntry.objects.get(pk=made.pk))


def test_a_new_master_key_signs_what_comes_and_the_old_entries_stay_provable(
    either_world: World, settings: Any
) -> None:
    old = write(either_world)
    settings.MASTER_KEY = f"{base64.b64encode(b'n' * 32).decode()},{settings.MASTER_KEY}"
    new = write(either_world)
    assert old.key_id != new.key_id
    assert is_signed(old)
    assert is_signed(new)


FORBIDDEN = {
    "update": "UPDATE accounts_auditentry SET action = 'x'",
    "delete": "DELETE FROM accounts_auditentry",
    "count back": "UPDATE accounts_auditcounter SET last = last - 1",
    "sign anew": "UPDATE accounts_auditcounter SET mac = 'x'",
    "forget the count": "DELETE FROM accounts_auditcounter",
}
BY_VENDOR = {
    "postgresql": {
        "truncate": "TRUNCATE accounts_auditentry, accounts_auditcounter",
        "without triggers": "SET session_replication_role = replica; DELETE FROM accounts_auditentry",
        "upsert": "INSERT INTO accounts_auditentry SELECT * FROM accounts_auditentry"
        " ON CONFLICT (id) DO UPDATE SET ip = NULL",
    },
    "sqlite": {
        "replace": "INSERT OR REPLACE INTO accounts_auditentry SELECT * FROM accounts_auditentry",
        "replace the count": "INSERT OR REPLACE INTO accounts_auditcounter SELECT * FROM accounts_auditcounter",
    },
}


def test_the_database_itself_refuses_to_alter_the_log(either_world: World) -> None:
    write(either_world)
    before = list(AuditEntry.objects.values()), list(AuditCounter.objects.values())
    for statement in (FORBIDDEN | BY_VENDOR[connection.vendor]).values():
        with pytest.raises(DatabaseError, match="only ever added to"):
            execute(statement)
    assert (list(AuditEntry.objects.values()), list(AuditCounter.objects.values())) == before


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.django_db(transaction=True)
def test_triggers_that_are_gone_are_put_back_after_the_next_migration() -> None:
    audit_guard.remove(connection)
    assert audit_guard.missing(connection)
    call_command("migrate", verbosity=0)
    assert audit_guard.missing(connection) == []
