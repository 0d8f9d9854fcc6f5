"""Anchors: the heads of the audit log, written down outside of the database, where its superuser cannot follow."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable
from typing import NamedTuple
from uuid import UUID

from django.utils import timezone

from accounts import audit_keys
from accounts.domain.audit_check import Anchor, Finding
from accounts.models import AuditCounter

Destination = Callable[[list[str]], None]


class Anchorer:
    """Hands on each head that has changed since this process wrote it; one that could not be written stays due."""

    def __init__(self, write: Destination) -> None:
        self._write = write
        self._written: dict[UUID, str] = {}

    def anchor(self) -> int:
        """Write the changed heads; return how many. What the destination raises is the caller's to log."""
        heads = [head for head in AuditCounter.objects.order_by("pk") if self._written.get(head.scope) != head.mac]
        if heads:
            self._write([line_of(head) for head in heads])
            self._written.update((head.scope, head.mac) for head in heads)
        return len(heads)


def line_of(head: AuditCounter) -> str:
    """One line of JSON, sealed so that only who has the master key can write one."""
    signing = audit_keys.current(audit_keys.ANCHOR)
    # Entries are numbered from one without a gap, so the last number is how many there are.
    anchor = Anchor(str(head.scope), head.last, head.mac, head.last, timezone.now().isoformat(), signing.id)
    return json.dumps({**anchor._asdict(), "seal": _seal(signing.key, anchor)})


class Anchors(NamedTuple):
    """What a file of anchors holds, and the first line that cannot be one of ours."""

    good: list[Anchor]
    finding: Finding | None


def parse(lines: Iterable[str]) -> Anchors:
    """Read anchors; what a log puts before the JSON is skipped, and so are empty lines."""
    good: list[Anchor] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        anchor = _anchor_of(line[line.find("{") :])
        if anchor is None:
            words = "The line is no anchor that this instance has sealed."
            return Anchors(good, Finding("anchors", number, "anchor_forged", words))
        good.append(anchor)
    return Anchors(good, None)


def _anchor_of(text: str) -> Anchor | None:
    try:
        values = json.loads(text)
        seal = str(values.pop("seal"))
        anchor = Anchor(**values)
        UUID(anchor.scope)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    key = audit_keys.ring(audit_keys.ANCHOR).get(anchor.key_id)
    is_ours = key is not None and hmac.compare_digest(_seal(key, anchor), seal)
    return anchor if is_ours else None


def _seal(key: bytes, anchor: Anchor) -> str:
    return hmac.digest(key, json.dumps(anchor).encode(), hashlib.sha256).hex()
