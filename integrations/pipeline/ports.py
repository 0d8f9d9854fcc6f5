"""The small ports through which the pipeline reaches the control plane; no Django here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from integrations.connectors.base import Cursor


class SliceEnd(StrEnum):
    """Why a slice ended: the stream is read to its end, or the worker handed the run back to go on later."""

    FINISHED = "finished"
    YIELDED = "yielded"


@dataclass(frozen=True)
class Aside:
    """A record on its way to the dead letters. `payload` is its fields, or {"raw": text} where none could be told."""

    payload: Mapping[str, Any]
    code: str
    field: str
    reason: str
    is_record: bool = True


@dataclass(frozen=True)
class PreparedBatch:
    """What is stored here before the batch is sent: `read = written + len(aside) + filtered`."""

    number: int
    cursor: Cursor
    read: int
    written: int
    filtered: int
    aside: tuple[Aside, ...]
    read_bytes: int
    progress: float | None


@dataclass(frozen=True)
class Position:
    """Where a slice begins: the number of the last committed batch and the cursor after it."""

    batch_number: int
    cursor: Cursor | None


class RunLog(Protocol):
    """The run's row, as the pipeline may change it. Every call is guarded by the run's fence.

    `prepare` and `commit` raise StopRun(LEASE_LOST) when another worker holds the run; `should_yield` says that the
    slice's time is over or the worker drains; it raises StopRun when the run was cancelled or the lease is lost.
    """

    def prepare(self, batch: PreparedBatch) -> None: ...

    def commit(self, number: int) -> None: ...

    def should_yield(self) -> bool: ...
