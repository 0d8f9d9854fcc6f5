"""When to try again: tables over plain values."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from integrations.domain.retry import RetryAction, RetryRule, backoff_seconds, decide, parse_retry_after

RULE = RetryRule(attempts=4, initial_seconds=0.5, max_seconds=8, retry_after_max_seconds=100)
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("attempt", "randomness", "seconds"),
    [
        (1, 1.0, 0.5),
        (2, 1.0, 1.0),
        (3, 1.0, 2.0),
        (5, 1.0, 8.0),
        (6, 1.0, 8.0),
        (5000, 1.0, 8.0),
        (3, 0.0, 0.0),
        (3, 0.25, 0.5),
    ],
)
def test_the_backoff_doubles_to_its_bound_and_jitters_fully(attempt: int, randomness: float, seconds: float) -> None:
    assert backoff_seconds(attempt, RULE, randomness) == seconds


@pytest.mark.parametrize(
    ("attempt", "asked", "waited", "action", "seconds"),
    [
        (1, None, 0, RetryAction.WAIT, 0.5),
        (3, None, 0, RetryAction.WAIT, 2.0),
        (4, None, 0, RetryAction.GIVE_UP, 0.0),
        (9, None, 0, RetryAction.GIVE_UP, 0.0),
        (3, None, 4, RetryAction.HAND_BACK, 2.0),
        (1, 3.0, 0, RetryAction.WAIT, 3.0),
        (1, 0.0, 0, RetryAction.WAIT, 0.0),
        (1, 60.0, 0, RetryAction.HAND_BACK, 60.0),
        (1, 5000.0, 0, RetryAction.HAND_BACK, 100.0),
        (4, 1.0, 0, RetryAction.HAND_BACK, 1.0),
    ],
)
def test_a_failed_attempt_waits_hands_back_or_gives_up(
    attempt: int, asked: float | None, waited: float, action: RetryAction, seconds: float
) -> None:
    decision = decide(attempt, RULE, randomness=1.0, asked_seconds=asked, waited_seconds=waited, patience_seconds=5.0)
    assert (decision.action, decision.seconds) == (action, seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60.0),
        ("Sun, 01 Mar 2026 12:01:00 -0000", 60.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("1.5", None),
        ("１２", None),  # noqa: RUF001 - digits that are not ASCII
        ("9" * 400, None),
        ("Sun, 99 Mar 2026 12:01:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(text: str, seconds: float | None) -> None:
    assert parse_retry_after(text, NOW) == seconds
