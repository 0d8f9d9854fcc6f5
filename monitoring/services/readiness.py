"""Gathers what readiness is judged by: database, migrations, processes, scheduler lag."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Min
from django.utils import timezone

from integrations.models import Schedule
from monitoring.domain.health import PROCESS_SILENT_AFTER_SECONDS, Finding, judge_processes, judge_schedule_lag
from monitoring.models import Heartbeat

_migrated = False


def readiness() -> list[Finding]:
    """Every finding; the instance is ready when all are ok. A dead database leaves one finding."""
    try:
        connection.ensure_connection()
        if not _is_migrated():
            return [Finding("migrations", False, "The database is not migrated. Run: manage.py migrate")]
        return [
            Finding("database", True, f"{connection.vendor} answers."),
            Finding("migrations", True, "All migrations are applied."),
            *(_processes(kind) for kind in ("worker", "scheduler")),
            judge_schedule_lag(_schedule_lag_seconds()),
        ]
    except DatabaseError:
        return [Finding("database", False, "The database does not answer. Check DATABASE_URL and the server.")]


def _is_migrated() -> bool:
    """Asked until it holds once: a process does not outlive a downgrade."""
    global _migrated  # noqa: PLW0603 - a fact about the process's life, learnt once
    if not _migrated:
        executor = MigrationExecutor(connection)
        _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return _migrated


def _processes(kind: str) -> Finding:
    return judge_processes(kind, Heartbeat.objects.filter(kind=kind).seen_within(PROCESS_SILENT_AFTER_SECONDS).count())


def _schedule_lag_seconds() -> float:
    due = Schedule.objects.filter(enabled=True, deployment__enabled=True, deployment__is_approved=True)
    oldest = due.aggregate(due=Min("next_due_at"))["due"]
    return max(0.0, (timezone.now() - oldest).total_seconds()) if oldest else 0.0
