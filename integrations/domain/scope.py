"""What a backfill or a replay reads, in place of what its deployment would read next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Scope:
    """A backfill reads the values of `field` from `low` up to, without, `high`; a replay what came after a checkpoint.

    `run` and `batch` name that checkpoint (batch 0: where the run began). `owner` names the checkpoint in the
    destination, and stays the same over the retries of one piece of work. With `goes_on` the deployment's own cursor
    was moved back, and later runs go on from where this one ends.
    """

    owner: str
    field: str = ""
    low: str = ""
    high: str = ""
    run: str = ""
    batch: int = 0
    goes_on: bool = False

    @property
    def is_range(self) -> bool:
        return bool(self.field)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the run's row."""
        return asdict(self)


def scope_of(value: Mapping[str, Any] | None) -> Scope | None:
    """The scope of a run's row, or None for a run that reads what is next."""
    return None if value is None else Scope(**value)
