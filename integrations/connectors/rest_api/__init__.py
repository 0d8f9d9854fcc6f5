"""REST API connector: reads lists of records from a JSON API over HTTP."""

from __future__ import annotations

from integrations.connectors.rest_api.connector import RestApiConnector

__all__ = ["RestApiConnector"]
