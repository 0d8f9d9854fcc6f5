"""The pages and the API say of each rule at which end it is read, which end's value holds, and when it last acted."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.domain import policy as rules_of
from integrations.domain.policy import RULES, FlowPolicy, Level, Value
from integrations.models import Connector, Integration, IntegrationVersion, Policy
from integrations.services.policy_actions import last_actions, note_action
from integrations.views.policies_ends import EndsRow, ends_sections, telling_ends
from tests.pages.connectors_world import make_files, make_policy, page, use
from tests.world import World

pytestmark = pytest.mark.django_db


MASK: list[object] = [{"field": "a", "how": "drop"}]
TOGETHER = "holds together with the other end's"


def row_of(rule: str, reading: dict[str, Value], writing: dict[str, Value]) -> EndsRow:
    flow = FlowPolicy(*(rules_of.effective([Level("connector", "P", rules)]) for rules in (reading, writing)))
    return next(row for _, rows in ends_sections(flow, {}) for row in rows if row.rule.name == rule)


@pytest.mark.parametrize(
    ("rule", "reading", "writing", "holds", "notes"),
    [
        ("timeout.run_seconds", 60, 600, (True, False), ("holds", "the source's is stricter and holds")),
        ("timeout.run_seconds", 600, 60, (False, True), ("the destination's is stricter and holds", "holds")),
        ("timeout.run_seconds", 60, 60, (True, True), ("", "")),
        ("timeout.read_seconds", 60, 6, (True, True), ("", "")),
        ("masking.fields", [], MASK, (True, True), ("", "holds")),
        ("masking.fields", [{"field": "b", "how": "drop"}], MASK, (True, True), (TOGETHER, TOGETHER)),
    ],
)  # fmt: skip
def test_which_end_holds(rule: str, reading: Value, writing: Value, holds: Any, notes: Any) -> None:
    row = row_of(rule, {rule: reading}, {rule: writing})
    assert row.reading is not None
    assert row.writing is not None
    assert (row.reading.holds, row.writing.holds) == holds
    assert (row.reading.note, row.writing.note) == notes


def test_an_end_at_which_a_rule_is_not_read_shows_none() -> None:
    pages, redrive = (row_of(name, {}, {}) for name in ("limit.pages", "redrive.records_per_second"))
    assert pages.writing is None
    assert redrive.reading is None


def test_only_what_was_set_or_acted_tells() -> None:
    loads = Level("connector", "Loads", {"limit.pages": 5, "slo.success_percent": 9})
    flow = FlowPolicy(rules_of.effective([]), rules_of.effective([loads]))
    told = [row.rule.name for _, rows in telling_ends(ends_sections(flow, {})) for row in rows]
    assert told == ["slo.success_percent"]


@pytest.fixture
def copied(world: World) -> Integration:
    """From one connector to another, which has a policy of its own."""
    use(world, make_files(world, "Shop files"))
    warehouse = make_files(world, "Warehouse")
    IntegrationVersion.objects.update(destination=warehouse)
    policy = make_policy(world, "Loads", timeout__run_seconds=60, tolerance__set_aside_percent=1)
    Connector.objects.filter(pk=warehouse.pk).update(policy=policy)
    return Integration.objects.get()


def test_the_effective_policy_of_an_integration_shows_both_ends(world: World, copied: Integration) -> None:
    for path in (f"integrations/{copied.pk}/policy/", f"policies/effective/?integration={copied.pk}"):
        shown = page(world.viewer, world.url(path))
        assert "Reading Shop files" in shown
        assert "Writing Warehouse" in shown
        assert "the destination&#x27;s is stricter and holds" in shown
        assert "read at the source alone" in shown


def test_a_connector_says_what_is_not_read_from_it(world: World, copied: Integration) -> None:
    Policy.objects.update(rules={"limit.pages": 5})
    warehouse = Connector.objects.get(name="Warehouse")
    shown = page(world.viewer, world.url(f"connectors/{warehouse.pk}/"))
    assert "read at the source alone, not here" in shown
    shown = page(world.viewer, world.url(f"connectors/{Connector.objects.get(name='Shop files').pk}/"))
    assert "alone, not here" not in shown


def test_what_shapes_an_action_acts_with_it(world: World, copied: Integration) -> None:
    note_action(
        workspace_id=world.workspace.pk, rule="breaker.failure_percent", scope_id=copied.pk, what="opened the circuit"
    )
    last = last_actions(workspace=world.workspace, integration=copied)
    assert {name for name in last if last[name].what == "opened the circuit"} == {
        "breaker.failure_percent", "breaker.minimum_calls", "breaker.window_seconds", "breaker.open_seconds",
    }  # fmt: skip


def test_what_a_rule_acts_with_exists() -> None:
    assert {name for rule in RULES.values() for name in rule.acts_with} <= set(RULES)
