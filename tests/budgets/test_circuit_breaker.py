"""The circuit breaker as tables: when it opens, who may probe, what closes it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.domain.circuit_breaker import (
    Breaker,
    BreakerRule,
    BreakerState,
    Calls,
    Pass,
    Wait,
    admit,
    count,
    reset,
    totals,
    trip,
)

RULE = BreakerRule(failure_percent=50, minimum_calls=10, window_seconds=60, open_seconds=30)
OFF = BreakerRule(failure_percent=0, minimum_calls=1, window_seconds=60, open_seconds=30)
OPEN = Breaker(BreakerState.OPEN, since=100.0, probe_at=130.0, open_seconds=30)
PROBING = Breaker(BreakerState.HALF_OPEN, since=100.0, probe_at=160.0, open_seconds=30)


def after(*ended: Calls, rule: BreakerRule = RULE, now: float = 1_000.0) -> Breaker:
    return count(Breaker(), rule, ended, now=now)


@pytest.mark.parametrize(
    ("ended", "state"),
    [
        ((Calls(9, 9),), BreakerState.CLOSED),
        ((Calls(10, 4),), BreakerState.CLOSED),
        ((Calls(10, 5),), BreakerState.OPEN),
        ((Calls(100, 0), Calls(10, 10)), BreakerState.CLOSED),
        ((Calls(10, 0), Calls(10, 10)), BreakerState.OPEN),
        ((Calls(100, 0, ago_seconds=61.0), Calls(10, 10)), BreakerState.OPEN),
        ((Calls(100, 0, ago_seconds=40.0), Calls(10, 10)), BreakerState.CLOSED),
    ],
)
def test_it_opens_by_the_share_of_failures_among_enough_calls(ended: tuple[Calls, ...], state: BreakerState) -> None:
    assert after(*ended).state is state


def test_a_success_never_opens_it() -> None:
    breaker = after(Calls(9, 9))
    assert count(breaker, RULE, (Calls(1),), now=1_000.0).state is BreakerState.CLOSED


def test_old_calls_leave_the_window_bit_by_bit() -> None:
    breaker = count(after(Calls(5, 5)), RULE, (Calls(4, 4),), now=1_050.0)
    assert totals(breaker, RULE, 1_050.0) == (9, 9)
    assert totals(breaker, RULE, 1_065.0) == (4, 4)


@pytest.mark.parametrize(
    ("breaker", "rule", "now", "answer"),
    [
        (Breaker(), RULE, 5.0, Pass(Breaker())),
        (OPEN, RULE, 120.0, Wait(10.0)),
        (PROBING, RULE, 159.0, Wait(1.0)),
        (OPEN, OFF, 120.0, Pass(OPEN)),
        (trip(Breaker(), now=7.0), OFF, 1e9, Wait(30.0)),
    ],
)
def test_who_may_call(breaker: Breaker, rule: BreakerRule, now: float, answer: Pass | Wait) -> None:
    assert admit(breaker, rule, now=now, probe_seconds=5.0) == answer


@pytest.mark.parametrize(("probe_seconds", "until"), [(5.0, 160.0), (125.0, 255.0)])
def test_one_probe_goes_out_and_is_taken_for_lost_after_its_longest_time(probe_seconds: float, until: float) -> None:
    first = admit(OPEN, RULE, now=130.0, probe_seconds=probe_seconds)
    assert isinstance(first, Pass)
    assert first.is_probe
    assert (first.breaker.state, first.breaker.probe_at) == (BreakerState.HALF_OPEN, until)
    assert isinstance(admit(first.breaker, RULE, now=until - 0.1, probe_seconds=probe_seconds), Wait)
    assert isinstance(admit(first.breaker, RULE, now=until, probe_seconds=probe_seconds), Pass)


def test_a_probe_that_succeeds_closes_it_with_nothing_counted() -> None:
    assert count(PROBING, RULE, (Calls(1),), now=140.0, is_probe=True) == Breaker(BreakerState.CLOSED, 140.0)


def test_a_probe_that_fails_opens_it_anew_and_keeps_since_when() -> None:
    opened = count(PROBING, RULE, (Calls(1, 1),), now=140.0, is_probe=True)
    assert (opened.state, opened.since, opened.probe_at) == (BreakerState.OPEN, 100.0, 170.0)


def test_the_longer_of_two_waits_holds_where_policies_differ() -> None:
    short = BreakerRule(50, 10, 60, open_seconds=1)
    assert count(PROBING, short, (Calls(1, 1),), now=140.0, is_probe=True).probe_at == 170.0


@pytest.mark.parametrize("breaker", [OPEN, PROBING])
def test_calls_that_were_on_their_way_move_only_a_closed_one(breaker: Breaker) -> None:
    assert count(breaker, RULE, (Calls(50),), now=140.0) == breaker
    assert count(breaker, RULE, (Calls(50, 50),), now=140.0) == breaker


def test_one_opened_by_hand_is_closed_by_a_hand_alone() -> None:
    tripped = trip(PROBING, now=150.0)
    assert tripped.is_by_hand
    assert count(tripped, RULE, (Calls(1),), now=151.0, is_probe=True) == tripped
    assert reset(now=160.0) == Breaker(BreakerState.CLOSED, 160.0)


def test_a_rule_that_is_off_counts_nothing() -> None:
    assert after(Calls(99, 99), rule=OFF) == Breaker()


@given(st.lists(st.tuples(st.floats(0, 20), st.booleans(), st.booleans()), max_size=60), st.floats(1, 60))
def test_no_two_probes_begin_within_the_time_it_stays_open(
    steps: list[tuple[float, bool, bool]], open_seconds: float
) -> None:
    rule = BreakerRule(50, 10, 60, open_seconds)
    breaker, now = Breaker(BreakerState.OPEN, 0.0, probe_at=open_seconds, open_seconds=open_seconds), 0.0
    probes = []
    for pause, reports, fails in steps:
        now += pause
        answer = admit(breaker, rule, now=now, probe_seconds=2.0)
        if isinstance(answer, Pass):
            assert answer.is_probe
            probes.append(now)
            breaker = answer.breaker
            if reports and fails:
                breaker = count(breaker, rule, (Calls(1, 1),), now=now, is_probe=True)
    assert all(later - earlier >= open_seconds - 1e-9 for earlier, later in pairwise(probes))
