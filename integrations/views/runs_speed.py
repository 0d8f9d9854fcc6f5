"""How fast a run moves: its rate and end while it works, and the curve of its batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from integrations.domain.lifecycle import BatchState
from integrations.models import Run, RunBatch

RECENT_BATCHES = 40
CURVE_BATCHES = 5_000
CURVE_POINTS = 240

# (when it was committed, how many records, how far the run was then)
Step = tuple[datetime, int, float | None]


@dataclass(frozen=True)
class Pace:
    """Records a second over the last batches, and the seconds that are left; None where nobody can know."""

    per_second: int | None
    left_seconds: float | None


def pace_of(run: Run) -> Pace:
    """The pace of a run that works; of one in partitions, what is left goes by all of its time."""
    found = pace(run.started_at, _steps(run, RECENT_BATCHES))
    if not run.partition_count or not run.progress or run.started_at is None:
        return found
    elapsed = (timezone.now() - run.started_at).total_seconds()
    return Pace(found.per_second, elapsed * (1 - run.progress) / run.progress)


def pace(started_at: datetime | None, steps: Sequence[Step]) -> Pace:
    """From the steps, oldest first; the first one only says when the second began."""
    if not steps or started_at is None:
        return Pace(None, None)
    has_before = len(steps) > 1
    since, far = (steps[0][0], steps[0][2] or 0.0) if has_before else (started_at, 0.0)
    seconds = (steps[-1][0] - since).total_seconds()
    if seconds <= 0:
        return Pace(None, None)
    records = sum(count for _, count, _ in (steps[1:] if has_before else steps))
    moved = (steps[-1][2] or 0.0) - far
    left = (1 - (steps[-1][2] or 0.0)) / (moved / seconds) if moved > 0 else None
    return Pace(round(records / seconds), left)


def left_words(seconds: float) -> str:
    """How long, as roughly as anybody can know it: `18 s`, `3 min`, `2 h`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{round(seconds / 3600)} h"


def curve_of_run(run: Run) -> dict[str, object]:
    """What `c-chart` draws: records a second, batch by batch; many batches are drawn together."""
    x, rates = _rates(run.started_at, _steps(run, CURVE_BATCHES))
    return {"x": x, "series": [{"label": "Read", "tone": "accent", "values": rates}], "unit": "records/s"}


def _rates(started_at: datetime | None, steps: Sequence[Step]) -> tuple[list[float], list[float]]:
    width = max(1, -(-len(steps) // CURVE_POINTS))
    x: list[float] = []
    rates: list[float] = []
    before = started_at or (steps[0][0] if steps else None)
    for first in range(0, len(steps), width):
        part = steps[first : first + width]
        end = part[-1][0]
        seconds = (end - before).total_seconds() if before else 0.0
        x.append(round(end.timestamp(), 3))
        rates.append(round(sum(count for _, count, _ in part) / max(seconds, 0.001), 1))
        before = end
    return x, rates


def _steps(run: Run, limit: int) -> list[Step]:
    """The last batches that are committed, oldest first; how far a partition is says nothing of its run."""
    found = RunBatch.objects.filter(state=BatchState.COMMITTED)
    if run.partition_count:
        rows = found.filter(run__parent=run).order_by("-committed_at", "-id").values_list("committed_at", "read")
        return [(at, read, None) for at, read in reversed(list(rows[:limit])) if at]
    mine = found.filter(run=run).order_by("-number").values_list("committed_at", "read", "progress")
    return [(at, read, progress) for at, read, progress in reversed(list(mine[:limit])) if at]
