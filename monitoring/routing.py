"""The addresses of sockets."""

from django.urls import path

from monitoring.consumers import StatusEvents, WorkspaceEvents

websocket_urlpatterns = [
    path("ws/w/<slug:workspace>/events/", WorkspaceEvents.as_asgi()),
    path("ws/status/<slug:workspace>/", StatusEvents.as_asgi()),
]
