"""Which columns of the source an expression reads, for those who look at what it did."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from integrations.domain.mapping.inspect import resolve
from integrations.domain.mapping.parse import parse_expression
from integrations.domain.mapping.problems import ExpressionError


def columns_read(text: str, columns: Iterable[str]) -> frozenset[str]:
    """The names among `columns` that the expression reads; none where it cannot be parsed."""
    try:
        tree = parse_expression(text)
    except ExpressionError:
        return frozenset()
    known = list(columns)
    return frozenset(name for column in tree.find_all(exp.Column) for name in resolve(column.name, known))
