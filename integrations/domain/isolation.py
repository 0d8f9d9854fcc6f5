"""How carefully a run goes on where workers died: batch by smaller batch, until one record is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

# So many claims in a row end without progress before a slice works carefully.
CAREFUL_AFTER_DEATHS = 3
# So many workers die with the same single record in hand before it is set aside: one may have died of something else.
CRASHES_OF_A_RECORD = 3
# So many careful workers die before they have a batch in hand until the source is blamed.
DEATHS_WHILE_READING = 7
_READING_CUT = 16


@dataclass(frozen=True)
class Isolation:
    """Where a run stands in the search for the record that kills its workers.

    `records` bounds a batch (0: as the policy says), and `until` is the run's count of read records at which the
    suspected ones are passed. `held` is the digest of the batch in a worker's hand, `held_records` its size; `suspect`
    is the single record that `crashes` workers died with, one after the other; `blind` counts those that died before
    they had a batch.
    """

    records: int = 0
    until: int = 0
    held: str = ""
    held_records: int = 0
    suspect: str = ""
    crashes: int = 0
    blind: int = 0

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> Isolation:
        """What a run's row holds; nothing there means nothing is suspected."""
        return cls(**stored) if stored else cls()

    def to_json(self) -> dict[str, Any] | None:
        """For the run's row."""
        return asdict(self) if self.is_careful else None

    @property
    def is_careful(self) -> bool:
        return self.records > 0

    @property
    def condemned(self) -> str:
        """The digest of the single record that is set aside unseen, or nothing."""
        return self.suspect if self.crashes >= CRASHES_OF_A_RECORD else ""

    @property
    def is_hopeless(self) -> bool:
        """Nothing can be set aside: workers die while they read, or hold more than the one record asked for."""
        return self.blind >= DEATHS_WHILE_READING or bool(self.condemned and self.held_records > 1)


def holding(state: Isolation, digest: str, records: int) -> Isolation:
    """A worker has this batch in hand, and is about to map and write it."""
    return replace(state, held=digest, held_records=records)


def after_claim(state: Isolation, *, deaths: int, batch_records: int, read: int) -> Isolation:
    """How to go on when `deaths` workers in a row, the last one just now, got nowhere; 0 when the last one got on."""
    if not deaths:
        return replace(state, held="")
    if not state.is_careful:
        if deaths < CAREFUL_AFTER_DEATHS:
            return state
        return Isolation(records=max(1, batch_records // 2), until=read + batch_records)
    if not state.held:
        return replace(state, records=max(1, state.records // _READING_CUT), blind=state.blind + 1)
    return _after_a_death_in_hand(state, read)


def _after_a_death_in_hand(state: Isolation, read: int) -> Isolation:
    until = read + state.held_records
    if state.records > 1 and state.held_records > 1:
        smaller = min(state.records, state.held_records) // 2
        return Isolation(records=smaller, until=until)
    crashes = state.crashes + 1 if state.held == state.suspect else 1
    return Isolation(records=1, until=until, suspect=state.held, crashes=crashes, held_records=state.held_records)


def after_commit(state: Isolation, *, read: int, batch_records: int) -> Isolation:
    """A batch is safe: keep its size until all suspected records are passed, then double it each time."""
    if not state.is_careful:
        return state
    if read < state.until:
        return Isolation(records=state.records, until=state.until)
    grown = state.records * 2
    return Isolation() if grown >= batch_records else Isolation(records=grown)
