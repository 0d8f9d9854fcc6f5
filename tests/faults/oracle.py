"""Judges a campaign: every record, checkpoint, event and owner, and whether enough faults really happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

STATE_OF = {
    "run.queued": "queued",
    "run.claimed": "running",
    "run.retrying": "queued",
    "run.succeeded": "succeeded",
    "run.failed": "failed",
    "run.cancelled": "cancelled",
}
COUNTS = ("read", "written", "set_aside", "filtered", "batches")


@dataclass(frozen=True)
class Compared:
    """Source and destination, record by record: the numbers of the records that differ."""

    numbers: frozenset[int]
    lost: tuple[int, ...] = ()
    doubled: tuple[int, ...] = ()
    stale: tuple[int, ...] = ()
    foreign: tuple[int, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether nothing differs."""
        return not (self.lost or self.doubled or self.stale or self.foreign)

    def __str__(self) -> str:
        parts = (("lost", self.lost), ("doubled", self.doubled), ("stale", self.stale), ("foreign", self.foreign))
        return ", ".join(f"{len(found)} {name} (the first is {found[0]})" for name, found in parts if found)


def compare(expected: Mapping[int, str], found: Iterable[tuple[int, str]], set_aside: Iterable[int] = ()) -> Compared:
    """What of the source is missing, there twice, or there with another value; what nobody sent is foreign."""
    values: dict[int, list[str]] = {}
    for number, value in found:
        values.setdefault(number, []).append(value)
    known = set(set_aside)
    return Compared(
        numbers=frozenset(expected),
        lost=tuple(sorted(number for number in expected if number not in values and number not in known)),
        doubled=tuple(sorted(number for number, all_of in values.items() if len(all_of) > 1)),
        stale=tuple(sorted(n for n, value in expected.items() if n in values and value not in values[n])),
        foreign=tuple(sorted(number for number in values if number not in expected)),
    )


def replay_problems(events: Sequence[Mapping[str, Any]], run: Mapping[str, Any]) -> list[str]:
    """Where a run's events, in order, do not lead to the state and the counts that its row has."""
    problems = []
    numbers = [event["seq"] for event in events]
    if numbers != list(range(1, len(numbers) + 1)):
        problems.append(f"events are numbered {numbers[:10]}...")
    state, counted = "", dict.fromkeys(COUNTS, 0)
    for event in events:
        state = STATE_OF.get(event["kind"], state)
        counted.update({name: event["data"][name] for name in COUNTS if name in event["data"]})
    if state != run["state"]:
        problems.append(f"its events end as {state}, the row is {run['state']}")
    if any(counted[name] != run[name] for name in COUNTS):
        problems.append(f"its events count {counted}, the row {[run[name] for name in COUNTS]}")
    if run["read"] != run["written"] + run["set_aside"] + run["filtered"]:
        problems.append("read is not written + set aside + filtered")
    return problems


@dataclass
class Verdict:
    """What a campaign found, by class of destination; `problems` are what no count of records tells."""

    broker: str
    kills: Counter[str] = field(default_factory=Counter)
    stops: int = 0
    cuts: int = 0
    by_kind: dict[str, Counter[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    recovery_seconds: list[float] = field(default_factory=list)

    def count(self, kind: str, compared: Compared, marked: Iterable[int] = (), uncertain: int = 0) -> None:
        """Add one integration's comparison; a double that is marked is no fault. `uncertain` records may be doubled."""
        marked = set(marked)
        counted = self.by_kind.setdefault(kind, Counter())
        counted["records"] += len(compared.numbers)
        counted["lost"] += len(compared.lost)
        counted["doubled"] += len(set(compared.doubled) - marked)
        counted["stale"] += len(compared.stale) + len(compared.foreign)
        counted["uncertain"] += uncertain
        counted["uncertain_doubled"] += len(set(compared.doubled) & marked)

    def total(self, name: str) -> int:
        """A count over all classes."""
        return sum(counted[name] for counted in self.by_kind.values())

    def as_json(self) -> dict[str, Any]:
        """The campaign as one object."""
        names = ("records", "lost", "doubled", "stuck", "stale", "uncertain", "uncertain_doubled")
        return {
            "broker": self.broker,
            "kills": sum(self.kills.values()),
            "points": dict(sorted(self.kills.items())),
            "stops": self.stops,
            "cuts": self.cuts,
            **{name: self.total(name) for name in names},
            "destinations": {kind: {n: counted[n] for n in names} for kind, counted in sorted(self.by_kind.items())},
            "problems": self.problems,
            "recovery_seconds": [round(value, 3) for value in self.recovery_seconds],
        }


def share(values: Sequence[float], part: float) -> float:
    """The value below which this part of all lies; 0 of none."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))] if values else 0.0
