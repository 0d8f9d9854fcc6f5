"""Takes from the budgets that integrations share; each change locks the budget's row for a moment, on its clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from accounts import audit
from integrations import events
from integrations.domain import rate_limit
from integrations.domain.lifecycle import RunState
from integrations.domain.rate_limit import Granted, Hold, Rate, Refused, hold_after, may_enter
from integrations.errors import RATE_LIMITED, SLOTS_TAKEN, SLOTS_TOO_FEW, NeedsPerson
from integrations.hints import hint
from integrations.models import Budget, BudgetSlot, Run
from integrations.services.moments import moment_of, seconds_of
from integrations.services.shared_limits import Place, sharing
from integrations.services.waiting import wake

# A run's place in the line is kept for so long after it was asked for last.
LINE_SECONDS = 60
# Whoever works without a run (a test, a preview) gives its place back by itself after so long.
AWAITED_SLOT_SECONDS = 60
# Shorter pauses are no news.
NEWS_SECONDS = 5.0


@dataclass(frozen=True)
class Holder:
    """Who asks: a run under its claim, or (None) the work that a person waits for."""

    run_id: UUID | None = None
    fence: int = 0


@dataclass(frozen=True)
class Held:
    """The other system asked for a pause, which goes on for so long."""

    seconds: float
    reason: str


@dataclass(frozen=True)
class InLine:
    """No slot is free; so many stand before the caller, and so many work."""

    before: int
    working: int


def take(place: Place, rate: Rate, *, wanted: int, patience_seconds: float) -> Granted | Refused | Held:
    """Take up to `wanted` tokens, or one to wait for; none while a pause holds."""
    with transaction.atomic():
        budget, now = _locked(place)
        held = seconds_of(budget.held_until) - now
        if held > 0:
            return Held(held, budget.hold_reason)
        spent_until = seconds_of(budget.spent_until)
        taken = rate_limit.take(
            rate, now=now, spent_until=spent_until, wanted=wanted, patience_seconds=patience_seconds
        )
        if isinstance(taken, Granted):
            Budget.objects.filter(pk=budget.pk).update(spent_until=moment_of(taken.spent_until))
        return taken


def hold(
    place: Place, *, asked_seconds: float | None, first_seconds: float, longest_seconds: float, reason: str
) -> float:
    """Make all that share the budget wait, as the other system asked; return for how many seconds from now."""
    with transaction.atomic():
        budget, now = _locked(place)
        before = Hold(seconds_of(budget.held_until), budget.hold_seconds, budget.refusals)
        after = hold_after(
            before, now=now, asked_seconds=asked_seconds, first_seconds=first_seconds, longest_seconds=longest_seconds
        )
        if after != before:
            Budget.objects.filter(pk=budget.pk).update(
                held_until=moment_of(after.until),
                hold_seconds=after.seconds,
                refusals=after.refusals,
                hold_reason=reason[:500],
            )
        if after.until - now >= NEWS_SECONDS and after.until > before.until + 1:
            _tell(place, "budget.held", f"{reason} All that share it wait {after.until - now:.0f} s.", level="warning")
        return max(0.0, after.until - now)


def release(*, budget: Budget) -> Budget:
    """End a pause by hand: the next calls go out."""
    place = Place(budget.workspace_id, budget.credential_id, budget.host)
    with transaction.atomic():
        locked, now = _locked(place)
        left = max(0.0, seconds_of(locked.held_until) - now)
        Budget.objects.filter(pk=locked.pk).update(held_until=None, hold_seconds=0, refusals=0, hold_reason="")
        _tell(place, "budget.released", "Somebody ended the pause that the other system had asked for.")
        wake(sharing(place), {RATE_LIMITED})
        audit.record(
            workspace=budget.workspace, action="budget.released", object=budget, before={"seconds_left": round(left)}
        )
    budget.refresh_from_db()
    return budget


def enter(place: Place, allowed: int, holder: Holder) -> UUID | InLine:
    """Take a slot, or a place in the line. Raises NeedsPerson where the run itself holds all the slots there are."""
    with transaction.atomic():
        budget, now = _locked(place)
        alive = list(BudgetSlot.objects.filter(budget=budget).live())
        BudgetSlot.objects.filter(budget=budget).exclude(pk__in=[slot.pk for slot in alive]).delete()
        working = [slot for slot in alive if not slot.is_waiting]
        own = sum(1 for slot in working if holder.run_id and slot.run_id == holder.run_id)
        if own >= allowed > 0:
            raise NeedsPerson(
                SLOTS_TOO_FEW, f"The run needs session {own + 1} with {budget}, and {allowed} may be open."
            )
        line = [slot for slot in alive if slot.is_waiting]
        place_in_line = next((n for n, slot in enumerate(line) if slot.run_id == holder.run_id), len(line))
        # Who works already goes before those who wait to begin, or two of them would keep each other from ending.
        before = 0 if own else place_in_line
        if may_enter(allowed=allowed, held=len(working), waiting_before=before):
            return _taken(budget, holder, moment_of(now))
        _stand_in_line(budget, holder, moment_of(now))
        return InLine(before, len(working))


def leave(slot_id: UUID) -> None:
    """Give a slot back, and wake the run that stands first in the line."""
    with transaction.atomic():
        budget_id = BudgetSlot.objects.filter(pk=slot_id).values_list("budget_id", flat=True).first()
        if budget_id is None:
            return
        BudgetSlot.objects.filter(pk=slot_id).delete()
        first = BudgetSlot.objects.filter(budget=budget_id, is_waiting=True).live().first()
        if first is None or first.run_id is None:
            return
        run_id = first.run_id
        # What it waits for may have changed since it stood in line: a backoff is not cut short.
        waits = Run.objects.filter(pk=run_id, state=RunState.QUEUED, error_code=SLOTS_TAKEN)
        if waits.update(next_attempt_at=Now()):
            transaction.on_commit(lambda: hint(run_id))


def _taken(budget: Budget, holder: Holder, now: datetime) -> UUID:
    expires_at = None if holder.run_id else now + timedelta(seconds=AWAITED_SLOT_SECONDS)
    BudgetSlot.objects.filter(budget=budget, is_waiting=True, run=holder.run_id).delete()
    slot = BudgetSlot.objects.create(budget=budget, run_id=holder.run_id, fence=holder.fence, expires_at=expires_at)
    return slot.pk


def _stand_in_line(budget: Budget, holder: Holder, now: datetime) -> None:
    """A run keeps its place while it comes back in time; who waits for an answer asks again by himself."""
    if holder.run_id is None:
        return
    until = now + timedelta(seconds=LINE_SECONDS)
    if not BudgetSlot.objects.filter(budget=budget, is_waiting=True, run=holder.run_id).update(expires_at=until):
        BudgetSlot.objects.create(budget=budget, run_id=holder.run_id, is_waiting=True, expires_at=until)


def _locked(place: Place) -> tuple[Budget, float]:
    """The budget's row, locked until the transaction ends, and the time; made where there is none yet."""
    rows = Budget.objects.select_for_update(of=("self",)).filter(**place.budget_key).annotate(now=Now())
    budget = rows.first()
    if budget is None:
        try:
            with transaction.atomic():
                Budget.objects.create(**place.budget_key)
        except IntegrityError:
            pass  # another process made it at the same moment, which is all that is wanted
        budget = rows.get()
    return budget, seconds_of(budget.now)


def _tell(place: Place, kind: str, message: str, *, level: str = "info") -> None:
    for connector in sharing(place):
        events.append(
            workspace=place.workspace_id,
            topic="connector",
            object_id=connector.pk,
            kind=kind,
            message=message,
            level=level,
        )
