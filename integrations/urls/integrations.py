"""Addresses of the pages of integrations."""

from django.urls import URLPattern, path

from integrations.views import approvals
from integrations.views import integrations as lists
from integrations.views import integrations_actions as actions
from integrations.views import integrations_again as again
from integrations.views import integrations_detail as detail
from integrations.views import integrations_editor as editor
from integrations.views import integrations_schedule as schedule
from integrations.views import integrations_schema as schema
from integrations.views import integrations_trial as trial
from integrations.views import integrations_versions as versions

BASE = "w/<slug:workspace>/integrations/"
APPROVALS = "w/<slug:workspace>/approvals/"
ONE = BASE + "<uuid:integration_id>/"

urlpatterns: list[URLPattern] = [
    path(BASE, lists.integration_list, name="integration-list"),
    path(BASE + "new/", editor.integration_create, name="integration-create"),
    path(BASE + "streams/", trial.source_fields, name="integration-streams"),
    path(BASE + "propose/", trial.propose, name="integration-propose"),
    path(BASE + "preview/", trial.preview, name="integration-preview"),
    path(BASE + "times/", trial.times, name="integration-times"),
    path(APPROVALS, approvals.approval_list, name="approval-list"),
    path(APPROVALS + "<uuid:approval_id>/decide/", approvals.approval_decide, name="approval-decide"),
    path(ONE, detail.integration_detail, name="integration-detail"),
    path(ONE + "mapping/", detail.integration_mapping, name="integration-mapping"),
    path(ONE + "policy/", detail.integration_policy, name="integration-policy"),
    path(ONE + "columns/", schema.integration_schema, name="integration-schema"),
    path(ONE + "columns/<uuid:change_id>/", schema.resolve, name="integration-schema-resolve"),
    path(ONE + "edit/", editor.integration_edit, name="integration-edit"),
    path(ONE + "run/", actions.start, name="integration-run"),
    path(ONE + "switch/", actions.switch, name="integration-switch"),
    path(ONE + "reset/", actions.reset, name="integration-reset"),
    path(BASE + "schedule-times/", schedule.schedule_times, name="schedule-times"),
    path(ONE + "schedule/", schedule.schedule, name="integration-schedule"),
    path(ONE + "chains/", schedule.chain_add, name="chain-add"),
    path(ONE + "chains/<uuid:chain_id>/remove/", schedule.chain_remove, name="chain-remove"),
    path(ONE + "backfill/", again.backfill, name="integration-backfill"),
    path(ONE + "replay/", again.replay, name="integration-replay"),
    path(ONE + "delete/", actions.delete, name="integration-delete"),
    path(ONE + "versions/", versions.version_list, name="integration-versions"),
    path(ONE + "versions/<int:number>/activate/", versions.activate, name="integration-activate"),
    path(ONE + "versions/<int:number>/difference/<int:other>/", versions.difference, name="integration-diff"),
]
