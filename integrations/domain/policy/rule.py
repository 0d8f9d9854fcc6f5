"""The kinds of rules: a number, one of named values, a switch; each knows what it accepts and which way is tighter."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf, isfinite
from typing import TypeGuard

WORKSPACE = "workspace"
CONNECTOR = "connector"
INTEGRATION = "integration"
LEVELS = (WORKSPACE, CONNECTOR, INTEGRATION)
Number = int | float
# As JSON holds it: a number, a name, a switch, or a list of items.
Value = int | float | str | bool | Sequence[object]


class RuleKind(StrEnum):
    """What a rule's value is; forms and the API say it."""

    NUMBER = "number"
    CHOICE = "choice"
    SWITCH = "switch"
    LIST = "list"


class Tighter(StrEnum):
    """Which way a value gets stricter. Only a rule that has a way may be a limit."""

    LOWER = "lower"
    HIGHER = "higher"
    NONE = "none"


class End(StrEnum):
    """The two ends of an integration, each with a connector and so with a chain of policies of its own."""

    SOURCE = "source"
    DESTINATION = "destination"


class ReadFrom(StrEnum):
    """From which end's chain a rule is read: each end's for itself, one end's alone, or both, the stricter holding."""

    EACH = "each"
    SOURCE = "source"
    DESTINATION = "destination"
    BOTH = "both"


@dataclass(frozen=True, kw_only=True)
class Rule(ABC):
    """One rule: its name, what it makes happen, its default (the instance level) and where it may be set.

    `levels` are those at which something acts on it; empty means all of them. `read_from` says at which end's
    connector it acts (docs/decisions/two-ends.md). `acts_with` are the rules whose action it shapes: they act together.
    """

    name: str
    label: str
    help: str
    default: Value
    unit: str = ""
    tighter: Tighter = Tighter.NONE
    levels: frozenset[str] = field(default_factory=frozenset)
    read_from: ReadFrom = ReadFrom.BOTH
    acts_with: tuple[str, ...] = ()

    @property
    def section(self) -> str:
        return self.name.partition(".")[0]

    @property
    @abstractmethod
    def kind(self) -> RuleKind:
        """What its value is."""

    @property
    @abstractmethod
    def bounds(self) -> str:
        """What it accepts, in words."""

    def acts_at(self, end: End) -> bool:
        """Whether anything reads it from the chain of this end."""
        return self.read_from in (ReadFrom.EACH, ReadFrom.BOTH, ReadFrom(end.value))

    @abstractmethod
    def problem_of(self, value: object) -> str:
        """Why the value cannot be used, or nothing."""

    def is_off(self, value: Value) -> bool:  # noqa: ARG002 - most rules cannot be switched off
        """Whether the rule does nothing at all with this value."""
        return False

    def shown(self, value: Value) -> str:
        """The value as a page says it, with its unit."""
        return str(value)

    def held(self, value: Value, bound: Value) -> Value:
        """The value, or what remains of it under an upper level's limit."""
        return bound if self.loosens(value, bound) else value

    def loosens(self, value: Value, bound: Value) -> bool:
        """Say whether the value is less strict than the bound."""
        if self.tighter is Tighter.NONE:
            return False
        mine, upper = self._rank(value), self._rank(bound)
        return mine > upper if self.tighter is Tighter.LOWER else mine < upper

    def _rank(self, value: Value) -> float:
        """Where the value stands in the order of strictness."""
        raise NotImplementedError(f"{self.name} has no order")


@dataclass(frozen=True, kw_only=True)
class NumberRule(Rule):
    """A number within bounds. With `zero` 0 means none, the loosest value; it is the word for it."""

    minimum: Number
    maximum: Number
    whole: bool = True
    zero: str = ""

    @property
    def kind(self) -> RuleKind:
        return RuleKind.NUMBER

    @property
    def bounds(self) -> str:
        unit = " " + self.unit if self.unit else ""
        return f"between {self.minimum} and {self.maximum}{unit}" + (f" (0: {self.zero})" if self.zero else "")

    def problem_of(self, value: object) -> str:
        if not _is_number(value) or (self.whole and value != int(value)):
            return f"{self.label} is a {'whole number' if self.whole else 'number'}."
        return "" if self.minimum <= value <= self.maximum else f"{self.label} is {self.bounds}."

    def is_off(self, value: Value) -> bool:
        return bool(self.zero) and value == 0

    def shown(self, value: Value) -> str:
        if self.zero and value == 0:
            return self.zero
        number = int(value) if isinstance(value, float) and value == int(value) else value
        return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") + (f" {self.unit}" if self.unit else "")

    def _rank(self, value: Value) -> float:
        number = float(value)  # type: ignore[arg-type]  # `problem_of` has let only numbers through
        if self.zero and number == 0:
            return inf if self.tighter is Tighter.LOWER else -inf
        return number


@dataclass(frozen=True, kw_only=True)
class ChoiceRule(Rule):
    """One of named values, from the loosest to the strictest where the rule has a way; each with its word."""

    choices: tuple[tuple[str, str], ...]

    @property
    def kind(self) -> RuleKind:
        return RuleKind.CHOICE

    @property
    def bounds(self) -> str:
        return "one of " + ", ".join(name for name, _ in self.choices)

    def problem_of(self, value: object) -> str:
        return "" if any(value == name for name, _ in self.choices) else f"{self.label} is {self.bounds}."

    def shown(self, value: Value) -> str:
        return dict(self.choices).get(str(value), str(value))

    def _rank(self, value: Value) -> float:
        rank = [name for name, _ in self.choices].index(str(value))
        return -rank if self.tighter is Tighter.LOWER else rank


@dataclass(frozen=True, kw_only=True)
class SwitchRule(Rule):
    """On or off."""

    @property
    def kind(self) -> RuleKind:
        return RuleKind.SWITCH

    @property
    def bounds(self) -> str:
        return "on or off"

    def problem_of(self, value: object) -> str:
        return "" if isinstance(value, bool) else f"{self.label} is on or off (true or false)."

    def shown(self, value: Value) -> str:
        return "on" if value else "off"

    def _rank(self, value: Value) -> float:
        return float(bool(value))


def _is_number(value: object) -> TypeGuard[Number]:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and (isinstance(value, int) or isfinite(value))
    )
