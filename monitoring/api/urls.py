"""Monitoring's part of the API."""

from django.urls import path

from monitoring.api.notifications import NotificationView

_NOTIFICATIONS = "workspaces/<slug:workspace>/notifications/"
urlpatterns = [
    path(_NOTIFICATIONS, NotificationView.as_view({"get": "list"}), name="api-notifications"),
    path(f"{_NOTIFICATIONS}read/", NotificationView.as_view({"post": "read"}), name="api-notifications-read"),
    path(f"{_NOTIFICATIONS}unread/", NotificationView.as_view({"post": "unread"}), name="api-notifications-unread"),
]
