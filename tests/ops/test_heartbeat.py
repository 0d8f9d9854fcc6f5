"""Processes say that they live, and go on trying while the database is away."""

import pytest
from django.db import connection
from pytest_django.fixtures import Settings
from structlog.testing import capture_logs

from config.heartbeat import Heartbeat, process_name
from monitoring.models import Heartbeat as HeartbeatRow
from tests.servers import wait_until


@pytest.fixture(autouse=True)
def _quick(settings: Settings) -> None:
    settings.HEARTBEAT_SECONDS = 0.01


@pytest.mark.django_db(transaction=True)
def test_a_heartbeat_is_seen_in_the_database_and_renewed() -> None:
    heartbeat = Heartbeat("worker", "w1")
    heartbeat.start()
    try:
        wait_until(lambda: HeartbeatRow.objects.filter(kind="worker", name="w1").exists(), "the first beat")
        first = HeartbeatRow.objects.get(name="w1").seen_at
        wait_until(lambda: HeartbeatRow.objects.get(name="w1").seen_at > first, "a later beat")
    finally:
        heartbeat.stop()


@pytest.mark.django_db(transaction=True)
def test_a_heartbeat_survives_a_database_that_fails() -> None:
    heartbeat = Heartbeat("worker", "w2")
    with capture_logs() as lines, connection.cursor() as cursor:
        cursor.execute("ALTER TABLE monitoring_heartbeat RENAME TO away")
        try:
            heartbeat.start()
            wait_until(lambda: len(lines) >= 2, "two beats that fail")
        finally:
            cursor.execute("ALTER TABLE away RENAME TO monitoring_heartbeat")
        wait_until(lambda: HeartbeatRow.objects.filter(name="w2").exists(), "a beat after the repair")
        heartbeat.stop()
    assert lines[0]["event"].startswith("heartbeat failed")


def test_a_process_is_named_by_host_and_id() -> None:
    host, _, pid = process_name().partition(":")
    assert host
    assert pid.isdigit()
