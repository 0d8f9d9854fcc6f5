"""People, workspaces, tokens and the audit log.

It stands for all that there were before the first release; a database that has had those is like it already.
"""

import accounts.models.base
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name='User',
            fields=[
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('id', models.UUIDField(default=accounts.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('email', models.EmailField(max_length=254, unique=True)),
                ('name', models.CharField(blank=True, max_length=120)),
                ('is_active', models.BooleanField(default=True)),
                ('is_instance_admin', models.BooleanField(default=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['email'],
            },
        ),
        migrations.CreateModel(
            name='AuditCounter',
            fields=[
                ('scope', models.UUIDField(primary_key=True, serialize=False)),
                ('last', models.PositiveBigIntegerField(default=0)),
                ('mac', models.CharField(blank=True, db_default='', default='', max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name='Workspace',
            fields=[
                ('id', models.UUIDField(default=accounts.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('slug', models.SlugField(unique=True)),
                ('name', models.CharField(max_length=80)),
                ('is_demo', models.BooleanField(default=False)),
                ('status_page', models.CharField(choices=[('members', 'members only'), ('public', 'anybody')], default='members', max_length=10)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['name', 'slug'],
            },
        ),
        migrations.CreateModel(
            name='ApiToken',
            fields=[
                ('id', models.UUIDField(default=accounts.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=80)),
                ('key_id', models.CharField(max_length=8, unique=True)),
                ('secret_hash', models.CharField(max_length=64)),
                ('scopes', models.JSONField(default=list)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField()),
                ('last_used_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('creator', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='tokens', to=settings.AUTH_USER_MODEL)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='tokens', to='accounts.workspace')),
            ],
            options={
                'ordering': ['-id'],
                'constraints': [models.UniqueConstraint(fields=('workspace', 'id'), name='token_id_in_workspace')],
            },
        ),
        migrations.CreateModel(
            name='Membership',
            fields=[
                ('id', models.UUIDField(default=accounts.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('role', models.CharField(choices=[('owner', 'owner'), ('admin', 'admin'), ('builder', 'builder'), ('operator', 'operator'), ('viewer', 'viewer'), ('auditor', 'auditor')], max_length=10)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to=settings.AUTH_USER_MODEL)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='accounts.workspace')),
            ],
            options={
                'ordering': ['user__email'],
                'constraints': [models.UniqueConstraint(fields=('workspace', 'user'), name='membership_once'), models.UniqueConstraint(fields=('workspace', 'id'), name='membership_id_in_workspace'), models.CheckConstraint(condition=models.Q(('role__in', ['owner', 'admin', 'builder', 'operator', 'viewer', 'auditor'])), name='membership_known_role')],
            },
        ),
        migrations.CreateModel(
            name='AuditEntry',
            fields=[
                ('id', models.UUIDField(default=accounts.models.base.new_id, editable=False, primary_key=True, serialize=False)),
                ('seq', models.PositiveBigIntegerField()),
                ('at', models.DateTimeField()),
                ('actor_label', models.CharField(max_length=254)),
                ('ip', models.GenericIPAddressField(null=True)),
                ('action', models.CharField(max_length=60)),
                ('object_type', models.CharField(max_length=40)),
                ('object_id', models.CharField(blank=True, max_length=64)),
                ('object_label', models.CharField(blank=True, max_length=254)),
                ('before', models.JSONField(null=True)),
                ('after', models.JSONField(null=True)),
                ('request_id', models.CharField(blank=True, max_length=64)),
                ('prev', models.CharField(blank=True, db_default='', default='', max_length=64)),
                ('mac', models.CharField(blank=True, db_default='', default='', max_length=64)),
                ('key_id', models.CharField(blank=True, db_default='', default='', max_length=8)),
                ('actor', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('token', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.apitoken')),
                ('workspace', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.workspace')),
            ],
            options={
                'ordering': ['-seq'],
                'indexes': [models.Index(fields=['workspace', 'at'], name='audit_by_time'), models.Index(fields=['workspace', 'actor', 'seq'], name='audit_by_actor'), models.Index(fields=['workspace', 'action', 'seq'], name='audit_by_action'), models.Index(fields=['workspace', 'object_type', 'object_id', 'seq'], name='audit_by_object')],
                'constraints': [models.UniqueConstraint(fields=('workspace', 'seq'), name='audit_seq_in_workspace'), models.UniqueConstraint(condition=models.Q(('workspace__isnull', True)), fields=('seq',), name='audit_seq_of_the_instance')],
            },
        ),
    ]
