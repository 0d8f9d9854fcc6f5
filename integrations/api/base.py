"""What the view sets of integrations share: strict queries and bodies, and answers that say where a new object is."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar, cast

from django.db.models import Model, QuerySet
from django_filters import MultipleChoiceFilter
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse
from rest_framework import status
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.serializers import BaseSerializer

from accounts.access import Access
from accounts.api.base import WorkspaceViewSet
from accounts.api.pagination import CursorPagination
from accounts.errors import PERMISSION_DENIED, Denied
from accounts.models import User
from integrations.api.strict import StrictSerializer, check_page_size, check_query

M = TypeVar("M", bound=Model)
PAGING = frozenset({"cursor", "page_size"})
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
NO_CONTENT = OpenApiResponse(description="Done; nothing is left to say.")
# What the other system may be the cause of, for the actions that reach out to it.
OUTSIDE = {
    (422, "application/problem+json"): OpenApiResponse(_PROBLEM, "A person must act: settings, credential, stream."),
    (503, "application/problem+json"): OpenApiResponse(_PROBLEM, "The other system is busy or away; try again."),
}


_STANDARD = frozenset({"list", "retrieve", "create", "update", "partial_update", "destroy"})


class OperationSchema(AutoSchema):
    """Operation ids that end in what is done (`workspaces_runs_cancel`), not in a verb of HTTP."""

    def get_operation_id(self) -> str:
        """The resource and the action."""
        action = getattr(self.view, "action", "")
        if action in _STANDARD:
            return str(super().get_operation_id())
        resource = "_".join(self._tokenize_path()[:2]).replace("-", "_")
        return f"{resource}_{action}"


class StrictViewSet(WorkspaceViewSet[M]):
    """A view set below a workspace that refuses parameters it would ignore.

    A list takes paging and its filters; `queries` names what other actions take.
    """

    schema = OperationSchema()
    queries: ClassVar[dict[str, frozenset[str]]] = {}

    # DRF passes on what the address holds.
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """After sign-in and permission: check the query, so that nobody learns of parameters without them."""
        super().initial(request, *args, **kwargs)
        filters = self._filter_names()
        known = self.queries.get(self.action, PAGING | set(filters) if self.action == "list" else frozenset())
        repeatable = {name for name, is_multiple in filters.items() if is_multiple}
        check_query(request.query_params, known=known, repeatable=repeatable)
        if "page_size" in known:
            check_page_size(request.query_params, largest=CursorPagination.max_page_size)

    def _filter_names(self) -> dict[str, bool]:
        """The parameters that the view's filters take, and whether each may stand more than once."""
        declared = getattr(self, "filterset_class", None)
        found = declared.base_filters if declared else {}
        return {name: isinstance(each, MultipleChoiceFilter) for name, each in found.items()}

    def checked(self, kind: type[BaseSerializer[Any]], *, partial: bool = False) -> dict[str, Any]:
        """The body's values, checked by a strict serializer that knows the workspace."""
        given = kind(data=self.request.data, partial=partial, context=self.get_serializer_context())
        given.is_valid(raise_exception=True)
        return cast("dict[str, Any]", given.validated_data)

    def no_body(self) -> None:
        """Refuse a body that the action would ignore."""
        self.checked(StrictSerializer)

    # The rows of any model, and the values of its columns.
    def found(self, rows: QuerySet[Any], **wanted: Any) -> Any:
        """The one row of those that is wanted; 404 where there is none."""
        return get_object_or_404(rows, **wanted)

    def shown(self, kind: type[BaseSerializer[Any]], value: object) -> dict[str, Any]:
        """An object as the API shows it."""
        return cast("dict[str, Any]", kind(value, context=self.get_serializer_context()).data)

    def created(self, kind: type[BaseSerializer[Any]], value: object, name: str, **arguments: object) -> Response:
        """201 with the new object and its address."""
        where = self.address(name, **arguments)
        return Response(self.shown(kind, value), status=status.HTTP_201_CREATED, headers={"Location": where})

    def accepted(self, kind: type[BaseSerializer[Any]], value: object, name: str, **arguments: object) -> Response:
        """202 with what will go on by itself, and where to look."""
        where = self.address(name, **arguments)
        return Response(self.shown(kind, value), status=status.HTTP_202_ACCEPTED, headers={"Location": where})

    def address(self, name: str, **arguments: object) -> str:
        """The whole address of a resource of this workspace."""
        return reverse(name, kwargs={"workspace": self.workspace.slug, **arguments}, request=self.request)

    @property
    def person(self) -> User:
        """Who asks, or whose token it is."""
        return cast(User, self.request.user)


def require(access: Access, permission: str, why: str) -> None:
    """Ask for a permission that only some bodies of an action need."""
    if not access.allows(permission):
        raise Denied(PERMISSION_DENIED, f"{why} needs the permission {permission}.", permission=permission)
