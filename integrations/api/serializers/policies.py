"""Policies, their rules, and what remains of them after inheritance."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from integrations.api.strict import StrictSerializer, WorkspaceField
from integrations.domain.policy import EffectiveRule
from integrations.models import Connector, Integration, Policy

_RULES = {"type": "object", "additionalProperties": {"type": "number"}, "description": "Values by the rule's name."}


@extend_schema_field(_RULES)
class RulesField(serializers.DictField):
    """Rules by name; which there are, and their bounds, the effective policy says."""


class PolicySerializer(serializers.ModelSerializer[Policy]):
    """A named set of rules."""

    rules = RulesField(read_only=True)

    class Meta:
        model = Policy
        fields = ["id", "name", "description", "rules", "is_default", "created_at", "updated_at"]
        read_only_fields = fields


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Patient",
            {"name": "Patient", "description": "For slow systems.", "rules": {"retry.attempts": 10}},
            request_only=True,
        )
    ]
)
class PolicyChangeSerializer(StrictSerializer):
    """A policy to store."""

    name = serializers.CharField(max_length=80)
    description = serializers.CharField(max_length=300, default="", allow_blank=True)
    rules = RulesField(help_text="Values by the rule's name; replaces all of them.")
    is_default = serializers.BooleanField(default=False, help_text="Applies to the whole workspace.")


class EffectiveQuerySerializer(StrictSerializer):
    """For what the effective policy is asked."""

    connector = WorkspaceField(queryset=Connector.objects.all(), default=None)
    integration = WorkspaceField(queryset=Integration.objects.all(), default=None)


class ReplacedSerializer(serializers.Serializer[Any]):
    """A value that another level set before."""

    level = serializers.CharField()
    value = serializers.FloatField()


class EffectiveRuleSerializer(serializers.Serializer[Any]):
    """A rule: the value that holds, where it came from, and what it replaced."""

    name = serializers.CharField(source="rule.name")
    label = serializers.CharField(source="rule.label")  # type: ignore[assignment]  # DRF takes declared fields off
    help = serializers.CharField(source="rule.help")
    unit = serializers.CharField(source="rule.unit")
    minimum = serializers.FloatField(source="rule.minimum")
    maximum = serializers.FloatField(source="rule.maximum")
    value = serializers.FloatField()
    level = serializers.CharField(help_text="instance, workspace, connector or integration")
    policy = serializers.CharField(help_text="The policy's name; empty for the instance.")
    replaced = serializers.SerializerMethodField()

    @extend_schema_field(ReplacedSerializer(many=True))
    def get_replaced(self, rule: EffectiveRule) -> list[dict[str, object]]:
        """The values below, from the instance up."""
        return [{"level": level, "value": value} for level, value in rule.replaced]
