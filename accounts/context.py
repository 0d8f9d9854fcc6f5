"""What every template may ask: the workspace, and what the person may do there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

from django.http import HttpRequest

from accounts.access import Access
from accounts.domain.roles import PERMISSIONS
from accounts.models import Membership, Workspace

_NAMES = {permission.replace(".", "_"): permission for permission in PERMISSIONS}


class UnknownPermissionError(LookupError):
    """A template asks for a permission that the matrix does not have. (A KeyError would be swallowed there.)"""


class Can:
    """`{% if can.run_start %}`: a permission's name with underscores."""

    def __init__(self, access: Access | None) -> None:
        self._access = access

    def __getitem__(self, name: str) -> bool:
        """Say whether the person may; deny where there is no workspace."""
        if name not in _NAMES:
            raise UnknownPermissionError(name)
        return self._access is not None and self._access.allows(_NAMES[name])


class WorkspaceContext(TypedDict):
    """The names that templates see."""

    workspace: Workspace | None
    membership: Membership | None
    can: Can
    my_workspaces: Callable[[], list[Workspace]]


def workspace(request: HttpRequest) -> WorkspaceContext:
    """Context processor; `my_workspaces` is read only where the template shows the chooser."""
    access: Access | None = getattr(request, "access", None)

    def my_workspaces() -> list[Workspace]:
        if not request.user.is_authenticated:
            return []
        return list(Workspace.objects.filter(memberships__user=request.user))

    return {
        "workspace": access.workspace if access else None,
        "membership": access.membership if access else None,
        "can": Can(access),
        "my_workspaces": my_workspaces,
    }
