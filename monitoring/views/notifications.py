"""Pages: what a member should look at, and how many of it are unread."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from accounts.permissions import workspace_view
from accounts.requests import WorkspaceRequest
from monitoring.domain.notifications import Notification, NotificationKind
from monitoring.services import notifications

# Told to the page when a member has marked something, so that the count in the top bar follows.
CHANGED = "notifications"

# Where each kind is looked at: the page's name, and the argument that takes what it is about.
_PAGES = {
    NotificationKind.INTEGRATION_FAILING: ("run-detail", "run_id"),
    NotificationKind.INTEGRATION_STALE: ("integration-detail", "integration_id"),
    NotificationKind.SCHEMA_CHANGED: ("integration-schema", "integration_id"),
    NotificationKind.BATCHES_UNCERTAIN: ("uncertain-list", ""),
    NotificationKind.CONNECTOR_FAILING: ("connector-detail", "connector_id"),
    NotificationKind.CALLS_STOPPED: ("limit-list", ""),
    NotificationKind.APPROVAL_ASKED: ("approval-list", ""),
}


@require_http_methods(["GET", "HEAD", "POST"])
@workspace_view("workspace.read")
def notification_list(request: WorkspaceRequest) -> HttpResponse:
    """All or, with `?show=unread`, those that were not read; a form marks some. The live part alone for htmx."""
    if request.method == "POST":
        return _marked(request)
    return _shown(request)


@require_GET
@workspace_view("workspace.read")
def notification_count(request: WorkspaceRequest) -> HttpResponse:
    """The unread ones, as the top bar of every page shows them."""
    count = notifications.unread_count(request.membership, request.access.allows)
    return render(request, "monitoring/_notification_count.html", {"count": count})


def page_of(notification: Notification, slug: str) -> str:
    """The address at which a notification is looked at."""
    name, argument = _PAGES[notification.kind]
    return reverse(name, kwargs={"workspace": slug, **({argument: notification.about} if argument else {})})


def _marked(request: WorkspaceRequest) -> HttpResponse:
    keys, is_read = request.POST.getlist("key"), request.POST.get("mark") != "unread"
    notifications.mark(membership=request.membership, allows=request.access.allows, keys=keys, is_read=is_read)
    if not request.htmx:
        return redirect(request.get_full_path())
    response = _shown(request)
    response["HX-Trigger"] = CHANGED
    return response


def _shown(request: WorkspaceRequest) -> HttpResponse:
    found = notifications.notifications_of(request.membership, request.access.allows)
    only_unread = request.GET.get("show") == "unread"
    shown = [each for each in found if not (only_unread and each.is_read)]
    context = {
        "shown": [(each, page_of(each, request.workspace.slug)) for each in shown],
        "unread": [each.key for each in found if not each.is_read],
        "only_unread": only_unread,
        "of_a_kind": notifications.OF_A_KIND,
        "is_cut": len(found) >= notifications.OF_A_KIND,
    }
    partial = request.htmx and not request.htmx.history_restore_request
    return render(request, f"monitoring/{'_notifications' if partial else 'notification_list'}.html", context)
