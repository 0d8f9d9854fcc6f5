"""Reads what members should look at, in a fixed number of queries, and keeps what each of them has read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Count, F, Max, Min, QuerySet

from accounts.models import Membership
from integrations.domain.approval import ApprovalState
from integrations.domain.circuit_breaker import BreakerState
from integrations.domain.drift import DriftState
from integrations.domain.lifecycle import RunState
from integrations.domain.words import counted
from integrations.models import ApprovalRequest, Breaker, Connector, Freshness, Run, SchemaChange, UncertainBatch
from integrations.models.connector import CheckState
from integrations.services.approval_holds import may_approve
from monitoring.domain.notifications import Notification, NotificationKind
from monitoring.models import NotificationRead
from monitoring.services.status import deployments_with_last_state

# The newest of each kind; a workspace with more has a list for them.
OF_A_KIND = 100

Allows = Callable[[str], bool]


def notifications_of(membership: Membership, allows: Allows) -> list[Notification]:
    """What a member may and should look at, the newest first."""
    read = set(NotificationRead.objects.filter(membership=membership).values_list("key", flat=True))
    found = [replace(each, is_read=each.key in read) for each in _all(membership, allows)]
    return sorted(found, key=lambda each: each.since, reverse=True)


def unread_count(membership: Membership, allows: Allows) -> int:
    """How many of them the member has not marked as read."""
    return sum(not each.is_read for each in notifications_of(membership, allows))


def mark(*, membership: Membership, allows: Allows, keys: Collection[str], is_read: bool) -> None:
    """Mark those of the keys that there are as read, or as unread; what is no longer there is forgotten.

    It is a member's own note, so the audit log says nothing of it.
    """
    current = {each.key for each in _all(membership, allows)}
    mine = NotificationRead.objects.filter(membership=membership)
    with transaction.atomic():
        mine.exclude(key__in=current).delete()
        if is_read:
            rows = [NotificationRead(membership=membership, key=key) for key in current.intersection(keys)]
            NotificationRead.objects.bulk_create(rows, ignore_conflicts=True)
        else:
            mine.filter(key__in=keys).delete()


def _all(membership: Membership, allows: Allows) -> Iterator[Notification]:
    for kind, find in _FINDERS.items():
        if allows(kind.permission):
            yield from find(membership)


def _failing(membership: Membership) -> Iterator[Notification]:
    """Integrations whose last run that ended has failed; one notification for each unbroken row of failures."""
    # Any: what is annotated has no type.
    rows: QuerySet[Any] = deployments_with_last_state(membership.workspace)
    failing = list(rows.filter(enabled=True, last_state=RunState.FAILED).order_by("-since")[:OF_A_KIND])
    runs = Run.objects.in_bulk([each.last_id for each in failing])
    for each in failing:
        yield Notification(
            kind=NotificationKind.INTEGRATION_FAILING,
            key=f"failing:{each.pk}:{each.last_that_differed or 'first'}",
            is_urgent=True,
            title=f"{each.integration.name} is failing",
            detail=runs[each.last_id].error_message,
            since=each.since,
            about=each.last_id,
        )


def _stale(membership: Membership) -> Iterator[Notification]:
    rows = Freshness.objects.of(membership.workspace).select_related("deployment__integration").order_by("-since")
    for each in rows[:OF_A_KIND]:
        yield Notification(
            kind=NotificationKind.INTEGRATION_STALE,
            key=f"stale:{each.pk}",
            is_urgent=False,
            title=f"{each.deployment.integration.name} is stale",
            detail=each.words,
            since=each.since,
            about=each.deployment.integration_id,
        )


def _schema_changes(membership: Membership) -> Iterator[Notification]:
    rows = SchemaChange.objects.of(membership.workspace).filter(state=DriftState.OPEN)
    for each in rows.select_related("deployment__integration", "deployment__version", "version")[:OF_A_KIND]:
        touched = _touched(each)
        yield Notification(
            kind=NotificationKind.SCHEMA_CHANGED,
            key=f"schema:{each.pk}",
            is_urgent=each.stopped,
            title=f"{each.deployment.integration.name}: {each.change.sentence}",
            detail=f"It stopped a run. {touched}" if each.stopped else touched,
            since=each.created_at,
            about=each.deployment.integration_id,
        )


def _touched(change: SchemaChange) -> str:
    """What of the mapping the change has to do with."""
    if change.version is None:
        return f"It is read by {', '.join(change.touches)}." if change.touches else "The mapping does not read it."
    number = change.version.number
    is_active = change.deployment.version.number >= number
    return f"Version {number} maps it." if is_active else f"Version {number} would map it, and is not active."


def _uncertain(membership: Membership) -> Iterator[Notification]:
    """One for each integration; another one when more batches come."""
    rows = UncertainBatch.objects.of(membership.workspace).filter(verdict="").order_by()
    by_integration = rows.values("integration_id", name=F("integration__name")).annotate(
        count=Count("id"), first=Min("created_at"), last=Max("created_at")
    )
    for each in by_integration.order_by("-last")[:OF_A_KIND]:
        yield Notification(
            kind=NotificationKind.BATCHES_UNCERTAIN,
            key=f"uncertain:{each['integration_id']}:{each['last'].timestamp()}",
            is_urgent=False,
            title=f"{each['name']}: {counted(each['count'], 'batch', 'batches')} may have arrived twice",
            detail="Look at the destination, and say what you found.",
            since=each["first"],
        )


def _connectors(membership: Membership) -> Iterator[Notification]:
    rows = Connector.objects.of(membership.workspace).filter(check_state=CheckState.FAILED)
    for each in rows.order_by("-check_state_since")[:OF_A_KIND]:
        since = each.check_state_since or each.updated_at
        yield Notification(
            kind=NotificationKind.CONNECTOR_FAILING,
            key=f"connector:{each.pk}:{since.timestamp()}",
            is_urgent=True,
            title=f"{each.name} failed its connection test",
            detail=each.check_message,
            since=since,
            about=each.pk,
        )


def _breakers(membership: Membership) -> Iterator[Notification]:
    rows = Breaker.objects.of(membership.workspace).exclude(state=BreakerState.CLOSED).order_by("-since")
    for each in rows[:OF_A_KIND]:
        yield Notification(
            kind=NotificationKind.CALLS_STOPPED,
            key=f"breaker:{each.pk}:{each.since.timestamp()}",
            is_urgent=not each.is_by_hand,
            title=f"Calls to {each.host} are kept back",
            detail=each.reason,
            since=each.since,
        )


def _approvals(membership: Membership) -> Iterator[Notification]:
    """Those that this member may decide: not what they asked for or wrote themselves."""
    rows = ApprovalRequest.objects.of(membership.workspace).filter(state=ApprovalState.OPEN)
    found = rows.select_related("asked_by", "version").defer("version__mapping")
    for each in islice((each for each in found if may_approve(each, membership)), OF_A_KIND):
        yield Notification(
            kind=NotificationKind.APPROVAL_ASKED,
            key=f"approval:{each.pk}",
            is_urgent=False,
            title=each.title,
            detail=f"Asked by {each.asked_by.display_name if each.asked_by else 'a program'}; a second person decides.",
            since=each.created_at,
        )


_FINDERS: dict[NotificationKind, Callable[[Membership], Iterator[Notification]]] = {
    NotificationKind.INTEGRATION_FAILING: _failing,
    NotificationKind.INTEGRATION_STALE: _stale,
    NotificationKind.SCHEMA_CHANGED: _schema_changes,
    NotificationKind.BATCHES_UNCERTAIN: _uncertain,
    NotificationKind.CONNECTOR_FAILING: _connectors,
    NotificationKind.CALLS_STOPPED: _breakers,
    NotificationKind.APPROVAL_ASKED: _approvals,
}
