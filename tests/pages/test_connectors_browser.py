"""The form of a connector in a browser: fields that come and go, a credential made beside it, a test, a save."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_httpserver import HTTPServer

from integrations.models import Connector, Credential
from tests.connectors.rest_world import as_json, serve
from tests.pages.connectors_world import CANARY
from tests.world import World, build_world, signed_in

STREAMS = '[{"name": "items", "path": "/items", "record_path": "data", "primary_key": ["id"]}]'


@pytest.fixture
def world(transactional_db: None) -> World:
    return build_world()


@pytest.fixture
def form(world: World, live_server: Any, chromium_page: Page) -> Page:
    """The form of a new REST connector, opened by a builder."""
    name = settings.SESSION_COOKIE_NAME
    cookie = signed_in(world.builder).cookies[name].value
    chromium_page.context.add_cookies([{"name": name, "value": cookie, "url": live_server.url}])
    # The test server speaks no WebSocket; nothing here is about what comes live.
    chromium_page.route_web_socket("**/ws/**", lambda _: None)
    chromium_page.goto(live_server.url + world.url("connectors/new/?plugin=rest_api"))
    return chromium_page


@pytest.fixture
def shop(httpserver: HTTPServer, settings: Settings) -> HTTPServer:
    """A system with two items, whose address is allowed."""
    settings.EGRESS_ALLOW = (f"{httpserver.host}:{httpserver.port}",)
    serve(httpserver, lambda _: as_json({"data": [{"id": 1}, {"id": 2}]}))
    return httpserver


def test_settings_come_and_go_with_what_they_depend_on(form: Page) -> None:
    expect(form.locator("[name=setting-page_param]")).to_be_hidden()
    form.select_option("[name=setting-paging]", "page")
    expect(form.locator("[name=setting-page_param]")).to_be_visible()
    expect(form.locator("[name=setting-cursor_param]")).to_be_hidden()
    form.select_option("[name=setting-paging]", "cursor")
    expect(form.locator("[name=setting-page_param]")).to_be_hidden()
    expect(form.locator("[name=setting-cursor_param]")).to_be_visible()


def test_the_line_of_a_mistake_is_shown_and_what_was_typed_stays(form: Page) -> None:
    form.fill("#id_name", "Shop")
    form.fill("[name=setting-streams]", '[\n{"name": nothing}\n]')
    form.select_option("[name=setting-paging]", "page")
    form.click("#test-connector")
    expect(form.locator(".field-error").last).to_contain_text("in line 2")
    expect(form.locator("#id_name")).to_have_value("Shop")
    expect(form.locator("[name=setting-page_param]")).to_be_visible()


def test_a_credential_is_made_beside_the_form_which_is_then_tested_and_saved(form: Page, shop: HTTPServer) -> None:
    form.fill("#id_name", "Shop")
    form.fill("[name=setting-base_url]", f"http://{shop.host}:{shop.port}")
    form.fill("[name=setting-streams]", STREAMS)
    form.click("a[data-dialog]")
    form.fill("dialog [name=name]", "Shop key")
    form.fill("dialog [name=value-token]", CANARY)
    form.get_by_role("button", name="Store credential").click()
    expect(form.locator("#new-credential")).to_be_hidden()
    expect(form.locator("#id_credential option:checked")).to_have_text("Shop key · Bearer token")
    form.click("#test-connector")
    expect(form.locator("[data-verdict]")).to_contain_text("It works")
    assert CANARY not in form.content()
    form.click("#save-connector")
    expect(form.locator("#connector-state")).to_contain_text("Nobody has tested it")
    form.click("#test-connector")
    expect(form.locator("#connector-state")).to_contain_text("healthy")
    expect(form.locator(".stream-name")).to_have_text("items")
    assert Connector.objects.get().credential == Credential.objects.get()
