"""The PostgreSQL connector: reads and writes tables over Arrow and binary COPY."""

from integrations.connectors.postgres.connector import PostgresConnector

__all__ = ["PostgresConnector"]
