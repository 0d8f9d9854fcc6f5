"""The small ports through which the pipeline reaches the control plane; no Django here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import pyarrow as pa

from integrations.connectors.base import Content, Cursor, Refused


class SliceEnd(StrEnum):
    """Why a slice ended: the stream is read to its end, the worker handed the run back to go on later, or the run
    waits for its partitions."""

    FINISHED = "finished"
    YIELDED = "yielded"
    WAITING = "waiting"


@dataclass(frozen=True)
class Aside:
    """A record on its way to the dead letters. `payload` is its fields, or {"raw": text} where none could be told.

    `origin` is the dead letter that was sent again and is set aside again.
    """

    payload: Mapping[str, Any]
    code: str
    field: str
    reason: str
    is_record: bool = True
    origin: str = ""


@dataclass(frozen=True)
class PreparedBatch:
    """What is stored here before the batch is sent: `read = written + len(aside) + filtered`.

    `filtered_origins` are the dead letters among the filtered records.
    """

    number: int
    cursor: Cursor
    read: int
    written: int
    filtered: int
    aside: tuple[Aside, ...]
    read_bytes: int
    progress: float | None
    filtered_origins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parcel:
    """A batch for a remote destination, as it is stored before it is sent: its content, and the source's records.

    Row by row the records are those of the content. Of its parts `done` were answered, which refused `refused`.
    `origins` are the dead letters that the records are, row by row, where a redrive sends them.
    """

    number: int
    content: Content
    records: pa.RecordBatch
    done: int = 0
    refused: tuple[Refused, ...] = ()
    origins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Position:
    """Where a slice begins: the number of the last committed batch and the cursor after it.

    With `pending`, a batch that was stored and perhaps sent, both stand after that batch, which goes first.
    """

    batch_number: int
    cursor: Cursor | None
    pending: Parcel | None = None


class RunLog(Protocol):
    """The run's row, as the pipeline may change it. Every call is guarded by the run's fence.

    `prepare` and `commit` raise StopRun(LEASE_LOST) when another worker holds the run; `should_yield` says that the
    slice's time is over or the worker drains; it raises StopRun when the run was cancelled or the lease is lost.
    `hold` names a batch before it is mapped, where workers died before: digest of its content, number of its records.

    For remote destinations `prepare` stores the parcel too; `sending` comes before each part, with what the parts
    before it refused; `interrupted` stores how far a delivery came; `commit` sets aside what was refused.
    """

    def hold(self, digest: str, records: int) -> None: ...

    def prepare(self, batch: PreparedBatch, parcel: Parcel | None = None) -> None: ...

    def sending(self, number: int, part: int, refused: Sequence[Refused]) -> None: ...

    def interrupted(self, number: int, done: int, refused: Sequence[Refused], *, may_have_arrived: bool) -> None: ...

    def commit(self, number: int, refused: tuple[Aside, ...] = ()) -> None: ...

    def should_yield(self) -> bool: ...
