"""When nothing shall start by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping

from integrations.domain.blackout import BlackoutFormatError
from integrations.domain.maintenance import blackout_of_items
from integrations.domain.policy.lists import Item, ListRule
from integrations.domain.policy.rule import ChoiceRule, ReadFrom, Rule, Tighter
from integrations.domain.weekdays import EXAMPLES

SECTION = ("maintenance", "Maintenance")
# Over a line with single spaces, so that no two parts can share them: a long line is read once.
_WORDS = r"[a-z,-]+(?: [a-z,-]+)*"
_LINE = re.compile(rf"\A({_WORDS}) (\d\d:\d\d) ?(?:-|to) ?(\d\d:\d\d) (\S+)", re.IGNORECASE)
_PARTS = {"days", "from", "to", "zone"}


def _read(line: str) -> Item:
    match = _LINE.fullmatch(" ".join(line.split()))
    if match is None:
        raise ValueError("Write days, a time to a time, and a time zone.")
    item = dict(zip(("days", "from", "to", "zone"), (match[1].lower().strip(), *match.groups()[1:]), strict=True))
    problem = _problem(item)
    if problem:
        raise ValueError(problem)
    return item


def _write(item: Item) -> str:
    return f"{item['days']} {item['from']} to {item['to']} {item['zone']}"


def _problem(item: object) -> str:
    if not isinstance(item, Mapping) or set(item) != _PARTS or not all(isinstance(v, str) for v in item.values()):
        return f"A window has {', '.join(sorted(_PARTS))}; days are such as {EXAMPLES}."
    try:
        blackout_of_items([item])
    except BlackoutFormatError as error:
        return str(error)
    return ""


RULES: tuple[Rule, ...] = (
    ListRule(
        name="maintenance.windows",
        label="Windows",
        help="In them no scheduled run starts. Starting one by hand works, with a warning.",
        default=(),
        tighter=Tighter.HIGHER,
        read_line=_read,
        write_line=_write,
        item_problem=_problem,
        key=_write,
        is_weaker=lambda mine, upper: False,  # noqa: ARG005 - two windows of one key are the same window
        example="sat, sun 22:00 to 06:00 Europe/Berlin",
    ),
    ChoiceRule(
        name="maintenance.inside",
        label="A run due in one",
        help="Waits for the window's end, or is left out, with the reason.",
        default="wait",
        choices=(("wait", "waits for its end"), ("skip", "is left out")),
        read_from=ReadFrom.EACH,
        acts_with=("maintenance.windows",),
    ),
)
