"""Changes of credentials: the secret goes in, is encrypted, and never comes back out of a service."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import audit
from accounts.errors import INPUT_INVALID, NAME_TAKEN, STATE_CONFLICT, Conflict, Invalid
from accounts.models import User, Workspace
from integrations import encryption, events
from integrations.connectors.base import CredentialKind
from integrations.connectors.credential_kinds import CREDENTIAL_KINDS
from integrations.models import Credential, CredentialVersion


def create_credential(
    *, workspace: Workspace, name: str, kind: str, values: Mapping[str, str], user: User | None
) -> Credential:
    """Store a credential and its first version. `values` holds every field of the kind, secret or not."""
    declared = _kind(kind)
    public, secret = _split(declared, values)
    try:
        with transaction.atomic():
            credential = Credential.objects.create(
                workspace=workspace, name=_name(name), kind=kind, public=public, created_by=user
            )
            _store_version(credential, number=1, secret=secret, user=user)
            _tell(credential, "credential.created", after={"name": name, "kind": kind, **public})
    except IntegrityError as error:
        raise Conflict(NAME_TAKEN, f"There is already a credential “{name}”.") from error
    return credential


def rotate_credential(*, credential: Credential, values: Mapping[str, str], user: User | None) -> Credential:
    """Store a new version of the secret; runs use it from their next slice on.

    A secret that is left out stays as it is; at least one has to be given.
    """
    declared = _kind(credential.kind)
    given = {name: value for name, value in values.items() if value or name not in declared.secret_fields}
    if not declared.secret_fields & given.keys():
        first = min(declared.secret_fields)
        raise Invalid(INPUT_INVALID, "There is no new secret.", fields={first: "Enter the new secret."})
    with transaction.atomic():
        locked = Credential.objects.select_for_update().get(pk=credential.pk)
        # Read under the lock: of two rotations at once, each of one part, both parts are kept.
        public, secret = _split(declared, {**_opened(locked), **given})
        locked.current += 1
        locked.public = public
        locked.save(update_fields=["current", "public", "updated_at"])
        _store_version(locked, number=locked.current, secret=secret, user=user)
        _tell(
            locked,
            "credential.rotated",
            before={"version": locked.current - 1},
            after={"version": locked.current, **public},
        )
    return locked


def delete_credential(*, credential: Credential) -> None:
    """Delete a credential that no connector uses."""
    users = list(credential.connectors.values_list("name", flat=True)[:5])
    if users:
        raise Conflict(
            STATE_CONFLICT,
            f"“{credential.name}” is used by {', '.join(users)}.",
            what_to_do="Choose another credential for these connectors first.",
        )
    with transaction.atomic():
        _tell(credential, "credential.deleted", before={"name": credential.name, "kind": credential.kind})
        credential.delete()


def open_credential(credential: Credential) -> dict[str, str]:
    """The fields of a credential for a plugin's use: decrypted here, handed to the plugin, kept nowhere."""
    Credential.objects.filter(pk=credential.pk).update(last_used_at=timezone.now())
    return _opened(credential)


def _opened(credential: Credential) -> dict[str, str]:
    version = credential.versions.get(number=credential.current)
    plaintext = encryption.decrypt(version.ciphertext, bound_to=_bound_to(credential, version))
    return {**credential.public, **msgspec.json.decode(plaintext, type=dict[str, str])}


def _kind(key: str) -> CredentialKind:
    try:
        return CREDENTIAL_KINDS[key]
    except KeyError:
        known = ", ".join(CREDENTIAL_KINDS)
        raise Invalid(
            INPUT_INVALID, f"There is no kind of credential “{key}”.", fields={"kind": f"Choose one of: {known}."}
        ) from None


def _name(name: str) -> str:
    if not name.strip():
        raise Invalid(INPUT_INVALID, "A credential needs a name.", fields={"name": "Enter a name."})
    return name.strip()


def _split(kind: CredentialKind, values: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Part the values into those that may be shown and the secret ones, checking both."""
    names = {setting.name: setting for setting in kind.fields}
    problems = {name: "This kind of credential has no such field." for name in values if name not in names}
    for name, setting in names.items():
        value = values.get(name, "")
        if setting.required and not value:
            problems[name] = f"{setting.label} is required."
        elif value and setting.choices and value not in dict(setting.choices):
            problems[name] = f"{setting.label} is one of: {', '.join(key for key, _ in setting.choices)}."
    if problems:
        raise Invalid(INPUT_INVALID, "The credential is not complete.", fields=problems)
    public = {name: values[name] for name in names if name in values and name not in kind.secret_fields}
    secret = {name: values.get(name, "") for name in names if name in kind.secret_fields}
    return public, secret


def _store_version(credential: Credential, *, number: int, secret: dict[str, str], user: User | None) -> None:
    version = CredentialVersion(credential=credential, number=number, created_by=user)
    version.ciphertext = encryption.encrypt(msgspec.json.encode(secret), bound_to=_bound_to(credential, version))
    version.save(force_insert=True)


def _bound_to(credential: Credential, version: CredentialVersion) -> str:
    return encryption.associated_data(
        workspace=credential.workspace_id, table="credential_version", row=version.pk, field="ciphertext"
    )


def _tell(
    credential: Credential,
    action: str,
    *,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    audit.record(workspace=credential.workspace, action=action, object=credential, before=before, after=after)
    events.append(workspace=credential.workspace, topic="credential", object_id=credential.pk, kind=action)
