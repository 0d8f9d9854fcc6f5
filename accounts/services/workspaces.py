"""Creates workspaces and changes their settings."""

from __future__ import annotations

from django.db import transaction
from django.utils.text import slugify

from accounts import audit
from accounts.domain.roles import Role
from accounts.errors import INPUT_INVALID, NAME_TAKEN, Conflict, Invalid
from accounts.models import Membership, StatusPage, User, Workspace

_SLUG_LENGTH = 50


@transaction.atomic
def create(*, name: str, owner: User, slug: str = "", is_demo: bool = False) -> Workspace:
    """Make a workspace with its first owner; Conflict where the address is taken."""
    name = _checked_name(name)
    slug = slug or slugify(name)[:_SLUG_LENGTH]
    if not slug or slug != slugify(slug):
        raise Invalid(INPUT_INVALID, "The address needs a letter or a digit.", fields={"slug": "Use a-z, 0-9 and -."})
    if Workspace.objects.filter(slug=slug).exists():
        raise Conflict(NAME_TAKEN, f"The address /w/{slug}/ is in use.", what_to_do="Choose another address.")
    workspace = Workspace.objects.create(name=name, slug=slug, is_demo=is_demo)
    Membership.objects.create(workspace=workspace, user=owner, role=Role.OWNER.value)
    audit.record(
        workspace=workspace,
        action="workspace.created",
        object=workspace,
        after={"name": name, "slug": slug, "owner": owner.email, "is_demo": is_demo},
    )
    return workspace


@transaction.atomic
def update(*, workspace: Workspace, name: str | None = None, status_page: StatusPage | None = None) -> None:
    """Change what is given. The address stays, because links and API clients hold it."""
    wanted = {
        "name": workspace.name if name is None else _checked_name(name),
        "status_page": workspace.status_page if status_page is None else status_page.value,
    }
    before = {field: getattr(workspace, field) for field in wanted}
    changed = {field: value for field, value in wanted.items() if value != before[field]}
    if not changed:
        return
    for field, value in changed.items():
        setattr(workspace, field, value)
    workspace.save(update_fields=list(changed))
    audit.record(
        workspace=workspace,
        action="workspace.updated",
        object=workspace,
        before={field: before[field] for field in changed},
        after=changed,
    )


def set_status_page(*, workspace: Workspace, status_page: StatusPage) -> None:
    """Open the status page to anybody, or to members only."""
    update(workspace=workspace, status_page=status_page)


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= 80:
        raise Invalid(INPUT_INVALID, "A name has 1 to 80 characters.", fields={"name": "1 to 80 characters."})
    return name
