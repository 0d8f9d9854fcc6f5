"""Connectors, the plugins they are made of, and what they offer."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from integrations.api import choices as sets
from integrations.api.serializers.common import (
    ColumnSerializer,
    MappingSerializer,
    RefSerializer,
)
from integrations.api.strict import StrictSerializer, WorkspaceField
from integrations.connectors.base import CheckResult, CredentialKind
from integrations.models import Connector, Credential, Policy
from integrations.models.connector import CheckState, Environment
from integrations.services.preview import SAMPLE_AT_MOST

_FILES = OpenApiExample(
    "Files",
    {
        "name": "Order files",
        "plugin": "files",
        "environment": "production",
        "settings": {"format": "csv", "path": "orders", "pattern": "orders-*.csv"},
        "credential": None,
        "policy": None,
    },
    request_only=True,
)


class SettingSerializer(serializers.Serializer[Any]):
    """A declared setting: a form can be made from it."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # DRF takes declared fields off the class
    kind = serializers.ChoiceField(choices=sets.SETTING_KINDS)
    required = serializers.BooleanField()  # type: ignore[assignment]  # as above
    default = serializers.JSONField(allow_null=True)
    help = serializers.CharField()
    choices = serializers.SerializerMethodField()
    minimum = serializers.IntegerField(allow_null=True)
    maximum = serializers.IntegerField(allow_null=True)
    shown_when = serializers.SerializerMethodField(help_text="Matters only where another setting has such a value.")

    @extend_schema_field(
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"value": {"type": "string"}, "label": {"type": "string"}},
                "required": ["value", "label"],
            },
        }
    )
    def get_choices(self, setting: Any) -> list[dict[str, str]]:
        """The values of a choice, with what to call them."""
        return [{"value": value, "label": label} for value, label in setting.choices]

    @extend_schema_field(
        {
            "type": "object",
            "nullable": True,
            "properties": {
                "setting": {"type": "string"},
                "values": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["setting", "values"],
        }
    )
    def get_shown_when(self, setting: Any) -> dict[str, Any] | None:
        """The other setting, and its values."""
        if setting.shown_when is None:
            return None
        name, values = setting.shown_when
        return {"setting": name, "values": list(values)}


class PluginSerializer(serializers.Serializer[Any]):
    """What a connector plugin declares of itself."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # as above
    description = serializers.CharField()
    icon = serializers.CharField()
    settings = SettingSerializer(many=True)
    credential_kinds = serializers.ListField(child=serializers.CharField())
    credential_required = serializers.BooleanField()
    reads = serializers.BooleanField()
    writes = serializers.BooleanField()
    guarantee = serializers.ChoiceField(choices=sets.GUARANTEES, allow_null=True)


class CredentialFieldSerializer(SettingSerializer):
    """A field of a credential; a secret one is never shown again."""

    secret = serializers.SerializerMethodField()

    def get_secret(self, setting: Any) -> bool:
        """Write-only."""
        return setting.name in self.context["secret_fields"]


class CredentialKindSerializer(serializers.Serializer[Any]):
    """A kind of credential and its fields."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # as above
    fields_ = serializers.SerializerMethodField()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Its own parts; `fields` as a class attribute would hide the serializer's."""
        declared = super().get_fields()
        declared.pop("fields_")
        return {**declared, "fields": serializers.SerializerMethodField("get_kind_fields")}

    @extend_schema_field(CredentialFieldSerializer(many=True))
    def get_kind_fields(self, kind: CredentialKind) -> list[dict[str, Any]]:
        """The fields, each with whether it is secret."""
        known = {"secret_fields": kind.secret_fields}
        return [CredentialFieldSerializer(setting, context=known).data for setting in kind.fields]


class LastCheckSerializer(serializers.Serializer[Connector]):
    """What the last connection test said."""

    state = serializers.ChoiceField(choices=CheckState.choices, source="check_state")
    message = serializers.CharField(source="check_message")
    what_to_do = serializers.CharField(source="check_what_to_do")
    milliseconds = serializers.IntegerField(source="check_ms", allow_null=True)
    at = serializers.DateTimeField(source="checked_at", allow_null=True)
    since = serializers.DateTimeField(source="check_state_since", allow_null=True)


class ConnectorSerializer(serializers.ModelSerializer[Connector]):
    """A connector. Its credential is named, never opened."""

    settings = serializers.DictField(read_only=True)
    credential = RefSerializer(read_only=True, allow_null=True)
    policy = RefSerializer(read_only=True, allow_null=True)
    check = LastCheckSerializer(source="*", read_only=True)

    class Meta:
        model = Connector
        fields = [
            "id", "name", "plugin", "environment", "settings", "credential", "policy", "check",
            "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = fields


class ConnectorChangeSerializer(StrictSerializer):
    """What may be changed of a connector; its plugin may not."""

    name = serializers.CharField(max_length=80)
    environment = serializers.ChoiceField(choices=Environment.choices, default=Environment.PRODUCTION)
    settings = serializers.DictField(help_text="As the plugin declares them; replaces all of them.")
    credential = WorkspaceField(queryset=Credential.objects.all(), allow_null=True, default=None)
    policy = WorkspaceField(queryset=Policy.objects.all(), allow_null=True, default=None)


@extend_schema_serializer(examples=[_FILES])
class ConnectorCreateSerializer(ConnectorChangeSerializer):
    """A connector to make."""

    plugin = serializers.CharField(max_length=40, help_text="The key of a plugin of the catalogue.")


class CheckResultSerializer(serializers.Serializer[CheckResult]):
    """The verdict of a connection test."""

    ok = serializers.BooleanField()
    message = serializers.CharField()
    what_to_do = serializers.CharField()
    code = serializers.CharField()
    milliseconds = serializers.IntegerField(required=False)


class StreamSerializer(serializers.Serializer[Any]):
    """A set of records that a connector offers."""

    name = serializers.CharField()
    primary_key = serializers.ListField(child=serializers.CharField())
    cursor_fields = serializers.ListField(child=serializers.CharField())
    estimated_records = serializers.IntegerField(allow_null=True)
    columns = ColumnSerializer(many=True, allow_null=True, help_text="null where only reading tells.")
    proposed_mapping = MappingSerializer(allow_null=True, help_text="Every column under its own name and type.")


class PreviewRequestSerializer(StrictSerializer):
    """A mapping to try on a sample."""

    stream = serializers.CharField(max_length=300)
    mapping = MappingSerializer()
    limit = serializers.IntegerField(min_value=1, max_value=SAMPLE_AT_MOST, default=SAMPLE_AT_MOST)


class MappingProblemSerializer(serializers.Serializer[Any]):
    """What is wrong with a mapping, and where."""

    field = serializers.JSONField(help_text="The index of the field from 0, `filter`, or `mapping` for the whole.")
    code = serializers.ChoiceField(choices=sets.MAPPING_PROBLEMS)
    message = serializers.CharField()
    position = serializers.IntegerField(allow_null=True, help_text="The character in the expression.")


class PreviewRowSerializer(serializers.Serializer[Any]):
    """One sample record: what went in, what each field made, and the verdict."""

    input = serializers.DictField()
    output = serializers.DictField()
    errors = serializers.DictField(child=serializers.CharField())  # type: ignore[assignment]  # as above
    verdict = serializers.ChoiceField(choices=["accepted", "filtered", "rejected"])


class PreviewSerializer(serializers.Serializer[Any]):
    """What a mapping makes of a sample."""

    columns = ColumnSerializer(many=True)
    problems = MappingProblemSerializer(many=True)
    rows = PreviewRowSerializer(many=True)
    undecodable = serializers.ListField(child=serializers.CharField(), help_text="Why pieces became no record.")
