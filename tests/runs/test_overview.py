"""The figures of the overview are those of the rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from integrations.domain.lifecycle import RunState
from integrations.domain.windows import WINDOWS
from integrations.models import Run
from integrations.services.overview import curve_of, figures_of
from tests.runs.conftest import Bench
from tests.runs.listed import World

NOW = datetime(2026, 3, 1, 12, 7, tzinfo=UTC)


def ended(
    bench: Bench, *, minutes_ago: int, state: RunState = RunState.SUCCEEDED, took: int = 10, written: int = 5
) -> None:
    finished = NOW - timedelta(minutes=minutes_ago)
    Run.objects.create(
        workspace=bench.deployment.workspace,
        deployment=bench.deployment,
        version=bench.deployment.version,
        trigger="manual",
        state=state,
        next_attempt_at=finished,
        started_at=finished - timedelta(seconds=took),
        finished_at=finished,
        read=written,
        written=written,
    )


@pytest.mark.django_db
def test_figures_compare_the_window_with_the_one_before(bench: Bench, outside: World) -> None:
    for minutes, state in (
        (1, RunState.SUCCEEDED),
        (30, RunState.FAILED),
        (59, RunState.SUCCEEDED),
        (70, RunState.SUCCEEDED),
    ):
        ended(bench, minutes_ago=minutes, state=state, took=minutes)
    figures = figures_of(bench.deployment.workspace, WINDOWS["1h"], NOW)
    assert (figures.runs, figures.runs_change) == (3, 200.0)
    assert figures.success_percent == pytest.approx(66.67, abs=0.01)
    assert figures.success_change_points == pytest.approx(-33.33, abs=0.01)
    assert (figures.p95_seconds, figures.written, figures.written_change) == (30.0, 15, 200.0)


@pytest.mark.django_db
def test_a_workspace_without_runs_has_figures_that_say_nothing(bench: Bench, outside: World) -> None:
    figures = figures_of(bench.deployment.workspace, WINDOWS["24h"], NOW)
    assert (figures.runs, figures.success_percent, figures.p95_seconds, figures.runs_change) == (0, None, None, None)


@pytest.mark.django_db
def test_the_curve_counts_each_run_in_its_step(bench: Bench, outside: World) -> None:
    ended(bench, minutes_ago=0)
    ended(bench, minutes_ago=0, state=RunState.FAILED)
    ended(bench, minutes_ago=1, written=7)
    curve = curve_of(bench.deployment.workspace, WINDOWS["1h"], NOW)
    assert len(curve.starts) == 60
    assert (curve.succeeded[-1], curve.failed[-1], curve.written[-1]) == (1, 1, 10)
    assert (curve.succeeded[-2], curve.written[-2], sum(curve.failed)) == (1, 7, 1)
