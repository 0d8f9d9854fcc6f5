"""Small Arrow helpers of this plugin, and names for what its type stubs cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any, TypeAlias, cast

import msgspec
import pyarrow as pa

Column: TypeAlias = "pa.Array[Any]"  # columns of any type pass through here
Types: TypeAlias = Mapping[str, pa.DataType]
JSON = msgspec.json.Encoder(enc_hook=str, decimal_format="number")


def reader_of(data: bytes) -> IO[bytes]:
    """Return the bytes as a file for Arrow's readers, without a copy."""
    return cast("IO[bytes]", pa.BufferReader(data))


def nulls_of(length: int, kind: pa.DataType) -> Column:
    """Return a column of a type that holds no value."""
    return cast("Column", pa.array([None] * length, kind))


def flags_of(length: int, *, value: bool) -> Column:
    """Return a column that is the same truth in every row."""
    return cast("Column", pa.array([value] * length, pa.bool_()))


def no_rows(schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch without records."""
    return pa.RecordBatch.from_pylist([], schema=schema)


def flat(column: Column) -> Column:
    """Return a column without dictionary, and with objects, lists and maps as their JSON text."""
    if isinstance(column, pa.DictionaryArray):
        column = cast("Column", column.dictionary_decode())
    if not pa.types.is_nested(column.type):
        return column
    texts = [None if value is None else JSON.encode(value).decode() for value in column.to_pylist()]
    return cast("Column", pa.array(texts, pa.string()))
