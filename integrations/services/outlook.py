"""What a backfill or replay would send, before it starts: how many records, the first and the last, and how they go."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from accounts.errors import SignalboxError
from integrations.connectors.base import Batch, Range, ReadRequest, WriteMode
from integrations.connectors.base import Connector as Plugin
from integrations.connectors.ranged import RangedSource, check_range
from integrations.domain.guarantee import EXPLANATIONS, Guarantee
from integrations.domain.mapping import Mapping
from integrations.domain.scope import scope_of
from integrations.models import Deployment
from integrations.models.integration import ReadMode
from integrations.pipeline.masking import Veil, hide_rows
from integrations.pipeline.preview import PreviewRow, sample_preview
from integrations.services.connectors import open_plugin
from integrations.services.guarantees import guarantee_of
from integrations.services.masking import key_of, masks_of_source
from integrations.services.runs import Begin

SHOWN = 3
SECONDS = 8.0
RECORDS_AT_MOST = 200_000
# Small, so that something was seen where a page limit or a failure ends the look.
_BATCH = 500


@dataclass(frozen=True)
class Outlook:
    """What would be sent. `records` is None where nothing tells; `how` says where the number comes from."""

    records: int | None
    how: str
    first: tuple[PreviewRow, ...]
    last: tuple[PreviewRow, ...]
    last_is_last: bool
    undecodable: int
    destination: str
    stream: str
    write_mode: str
    guarantee: Guarantee
    explanation: str
    warning: str

    def to_json(self, *, with_samples: bool) -> dict[str, Any]:
        """Plain values for the API; samples only for those who may see data."""
        shown = {"first": [asdict(row) for row in self.first], "last": [asdict(row) for row in self.last]}
        return {
            "records": self.records, "how": self.how, "undecodable": self.undecodable,
            "destination": self.destination, "stream": self.stream, "write_mode": self.write_mode,
            "guarantee": self.guarantee.value, "warning": self.warning, "last_is_last": self.last_is_last,
            **(shown if with_samples else {"first": [], "last": []}),
        }  # fmt: skip


@dataclass(frozen=True)
class _Look:
    """What a bounded read saw; `stopped_by` is the message of what ended it early, if anything failed."""

    schema: pa.Schema | None
    first: pa.RecordBatch | None
    last: pa.RecordBatch | None
    seen: int
    undecodable: int
    progress: float | None
    is_whole: bool
    stopped_by: str = ""


def look_ahead(*, deployment: Deployment, begin: Begin) -> Outlook:
    """Read what the run would read, for some seconds at most, and map samples. Raises what the plugin raises."""
    version = deployment.version
    with closing(open_plugin(version.source, deployment.integration, is_awaited=True)) as plugin:
        seen = _look(_scoped(plugin, begin), deployment, begin)
    guarantee = guarantee_of(version)
    records, how = _count(seen)
    return Outlook(
        records=records,
        how=how,
        first=_mapped(deployment, seen.first),
        last=_mapped(deployment, seen.last) if seen.seen > SHOWN else (),
        last_is_last=seen.is_whole,
        undecodable=seen.undecodable,
        destination=version.destination.name,
        stream=version.destination_stream,
        write_mode=version.write_mode,
        guarantee=guarantee,
        explanation=EXPLANATIONS[guarantee],
        warning=_warning(deployment),
    )


def _scoped(plugin: Plugin, begin: Begin) -> Plugin:
    scope = scope_of(begin.scope)
    return RangedSource(plugin, Range(scope.field, scope.low, scope.high)) if scope and scope.is_range else plugin


def _look(source: Plugin, deployment: Deployment, begin: Begin) -> _Look:
    version, ends_at = deployment.version, time.monotonic() + SECONDS
    schema = source.describe(version.source_stream).schema
    scope = scope_of(begin.scope)
    if scope and scope.is_range:
        check_range(Range(scope.field, scope.low, scope.high), schema)
    request = ReadRequest(
        stream=version.source_stream,
        cursor=begin.cursor,
        cursor_field=version.cursor_field if version.read_mode == ReadMode.INCREMENTAL else "",
        primary_key=tuple(version.primary_key),
        schema=schema,
        batch_records=_BATCH,
    )
    with closing(_iterated(source, request)) as batches:
        return _seen(schema, batches, ends_at)


def _iterated(source: Plugin, request: ReadRequest) -> Generator[Batch]:
    """As a generator, which can be closed before its end, whatever the plugin gives."""
    yield from source.read(request)


def _seen(schema: pa.Schema | None, batches: Iterator[Batch], ends_at: float) -> _Look:
    first: list[pa.RecordBatch] = []
    last: deque[pa.RecordBatch] = deque(maxlen=SHOWN)
    seen, undecodable, progress, is_whole, stopped_by = 0, 0, None, True, ""
    try:
        for batch in batches:
            records = batch.records
            if seen < SHOWN:
                first.append(records.slice(0, SHOWN - seen))
            last.extend(records.slice(row, 1) for row in range(max(0, records.num_rows - SHOWN), records.num_rows))
            seen, undecodable, progress = seen + records.num_rows, undecodable + len(batch.bad), batch.progress
            if seen >= RECORDS_AT_MOST or time.monotonic() > ends_at:
                is_whole = False
                break
    except SignalboxError as error:
        if not seen:
            raise
        is_whole, stopped_by = False, error.message  # what was seen until then tells something; it is said
    return _Look(schema, _joined(first), _joined(list(last)), seen, undecodable, progress, is_whole, stopped_by)


def _joined(parts: list[pa.RecordBatch]) -> pa.RecordBatch | None:
    filled = [part for part in parts if part.num_rows]
    if not filled:
        return None
    return pa.Table.from_batches(filled).combine_chunks().to_batches()[0]


def _count(seen: _Look) -> tuple[int | None, str]:
    if seen.is_whole:
        return seen.seen, "counted by reading them"
    why = f" ({seen.stopped_by})" if seen.stopped_by else ""
    if seen.progress:
        return round(seen.seen / seen.progress), f"estimated: {seen.seen:,} were {seen.progress:.0%} of them{why}"
    return seen.seen, f"at least: the preview stopped reading there{why}"


def _mapped(deployment: Deployment, records: pa.RecordBatch | None) -> tuple[PreviewRow, ...]:
    if records is None:
        return ()
    mapping = Mapping.from_json(deployment.version.mapping)
    made = sample_preview(mapping, records.schema, records, SHOWN)
    masks = masks_of_source(deployment.version.source)
    if not masks:
        return tuple(made.rows)
    return hide_rows(made.rows, Veil.over(mapping, records.schema, masks, key_of(deployment.workspace)))


def _warning(deployment: Deployment) -> str:
    if deployment.version.write_mode != WriteMode.APPEND:
        return ""
    return "The destination is appended to: records that it has already will be there twice."
