"""Circuit breakers: who may call a host that failed, what the calls' ends change, and what a hand changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from accounts import audit
from accounts.errors import STATE_CONFLICT, Conflict, SignalboxError
from integrations import events
from integrations.domain import circuit_breaker
from integrations.domain.circuit_breaker import Breaker as Decided
from integrations.domain.circuit_breaker import BreakerRule, BreakerState, Calls, Part, Pass, Wait
from integrations.errors import BREAKER_OPEN
from integrations.models import Breaker, Connector
from integrations.services.moments import moment_of, seconds_of
from integrations.services.shared_limits import Place, connectors_at, place_of
from integrations.services.waiting import wake

FAILURES_KEPT = 5


@dataclass(frozen=True)
class Ended:
    """Calls that ended; `failure` is the error of one that failed; `was_probe` where the last was the probe."""

    calls: tuple[Calls, ...]
    failure: SignalboxError | None = None
    was_probe: bool = False


def decided(row: Breaker) -> Decided:
    """The row as plain values."""
    return Decided(
        state=BreakerState(row.state),
        since=seconds_of(row.since),
        parts=tuple(Part(*part) for part in row.parts),
        probe_at=None if row.probe_at is None else seconds_of(row.probe_at),
        open_seconds=row.open_seconds,
    )


def ask(place: Place, rule: BreakerRule, *, probe_seconds: float, run_id: UUID | None) -> Pass | Wait:
    """Whether a call may go out now, for a breaker that is not closed; a probe is noted, so that it is the only one."""
    with transaction.atomic():
        row, now = _locked(place.workspace_id, place.host)
        before = decided(row)
        answer = circuit_breaker.admit(before, rule, now=now, probe_seconds=probe_seconds)
        if isinstance(answer, Pass) and answer.is_probe:
            _store(row, answer.breaker, probe_run_id=run_id)
            if before.state is not answer.breaker.state:
                _tell(row, "breaker.probing", f"A call probes whether {row.host} works again.")
        return answer


def count(place: Place, rule: BreakerRule, ended: Ended) -> Decided:
    """Count calls that ended, and return what the breaker is then."""
    with transaction.atomic():
        row, now = _locked(place.workspace_id, place.host)
        before = decided(row)
        after = circuit_breaker.count(before, rule, ended.calls, now=now, is_probe=ended.was_probe)
        failures = row.last_failures
        if ended.failure is not None:
            latest = {"at": moment_of(now).isoformat(), "code": ended.failure.code, "message": _short(ended.failure)}
            failures = [latest, *failures][:FAILURES_KEPT]
        if after == before and failures == row.last_failures:
            return after
        reason = row.reason
        if after.state is BreakerState.OPEN and before.state is BreakerState.CLOSED:
            calls, failed = circuit_breaker.totals(after, rule, now)
            reason = f"{failed:,} of {calls:,} calls failed within {rule.window_seconds:g} s."
        _store(row, after, last_failures=failures, reason="" if after.state is BreakerState.CLOSED else reason)
        _tell_change(row, before, after)
        if before.state is not after.state and after.state is BreakerState.CLOSED:
            wake(connectors_at(row.workspace_id, row.host), {BREAKER_OPEN})
        return after


def trip(*, connector: Connector) -> Breaker:
    """Open the breaker of a connector's host by hand: no call goes out until a hand closes it."""
    host = place_of(connector).host
    if not host:
        raise Conflict(
            STATE_CONFLICT, f"“{connector.name}” calls no host.", what_to_do="There is nothing to keep back."
        )
    with transaction.atomic():
        row, now = _locked(connector.workspace_id, host)
        before = decided(row)
        if before.is_by_hand:
            raise Conflict(STATE_CONFLICT, f"The breaker of {host} is open by hand already.", what_to_do="Reset it.")
        _store(row, circuit_breaker.trip(before, now=now), reason="Opened by hand.", probe_run_id=None)
        _tell(row, "breaker.tripped", f"The breaker of {host} was opened by hand; runs wait.", level="warning")
        _record(row, "breaker.tripped", before)
    return row


def reset(*, breaker: Breaker) -> Breaker:
    """Close a breaker by hand: calls go out, and are counted anew."""
    with transaction.atomic():
        row, now = _locked(breaker.workspace_id, breaker.host)
        before = decided(row)
        if before.state is BreakerState.CLOSED:
            raise Conflict(STATE_CONFLICT, f"The breaker of {row.host} is closed.", what_to_do="Nothing is left to do.")
        _store(row, circuit_breaker.reset(now=now), reason="", probe_run_id=None)
        _tell(row, "breaker.reset", f"The breaker of {row.host} was closed by hand.")
        wake(connectors_at(row.workspace_id, row.host), {BREAKER_OPEN})
        _record(row, "breaker.reset", before)
    return row


def _locked(workspace_id: UUID, host: str) -> tuple[Breaker, float]:
    """The breaker's row, locked until the transaction ends, and the time; made where there is none yet."""
    rows = Breaker.objects.select_for_update(of=("self",)).filter(workspace=workspace_id, host=host).annotate(now=Now())
    row = rows.first()
    if row is None:
        try:
            with transaction.atomic():
                Breaker.objects.create(workspace_id=workspace_id, host=host)
        except IntegrityError:
            pass  # another process made it at the same moment, which is all that is wanted
        row = rows.get()
    return row, seconds_of(row.now)


# Any: the columns' own types.
def _store(row: Breaker, breaker: Decided, **columns: Any) -> None:
    row.state, row.open_seconds = breaker.state, breaker.open_seconds
    row.parts = [[part.at, part.calls, part.failures] for part in breaker.parts]
    row.probe_at = None if breaker.probe_at is None else moment_of(breaker.probe_at)
    row.since = moment_of(breaker.since) if breaker.since else row.since
    for name, value in columns.items():
        setattr(row, name, value)
    names = {name.removesuffix("_id") for name in columns}
    row.save(update_fields=["state", "open_seconds", "parts", "probe_at", "since", *names])


def _tell_change(row: Breaker, before: Decided, after: Decided) -> None:
    if before.state is after.state:
        return
    if after.state is BreakerState.CLOSED:
        _tell(row, "breaker.closed", f"{row.host} works again; calls go out.")
    elif before.state is BreakerState.HALF_OPEN:
        _tell(row, "breaker.opened", f"The probe of {row.host} failed.", level="error")
    else:
        _tell(row, "breaker.opened", f"Calls to {row.host} are kept back: {row.reason}", level="error")


def _tell(row: Breaker, kind: str, message: str, *, level: str = "info") -> None:
    """One event for each connector that calls the host, so that its history and its page have it."""
    for connector in connectors_at(row.workspace_id, row.host):
        events.append(
            workspace=row.workspace_id,
            topic="connector",
            object_id=connector.pk,
            kind=kind,
            message=message,
            level=level,
            data={"breaker": str(row.pk), "state": str(row.state)},
        )


def _record(row: Breaker, action: str, before: Decided) -> None:
    audit.record(
        workspace=row.workspace,
        action=action,
        object=row,
        before={"state": before.state},
        after={"state": row.state, "host": row.host},
    )


def _short(error: SignalboxError) -> str:
    return error.message[:300]
