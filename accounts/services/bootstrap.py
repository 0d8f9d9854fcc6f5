"""Makes the instance's first admin, so that somebody can sign in after the first start."""

from __future__ import annotations

import os

from django.db import transaction

from accounts import audit
from accounts.models import User
from accounts.request_context import Actor, acting_as
from accounts.services.members import new_password

DEFAULT_EMAIL = "admin@signalbox.local"
EMAIL_VARIABLE = "SIGNALBOX_ADMIN_EMAIL"


@transaction.atomic
def ensure_first_admin(*, email: str = "") -> str | None:
    """Make the first admin and return the one-time password; None where anybody exists already."""
    if User.objects.exists():
        return None
    password = new_password()
    admin = User.objects.create_superuser(email or os.environ.get(EMAIL_VARIABLE) or DEFAULT_EMAIL, password)
    with acting_as(Actor(system="first start")):
        audit.record(workspace=None, action="instance.first_admin_created", object=admin)
    return password
