"""A column that the source adds goes through to the destination where the policy says so: table and version."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pyarrow as pa
import pytest

from accounts.models import AuditEntry, User, Workspace
from integrations.domain.lifecycle import RunState
from integrations.models import ApprovalRequest, Connector, Event, Policy, RuleAction, SchemaChange
from integrations.services import approvals, integrations
from integrations.services.connectors import ConnectorInput, save_connector
from integrations.services.credentials import create_credential
from tests.runs.conftest import MAPPING, Bench
from tests.runs.listed import World

pytestmark = pytest.mark.django_db(transaction=True)
FIELDS: list[pa.Field[Any]] = [pa.field("id", pa.int64()), pa.field("amount", pa.string())]
WITH_CITY = pa.schema([*FIELDS, pa.field("city", pa.string())])
WITH_MORE = pa.schema([*FIELDS, pa.field("city", pa.string()), pa.field("born", pa.date32())])
ROW = {"id": 1, "amount": "1.50"}
NEW = {"id": 2, "amount": "2.50", "city": "Graz"}


@dataclass
class Table:
    """The destination `t`: its connector, and how to ask its database."""

    connector: Connector
    ask: Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(params=["sqlite", "postgres"])
def table(request: pytest.FixtureRequest, workspace: Workspace, outside: World, settings: Any, tmp_path: Path) -> Table:
    if request.param == "postgres":
        return _in_postgres(request.getfixturevalue("postgres_database"), workspace, settings)
    settings.FILE_ROOT = tmp_path
    given = ConnectorInput("out", "sqlite", {"path": "out.db", "create_file": True})

    def ask(statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(tmp_path / "acme" / "out.db")) as connection, connection:
            return connection.execute(statement).fetchall()

    return Table(save_connector(workspace=workspace, connector=None, given=given), ask)


def _in_postgres(url: str, workspace: Workspace, settings: Any) -> Table:
    parts = urlsplit(url)
    settings.EGRESS_ALLOW = [f"{parts.hostname}:{parts.port}"]
    values = {"username": str(parts.username), "password": "not-needed-here"}
    credential = create_credential(workspace=workspace, name="db", kind="basic", values=values, user=None)
    where = {"host": parts.hostname, "port": parts.port, "database": parts.path[1:]}
    given = ConnectorInput("out", "postgres", where, credential=credential)

    def ask(statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(url, autocommit=True) as connection:
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []

    return Table(save_connector(workspace=workspace, connector=None, given=given), ask)


def bench_into(destination: Connector, source: Connector, **rules: Any) -> Bench:
    """One run over the two known columns has happened."""
    policy = Policy.objects.create(workspace=source.workspace, name="Adds", rules={"drift.added": "add", **rules})
    flow = integrations.Flow(source, "rows", destination, "t", mapping=MAPPING, write_mode="upsert", key=("id",))
    integration = integrations.create_integration(
        workspace=source.workspace, name="numbers", description="", flow=flow, user=None, policy=policy
    )
    return Bench(integration.deployments.get())


def first_run(bench: Bench, outside: World) -> None:
    outside.rows = [ROW]
    assert bench.work(bench.start()).state == RunState.SUCCEEDED


@pytest.fixture
def bench(table: Table, connector: Connector, outside: World) -> Bench:
    made = bench_into(table.connector, connector)
    first_run(made, outside)
    return made


@pytest.mark.fault("F27")
def test_a_new_column_is_added_at_the_destination_in_the_run_that_finds_it(
    bench: Bench, table: Table, outside: World
) -> None:
    outside.schema, outside.rows = WITH_CITY, [{**ROW, "city": None}, NEW]
    run = bench.work(bench.start())
    assert (run.state, run.version.number) == (RunState.SUCCEEDED, 2)
    assert table.ask("SELECT id, city FROM t ORDER BY id") == [(1, None), (2, "Graz")]
    bench.deployment.refresh_from_db()
    assert bench.deployment.version_id == run.version_id
    assert SchemaChange.objects.get().version_id == run.version_id


def test_the_version_is_new_made_by_the_system_and_audited(bench: Bench, outside: World) -> None:
    outside.schema, outside.rows = WITH_CITY, [NEW]
    bench.work(bench.start())
    first, second = bench.deployment.integration.versions.order_by("number")
    assert [[rule["target"] for rule in each.mapping["fields"]] for each in (first, second)] == [
        ["id", "amount"], ["id", "amount", "city"],
    ]  # fmt: skip
    assert (second.created_by, "new column, city" in second.note) == (None, True)
    audited = AuditEntry.objects.filter(action__startswith="integration.version_").order_by("seq")
    assert [entry.action for entry in audited] == ["integration.version_added", "integration.version_activated"]
    assert RuleAction.objects.filter(rule="drift.added").exists()


def test_several_columns_make_one_version_and_none_is_made_twice(bench: Bench, table: Table, outside: World) -> None:
    outside.schema, outside.rows = WITH_MORE, [NEW]
    bench.work(bench.start())
    bench.work(bench.start())
    first, second = bench.deployment.integration.versions.order_by("number")
    assert [rule["type"] for rule in second.mapping["fields"][2:]] == ["text", "date"]
    assert len(first.mapping["fields"]) == 2
    assert table.ask("SELECT city, born FROM t WHERE id = 2") == [("Graz", None)]


def test_a_column_that_comes_in_the_middle_of_a_run_is_taken_by_the_next(
    bench: Bench, table: Table, outside: World, settings: Any
) -> None:
    outside.rows = [{"id": number, "amount": "1"} for number in range(30)]
    settings.SLICE_SECONDS = 0
    run = bench.work(bench.start(), slices=1)
    outside.schema, outside.rows = WITH_CITY, [{"id": number, "amount": "1", "city": "Graz"} for number in range(30)]
    run = bench.work(run)
    assert (run.state, run.version.number, run.written) == (RunState.SUCCEEDED, 1, 30)
    bench.work(bench.start())
    assert table.ask("SELECT count(*) FROM t WHERE city = 'Graz'") == [(30,)]


def test_where_a_second_person_approves_the_version_waits_and_the_table_stays(
    bench: Bench, table: Table, outside: World
) -> None:
    Policy.objects.update(rules={"drift.added": "add", "approval.activate": True})
    outside.schema, outside.rows = WITH_CITY, [NEW]
    run = bench.work(bench.start())
    assert (run.state, run.version.number) == (RunState.SUCCEEDED, 1)
    request = ApprovalRequest.objects.get()
    assert (request.state, request.version) == ("open", SchemaChange.objects.get().version)
    with pytest.raises((sqlite3.OperationalError, psycopg.errors.UndefinedColumn)):
        table.ask("SELECT city FROM t")
    person = User.objects.create(email="second@example.test")
    approvals.decide(request=request, user=person, approve=True)
    assert bench.work(bench.start()).state == RunState.SUCCEEDED
    assert table.ask("SELECT city FROM t WHERE id = 2") == [("Graz",)]


def test_where_the_destination_refuses_the_column_the_version_waits_and_the_run_goes_on(
    bench: Bench, table: Table, outside: World
) -> None:
    table.ask("ALTER TABLE t RENAME TO t_kept")
    table.ask("CREATE VIEW t AS SELECT * FROM t_kept")
    outside.schema, outside.rows = WITH_CITY, []
    bench.work(bench.start())
    bench.deployment.refresh_from_db()
    assert (bench.deployment.version.number, SchemaChange.objects.get().version.number) == (1, 2)  # type: ignore[union-attr]
    told = Event.objects.get(kind="run.version_prepared")
    assert (told.level, "did not take it" in told.message) == ("warning", True)


def test_a_masked_column_is_added_as_text_that_holds_its_mask(
    table: Table, connector: Connector, outside: World
) -> None:
    bench = bench_into(table.connector, connector, **{"masking.fields": [{"field": "born", "how": "redact"}]})
    first_run(bench, outside)
    outside.schema, outside.rows = WITH_MORE, [{**NEW, "born": None}, {**NEW, "id": 3, "born": 1}]
    assert bench.work(bench.start()).state == RunState.SUCCEEDED
    assert table.ask("SELECT born FROM t WHERE id = 3") == [("[redacted]",)]


def test_a_field_of_that_name_is_left_as_it_is(bench: Bench, outside: World) -> None:
    outside.schema = pa.schema([*FIELDS, pa.field("AMOUNT ", pa.string())])
    outside.rows = [{**ROW, "AMOUNT ": "x"}]
    bench.work(bench.start())
    assert SchemaChange.objects.get().version is None
    assert bench.deployment.integration.versions.count() == 1
