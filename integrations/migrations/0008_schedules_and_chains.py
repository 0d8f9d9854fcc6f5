"""Schedules say what becomes of missed times; deployments follow one another; runs know what they read."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import accounts.models.base
import integrations.domain.misfire


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("integrations", "0007_run_claims"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Chain",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=accounts.models.base.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("after_warnings", models.BooleanField(default=True)),
            ],
        ),
        migrations.CreateModel(
            name="ChainStart",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("waits", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.AddField(
            model_name="run",
            name="scope",
            field=models.JSONField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="run",
            name="upstream",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="chained",
                to="integrations.run",
            ),
        ),
        migrations.AddField(
            model_name="schedule",
            name="blackout",
            field=models.JSONField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="schedule",
            name="catch_up_most",
            field=models.PositiveSmallIntegerField(db_default=100, default=100),
        ),
        migrations.AddField(
            model_name="schedule",
            name="misfire",
            field=models.CharField(
                choices=[("skip", "skip"), ("one", "one"), ("all", "all")],
                db_default="one",
                default=integrations.domain.misfire.Misfire["ONE"],
                max_length=4,
            ),
        ),
        migrations.AddField(
            model_name="schedule",
            name="waits_since",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddConstraint(
            model_name="run",
            constraint=models.UniqueConstraint(fields=("deployment", "upstream"), name="one_run_an_upstream_run"),
        ),
        migrations.AddField(
            model_name="chain",
            name="created_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="chain",
            name="deployment",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="chains", to="integrations.deployment"
            ),
        ),
        migrations.AddField(
            model_name="chain",
            name="upstream",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="followers", to="integrations.deployment"
            ),
        ),
        migrations.AddField(
            model_name="chain",
            name="workspace",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.workspace"
            ),
        ),
        migrations.AddField(
            model_name="chainstart",
            name="chain",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="owed", to="integrations.chain"
            ),
        ),
        migrations.AddField(
            model_name="chainstart",
            name="upstream_run",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="integrations.run"
            ),
        ),
        migrations.AddConstraint(
            model_name="chain",
            constraint=models.UniqueConstraint(fields=("deployment", "upstream"), name="one_chain_between_two"),
        ),
        migrations.AddConstraint(
            model_name="chain",
            constraint=models.CheckConstraint(
                condition=models.Q(("deployment", models.F("upstream")), _negated=True), name="no_chain_to_itself"
            ),
        ),
        migrations.AddConstraint(
            model_name="chainstart",
            constraint=models.UniqueConstraint(fields=("chain", "upstream_run"), name="one_start_owed_a_run"),
        ),
    ]
