"""A policy counts its changes, so that nobody overwrites what they have not seen."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("integrations", "0004_held_first_version")]

    operations = [
        migrations.AddField(
            model_name="policy",
            name="revision",
            field=models.PositiveIntegerField(db_default=1, default=1),
        ),
    ]
