"""From the text of an expression to one sqlglot tree, or to the reason why there is none.

The text is never evaluated: DuckDB gets SQL that is written anew from the tree (`compile.py`).
"""

from __future__ import annotations

import logging
from typing import Any, ClassVar

import sqlglot
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError, SqlglotError, TokenError
from sqlglot.generators.duckdb import DuckDBGenerator
from sqlglot.tokenizer_core import Token, TokenType

from integrations.domain.mapping.problems import ExpressionError, ProblemCode

# Below errors it logs the text that it parses, which is a stranger's.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

MAX_BYTES = 4096
MAX_BRACKETS = 40
MAX_TOKENS = 1000

_OPENING = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE}
_CLOSING = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END}

# What sqlglot raises, beside its own errors, on text that is not SQL; a recursion error is its way to say that brackets
# nest too deep for the stack it was called on.
_PARSER_CRASHES = (AttributeError, AssertionError, IndexError, KeyError, TypeError, ValueError)


class MappingDialect(DuckDB):
    """DuckDB's dialect with JSON access as plain calls: its `->` binds weaker than `=`, and would change meaning."""

    def to_json_path(self, path: Any) -> Any:  # Any: sqlglot's own signature differs between versions
        return path

    class Generator(DuckDBGenerator):
        TRANSFORMS: ClassVar[dict[Any, Any]] = {
            **DuckDBGenerator.TRANSFORMS,
            exp.JSONExtract: lambda self, e: self.func("JSON_EXTRACT", e.this, e.expression),
            exp.JSONExtractScalar: lambda self, e: self.func("JSON_EXTRACT_STRING", e.this, e.expression),
        }


def parse_expression(text: str) -> exp.Expr:
    """The tree of one expression, dotted names made into struct access; ExpressionError if there is not one."""
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise ExpressionError(
            ProblemCode.TOO_LONG, f"The expression is longer than {MAX_BYTES} bytes. Split it over several fields."
        )
    _check_tokens(_tokens(text))
    try:
        trees = sqlglot.parse(text, read=MappingDialect)
    except ParseError as error:
        raise _syntax(text, error) from None
    except RecursionError:
        raise ExpressionError(ProblemCode.TOO_COMPLEX, "The expression nests too deep. Simplify it.") from None
    except (SqlglotError, *_PARSER_CRASHES):
        raise ExpressionError(
            ProblemCode.SYNTAX, "The expression cannot be read as SQL. Check brackets, commas and quotes."
        ) from None
    if len(trees) != 1 or trees[0] is None:
        raise ExpressionError(ProblemCode.EMPTY, "Write an expression, for example a column name.")
    return trees[0].transform(_struct_access)


def write_sql(tree: exp.Expr) -> str:
    """DuckDB SQL written anew from the tree, every name in quotes."""
    return tree.sql(MappingDialect, identify=True, comments=False)


def position_of(node: exp.Expr) -> int | None:
    """The character of the text where the node starts, where the parser kept one."""
    starts = [n.meta["start"] for n in node.walk() if "start" in n.meta]
    own = node.meta.get("start")
    return own if own is not None else min(starts, default=None)


def _tokens(text: str) -> list[Token]:
    try:
        return sqlglot.tokenize(text, read=MappingDialect)
    except TokenError:
        raise ExpressionError(ProblemCode.SYNTAX, "A quote or a comment is not closed. Close it.") from None


def _check_tokens(tokens: list[Token]) -> None:
    if not tokens:
        raise ExpressionError(ProblemCode.EMPTY, "Write an expression, for example a column name.", 0)
    if len(tokens) > MAX_TOKENS:
        raise ExpressionError(
            ProblemCode.TOO_COMPLEX, "The expression has too many parts. Split it over several fields."
        )
    depth = 0
    for token in tokens:
        if token.comments:
            raise ExpressionError(
                ProblemCode.FORBIDDEN_SYNTAX, "Comments are not allowed in an expression. Remove it.", token.start
            )
        if token.token_type is TokenType.SEMICOLON:
            raise ExpressionError(
                ProblemCode.FORBIDDEN_SYNTAX, "Only one expression is allowed. Remove the semicolon.", token.start
            )
        # sqlglot writes DuckDB's `~` (whole match) as a search: the result would differ from what is written.
        if token.token_type is TokenType.TILDE:
            message = "'~' is not allowed. Use regexp_matches or regexp_full_match."
            raise ExpressionError(ProblemCode.FORBIDDEN_SYNTAX, message, token.start)
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
        if depth > MAX_BRACKETS:
            raise ExpressionError(ProblemCode.TOO_COMPLEX, "The expression nests too deep. Simplify it.", token.start)


def _syntax(text: str, error: ParseError) -> ExpressionError:
    first = error.errors[0] if error.errors else {}
    near = str(first.get("highlight") or "")
    lines = text.splitlines(keepends=True)
    before = sum(len(line) for line in lines[: int(first.get("line") or 1) - 1])
    position = max(0, before + int(first.get("col") or 1) - max(len(near), 1))
    shown = f" near {near[:40]!r}" if near else ""
    message = f"The expression cannot be read{shown}. Check operands, commas, brackets and the number of arguments."
    return ExpressionError(ProblemCode.SYNTAX, message, position)


def _struct_access(node: exp.Expr) -> exp.Expr:
    """`a.b.c` names the part c of the part b of column a: there are no tables here for a name to be qualified with."""
    if not isinstance(node, exp.Column | exp.Dot):
        return node
    parts = node.parts if isinstance(node, exp.Column) else _dot_parts(node)
    if len(parts) < 2 or not all(isinstance(part, exp.Identifier) for part in parts):
        return node
    access: exp.Expr = exp.Column(this=parts[0].copy())
    for part in parts[1:]:
        access = exp.Bracket(this=access, expressions=[exp.Literal.string(part.name)])
    return access


def _dot_parts(node: exp.Dot) -> list[exp.Expr]:
    left: exp.Expr = node.this
    head = _dot_parts(left) if isinstance(left, exp.Dot) else left.parts if isinstance(left, exp.Column) else [left]
    return [*head, node.expression]
