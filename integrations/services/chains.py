"""Chains: which deployment starts after which, and the starts that are owed, each done exactly once."""

from __future__ import annotations

from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef

from accounts import audit
from accounts.errors import INPUT_INVALID, STATE_CONFLICT, Conflict, Invalid
from accounts.models import User
from accounts.request_context import Actor, acting_as
from integrations import events
from integrations.domain.lifecycle import ACTIVE_STATES, Trigger
from integrations.models import Chain, ChainStart, Deployment, Run
from integrations.services.runs import start_run

MOST_CHAINS = 20
STARTS_AT_MOST = 100


def add_chain(*, deployment: Deployment, upstream: Deployment, after_warnings: bool, user: User | None) -> Chain:
    """Let a deployment start after each run of another one that succeeds. Raises Invalid for a circle."""
    if upstream.workspace_id != deployment.workspace_id:
        raise Invalid(INPUT_INVALID, "The integration belongs to another workspace.")
    with transaction.atomic():
        # One writer of a workspace's chains at a time: two that each close half of a circle would not see each other.
        list(Deployment.objects.select_for_update().filter(workspace=deployment.workspace_id).values_list("pk"))
        if path := _path(deployment.pk, upstream.pk):
            raise _refused(f"That would be a circle: {' → '.join(_names([*path, deployment.pk]))}.")
        if Chain.objects.filter(deployment=deployment).count() >= MOST_CHAINS:
            raise _refused(f"An integration may follow at most {MOST_CHAINS} others.")
        try:
            with transaction.atomic():
                chain = Chain.objects.create(
                    workspace_id=deployment.workspace_id, deployment=deployment, upstream=upstream,
                    after_warnings=after_warnings, created_by=user,
                )  # fmt: skip
        except IntegrityError as error:
            raise Conflict(
                STATE_CONFLICT, f"It starts after “{upstream.integration.name}” already.",
                what_to_do="Remove the chain first to change it.",
            ) from error  # fmt: skip
        _tell(chain, "chain.added")
    return chain


def remove_chain(*, chain: Chain) -> None:
    """Let the deployment no longer start after the other; starts that are still owed are dropped."""
    with transaction.atomic():
        _tell(chain, "chain.removed")
        chain.delete()


def start_owed(*, upstream_run: UUID | None = None) -> int:
    """Start what is owed, all of it or what follows one run, and return how many runs were started.

    A start that finds its deployment at work waits, and says so once. Any number of processes may do this.
    """
    active = Run.objects.filter(deployment=OuterRef("chain__deployment"), parent=None, state__in=ACTIVE_STATES)
    owed = ChainStart.objects.annotate(is_busy=Exists(active)).exclude(waits=True, is_busy=True)
    if upstream_run is not None:
        owed = owed.filter(upstream_run=upstream_run)
    rows = owed.select_related(
        "upstream_run__deployment__integration",
        "chain__deployment__integration",
        "chain__deployment__version",
        "chain__deployment__workspace",
    )
    started = 0
    for start in rows.order_by("id")[:STARTS_AT_MOST]:
        with acting_as(Actor(system="chain")):
            started += _start(start)
    return started


def chains_of(deployment: Deployment) -> dict[str, list[Chain]]:
    """What it starts after, and what starts after it."""
    rows = Chain.objects.of(deployment.workspace)
    return {
        "starts_after": list(rows.filter(deployment=deployment).select_related("upstream__integration")),
        "followed_by": list(rows.filter(upstream=deployment).select_related("deployment__integration")),
    }


def _start(start: ChainStart) -> bool:
    deployment = start.chain.deployment
    if getattr(start, "is_busy", False):
        return _wait(start)
    try:
        with transaction.atomic():
            if not ChainStart.objects.filter(pk=start.pk).delete()[0]:
                return False
            if not deployment.enabled or not deployment.is_approved:
                why = "It waits for approval" if deployment.enabled else "It is switched off"
                _append(start, "chain.left_out", f"{why}, so it does not start after", "warning")
                return False
            start_run(deployment=deployment, trigger=Trigger.CHAIN, upstream=start.upstream_run)
    except Conflict:
        return _wait(start)
    return True


def _wait(start: ChainStart) -> bool:
    with transaction.atomic():
        if ChainStart.objects.filter(pk=start.pk, waits=False).update(waits=True):
            _append(start, "chain.waits", "Waits for the active run to end, then starts after", "info")
    return False


def _path(wanted: UUID, begin: UUID) -> list[UUID]:
    """The way upstream from `begin` to `wanted`, downstream first; empty where there is none."""
    ways = [[begin]]
    seen = {begin}
    while ways:
        way = ways.pop()
        if way[-1] == wanted:
            return way[::-1]
        for upstream in Chain.objects.filter(deployment=way[-1]).values_list("upstream", flat=True):
            if upstream not in seen:
                seen.add(upstream)
                ways.append([*way, upstream])
    return []


def _names(deployments: list[UUID]) -> list[str]:
    names = dict(Deployment.objects.filter(pk__in=deployments).values_list("pk", "integration__name"))
    return [names[each] for each in deployments]


def _refused(why: str) -> Invalid:
    return Invalid(INPUT_INVALID, "The chain cannot be made.", fields={"upstream": why})


def _tell(chain: Chain, action: str) -> None:
    after: dict[str, object] = {
        "after": chain.upstream.integration.name,
        "after_warnings": chain.after_warnings,
    }
    audit.record(workspace=chain.workspace, action=action, object=chain.deployment, after=after)
    events.append(
        workspace=chain.workspace_id, topic="integration", object_id=chain.deployment.integration_id, kind=action
    )


def _append(start: ChainStart, kind: str, words: str, level: str) -> None:
    run = start.upstream_run
    deployment = start.chain.deployment
    events.append(
        workspace=deployment.workspace_id,
        topic="integration",
        object_id=deployment.integration_id,
        kind=kind,
        message=f"{words} run {run} of {run.deployment.integration.name}.",
        level=level,
        data={"run": str(run.pk)},
    )
