"""Writes audit entries, inside the transaction of the change that they describe."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Protocol
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts import audit_keys, request_context
from accounts.domain.audit_chain import signature
from accounts.models import AuditCounter, AuditEntry, Workspace
from accounts.models.audit import INSTANCE_SCOPE, columns_of

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
    entry = AuditEntry(
        workspace=workspace,
        at=timezone.now(),
        actor=actor.user,
        actor_label=_text(actor.label)[:_LABEL_LENGTH],
        token=actor.token,
        ip=context.ip or None,
        action=action,
        object_type=type_name(object),
        object_id="" if object.pk is None else str(object.pk),
        object_label=_text(str(object))[:_LABEL_LENGTH],
        before=_plain(before),
        after=_plain(after),
        request_id=context.request_id,
    )
    _chain(entry)
    return entry


def type_name(object: Auditable) -> str:  # noqa: A002 - as in `record`
    """`api_token` for an ApiToken: the glossary's word with underscores."""
    name = type(object).__name__
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _chain(entry: AuditEntry) -> None:
    """Number, sign and store an entry; its scope's counter stays locked until the transaction ends."""
    scope = entry.workspace_id or INSTANCE_SCOPE
    head = _locked_head(scope)
    signing = audit_keys.current()
    entry.seq, entry.prev, entry.key_id = head.last + 1, head.mac, signing.id
    entry.mac = signature(signing.key, columns_of(entry), entry.prev)
    entry.save(force_insert=True)
    AuditCounter.objects.filter(pk=scope).update(last=entry.seq, mac=entry.mac)


def _locked_head(scope: UUID) -> AuditCounter:
    """SQLite knows no row locks; there the whole transaction holds the one for writing from its start."""
    counters = AuditCounter.objects.select_for_update()
    head = counters.filter(pk=scope).first()
    if head is None:
        AuditCounter.objects.get_or_create(pk=scope)
        head = counters.get(pk=scope)
    return head


def _refuse_secrets(*sides: Values | None) -> None:
    for side in sides:
        found = _SECRET_NAMES & (side or {}).keys()
        if found:
            raise SecretInAuditError(f"{', '.join(sorted(found))} must not be written to the audit log")


def _plain(values: Values | None) -> dict[str, object] | None:
    return None if values is None else {_text(str(name)): _json(value) for name, value in values.items()}


def _json(value: object) -> object:
    """A value that both databases give back as it was written: it is signed before it is stored."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)  # an enum's number, without its name
    if isinstance(value, float) and isfinite(value):
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return _plain(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_json(item) for item in value]
    return _text(str(value))


def _text(value: str) -> str:
    """What no database stores (a zero character, half of a surrogate pair) must not keep an entry out."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
