"""The one small world of the tests: a workspace with a member for each role, and an outsider with one of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.domain.roles import Role
from accounts.models import Membership, User, Workspace
from accounts.request_context import Actor, acting_as
from accounts.services import tokens

# What a test client returns: a response with `json()` and `context`, for which the DRF stubs have no name.
Answer = Any
PASSWORD = "a long enough passphrase"


@dataclass(frozen=True)
class World:
    """`workspace` has `owner`, `operator`, `viewer` and the rest; `outsider` owns `other` and knows nobody here."""

    workspace: Workspace
    other: Workspace
    people: dict[Role, User]
    outsider: User
    instance_admin: User

    @property
    def owner(self) -> User:
        return self.people[Role.OWNER]

    @property
    def admin(self) -> User:
        return self.people[Role.ADMIN]

    @property
    def builder(self) -> User:
        return self.people[Role.BUILDER]

    @property
    def operator(self) -> User:
        return self.people[Role.OPERATOR]

    @property
    def viewer(self) -> User:
        return self.people[Role.VIEWER]

    @property
    def auditor(self) -> User:
        return self.people[Role.AUDITOR]

    def membership(self, user: User) -> Membership:
        """Somebody's membership in `workspace`."""
        return Membership.objects.of(self.workspace).select_related("user", "workspace").get(user=user)

    def url(self, path: str = "") -> str:
        """The address of a page of `workspace`."""
        return f"/w/{self.workspace.slug}/{path}"

    def api_url(self, path: str = "") -> str:
        """The address of an API resource of `workspace`."""
        return f"/api/v1/workspaces/{self.workspace.slug}/{path}"


def build_world() -> World:
    """Write the rows; no audit entry tells of them."""
    workspace = Workspace.objects.create(slug="acme", name="Acme")
    other = Workspace.objects.create(slug="acme-2", name="Acme 2")
    people = {role: _person(role.value) for role in Role}
    for role, user in people.items():
        Membership.objects.create(workspace=workspace, user=user, role=role.value)
    outsider = _person("outsider")
    Membership.objects.create(workspace=other, user=outsider, role=Role.OWNER.value)
    instance_admin = User.objects.create_superuser("root@example.org", PASSWORD)
    return World(workspace, other, people, outsider, instance_admin)


def _person(name: str) -> User:
    return User.objects.create_user(f"{name}@example.org", PASSWORD, name=name.capitalize())


def signed_in(user: User) -> Client:
    """A browser that is signed in; what it is answered, a crash too, is a response."""
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def token_text(user: User, workspace: Workspace, *scopes: str) -> str:
    """A new token's text; without scopes, all that the person's role holds."""
    with acting_as(Actor(system="test")):
        chosen = scopes or (tokens.ALL_SCOPES,)
        return tokens.create(workspace=workspace, creator=user, name="test", scopes=chosen).text


def with_token(text: str) -> APIClient:
    """An API client that sends a token."""
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


@pytest.fixture
def world(db: None) -> World:
    """The small world, in the test's database."""
    return build_world()
