"""A run's page: pause and resume, and why a run waits."""

from __future__ import annotations

import pytest

from integrations.domain.lifecycle import RunState
from integrations.services import claims, picking, policies
from tests.pages.moving import Moving, moving
from tests.runs.crowd import crowd

__all__ = ["moving"]
pytestmark = pytest.mark.django_db


def test_a_queued_run_is_paused_and_resumed(moving: Moving) -> None:
    run = moving.start()
    assert "Pause" in moving.text(f"runs/{run.pk}/")
    assert "is paused" in moving.post(f"runs/{run.pk}/pause/", user=moving.world.operator).content.decode()
    text = moving.text(f"runs/{run.pk}/")
    assert ("It is paused after batch 0" in text, "Resume" in text) == (True, True)
    assert "goes on" in moving.post(f"runs/{run.pk}/resume/", user=moving.world.operator).content.decode()
    assert moving.work(run).state == RunState.SUCCEEDED


def test_a_running_run_pauses_after_its_batch(moving: Moving) -> None:
    run = moving.start()
    claims.claim_run(run_id=run.pk, worker="other")
    assert "pauses after the batch" in moving.post(f"runs/{run.pk}/pause/").content.decode()
    assert "It pauses after the batch" in moving.text(f"runs/{run.pk}/")


@pytest.mark.parametrize(("action", "words"), [("pause", "is paused, or ends"), ("resume", "only a paused one")])
def test_what_has_ended_is_neither_paused_nor_resumed(moving: Moving, action: str, words: str) -> None:
    run = moving.run()
    assert words in moving.post(f"runs/{run.pk}/{action}/").content.decode()


def test_a_run_that_waits_says_why_and_behind_what(moving: Moving) -> None:
    ahead = moving.start()
    [behind] = crowd(ahead.workspace, moving.deployment.version.source, 1)
    rules = {"concurrency.workspace_runs": 1}
    policies.save_policy(
        workspace=ahead.workspace, policy=None, name="One", description="", rules=rules, is_default=True
    )
    claims.claim_run(run_id=ahead.pk, worker="other")
    assert picking.claim_next(worker="test") is None
    text = moving.text(f"runs/{behind.pk}/")
    assert "It waits: the policy lets one run work in this workspace at once." in text
    assert f'Ahead of it: <a href="/w/acme/runs/{ahead.pk}/">numbers</a>.' in text
