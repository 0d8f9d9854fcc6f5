"""The token bucket: no window sees more than it may, whoever takes what ahead; and what a refusal leads to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.domain.rate_limit import (
    LATE_SHARE,
    Granted,
    Hold,
    Rate,
    Refused,
    hold_after,
    may_enter,
    next_wanted,
    take,
    tokens_left,
)

RATES = st.builds(Rate, st.integers(1, 6000), st.integers(1, 200))
STEPS = st.lists(
    st.tuples(st.floats(0, 3), st.integers(1, 80), st.sampled_from([0.0, 5.0, 60.0]), st.floats(0, 1)), max_size=80
)


def used_moments(rate: Rate, steps: list[tuple[float, int, float, float]]) -> list[float]:
    """When calls go out, where callers take tokens at random times and use each at a random moment that they may."""
    now, spent, moments = 1_000.0, 0.0, []
    for pause, wanted, patience, late in steps:
        now += pause
        taken = take(rate, now=now, spent_until=spent, wanted=wanted, patience_seconds=patience)
        if isinstance(taken, Granted):
            spent = taken.spent_until
            moments += [now + taken.wait_seconds + late * rate.hold_seconds] * taken.tokens
    return sorted(moments)


@given(RATES, STEPS)
def test_no_window_sees_more_than_the_burst_and_its_share_of_the_rate(
    rate: Rate, steps: list[tuple[float, int, float, float]]
) -> None:
    moments = used_moments(rate, steps)
    for first, begin in enumerate(moments):
        for last in range(first, len(moments)):
            window = moments[last] - begin
            spare = 1e-3 if rate.held_back else LATE_SHARE + 1e-3
            assert last - first + 1 <= rate.burst + window * rate.per_minute / 60 + spare


@given(RATES, st.integers(1, 64))
def test_who_asks_again_and_again_gets_the_whole_rate(rate: Rate, wanted: int) -> None:
    now, spent, tokens = 1_000.0, 0.0, 0
    for _ in range(400):
        taken = take(rate, now=now, spent_until=spent, wanted=wanted, patience_seconds=1e9)
        assert isinstance(taken, Granted)
        spent, tokens, now = taken.spent_until, tokens + taken.tokens, now + taken.wait_seconds
    assert tokens >= (now - 1_000.0) * rate.per_minute / 60


@given(RATES, st.floats(0, 100))
def test_a_refusal_says_exactly_when_the_next_token_is_there(rate: Rate, ahead: float) -> None:
    refused = take(rate, now=0.0, spent_until=rate.depth_seconds + ahead, wanted=1, patience_seconds=0.0)
    assert isinstance(refused, Refused)
    then = take(rate, now=refused.wait_seconds, spent_until=rate.depth_seconds + ahead, wanted=1, patience_seconds=0.0)
    assert isinstance(then, Granted)


def test_a_wait_within_the_patience_is_a_reservation() -> None:
    rate = Rate(60, 1)
    first = take(rate, now=0.0, spent_until=0.0, wanted=1, patience_seconds=5.0)
    assert first == Granted(1, 0.0, 1.0)
    assert take(rate, now=0.0, spent_until=1.0, wanted=1, patience_seconds=5.0) == Granted(1, 1.0, 2.0)
    assert take(rate, now=0.0, spent_until=6.0, wanted=1, patience_seconds=5.0) == Refused(6.0)


def test_a_burst_is_partly_held_back_for_what_callers_have_taken_ahead() -> None:
    rate = Rate(600, 20)
    assert (rate.most_at_once, rate.hold_seconds, tokens_left(rate, now=0.0, spent_until=0.0)) == (2, 1.0, 10)
    assert Rate(600, 1).most_at_once == 1


@pytest.mark.parametrize(("wanted", "used", "taken", "following"), [(1, 1, 1, 2), (8, 8, 8, 12), (8, 3, 8, 1)])
def test_a_quick_caller_takes_more_ahead_and_a_slow_one_less(
    wanted: int, used: int, taken: int, following: int
) -> None:
    assert next_wanted(Rate(600, 100), wanted=wanted, used=used, taken=taken) == following


@pytest.mark.parametrize(
    ("asked", "seconds"), [(7.0, 7.0), (0.0, 0.0), (-5.0, 0.0), (999_999_999.0, 3600.0), (None, 2.0)]
)
def test_a_pause_is_what_was_asked_for_up_to_the_longest(asked: float | None, seconds: float) -> None:
    hold = hold_after(Hold(), now=100.0, asked_seconds=asked, first_seconds=2.0, longest_seconds=3600.0)
    assert (hold.until, hold.seconds) == (100.0 + seconds, seconds)


def test_pauses_that_nobody_named_double_until_calls_went_well_for_as_long() -> None:
    hold, now, seconds = Hold(), 0.0, []
    for _ in range(5):
        hold = hold_after(hold, now=now, asked_seconds=None, first_seconds=1.0, longest_seconds=10.0)
        seconds.append(hold.seconds)
        now = hold.until
    assert seconds == [1.0, 2.0, 4.0, 8.0, 10.0]
    later = hold_after(hold, now=hold.until + 11.0, asked_seconds=None, first_seconds=1.0, longest_seconds=10.0)
    assert later.seconds == 1.0


def test_a_refusal_of_a_call_that_was_on_its_way_does_not_lengthen_the_pause() -> None:
    hold = Hold(until=50.0, seconds=10.0, refusals=1)
    assert hold_after(hold, now=41.0, asked_seconds=None, first_seconds=1.0, longest_seconds=99.0) == hold
    assert hold_after(hold, now=41.0, asked_seconds=1.0, first_seconds=1.0, longest_seconds=99.0).until == 50.0


@pytest.mark.parametrize(
    ("allowed", "held", "before", "may"), [(0, 99, 9, True), (2, 1, 0, True), (2, 2, 0, False), (2, 1, 1, False)]
)
def test_slots_go_to_those_who_waited_longest(allowed: int, held: int, before: int, may: bool) -> None:
    assert may_enter(allowed=allowed, held=held, waiting_before=before) is may
