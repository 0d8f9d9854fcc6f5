"""Record batches into the bytes of a part file, and part files into one whole file."""

from __future__ import annotations

import gzip
import io
import shutil
from collections.abc import Iterable
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from integrations.connectors.files.arrow import JSON, Column, flat
from integrations.connectors.files.settings import FileFormat, FileSettings
from integrations.errors import RECORD_REFUSED, TABLE_INCOMPATIBLE, NeedsPerson, RecordsRefused

# What a spreadsheet takes for the start of a formula, also behind spaces and quotes, and in full width (OWASP: CSV
# injection). RE2 reads \x{...}.
FORMULA = r"^[\s'\"]*[=+\-@\t\r\n\x00\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]|^[\t\r\n\x00]"
PLAIN_NUMBER = r"^[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]+)?$"
ROW_GROUP_ROWS = 128 * 1024
ROW_GROUP_BYTES = 64 * 1024 * 1024


def encode_part(records: pa.RecordBatch, settings: FileSettings, *, is_first: bool, compress: bool) -> bytes:
    """Return a batch as bytes that may follow those of the batches before it."""
    if settings.format is FileFormat.PARQUET:
        return _arrow(records)
    data = _csv(records, settings, is_first) if settings.format is FileFormat.CSV else _json_lines(records)
    encoded = _in_encoding(data, settings.encoding, is_first=is_first)
    # Members of gzip may follow each other; without a time the same records give the same bytes.
    return gzip.compress(encoded, mtime=0) if compress else encoded


def assemble(parts: Iterable[BinaryIO], whole: BinaryIO, settings_format: FileFormat) -> None:
    """Write the parts as one file."""
    if settings_format is FileFormat.PARQUET:
        _assemble_parquet(parts, whole)
        return
    for part in parts:
        with part:
            shutil.copyfileobj(part, whole, 1024 * 1024)


def _csv(records: pa.RecordBatch, settings: FileSettings, is_first: bool) -> bytes:
    columns = [flat(column) for column in records.columns]
    names = list(records.schema.names)
    if settings.escape_formulas:
        columns = [_disarmed(column) for column in columns]
        names = [str(name) for name in _disarmed(pa.array(names, pa.string())).to_pylist()]
    table = pa.table(columns, names=names)
    options = pa_csv.WriteOptions(include_header=is_first and settings.header, delimiter=settings.delimiter)
    options.null_string = settings.null_text  # type: ignore[attr-defined]  # newer than the stubs
    sink = io.BytesIO()
    try:
        pa_csv.write_csv(table, sink, options)
    except pa.ArrowException as error:
        raise NeedsPerson(TABLE_INCOMPATIBLE, f"A column cannot be written as CSV: {error}.") from error
    return sink.getvalue()


def _disarmed(column: Column) -> Column:
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    is_formula = pc.match_substring_regex(column, FORMULA)
    is_number = pc.match_substring_regex(column, PLAIN_NUMBER)
    armed = pc.and_not(is_formula, is_number).fill_null(False)
    # (The stubs know no join of a scalar and a column.)
    marked = pc.binary_join_element_wise("'", column, "")  # type: ignore[call-overload]
    return cast("Column", pc.if_else(armed, marked, column))


def _json_lines(records: pa.RecordBatch) -> bytes:
    names = records.schema.names
    rows = zip(*(column.to_pylist() for column in records.columns), strict=True)
    return JSON.encode_lines([dict(zip(names, row, strict=True)) for row in rows])


def _in_encoding(data: bytes, encoding: str, *, is_first: bool) -> bytes:
    if encoding == "utf-8":
        return data
    text = data.decode()
    if encoding == "utf-16":
        return text.encode("utf-16" if is_first else f"utf-16-{_byte_order()}")
    try:
        return text.encode(encoding)
    except UnicodeEncodeError as error:
        character = text[error.start]
        raise RecordsRefused(
            RECORD_REFUSED,
            f"The character {character!r} does not exist in the encoding {encoding}.",
            what_to_do="Choose UTF-8 for this connector, or replace the character in the mapping.",
        ) from error


def _byte_order() -> str:
    return "le" if "a".encode("utf-16")[:2] == b"\xff\xfe" else "be"


def _arrow(records: pa.RecordBatch) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, records.schema) as stream:
        stream.write_batch(records)
    return sink.getvalue()


def _assemble_parquet(parts: Iterable[BinaryIO], whole: BinaryIO) -> None:
    writer: pq.ParquetWriter | None = None
    waiting: list[pa.Table] = []
    for part in parts:
        with part:
            waiting.append(pa.ipc.open_stream(part.read()).read_all())
        writer = writer or pq.ParquetWriter(whole, waiting[0].schema, compression="zstd")
        if sum(t.num_rows for t in waiting) >= ROW_GROUP_ROWS or sum(t.nbytes for t in waiting) >= ROW_GROUP_BYTES:
            writer.write_table(pa.concat_tables(waiting))
            waiting = []
    if writer is not None:
        if waiting:
            writer.write_table(pa.concat_tables(waiting))
        writer.close()
