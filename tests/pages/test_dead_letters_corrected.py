"""Dead letters: corrected by hand, tried before they are sent again, found by words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from types import SimpleNamespace

import pytest

from accounts.errors import Conflict
from accounts.models import AuditEntry
from integrations.domain.lifecycle import DeadLetterState, RunState
from integrations.models import DeadLetter, Run
from integrations.services import dead_letters, integrations
from integrations.services.policies import save_policy
from tests.pages.moving import MAPPING, Moving, moving
from tests.pages.test_dead_letters import add_letter
from tests.world import Answer, signed_in

__all__ = ["moving"]
# A redrive reads its letters in a thread of its own, which sees only what is committed.
COMMITTED = pytest.mark.django_db(transaction=True)
CORRECT = {"name": ["id", "amount"], "kind": ["number", "text"], "value": ["10", "2.50"]}


def post(moving: Moving, path: str, data: Mapping[str, object], who: str = "owner") -> Answer:
    return signed_in(getattr(moving.world, who)).post(moving.world.url(path), data)


def letter_of(moving: Moving) -> DeadLetter:
    moving.run(good=3, bad=1)
    return moving.letters()[0]


@COMMITTED
def test_a_corrected_record_is_kept_beside_what_was_read_and_redriven(moving: Moving) -> None:
    letter = letter_of(moving)
    response = post(moving, f"dead-letters/{letter.pk}/edit/", {**CORRECT, "redrive": "1"})
    run = Run.objects.get(trigger="redrive")
    assert response.url.endswith(f"/runs/{run.pk}/")
    assert moving.work(run).state == RunState.SUCCEEDED
    letter.refresh_from_db()
    assert (letter.state, dead_letters.payload_of(letter)["amount"]) == (DeadLetterState.REDRIVEN, "about 0")
    assert dead_letters.record_of(letter) == {"id": 10, "amount": "2.50"}
    assert {"id": 10, "amount": Decimal("2.50")} in moving.outside.stored


def test_the_letter_shows_what_was_corrected_and_the_audit_log_names_the_field_alone(moving: Moving) -> None:
    letter = letter_of(moving)
    post(moving, f"dead-letters/{letter.pk}/edit/", CORRECT)
    text = moving.text(f"dead-letters/{letter.pk}/")
    assert '<del class="muted">about 0</del>' in text
    assert "<ins>2.50</ins>" in text
    entry = AuditEntry.objects.get(action="dead_letter.edited")
    assert entry.after == {"fields": ["amount", "id"], "taken_back": False}


def test_a_correction_to_what_was_read_takes_it_back(moving: Moving) -> None:
    letter = letter_of(moving)
    read = dead_letters.payload_of(letter)
    edited = dead_letters.edit(letter=letter, record={**read, "amount": "1"}, user=None)
    assert dead_letters.edit(letter=edited, record=read, user=None).edited == ""


def test_a_value_that_is_none_of_its_kind_is_shown_at_its_field_and_nothing_is_saved(moving: Moving) -> None:
    letter = letter_of(moving)
    response = post(moving, f"dead-letters/{letter.pk}/edit/", {**CORRECT, "value": ["ten", "2.50"]})
    assert response.status_code == 400
    assert "This is no JSON" in response.content.decode()
    letter.refresh_from_db()
    assert letter.edited == ""


def test_a_value_in_a_field_that_says_null_is_refused_and_not_thrown_away(moving: Moving) -> None:
    letter = letter_of(moving)
    given = {"name": ["id", "amount"], "kind": ["number", "null"], "value": ["10", "2.50"]}
    response = post(moving, f"dead-letters/{letter.pk}/edit/", given)
    assert response.status_code == 400
    assert "null has no value" in response.content.decode()
    assert ">2.50</textarea>" in response.content.decode()
    assert not DeadLetter.objects.get(pk=letter.pk).edited


def test_the_form_marks_the_field_that_the_failing_expression_reads(moving: Moving) -> None:
    text = moving.text(f"dead-letters/{letter_of(moving).pk}/edit/")
    assert text.count("read by what failed") == 1
    assert text.index(">amount <span") < text.index("read by what failed")


def test_two_people_who_correct_one_letter_do_not_overwrite_each_other(moving: Moving) -> None:
    letter = letter_of(moving)
    other = DeadLetter.objects.get(pk=letter.pk)
    dead_letters.edit(letter=other, record={"id": 1}, user=None)
    with pytest.raises(Conflict):
        dead_letters.edit(letter=letter, record={"id": 2}, user=None)
    assert dead_letters.record_of(DeadLetter.objects.get(pk=letter.pk)) == {"id": 1}


@COMMITTED
def test_what_never_became_a_record_is_filled_in_by_hand_and_then_redriven(moving: Moving) -> None:
    run = moving.run(good=1, bad=1)
    letter = add_letter(moving, run, b'{"raw": "10;2.50"}', is_record=False)
    page = moving.page(f"dead-letters/{letter.pk}/edit/")
    assert [row.name for row in page.context["rows"]] == ["id", "amount"]
    assert "10;2.50" in page.content.decode()
    post(moving, f"dead-letters/{letter.pk}/edit/", {**CORRECT, "redrive": "1"})
    assert moving.work(Run.objects.get(trigger="redrive")).written == 1


def test_what_was_read_and_is_json_fills_the_form(moving: Moving) -> None:
    raw = json.dumps({"id": 10, "amount": ["much"], "more": 1})
    letter = add_letter(moving, moving.run(good=1, bad=1), json.dumps({"raw": raw}).encode(), is_record=False)
    rows = moving.page(f"dead-letters/{letter.pk}/edit/").context["rows"]
    assert [(row.name, row.kind, row.text) for row in rows] == [("id", "number", "10"), ("amount", "json", '["much"]')]


def test_the_form_says_what_would_become_of_the_record_before_it_is_saved(moving: Moving) -> None:
    letter = letter_of(moving)
    assert "would be set aside again" in moving.text(f"dead-letters/{letter.pk}/edit/")
    answer = post(moving, f"dead-letters/{letter.pk}/try/", CORRECT).content.decode()
    assert "would be written" in answer
    letter.refresh_from_db()
    assert letter.edited == ""


def test_a_letter_that_is_resolved_cannot_be_corrected(moving: Moving) -> None:
    letter = letter_of(moving)
    dead_letters.discard(letters=[letter], reason="gone")
    assert "This letter is discarded" in moving.text(f"dead-letters/{letter.pk}/edit/")
    assert post(moving, f"dead-letters/{letter.pk}/edit/", CORRECT).status_code == 409


@pytest.mark.parametrize("who", ["viewer", "operator"])
def test_a_record_is_corrected_by_those_alone_who_may_see_it(moving: Moving, who: str) -> None:
    letter = letter_of(moving)
    assert post(moving, f"dead-letters/{letter.pk}/edit/", CORRECT, who).status_code == 403


def test_a_trial_counts_what_a_redrive_would_do_and_changes_nothing(moving: Moving) -> None:
    moving.run(good=1, bad=3)
    first = moving.letters()[0]
    dead_letters.edit(letter=first, record={"id": 10, "amount": "2.50"}, user=None)
    page = post(moving, "dead-letters/try/", {"everything": "1", "filter": ""})
    trial = page.context["trials"][0]["trial"]
    assert (trial.tried, trial.written, trial.set_aside, trial.filtered) == (3, 1, 2, 0)
    assert trial.reasons == (("conversion_failed", "amount", 2),)
    assert {letter.state for letter in moving.letters()} == {DeadLetterState.OPEN}
    assert not Run.objects.filter(trigger="redrive").exists()


def test_a_trial_maps_by_another_version_where_it_is_asked_to(moving: Moving) -> None:
    moving.run(good=1, bad=2)
    mapping = {**MAPPING, "fields": [MAPPING["fields"][0]]}
    version = moving.deployment.version
    flow = integrations.Flow(version.source, "rows", version.destination, "rows_out", mapping, write_mode="append")
    version = integrations.add_version(integration=moving.deployment.integration, flow=flow, user=None)
    chosen = {"everything": "1", "filter": "", f"version-{moving.deployment.integration_id}": version.number}
    trial = post(moving, "dead-letters/try/", chosen).context["trials"][0]["trial"]
    assert (trial.version, trial.written) == (version.number, 2)


def test_letters_are_found_by_words_of_their_reason(moving: Moving) -> None:
    moving.run(good=1, bad=2)
    assert len(moving.page("dead-letters/?q=amount+conversion").context["letters"]) == 2
    assert len(moving.page("dead-letters/?q=nothing").context["letters"]) == 0


@COMMITTED
def test_a_redrive_keeps_to_the_rate_of_the_policy(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    moving.run(good=1, bad=5)
    rules = {"redrive.records_per_second": 2}
    save_policy(
        workspace=moving.world.workspace, policy=None, name="slow", description="", rules=rules, is_default=True
    )
    waits: list[float] = []
    # The clock stands still, so that a slow machine waits no less.
    clock = SimpleNamespace(sleep=waits.append, monotonic=lambda: 0.0)
    monkeypatch.setattr("integrations.services.redriven.time", clock)
    run = dead_letters.redrive(deployment=moving.deployment, letter_ids=None, user=None)
    assert moving.work(run).batches == 3
    assert waits == [1.0, 1.0, 0.5]


def call(moving: Moving, method: str, path: str, body: dict[str, object]) -> Answer:
    client = signed_in(moving.world.owner)
    return client.generic(method, f"/api/v1/workspaces/acme/dead-letters/{path}", json.dumps(body), "application/json")


def test_the_api_corrects_a_record_and_tries_it(moving: Moving) -> None:
    letter = letter_of(moving)
    assert call(moving, "PUT", f"{letter.pk}/payload/", {"record": {"id": 10, "amount": "2.50"}}).json() == {
        "payload": {"id": 3, "amount": "about 0"},
        "corrected": {"id": 10, "amount": "2.50"},
    }
    given = {"integration": str(moving.deployment.integration_id), "all": True}
    tried = call(moving, "POST", "try/", given).json()
    assert (tried["tried"], tried["written"], tried["rows"][0]["verdict"]) == (1, 1, "written")


def test_the_api_refuses_a_record_without_fields(moving: Moving) -> None:
    assert call(moving, "PUT", f"{letter_of(moving).pk}/payload/", {"record": {}}).status_code == 400


@COMMITTED
def test_both_letters_of_a_record_that_is_set_aside_again_lead_to_each_other_with_their_reasons(moving: Moving) -> None:
    old = letter_of(moving)
    run = moving.work(dead_letters.redrive(deployment=moving.deployment, letter_ids=None, user=None))
    new = moving.letters()[-1]
    text = moving.text(f"dead-letters/{old.pk}/")
    assert "and set aside again as" in text
    assert ">set aside again</span>" in text
    assert f"/dead-letters/{new.pk}/" in text
    assert text.count("cannot be made into decimal(12,2)") >= 2
    newer = moving.text(f"dead-letters/{new.pk}/")
    assert "Came from" in newer
    assert f"/dead-letters/{old.pk}/" in newer
    assert f"/runs/{run.pk}/" in newer


@COMMITTED
def test_the_list_shows_a_record_once_that_was_set_aside_again(moving: Moving) -> None:
    letter_of(moving)
    moving.work(dead_letters.redrive(deployment=moving.deployment, letter_ids=None, user=None))
    assert [letter.pk for letter in moving.page("dead-letters/").context["letters"]] == [moving.letters()[-1].pk]
