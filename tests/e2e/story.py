"""The steps of a person in the browser, from signing in to watching a run."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from playwright.sync_api import Page, expect

from tests.e2e.product import EMAIL, PROJECT, Product
from tests.servers import Server, is_listening, stop, wait_until

# Once "succeeded" stands at the head, a run has ended; two cores that also run a browser need their time.
RUN_MILLISECONDS = 90_000
PREVIEW = "**/integrations/preview/"
SHOP_TOKEN = "tok-of-the-shop-51a0"


@dataclass(frozen=True)
class Shop:
    """The sandbox shop as a process of its own; its stream `bulk` has `records` records."""

    port: int
    records: int

    @property
    def streams(self) -> str:
        """What a person writes into the connector's setting."""
        paging = {"paging": "cursor", "cursor_param": "page", "next_path": "next", "total_path": "total"}
        stream = {"name": "bulk", "path": "/bulk", "record_path": "data", "primary_key": ["id"]}
        return json.dumps([{**stream, "params": {"size": self.records}, "paging": paging}])


@contextlib.contextmanager
def running_shop(port: int, records: int) -> Iterator[Shop]:
    """`manage.py sandbox --calm` until the block ends."""
    command = [sys.executable, "manage.py", "sandbox", "--calm", "--port", str(port), "--token", SHOP_TOKEN]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_listening(port), "the shop to listen")
        yield Shop(port, records)
    finally:
        stop(process)


@dataclass
class Person:
    """Somebody at a browser, in the workspace `acme` of a running product."""

    page: Page
    product: Product

    def go(self, path: str = "") -> None:
        """Open a page of the workspace."""
        self.page.goto(f"{self.product.url}/w/acme/{path}")

    def sign_in(self) -> None:
        """With the one-time password, as on the first day."""
        self.page.set_default_timeout(10_000)
        self.page.goto(self.product.url)
        self.page.get_by_label("Email").fill(EMAIL)
        self.page.get_by_label("Password", exact=True).fill(self.product.password)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page).not_to_have_url(re.compile("login"))

    def store_credential(self, name: str, token: str) -> None:
        """A bearer token; afterwards its value stands nowhere on the page."""
        self.go("credentials/")
        self.page.get_by_role("link", name="New credential").first.click()
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Token").fill(token)
        self.page.get_by_role("button", name="Store credential").click()
        expect(self.page.locator("#content")).to_contain_text(name)
        assert token not in self.page.content()

    def connect_shop(self, name: str, credential: str, shop: Shop) -> None:
        """The source, from the catalogue; tested green before it is saved."""
        self._choose_plugin("REST API")
        self.page.get_by_label("Name", exact=True).fill(name)
        self.page.locator("#id_credential").select_option(label=f"{credential} · Bearer token")
        self.page.get_by_label("Base address").fill(f"http://127.0.0.1:{shop.port}")
        self.page.get_by_label("Streams").fill(shop.streams)
        self._test_and_save()

    def connect_warehouse(self, name: str, server: Server, url: str) -> None:
        """The destination, with a credential that is made beside its form."""
        self._choose_plugin("PostgreSQL")
        self.page.get_by_label("Name", exact=True).fill(name)
        self.page.locator("a[data-dialog='new-credential']").click()
        dialog = self.page.locator("#new-credential")
        dialog.get_by_label("Name", exact=True).fill("Warehouse login")
        dialog.get_by_label("User name").fill("signalbox")
        dialog.get_by_label("Password").fill("not asked for by this server")
        dialog.get_by_role("button", name="Store credential").click()
        expect(dialog).to_be_hidden()
        expect(self.page.locator("#id_credential option:checked")).to_contain_text("Warehouse login")
        self.page.get_by_label("Host", exact=True).fill("127.0.0.1")
        self.page.get_by_label("Port", exact=True).fill(str(server.port))
        self.page.get_by_label("Database", exact=True).fill(url.rpartition("/")[2])
        self._test_and_save()

    def begin_integration(self, name: str, source: str, stream: str, destination: str) -> None:
        """Fill in the ends, and let the mapping be proposed from the source."""
        page = self.page
        self.go("integrations/new/")
        page.get_by_label("Name", exact=True).fill(name)
        page.locator("#id_source").select_option(label=f"{source} · REST API")
        page.locator("#id_source_stream").fill(stream)
        page.locator("#id_destination").select_option(label=f"{destination} · PostgreSQL")
        page.locator("#id_destination_stream").fill("records")
        page.locator("#id_write_mode").select_option("append")
        with page.expect_response(PREVIEW):
            page.get_by_role("button", name="Propose from the source").click()
        expect(page.locator("[data-rule-list] [data-rule]")).to_have_count(10)

    def write_expression(self, target: str, expression: str) -> str:
        """Put another expression at a field and wait for the preview to follow; returns the id of the note beneath."""
        rule = self.page.get_by_role("group", name=f"Field {target}")
        with self.page.expect_response(PREVIEW):
            rule.get_by_label("Expression").fill(expression)
        return f"#note-{rule.get_attribute('data-rule')}"

    def create_integration(self) -> None:
        """Save the editor."""
        self.page.get_by_role("button", name="Create integration").first.click()
        expect(self.page.get_by_role("link", name="Edit")).to_be_visible()

    def start_run(self, integration: str) -> str:
        """Start a run from the integration's page; returns its id."""
        self.go("integrations/")
        self.page.get_by_role("link", name=integration).first.click()
        self.page.get_by_role("banner").get_by_role("button", name="Start a run").click()
        self.page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}/"))
        return self.page.url.rstrip("/").rpartition("/")[2]

    def count(self, name: str) -> int:
        """A counter of the run's page as it stands there now."""
        shown = self.page.locator(f"#run-head [data-live-text='{name}']").inner_text()
        return int("".join(filter(str.isdigit, shown)))

    def wait_for_state(self, state: str) -> None:
        """Until the run's page says so by itself."""
        expect(self.page.locator("#run-head .run-verdict")).to_contain_text(
            state, ignore_case=True, timeout=RUN_MILLISECONDS
        )

    def _choose_plugin(self, label: str) -> None:
        self.go("connectors/new/")
        self.page.locator(".catalogue-card", has=self.page.get_by_text(label, exact=True)).click()

    def _test_and_save(self) -> None:
        self.page.get_by_role("button", name="Test").click()
        expect(self.page.locator("[data-verdict]")).to_have_attribute("data-verdict", "ok", timeout=20_000)
        self.page.get_by_role("button", name="Save connector").click()
        expect(self.page.get_by_role("button", name="Test now")).to_be_visible()
