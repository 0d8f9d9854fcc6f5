"""Budgets and circuit breakers, as the API shows them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from integrations.api.serializers.common import RefSerializer
from integrations.domain.circuit_breaker import BreakerState
from integrations.models import BudgetSlot
from integrations.services.shared_limits import Tightest


class TightestSerializer(serializers.Serializer[Tightest]):
    """The tightest value among those that share a budget, and whose it is; 0 means that nobody bounds it."""

    value = serializers.IntegerField()
    level = serializers.CharField(source="rule.level", default="")
    policy = serializers.CharField(source="rule.policy", default="")
    connector = serializers.CharField(source="share.connector.name", default="")
    integration = serializers.CharField(source="share.integration", default="")


class SlotSerializer(serializers.Serializer[BudgetSlot]):
    """Who works with a budget, or stands in line for it; `run` is null for what a person waits for."""

    run = serializers.UUIDField(source="run_id", allow_null=True)
    since = serializers.DateTimeField()


class BudgetLineSerializer(serializers.Serializer[Any]):
    """A budget with its live use. `id` is null until something was taken of it."""

    id = serializers.UUIDField(source="row.pk", default=None, allow_null=True)
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=["credential", "host"])
    connectors = RefSerializer(many=True)
    requests_per_minute = TightestSerializer(source="allowed.per_minute")
    burst = TightestSerializer(source="allowed.burst")
    concurrent = TightestSerializer(source="allowed.at_once")
    tokens_left = serializers.IntegerField(source="tokens", allow_null=True)
    held_until = serializers.DateTimeField(allow_null=True)
    hold_reason = serializers.CharField(source="row.hold_reason", default="")
    working = SlotSerializer(many=True)
    waiting = SlotSerializer(many=True)


class FailureSerializer(serializers.Serializer[Any]):
    """A call that failed."""

    at = serializers.DateTimeField()
    code = serializers.CharField()
    message = serializers.CharField()


class BreakerLineSerializer(serializers.Serializer[Any]):
    """A host's circuit breaker; `id` is null until a call failed. Without `probe_at` an open one waits for a hand."""

    id = serializers.UUIDField(source="row.pk", default=None, allow_null=True)
    host = serializers.CharField()
    state = serializers.ChoiceField(choices=[(state.value, state.value) for state in BreakerState])
    since = serializers.DateTimeField(source="row.since", default=None, allow_null=True)
    reason = serializers.CharField(source="row.reason", default="")
    probe_at = serializers.DateTimeField(source="row.probe_at", default=None, allow_null=True)
    calls = serializers.IntegerField(help_text="Within the window.")
    failures = serializers.IntegerField(help_text="Within the window.")
    last_failures = FailureSerializer(many=True)
    connectors = RefSerializer(many=True)
    rules = serializers.ListField(child=serializers.CharField())
