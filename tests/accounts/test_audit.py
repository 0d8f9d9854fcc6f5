"""The audit log: with the change or not at all, in order, and never altered."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, transaction

from accounts import audit
from accounts.domain.roles import Role
from accounts.models import AuditEntry, Membership
from accounts.models.audit import AppendOnlyError
from accounts.request_context import Actor, NoActorError, acting_as
from accounts.services import members, tokens, workspaces
from tests.world import World, build_world, signed_in


def write(world: World, **values: object) -> AuditEntry:
    with acting_as(world.owner), transaction.atomic():
        return audit.record(workspace=world.workspace, action="test.done", object=world.workspace, **values)  # type: ignore[arg-type]


def test_the_entries_of_a_workspace_are_numbered_without_a_gap(world: World) -> None:
    assert [write(world).seq for _ in range(3)] == [1, 2, 3]


def test_each_workspace_and_the_instance_count_for_themselves(world: World) -> None:
    write(world)
    with acting_as(world.outsider), transaction.atomic():
        assert audit.record(workspace=world.other, action="test.done", object=world.other).seq == 1
        assert audit.record(workspace=None, action="test.done", object=world.outsider).seq == 1


def test_a_rolled_back_change_takes_its_number_along(world: World) -> None:
    with transaction.atomic():
        write(world)
        transaction.set_rollback(True)
    assert write(world).seq == 1


@pytest.mark.django_db(transaction=True)
def test_an_entry_outside_a_transaction_is_refused() -> None:

    world = build_world()
    with acting_as(world.owner), pytest.raises(audit.OutsideTransactionError):
        audit.record(workspace=world.workspace, action="test.done", object=world.workspace)


def test_a_change_by_nobody_is_refused(world: World) -> None:
    with pytest.raises(NoActorError):
        workspaces.update(workspace=world.workspace, name="Other")
    world.workspace.refresh_from_db()
    assert world.workspace.name == "Acme"


@pytest.fixture
def audit_storage_off(world: World) -> None:
    """The table refuses every entry, as on a full disk."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER no_audit BEFORE INSERT ON accounts_auditentry BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )


@pytest.mark.usefixtures("audit_storage_off")
def test_without_its_entry_a_role_stays_as_it_was(world: World) -> None:
    membership = world.membership(world.viewer)
    with acting_as(world.owner), pytest.raises(DatabaseError):
        members.change_role(membership=membership, by=world.membership(world.owner), role=Role.ADMIN)
    assert world.membership(world.viewer).role == "viewer"


@pytest.mark.usefixtures("audit_storage_off")
def test_without_its_entry_no_token_exists(world: World) -> None:
    with acting_as(world.owner), pytest.raises(DatabaseError):
        tokens.create(workspace=world.workspace, creator=world.owner, name="t", scopes=["run.read"])
    assert not world.workspace.tokens.exists()


@pytest.mark.usefixtures("audit_storage_off")
def test_without_its_entry_a_member_stays(world: World) -> None:
    with acting_as(world.owner), pytest.raises(DatabaseError):
        members.remove(membership=world.membership(world.viewer), by=None)
    assert Membership.objects.of(world.workspace).filter(user=world.viewer).exists()


@pytest.mark.parametrize("name", ["password", "secret", "token", "api_key"])
def test_a_secrets_name_is_refused(world: World, name: str) -> None:
    with pytest.raises(audit.SecretInAuditError):
        write(world, after={name: "x"})


def test_values_are_written_as_plain_json(world: World) -> None:
    key = uuid4()
    entry = write(world, before={"a": (1, None, True)}, after={"b": {"c": key}})
    entry.refresh_from_db()
    assert (entry.before, entry.after) == ({"a": [1, None, True]}, {"b": {"c": str(key)}})


def test_an_entry_is_never_altered_or_deleted(world: World) -> None:
    entry = write(world)
    entry.action = "something.else"
    for forbidden in (
        entry.save,
        entry.delete,
        AuditEntry.objects.all().delete,
        lambda: AuditEntry.objects.update(action="x"),
        lambda: AuditEntry.objects.bulk_update([entry], ["action"]),
    ):
        with pytest.raises(AppendOnlyError):
            forbidden()
    assert AuditEntry.objects.get(pk=entry.pk).action == "test.done"


def test_an_entry_names_the_system_where_no_person_acts(world: World) -> None:
    with acting_as(Actor(system="scheduler")), transaction.atomic():
        entry = audit.record(workspace=world.workspace, action="test.done", object=world.workspace)
    assert (entry.actor, entry.actor_label) == (None, "scheduler")


def test_an_actor_is_a_person_or_the_system_and_not_both(world: World) -> None:
    with pytest.raises(ValueError, match="either a person"):
        Actor(user=world.owner, system="scheduler")
    with pytest.raises(ValueError, match="either a person"):
        Actor()


def test_a_change_through_a_page_tells_who_from_where_and_in_which_request(world: World) -> None:
    client = signed_in(world.owner)
    client.post(world.url("settings/"), {"name": "New", "status_page": "public"}, REMOTE_ADDR="203.0.113.9")
    entry = AuditEntry.objects.of(world.workspace).get(action="workspace.updated")
    assert (entry.actor, entry.ip, len(entry.request_id)) == (world.owner, "203.0.113.9", 32)
    assert (entry.before, entry.after) == (
        {"name": "Acme", "status_page": "members"},
        {"name": "New", "status_page": "public"},
    )
