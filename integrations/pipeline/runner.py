"""Moves one slice of a run: read, map, set aside, write, checkpoint; reading, mapping and staging overlap writing.

The order that keeps a run whole: a batch is *prepared* (its counts and dead letters stored here), then written with its
commit in one transaction of the destination, then *committed* here. Whatever the worker dies between, the destination's
own checkpoint says which batches it has, and the prepared batch is either confirmed or read again. A remote destination
remembers nothing: its batch is prepared with its exact content, which `delivery` sends, again and again the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import pyarrow as pa

from integrations.connectors.base import Batch, Commit, Connector, Content, ReadRequest, Writer, WriteRequest
from integrations.errors import RECORD_REFUSED, RecordsRefused
from integrations.faultpoints import reach
from integrations.pipeline.delivery import deliver
from integrations.pipeline.mapper import Mapped, Mapper
from integrations.pipeline.ports import Aside, Parcel, Position, PreparedBatch, RunLog, SliceEnd
from integrations.pipeline.stages import in_background

# Finished batches that wait between two stages. One is enough to overlap them, and each costs memory.
AHEAD = 1
MAX_PROBES_A_BATCH = 2_000

# Of Arrow's allocators this one gives memory back between batches: a run peaked at 400 MB in place of 470 MB.
if "jemalloc" in pa.supported_memory_backends():
    pa.set_memory_pool(pa.jemalloc_memory_pool())


@dataclass(frozen=True)
class MappedBatch:
    """A batch as read, with what the mapping made of it."""

    source: Batch
    mapped: Mapped


@dataclass(frozen=True)
class SlicePlan:
    """One slice: the run's id, where it begins, and the requests for both ends."""

    run: str
    start: Position
    read: ReadRequest
    write: WriteRequest


def run_slice(plan: SlicePlan, source: Connector, mapper: Mapper, writer: Writer, log: RunLog) -> SliceEnd:
    """Move batches until the stream ends or the log says to yield. Errors of either end are raised as they are."""
    number, cursor = plan.start.batch_number, plan.start.cursor

    def mapped_batches() -> Iterator[MappedBatch]:
        with in_background(lambda: _fetched(source, plan.read), depth=AHEAD, name="read") as batches:
            for batch in batches:
                mapped = mapper.map(batch.records)
                reach("after_map")
                yield MappedBatch(batch, mapped)

    def staged_batches() -> Iterator[MappedBatch]:
        with in_background(mapped_batches, depth=AHEAD, name="map") as batches:
            for batch in batches:
                writer.stage(batch.mapped.accepted)
                yield batch

    with in_background(staged_batches, depth=AHEAD, name="stage") as ready:
        for batch in ready:
            number += 1
            cursor = batch.source.cursor
            move_batch(plan.run, number, batch, writer, log)
            if log.should_yield():
                return SliceEnd.YIELDED
    writer.finish(Commit(plan.run, number, cursor or {}))
    return SliceEnd.FINISHED


def _fetched(source: Connector, request: ReadRequest) -> Iterator[Batch]:
    reach("before_fetch")
    for batch in source.read(request):
        reach("after_fetch")
        yield batch
        reach("before_fetch")


def move_batch(run: str, number: int, batch: MappedBatch, writer: Writer, log: RunLog) -> None:
    """Prepare, write and commit one batch; records that the destination refuses are set aside, the others go on."""
    records = batch.mapped.accepted
    commit = Commit(run, number, batch.source.cursor)
    aside = _set_aside(batch)
    content = writer.compose(records, commit)
    if content is not None:
        parcel = _parcel(number, content, batch)
        log.prepare(_prepared(number, batch, records, aside), parcel)
        return deliver(parcel, writer, log)
    log.prepare(_prepared(number, batch, records, aside))
    reach("before_send")
    try:
        writer.write(records, commit)
    except RecordsRefused:
        kept, refused = _sift(writer, records)
        refused_aside = tuple(
            _aside(batch.source, batch.mapped.accepted_rows[row].as_py(), error.code, "", error.message)
            for row, error in refused
        )
        records = kept
        log.prepare(_prepared(number, batch, records, aside + refused_aside))
        writer.write(records, commit)
    reach("after_write")
    return log.commit(number)


def _prepared(number: int, batch: MappedBatch, records: pa.RecordBatch, aside: tuple[Aside, ...]) -> PreparedBatch:
    source, mapped = batch.source, batch.mapped
    return PreparedBatch(
        number=number,
        cursor=source.cursor,
        read=source.records.num_rows + len(source.bad),
        written=records.num_rows,
        filtered=mapped.filtered,
        aside=aside,
        read_bytes=source.read_bytes,
        progress=source.progress,
        filtered_origins=_filtered_origins(batch),
    )


def _filtered_origins(batch: MappedBatch) -> tuple[str, ...]:
    """The dead letters that the mapping's filter left out."""
    kept = {*batch.mapped.accepted_rows.to_pylist(), *(item.row for item in batch.mapped.rejected)}
    return tuple(origin for row, origin in enumerate(batch.source.origins) if row not in kept)


def _parcel(number: int, content: Content, batch: MappedBatch) -> Parcel:
    source, rows = batch.source, batch.mapped.accepted_rows
    origins = tuple(source.origins[row] for row in cast(list[int], rows.to_pylist())) if source.origins else ()
    return Parcel(number, content, source.records.take(rows), origins=origins)


def _set_aside(batch: MappedBatch) -> tuple[Aside, ...]:
    undecodable = tuple(
        Aside({"raw": bad.raw}, bad.code, "", bad.reason, is_record=False, origin=bad.origin)
        for bad in batch.source.bad
    )
    rejected = tuple(
        _aside(batch.source, item.row, item.code, item.field, item.reason) for item in batch.mapped.rejected
    )
    return undecodable + rejected


def _aside(source: Batch, row: int, code: str, field: str, reason: str) -> Aside:
    origin = source.origins[row] if source.origins else ""
    return Aside(source.records.slice(row, 1).to_pylist()[0], code, field, reason, origin=origin)


def _sift(writer: Writer, records: pa.RecordBatch) -> tuple[pa.RecordBatch, list[tuple[int, RecordsRefused]]]:
    """Find the refused records by halving, with probes that store nothing; return the others and the refused rows."""
    refused: list[tuple[int, RecordsRefused]] = []
    kept: list[pa.RecordBatch] = []
    pending = [(0, records.num_rows)]
    probes = 0
    while pending:
        start, length = pending.pop()
        probes += 1
        piece = records.slice(start, length)
        try:
            writer.probe(piece)
        except RecordsRefused as error:
            if length == 1:
                refused.append((start, error))
            elif probes > MAX_PROBES_A_BATCH:
                raise RecordsRefused(
                    RECORD_REFUSED,
                    f"The destination refuses very many records of a batch, the first because: {error.message}",
                ) from error
            else:
                half = length // 2
                pending += [(start + half, length - half), (start, half)]
        else:
            kept.append(piece)
    whole = pa.Table.from_batches(kept, records.schema).combine_chunks().to_batches()
    return (whole[0] if whole else records.slice(0, 0)), refused
