"""The names of the pages' addresses, for rendering the frame without the pages themselves."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

_LISTS = {
    "overview": "",
    "integration-list": "integrations/",
    "run-list": "runs/",
    "dead-letter-list": "dead-letters/",
    "connector-list": "connectors/",
    "credential-list": "credentials/",
    "policy-list": "policies/",
    "limit-list": "limits/",
    "approval-list": "approvals/",
    "uncertain-list": "uncertain-batches/",
    "notification-list": "notifications/",
    "notification-count": "notifications/count/",
    "members": "members/",
    "tokens": "tokens/",
    "audit-log": "audit/",
    "workspace-settings": "settings/",
    "gallery": "gallery/",
}


def nothing(request: HttpRequest, **_: str) -> HttpResponse:
    """Only the address matters."""
    return HttpResponse(request.path)


urlpatterns = [
    path("", nothing, name="home"),
    path("profile/", nothing, name="profile"),
    path("logout/", nothing, name="account_logout"),
    path("status/<slug:workspace>/", nothing, name="status-page"),
    *(path(f"w/<slug:workspace>/{end}", nothing, name=name) for name, end in _LISTS.items()),
]
