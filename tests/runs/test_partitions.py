"""Partitioned runs: cut once, read by any worker, counted and ended as one; nothing lost, nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from django.db.models.functions import Now

from accounts.errors import Conflict
from integrations.connectors import registry
from integrations.connectors.base import Commit, Context, WriteMode, WriteRequest
from integrations.domain.lifecycle import RunState, Trigger
from integrations.errors import REQUEST_REFUSED, UNREACHABLE, NeedsPerson, RetryLater, StopRun
from integrations.models import Event, Policy, Run, SchemaChange
from integrations.services import claims, continuation, drift, pausing, runs
from integrations.services.execution import execute_slice
from integrations.services.owners import former_owners
from integrations.services.picking import reconcile
from tests.runs import partitioned
from tests.runs.conftest import Bench
from tests.runs.listed import SCHEMA, Listed, World
from tests.runs.partitioned import Split, work_all

pytestmark = pytest.mark.django_db(transaction=True)
RULES = {"partitions.most": 3}


@pytest.fixture
def split(outside: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setitem(registry.CONNECTORS, "listed", Split)
    outside.rows = [{"id": number, "amount": "1.50"} for number in range(90)]
    return outside


@pytest.fixture
def cut(make_bench: Callable[..., Bench], split: World) -> Bench:
    return make_bench(rules=RULES)


def started(bench: Bench, **given: Any) -> tuple[Run, list[Run]]:
    """A run that was cut, and its partitions, of which nobody has worked one."""
    run = bench.start(**given)
    assert execute_slice(run_id=run.pk, worker="plans") is RunState.RUNNING
    return fresh(run)


def fresh(run: Run) -> tuple[Run, list[Run]]:
    run.refresh_from_db()
    return run, list(run.partitions.order_by("id"))


def ids(world: World) -> list[int]:
    return sorted(row["id"] for row in world.stored)


def last_told(run: Run) -> str:
    return Event.objects.filter(run_id=run.pk).latest("seq").kind


def states(children: list[Run]) -> list[str]:
    return [child.state for child in children]


def test_a_cut_run_waits_without_a_worker_and_ends_with_its_last_partition(cut: Bench, split: World) -> None:
    run, children = started(cut)
    assert (run.state, run.lease_until, run.worker, states(children)) == ("running", None, "", ["queued"] * 3)
    assert execute_slice(run_id=run.pk, worker="second") is None
    work_all()
    run, children = fresh(run)
    assert (run.state, run.read, run.written, run.batches, run.progress) == (RunState.SUCCEEDED, 90, 90, 9, 1.0)
    assert (states(children), [child.written for child in children]) == (["succeeded"] * 3, [30] * 3)
    assert ids(split) == list(range(90))
    assert sorted(owner.rpartition(":")[2] for owner in split.checkpoints) == ["1", "2", "3"]


def test_a_parent_tells_of_every_batch_and_every_partition(cut: Bench, split: World) -> None:
    run, _ = started(cut)
    work_all()
    kinds = list(Event.objects.filter(run_id=run.pk).order_by("seq").values_list("kind", "seq"))
    assert [seq for _, seq in kinds] == list(range(1, len(kinds) + 1))
    counted = [kind for kind, _ in kinds]
    assert (counted.count("run.progress"), counted.count("run.partition")) == (9, 3)
    last = Event.objects.filter(run_id=run.pk, kind="run.progress").latest("seq")
    assert (last.data["read"], last.data["progress"]) == (90, 1.0)


def test_only_the_run_stands_in_lists_and_it_alone_is_the_active_one(cut: Bench, split: World) -> None:
    run, _ = started(cut)
    assert [found.pk for found in Run.objects.of(run.workspace)] == [run.pk]
    assert Run.objects.with_partitions_of(run.workspace).count() == 4
    with pytest.raises(Conflict) as refused:
        cut.start()
    assert refused.value.detail["run"] == str(run.pk)


@pytest.mark.parametrize(
    ("changes", "trigger"),
    [
        ({"rules": {"partitions.most": 1}}, Trigger.MANUAL),
        ({"rules": RULES, "write_mode": "upsert", "key": ["amount"]}, Trigger.MANUAL),
        ({"rules": RULES, "read_mode": "incremental", "cursor_field": "id"}, Trigger.MANUAL),
        ({"rules": RULES}, Trigger.BACKFILL),
    ],
    ids=["switched off", "records that replace each other", "incremental", "a backfill"],
)
def test_what_may_not_be_cut_is_read_whole(
    make_bench: Callable[..., Bench], split: World, changes: dict[str, Any], trigger: Trigger
) -> None:
    bench = make_bench(**changes)
    run = bench.work(bench.start(trigger))
    assert (run.state, run.partition_count, len(split.reads)) == (RunState.SUCCEEDED, 0, 1)


def test_a_destination_without_parallel_writes_is_written_by_one(
    make_bench: Callable[..., Bench], split: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Split, "spec", Listed.spec)
    bench = make_bench(rules=RULES)
    assert bench.work(bench.start()).partition_count == 0


def test_a_cut_that_fails_leaves_no_partition_and_is_tried_again(cut: Bench, split: World) -> None:
    partitioned.fail_cut.append(RetryLater(UNREACHABLE, "Away."))
    run = cut.work(cut.start())
    assert (run.state, run.partitions.count(), run.partition_count) == (RunState.QUEUED, 0, 0)
    Run.objects.filter(pk=run.pk).update(next_attempt_at=Now())
    work_all()
    assert (fresh(run)[0].state, ids(split)) == (RunState.SUCCEEDED, list(range(90)))


@pytest.mark.fault("F1")
def test_a_worker_that_dies_while_it_cuts_leaves_all_or_nothing(cut: Bench, split: World) -> None:
    partitioned.fail_cut.append(KeyboardInterrupt())
    run = cut.start()
    with pytest.raises(KeyboardInterrupt):
        execute_slice(run_id=run.pk, worker="dies")
    assert (fresh(run)[1], fresh(run)[0].partition_count) == ([], 0)
    Run.objects.filter(pk=run.pk).update(lease_until=Now() - timedelta(seconds=1))
    work_all()
    assert (fresh(run)[0].state, ids(split)) == (RunState.SUCCEEDED, list(range(90)))


@pytest.mark.fault("F4", "F5")
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_worker_that_dies_in_a_partition_loses_and_doubles_nothing(cut: Bench, split: World, moment: str) -> None:
    run, children = started(cut)
    split.fail_write = [(moment, KeyboardInterrupt())]
    with pytest.raises(KeyboardInterrupt):
        execute_slice(run_id=children[1].pk, worker="dies")
    Run.objects.filter(pk=children[1].pk).update(lease_until=Now() - timedelta(seconds=1))
    work_all()
    run, _ = fresh(run)
    assert (run.state, run.read, run.written, ids(split)) == (RunState.SUCCEEDED, 90, 90, list(range(90)))


@pytest.mark.fault("F9")
def test_a_stale_worker_cannot_end_a_partition(cut: Bench, split: World) -> None:
    _, children = started(cut)
    stale = claims.claim_run(run_id=children[0].pk, worker="first")
    Run.objects.filter(pk=children[0].pk).update(lease_until=Now() - timedelta(seconds=1))
    work_all()
    assert stale is not None
    with pytest.raises(StopRun):
        claims.succeed_run(stale, warnings=[])


def test_a_partition_that_fails_for_good_stops_the_others_and_fails_the_run(cut: Bench, split: World) -> None:
    run, children = started(cut)
    split.fail_read_after = [(10, NeedsPerson(REQUEST_REFUSED, "The path is wrong."))]
    execute_slice(run_id=children[0].pk, worker="test")
    work_all()
    run, children = fresh(run)
    assert states(children) == ["failed", "cancelled", "cancelled"]
    assert (run.state, run.error_code) == (RunState.FAILED, "request_refused")
    assert run.error_message == "Partition 1: The path is wrong."
    assert run.error_what_to_do
    assert run.read == sum(child.read for child in children) == 10


def test_a_failed_run_goes_on_with_what_its_partitions_have_left(cut: Bench, split: World) -> None:
    run, children = started(cut)
    execute_slice(run_id=children[2].pk, worker="test")
    split.fail_read_after = [(10, NeedsPerson(REQUEST_REFUSED, "The path is wrong."))]
    execute_slice(run_id=children[0].pk, worker="test")
    work_all()
    split.reads.clear()
    again = continuation.continue_run(run=fresh(run)[0], user=None)
    work_all()
    again, children = fresh(again)
    assert (again.state, again.read, ids(split)) == (RunState.SUCCEEDED, 50, list(range(90)))
    assert sorted(split.reads) == [10, 30]
    assert [child.partition["key"] for child in children if child.partition] == ["1", "2"]


def test_a_continuation_that_never_began_takes_the_partitions_of_a_cut_run_along(cut: Bench, split: World) -> None:
    run, children = started(cut)
    execute_slice(run_id=children[2].pk, worker="test")
    split.fail_read_after = [(10, NeedsPerson(REQUEST_REFUSED, "The path is wrong."))]
    execute_slice(run_id=children[0].pk, worker="test")
    work_all()
    never_began = runs.cancel_run(run=continuation.continue_run(run=fresh(run)[0], user=None))
    again = continuation.continue_run(run=never_began, user=None)
    work_all()
    again, children = fresh(again)
    assert (again.state, again.read, len(children), ids(split)) == (RunState.SUCCEEDED, 50, 2, list(range(90)))


def test_values_that_no_longer_fit_are_found_in_partitions_too(cut: Bench, split: World) -> None:
    started(cut)
    work_all()
    split.rows[40] = {"id": 40, "amount": "12345678901234"}
    started(cut)
    work_all()
    change = SchemaChange.objects.get()
    assert (change.kind, change.column, drift.sample_of(change)) == ("out_of_range", "amount", ["12345678901234"])


def test_a_run_that_failed_by_its_sums_goes_on_to_its_end_without_reading(
    make_bench: Callable[..., Bench], split: World
) -> None:
    bench = make_bench(rules=RULES)
    run, _ = started(bench)
    work_all()
    Run.objects.filter(pk=run.pk).update(state=RunState.FAILED, error_code="too_many_rejected")
    again = continuation.continue_run(run=fresh(run)[0], user=None)
    work_all()
    again, children = fresh(again)
    assert (again.state, children, again.read) == (RunState.SUCCEEDED, [], 0)


def test_a_partition_is_not_cancelled_or_continued_alone(cut: Bench, split: World) -> None:
    _, children = started(cut)
    with pytest.raises(Conflict, match="partition"):
        runs.cancel_run(run=children[0])
    with pytest.raises(Conflict, match="partition"):
        continuation.continue_run(run=children[0], user=None)


@pytest.mark.fault("F43")
def test_a_cancel_reaches_every_partition(cut: Bench, split: World) -> None:
    run, children = started(cut)
    execute_slice(run_id=children[0].pk, worker="drains", draining=lambda: True)
    runs.cancel_run(run=run)
    assert fresh(run)[0].state == RunState.RUNNING
    reconcile()
    run, children = fresh(run)
    assert (run.state, states(children)) == (RunState.CANCELLED, ["cancelled"] * 3)
    assert (children[0].cursor, run.read, run.error_code) == ({"row": 10}, 10, "run_cancelled")


@pytest.mark.fault("F43")
def test_a_worker_in_a_partition_sees_the_cancel_of_the_run(cut: Bench, split: World) -> None:
    run, children = started(cut)
    Run.objects.filter(pk=run.pk).update(cancel_requested=True)
    assert execute_slice(run_id=children[0].pk, worker="test") is RunState.CANCELLED
    reconcile()
    assert fresh(run)[0].state == RunState.CANCELLED


@pytest.mark.fault("F43")
def test_a_pause_reaches_every_partition_and_they_go_on_from_their_checkpoints(cut: Bench, split: World) -> None:
    run, children = started(cut)
    execute_slice(run_id=children[0].pk, worker="drains", draining=lambda: True)
    pausing.pause_run(run=run)
    execute_slice(run_id=children[1].pk, worker="test")
    reconcile()
    run, children = fresh(run)
    assert (run.state, run.pause_requested, states(children)) == (RunState.PAUSED, False, ["paused"] * 3)
    assert work_all() == 0
    pausing.resume_run(run=run)
    execute_slice(run_id=run.pk, worker="test")
    assert {last_told(child) for child in children} == {"run.resumed"}
    work_all()
    assert (fresh(run)[0].state, ids(split)) == (RunState.SUCCEEDED, list(range(90)))


@pytest.mark.fault("F43")
def test_a_pause_that_is_taken_back_before_all_have_stopped_stops_none_for_good(cut: Bench, split: World) -> None:
    run, children = started(cut)
    pausing.pause_run(run=run)
    execute_slice(run_id=children[1].pk, worker="test")
    assert states(fresh(run)[1]) == ["queued", "paused", "queued"]
    pausing.resume_run(run=run)
    reconcile()
    assert last_told(children[1]) == "run.resumed"
    work_all()
    assert (fresh(run)[0].state, ids(split)) == (RunState.SUCCEEDED, list(range(90)))


def test_a_paused_run_that_is_ended_ends_its_partitions(cut: Bench, split: World) -> None:
    run, _ = started(cut)
    pausing.pause_run(run=run)
    reconcile()
    assert fresh(run)[0].state == RunState.PAUSED
    runs.cancel_run(run=run)
    reconcile()
    assert states(fresh(run)[1]) == ["cancelled"] * 3


def test_a_run_whose_partitions_nobody_told_of_their_end_is_ended_by_the_reconciler(cut: Bench, split: World) -> None:
    run, _ = started(cut)
    run.partitions.update(state=RunState.SUCCEEDED, finished_at=Now())
    assert work_all() == 0
    reconcile()
    work_all()
    assert fresh(run)[0].state == RunState.SUCCEEDED


@pytest.mark.fault("F9")
def test_a_worker_of_a_run_that_was_cut_otherwise_is_kept_out_too(cut: Bench, split: World) -> None:
    run, children = started(cut)
    stale = claims.claim_run(run_id=children[2].pk, worker="stopped for long")
    assert stale is not None
    Run.objects.filter(pk=children[2].pk).update(lease_until=Now() - timedelta(seconds=1))
    runs.cancel_run(run=run)
    reconcile()
    owner = f"{cut.deployment.pk}:0:3"
    late = Split(Context({})).open_writer(
        WriteRequest("rows_out", SCHEMA, WriteMode.APPEND, (), owner=owner, fence=stale.fence)
    )
    with late as writer:
        Policy.objects.filter(name="strict").update(rules={"partitions.most": 1})
        whole = cut.work(cut.start())
        assert (fresh(run)[0].state, whole.state, whole.partition_count) == ("cancelled", "succeeded", 0)
        with pytest.raises(StopRun):
            writer.write(pa.RecordBatch.from_pylist([], schema=SCHEMA), Commit(str(children[2].pk), 1, {"row": 90}))


def test_a_run_after_one_that_succeeded_has_nobody_to_keep_out(cut: Bench, split: World) -> None:
    started(cut)
    work_all()
    Policy.objects.filter(name="strict").update(rules={"partitions.most": 2})
    _, children = started(cut)
    child = Run.objects.select_related("parent", "deployment").get(pk=children[0].pk)
    assert former_owners(child) == []
