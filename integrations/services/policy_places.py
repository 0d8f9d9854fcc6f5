"""Where a policy holds, and what would hold there with changed rules: the ground on which a save is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from accounts.models import Workspace
from integrations.connectors import registry
from integrations.domain import policy as rules_of
from integrations.domain.policy import RULES, EffectivePolicy, End, Level, Spot, Value
from integrations.models import Connector, Deployment, Integration, Policy

_seen: ContextVar[dict[UUID, Policy | None] | None] = ContextVar("seen_policies", default=None)


@dataclass(frozen=True)
class Proposal:
    """A policy as somebody wants to save it; `policy` is the stored one, where there is one, as of `revision`."""

    workspace: Workspace
    policy: Policy | None
    name: str
    rules: dict[str, Value]
    limits: frozenset[str]
    is_default: bool
    revision: int | None = None

    def level(self, level: str) -> Level:
        return Level(level, self.name, self.rules, self.limits)


@dataclass(frozen=True)
class Place:
    """A workspace, connector or integration that a policy holds for, the policy's own level there, and the outcome.

    An integration is two places, one at each of its ends. `ends` are those at which a connector stands.
    """

    words: str
    own_level: str
    effective: EffectivePolicy
    ends: frozenset[End] = frozenset(End)


def level_of(level: str, policy: Policy) -> Level:
    """A stored policy at a level."""
    return Level(level, policy.name, policy.rules, frozenset(policy.limits))


def default_of(workspace: Workspace) -> Policy | None:
    """The policy that holds for the whole workspace, if there is one."""
    seen = _seen.get()
    if seen is None:
        return Policy.objects.of(workspace).filter(is_default=True).first()
    if workspace.pk not in seen:
        seen[workspace.pk] = Policy.objects.of(workspace).filter(is_default=True).first()
    return seen[workspace.pk]


@contextmanager
def read_once() -> Iterator[None]:
    """Within this block each workspace's policy is read once: a slice of a run acts under one policy, not under two."""
    token = _seen.set({})
    try:
        yield
    finally:
        _seen.reset(token)


def laid_over(
    default: Policy | None, connector: Connector | None, integration: Integration | None = None
) -> EffectivePolicy:
    """What holds for a connector within an integration, from rows that are at hand; `policies` reads them itself."""
    policies = (
        ("workspace", default),
        ("connector", connector.policy if connector else None),
        ("integration", integration.policy if integration else None),
    )
    return rules_of.effective([level_of(level, policy) for level, policy in policies if policy])


def proposed_for(
    proposal: Proposal, default: Policy | None, connector: Connector, integration: Integration
) -> EffectivePolicy:
    """What would hold for a connector within an integration, were the proposal stored."""
    own = proposal.policy.pk if proposal.policy else None
    levels = [level_of("workspace", default)] if default and default.pk != own else []
    if proposal.is_default:
        levels = [proposal.level("workspace")]
    for level, policy in (("connector", connector.policy), ("integration", integration.policy)):
        if policy:
            levels.append(proposal.level(level) if policy.pk == own else level_of(level, policy))
    return rules_of.effective(levels)


def ends_of(connector: Connector) -> frozenset[End]:
    """At which ends of active versions a connector stands; where at none, at which it could."""
    stands = frozenset(end for end in End if Deployment.objects.filter(**{f"version__{end}": connector.pk}).exists())
    if stands:
        return stands
    spec = registry.get(connector.plugin).spec
    can = {End.SOURCE: spec.reads, End.DESTINATION: spec.writes}
    return frozenset(end for end in End if can[end])


def places_of(proposal: Proposal) -> list[Place]:
    """Everything that the proposed policy would hold for; an unused one is tried on a connector of its own."""
    found = list(_places(proposal))
    if found:
        return found
    below = _default_level(proposal)
    return [Place("", "connector", rules_of.effective([*below, proposal.level("connector")]))]


def problems_in_places(proposal: Proposal) -> dict[str, str]:
    """Map each rule that would do nothing, contradict another or loosen a limit somewhere to the sentence about it."""
    places = places_of(proposal)
    spots = [Spot(place.own_level, place.ends) for place in places]
    if not any(place.words for place in places):
        spots.append(Spot("integration"))
    problems = rules_of.misplaced(proposal.rules, spots) | _idle(proposal, places)
    for place in places:
        for pair, sentence in rules_of.contradictions(place.effective).items():
            name = next((name for name in pair if name in proposal.rules), None)
            if name:
                problems.setdefault(name, _at(place) + sentence)
        for name, sentence in rules_of.loosened(place.effective).items():
            if name in proposal.rules and place.effective.rules[name].level == place.own_level:
                problems.setdefault(name, _at(place) + sentence)
    return problems


def _idle(proposal: Proposal, places: list[Place]) -> dict[str, str]:
    """Map each rule to why it does nothing, where all that it shapes is off, and no other policy switches it on."""
    known = [RULES[name] for name in proposal.rules if name in RULES]
    inert = [rule for rule in known if all(rules_of.idle(rule, place.effective) for place in places)]
    if not inert:
        return {}
    others = Policy.objects.of(proposal.workspace)
    if proposal.policy is not None:
        others = others.exclude(pk=proposal.policy.pk)
    switched_on = {
        name
        for rules in others.values_list("rules", flat=True)
        for name, value in rules.items()
        if name in RULES and not RULES[name].is_off(value)
    }
    return {rule.name: rules_of.why_idle(rule) for rule in inert if not switched_on & set(rule.acts_with)}


def _at(place: Place) -> str:
    return f"For “{place.words}”: " if place.words and place.own_level != "workspace" else ""


def _places(proposal: Proposal) -> Iterator[Place]:
    below = _default_level(proposal)
    if proposal.is_default:
        yield Place("the workspace", "workspace", rules_of.effective(below))
    if proposal.policy is None:
        return
    own = proposal.policy.pk
    for connector in Connector.objects.of(proposal.workspace).filter(policy=own):
        held = rules_of.effective([*below, proposal.level("connector")])
        yield Place(connector.name, "connector", held, ends_of(connector))
    integrations = Integration.objects.of(proposal.workspace).filter(policy=own)
    ends = ("deployments__version__source__policy", "deployments__version__destination__policy")
    for integration in integrations.prefetch_related(*ends):
        yield from _places_of_integration(proposal, integration, below)


def _places_of_integration(proposal: Proposal, integration: Integration, below: list[Level]) -> Iterator[Place]:
    versions = [deployment.version for deployment in integration.deployments.all()]
    for connector in (end for version in versions for end in (version.source, version.destination)):
        between: list[Level] = []
        if connector.policy is not None:
            is_own = proposal.policy is not None and connector.policy_id == proposal.policy.pk
            between = [proposal.level("connector") if is_own else level_of("connector", connector.policy)]
        levels = [*below, *between, proposal.level("integration")]
        yield Place(integration.name, "integration", rules_of.effective(levels))


def _default_level(proposal: Proposal) -> list[Level]:
    if proposal.is_default:
        return [proposal.level("workspace")]
    default = default_of(proposal.workspace)
    is_itself = default is not None and proposal.policy is not None and default.pk == proposal.policy.pk
    return [] if default is None or is_itself else [level_of("workspace", default)]
