"""What the connectors of SQL databases share: the order and position of a read, and the types that are written."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from integrations.connectors.base import BadRecord, Cursor, WriteMode, WriteRequest
from integrations.errors import (
    CURSOR_INVALID,
    KEY_MISSING,
    LEASE_LOST,
    RECORD_REFUSED,
    SETTINGS_INVALID,
    SOURCE_CHANGED,
    NeedsPerson,
    RecordsRefused,
    StopRun,
)

CHECKPOINT_TABLE = "signalbox_checkpoint"
MAX_RAW_BYTES = 64 * 1024

# As text, since pyarrow knows its own type parameters only in its stubs.
Array: TypeAlias = "pa.Array[Any]"
Piece = TypeVar("Piece")
# The ordering values of one row, as the text that the plugin makes and reads.
Key = tuple[str, ...]


@dataclass(frozen=True)
class Order:
    """What a read is ordered by: the cursor field of an incremental read, then the key that breaks its ties."""

    cursor_field: str
    key: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The ordering columns, each once."""
        first = (self.cursor_field,) if self.cursor_field else ()
        return first + tuple(name for name in self.key if name != self.cursor_field)


@dataclass(frozen=True)
class Position:
    """How far a read has come: the last row's ordering values, and the last key among rows whose cursor field is NULL.

    Rows with a NULL in the cursor field are read first, by key; so a later run finds new ones above `after_null`.
    """

    after: Key | None = None
    after_null: Key | None = None

    def cursor(self, order: Order) -> Cursor:
        """Return the position as the JSON that a checkpoint stores, with what it was ordered by."""
        values = {"after": self.after, "after_null": self.after_null}
        kept = {name: list(value) for name, value in values.items() if value is not None}
        return {"order": list(order.columns), **kept}


def position_of(cursor: Cursor | None, order: Order) -> Position:
    """Return the position that a cursor names, or refuse a cursor that another order or plugin made."""
    if cursor is None:
        return Position()
    if cursor.get("order") != list(order.columns):
        raise cursor_invalid(f"it was made for another order than {', '.join(order.columns)}")
    nulls = len(order.columns) - 1
    return Position(_key(cursor.get("after"), len(order.columns)), _key(cursor.get("after_null"), nulls))


def _key(value: object, length: int) -> Key | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != length or not all(isinstance(part, str) for part in value):
        raise cursor_invalid("its values do not fit the order")
    return tuple(value)


def kept_apart(
    pieces: Generator[tuple[Piece, Key, Key]], *, unique: bool, refuse: Callable[[], NeedsPerson]
) -> Generator[tuple[Piece, Key]]:
    """Yield pieces with the key of their last row, from pieces with the keys of their first and last rows.

    Where no unique index keeps rows apart, a piece waits for the next one: if its last key goes on there, no cursor
    between the two could be exact, and the read is refused.
    """
    waiting: tuple[Piece, Key] | None = None
    with closing(pieces):
        for piece, first, last in pieces:
            if waiting and waiting[1] == first:
                raise refuse()
            if waiting:
                yield waiting
                waiting = None
            if unique:
                yield piece, last
            else:
                waiting = piece, last
    if waiting:
        yield waiting


def no_key(stream: str, why: str) -> NeedsPerson:
    """The error for a stream that cannot be read in an exact order."""
    return NeedsPerson(
        KEY_MISSING,
        f"{stream!r} cannot be continued exactly: {why}.",
        what_to_do="Name key columns of the stream that are unique and never NULL, or give the table a primary key.",
    )


def cursor_invalid(why: str) -> NeedsPerson:
    """The error for a cursor that cannot be continued from."""
    return NeedsPerson(CURSOR_INVALID, f"The stored cursor cannot be used: {why}.")


def refuse_unknown_settings(settings: Mapping[str, Any], known: frozenset[str]) -> None:
    """Refuse a setting that is not declared: an ignored one would be inert, a forwarded one an open door."""
    unknown = sorted(set(settings) - known)
    if unknown:
        raise NeedsPerson(SETTINGS_INVALID, f"Unknown setting: {', '.join(unknown)}.")


def require_key(request: WriteRequest) -> None:
    """Refuse an upsert without key columns, or with ones that the records do not have."""
    if request.mode is not WriteMode.UPSERT:
        return
    missing = [name for name in request.key if name not in request.schema.names]
    if missing or not request.key:
        raise NeedsPerson(KEY_MISSING, f"The records have no key column {', '.join(missing)}.".replace(" .", "."))


def refuse_null_keys(records: pa.RecordBatch, key: Sequence[str]) -> None:
    """Refuse records without a key: an upsert could neither find nor replace them."""
    for name in key:
        if records.column(name).null_count:
            raise RecordsRefused(RECORD_REFUSED, f"The key column {name!r} is NULL.", column=name)


def lease_lost(fence: int) -> StopRun:
    """The error for a writer whose fence the destination has seen passed."""
    return StopRun(LEASE_LOST, f"The destination has seen a higher fence than {fence}.")


def source_changed(stream: str, why: str) -> NeedsPerson:
    """The error for a stream whose columns are not those that the run was pinned to."""
    return NeedsPerson(SOURCE_CHANGED, f"The columns of {stream!r} have changed: {why}.")


def pinned_fields(stream: str, offered: pa.Schema, pinned: pa.Schema | None) -> pa.Schema:
    """Return the fields to read: all that are offered, or those that the run is pinned to, if they are still there."""
    if pinned is None:
        return offered
    for field in pinned:
        position = offered.get_field_index(field.name)
        if position < 0:
            raise source_changed(stream, f"{field.name!r} is gone")
        if offered.field(position).type != field.type:
            raise source_changed(stream, f"{field.name!r} was {field.type} and is {offered.field(position).type}")
    return pinned


def bad_record(row: Mapping[str, object], reason: str) -> BadRecord:
    """Return a row that could not become a record, as JSON text."""
    raw = msgspec.json.encode(row, enc_hook=str).decode()
    return BadRecord(raw.encode()[:MAX_RAW_BYTES].decode(errors="ignore"), reason)


def plain_column(values: Array) -> Array:
    """Return a column in one of the few types that both databases are written from.

    Extension types become their text or storage, dictionaries and views their values, lists and structs JSON text.
    """
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        if isinstance(kind, pa.UuidType):
            return pa.array([None if value is None else str(value) for value in values.to_pylist()], pa.string())
        return plain_column(pc.cast(values, kind.storage_type))
    if pa.types.is_dictionary(kind):
        return plain_column(pc.cast(values, kind.value_type))
    if pa.types.is_nested(kind):
        return _json_text(values)
    target = plain_type(kind)
    return values if target == kind else pc.cast(values, target)


def _json_text(values: Array) -> Array:
    encode = msgspec.json.Encoder(enc_hook=str).encode
    return pa.array([None if v is None else encode(v).decode() for v in values.to_pylist()], pa.string())


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type in which values of this one are written."""
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return pa.string() if isinstance(kind, pa.UuidType) else plain_type(kind.storage_type)
    if types.is_dictionary(kind):
        value_type: pa.DataType = kind.value_type
        return plain_type(value_type)
    same: dict[str, pa.DataType] = {
        "int8": pa.int16(), "uint8": pa.int16(), "uint16": pa.int32(), "uint32": pa.int64(), "halffloat": pa.float32(),
        "uint64": pa.decimal128(20, 0), "date64[ms]": pa.date32(), "null": pa.string(),
    }  # fmt: skip
    if str(kind) in same:
        return same[str(kind)]
    if types.is_nested(kind) or types.is_large_string(kind) or types.is_string_view(kind) or types.is_decimal256(kind):
        return pa.string()
    if types.is_large_binary(kind) or types.is_binary_view(kind) or types.is_fixed_size_binary(kind):
        return pa.binary()
    return _in_microseconds(kind)


def _in_microseconds(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", tz=kind.tz)
    if pa.types.is_time(kind):
        return pa.time64("us")
    return pa.duration("us") if pa.types.is_duration(kind) else kind


def plain_batch(records: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return the columns of `schema` in the types that are written; a value that would lose precision is refused."""
    columns = []
    for name in schema.names:
        try:
            columns.append(plain_column(records.column(name)))
        except pa.ArrowInvalid as error:
            raise RecordsRefused(
                RECORD_REFUSED, f"A value of {name!r} cannot be stored: {error}", column=name
            ) from error
    return pa.RecordBatch.from_arrays(columns, names=schema.names)
