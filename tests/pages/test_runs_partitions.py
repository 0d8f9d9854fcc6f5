"""The page of a run in partitions, the page of one of them, and what the API tells of both."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.connectors import registry
from integrations.domain.lifecycle import RunState
from integrations.errors import SOURCE_CHANGED, NeedsPerson
from integrations.models import Policy, Run
from integrations.services.execution import execute_slice
from integrations.views.runs_speed import pace_of
from tests.pages.moving import LIVE, Moving, moving
from tests.runs.partitioned import Split, work_all

__all__ = ["moving"]


@pytest.fixture
def cut(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run of 60 records in two partitions, one of them read and the other queued."""
    monkeypatch.setitem(registry.CONNECTORS, "listed", Split)
    rules = {"partitions.most": 2}
    Policy.objects.create(workspace=moving.world.workspace, name="two", rules=rules, is_default=True)
    moving.outside.rows = [{"id": number, "amount": "1.5" if number < 55 else "x"} for number in range(60)]
    run = moving.start()
    execute_slice(run_id=run.pk, worker="plans")
    child = run.partitions.order_by("id")[1]
    execute_slice(run_id=child.pk, worker="host-a:7")
    run.refresh_from_db()
    return run


def test_a_run_in_partitions_shows_each_of_them(moving: Moving, cut: Run) -> None:
    text = moving.text(f"runs/{cut.pk}/")
    first, second = cut.partitions.order_by("id")
    assert "cut into 2 partitions" in text
    for shown in ("rows 0 to 30", "rows 30 to 60", "host-a:7", f"/runs/{first.pk}/", f"/runs/{second.pk}/"):
        assert shown in text
    assert 'id="run-batches"' not in text


def test_the_live_part_of_the_partitions_is_the_same(moving: Moving, cut: Run) -> None:
    response = moving.page(f"runs/{cut.pk}/partitions/", headers=LIVE)
    assert response.status_code == 200
    assert "rows 30 to 60" in response.content.decode()


def test_the_page_of_a_partition_leads_to_its_run_and_offers_no_cancel(moving: Moving, cut: Run) -> None:
    child = cut.partitions.order_by("id")[0]
    text = moving.text(f"runs/{child.pk}/")
    assert "Open the whole run" in text
    assert f"/runs/{cut.pk}/" in text
    assert "rows 0 to 30" in text
    assert "Cancel the run" not in text


def test_a_partition_is_in_no_list(moving: Moving, cut: Run) -> None:
    child = cut.partitions.order_by("id")[0]
    for path in ("", "runs/", f"integrations/{moving.deployment.integration_id}/"):
        text = moving.text(path)
        assert str(cut.pk) in text
        assert str(child.pk) not in text


def test_the_dead_letters_of_a_run_are_those_of_its_partitions(moving: Moving, cut: Run) -> None:
    assert cut.set_aside == 5
    assert "No dead letters" not in moving.text(f"dead-letters/?state=any&run={cut.pk}")
    assert len(moving.letters()) == 5
    text = moving.text(f"dead-letters/?state=any&run={cut.pk}")
    assert str(moving.letters()[0].pk) in text


def test_a_failed_run_in_partitions_says_which_and_can_be_continued(moving: Moving, cut: Run) -> None:
    moving.outside.fail_read_after = [(10, NeedsPerson(SOURCE_CHANGED, "A column is gone."))]
    work_all()
    cut.refresh_from_db()
    text = moving.text(f"runs/{cut.pk}/")
    assert cut.state == RunState.FAILED
    assert "Partition 1: A column is gone." in text
    assert "Continue from the checkpoint" in text
    moving.post(f"runs/{cut.pk}/continue/")
    work_all()
    again = Run.objects.of(moving.world.workspace).get(continues=cut)
    assert (again.state, again.read) == (RunState.SUCCEEDED, 20)


def test_a_continued_run_with_nothing_left_says_so(moving: Moving, cut: Run) -> None:
    Run.objects.filter(pk=cut.pk).update(partition_count=1)
    cut.partitions.all().delete()
    assert "Nothing was left to read" in moving.text(f"runs/{cut.pk}/")


def test_what_is_left_of_a_run_in_partitions_goes_by_all_of_its_time(moving: Moving, cut: Run) -> None:
    Run.objects.filter(pk=cut.pk).update(started_at=timezone.now() - timedelta(seconds=100), progress=0.5)
    cut.refresh_from_db()
    left = pace_of(cut).left_seconds
    assert left is not None
    assert 99 < left < 110
    curve = moving.page(f"runs/{cut.pk}/curve/").json()
    assert len(curve["x"]) == 3
