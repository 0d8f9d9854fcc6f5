"""Hold the tree of an expression to the allow-list, and its columns to those that the source has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlglot import exp

from integrations.domain.mapping.allowlist import (
    ANONYMOUS,
    CAST_TYPES,
    DATE_PARTS,
    PLAIN_NODES,
    RULES,
    Rule,
    function_names,
)
from integrations.domain.mapping.limits import MAX_PAD
from integrations.domain.mapping.parse import position_of
from integrations.domain.mapping.problems import Flaw, ProblemCode, did_you_mean

MAX_NODES = 200
MAX_DEPTH = 20
MAX_GROWTH = 10_000
_UNCOUNTED = (exp.Identifier, exp.Paren, exp.DataType, exp.DataTypeParam, exp.Var)
# Parts that mean something else, or nothing, anywhere but in their own place.
_PLACES: dict[type[exp.Expr], tuple[type[exp.Expr], ...]] = {
    exp.PropertyEQ: (exp.Struct,),
    exp.JSONKeyValue: (exp.JSONObject,),
    exp.DataType: (exp.Cast,),
    exp.DataTypeParam: (exp.DataType,),
    exp.Var: (exp.TimestampTrunc, exp.DateDiff, exp.Extract, exp.Interval),
}
_LEAVES = (exp.Column, exp.Literal, *_UNCOUNTED)


@dataclass(frozen=True)
class Cost:
    """An upper bound of the bytes made and steps taken for one record: per byte of each column, and beside them."""

    per_column: dict[str, float]
    constant: float


def flaws_of(tree: exp.Expr, columns: Iterable[str] | None) -> list[Flaw]:
    """All that is wrong with the tree; where `columns` is None its column names are not looked at."""
    size = _size_flaw(tree)
    if size:
        return [size]
    found = [flaw for node in tree.walk() for flaw in _node_flaws(node)]
    if columns is not None:
        known = list(columns)
        found += [flaw for column in tree.find_all(exp.Column) for flaw in _column_flaws(column, known)]
    if found:
        return sorted(found, key=lambda flaw: flaw.position or 0)
    return [_costly()] if max([0.0, *cost_of(tree).per_column.values()]) > MAX_GROWTH else []


def resolve(name: str, columns: Iterable[str]) -> list[str]:
    """The columns that a name can mean: the same name, or else those that differ in upper and lower case alone."""
    known = list(columns)
    return [name] if name in known else [c for c in known if c.casefold() == name.casefold()]


def cost_of(tree: exp.Expr) -> Cost:
    """Each column and constant, times the growth of all functions around it."""
    per_column: dict[str, float] = {}
    constant = 0.0
    todo: list[tuple[exp.Expr, float]] = [(tree, 1.0)]
    while todo:
        node, factor = todo.pop()
        if isinstance(node, exp.Column):
            per_column[node.name] = per_column.get(node.name, 0.0) + factor
            constant += 32 * factor
        elif isinstance(node, exp.Literal):
            constant += factor * len(str(node.this).encode(errors="replace"))
        else:
            rule = _rule_of(node)
            constant += MAX_PAD * 4 * factor if isinstance(node, exp.Pad) else 0.0
            todo.extend((child, factor * (rule.growth(node) if rule else 1.0)) for child in node.iter_expressions())
    return Cost(per_column, constant)


def _costly() -> Flaw:
    return Flaw(
        ProblemCode.TOO_COSTLY,
        "The expression can make a value thousands of times as long as the record. Use fewer replacements and repeats.",
    )


def _size_flaw(tree: exp.Expr) -> Flaw | None:
    parts = deepest = 0
    todo = [(tree, 0)]
    while todo:
        node, depth = todo.pop()
        parts += not isinstance(node, _UNCOUNTED)
        deepest = max(deepest, depth)
        todo.extend((child, depth + _nests(node, child)) for child in node.iter_expressions())
    if parts > MAX_NODES:
        return Flaw(
            ProblemCode.TOO_COMPLEX,
            f"The expression has {parts} parts; {MAX_NODES} are allowed. Split it over several fields.",
        )
    if deepest > MAX_DEPTH:
        return Flaw(
            ProblemCode.TOO_COMPLEX, f"The expression nests {deepest} deep; {MAX_DEPTH} are allowed. Simplify it."
        )
    return None


def _nests(node: exp.Expr, child: exp.Expr) -> bool:
    # A chain such as a || b || c leans to one side and is no nesting for the reader.
    chained = isinstance(node, exp.Binary) and type(child) is type(node)
    return not chained and not isinstance(child, _LEAVES)


def _rule_of(node: exp.Expr) -> Rule | None:
    if isinstance(node, exp.Anonymous):
        return ANONYMOUS.get(str(node.this).lower())
    return RULES.get(type(node))


def _node_flaws(node: exp.Expr) -> Iterator[Flaw]:
    rule = _rule_of(node)
    if rule is not None:
        yield from _call_flaws(node, rule)
    elif type(node) not in PLAIN_NODES or not isinstance(node.parent, _PLACES.get(type(node), object)):
        yield _forbidden(node)
    elif isinstance(node, exp.DataType):
        yield from _type_flaws(node)
    elif isinstance(node, exp.Var) and str(node.this).upper() not in DATE_PARTS:
        message = f"There is no date part {str(node.this)[:40]!r}. Use year, month, day, hour, minute or second."
        yield Flaw(ProblemCode.BAD_ARGUMENT, message, position_of(node.parent or node))
    elif isinstance(node, exp.In) and not node.args.get("expressions"):
        yield Flaw(ProblemCode.FORBIDDEN_SYNTAX, "IN takes a list of values in brackets.", position_of(node))


def _forbidden(node: exp.Expr) -> Flaw:
    if isinstance(node, exp.Anonymous | exp.Func):
        name = str(node.this) if isinstance(node, exp.Anonymous) else node.sql_name().lower()
        message = f"The function {name[:60]!r} is not allowed in a mapping.{did_you_mean(name, list(function_names()))}"
        return Flaw(ProblemCode.FORBIDDEN_FUNCTION, f"{message} See the list of functions.", position_of(node))
    if isinstance(node, exp.Alias):
        message = "The expression goes on after its end. The name of the field stands beside it: remove the alias."
    elif isinstance(node, exp.Lambda):
        message = "Lambdas are not allowed. For '->' on JSON write json_extract(column, '$.path')."
    else:
        message = f"{type(node).__name__} is not allowed: a mapping takes one value from one record."
    return Flaw(ProblemCode.FORBIDDEN_SYNTAX, message, position_of(node))


def _call_flaws(node: exp.Expr, rule: Rule) -> Iterator[Flaw]:
    for key in rule.constants:
        value = _argument(node, key)
        if value is not None and not _is_text_constant(value):
            message = f"{rule.names[0]}: this argument must be a text in quotes, not a value of the record."
            yield Flaw(ProblemCode.BAD_ARGUMENT, message, position_of(value) or position_of(node))
    flaw = rule.flaw(node)
    if flaw:
        yield Flaw(ProblemCode.BAD_ARGUMENT, f"{rule.names[0]}: {flaw}", position_of(node))


def _argument(node: exp.Expr, key: str | int) -> exp.Expr | None:
    if isinstance(key, str):
        value = node.args.get(key)
        return value if isinstance(value, exp.Expr) else None
    return node.expressions[key] if key < len(node.expressions) else None


def _is_text_constant(node: exp.Expr) -> bool:
    if isinstance(node, exp.Array):
        return all(_is_text_constant(item) for item in node.expressions)
    return isinstance(node, exp.Literal) and node.is_string


def _type_flaws(node: exp.DataType) -> Iterator[Flaw]:
    if node.this not in CAST_TYPES or node.args.get("nested"):
        message = f"A value cannot be cast to {node.sql('duckdb')[:40]}. Use varchar, bigint or decimal(18,2)."
        yield Flaw(ProblemCode.FORBIDDEN_SYNTAX, message, position_of(node.parent or node))


def _column_flaws(column: exp.Column, known: list[str]) -> Iterator[Flaw]:
    matches = resolve(column.name, known)
    if not matches:
        message = f"There is no column {column.name[:60]!r} in the source.{did_you_mean(column.name, known)}"
        yield Flaw(ProblemCode.UNKNOWN_COLUMN, message, position_of(column))
    elif len(matches) > 1:
        message = f"{column.name[:60]!r} can mean {matches[0]!r} or {matches[1]!r}. Write it exactly, in double quotes."
        yield Flaw(ProblemCode.AMBIGUOUS_COLUMN, message, position_of(column))
