"""Addresses of the API about connectors, credentials, policies, integrations, runs and dead letters."""

from typing import Any

from django.urls import URLPattern, URLResolver, include, path

from integrations.api.views.again import AgainView, ChainView
from integrations.api.views.approvals import ApprovalView
from integrations.api.views.connectors import ConnectorView, PluginView
from integrations.api.views.credentials import CredentialKindView, CredentialView
from integrations.api.views.dead_letters import DeadLetterView
from integrations.api.views.deployments import DeploymentView
from integrations.api.views.integrations import IntegrationView
from integrations.api.views.limits import BreakerView, BudgetView
from integrations.api.views.policies import PolicyView
from integrations.api.views.runs import RunBatchView, RunEventView, RunPartitionView, RunView
from integrations.api.views.schema_changes import SchemaChangeView
from integrations.api.views.uncertain import UncertainBatchView
from integrations.api.views.versions import VersionView

# The values are the names of actions; DRF's stub allows more, and a dict is invariant.
_LIST: dict[str, Any] = {"get": "list"}
_COLLECTION: dict[str, Any] = {"get": "list", "post": "create"}
_OBJECT: dict[str, Any] = {"get": "retrieve", "delete": "destroy"}
_CHANGEABLE: dict[str, Any] = {**_OBJECT, "put": "update", "patch": "partial_update"}

_connectors = [
    path("plugins/", PluginView.as_view(_LIST), name="api-plugins"),
    path("connectors/", ConnectorView.as_view(_COLLECTION), name="api-connectors"),
    path("connectors/<uuid:connector_id>/", ConnectorView.as_view(_CHANGEABLE), name="api-connector"),
    path("connectors/<uuid:connector_id>/check/", ConnectorView.as_view({"post": "check"}), name="api-connector-check"),
    path(
        "connectors/<uuid:connector_id>/streams/",
        ConnectorView.as_view({"get": "streams"}),
        name="api-connector-streams",
    ),
    path(
        "connectors/<uuid:connector_id>/preview/",
        ConnectorView.as_view({"post": "preview"}),
        name="api-connector-preview",
    ),
]

_limits = [
    path("budgets/", BudgetView.as_view(_LIST), name="api-budgets"),
    path("budgets/<uuid:budget_id>/release/", BudgetView.as_view({"post": "release"}), name="api-budget-release"),
    path("breakers/", BreakerView.as_view(_LIST), name="api-breakers"),
    path("breakers/<uuid:breaker_id>/reset/", BreakerView.as_view({"post": "reset"}), name="api-breaker-reset"),
    path(
        "connectors/<uuid:connector_id>/trip-breaker/",
        BreakerView.as_view({"post": "trip"}),
        name="api-breaker-trip",
    ),
]

_credentials = [
    path("credential-kinds/", CredentialKindView.as_view(_LIST), name="api-credential-kinds"),
    path("credentials/", CredentialView.as_view(_COLLECTION), name="api-credentials"),
    path("credentials/<uuid:credential_id>/", CredentialView.as_view(_OBJECT), name="api-credential"),
    path(
        "credentials/<uuid:credential_id>/rotate/",
        CredentialView.as_view({"post": "rotate"}),
        name="api-credential-rotate",
    ),
]

_policies = [
    path("policies/", PolicyView.as_view(_COLLECTION), name="api-policies"),
    path("policies/simulate/", PolicyView.as_view({"post": "simulate"}), name="api-policy-simulate"),
    path("policies/effective/", PolicyView.as_view({"get": "effective"}), name="api-policy-effective"),
    path("policies/<uuid:policy_id>/", PolicyView.as_view(_CHANGEABLE), name="api-policy"),
]

_approvals = [
    path("approvals/", ApprovalView.as_view(_LIST), name="api-approvals"),
    path("approvals/<uuid:approval_id>/", ApprovalView.as_view({"get": "retrieve"}), name="api-approval"),
    path(
        "approvals/<uuid:approval_id>/approve/", ApprovalView.as_view({"post": "approve"}), name="api-approval-approve"
    ),
    path(
        "approvals/<uuid:approval_id>/decline/", ApprovalView.as_view({"post": "decline"}), name="api-approval-decline"
    ),
    path(
        "approvals/<uuid:approval_id>/withdraw/",
        ApprovalView.as_view({"post": "withdraw"}),
        name="api-approval-withdraw",
    ),
]

_integration = [
    path("", IntegrationView.as_view({**_OBJECT, "patch": "partial_update"}), name="api-integration"),
    path("versions/", VersionView.as_view(_COLLECTION), name="api-integration-versions"),
    path("versions/<int:number>/", VersionView.as_view({"get": "retrieve"}), name="api-integration-version"),
    path(
        "versions/<int:number>/diff/<int:other>/",
        VersionView.as_view({"get": "difference"}),
        name="api-integration-version-diff",
    ),
    path("activate/", DeploymentView.as_view({"post": "activate"}), name="api-integration-activate"),
    path("enable/", DeploymentView.as_view({"post": "enable"}), name="api-integration-enable"),
    path("disable/", DeploymentView.as_view({"post": "disable"}), name="api-integration-disable"),
    path(
        "schedule/",
        DeploymentView.as_view({"get": "schedule", "put": "set_schedule", "delete": "remove_schedule"}),
        name="api-integration-schedule",
    ),
    path(
        "reset-checkpoint/",
        DeploymentView.as_view({"post": "reset_checkpoint"}),
        name="api-integration-reset-checkpoint",
    ),
    path("runs/", DeploymentView.as_view({"post": "start_run"}), name="api-integration-runs"),
    path("backfill/", AgainView.as_view({"post": "backfill"}), name="api-integration-backfill"),
    path("backfill/preview/", AgainView.as_view({"post": "preview_backfill"}), name="api-integration-backfill-preview"),
    path("replay/", AgainView.as_view({"post": "replay"}), name="api-integration-replay"),
    path("replay/preview/", AgainView.as_view({"post": "preview_replay"}), name="api-integration-replay-preview"),
    path("chains/", ChainView.as_view(_COLLECTION), name="api-integration-chains"),
    path("chains/<uuid:chain_id>/", ChainView.as_view({"delete": "destroy"}), name="api-integration-chain"),
]

_runs = [
    path("runs/", RunView.as_view(_LIST), name="api-runs"),
    path("runs/<uuid:run_id>/", RunView.as_view({"get": "retrieve"}), name="api-run"),
    path("runs/<uuid:run_id>/cancel/", RunView.as_view({"post": "cancel"}), name="api-run-cancel"),
    path("runs/<uuid:run_id>/pause/", RunView.as_view({"post": "pause"}), name="api-run-pause"),
    path("runs/<uuid:run_id>/resume/", RunView.as_view({"post": "resume"}), name="api-run-resume"),
    path("runs/<uuid:run_id>/retry/", RunView.as_view({"post": "retry"}), name="api-run-retry"),
    path("runs/<uuid:run_id>/batches/", RunBatchView.as_view(_LIST), name="api-run-batches"),
    path("runs/<uuid:run_id>/partitions/", RunPartitionView.as_view(_LIST), name="api-run-partitions"),
    path("runs/<uuid:run_id>/events/", RunEventView.as_view(_LIST), name="api-run-events"),
]

_schema_changes = [
    path("schema-changes/", SchemaChangeView.as_view(_LIST), name="api-schema-changes"),
    path("schema-changes/<uuid:change_id>/", SchemaChangeView.as_view({"get": "retrieve"}), name="api-schema-change"),
    path(
        "schema-changes/<uuid:change_id>/values/",
        SchemaChangeView.as_view({"get": "values"}),
        name="api-schema-change-values",
    ),
    path(
        "schema-changes/<uuid:change_id>/resolve/",
        SchemaChangeView.as_view({"post": "resolve"}),
        name="api-schema-change-resolve",
    ),
]

_uncertain = [
    path("uncertain-batches/", UncertainBatchView.as_view(_LIST), name="api-uncertain-batches"),
    path(
        "uncertain-batches/<uuid:uncertain_id>/",
        UncertainBatchView.as_view({"get": "retrieve"}),
        name="api-uncertain-batch",
    ),
    path(
        "uncertain-batches/<uuid:uncertain_id>/resolve/",
        UncertainBatchView.as_view({"post": "resolve"}),
        name="api-uncertain-batch-resolve",
    ),
]

_dead_letters = [
    path("dead-letters/", DeadLetterView.as_view(_LIST), name="api-dead-letters"),
    path("dead-letters/redrive/", DeadLetterView.as_view({"post": "redrive"}), name="api-dead-letters-redrive"),
    path("dead-letters/correct/", DeadLetterView.as_view({"post": "correct_many"}), name="api-dead-letters-correct"),
    path(
        "dead-letters/correct/try/",
        DeadLetterView.as_view({"post": "try_correction"}),
        name="api-dead-letters-correct-try",
    ),
    path("dead-letters/try/", DeadLetterView.as_view({"post": "try_redrive"}), name="api-dead-letters-try"),
    path("dead-letters/discard/", DeadLetterView.as_view({"post": "discard"}), name="api-dead-letters-discard"),
    path("dead-letters/<uuid:letter_id>/", DeadLetterView.as_view({"get": "retrieve"}), name="api-dead-letter"),
    path(
        "dead-letters/<uuid:letter_id>/lineage/",
        DeadLetterView.as_view({"get": "lineage"}),
        name="api-dead-letter-lineage",
    ),
    path(
        "dead-letters/<uuid:letter_id>/payload/",
        DeadLetterView.as_view({"get": "payload", "put": "correct"}),
        name="api-dead-letter-payload",
    ),
]

_integrations: list[URLPattern | URLResolver] = [
    path("integrations/", IntegrationView.as_view(_COLLECTION), name="api-integrations"),
    path("integrations/<uuid:integration_id>/", include(_integration)),
]

_everything: list[URLPattern | URLResolver] = [
    *_connectors,
    *_limits,
    *_credentials,
    *_policies,
    *_approvals,
    *_integrations,
    *_runs,
    *_schema_changes,
    *_uncertain,
    *_dead_letters,
]

urlpatterns = [path("workspaces/<slug:workspace>/", include(_everything))]
