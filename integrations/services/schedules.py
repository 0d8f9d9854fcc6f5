"""Changes of schedules: when a deployment runs by itself, and what becomes of the times that it misses."""

from __future__ import annotations

from django.db import transaction

from accounts import audit
from accounts.errors import INPUT_INVALID, Invalid
from integrations import events
from integrations.domain.blackout import Blackout, blackout_of
from integrations.domain.misfire import MOST_CATCH_UP, Misfire, Plan, next_start
from integrations.domain.schedule import ScheduleKind, Timetable, problem_of
from integrations.models import Deployment, Schedule
from integrations.services.clock import database_now


def set_schedule(*, deployment: Deployment, timetable: Timetable, enabled: bool = True) -> Schedule:
    """Set when a deployment runs by itself; what holds beside the timetable stays as it is."""
    schedule = Schedule.objects.filter(deployment=deployment).first()
    kept = plan_of(schedule) if schedule else Plan(timetable)
    return set_plan(
        deployment=deployment,
        plan=Plan(timetable, kept.misfire, kept.catch_up_most, kept.blackout),
        enabled=enabled,
    )


def set_plan(*, deployment: Deployment, plan: Plan, enabled: bool = True) -> Schedule:
    """Set timetable, blackout windows and misfire policy; the next due time is counted from now. Raises Invalid."""
    _refuse_unusable(plan)
    table = plan.table
    following = next_start(plan, database_now()) if enabled else None
    if enabled and following is None:
        raise _invalid("blackout", "The windows leave no due time within five years. Make them shorter.")
    values = {
        "kind": table.kind,
        "cron": table.cron if table.kind is ScheduleKind.CRON else "",
        "every_seconds": table.every_seconds if table.kind is ScheduleKind.INTERVAL else None,
        "time_zone": table.time_zone,
        "enabled": enabled,
        "misfire": plan.misfire,
        "catch_up_most": plan.catch_up_most,
        "blackout": plan.blackout.to_json() if plan.blackout.windows else None,
        "next_due_at": following,
        "waits_since": None,
    }
    with transaction.atomic():
        schedule, _ = Schedule.objects.update_or_create(deployment=deployment, defaults=values)
        _tell(deployment, "schedule.set", after=_audited(schedule))
    return schedule


def remove_schedule(*, deployment: Deployment) -> None:
    """Take the schedule away; the deployment then runs only when asked to."""
    with transaction.atomic():
        if Schedule.objects.filter(deployment=deployment).delete()[0]:
            _tell(deployment, "schedule.removed")


def count_anew(deployment: Deployment) -> None:
    """Forget the due times of a deployment that was switched off: none of them was missed."""
    schedule = Schedule.objects.filter(deployment=deployment, enabled=True).first()
    if schedule is not None:
        following = next_start(plan_of(schedule), database_now())
        Schedule.objects.filter(pk=schedule.pk).update(next_due_at=following, waits_since=None)


def timetable_of(schedule: Schedule) -> Timetable:
    """The row's timetable as the domain sees it."""
    return Timetable(ScheduleKind(schedule.kind), schedule.cron, schedule.every_seconds or 0, schedule.time_zone)


def plan_of(schedule: Schedule) -> Plan:
    """The row as the domain sees it."""
    blackout = blackout_of(schedule.blackout) if schedule.blackout else Blackout(time_zone=schedule.time_zone)
    return Plan(timetable_of(schedule), Misfire(schedule.misfire), schedule.catch_up_most, blackout)


def _refuse_unusable(plan: Plan) -> None:
    if problem := problem_of(plan.table):
        raise _invalid(*problem)
    if not 1 <= plan.catch_up_most <= MOST_CATCH_UP:
        raise _invalid("catch_up_most", f"1 to {MOST_CATCH_UP:,} due times may be caught up.")


def _invalid(field: str, why: str) -> Invalid:
    return Invalid(INPUT_INVALID, "The schedule cannot be used.", fields={field: why})


def _audited(schedule: Schedule) -> dict[str, object]:
    return {
        "schedule": str(schedule),
        "time_zone": schedule.time_zone,
        "enabled": schedule.enabled,
        "misfire": str(schedule.misfire),
        "catch_up_most": schedule.catch_up_most,
        "blackout": schedule.blackout,
    }


def _tell(deployment: Deployment, action: str, *, after: dict[str, object] | None = None) -> None:
    audit.record(workspace=deployment.workspace, action=action, object=deployment, after=after)
    events.append(workspace=deployment.workspace, topic="integration", object_id=deployment.integration_id, kind=action)
