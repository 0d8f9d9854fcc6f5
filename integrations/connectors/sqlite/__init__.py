"""The SQLite connector: reads and writes tables of a file below the allowed root."""

from integrations.connectors.sqlite.connector import SqliteConnector

__all__ = ["SqliteConnector"]
