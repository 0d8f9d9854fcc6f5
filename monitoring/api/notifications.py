"""REST: what the caller should look at, and what they have read of it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.base import WorkspaceViewSet
from monitoring.domain.notifications import NotificationKind
from monitoring.models import NotificationRead
from monitoring.services import notifications
from monitoring.views.notifications import page_of


class NotificationSerializer(serializers.Serializer[Any]):
    """Something to look at, for as long as it is so. `about` is the run, integration or connector."""

    key = serializers.CharField()
    kind = serializers.ChoiceField(choices=[(kind.value, kind.value) for kind in NotificationKind])
    is_urgent = serializers.BooleanField()
    title = serializers.CharField()
    detail = serializers.CharField()
    since = serializers.DateTimeField()
    about = serializers.UUIDField(allow_null=True)
    page = serializers.CharField()
    is_read = serializers.BooleanField()


class NotificationKeysSerializer(serializers.Serializer[Any]):
    """The keys of some of them; those that there are no longer are passed over."""

    keys = serializers.ListField(child=serializers.CharField(max_length=120), max_length=1000, allow_empty=False)


_DONE = OpenApiResponse(description="Done; nothing is left to say.")


class NotificationView(WorkspaceViewSet[NotificationRead]):
    """What the caller should look at; each member has read what they marked as read themselves."""

    permissions = {"list": "workspace.read", "read": "workspace.read", "unread": "workspace.read"}
    queryset = NotificationRead.objects.none()
    serializer_class = NotificationSerializer
    pagination_class = None

    @extend_schema(operation_id="workspaces_notifications_list", responses=NotificationSerializer(many=True))
    def list(self, request: Request, workspace: str) -> Response:  # noqa: ARG002 - DRF passes the address
        """The newest first."""
        found = notifications.notifications_of(self.asked.membership, self.asked.access.allows)
        shown = [{**vars(each), "page": page_of(each, self.workspace.slug)} for each in found]
        return Response(NotificationSerializer(shown, many=True).data)

    @extend_schema(
        operation_id="workspaces_notifications_read", request=NotificationKeysSerializer, responses={204: _DONE}
    )
    def read(self, request: Request, workspace: str) -> Response:  # noqa: ARG002 - as above
        """Mark some as read."""
        return self._mark(is_read=True)

    @extend_schema(
        operation_id="workspaces_notifications_unread", request=NotificationKeysSerializer, responses={204: _DONE}
    )
    def unread(self, request: Request, workspace: str) -> Response:  # noqa: ARG002 - as above
        """Mark some as unread again."""
        return self._mark(is_read=False)

    def _mark(self, *, is_read: bool) -> Response:
        given = NotificationKeysSerializer(data=self.request.data)
        given.is_valid(raise_exception=True)
        notifications.mark(
            membership=self.asked.membership,
            allows=self.asked.access.allows,
            keys=given.validated_data["keys"],
            is_read=is_read,
        )
        return Response(status=status.HTTP_204_NO_CONTENT)
