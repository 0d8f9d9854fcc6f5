"""Which fields are hidden on the way out, and wherever records are shown."""

from __future__ import annotations

import re
from collections.abc import Mapping

from integrations.domain.masking import MaskHow
from integrations.domain.policy.lists import Item, ListRule
from integrations.domain.policy.rule import Rule, Tighter

SECTION = ("masking", "Masking")
_NAME = re.compile(r"[^\s:][^:\n]{0,118}")
_WAYS = ", ".join(MaskHow)


def _read(line: str) -> Item:
    field, colon, how = line.rpartition(":")
    item = {"field": field.strip(), "how": how.strip().lower().replace(" ", "_")}
    problem = _problem(item) if colon else f"Write field: way, with one of {_WAYS}."
    if problem:
        raise ValueError(problem)
    return item


def _write(item: Item) -> str:
    return f"{item['field']}: {item['how']}"


def _problem(item: object) -> str:
    if not isinstance(item, Mapping) or set(item) != {"field", "how"}:
        return "A mask has a field and how it is hidden."
    if not isinstance(item["field"], str) or not _NAME.fullmatch(item["field"]):
        return "Name the field: at most 119 characters, without a colon."
    return "" if item["how"] in set(MaskHow) else f"The way to hide it is one of {_WAYS}."


def _is_weaker(mine: Item, upper: Item) -> bool:
    return MaskHow(mine["how"]).strength < MaskHow(upper["how"]).strength


RULES: tuple[Rule, ...] = (
    ListRule(
        name="masking.fields",
        label="Masked fields",
        help="Hidden before a record is sent, and wherever one is shown. drop leaves nothing, redact a fixed word, "
        "hash a keyed fingerprint that stays the same, keep_last_four the last four characters. A path such as "
        "payload.card also searches the text of payload, where that is JSON.",
        default=(),
        tighter=Tighter.HIGHER,
        read_line=_read,
        write_line=_write,
        item_problem=_problem,
        key=lambda item: item["field"].casefold(),
        is_weaker=_is_weaker,
        example="email: hash",
    ),
)
