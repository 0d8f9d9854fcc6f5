"""The audit log: one row a change, numbered without a gap in its workspace, never altered."""

from __future__ import annotations

from datetime import UTC
from typing import Any, NoReturn, Self
from uuid import UUID

from django.db import models

from accounts.domain.audit_chain import Columns, plain_ip
from accounts.models.api_token import ApiToken
from accounts.models.base import new_id
from accounts.models.user import User
from accounts.models.workspace import Workspace

# The counter of what belongs to no workspace: the first user, a sign-in of somebody unknown.
INSTANCE_SCOPE = UUID(int=0)


class AppendOnlyError(TypeError):
    """Code tried to change or delete what may only be added to."""


class AuditCounter(models.Model):
    """The last number given out in a workspace; raising it is also the lock that puts its entries in order."""

    scope = models.UUIDField(primary_key=True)
    last = models.PositiveBigIntegerField(default=0)
    # The signature of the last entry, which the next one signs along. The defaults of the database let the release
    # before this one go on while it is replaced.
    mac = models.CharField(max_length=64, blank=True, db_default="", default="")

    def __str__(self) -> str:
        return f"{self.scope}: {self.last}"


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    """Reads start at the workspace; there is no way to change a row."""

    def of(self, workspace: Workspace) -> Self:
        """The entries of one workspace."""
        return self.filter(workspace=workspace)

    def matching(self, words: str) -> Self:
        """Entries that hold these words in who, what, on what, or in which request."""
        columns = ("actor_label", "action", "object_label", "object_type")
        anywhere = models.Q(*[(f"{name}__icontains", words) for name in columns], _connector=models.Q.OR)
        return self.filter(anywhere | models.Q(object_id=words) | models.Q(request_id=words))

    def update(self, **_: object) -> NoReturn:
        """Refused."""
        raise AppendOnlyError("audit entries are never altered")

    def delete(self) -> NoReturn:
        """Refused."""
        raise AppendOnlyError("audit entries are never deleted")

    def bulk_update(self, *_: object, **__: object) -> NoReturn:
        """Refused."""
        raise AppendOnlyError("audit entries are never altered")


class AuditEntry(models.Model):
    """Who did what to what, from where, and how it looked before and after (without secrets)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # Protected: neither a workspace nor a person nor a token can take its history along.
    workspace = models.ForeignKey(Workspace, null=True, on_delete=models.PROTECT, related_name="+")
    seq = models.PositiveBigIntegerField()
    at = models.DateTimeField()
    actor = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    actor_label = models.CharField(max_length=254)
    token = models.ForeignKey(ApiToken, null=True, on_delete=models.PROTECT, related_name="+")
    ip = models.GenericIPAddressField(null=True)
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=64, blank=True)
    object_label = models.CharField(max_length=254, blank=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    # domain.audit_chain: the signature of the entry before, this one's, and the master key that it comes from.
    prev = models.CharField(max_length=64, blank=True, db_default="", default="")
    mac = models.CharField(max_length=64, blank=True, db_default="", default="")
    key_id = models.CharField(max_length=8, blank=True, db_default="", default="")

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ["-seq"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "seq"], name="audit_seq_in_workspace"),
            models.UniqueConstraint(
                fields=["seq"], condition=models.Q(workspace__isnull=True), name="audit_seq_of_the_instance"
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "at"], name="audit_by_time"),
            models.Index(fields=["workspace", "actor", "seq"], name="audit_by_actor"),
            models.Index(fields=["workspace", "action", "seq"], name="audit_by_action"),
            models.Index(fields=["workspace", "object_type", "object_id", "seq"], name="audit_by_object"),
        ]

    def __str__(self) -> str:
        return f"#{self.seq} {self.action} {self.object_label}"

    # Django's own arguments are passed on as they come.
    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert; a stored entry is refused."""
        if not self._state.adding:
            raise AppendOnlyError("audit entries are never altered")
        super().save(*args, force_insert=True, **{k: v for k, v in kwargs.items() if k != "force_insert"})

    def delete(self, *_: object, **__: object) -> NoReturn:
        """Refused."""
        raise AppendOnlyError("audit entries are never deleted")


def columns_of(entry: AuditEntry) -> Columns:
    """What the chain signs of an entry; migrations call it, too."""
    return Columns(
        id=entry.id.hex,
        workspace=_hex(entry.workspace_id),
        seq=entry.seq,
        at=entry.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
        actor=_hex(entry.actor_id),
        actor_label=entry.actor_label,
        token=_hex(entry.token_id),
        ip=plain_ip(entry.ip) if entry.ip else None,
        action=entry.action,
        object_type=entry.object_type,
        object_id=entry.object_id,
        object_label=entry.object_label,
        before=entry.before,
        after=entry.after,
        request_id=entry.request_id,
        key_id=entry.key_id,
    )


def _hex(key: UUID | None) -> str | None:
    return None if key is None else key.hex
