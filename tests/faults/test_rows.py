"""What the tables themselves refuse, whatever the code above them does."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations.domain.lifecycle import RunState, Trigger
from integrations.models import Run, RunBatch
from tests.runs.conftest import Bench, bench, connector, make_bench, outside, workspace

__all__ = ["bench", "connector", "make_bench", "outside", "workspace"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault("F34", "F35")]


def copy_of(run: Run, **changes: Any) -> Run:
    given = {
        "workspace": run.workspace, "deployment": run.deployment, "version": run.version, "trigger": Trigger.SCHEDULE,
        "next_attempt_at": timezone.now(), "state": RunState.SUCCEEDED, **changes,
    }  # fmt: skip
    with transaction.atomic():
        return Run.objects.create(**given)


def test_a_second_active_run_of_a_deployment_is_refused(bench: Bench) -> None:
    run = bench.start()
    with pytest.raises(IntegrityError):
        copy_of(run, state=RunState.QUEUED)


def test_a_second_run_of_a_due_time_is_refused(bench: Bench) -> None:
    run, due_at = bench.start(), timezone.now()
    copy_of(run, due_at=due_at)
    with pytest.raises(IntegrityError):
        copy_of(run, due_at=due_at)


def test_counts_that_do_not_add_up_are_refused(bench: Bench) -> None:
    run = bench.start()
    with pytest.raises(IntegrityError):
        Run.objects.filter(pk=run.pk).update(read=10, written=8, set_aside=1)


def test_a_second_batch_of_a_number_is_refused(bench: Bench) -> None:
    batch = {"run": bench.start(), "number": 1, "cursor": {}, "read": 0, "written": 0, "set_aside": 0, "filtered": 0}
    RunBatch.objects.create(**batch)
    with pytest.raises(IntegrityError):
        RunBatch.objects.create(**batch)
