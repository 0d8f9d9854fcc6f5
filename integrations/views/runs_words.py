"""What a run's page says of it in a sentence: what happened, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.errors import Conflict
from accounts.templatetags.signalbox import number
from integrations.domain.lifecycle import RunState, Trigger
from integrations.domain.words import counted
from integrations.errors import BREAKER_OPEN, BUDGET_SPENT, RATE_LIMITED, SCHEMA_DRIFTED, SLOTS_TAKEN
from integrations.models import Run

# Where a person goes who wants to act on what a run says.
_REMEDIES = {
    SCHEMA_DRIFTED: "columns",
    BREAKER_OPEN: "limits",
    BUDGET_SPENT: "limits",
    RATE_LIMITED: "limits",
    SLOTS_TAKEN: "limits",
}


@dataclass(frozen=True)
class Verdict:
    """`what` stands first and large; `todo` is empty where nothing is left to do.

    `remedy` names the page on which a person acts: the "columns" of the integration, the "limits" that are shared.
    """

    tone: str
    what: str
    todo: str = ""
    code: str = ""

    @property
    def remedy(self) -> str:
        return _REMEDIES.get(self.code, "")


def verdict_of(run: Run) -> Verdict:
    """The sentence above everything else."""
    if run.is_active:
        return _active(run)
    return _ENDED[RunState(run.state)](run)


def can_continue(run: Run) -> bool:
    """Whether a run may go on from this one's checkpoint (`services.continuation` decides for good)."""
    has_failed = run.state in (RunState.FAILED, RunState.CANCELLED)
    has_place = run.cursor is not None or run.partition_count > 0
    return has_failed and has_place and run.parent_id is None and run.trigger != Trigger.REDRIVE


def active_run_notice(workspace: str, error: Conflict) -> SafeString:
    """A conflict's message, with the way to the run that causes it."""
    run = error.detail.get("run")
    if not run:
        return format_html("{}", str(error))
    href = reverse("run-detail", args=[workspace, run])
    return format_html('{} <a href="{}">Open the active run</a>', str(error), href)


def _active(run: Run) -> Verdict:
    if run.cancel_requested:
        return Verdict("warn", "It stops after the batch that it is working on. What was written stays.")
    if run.state == RunState.PAUSED:
        todo = "Resume it when it may go on. Until then no other run of this integration starts."
        return Verdict("held", f"It is paused after batch {run.batches}; its checkpoint is kept.", todo)
    if run.pause_requested:
        return Verdict("held", "It pauses after the batch that it is working on. Its checkpoint is kept.")
    if run.is_retrying:
        todo = "Nothing to do: it tries again by itself." if run.attempt else run.error_what_to_do
        return Verdict("warn", run.error_message, todo, run.error_code)
    if run.state == RunState.QUEUED:
        return Verdict("idle", "It waits for a worker.")
    if run.partition_count:
        return Verdict(
            "info", f"It is cut into {counted(run.partition_count, 'partition')}, which workers read at the same time."
        )
    return Verdict("info", f"It is at work on batch {run.batches + 1}.")


def _succeeded(run: Run) -> Verdict:
    if not run.read:
        sentence = "There was nothing to move: the source had no records for this run."
        return Verdict("warn" if run.has_warnings else "ok", sentence)
    sentence = f"All {number(run.read)} records that were read are accounted for."
    if run.read == 1:
        sentence = "The one record that was read is accounted for."
    if run.set_aside:
        many = f"{number(run.set_aside)} were set aside. Look at why, correct it, and redrive them."
        todo = "One was set aside. Look at why, correct it, and redrive it." if run.set_aside == 1 else many
        return Verdict("warn", sentence, todo)
    if run.has_warnings:
        return Verdict("warn", sentence, "Its log has warnings.")
    return Verdict("ok", sentence)


def _failed(run: Run) -> Verdict:
    return Verdict("bad", run.error_message or "It failed.", run.error_what_to_do, run.error_code)


def _cancelled(run: Run) -> Verdict:
    if run.partition_count and run.batches:
        return Verdict("idle", "It was cancelled. What its partitions wrote stays, their checkpoints too.")
    if run.batches:
        return Verdict("idle", f"It was cancelled after batch {run.batches}. What it wrote stays, its checkpoint too.")
    return Verdict("idle", "It was cancelled before it wrote anything.")


_ENDED = {RunState.SUCCEEDED: _succeeded, RunState.FAILED: _failed, RunState.CANCELLED: _cancelled}
