"""The oracle finds what it is there for: each kind of fault, given to it as plain values, is named."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.faults.history import Change, foreign
from tests.faults.oracle import Compared, Verdict, compare, replay_problems, share
from tests.faults.proof import Wanted, failures, merged

SOURCE = {1: "one", 2: "two", 3: "three"}
WHOLE = list(SOURCE.items())
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("found", "set_aside", "named"),
    [
        (WHOLE, [], {}),
        (WHOLE[:2], [], {"lost": (3,)}),
        (WHOLE[:2], [3], {}),
        ([*WHOLE, WHOLE[0]], [], {"doubled": (1,)}),
        ([(1, "uno"), *WHOLE[1:]], [], {"stale": (1,)}),
        ([*WHOLE, (4, "four")], [], {"foreign": (4,)}),
    ],
)
def test_a_record_that_differs_is_named(
    found: list[tuple[int, str]], set_aside: list[int], named: dict[str, tuple[int, ...]]
) -> None:
    compared = compare(SOURCE, found, set_aside)
    assert compared == Compared(frozenset(SOURCE), **named)
    assert compared.is_whole is not bool(named)
    assert all(name in str(compared) for name in named)


def events_of(*kinds: str, **counts: int) -> list[dict[str, Any]]:
    return [{"seq": number, "kind": kind, "data": counts} for number, kind in enumerate(kinds, 1)]


COUNTED = {"read": 3, "written": 2, "set_aside": 1, "filtered": 0, "batches": 1}
ROW = {"state": "succeeded", **COUNTED}


@pytest.mark.parametrize(
    ("events", "row", "named"),
    [
        (events_of("run.queued", "run.claimed", "run.succeeded", **COUNTED), ROW, ""),
        (events_of("run.queued", "run.claimed", **COUNTED), ROW, "end as running"),
        (events_of("run.succeeded", **{**COUNTED, "written": 1}), ROW, "count"),
        (events_of("run.queued", "run.claimed", "run.succeeded", **COUNTED)[1:], ROW, "numbered"),
        (events_of("run.succeeded", **{**COUNTED, "read": 4}), {**ROW, "read": 4}, "read is not"),
    ],
)
def test_events_that_do_not_lead_to_the_row_are_named(
    events: list[dict[str, Any]], row: dict[str, Any], named: str
) -> None:
    problems = replay_problems(events, row)
    assert bool(problems) is bool(named)
    assert named in " ".join(problems)


QUEUED = Change("r", NOON, "web", None, "queued", None, None, None, 0, None, 0, worked=False)


def claimed(by: str, seconds: int, before: Change) -> Change:
    at = NOON + timedelta(seconds=seconds)
    return replace(
        before, at=at, actor=by, old_state=before.state, state="running", old_lease=before.lease,
        lease=at + timedelta(seconds=10), old_claims=before.claims, claims=before.claims + 1,
        old_fence=before.fence, worked=True,
    )  # fmt: skip


def worked(by: str, seconds: int, before: Change) -> Change:
    at = NOON + timedelta(seconds=seconds)
    lease = at + timedelta(seconds=10)
    return replace(
        before, at=at, actor=by, old_state=before.state, old_lease=before.lease, lease=lease, old_claims=before.claims
    )


FIRST = claimed("first", 1, QUEUED)
SECOND = claimed("second", 20, FIRST)


def test_a_takeover_after_the_lease_is_nothing_to_name() -> None:
    assert foreign([QUEUED, FIRST, worked("first", 2, FIRST), SECOND, worked("second", 21, SECOND)]) == []


def test_a_change_by_a_worker_whose_run_was_taken_over_is_named() -> None:
    assert "changed by another" in foreign([QUEUED, FIRST, SECOND, worked("first", 22, SECOND)])[0]


def test_a_claim_of_a_run_whose_lease_runs_is_named() -> None:
    assert "claimed while held" in foreign([QUEUED, FIRST, claimed("second", 5, FIRST)])[0]


def test_the_parent_of_a_dead_worker_may_end_its_lease_and_nothing_else() -> None:
    ended = replace(worked("parent", 3, FIRST), lease=NOON + timedelta(seconds=3), worked=False)
    assert foreign([QUEUED, FIRST, ended, claimed("second", 4, ended)]) == []
    assert foreign([QUEUED, FIRST, replace(ended, lease=NOON + timedelta(seconds=30))]) != []
    assert foreign([QUEUED, FIRST, replace(ended, worked=True)]) != []


def test_a_change_after_the_run_was_put_back_into_the_queue_is_named() -> None:
    put_back = replace(worked("first", 3, FIRST), state="queued", lease=None)
    assert foreign([QUEUED, FIRST, put_back]) == []
    assert foreign([QUEUED, FIRST, put_back, replace(worked("first", 4, put_back), state="running")]) != []


def test_a_double_of_an_uncertain_batch_is_marked_and_no_fault() -> None:
    verdict = Verdict("redis")
    verdict.count("append_only", Compared(frozenset(SOURCE), doubled=(1, 2)), marked=[1, 3], uncertain=25)
    assert (verdict.total("doubled"), verdict.total("uncertain"), verdict.total("uncertain_doubled")) == (1, 25, 1)


def result_of(**changes: Any) -> tuple[dict[str, Any], Wanted]:
    wanted = Wanted(kills=26)
    verdict = Verdict("redis")
    verdict.kills.update(dict.fromkeys(wanted.points, 2))
    verdict.count("sqlite_append", Compared(frozenset(SOURCE)))
    return {**merged([verdict.as_json()], wanted), **changes}, wanted


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, ""),
        ({"lost": 1}, "1 lost"),
        ({"doubled": 1}, "1 doubled"),
        ({"stuck": 1}, "1 stuck"),
        ({"stale": 1}, "1 stale"),
        ({"problems": ["no owner"]}, "no owner"),
        ({"kills": 25}, "only 25 of 26 kills"),
        ({"points": {"after_write": 0}}, "only 0 kills at after_write"),
    ],
)
def test_a_proof_fails_for_each_reason(changes: dict[str, Any], named: str) -> None:
    reasons = failures(*result_of(**changes))
    assert bool(reasons) is bool(named)
    assert named in " ".join(reasons)


def test_a_share_of_values_is_the_value_below_which_it_lies() -> None:
    assert (share([], 0.95), share([3.0, 1.0, 2.0], 0.5), share(list(map(float, range(100))), 0.95)) == (0.0, 2.0, 95.0)
