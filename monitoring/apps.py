"""The monitoring app."""

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    """What watches integrations: heartbeats, health, the live stream, the status page."""

    name = "monitoring"
