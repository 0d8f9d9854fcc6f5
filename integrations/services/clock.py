"""The database's clock, the one that all processes and machines share, and ids that are ordered by it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import connection
from uuid_utils.compat import uuid7

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def database_now() -> datetime:
    """What time it is in the database, in UTC; inside a transaction too, not the time that it began."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT clock_timestamp()")
            moment: datetime = cursor.fetchone()[0]
            return moment.astimezone(UTC)
        cursor.execute("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')")
        return datetime.fromisoformat(cursor.fetchone()[0]).replace(tzinfo=UTC)


def id_by_database_clock() -> UUID:
    """An id that stands in the order of the database's clock, whatever the clock of this machine says."""
    microseconds = (database_now() - _EPOCH) // timedelta(microseconds=1)
    return uuid7(nanoseconds=microseconds * 1_000)
