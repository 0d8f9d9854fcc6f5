"""The live page: regions and counters follow events, by whichever transport gets through, and none is missed."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.pages.server import LiveServer
from tests.servers import wait_until

Open = Callable[..., Page]
PATH = "/w/acme/live/"


def _via(page: Page, word: str) -> None:
    expect(page.locator("[data-live-via]")).to_have_text(f"· {word}", timeout=15_000)


@pytest.mark.parametrize(
    ("refused", "transport"),
    [(set(), "socket"), ({"socket"}, "stream"), ({"hang"}, "stream"), ({"socket", "stream"}, "polling")],
)
def test_events_arrive_by_the_best_transport_that_works(
    open_page: Open, live: LiveServer, refused: set[str], transport: str
) -> None:
    live.refused = refused
    page = open_page(PATH)
    _via(page, transport)
    live.tell(object="aaaa", data={"written": 12400})
    expect(page.locator("#written")).to_have_text("12\N{NARROW NO-BREAK SPACE}400")
    expect(page.locator("#events")).to_have_text("1")
    assert page.locator(".content progress").evaluate("bar => bar.value") == 12400
    expect(page.locator("#other")).to_have_text("untouched")


def test_a_region_may_leave_out_kinds_of_events_that_come_often(open_page: Open, live: LiveServer) -> None:
    page = open_page(PATH)
    _via(page, "socket")
    live.tell(topic="policy", kind="run.progress")
    live.tell(object="aaaa", kind="run.progress", data={"written": 5})
    expect(page.locator("#written")).to_have_text("5")
    expect(page.locator("#rare")).to_have_text("untouched")
    live.tell(topic="policy", kind="run.failed")
    expect(page.locator("#rare")).to_contain_text("events: 3")


def test_what_happens_during_a_cut_is_read_after_it_and_the_badge_says_since_when(
    open_page: Open, live: LiveServer
) -> None:
    page = open_page(PATH)
    _via(page, "socket")
    live.refused = {"socket", "stream", "poll"}
    live.cut()
    expect(page.locator("[data-live-word]")).to_contain_text("Reconnecting since")
    expect(page.locator("[data-live-badge]")).to_have_attribute("data-tone", "warn")
    live.tell(object="aaaa", data={"written": 7})
    live.tell(topic="connector", object="cccc")
    live.refused = set()
    expect(page.locator("#written")).to_have_text("7", timeout=15_000)
    expect(page.locator("#other")).to_contain_text("events: 2")


def test_a_page_starts_at_its_own_cursor_so_nothing_between_page_and_socket_is_lost(
    open_page: Open, live: LiveServer
) -> None:
    live.tell(object="aaaa", data={"written": 1})
    page = open_page(PATH)
    _via(page, "socket")
    expect(page.locator("#written")).to_have_text("0")
    live.cut()
    live.tell(object="aaaa", data={"written": 2})
    expect(page.locator("#written")).to_have_text("2")


def test_the_socket_is_tried_again_while_another_transport_serves(open_page: Open, live: LiveServer) -> None:
    live.refused = {"socket", "stream"}
    page = open_page(PATH)
    _via(page, "polling")
    live.refused = set()
    _via(page, "socket")
    live.tell(object="aaaa", data={"written": 3})
    expect(page.locator("#written")).to_have_text("3")


def test_a_stream_that_the_server_ends_goes_on_after_its_cursor(open_page: Open, live: LiveServer) -> None:
    live.refused = {"socket"}
    page = open_page(PATH)
    _via(page, "stream")
    for number in (1, 2):
        live.tell(object="aaaa", data={"written": number})
        expect(page.locator("#written")).to_have_text(str(number))
        live.cut()
    live.tell(object="aaaa", data={"written": 9})
    expect(page.locator("#written")).to_have_text("9", timeout=15_000)


def test_who_may_no_longer_read_is_told_and_asks_no_more(open_page: Open, live: LiveServer) -> None:
    live.refused = {"socket", "stream", "person"}
    page = open_page(PATH)
    expect(page.locator("[data-live-word]")).to_have_text("Not live", timeout=15_000)
    asked = len(live.seen)
    page.evaluate("new Promise(done => setTimeout(done, 2500))")
    assert len(live.seen) == asked


def test_a_burst_is_one_request_a_region_at_most_every_400_ms(open_page: Open, live: LiveServer) -> None:
    page = open_page(PATH)
    _via(page, "socket")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/part/") else None)
    for number in range(200):
        live.tell(object="aaaa", data={"written": number})
    expect(page.locator("#written")).to_have_text("199")
    expect(page.locator("#events")).to_have_text("200")
    assert len(asked) <= 3


def test_a_hidden_tab_asks_nothing_and_catches_up_when_shown(open_page: Open, live: LiveServer) -> None:
    page = open_page(PATH)
    _via(page, "socket")
    hide = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});"
    show = "document.dispatchEvent(new Event('visibilitychange'))"
    page.evaluate(hide % "true" + show)
    live.tell(object="aaaa", data={"written": 5})
    expect(page.locator("#written")).to_have_text("5")
    expect(page.locator("#events")).to_have_text("0")
    page.evaluate(hide % "false" + show)
    expect(page.locator("#events")).to_have_text("1")


def test_a_swap_keeps_open_details_and_the_focus(open_page: Open, live: LiveServer) -> None:
    page = open_page(PATH)
    _via(page, "socket")
    page.locator("#region summary").click()
    page.locator("#region input").focus()
    live.tell(object="aaaa")
    expect(page.locator("#events")).to_have_text("1")
    expect(page.locator("#region details")).to_have_attribute("open", "")
    expect(page.locator("#region input")).to_be_focused()


def test_a_region_that_fails_keeps_what_it_shows_and_asks_again(open_page: Open, live: LiveServer) -> None:
    page = open_page(PATH)
    _via(page, "socket")
    part = live.pages.pop("/w/acme/live/part/")
    page.route("**/part/", lambda route: route.abort(), times=1)
    live.tell(object="aaaa")
    expect(page.locator(".toast")).to_contain_text("does not answer")
    expect(page.locator("#events")).to_have_text("0")
    live.pages["/w/acme/live/part/"] = part
    expect(page.locator("#events")).to_have_text("1", timeout=10_000)


def test_leaving_the_page_closes_its_socket(open_page: Open, live: LiveServer) -> None:
    page = open_page(PATH)
    _via(page, "socket")
    page.goto("about:blank")
    wait_until(lambda: live.open_sockets == 0, "the socket to close", 5)


def test_an_event_during_a_region_s_own_request_is_not_lost_when_the_region_is_replaced(
    open_page: Open, live: LiveServer
) -> None:
    page = open_page(PATH)
    _via(page, "socket")
    live.held = {"/w/acme/live/whole/"}
    live.tell(topic="dead_letter", object="dddd")
    expect(page.locator("#whole.htmx-request")).to_have_count(1)
    live.tell(topic="dead_letter", object="eeee", data={"written": 9})
    live.tell(object="aaaa", data={"written": 9})
    expect(page.locator("#written")).to_have_text("9")
    live.held = set()
    expect(page.locator("#whole b")).to_have_text("3")
