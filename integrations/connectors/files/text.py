"""Text files (CSV, JSON Lines): from a mark to pieces of records, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Protocol

import pyarrow as pa

from integrations.connectors.base import BadRecord, ReadRequest
from integrations.connectors.files.boundary import CsvCutter, LineCutter, blocks
from integrations.connectors.files.content import Content, check_continues
from integrations.connectors.files.csv_decoder import CsvDecoder
from integrations.connectors.files.cursor import Mark, changed
from integrations.connectors.files.json_decoder import JsonDecoder
from integrations.connectors.files.piece import Piece
from integrations.connectors.files.settings import FileFormat, FileSettings

Opener = Callable[[], Content]


class Decoder(Protocol):
    """Turns blocks of whole records into record batches, for one file."""

    @property
    def cutter(self) -> CsvCutter | LineCutter: ...

    @property
    def schema(self) -> pa.Schema: ...

    def start(self, content: Content) -> Mark: ...

    def decode(
        self, data: bytes, content: Content, *, is_last: bool
    ) -> tuple[pa.RecordBatch, tuple[BadRecord, ...]]: ...


def decoder_for(settings: FileSettings, schema: pa.Schema | None) -> Decoder:
    """Return the decoder of the declared format."""
    return CsvDecoder(settings, schema) if settings.format is FileFormat.CSV else JsonDecoder(schema)


def text_schema(opener: Opener, settings: FileSettings) -> pa.Schema:
    """Return the schema that the head of a file tells."""
    decoder = decoder_for(settings, None)
    with closing(opener()) as content:
        decoder.start(content)
    return decoder.schema


def text_pieces(
    opener: Opener,
    settings: FileSettings,
    mark: Mark | None,
    request: ReadRequest,
    schema: pa.Schema | None,
    stop: int | None = None,
) -> Iterator[Piece]:
    """Give the records after a mark in pieces; the last piece's mark says that the file, or its part, has ended."""
    decoder = decoder_for(settings, schema)
    with closing(opener()) as head:
        first = decoder.start(head)
    with closing(opener()) as content:
        if stop is not None:
            content.stop_at(stop)
        start = mark or first
        beyond = content.go_to(start)
        before = content.read_bytes
        if start.block:
            data = beyond + content.read(start.block - len(beyond))
            beyond = content.read(1)
            if start.is_last:
                check_continues(content.name, data, beyond)
            yield from _rest_of_block(decoder, content, data, start, before, request)
            before = content.read_bytes
        for data, is_last in blocks(content, decoder.cutter, request.batch_bytes, beyond):
            yield from _slices(decoder, content, data, before, request, is_last=is_last)
            before = content.read_bytes


def _rest_of_block(
    decoder: Decoder, content: Content, data: bytes, start: Mark, before: int, request: ReadRequest
) -> Iterator[Piece]:
    """Give the records of a block that were not given out before the cursor was stored."""
    if len(data) < start.block:
        raise changed(content.name, "became shorter")
    whole = list(_slices(decoder, content, data, before, request, is_last=start.is_last, rows=start.rows))
    if sum(piece.records.num_rows for piece in whole) != start.total - start.rows:
        raise changed(content.name, "or its settings were changed")
    yield from whole


def _slices(
    decoder: Decoder, content: Content, data: bytes, before: int, request: ReadRequest, *, is_last: bool, rows: int = 0
) -> Iterator[Piece]:
    """Give the records of one block in pieces of the asked size, from `rows` on; what is bad comes with the first.

    Each piece has its share of the block's bytes: a block is read at once, its records are moved piece by piece.
    """
    records, bad = decoder.decode(data, content, is_last=is_last)
    here = Mark(content.identity, content.offset, content.crc)
    total, read = records.num_rows, content.read_bytes - before
    at = before + read * rows // max(total, 1)
    while rows + request.batch_records < total:
        mark = replace(here, is_last=is_last, block=len(data), rows=rows + request.batch_records, total=total)
        end = before + read * mark.rows // total
        yield Piece(records.slice(rows, request.batch_records), bad if not rows else (), mark, end - at, end)
        rows, at = mark.rows, end
    content.passed(data)
    after = replace(here, offset=content.offset, crc=content.crc, is_last=is_last)
    end = before + read
    yield Piece(records.slice(rows), bad if not rows else (), after, end - at, end)
