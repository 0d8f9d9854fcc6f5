"""The tables of integrations; import models from here."""

from integrations.models.approval import ApprovalRequest
from integrations.models.budget import Breaker, Budget, BudgetSlot
from integrations.models.chain import Chain, ChainStart
from integrations.models.connector import Connector
from integrations.models.credential import Credential, CredentialVersion
from integrations.models.dead_letter import DeadLetter
from integrations.models.event import Event
from integrations.models.freshness import Freshness
from integrations.models.integration import Deployment, Integration, IntegrationVersion, Schedule
from integrations.models.intent import BatchIntent, UncertainBatch
from integrations.models.masking_key import MaskingKey
from integrations.models.policy import Policy
from integrations.models.rule_action import RuleAction
from integrations.models.run import Run, RunBatch
from integrations.models.schema_change import SchemaChange

__all__ = [
    "ApprovalRequest",
    "BatchIntent",
    "Breaker",
    "Budget",
    "BudgetSlot",
    "Chain",
    "ChainStart",
    "Connector",
    "Credential",
    "CredentialVersion",
    "DeadLetter",
    "Deployment",
    "Event",
    "Freshness",
    "Integration",
    "IntegrationVersion",
    "MaskingKey",
    "Policy",
    "RuleAction",
    "Run",
    "RunBatch",
    "Schedule",
    "SchemaChange",
    "UncertainBatch",
]
