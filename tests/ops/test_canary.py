"""A worker that hears nothing ends; one that is busy, or whose broker is away, does not."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from celery.worker import state
from django.conf import settings

from config.canary import Canary
from tests.ops.test_worker import Worker, start_worker

__all__ = ["start_worker"]
LIMIT_SECONDS = "1.5"


@pytest.mark.fault("F16")
def test_a_deaf_worker_ends_so_that_it_is_started_again(start_worker: Callable[..., Worker]) -> None:
    worker = start_worker(SIGNALBOX_CANARY_SECONDS=LIMIT_SECONDS, TESTS_DEAF="1")
    assert worker.process.wait(60) == 1


@pytest.mark.fault("F16")
def test_a_busy_worker_is_not_taken_for_deaf(start_worker: Callable[..., Worker]) -> None:
    worker = start_worker(SIGNALBOX_CANARY_SECONDS=LIMIT_SECONDS)
    worker.read(worker.send("work", "long", 6.0))
    worker.read(worker.send("note", "after"))
    assert worker.process.poll() is None


def test_a_message_that_arrives_ends_the_suspicion() -> None:
    canary = Canary("here", limit_seconds=1)
    canary._unheard_since = 10.0
    assert (canary.is_deaf(11.5), canary.is_deaf(10.5)) == (True, False)
    canary._heard()
    assert not canary.is_deaf(100.0)


@pytest.mark.fault("F13", "F15")
def test_a_worker_is_not_deaf_while_its_broker_is_away() -> None:
    folder = settings.DATA_DIR / "broker"
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("a file where the folder was")
    canary = Canary("here", limit_seconds=1)
    canary._unheard_since = 10.0
    canary._send()
    folder.unlink()
    assert not canary.is_deaf(100.0)


@pytest.mark.fault("F16")
def test_one_who_held_work_has_the_whole_time_to_hear_again(monkeypatch: pytest.MonkeyPatch) -> None:
    canary = Canary("here", limit_seconds=1)
    canary._unheard_since = 10.0
    monkeypatch.setattr(state, "reserved_requests", {object()})
    assert not canary.is_deaf(100.0)
    monkeypatch.setattr(state, "reserved_requests", set())
    assert (canary.is_deaf(100.5), canary.is_deaf(101.5)) == (False, True)
