"""Sample pages on a live server, and pages of a browser in a given width and theme."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.pages.rendering import gallery_context, overview_context, render_sample
from tests.pages.server import LiveServer, serving

Open = Callable[..., Page]


@pytest.fixture
def live() -> Iterator[LiveServer]:
    """The sample pages, and a live protocol that a test may break."""
    app = LiveServer()
    app.pages = {
        "/w/acme/": lambda: render_sample("overview.html", **overview_context()),
        "/w/acme/gallery/": lambda: render_sample("gallery.html", "/w/acme/gallery/", **gallery_context()),
        "/w/acme/live/": lambda: render_sample("live.html", live_cursor=str(len(app.events))),
        "/w/acme/live/part/": lambda: render_sample("live_part.html", events=len(app.events)),
        "/w/acme/live/whole/": lambda: render_sample("live_whole.html", events=len(app.events)),
        "/w/acme/notifications/count/": lambda: render_sample("monitoring/_notification_count.html", count=3),
        "/w/acme/runs/": lambda: render_sample("overview.html", **overview_context()),
    }
    with serving(app):
        yield app


@pytest.fixture
def open_page(browser: Browser, live: LiveServer) -> Iterator[Open]:
    """Open a sample page; what the console reports is in `page.problems`."""
    contexts = []

    def opened(path: str = "/w/acme/", width: int = 1440, theme: str = "light") -> Page:
        is_phone = width < 500
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if theme == "dark" else "light",
            has_touch=is_phone,
            is_mobile=is_phone,
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        page = context.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.problems = problems  # type: ignore[attr-defined]  # read by the tests of this folder
        page.goto(live.url + path)
        return page

    yield opened
    for context in contexts:
        context.close()
