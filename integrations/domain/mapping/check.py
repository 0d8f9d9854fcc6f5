"""Check a mapping before it is stored or run: every problem, at its field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping as Dictionary

from sqlglot import exp

from integrations.domain.mapping.inspect import flaws_of
from integrations.domain.mapping.model import FieldRule, Mapping
from integrations.domain.mapping.parse import parse_expression
from integrations.domain.mapping.problems import ExpressionError, Flaw, Problem, ProblemCode

MAX_FIELDS = 200
MAX_TARGET_BYTES = 63
FORBIDDEN_IN_TARGET = frozenset('"`\\')


def check_mapping(mapping: Mapping, columns: Dictionary[str, str] | None) -> tuple[Problem, ...]:
    """All problems of a mapping; `columns` are the names and types of the source, or None where they are not known."""
    if not mapping.fields:
        return (Problem("mapping", ProblemCode.NO_FIELDS, "The mapping has no field. Add one, or take the proposal."),)
    if len(mapping.fields) > MAX_FIELDS:
        message = f"The mapping has {len(mapping.fields)} fields; {MAX_FIELDS} are allowed. Split the stream."
        return (Problem("mapping", ProblemCode.TOO_MANY_FIELDS, message),)
    found: list[Problem] = []
    for index, rule in enumerate(mapping.fields):
        flaws = [*_target_flaws(rule), *_expression_flaws(rule.expression, columns)]
        found += [Problem(index, f.code, f.message, f.position) for f in flaws]
    found += _duplicates(mapping)
    if mapping.filter.strip():
        flaws = _expression_flaws(mapping.filter, columns)
        found += [Problem("filter", f.code, f.message, f.position) for f in flaws]
    return tuple(found)


def checked_tree(text: str, columns: Dictionary[str, str] | None) -> exp.Expr:
    """The tree of an expression without a flaw; `ExpressionError` with the first flaw otherwise."""
    tree = parse_expression(text)
    flaws = flaws_of(tree, columns)
    if flaws:
        raise ExpressionError(flaws[0].code, flaws[0].message, flaws[0].position)
    return tree


def _expression_flaws(text: str, columns: Dictionary[str, str] | None) -> list[Flaw]:
    try:
        return flaws_of(parse_expression(text), columns)
    except ExpressionError as refusal:
        return [refusal.flaw]


def _target_flaws(rule: FieldRule) -> list[Flaw]:
    name = rule.target
    if not name or name != name.strip() or not name.isprintable() or FORBIDDEN_IN_TARGET & set(name):
        message = "Give the field a name of printable characters, without quotes, backslashes or spaces around it."
        return [Flaw(ProblemCode.BAD_TARGET, message)]
    if len(name.encode()) > MAX_TARGET_BYTES:
        return [
            Flaw(ProblemCode.BAD_TARGET, f"The name of the field is longer than {MAX_TARGET_BYTES} bytes. Shorten it.")
        ]
    return []


def _duplicates(mapping: Mapping) -> list[Problem]:
    counts = Counter(rule.target.casefold() for rule in mapping.fields)
    message = "Another field has the same name (upper and lower case count as the same). Rename one."
    return [
        Problem(index, ProblemCode.DUPLICATE_TARGET, message)
        for index, rule in enumerate(mapping.fields)
        if counts[rule.target.casefold()] > 1
    ]
