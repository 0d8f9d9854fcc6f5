"""What the form of a policy says before it is saved: what it would have changed, and what would be refused."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from accounts.models import Workspace
from integrations.domain.policy import RULES
from integrations.domain.simulation import Difference, Finding
from integrations.forms.policy import PolicyForm
from integrations.models import Policy
from integrations.services.policies import problems_with
from integrations.services.policy_places import Proposal
from integrations.services.simulation import Simulation, simulate_policy

SHOWN = 6


@dataclass(frozen=True)
class ShownFinding:
    """A finding with the first of its runs, and how many more there are."""

    finding: Finding
    first: tuple[Difference, ...]
    more: int


@dataclass(frozen=True)
class Trial:
    """The simulation of what stands in the form, and why it could not be saved; either may be missing."""

    problems: list[tuple[str, str]]
    simulation: Simulation | None = None

    @property
    def findings(self) -> list[ShownFinding]:
        """The findings as the page shows them."""
        found = self.simulation.findings if self.simulation else ()
        return [ShownFinding(each, each.differences[:SHOWN], max(0, len(each.differences) - SHOWN)) for each in found]


def proposal_of(workspace: Workspace, policy: Policy | None, form: PolicyForm) -> Proposal:
    """What a valid form proposes."""
    data = form.cleaned_data
    revision = (data["revision"] or policy.revision) if policy else None
    limits = frozenset(form.limits())
    return Proposal(workspace, policy, data["name"].strip(), form.rules(), limits, data["is_default"], revision)


def trial_of(workspace: Workspace, policy: Policy | None, form: PolicyForm) -> Trial:
    """Try what stands in the form; what is wrong with it comes first."""
    form.fields["name"].required = False
    if not form.is_valid():
        return Trial([(str(form[name].label) if name in form.fields else "", str(m)) for name, m in _messages(form)])
    proposal = proposal_of(workspace, policy, form)
    problems = {name: words for name, words in problems_with(proposal).items() if name != "name"}
    labelled = [(RULES[name].label if name in RULES else "", words) for name, words in problems.items()]
    return Trial(labelled, simulate_policy(proposal=proposal, now=timezone.now()))


def _messages(form: PolicyForm) -> list[tuple[str, object]]:
    return [(name, message) for name, messages in form.errors.items() for message in messages]
