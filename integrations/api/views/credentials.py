"""REST: credentials, whose secrets go in and never come out."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.api.base import NO_CONTENT, StrictViewSet
from integrations.api.filters import CredentialFilter
from integrations.api.serializers import connectors
from integrations.api.serializers import credentials as shapes
from integrations.connectors.credential_kinds import CREDENTIAL_KINDS
from integrations.models import Credential
from integrations.services import credentials


class CredentialKindView(StrictViewSet[Credential]):
    """The kinds of credentials, and which fields each has."""

    permissions = {"list": "credential.read"}
    serializer_class = connectors.CredentialKindSerializer
    queryset = Credential.objects.none()
    pagination_class = None
    queries = {"list": frozenset()}

    @extend_schema(responses=connectors.CredentialKindSerializer(many=True))
    def list(self, request: Request, workspace: str) -> Response:  # noqa: ARG002 - DRF passes the address
        """Every kind with its fields."""
        return Response(connectors.CredentialKindSerializer(list(CREDENTIAL_KINDS.values()), many=True).data)


class CredentialView(mixins.ListModelMixin, mixins.RetrieveModelMixin, StrictViewSet[Credential]):
    """What connectors sign in with."""

    permissions = {
        "list": "credential.read",
        "retrieve": "credential.read",
        "create": "credential.write",
        "rotate": "credential.rotate",
        "destroy": "credential.write",
    }
    queryset = Credential.objects.none()
    serializer_class = shapes.CredentialSerializer
    filterset_class = CredentialFilter
    lookup_url_kwarg = "credential_id"

    def get_queryset(self) -> QuerySet[Credential]:
        """The credentials of the workspace in the address."""
        return Credential.objects.of(self.workspace).select_related("workspace")

    @extend_schema(request=shapes.CredentialCreateSerializer, responses={201: shapes.CredentialSerializer})
    def create(self, request: Request, workspace: str) -> Response:  # noqa: ARG002 - DRF passes the address
        """Store a credential; its secret is in no answer, this one included."""
        given = self.checked(shapes.CredentialCreateSerializer)
        credential = credentials.create_credential(workspace=self.workspace, user=self.person, **given)
        return self.created(shapes.CredentialSerializer, credential, "api-credential", credential_id=credential.pk)

    @extend_schema(request=shapes.CredentialRotateSerializer, responses=shapes.CredentialSerializer)
    def rotate(self, request: Request, workspace: str, credential_id: str) -> Response:  # noqa: ARG002 - as above
        """Store new values; runs use them from their next slice on."""
        credential = self.get_object()
        given = self.checked(shapes.CredentialRotateSerializer)
        rotated = credentials.rotate_credential(credential=credential, values=given["values"], user=self.person)
        return Response(self.shown(shapes.CredentialSerializer, rotated))

    @extend_schema(responses={204: NO_CONTENT})
    def destroy(self, request: Request, workspace: str, credential_id: str) -> Response:  # noqa: ARG002 - as above
        """Delete a credential that no connector uses."""
        credentials.delete_credential(credential=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)
