"""A run may have partitions: child runs under it; and runs can be paused, chained, backfilled, replayed."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import integrations.domain.lifecycle


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("integrations", "0005_policy_limits"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="run",
            name="one_active_run_in_deployment",
        ),
        migrations.AddField(
            model_name="run",
            name="parent",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="partitions",
                to="integrations.run",
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="partition",
            field=models.JSONField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="run",
            name="partition_count",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AlterField(
            model_name="run",
            name="state",
            field=models.CharField(
                choices=[
                    ("queued", "queued"),
                    ("running", "running"),
                    ("paused", "paused"),
                    ("succeeded", "succeeded"),
                    ("failed", "failed"),
                    ("cancelled", "cancelled"),
                ],
                default=integrations.domain.lifecycle.RunState["QUEUED"],
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="run",
            name="trigger",
            field=models.CharField(
                choices=[
                    ("manual", "manual"),
                    ("schedule", "schedule"),
                    ("api", "api"),
                    ("retry", "retry"),
                    ("redrive", "redrive"),
                    ("chain", "chain"),
                    ("backfill", "backfill"),
                    ("replay", "replay"),
                    ("partition", "partition"),
                ],
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("parent__isnull", True),
                    (
                        "state__in",
                        [
                            integrations.domain.lifecycle.RunState["PAUSED"],
                            integrations.domain.lifecycle.RunState["QUEUED"],
                            integrations.domain.lifecycle.RunState["RUNNING"],
                        ],
                    ),
                ),
                fields=("deployment",),
                name="one_active_run_in_deployment",
            ),
        ),
    ]
