"""Saves what the editor page holds as one change: the flow as a version, the policy, and the schedule."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.db import transaction
from django.db.models import Max

from accounts.errors import STATE_CONFLICT, Conflict
from accounts.models import User, Workspace
from integrations.domain.schedule import Timetable
from integrations.models import Deployment, Integration, IntegrationVersion, Policy, Schedule
from integrations.services.approvals import activate_or_ask
from integrations.services.integrations import (
    Flow,
    add_version,
    change_integration,
    create_integration,
    flow_of,
)
from integrations.services.schedules import remove_schedule, set_schedule, timetable_of


@dataclass(frozen=True)
class Draft:
    """What a person says of an integration; without a timetable it runs only when asked to."""

    name: str
    description: str
    policy: Policy | None
    flow: Flow
    timetable: Timetable | None


@dataclass(frozen=True)
class Saved:
    """What a save did: the version that it added, or None where the flow is as it was."""

    version: IntegrationVersion | None
    is_active: bool
    other_changes: bool
    is_asked: bool = False


def create(*, workspace: Workspace, draft: Draft, user: User) -> Integration:
    """Create the integration with its first version, active, and its schedule. Raises Invalid and Conflict."""
    with transaction.atomic():
        made = create_integration(
            workspace=workspace,
            name=draft.name,
            description=draft.description,
            flow=draft.flow,
            user=user,
            policy=draft.policy,
        )
        if draft.timetable is not None:
            set_schedule(deployment=made.deployments.get(), timetable=draft.timetable)
    return made


def save(
    *, deployment: Deployment, draft: Draft, origin: IntegrationVersion, newest: int, activate: bool, user: User
) -> Saved:
    """Add a version where the flow differs from `origin`, which it was edited from, and change what is not versioned.

    Raises Conflict where there is a version after `newest`, the last one when the page was opened.
    """
    with transaction.atomic():
        integration = Integration.objects.select_for_update().get(pk=deployment.integration_id)
        _refuse_if_behind(integration, newest)
        version = asked = None
        if flow_of(origin) != replace(draft.flow, note=""):
            version = add_version(integration=integration, flow=draft.flow, user=user)
            if activate:
                asked = activate_or_ask(deployment=deployment, version=version, user=user)
        changed = _change_rest(integration, deployment, draft)
    return Saved(version, activate and asked is None, changed, is_asked=asked is not None)


def _refuse_if_behind(integration: Integration, newest: int) -> None:
    last = integration.versions.aggregate(last=Max("number"))["last"] or 0
    if last > newest:
        raise Conflict(
            STATE_CONFLICT,
            f"Version {last} was added while you edited.",
            what_to_do="Compare it with yours; save again to add yours after it.",
        )


def _change_rest(integration: Integration, deployment: Deployment, draft: Draft) -> bool:
    changed = False
    if (integration.description, integration.policy_id) != (
        draft.description,
        draft.policy.pk if draft.policy else None,
    ):
        change_integration(integration=integration, description=draft.description, policy=draft.policy)
        changed = True
    schedule = Schedule.objects.filter(deployment=deployment).first()
    if draft.timetable is None and schedule is not None:
        remove_schedule(deployment=deployment)
        changed = True
    elif draft.timetable is not None and (schedule is None or timetable_of(schedule) != draft.timetable):
        set_schedule(deployment=deployment, timetable=draft.timetable)
        changed = True
    return changed
