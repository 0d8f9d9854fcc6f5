"""Tries a mapping on a bounded sample of a connector's stream, while somebody waits for the answer."""

from __future__ import annotations

import time
from collections.abc import Mapping as Dictionary
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from accounts.errors import INPUT_INVALID, Invalid
from integrations.connectors.base import Batch, ReadRequest
from integrations.connectors.base import Connector as Plugin
from integrations.domain.mapping import Mapping, MappingFormatError
from integrations.errors import MAPPING_INVALID, STREAM_MISSING, TIMED_OUT, NeedsPerson
from integrations.models import Connector
from integrations.pipeline.batch import columns_of
from integrations.pipeline.masking import Veil, hide_rows
from integrations.pipeline.preview import Preview, sample_preview
from integrations.services.connectors import open_plugin
from integrations.services.masking import key_of, masks_of_source
from integrations.services.sample_memory import ShortMemory

SAMPLE_AT_MOST = 20
SAMPLE_SECONDS = 10.0
REASONS_SHOWN = 5


@dataclass(frozen=True)
class StreamPreview(Preview):
    """The preview, the columns of the stream, and why pieces of the sample became no record (at most five reasons)."""

    columns: Dictionary[str, str]
    undecodable: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for the page and the API."""
        columns = [{"name": name, "type": kind} for name, kind in self.columns.items()]
        return {**super().to_json(), "columns": columns, "undecodable": list(self.undecodable)}


@dataclass(frozen=True)
class _Sample:
    records: pa.RecordBatch
    undecodable: tuple[str, ...]


def preview(
    *,
    source: Connector,
    stream: str,
    mapping: Dictionary[str, Any],
    limit: int = SAMPLE_AT_MOST,
    may_remember: bool = False,
) -> StreamPreview:
    """What a mapping makes of the first records of a stream; it need not be free of problems.

    Values that a policy masks are hidden. With `may_remember` the records may be those of a minute ago, read with the
    same settings and credential.
    Raises Invalid for what is no mapping, and the plugin's error where the sample cannot be read.
    """
    if not 1 <= limit <= SAMPLE_AT_MOST:
        raise Invalid(INPUT_INVALID, "The sample cannot be read.", fields={"limit": f"1 to {SAMPLE_AT_MOST} records."})
    try:
        tried = Mapping.from_json(mapping)
    except MappingFormatError as error:
        raise Invalid(MAPPING_INVALID, "The mapping cannot be used.", fields={"mapping": str(error)}) from error
    key = (*_identity(source), stream, limit)
    sample = (
        _MEMORY.get(key, lambda: _sample(source, stream, limit)) if may_remember else _sample(source, stream, limit)
    )
    schema = sample.records.schema
    made = sample_preview(tried, schema, sample.records, limit)
    masks = masks_of_source(source)
    rows = made.rows
    if masks:
        rows = hide_rows(rows, Veil.over(tried, schema, masks, key_of(source.workspace)))
    return StreamPreview(made.problems, rows, columns_of(schema), sample.undecodable)


_MEMORY = ShortMemory[_Sample](
    seconds=60, values_at_most=16, bytes_at_most=1024 * 1024, size_of=lambda sample: sample.records.nbytes
)


def _identity(source: Connector) -> tuple[object, ...]:
    """What a sample depends on beside its stream: where it was read, and by whose leave."""
    credential = source.credential
    return (
        source.pk,
        source.updated_at,
        credential.pk if credential else None,
        credential.current if credential else 0,
    )


def _sample(source: Connector, stream: str, limit: int) -> _Sample:
    with closing(open_plugin(source, is_awaited=True)) as plugin:
        return _read_sample(plugin, stream, limit)


def _read_sample(plugin: Plugin, stream: str, limit: int) -> _Sample:
    ends_at = time.monotonic() + SAMPLE_SECONDS
    found = plugin.describe(stream)
    batches: list[Batch] = []
    rows = 0
    for batch in plugin.read(ReadRequest(stream, schema=found.schema, batch_records=limit)):
        batches.append(batch)
        rows += batch.records.num_rows
        if rows >= limit:
            break
        if time.monotonic() > ends_at:
            if rows:
                break
            raise NeedsPerson(TIMED_OUT, f"The source gave no record within {SAMPLE_SECONDS:.0f} s.")
    if found.schema is None and not batches:
        raise NeedsPerson(STREAM_MISSING, f"The stream “{stream}” has no record to try the mapping on.")
    return _joined(batches, found.schema or batches[0].records.schema, limit)


def _joined(batches: list[Batch], schema: pa.Schema, limit: int) -> _Sample:
    table = pa.Table.from_batches([batch.records for batch in batches], schema=schema)
    reasons = tuple(bad.reason for batch in batches for bad in batch.bad)[:REASONS_SHOWN]
    combined = table.slice(0, limit).combine_chunks().to_batches()
    return _Sample(combined[0] if combined else pa.RecordBatch.from_pylist([], schema=schema), reasons)
