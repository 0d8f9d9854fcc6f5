"""When to try a call again: backoff with full jitter, and what the other side asked for, from plain values.

Full jitter (a random share of an exponentially growing bound) keeps many callers that failed together apart:
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum


class RetryAction(StrEnum):
    """Wait here and try again; hand the wait back to who can do other work meanwhile; or stop trying."""

    WAIT = "wait"
    HAND_BACK = "hand_back"
    GIVE_UP = "give_up"


@dataclass(frozen=True)
class RetryRule:
    """How often and how patiently to try; times in seconds."""

    attempts: int
    initial_seconds: float
    max_seconds: float
    retry_after_max_seconds: float


@dataclass(frozen=True)
class RetryDecision:
    """What to do after a failed attempt. `seconds` is the wait, where there is one."""

    action: RetryAction
    seconds: float = 0.0


def backoff_seconds(attempt: int, rule: RetryRule, randomness: float) -> float:
    """The wait after the failed attempt number `attempt` (from 1); `randomness` is in [0, 1)."""
    # 2.0 ** 1024 overflows; no bound is still growing after 60 doublings.
    bound = min(rule.max_seconds, rule.initial_seconds * 2.0 ** min(attempt - 1, 60))
    return randomness * bound


def decide(
    attempt: int,
    rule: RetryRule,
    *,
    randomness: float,
    asked_seconds: float | None = None,
    waited_seconds: float = 0.0,
    patience_seconds: float,
) -> RetryDecision:
    """What to do after the failed attempt number `attempt`.

    `asked_seconds` is the other side's Retry-After: it replaces the backoff, up to the rule's longest. A wait that
    would make the caller wait longer than `patience_seconds` in all is handed back.
    """
    if attempt >= rule.attempts and asked_seconds is None:
        return RetryDecision(RetryAction.GIVE_UP)
    if asked_seconds is None:
        seconds = backoff_seconds(attempt, rule, randomness)
    else:
        seconds = min(asked_seconds, rule.retry_after_max_seconds)
    if attempt >= rule.attempts or waited_seconds + seconds > patience_seconds:
        return RetryDecision(RetryAction.HAND_BACK, seconds)
    return RetryDecision(RetryAction.WAIT, seconds)


def parse_retry_after(text: str, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header (RFC 9110 10.2.3: seconds or a date), or None where it says nothing."""
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
