"""A stale integration and its error budget, wherever people look."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.domain.lifecycle import RunState
from integrations.models import Deployment, Integration, Policy, Run
from integrations.services.freshness import judge_freshness
from monitoring.services.status import status_of
from tests.pages.connectors_world import make_files, page, use
from tests.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def deployment(world: World) -> Deployment:
    """Made two hours ago; a success then, and a failure an hour ago."""
    use(world, make_files(world))
    rules = {"freshness.longest_minutes": 30, "slo.success_percent": 40}
    policy = Policy.objects.create(workspace=world.workspace, name="Fresh", rules=rules)
    Integration.objects.update(policy=policy)
    deployment = Deployment.objects.get()
    for state, hours in ((RunState.SUCCEEDED, 2), (RunState.FAILED, 1)):
        run(deployment, state, hours)
    return deployment


def run(deployment: Deployment, state: RunState, hours: int) -> Run:
    ended = timezone.now() - timedelta(hours=hours)
    values: dict[str, Any] = {"started_at": ended, "finished_at": ended, "next_attempt_at": ended}
    return Run.objects.create(
        workspace=deployment.workspace, deployment=deployment, version=deployment.version, trigger="manual",
        state=state, **values,
    )  # fmt: skip


def test_a_stale_integration_says_so_on_every_page(world: World, deployment: Deployment) -> None:
    judge_freshness()
    detail = world.url(f"integrations/{deployment.integration_id}/")
    for path in (world.url(), world.url("integrations/"), detail):
        assert "stale" in page(world.viewer, path).lower()
    assert "orders-copy" in page(world.viewer, world.url("integrations/"), state="stale")
    assert "is older than the 30 min" in page(world.viewer, detail)


def test_a_fresh_one_does_not(world: World, deployment: Deployment) -> None:
    assert "No integration fits" in page(world.viewer, world.url("integrations/"), state="stale")
    assert "stale" not in page(world.viewer, world.url(f"integrations/{deployment.integration_id}/")).lower()


def test_the_error_budget_stands_on_the_page(world: World, deployment: Deployment) -> None:
    url = world.url(f"integrations/{deployment.integration_id}/")
    assert "50 % succeeded; the target is 40 %" in " ".join(page(world.viewer, url).split())
    run(deployment, RunState.FAILED, 1)
    assert "spent" in page(world.viewer, url)


def test_the_status_page_says_what_is_stale(world: World, deployment: Deployment) -> None:
    run(deployment, RunState.SUCCEEDED, 1)
    judge_freshness()
    status = status_of(world.workspace)
    assert [(line.name, line.state, line.word) for line in status.integrations] == [("orders-copy", "warn", "stale")]
