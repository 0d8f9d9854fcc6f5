"""What the API shows and takes of people, tokens and the audit log; every writable field is named here."""

from __future__ import annotations

from typing import TypedDict

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.domain.roles import TOKEN_SCOPES, Role
from accounts.models import ApiToken, AuditEntry, Membership, StatusPage, User, Workspace
from accounts.services import tokens
from accounts.services.audit_export import ExportFormat

_ROLES = [(role.value, role.value) for role in Role]
_SCOPES = [(scope, scope) for scope in sorted(TOKEN_SCOPES)]
_STATES = [("active", "active"), ("expired", "expired"), ("revoked", "revoked")]


class WorkspaceSerializer(serializers.ModelSerializer[Workspace]):
    """A workspace."""

    class Meta:
        model = Workspace
        fields = ["id", "slug", "name", "is_demo", "status_page", "created_at"]
        read_only_fields = fields


class WorkspaceChangeSerializer(serializers.Serializer[Workspace]):
    """What an owner may change."""

    name = serializers.CharField(max_length=80, required=False)
    status_page = serializers.ChoiceField(choices=StatusPage.choices, required=False)


class PersonSerializer(serializers.ModelSerializer[User]):
    """A person as other members see them."""

    class Meta:
        model = User
        fields = ["id", "email", "name"]
        read_only_fields = fields


class MemberSerializer(serializers.ModelSerializer[Membership]):
    """A member and their role."""

    user = PersonSerializer(read_only=True)
    role = serializers.ChoiceField(choices=_ROLES, read_only=True)

    class Meta:
        model = Membership
        fields = ["id", "user", "role", "created_at"]
        read_only_fields = fields


class MemberAddSerializer(serializers.Serializer[Membership]):
    """Somebody to add."""

    email = serializers.EmailField(max_length=254)
    name = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    role = serializers.ChoiceField(choices=_ROLES)


class MemberAddedSerializer(MemberSerializer):
    """The new member; a new account's password is shown this once."""

    one_time_password = serializers.CharField(allow_null=True, read_only=True)

    class Meta(MemberSerializer.Meta):
        fields = [*MemberSerializer.Meta.fields, "one_time_password"]
        read_only_fields = fields


class MemberRoleSerializer(serializers.Serializer[Membership]):
    """Another role."""

    role = serializers.ChoiceField(choices=_ROLES)


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    """A token without its secret, which is stored nowhere."""

    creator = PersonSerializer(read_only=True)
    scopes = serializers.ListField(child=serializers.CharField(), read_only=True)
    state = serializers.SerializerMethodField()

    class Meta:
        model = ApiToken
        fields = [
            "id", "name", "key_id", "scopes", "creator", "state",
            "created_at", "expires_at", "last_used_at", "revoked_at",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=_STATES))
    def get_state(self, token: ApiToken) -> str:
        """Active, expired or revoked, now."""
        return token.state(timezone.now())


class TokenCreateSerializer(serializers.Serializer[ApiToken]):
    """A token to make."""

    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=_SCOPES), min_length=1)
    days = serializers.IntegerField(min_value=1, max_value=tokens.MAX_DAYS, default=tokens.DEFAULT_DAYS)


class TokenCreatedSerializer(TokenSerializer):
    """The new token, with its text this once."""

    token = serializers.CharField(read_only=True)

    class Meta(TokenSerializer.Meta):
        fields = [*TokenSerializer.Meta.fields, "token"]
        read_only_fields = fields


class AuditEntrySerializer(serializers.ModelSerializer[AuditEntry]):
    """One line of the audit log."""

    before = serializers.DictField(allow_null=True, read_only=True)
    after = serializers.DictField(allow_null=True, read_only=True)

    class Meta:
        model = AuditEntry
        fields = [
            "id", "seq", "at", "actor", "actor_label", "token", "ip", "action", "object_type", "object_id",
            "object_label", "before", "after", "request_id", "prev", "mac", "key_id",
        ]  # fmt: skip
        read_only_fields = fields


class AuditExportSerializer(serializers.Serializer[AuditEntry]):
    """How an export is written; the filters stand in the address, as for the list."""

    format = serializers.ChoiceField(choices=[(chosen.value, chosen.value) for chosen in ExportFormat])


class MyMembershipSerializer(serializers.ModelSerializer[Membership]):
    """One of the caller's own workspaces."""

    workspace: serializers.SlugRelatedField[Workspace] = serializers.SlugRelatedField(slug_field="slug", read_only=True)
    role = serializers.ChoiceField(choices=_ROLES, read_only=True)

    class Meta:
        model = Membership
        fields = ["workspace", "role"]
        read_only_fields = fields


class Me(TypedDict):
    """The caller, as `/me/` shows it."""

    user: User
    memberships: QuerySet[Membership]
    scopes: list[str] | None


class MeSerializer(serializers.Serializer[Me]):
    """Who the caller is."""

    user = PersonSerializer()
    memberships = MyMembershipSerializer(many=True)
    scopes = serializers.ListField(
        child=serializers.CharField(), allow_null=True, help_text="Of the token, if one asks."
    )
