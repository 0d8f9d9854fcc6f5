"""Changes that wait for a second person."""

from __future__ import annotations

from rest_framework import serializers

from integrations.api.strict import StrictSerializer
from integrations.models import ApprovalRequest


class ApprovalSerializer(serializers.ModelSerializer[ApprovalRequest]):
    """A request, who asked, and who decided."""

    asked_by = serializers.CharField(source="asked_by.display_name", default="", read_only=True)
    decided_by = serializers.CharField(source="decided_by.display_name", default="", read_only=True)
    integration = serializers.UUIDField(source="deployment.integration_id", read_only=True, default=None)
    version = serializers.IntegerField(source="version.number", read_only=True, default=None)

    class Meta:
        model = ApprovalRequest
        fields = [
            "id", "kind", "state", "title", "integration", "version", "asked_by", "created_at", "decided_by",
            "decided_at", "note",
        ]  # fmt: skip
        read_only_fields = fields


class DecisionSerializer(StrictSerializer):
    """Why it is decided so."""

    note = serializers.CharField(max_length=300, default="", allow_blank=True)
