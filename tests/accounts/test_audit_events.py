"""What is no change stands in the audit log, too: refusals, bounded, and the use of secrets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from accounts.models import AuditEntry
from accounts.services import denials
from tests.world import World, signed_in, token_text, with_token


def refusals(world: World) -> list[AuditEntry]:
    return list(AuditEntry.objects.of(world.workspace).filter(action="access.denied").order_by("seq"))


@pytest.mark.security("SEC-038")
def test_a_member_who_is_refused_a_page_stands_in_the_log(world: World) -> None:
    assert signed_in(world.viewer).get(world.url("audit/")).status_code == 403
    (entry,) = refusals(world)
    assert (entry.actor, entry.after) == (
        world.viewer,
        {"permission": "audit.read", "method": "GET", "path": world.url("audit/")},
    )


@pytest.mark.security("SEC-038")
def test_a_token_that_is_refused_through_the_api_stands_in_the_log(world: World) -> None:
    client = with_token(token_text(world.owner, world.workspace, "run.read"))
    assert client.get(world.api_url("audit-entries/")).status_code == 403
    (entry,) = refusals(world)
    assert entry.token is not None
    assert entry.after
    assert entry.after["permission"] == "audit.read"


@pytest.mark.parametrize("path", ["audit/", "nothing-here/"])
def test_what_is_not_there_for_somebody_is_no_refusal(world: World, path: str) -> None:
    assert signed_in(world.outsider).get(world.url(path)).status_code == 404
    assert not AuditEntry.objects.filter(action="access.denied").exists()


def test_refusals_do_not_flood_the_log_and_the_last_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denials, "MOST", 3)
    for _ in range(5):
        signed_in(world.viewer).get(world.url("audit/"))
    assert [bool((entry.after or {}).get("note")) for entry in refusals(world)] == [False, False, True]
    signed_in(world.operator).get(world.url("audit/"))
    assert len(refusals(world)) == 4


def test_after_an_hour_refusals_are_told_again(
    world: World, monkeypatch: pytest.MonkeyPatch, time_machine: Any
) -> None:
    monkeypatch.setattr(denials, "MOST", 1)
    signed_in(world.viewer).get(world.url("audit/"))
    time_machine.move_to(timezone.now() + timedelta(minutes=61))
    signed_in(world.viewer).get(world.url("audit/"))
    assert len(refusals(world)) == 2


def test_where_the_refusal_cannot_be_told_nothing_is_shown_either(world: World) -> None:
    client = signed_in(world.viewer)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER no_audit BEFORE INSERT ON accounts_auditentry BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
    client.raise_request_exception = True
    with pytest.raises(DatabaseError):
        client.get(world.url("audit/"))
