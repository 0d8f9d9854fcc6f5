"""The test of a connector, before it is saved and after: a clear verdict, and no secret in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings
from pytest_httpserver import HTTPServer

from accounts.models import AuditEntry
from integrations.models import Connector
from tests.connectors.rest_world import as_json, serve
from tests.pages.connectors_world import (
    CANARY,
    HTMX,
    check,
    files_form,
    folder,
    make_credential,
    make_files,
    make_rest,
    owner,
    post,
    rest_form,
    stored_texts,
    text_of,
)
from tests.world import World

__all__ = ["folder", "owner"]
pytestmark = pytest.mark.django_db


def test_what_was_entered_can_be_tested_before_it_is_saved(world: World, owner: Client, folder: Path) -> None:
    form = files_form(name="", action="test")
    text = text_of(post(owner, world.url("connectors/new/?plugin=files"), form, 200, **HTMX))
    assert "It works" in text
    assert 'data-verdict="ok"' in text
    assert " ms" in text
    assert text.lstrip().startswith("<form")
    assert not Connector.objects.exists()


def test_a_test_that_fails_says_why_and_what_to_do(world: World, owner: Client, folder: Path) -> None:
    form = files_form(action="test", **{"setting-path": "nowhere"})
    text = text_of(post(owner, world.url("connectors/new/?plugin=files"), form, 200))
    assert "It does not work" in text
    assert "<!DOCTYPE html>" in text
    assert "code <code>" in text


def test_a_test_of_what_cannot_be_used_says_so_at_its_field(world: World, owner: Client) -> None:
    form = rest_form("shop", action="test")
    text = text_of(post(owner, world.url("connectors/new/?plugin=rest_api"), form, 200, **HTMX))
    assert "data-verdict" not in text
    assert "begins with https://" in text


def test_sending_a_credential_somewhere_leaves_a_trace(world: World, owner: Client) -> None:
    credential = make_credential(world)
    form = rest_form("http://127.0.0.1:9", action="test", credential=str(credential.pk))
    text = text_of(post(owner, world.url("connectors/new/?plugin=rest_api"), form, 200))
    assert "It does not work" in text
    entry = AuditEntry.objects.get(action="credential.tried")
    assert entry.after is not None
    assert entry.after["settings"]["base_url"] == "http://127.0.0.1:9"
    assert CANARY not in stored_texts() + text


def test_no_secret_comes_back_from_a_system_that_repeats_it(
    world: World, owner: Client, httpserver: HTTPServer, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.EGRESS_ALLOW = (f"{httpserver.host}:{httpserver.port}",)
    seen = serve(httpserver, lambda request: as_json({"error": request.headers["Authorization"]}, status="nonsense"))
    base = f"http://{httpserver.host}:{httpserver.port}"
    credential = make_credential(world)
    connector = make_rest(world, credential, base)
    form = rest_form(base, action="test", credential=str(credential.pk))
    texts = [
        text_of(post(owner, world.url("connectors/new/?plugin=rest_api"), form, 200)),
        text_of(post(owner, world.url(f"connectors/{connector.pk}/check/"), {}, 200, **HTMX)),
        text_of(owner.get(world.url(f"connectors/{connector.pk}/streams/"))),
        text_of(owner.get(world.url(f"connectors/{connector.pk}/"))),
    ]
    assert all(CANARY in request.headers["Authorization"] for request in seen)
    assert len(seen) >= 3
    assert CANARY not in "".join(texts) + stored_texts() + caplog.text


def test_a_stored_connector_is_tested_in_place(world: World, owner: Client, folder: Path) -> None:
    connector = make_files(world)
    text = text_of(post(owner, world.url(f"connectors/{connector.pk}/check/"), {}, 200, **HTMX))
    assert 'id="connector-state"' in text
    assert "healthy" in text
    connector.refresh_from_db()
    assert connector.check_state == "ok"


@pytest.mark.parametrize(("path", "word"), [("", "found, and"), ("nowhere", "folder")])
def test_without_scripts_the_verdict_comes_with_the_next_page(
    world: World, owner: Client, folder: Path, path: str, word: str
) -> None:
    connector = make_files(world, path=path)
    answer = owner.post(world.url(f"connectors/{connector.pk}/check/"), follow=True)
    assert word in text_of(answer)


def test_a_verdict_about_old_settings_is_not_stored(world: World, folder: Path) -> None:
    connector = make_files(world)
    Connector.objects.update(settings={"format": "jsonl"})
    check(connector, world)
    assert Connector.objects.get().check_state == "unknown"
