"""CSV: blocks of whole records into typed record batches.

The fast way is one pass of Arrow's parser with the pinned types. A block in which a value does not fit is parsed
again as text, and each column is converted by itself, so that only the wrong records leave the stream.
"""

from __future__ import annotations

import csv
import io
from typing import Literal

import pyarrow as pa
import pyarrow.csv as pa_csv

from integrations.connectors.base import BadRecord
from integrations.connectors.files.arrow import Types, no_rows, reader_of
from integrations.connectors.files.boundary import LARGEST_RECORD, CsvCutter
from integrations.connectors.files.content import Content, unreadable, utf8
from integrations.connectors.files.convert import RAW_LIMIT, csv_types, typed_records
from integrations.connectors.files.cursor import Mark
from integrations.connectors.files.infer import infer_csv
from integrations.connectors.files.settings import FileSettings
from integrations.connectors.files.sniff import BOM, check_head, check_not_json, checked_names
from integrations.domain.words import counted
from integrations.errors import FILE_UNREADABLE, NeedsPerson

HEAD_BYTES = 4 * 1024 * 1024


class CsvDecoder:
    """Knows the columns of one CSV file: call `start` first, which reads its head."""

    def __init__(self, settings: FileSettings, schema: pa.Schema | None) -> None:
        self._settings = settings
        self._schema = schema
        self._names: list[str] = []
        self.cutter = CsvCutter(settings.delimiter)

    @property
    def schema(self) -> pa.Schema:
        """Return the schema of what is read; known after `start`."""
        if self._schema is None:
            raise RuntimeError("start() comes first")
        return self._schema

    def start(self, content: Content) -> Mark:
        """Read the head of a freshly opened file: its columns and, where none are pinned, its types.

        Return the mark of its first record.
        """
        head = content.read(HEAD_BYTES)
        check_head(head, content)
        check_not_json(head, content)
        skipped = len(BOM) if head.startswith(BOM) else 0
        skipped += len(head) - skipped - len(head[skipped:].lstrip(b"\r\n"))
        first = self._first_record(head, skipped, content)
        self._names = self._column_names(first, content)
        stop = skipped + (len(first) if self._settings.header else 0)
        content.passed(head[:stop])
        if self._schema is None:
            self._schema = infer_csv(self._sample(head[stop:], content), self._names, self._settings)
        self._check_columns(content)
        return Mark(content.identity, content.offset, content.crc)

    def decode(self, data: bytes, content: Content, *, is_last: bool) -> tuple[pa.RecordBatch, tuple[BadRecord, ...]]:
        """Return the records of a block and what could not become one."""
        unclosed: tuple[BadRecord, ...] = ()
        if is_last and self.cutter.is_open(data):
            length = self.cutter.cut(data)
            raw = data[length : length + RAW_LIMIT].decode(content.encoding, "replace")
            data, unclosed = data[:length], (BadRecord(raw, "a quote is opened and never closed"),)
        block = utf8(data, content)
        if not block.strip(b"\r\n"):
            return no_rows(self.schema), unclosed
        records, bad = self._decode_block(block)
        return records, bad + unclosed

    def _decode_block(self, block: bytes) -> tuple[pa.RecordBatch, tuple[BadRecord, ...]]:
        bad: list[BadRecord] = []
        try:
            records = self._parse(block, csv_types(self.schema), bad)
        except pa.ArrowNotImplementedError as error:
            raise NeedsPerson(FILE_UNREADABLE, f"A column has a type that CSV cannot hold: {error}.") from error
        except pa.ArrowInvalid:
            bad.clear()
            return self._decode_as_text(block)
        return pa.RecordBatch.from_arrays(records.columns, schema=self.schema), tuple(bad)

    def _decode_as_text(self, block: bytes) -> tuple[pa.RecordBatch, tuple[BadRecord, ...]]:
        bad: list[BadRecord] = []
        every = self._parse(block, dict.fromkeys(self._names, pa.string()), bad, names=self._names)
        texts = [every.column(name) for name in self.schema.names]
        records, wrong = typed_records(
            texts, self.schema, [self._settings.null_text], lambda row: self._as_line(every, row)
        )
        return records, tuple(bad) + wrong

    def _parse(
        self, block: bytes, types: Types, bad: list[BadRecord], *, names: list[str] | None = None
    ) -> pa.RecordBatch:
        def set_aside(row: pa_csv.InvalidRow) -> Literal["skip"]:
            reason = f"has {counted(row.actual_columns, 'field')} instead of {row.expected_columns}"
            bad.append(BadRecord(row.text[:RAW_LIMIT], reason))
            return "skip"

        table = pa_csv.read_csv(
            reader_of(block),
            pa_csv.ReadOptions(column_names=self._names, use_threads=False, block_size=len(block) + 1),
            pa_csv.ParseOptions(
                delimiter=self._settings.delimiter, newlines_in_values=True, invalid_row_handler=set_aside
            ),
            pa_csv.ConvertOptions(
                column_types=dict(types),
                include_columns=names or self.schema.names,
                null_values=[self._settings.null_text],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        return table.combine_chunks().to_batches()[0] if table.num_rows else no_rows(table.schema)

    def _first_record(self, head: bytes, start: int, content: Content) -> bytes:
        while not (length := self.cutter.first(head[start:])):
            more = content.read(max(len(head), 1))
            head += more
            if not more:
                return head[start:]
            if len(head) > LARGEST_RECORD:
                raise unreadable(content.name, "its first record does not end; perhaps a quote is not closed")
        return head[start : start + length]

    def _column_names(self, first: bytes, content: Content) -> list[str]:
        text = utf8(first, content).decode()
        try:
            cells = next(csv.reader(io.StringIO(text, newline=""), delimiter=self._settings.delimiter), [])
        except csv.Error as error:
            raise unreadable(content.name, f"its first line is not CSV ({error})") from error
        if not self._settings.header:
            return [f"column_{number}" for number in range(1, len(cells) + 1)]
        return checked_names(cells, content)

    def _sample(self, records: bytes, content: Content) -> bytes:
        is_whole = len(records) < HEAD_BYTES // 2 and not content.read(1)
        return utf8(records if is_whole else records[: self.cutter.cut(records)], content)

    def _check_columns(self, content: Content) -> None:
        missing = [name for name in self.schema.names if name not in self._names]
        if missing and self._names:
            raise unreadable(content.name, f"it has no column {missing[0]!r}; its columns are {', '.join(self._names)}")

    def _as_line(self, every: pa.RecordBatch, row: int) -> str:
        sink = io.StringIO()
        csv.writer(sink, delimiter=self._settings.delimiter, lineterminator="").writerow(
            [column[row].as_py() for column in every.columns]
        )
        return sink.getvalue()
