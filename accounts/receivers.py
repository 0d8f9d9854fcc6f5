"""Writes sign-ins, failed sign-ins, sign-outs and password changes to the audit log; keeps its triggers in place."""

from __future__ import annotations

from allauth.account.signals import password_changed, password_reset
from django.apps import apps
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import connections, transaction
from django.db.models.signals import post_migrate
from django.dispatch import receiver

from accounts import audit
from accounts.models import Membership, User, Workspace, audit_guard
from accounts.models.user import normal_email
from accounts.request_context import Actor, acting_as


@receiver(user_logged_in)
def _signed_in(user: User, **_: object) -> None:
    with acting_as(user):
        _record("session.signed_in", user)


@receiver(user_logged_out)
def _signed_out(user: User | None, **_: object) -> None:
    if user is not None:
        with acting_as(user):
            _record("session.signed_out", user)


@receiver(user_login_failed)
def _sign_in_failed(credentials: dict[str, object], **_: object) -> None:
    """Whoever tried is not known; the address that was tried is the object."""
    address = normal_email(str(credentials.get("email") or credentials.get("username") or ""))
    with acting_as(Actor(system="anonymous")):
        _record("session.sign_in_failed", User.objects.filter(email=address).first() or User(id=None, email=address))


@receiver(password_changed)
def _password_changed(user: User, **_: object) -> None:
    with acting_as(user):
        _record("user.password_changed", user)


@receiver(password_reset)
def _password_reset(user: User, **_: object) -> None:
    with acting_as(user):
        _record("user.password_reset", user)


@receiver(post_migrate, sender=apps.get_app_config("accounts"))
def _guard_audit_log(using: str, **_: object) -> None:
    """Let the database refuse to alter the audit log, from its first migration on.

    Not by a migration: one that alters a table makes it anew on SQLite, and its triggers are gone.
    """
    audit_guard.keep(connections[using])


def _record(action: str, user: User) -> None:
    """One entry in each workspace that knows the person, else one in the instance's log."""
    with transaction.atomic():
        # `__in`, because `user=None` would find the workspaces without members.
        known = Membership.objects.filter(user_id__in=[user.pk]).values("workspace")
        workspaces: list[Workspace | None] = [*Workspace.objects.filter(pk__in=known)]
        for workspace in workspaces or [None]:
            audit.record(workspace=workspace, action=action, object=user)
