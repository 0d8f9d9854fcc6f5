"""The checkpoint's epoch of the time when a run was started."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("integrations", "0002_event_transaction")]

    operations = [
        migrations.AddField(
            model_name="run",
            name="epoch",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
    ]
