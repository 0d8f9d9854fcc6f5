"""Appends to the event log, inside the transaction of the change that it tells of."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connection

from accounts.models import Workspace
from integrations.models import Event


def append(  # noqa: PLR0913 - an event's parts, all by keyword
    *,
    workspace: Workspace | UUID,
    topic: str,
    object_id: UUID,
    kind: str,
    message: str = "",
    level: str = "info",
    data: dict[str, Any] | None = None,
    run_id: UUID | None = None,
    seq: int | None = None,
) -> None:
    """Append one event; outside a transaction this is a defect. After commit only a wake-up leaves."""
    if not connection.in_atomic_block:
        raise RuntimeError("an event is appended in the transaction of its change")
    Event.objects.create(
        workspace_id=workspace if isinstance(workspace, UUID) else workspace.pk,
        topic=topic,
        object_id=object_id,
        kind=kind,
        message=message[:500],
        level=level,
        data=data or {},
        run_id=run_id,
        seq=seq,
    )
