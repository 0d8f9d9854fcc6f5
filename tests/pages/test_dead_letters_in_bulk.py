"""Page: many dead letters corrected at once by expressions."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from accounts.models import AuditEntry
from integrations.domain.lifecycle import DeadLetterState, RunState
from integrations.models import DeadLetter, Run
from integrations.services import dead_letters
from tests.pages.moving import MARKUP, Moving, moving
from tests.world import Answer, signed_in

__all__ = ["moving"]
COMMITTED = pytest.mark.django_db(transaction=True)
ALL = {"everything": "1", "filter": ""}
MENDED = {**ALL, "set-field": "amount", "set-expression": "regexp_extract(amount, '[0-9]+')"}


def post(moving: Moving, data: Mapping[str, object], who: str = "owner") -> Answer:
    return signed_in(getattr(moving.world, who)).post(moving.world.url("dead-letters/correct/"), data)


def amounts() -> list[object]:
    return [dead_letters.record_of(letter)["amount"] for letter in DeadLetter.objects.order_by("id")]


def test_the_list_leads_to_the_correction_and_back(moving: Moving) -> None:
    moving.run(good=1, bad=3)
    assert "/dead-letters/correct/" in moving.text("dead-letters/")
    page = post(moving, ALL)
    assert [name for name, _ in page.context["columns"]] == ["id", "amount"]
    assert "3 open dead letters chosen" in page.content.decode()


def test_what_would_change_is_shown_and_nothing_is_kept(moving: Moving) -> None:
    moving.run(good=1, bad=3)
    page = post(moving, {**MENDED, "act": "try"})
    text = page.content.decode()
    assert '<del class="muted">about 0</del>' in text
    assert "<ins>0</ins>" in text
    assert (page.context["preview"].changed, page.context["preview"].written) == (3, 3)
    assert amounts() == ["about 0", "about 1", "about 2"]


@COMMITTED
def test_the_ticked_letters_alone_are_corrected_and_redriven(moving: Moving) -> None:
    moving.run(good=1, bad=3)
    ticked = [str(letter.pk) for letter in moving.letters()[:2]]
    given = {**MENDED, "everything": "", "letter": ticked, "act": "redrive"}
    answer = post(moving, given)
    run = Run.objects.get(trigger="redrive")
    assert answer.url.endswith(f"/runs/{run.pk}/")
    assert (moving.work(run).state, run.written) == (RunState.SUCCEEDED, 2)
    assert amounts() == ["0", "1", "about 2"]
    assert [letter.state for letter in moving.letters()] == ["redriven", "redriven", "open"]


def test_a_group_by_reason_is_corrected_and_audited(moving: Moving) -> None:
    moving.run(good=1, bad=3)
    other = moving.letters()[0]
    DeadLetter.objects.filter(pk=other.pk).update(code="record_refused")
    answer = post(moving, {**MENDED, "filter": "code=conversion_failed&field=amount", "act": "apply"})
    assert answer.url.endswith("/dead-letters/?code=conversion_failed&field=amount")
    assert amounts() == ["about 0", "1", "2"]
    entry = AuditEntry.objects.get(action="dead_letter.edited_in_bulk")
    assert (entry.actor, (entry.after or {})["letters"]) == (moving.world.owner, 2)


@pytest.mark.parametrize(
    ("expression", "words"), [("amont", "Did you mean"), ("read_text('x')", "field-error"), ("", "at least one field")]
)
def test_what_cannot_be_used_is_said_at_its_place_and_nothing_is_kept(
    moving: Moving, expression: str, words: str
) -> None:
    moving.run(good=1, bad=1)
    page = post(moving, {**MENDED, "set-expression": expression, "act": "apply"})
    assert page.status_code == 400
    assert words in page.content.decode()
    assert amounts() == ["about 0"]


def test_another_row_is_added_and_what_was_written_stays(moving: Moving) -> None:
    moving.run(good=1, bad=1)
    page = post(moving, {**MENDED, "act": "more"})
    assert [row.expression for row, _ in page.context["rows"]] == [MENDED["set-expression"], ""]


@pytest.mark.parametrize("who", ["viewer", "operator", "outsider"])
def test_records_are_corrected_by_those_alone_who_may_see_them(moving: Moving, who: str) -> None:
    moving.run(good=1, bad=1)
    assert post(moving, {**MENDED, "act": "apply"}, who).status_code in (403, 404)
    assert amounts() == ["about 0"]


def test_where_nothing_is_chosen_the_list_says_so(moving: Moving) -> None:
    moving.run(good=1, bad=1)
    DeadLetter.objects.update(state=DeadLetterState.DISCARDED)
    assert post(moving, MENDED).url.endswith("/dead-letters/")


def test_markup_in_records_and_expressions_is_text(moving: Moving) -> None:
    moving.outside.rows = [{"id": 1, "amount": MARKUP}]
    moving.work(moving.start())
    text = post(moving, {**MENDED, "set-expression": f"concat(amount, '{MARKUP.replace(chr(39), '')}')", "act": "try"})
    assert "<script>alert(1)" not in text.content.decode()
    assert "&lt;script&gt;" in text.content.decode()
