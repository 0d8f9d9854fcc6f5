"""The live preview beside the mapping editor: what each field makes of sample records, and what is wrong with it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping as Dictionary
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import pyarrow as pa

from integrations.domain.mapping import (
    Compiled,
    FieldRule,
    FieldType,
    Mapping,
    Problem,
    ProblemCode,
    check_mapping,
    compile_expression,
    sql_type,
)
from integrations.errors import NeedsPerson
from integrations.pipeline.batch import columns_of
from integrations.pipeline.evaluator import Evaluator
from integrations.pipeline.judge import excerpts, judge
from integrations.pipeline.mapper import binding_flaw, failed_reason, missing_reason

FILTER: Final = "filter"
_TEXT_SHOWN = 1000


@dataclass
class PreviewRow:
    """One sample record: what went in, what each field made, each field's error, and the verdict.

    The verdict is "accepted", "filtered" or "rejected". All values are plain, as JSON can say them.
    """

    input: dict[str, Any]
    output: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    verdict: str = "accepted"


@dataclass(frozen=True)
class Preview:
    """The rows, and the problems that hold for every record (also those that only the types of the source show)."""

    problems: tuple[Problem, ...]
    rows: tuple[PreviewRow, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for the page and the API."""
        return {"problems": [asdict(problem) for problem in self.problems], "rows": [asdict(row) for row in self.rows]}


def sample_preview(
    mapping: Mapping, source_schema: pa.Schema, records: pa.RecordBatch, limit: int = 20, *, timeout_seconds: float = 2
) -> Preview:
    """What the mapping makes of the first `limit` records. No field's error hides another field's values."""
    sample = records.slice(0, limit)
    columns = columns_of(source_schema)
    problems = list(check_mapping(mapping, columns))
    rows = [PreviewRow(plain(record)) for record in sample.to_pylist()]
    with Evaluator(timeout_seconds=timeout_seconds) as evaluator:
        session = _Session(evaluator, source_schema, columns, sample, rows)
        broken = {problem.field for problem in problems}
        if mapping.filter.strip() and FILTER not in broken:
            problems += session.apply_filter(mapping.filter)
        for index, rule in enumerate(mapping.fields):
            if index not in broken:
                problems += session.add_field(index, rule)
    for problem in problems:
        _blame(problem, mapping, rows)
    return Preview(tuple(problems), tuple(rows))


@dataclass(frozen=True)
class _Session:
    evaluator: Evaluator
    schema: pa.Schema
    columns: Dictionary[str, str]
    sample: pa.RecordBatch
    rows: list[PreviewRow]

    def apply_filter(self, condition: str) -> list[Problem]:
        compiled = compile_expression(condition, "BOOLEAN", self.columns)
        flaw = binding_flaw(self.evaluator, compiled, FieldType.BOOLEAN, self.schema)
        if flaw:
            return [Problem(FILTER, ProblemCode.TYPE_MISMATCH, flaw)]
        try:
            values, errors = self._cells(compiled)
        except NeedsPerson as error:
            return [Problem(FILTER, ProblemCode.TOO_COSTLY, str(error))]
        for number, row in enumerate(self.rows):
            if number in errors:
                row.errors[FILTER] = f"The filter cannot be evaluated for {errors[number]}."
                row.verdict = "rejected"
            elif values[number] is not True:
                row.verdict = "filtered"
        return []

    def add_field(self, index: int, rule: FieldRule) -> list[Problem]:
        compiled = compile_expression(rule.expression, sql_type(rule), self.columns)
        flaw = binding_flaw(self.evaluator, compiled, rule.type, self.schema)
        if flaw:
            return [Problem(index, ProblemCode.TYPE_MISMATCH, flaw)]
        try:
            values, errors = self._cells(compiled)
        except NeedsPerson as error:
            return [Problem(index, ProblemCode.TOO_COSTLY, str(error))]
        for number, row in enumerate(self.rows):
            row.output[rule.target] = plain(values[number])
            if number in errors:
                _reject(row, rule.target, failed_reason(rule, errors[number]))
            elif rule.required and values[number] is None:
                _reject(row, rule.target, missing_reason(rule))
        return []

    def _cells(self, compiled: Compiled) -> tuple[list[Any], dict[int, str]]:
        with self.evaluator.time_limit():
            judged = judge(self.evaluator, [compiled], self.sample)[0]
            shown = excerpts(self.evaluator, compiled, self.sample, judged.is_failed)
        failed = [number for number, bad in enumerate(judged.is_failed.to_pylist()) if bad]
        return judged.values.to_pylist(), dict(zip(failed, shown, strict=True))


def plain(value: object) -> Any:
    """A value as JSON can say it: exact decimals and times as text, bytes as hexadecimal, long text cut."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value[: _TEXT_SHOWN // 2].hex()
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if value is None or isinstance(value, bool | int):
        return value
    text = value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)
    return text[:_TEXT_SHOWN]


def _reject(row: PreviewRow, name: str, reason: str) -> None:
    row.errors[name] = reason
    if row.verdict == "accepted":
        row.verdict = "rejected"


def _blame(problem: Problem, mapping: Mapping, rows: list[PreviewRow]) -> None:
    name = mapping.fields[problem.field].target if isinstance(problem.field, int) else problem.field
    for row in rows:
        row.errors.setdefault(name, problem.message)
        row.verdict = "rejected"
