"""Dead letters: by reason, one by one, sent again, and given up."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import AuditEntry
from integrations import encryption
from integrations.domain.lifecycle import DeadLetterState, RunState
from integrations.domain.mapping.reads import columns_read
from integrations.models import DeadLetter, IntegrationVersion, Run
from integrations.services import integrations
from integrations.services.run_progress import letter_binding
from integrations.views import dead_letters_actions
from integrations.views.dead_letters_detail import Failing, values_of
from tests.pages.moving import LIVE, MARKUP, Moving, moving
from tests.world import World, signed_in

__all__ = ["moving"]
# As on every page: session, person, membership, the live tail's end, other workspaces. Then reasons, rows, filters.
LIST_QUERIES = 5 + 3


def add_letter(moving: Moving, run: Run, payload: bytes, **changes: object) -> DeadLetter:
    values = {"batch_number": 1, "code": "answer_undecodable", "reason": "It is no JSON.", "is_record": True, **changes}
    letter = DeadLetter(workspace=run.workspace, integration=moving.deployment.integration, run=run, **values)
    letter.payload = encryption.encrypt(payload, bound_to=letter_binding(letter))
    letter.save()
    return letter


def states(moving: Moving) -> list[str]:
    return [letter.state for letter in moving.letters()]


def shown(moving: Moving, query: str = "") -> list[DeadLetter]:
    return list(moving.page(f"dead-letters/{query}").context["letters"])


# --- the list --------------------------------------------------------------------------------------------------------
def test_letters_are_counted_by_reason(moving: Moving) -> None:
    run = moving.run(good=1, bad=3)
    add_letter(moving, run, b'{"raw": "<"}', is_record=False)
    reasons = moving.page("dead-letters/").context["reasons"]
    assert [(reason.code, reason.field, reason.count, reason.records) for reason in reasons] == [
        ("conversion_failed", "amount", 3, 3),
        ("answer_undecodable", "", 1, 0),
    ]


def test_a_reason_narrows_the_list_and_lets_go_again(moving: Moving) -> None:
    run = moving.run(good=1, bad=2)
    add_letter(moving, run, b'{"raw": "<"}')
    reason = moving.page("dead-letters/").context["reasons"][0]
    page = moving.page(f"dead-letters/?{reason.query}").context
    assert (len(page["letters"]), page["total"], page["reasons"][0].is_chosen, page["reasons"][0].query) == (
        2,
        2,
        True,
        "",
    )


def test_without_letters_the_page_is_calm(moving: Moving) -> None:
    assert "No open dead letters" in moving.text("dead-letters/")


def test_filters_that_find_nothing_can_be_cleared(moving: Moving) -> None:
    moving.run(bad=1)
    assert "No dead letter fits" in moving.text("dead-letters/?state=discarded")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 2), ("?state=open", 2), ("?state=discarded", 1), ("?state=any", 3), ("?batch=1", 0), ("?batch=2", 2),
        ("?code=conversion_failed", 2), ("?code=nothing", 0), ("?field=amount", 2), ("?field=id", 0),
        (f"?run={UUID(int=1)}", 0),
    ],
)  # fmt: skip
def test_the_list_is_narrowed_by_its_filters(moving: Moving, query: str, found: int) -> None:
    moving.run(good=10, bad=3)
    DeadLetter.objects.filter(pk=moving.letters()[0].pk).update(state=DeadLetterState.DISCARDED)
    page = moving.page(f"dead-letters/{query}")
    assert len(page.context["letters"]) == found


def test_the_list_is_narrowed_to_a_run_and_an_integration(moving: Moving) -> None:
    first, second = moving.run(bad=1), moving.run(bad=2)
    assert len(shown(moving, f"?run={first.pk}")) == 1
    assert len(shown(moving, f"?run={second.pk}&integration={moving.deployment.integration_id}")) == 2


@pytest.mark.parametrize(
    "query", ["?state=x", "?run=1", "?batch=-1", "?integration='", "?before=x", "?batch=99999999999"]
)
def test_a_filter_that_is_none_is_refused_and_can_be_cleared(moving: Moving, query: str) -> None:
    response = moving.page(f"dead-letters/{query}")
    assert response.status_code == 400
    assert "This filter cannot be used" in response.content.decode()


def test_the_list_is_paged_by_id(moving: Moving) -> None:
    moving.run(bad=60)
    first = moving.page("dead-letters/").context
    older = moving.page(f"dead-letters/?{first['older']}").context
    assert [len(first["letters"]), len(older["letters"])] == [50, 10]
    assert moving.page(f"dead-letters/?{older['newer']}").context["letters"] == first["letters"]


def test_the_list_asks_the_database_as_often_for_many_rows(
    moving: Moving, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    moving.run(bad=30)
    client = signed_in(moving.world.owner)
    with django_assert_num_queries(LIST_QUERIES):
        client.get(moving.world.url("dead-letters/"))


def test_a_viewer_chooses_nothing(moving: Moving) -> None:
    moving.run(bad=1)
    text = moving.text("dead-letters/", moving.world.viewer)
    assert 'name="letter"' not in text
    assert "Redrive" not in text


def test_the_live_page_gets_the_rows_alone(moving: Moving) -> None:
    moving.run(bad=1)
    headers = {**LIVE, "HX-Target": "letters", "HX-Trigger": "letters"}
    text = moving.page("dead-letters/", headers=headers).content.decode()
    assert "Why they were set aside" in text
    assert "<html" not in text


# --- one letter ------------------------------------------------------------------------------------------------------
def test_a_letter_shows_its_record_with_the_failing_field_first(moving: Moving) -> None:
    moving.run(good=1, bad=1)
    page = moving.page(f"dead-letters/{moving.letters()[0].pk}/").context
    assert page["failing"] == Failing("amount", "upper(amount)", "decimal(12,2)", is_required=False)
    assert [(value.name, value.text, value.is_marked) for value in page["values"]] == [
        ("amount", "about 0", True),
        ("id", "1", False),
    ]


def test_the_record_is_not_for_those_who_may_not_see_payloads(moving: Moving) -> None:
    moving.run(good=1, bad=1)
    text = moving.text(f"dead-letters/{moving.letters()[0].pk}/", moving.world.operator)
    assert "Your role does not show the records of dead letters" in text
    assert "upper(amount)" in text
    assert "values" not in moving.page(f"dead-letters/{moving.letters()[0].pk}/", moving.world.operator).context


def test_what_never_was_a_record_is_shown_as_it_came(moving: Moving) -> None:
    run = moving.run()
    letter = add_letter(moving, run, b'{"raw": "<html>"}', is_record=False)
    text = moving.text(f"dead-letters/{letter.pk}/")
    assert "&lt;html&gt;" in text
    assert "mend it at its source" in text
    assert "Redrive this record" not in text


def test_a_filter_that_failed_is_shown(moving: Moving) -> None:
    run = moving.run()
    mapping = {**moving.deployment.version.mapping, "filter": "amount > 3"}
    IntegrationVersion.objects.filter(pk=run.version_id).update(mapping=mapping)
    letter = add_letter(moving, run, b'{"amount": null}', field="filter", code="filter_failed")
    assert moving.page(f"dead-letters/{letter.pk}/").context["failing"].expression == "amount > 3"


def test_a_newer_version_is_named_where_a_redrive_would_use_it(moving: Moving) -> None:
    moving.run(good=1, bad=1)
    version = moving.deployment.version
    flow = integrations.Flow(
        version.source, "rows", version.destination, "rows_out", mapping=version.mapping, write_mode="append"
    )
    made = integrations.add_version(integration=moving.deployment.integration, flow=flow, user=None)
    integrations.activate_version(deployment=moving.deployment, version=made)
    assert "A redrive uses version 2" in moving.text(f"dead-letters/{moving.letters()[0].pk}/")


def test_the_neighbours_are_those_of_the_filtered_list(moving: Moving) -> None:
    moving.run(bad=3)
    oldest, middle, newest = moving.letters()
    DeadLetter.objects.filter(pk=newest.pk).update(state=DeadLetterState.DISCARDED)
    plain = moving.page(f"dead-letters/{middle.pk}/").context
    wide = moving.page(f"dead-letters/{middle.pk}/?state=any").context
    assert (plain["newer"], plain["older"]) == (None, oldest.pk)
    assert (wide["newer"], wide["query"]) == (newest.pk, "state=any")
    assert moving.page(f"dead-letters/{middle.pk}/?state=x").context["older"] is None


def test_a_letter_of_another_workspace_is_not_there(moving: Moving, world: World) -> None:
    moving.run(bad=1)
    assert moving.page(f"dead-letters/{moving.letters()[0].pk}/", world.outsider).status_code == 404
    assert moving.page(f"dead-letters/{uuid4()}/").status_code == 404


def test_records_with_markup_are_shown_as_text(moving: Moving) -> None:
    moving.outside.rows = [{"id": 1, "amount": MARKUP}]
    moving.work(moving.start())
    for path in ("dead-letters/", f"dead-letters/{moving.letters()[0].pk}/"):
        assert "<script>alert" not in moving.text(path)
        assert "<img src=x" not in moving.text(path)


def test_values_say_their_kind() -> None:
    payload: dict[str, object] = {"a": None, "b": True, "c": 1.5, "d": {"x": [1]}, "e": [], "f": "text"}
    found = {value.name: (value.text, value.kind) for value in values_of(payload, None)}
    assert found == {
        "a": ("null", "null"), "b": ("true", "boolean"), "c": ("1.5", "number"), "d": ('{"x": [1]}', "object"),
        "e": ("[]", "list"), "f": ("text", "text"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("upper(amount)", {"amount"}), ("AMOUNT + id", {"amount", "id"}), ("ship_to ->> '$.city'", {"ship_to"}),
        ("'x'", set()), ("gone", set()), ("((", set()),
    ],
)  # fmt: skip
def test_an_expression_names_the_columns_that_it_reads(text: str, found: set[str]) -> None:
    assert columns_read(text, ["id", "amount", "ship_to"]) == found


# --- sending again ---------------------------------------------------------------------------------------------------
def test_chosen_letters_are_sent_again_and_their_run_is_opened(moving: Moving) -> None:
    moving.run(good=1, bad=3)
    chosen = moving.letters()[:2]
    response = moving.post("dead-letters/redrive/", {"letter": [letter.pk for letter in chosen]}, moving.world.operator)
    run = Run.objects.get(trigger="redrive")
    assert response.redirect_chain[-1][0].endswith(f"/runs/{run.pk}/")
    assert "2 records are sent again by numbers." in response.content.decode()
    assert states(moving) == ["redriving", "redriving", "open"]


@pytest.mark.django_db(transaction=True)  # the run reads letters in a thread of its own
def test_a_redrive_delivers_what_the_mapping_now_takes(moving: Moving) -> None:
    moving.run(good=1, bad=1)
    version = moving.deployment.version
    fields = [version.mapping["fields"][0], {**version.mapping["fields"][1], "type": "text"}]
    flow = integrations.Flow(
        version.source, "rows", version.destination, "rows_out", mapping={"fields": fields}, write_mode="append"
    )
    made = integrations.add_version(integration=moving.deployment.integration, flow=flow, user=None)
    integrations.activate_version(deployment=moving.deployment, version=made)
    moving.post("dead-letters/redrive/", {"letter": [moving.letters()[0].pk]})
    run = moving.work(Run.objects.get(trigger="redrive"))
    assert (run.state, moving.outside.stored[-1]) == (RunState.SUCCEEDED, {"id": 1, "amount": "ABOUT 0"})
    letter = moving.letters()[0]
    assert "It was sent again by" in moving.text(f"dead-letters/{letter.pk}/")


def test_everything_that_the_filter_shows_is_sent_again(moving: Moving) -> None:
    first, second = moving.run(bad=2), moving.run(good=1)
    add_letter(moving, second, b'{"id": 9}')
    moving.post("dead-letters/redrive/", {"everything": "1", "filter": f"run={first.pk}"})
    assert states(moving) == ["redriving", "redriving", "open"]


def test_a_record_that_two_runs_set_aside_is_one_open_letter_of_both(moving: Moving) -> None:
    first, second = moving.run(bad=1), moving.run(bad=1)
    letter, repeated = moving.letters()
    assert shown(moving) == shown(moving, f"?run={first.pk}") == shown(moving, f"?run={second.pk}") == [letter]
    assert shown(moving, f"?state=any&run={second.pk}") == [repeated]
    assert "2 runs" in moving.text("dead-letters/")
    assert f"/runs/{second.pk}/" in moving.text(f"dead-letters/{letter.pk}/")
    assert f"/dead-letters/{letter.pk}/" in moving.text(f"dead-letters/{repeated.pk}/")
    assert "dead-letters/redrive/" not in moving.text(f"dead-letters/{repeated.pk}/")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"letter": "x"},
        {"letter": str(UUID(int=1))},
        {"everything": "1", "filter": "state=x"},
        {"filter": "x" * 1001},
    ],
)
def test_a_choice_of_nothing_changes_nothing(moving: Moving, data: dict[str, str]) -> None:
    moving.run(bad=1)
    response = moving.post("dead-letters/redrive/", data)
    assert "No open dead letter was chosen" in response.content.decode()
    assert states(moving) == ["open"]


def test_letters_of_another_workspace_are_not_sent(moving: Moving, world: World) -> None:
    moving.run(bad=1)
    client = signed_in(world.outsider)
    client.post(f"/w/{world.other.slug}/dead-letters/redrive/", {"letter": [moving.letters()[0].pk]})
    assert states(moving) == ["open"]


def test_a_redrive_beside_an_active_run_is_refused_with_the_way_to_it(moving: Moving) -> None:
    moving.run(bad=1)
    active = moving.start()
    response = moving.post(
        "dead-letters/redrive/", {"letter": [moving.letters()[0].pk], "filter": "code=conversion_failed"}
    )
    assert f"/runs/{active.pk}/" in response.content.decode()
    assert response.redirect_chain[-1][0].endswith("dead-letters/?code=conversion_failed")
    assert states(moving) == ["open"]


def test_what_is_no_record_cannot_be_sent_again(moving: Moving) -> None:
    run = moving.run()
    letter = add_letter(moving, run, b'{"raw": "<"}', is_record=False)
    assert "can be redriven" in moving.post("dead-letters/redrive/", {"letter": [letter.pk]}).content.decode()
    assert not Run.objects.filter(trigger="redrive").exists()


# --- giving up -------------------------------------------------------------------------------------------------------
def test_a_discard_asks_why_first(moving: Moving) -> None:
    moving.run(bad=6)
    text = moving.post("dead-letters/discard/", {"letter": [letter.pk for letter in moving.letters()]}).content.decode()
    assert "will never reach the destination" in text
    assert "and 1 more" in text
    assert set(states(moving)) == {"open"}


def test_a_discard_without_a_reason_is_refused_at_the_field(moving: Moving) -> None:
    moving.run(bad=1)
    data = {"letter": [moving.letters()[0].pk], "confirm": "1", "reason": " "}
    response = moving.post("dead-letters/discard/", data)
    assert response.status_code == 400
    assert "A reason is required" in response.content.decode()
    assert states(moving) == ["open"]


def test_a_discard_keeps_the_reason_in_the_audit_log(moving: Moving) -> None:
    moving.run(bad=2)
    data = {"letter": [moving.letters()[0].pk], "confirm": "1", "reason": "Counted by hand.", "filter": "field=amount"}
    response = moving.post("dead-letters/discard/", data)
    assert states(moving) == ["discarded", "open"]
    assert response.redirect_chain[-1][0].endswith("dead-letters/?field=amount")
    assert AuditEntry.objects.get(action="dead_letter.discarded").after == {"reason": "Counted by hand."}
    assert "Discarded" in moving.text(f"dead-letters/{moving.letters()[0].pk}/")


def test_a_discard_of_nothing_says_so(moving: Moving) -> None:
    assert "No open dead letter was chosen" in moving.post("dead-letters/discard/").content.decode()


def test_an_operator_may_not_discard(moving: Moving) -> None:
    moving.run(bad=1)
    data = {"letter": [moving.letters()[0].pk], "confirm": "1", "reason": "x"}
    assert moving.post("dead-letters/discard/", data, moving.world.operator).status_code == 403
    assert "Discard" not in moving.text(f"dead-letters/{moving.letters()[0].pk}/", moving.world.operator)


def test_a_discard_of_very_many_says_where_it_ends(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters_actions, "DISCARD_AT_MOST", 2)
    moving.run(bad=3)
    text = moving.post("dead-letters/discard/", {"everything": "1"}).content.decode()
    assert "One discard takes 2 at most" in text
