"""Hands out the audit log as CSV or as lines of JSON, and writes down who took what."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.db import transaction
from django.db.models import QuerySet

from accounts import audit
from accounts.domain.csv_cells import safe_cell
from accounts.errors import Invalid, declare
from accounts.models import AuditEntry, Workspace
from accounts.models.audit import columns_of

# What fits into memory together with its text; more is taken in parts.
MOST = 50_000
_AT_ONCE = 2_000
Values = dict[str, object]

AUDIT_EXPORT_TOO_LARGE = declare(
    "audit_export_too_large",
    "So many entries do not fit into one export.",
    "Narrow it by date, and export in parts.",
)


class ExportFormat(StrEnum):
    """How entries are written."""

    CSV = "csv"
    JSON_LINES = "jsonl"


@dataclass(frozen=True)
class Export:
    """A file to download."""

    name: str
    content_type: str
    content: bytes
    entries: int


def export(
    *, workspace: Workspace, entries: QuerySet[AuditEntry], chosen: ExportFormat, filters: Mapping[str, object]
) -> Export:
    """Write the entries, oldest first, and an entry that says so; `filters` are the words for it.

    Raises Invalid (`audit_export_too_large`). An export does not hold the entry that tells of it.
    """
    with transaction.atomic():
        count = entries.order_by()[: MOST + 1].count()
        if count > MOST:
            raise Invalid(AUDIT_EXPORT_TOO_LARGE, f"An export holds at most {MOST:,} entries, and these are more.")
        content_type, write = _FORMATS[chosen]
        content = write(map(_values, entries.order_by("seq").iterator(chunk_size=_AT_ONCE)))
        after = {"format": str(chosen), "entries": count, "filters": dict(filters)}
        audit.record(workspace=workspace, action="audit.exported", object=workspace, after=after)
    return Export(f"audit-{workspace.slug}.{chosen}", content_type, content, count)


def _values(entry: AuditEntry) -> Values:
    """All columns as they are signed, and the signatures: what is needed to check them elsewhere."""
    return {**columns_of(entry)._asdict(), "prev": entry.prev, "mac": entry.mac}


def _csv(rows: Iterable[Values]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(_COLUMNS)
    writer.writerows([safe_cell(_flat(row[name])) for name in _COLUMNS] for row in rows)
    return text.getvalue().encode()


def _json_lines(rows: Iterable[Values]) -> bytes:
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()


def _flat(value: object) -> object:
    return json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, dict) else value


_COLUMNS = (
    "seq", "at", "actor_label", "action", "object_type", "object_id", "object_label", "before", "after", "ip",
    "request_id", "id", "workspace", "actor", "token", "key_id", "prev", "mac",
)  # fmt: skip
_FORMATS: dict[ExportFormat, tuple[str, Callable[[Iterable[Values]], bytes]]] = {
    ExportFormat.CSV: ("text/csv; charset=utf-8", _csv),
    ExportFormat.JSON_LINES: ("application/x-ndjson", _json_lines),
}
