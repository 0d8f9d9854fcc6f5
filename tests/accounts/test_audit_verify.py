"""`manage.py audit verify`: what was done to the log behind the product's back is named."""

from __future__ import annotations

import json
import os
import socket
import stat
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from pytest_httpserver import HTTPServer

from accounts import audit
from accounts.models import AuditCounter, AuditEntry, audit_guard
from accounts.request_context import acting_as
from accounts.services.audit_anchors import Anchorer, line_of, parse
from accounts.services.audit_verify import verify
from config.anchors import destination_of, to_file, to_webhook
from integrations.errors import NeedsPerson
from tests.accounts.test_audit_chain import either_database, migrated_postgres
from tests.world import World, build_world

__all__ = ["either_database", "migrated_postgres"]
ENTRIES = 6
_ENTRY = "accounts_auditentry"


@pytest.fixture
def log(either_database: str) -> World:
    """A workspace and the instance with a few entries each."""
    world = build_world()
    write(world, ENTRIES)
    return world


def write(world: World, count: int) -> None:
    for number in range(count):
        with acting_as(world.owner), transaction.atomic():
            audit.record(workspace=world.workspace, action="test.done", object=world.workspace, after={"n": number})
            audit.record(workspace=None, action="test.done", object=world.owner)


def as_superuser(*statements: str) -> None:
    """What a superuser of the database can do who knows no key: switch the triggers off, change, and on again."""
    audit_guard.remove(connection)
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    audit_guard.install(connection)


def anchors() -> list[str]:
    return [line_of(head) for head in AuditCounter.objects.all()]


def kinds(lines: list[str] | None = None) -> list[str]:
    return [finding.kind for finding in verify(parse(lines or []).good).findings]


def test_an_untouched_log_fits(log: World) -> None:
    verdict = verify(parse(anchors()).good)
    assert (verdict.findings, verdict.entries, verdict.scopes, verdict.anchors) == ([], 2 * ENTRIES, 2, 2)


OF_WORKSPACE = "workspace_id IS NOT NULL"
TAMPERINGS = {
    "another action": (f"UPDATE {_ENTRY} SET action = 'x' WHERE seq = 3 AND {OF_WORKSPACE}", "altered"),
    "another address": (f"UPDATE {_ENTRY} SET ip = '203.0.113.1' WHERE seq = 1 AND {OF_WORKSPACE}", "altered"),
    "another value": (f"UPDATE {_ENTRY} SET after = '{{}}' WHERE seq = 2 AND {OF_WORKSPACE}", "altered"),
    "no signature": (f"UPDATE {_ENTRY} SET mac = '' WHERE seq = 2 AND {OF_WORKSPACE}", "unsigned"),
    "an unknown key": (f"UPDATE {_ENTRY} SET key_id = 'ffffffff' WHERE seq = 2 AND {OF_WORKSPACE}", "unknown_key"),
    "one deleted": (f"DELETE FROM {_ENTRY} WHERE seq = 3 AND {OF_WORKSPACE}", "gap"),
    "the first deleted": (f"DELETE FROM {_ENTRY} WHERE seq = 1 AND {OF_WORKSPACE}", "gap"),
    "the last deleted": (f"DELETE FROM {_ENTRY} WHERE seq = {ENTRIES} AND {OF_WORKSPACE}", "counter"),
    "all deleted": (f"DELETE FROM {_ENTRY} WHERE {OF_WORKSPACE}", "counter"),
    "moved to the instance": (f"UPDATE {_ENTRY} SET workspace_id = NULL, seq = 7 WHERE seq = 6 AND {OF_WORKSPACE}",
                              "altered"),
    "counted on": ("UPDATE accounts_auditcounter SET last = last + 1", "counter"),
    "no counters": ("DELETE FROM accounts_auditcounter", "counter"),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_was_changed_is_named(log: World, name: str) -> None:
    statement, kind = TAMPERINGS[name]
    as_superuser(statement)
    assert kind in kinds()


def test_a_link_that_was_changed_with_its_signature_is_found(log: World) -> None:
    """The signature holds the one before; taking another entry's pair fits neither."""
    entry = AuditEntry.objects.get(workspace=log.workspace, seq=4)
    as_superuser(
        f"UPDATE {_ENTRY} SET prev = '{entry.prev}', mac = '{entry.mac}' WHERE seq = 3 AND {OF_WORKSPACE}",
    )
    assert kinds() == ["altered"]


CUT = (
    f"DELETE FROM {_ENTRY} WHERE seq > 3 AND {OF_WORKSPACE}",
    f"""UPDATE accounts_auditcounter SET last = 3, mac = (SELECT mac FROM {_ENTRY} WHERE seq = 3 AND {OF_WORKSPACE})
    WHERE scope = (SELECT DISTINCT workspace_id FROM {_ENTRY} WHERE {OF_WORKSPACE})""",
)


def test_an_end_that_was_cut_off_shows_against_an_anchor_and_only_there(log: World) -> None:
    before = anchors()
    as_superuser(*CUT)
    assert kinds() == []
    assert kinds(before) == ["truncated"]


def test_an_end_that_was_cut_off_and_written_anew_shows_against_an_anchor(log: World) -> None:
    before = anchors()
    as_superuser(*CUT)
    write(log, ENTRIES)
    assert kinds() == []
    assert kinds(before) == ["rewritten"]


def test_an_anchor_that_nobody_sealed_is_named_with_its_line(log: World) -> None:
    good = anchors()
    forged = good[0].replace('"seq": 6', '"seq": 5')
    found = parse(["", good[1], f"Nov 21 host signalbox-audit: {good[0]}", forged])
    assert (len(found.good), found.finding and found.finding.seq) == (2, 4)
    assert parse(["nonsense"]).finding


def test_missing_triggers_are_a_finding(log: World) -> None:
    audit_guard.remove(connection)
    assert kinds() == ["triggers"]
    audit_guard.install(connection)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", ["before = '{'", "action = CAST(x'ff' AS TEXT)"])
def test_what_the_product_cannot_have_written_is_a_finding(change: str) -> None:
    write(build_world(), ENTRIES)
    unchecked = "PRAGMA ignore_check_constraints"
    as_superuser(f"{unchecked} = ON", f"UPDATE {_ENTRY} SET {change} WHERE seq = 1", f"{unchecked} = OFF")
    assert kinds() == ["unreadable", "unreadable"]


@pytest.fixture
def anchor_file(tmp_path: Path, settings: Any) -> Path:
    path = tmp_path / "deep" / "anchors.jsonl"
    settings.AUDIT_ANCHOR = f"file:{path}"
    return path


def command(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    with suppress(SystemExit):
        call_command("audit", "verify", *arguments, "--json", stdout=out)
    return dict(json.loads(out.getvalue()))


def test_the_command_takes_the_configured_anchors_and_ends_with_1(log: World, anchor_file: Path) -> None:
    to_file(anchor_file, anchors())
    assert command()["ok"]
    as_superuser(*CUT)
    answer = command("--workspace", log.workspace.slug)
    assert (answer["findings"][0]["kind"], answer["findings"][0]["seq"], answer["anchors"]) == ("truncated", 4, 1)
    assert command("--workspace", log.other.slug)["ok"]


def test_the_command_says_it_in_words(log: World, anchor_file: Path) -> None:
    out = StringIO()
    call_command("audit", "verify", stdout=out)
    assert out.getvalue().startswith(f"Everything fits: {2 * ENTRIES} entries in 2 chains, against no anchors")
    as_superuser(CUT[0])
    with pytest.raises(SystemExit, match="1"):
        call_command("audit", "verify", stdout=out)
    assert f"{log.workspace.pk}, entry 3: counter." in out.getvalue()


@pytest.mark.parametrize("arguments", [("--workspace", "nowhere"), ("--anchors", "/nowhere/at/all")])
def test_the_command_refuses_what_is_not_there(db: None, arguments: tuple[str, str]) -> None:
    with pytest.raises(CommandError):
        call_command("audit", "verify", *arguments)


def test_only_changed_heads_are_anchored(log: World) -> None:
    lines: list[str] = []
    anchorer = Anchorer(lines.extend)
    assert [anchorer.anchor(), anchorer.anchor()] == [2, 0]
    with acting_as(log.owner), transaction.atomic():
        audit.record(workspace=log.workspace, action="test.done", object=log.workspace)
    assert (anchorer.anchor(), len(lines)) == (1, 3)
    assert kinds(lines) == []


def test_anchors_that_could_not_be_written_stay_due(log: World) -> None:
    def full(_: list[str]) -> None:
        raise OSError("no room")

    anchorer = Anchorer(full)
    for _ in range(2):
        with pytest.raises(OSError, match="no room"):
            anchorer.anchor()


def test_the_file_is_appended_to_and_nobody_else_reads_it(anchor_file: Path) -> None:
    for line in ("one", "two"):
        to_file(anchor_file, [line])
    assert anchor_file.read_text() == "one\ntwo\n"
    assert stat.S_IMODE(anchor_file.stat().st_mode) == 0o600


def test_a_link_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        to_file(tmp_path / "link", ["one"])


def test_the_local_log_gets_a_line_for_each_anchor(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(os.fspath(tmp_path / "log"))
        destination_of(f"syslog:{tmp_path / 'log'}")(["one", "two"])
        assert [log.recv(100) for _ in range(2)] == [b"<86>signalbox-audit: one", b"<86>signalbox-audit: two"]


def test_a_web_address_gets_them_through_the_guard(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/anchors", method="POST", json={"anchors": [{"a": 1}]}).respond_with_data("", 204)
    to_webhook(httpserver.url_for("/anchors"), (f"{httpserver.host}:{httpserver.port}",), ['{"a": 1}'])
    httpserver.check()
    with pytest.raises(NeedsPerson):
        to_webhook(httpserver.url_for("/anchors"), (), ['{"a": 1}'])


@pytest.mark.parametrize("setting", ["", "file:", "http://example.org/", "ftp://example.org/", "off"])
def test_an_anchor_that_goes_nowhere_is_refused(setting: str) -> None:
    with pytest.raises(ImproperlyConfigured):
        destination_of(setting)
