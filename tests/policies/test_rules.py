"""What each kind of rule accepts, and what remains of the levels: the later over the earlier, within upper limits."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.domain import policy as rules_of
from integrations.domain.policy import RULES, ChoiceRule, Level, ListRule, SwitchRule, Tighter, Value

SPEED = ChoiceRule(
    name="t.speed",
    label="Speed",
    help="",
    default="fast",
    choices=(("fast", "Fast"), ("slow", "Slow"), ("off", "Off")),
    tighter=Tighter.HIGHER,
)
GUARD = SwitchRule(name="t.guard", label="Guard", help="", default=False, tighter=Tighter.HIGHER)


def masks() -> ListRule:
    rule = RULES["masking.fields"]
    assert isinstance(rule, ListRule)
    return rule


def items(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"field": field, "how": how} for field, how in pairs]


@pytest.mark.parametrize(
    ("value", "problem"),
    [("slow", ""), ("quick", "one of fast, slow, off"), (1, "one of"), (None, "one of")],
)
def test_a_choice_is_one_of_its_names(value: object, problem: str) -> None:
    assert problem in SPEED.problem_of(value)
    assert bool(problem) == bool(SPEED.problem_of(value))


@pytest.mark.parametrize(("value", "is_fine"), [(True, True), (False, True), (1, False), ("on", False)])
def test_a_switch_is_on_or_off(value: object, is_fine: bool) -> None:
    assert (GUARD.problem_of(value) == "") is is_fine


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (items(("email", "hash")), ""),
        ([], ""),
        ("email: hash", "is a list"),
        ([{"field": "email"}], "Item 1: A mask has a field"),
        (items(("email", "hash"), ("b", "melt")), "Item 2: The way to hide it is one of"),
        (items((" email", "hash")), "Name the field"),
        (items(("email", "hash"), ("EMAIL", "drop")), "“email” stands in it twice"),
        (items(*((f"f{n}", "drop") for n in range(201))), "at most 200"),
    ],
)
def test_a_list_is_judged_item_by_item(value: object, problem: str) -> None:
    found = masks().problem_of(value)
    assert problem in found
    assert bool(problem) == bool(found)


def test_a_list_is_written_a_line_an_item() -> None:
    text = "email: hash\ncard number: keep last four"
    read = masks().read(f"\n{text}\n\n")
    assert read == items(("email", "hash"), ("card number", "keep_last_four"))
    assert masks().read(masks().write(read)) == read
    with pytest.raises(ValueError, match="Line 2: Write field: way"):
        masks().read("email: hash\nphone")


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("retry.attempts", 5, "5"),
        ("timeout.read_seconds", 2.5, "2.5 s"),
        ("limit.batch_records", 50_000.0, "50\N{NARROW NO-BREAK SPACE}000"),
        ("masking.fields", [], "none"),
        ("masking.fields", items(("a", "drop")), "a: drop"),
    ],
)
def test_a_value_reads_as_a_page_says_it(name: str, value: Value, shown: str) -> None:
    assert RULES[name].shown(value) == shown


def test_the_words_of_choices_and_switches() -> None:
    assert (SPEED.shown("off"), GUARD.shown(True), GUARD.shown(False)) == ("Off", "on", "off")


@pytest.mark.parametrize(
    ("rule", "value", "bound", "held"),
    [
        (RULES["retry.attempts"], 9, 5, 5),
        (RULES["retry.attempts"], 3, 5, 3),
        (RULES["retry.first_delay_seconds"], 1, 10, 10),
        (RULES["retry.longest_delay_seconds"], 9, 5, 9),
        (SPEED, "fast", "slow", "slow"),
        (SPEED, "off", "slow", "off"),
        (GUARD, False, True, True),
        (GUARD, True, False, True),
        (masks(), items(("b", "hash")), items(("a", "redact")), items(("a", "redact"), ("b", "hash"))),
        (masks(), items(("A", "drop")), items(("a", "redact")), items(("A", "drop"))),
        (masks(), items(("a", "hash")), items(("a", "redact")), items(("a", "redact"))),
    ],
)
def test_what_remains_of_a_value_under_a_limit(rule: Any, value: Value, bound: Value, held: Value) -> None:
    assert rule.held(value, bound) == held
    assert rule.loosens(value, bound) == (held != value)


def test_a_limit_holds_for_every_level_below_it() -> None:
    house = Level("workspace", "House", {"retry.attempts": 4}, frozenset({"retry.attempts"}))
    lower = Level("connector", "Eager", {"retry.attempts": 9})
    rule = rules_of.effective([house, lower]).rules["retry.attempts"]
    assert (rule.value, rule.asked and rule.asked.value, rule.bound and rule.bound.policy) == (4, 9, "House")
    assert rule.asked_shown == "9"


def test_a_lower_level_tightens_and_its_own_limit_holds_from_there() -> None:
    levels = [
        Level("workspace", "House", {"retry.attempts": 6}, frozenset({"retry.attempts"})),
        Level("connector", "Shop", {"retry.attempts": 4}, frozenset({"retry.attempts"})),
        Level("integration", "Own", {"retry.attempts": 5}),
    ]
    rule = rules_of.effective(levels).rules["retry.attempts"]
    assert (rule.value, rule.bound and rule.bound.policy) == (4, "Shop")
    assert rule.replaced_shown == [("connector", "4"), ("workspace", "6"), ("instance", "5")]


def test_a_rule_of_a_later_release_is_passed_over() -> None:
    policy = rules_of.effective([Level("workspace", "House", {"retry.telepathy": 3, "retry.attempts": 2})])
    assert policy.value("retry.attempts") == 2
    assert "retry.telepathy" not in policy.rules


@pytest.mark.parametrize(
    ("rules", "limits", "problem"),
    [
        ({"retry.attempts": 3}, ["retry.attempts"], ""),
        ({}, ["retry.attempts"], "needs a value"),
        ({"x.y": 1}, ["x.y"], "needs a value"),
        ({"retry.longest_delay_seconds": 9}, ["retry.longest_delay_seconds"], "no stricter side"),
    ],
)
def test_a_limit_that_would_do_nothing_is_refused(rules: dict[str, Value], limits: list[str], problem: str) -> None:
    found = rules_of.limit_problems(rules, limits)
    assert problem in "".join(found.values())
    assert bool(found) == bool(problem)


def test_two_rules_that_leave_each_other_no_room_are_named() -> None:
    levels = [Level("workspace", "House", {"retry.first_delay_seconds": 60, "retry.longest_delay_seconds": 30})]
    found = rules_of.contradictions(rules_of.effective(levels))
    assert list(found) == [("retry.first_delay_seconds", "retry.longest_delay_seconds")]
    assert "First delay (60 s, from “House”) is longer than longest delay" in next(iter(found.values()))


def test_the_defaults_contradict_nothing_and_are_in_bounds() -> None:
    assert rules_of.contradictions(rules_of.effective([])) == {}
    assert {name: rule.problem_of(rule.default) for name, rule in RULES.items() if rule.problem_of(rule.default)} == {}
