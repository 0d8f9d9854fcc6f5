"""The frame and its parts in a real browser: policy, widths, themes, targets, keys, dialogs, filters, charts."""

import re
from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.pages.rendering import gallery_context, overview_context, render_sample
from tests.pages.server import LiveServer

Open = Callable[..., Page]
PAGES = ("/w/acme/", "/w/acme/gallery/")
SMALL_TARGETS = """() => [...document.querySelectorAll('a[href], button, input, select, summary')]
  .filter(e => e.checkVisibility({visibilityProperty: true, opacityProperty: true}) && !e.closest('p, .toggle'))
  .map(e => [e.getBoundingClientRect(), e])
  .filter(([r]) => r.width > 0 && (r.width < 24 || r.height < 24))
  .map(([r, e]) => `${e.outerHTML.slice(0, 80)} ${r.width}x${r.height}`)"""


@pytest.mark.parametrize("width", [1440, 768, 360])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_obeys_the_policy_fits_its_width_and_has_targets_to_hit(open_page: Open, path: str, width: int) -> None:
    page = open_page(path, width=width)
    expect(page.locator(".chart canvas")).to_have_count(1)
    expect(page.locator("[data-live-badge]")).to_have_attribute("data-tone", "ok")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(SMALL_TARGETS) == []
    assert page.problems == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["overview.html", "gallery.html"])
def test_no_markup_needs_what_the_policy_forbids(name: str) -> None:
    html = render_sample(name, **overview_context(), **gallery_context())
    assert not re.search(r"<[^>]+\s(style|on\w+)=", html)
    assert re.findall(r"<script(?![^>]*(?:src=|application/json))[^>]*>", html) == []


def test_the_theme_follows_the_system_until_one_is_chosen_and_then_stays(open_page: Open) -> None:
    page = open_page(theme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(background) == "rgb(12, 15, 20)"
    page.locator(".place > summary").click()
    page.locator("[data-theme-toggle]").click()
    assert page.evaluate(background) == "rgb(246, 247, 249)"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert page.evaluate(background) == "rgb(246, 247, 249)"


def test_the_current_page_is_marked_and_one_heading_names_it(open_page: Open) -> None:
    page = open_page()
    expect(page.locator(".nav-link[aria-current=page]")).to_have_text("Overview")
    expect(page.locator("h1")).to_have_text("Overview")
    assert page.locator(".nav-link").count() == 16


def test_slash_jumps_to_a_page(open_page: Open, live: LiveServer) -> None:
    page = open_page()
    page.keyboard.press("/")
    page.keyboard.type("run")
    expect(page.locator(".jump-list [aria-selected=true]")).to_contain_text("Runs")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live.url}/w/acme/runs/")


def test_slash_offers_to_search_the_lists_and_esc_leaves(open_page: Open) -> None:
    page = open_page()
    page.keyboard.press("/")
    page.keyboard.type("o&e")
    expect(page.locator(".jump-list a").first).to_have_attribute("href", "/w/acme/integrations/?q=o%26e")
    page.keyboard.press("Escape")
    expect(page.locator(".jump-list")).to_be_hidden()


def test_g_and_a_letter_go_to_a_page(open_page: Open, live: LiveServer) -> None:
    page = open_page()
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url(f"{live.url}/w/acme/runs/")


def test_the_question_mark_lists_the_keys_and_esc_closes(open_page: Open) -> None:
    page = open_page()
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_contain_text("Dead letters")
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()


def test_arrows_walk_the_rows_of_a_table(open_page: Open) -> None:
    page = open_page()
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "ArrowDown"):
        page.keyboard.press(key)
    expect(page.locator("tbody tr").nth(1).locator("a")).to_be_focused()


def test_the_first_tab_offers_to_skip_to_the_content(open_page: Open) -> None:
    page = open_page()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()


def test_a_destructive_dialog_waits_for_the_typed_name(open_page: Open) -> None:
    page = open_page("/w/acme/gallery/")
    page.locator("[data-dialog=drop]").click()
    confirm = page.locator("#drop .button-danger")
    expect(confirm).to_be_disabled()
    page.locator("#drop-name").fill("orders-to-er")
    expect(confirm).to_be_disabled()
    page.locator("#drop-name").fill("orders-to-erp")
    expect(confirm).to_be_enabled()
    page.locator("#drop [data-dialog-close]").click()
    expect(page.locator("#drop")).to_be_hidden()


def test_a_filter_applies_itself_and_goes_into_the_address(open_page: Open) -> None:
    page = open_page("/w/acme/gallery/")
    page.locator(".filters [name=q]").fill("shop & co")
    page.wait_for_url(_asks(q="shop & co", state="failed"))
    page.locator("select[name=state]").select_option("")
    page.wait_for_url(_asks(q="shop & co"))
    page.go_back()
    page.wait_for_url(_asks(q="shop & co", state="failed"))


def _asks(**query: str) -> Callable[[str], bool]:
    return lambda url: dict(parse_qsl(urlsplit(url).query)) == query


def test_copying_says_so_and_copies_the_whole_id(open_page: Open) -> None:
    page = open_page()
    page.locator("[data-copy-text]").first.click()
    expect(page.locator(".toast")).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "0199f7a2-7c1e-7d40-8a57-7f3a91000000"


def test_a_chart_has_its_figures_as_a_table_and_repaints_in_the_other_theme(open_page: Open) -> None:
    page = open_page()
    expect(page.locator(".chart canvas")).to_have_count(1)
    page.locator(".chart-table summary").click()
    expect(page.locator(".chart-table tbody tr")).to_have_count(96)
    shot = "document.querySelector('.chart canvas').toDataURL()"
    before = page.evaluate(shot)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"before => {shot} !== before", arg=before)


def test_a_log_shows_from_the_chosen_level_on(open_page: Open) -> None:
    page = open_page("/w/acme/gallery/")
    expect(page.locator(".log-line:visible")).to_have_count(3)
    page.locator("[data-log-level=error]").click()
    expect(page.locator(".log-line:visible")).to_have_count(1)


def test_the_drawer_opens_under_the_thumb_and_closes_by_esc(open_page: Open) -> None:
    page = open_page(width=360)
    expect(page.locator("#side")).to_be_hidden()
    page.locator(".thumb[data-nav-toggle]").tap()
    expect(page.locator("#side")).to_be_visible()
    expect(page.locator("[aria-controls=side]")).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Escape")
    expect(page.locator("#side")).to_be_hidden()


def test_nothing_moves_while_a_page_loads(open_page: Open) -> None:
    page = open_page()
    expect(page.locator(".chart canvas")).to_have_count(1)
    observe = """() => new Promise(done => {
      let sum = 0;
      new PerformanceObserver(list => list.getEntries().forEach(entry => sum += entry.value))
        .observe({type: 'layout-shift', buffered: true});
      requestAnimationFrame(() => requestAnimationFrame(() => done(sum)));
    })"""
    assert page.evaluate(observe) < 0.001
