"""Starts runs that read again: a past range (backfill), or what came after an older checkpoint (replay)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from accounts import audit
from accounts.errors import INPUT_INVALID, STATE_CONFLICT, Conflict, Invalid
from accounts.models import User
from accounts.models.base import new_id
from integrations.domain.lifecycle import BatchState, Trigger
from integrations.domain.scope import Scope
from integrations.models import Deployment, Run, RunBatch
from integrations.models.integration import ReadMode
from integrations.services.runs import Begin, start_run

MOST_TEXT = 200


@dataclass(frozen=True)
class Checkpoint:
    """A place in the stream: after batch `batch` of `run`, or where the run began (batch 0)."""

    run: Run
    batch: int


def backfill_begin(*, field: str, low: str, high: str) -> Begin:
    """Where a backfill begins. Raises Invalid where the range is not named; whether it can be read, reading tells."""
    missing = {name: "Say it." for name, value in {"field": field, "low": low, "high": high}.items() if not value}
    long = {name: "That is too long." for name, value in {"low": low, "high": high}.items() if len(value) > MOST_TEXT}
    if missing or long:
        raise Invalid(INPUT_INVALID, "The range is not complete.", fields={**missing, **long})
    return Begin(None, Scope(f"backfill:{new_id()}", field, low, high).to_json())


def replay_begin(deployment: Deployment, checkpoint: Checkpoint, *, goes_on: bool) -> Begin:
    """Where a replay begins. Raises Invalid and Conflict for a checkpoint that means nothing to what is read now."""
    run = checkpoint.run
    if run.deployment_id != deployment.pk or run.parent_id or run.partition_count or run.trigger == Trigger.REDRIVE:
        raise _unfit("That run has no checkpoint of this stream.")
    if run.scope and run.scope["field"]:
        raise Invalid(
            INPUT_INVALID, "A backfill's checkpoint is a place in its range.", fields={"batch": "Choose another."}
        )
    if run.version.reads != deployment.version.reads:
        raise Conflict(
            STATE_CONFLICT,
            "The active version reads something else than that run did.",
            what_to_do="Choose a run of the active version, or activate that run's version first.",
        )
    if goes_on and deployment.version.read_mode != ReadMode.INCREMENTAL:
        raise Invalid(
            INPUT_INVALID,
            "A full read has no cursor to go on from.",
            fields={"goes_on": "Leave it out: each run reads all."},
        )
    scope = Scope(f"replay:{new_id()}", run=str(run.pk), batch=checkpoint.batch, goes_on=goes_on)
    return Begin(_cursor_of(checkpoint), scope.to_json())


def start_backfill(*, deployment: Deployment, field: str, low: str, high: str, user: User | None) -> Run:
    """Queue a run that reads a past range again, and leaves the stream's cursor where it is."""
    begin = backfill_begin(field=field, low=low, high=high)
    with transaction.atomic():
        run = start_run(deployment=deployment, trigger=Trigger.BACKFILL, user=user, begin=begin)
        _audit(run, "run.backfill", {"field": field, "from": low, "to": high})
    return run


def start_replay(*, deployment: Deployment, checkpoint: Checkpoint, goes_on: bool, user: User | None) -> Run:
    """Queue a run that reads on from an older checkpoint.

    With `goes_on` the deployment's cursor moves back to it, so that later runs go on from where this one ends; without,
    the cursor stays. The caller has asked for `checkpoint.reset` where it moves.
    """
    begin = replay_begin(deployment, checkpoint, goes_on=goes_on)
    with transaction.atomic():
        # The run before its deployment, as a worker locks them: the other way round they could wait for each other.
        run = start_run(deployment=deployment, trigger=Trigger.REPLAY, user=user, begin=begin)
        if goes_on:
            _move_cursor(deployment, begin)
            Run.objects.filter(pk=run.pk).update(epoch=deployment.epoch)
        after = {"run": str(checkpoint.run.pk), "batch": checkpoint.batch, "goes_on": goes_on}
        _audit(run, "run.replay", after)
    return run


def _move_cursor(deployment: Deployment, begin: Begin) -> None:
    """A new epoch: the destination's checkpoint of the old one is not followed any more."""
    locked = Deployment.objects.select_for_update().get(pk=deployment.pk)
    before = locked.cursor
    locked.cursor, locked.epoch = begin.cursor, locked.epoch + 1
    locked.save(update_fields=["cursor", "epoch", "updated_at"])
    Deployment.objects.filter(pk=deployment.pk).update(cursor_at=Now())
    audit.record(
        workspace=deployment.workspace, action="checkpoint.reset", object=deployment,
        before={"cursor": before}, after={"cursor": begin.cursor, "reason": "replay"},
    )  # fmt: skip
    deployment.cursor, deployment.epoch = locked.cursor, locked.epoch


def _cursor_of(checkpoint: Checkpoint) -> dict[str, Any] | None:
    if checkpoint.batch == 0:
        start: dict[str, Any] | None = checkpoint.run.start_cursor
        return start
    batch = RunBatch.objects.filter(run=checkpoint.run, number=checkpoint.batch, state=BatchState.COMMITTED).first()
    if batch is None:
        raise _unfit(f"Run {checkpoint.run} has no batch {checkpoint.batch}.")
    cursor: dict[str, Any] = batch.cursor
    return cursor


def _unfit(why: str) -> Invalid:
    return Invalid(INPUT_INVALID, why, fields={"batch": "Choose another checkpoint."})


def _audit(run: Run, action: str, after: dict[str, object]) -> None:
    audit.record(workspace=run.workspace, action=action, object=run, after=after)
