"""Verifies the audit log: every scope's chain, and what was written down outside about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db import connection

from accounts import audit_keys
from accounts.domain.audit_check import Anchor, ChainCheck, Finding
from accounts.models import audit_guard
from accounts.models.audit_rows import UnreadableError, head_of, rows_after, scopes


@dataclass
class Verdict:
    """What was looked at, and the first finding of each scope."""

    scopes: int = 0
    entries: int = 0
    anchors: int = 0
    findings: list[Finding] = field(default_factory=list)


def verify(anchors: Sequence[Anchor] = (), only: UUID | None = None) -> Verdict:
    """Verify one scope, or all of them and the triggers."""
    by_scope: dict[UUID, list[Anchor]] = defaultdict(list)
    for anchor in anchors:
        by_scope[UUID(anchor.scope)].append(anchor)
    verdict = Verdict(findings=[] if only else list(_triggers()))
    for scope in sorted({only} if only else scopes() | by_scope.keys()):
        check, finding = verify_scope(scope, by_scope[scope])
        verdict.scopes += 1
        verdict.entries += check.count
        verdict.anchors += len(by_scope[scope])
        verdict.findings += [finding] if finding else []
    return verdict


def verify_scope(scope: UUID, anchors: Sequence[Anchor]) -> tuple[ChainCheck, Finding | None]:
    """Go along one chain to where the table ends now; entries that arrive meanwhile are taken along."""
    check = ChainCheck(str(scope), audit_keys.ring(), _by_seq(anchors))
    while True:
        try:
            for row in rows_after(scope, check.seq):
                if finding := check.take(row.columns, row.prev, row.mac):
                    return check, finding
        except UnreadableError as error:
            words = "The entry holds what cannot have been written by the product."
            return check, Finding(check.scope, error.seq, "unreadable", words)
        head = head_of(scope)
        if head.highest <= check.seq:
            return check, check.end(head)


def _by_seq(anchors: Iterable[Anchor]) -> dict[int, list[Anchor]]:
    found: dict[int, list[Anchor]] = defaultdict(list)
    for anchor in anchors:
        found[anchor.seq].append(anchor)
    return dict(found)


def _triggers() -> Iterable[Finding]:
    if gone := audit_guard.missing(connection):
        words = f"The database lacks the triggers that refuse changes: {', '.join(gone)}. `migrate` puts them back."
        yield Finding("database", 0, "triggers", words)
