"""What reads again and what starts after what: chains, backfill, replay, and the look ahead."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from integrations.api import choices
from integrations.api.serializers.common import RefSerializer
from integrations.api.strict import StrictSerializer, WorkspaceField
from integrations.models import Chain, Integration, Run
from integrations.services.backfills import MOST_TEXT

_MAY = OpenApiExample("May", {"field": "updated_at", "low": "2026-05-01", "high": "2026-06-01"}, request_only=True)


class ChainSerializer(serializers.ModelSerializer[Chain]):
    """An integration starts after each run of `upstream` that succeeded."""

    upstream = RefSerializer(source="upstream.integration", read_only=True)

    class Meta:
        model = Chain
        fields = ["id", "upstream", "after_warnings", "created_at", "created_by"]
        read_only_fields = fields


class ChainCreateSerializer(StrictSerializer):
    """What to start after."""

    upstream = WorkspaceField(
        queryset=Integration.objects.all(), help_text="The integration whose runs start this one."
    )
    after_warnings = serializers.BooleanField(default=True, help_text="Whether runs with warnings start it, too.")


@extend_schema_serializer(examples=[_MAY])
class BackfillSerializer(StrictSerializer):
    """A past range: `low` is in it, `high` is not. A time without a zone is UTC."""

    field = serializers.CharField(max_length=120)
    low = serializers.CharField(max_length=MOST_TEXT)
    high = serializers.CharField(max_length=MOST_TEXT)


class ReplaySerializer(StrictSerializer):
    """A checkpoint: after batch `batch` of an earlier run, 0 for where it began."""

    run = WorkspaceField(queryset=Run.objects.all())
    batch = serializers.IntegerField(min_value=0, max_value=2**31 - 1, default=0)
    goes_on = serializers.BooleanField(
        default=False, help_text="Move the stream's checkpoint back, so that later runs go on where this one ends."
    )


class MappedSampleSerializer(serializers.Serializer[Any]):
    """A record as it was read, and what the mapping makes of it."""

    input = serializers.DictField()
    output = serializers.DictField()
    errors = serializers.DictField(child=serializers.CharField())  # type: ignore[assignment]  # DRF takes declared fields off the class
    verdict = serializers.CharField()


class OutlookSerializer(serializers.Serializer[Any]):
    """What would be sent. `how` says where `records` comes from. Samples are for those who may see data."""

    records = serializers.IntegerField(allow_null=True)
    how = serializers.CharField()
    undecodable = serializers.IntegerField()
    destination = serializers.CharField()
    stream = serializers.CharField()
    write_mode = serializers.ChoiceField(choices=choices.WRITE_MODES)
    guarantee = serializers.ChoiceField(choices=choices.GUARANTEES)
    warning = serializers.CharField()
    first = MappedSampleSerializer(many=True)
    last = MappedSampleSerializer(many=True)
    last_is_last = serializers.BooleanField()
