"""A process of the pool that died: what it held is free at once."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator

import pytest
from django.db import OperationalError

from accounts.models import Workspace
from config import pool
from config.pool import PoolWatch, children
from integrations.models import Connector, Event
from integrations.services import claims, picking
from tests.runs.conftest import connector, outside, workspace
from tests.runs.crowd import crowd
from tests.servers import wait_until

__all__ = ["connector", "outside", "workspace"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


@pytest.mark.fault("F7")
def test_a_run_whose_process_died_is_taken_without_waiting_for_its_lease(
    workspace: Workspace, connector: Connector, child: subprocess.Popen[bytes]
) -> None:
    held, other = crowd(workspace, connector, 2)
    watch = PoolWatch()
    claims.claim_run(run_id=held.pk, worker=f"{socket.gethostname()}:{child.pid}")
    claims.claim_run(run_id=other.pk, worker=f"elsewhere:{child.pid}")
    assert (watch.release_lost(), child.pid in children()) == (0, True)
    child.kill()
    child.wait()
    wait_until(lambda: child.pid not in children(), "the child to be gone")
    assert (watch.release_lost(), watch.release_lost()) == (1, 0)
    taken = picking.claim_next(worker="another")
    assert taken is not None
    assert (taken.run_id, picking.claim_next(worker="another")) == (held.pk, None)
    assert Event.objects.filter(run_id=held.pk, kind="run.worker_died").count() == 1


def test_a_death_that_could_not_be_told_is_told_at_the_next_look(
    workspace: Workspace, connector: Connector, child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    (held,) = crowd(workspace, connector, 1)
    watch = PoolWatch()
    claims.claim_run(run_id=held.pk, worker=f"{socket.gethostname()}:{child.pid}")
    watch.release_lost()
    child.kill()
    child.wait()
    with monkeypatch.context() as away:
        away.setattr(pool, "release_dead", database_is_away)
        with pytest.raises(OperationalError):
            watch.release_lost()
    assert (watch.release_lost(), watch.release_lost()) == (1, 0)


def database_is_away(_: object) -> int:
    raise OperationalError("the database is away")


def test_a_child_that_a_list_has_missed_is_no_death(
    workspace: Workspace, connector: Connector, child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    (held,) = crowd(workspace, connector, 1)
    watch = PoolWatch()
    claims.claim_run(run_id=held.pk, worker=f"{socket.gethostname()}:{child.pid}")
    watch.release_lost()
    monkeypatch.setattr(pool, "children", set)
    assert watch.release_lost() == 0
    monkeypatch.undo()
    child.kill()
    child.wait()
    assert watch.release_lost() == 1
