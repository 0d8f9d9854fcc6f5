"""The roles, the permissions, and the matrix that says which role holds which permission (deny by default)."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a member is in a workspace, from most to least: see `RANK`."""

    OWNER = "owner"
    ADMIN = "admin"
    BUILDER = "builder"
    OPERATOR = "operator"
    VIEWER = "viewer"
    AUDITOR = "auditor"


# A person may give a role up to their own, never above it. Viewer and auditor see different things: neither is above.
RANK: dict[Role, int] = {
    Role.OWNER: 50,
    Role.ADMIN: 40,
    Role.BUILDER: 30,
    Role.OPERATOR: 20,
    Role.VIEWER: 10,
    Role.AUDITOR: 10,
}

_COLUMNS = {
    "O": Role.OWNER,
    "A": Role.ADMIN,
    "B": Role.BUILDER,
    "P": Role.OPERATOR,
    "V": Role.VIEWER,
    "U": Role.AUDITOR,
}

# permission: (roles that hold it, may an API token carry it as a scope)
_MATRIX: dict[str, tuple[str, bool]] = {
    "workspace.read": ("OABPVU", True),
    "workspace.manage": ("O", False),
    "workspace.delete": ("O", False),
    "member.read": ("OABPU", False),
    "member.manage": ("OA", False),
    "role.assign": ("OA", False),
    "policy.read": ("OABPVU", True),
    "policy.manage": ("OA", False),
    "egress.allow_private": ("", False),
    "connector.read": ("OABPVU", True),
    "connector.manage": ("OAB", True),
    "credential.read": ("OABPVU", True),
    "credential.write": ("OAB", True),
    "credential.rotate": ("OAB", True),
    "credential.use": ("OAB", False),
    "secretref.manage": ("A", False),
    "integration.read": ("OABPVU", True),
    "integration.manage": ("OAB", True),
    "integration.enable": ("OABP", True),
    "run.read": ("OABPVU", True),
    "run.start": ("OABP", True),
    "run.cancel": ("OABP", True),
    "run.retry": ("OABP", True),
    "run.logs.read": ("OABP", True),
    "data.sample.read": ("OAB", False),
    "deadletter.read": ("OABPVU", True),
    "deadletter.payload.read": ("OAB", False),
    "deadletter.redrive": ("OABP", True),
    "deadletter.discard": ("OA", False),
    "checkpoint.reset": ("OA", False),
    "contract.manage": ("OAB", True),
    "contract.verify": ("OABP", True),
    "webhook.manage": ("OAB", True),
    "webhook.rotate": ("OAB", True),
    "alert.manage": ("OAB", True),
    "alert.acknowledge": ("OABP", True),
    "token.manage": ("OABP", False),
    "token.manage_all": ("OA", False),
    "config.export": ("OAB", True),
    "config.import": ("OAB", True),
    "audit.read": ("OAU", True),
    "audit.export": ("OAU", True),
    "keys.rotate": ("", False),
    "instance.manage": ("", False),
}

PERMISSIONS: frozenset[str] = frozenset(_MATRIX)

# An instance admin holds these everywhere, and no workspace's data unless a member of it.
INSTANCE_ADMIN_PERMISSIONS: frozenset[str] = frozenset(
    {"policy.read", "egress.allow_private", "secretref.manage", "keys.rotate", "instance.manage"}
)

ROLE_PERMISSIONS: dict[Role, frozenset[str]] = {
    role: frozenset(name for name, (letters, _) in _MATRIX.items() if letter in letters)
    for letter, role in _COLUMNS.items()
}

TOKEN_SCOPES: frozenset[str] = frozenset(name for name, (_, scope) in _MATRIX.items() if scope)


def role_allows(role: Role, permission: str) -> bool:
    """Say whether a role holds a permission; an unknown permission is a defect, not a denial."""
    if permission not in PERMISSIONS:
        raise ValueError(f"unknown permission {permission!r}")
    return permission in ROLE_PERMISSIONS[role]


def token_allows(role: Role, scopes: frozenset[str], permission: str) -> bool:
    """A token may do what its scopes list and its creator's present role still allows."""
    return role_allows(role, permission) and permission in scopes and permission in TOKEN_SCOPES


def may_assign(actor: Role, target: Role) -> bool:
    """Say whether a member with `actor` may give somebody `target`: never above the own role."""
    return role_allows(actor, "role.assign") and RANK[target] <= RANK[actor]
