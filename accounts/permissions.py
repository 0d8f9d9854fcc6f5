"""Asks for the declared permission at the door of every page and API view."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, cast
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.access import Access, access_of, has_permission, is_instance_allowed
from accounts.declarations import Declaration, Reach, public, requires_permission, shell_command
from accounts.errors import PERMISSION_DENIED, Denied
from accounts.models import ApiToken, User
from accounts.requests import SignedInRequest, WorkspaceRequest

if TYPE_CHECKING:
    # DRF's views import this module by name while they load: a real import would be a circle.
    from rest_framework.views import APIView

__all__ = [
    "PUBLIC",
    "SIGNED_IN",
    "HasWorkspacePermission",
    "has_permission",
    "instance_view",
    "public",
    "public_view",
    "requires_permission",
    "shell_command",
    "signed_in_view",
    "workspace_view",
]

P = ParamSpec("P")
View = Callable[..., HttpResponseBase]
# Values of an API view's `permissions` beside the names of the matrix.
SIGNED_IN = "signed_in"
PUBLIC = "public"


def workspace_view(
    permission: str, **by_method: str
) -> Callable[[Callable[Concatenate[WorkspaceRequest, P], HttpResponseBase]], View]:
    """Guard a page below `/w/<slug:workspace>/`: `@workspace_view("integration.read", POST="integration.manage")`.

    Anonymous: to the sign-in page. No member: 404. Permission lacking: 403. The view is called with the request alone
    (`request.workspace`, `.membership`, `.access`) and the other URL arguments.
    """
    declaration = Declaration(Reach.WORKSPACE, permission, by_method)

    def decorate(view: Callable[Concatenate[WorkspaceRequest, P], HttpResponseBase]) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, workspace: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return to_sign_in(request)
            access = access_of(request.user, workspace)
            if access is None:
                raise Http404
            _enter(request, access)
            _require(access, declaration.permission_for(request.method or ""))
            return view(cast(WorkspaceRequest, request), *args, **kwargs)

        return _declare(guarded, declaration)

    return decorate


def signed_in_view(view: Callable[Concatenate[SignedInRequest, P], HttpResponseBase]) -> View:
    """Guard a page of no workspace that shows somebody their own things."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return to_sign_in(request)
        return view(cast(SignedInRequest, request), *args, **kwargs)

    return _declare(guarded, Declaration(Reach.SIGNED_IN, reason="shows people their own things"))


def instance_view(permission: str) -> Callable[[Callable[Concatenate[SignedInRequest, P], HttpResponseBase]], View]:
    """Guard a page over the instance itself, for instance admins."""

    def decorate(view: Callable[Concatenate[SignedInRequest, P], HttpResponseBase]) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return to_sign_in(request)
            if not is_instance_allowed(request.user, permission):
                raise Http404
            return view(cast(SignedInRequest, request), *args, **kwargs)

        return _declare(guarded, Declaration(Reach.INSTANCE, permission))

    return decorate


def public_view(reason: str) -> Callable[[View], View]:
    """Let anybody in, and say why."""
    declaration = Declaration(Reach.PUBLIC, reason=reason)

    def decorate(view: View) -> View:
        @wraps(view)
        def open_to_all(*args: Any, **kwargs: Any) -> HttpResponseBase:  # whatever the view takes
            return view(*args, **kwargs)

        return _declare(open_to_all, declaration)

    return decorate


def to_sign_in(request: HttpRequest) -> HttpResponseBase:
    """Redirect to the sign-in page and back; htmx follows no redirect to a whole page, so it gets 401 and the way."""
    sign_in = resolve_url(settings.LOGIN_URL)
    if not request.headers.get("HX-Request"):
        return HttpResponseRedirect(f"{sign_in}?{urlencode({'next': request.get_full_path()})}")
    page = urlsplit(request.headers.get("HX-Current-URL", "")).path
    known = url_has_allowed_host_and_scheme(page, allowed_hosts=None)
    query = f"?{urlencode({'next': page})}" if known else ""
    return HttpResponse(status=401, headers={"HX-Redirect": sign_in + query})


class HasWorkspacePermission(BasePermission):
    """Guard an API view by its `permissions`: action (or lower-case method) to permission, `SIGNED_IN` or `PUBLIC`.

    The workspace comes from the URL argument `workspace`. What is not declared is denied. Sets `workspace`,
    `membership` and `access` on the request.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Say whether the caller may take this action; 404 for a workspace that is not theirs."""
        needed = _needed(request, view)
        if needed == PUBLIC:
            return True
        if not request.user.is_authenticated:
            return False
        if needed == SIGNED_IN:
            return True
        access = access_of(_caller(request), str(view.kwargs.get("workspace", "")))
        if access is None:
            raise Http404
        for target in (request, request._request):  # noqa: SLF001 - DRF's way to the request that templates and audit see
            _enter(target, access)
        if needed is None:
            raise MethodNotAllowed(request.method or "")
        _require(access, needed)
        return True


def _needed(request: Request, view: APIView) -> str | None:
    """The declared permission; None for a method that the view does not have; an undeclared action is a defect."""
    declared = getattr(view, "permissions", None)
    if declared is None:
        raise Denied(PERMISSION_DENIED, f"{type(view).__name__} declares no permissions, so nobody may use it.")
    method = (request.method or "").lower()
    action = getattr(view, "action", method)
    if action is None or (action == method and not hasattr(view, method)):
        return None
    if action in {"metadata", "options"}:
        return cast("dict[str, str]", declared).get("metadata")
    if action not in declared:
        raise Denied(
            PERMISSION_DENIED, f"{type(view).__name__} declares no permission for {action!r}, so it is denied."
        )
    return str(declared[action])


def _caller(request: Request) -> User | ApiToken:
    return request.auth if isinstance(request.auth, ApiToken) else cast(User, request.user)


def _enter(request: HttpRequest | Request, access: Access) -> None:
    for name, value in (("workspace", access.workspace), ("membership", access.membership), ("access", access)):
        setattr(request, name, value)


def _require(access: Access, permission: str) -> None:
    if access.allows(permission):
        return
    who = f"Your role in {access.workspace.name} ({access.membership.role})"
    if access.scopes is not None:
        who = "This token"
    raise Denied(PERMISSION_DENIED, f"{who} does not hold the permission {permission}.", permission=permission)


def _declare(view: View, declaration: Declaration) -> View:
    setattr(view, "declaration", declaration)  # noqa: B010 - mypy knows no attributes of a callable
    setattr(view, "permission", declaration.permission or declaration.reach.value)  # noqa: B010 - as above
    return view
