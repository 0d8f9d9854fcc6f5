"""The databases refuse to alter the audit log."""

from django.db import migrations

from accounts.models import audit_guard


def install(_apps, schema_editor):
    audit_guard.install(schema_editor.connection)


def remove(_apps, schema_editor):
    audit_guard.remove(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_audit_chain_what_is_there")]
    operations = [migrations.RunPython(install, remove)]
