"""Addresses of the pages about people and workspaces."""

from django.urls import include, path

from accounts.views import audit, members, profile, tokens, workspaces

_workspace = [
    path("members/", members.member_list, name="members"),
    path("members/<uuid:member_id>/role/", members.member_role, name="member-role"),
    path("members/<uuid:member_id>/remove/", members.member_remove, name="member-remove"),
    path("tokens/", tokens.token_list, name="tokens"),
    path("tokens/new/", tokens.token_create, name="token-create"),
    path("tokens/<uuid:token_id>/revoke/", tokens.token_revoke, name="token-revoke"),
    path("audit/", audit.audit_log, name="audit-log"),
    path("audit/export/", audit.audit_export, name="audit-export"),
    path("settings/", workspaces.workspace_settings, name="workspace-settings"),
]

urlpatterns = [
    path("", workspaces.home, name="home"),
    path("profile/", profile.profile, name="profile"),
    path("workspaces/new/", workspaces.workspace_create, name="workspace-create"),
    path("w/<slug:workspace>/", include(_workspace)),
]
