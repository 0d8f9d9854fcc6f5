"""Columns that change are found, kept for review, and stop a run where the policy says so."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from accounts.errors import Conflict
from accounts.models import AuditEntry
from integrations.domain.drift import ColumnChange, DriftAnswer, DriftKind, column_changes, stops
from integrations.domain.lifecycle import RunState
from integrations.errors import SCHEMA_DRIFTED
from integrations.models import Event, SchemaChange
from integrations.services import drift
from tests.runs.conftest import MAPPING, Bench
from tests.runs.listed import World

pytestmark = pytest.mark.django_db(transaction=True)
ROW = {"id": 1, "amount": "1.50"}
ID: pa.Field[Any] = pa.field("id", pa.int64())
WITH_CITY = pa.schema([ID, pa.field("amount", pa.string()), pa.field("city", pa.string())])
WITHOUT_AMOUNT = pa.schema([ID])
AMOUNT_IS_NUMBER = pa.schema([ID, pa.field("amount", pa.float64())])


def first_run(bench: Bench, outside: World) -> None:
    outside.rows = [ROW]
    assert bench.work(bench.start()).state == RunState.SUCCEEDED


@pytest.mark.parametrize(
    ("known", "found", "changes"),
    [
        ({"a": "text"}, {"a": "text"}, ()),
        ({"a": "text"}, {"a": "text", "b": "integer"}, (ColumnChange(DriftKind.ADDED, "b", "", "integer"),)),
        ({"a": "text", "b": "date"}, {"a": "text"}, (ColumnChange(DriftKind.DROPPED, "b", "date", ""),)),
        ({"a": "text"}, {"a": "integer"}, (ColumnChange(DriftKind.RETYPED, "a", "text", "integer"),)),
        (
            {"a": "text"},
            {"b": "text"},
            (ColumnChange(DriftKind.ADDED, "b", "", "text"), ColumnChange(DriftKind.DROPPED, "a", "text", "")),
        ),
    ],
)
def test_columns_are_compared(known: dict[str, str], found: dict[str, str], changes: tuple[ColumnChange, ...]) -> None:
    assert column_changes(known, found) == changes


@pytest.mark.parametrize(
    ("kind", "answer", "is_read", "is_stopped"),
    [
        (DriftKind.ADDED, DriftAnswer.STOP, False, True),
        (DriftKind.ADDED, DriftAnswer.ADD, False, False),
        (DriftKind.DROPPED, DriftAnswer.STOP, True, True),
        (DriftKind.DROPPED, DriftAnswer.STOP, False, False),
        (DriftKind.RETYPED, DriftAnswer.IGNORE, True, False),
    ],
)
def test_a_change_stops_a_run_only_where_it_can_do_harm(
    kind: DriftKind, answer: DriftAnswer, is_read: bool, is_stopped: bool
) -> None:
    assert stops(ColumnChange(kind, "a"), answer, {"a"} if is_read else set()) is is_stopped


@pytest.mark.fault("F27")
def test_a_new_column_is_kept_for_review_with_a_sample_and_the_run_goes_on(bench: Bench, outside: World) -> None:
    first_run(bench, outside)
    outside.schema, outside.rows = WITH_CITY, [{**ROW, "city": "Graz"}]
    run = bench.work(bench.start())
    change = SchemaChange.objects.get()
    assert (run.state, change.kind, change.column, change.after, change.touches) == (
        RunState.SUCCEEDED, "added", "city", "text", [],
    )  # fmt: skip
    assert drift.sample_of(change) == ["Graz"]
    assert "Graz" not in change.sample
    assert {"run.schema_changed", "schema.changed"} <= set(Event.objects.values_list("kind", flat=True))


@pytest.mark.fault("F27")
@pytest.mark.parametrize(("schema", "kind"), [(WITHOUT_AMOUNT, "dropped"), (AMOUNT_IS_NUMBER, "retyped")])
def test_a_column_that_the_mapping_reads_stops_the_run(
    bench: Bench, outside: World, schema: pa.Schema, kind: str
) -> None:
    first_run(bench, outside)
    outside.schema, outside.rows = schema, []
    run = bench.work(bench.start())
    change = SchemaChange.objects.get()
    assert (run.state, run.error_code) == (RunState.FAILED, SCHEMA_DRIFTED)
    assert (change.kind, change.touches, change.stopped) == (kind, ["amount"], True)


def test_the_same_change_is_one_item_however_often_it_is_met(bench: Bench, outside: World) -> None:
    first_run(bench, outside)
    outside.schema, outside.rows = WITH_CITY, [{**ROW, "city": "Graz"}]
    bench.work(bench.start())
    again = bench.work(bench.start())
    assert SchemaChange.objects.get().run_id == again.pk


def test_a_change_that_was_marked_as_seen_is_known_from_then_on(bench: Bench, outside: World) -> None:
    first_run(bench, outside)
    outside.schema, outside.rows = AMOUNT_IS_NUMBER, [{"id": 1, "amount": 1.5}]
    bench.work(bench.start())
    change = drift.resolve(change=SchemaChange.objects.get(), note="agreed with the shop", user=None)
    assert bench.work(bench.start()).state == RunState.SUCCEEDED
    assert (change.state, SchemaChange.objects.count()) == ("resolved", 1)
    entry = AuditEntry.objects.get(action="schema_change.resolved")
    assert entry.after is not None
    assert entry.after["note"] == "agreed with the shop"
    with pytest.raises(Conflict):
        drift.resolve(change=change, note="", user=None)


@pytest.mark.fault("F27")
def test_a_change_in_the_middle_of_a_run_is_found_at_the_next_slice(
    bench: Bench, outside: World, settings: Any
) -> None:
    outside.rows = [{"id": number, "amount": "1"} for number in range(30)]
    settings.SLICE_SECONDS = 0
    run = bench.work(bench.start(), slices=1)
    outside.schema, outside.rows = AMOUNT_IS_NUMBER, [{"id": number, "amount": 1.0} for number in range(30)]
    run = bench.work(run)
    assert (run.state, run.error_code, run.written) == (RunState.FAILED, SCHEMA_DRIFTED, 10)


def test_values_that_no_longer_fit_are_a_change_too(bench: Bench, outside: World) -> None:
    outside.rows = [{"id": number, "amount": "1"} for number in range(30)]
    bench.work(bench.start())
    outside.rows = [*outside.rows, {"id": 30, "amount": "12345678901234"}]
    assert bench.work(bench.start()).state == RunState.SUCCEEDED
    change = SchemaChange.objects.get()
    assert (change.kind, change.column, drift.sample_of(change)) == ("out_of_range", "amount", ["12345678901234"])


def test_a_change_says_which_fields_and_whether_the_filter_read_the_column(bench: Bench) -> None:
    version = bench.deployment.version
    version.mapping = {**MAPPING, "filter": "amount <> ''"}
    assert drift.touched(version, "amount") == ["amount", "filter"]
