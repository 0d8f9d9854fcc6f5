"""REST: policies, and what holds where after inheritance."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.errors import INPUT_INVALID, Conflict, Invalid
from integrations.api.base import NO_CONTENT, StrictViewSet
from integrations.api.filters import PolicyFilter
from integrations.api.serializers import policies as shapes
from integrations.api.serializers.approvals import ApprovalSerializer
from integrations.domain import policy as rules_of
from integrations.errors import APPROVAL_NEEDED
from integrations.models import Deployment, Integration, Policy
from integrations.services import policies
from integrations.services.approval_asking import ask_for_policy
from integrations.services.policy_actions import last_actions
from integrations.services.policy_ends import POLICIES, policy_of_deployment
from integrations.services.policy_places import Proposal
from integrations.services.simulation import simulate_policy


class PolicyView(mixins.ListModelMixin, mixins.RetrieveModelMixin, StrictViewSet[Policy]):
    """Named sets of rules."""

    permissions = {
        "list": "policy.read",
        "retrieve": "policy.read",
        "create": "policy.manage",
        "update": "policy.manage",
        "partial_update": "policy.manage",
        "destroy": "policy.manage",
        "effective": "policy.read",
        "simulate": "policy.manage",
    }
    queryset = Policy.objects.none()
    serializer_class = shapes.PolicySerializer
    filterset_class = PolicyFilter
    queries = {"effective": frozenset({"connector", "integration"})}
    lookup_url_kwarg = "policy_id"

    def get_queryset(self) -> QuerySet[Policy]:
        """The policies of the workspace in the address."""
        return Policy.objects.of(self.workspace).select_related("workspace")

    @extend_schema(
        request=shapes.PolicyChangeSerializer, responses={201: shapes.PolicySerializer, 202: ApprovalSerializer}
    )
    def create(self, request: Request, workspace: str) -> Response:  # noqa: ARG002 - DRF passes the address
        """Store a policy."""
        given = self.checked(shapes.PolicyChangeSerializer)
        try:
            policy = policies.save_policy(workspace=self.workspace, policy=None, **given)
        except Conflict as error:
            return self._asked(error, None, given)
        return self.created(shapes.PolicySerializer, policy, "api-policy", policy_id=policy.pk)

    @extend_schema(
        request=shapes.PolicyReplaceSerializer, responses={200: shapes.PolicySerializer, 202: ApprovalSerializer}
    )
    def update(self, request: Request, workspace: str, policy_id: str) -> Response:  # noqa: ARG002 - as above
        """Replace a policy."""
        policy = self.get_object()
        return self._changed(policy, self.checked(shapes.PolicyReplaceSerializer))

    @extend_schema(
        request=shapes.PolicyReplaceSerializer, responses={200: shapes.PolicySerializer, 202: ApprovalSerializer}
    )
    def partial_update(self, request: Request, workspace: str, policy_id: str) -> Response:  # noqa: ARG002 - as above
        """Change the named fields; `rules` are replaced as a whole."""
        policy = self.get_object()
        return self._changed(policy, self.checked(shapes.PolicyReplaceSerializer, partial=True))

    @extend_schema(responses={204: NO_CONTENT})
    def destroy(self, request: Request, workspace: str, policy_id: str) -> Response:  # noqa: ARG002 - as above
        """Delete a policy that nothing is under."""
        policies.delete_policy(policy=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="workspaces_policies_effective",
        parameters=[shapes.EffectiveQuerySerializer],
        responses=shapes.EffectiveRuleSerializer(many=True),
        filters=False,
    )
    def effective(self, request: Request, workspace: str) -> Response:  # noqa: ARG002 - as above
        """What holds for a connector, an integration, or the workspace, and where each value came from.

        For an integration without a connector: what holds for its runs, from the chains of both ends.
        """
        asked = shapes.EffectiveQuerySerializer(data=request.query_params.dict(), context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        of = asked.validated_data
        context: dict[str, Any] = {"last_actions": last_actions(workspace=self.workspace, **of)}
        if of["integration"] is not None and of["connector"] is None:
            context["flow"] = policy_of_deployment(self._deployment(of["integration"]))
            holds = context["flow"].whole
        else:
            holds = policies.effective_policy(workspace=self.workspace, **of)
        return Response(shapes.EffectiveRuleSerializer(list(holds.rules.values()), many=True, context=context).data)

    @extend_schema(request=shapes.ProposalSerializer, responses=shapes.SimulationSerializer, filters=False)
    def simulate(self, request: Request, workspace: str) -> Response:  # noqa: ARG002 - as above
        """Try a policy on the runs of the last 30 days; nothing is stored."""
        given = self.checked(shapes.ProposalSerializer)
        policy = given["policy"]
        rules, limits = dict(given["rules"]), frozenset(given["limits"])
        if refused := rules_of.problems_of(rules):
            raise Invalid(INPUT_INVALID, "The policy cannot be tried.", fields=refused)
        name = policy.name if policy else "this policy"
        proposal = Proposal(self.workspace, policy, name, rules, limits, is_default=given["is_default"])
        made = {
            "simulation": simulate_policy(proposal=proposal, now=timezone.now()),
            "problems": policies.problems_with(proposal),
        }
        return Response(shapes.SimulationSerializer(made).data)

    def _deployment(self, integration: Integration) -> Deployment:
        rows = Deployment.objects.of(self.workspace).select_related(*POLICIES, "workspace")
        return rows.get(integration=integration)

    def _changed(self, policy: Policy, given: dict[str, Any]) -> Response:
        kept = {name: getattr(policy, name) for name in ("name", "description", "rules", "limits", "is_default")}
        policy.revision = given.pop("revision", policy.revision)
        values = {**kept, **given}
        try:
            saved = policies.save_policy(workspace=self.workspace, policy=policy, **values)
        except Conflict as error:
            return self._asked(error, policy, values)
        return Response(self.shown(shapes.PolicySerializer, saved))

    def _asked(self, error: Conflict, policy: Policy | None, values: dict[str, Any]) -> Response:
        """Ask for the approval that the change needs, where that is what it lacks."""
        if error.code != APPROVAL_NEEDED:
            raise error
        proposal = Proposal(
            self.workspace, policy, values["name"].strip(), dict(values["rules"]), frozenset(values["limits"]),
            is_default=values["is_default"], revision=policy.revision if policy else None,
        )  # fmt: skip
        asked = ask_for_policy(proposal=proposal, description=values["description"], user=self.person)
        return Response(self.shown(ApprovalSerializer, asked), status=status.HTTP_202_ACCEPTED)
