"""The bell of every page in a browser: it says how many things are unread, follows what happens, and moves nothing."""

from __future__ import annotations

from django.utils import timezone
from playwright.sync_api import expect

from integrations.models import SchemaChange
from tests.pages.moving import Moving, moving
from tests.pages.test_runs_browser import Open, open_page, tell, world

__all__ = ["moving", "open_page", "world"]


def changed(moving: Moving, column: str) -> SchemaChange:
    return SchemaChange.objects.create(
        workspace=moving.world.workspace, deployment=moving.deployment, kind="added", column=column, after="text",
        seen_at=timezone.now(),
    )  # fmt: skip


def test_the_bell_counts_what_is_unread_as_it_comes_and_is_read(moving: Moving, open_page: Open) -> None:
    changed(moving, "city")
    page = open_page("notifications/")
    expect(page.locator(".bell-number")).to_have_text("1")
    changed(moving, "country")
    tell(page, "#bell-count")
    tell(page, "#notifications")
    expect(page.locator(".bell-number")).to_have_text("2")
    expect(page.locator(".notification.is-unread")).to_have_count(2)
    page.get_by_role("button", name="Mark as read: numbers: The column city is new (text).").click()
    expect(page.locator(".bell-number")).to_have_text("1")
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.locator(".bell-number")).to_have_count(0)
    expect(page.locator(".notification")).to_have_count(2)


def test_the_keyboard_goes_to_the_notifications_and_on_to_the_thing(moving: Moving, open_page: Open) -> None:
    changed(moving, "city")
    page = open_page("")
    page.keyboard.press("g")
    page.keyboard.press("n")
    page.wait_for_url("**/notifications/")
    page.get_by_role("link", name="numbers: The column city is new (text).").press("Enter")
    page.wait_for_url(f"**/integrations/{moving.deployment.integration_id}/columns/")


def test_a_number_over_the_bell_moves_nothing(moving: Moving, open_page: Open) -> None:
    page = open_page("runs/")
    before = page.locator(".live").bounding_box()
    expect(page.locator(".bell-number")).to_have_count(0)
    changed(moving, "city")
    tell(page, "#bell-count")
    expect(page.locator(".bell-number")).to_have_text("1")
    assert page.locator(".live").bounding_box() == before
