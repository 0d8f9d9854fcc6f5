"""What a notification is: something that a person should look at, for as long as it is so; plain values.

Notifications are not stored: they are read from what is so now, so none can be missed, doubled, or outlive its cause.
`key` names one occurrence: it stays while the thing goes on, and is another one when it ends and comes back. Whoever
tells of them elsewhere compares the keys that it has told of to those that there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class NotificationKind(StrEnum):
    """What there is to look at."""

    INTEGRATION_FAILING = "integration_failing"
    INTEGRATION_STALE = "integration_stale"
    SCHEMA_CHANGED = "schema_changed"
    BATCHES_UNCERTAIN = "batches_uncertain"
    CONNECTOR_FAILING = "connector_failing"
    CALLS_STOPPED = "calls_stopped"
    APPROVAL_ASKED = "approval_asked"

    @property
    def permission(self) -> str:
        """Whom it concerns: who may look at the thing or, for an approval, decide it."""
        return _PERMISSIONS[self]


_PERMISSIONS = {
    NotificationKind.INTEGRATION_FAILING: "run.read",
    NotificationKind.INTEGRATION_STALE: "integration.read",
    NotificationKind.SCHEMA_CHANGED: "integration.read",
    NotificationKind.BATCHES_UNCERTAIN: "run.read",
    NotificationKind.CONNECTOR_FAILING: "connector.read",
    NotificationKind.CALLS_STOPPED: "connector.read",
    NotificationKind.APPROVAL_ASKED: "integration.manage",
}


@dataclass(frozen=True)
class Notification:
    """One of them. `about` is the run, integration or connector to open; None where a list shows it."""

    kind: NotificationKind
    key: str
    is_urgent: bool
    title: str
    detail: str
    since: datetime
    about: UUID | None = None
    is_read: bool = False
