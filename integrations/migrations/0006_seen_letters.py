"""A record that run after run sets aside is one open letter."""

import django.db.models.deletion
from django.db import migrations, models

from integrations.domain.lifecycle import DeadLetterState


class Migration(migrations.Migration):
    dependencies = [("integrations", "0005_policy_revision")]

    operations = [
        migrations.AddField(
            model_name="deadletter",
            name="fingerprint",
            field=models.CharField(blank=True, db_default="", default="", max_length=32),
        ),
        migrations.AddField(
            model_name="deadletter",
            name="last_run",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="integrations.run",
            ),
        ),
        migrations.AddField(
            model_name="deadletter",
            name="seen_count",
            field=models.PositiveIntegerField(db_default=1, default=1),
        ),
        migrations.AlterField(
            model_name="deadletter",
            name="state",
            field=models.CharField(
                choices=[(name, name) for name in ("open", "redriving", "redriven", "discarded", "repeated")],
                default=DeadLetterState.OPEN,
                max_length=10,
            ),
        ),
        migrations.AddIndex(
            model_name="deadletter",
            index=models.Index(
                condition=models.Q(("state", "open")),
                fields=["integration", "fingerprint"],
                name="open_dead_letter_of_record",
            ),
        ),
    ]
