"""The tick that starts what is due, on the database's clock; any number of schedulers may tick."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfoNotFoundError

import structlog
from cronsim import CronSimError
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now

from accounts.errors import Conflict
from accounts.request_context import Actor, acting_as
from integrations import events
from integrations.domain.blackout import BlackoutFormatError
from integrations.domain.lifecycle import ACTIVE_STATES, Trigger
from integrations.domain.misfire import Decision, Misfire, decide
from integrations.models import Run, Schedule
from integrations.services.clock import database_now
from integrations.services.maintenance import hold_back
from integrations.services.policy_ends import POLICIES
from integrations.services.runs import start_run
from integrations.services.schedules import plan_of

log = structlog.get_logger(__name__)
DUE_AT_MOST = 100


def tick() -> int:
    """Act on every schedule whose time has come, and return how many runs were started.

    A schedule moves by compare-and-set on its due time, in the transaction that starts the run, and a run carries that
    time under a unique constraint: however many schedulers tick, however they die, each due time starts at most one
    run, and none is passed over without an event.
    """
    now = database_now()
    started = 0
    for schedule in _due(now)[:DUE_AT_MOST]:
        with acting_as(Actor(system="scheduler")):
            try:
                started += _act(schedule, now)
            except (CronSimError, StopIteration, ZoneInfoNotFoundError, BlackoutFormatError):
                # Checked when it was set; a machine without this time zone must not keep the other schedules waiting.
                log.exception("schedule_not_read", schedule=str(schedule.pk))
    return started


def _due(now: datetime) -> QuerySet[Schedule]:
    active = Run.objects.filter(deployment=OuterRef("deployment"), parent=None, state__in=ACTIVE_STATES)
    rows = Schedule.objects.filter(enabled=True, deployment__enabled=True, next_due_at__lte=now)
    rows = rows.filter(deployment__is_approved=True)
    # Those that wait for a run to end would otherwise be the first of every tick, and soon the only ones.
    rows = rows.annotate(is_busy=Exists(active)).exclude(waits_since__isnull=False, is_busy=True)
    policies = [f"deployment__{name}" for name in POLICIES]
    return rows.select_related(*policies, "deployment__workspace").order_by("next_due_at")


def _act(schedule: Schedule, now: datetime) -> bool:
    due_at = schedule.next_due_at
    assert due_at is not None  # noqa: S101 - the query asked for it; tells the type checker
    if hold_back(schedule, now):
        return False
    decision = decide(plan_of(schedule), due_at, now, is_busy=bool(getattr(schedule, "is_busy", False)))
    try:
        with transaction.atomic():
            if not _move(schedule, due_at, decision):
                return False
            _say(schedule, decision)
            if decision.start is None or _has_run(schedule, decision.start):
                return False
            start_run(deployment=schedule.deployment, trigger=Trigger.SCHEDULE, due_at=decision.start)
    except Conflict as error:
        # Another run began since the rows were read, or the schedule was switched off: the next tick sees it.
        log.info("schedule_not_started", integration=schedule.deployment.integration.name, reason=error.message)
        return False
    return True


def _move(schedule: Schedule, due_at: datetime, decision: Decision) -> bool:
    """Take the due time, if nobody else did; what begins to wait is taken once, too."""
    row = Schedule.objects.filter(pk=schedule.pk, next_due_at=due_at, misfire=schedule.misfire, enabled=True)
    if decision.waits:
        return bool(row.filter(waits_since=None).update(next_due_at=decision.following, waits_since=Now()))
    return bool(row.update(next_due_at=decision.following, waits_since=None))


def _has_run(schedule: Schedule, due_at: datetime) -> bool:
    """Say whether this time was started before, by a schedule that was set anew since."""
    return Run.objects.filter(deployment=schedule.deployment_id, due_at=due_at).exists()


def _say(schedule: Schedule, decision: Decision) -> None:
    if decision.left_out:
        left = decision.left_out
        count = f"{'at least ' if left.is_more else ''}{left.count:,}"
        times = f"{count} due {'time' if count == '1' else 'times'}, {left.first:%Y-%m-%d %H:%M:%S}"
        times += f" to {left.last:%Y-%m-%d %H:%M:%S} UTC" if left.count > 1 else " UTC"
        kind = "schedule.bounded" if decision.is_bounded else "schedule.left_out"
        data = {"first": left.first.isoformat(), "last": left.last.isoformat(), "count": left.count}
        _append(schedule, kind, f"Left out {times}: {_why(schedule, decision)}", "warning", data)
    if decision.waits:
        _append(schedule, "schedule.waits", "A due time waits until the active run has ended.", "info", {})
    if decision.following is None:
        _append(schedule, "schedule.never_due", "The blackout windows leave no further due time.", "warning", {})


def _why(schedule: Schedule, decision: Decision) -> str:
    if decision.is_bounded:
        return f"at most {schedule.catch_up_most:,} are caught up."
    if schedule.misfire == Misfire.ONE:
        return "one run catches up for all of them."
    busy = "a run was active" if getattr(schedule, "is_busy", False) else "they were missed"
    return f"{busy}, and the schedule skips such times."


def _append(schedule: Schedule, kind: str, message: str, level: str, data: dict[str, object]) -> None:
    deployment = schedule.deployment
    events.append(
        workspace=deployment.workspace,
        topic="integration",
        object_id=deployment.integration_id,
        kind=kind,
        message=message,
        level=level,
        data=data,
    )
