"""What the parts of a gate share: where its calls go, who calls, a way to the database, and how a refusal is made."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from integrations.errors import NotYet
from integrations.services.budgets import Holder
from integrations.services.clerk import CLERK
from integrations.services.policy_actions import note_action
from integrations.services.shared_limits import Place

T = TypeVar("T")
# A longer wait is handed back, so that the worker does something else.
PATIENCE_SECONDS = 5.0
_NOTE_SECONDS = 10.0


@dataclass(frozen=True)
class Caller:
    """Who calls: the connector, the run under its claim where there is one, and whose policy acts (`scope_id`)."""

    connector: str
    connector_id: UUID
    scope_id: UUID
    holder: Holder


class Desk:
    """Belongs to the thread that made it: others reach the database by the clerk."""

    def __init__(
        self,
        place: Place,
        caller: Caller,
        *,
        sleep: Callable[[float], None] = time.sleep,
        randomness: Callable[[], float] = random.random,
    ) -> None:
        self.place, self.caller, self.sleep = place, caller, sleep
        self._randomness = randomness
        self._owner = threading.get_ident()

    def do(self, work: Callable[[], T]) -> T:
        """Work on this thread's own connection where it has one, else on the clerk's."""
        return work() if threading.get_ident() == self._owner else CLERK.do(work)

    def refuse(self, code: str, message: str, seconds: float, rule: str) -> NotYet:
        """The error that says when to come again: not all at once, for those who wait for the same thing."""
        self.note(rule, f"kept a call back for {seconds:.0f} s: {message}")
        later = seconds * (1 + 0.1 * self._randomness()) + 0.05
        return NotYet(code, message, retry_after_seconds=later, rule=rule, connector=str(self.caller.connector_id))

    def note(self, rule: str, what: str) -> None:
        """Write down that a rule acted."""
        caller = self.caller
        self.do(
            lambda: note_action(
                workspace_id=self.place.workspace_id,
                rule=rule,
                scope_id=caller.scope_id,
                what=what,
                run_id=caller.holder.run_id,
                every_seconds=_NOTE_SECONDS,
            )
        )
