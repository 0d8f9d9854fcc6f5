"""Lets tests empty the tables after themselves, although the databases refuse to empty the audit log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db.backends.base.operations import BaseDatabaseOperations

from accounts.models import audit_guard


@pytest.fixture(scope="session", autouse=True)
def flushable_audit_log() -> Iterator[None]:
    """What `flush` does happens between taking the triggers away and putting them back."""
    flush = BaseDatabaseOperations.execute_sql_flush

    def without_triggers(self: BaseDatabaseOperations, sql_list: list[str]) -> None:
        guarded = "accounts_auditentry" in self.connection.introspection.table_names()
        if guarded:
            audit_guard.remove(self.connection)
        flush(self, sql_list)
        if guarded:
            audit_guard.install(self.connection)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseDatabaseOperations, "execute_sql_flush", without_triggers)
        yield
