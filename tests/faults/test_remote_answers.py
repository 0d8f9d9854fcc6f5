"""What a remote destination has answered of a batch is kept while the rest of the batch waits."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from integrations.domain.guarantee import Guarantee
from integrations.domain.lifecycle import RunState
from integrations.models import Budget, DeadLetter, UncertainBatch
from integrations.services import dead_letters
from tests.faults.hostile import HostileServer
from tests.faults.remote_world import RESULTS, Remote
from tests.runs.listed import World

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault("F21", "F24")]


@pytest.mark.parametrize("guarantee", [Guarantee.IDEMPOTENCY_KEY, Guarantee.UPSERT_VERSIONED, Guarantee.APPEND_ONLY])
def test_records_that_were_refused_before_a_wait_are_dead_letters_after_it(
    remote_of: Callable[..., Remote],
    source: World,
    hostile_server: HostileServer,
    guarantee: Guarantee,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.faults.hostile.RETRY_AFTER_SECONDS", "60")
    remote = remote_of(guarantee, rules={"tolerance.set_aside_percent": 100}, records_per_request=5, **RESULTS)
    source.rows = [{"id": number, "amount": "1"} for number in range(10)]
    hostile_server.schedule.ask(["subset", "429"])
    run = remote.start()
    remote.slice(run)
    run.refresh_from_db()
    assert (run.state, run.error_code) == (RunState.QUEUED, "rate_limited")
    # The host is held back for everybody until the minute is over.
    Budget.objects.all().delete()
    run = remote.work(run)
    refused = [dead_letters.payload_of(letter)["id"] for letter in DeadLetter.objects.filter(run=run)]
    assert (run.state, run.read, run.set_aside, bool(refused)) == (RunState.SUCCEEDED, 10, len(refused), True)
    assert sorted([*remote.ids(), *refused]) == list(range(10))
    assert not UncertainBatch.objects.exists()
