"""The integrations app."""

from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    """Connectors, credentials, policies, integrations, runs and dead letters."""

    name = "integrations"
