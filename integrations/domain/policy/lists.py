"""Rules that hold a list: each item is an object of named texts, written as one line by people, as JSON by programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from integrations.domain.policy.rule import Rule, RuleKind, Tighter, Value

Item = Mapping[str, str]
ITEMS_AT_MOST = 200


@dataclass(frozen=True, kw_only=True)
class ListRule(Rule):
    """A list of items. A limit on it (`Tighter.HIGHER`) means: a lower level may add items, and not take one away.

    `read_line` makes an item of one line and raises ValueError with a sentence; `write_line` is the way back;
    `item_problem` says what is wrong with an item; `key` names the part by which two items are the same one;
    `is_weaker` compares two items of one key.
    """

    read_line: Callable[[str], Item]
    write_line: Callable[[Item], str]
    item_problem: Callable[[object], str]
    key: Callable[[Item], str]
    is_weaker: Callable[[Item, Item], bool]
    example: str = ""

    @property
    def kind(self) -> RuleKind:
        return RuleKind.LIST

    @property
    def bounds(self) -> str:
        return f"one a line, for example: {self.example}"

    def problem_of(self, value: object) -> str:
        if not isinstance(value, list | tuple):
            return f"{self.label} is a list."
        if len(value) > ITEMS_AT_MOST:
            return f"{self.label} holds at most {ITEMS_AT_MOST} items."
        for number, item in enumerate(value, 1):
            problem = self.item_problem(item)
            if problem:
                return f"Item {number}: {problem}"
        keys = [self.key(cast(Item, item)) for item in value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        return f"“{twice}” stands in it twice." if twice is not None else ""

    def read(self, text: str) -> list[Item]:
        """The items of a text, one a line; ValueError names the line."""
        items: list[Item] = []
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                try:
                    items.append(self.read_line(line.strip()))
                except ValueError as error:
                    raise ValueError(f"Line {number}: {error}") from error
        return items

    def write(self, value: Value) -> str:
        """The text of the items, one a line."""
        return "\n".join(self.write_line(item) for item in items_of(value))

    def is_off(self, value: Value) -> bool:
        return not items_of(value)

    def shown(self, value: Value) -> str:
        return "; ".join(self.write_line(item) for item in items_of(value)) or "none"

    def loosens(self, value: Value, bound: Value) -> bool:
        """Say whether an item of the bound is missing or weaker."""
        if self.tighter is Tighter.NONE:
            return False
        mine = {self.key(item): item for item in items_of(value)}
        return any(self.key(item) not in mine or self.is_weaker(mine[self.key(item)], item) for item in items_of(bound))

    def held(self, value: Value, bound: Value) -> Value:
        """The bound's items, each strengthened where the value says so, and what the value adds."""
        if self.tighter is Tighter.NONE:
            return value
        mine = {self.key(item): item for item in items_of(value)}
        upper = {self.key(item): item for item in items_of(bound)}
        kept = [
            item if key not in mine or self.is_weaker(mine[key], item) else mine[key] for key, item in upper.items()
        ]
        return [*kept, *(item for key, item in mine.items() if key not in upper)]


def items_of(value: Value) -> Sequence[Item]:
    """A list rule's value, as what `problem_of` has made sure of."""
    return cast(Sequence[Item], value)
