"""What a policy's maintenance windows do to a schedule: its due time waits, or is left out, and it says so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from integrations import events
from integrations.domain.maintenance import blackout_of_items, window_end
from integrations.domain.misfire import next_start
from integrations.domain.policy import FlowPolicy
from integrations.models import Deployment, Schedule
from integrations.services.policy_actions import note_action
from integrations.services.policy_ends import policy_of_deployment
from integrations.services.schedules import plan_of

RULE = "maintenance.windows"
_BLINK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Hold:
    """Until when nothing starts by itself, and whether what is due waits for that."""

    until: datetime
    waits: bool


def hold_of(deployment: Deployment, now: datetime) -> Hold | None:
    """The maintenance that a deployment is in, by its effective policy."""
    return hold_under(policy_of_deployment(deployment), now)


def hold_under(flow: FlowPolicy, now: datetime) -> Hold | None:
    """The maintenance that either end is in: until both are out of it. What an end leaves out is left out."""
    windows = flow.whole.items(RULE)
    end = window_end(blackout_of_items(windows), now) if windows else None
    if end is None:
        return None
    inside = [each for each in (flow.reading, flow.writing) if window_end(blackout_of_items(each.items(RULE)), now)]
    return Hold(end, all(each.choice("maintenance.inside") == "wait" for each in inside))


def hold_back(schedule: Schedule, now: datetime) -> bool:
    """Move a due time out of a maintenance window, once; say whether it was in one."""
    hold = hold_of(schedule.deployment, now)
    if hold is None:
        return False
    following = hold.until if hold.waits else next_start(plan_of(schedule), hold.until - _BLINK)
    with transaction.atomic():
        row = Schedule.objects.filter(pk=schedule.pk, next_due_at=schedule.next_due_at, enabled=True)
        if row.update(next_due_at=following):
            _tell(schedule, hold)
    return True


def _tell(schedule: Schedule, hold: Hold) -> None:
    deployment = schedule.deployment
    end = f"{hold.until:%Y-%m-%d %H:%M} UTC"
    due = f"{schedule.next_due_at:%Y-%m-%d %H:%M:%S} UTC"
    what = f"waits until {end}" if hold.waits else "is left out"
    events.append(
        workspace=deployment.workspace,
        topic="integration",
        object_id=deployment.integration_id,
        kind="schedule.maintenance",
        message=f"The run due {due} {what}: the policy's maintenance window ends {end}.",
        level="info" if hold.waits else "warning",
        data={"until": hold.until.isoformat(), "waits": hold.waits},
    )
    note_action(
        workspace_id=deployment.workspace_id,
        rule=RULE,
        scope_id=deployment.integration_id,
        what=f"the run due {due} {what}",
    )
