"""Runs that shared limits keep back: they wait and lose no attempt, as long as a whole run may take, and are woken."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from integrations.domain.lifecycle import RunState
from integrations.errors import (
    BREAKER_OPEN,
    BUDGET_SPENT,
    RATE_LIMITED,
    SLOTS_TAKEN,
    TIMED_OUT,
    NeedsPerson,
    NotYet,
    RetryLater,
)
from integrations.hints import hint
from integrations.models import Connector, Run
from integrations.services import claims
from integrations.services.claims import Claim
from integrations.services.runs import tell

WAITING_CODES = (BREAKER_OPEN, BUDGET_SPENT, RATE_LIMITED, SLOTS_TAKEN)
WOKEN_AT_MOST = 200
# Where the other system asks to slow down and does not say for how long.
UNNAMED_SECONDS = 5.0


def loses_no_attempt(error: RetryLater) -> bool:
    """Whether a run waits for this rather than try it again: its own limits, or the other system asks to slow down."""
    return isinstance(error, NotYet) or error.code == RATE_LIMITED


def wait_or_fail(run: Run, claim: Claim, error: RetryLater, *, longest_seconds: float, run_seconds: float) -> RunState:
    """Let the run wait as long as the error says, up to the longest; it fails once it has taken longer than it may."""
    overdue = Run.objects.filter(pk=run.pk, started_at__lt=Now() - timedelta(seconds=run_seconds))
    if overdue.exists():
        claims.fail_run(
            claim,
            NeedsPerson(
                TIMED_OUT,
                f"The run has waited until it took longer than {run_seconds:.0f} s: {error.message}",
                what_to_do=error.what_to_do,
                rule="timeout.run_seconds",
            ),
        )
        return RunState.FAILED
    delay = error.retry_after_seconds if error.retry_after_seconds is not None else UNNAMED_SECONDS
    _wait(run, claim, error, min(delay, longest_seconds) if error.code == RATE_LIMITED else delay)
    return RunState.QUEUED


def wake(connectors: Iterable[Connector], codes: Collection[str] = WAITING_CODES) -> None:
    """Make runs that wait for these connectors due now, in the caller's transaction."""
    wanted = list(connectors)
    ends = Q(version__source__in=wanted) | Q(version__destination__in=wanted)
    waiting = Run.objects.filter(ends, state=RunState.QUEUED, error_code__in=codes, next_attempt_at__gt=Now())
    ids = list(waiting.order_by("next_attempt_at").values_list("pk", flat=True)[:WOKEN_AT_MOST])
    Run.objects.filter(pk__in=ids, state=RunState.QUEUED).update(next_attempt_at=Now(), hinted_at=None)

    def hint_all() -> None:
        for run_id in ids:
            hint(run_id)

    transaction.on_commit(hint_all)


def _wait(run: Run, claim: Claim, error: RetryLater, delay_seconds: float) -> None:
    rule = str(error.detail.get("rule", ""))
    with transaction.atomic():
        claims.guarded(
            claim,
            state=RunState.QUEUED,
            lease_until=None,
            claims_without_progress=0,
            next_attempt_at=Now() + timedelta(seconds=delay_seconds),
            waits_for=rule[:40],
            error_code=error.code,
            error_message=error.message,
            error_what_to_do=error.what_to_do,
        )
        tell(
            run,
            "run.waiting",
            f"{error.message} It goes on in {delay_seconds:.0f} s; no attempt is used up.",
            level="warning",
            data={"code": error.code, "delay_seconds": delay_seconds},
        )
