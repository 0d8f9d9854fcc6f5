"""The request as our views get it, for the type checker."""

from __future__ import annotations

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from accounts.access import Access
from accounts.models import Membership, User, Workspace


class SignedInRequest(HttpRequest):
    """After `signed_in_view`: somebody is signed in."""

    user: User
    htmx: HtmxDetails


class WorkspaceRequest(SignedInRequest):
    """After `workspace_view`: a member with the declared permission."""

    workspace: Workspace
    membership: Membership
    access: Access
