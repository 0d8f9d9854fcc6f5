"""Writes audit entries, inside the transaction of the change that they describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from django.db import models, transaction
from django.utils import timezone

from accounts import request_context
from accounts.models import AuditCounter, AuditEntry, Workspace
from accounts.models.audit import INSTANCE_SCOPE

Values = Mapping[str, object]
# Names under which a value is never written, whoever passes it.
_SECRET_NAMES = frozenset({"password", "secret", "secrets", "secret_hash", "token", "ciphertext", "api_key", "payload"})
_LABEL_LENGTH = 254


class OutsideTransactionError(RuntimeError):
    """`record` was called where a failing change would leave its audit entry behind, or the other way round."""


class SecretInAuditError(ValueError):
    """A value under a secret's name was about to be written to the audit log."""


class Auditable(Protocol):
    """Anything with an id and a name; models fit."""

    @property
    def pk(self) -> object: ...


def record(
    *,
    workspace: Workspace | None,
    action: str,
    object: Auditable,  # noqa: A002 - the audit log's own word: who did what to which object
    before: Values | None = None,
    after: Values | None = None,
) -> AuditEntry:
    """Write one entry; call it as the last statement of the change, because it holds the workspace's counter."""
    if not transaction.get_connection().in_atomic_block:
        raise OutsideTransactionError(f"{action} must be recorded inside the transaction of the change")
    _refuse_secrets(before, after)
    context = request_context.current()
    actor = context.find_actor()
    return AuditEntry.objects.create(
        workspace=workspace,
        seq=_next_seq(workspace),
        at=timezone.now(),
        actor=actor.user,
        actor_label=actor.label[:_LABEL_LENGTH],
        token=actor.token,
        ip=context.ip,
        action=action,
        object_type=type_name(object),
        object_id="" if object.pk is None else str(object.pk),
        object_label=str(object)[:_LABEL_LENGTH],
        before=_plain(before),
        after=_plain(after),
        request_id=context.request_id,
    )


def type_name(object: Auditable) -> str:  # noqa: A002 - as in `record`
    """`api_token` for an ApiToken: the glossary's word with underscores."""
    name = type(object).__name__
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _next_seq(workspace: Workspace | None) -> int:
    """The UPDATE locks the counter's row until the transaction ends: no gap, and no entry out of order."""
    scope = INSTANCE_SCOPE if workspace is None else workspace.pk
    counter = AuditCounter.objects.filter(pk=scope)
    if not counter.update(last=models.F("last") + 1):
        AuditCounter.objects.get_or_create(pk=scope)
        counter.update(last=models.F("last") + 1)
    return counter.values_list("last", flat=True).get()


def _refuse_secrets(*sides: Values | None) -> None:
    for side in sides:
        found = _SECRET_NAMES & (side or {}).keys()
        if found:
            raise SecretInAuditError(f"{', '.join(sorted(found))} must not be written to the audit log")


def _plain(values: Values | None) -> dict[str, object] | None:
    return None if values is None else {name: _json(value) for name, value in values.items()}


def _json(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return _plain(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_json(item) for item in value]
    return str(value)
