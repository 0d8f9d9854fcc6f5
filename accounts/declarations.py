"""How an edge declares who may use it; an edge without a declaration is a failing test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from accounts.access import require_known

T = TypeVar("T", bound=type)


class Reach(StrEnum):
    """Whom an edge is for."""

    WORKSPACE = "workspace"
    SIGNED_IN = "signed_in"
    INSTANCE = "instance"
    PUBLIC = "public"
    SHELL = "shell"


@dataclass(frozen=True)
class Declaration:
    """`permission` for a workspace's or the instance's edge, `reason` for one that needs none."""

    reach: Reach
    permission: str = ""
    by_method: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    def __post_init__(self) -> None:
        if self.reach in (Reach.WORKSPACE, Reach.INSTANCE):
            for permission in (self.permission, *self.by_method.values()):
                require_known(permission)
        elif not self.reason:
            raise ValueError(f"a {self.reach} edge says why it needs no permission")

    def permission_for(self, method: str) -> str:
        """The permission that one HTTP method needs."""
        return self.by_method.get(method.upper(), self.permission)


def requires_permission(permission: str) -> Callable[[T], T]:
    """Class decorator for a WebSocket consumer: sets `permission`, which it checks by `has_permission` on connect."""
    return _declared(Declaration(Reach.WORKSPACE, permission))


def public(reason: str) -> Callable[[T], T]:
    """Class decorator for a consumer or API view that anybody may use."""
    return _declared(Declaration(Reach.PUBLIC, reason=reason))


def shell_command(reason: str) -> Callable[[T], T]:
    """Class decorator for a management command: whoever has a shell on the host runs it, and `reason` says why."""
    return _declared(Declaration(Reach.SHELL, reason=reason))


def _declared(declaration: Declaration) -> Callable[[T], T]:
    def declare(cls: T) -> T:
        setattr(cls, "declaration", declaration)  # noqa: B010 - mypy knows no such attribute of `type`
        setattr(cls, "permission", declaration.permission or declaration.reach.value)  # noqa: B010 - as above
        return cls

    return declare
