"""The gate before a connector's calls: keeps the budget, the slots and the circuit breaker that it shares with others.

In front of the database stands what this gate knows by itself: tokens that it took ahead, and that the host was well
when it looked last. A call that both allow costs no query. As soon as a failure is known, each call asks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from uuid import UUID

import structlog
from django.db.utils import DatabaseError

from accounts.errors import SignalboxError
from integrations.connectors.gate import OPEN_GATE, Gate, Leave
from integrations.domain.policy import EffectivePolicy
from integrations.errors import (
    ADDRESS_BLOCKED,
    ADDRESS_INVALID,
    HOST_NOT_FOUND,
    RATE_LIMITED,
    SLOTS_TAKEN,
    TLS_FAILED,
    NotYet,
    RetryLater,
)
from integrations.models import Connector, Run
from integrations.services import budgets
from integrations.services.budgets import Holder, InLine
from integrations.services.gate_desk import Caller, Desk
from integrations.services.gate_look import look
from integrations.services.gate_purse import Purse, PurseRules
from integrations.services.gate_watch import Watch
from integrations.services.shared_limits import (
    AT_ONCE,
    Allowed,
    allowed_at,
    breaker_rule_of,
    longest_call_seconds,
    place_of,
)

log = structlog.get_logger(__name__)
SLOT_PATIENCE_SECONDS = 1.0
SLOT_POLL_SECONDS = 0.1
SLOT_AGAIN_SECONDS = 5.0
# Errors that tell nothing of the host: the call was not sent, or a person must correct something here.
_NOT_SENT = frozenset({ADDRESS_BLOCKED, ADDRESS_INVALID, HOST_NOT_FOUND, TLS_FAILED})


def open_gate(
    connector: Connector,
    policy: EffectivePolicy,
    *,
    run: Run | None,
    scope_id: UUID,
    sleep: Callable[[float], None] = time.sleep,
) -> Gate:
    """The gate of a connector; one query where no budget is set and the host is well, none where it calls no host."""
    place = place_of(connector)
    if not place.has_budget:
        return OPEN_GATE
    seen = look(place)
    allowed = allowed_at(place) if seen.has_budgets else Allowed()
    holder = Holder(run.pk, run.fence) if run else Holder()
    desk = Desk(place, Caller(connector.name, connector.pk, scope_id, holder), sleep=sleep)
    rules = PurseRules(
        rate=allowed.rate,
        first_hold_seconds=max(1.0, float(policy.value("retry.first_delay_seconds"))),
        longest_hold_seconds=float(policy.value("retry.longest_retry_after_seconds")),
    )
    purse = Purse(desk, rules)
    watch = Watch(desk, breaker_rule_of(policy), longest_call_seconds(policy), tell_look=purse.note_look)
    watch.note_look(seen)
    return DatabaseGate(desk, purse, watch, at_once=allowed.at_once.value)


class DatabaseGate:
    """`connectors.gate.Gate` over the rows of budgets, slots and breakers. Threads may share it."""

    def __init__(self, desk: Desk, purse: Purse, watch: Watch, *, at_once: int) -> None:
        self._desk, self._purse, self._watch, self._at_once = desk, purse, watch, at_once
        self._refusal: NotYet | None = None

    def enter(self) -> Leave:
        """Take a slot, after a short wait where this caller is the next."""
        if not self._at_once:
            return _nothing
        ends_at = time.monotonic() + SLOT_PATIENCE_SECONDS
        while isinstance(answer := self._desk.do(self._ask_for_slot), InLine):
            if answer.before or time.monotonic() > ends_at:
                message = f"{answer.working} of {self._at_once} slots of {self._desk.caller.connector} are taken."
                raise self._desk.refuse(SLOTS_TAKEN, message, SLOT_AGAIN_SECONDS, AT_ONCE)
            self._desk.sleep(SLOT_POLL_SECONDS)
        return self._leave_once(answer)

    def admit(self, *, cost: int = 1) -> None:
        """Let a call go out, or raise NotYet. A wait for a token or for the end of a pause may happen here."""
        self._refusal = None
        self._watch.pass_(may_probe=False)
        waited = self._purse.pass_hold() + (self._purse.spend() if cost else 0.0)
        if waited or not self._watch.is_well:
            self._watch.pass_(may_probe=True)

    def report(self, error: SignalboxError | None) -> None:
        """Count how the call ended; what the database cannot take is told to the log, since the call has happened."""
        if error is not None:
            # So that a run knows whose policy says how it is tried again.
            error.detail.setdefault("connector", str(self._desk.caller.connector_id))
        try:
            self._refusal = self._note_end(error)
        except DatabaseError as problem:
            log.warning("call_not_counted", host=self._desk.place.host, reason=str(problem))

    def refusal(self) -> NotYet | None:
        """Why the next call would wait for long, as the last report left it."""
        return self._refusal

    def _note_end(self, error: SignalboxError | None) -> NotYet | None:
        if not isinstance(error, RetryLater):
            says_nothing = error is not None and error.code in _NOT_SENT
            return None if says_nothing else self._watch.note_end(None)
        is_busy = error.code == RATE_LIMITED
        held = self._purse.hold(error) if is_busy or error.retry_after_seconds is not None else None
        return self._watch.note_end(None if is_busy else error) or held

    def _ask_for_slot(self) -> UUID | InLine:
        return budgets.enter(self._desk.place, self._at_once, self._desk.caller.holder)

    def _leave_once(self, slot_id: UUID) -> Leave:
        left = threading.Event()

        def leave() -> None:
            if left.is_set():
                return
            left.set()
            try:
                self._desk.do(lambda: budgets.leave(slot_id))
            except DatabaseError as problem:  # the slot ends with the claim of its run
                log.warning("slot_not_returned", slot=str(slot_id), reason=str(problem))

        return leave


def _nothing() -> None:
    """There is no slot to give back."""
