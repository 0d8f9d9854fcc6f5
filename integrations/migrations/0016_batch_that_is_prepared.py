"""An index of the batches that nobody has committed yet, which each new run asks for."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0015_lineage_of_letters"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="runbatch",
            index=models.Index(
                condition=models.Q(("state", "prepared")), fields=["run"], name="batch_that_is_prepared"
            ),
        ),
    ]
