"""The tables of accounts."""

from accounts.models.api_token import ApiToken
from accounts.models.audit import AuditCounter, AuditEntry
from accounts.models.user import User
from accounts.models.workspace import Membership, StatusPage, Workspace

__all__ = ["ApiToken", "AuditCounter", "AuditEntry", "Membership", "StatusPage", "User", "Workspace"]
