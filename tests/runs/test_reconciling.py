"""The reconciler: what the rows say is due is hinted, at once where it became due, and whatever happens to messages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db.models.functions import Now

from accounts.models import Workspace
from integrations.domain.lifecycle import RunState
from integrations.models import Connector, Run
from integrations.services.picking import HINT_AGAIN, HINT_AGAIN_AT_MOST, RECONCILE_AT_MOST, reconcile
from tests.runs.conftest import Bench
from tests.runs.crowd import crowd
from tests.runs.listed import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def broker() -> Iterator[Path]:
    """The folder of the embedded broker, empty."""
    folder = settings.DATA_DIR / "broker"
    shutil.rmtree(folder, ignore_errors=True)
    yield folder
    if folder.is_file():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def messages(broker: Path) -> int:
    return len(list(broker.glob("queues/celery/*.msg")))


def seconds_ago(seconds: float) -> object:
    return Now() - timedelta(seconds=seconds)


@pytest.mark.fault("F12")
def test_a_run_whose_message_was_lost_is_hinted_and_then_left_alone(bench: Bench, broker: Path) -> None:
    bench.start()
    shutil.rmtree(broker)
    assert (reconcile(), reconcile(), messages(broker)) == (1, 0, 1)


@pytest.mark.fault("F12", "F13")
def test_a_run_that_nobody_took_is_hinted_again(bench: Bench, broker: Path) -> None:
    run = bench.start()
    Run.objects.filter(pk=run.pk).update(hinted_at=Now() - HINT_AGAIN)
    assert (reconcile(), reconcile()) == (1, 0)


@pytest.mark.fault("F1", "F7")
def test_a_lease_that_ran_out_is_hinted_at_once_though_the_run_was_hinted_a_moment_ago(
    bench: Bench, broker: Path
) -> None:
    run = bench.start()
    Run.objects.filter(pk=run.pk).update(
        state=RunState.RUNNING, hinted_at=seconds_ago(2), lease_until=seconds_ago(0.001)
    )
    assert (reconcile(), reconcile()) == (1, 0)


def test_a_retry_is_hinted_when_its_wait_is_over(bench: Bench, broker: Path) -> None:
    run = bench.start()
    Run.objects.filter(pk=run.pk).update(hinted_at=seconds_ago(2), next_attempt_at=seconds_ago(1))
    assert (reconcile(), reconcile()) == (1, 0)


def test_a_run_under_a_live_lease_is_not_hinted(bench: Bench, broker: Path) -> None:
    run = bench.start()
    Run.objects.filter(pk=run.pk).update(state=RunState.RUNNING, lease_until=Now() + timedelta(seconds=9))
    assert reconcile() == 0


@pytest.mark.fault("F44")
def test_ten_thousand_that_wait_for_busy_workers_need_few_messages(
    workspace: Workspace, connector: Connector, outside: World, broker: Path
) -> None:
    crowd(workspace, connector, 1_000)
    Run.objects.update(hinted_at=Now() - HINT_AGAIN)
    assert reconcile() == HINT_AGAIN_AT_MOST
    Run.objects.update(hinted_at=None)
    assert reconcile() == RECONCILE_AT_MOST


@pytest.mark.fault("F13")
def test_while_the_broker_is_away_one_try_is_enough(
    workspace: Workspace, connector: Connector, outside: World, broker: Path
) -> None:
    crowd(workspace, connector, 5)
    broker.parent.mkdir(exist_ok=True)
    broker.write_text("a file where the folder was")
    assert (reconcile(), Run.objects.filter(hinted_at=None).count()) == (0, 5)
    broker.unlink()
    assert (reconcile(), messages(broker)) == (5, 5)
