"""Tells the audit log that a member was refused, as often as it can be read, and never so often that it floods."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from django.db import transaction
from django.utils import timezone

from accounts import audit, request_context
from accounts.errors import Denied
from accounts.models import AuditEntry, Workspace

ACTION = "access.denied"
# For each member and hour; the last of them says that there may be more.
MOST = 20
_PERIOD = timedelta(hours=1)
_PATH_LENGTH = 200


class AskedRequest(Protocol):
    """What is told of a request; Django's and the API's fit."""

    @property
    def method(self) -> str | None: ...
    @property
    def path(self) -> str: ...


def note_denial(request: AskedRequest | None, error: Exception) -> AuditEntry | None:
    """Write what a member asked for and lacks; None for other errors, and where this member has filled the hour."""
    workspace = getattr(request, "workspace", None)
    if request is None or not isinstance(error, Denied) or not isinstance(workspace, Workspace):
        return None
    left = MOST - _recent(workspace)
    if left <= 0:
        return None
    after: dict[str, object] = {
        "permission": str(error.detail.get("permission", "")),
        "method": request.method or "",
        "path": request.path[:_PATH_LENGTH],
    }
    if left == 1:
        after["note"] = "Further refusals of this member are not told for an hour."
    with transaction.atomic():
        return audit.record(workspace=workspace, action=ACTION, object=workspace, after=after)


def _recent(workspace: Workspace) -> int:
    actor = request_context.current().find_actor().user
    since = timezone.now() - _PERIOD
    return AuditEntry.objects.of(workspace).filter(action=ACTION, actor=actor, at__gte=since).count()
