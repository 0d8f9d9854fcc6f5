"""The integration editor in a browser: notes while one types, rows moved by keys, and a save."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from integrations.models import IntegrationVersion
from tests.pages.integration_pages import make, outside
from tests.world import World, build_world, signed_in

__all__ = ["outside"]
pytestmark = pytest.mark.usefixtures("outside")


@pytest.fixture
def world(transactional_db: None) -> World:
    return build_world()


@pytest.fixture
def editor(world: World, live_server: Any, chromium_page: Page) -> Page:
    """The editor of an integration, opened by a builder, its preview shown."""
    made = make(world.workspace)
    name = settings.SESSION_COOKIE_NAME
    cookie = signed_in(world.builder).cookies[name].value
    chromium_page.context.add_cookies([{"name": name, "value": cookie, "url": live_server.url}])
    # The test server speaks no WebSocket; nothing here is about what comes live.
    chromium_page.route_web_socket("**/ws/**", lambda _: None)
    chromium_page.goto(live_server.url + world.url(f"integrations/{made.integration_id}/edit/"))
    expect(chromium_page.locator(".preview-counts")).to_contain_text("3 accepted")
    return chromium_page


def targets(page: Page) -> list[str]:
    return [field.input_value() for field in page.locator("[data-rule-list] [name^=target]").all()]


def test_a_wrong_expression_is_marked_while_one_types(editor: Page) -> None:
    editor.fill("#expression-r1", "uper(amount)")
    expect(editor.locator("#note-r1 mark")).to_have_text("uper")
    expect(editor.locator("#note-r1")).to_contain_text("Did you mean 'upper'?")
    expect(editor.locator(".preview-counts")).to_contain_text("3 rejected")
    editor.fill("#expression-r1", "upper(amount)")
    expect(editor.locator("#note-r1")).to_contain_text("12.50")
    expect(editor.locator(".preview-counts")).to_contain_text("3 accepted")


def test_rows_are_moved_added_and_removed_by_keys_and_buttons(editor: Page) -> None:
    editor.focus("#target-r1")
    editor.keyboard.press("Alt+ArrowUp")
    assert targets(editor) == ["amount", "id"]
    expect(editor.locator("#target-r1")).to_be_focused()
    editor.keyboard.press("Control+Enter")
    expect(editor.locator("#target-r2")).to_be_focused()
    assert targets(editor) == ["amount", "", "id"]
    editor.locator("[data-rule=r1] [data-rule-do=remove]").click()
    assert targets(editor) == ["", "id"]
    expect(editor.locator("#target-r2")).to_be_focused()


def test_a_column_is_put_into_the_expression_and_the_change_is_saved(editor: Page) -> None:
    editor.fill("#expression-r1", "upper()")
    editor.locator("#expression-r1").press("ArrowLeft")
    editor.locator(".columns summary").click()
    editor.locator("[data-column=amount]").click()
    expect(editor.locator("#expression-r1")).to_have_value("upper(amount)")
    editor.locator(".bar-actions button").click()
    expect(editor.locator(".toast")).to_contain_text("Version 2 is saved and active")
    assert IntegrationVersion.objects.get(number=2).mapping["fields"][1]["expression"] == "upper(amount)"
