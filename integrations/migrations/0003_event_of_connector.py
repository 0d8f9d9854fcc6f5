"""The few events of a connector are found without reading those of its runs."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("integrations", "0002_event_transaction"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(("topic", "connector")), fields=["object_id", "id"], name="event_of_connector"
            ),
        ),
    ]
