"""What can be wrong with a mapping, said where it stands and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Literal


class ProblemCode(StrEnum):
    """Why an expression or a mapping is refused."""

    EMPTY = "empty"
    SYNTAX = "syntax"
    TOO_LONG = "too_long"
    TOO_COMPLEX = "too_complex"
    TOO_COSTLY = "too_costly"
    TOO_MANY_FIELDS = "too_many_fields"
    NO_FIELDS = "no_fields"
    UNKNOWN_COLUMN = "unknown_column"
    AMBIGUOUS_COLUMN = "ambiguous_column"
    FORBIDDEN_FUNCTION = "forbidden_function"
    FORBIDDEN_SYNTAX = "forbidden_syntax"
    BAD_ARGUMENT = "bad_argument"
    DUPLICATE_TARGET = "duplicate_target"
    BAD_TARGET = "bad_target"
    TYPE_MISMATCH = "type_mismatch"


@dataclass(frozen=True)
class Flaw:
    """One thing wrong with one expression; `position` is the character where it starts, where that is known."""

    code: ProblemCode
    message: str
    position: int | None = None


class ExpressionError(Exception):
    """The text is no expression that could be looked into further."""

    def __init__(self, code: ProblemCode, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.flaw = Flaw(code, message, position)


@dataclass(frozen=True)
class Problem:
    """A flaw and its place: the index of the field (from 0), "filter", or "mapping" for the whole."""

    field: int | Literal["filter", "mapping"]
    code: ProblemCode
    message: str
    position: int | None = None


def did_you_mean(word: str, known: list[str]) -> str:
    """A sentence that offers the nearest known word, or the empty text where none is near."""
    by_lower = {name.casefold(): name for name in known}
    near = get_close_matches(word.casefold(), by_lower, n=1, cutoff=0.6)
    return f" Did you mean {by_lower[near[0]]!r}?" if near else ""
