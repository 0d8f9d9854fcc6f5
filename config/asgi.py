"""The ASGI application: pages and API over HTTP, live events over WebSocket."""

from __future__ import annotations

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
http = get_asgi_application()

from config.header_limits import HeaderLimit  # noqa: E402 - models can be imported only after Django's set-up
from monitoring.routing import websocket_urlpatterns  # noqa: E402 - as above

application = HeaderLimit(
    ProtocolTypeRouter({"http": http, "websocket": AuthMiddlewareStack(URLRouter(websocket_urlpatterns))})
)
