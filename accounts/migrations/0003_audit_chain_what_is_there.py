"""Signs the entries that are there already, in their order."""

from django.db import migrations

from accounts import audit_keys
from accounts.domain.audit_chain import NOTHING, signature
from accounts.models.audit import INSTANCE_SCOPE, columns_of

_AT_ONCE = 1000


def chain(apps, schema_editor):
    counters = apps.get_model("accounts", "AuditCounter").objects.using(schema_editor.connection.alias)
    for counter in counters.all():
        counters.filter(pk=counter.pk).update(mac=_chain_scope(apps, schema_editor.connection, counter.pk))


def _chain_scope(apps, connection, scope):
    entries = apps.get_model("accounts", "AuditEntry").objects.using(connection.alias).order_by("seq")
    entries = entries.filter(workspace_id=None if scope == INSTANCE_SCOPE else scope)
    signing, prev, last = audit_keys.current(), NOTHING, 0
    while page := list(entries.filter(seq__gt=last)[:_AT_ONCE]):
        for entry in page:
            entry.prev, entry.key_id = prev, signing.id
            entry.mac = prev = signature(signing.key, columns_of(entry), prev)
        _store(connection, page)
        last = page[-1].seq
    return prev


def _store(connection, page):
    key = page[0]._meta.pk
    rows = [(entry.prev, entry.mac, entry.key_id, key.get_db_prep_value(entry.pk, connection)) for entry in page]
    with connection.cursor() as cursor:
        cursor.executemany("UPDATE accounts_auditentry SET prev = %s, mac = %s, key_id = %s WHERE id = %s", rows)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_audit_chain")]
    operations = [migrations.RunPython(chain, migrations.RunPython.noop)]
