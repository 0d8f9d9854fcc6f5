"""What the API views of every app share: the workspace's rows, and errors in the schema."""

from __future__ import annotations

from typing import TypeVar, cast

from django.db.models import Model
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from accounts.access import Access
from accounts.api.parsers import BoundedJSONParser
from accounts.models import Membership, Workspace

M = TypeVar("M", bound=Model)


class WorkspaceRequest(Request):
    """After `HasWorkspacePermission`."""

    workspace: Workspace
    membership: Membership
    access: Access


class WorkspaceViewSet(GenericViewSet[M]):
    """A view set below `workspaces/<slug:workspace>/`; subclasses declare `permissions` for each action."""

    permissions: dict[str, str]
    parser_classes = [BoundedJSONParser]

    @property
    def asked(self) -> WorkspaceRequest:
        """The request, with what the permission class has set."""
        return cast(WorkspaceRequest, self.request)

    @property
    def workspace(self) -> Workspace:
        """The workspace of the address."""
        return self.asked.workspace
