"""Text into typed columns, so that one wrong value costs one record and not its block."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from integrations.connectors.base import BadRecord
from integrations.connectors.files.arrow import Column, flags_of, nulls_of, reader_of

RAW_LIMIT = 64 * 1024
# Text that is surely of a type; the CSV reader decides about all other text.
USUAL_SHAPES = (
    (pa.types.is_int64, r"^-?[0-9]{1,18}$"),
    (pa.types.is_floating, r"^-?[0-9]{1,15}(\.[0-9]{1,20})?$"),
    (pa.types.is_date, r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])$"),
    (
        pa.types.is_timestamp,
        r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])[T ]([01][0-9]|2[0-3])(:[0-5][0-9]){2}Z?$",
    ),
)


def csv_types(schema: pa.Schema) -> dict[str, pa.DataType]:
    """Return the types of a schema by name, as the CSV reader wants them."""
    return {schema.field(n).name: schema.field(n).type for n in range(len(schema))}


def is_text(kind: pa.DataType) -> bool:
    """Say whether a column of this type takes any text."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def type_words(kind: pa.DataType) -> str:
    """Return what a person calls a type."""
    words = (
        (pa.types.is_integer, "a whole number"),
        (pa.types.is_floating, "a number"),
        (pa.types.is_decimal, f"a number of the form {kind}"),
        (pa.types.is_boolean, "true or false"),
        (pa.types.is_date, "a date (YYYY-MM-DD)"),
        (pa.types.is_timestamp, "a time with a zone" if getattr(kind, "tz", None) else "a time without a zone"),
    )
    return next((text for matches, text in words if matches(kind)), f"of type {kind}")


def convert_text(column: Column, kind: pa.DataType, nulls: Sequence[str]) -> tuple[Column, Column]:
    """Return a text column as `kind`, with null where a value is not of it, and a mask of those.

    Each distinct value is converted once, by the rules of the CSV reader, halving where a part fails.
    """
    if is_text(kind):
        return column.cast(kind), flags_of(len(column), value=False)
    encoded = column.dictionary_encode()
    values, wrong = _convert_sorted_out(encoded.dictionary, kind, nulls)
    return values.take(encoded.indices), wrong.take(encoded.indices).fill_null(False)


def _convert_sorted_out(values: Column, kind: pa.DataType, nulls: Sequence[str]) -> tuple[Column, Column]:
    """Convert what looks usual in one go, so that halving has to search among the odd values only."""
    shape = next((usual for matches, usual in USUAL_SHAPES if matches(kind)), None)
    if shape is None:
        return _convert_distinct(values, kind, nulls)
    usual = pc.match_substring_regex(values, shape)
    parts = [_convert_distinct(values.filter(mask), kind, nulls) for mask in (usual, pc.invert(usual))]
    back = pc.sort_indices(pa.concat_arrays([pc.indices_nonzero(mask) for mask in (usual, pc.invert(usual))]))
    return (
        pa.concat_arrays([part[0] for part in parts]).take(back),
        pa.concat_arrays([part[1] for part in parts]).take(back),
    )


def _convert_distinct(values: Column, kind: pa.DataType, nulls: Sequence[str]) -> tuple[Column, Column]:
    if not len(values):
        return nulls_of(0, kind), flags_of(0, value=False)
    try:
        return _through_csv(values, kind, nulls), flags_of(len(values), value=False)
    except pa.ArrowInvalid:
        if len(values) == 1:
            return nulls_of(1, kind), flags_of(1, value=True)
    middle = len(values) // 2
    halves = [_convert_distinct(part, kind, nulls) for part in (values.slice(0, middle), values.slice(middle))]
    return pa.concat_arrays([half[0] for half in halves]), pa.concat_arrays([half[1] for half in halves])


def _through_csv(values: Column, kind: pa.DataType, nulls: Sequence[str]) -> Column:
    sink = io.BytesIO()
    pa_csv.write_csv(
        pa.table({"c": values}), sink, pa_csv.WriteOptions(include_header=False, quoting_style="all_valid")
    )
    data = sink.getvalue()
    table = pa_csv.read_csv(
        reader_of(data),
        pa_csv.ReadOptions(column_names=["c"], use_threads=False, block_size=len(data) + 1),
        pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        pa_csv.ConvertOptions(column_types={"c": kind}, null_values=list(nulls)),
    )
    return table.column(0).combine_chunks()


def typed_records(
    texts: Sequence[Column], schema: pa.Schema, nulls: Sequence[str], raw: Callable[[int], str]
) -> tuple[pa.RecordBatch, tuple[BadRecord, ...]]:
    """Turn text columns into records of a schema; a row with a wrong value becomes a `BadRecord` with its raw text."""
    columns, masks = [], []
    for text, field in zip(texts, schema, strict=True):
        column, wrong = convert_text(text, field.type, nulls)
        columns.append(column)
        masks.append(wrong)
    records = pa.RecordBatch.from_arrays(columns, schema=schema)
    bad_rows: dict[int, list[str]] = {}
    for text, field, wrong in zip(texts, schema, masks, strict=True):
        for row in _rows_where(wrong):
            value = str(text[row].as_py())[:100]
            bad_rows.setdefault(row, []).append(f"column {field.name!r}: {value!r} is not {type_words(field.type)}")
    bad = tuple(BadRecord(raw(row)[:RAW_LIMIT], "; ".join(why)[:1000]) for row, why in sorted(bad_rows.items()))
    return (records.filter(_all_right(masks)) if bad_rows else records), bad


def _rows_where(mask: Column) -> list[int]:
    return cast("list[int]", pc.indices_nonzero(mask).to_pylist())


def _all_right(masks: Sequence[Column]) -> Column:
    wrong = masks[0]
    for mask in masks[1:]:
        wrong = pc.or_(wrong, mask)
    return pc.invert(wrong)
