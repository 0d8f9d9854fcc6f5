"""What a row of runs shows, the same on the overview, in the list, first and live."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from accounts.models import Workspace
from integrations.domain.lifecycle import RunState
from integrations.models import Run

HIDDEN = (
    "schema", "cursor", "start_cursor", "version__mapping", "deployment__cursor",
    "version__source__settings", "version__destination__settings",
)  # fmt: skip


@dataclass(frozen=True)
class RunRow:
    """A run, how long it takes or took, and what to say of its progress."""

    run: Run
    took: timedelta | None
    percent: int | None
    tone: str


def listed_runs(workspace: Workspace) -> QuerySet[Run]:
    """The runs of a workspace with what their rows show, without what they do not."""
    related = ("deployment__integration", "version__source", "version__destination")
    return Run.objects.of(workspace).select_related(*related).defer(*HIDDEN)


def row_of(run: Run, now: datetime) -> RunRow:
    """One row."""
    percent = None if run.progress is None else min(100, int(run.progress * 100))
    return RunRow(run, took(run, now), percent, tone_of(run))


def took(run: Run, now: datetime) -> timedelta | None:
    """From its start to its end, or until now; None where it has not begun."""
    return (run.finished_at or now) - run.started_at if run.started_at else None


def tone_of(run: Run) -> str:
    """The tone of a row that somebody should look at, or the empty text."""
    if run.state == RunState.FAILED:
        return "bad"
    return "warn" if run.has_warnings or run.is_retrying else ""
