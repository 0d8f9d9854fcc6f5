"""The integrations app."""

from django.apps import AppConfig
from django.conf import settings

from integrations.egress import OWN_SERVERS


class IntegrationsConfig(AppConfig):
    """Connectors, credentials, policies, integrations, runs and dead letters."""

    name = "integrations"

    def ready(self) -> None:
        """Shut the servers of our own state to every connector of this process."""
        OWN_SERVERS.close(settings.OWN_SERVERS)
