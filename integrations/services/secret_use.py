"""Tells the audit log that a run uses a secret: which one, never what it is, and once for each run."""

from __future__ import annotations

from django.db import transaction

from accounts import audit
from accounts.models import AuditEntry
from accounts.request_context import Actor, acting_as
from integrations.models import Credential, Run

ACTION = "credential.used"


def record_use(run: Run, credential: Credential) -> None:
    """Write the entry before the secret is opened: without it, it is not opened. A partition counts as its run."""
    whole = run.parent if run.parent_id and run.parent else run
    version = {"credential_id": str(credential.pk), "version": credential.current}
    told = AuditEntry.objects.of(run.workspace).filter(object_type="run", object_id=str(whole.pk), action=ACTION)
    if version in [{name: (entry.after or {}).get(name) for name in version} for entry in told]:
        return
    with acting_as(Actor(system="worker")), transaction.atomic():
        audit.record(
            workspace=run.workspace, action=ACTION, object=whole, after={"credential": credential.name, **version}
        )
