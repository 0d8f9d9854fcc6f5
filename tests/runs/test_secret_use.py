"""A run that uses a secret says so in the audit log: by its name, once, and before it is opened."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection

from accounts.models import AuditEntry
from accounts.request_context import Actor, acting_as
from integrations.models import Connector, Credential
from integrations.services.connectors import open_plugin
from integrations.services.credentials import create_credential, rotate_credential
from tests.runs.conftest import Bench
from tests.runs.listed import World

CANARY = "canary-5b1f"


@pytest.fixture
def credential(connector: Connector) -> Credential:
    with acting_as(Actor(system="test")):
        made = create_credential(
            workspace=connector.workspace, name="shop", kind="bearer", values={"token": CANARY}, user=None
        )
    Connector.objects.filter(pk=connector.pk).update(credential=made)
    return made


def uses() -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(action="credential.used").order_by("seq"))


def test_a_run_tells_once_which_secret_it_uses_and_not_what_it_is(
    credential: Credential, bench: Bench, outside: World
) -> None:
    outside.rows = [{"id": number, "amount": "1"} for number in range(30)]
    run = bench.work(bench.start())
    (entry,) = uses()
    assert (entry.object_id, entry.actor_label) == (str(run.pk), "worker")
    assert entry.after == {"credential": "shop", "credential_id": str(credential.pk), "version": 1}
    assert CANARY not in str(list(AuditEntry.objects.values()))


def test_the_next_run_and_a_new_version_are_told_again(credential: Credential, bench: Bench, outside: World) -> None:
    outside.rows = [{"id": 1, "amount": "1"}]
    run = bench.work(bench.start())
    with acting_as(Actor(system="test")):
        rotate_credential(credential=credential, values={"token": "another"}, user=None)
        open_plugin(Connector.objects.get(credential=credential), run=run).close()
    bench.work(bench.start())
    assert [(entry.after or {})["version"] for entry in uses()] == [1, 2, 2]


def test_a_run_without_a_secret_tells_nothing(bench: Bench, outside: World) -> None:
    bench.work(bench.start())
    assert uses() == []


def test_a_secret_whose_use_cannot_be_told_is_not_opened(
    credential: Credential, bench: Bench, connector: Connector
) -> None:
    run = bench.start()
    connector.refresh_from_db()
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER no_audit BEFORE INSERT ON accounts_auditentry BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
    with pytest.raises(DatabaseError):
        open_plugin(connector, run=run)
    credential.refresh_from_db()
    assert credential.last_used_at is None
