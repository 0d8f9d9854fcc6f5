"""Whether the installation can work: judged from plain values."""

from __future__ import annotations

from dataclasses import dataclass

PROCESS_SILENT_AFTER_SECONDS = 10.0
SCHEDULE_LATE_AFTER_SECONDS = 30.0


@dataclass(frozen=True)
class Finding:
    """One thing that readiness asks for: its name, whether it holds, and a sentence."""

    name: str
    ok: bool
    message: str


def judge_processes(kind: str, alive: int) -> Finding:
    """At least one process of a kind must have been seen lately."""
    if alive:
        return Finding(kind, True, f"{alive} {kind} process{'es' if alive > 1 else ''} seen.")
    return Finding(
        kind, False, f"No {kind} was seen within {PROCESS_SILENT_AFTER_SECONDS:.0f} s. Start one: manage.py {kind}"
    )


def judge_schedule_lag(lag_seconds: float) -> Finding:
    """A due schedule that nobody starts means that the scheduler is stuck."""
    ok = lag_seconds <= SCHEDULE_LATE_AFTER_SECONDS
    return Finding("schedule_lag", ok, f"The oldest due schedule waits {lag_seconds:.1f} s.")
