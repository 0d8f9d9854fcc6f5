"""Pages of connectors: list, catalogue, the declared form with its test, detail, deletion."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.domain.roles import ROLE_PERMISSIONS, Role
from accounts.models import AuditEntry
from accounts.request_context import Actor, acting_as
from integrations.connectors import registry
from integrations.models import Connector
from tests.pages.connectors_world import (
    CANARY,
    HTMX,
    XSS,
    check,
    files_form,
    folder,
    make_credential,
    make_files,
    make_policy,
    make_rest,
    owner,
    page,
    post,
    rest_form,
    text_of,
    use,
)
from tests.world import World, signed_in

__all__ = ["folder", "owner"]
pytestmark = pytest.mark.django_db


# --- the list ---------------------------------------------------------------------------------------------------------


def test_the_list_says_of_each_connector_how_it_is_and_who_uses_it(world: World, folder: Path) -> None:
    connector = make_files(world)
    use(world, connector)
    check(connector, world)
    text = page(world.viewer, world.url("connectors/"))
    assert "Order files" in text
    assert "healthy" in text
    assert f"?connector={connector.pk}" in text
    assert 'data-live="connector credential integration"' in text


def test_an_empty_list_says_what_a_connector_is_and_offers_the_first(world: World) -> None:
    assert "No connectors yet" in page(world.owner, world.url("connectors/"))
    assert "New connector" not in page(world.viewer, world.url("connectors/"))


@pytest.mark.parametrize(
    ("query", "is_there"),
    [
        ({"q": "order"}, True),
        ({"q": "nothing"}, False),
        ({"plugin": "files", "environment": "production", "state": "unknown"}, True),
        ({"state": "ok"}, False),
        ({"after": "A"}, True),
        ({"before": "A"}, False),
    ],
)
def test_the_address_narrows_the_list(world: World, query: dict[str, Any], is_there: bool) -> None:
    make_files(world)
    assert ("Order files" in page(world.viewer, world.url("connectors/"), **query)) is is_there


def test_a_filter_that_does_not_exist_is_refused_with_a_way_back(world: World) -> None:
    assert "Clear the filters" in page(world.viewer, world.url("connectors/"), 400, state="nonsense")


def test_the_list_goes_on_by_name_and_back(world: World) -> None:
    with acting_as(Actor(user=world.owner)):
        for number in range(51):
            make_files(world, f"name {number:02d}")
    first = page(world.viewer, world.url("connectors/"))
    second = page(world.viewer, world.url("connectors/"), after="name 49")
    assert "?after=name+49" in first
    assert "name 50" not in first
    assert "?before=name+50" in second
    assert "name 49" in page(world.viewer, world.url("connectors/"), before="name 50")


def test_htmx_gets_the_rows_alone(world: World) -> None:
    text = text_of(signed_in(world.viewer).get(world.url("connectors/"), **HTMX))
    assert text.lstrip().startswith('<section class="card card-flush" id="connectors"')


def test_the_list_asks_as_often_for_ten_connectors_as_for_one(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    use(world, make_files(world, "first"))
    client = signed_in(world.viewer)
    client.get(world.url("connectors/"))
    with django_assert_num_queries(6):
        client.get(world.url("connectors/"), **HTMX)
    for number in range(9):
        use(world, make_files(world, f"c{number}"), f"flow-{number}")
    with django_assert_num_queries(6):
        client.get(world.url("connectors/"), **HTMX)


def test_names_are_text_wherever_they_stand(world: World, folder: Path) -> None:
    connector = make_files(world, XSS)
    for path in (
        "connectors/",
        f"connectors/{connector.pk}/",
        f"connectors/{connector.pk}/edit/",
        f"connectors/{connector.pk}/delete/",
    ):
        text = page(world.owner, world.url(path))
        assert XSS not in text
        assert "&lt;script&gt;" in text


# --- the catalogue and the form ---------------------------------------------------------------------------------------


def test_the_catalogue_shows_each_plugin_with_what_it_can_promise(world: World) -> None:
    text = page(world.builder, world.url("connectors/new/"))
    for plugin in registry.PLUGINS:
        assert plugin.spec.label in text
        assert f"?plugin={plugin.spec.key}" in text
    assert "Exactly once" in text


def test_a_plugin_that_does_not_exist_leads_back_to_the_catalogue(world: World) -> None:
    assert "There is no connector plugin" in page(world.builder, world.url("connectors/new/"), 400, plugin="fax")


@pytest.mark.parametrize("plugin", registry.PLUGINS, ids=lambda plugin: plugin.spec.key)
def test_the_form_asks_for_every_declared_setting(world: World, plugin: type) -> None:
    spec = plugin.spec  # type: ignore[attr-defined]
    text = page(world.builder, world.url("connectors/new/"), plugin=spec.key)
    for setting in spec.settings:
        assert f'name="setting-{setting.name}"' in text
    assert ('name="credential"' in text) is bool(spec.credential_kinds)


def test_a_setting_that_depends_on_another_says_on_which(world: World) -> None:
    text = page(world.builder, world.url("connectors/new/"), plugin="rest_api")
    assert 'data-depends-on="setting-paging"' in text
    assert "data-off" in text
    assert "Matters where Paging is" in text


def test_a_connector_is_made_as_the_form_says(world: World, owner: Client) -> None:
    policy = make_policy(world)
    answer = post(owner, world.url("connectors/new/?plugin=files"), files_form(policy=str(policy.pk)))
    connector = Connector.objects.get()
    assert answer["Location"] == world.url(f"connectors/{connector.pk}/")
    assert (connector.environment, connector.policy, connector.settings["pattern"]) == ("staging", policy, "*.csv")
    assert connector.settings["header"] is True


def test_an_unticked_box_means_no(world: World, owner: Client) -> None:
    form = files_form()
    del form["setting-header"]
    post(owner, world.url("connectors/new/?plugin=files"), form)
    assert Connector.objects.get().settings["header"] is False


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "This field is required."),
        ({"setting-base_url": "shop"}, "begins with https://"),
        ({"setting-streams": '[\n{"name": ]'}, "in line 2"),
        ({"setting-streams": "NaN"}, "cannot be stored"),
        ({"setting-streams": "[" * 5000}, "Streams"),
        ({"setting-paging": "carousel"}, "is one of the choices"),
        ({"setting-paging": "page", "setting-page_size": "many"}, "is a whole number"),
        ({"setting-paging": "page", "setting-page_size": "0"}, "is between 1 and"),
        ({"credential": str(uuid4())}, "not one of the available choices"),
    ],
)
def test_what_cannot_be_used_is_said_at_its_field(
    world: World, owner: Client, change: dict[str, object], message: str
) -> None:
    form = rest_form("https://shop.example.org", **change)
    text = text_of(post(owner, world.url("connectors/new/?plugin=rest_api"), form, 400))
    assert message in text.replace("&#x27;", "'")
    assert not Connector.objects.exists()


def test_the_faulty_line_of_json_is_shown(world: World, owner: Client) -> None:
    form = rest_form("https://shop.example.org", **{"setting-streams": '[\n  {"name": "a",\n   path}\n]'})
    text = text_of(post(owner, world.url("connectors/new/?plugin=rest_api"), form, 400))
    assert "<code>path}</code>" in text


def test_only_credentials_that_fit_can_be_chosen(world: World) -> None:
    make_credential(world, "Shop key")
    assert "Shop key" in page(world.builder, world.url("connectors/new/"), plugin="rest_api")
    assert "Shop key" not in page(world.builder, world.url("connectors/new/"), plugin="postgres")


def test_a_name_that_is_taken_is_refused(world: World, owner: Client) -> None:
    make_files(world)
    text = text_of(post(owner, world.url("connectors/new/?plugin=files"), files_form(), 409))
    assert "There is already a connector" in text


def test_an_edit_that_changes_what_is_tested_forgets_the_verdict(world: World, owner: Client, folder: Path) -> None:
    connector = make_files(world)
    check(connector, world)
    url = world.url(f"connectors/{connector.pk}/edit/")
    post(owner, url, files_form(name="Renamed", **{"setting-pattern": "*.csv"}))
    connector.refresh_from_db()
    assert (connector.name, connector.check_state) == ("Renamed", "ok")
    post(owner, url, files_form(name="Renamed", **{"setting-pattern": "orders*"}))
    connector.refresh_from_db()
    assert (connector.check_state, connector.check_state_since, connector.check_ms) == ("unknown", None, None)


def test_the_edit_form_shows_what_is_stored(world: World) -> None:
    connector = make_rest(world, make_credential(world), "https://shop.example.org")
    text = page(world.builder, world.url(f"connectors/{connector.pk}/edit/"))
    assert 'value="https://shop.example.org"' in text
    assert "&quot;path&quot;: &quot;/items&quot;" in text
    assert CANARY not in text


# --- one connector ----------------------------------------------------------------------------------------------------


def test_the_detail_page_says_all_that_is_known(world: World, folder: Path) -> None:
    make_policy(world, "House rules", is_default=True, retry__attempts=8)
    connector = make_files(world)
    use(world, connector)
    check(connector, world)
    text = page(world.builder, world.url(f"connectors/{connector.pk}/"))
    assert "reads orders.csv, writes copies" in text
    assert "House rules" in text
    assert "passed" in text
    assert "Comma" in text
    assert f"connectors/{connector.pk}/streams/" in text


def test_the_state_alone_is_what_changes_live(world: World) -> None:
    connector = make_files(world)
    text = page(world.viewer, world.url(f"connectors/{connector.pk}/"), part="state")
    assert text.lstrip().startswith("<section")
    assert f'data-live="connector:{connector.pk}"' in text


def test_the_streams_are_shown_with_their_columns(world: World, folder: Path) -> None:
    connector = make_files(world)
    text = page(world.builder, world.url(f"connectors/{connector.pk}/streams/"))
    assert "orders.csv" in text
    assert "<code>amount</code>" in text
    assert "No stream fits" in page(world.builder, world.url(f"connectors/{connector.pk}/streams/"), q="zzz")


def test_without_scripts_the_streams_come_with_the_page(world: World, folder: Path) -> None:
    connector = make_files(world)
    assert "<code>amount</code>" in page(world.builder, world.url(f"connectors/{connector.pk}/") + "?streams")


def test_streams_that_cannot_be_asked_for_say_why(world: World, folder: Path) -> None:
    connector = make_files(world, path="nowhere")
    text = page(world.builder, world.url(f"connectors/{connector.pk}/streams/"))
    assert "It does not say what it offers" in text


def test_an_older_version_counts_as_a_use(world: World, owner: Client) -> None:
    connector = make_files(world)
    use(world, connector)
    text = text_of(post(owner, world.url(f"connectors/{connector.pk}/delete/"), {"confirm": "Order files"}, 409))
    assert "is used by orders-copy" in text
    assert Connector.objects.exists()


def test_a_connector_is_deleted_when_its_name_is_typed(world: World, owner: Client) -> None:
    url = world.url(f"connectors/{make_files(world).pk}/delete/")
    assert "That is not Order files." in text_of(post(owner, url, {"confirm": "order"}, 400))
    assert post(owner, url, {"confirm": "Order files"})["Location"] == world.url("connectors/")
    assert not Connector.objects.exists()


# --- who may ----------------------------------------------------------------------------------------------------------


def test_a_viewer_reads_and_changes_nothing(world: World) -> None:
    connector = make_files(world)
    text = page(world.viewer, world.url(f"connectors/{connector.pk}/"))
    assert "Test now" not in text
    assert "Your role does not show what the other system offers" in text
    for path in ("new/", f"{connector.pk}/edit/", f"{connector.pk}/delete/", f"{connector.pk}/streams/"):
        page(world.viewer, world.url(f"connectors/{path}"), 403)
    post(signed_in(world.operator), world.url(f"connectors/{connector.pk}/check/"), {}, 403)


def test_a_role_that_may_not_use_credentials_chooses_none(
    world: World, owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential = make_credential(world)
    monkeypatch.setitem(ROLE_PERMISSIONS, Role.OWNER, ROLE_PERMISSIONS[Role.OWNER] - {"credential.use"})
    form = rest_form("https://shop.example.org", credential=str(credential.pk), action="test")
    post(owner, world.url("connectors/new/?plugin=rest_api"), form, 403)
    assert not AuditEntry.objects.filter(action="credential.tried").exists()


def test_a_connector_of_another_workspace_is_not_there(world: World) -> None:
    connector = make_files(world)
    for path in ("", "edit/", "delete/", "streams/"):
        response = signed_in(world.outsider).get(f"/w/{world.other.slug}/connectors/{connector.pk}/{path}")
        assert response.status_code == 404
