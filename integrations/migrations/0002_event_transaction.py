"""On PostgreSQL each event carries its transaction's id, so that readers can follow the log in commit order."""

from django.db import migrations


def number_by_transaction(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "ALTER TABLE integrations_event ALTER COLUMN tx SET DEFAULT (pg_current_xact_id()::text::bigint)"
        )


def number_by_zero(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE integrations_event ALTER COLUMN tx SET DEFAULT 0")


class Migration(migrations.Migration):
    dependencies = [("integrations", "0001_initial")]
    operations = [migrations.RunPython(number_by_transaction, number_by_zero)]
