"""What a simulation knows, and what it finds: plain facts of runs, and the runs that would have gone otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from integrations.domain.mapping import Mapping
from integrations.domain.policy import RULES, EffectivePolicy


@dataclass(frozen=True)
class RunFacts:
    """What is stored of a run. `tries` is the most attempts that it made at one place; `waits` are in seconds.

    `version` is the number of what it ran; `is_whole` says that it read a full stream from its beginning.
    """

    id: UUID
    state: str
    trigger: str
    error_code: str
    created_at: datetime
    due_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    read: int
    written: int
    set_aside: int
    tries: int = 1
    version: int = 0
    is_whole: bool = False
    waits: tuple[float, ...] = ()

    @property
    def seconds(self) -> float | None:
        """From its start to its end."""
        return (self.finished_at - self.started_at).total_seconds() if self.started_at and self.finished_at else None


@dataclass(frozen=True)
class Subject:
    """An integration: what held and what would hold for it, its runs (the oldest first), and its active mapping.

    `before` and `after` are of the whole run; `changed` are the rules that differ at one of its ends or at both.
    """

    name: str
    id: UUID
    before: EffectivePolicy
    after: EffectivePolicy
    runs: Sequence[RunFacts]
    mapping: Mapping
    changed: frozenset[str]


@dataclass(frozen=True)
class Difference:
    """A run that would have gone otherwise, and how."""

    integration: str
    run: RunFacts
    words: str


@dataclass(frozen=True)
class Finding:
    """What one rule's change would have done. `unknown` says why that cannot be told; `notes` are about no one run."""

    rule: str
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    unknown: str = ""
    integrations: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The rule's label."""
        return RULES[self.rule].label
