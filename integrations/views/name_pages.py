"""Keyset pages of a list that is ordered by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import urlencode

from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)
PAGE = 50


@dataclass(frozen=True)
class NamePage(Generic[M]):
    """The rows, and the query strings of the pages beside them; "" where there is none."""

    rows: list[M]
    previous: str
    next: str


def page_by_name(
    rows: QuerySet[M], asked: Mapping[str, str], *, kept: Mapping[str, str], size: int = PAGE
) -> NamePage[M]:
    """Rows with a name after `asked["after"]` or before `asked["before"]`; `kept` are the filters of the address."""
    after, before = asked.get("after", ""), asked.get("before", "")
    if before:
        found = list(rows.filter(name__lt=before).order_by("-name")[: size + 1])
        page, has_previous, has_next = found[:size][::-1], len(found) > size, True
    else:
        found = list((rows.filter(name__gt=after) if after else rows).order_by("name")[: size + 1])
        page, has_previous, has_next = found[:size], bool(after), len(found) > size
    return NamePage(
        page,
        urlencode({**kept, "before": page[0].name}) if page and has_previous else "",  # type: ignore[attr-defined]
        urlencode({**kept, "after": page[-1].name}) if page and has_next else "",  # type: ignore[attr-defined]
    )
