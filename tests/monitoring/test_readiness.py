"""The probes: what readiness asks for, heartbeats, and the metrics."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.db.models.functions import Now
from django.test import Client

from monitoring.domain.health import judge_processes, judge_schedule_lag
from monitoring.models import Heartbeat
from monitoring.services import readiness
from monitoring.services.heartbeats import beat


@pytest.mark.django_db
def test_the_process_answers_without_asking_anything(client: Client) -> None:
    assert client.get("/healthz").json() == {"ok": True}


@pytest.mark.django_db
def test_an_instance_without_a_worker_is_not_ready_and_says_so(client: Client) -> None:
    beat("scheduler", "here:1")
    answer = client.get("/readyz")
    findings = answer.json()["findings"]
    assert (answer.status_code, findings["worker"]["ok"], findings["scheduler"]["ok"]) == (503, False, True)
    assert "manage.py worker" in findings["worker"]["message"]


@pytest.mark.django_db
def test_an_instance_with_worker_and_scheduler_is_ready(client: Client) -> None:
    beat("worker", "here:1")
    beat("scheduler", "here:2")
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
def test_a_process_that_was_silent_for_long_counts_as_gone() -> None:
    beat("worker", "here:1")
    Heartbeat.objects.update(seen_at=Now() - timedelta(seconds=60))
    assert not Heartbeat.objects.seen_within(10).exists()


@pytest.mark.django_db
def test_a_heartbeat_moves_and_old_ones_are_forgotten() -> None:
    beat("worker", "old:1")
    Heartbeat.objects.update(seen_at=Now() - timedelta(hours=2))
    beat("worker", "new:1")
    beat("worker", "new:1")
    assert list(Heartbeat.objects.values_list("name", flat=True)) == ["new:1"]


@pytest.mark.django_db
def test_a_database_that_lacks_a_migration_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_migrated", False)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'monitoring'")
    assert [finding.name for finding in readiness.readiness()] == ["migrations"]


@pytest.mark.django_db
def test_a_dead_database_is_one_clear_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(connection, "ensure_connection", refuse)
    assert [(found.name, found.ok) for found in readiness.readiness()] == [("database", False)]


@pytest.mark.parametrize(("lag", "ok"), [(0.0, True), (29.9, True), (31.0, False)])
def test_a_schedule_that_waits_long_is_a_finding(lag: float, ok: bool) -> None:
    assert judge_schedule_lag(lag).ok is ok


def test_one_process_and_two_are_said_rightly() -> None:
    assert judge_processes("worker", 1).message == "1 worker process seen."
    assert judge_processes("worker", 2).message == "2 worker processes seen."


@pytest.mark.django_db
def test_metrics_count_runs_records_letters_and_processes(client: Client) -> None:
    beat("worker", "here:1")
    text = client.get("/metrics").content.decode()
    assert 'signalbox_processes{kind="worker"} 1.0' in text
    assert 'signalbox_runs{state="succeeded"} 0.0' in text
    assert 'signalbox_records{outcome="written"} 0.0' in text
