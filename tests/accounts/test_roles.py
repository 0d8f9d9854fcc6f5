"""The matrix of roles and permissions."""

from __future__ import annotations

import pytest

from accounts.domain.roles import (
    PERMISSIONS,
    ROLE_PERMISSIONS,
    TOKEN_SCOPES,
    Role,
    may_assign,
    role_allows,
    token_allows,
)


@pytest.mark.parametrize(
    ("permission", "letters"),
    [
        ("workspace.manage", {Role.OWNER}),
        ("member.manage", {Role.OWNER, Role.ADMIN}),
        ("credential.write", {Role.OWNER, Role.ADMIN, Role.BUILDER}),
        ("run.start", {Role.OWNER, Role.ADMIN, Role.BUILDER, Role.OPERATOR}),
        ("audit.read", {Role.OWNER, Role.ADMIN, Role.AUDITOR}),
        ("deadletter.discard", {Role.OWNER, Role.ADMIN}),
        ("run.read", set(Role)),
        ("egress.allow_private", set()),
        ("keys.rotate", set()),
    ],
)
def test_a_permission_is_held_by_exactly_these_roles(permission: str, letters: set[Role]) -> None:
    assert {role for role in Role if role_allows(role, permission)} == letters


def test_an_unknown_permission_is_a_defect_and_no_denial() -> None:
    with pytest.raises(ValueError, match=r"run\.strat"):
        role_allows(Role.OWNER, "run.strat")


def test_every_permission_of_a_role_is_in_the_matrix() -> None:
    assert frozenset().union(*ROLE_PERMISSIONS.values()) <= PERMISSIONS


@pytest.mark.parametrize("scope", sorted(TOKEN_SCOPES))
def test_a_token_without_a_scope_may_not_use_it(scope: str) -> None:
    assert not token_allows(Role.OWNER, TOKEN_SCOPES - {scope}, scope)


def test_a_token_never_holds_what_no_token_may_carry() -> None:
    assert not token_allows(Role.OWNER, frozenset({"member.manage"}), "member.manage")


def test_a_token_loses_what_its_creators_role_has_lost() -> None:
    assert not token_allows(Role.VIEWER, frozenset({"run.start"}), "run.start")


@pytest.mark.parametrize(
    ("actor", "target", "may"),
    [
        (Role.OWNER, Role.OWNER, True),
        (Role.ADMIN, Role.OWNER, False),
        (Role.ADMIN, Role.ADMIN, True),
        (Role.BUILDER, Role.VIEWER, False),
        (Role.VIEWER, Role.VIEWER, False),
    ],
)
def test_nobody_gives_a_role_above_their_own(actor: Role, target: Role, may: bool) -> None:
    assert may_assign(actor, target) is may
