"""From a checked mapping to the SQL that DuckDB evaluates over columns called c0, c1, ...

Source columns are renamed by their place, so whatever they are called, no name of a stranger reaches the SQL.
"""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from dataclasses import dataclass

from sqlglot import exp

from integrations.domain.mapping.check import check_mapping, checked_tree
from integrations.domain.mapping.inspect import Cost, cost_of, resolve
from integrations.domain.mapping.model import FieldRule, FieldType, Mapping
from integrations.domain.mapping.parse import write_sql
from integrations.domain.mapping.problems import Problem

_SQL_TYPES = {
    FieldType.TEXT: "VARCHAR",
    FieldType.INTEGER: "BIGINT",
    FieldType.FLOAT: "DOUBLE",
    FieldType.BOOLEAN: "BOOLEAN",
    FieldType.DATE: "DATE",
    FieldType.TIMESTAMP: "TIMESTAMPTZ",
    FieldType.TIME: "TIME",
    FieldType.JSON: "JSON",
    FieldType.BYTES: "BLOB",
}


class MappingProblemsError(Exception):
    """The mapping has problems and is not compiled."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


@dataclass(frozen=True)
class Compiled:
    """One expression as SQL: the bare value, the value in its type (NULL where either fails), and what it reads.

    `columns` are source columns by their place. `source` is that place where the expression is one column.
    """

    sql: str
    typed_sql: str
    columns: tuple[int, ...]
    cost: Cost
    source: int | None = None


@dataclass(frozen=True)
class Program:
    """A mapping ready to run: the rules with their SQL, and the filter's, if there is one."""

    rules: tuple[FieldRule, ...]
    fields: tuple[Compiled, ...]
    filter: Compiled | None

    @property
    def expressions(self) -> tuple[Compiled, ...]:
        return (*self.fields, self.filter) if self.filter else self.fields


def compile_mapping(mapping: Mapping, columns: Dictionary[str, str]) -> Program:
    """The program of a mapping over these columns (their order counts); MappingProblemsError with all problems."""
    problems = check_mapping(mapping, columns)
    if problems:
        raise MappingProblemsError(problems)
    fields = tuple(compile_expression(rule.expression, sql_type(rule), columns) for rule in mapping.fields)
    condition = compile_expression(mapping.filter, "BOOLEAN", columns) if mapping.filter.strip() else None
    return Program(mapping.fields, fields, condition)


def compile_expression(text: str, type_sql: str, columns: Dictionary[str, str]) -> Compiled:
    """One expression as SQL of a type; `ExpressionError` where it has a flaw."""
    tree = checked_tree(text, columns)
    places = {name: place for place, name in enumerate(columns)}
    cost: dict[str, float] = {}
    for name, factor in cost_of(tree).per_column.items():
        place = _place(name, places)
        cost[f"c{place}"] = cost.get(f"c{place}", 0.0) + factor
    used = tuple(sorted({_place(column.name, places) for column in tree.find_all(exp.Column)}))
    source = used[0] if isinstance(tree.unnest(), exp.Column) else None
    for column in list(tree.find_all(exp.Column)):
        column.set("this", exp.to_identifier(f"c{_place(column.name, places)}", quoted=True))
    sql = write_sql(tree)
    return Compiled(sql, typed(sql, type_sql), used, Cost(cost, cost_of(tree).constant), source)


def typed(sql: str, type_sql: str) -> str:
    """The value in its type, or NULL where it fails; a failed TRY_CAST costs no exception, a failed CAST does."""
    converted = f"TRY_CAST(({sql}) AS {type_sql})"
    return f"TRY(CAST({converted} AS VARCHAR))" if type_sql == "JSON" else f"TRY({converted})"


def sql_type(rule: FieldRule) -> str:
    """DuckDB's name of the field's type."""
    return f"DECIMAL({rule.precision},{rule.scale})" if rule.type is FieldType.DECIMAL else _SQL_TYPES[rule.type]


def _place(name: str, places: Dictionary[str, int]) -> int:
    return places[resolve(name, places)[0]]
