"""Changes of a source's columns."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from integrations.api.strict import StrictSerializer
from integrations.models import SchemaChange


class SchemaChangeSerializer(serializers.ModelSerializer[SchemaChange]):
    """One column's change; `touches` are the mapping's fields that read it. Values are an answer of their own."""

    integration = serializers.UUIDField(source="deployment.integration_id", read_only=True)
    sentence = serializers.CharField(source="change.sentence", read_only=True)
    prepared_version = serializers.IntegerField(source="version.number", read_only=True, allow_null=True, default=None)

    class Meta:
        model = SchemaChange
        fields = [
            "id", "integration", "run", "kind", "column", "before", "after", "sentence", "touches", "stopped",
            "prepared_version", "state", "note", "created_at", "seen_at", "resolved_by", "resolved_at",
        ]  # fmt: skip
        read_only_fields = fields


class ColumnValuesSerializer(serializers.Serializer[Any]):
    """Up to three values of the column, as text."""

    values = serializers.ListField(child=serializers.CharField())


class SeenSerializer(StrictSerializer):
    """A note for those who ask later."""

    note = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")
