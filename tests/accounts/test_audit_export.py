"""The audit log leaves as CSV or lines of JSON: whole, harmless to spreadsheets, and not unnoticed."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.db import DatabaseError, connection, transaction

from accounts import audit, audit_keys
from accounts.domain.audit_chain import Columns, signature
from accounts.domain.csv_cells import safe_cell
from accounts.models import AuditEntry, User
from accounts.request_context import acting_as
from accounts.services import audit_export
from tests.world import Answer, World, signed_in, token_text, with_token

FORMULA = "=HYPERLINK(1)"


def write(world: World, action: str = "test.done", count: int = 3) -> None:
    for _ in range(count):
        with acting_as(world.owner), transaction.atomic():
            audit.record(workspace=world.workspace, action=action, object=world.workspace, after={"note": FORMULA})


def by_page(world: World, user: User, **given: str) -> Answer:
    return signed_in(user).post(world.url("audit/export/"), {"format": "jsonl", **given})


def by_api(world: World, user: User, query: str = "", chosen: str = "jsonl") -> Answer:
    client = with_token(token_text(user, world.workspace))
    return client.post(world.api_url(f"audit-entries/export/{query}"), {"format": chosen}, format="json")


def lines_of(response: Answer) -> list[dict[str, object]]:
    return [json.loads(line) for line in response.content.decode().splitlines()]


def test_lines_of_json_hold_what_it_takes_to_check_the_signatures(world: World) -> None:
    write(world)
    for line in lines_of(by_page(world, world.auditor)):
        columns = Columns._make(line[name] for name in Columns._fields)
        assert signature(audit_keys.ring()[columns.key_id], columns, str(line["prev"])) == line["mac"]


def test_an_export_stands_in_the_log_and_does_not_hold_itself(world: World) -> None:
    write(world)
    response = by_page(world, world.auditor, action="test.")
    assert [line["seq"] for line in lines_of(response)] == [1, 2, 3]
    entry = AuditEntry.objects.get(action="audit.exported")
    assert (entry.actor, entry.after) == (
        world.auditor,
        {"format": "jsonl", "entries": 3, "filters": {"action": "test."}},
    )
    assert 'filename="audit-acme.jsonl"' in response.headers["Content-Disposition"]


def test_what_cannot_be_told_is_not_handed_out(world: World) -> None:
    write(world)
    client = signed_in(world.auditor)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER no_audit BEFORE INSERT ON accounts_auditentry BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
    client.raise_request_exception = True
    with pytest.raises(DatabaseError):
        client.post(world.url("audit/export/"), {"format": "csv"})


@pytest.mark.security("SEC-097")
@pytest.mark.parametrize("begin", list("=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20"))
@pytest.mark.parametrize("before", ["", " ", '"', "'", " \u00a0\"'", "\u200b", "\ufeff"])
def test_a_cell_that_begins_like_a_formula_is_marked_as_text(begin: str, before: str) -> None:
    assert safe_cell(f"{before}{begin}cmd|' /C calc'!A0").startswith("'" + before + begin)


@pytest.mark.security("SEC-097")
@pytest.mark.parametrize("value", ["-1", "-2.5", "12", "", "plain", "a=b", "e-mail@example.org", " ", -3, None, '"'])
def test_numbers_and_harmless_texts_stay_as_they_are(value: object) -> None:
    assert safe_cell(value) == ("" if value is None else str(value))


@pytest.mark.security("SEC-097")
def test_no_cell_of_the_exported_table_is_a_formula(world: World) -> None:
    type(world.workspace).objects.filter(pk=world.workspace.pk).update(name=FORMULA)
    world.workspace.refresh_from_db()
    write(world, count=1)
    rows = list(csv.DictReader(io.StringIO(by_page(world, world.auditor, format="csv").content.decode())))
    assert (rows[0]["object_label"], rows[0]["after"]) == (f"'{FORMULA}", json.dumps({"note": FORMULA}))
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]


@pytest.mark.security("SEC-038")
@pytest.mark.parametrize("name", ["viewer", "operator", "builder"])
def test_who_may_not_export_gets_nothing_and_it_is_told(world: World, name: str) -> None:
    write(world)
    answers = [by_page(world, getattr(world, name)), by_api(world, getattr(world, name))]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert AuditEntry.objects.filter(action="access.denied").count() == 2
    assert not AuditEntry.objects.filter(action="audit.exported").exists()


@pytest.mark.security("SEC-037", "SEC-038")
def test_an_export_holds_nothing_of_another_workspace(world: World) -> None:
    with acting_as(world.outsider), transaction.atomic():
        audit.record(workspace=world.other, action="canary.sung", object=world.other)
    assert b"canary" not in by_page(world, world.owner).content + by_api(world, world.owner).content
    assert by_page(world, world.outsider).status_code == 404


@pytest.mark.parametrize("query", ["?action=test.other", "?after_seq=3", "?q=OTHER", "?object_type=workspace&q=other"])
def test_the_api_exports_what_its_filters_leave(world: World, query: str) -> None:
    token_text(world.owner, world.workspace)
    write(world, count=2)
    write(world, "test.other", count=1)
    found = {line["action"] for line in lines_of(by_api(world, world.owner, query))}
    assert found - {"token.created"} == {"test.other"}


def test_a_csv_comes_through_the_api_too(world: World) -> None:
    response = by_api(world, world.owner, chosen="csv")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.content.startswith(b'"seq","at","actor_label"')


@pytest.mark.parametrize("given", [{"format": "xlsx"}, {"since": "yesterday"}, {"actor": "x"}])
def test_filters_that_are_none_are_refused(world: World, given: dict[str, str]) -> None:
    assert by_page(world, world.owner, **given).status_code == 400


def test_more_than_fits_is_refused_with_a_way_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_export, "MOST", 2)
    write(world)
    response = by_api(world, world.owner)
    assert (response.status_code, response.json()["code"]) == (400, "audit_export_too_large")
    assert "parts" in response.json()["what_to_do"]


def test_a_search_finds_people_actions_objects_and_requests(world: World) -> None:
    write(world, count=1)
    client = signed_in(world.auditor)
    for words, found in (("OWNER@", 1), ("Acme", 1), ("test.d", 1), ("100%", 0), (str(world.workspace.pk), 1)):
        response = client.get(world.url("audit/"), {"q": words})
        assert len(response.context["entries"]) == found, words


def test_only_who_may_export_sees_the_buttons(world: World) -> None:
    write(world)
    assert b"audit/export/" in signed_in(world.auditor).get(world.url("audit/")).content
    assert b'name="q" value="x' not in signed_in(world.auditor).get(world.url("audit/?q=x%22")).content
