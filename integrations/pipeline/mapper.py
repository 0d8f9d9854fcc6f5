"""Map batches of records: what fits goes on, what does not is set aside with its reason, the filtered are counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Any, Self, cast

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from integrations.domain.mapping import (
    Compiled,
    FieldRule,
    FieldType,
    Mapping,
    MappingProblemsError,
    Program,
    compile_mapping,
)
from integrations.errors import (
    CONVERSION_FAILED,
    FILTER_FAILED,
    MAPPING_INVALID,
    REQUIRED_MISSING,
    SCHEMA_CHANGED,
    VALUE_TOO_LARGE,
    NeedsPerson,
)
from integrations.pipeline.batch import columns_of
from integrations.pipeline.evaluator import Evaluator, words_of
from integrations.pipeline.judge import Judged, Rows, excerpts, judge, named_columns, no_rows, too_large_rows

_ARROW_TYPES: dict[FieldType, pa.DataType] = {
    FieldType.TEXT: pa.string(),
    FieldType.INTEGER: pa.int64(),
    FieldType.FLOAT: pa.float64(),
    FieldType.BOOLEAN: pa.bool_(),
    FieldType.DATE: pa.date32(),
    FieldType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    FieldType.TIME: pa.time64("us"),
    FieldType.JSON: pa.string(),
    FieldType.BYTES: pa.binary(),
}

# DuckDB would let these conversions fail for each record; they can be told before the first one.
_TIMES = {FieldType.DATE, FieldType.TIME, FieldType.TIMESTAMP}
_FROM_NESTED = {FieldType.TEXT, FieldType.JSON}

# Mappings over their columns that a process remembers as proven.
_KNOWN = 256


@dataclass(frozen=True)
class Rejection:
    """A record that could not be mapped: its row in the source batch, the first field that failed, a code, a reason."""

    row: int
    field: str
    code: str
    reason: str


@dataclass(frozen=True)
class Mapped:
    """A mapped batch. `accepted_rows` holds the source row (int64) of each accepted record.

    Rows read = accepted + rejected + filtered, always.
    """

    accepted: pa.RecordBatch
    accepted_rows: pa.Int64Array
    rejected: tuple[Rejection, ...]
    filtered: int


def arrow_field(rule: FieldRule) -> pa.Field[Any]:
    """The Arrow field of a rule; the metadata `signalbox.type` tells JSON text from other text."""
    kind = pa.decimal128(rule.precision, rule.scale) if rule.type is FieldType.DECIMAL else _ARROW_TYPES[rule.type]
    return pa.field(rule.target, kind, nullable=not rule.required, metadata={"signalbox.type": rule.type_name})


class Mapper:
    """A mapping over a source schema. Keeps nothing from batch to batch; one thread uses it; a context manager.

    Raises NeedsPerson (`mapping_invalid`) where the mapping has a problem, or needs more memory or time than it may.
    """

    def __init__(
        self,
        mapping: Mapping,
        source_schema: pa.Schema,
        *,
        memory_limit_mb: int = 256,
        threads: int = 1,
        timeout_seconds: float = 10,
    ) -> None:
        self._source = source_schema
        self._program = _proven(mapping, source_schema)
        self.schema = pa.schema([arrow_field(rule) for rule in self._program.rules])
        self._evaluator = Evaluator(memory_limit_mb=memory_limit_mb, threads=threads, timeout_seconds=timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._evaluator.close()

    def map(self, records: pa.RecordBatch) -> Mapped:
        """Map one batch; NeedsPerson where its columns differ from the schema that the mapper was made for."""
        if not records.schema.equals(self._source):
            raise NeedsPerson(SCHEMA_CHANGED, "The columns of the batch differ from those that the run began with.")
        with self._evaluator.time_limit():
            try:
                return self._map(records)
            except duckdb.Error as error:
                raise NeedsPerson(MAPPING_INVALID, f"The batch cannot be mapped: {words_of(error)}") from error

    def _map(self, records: pa.RecordBatch) -> Mapped:
        rows = _numbers(records.num_rows)
        rejected, kept = self._reject_large(records)
        records, rows = records.filter(kept), rows.filter(kept)
        filtered = 0
        if self._program.filter:
            by_filter, kept, filtered = self._apply_filter(self._program.filter, records, rows)
            rejected += by_filter
            records, rows = records.filter(kept), rows.filter(kept)
        judged = judge(self._evaluator, self._program.fields, records)
        by_field, kept = self._reject(judged, records, rows)
        accepted = pa.RecordBatch.from_arrays([column.values for column in judged], schema=self.schema)
        ordered = tuple(sorted(rejected + by_field, key=lambda rejection: rejection.row))
        return Mapped(accepted.filter(kept), rows.filter(kept), ordered, filtered)

    def _reject_large(self, records: pa.RecordBatch) -> tuple[list[Rejection], Rows]:
        large = too_large_rows(self._evaluator, self._program.expressions, records)
        reason = "The record is too large for what the expressions of the mapping can make of it."
        is_large = pc.is_in(_numbers(records.num_rows), value_set=pa.array(large, pa.int64()))
        return [Rejection(row, "", VALUE_TOO_LARGE, reason) for row in large], pc.invert(is_large)

    def _apply_filter(
        self, condition: Compiled, records: pa.RecordBatch, rows: pa.Int64Array
    ) -> tuple[list[Rejection], Rows, int]:
        judged = judge(self._evaluator, [condition], records)[0]
        shown = excerpts(self._evaluator, condition, records, judged.is_failed)
        rejected = [
            Rejection(row, "filter", FILTER_FAILED, f"The filter cannot be evaluated for {value}.")
            for row, value in zip(_row_numbers(rows, judged.is_failed), shown, strict=True)
        ]
        kept = cast(Rows, judged.values.fill_null(False))
        return rejected, kept, len(rows) - kept.true_count - len(rejected)

    def _reject(
        self, judged: Sequence[Judged], records: pa.RecordBatch, rows: pa.Int64Array
    ) -> tuple[list[Rejection], Rows]:
        """The first field that fails in a row says why the row is rejected."""
        bad = no_rows(len(rows))
        rejected: list[Rejection] = []
        for rule, compiled, column in zip(self._program.rules, self._program.fields, judged, strict=True):
            failed = pc.and_not(column.is_failed, bad)
            shown = excerpts(self._evaluator, compiled, records, failed)
            numbers = _row_numbers(rows, failed)
            rejected += [
                Rejection(row, rule.target, CONVERSION_FAILED, failed_reason(rule, value))
                for row, value in zip(numbers, shown, strict=True)
            ]
            bad = pc.or_(bad, failed)
            if rule.required:
                missing = pc.and_not(column.is_null, bad)
                rejected += [
                    Rejection(row, rule.target, REQUIRED_MISSING, missing_reason(rule))
                    for row in _row_numbers(rows, missing)
                ]
                bad = pc.or_(bad, missing)
        return rejected, pc.invert(bad)


def binding_flaw(evaluator: Evaluator, expression: Compiled, kind: FieldType, source: pa.Schema) -> str:
    """Why the expression cannot work over columns of these types or can never be of its own type, or nothing."""
    columns = named_columns([expression], pa.RecordBatch.from_pylist([], schema=source))
    try:
        made = evaluator.select([f"({expression.sql})", expression.typed_sql], columns).schema.field(0).type
    except duckdb.Error as error:
        return words_of(error)
    is_number = pa.types.is_integer(made) or pa.types.is_floating(made) or pa.types.is_decimal(made)
    if is_number and kind in _TIMES:
        return f"A number is no {kind.value}. Use to_timestamp for seconds or epoch_ms for milliseconds."
    if pa.types.is_nested(made) and kind not in _FROM_NESTED:
        return f"A structure or list cannot be made into {kind.value}. Name one value of it, or choose the type json."
    return ""


def failed_reason(rule: FieldRule, shown: str) -> str:
    """The sentence of a dead letter: field, target type and what could not be converted."""
    return f"{rule.target}: cannot be made into {rule.type_name} from {shown}."


def missing_reason(rule: FieldRule) -> str:
    """The sentence of a dead letter that lacks a required value."""
    return f"{rule.target}: is required and has no value."


def _numbers(size: int) -> pa.Int64Array:
    return cast(pa.Int64Array, pa.arange(0, size))  # type: ignore[attr-defined]  # newer than the stubs


def _row_numbers(rows: pa.Int64Array, chosen: Rows) -> list[int]:
    return cast(list[int], rows.filter(chosen).to_pylist())


@lru_cache(maxsize=_KNOWN)
def _proven(mapping: Mapping, schema: pa.Schema) -> Program:
    """A mapping, compiled, of which DuckDB could bind every expression to the types of the source.

    No run starts with one that cannot work; and what has worked before over the same columns need not be tried again.
    """
    program = _compile(mapping, schema)
    named = [(rule.target, rule.type) for rule in program.rules] + [("filter", FieldType.BOOLEAN)]
    with Evaluator() as evaluator, evaluator.time_limit():
        for (name, kind), compiled in zip(named, program.expressions, strict=False):
            flaw = binding_flaw(evaluator, compiled, kind, schema)
            if flaw:
                raise NeedsPerson(MAPPING_INVALID, f"{name}: {flaw}", field=name)
    return program


def _compile(mapping: Mapping, schema: pa.Schema) -> Program:
    columns = columns_of(schema)
    if len(columns) < len(schema.names):
        raise NeedsPerson(
            MAPPING_INVALID, "Two columns of the source have the same name.", what_to_do="Rename one of them."
        )
    try:
        return compile_mapping(mapping, columns)
    except MappingProblemsError as refusal:
        first = refusal.problems[0]
        name = mapping.fields[first.field].target if isinstance(first.field, int) else first.field
        raise NeedsPerson(MAPPING_INVALID, f"{name}: {first.message}", field=name) from None
