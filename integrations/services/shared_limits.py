"""What a connector shares with others, and how much of it the policies allow: the tightest of all that share it.

A budget belongs to the credential; without one, to the host and port. A circuit breaker belongs to the host and port,
whoever signs in: a host that fails, fails for all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from accounts.models import Workspace
from integrations.connectors import registry
from integrations.connectors.address import address_of
from integrations.domain.circuit_breaker import BreakerRule
from integrations.domain.policy import EffectivePolicy, EffectiveRule, Level, effective
from integrations.domain.rate_limit import Rate
from integrations.models import Connector, Deployment, Policy
from integrations.services.policy_places import level_of

RATE, BURST, AT_ONCE = "budget.requests_per_minute", "budget.burst", "budget.concurrent"
# What a call may take beyond its read timeout until its whole answer is there (connectors/http.py).
WHOLE_ANSWER_TIMEOUTS = 4


@dataclass(frozen=True)
class Place:
    """Where a connector's calls go: its budget is that of the credential, else of the host; its breaker the host's."""

    workspace_id: UUID
    credential_id: UUID | None
    host: str

    @property
    def has_budget(self) -> bool:
        return self.credential_id is not None or bool(self.host)

    @property
    def budget_key(self) -> dict[str, object]:
        """What finds or makes the budget's row."""
        if self.credential_id is not None:
            return {"workspace_id": self.workspace_id, "credential_id": self.credential_id, "host": ""}
        return {"workspace_id": self.workspace_id, "credential_id": None, "host": self.host}


@dataclass(frozen=True)
class Share:
    """One who shares a budget: the connector, within an integration that has a policy of its own or for itself."""

    connector: Connector
    integration: str
    policy: EffectivePolicy


@dataclass(frozen=True)
class Tightest:
    """The tightest value of a rule among those that share a budget, and whose it is. 0 means that nobody bounds it."""

    value: int = 0
    share: Share | None = None
    rule: EffectiveRule | None = None


@dataclass(frozen=True)
class Allowed:
    """How much a budget allows; what is not bounded is 0."""

    per_minute: Tightest = Tightest()
    burst: Tightest = Tightest()
    at_once: Tightest = Tightest()

    @property
    def rate(self) -> Rate | None:
        return Rate(self.per_minute.value, max(1, self.burst.value)) if self.per_minute.value else None


def place_of(connector: Connector) -> Place:
    """Where the connector's calls go."""
    host = address_of(registry.get(connector.plugin).spec, connector.settings)
    return Place(connector.workspace_id, connector.credential_id, host)


def allowed_at(place: Place) -> Allowed:
    """The tightest of the policies of all that share the place's budget."""
    shares = [share for where, share in shares_of(place.workspace_id) if where.budget_key == place.budget_key]
    return tightest_of(shares)


def tightest_of(shares: list[Share]) -> Allowed:
    """The tightest of each rule; the burst only of those that bound the requests, since it is theirs."""
    rated = [share for share in shares if share.policy.value(RATE)]
    return Allowed(_tightest(rated, RATE), _tightest(rated, BURST), _tightest(shares, AT_ONCE))


def shares_of(workspace: Workspace | UUID) -> Iterator[tuple[Place, Share]]:
    """Every connector that calls somewhere, for itself and within each integration that has a policy, in 3 queries."""
    found = Connector.objects.filter(workspace=workspace).select_related("policy", "credential")
    connectors = {each.pk: each for each in found}
    default = Policy.objects.filter(workspace=workspace, is_default=True).first()
    for connector in connectors.values():
        place = place_of(connector)
        if place.has_budget:
            yield place, Share(connector, "", _effective(default, connector, None))
    active = Deployment.objects.filter(workspace=workspace, integration__policy__isnull=False)
    for deployment in active.select_related("integration__policy", "version").defer("cursor", "version__mapping"):
        version, integration = deployment.version, deployment.integration
        for connector in {connectors[version.source_id], connectors[version.destination_id]}:
            place = place_of(connector)
            if place.has_budget:
                yield place, Share(connector, integration.name, _effective(default, connector, integration.policy))


def connectors_at(workspace: Workspace | UUID, host: str) -> list[Connector]:
    """The connectors that call a host."""
    return [each for each in Connector.objects.filter(workspace=workspace) if place_of(each).host == host]


def sharing(place: Place) -> list[Connector]:
    """The connectors that share a budget."""
    found = Connector.objects.filter(Q(credential_id=place.credential_id), workspace_id=place.workspace_id)
    return [each for each in found if place.credential_id or place_of(each).host == place.host]


def breaker_rule_of(policy: EffectivePolicy) -> BreakerRule:
    """The part of a policy that a circuit breaker keeps."""
    return BreakerRule(
        failure_percent=float(policy.value("breaker.failure_percent")),
        minimum_calls=int(policy.value("breaker.minimum_calls")),
        window_seconds=float(policy.value("breaker.window_seconds")),
        open_seconds=float(policy.value("breaker.open_seconds")),
    )


def longest_call_seconds(policy: EffectivePolicy) -> float:
    """After so long a call has ended, one way or the other."""
    read = float(policy.value("timeout.read_seconds"))
    return float(policy.value("timeout.connect_seconds")) + WHOLE_ANSWER_TIMEOUTS * read


def _effective(default: Policy | None, connector: Connector, own: Policy | None) -> EffectivePolicy:
    policies = (("workspace", default), ("connector", connector.policy), ("integration", own))
    levels: list[Level] = [level_of(level, policy) for level, policy in policies if policy]
    return effective(levels)


def _tightest(shares: list[Share], name: str) -> Tightest:
    bounded = [share for share in shares if share.policy.value(name)]
    if not bounded:
        return Tightest()
    tightest = min(bounded, key=lambda share: share.policy.value(name))
    return Tightest(int(tightest.policy.value(name)), tightest, tightest.policy.rules[name])
