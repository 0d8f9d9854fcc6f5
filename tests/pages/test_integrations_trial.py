"""What the editor shows while somebody types: streams, proposal, preview and next times."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from integrations.connectors import registry
from integrations.forms.integration_rules import RuleRow, free_id, with_proposal
from integrations.services.sample_memory import ShortMemory
from integrations.views.integrations_samples import try_mapping
from integrations.views.integrations_words import cron_words, interval_words
from tests.pages.integration_pages import connector, form, outside
from tests.runs.listed import Listed
from tests.runs.listed import World as Outside
from tests.world import World, signed_in

__all__ = ["outside"]
pytestmark = pytest.mark.django_db


def get(world: World, path: str, **query: str) -> str:
    response = signed_in(world.builder).get(world.url(f"integrations/{path}"), query)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def post(world: World, path: str, *rules: tuple[str, str, str], **changes: Any) -> str:
    sent = form(world.workspace, *rules, **changes)
    response = signed_in(world.builder).post(world.url(f"integrations/{path}"), sent)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_a_source_says_what_it_offers(world: World, outside: Outside) -> None:
    shown = get(world, "streams/", source=str(connector(world.workspace).pk), source_stream="rows")
    assert 'data-value="rows" aria-pressed="true"' in shown
    assert "2 columns of rows · cursor id" in shown
    assert 'data-column="amount"' in shown


def test_cursor_and_key_are_proposed_where_nothing_was_said(world: World, outside: Outside) -> None:
    source = str(connector(world.workspace).pk)
    assert 'id="id_primary_key" value="id"' in get(world, "streams/", source=source, source_stream="rows")
    said = get(world, "streams/", source=source, source_stream="rows", primary_key="amount", cursor_field="x")
    assert "hx-swap-oob" not in said


@pytest.mark.parametrize("query", [{}, {"source": ""}, {"source": "nonsense"}])
def test_without_a_source_there_is_nothing_to_offer(world: World, outside: Outside, query: dict[str, str]) -> None:
    assert "chip" not in get(world, "streams/", **query)


def test_a_source_that_does_not_answer_says_so_and_lets_one_go_on(world: World, outside: Outside) -> None:
    shown = get(world, "streams/", source=str(connector(world.workspace, "busy", "busy").pk))
    assert "The shop asks to slow down." in shown
    assert "You can type the stream's name meanwhile." in shown
    assert "Try again" in shown


def test_the_connectors_of_others_are_asked_for_nothing(world: World, outside: Outside) -> None:
    assert "chip" not in get(world, "streams/", source=str(connector(world.other, "theirs").pk))
    assert "Nothing to try yet" in post(world, "preview/", source=str(connector(world.other, "theirs").pk))


def test_the_proposal_adds_what_is_missing_and_keeps_what_was_typed(world: World, outside: Outside) -> None:
    shown = post(world, "propose/", ("id", "id * 2", "integer"), filter="id > 1")
    assert "id * 2" in shown
    assert 'value="amount"' in shown
    assert shown.count("data-rule=") == 2
    assert "id &gt; 1</textarea>" in shown


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": ""}, "Choose the source and its stream first."),
        ({"source_stream": "gone"}, "The source has no stream “gone”."),
    ],
)
def test_a_proposal_that_cannot_be_made_says_why(
    world: World, outside: Outside, changes: dict[str, str], message: str
) -> None:
    assert message in post(world, "propose/", **changes)


def test_a_proposal_needs_known_columns(world: World, outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    class Blind(Listed):
        def discover(self) -> Any:
            return [replace(stream, schema=None) for stream in super().discover()]

    monkeypatch.setitem(registry.CONNECTORS, "listed", Blind)
    assert "known only when it is read" in post(world, "propose/")


def test_a_busy_source_makes_no_proposal_and_keeps_the_rows(world: World, outside: Outside) -> None:
    shown = post(world, "propose/", source=str(connector(world.workspace, "busy", "busy").pk))
    assert "The shop asks to slow down." in shown
    assert shown.count("data-rule=") == 2


def test_the_preview_shows_what_became_of_each_record(world: World, outside: Outside) -> None:
    shown = post(world, "preview/", ("id", "id", "integer"), ("amount", "amount", "decimal"), filter="id < 3")
    assert "1 accepted" in shown
    assert "1 filtered" in shown
    assert "1 rejected" in shown
    assert "1 of 3 samples: " in shown
    assert "<dd>12.5" in shown


def test_one_wrong_expression_hides_no_other_fields_values(world: World, outside: Outside) -> None:
    shown = post(world, "preview/", ("id", "id", "integer"), ("a", "uper(amount)", "text"))
    assert "<mark>uper</mark>(amount)" in shown
    assert "e.g.</span> <code>1</code>" in shown
    assert 'id="note-r1" hx-swap-oob="true"' in shown


def test_a_column_that_is_not_there_is_found_by_the_sample(world: World, outside: Outside) -> None:
    assert "Did you mean &#x27;amount&#x27;?" in post(world, "preview/", ("a", "amonut", "text"))


def test_a_filter_that_fails_for_a_record_is_said_at_the_filter(world: World, outside: Outside) -> None:
    shown = post(world, "preview/", filter="CAST(amount AS INTEGER) > 1")
    assert "1 of 3 samples: The filter cannot be evaluated" in shown


def test_a_wrong_type_is_said_and_the_rest_is_tried(world: World, outside: Outside) -> None:
    shown = post(world, "preview/", ("id", "id", "integer"), ("a", "amount", "decimal"), **{"digits-r1": "x"})
    assert "There is no type" in shown
    assert "3 accepted" in shown


def test_nothing_typed_yet_is_said_as_such(world: World, outside: Outside) -> None:
    shown = post(world, "preview/", row=[])
    assert "Nothing to try yet" in shown
    assert "data-tone" not in shown


def test_a_source_that_fails_leaves_the_checks_of_the_expressions(world: World, outside: Outside) -> None:
    shown = post(world, "preview/", ("a", "uper(x)", "text"), source=str(connector(world.workspace, "busy", "busy").pk))
    assert "No sample could be read" in shown
    assert "Wait a moment, then try again." in shown
    assert "<mark>uper</mark>" in shown


def test_who_may_not_see_records_still_gets_the_checks(world: World, outside: Outside) -> None:
    trial = try_mapping(
        source=connector(world.workspace),
        stream="rows",
        rows=[RuleRow("r0", "a", "uper(x)")],
        condition="",
        may_sample=False,
    )
    assert trial.is_denied
    assert not trial.records
    assert trial.sheet.is_wrong


def test_an_empty_stream_is_said_to_be_empty(world: World, outside: Outside) -> None:
    outside.rows = []
    assert "The stream has no record" in post(world, "preview/")


def test_values_are_text_whatever_they_hold(world: World, outside: Outside) -> None:
    outside.rows = [{"id": 1, "amount": "<script>alert(1)</script>"}]
    assert "<script>alert(1)" not in post(world, "preview/")


def test_typing_asks_the_source_once_a_minute(world: World, outside: Outside) -> None:
    post(world, "preview/")
    post(world, "preview/", ("id", "id + 1", "integer"))
    assert len(outside.reads) == 1


def test_a_short_memory_forgets_with_time_and_keeps_nothing_large() -> None:
    now = [0.0]
    memory = ShortMemory[str](seconds=10, values_at_most=2, bytes_at_most=5, size_of=len)
    made: list[str] = []

    def ask(key: str, value: str) -> str:
        def make() -> str:
            made.append(value)
            return value

        return memory.get(key, make, lambda: now[0])

    assert [ask("a", "one"), ask("a", "two")] == ["one", "one"]
    now[0] = 11
    assert ask("a", "three") == "three"
    assert [ask("b", "too large"), ask("b", "too large")] == ["too large"] * 2
    ask("c", "c"), ask("d", "d"), ask("a", "again")
    assert made == ["one", "three", "too large", "too large", "c", "d", "again"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"schedule": ""}, "No schedule"),
        ({"schedule": "interval", "every": "10", "every_unit": "60"}, "The next five times"),
        ({"schedule": "cron", "cron": "0 6 * * *", "time_zone": "Europe/Vienna"}, "as Europe/Vienna has them"),
        ({"schedule": "cron", "cron": "soon"}, "is not a cron expression"),
        ({"schedule": "sometimes"}, "No schedule"),
    ],
)
def test_the_next_times_follow_what_is_typed(world: World, query: dict[str, str], message: str) -> None:
    assert message in get(world, "times/", **query)


def test_a_viewer_is_told_nothing_of_a_source(world: World, outside: Outside) -> None:
    client = signed_in(world.viewer)
    for path in ("preview/", "propose/"):
        assert client.post(world.url(f"integrations/{path}"), form(world.workspace)).status_code == 403
    assert client.get(world.url("integrations/streams/")).status_code == 403


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("30 6 * * *", "at 06:30 every day"),
        ("0 9 * * 1-5", "at 09:00 on weekdays"),
        ("15 * * * *", "every hour at :15"),
        ("*/5 * * * *", "every 5 minutes"),
        ("0 0 1 * *", "0 0 1 * *"),
        ("0 6-9 * * *", "0 6-9 * * *"),
        ("@daily", "@daily"),
    ],
)
def test_common_cron_expressions_are_told_in_words(cron: str, words: str) -> None:
    assert cron_words(cron) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "every second"), (90, "every 90 seconds"), (7200, "every 2 hours"), (86400, "every day")]
)
def test_an_interval_is_told_in_its_largest_unit(seconds: int, words: str) -> None:
    assert interval_words(seconds) == words


def test_a_proposed_row_never_takes_the_name_of_another() -> None:
    rows = [RuleRow("r1", "a", "a"), RuleRow("r0", "b", "b")]
    added = with_proposal(rows, {"fields": [{"target": "c", "expression": "c", "type": "text"}]}, ())
    assert [row.id for row in added] == ["r1", "r0", "r2"]
    assert free_id(added) == "r3"
