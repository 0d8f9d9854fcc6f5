"""Reads the list of integrations: filters, and what each row shows, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from accounts.models import Workspace
from integrations.connectors import registry
from integrations.domain.lifecycle import DeadLetterState
from integrations.forms.integration_filter import NEVER, STALE
from integrations.models import DeadLetter, Deployment, Integration, Run
from integrations.models.dead_letter import standing_twice
from integrations.views.integrations_words import schedule_words

_HIDDEN = ("schema", "cursor", "start_cursor")


@dataclass(frozen=True)
class Row:
    """One line of the list."""

    integration: Integration
    deployment: Deployment
    source_kind: str
    destination_kind: str
    schedule: str
    last: Run | None
    open_letters: int


@dataclass(frozen=True)
class Wanted:
    """What the address asks for; empty: everything."""

    words: str = ""
    state: str = ""
    connector: UUID | None = None
    enabled: bool | None = None
    has_letters: bool = False


def wanted_of(workspace: Workspace, wanted: Wanted) -> QuerySet[Integration]:
    """The integrations that the address asks for."""
    found = Integration.objects.of(workspace)
    if wanted.words:
        found = found.filter(Q(name__icontains=wanted.words) | Q(description__icontains=wanted.words))
    if wanted.connector:
        source = Q(deployments__version__source=wanted.connector)
        found = found.filter(source | Q(deployments__version__destination=wanted.connector)).distinct()
    if wanted.enabled is not None:
        found = found.filter(deployments__enabled=wanted.enabled)
    if wanted.has_letters:
        found = found.filter(pk__in=_open_letters().filter(workspace=OuterRef("workspace")).values("integration"))
    if wanted.state == STALE:
        found = found.filter(deployments__staleness__isnull=False)
    elif wanted.state:
        last = (
            Run.objects.filter(deployment__integration=OuterRef("pk"), parent=None).order_by("-id").values("state")[:1]
        )
        found = found.annotate(last_state=Subquery(last))
        found = found.filter(last_state=None if wanted.state == NEVER else wanted.state)
    return found


def rows_of(workspace: Workspace, page: Sequence[Integration]) -> list[Row]:
    """What the list shows of a page of them."""
    deployments = {
        deployment.integration_id: deployment
        for deployment in Deployment.objects.of(workspace)
        .filter(integration__in=page)
        .select_related("version__source", "version__destination", "schedule", "staleness")
        .defer("cursor", "version__mapping")
    }
    last = Run.objects.filter(deployment=OuterRef("pk"), parent=None).order_by("-id").values("pk")[:1]
    ids = Deployment.objects.of(workspace).filter(integration__in=page).annotate(last=Subquery(last)).values("last")
    runs = {run.deployment_id: run for run in Run.objects.of(workspace).filter(pk__in=ids).defer(*_HIDDEN)}
    letters = _open_letters().filter(workspace=workspace, integration__in=page).values_list("integration")
    counts = dict(letters.annotate(count=Count("id")).order_by())
    return [
        _row(integration, deployments[integration.pk], runs, counts)
        for integration in page
        if integration.pk in deployments
    ]


def _row(integration: Integration, deployment: Deployment, runs: dict[UUID, Run], letters: dict[UUID, int]) -> Row:
    version = deployment.version
    return Row(
        integration=integration,
        deployment=deployment,
        source_kind=registry.get(version.source.plugin).spec.label,
        destination_kind=registry.get(version.destination.plugin).spec.label,
        schedule=schedule_words(getattr(deployment, "schedule", None)),
        last=runs.get(deployment.pk),
        open_letters=letters.get(integration.pk, 0),
    )


def _open_letters() -> QuerySet[DeadLetter]:
    return DeadLetter.objects.filter(state=DeadLetterState.OPEN).exclude(standing_twice())
