"""How the columns of a stream differ from those that were known, and whether a change stops a run; plain values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum


class DriftKind(StrEnum):
    """What happened to a column. Out of range: its type is the same, its values no longer fit where they go."""

    ADDED = "added"
    DROPPED = "dropped"
    RETYPED = "retyped"
    OUT_OF_RANGE = "out_of_range"


class DriftAnswer(StrEnum):
    """What a policy says to a change: note it, take the new column through to the destination, or stop."""

    IGNORE = "ignore"
    ADD = "add"
    STOP = "stop"


class DriftState(StrEnum):
    """open -> resolved, by a person."""

    OPEN = "open"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class ColumnChange:
    """One change; the types before and after are empty where the column was not, or is not, there."""

    kind: DriftKind
    column: str
    before: str = ""
    after: str = ""

    @property
    def sentence(self) -> str:
        """The change in words."""
        if self.kind is DriftKind.ADDED:
            return f"The column {self.column} is new ({self.after})."
        if self.kind is DriftKind.DROPPED:
            return f"The column {self.column} ({self.before}) is gone."
        if self.kind is DriftKind.RETYPED:
            return f"The column {self.column} was {self.before} and is {self.after}."
        return f"Values of {self.column} no longer fit."


def column_changes(known: Mapping[str, str], found: Mapping[str, str]) -> tuple[ColumnChange, ...]:
    """The columns that were added, dropped and retyped, in the order of the stream, the dropped ones last."""
    there = [
        ColumnChange(DriftKind.RETYPED, name, known[name], kind)
        if name in known
        else ColumnChange(DriftKind.ADDED, name, after=kind)
        for name, kind in found.items()
        if known.get(name) != kind
    ]
    gone = [ColumnChange(DriftKind.DROPPED, name, kind) for name, kind in known.items() if name not in found]
    return (*there, *gone)


def stops(change: ColumnChange, answer: DriftAnswer, read: Collection[str]) -> bool:
    """Whether the change stops a run. A column that the mapping does not read may go or change without harm."""
    return answer is DriftAnswer.STOP and (change.kind is DriftKind.ADDED or change.column in read)
