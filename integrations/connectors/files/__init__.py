"""The files connector."""

from integrations.connectors.files.connector import FilesConnector

__all__ = ["FilesConnector"]
