"""REST: the caller, workspaces, members, tokens and the audit log."""

from __future__ import annotations

from typing import cast

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api import filters, serializers
from accounts.api.base import WorkspaceViewSet
from accounts.domain.roles import Role
from accounts.models import ApiToken, AuditEntry, Membership, StatusPage, User, Workspace
from accounts.permissions import SIGNED_IN
from accounts.services import audit_export, members, tokens, workspaces


class MeView(APIView):
    """The person, or the person and token, behind the request."""

    permissions = {"get": SIGNED_IN}

    @extend_schema(operation_id="me", responses=serializers.MeSerializer)
    def get(self, request: Request) -> Response:
        """Who am I, and where a member."""
        user, token = cast(User, request.user), request.auth
        memberships = Membership.objects.filter(user=user).select_related("workspace").order_by("workspace__name")
        scopes = None
        if isinstance(token, ApiToken):
            memberships, scopes = memberships.filter(workspace=token.workspace_id), token.scopes
        shown: serializers.Me = {"user": user, "memberships": memberships, "scopes": scopes}
        return Response(serializers.MeSerializer(shown).data)


class WorkspaceView(mixins.ListModelMixin, mixins.RetrieveModelMixin, WorkspaceViewSet[Workspace]):
    """The caller's workspaces; a token sees its own."""

    permissions = {"list": SIGNED_IN, "retrieve": "workspace.read", "partial_update": "workspace.manage"}
    queryset = Workspace.objects.none()
    serializer_class = serializers.WorkspaceSerializer
    lookup_field, lookup_url_kwarg = "slug", "workspace"

    def get_queryset(self) -> QuerySet[Workspace]:
        """Only where the caller is a member."""
        mine = Workspace.objects.filter(memberships__user=cast(User, self.request.user))
        token = self.request.auth
        return mine.filter(pk=token.workspace_id) if isinstance(token, ApiToken) else mine

    @extend_schema(request=serializers.WorkspaceChangeSerializer, responses=serializers.WorkspaceSerializer)
    def partial_update(self, request: Request, workspace: str) -> Response:  # noqa: ARG002 - DRF passes the address
        """Change the name or who may open the status page."""
        change = serializers.WorkspaceChangeSerializer(data=request.data)
        change.is_valid(raise_exception=True)
        given = change.validated_data
        page = StatusPage(given["status_page"]) if "status_page" in given else None
        workspaces.update(workspace=self.workspace, name=given.get("name"), status_page=page)
        return Response(serializers.WorkspaceSerializer(self.workspace).data)


class MemberView(mixins.ListModelMixin, mixins.RetrieveModelMixin, WorkspaceViewSet[Membership]):
    """The members of a workspace."""

    permissions = {
        "list": "member.read",
        "retrieve": "member.read",
        "create": "member.manage",
        "partial_update": "role.assign",
        "destroy": "member.manage",
    }
    queryset = Membership.objects.none()
    serializer_class = serializers.MemberSerializer
    filterset_class = filters.MemberFilter
    lookup_url_kwarg = "member_id"

    def get_queryset(self) -> QuerySet[Membership]:
        """The rows of the workspace in the address."""
        return Membership.objects.of(self.workspace).select_related("user", "workspace")

    @extend_schema(request=serializers.MemberAddSerializer, responses={201: serializers.MemberAddedSerializer})
    def create(self, request: Request, workspace: str) -> Response:  # noqa: ARG002 - DRF passes the address
        """Add somebody; a new account's one-time password is in this answer only."""
        wanted = serializers.MemberAddSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        data = wanted.validated_data
        added = members.add(
            workspace=self.workspace,
            by=self.asked.membership,
            email=data["email"],
            name=data["name"],
            role=Role(data["role"]),
        )
        shown = serializers.MemberSerializer(added.membership).data | {"one_time_password": added.one_time_password}
        return Response(shown, status=status.HTTP_201_CREATED)

    @extend_schema(request=serializers.MemberRoleSerializer, responses=serializers.MemberSerializer)
    def partial_update(self, request: Request, workspace: str, member_id: str) -> Response:  # noqa: ARG002 - as above
        """Give another role."""
        wanted = serializers.MemberRoleSerializer(data=request.data)
        membership = self.get_object()
        wanted.is_valid(raise_exception=True)
        members.change_role(membership=membership, by=self.asked.membership, role=Role(wanted.validated_data["role"]))
        return Response(serializers.MemberSerializer(membership).data)

    def destroy(self, request: Request, workspace: str, member_id: str) -> Response:  # noqa: ARG002 - as above
        """End the membership and revoke its tokens."""
        members.remove(membership=self.get_object(), by=self.asked.membership)
        return Response(status=status.HTTP_204_NO_CONTENT)


class TokenView(mixins.ListModelMixin, mixins.RetrieveModelMixin, WorkspaceViewSet[ApiToken]):
    """API tokens: the caller's own, or all of the workspace's for those who may."""

    permissions = {
        "list": "token.manage",
        "retrieve": "token.manage",
        "create": "token.manage",
        "destroy": "token.manage",
    }
    queryset = ApiToken.objects.none()
    serializer_class = serializers.TokenSerializer
    filterset_class = filters.TokenFilter
    lookup_url_kwarg = "token_id"

    def get_queryset(self) -> QuerySet[ApiToken]:
        """What the member may see."""
        return ApiToken.objects.visible_to(self.asked.membership).select_related("creator", "workspace")

    @extend_schema(request=serializers.TokenCreateSerializer, responses={201: serializers.TokenCreatedSerializer})
    def create(self, request: Request, workspace: str) -> Response:  # noqa: ARG002 - DRF passes the address
        """Make a token; its text is in this answer only."""
        wanted = serializers.TokenCreateSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        made = tokens.create(workspace=self.workspace, creator=cast(User, request.user), **wanted.validated_data)
        shown = serializers.TokenSerializer(made.token).data | {"token": made.text}
        return Response(shown, status=status.HTTP_201_CREATED)

    def destroy(self, request: Request, workspace: str, token_id: str) -> Response:  # noqa: ARG002 - as above
        """Revoke at once; the row stays for the audit log."""
        tokens.revoke(token=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)


class AuditEntryView(mixins.ListModelMixin, mixins.RetrieveModelMixin, WorkspaceViewSet[AuditEntry]):
    """The audit log, newest first; nothing changes it."""

    permissions = {"list": "audit.read", "retrieve": "audit.read", "export": "audit.export"}
    queryset = AuditEntry.objects.none()
    serializer_class = serializers.AuditEntrySerializer
    filterset_class = filters.AuditFilter
    cursor_ordering = ("-seq",)
    lookup_url_kwarg = "entry_id"

    def get_queryset(self) -> QuerySet[AuditEntry]:
        """The entries of the workspace in the address."""
        return AuditEntry.objects.of(self.workspace)

    @extend_schema(
        operation_id="audit_entries_export",
        request=serializers.AuditExportSerializer,
        responses={(200, "text/csv"): OpenApiTypes.STR, (200, "application/x-ndjson"): OpenApiTypes.STR},
        filters=True,
    )
    def export(self, request: Request, workspace: str) -> HttpResponse:  # noqa: ARG002 - DRF passes the address
        """Download what the filters in the address leave, oldest first; the log says who did."""
        wanted = serializers.AuditExportSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        made = audit_export.export(
            workspace=self.workspace,
            entries=self.filter_queryset(self.get_queryset()),
            chosen=audit_export.ExportFormat(wanted.validated_data["format"]),
            filters=request.query_params.dict(),
        )
        headers = {"Content-Disposition": f'attachment; filename="{made.name}"'}
        return HttpResponse(made.content, content_type=made.content_type, headers=headers)
