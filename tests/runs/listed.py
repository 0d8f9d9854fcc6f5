"""A connector over Python lists: a real second implementation of the protocol, with faults that a test asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from integrations.connectors.base import (
    Batch,
    CheckResult,
    Commit,
    Context,
    Guarantee,
    PluginSpec,
    ReadRequest,
    StoredCheckpoint,
    Stream,
    TransactionalWriter,
    WriteRequest,
)
from integrations.errors import LEASE_LOST, RECORD_REFUSED, RecordsRefused, StopRun

COLUMNS: list[pa.Field[Any]] = [pa.field("id", pa.int64()), pa.field("amount", pa.string())]
SCHEMA = pa.schema(COLUMNS)


@dataclass
class World:
    """What lies outside: the source's rows, the destination's rows and checkpoints, and the faults to come."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    stored: list[dict[str, Any]] = field(default_factory=list)
    checkpoints: dict[str, StoredCheckpoint] = field(default_factory=dict)
    fences: dict[str, int] = field(default_factory=dict)
    fail_read_after: list[tuple[int, BaseException]] = field(default_factory=list)
    fail_write: list[tuple[str, BaseException]] = field(default_factory=list)
    refuse: frozenset[int] = frozenset()
    batch_records: int = 10
    has_schema: bool = True
    schema: pa.Schema = SCHEMA
    staged: int = 0
    reads: list[Any] = field(default_factory=list)
    on_write: Callable[[int], object] = lambda _: None


class Listed:
    """Reads and writes the test's `World`; a fault is raised once."""

    spec: ClassVar[PluginSpec] = PluginSpec(
        "listed", "Listed", "Rows of a test", "list", (), reads=True, writes=True, guarantee=Guarantee.TRANSACTIONAL
    )
    world: ClassVar[World] = World()

    def __init__(self, context: Context) -> None:
        self.context = context

    def check(self) -> CheckResult:
        return CheckResult(ok=True, message="Rows are there.")

    def discover(self) -> Sequence[Stream]:
        return [self.describe("rows")]

    def describe(self, stream: str) -> Stream:
        schema = self.world.schema if self.world.has_schema else None
        return Stream(stream, schema, primary_key=("id",), cursor_fields=("id",))

    def read(self, request: ReadRequest) -> Iterator[Batch]:
        world = self.world
        start = request.cursor["row"] if request.cursor else 0
        world.reads.append(start)
        for row in range(start, len(world.rows), world.batch_records):
            if world.fail_read_after and row >= world.fail_read_after[0][0]:
                raise world.fail_read_after.pop(0)[1]
            part = world.rows[row : row + world.batch_records]
            end = row + len(part)
            yield Batch(
                pa.RecordBatch.from_pylist(part, schema=request.schema or world.schema),
                {"row": end},
                read_bytes=len(part) * 8,
                progress=end / len(world.rows),
            )

    @contextmanager
    def open_writer(self, request: WriteRequest) -> Iterator[ListedWriter]:
        yield ListedWriter(self.world, request)

    def close(self) -> None:
        return None


class ListedWriter(TransactionalWriter):
    """Stores a batch and its checkpoint together; `fail_write` faults strike before or after that."""

    def __init__(self, world: World, request: WriteRequest) -> None:
        self.world, self.request = world, request
        self._fence()

    def checkpoint(self) -> StoredCheckpoint | None:
        return self.world.checkpoints.get(self.request.owner)

    def stage(self, records: pa.RecordBatch) -> None:
        self.world.staged += records.num_rows

    def write(self, records: pa.RecordBatch, commit: Commit) -> None:
        self._fence()
        self.world.on_write(commit.batch_number)
        self._strike("before")
        self.probe(records)
        self.world.stored += records.to_pylist()
        self.world.checkpoints[self.request.owner] = StoredCheckpoint(
            commit.run, commit.batch_number, commit.cursor, self.request.fence
        )
        self._strike("after")

    def probe(self, records: pa.RecordBatch) -> None:
        refused = [row["id"] for row in records.to_pylist() if row["id"] in self.world.refuse]
        if refused:
            raise RecordsRefused(RECORD_REFUSED, f"The destination refuses record {refused[0]}.")

    def finish(self, commit: Commit) -> None:  # noqa: ARG002 - nothing is left to do
        return None

    def abort(self) -> None:
        return None

    def _fence(self) -> None:
        known = self.world.fences.get(self.request.owner, 0)
        if known > self.request.fence:
            raise StopRun(LEASE_LOST, "A newer worker holds this stream.")
        self.world.fences[self.request.owner] = self.request.fence

    def _strike(self, moment: str) -> None:
        if self.world.fail_write and self.world.fail_write[0][0] == moment:
            raise self.world.fail_write.pop(0)[1]
