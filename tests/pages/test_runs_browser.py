"""Runs and dead letters in a browser: what is ticked stays ticked, the log grows, a run is started from the dialog."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from playwright.sync_api import Page, expect

from integrations.models import Run
from integrations.services import runs
from tests.pages.moving import Moving, moving
from tests.world import World, build_world, signed_in

__all__ = ["moving"]
Open = Callable[[str], Page]


@pytest.fixture
def world(transactional_db: None) -> World:
    return build_world()


@pytest.fixture
def open_page(moving: Moving, live_server: Any, chromium_page: Page) -> Open:
    """Open a page as the owner. The test server speaks no WebSocket, so a test says itself when something happened."""
    name = settings.SESSION_COOKIE_NAME
    cookie = signed_in(moving.world.owner).cookies[name].value
    chromium_page.context.add_cookies([{"name": name, "value": cookie, "url": live_server.url}])
    chromium_page.route_web_socket("**/ws/**", lambda _: None)

    def opened(path: str) -> Page:
        chromium_page.goto(live_server.url + moving.world.url(path))
        return chromium_page

    return opened


def tell(page: Page, region: str) -> None:
    """What the live stream does when an event concerns a region."""
    page.locator(region).evaluate("element => element.dispatchEvent(new CustomEvent('live'))")


def test_the_button_counts_what_is_ticked(moving: Moving, open_page: Open) -> None:
    moving.run(good=1, bad=3)
    page = open_page("dead-letters/")
    button = page.get_by_role("button", name="Redrive")
    expect(button).to_be_disabled()
    page.locator("[name=letter]").first.check()
    expect(button).to_have_text("Redrive 1 record")
    page.locator("[data-choose-page]").check()
    expect(button).to_have_text("Redrive 3 records")
    page.locator("[data-choose-page]").uncheck()
    page.locator("[name=everything]").check()
    expect(button).to_have_text("Redrive 3 records")


def test_what_is_ticked_stays_ticked_when_new_letters_arrive(moving: Moving, open_page: Open) -> None:
    moving.run(good=1, bad=2)
    page = open_page("dead-letters/")
    ticked = page.locator("[name=letter]").first
    value = ticked.get_attribute("value")
    ticked.check()
    # The two stand in a letter already.
    moving.run(good=1, bad=3)
    tell(page, "#letters")
    expect(page.locator("[name=letter]")).to_have_count(3)
    expect(page.locator("[name=letter]:checked")).to_have_count(1)
    expect(page.locator("[name=letter]:checked")).to_have_attribute("value", value or "")
    expect(page.get_by_role("button", name="Redrive")).to_have_text("Redrive 1 record")


def test_chosen_letters_are_redriven(moving: Moving, open_page: Open) -> None:
    moving.run(good=1, bad=2)
    page = open_page("dead-letters/")
    page.locator("[name=letter]").first.check()
    page.get_by_role("button", name="Redrive 1 record").click()
    expect(page.locator(".toast")).to_contain_text("1 record is sent again by numbers.")
    expect(page.locator("h1")).to_contain_text(str(Run.objects.get(trigger="redrive").pk)[-8:])


def test_the_log_grows_without_a_line_twice(moving: Moving, open_page: Open) -> None:
    run = moving.run()
    page = open_page(f"runs/{run.pk}/")
    before = page.locator(".log-line").count()
    for words in ("First news.", "Second news."):
        with transaction.atomic():
            runs.tell(run, "run.warning", words, level="warning")
        tell(page, "#run-log-card")
        expect(page.locator(".log-line").last).to_contain_text(words)
    expect(page.locator(".log-line")).to_have_count(before + 2)
    page.locator("[data-log-level=warning]").click()
    expect(page.locator(".log-line:visible")).to_have_count(2)


def test_the_head_follows_the_run(moving: Moving, open_page: Open) -> None:
    run = moving.start()
    page = open_page(f"runs/{run.pk}/")
    expect(page.locator(".run-sentence")).to_have_text("It waits for a worker.")
    moving.outside.rows = [{"id": 1, "amount": "1"}]
    moving.work(run)
    tell(page, "#run-head")
    expect(page.locator(".run-sentence")).to_have_text("The one record that was read is accounted for.")


def test_a_run_is_started_from_the_dialog(moving: Moving, open_page: Open) -> None:
    page = open_page("")
    page.get_by_role("link", name="Start a run").first.click()
    page.locator("#run-start select").select_option(label="numbers")
    page.get_by_role("button", name="Start the run").click()
    expect(page.locator(".run-sentence")).to_have_text("It waits for a worker.")
    assert Run.objects.get().requested_by == moving.world.owner
