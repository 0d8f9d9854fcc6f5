"""Reads the figures and the curve of the overview page, in a fixed number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import BigIntegerField, Count, F, FloatField, Func, Q, QuerySet, Sum
from django.db.models.sql.compiler import SQLCompiler

from accounts.models import Workspace
from integrations.domain.lifecycle import DeadLetterState, RunState
from integrations.domain.windows import Window, change_percent
from integrations.models import Connector, DeadLetter, Run
from integrations.models.connector import CheckState


class EpochStep(Func):
    """The beginning of the step of `step` seconds that a time falls into, in seconds since the epoch."""

    output_field = BigIntegerField()

    def __init__(self, time: str, step: int) -> None:
        super().__init__(F(time))
        self.step = step

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> tuple[str, Any]:  # Django's own types
        """SQLite tells the epoch by strftime."""
        template = f"(CAST(strftime('%%%%s', %(expressions)s) AS INTEGER) / {self.step} * {self.step})"
        return self.as_sql(compiler, connection, template=template, **extra)

    def as_postgresql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> tuple[str, Any]:  # as above
        """PostgreSQL by EXTRACT."""
        template = f"(EXTRACT(EPOCH FROM %(expressions)s)::bigint / {self.step} * {self.step})"
        return self.as_sql(compiler, connection, template=template, **extra)


class SecondsBetween(Func):
    """Seconds from one time to another, by the database's own arithmetic: Django's, on SQLite, calls Python a row."""

    output_field = FloatField()

    def __init__(self, start: str, end: str) -> None:
        super().__init__(F(end), F(start))

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> tuple[str, Any]:  # Django's own types
        """SQLite counts in days."""
        template, between = "ROUND((julianday(%(expressions)s)) * 86400, 3)", ") - julianday("
        return self.as_sql(compiler, connection, template=template, arg_joiner=between, **extra)

    def as_postgresql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> tuple[str, Any]:  # as above
        """PostgreSQL in intervals."""
        template = "EXTRACT(EPOCH FROM %(expressions)s)::float8"
        return self.as_sql(compiler, connection, template=template, arg_joiner=" - ", **extra)


@dataclass(frozen=True)
class Figures:
    """The strip of figures; a change is in percent (points for the rate) of the window before, or None."""

    runs: int
    runs_change: float | None
    success_percent: float | None
    success_change_points: float | None
    p95_seconds: float | None
    p95_change_seconds: float | None
    written: int
    written_change: float | None
    open_letters: int
    failing_connectors: int
    connectors: int


@dataclass(frozen=True)
class Curve:
    """Runs that ended in each step, and the records they wrote; all lists have one entry a step."""

    starts: list[int]
    succeeded: list[int]
    failed: list[int]
    written: list[int]


def figures_of(workspace: Workspace, window: Window, now: datetime) -> Figures:
    """The figures of the window that ends now."""
    length = timedelta(seconds=window.seconds)
    this, before = _sums(workspace, now - length, now), _sums(workspace, now - 2 * length, now - length)
    checks = Connector.objects.of(workspace).aggregate(
        all=Count("id"), failing=Count("id", filter=Q(check_state=CheckState.FAILED))
    )
    return Figures(
        runs=this.ended,
        runs_change=change_percent(this.ended, before.ended),
        success_percent=this.success_percent,
        success_change_points=_difference(this.success_percent, before.success_percent),
        p95_seconds=this.p95_seconds,
        p95_change_seconds=_difference(this.p95_seconds, before.p95_seconds),
        written=this.written,
        written_change=change_percent(this.written, before.written),
        open_letters=DeadLetter.objects.of(workspace).filter(state=DeadLetterState.OPEN).count(),
        failing_connectors=checks["failing"],
        connectors=checks["all"],
    )


def curve_of(workspace: Workspace, window: Window, now: datetime) -> Curve:
    """Runs and records by step of the window."""
    starts = window.starts(now)
    since = now - timedelta(seconds=window.seconds)
    rows = (
        _ended(workspace, since, now)
        .annotate(step=EpochStep("finished_at", window.step_seconds))
        .values("step")
        .annotate(
            succeeded=Count("id", filter=Q(state=RunState.SUCCEEDED)),
            failed=Count("id", filter=Q(state=RunState.FAILED)),
            records=Sum("written"),
        )
        .order_by()
    )
    found = {row["step"]: row for row in rows}
    none = {"succeeded": 0, "failed": 0, "records": 0}
    return Curve(
        starts,
        *([found.get(start, none)[name] for start in starts] for name in ("succeeded", "failed", "records")),
    )


@dataclass(frozen=True)
class _Sums:
    ended: int
    success_percent: float | None
    p95_seconds: float | None
    written: int


def _sums(workspace: Workspace, since: datetime, until: datetime) -> _Sums:
    ended = _ended(workspace, since, until)
    row = ended.aggregate(
        ended=Count("id"),
        succeeded=Count("id", filter=Q(state=RunState.SUCCEEDED)),
        judged=Count("id", filter=Q(state__in=[RunState.SUCCEEDED, RunState.FAILED])),
        written=Sum("written"),
    )
    rate = 100 * row["succeeded"] / row["judged"] if row["judged"] else None
    return _Sums(row["ended"], rate, _p95_seconds(ended, row["ended"]), row["written"] or 0)


def _p95_seconds(ended: QuerySet[Run], count: int) -> float | None:
    """The duration below which 95 of 100 runs lie, from their start to their end."""
    if not count:
        return None
    took = SecondsBetween("started_at", "finished_at")
    durations = (
        ended.filter(started_at__isnull=False).annotate(took=took).order_by("took").values_list("took", flat=True)
    )
    rank = max(0, int(count * 0.95) - 1)
    return next(iter(durations[rank : rank + 1]), None)


def _ended(workspace: Workspace, since: datetime, until: datetime) -> QuerySet[Run]:
    return Run.objects.of(workspace).filter(finished_at__gt=since, finished_at__lte=until)


def _difference(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else now - before
