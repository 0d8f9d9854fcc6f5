"""Changes that wait for a second person."""

from __future__ import annotations

from rest_framework import serializers

from accounts.models import Membership
from integrations.api.strict import StrictSerializer
from integrations.domain.approval import ApprovalState
from integrations.models import ApprovalRequest
from integrations.services.approval_holds import approvers_of, members_of


class ApprovalSerializer(serializers.ModelSerializer[ApprovalRequest]):
    """A request, who asked, and who decided."""

    asked_by = serializers.CharField(source="asked_by.display_name", default="", read_only=True)
    decided_by = serializers.CharField(source="decided_by.display_name", default="", read_only=True)
    integration = serializers.UUIDField(source="deployment.integration_id", read_only=True, default=None)
    version = serializers.IntegerField(source="version.number", read_only=True, default=None)
    approvers = serializers.SerializerMethodField(help_text="Who may decide it; empty where it is decided.")

    _members: list[Membership] | None = None

    class Meta:
        model = ApprovalRequest
        fields = [
            "id", "kind", "state", "title", "integration", "version", "asked_by", "approvers", "created_at",
            "decided_by", "decided_at", "note",
        ]  # fmt: skip
        read_only_fields = fields

    def get_approvers(self, request: ApprovalRequest) -> list[str]:
        """The names of the members who may; the members are read once for a page of requests."""
        if request.state != ApprovalState.OPEN:
            return []
        if self._members is None:
            self._members = members_of(request.workspace)
        return approvers_of(request, self._members)


class DecisionSerializer(StrictSerializer):
    """Why it is decided so."""

    note = serializers.CharField(max_length=300, default="", allow_blank=True)
