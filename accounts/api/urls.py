"""Addresses of the API about people and workspaces."""

from django.urls import path

from accounts.api import views

_WORKSPACE = "workspaces/<slug:workspace>/"

urlpatterns = [
    path("me/", views.MeView.as_view(), name="api-me"),
    path("workspaces/", views.WorkspaceView.as_view({"get": "list"}), name="api-workspaces"),
    path(
        _WORKSPACE,
        views.WorkspaceView.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="api-workspace",
    ),
    path(f"{_WORKSPACE}members/", views.MemberView.as_view({"get": "list", "post": "create"}), name="api-members"),
    path(
        f"{_WORKSPACE}members/<uuid:member_id>/",
        views.MemberView.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="api-member",
    ),
    path(f"{_WORKSPACE}tokens/", views.TokenView.as_view({"get": "list", "post": "create"}), name="api-tokens"),
    path(
        f"{_WORKSPACE}tokens/<uuid:token_id>/",
        views.TokenView.as_view({"get": "retrieve", "delete": "destroy"}),
        name="api-token",
    ),
    path(f"{_WORKSPACE}audit-entries/", views.AuditEntryView.as_view({"get": "list"}), name="api-audit-entries"),
    path(
        f"{_WORKSPACE}audit-entries/export/",
        views.AuditEntryView.as_view({"post": "export"}),
        name="api-audit-export",
    ),
    path(
        f"{_WORKSPACE}audit-entries/<uuid:entry_id>/",
        views.AuditEntryView.as_view({"get": "retrieve"}),
        name="api-audit-entry",
    ),
]
