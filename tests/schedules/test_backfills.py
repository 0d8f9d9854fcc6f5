"""Backfill of a range and replay from a checkpoint: what they read, send and leave alone."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.errors import Conflict, Invalid, SignalboxError
from accounts.models import AuditEntry, Workspace
from accounts.request_context import Actor, acting_as
from integrations.connectors.base import Batch, Connector, ReadRequest
from integrations.domain.lifecycle import RunState, Trigger
from integrations.errors import PAGE_LIMIT, NeedsPerson
from integrations.models import Run
from integrations.services import backfills, outlook
from integrations.services.backfills import Checkpoint, start_backfill, start_replay
from integrations.services.continuation import continue_run
from integrations.services.integrations import Flow, activate_version, add_version
from integrations.services.runs import cancel_run
from tests.schedules.tables import DAYS, Tables, make_tables

MAY = {"field": "changed", "low": "2026-05-03", "high": "2026-05-06T00:00:00Z"}


@pytest.fixture
def tables(workspace: Workspace, settings: Any, tmp_path: Path) -> Any:
    settings.FILE_ROOT = tmp_path
    with acting_as(Actor(system="test")):
        yield make_tables(tmp_path / "acme", workspace)


@pytest.fixture
def done(tables: Tables) -> Tables:
    """The tables after a first run, which moved everything in five batches."""
    tables.work(tables.start())
    assert tables.arrived == list(range(1, DAYS + 1))
    return tables


def backfill(tables: Tables, **changes: str) -> Run:
    return start_backfill(deployment=tables.deployment, user=None, **{**MAY, **changes})


def first_run() -> Run:
    return Run.objects.select_related("version").earliest("id")


def test_a_backfill_sends_its_range_and_leaves_the_cursor_alone(done: Tables) -> None:
    done.deployment.refresh_from_db()
    cursor = done.deployment.cursor
    run = done.work(backfill(done))
    done.deployment.refresh_from_db()
    assert (run.state, run.trigger, run.read) == (RunState.SUCCEEDED, Trigger.BACKFILL, 3)
    assert done.arrived[DAYS:] == [3, 4, 5]
    assert done.deployment.cursor == cursor
    assert done.work(done.start()).read == 0
    assert AuditEntry.objects.filter(action="run.backfill", after__from="2026-05-03").exists()


def test_the_range_holds_its_beginning_and_not_its_end(done: Tables) -> None:
    run = done.work(backfill(done, low="2026-05-03T08:00:00", high="2026-05-05T10:00:00+02:00"))
    assert (run.read, done.arrived[DAYS:]) == (2, [3, 4])


def test_a_cancelled_backfill_is_continued_where_it_stopped(done: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    run = backfill(done, high="2026-05-09")
    monkeypatch.setattr("django.conf.settings.SLICE_SECONDS", 0)
    done.work(run, slices=2)
    cancelled = cancel_run(run=run)
    assert cancelled.state == RunState.CANCELLED
    assert 0 < cancelled.read < 6
    again = continue_run(run=cancelled, user=None)
    assert (again.trigger, again.scope) == (Trigger.RETRY, run.scope)
    done.work(again)
    assert done.arrived[DAYS:] == [3, 4, 5, 6, 7, 8]


def test_a_worker_that_died_in_a_backfill_doubles_nothing(done: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    run = backfill(done)
    monkeypatch.setattr("integrations.services.run_progress.DatabaseRunLog.commit", _die)
    with pytest.raises(KeyboardInterrupt):
        done.work(run)
    monkeypatch.undo()
    Run.objects.filter(pk=run.pk).update(lease_until="2026-01-01T00:00:00Z", cancel_requested=True)
    done.work(run)
    assert Run.objects.get(pk=run.pk).state == RunState.CANCELLED
    done.work(continue_run(run=Run.objects.get(pk=run.pk), user=None))
    assert done.arrived[DAYS:] == [3, 4, 5]


def _die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"low": "soon"}, "“soon” is no date and time"),
        ({"high": "2026-05-01"}, "ends before it begins"),
        ({"field": "colour"}, "cannot be read by a range"),
    ],
)
def test_a_range_that_cannot_be_read_is_refused_by_the_preview(
    done: Tables, changes: dict[str, str], words: str
) -> None:
    with pytest.raises(SignalboxError, match=words):
        outlook.look_ahead(deployment=done.deployment, begin=backfills.backfill_begin(**{**MAY, **changes}))


def test_a_range_without_an_end_is_not_complete(done: Tables) -> None:
    with pytest.raises(Invalid) as refused:
        backfill(done, high="", low="9" * 300)
    assert set(refused.value.fields) == {"low", "high"}


def test_the_preview_shows_how_many_and_the_first_and_last(done: Tables) -> None:
    seen = outlook.look_ahead(
        deployment=done.deployment, begin=backfills.backfill_begin(**{**MAY, "high": "2026-05-09"})
    )
    assert (seen.records, seen.how, seen.write_mode) == (6, "counted by reading them", "append")
    assert [row.output["id"] for row in seen.first] == [3, 4, 5]
    assert [row.output["id"] for row in seen.last] == [6, 7, 8]
    assert "twice" in seen.warning
    assert seen.to_json(with_samples=False)["first"] == []
    assert len(seen.to_json(with_samples=True)["last"]) == 3


def test_a_preview_that_stops_early_says_how_it_knows(done: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlook, "RECORDS_AT_MOST", 2)
    monkeypatch.setattr(outlook, "_BATCH", 5)
    seen = outlook.look_ahead(
        deployment=done.deployment,
        begin=backfills.replay_begin(done.deployment, Checkpoint(first_run(), 0), goes_on=False),
    )
    assert (seen.records, seen.last_is_last) == (10, False)
    assert seen.how.startswith("estimated: 5 were 50% of them")


@pytest.mark.parametrize(("after", "known"), [(2, True), (0, False)])
def test_a_preview_that_fails_midway_tells_what_it_saw_and_why_it_stopped(
    done: Tables, monkeypatch: pytest.MonkeyPatch, after: int, known: bool
) -> None:
    def failing(source: Connector, request: ReadRequest) -> Generator[Batch]:
        yield from islice(source.read(replace(request, batch_records=2)), after)
        raise NeedsPerson(PAGE_LIMIT, "It reached its limit of pages.")

    monkeypatch.setattr(outlook, "_iterated", failing)
    begin = backfills.backfill_begin(**{**MAY, "high": "2026-05-09"})
    if known:
        seen = outlook.look_ahead(deployment=done.deployment, begin=begin)
        assert (len(seen.first), seen.last_is_last) == (2, False)
        assert "It reached its limit of pages." in seen.how
    else:
        with pytest.raises(NeedsPerson, match="limit of pages"):
            outlook.look_ahead(deployment=done.deployment, begin=begin)


def test_a_replay_reads_on_from_an_older_checkpoint(done: Tables) -> None:
    done.deployment.refresh_from_db()
    cursor = done.deployment.cursor
    run = start_replay(deployment=done.deployment, checkpoint=Checkpoint(first_run(), 3), goes_on=False, user=None)
    done.work(run)
    done.deployment.refresh_from_db()
    assert (run.trigger, done.arrived[DAYS:]) == (Trigger.REPLAY, [7, 8, 9, 10])
    assert done.deployment.cursor == cursor


def test_a_replay_that_goes_on_moves_the_cursor_back_and_on_again(done: Tables) -> None:
    run = start_replay(deployment=done.deployment, checkpoint=Checkpoint(first_run(), 3), goes_on=True, user=None)
    done.deployment.refresh_from_db()
    assert (done.deployment.cursor, done.deployment.epoch) == (run.start_cursor, 1)
    done.work(run)
    assert done.arrived[DAYS:] == [7, 8, 9, 10]
    assert done.work(done.start()).read == 0
    assert AuditEntry.objects.filter(action="checkpoint.reset").exists()


def test_a_replay_locks_its_run_before_the_deployment_as_a_worker_does(done: Tables) -> None:
    checkpoint = Checkpoint(first_run(), 3)
    with CaptureQueriesContext(connection) as asked:
        start_replay(deployment=done.deployment, checkpoint=checkpoint, goes_on=True, user=None)
    firsts = [
        next(place for place, query in enumerate(asked.captured_queries) if query["sql"].startswith(beginning))
        for beginning in ('INSERT INTO "integrations_run"', 'UPDATE "integrations_deployment"')
    ]
    assert firsts == sorted(firsts)


def test_a_replay_from_the_beginning_of_a_run_sends_all_of_it(done: Tables) -> None:
    done.work(start_replay(deployment=done.deployment, checkpoint=Checkpoint(first_run(), 0), goes_on=False, user=None))
    assert done.arrived[DAYS:] == list(range(1, DAYS + 1))


def test_a_replay_waits_for_no_active_run(done: Tables) -> None:
    done.start()
    with pytest.raises(Conflict):
        start_replay(deployment=done.deployment, checkpoint=Checkpoint(first_run(), 3), goes_on=True, user=None)
    done.deployment.refresh_from_db()
    assert done.deployment.epoch == 0


def test_a_checkpoint_that_does_not_exist_or_means_nothing_is_refused(done: Tables) -> None:
    with pytest.raises(Invalid, match="no batch 9"):
        backfills.replay_begin(done.deployment, Checkpoint(first_run(), 9), goes_on=False)
    ranged = done.work(backfill(done))
    with pytest.raises(Invalid, match="a place in its range"):
        backfills.replay_begin(done.deployment, Checkpoint(ranged, 1), goes_on=False)
    given = done.deployment.version
    flow = Flow(given.source, "orders", given.destination, "orders", given.mapping, write_mode="append")
    version = add_version(integration=done.deployment.integration, flow=flow, user=None)
    deployment = activate_version(deployment=done.deployment, version=version)
    with pytest.raises(Conflict, match="reads something else"):
        backfills.replay_begin(deployment, Checkpoint(first_run(), 1), goes_on=False)


def test_a_full_read_has_nothing_to_go_on_from(workspace: Workspace, settings: Any, tmp_path: Path) -> None:
    settings.FILE_ROOT = tmp_path
    with acting_as(Actor(system="test")):
        tables = make_tables(tmp_path / "acme", workspace, read_mode="full", cursor_field="")
        run = tables.work(tables.start())
        with pytest.raises(Invalid) as refused:
            backfills.replay_begin(tables.deployment, Checkpoint(run, 1), goes_on=True)
        assert "goes_on" in refused.value.fields
        tables.work(start_backfill(deployment=tables.deployment, user=None, **MAY))
        assert tables.arrived[DAYS:] == [3, 4, 5]
