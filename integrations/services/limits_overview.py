"""Reads what a workspace's connectors share: each budget with its live use, each circuit breaker with its state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from accounts.models import Workspace
from integrations.domain import circuit_breaker
from integrations.domain.circuit_breaker import BreakerState
from integrations.domain.rate_limit import tokens_left
from integrations.models import Breaker, Budget, BudgetSlot, Connector
from integrations.services.breakers import decided
from integrations.services.moments import seconds_of
from integrations.services.shared_limits import Allowed, Place, Share, breaker_rule_of, place_of, shares_of, tightest_of


@dataclass(frozen=True)
class BudgetLine:
    """A budget: whose it is, what it allows, and how it is used now. `row` is None until something was taken of it."""

    place: Place
    name: str
    connectors: list[Connector]
    allowed: Allowed
    row: Budget | None
    now: datetime
    working: list[BudgetSlot]
    waiting: list[BudgetSlot]

    @property
    def kind(self) -> str:
        return "credential" if self.place.credential_id else "host"

    @property
    def held_until(self) -> datetime | None:
        """The end of a pause that goes on."""
        until = self.row.held_until if self.row else None
        return until if until and until > self.now else None

    @property
    def tokens(self) -> int | None:
        """How many calls could go out at once now; None where they are not counted."""
        spent_until = self.row.spent_until if self.row else None
        rate = self.allowed.rate
        if rate is None:
            return None
        return tokens_left(rate, now=seconds_of(self.now), spent_until=seconds_of(spent_until))

    @property
    def is_bounded(self) -> bool:
        return bool(self.allowed.rate or self.allowed.at_once.value)

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing to say of it: no bound and no pause."""
        return not self.is_bounded and self.held_until is None


@dataclass(frozen=True)
class BreakerLine:
    """The breaker of a host; `row` is None while no call failed yet. `rules` are those of its connectors, in words."""

    host: str
    connectors: list[Connector]
    row: Breaker | None
    calls: int
    failures: int
    rules: list[str]
    now: datetime

    @property
    def state(self) -> str:
        return self.row.state if self.row else BreakerState.CLOSED

    @property
    def is_closed(self) -> bool:
        return self.state == BreakerState.CLOSED

    @property
    def is_probe_due(self) -> bool:
        """Whether the next call that is asked for goes out as the probe."""
        return self.row is not None and self.row.probe_at is not None and self.row.probe_at <= self.now

    @property
    def last_failures(self) -> list[dict[str, Any]]:
        """The latest failures, each with its moment."""
        found = self.row.last_failures if self.row else []
        return [{**failure, "at": datetime.fromisoformat(failure["at"])} for failure in found]


@dataclass(frozen=True)
class Limits:
    """All that the connectors of a workspace share; what needs a look stands first."""

    budgets: list[BudgetLine]
    breakers: list[BreakerLine]


def limits_of_workspace(workspace: Workspace) -> Limits:
    """Read all of it in a fixed number of queries."""
    by_budget: dict[tuple[UUID | None, str], list[Share]] = defaultdict(list)
    by_host: dict[str, list[Share]] = defaultdict(list)
    for place, share in shares_of(workspace):
        by_budget[_key(place)].append(share)
        if place.host:
            by_host[place.host].append(share)
    now = Workspace.objects.annotate(now=Now()).values_list("now", flat=True).get(pk=workspace.pk)
    budgets = _budgets(workspace, now, by_budget)
    breakers = _breakers(workspace, now, by_host)
    return Limits(
        sorted(budgets, key=lambda line: (line.is_quiet, line.name)),
        sorted(breakers, key=lambda line: (line.is_closed, line.host)),
    )


def open_breakers(workspace: Workspace) -> dict[str, Breaker]:
    """The breakers that are not closed, by host."""
    found = Breaker.objects.of(workspace).exclude(state=BreakerState.CLOSED)
    return {breaker.host: breaker for breaker in found}


def breakers_of(workspace: Workspace, connectors: Iterable[Connector]) -> dict[UUID, Breaker]:
    """The breaker that is not closed of each connector that has one."""
    opened = open_breakers(workspace)
    if not opened:
        return {}
    hosts = {connector.pk: place_of(connector).host for connector in connectors}
    return {key: opened[host] for key, host in hosts.items() if host in opened}


def _budgets(
    workspace: Workspace, now: datetime, shares: dict[tuple[UUID | None, str], list[Share]]
) -> list[BudgetLine]:
    rows = {
        (row.credential_id, row.host): row
        for row in Budget.objects.of(workspace).select_related("credential", "workspace")
    }
    slots: dict[UUID, list[BudgetSlot]] = defaultdict(list)
    found = BudgetSlot.objects.filter(budget__workspace=workspace).live()
    for slot in found.select_related("run__deployment__integration"):
        slots[slot.budget_id].append(slot)
    lines = []
    for key, sharing in shares.items():
        row, connectors = rows.get(key), _connectors(sharing)
        mine = slots[row.pk] if row else []
        credential = connectors[0].credential if key[0] else None
        lines.append(
            BudgetLine(
                place=Place(workspace.pk, *key),
                name=credential.name if credential else key[1],
                connectors=connectors,
                allowed=tightest_of(sharing),
                row=row,
                now=now,
                working=[slot for slot in mine if not slot.is_waiting],
                waiting=[slot for slot in mine if slot.is_waiting],
            )
        )
    return lines


def _breakers(workspace: Workspace, now: datetime, shares: dict[str, list[Share]]) -> list[BreakerLine]:
    rows = {row.host: row for row in Breaker.objects.of(workspace)}
    lines = []
    for host, sharing in shares.items():
        row = rows.get(host)
        rule = breaker_rule_of(sharing[0].policy)
        calls, failures = circuit_breaker.totals(decided(row), rule, seconds_of(now)) if row else (0, 0)
        lines.append(BreakerLine(host, _connectors(sharing), row, calls, failures, _rules(sharing), now))
    return lines


def _key(place: Place) -> tuple[UUID | None, str]:
    return (place.credential_id, "") if place.credential_id else (None, place.host)


def _connectors(shares: list[Share]) -> list[Connector]:
    return list({share.connector.pk: share.connector for share in shares}.values())


def _rules(shares: list[Share]) -> list[str]:
    """Each of the different rules once, in words."""
    rules = {breaker_rule_of(share.policy) for share in shares}
    return sorted(
        f"opens at {rule.failure_percent:g} % of at least {rule.minimum_calls:,} calls in {rule.window_seconds:g} s, "
        f"then probes every {rule.open_seconds:g} s"
        if rule.is_on
        else "never opens by itself"
        for rule in rules
    )
