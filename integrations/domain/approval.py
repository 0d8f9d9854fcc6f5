"""Which changes need a second person, and who may be that person."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID


class ApprovalKind(StrEnum):
    """What waits."""

    VERSION = "version"
    POLICY = "policy"


class ApprovalState(StrEnum):
    """open -> approved | declined | withdrawn."""

    OPEN = "open"
    APPROVED = "approved"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


def may_decide(*, asker: UUID | None, author: UUID | None, decider: UUID | None) -> bool:
    """A second person decides: somebody who is known, and neither who asked nor who wrote what is asked for."""
    return decider is not None and decider not in (asker, author)
