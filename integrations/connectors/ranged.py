"""Reads a past range of a field's values, whichever connector gives the records: for a backfill."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from integrations.connectors.base import (
    Batch,
    CheckResult,
    Connector,
    PluginSpec,
    Range,
    ReadRequest,
    Stream,
    Writer,
    WriteRequest,
)
from integrations.connectors.optional import Ranged
from integrations.errors import RANGE_INVALID, RANGE_UNSUPPORTED, NeedsPerson

# As text, since pyarrow knows its own type parameters only in its stubs.
Scalar: TypeAlias = "pa.Scalar[Any]"


class RangedSource:
    """A connector that gives the records of one range. What did not decode cannot be told apart, and stays."""

    spec: ClassVar[PluginSpec] = PluginSpec(
        key="range", label="Range", description="A past range of a stream.", icon="history", settings=(), reads=True
    )

    def __init__(self, inner: Connector, within: Range) -> None:
        self._inner, self._within = inner, within

    def check(self) -> CheckResult:
        """Ask the connector."""
        return self._inner.check()

    def discover(self) -> Sequence[Stream]:
        """Ask the connector."""
        return self._inner.discover()

    def describe(self, stream: str) -> Stream:
        """Ask the connector."""
        return self._inner.describe(stream)

    def read(self, request: ReadRequest) -> Iterator[Batch]:
        """Give the records of the range after the cursor. Raises NeedsPerson for a range that cannot be read."""
        within = self._within
        fields = range_fields(self._inner, request.stream)
        if within.field not in fields:
            raise NeedsPerson(
                RANGE_UNSUPPORTED, f"{request.stream} cannot be read by a range of {within.field!r}, only of "
                f"{', '.join(fields) or 'nothing'}.",
            )  # fmt: skip
        keeps = _test_of(within, request.schema)
        for batch in self._inner.read(replace(request, cursor_field=within.field, within=within)):
            yield replace(batch, records=keeps(batch.records))

    def open_writer(self, request: WriteRequest) -> AbstractContextManager[Writer]:
        """Ask the connector."""
        return self._inner.open_writer(request)

    def close(self) -> None:
        """Close the connector."""
        self._inner.close()


def range_fields(connector: Connector, stream: str) -> Sequence[str]:
    """The fields by which a stream can be read in part. Raises NeedsPerson(RANGE_UNSUPPORTED) where there is no way."""
    if not isinstance(connector, Ranged):
        raise NeedsPerson(RANGE_UNSUPPORTED, f"{connector.spec.label} cannot be asked for a range.")
    return connector.range_fields(stream)


def check_range(within: Range, schema: pa.Schema | None) -> None:
    """Raise NeedsPerson(RANGE_INVALID) where the bounds are no values of the field, or the wrong way round."""
    low, high = _bounds(within, schema)
    if not pc.less(low, high).as_py():
        raise NeedsPerson(RANGE_INVALID, f"The range of {within.field} ends before it begins.")


def can_be_told(kind: pa.DataType) -> bool:
    """Say whether values of a type have an order in which a person can name a range."""
    types = pa.types
    return any(is_kind(kind) for is_kind in (types.is_integer, types.is_timestamp, types.is_date, types.is_decimal))


def moment_of(text: str) -> datetime:
    """A date or a date and time, in UTC; one that names no zone is taken for UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _not_a("date and time", text) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _test_of(within: Range, schema: pa.Schema | None) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    """What leaves out of a batch the records that lie outside; a field that is no column was judged by the plugin."""

    def keeps(records: pa.RecordBatch) -> pa.RecordBatch:
        if within.field not in records.schema.names:
            return records
        low, high = _bounds(within, schema or records.schema)
        values = records.column(within.field)
        inside = pc.and_(pc.greater_equal(values, low), pc.less(values, high))
        return records.filter(inside)

    return keeps


def _bounds(within: Range, schema: pa.Schema | None) -> tuple[Scalar, Scalar]:
    position = schema.get_field_index(within.field) if schema is not None else -1
    kind = schema.field(position).type if schema is not None and position >= 0 else pa.timestamp("us", tz="UTC")
    return _scalar(within.low, kind), _scalar(within.high, kind)


def _scalar(text: str, kind: pa.DataType) -> Scalar:
    """A bound as a value of the field's type."""
    try:
        bound: Scalar = pa.scalar(_value(text, kind), kind)
    except (ValueError, InvalidOperation, OverflowError, pa.ArrowInvalid) as error:
        raise _not_a(str(kind), text) from error
    return bound


def _value(text: str, kind: pa.DataType) -> object:
    if pa.types.is_timestamp(kind):
        moment = moment_of(text)
        return moment if kind.tz else moment.replace(tzinfo=None)
    if pa.types.is_date(kind):
        return date.fromisoformat(text)
    if pa.types.is_integer(kind):
        return int(text)
    return Decimal(text) if pa.types.is_decimal(kind) else text


def _not_a(kind: str, text: str) -> NeedsPerson:
    return NeedsPerson(RANGE_INVALID, f"“{text[:40]}” is no {kind}.")
