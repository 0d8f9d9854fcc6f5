"""The id that every table uses."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A UUIDv7: unguessable in its second half, and ordered by time for indexes and cursor paging."""
    return uuid7()
