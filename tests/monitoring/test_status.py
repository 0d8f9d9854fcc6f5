"""The status page says each state and since when it holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from integrations.domain.lifecycle import RunState
from integrations.models import Connector, Deployment, Run
from integrations.models.connector import CheckState
from monitoring.services.heartbeats import beat
from monitoring.services.status import status_of
from tests.runs.conftest import Bench, bench, connector, make_bench, outside, workspace
from tests.runs.listed import World

__all__ = ["bench", "connector", "make_bench", "outside", "workspace"]
pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def ended(bench: Bench, minute: int, state: RunState) -> None:
    when = NOON + timedelta(minutes=minute)
    place = bench.deployment
    Run.objects.create(
        workspace=place.workspace, deployment=place, version=place.version, trigger="manual", state=state,
        next_attempt_at=when, started_at=when, finished_at=when,
    )  # fmt: skip


def test_a_state_holds_since_the_first_run_that_agrees_with_the_last(bench: Bench, outside: World) -> None:
    for minute, state in enumerate([RunState.FAILED, RunState.SUCCEEDED, RunState.SUCCEEDED]):
        ended(bench, minute, state)
    line = status_of(bench.deployment.workspace).integrations[0]
    assert (line.state, line.word, line.since) == ("ok", "working", NOON + timedelta(minutes=1))


def test_a_state_that_always_held_holds_since_the_first_run(bench: Bench, outside: World) -> None:
    for minute in range(3):
        ended(bench, minute, RunState.FAILED)
    status = status_of(bench.deployment.workspace)
    assert (status.integrations[0].state, status.integrations[0].since) == ("bad", NOON)


@pytest.mark.parametrize(
    ("values", "word"),
    [({}, "never ran"), ({"enabled": False}, "switched off"), ({"is_approved": False}, "waits for approval")],
)
def test_what_never_ran_is_off_or_waits_is_neither_good_nor_bad(
    bench: Bench, outside: World, values: dict[str, bool], word: str
) -> None:
    Deployment.objects.filter(pk=bench.deployment.pk).update(**{"enabled": True, **values})
    line = status_of(bench.deployment.workspace).integrations[0]
    assert (line.state, line.word) == ("idle", word)


def test_the_verdict_names_what_is_wrong(bench: Bench, connector: Connector) -> None:
    place = bench.deployment.workspace
    assert "no Worker and no Scheduler" in status_of(place).sentence
    beat("worker", "here:1")
    beat("scheduler", "here:1")
    assert status_of(place).verdict == "ok"
    ended(bench, 0, RunState.FAILED)
    assert status_of(place).sentence == "numbers is failing."
    Connector.objects.update(check_state=CheckState.FAILED)
    assert status_of(place).sentence == "numbers and lists are failing."
    Connector.objects.create(workspace=place, name="zebra", plugin="listed", check_state=CheckState.FAILED)
    assert status_of(place).sentence == "numbers, lists and 1 more are failing."


def test_the_page_takes_a_fixed_number_of_queries(
    bench: Bench, outside: World, django_assert_max_num_queries: pytest.FixtureRequest
) -> None:
    for minute in range(20):
        ended(bench, minute, RunState.SUCCEEDED)
    with django_assert_max_num_queries(9):  # type: ignore[operator]  # a fixture of pytest-django
        assert len(status_of(bench.deployment.workspace).runs) == 12
