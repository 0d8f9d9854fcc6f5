"""The schema of a text file, from its first records.

A column gets the narrowest type that all of the sample has, with care for what only looks like a number: digits with a
leading zero or plus sign, and numbers too long for 64 bits, stay text.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from integrations.connectors.files.arrow import Column, Types, reader_of
from integrations.connectors.files.settings import FileSettings

NUMBER_LIKE_TEXT = r"^\s*(\+|-?0[0-9]|-?[0-9]{19,})"
MICROSECONDS = pa.timestamp("us")


def infer_csv(sample: bytes, names: Sequence[str], settings: FileSettings) -> pa.Schema:
    """Return the schema of CSV records (UTF-8, whole records, no header)."""
    if not sample.strip(b"\r\n") or not names:
        return pa.schema([pa.field(name, pa.string()) for name in names])
    guessed = _read(sample, names, settings, {})
    texts = _read(sample, names, settings, dict.fromkeys(names, pa.string()))
    types = {name: _widened(guessed.column(name).type, texts.column(name).combine_chunks()) for name in names}
    times = {name: kind for name, kind in types.items() if pa.types.is_timestamp(kind)}
    if times and not _fits(sample, names, settings, times):
        types |= {name: pa.timestamp("ns", kind.tz) for name, kind in times.items()}
    return pa.schema([pa.field(name, kind) for name, kind in types.items()])


def _widened(kind: pa.DataType, texts: Column) -> pa.DataType:
    if pa.types.is_null(kind) or pa.types.is_binary(kind):
        return pa.string()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        looks_like_text = pc.any(pc.match_substring_regex(texts, NUMBER_LIKE_TEXT)).as_py()
        return pa.string() if looks_like_text else kind
    return kind


def _fits(sample: bytes, names: Sequence[str], settings: FileSettings, types: Types) -> bool:
    try:
        _read(sample, names, settings, types)
    except pa.ArrowInvalid:
        return False
    return True


def _read(sample: bytes, names: Sequence[str], settings: FileSettings, types: Types) -> pa.Table:
    return pa_csv.read_csv(
        reader_of(sample),
        pa_csv.ReadOptions(column_names=list(names), use_threads=False, block_size=len(sample) + 1),
        pa_csv.ParseOptions(
            delimiter=settings.delimiter, newlines_in_values=True, invalid_row_handler=lambda _row: "skip"
        ),
        pa_csv.ConvertOptions(column_types=dict(types), null_values=[settings.null_text], strings_can_be_null=True),
    )


def infer_json(lines: Sequence[bytes]) -> pa.Schema:
    """Return the schema of JSON objects, one a line; lines that are none are passed over.

    Objects, lists and mixed columns are text: they arrive as their JSON text.
    """
    kinds: dict[str, set[type]] = {}
    for line in lines:
        try:
            record = msgspec.json.decode(line, type=dict[str, object])
        except msgspec.DecodeError:
            continue
        for name, value in record.items():
            kinds.setdefault(name, set()).add(_kind_of(value))
    return pa.schema([pa.field(name, _json_type(found - {type(None)})) for name, found in kinds.items()])


def _kind_of(value: object) -> type:
    is_wide = isinstance(value, int) and not -(2**63) <= value < 2**63
    return str if is_wide else type(value)


def _json_type(kinds: set[type]) -> pa.DataType:
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    if kinds and kinds <= {int, float}:
        return pa.float64()
    return pa.string()
