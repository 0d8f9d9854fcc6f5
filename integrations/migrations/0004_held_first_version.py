"""A deployment whose first version waits for a second person."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("integrations", "0003_run_epoch")]

    operations = [
        migrations.AddField(
            model_name="deployment",
            name="is_approved",
            field=models.BooleanField(db_default=True, default=True),
        ),
    ]
