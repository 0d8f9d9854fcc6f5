"""Partitions of a table by ranges of its key: each above one key, up to and with another, the outer ends open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.connectors.base import Cut, Partition, ReadRequest
from integrations.connectors.sql import Key, Order, cursor_invalid


@dataclass(frozen=True)
class KeyRange:
    """The keys above `after`, up to and with `upto`; None is an open end."""

    after: Key | None = None
    upto: Key | None = None


def range_of(partition: Partition | None, order: Order) -> KeyRange:
    """The range that a partition is; everything where there is none."""
    if partition is None:
        return KeyRange()
    if partition.spec.get("order") != list(order.columns):
        raise cursor_invalid(f"the partition was cut by another key than {', '.join(order.columns)}")
    ends = [partition.spec.get(name) for name in ("after", "upto")]
    return KeyRange(*(None if end is None else tuple(end) for end in ends))


def ranges(order: Order, bounds: Sequence[Key], guard: Mapping[str, Any]) -> list[Partition]:
    """The ranges between ascending bounds. Labels name no keys: they can be personal."""
    edges = [None, *dict.fromkeys(bounds), None]
    count = len(edges) - 1
    if count < 2:
        return []
    named = ", ".join(order.columns)
    return [
        Partition(
            str(number + 1),
            f"Range {number + 1} of {count} by {named}",
            {"order": list(order.columns), "after": edges[number], "upto": edges[number + 1], **guard},
        )
        for number in range(count)
    ]


def parts_worth(request: ReadRequest, total_bytes: int, cut: Cut) -> int:
    """Into how many ranges a full read of so many bytes is cut; 1 for not at all."""
    return 1 if request.cursor_field else max(1, min(cut.most, total_bytes // max(1, cut.least_bytes)))
