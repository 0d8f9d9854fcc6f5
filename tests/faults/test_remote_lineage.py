"""Items that a remote destination refuses in a redrive come from the letters that were sent, whoever sends them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from integrations.domain.guarantee import Guarantee
from integrations.domain.lifecycle import DeadLetterState, Outcome, RunState
from integrations.models import DeadLetter, Run
from integrations.services import dead_letters
from tests.faults.hostile import HostileServer
from tests.faults.remote_world import RESULTS, Remote
from tests.runs.listed import World

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault("F22", "F26")]
ALL = [Guarantee.IDEMPOTENCY_KEY, Guarantee.UPSERT_VERSIONED, Guarantee.APPEND_ONLY]
PATIENT = {"tolerance.set_aside_percent": 100}


@pytest.fixture
def refused_of(
    remote_of: Callable[..., Remote], source: World
) -> Callable[[Guarantee], tuple[Remote, list[DeadLetter]]]:
    """Five records that the destination does not like, three of them corrected since, and two that cannot be mapped."""

    def make(guarantee: Guarantee, **rules: object) -> tuple[Remote, list[DeadLetter]]:
        remote = remote_of(guarantee, rules={**PATIENT, **rules}, **RESULTS)
        source.rows = [{"id": -number, "amount": "1"} for number in (1, 2, 3, 4, 5)]
        source.rows += [{"id": None, "amount": "1"}, {"id": None, "amount": "2"}]
        remote.work(remote.start())
        letters = sorted(DeadLetter.objects.all(), key=lambda letter: -(record_id(letter) or -99))
        for number, letter in enumerate(letters[:3]):
            dead_letters.edit(letter=letter, record={"id": number, "amount": "1"}, user=None)
        return remote, letters

    return make


def record_id(letter: DeadLetter) -> int | None:
    found: int | None = dead_letters.payload_of(letter)["id"]
    return found


def redrive(remote: Remote) -> Run:
    return dead_letters.redrive(deployment=remote.deployment, letter_ids=None, user=None)


def check(remote: Remote, letters: list[DeadLetter]) -> None:
    """Three were written; of the other four each has one open letter, which came from it."""
    open_letters = DeadLetter.objects.of(remote.deployment.workspace).filter(state=DeadLetterState.OPEN)
    came = {letter.origin_id: record_id(letter) for letter in open_letters}
    assert came == {letter.pk: record_id(letter) for letter in letters[3:]}
    outcomes = dict(DeadLetter.objects.filter(state="redriven").values_list("pk", "outcome"))
    expected = [Outcome.WRITTEN] * 3 + [Outcome.SET_ASIDE] * 4
    assert outcomes == {letter.pk: outcome for letter, outcome in zip(letters, expected, strict=True)}
    assert set(remote.ids()) == {0, 1, 2}


@pytest.mark.parametrize("guarantee", ALL)
def test_a_refused_item_of_a_redrive_names_the_letter_that_was_sent(
    refused_of: Callable[..., tuple[Remote, list[DeadLetter]]], guarantee: Guarantee
) -> None:
    remote, letters = refused_of(guarantee)
    run = remote.work(redrive(remote))
    assert (run.state, run.read, run.written, run.set_aside) == (RunState.SUCCEEDED, 7, 3, 4)
    check(remote, letters)


@pytest.mark.parametrize("point", ["after_prepare", "before_send", "after_write", "before_commit"])
@pytest.mark.parametrize("guarantee", ALL)
def test_a_worker_that_dies_in_a_redrive_leaves_every_letter_its_origin(
    refused_of: Callable[..., tuple[Remote, list[DeadLetter]]], guarantee: Guarantee, point: str
) -> None:
    remote, letters = refused_of(guarantee)
    run = redrive(remote)
    assert remote.die(run, point)
    run = remote.work(run)
    assert (run.state, run.read, run.written, run.set_aside) == (RunState.SUCCEEDED, 7, 3, 4)
    check(remote, letters)


@pytest.mark.parametrize("guarantee", ALL)
def test_a_redrive_that_takes_over_what_another_has_sent_keeps_the_origins(
    refused_of: Callable[..., tuple[Remote, list[DeadLetter]]], hostile_server: HostileServer, guarantee: Guarantee
) -> None:
    remote, letters = refused_of(guarantee, **{"retry.attempts": 1})
    hostile_server.schedule.ask(["500_after"])
    failed = remote.work(redrive(remote))
    assert failed.state == RunState.FAILED
    standing = DeadLetter.objects.of(failed.workspace).filter(state=DeadLetterState.OPEN)
    assert {letter.pk for letter in standing} == {letter.pk for letter in letters}
    run = remote.work(redrive(remote))
    assert (run.state, run.read, run.written, run.set_aside) == (RunState.SUCCEEDED, 7, 3, 4)
    check(remote, letters)
