"""Looks at all that a place shares, in one query: whether there are budgets, a pause, and a circuit breaker."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import DateTimeField, Exists, OuterRef, Subquery
from django.db.models.functions import Now

from accounts.models import Workspace
from integrations.domain.circuit_breaker import Breaker as Decided
from integrations.models import Breaker, Budget, Policy
from integrations.services.breakers import decided
from integrations.services.moments import seconds_of
from integrations.services.shared_limits import AT_ONCE, RATE, Place

_COLUMNS = ("state", "since", "parts", "probe_at", "open_seconds", "reason")


@dataclass(frozen=True)
class Look:
    """What was seen at `now`, by the database's clock. `has_budgets` says that a policy of the workspace sets one."""

    now: float
    has_budgets: bool
    held_seconds: float
    hold_reason: str
    breaker: Decided
    breaker_reason: str


def look(place: Place) -> Look:
    """See how things stand at a place."""
    budgets = Budget.objects.filter(**place.budget_key, held_until__gt=Now())
    breakers = Breaker.objects.filter(workspace=place.workspace_id, host=place.host)
    row = (
        Workspace.objects.filter(pk=place.workspace_id)
        .annotate(
            now=Now(output_field=DateTimeField()),
            has_budgets=Exists(Policy.objects.filter(workspace=OuterRef("pk"), rules__has_any_keys=[RATE, AT_ONCE])),
            held_until=Subquery(budgets.values("held_until")[:1]),
            hold_reason=Subquery(budgets.values("hold_reason")[:1]),
            **{f"breaker_{name}": Subquery(breakers.values(name)[:1]) for name in _COLUMNS},
        )
        .values("now", "has_budgets", "held_until", "hold_reason", *(f"breaker_{name}" for name in _COLUMNS))
        .get()
    )
    now = seconds_of(row["now"])
    known = {name: row[f"breaker_{name}"] for name in _COLUMNS}
    return Look(
        now=now,
        has_budgets=row["has_budgets"],
        held_seconds=max(0.0, seconds_of(row["held_until"]) - now) if row["held_until"] else 0.0,
        hold_reason=row["hold_reason"] or "",
        breaker=decided(Breaker(**known)) if known["state"] else Decided(),
        breaker_reason=known["reason"] or "",
    )
