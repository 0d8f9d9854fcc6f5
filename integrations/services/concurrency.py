"""How many runs may be at work at once, by the policies of workspaces and connectors; exact, whoever claims."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce, Now

from accounts.models import Workspace
from integrations.domain.lifecycle import RunState
from integrations.domain.policy.rules.concurrency import CONNECTOR_RUNS, WORKSPACE_RUNS
from integrations.models import Connector, Policy, Run
from integrations.services.policies import effective_policy
from integrations.services.policy_actions import note_in_run
from integrations.services.runs import tell

TOLD_AT_MOST = 50
AHEAD_SHOWN = 5
# What a run counts as: itself, or the run that it is a partition of.
_PLACE = Coalesce("parent_id", "id")


@dataclass(frozen=True)
class Bound:
    """One limit that holds for a run: the rule, how many, and who counts."""

    rule: str
    most: int
    owner: Workspace | Connector

    @property
    def counted(self) -> Q:
        """The runs that count."""
        if isinstance(self.owner, Workspace):
            return Q(workspace=self.owner)
        return Q(version__source=self.owner) | Q(version__destination=self.owner)


@dataclass(frozen=True)
class Rooms:
    """Which workspaces and connectors have no room left, and who has a place already: a partition needs no second."""

    workspaces: frozenset[UUID] = frozenset()
    connectors: frozenset[UUID] = frozenset()
    placed: frozenset[UUID] = frozenset()
    is_bounded: bool = True

    @property
    def is_full(self) -> bool:
        return bool(self.workspaces or self.connectors)

    @property
    def blocked(self) -> Q:
        """The runs that must wait."""
        by_workspace, by_connector = self._by_workspace, self._by_connector
        return (by_workspace | by_connector) & ~Q(parent_id__in=self.placed)

    @property
    def _by_workspace(self) -> Q:
        return Q(workspace_id__in=self.workspaces)

    @property
    def _by_connector(self) -> Q:
        return Q(version__source_id__in=self.connectors) | Q(version__destination_id__in=self.connectors)


@dataclass(frozen=True)
class Wait:
    """Why a run waits, and behind which runs."""

    sentence: str
    ahead: list[Run]


def is_bounded() -> bool:
    """Whether any policy bounds runs at all; most installations have none that does, and ask no further."""
    return Policy.objects.filter(rules__has_any_keys=[WORKSPACE_RUNS, CONNECTOR_RUNS]).exists()


def rooms_now() -> Rooms:
    """What is full at this moment. It guides the choice; `has_room` decides."""
    if not is_bounded():
        return Rooms(is_bounded=False)
    workspaces: dict[UUID, set[UUID]] = defaultdict(set)
    connectors: dict[UUID, set[UUID]] = defaultdict(set)
    for place, workspace, source, destination in (
        _at_work().values_list(_PLACE, "workspace_id", "version__source_id", "version__destination_id")
    ):  # fmt: skip
        workspaces[workspace].add(place)
        for connector in {source, destination}:
            connectors[connector].add(place)
    found_workspaces = Workspace.objects.in_bulk(list(workspaces))
    found_connectors = Connector.objects.select_related("policy", "workspace").in_bulk(list(connectors))
    full_workspaces = (pk for pk, each in found_workspaces.items() if _is_full(_of_workspace(each), workspaces[pk]))
    full_connectors = (pk for pk, each in found_connectors.items() if _is_full(_of_connector(each), connectors[pk]))
    placed = frozenset().union(*workspaces.values())
    return Rooms(frozenset(full_workspaces), frozenset(full_connectors), placed)


def has_room(run_id: UUID) -> bool:
    """Whether the run may work now. Locks what bounds it, so that two who ask at once are answered one by one."""
    run = Run.objects.select_related(
        "workspace", "version__source__policy", "version__source__workspace",
        "version__destination__policy", "version__destination__workspace",
    ).get(pk=run_id)  # fmt: skip
    bounds = list(_bounds_of(run))
    _lock(bounds)
    mine = run.parent_id or run.pk
    others = _at_work().exclude(Q(pk=mine) | Q(parent_id=mine))
    return all(_count(others.filter(bound.counted)) < bound.most for bound in bounds)


def tell_waiting(due: Q, rooms: Rooms) -> int:
    """Say, once, of each due run that has no room that it waits; return how many were told of."""
    if not rooms.is_full:
        return 0
    waiting = Run.objects.filter(due, rooms.blocked, waits_for="")
    told = 0
    for run in waiting.select_related("workspace", "deployment").order_by("next_attempt_at")[:TOLD_AT_MOST]:
        rule = WORKSPACE_RUNS if run.workspace_id in rooms.workspaces else CONNECTOR_RUNS
        with transaction.atomic():
            if not Run.objects.filter(due, pk=run.pk, waits_for="").update(waits_for=rule):
                continue
            run.waits_for = rule
            wait = wait_of(run)
            tell(run, "run.waiting", wait.sentence if wait else "", data={"rule": rule})
            note_in_run(run, rule, "let a run wait for its turn")
        told += 1
    return told


def wait_of(run: Run) -> Wait | None:
    """Why a run waits, as it stands now; None where nothing keeps it."""
    if not run.is_active or not run.waits_for:
        return None
    bound = next((bound for bound in _bounds_of(run) if bound.rule == run.waits_for and _is_reached(bound)), None)
    if bound is None:
        return Wait("It is next: there is room again, and a worker will take it.", [])
    where = "this workspace" if isinstance(bound.owner, Workspace) else f"the connector “{bound.owner}”"
    places = _at_work().filter(bound.counted).values_list(_PLACE)
    ahead = Run.objects.filter(pk__in=places).select_related("deployment__integration").order_by("started_at")
    many = f"{bound.most} runs" if bound.most > 1 else "one run"
    return Wait(f"It waits: the policy lets {many} work in {where} at once.", list(ahead[:AHEAD_SHOWN]))


def _at_work() -> QuerySet[Run]:
    """Runs under a live lease."""
    return Run.objects.filter(state=RunState.RUNNING, lease_until__gte=Now())


def _count(runs: QuerySet[Run]) -> int:
    """How many places they take."""
    return runs.order_by().values_list(_PLACE).distinct().count()


def _is_full(most: int, places: set[UUID]) -> bool:
    return 0 < most <= len(places)


def _is_reached(bound: Bound) -> bool:
    return _count(_at_work().filter(bound.counted)) >= bound.most


def _bounds_of(run: Run) -> Iterator[Bound]:
    most = _of_workspace(run.workspace)
    if most:
        yield Bound(WORKSPACE_RUNS, most, run.workspace)
    for connector in {run.version.source, run.version.destination}:
        most = _of_connector(connector)
        if most:
            yield Bound(CONNECTOR_RUNS, most, connector)


def _of_workspace(workspace: Workspace) -> int:
    return int(effective_policy(workspace=workspace).value(WORKSPACE_RUNS))


def _of_connector(connector: Connector) -> int:
    return int(effective_policy(workspace=connector.workspace, connector=connector).value(CONNECTOR_RUNS))


def _lock(bounds: list[Bound]) -> None:
    """Lock the workspace, then the connectors in the order of their ids; a lock that lets rows refer to them."""
    connectors = [bound.owner.pk for bound in bounds if isinstance(bound.owner, Connector)]
    for bound in bounds:
        if isinstance(bound.owner, Workspace):
            Workspace.objects.select_for_update(no_key=True).get(pk=bound.owner.pk)
    list(Connector.objects.select_for_update(no_key=True).filter(pk__in=connectors).order_by("pk").values_list("pk"))
