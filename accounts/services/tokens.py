"""Makes and revokes API tokens."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts import audit
from accounts.domain import token_format
from accounts.domain.roles import TOKEN_SCOPES, role_allows
from accounts.errors import NOT_FOUND, Invalid, NotFound, declare
from accounts.models import ApiToken, Membership, User, Workspace

DEFAULT_DAYS = 90
MAX_DAYS = 365
ALL_SCOPES = "all"
# How exact `last_used_at` is: a write at each request would cost more than the request.
_USE_WINDOW = timedelta(minutes=1)

TOKEN_SCOPE_UNKNOWN = declare(
    "token_scope_unknown", "A scope is not one that a token can carry.", "Choose from the scopes that the form lists."
)
TOKEN_SCOPE_NOT_HELD = declare(
    "token_scope_not_held", "Your own role does not hold that scope.", "Leave it out, or ask for a role that holds it."
)
TOKEN_EXPIRY_INVALID = declare(
    "token_expiry_invalid", "A token lives at least a day and at most a year.", f"Choose 1 to {MAX_DAYS} days."
)


@dataclass(frozen=True)
class NewToken:
    """A token and its text, which is shown once and stored nowhere."""

    token: ApiToken
    text: str = field(repr=False)


@transaction.atomic
def create(
    *, workspace: Workspace, creator: User, name: str, scopes: Collection[str], days: int = DEFAULT_DAYS
) -> NewToken:
    """Make a token that may do what `scopes` list; Invalid for a scope that the creator does not hold."""
    membership = _membership(workspace, creator)
    chosen = _checked_scopes(membership, scopes)
    if not 1 <= days <= MAX_DAYS:
        raise Invalid(TOKEN_EXPIRY_INVALID, f"{days} days is not possible.", fields={"days": f"1 to {MAX_DAYS} days."})
    parts = token_format.make(
        secrets.token_bytes(token_format.ID_LENGTH), secrets.token_bytes(token_format.SECRET_BYTES)
    )
    token = ApiToken.objects.create(
        workspace=workspace,
        creator=creator,
        name=name,
        key_id=parts.key_id,
        secret_hash=token_format.digest(settings.TOKEN_PEPPER, parts.secret),
        scopes=chosen,
        expires_at=timezone.now() + timedelta(days=days),
    )
    audit.record(
        workspace=workspace,
        action="token.created",
        object=token,
        after={"name": name, "scopes": chosen, "expires_at": token.expires_at.isoformat()},
    )
    return NewToken(token, parts.text)


@transaction.atomic
def revoke(*, token: ApiToken) -> None:
    """End a token at once; a second time changes nothing."""
    if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        audit.record(workspace=token.workspace, action="token.revoked", object=token)


def mark_used(*, token: ApiToken) -> None:
    """Note the use, at most once a minute; a use is not a change, so it has no audit entry."""
    now = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - _USE_WINDOW)
    if token.last_used_at is None or token.last_used_at < now - _USE_WINDOW:
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)


def grantable_scopes(membership: Membership) -> list[str]:
    """The scopes that a member's own role allows them to give a token, sorted."""
    return sorted(scope for scope in TOKEN_SCOPES if role_allows(membership.as_role, scope))


def _membership(workspace: Workspace, creator: User) -> Membership:
    membership = Membership.objects.of(workspace).filter(user=creator).first()
    if membership is None:
        raise NotFound(NOT_FOUND, f"{creator.email} is not a member of {workspace.name}.")
    return membership


def _checked_scopes(membership: Membership, scopes: Collection[str]) -> list[str]:
    held = grantable_scopes(membership)
    if set(scopes) == {ALL_SCOPES}:
        return held
    unknown = sorted(set(scopes) - TOKEN_SCOPES)
    if unknown or not scopes:
        message = f"Not a scope: {', '.join(unknown)}." if unknown else "A token needs at least one scope."
        raise Invalid(TOKEN_SCOPE_UNKNOWN, message, fields={"scopes": message})
    missing = sorted(set(scopes) - set(held))
    if missing:
        message = f"Your role does not hold {', '.join(missing)}."
        raise Invalid(TOKEN_SCOPE_NOT_HELD, message, fields={"scopes": message})
    return sorted(set(scopes))
