"""The status page, as strangers see it."""

from __future__ import annotations

from django.test import Client

from accounts.models import StatusPage, Workspace
from integrations.models import Connector
from tests.pages.moving import LIVE, MARKUP, Moving, moving
from tests.world import World

__all__ = ["moving"]


def open_to_all(world: World) -> None:
    Workspace.objects.filter(pk=world.workspace.pk).update(status_page=StatusPage.PUBLIC)


def seen(world: World, headers: dict[str, str] | None = None) -> str:
    response = Client().get(f"/status/{world.workspace.slug}/", headers=headers)
    assert response.status_code == 200
    return str(response.content.decode())


def test_a_closed_page_is_not_there_for_strangers(world: World) -> None:
    assert Client().get("/status/acme/").status_code == 404


def test_a_member_sees_the_closed_page(moving: Moving) -> None:
    client = Client()
    client.force_login(moving.world.viewer)
    assert "Back to Signalbox" in client.get("/status/acme/").content.decode()


def test_strangers_see_states_and_no_way_into_the_product(moving: Moving) -> None:
    moving.run()
    open_to_all(moving.world)
    text = seen(moving.world)
    for words in ("numbers", "working", "Connectors", "Workers", "Last runs", "succeeded"):
        assert words in text
    assert "/w/acme/" not in text
    assert "Search or jump to" not in text


def test_the_page_goes_live_by_addresses_without_a_session(moving: Moving) -> None:
    open_to_all(moving.world)
    assert 'data-live-base="/status/acme/"' in seen(moving.world)


def test_the_live_part_is_the_lists_alone(moving: Moving) -> None:
    open_to_all(moving.world)
    text = seen(moving.world, headers=LIVE)
    assert "status-verdict" in text
    assert "<html" not in text


def test_an_empty_workspace_says_what_is_missing(world: World) -> None:
    open_to_all(world)
    text = seen(world)
    for words in ("No integration has been set up.", "No system is connected.", "Nothing has run yet."):
        assert words in text


def test_no_error_and_no_setting_reaches_strangers(moving: Moving) -> None:
    run = moving.run()
    open_to_all(moving.world)
    Connector.objects.update(settings={"base_url": "https://inner.example"}, check_message="secret host")
    type(run).objects.update(error_message="secret cause", state="failed", worker="host:1")
    text = seen(moving.world)
    assert not {word for word in ("inner.example", "secret host", "secret cause", "host:1") if word in text}


def test_names_with_markup_are_shown_as_text(moving: Moving) -> None:
    open_to_all(moving.world)
    Connector.objects.update(name=MARKUP[:80])
    Workspace.objects.filter(pk=moving.world.workspace.pk).update(name=MARKUP[:80])
    assert "<script>alert" not in seen(moving.world)
