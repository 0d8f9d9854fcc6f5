"""The triggers that let the databases themselves refuse to alter the audit log, whoever asks."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

_ENTRIES, _COUNTERS = "accounts_auditentry", "accounts_auditcounter"
_WORDS = "the audit log is only ever added to"

_POSTGRESQL = (
    f"""
    CREATE OR REPLACE FUNCTION accounts_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '{_WORDS}: % on % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    f"DROP TRIGGER IF EXISTS audit_append_only ON {_ENTRIES}",
    f"""
    CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {_ENTRIES}
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_audit_refuse()
    """,
    f"DROP TRIGGER IF EXISTS audit_counter_kept ON {_COUNTERS}",
    f"""
    CREATE TRIGGER audit_counter_kept BEFORE DELETE OR TRUNCATE ON {_COUNTERS}
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_audit_refuse()
    """,
    f"DROP TRIGGER IF EXISTS audit_counter_rises ON {_COUNTERS}",
    f"""
    CREATE TRIGGER audit_counter_rises BEFORE UPDATE ON {_COUNTERS} FOR EACH ROW
    WHEN (NEW.scope <> OLD.scope OR NEW.last <= OLD.last) EXECUTE FUNCTION accounts_audit_refuse()
    """,
    # Also where somebody sets session_replication_role, which silences ordinary triggers.
    f"ALTER TABLE {_ENTRIES} ENABLE ALWAYS TRIGGER audit_append_only",
    f"ALTER TABLE {_COUNTERS} ENABLE ALWAYS TRIGGER audit_counter_kept",
    f"ALTER TABLE {_COUNTERS} ENABLE ALWAYS TRIGGER audit_counter_rises",
)
_SQLITE_TRIGGERS = {
    "audit_no_update": f"BEFORE UPDATE ON {_ENTRIES}",
    "audit_no_delete": f"BEFORE DELETE ON {_ENTRIES}",
    # INSERT OR REPLACE deletes what is in its way, and calls no trigger for that.
    "audit_no_replace": f"""BEFORE INSERT ON {_ENTRIES}
        WHEN EXISTS (SELECT 1 FROM {_ENTRIES} WHERE id = NEW.id)
        OR EXISTS (SELECT 1 FROM {_ENTRIES} WHERE workspace_id IS NEW.workspace_id AND seq = NEW.seq)""",  # noqa: S608 - names of our own
    "audit_counter_kept": f"BEFORE DELETE ON {_COUNTERS}",
    "audit_counter_rises": f"""BEFORE UPDATE ON {_COUNTERS}
        WHEN NEW.scope IS NOT OLD.scope OR NEW.last <= OLD.last""",
    "audit_counter_no_replace": f"""BEFORE INSERT ON {_COUNTERS}
        WHEN EXISTS (SELECT 1 FROM {_COUNTERS} WHERE scope = NEW.scope)""",  # noqa: S608 - as above
}
_POSTGRESQL_TRIGGERS = {
    "audit_append_only": _ENTRIES,
    "audit_counter_kept": _COUNTERS,
    "audit_counter_rises": _COUNTERS,
}


def keep(connection: BaseDatabaseWrapper) -> None:
    """Install what is missing, where the tables are there."""
    if _ENTRIES in connection.introspection.table_names() and missing(connection):
        install(connection)


def install(connection: BaseDatabaseWrapper) -> None:
    """Create what is missing; safe to repeat. On SQLite a migration that alters a table drops its triggers."""
    _run(connection, _POSTGRESQL if connection.vendor == "postgresql" else _sqlite_statements())


def remove(connection: BaseDatabaseWrapper) -> None:
    """For tests, which empty their tables."""
    if connection.vendor == "postgresql":
        _run(connection, [f"DROP TRIGGER IF EXISTS {name} ON {table}" for name, table in _POSTGRESQL_TRIGGERS.items()])
    else:
        _run(connection, [f"DROP TRIGGER IF EXISTS {name}" for name in _SQLITE_TRIGGERS])


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """The triggers that should be there and are not, or are switched off."""
    if connection.vendor == "postgresql":
        wanted, question = set(_POSTGRESQL_TRIGGERS), "SELECT tgname FROM pg_trigger WHERE tgenabled = 'A'"
    else:
        wanted, question = set(_SQLITE_TRIGGERS), "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    with connection.cursor() as cursor:
        cursor.execute(question)
        return sorted(wanted - {str(name) for (name,) in cursor.fetchall()})


def _sqlite_statements() -> list[str]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{_WORDS}'); END"
    return [f"CREATE TRIGGER IF NOT EXISTS {name} {when} {refuse}" for name, when in _SQLITE_TRIGGERS.items()]


def _run(connection: BaseDatabaseWrapper, statements: list[str] | tuple[str, ...]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
