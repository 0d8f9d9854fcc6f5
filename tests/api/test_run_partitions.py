"""REST: the partitions of a run, under it."""

from __future__ import annotations

import pytest

from integrations.connectors import registry
from integrations.models import Policy, Run
from integrations.services.execution import execute_slice
from tests.api.conftest import Api, problem
from tests.pages.moving import Moving, moving
from tests.runs.partitioned import Split, work_all

__all__ = ["moving"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cut(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run of 40 records in two partitions that nobody has worked yet; one record cannot be written."""
    monkeypatch.setitem(registry.CONNECTORS, "listed", Split)
    rules = {"partitions.most": 2}
    Policy.objects.create(workspace=moving.world.workspace, name="two", rules=rules, is_default=True)
    moving.outside.rows = [{"id": number, "amount": "1.5" if number else "x"} for number in range(40)]
    run = moving.start()
    execute_slice(run_id=run.pk, worker="plans")
    return run


def test_the_partitions_of_a_run_are_told_under_it(api: Api, cut: Run) -> None:
    execute_slice(run_id=cut.partitions.order_by("id")[0].pk, worker="host-a:7")
    found = api.get(f"runs/{cut.pk}/partitions/").json()["results"]
    first, second = found
    assert (first["key"], first["label"], first["state"], first["worker"]) == (
        "1",
        "rows 0 to 20",
        "succeeded",
        "host-a:7",
    )
    assert (first["read"], first["written"], first["set_aside"], first["error"]) == (20, 19, 1, None)
    assert (second["state"], second["progress"]) == ("queued", None)


def test_a_partition_is_found_by_its_id_and_names_its_run_but_stands_in_no_list(api: Api, cut: Run) -> None:
    child = cut.partitions.order_by("id")[0]
    assert api.get(f"runs/{child.pk}/").json()["parent"] == str(cut.pk)
    assert [run["id"] for run in api.get("runs/").json()["results"]] == [str(cut.pk)]
    assert api.get(f"runs/{cut.pk}/").json()["partition_count"] == 2


def test_a_partition_is_not_cancelled_alone(api: Api, cut: Run) -> None:
    answer = api.post(f"runs/{cut.partitions.order_by('id')[0].pk}/cancel/")
    assert "partition" in problem(answer, 409, "state_conflict")["detail"]


def test_the_dead_letters_of_a_run_are_those_of_its_partitions(api: Api, cut: Run) -> None:
    work_all()
    assert len(api.get("dead-letters/", run=cut.pk).json()["results"]) == 1


def test_the_partitions_of_another_workspace_are_not_there(elsewhere: Api, cut: Run) -> None:
    problem(elsewhere.get(f"runs/{cut.pk}/partitions/"), 404, "not_found")
