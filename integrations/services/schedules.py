"""Changes of schedules, and the tick that starts what is due; any number of schedulers may tick."""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.errors import INPUT_INVALID, Conflict, Invalid
from accounts.request_context import Actor, acting_as
from integrations import events
from integrations.domain.lifecycle import Trigger
from integrations.domain.schedule import ScheduleKind, Timetable, next_due, problem_of
from integrations.models import Deployment, Schedule
from integrations.services.runs import start_run

log = structlog.get_logger(__name__)
DUE_AT_MOST = 100


def set_schedule(*, deployment: Deployment, timetable: Timetable, enabled: bool = True) -> Schedule:
    """Set when a deployment runs by itself; the next due time is counted from now."""
    problem = problem_of(timetable)
    if problem:
        raise Invalid(INPUT_INVALID, "The schedule cannot be used.", fields=dict([problem]))
    values = {
        "kind": timetable.kind,
        "cron": timetable.cron if timetable.kind is ScheduleKind.CRON else "",
        "every_seconds": timetable.every_seconds if timetable.kind is ScheduleKind.INTERVAL else None,
        "time_zone": timetable.time_zone,
        "enabled": enabled,
        "next_due_at": next_due(timetable, timezone.now()) if enabled else None,
    }
    with transaction.atomic():
        schedule, _ = Schedule.objects.update_or_create(deployment=deployment, defaults=values)
        _tell(
            deployment,
            "schedule.set",
            after={"schedule": str(schedule), "time_zone": timetable.time_zone, "enabled": enabled},
        )
    return schedule


def remove_schedule(*, deployment: Deployment) -> None:
    """Take the schedule away; the deployment then runs only when asked to."""
    with transaction.atomic():
        if Schedule.objects.filter(deployment=deployment).delete()[0]:
            _tell(deployment, "schedule.removed")


def timetable_of(schedule: Schedule) -> Timetable:
    """The row as the domain sees it."""
    return Timetable(ScheduleKind(schedule.kind), schedule.cron, schedule.every_seconds or 0, schedule.time_zone)


def tick() -> int:
    """Start a run for every schedule that is due, and return how many were started.

    A schedule moves by compare-and-set on its due time, and a run carries that time under a unique constraint: however
    many schedulers tick, each due time starts at most one run. Missed times are caught up by one run.
    """
    now = timezone.now()
    due = Schedule.objects.filter(enabled=True, deployment__enabled=True, next_due_at__lte=now)
    started = 0
    for schedule in due.select_related("deployment__integration", "deployment__version", "deployment__workspace")[
        :DUE_AT_MOST
    ]:
        with acting_as(Actor(system="scheduler")):
            started += _start_due(schedule, now)
    return started


def _start_due(schedule: Schedule, now: datetime) -> bool:
    due_at = schedule.next_due_at
    following = next_due(timetable_of(schedule), now)
    try:
        with transaction.atomic():
            if not Schedule.objects.filter(pk=schedule.pk, next_due_at=due_at).update(next_due_at=following):
                return False
            start_run(deployment=schedule.deployment, trigger=Trigger.SCHEDULE, due_at=due_at)
    except Conflict as error:
        # The run before is still active: this due time is left out, said so, and the next one stands.
        Schedule.objects.filter(pk=schedule.pk, next_due_at=due_at).update(next_due_at=following)
        log.info(
            "schedule_skipped",
            integration=schedule.deployment.integration.name,
            due_at=str(due_at),
            reason=error.message,
        )
        return False
    return True


def _tell(deployment: Deployment, action: str, *, after: dict[str, object] | None = None) -> None:
    audit.record(workspace=deployment.workspace, action=action, object=deployment, after=after)
    events.append(workspace=deployment.workspace, topic="integration", object_id=deployment.integration_id, kind=action)
