"""What picks, pauses and isolates runs, and the indexes that fair picking reads."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("integrations", "0006_partitions"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="claimed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="run",
            name="isolation",
            field=models.JSONField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="run",
            name="pause_requested",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="run",
            name="waits_for",
            field=models.CharField(blank=True, db_default="", default="", max_length=40),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(fields=["state", "workspace", "next_attempt_at"], name="run_due_in_workspace"),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(fields=["workspace", "-claimed_at"], name="run_by_its_claim"),
        ),
    ]
