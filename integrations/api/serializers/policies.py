"""Policies, their rules, and what remains of them after inheritance."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from integrations.api.strict import StrictSerializer, WorkspaceField
from integrations.domain.policy import ChoiceRule, EffectiveRule, FlowPolicy, NumberRule
from integrations.domain.simulation import Finding
from integrations.models import Connector, Integration, Policy

_VALUE: dict[str, Any] = {
    "oneOf": [
        {"type": "number"},
        {"type": "string"},
        {"type": "boolean"},
        {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "string"}}},
    ]
}
_RULES = {"type": "object", "additionalProperties": _VALUE, "description": "Values by the rule's name."}
DIFFERENCES_SHOWN = 100
_LIMITS = "Names of rules that a lower level may tighten and not loosen."


@extend_schema_field(_RULES)
class RulesField(serializers.DictField):
    """Rules by name; which there are, and their bounds, the effective policy says."""


class PolicySerializer(serializers.ModelSerializer[Policy]):
    """A named set of rules."""

    rules = RulesField(read_only=True)
    limits = serializers.ListField(child=serializers.CharField(), read_only=True, help_text=_LIMITS)

    class Meta:
        model = Policy
        fields = ["id", "name", "description", "rules", "limits", "is_default", "revision", "created_at", "updated_at"]
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
    limits = serializers.ListField(
        child=serializers.CharField(max_length=80), default=list, max_length=200, help_text=_LIMITS
    )
    is_default = serializers.BooleanField(default=False, help_text="Applies to the whole workspace.")


class PolicyReplaceSerializer(PolicyChangeSerializer):
    """A policy to store in place of the one that is there."""

    revision = serializers.IntegerField(
        min_value=1,
        required=False,
        help_text="The one that the change was made from; where it is another by now: 409, policy_changed. "
        "Left out, it is the one that is stored when the request comes.",
    )


class ProposalSerializer(StrictSerializer):
    """A policy to try before it is stored."""

    policy = WorkspaceField(
        queryset=Policy.objects.all(), allow_null=True, default=None, help_text="The policy that it would replace."
    )
    rules = RulesField(help_text="Values by the rule's name; replaces all of them.")
    limits = serializers.ListField(
        child=serializers.CharField(max_length=80), default=list, max_length=200, help_text=_LIMITS
    )
    is_default = serializers.BooleanField(default=False)


class RunDifferenceSerializer(serializers.Serializer[Any]):
    """A run that would have gone otherwise."""

    run = serializers.UUIDField(source="run.id")
    integration = serializers.CharField()
    state = serializers.CharField(source="run.state")
    words = serializers.CharField()


class FindingSerializer(serializers.Serializer[Any]):
    """What the change of one rule would have done; `unknown` says why that cannot be told."""

    rule = serializers.CharField()
    count = serializers.SerializerMethodField()
    differences = serializers.SerializerMethodField(help_text=f"The newest {DIFFERENCES_SHOWN}.")
    notes = serializers.ListField(child=serializers.CharField())
    unknown = serializers.CharField()

    def get_count(self, finding: Finding) -> int:
        """How many runs would have gone otherwise."""
        return len(finding.differences)

    @extend_schema_field(RunDifferenceSerializer(many=True))
    def get_differences(self, finding: Finding) -> list[dict[str, Any]]:
        """The newest of them."""
        return [dict(RunDifferenceSerializer(each).data) for each in finding.differences[:DIFFERENCES_SHOWN]]


class SimulationSerializer(serializers.Serializer[Any]):
    """The runs that were tried, what would have been different, and why the policy could not be stored."""

    since = serializers.DateTimeField(source="simulation.since")
    runs = serializers.IntegerField(source="simulation.runs")
    integrations = serializers.IntegerField(source="simulation.integrations")
    is_cut = serializers.BooleanField(source="simulation.is_cut", help_text="Only the newest runs were tried.")
    findings = FindingSerializer(source="simulation.findings", many=True)
    problems = serializers.DictField(child=serializers.CharField(), help_text="By rule, why it would be refused.")


class EffectiveQuerySerializer(StrictSerializer):
    """For what the effective policy is asked."""

    connector = WorkspaceField(queryset=Connector.objects.all(), default=None)
    integration = WorkspaceField(queryset=Integration.objects.all(), default=None)


@extend_schema_field(_VALUE)
class ValueField(serializers.JSONField):
    """A rule's value: a number, a name, a switch or a list."""


class ReplacedSerializer(serializers.Serializer[Any]):
    """A value that another level set before."""

    level = serializers.CharField()
    value = ValueField()


class BoundSerializer(serializers.Serializer[Any]):
    """A value of a level's policy: a limit, or what was asked for."""

    level = serializers.CharField()
    policy = serializers.CharField()
    value = ValueField()


class EndsSerializer(serializers.Serializer[Any]):
    """A rule's value in the chains of both ends of an integration."""

    source = BoundSerializer()  # type: ignore[assignment]  # DRF takes declared fields off the class
    destination = BoundSerializer()


class LastActionSerializer(serializers.Serializer[Any]):
    """When a rule last did something, and what."""

    at = serializers.DateTimeField()
    what = serializers.CharField()
    run = serializers.UUIDField(source="run_id", allow_null=True)


class EffectiveRuleSerializer(serializers.Serializer[Any]):
    """A rule: the value that holds, where it came from, what it replaced, and what bounds it."""

    name = serializers.CharField(source="rule.name")
    label = serializers.CharField(source="rule.label")  # type: ignore[assignment]  # DRF takes declared fields off
    help = serializers.CharField(source="rule.help")
    kind = serializers.CharField(source="rule.kind.value", help_text="number, choice, switch or list")
    unit = serializers.CharField(source="rule.unit")
    minimum = serializers.SerializerMethodField(help_text="Of a number; null for the other kinds.")
    maximum = serializers.SerializerMethodField(help_text="Of a number; null for the other kinds.")
    choices = serializers.SerializerMethodField(help_text="The names of a choice; empty for the other kinds.")
    tighter = serializers.CharField(source="rule.tighter.value", help_text="lower, higher or none")
    value = ValueField()
    level = serializers.CharField(help_text="instance, workspace, connector or integration")
    policy = serializers.CharField(help_text="The policy's name; empty for the instance.")
    read_from = serializers.CharField(
        source="rule.read_from.value",
        help_text="From which end's chain it is read: each (for itself), source, destination, or both (the stricter).",
    )
    ends = serializers.SerializerMethodField(
        help_text="What the chain of each end says; null where no whole integration was asked for."
    )
    replaced = serializers.SerializerMethodField()
    bound = BoundSerializer(allow_null=True, help_text="The limit of an upper level, or of this one for lower ones.")
    asked = BoundSerializer(allow_null=True, help_text="What was asked for and not granted, because of the limit.")

    last_action = serializers.SerializerMethodField(help_text="Null where it has not acted here yet.")

    @extend_schema_field(EndsSerializer(allow_null=True))
    def get_ends(self, rule: EffectiveRule) -> dict[str, Any] | None:
        """Both chains' values."""
        flow: FlowPolicy | None = self.context.get("flow")
        if flow is None:
            return None
        name = rule.rule.name
        return EndsSerializer({"source": flow.reading.rules[name], "destination": flow.writing.rules[name]}).data

    @extend_schema_field(LastActionSerializer(allow_null=True))
    def get_last_action(self, rule: EffectiveRule) -> dict[str, Any] | None:
        """When it last acted, for whom the question was."""
        found = self.context["last_actions"].get(rule.rule.name)
        return LastActionSerializer(found).data if found else None

    @extend_schema_field(ReplacedSerializer(many=True))
    def get_replaced(self, rule: EffectiveRule) -> list[dict[str, object]]:
        """The values below, from the instance up."""
        return [{"level": level, "value": value} for level, value in rule.replaced]

    def get_minimum(self, rule: EffectiveRule) -> float | None:
        """The least number."""
        return rule.rule.minimum if isinstance(rule.rule, NumberRule) else None

    def get_maximum(self, rule: EffectiveRule) -> float | None:
        """The greatest number."""
        return rule.rule.maximum if isinstance(rule.rule, NumberRule) else None

    def get_choices(self, rule: EffectiveRule) -> list[str]:
        """The names that may be chosen."""
        return [name for name, _ in rule.rule.choices] if isinstance(rule.rule, ChoiceRule) else []
