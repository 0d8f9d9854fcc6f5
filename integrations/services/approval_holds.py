"""Why a deployment does not run yet, and who may approve what waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from accounts.errors import Conflict
from accounts.models import Membership, Workspace
from integrations.domain.approval import ApprovalKind, ApprovalState, may_decide
from integrations.errors import APPROVAL_NEEDED
from integrations.models import ApprovalRequest, Deployment

_NAMED = 4
_PERMISSIONS = {
    ApprovalKind.VERSION: ("integration.manage",),
    ApprovalKind.POLICY: ("integration.manage", "policy.manage"),
}


@dataclass(frozen=True)
class Held:
    """A deployment whose first version waits: for what, since when, and for whom."""

    version: int
    request: ApprovalRequest | None
    approvers: list[str]

    @property
    def is_waiting(self) -> bool:
        """Whether a request is open; where not, it was decided otherwise, or taken back."""
        return self.request is not None and self.request.state == ApprovalState.OPEN

    @property
    def sentence(self) -> str:
        """What keeps it."""
        if self.is_waiting:
            return f"Version {self.version} waits for the approval of a second person; nothing runs before that."
        became = f": the request was {self.request.state}" if self.request else ""
        note = f" (“{self.request.note}”)" if self.request and self.request.note else ""
        return f"Version {self.version} is not approved{became}{note}; nothing runs before that."

    @property
    def what_to_do(self) -> str:
        """Who ends it, and how."""
        if not self.is_waiting:
            return "Activate a version: that asks for the approval again."
        if not self.approvers:
            return "Nobody else here may approve it: an owner or admin has to invite another builder, admin or owner."
        return f"{named(self.approvers)} may approve it, under Approvals."


def held_of(deployment: Deployment) -> Held | None:
    """Why nothing of the deployment runs yet; None where a version of it is active."""
    if deployment.is_approved:
        return None
    rows = ApprovalRequest.objects.filter(deployment=deployment).select_related("version", "workspace")
    request = rows.order_by("-id").first()
    is_open = request is not None and request.state == ApprovalState.OPEN
    number = request.version.number if request and request.version and is_open else deployment.version.number
    return Held(number, request, approvers_of(request, members_of(request.workspace)) if request and is_open else [])


def refuse_held(deployment: Deployment) -> None:
    """Raise Conflict (`approval_needed`) where the deployment's first version waits for a second person."""
    held = held_of(deployment)
    if held is not None:
        raise Conflict(
            APPROVAL_NEEDED,
            f"“{deployment.integration.name}” does not run yet. {held.sentence}",
            what_to_do=held.what_to_do,
        )


def author_of(request: ApprovalRequest) -> UUID | None:
    """Who wrote the version that is asked for; a policy's change is written by who asks."""
    return request.version.created_by_id if request.version else None


def may_approve(request: ApprovalRequest, member: Membership) -> bool:
    """Whether a member may decide a request: by role, and as neither who asked nor who wrote it."""
    permitted = all(member.allows(permission) for permission in _PERMISSIONS[ApprovalKind(request.kind)])
    return permitted and may_decide(asker=request.asked_by_id, author=author_of(request), decider=member.user_id)


def approvers_of(request: ApprovalRequest, members: Sequence[Membership]) -> list[str]:
    """The names of those among the workspace's members who may decide a request."""
    return [each.user.display_name for each in members if may_approve(request, each)]


def members_of(workspace: Workspace) -> list[Membership]:
    """The members who can sign in."""
    return list(Membership.objects.of(workspace).filter(user__is_active=True).select_related("user"))


def named(names: list[str]) -> str:
    """“Ada, Ben or Cy”; the first ones of many."""
    if len(names) > _NAMED:
        return f"{', '.join(names[:_NAMED])} or {len(names) - _NAMED} more"
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
