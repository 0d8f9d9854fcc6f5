"""Moves a slice step by step where workers died: nothing is read ahead, and the batch in hand is named first."""

from __future__ import annotations

import hashlib

import pyarrow as pa

from integrations.connectors.base import Batch, Commit, Connector, Writer
from integrations.errors import WORKER_CRASH
from integrations.pipeline.mapper import Mapped, Mapper, Rejection
from integrations.pipeline.ports import RunLog, SliceEnd
from integrations.pipeline.runner import MappedBatch, SlicePlan, move_batch

_REASON = "The worker's process ended each time that it had this record in hand."


def run_carefully(
    plan: SlicePlan, condemned: str, source: Connector, mapper: Mapper, writer: Writer, log: RunLog
) -> SliceEnd:
    """Do what `run_slice` does, one thing after the other; the batch of the condemned digest is set aside unseen."""
    number, cursor = plan.start.batch_number, plan.start.cursor
    for batch in source.read(plan.read):
        number += 1
        cursor = batch.cursor
        digest = digest_of(batch)
        if digest == condemned:
            mapped = _set_aside_unseen(batch, mapper.schema)
        else:
            log.hold(digest, batch.records.num_rows)
            mapped = mapper.map(batch.records)
        move_batch(plan.run, number, MappedBatch(batch, mapped), writer, log)
        if log.should_yield():
            return SliceEnd.YIELDED
    writer.finish(Commit(plan.run, number, cursor or {}))
    return SliceEnd.FINISHED


def digest_of(batch: Batch) -> str:
    """Names the content of a batch, whoever reads it."""
    content = hashlib.blake2b(batch.records.serialize(), digest_size=16)
    for bad in batch.bad:
        content.update(bad.raw.encode())
    return content.hexdigest()


def _set_aside_unseen(batch: Batch, schema: pa.Schema) -> Mapped:
    rejected = tuple(Rejection(row, "", WORKER_CRASH, _REASON) for row in range(batch.records.num_rows))
    return Mapped(pa.RecordBatch.from_pylist([], schema=schema), pa.array([], pa.int64()), rejected, 0)
