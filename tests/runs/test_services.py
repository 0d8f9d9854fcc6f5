"""Services of credentials, policies, connectors, integrations and schedules: what they do and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from django.db.models.functions import Now
from django.utils import timezone

from accounts.errors import Conflict, Invalid
from accounts.models import AuditEntry, Workspace
from integrations import encryption
from integrations.domain.lifecycle import RunState, Trigger
from integrations.domain.schedule import ScheduleKind, Timetable
from integrations.models import (
    Connector,
    Credential,
    CredentialVersion,
    Deployment,
    IntegrationVersion,
    Policy,
    Run,
    Schedule,
    SchemaChange,
)
from integrations.models.integration import ReadMode
from integrations.services import credentials, integrations, pausing, policies, runs, schedules, ticking
from integrations.services.connectors import ConnectorInput, delete_connector, save_connector
from tests.runs.conftest import MAPPING, Bench
from tests.runs.listed import SCHEMA, World

pytestmark = pytest.mark.django_db(transaction=True)
CANARY = "canary-9f3k-secret"


@pytest.fixture
def credential(workspace: Workspace, outside: World) -> Credential:
    values = {"username": "ada", "password": CANARY}
    return credentials.create_credential(workspace=workspace, name="Login", kind="basic", values=values, user=None)


def test_a_secret_is_stored_encrypted_and_opens_again(credential: Credential) -> None:
    assert credentials.open_credential(credential) == {"username": "ada", "password": CANARY}
    assert CANARY not in CredentialVersion.objects.get().ciphertext
    assert CANARY not in repr(list(AuditEntry.objects.values()))
    credential.refresh_from_db()
    assert credential.last_used_at is not None


def test_a_ciphertext_that_is_moved_to_another_row_does_not_open(credential: Credential, workspace: Workspace) -> None:
    other = credentials.create_credential(
        workspace=workspace, name="Other", kind="bearer", values={"token": "x"}, user=None
    )
    stolen = CredentialVersion.objects.get(credential=credential).ciphertext
    CredentialVersion.objects.filter(credential=other).update(ciphertext=stolen)
    with pytest.raises(encryption.UndecryptableError):
        credentials.open_credential(other)


@pytest.mark.parametrize("stored", ["", "v1.a.b", "v9.0.A256GCM.AAAA.AAAA", "v1.00000000.A256GCM.AAAA.AAAA"])
def test_a_damaged_secret_is_refused_in_words(stored: str) -> None:
    with pytest.raises(encryption.UndecryptableError, match=r"secret|key"):
        encryption.decrypt(stored, bound_to="here")


def test_rotation_keeps_what_is_left_out(credential: Credential) -> None:
    rotated = credentials.rotate_credential(credential=credential, values={"password": "next"}, user=None)
    assert (rotated.current, credentials.open_credential(rotated)) == (2, {"username": "ada", "password": "next"})
    with pytest.raises(Invalid, match="no new secret"):
        credentials.rotate_credential(credential=rotated, values={"username": "bob", "password": ""}, user=None)


@pytest.mark.parametrize(
    ("kind", "values", "field"),
    [
        ("nothing", {}, "kind"),
        ("bearer", {}, "token"),
        ("bearer", {"token": "x", "colour": "red"}, "colour"),
        ("api_key", {"name": "X", "placement": "cookie", "key": "k"}, "placement"),
    ],
)
def test_an_incomplete_credential_is_refused_at_its_field(
    workspace: Workspace, outside: World, kind: str, values: dict[str, str], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        credentials.create_credential(workspace=workspace, name="New", kind=kind, values=values, user=None)
    assert field in refused.value.fields


def test_a_name_is_given_once(credential: Credential, workspace: Workspace) -> None:
    with pytest.raises(Conflict, match="already"):
        credentials.create_credential(
            workspace=workspace, name="Login", kind="bearer", values={"token": "x"}, user=None
        )


def test_what_is_in_use_is_not_deleted(bench: Bench, connector: Connector, workspace: Workspace) -> None:
    policy = policies.save_policy(workspace=workspace, policy=None, name="Slow", description="", rules={})
    Connector.objects.filter(pk=connector.pk).update(policy=policy)
    with pytest.raises(Conflict, match="numbers"):
        delete_connector(connector=connector)
    with pytest.raises(Conflict, match="lists"):
        policies.delete_policy(policy=policy)


@pytest.mark.parametrize(
    "rules",
    [
        {"retry.attempts": 0},
        {"retry.attempts": 2.5},
        {"retry.attempts": float("inf")},
        {"retry.speed": 1},
        {"limit.pages": True},
    ],
)
def test_a_rule_that_would_do_nothing_or_is_out_of_bounds_is_refused(
    workspace: Workspace, outside: World, rules: dict[str, Any]
) -> None:
    with pytest.raises(Invalid) as refused:
        policies.save_policy(workspace=workspace, policy=None, name="Odd", description="", rules=rules)
    assert set(refused.value.fields) == set(rules)


def test_the_effective_policy_says_where_each_value_came_from(bench: Bench, connector: Connector) -> None:
    workspace = bench.deployment.workspace
    for name, value, default in (("House", 7, True), ("Connector", 9, False)):
        rules = {"retry.attempts": value}
        policy = policies.save_policy(
            workspace=workspace, policy=None, name=name, description="", rules=rules, is_default=default
        )
    connector.policy = policy
    rule = policies.effective_policy(workspace=workspace, connector=connector).rules["retry.attempts"]
    assert (rule.value, rule.level, rule.policy) == (9, "connector", "Connector")
    assert rule.replaced == (("instance", 5), ("workspace", 7))


def test_only_one_policy_is_the_default(workspace: Workspace, outside: World) -> None:
    for name in ("First", "Second"):
        policies.save_policy(workspace=workspace, policy=None, name=name, description="", rules={}, is_default=True)
    assert [policy.name for policy in workspace_defaults(workspace)] == ["Second"]


def workspace_defaults(workspace: Workspace) -> list[Any]:
    return [found for found in Policy.objects.of(workspace) if found.is_default]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"source_stream": " "}, "source_stream"),
        ({"read_mode": ReadMode.INCREMENTAL}, "cursor_field"),
        ({"write_mode": "upsert"}, "key"),
        ({"write_mode": "upsert", "key": ("nothing",)}, "key"),
        ({"mapping": {"fields": []}}, "mapping"),
        ({"mapping": {"rows": []}}, "mapping"),
        ({"mapping": {"fields": [{"target": "a", "expression": "read_csv('x')", "type": "text"}]}}, "mapping"),
    ],
)
def test_a_flow_that_cannot_run_is_refused_at_its_field(
    workspace: Workspace, connector: Connector, changes: dict[str, Any], field: str
) -> None:
    values = {"source_stream": "rows", "mapping": MAPPING, "write_mode": "append", **changes}
    flow = integrations.Flow(source=connector, destination=connector, destination_stream="out", **values)
    with pytest.raises(Invalid) as refused:
        integrations.create_integration(workspace=workspace, name="x", description="", flow=flow, user=None)
    assert field in refused.value.fields


@pytest.mark.parametrize("name", ["", "Two words", "UPPER", "-a", "a--b", "ä"])
def test_an_odd_name_is_refused(workspace: Workspace, connector: Connector, name: str) -> None:
    flow = integrations.Flow(connector, "rows", connector, "out", MAPPING, write_mode="append")
    with pytest.raises(Invalid) as refused:
        integrations.create_integration(workspace=workspace, name=name, description="", flow=flow, user=None)
    assert "name" in refused.value.fields


@pytest.mark.parametrize(
    ("changes", "is_reset"),
    [
        ({"destination_stream": "other_table"}, False),
        ({"source_stream": "other_rows"}, True),
        ({"read_mode": "full", "cursor_field": ""}, True),
        ({"cursor_field": "amount"}, True),
        ({"primary_key": ("id", "amount")}, True),
    ],
)
def test_activating_a_version_that_reads_something_else_resets_the_cursor(
    make_bench: Callable[..., Bench], changes: dict[str, Any], is_reset: bool
) -> None:
    bench = make_bench(read_mode="incremental", cursor_field="id", primary_key=("id",))
    Deployment.objects.update(cursor={"row": 5})
    flow = replace(integrations.flow_of(bench.deployment.version), **changes)
    version = integrations.add_version(integration=bench.deployment.integration, flow=flow, user=None)
    active = integrations.activate_version(deployment=bench.deployment, version=version)
    assert (active.cursor, active.epoch) == ((None, 1) if is_reset else ({"row": 5}, 0))


def version_of_stream(deployment: Deployment, connector: Connector, stream: str) -> IntegrationVersion:
    """A version that reads another stream, incrementally."""
    flow = integrations.Flow(
        connector, stream, connector, "rows_out", MAPPING, "incremental", cursor_field="id", write_mode="append"
    )
    return integrations.add_version(integration=deployment.integration, flow=flow, user=None)


@pytest.mark.parametrize("pause", [False, True])
def test_no_version_of_another_stream_becomes_active_under_a_run_that_would_store_its_old_place(
    make_bench: Callable[..., Bench], connector: Connector, outside: World, settings: Any, pause: bool
) -> None:
    bench = make_bench(read_mode="incremental", cursor_field="id")
    outside.rows = [{"id": number, "amount": "1"} for number in range(30)]
    settings.SLICE_SECONDS = 0
    run = bench.work(bench.start(), slices=1)
    version = version_of_stream(bench.deployment, connector, "other_rows")
    if pause:
        pausing.pause_run(run=run)
    with pytest.raises(Conflict, match="A run is active"):
        integrations.activate_version(deployment=bench.deployment, version=version)
    runs.cancel_run(run=run)
    reset = integrations.activate_version(deployment=bench.deployment, version=version)
    assert (reset.cursor, reset.epoch, bench.start().start_cursor) == (None, 1, None)


def test_another_stream_s_columns_are_no_schema_change(
    make_bench: Callable[..., Bench], connector: Connector, outside: World
) -> None:
    bench = make_bench()
    outside.rows = [{"id": 1, "amount": "1"}]
    bench.work(bench.start())
    outside.schema = pa.schema([*SCHEMA, pa.field("city", pa.string())])
    bench.work(bench.start())
    version = version_of_stream(bench.deployment, connector, "other_rows")
    integrations.activate_version(deployment=bench.deployment, version=version)
    columns: list[tuple[str, pa.DataType]] = [("id", pa.string()), ("amount", pa.float64())]
    outside.schema = pa.schema(columns)
    outside.rows = [{"id": "1", "amount": 1.0}]
    assert bench.work(bench.start()).state == RunState.SUCCEEDED
    assert [(change.column, change.state) for change in SchemaChange.objects.all()] == [("city", "resolved")]


def test_a_checkpoint_is_reset_with_a_reason_and_not_during_a_run(bench: Bench) -> None:
    with pytest.raises(Invalid):
        integrations.reset_checkpoint(deployment=bench.deployment, reason=" ")
    integrations.reset_checkpoint(deployment=bench.deployment, reason="source was restored")
    bench.start()
    with pytest.raises(Conflict):
        integrations.reset_checkpoint(deployment=bench.deployment, reason="again")
    with pytest.raises(Conflict):
        integrations.delete_integration(integration=bench.deployment.integration)


def test_a_run_is_not_started_from_a_cursor_that_was_reset_since_it_was_read(
    make_bench: Callable[..., Bench], outside: World
) -> None:
    bench = make_bench(read_mode="incremental", cursor_field="id")
    outside.rows = [{"id": 1, "amount": "1"}]
    bench.work(bench.start())
    read_before = Deployment.objects.select_related("version", "integration", "workspace").get()
    integrations.reset_checkpoint(deployment=bench.deployment, reason="source was restored")
    with pytest.raises(Conflict, match="reset at the same moment"):
        runs.start_run(deployment=read_before, trigger=Trigger.SCHEDULE)
    assert bench.start().start_cursor is None


def test_an_integration_is_deleted_with_its_runs(bench: Bench, outside: World) -> None:
    outside.rows = [{"id": 1, "amount": "1"}]
    bench.work(bench.start())
    integrations.delete_integration(integration=bench.deployment.integration)
    assert not Run.objects.exists()
    assert AuditEntry.objects.filter(action="integration.deleted").exists()


EVERY_MINUTE = Timetable(ScheduleKind.INTERVAL, every_seconds=60)


def make_due(deployment: Deployment) -> None:
    schedules.set_schedule(deployment=deployment, timetable=EVERY_MINUTE)
    Schedule.objects.update(next_due_at=Now() - timedelta(seconds=5))


def test_a_due_schedule_starts_one_run_and_moves_on(bench: Bench) -> None:
    make_due(bench.deployment)
    assert (ticking.tick(), ticking.tick()) == (1, 0)
    run = Run.objects.get()
    assert (run.trigger, run.due_at is not None) == ("schedule", True)
    assert Schedule.objects.get().next_due_at > timezone.now()  # type: ignore[operator]  # set while it is enabled


def test_a_deployment_that_is_switched_off_does_not_run_by_itself(bench: Bench) -> None:
    integrations.set_enabled(deployment=bench.deployment, enabled=False)
    make_due(bench.deployment)
    assert ticking.tick() == 0


def test_a_schedule_is_removed(bench: Bench) -> None:
    make_due(bench.deployment)
    schedules.remove_schedule(deployment=bench.deployment)
    schedules.remove_schedule(deployment=bench.deployment)
    assert AuditEntry.objects.filter(action="schedule.removed").count() == 1


@pytest.mark.parametrize(
    ("table", "field"),
    [
        (Timetable(ScheduleKind.CRON, cron="every day"), "cron"),
        (Timetable(ScheduleKind.CRON, cron="0 0 31 2 *"), "cron"),
        (Timetable(ScheduleKind.INTERVAL, every_seconds=1), "every_seconds"),
        (Timetable(ScheduleKind.CRON, cron="* * * * *", time_zone="Mars/Base"), "time_zone"),
    ],
)
def test_a_schedule_that_never_comes_due_is_refused(bench: Bench, table: Timetable, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        schedules.set_schedule(deployment=bench.deployment, timetable=table)
    assert field in refused.value.fields


def test_a_connector_is_checked_against_its_declaration(workspace: Workspace, outside: World) -> None:
    with pytest.raises(Invalid) as refused:
        save_connector(workspace=workspace, connector=None, given=ConnectorInput(" ", "listed", {"speed": 1}))
    assert set(refused.value.fields) == {"name", "speed"}
