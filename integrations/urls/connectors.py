"""Addresses of the pages of connectors, credentials and policies."""

from django.urls import URLPattern, path

from integrations.views import connectors, connectors_editor, credentials, limits, policies

BASE = "w/<slug:workspace>/"
CONNECTOR = BASE + "connectors/<uuid:connector_id>/"
CREDENTIAL = BASE + "credentials/<uuid:credential_id>/"
POLICY = BASE + "policies/<uuid:policy_id>/"

urlpatterns: list[URLPattern] = [
    path(BASE + "connectors/", connectors.connector_list, name="connector-list"),
    path(BASE + "connectors/new/", connectors_editor.connector_create, name="connector-create"),
    path(CONNECTOR, connectors.connector_detail, name="connector-detail"),
    path(CONNECTOR + "edit/", connectors_editor.connector_edit, name="connector-edit"),
    path(CONNECTOR + "check/", connectors.connector_check, name="connector-check"),
    path(CONNECTOR + "streams/", connectors.connector_streams, name="connector-streams"),
    path(CONNECTOR + "delete/", connectors.connector_delete, name="connector-delete"),
    path(BASE + "limits/", limits.limit_list, name="limit-list"),
    path(CONNECTOR + "breaker/", limits.breaker_trip, name="breaker-trip"),
    path(BASE + "limits/breakers/<uuid:breaker_id>/reset/", limits.breaker_reset, name="breaker-reset"),
    path(BASE + "limits/budgets/<uuid:budget_id>/release/", limits.budget_release, name="budget-release"),
    path(BASE + "credentials/", credentials.credential_list, name="credential-list"),
    path(BASE + "credentials/new/", credentials.credential_create, name="credential-create"),
    path(CREDENTIAL + "rotate/", credentials.credential_rotate, name="credential-rotate"),
    path(CREDENTIAL + "delete/", credentials.credential_delete, name="credential-delete"),
    path(BASE + "policies/", policies.policy_list, name="policy-list"),
    path(BASE + "policies/new/", policies.policy_create, name="policy-create"),
    path(BASE + "policies/effective/", policies.policy_effective, name="policy-effective"),
    path(POLICY, policies.policy_detail, name="policy-detail"),
    path(POLICY + "delete/", policies.policy_delete, name="policy-delete"),
]
