# Which letter a dead letter came from, and what became of one that was sent again.

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0014_letters_of_a_batch"),
    ]

    operations = [
        migrations.AddField(
            model_name="deadletter",
            name="origin",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="again",
                to="integrations.deadletter",
            ),
        ),
        migrations.AddField(
            model_name="deadletter",
            name="outcome",
            field=models.CharField(
                blank=True,
                choices=[("written", "written"), ("filtered", "filtered"), ("set_aside", "set_aside")],
                db_default="",
                default="",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="runbatch",
            name="filtered_letters",
            field=models.JSONField(blank=True, null=True),
        ),
    ]
