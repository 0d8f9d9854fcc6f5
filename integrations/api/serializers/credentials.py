"""Credentials: what may be known of them. No answer has a field that could hold a secret."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from integrations.api.strict import StrictSerializer
from integrations.models import Credential

_VALUES = "Every field of the kind by name; the secret ones are never shown again."


class CredentialSerializer(serializers.ModelSerializer[Credential]):
    """What may be known of a credential: never its secret."""

    public = serializers.DictField(child=serializers.CharField(), read_only=True)
    version = serializers.IntegerField(source="current", read_only=True)

    class Meta:
        model = Credential
        fields = ["id", "name", "kind", "public", "version", "created_by", "created_at", "updated_at", "last_used_at"]
        read_only_fields = fields


class SecretValuesField(serializers.DictField):
    """Write-only whatever it is told: the values of a credential go in and never come out."""

    def __init__(self) -> None:
        super().__init__(
            child=serializers.CharField(allow_blank=True, trim_whitespace=False, max_length=65_536),
            write_only=True,
            help_text=_VALUES,
        )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "User name and password",
            {"name": "Warehouse", "kind": "basic", "values": {"username": "reader", "password": "<the password>"}},
            request_only=True,
        )
    ]
)
class CredentialCreateSerializer(StrictSerializer):
    """A credential to store."""

    name = serializers.CharField(max_length=80)
    kind = serializers.CharField(max_length=40, help_text="The key of a kind; see credential-kinds.")
    values = SecretValuesField()


class CredentialRotateSerializer(StrictSerializer):
    """New values; those left out stay as far as they are not secret."""

    values = SecretValuesField()
