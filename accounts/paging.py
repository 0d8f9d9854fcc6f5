"""Keyset pages of a newest-first list: no counting, no skipping, however long the list is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)
PAGE_SIZE = 50


@dataclass(frozen=True)
class Page(Generic[M]):
    """The rows, and the values to put into `?before=` and `?after=`; None where there is no such page."""

    rows: list[M]
    before: str | None
    after: str | None


def page_of(rows: QuerySet[M], *, field: str, before: str = "", after: str = "", size: int = PAGE_SIZE) -> Page[M]:
    """Rows with `field` below `before`, or the nearest above `after`; `field` is unique and ordered.

    Raises ValueError or django's ValidationError where a value does not fit the field; the caller checks it.
    """
    if after:
        found = list(rows.filter(**{f"{field}__gt": after}).order_by(field)[: size + 1])
        newer, page = len(found) > size, list(reversed(found[:size]))
        return Page(page, _edge(page[-1:], field), _edge(page[:1], field) if newer else None)
    if before:
        rows = rows.filter(**{f"{field}__lt": before})
    found = list(rows.order_by(f"-{field}")[: size + 1])
    page = found[:size]
    return Page(
        page, _edge(page[-1:], field) if len(found) > size else None, _edge(page[:1], field) if before else None
    )


def _edge(rows: list[M], field: str) -> str | None:
    return str(getattr(rows[0], field)) if rows else None
