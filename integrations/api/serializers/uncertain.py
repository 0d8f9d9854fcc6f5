"""Batches that may have arrived twice, and what a person found."""

from __future__ import annotations

from rest_framework import serializers

from integrations.api import choices
from integrations.api.serializers.common import RefSerializer
from integrations.api.strict import StrictSerializer
from integrations.models import UncertainBatch


class UncertainBatchSerializer(serializers.ModelSerializer[UncertainBatch]):
    """A batch that was sent again although an earlier send may have arrived; `records` may be there twice."""

    integration = RefSerializer(read_only=True)
    verdict = serializers.ChoiceField(choices=choices.VERDICTS, allow_blank=True, read_only=True)

    class Meta:
        model = UncertainBatch
        fields = [
            "id", "integration", "run", "number", "records", "sends", "reason", "verdict", "note", "created_at",
            "resolved_by", "resolved_at",
        ]  # fmt: skip
        read_only_fields = fields


class ResolveUncertainSerializer(StrictSerializer):
    """What was found at the destination."""

    verdict = serializers.ChoiceField(choices=choices.VERDICTS)
    note = serializers.CharField(max_length=500)
