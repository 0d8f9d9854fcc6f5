"""Starts a run that goes on where another one stopped."""

from __future__ import annotations

from accounts.errors import STATE_CONFLICT, Conflict
from accounts.models import User
from integrations.domain.lifecycle import RunState, Trigger
from integrations.models import Deployment, IntegrationVersion, Run
from integrations.services.runs import refuse_partition, start_run

_CAN_CONTINUE = frozenset({RunState.FAILED.value, RunState.CANCELLED.value})


def continue_run(*, run: Run, user: User | None) -> Run:
    """Queue a run from the checkpoint of one that failed or was cancelled, under the version that is active now.

    Raises Conflict where the run did not end so, or its checkpoint means nothing to what is read now.
    """
    refuse_partition(run)
    deployment = Deployment.objects.select_related("integration", "version").get(pk=run.deployment_id)
    if run.state not in _CAN_CONTINUE:
        raise Conflict(STATE_CONFLICT, f"The run is {run.state}; only a failed or cancelled one can be retried.")
    if run.trigger == Trigger.REDRIVE:
        raise Conflict(
            STATE_CONFLICT, "A redrive is not retried.", what_to_do="Redrive the dead letters again; they are open."
        )
    if reads_of(run.version) != reads_of(deployment.version):
        raise Conflict(
            STATE_CONFLICT,
            "The active version reads something else than this run did.",
            what_to_do="Start a new run, or activate the version of this run first.",
        )
    return start_run(deployment=deployment, trigger=Trigger.RETRY, user=user, continues=run)


def reads_of(version: IntegrationVersion) -> tuple[object, ...]:
    """What a cursor is a place in."""
    return (
        version.source_id,
        version.source_stream,
        version.read_mode,
        version.cursor_field,
        tuple(version.primary_key),
    )
