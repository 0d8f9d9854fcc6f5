"""Integrations, their versions, the difference of two, the deployment and its schedule."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from integrations.api import choices
from integrations.api.serializers.common import FieldRuleSerializer, MappingSerializer, RefSerializer
from integrations.api.strict import StrictSerializer, WorkspaceField
from integrations.domain.blackout import BlackoutFormatError, Inside, blackout_of
from integrations.domain.guarantee import EXPLANATIONS, WriteMode
from integrations.domain.misfire import MOST_CATCH_UP
from integrations.domain.schedule import ScheduleKind
from integrations.models import Connector, Deployment, Integration, IntegrationVersion, Policy, Schedule
from integrations.models.integration import ReadMode
from integrations.services.approval_holds import held_of
from integrations.services.guarantees import guarantee_of

_VERSION = {
    "source": "0193f3a0-0000-7000-8000-000000000001",
    "source_stream": "orders-*.csv",
    "destination": "0193f3a0-0000-7000-8000-000000000002",
    "destination_stream": "orders",
    "write_mode": "upsert",
    "key": ["id"],
    "mapping": {
        "fields": [
            {"target": "id", "expression": "id", "type": "integer", "required": True},
            {"target": "total", "expression": "quantity * price", "type": "decimal(12,2)", "required": False},
        ],
        "filter": "quantity > 0",
    },
}
_EXAMPLE = OpenApiExample("Orders", {"name": "orders-to-warehouse", "version": _VERSION}, request_only=True)


class GuaranteeSerializer(serializers.Serializer[Any]):
    """What the destination promises of a batch that is sent again."""

    name = serializers.ChoiceField(choices=choices.GUARANTEES)
    explanation = serializers.CharField()


class VersionSerializer(serializers.ModelSerializer[IntegrationVersion]):
    """An immutable revision."""

    source = RefSerializer(read_only=True)  # type: ignore[assignment]  # DRF takes declared fields off the class
    destination = RefSerializer(read_only=True)
    primary_key = serializers.ListField(child=serializers.CharField(), read_only=True)
    key = serializers.ListField(child=serializers.CharField(), read_only=True)
    mapping = MappingSerializer(read_only=True)
    guarantee = serializers.SerializerMethodField()

    class Meta:
        model = IntegrationVersion
        fields = [
            "id", "number", "source", "source_stream", "read_mode", "cursor_field", "primary_key",
            "destination", "destination_stream", "write_mode", "key", "mapping", "guarantee", "note",
            "created_at", "created_by",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(GuaranteeSerializer)
    def get_guarantee(self, version: IntegrationVersion) -> dict[str, str]:
        """What it really promises: by the destination's plugin, its stream and the write mode."""
        guarantee = guarantee_of(version)
        return {"name": guarantee.value, "explanation": EXPLANATIONS[guarantee]}


class VersionCreateSerializer(StrictSerializer):
    """What a version does."""

    source = WorkspaceField(queryset=Connector.objects.all())  # type: ignore[assignment]  # DRF takes declared fields off the class
    source_stream = serializers.CharField(max_length=300)
    read_mode = serializers.ChoiceField(choices=ReadMode.choices, default=ReadMode.FULL)
    cursor_field = serializers.CharField(max_length=120, default="", allow_blank=True)
    primary_key = serializers.ListField(child=serializers.CharField(max_length=120), default=list, max_length=32)
    destination = WorkspaceField(queryset=Connector.objects.all())
    destination_stream = serializers.CharField(max_length=300)
    write_mode = serializers.ChoiceField(choices=choices.WRITE_MODES, default=WriteMode.UPSERT.value)
    key = serializers.ListField(child=serializers.CharField(max_length=120), default=list, max_length=32)
    mapping = MappingSerializer()
    note = serializers.CharField(max_length=300, default="", allow_blank=True)


class WindowSerializer(StrictSerializer):
    """A weekly window (`days`, 0 is Monday, `from` and `to` as 22:00) or a range of dates (`from` and `to` alone)."""

    days = serializers.ListField(child=serializers.IntegerField(min_value=0, max_value=6), required=False)

    def get_fields(self) -> dict[str, Any]:
        """With `from` and `to`, of which Python takes the first for itself."""
        return {**super().get_fields(), "from": serializers.CharField(), "to": serializers.CharField()}


class BlackoutSerializer(StrictSerializer):
    """Windows in which no run starts by itself; a due time `inside` one is left out or moved to its end."""

    windows = WindowSerializer(many=True)
    inside = serializers.ChoiceField(choices=choices.INSIDE, default=Inside.SKIP.value)
    time_zone = serializers.CharField(max_length=64, default="UTC")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """What the domain cannot read is refused in its words."""
        try:
            blackout_of(attrs)
        except BlackoutFormatError as error:
            raise serializers.ValidationError({"windows": str(error)}) from error
        return attrs


class ScheduleSerializer(serializers.ModelSerializer[Schedule]):
    """When a deployment runs by itself. `waits_since`: a due time waits since then for the active run to end."""

    blackout = serializers.SerializerMethodField()

    class Meta:
        model = Schedule
        fields = [
            "kind", "cron", "every_seconds", "time_zone", "enabled", "next_due_at", "misfire", "catch_up_most",
            "blackout", "waits_since",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(BlackoutSerializer(allow_null=True))
    def get_blackout(self, schedule: Schedule) -> dict[str, Any] | None:
        """None where no window keeps it from starting."""
        return schedule.blackout


class ScheduleChangeSerializer(StrictSerializer):
    """A cron expression or an interval; the other one is left out."""

    kind = serializers.ChoiceField(choices=choices.SCHEDULE_KINDS)
    cron = serializers.CharField(max_length=120, required=False, help_text="Five fields, e.g. */15 * * * *")
    every_seconds = serializers.IntegerField(min_value=1, max_value=2**31 - 1, required=False)
    time_zone = serializers.CharField(max_length=64, default="UTC", help_text="e.g. Europe/Berlin")
    enabled = serializers.BooleanField(default=True)
    misfire = serializers.ChoiceField(
        choices=choices.MISFIRES, required=False, help_text="What becomes of missed times; left out, it stays."
    )
    catch_up_most = serializers.IntegerField(min_value=1, max_value=MOST_CATCH_UP, required=False)
    blackout = BlackoutSerializer(required=False, allow_null=True, help_text="Left out, it stays; null removes it.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A field of the other kind would do nothing, so it is refused."""
        used, other = ("cron", "every_seconds") if attrs["kind"] == ScheduleKind.CRON else ("every_seconds", "cron")
        if other in attrs:
            raise serializers.ValidationError({other: f"Does nothing in a schedule of the kind {attrs['kind']}."})
        if used not in attrs:
            raise serializers.ValidationError({used: "Required."})
        return attrs


class HeldSerializer(serializers.Serializer[Any]):
    """Why a deployment does not run yet, who may end that, and how."""

    sentence = serializers.CharField()
    what_to_do = serializers.CharField()
    approval = serializers.UUIDField(source="request.pk", default=None, allow_null=True)
    approvers = serializers.ListField(child=serializers.CharField(), help_text="The names of those who may approve it.")


class DeploymentSerializer(serializers.ModelSerializer[Deployment]):
    """The active version. Its cursor is not shown: it can hold values of records."""

    version = serializers.IntegerField(source="version.number", read_only=True)
    source = RefSerializer(source="version.source", read_only=True)  # type: ignore[assignment]  # DRF takes declared fields off the class
    destination = RefSerializer(source="version.destination", read_only=True)
    schedule = serializers.SerializerMethodField()
    held = serializers.SerializerMethodField(help_text="Why nothing of it runs yet; null where its version is active.")

    class Meta:
        model = Deployment
        fields = [
            "environment", "version", "source", "destination", "enabled", "held", "schedule", "cursor_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(HeldSerializer(allow_null=True))
    def get_held(self, deployment: Deployment) -> dict[str, Any] | None:
        """The first version waits for a second person."""
        held = held_of(deployment)
        return HeldSerializer(held).data if held else None

    @extend_schema_field(ScheduleSerializer(allow_null=True))
    def get_schedule(self, deployment: Deployment) -> dict[str, Any] | None:
        """None where it runs only when asked to."""
        schedule = getattr(deployment, "schedule", None)
        return ScheduleSerializer(schedule).data if schedule else None


class IntegrationSerializer(serializers.ModelSerializer[Integration]):
    """An integration and what is active of it."""

    policy = RefSerializer(read_only=True, allow_null=True)
    deployments = DeploymentSerializer(many=True, read_only=True)

    class Meta:
        model = Integration
        fields = ["id", "name", "description", "policy", "deployments", "created_by", "created_at", "updated_at"]
        read_only_fields = fields


class IntegrationChangeSerializer(StrictSerializer):
    """What is not versioned."""

    description = serializers.CharField(max_length=300, default="", allow_blank=True)
    policy = WorkspaceField(queryset=Policy.objects.all(), allow_null=True, default=None)


@extend_schema_serializer(examples=[_EXAMPLE])
class IntegrationCreateSerializer(IntegrationChangeSerializer):
    """An integration to make, with its first version."""

    name = serializers.CharField(max_length=80, help_text="Lower-case letters, digits and hyphens.")
    version = VersionCreateSerializer()


class ActivateSerializer(StrictSerializer):
    """Which version becomes the active one."""

    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1, help_text="Its number.")


class FieldChangeSerializer(serializers.Serializer[Any]):
    """A field that differs."""

    target = serializers.CharField()
    before = FieldRuleSerializer()
    after = FieldRuleSerializer()
    changed = serializers.ListField(child=serializers.CharField())


class ValueChangeSerializer(serializers.Serializer[Any]):
    """A value that differs."""

    before = serializers.JSONField()
    after = serializers.JSONField()


class DifferenceSerializer(serializers.Serializer[Any]):
    """What has to happen to one version to become the other."""

    before = serializers.IntegerField()
    after = serializers.IntegerField()
    values = serializers.DictField(child=ValueChangeSerializer(), help_text="By the version's field.")
    added = FieldRuleSerializer(many=True)
    removed = FieldRuleSerializer(many=True)
    changed = FieldChangeSerializer(many=True)
    filter = ValueChangeSerializer(allow_null=True)
    reordered = serializers.BooleanField()
