"""Reads the small bars beside the overview's figures: the slow end of durations, and new dead letters, by step."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, F, Window
from django.db.models.functions import CumeDist

from accounts.models import Workspace
from integrations.domain.windows import Window as Span
from integrations.models import DeadLetter, Run
from integrations.services.overview import EpochStep, SecondsBetween

BARS = 16
_SLOW = 0.95


def bar_starts(span: Span, now: datetime) -> tuple[int, list[int]]:
    """How many seconds a bar is wide, and the beginnings of all bars up to now, in seconds since the epoch."""
    width = span.seconds // BARS
    last = int(now.timestamp()) // width * width
    return width, [last - width * back for back in range(BARS - 1, -1, -1)]


def first_id_at(moment: datetime) -> UUID:
    """The lowest UUIDv7 of a moment: its first 48 bits are milliseconds, so a range of time is a range of ids."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def slow_bars(workspace: Workspace, span: Span, now: datetime) -> list[float]:
    """The duration in seconds below which 95 of 100 runs lie that ended in each bar; 0 where none did."""
    width, starts = bar_starts(span, now)
    took = SecondsBetween("started_at", "finished_at")
    rows = (
        Run.objects.of(workspace)
        .filter(finished_at__gt=now - timedelta(seconds=span.seconds), finished_at__lte=now, started_at__isnull=False)
        .annotate(step=EpochStep("finished_at", width), took=took)
        .annotate(rank=Window(CumeDist(), partition_by=[F("step")], order_by=F("took").asc()))
        .filter(rank__gte=_SLOW)
        .order_by("-took")
        .values_list("step", "took")
    )
    # The slowest comes first, so that the last one of a step, the fastest of the slow, stays.
    found = dict(rows)
    return [found.get(start, 0.0) for start in starts]


def letter_bars(workspace: Workspace, span: Span, now: datetime) -> list[int]:
    """How many records were set aside in each bar."""
    width, starts = bar_starts(span, now)
    rows = (
        DeadLetter.objects.of(workspace)
        .filter(id__gte=first_id_at(now - timedelta(seconds=span.seconds)))
        .annotate(step=EpochStep("created_at", width))
        .values_list("step")
        .annotate(count=Count("id"))
        .order_by()
    )
    found = dict(rows)
    return [found.get(start, 0) for start in starts]
