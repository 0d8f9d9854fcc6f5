"""Monitoring's addresses: probes, the live stream, notifications, the status page."""

from django.urls import path

from monitoring.views import health, notifications, status, stream

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("w/<slug:workspace>/events/", stream.events_poll, name="events-poll"),
    path("w/<slug:workspace>/events/stream/", stream.events_stream, name="events-stream"),
    path("w/<slug:workspace>/notifications/", notifications.notification_list, name="notification-list"),
    path("w/<slug:workspace>/notifications/count/", notifications.notification_count, name="notification-count"),
    path("status/<slug:workspace>/", status.status_page, name="status-page"),
    path("status/<slug:workspace>/events/", stream.status_poll, name="status-poll"),
    path("status/<slug:workspace>/events/stream/", stream.status_stream, name="status-stream"),
]
