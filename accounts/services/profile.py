"""What people change about themselves; passwords go through allauth."""

from __future__ import annotations

from django.db import transaction

from accounts import audit
from accounts.errors import INPUT_INVALID, Invalid
from accounts.models import User

_NAME_LENGTH = 120


@transaction.atomic
def rename(*, user: User, name: str) -> None:
    """Change the name that others see."""
    before, name = user.name, name.strip()
    if len(name) > _NAME_LENGTH:
        raise Invalid(INPUT_INVALID, "That name is too long.", fields={"name": f"At most {_NAME_LENGTH} characters."})
    if name == before:
        return
    user.name = name
    user.save(update_fields=["name"])
    audit.record(workspace=None, action="user.renamed", object=user, before={"name": before}, after={"name": name})
