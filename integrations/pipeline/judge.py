"""Evaluate the expressions of a mapping over records, and find out for each missing value why it is missing.

One query makes all values, NULL where an expression or a conversion fails. Only for rows with a NULL a second query
asks whether the expression itself says NULL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from integrations.domain.mapping import Compiled
from integrations.pipeline.batch import EXCERPT_CHARACTERS, excerpt
from integrations.pipeline.evaluator import Evaluator, too_large

# A piece of a batch may cost this part of the memory limit: inputs, vectors inside the calls and results live together.
_PIECES = 4

# One truth value for each row, never NULL.
Rows = pa.BooleanArray


@dataclass(frozen=True)
class Judged:
    """The values of one expression, the rows where they are NULL, and those of them where evaluation failed."""

    values: pa.Array[Any]
    is_null: Rows
    is_failed: Rows


def judge(evaluator: Evaluator, expressions: Sequence[Compiled], records: pa.RecordBatch) -> list[Judged]:
    """The values of all expressions over all records, and where they failed."""
    columns = named_columns(expressions, records)
    made = _evaluate(evaluator, expressions, columns)
    values = [column.combine_chunks() for column in made.columns]
    nulls = [pc.is_null(column) for column in values]
    failed = _failures(evaluator, expressions, columns, nulls)
    return [Judged(*parts) for parts in zip(values, nulls, failed, strict=True)]


def no_rows(size: int) -> Rows:
    """False for each of `size` rows."""
    return pa.repeat(pa.scalar(False), size)


def named_columns(expressions: Sequence[Compiled], records: pa.RecordBatch) -> pa.Table:
    """The columns that the expressions read, called by their place; one empty column where they read none."""
    places = sorted({place for expression in expressions for place in expression.columns})
    if not places:
        return pa.table({"c": pa.nulls(records.num_rows, pa.bool_())})
    return pa.Table.from_arrays([records.column(p) for p in places], names=[f"c{place}" for place in places])


def too_large_rows(evaluator: Evaluator, expressions: Sequence[Compiled], records: pa.RecordBatch) -> list[int]:
    """The rows of which each alone can cost more than the memory limit."""
    columns = named_columns(expressions, records)
    found: list[int] = []
    todo = [(0, records.num_rows)]
    while todo:
        start, size = todo.pop()
        if size == 0 or _cost(expressions, columns.slice(start, size)) <= evaluator.memory_bytes:
            continue
        if size == 1:
            found.append(start)
        else:
            todo += [(start + size // 2, size - size // 2), (start, size // 2)]
    return found


def excerpts(evaluator: Evaluator, expression: Compiled, records: pa.RecordBatch, rows: Rows) -> list[str]:
    """What failed in these rows, for a person: the value that could not be converted, or what was read."""
    taken = records.filter(rows)
    if not taken.num_rows:
        return []
    shown = f"TRY(left(CAST(({expression.sql}) AS VARCHAR), {EXCERPT_CHARACTERS + 1}))"
    made = evaluator.select([shown], named_columns([expression], taken)).column(0).to_pylist()
    return [f"'{excerpt(v)}'" if v is not None else _inputs(expression, taken, i) for i, v in enumerate(made)]


def _inputs(expression: Compiled, records: pa.RecordBatch, row: int) -> str:
    parts = [f"{records.schema.names[c]} = {records.column(c)[row].as_py()!s:.80}" for c in expression.columns]
    return excerpt("; ".join(parts)) or "a constant"


def _evaluate(evaluator: Evaluator, expressions: Sequence[Compiled], columns: pa.Table) -> pa.Table:
    """The typed values, evaluated in pieces that are small enough for what the expressions can make of them."""
    sql = [expression.typed_sql for expression in expressions]
    made: list[pa.Table] = []
    todo, size = [columns], 0
    while todo:
        piece = todo.pop()
        if piece.num_rows > 1 and _cost(expressions, piece) > evaluator.memory_bytes // _PIECES:
            half = piece.num_rows // 2
            todo += [piece.slice(half), piece.slice(0, half)]
            continue
        made.append(evaluator.select(sql, piece))
        size += made[-1].nbytes
        if size > evaluator.memory_bytes:
            raise too_large(evaluator.memory_bytes)
    return pa.concat_tables(made)


def _cost(expressions: Sequence[Compiled], columns: pa.Table) -> float:
    sizes = {name: columns.column(name).nbytes for name in columns.column_names}
    per_row = sum(expression.cost.constant for expression in expressions)
    per_byte = sum(sizes[name] * factor for e in expressions for name, factor in e.cost.per_column.items())
    return per_byte + per_row * columns.num_rows


def _failures(
    evaluator: Evaluator, expressions: Sequence[Compiled], columns: pa.Table, nulls: Sequence[Rows]
) -> list[Rows]:
    """The NULL rows where NULL is not what the expression says."""
    said = list(nulls)
    asked: list[int] = []
    for place, expression in enumerate(expressions):
        if not pc.any(nulls[place]).as_py():
            continue
        if expression.source is not None:
            said[place] = pc.is_null(columns.column(f"c{expression.source}").combine_chunks())
        else:
            asked.append(place)
    if asked:
        rows = reduce(pc.or_, [nulls[place] for place in asked])
        sql = [f"coalesce(TRY(({expressions[place].sql}) IS NULL), false)" for place in asked]
        answer = evaluator.select(sql, columns.filter(rows))
        for place, column in zip(asked, answer.columns, strict=True):
            said[place] = pc.replace_with_mask(no_rows(len(rows)), rows, column.combine_chunks())
    return [pc.and_not(null, legitimate) for null, legitimate in zip(nulls, said, strict=True)]
