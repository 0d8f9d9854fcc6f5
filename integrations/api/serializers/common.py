"""Pieces that several answers of the API share."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from integrations.api.strict import StrictSerializer


class RefSerializer(serializers.Serializer[Any]):
    """Another object, by id and name."""

    id = serializers.UUIDField(read_only=True)
    name = serializers.CharField(read_only=True)


class ColumnSerializer(serializers.Serializer[Any]):
    """A column of a stream, with its type as a mapping knows it."""

    name = serializers.CharField()
    type = serializers.CharField(help_text="e.g. integer, text, decimal(18,2)")


class FieldRuleSerializer(StrictSerializer):
    """One field of a mapping."""

    target = serializers.CharField(max_length=200, trim_whitespace=False)
    expression = serializers.CharField(
        max_length=20_000,
        trim_whitespace=False,
        allow_blank=True,
        help_text="A SQL scalar expression over the columns.",
    )
    type = serializers.CharField(max_length=40, help_text="e.g. integer, text, decimal(18,2)")
    required = serializers.BooleanField(default=False)  # type: ignore[assignment]  # DRF takes declared fields off the class


class MappingSerializer(StrictSerializer):
    """What makes a destination record from a source record: `fields`, and a `filter` that keeps a record."""

    # Declared here because `fields` as a class attribute would hide the serializer's own.
    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """The two parts of a mapping."""
        condition = serializers.CharField(default="", allow_blank=True, max_length=20_000, trim_whitespace=False)
        return {"fields": FieldRuleSerializer(many=True), "filter": condition}


class ReasonSerializer(StrictSerializer):
    """Why; it stands in the audit log."""

    reason = serializers.CharField(max_length=500)
