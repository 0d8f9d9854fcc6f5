"""A scheduler that read a schedule before another one acted on it changes nothing."""

from __future__ import annotations

import pytest

from integrations.domain.lifecycle import RunState
from integrations.domain.misfire import Misfire
from integrations.models import Event, Run, Schedule
from integrations.services import ticking
from integrations.services.clock import database_now
from tests.runs.conftest import Bench, bench, connector, make_bench, outside, workspace
from tests.schedules.test_ticking import set_due

__all__ = ["bench", "connector", "make_bench", "outside", "workspace"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault("F34")]


def test_a_scheduler_that_comes_late_moves_no_schedule_back_and_starts_nothing(bench: Bench) -> None:
    set_due(bench.deployment, Misfire.ALL, missed=3)
    now = database_now()
    stale = ticking._due(now)[0]
    for _ in range(2):
        ticking.tick()
        Run.objects.update(state=RunState.SUCCEEDED)
    before = [list(model.objects.order_by("pk").values()) for model in (Schedule, Run, Event)]
    assert not ticking._act(stale, now)
    assert [list(model.objects.order_by("pk").values()) for model in (Schedule, Run, Event)] == before
