"""Decides, after a claim, how carefully a run goes on where workers died before."""

from __future__ import annotations

from django.db import transaction

from integrations.domain.isolation import Isolation, after_claim
from integrations.domain.words import counted
from integrations.errors import WORKER_DIED, NeedsPerson
from integrations.models import Run
from integrations.services.claims import Claim, guarded
from integrations.services.runs import tell


def isolate(run: Run, claim: Claim, batch_records: int) -> Isolation:
    """Store and return how careful this slice is. Raises NeedsPerson where no record can be found to blame."""
    deaths = run.claims_without_progress - 1
    before = Isolation.from_json(run.isolation)
    state = after_claim(before, deaths=deaths, batch_records=batch_records, read=run.read)
    if state.is_hopeless:
        raise NeedsPerson(WORKER_DIED, f"{deaths} workers died on this run, one after the other. {_why(state)}")
    if state != before:
        run.isolation = state.to_json()
        with transaction.atomic():
            guarded(claim, isolation=run.isolation)
            if deaths:
                tell(run, "run.isolating", _what(state, deaths), level="warning", data={"records": state.records})
    return state


def _why(state: Isolation) -> str:
    if state.blind:
        return (
            "They died before they had a batch in hand, while reading from the source, so no record can be set aside."
        )
    return (
        f"The source gives {counted(state.held_records, 'record')} at once, so the one that ends them cannot be found."
    )


def _what(state: Isolation, deaths: int) -> str:
    if state.condemned:
        return "Workers died with one record in hand; it is set aside."
    return f"{counted(deaths, 'worker')} died here; batches of {counted(state.records, 'record')}, one after the other."
