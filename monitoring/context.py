"""What the base template needs to go live: the cursor that the page's data is at least as new as."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def live(request: HttpRequest) -> dict[str, object]:
    """Context processor."""
    return {
        "live_cursor": getattr(request, "live_cursor", ""),
        "engine": "embedded · SQLite" if settings.EMBEDDED else "scaled · PostgreSQL",
    }
