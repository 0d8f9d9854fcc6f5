"""Changes of policies, and the effective policy of a connector or an integration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.errors import INPUT_INVALID, NAME_TAKEN, STATE_CONFLICT, Conflict, Invalid
from accounts.models import Workspace
from integrations import events
from integrations.connectors.base import Limits
from integrations.domain import policy as rules_of
from integrations.domain.policy import EffectivePolicy, Level, Number
from integrations.models import Connector, Integration, Policy

AWAITED_SECONDS = 10.0
AWAITED_PAGES = 20


def save_policy(
    *,
    workspace: Workspace,
    policy: Policy | None,
    name: str,
    description: str,
    rules: Mapping[str, Number],
    is_default: bool = False,
) -> Policy:
    """Create a policy, or change the given one. A rule that does not exist or is out of bounds is refused."""
    problems = rules_of.problems_of(rules)
    if not name.strip():
        problems["name"] = "Enter a name."
    if problems:
        raise Invalid(INPUT_INVALID, "The policy cannot be saved.", fields=problems)
    before = _as_values(policy) if policy else None
    changed = policy or Policy(workspace=workspace)
    changed.name, changed.description, changed.rules = name.strip(), description, dict(rules)
    try:
        with transaction.atomic():
            if is_default:
                Policy.objects.filter(workspace=workspace, is_default=True).exclude(pk=changed.pk).update(
                    is_default=False
                )
            changed.is_default = is_default
            changed.save()
            _tell(changed, "policy.changed" if before else "policy.created", before=before, after=_as_values(changed))
    except IntegrityError as error:
        raise Conflict(NAME_TAKEN, f"There is already a policy “{name}”.") from error
    return changed


def delete_policy(*, policy: Policy) -> None:
    """Delete a policy that nothing is under."""
    users = [
        *policy.connectors.values_list("name", flat=True)[:5],
        *policy.integrations.values_list("name", flat=True)[:5],
    ]
    if users:
        raise Conflict(
            STATE_CONFLICT,
            f"“{policy.name}” applies to {', '.join(users)}.",
            what_to_do="Choose another policy there first.",
        )
    with transaction.atomic():
        _tell(policy, "policy.deleted", before=_as_values(policy))
        policy.delete()


def effective_policy(
    *, workspace: Workspace, connector: Connector | None = None, integration: Integration | None = None
) -> EffectivePolicy:
    """What holds for a connector, or for a connector within an integration, with where each value came from."""
    default = Policy.objects.filter(workspace=workspace, is_default=True).first()
    policies = (
        ("workspace", default),
        ("connector", connector.policy if connector else None),
        ("integration", integration.policy if integration else None),
    )
    return rules_of.effective([Level(level, policy.name, policy.rules) for level, policy in policies if policy])


def limits_of(policy: EffectivePolicy) -> Limits:
    """The part of a policy that a connector keeps by itself."""
    return Limits(
        connect_timeout_seconds=float(policy.value("timeout.connect_seconds")),
        read_timeout_seconds=float(policy.value("timeout.read_seconds")),
        max_answer_bytes=int(policy.value("limit.answer_megabytes")) * 1024 * 1024,
        max_pages=int(policy.value("limit.pages")),
        attempts=int(policy.value("retry.attempts")),
        backoff_initial_seconds=float(policy.value("retry.first_delay_seconds")),
        backoff_max_seconds=float(policy.value("retry.longest_delay_seconds")),
        retry_after_max_seconds=float(policy.value("retry.longest_retry_after_seconds")),
    )


def awaited(limits: Limits) -> Limits:
    """The same limits, tightened to what a person waits for: one attempt, short timeouts, few pages."""
    return replace(
        limits,
        attempts=1,
        connect_timeout_seconds=min(limits.connect_timeout_seconds, AWAITED_SECONDS),
        read_timeout_seconds=min(limits.read_timeout_seconds, AWAITED_SECONDS),
        max_pages=min(limits.max_pages, AWAITED_PAGES),
    )


def _as_values(policy: Policy) -> dict[str, object]:
    return {"name": policy.name, "rules": policy.rules, "is_default": policy.is_default}


def _tell(
    policy: Policy, action: str, *, before: dict[str, object] | None = None, after: dict[str, object] | None = None
) -> None:
    audit.record(workspace=policy.workspace, action=action, object=policy, before=before, after=after)
    events.append(workspace=policy.workspace, topic="policy", object_id=policy.pk, kind=action)
