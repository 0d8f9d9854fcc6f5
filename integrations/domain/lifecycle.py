"""The states of runs, batches and dead letters, and how they follow each other."""

from __future__ import annotations

from enum import StrEnum


class RunState(StrEnum):
    """queued -> running -> succeeded | failed | cancelled; running goes back to queued to wait for a retry.

    A paused run holds its deployment, keeps its checkpoint, and is not due until somebody resumes it.
    """

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE_STATES: frozenset[str] = frozenset({RunState.QUEUED, RunState.RUNNING, RunState.PAUSED})


class Trigger(StrEnum):
    """What started a run. A partition is started by its parent run."""

    MANUAL = "manual"
    SCHEDULE = "schedule"
    API = "api"
    RETRY = "retry"
    REDRIVE = "redrive"
    CHAIN = "chain"
    BACKFILL = "backfill"
    REPLAY = "replay"
    PARTITION = "partition"


class BatchState(StrEnum):
    """A batch is prepared (stored here, not yet known to be at the destination), then committed."""

    PREPARED = "prepared"
    COMMITTED = "committed"


class DeadLetterState(StrEnum):
    """open -> redriving -> redriven, or back to open; open -> discarded.

    A repeated one was never open: the same record stands in an open letter of an earlier run.
    """

    OPEN = "open"
    REDRIVING = "redriving"
    REDRIVEN = "redriven"
    DISCARDED = "discarded"
    REPEATED = "repeated"


class Outcome(StrEnum):
    """What became of a dead letter that was sent again; what was set aside again is a letter of its own."""

    WRITTEN = "written"
    FILTERED = "filtered"
    SET_ASIDE = "set_aside"
