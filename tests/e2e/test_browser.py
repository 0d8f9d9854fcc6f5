"""The main job as a person does it, in a browser, on the real processes."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator

import psycopg
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.product import Product, running_product
from tests.e2e.story import SHOP_TOKEN, Person, Shop, running_shop
from tests.e2e.test_kill import worker_of
from tests.servers import Server, free_port, wait_until

RECORDS = 30_000
# So small that a run has hundreds of batches: its progress can be watched, and a kill hits its middle.
RULES = {"limit.batch_records": 100}


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop(free_port(), RECORDS) as found:
        yield found


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, postgres_server: Server, shop: Shop) -> Iterator[Product]:
    settings = {
        "SIGNALBOX_LEASE_SECONDS": "3",
        "SIGNALBOX_RECONCILE_SECONDS": "0.5",
        "SIGNALBOX_EGRESS_ALLOW": f"127.0.0.1:{postgres_server.port},127.0.0.1:{shop.port}",
    }
    with running_product(tmp_path_factory.mktemp("browser"), **settings) as found:
        found.shell(
            "from integrations.services.policies import save_policy\n"
            f"save_policy(workspace=workspace, policy=None, name='S', description='', rules={RULES}, is_default=True)"
        )
        yield found


@pytest.fixture
def person(chromium_page: Page, product: Product) -> Person:
    found = Person(chromium_page, product)
    found.sign_in()
    return found


def test_the_whole_story(person: Person, shop: Shop, postgres_server: Server, postgres_database: str) -> None:
    person.store_credential("Shop token", SHOP_TOKEN)
    person.connect_shop("Shop", "Shop token", shop)
    person.connect_warehouse("Warehouse", postgres_server, postgres_database)
    person.begin_integration("bulk-to-warehouse", "Shop", "bulk", "Warehouse")
    see_the_preview_follow(person)
    person.create_integration()
    watch_a_run(person)
    assert stored(postgres_database) == sums(1)
    watch_a_run_whose_worker_is_killed(person)
    assert stored(postgres_database) == sums(2)


def see_the_preview_follow(person: Person) -> None:
    """The preview shows what the mapping makes; a broken expression is marked where it stands, and can be mended."""
    page = person.page
    person.write_expression("name", "upper(name)")
    expect(page.locator("#preview")).to_contain_text("RECORD 1")
    note = page.locator(person.write_expression("name", "uper(name)"))
    expect(note.locator("[data-tone=bad]")).to_contain_text("uper")
    person.write_expression("name", "upper(name)")
    expect(note.locator("[data-tone=bad]")).to_have_count(0)
    expect(page.locator("#preview")).to_contain_text("RECORD 1")


def watch_a_run(person: Person) -> None:
    """Its numbers grow on the page by themselves, until it has succeeded with as many as the source has."""
    run_id = person.start_run("bulk-to-warehouse")
    with no_reload(person.page):
        first = grown(person, 0)
        second = grown(person, first)
        assert 0 < first < second < RECORDS
        person.wait_for_state("succeeded")
        assert (person.count("read"), person.count("written")) == (RECORDS, RECORDS)
    run = person.product.run_until(run_id, "succeeded")
    assert (run["read"], run["written"], run["set_aside"]) == (RECORDS, RECORDS, 0)


def watch_a_run_whose_worker_is_killed(person: Person) -> None:
    """The page shows it stand still and go on under another worker, to exact counts."""
    run_id = person.start_run("bulk-to-warehouse")
    with no_reload(person.page):
        before = grown(person, 0)
        killed = worker_of(person.product, run_id)
        os.kill(killed, signal.SIGKILL)
        assert before < RECORDS
        wait_until(lambda: worker_of(person.product, run_id) != killed, "another worker to take the run")
        person.wait_for_state("succeeded")
        assert (person.count("read"), person.count("written")) == (RECORDS, RECORDS)
    assert person.product.run_until(run_id, "succeeded")["written"] == RECORDS


def grown(person: Person, beyond: int) -> int:
    """Wait until the page shows more written records than that."""
    wait_until(lambda: person.count("written") > beyond, f"the page to show more than {beyond} written", 30)
    return person.count("written")


@contextlib.contextmanager
def no_reload(page: Page) -> Iterator[None]:
    """Fail where the page was loaded again within the block: its document would be another one."""
    page.evaluate("window.sameDocument = true")
    opened = page.evaluate("performance.getEntriesByType('navigation')[0].startTime + performance.timeOrigin")
    yield
    assert page.evaluate("window.sameDocument") is True
    assert page.evaluate("performance.timeOrigin") == opened


def stored(database: str) -> tuple[int, int]:
    """How many records the destination has, and the sum of their ids."""
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT count(*), sum(id) FROM records").fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def sums(runs: int) -> tuple[int, int]:
    """What so many runs that append everything must have stored."""
    return runs * RECORDS, runs * RECORDS * (RECORDS + 1) // 2


def test_keys_lead_to_search_pages_and_help(person: Person) -> None:
    page = person.page
    person.go()
    page.keyboard.press("/")
    expect(page.locator("[data-jump] input")).to_be_focused()
    page.keyboard.press("Escape")
    page.locator("body").click(position={"x": 5, "y": 5})
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url("**/w/acme/runs/")
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()


def test_without_a_socket_the_page_follows_by_another_transport_and_misses_nothing(person: Person) -> None:
    page = person.page
    make_file_integration(person.product, "by-file")
    # As behind a proxy that knows no sockets.
    page.route_web_socket(re.compile("/ws/"), lambda socket: socket.close())
    person.start_run("by-file")
    expect(page.locator("[data-live-via]")).to_have_text("· stream", timeout=20_000)
    with no_reload(page):
        assert grown(person, grown(person, 0)) > 0
        person.wait_for_state("succeeded")
        expect(page.locator("[data-live-via]")).to_have_text("· stream")
        assert (person.count("read"), person.count("written")) == (RECORDS, RECORDS)
        wait_until(lambda: logged_batches(page)[-1] == RECORDS // RULES["limit.batch_records"], "the log's last line")
        assert logged_batches(page) == list(range(1, RECORDS // RULES["limit.batch_records"] + 1))


def make_file_integration(product: Product, name: str) -> None:
    """A CSV file into a SQLite table."""
    with (product.files / "records.csv").open("w") as file:
        file.write("id,name\n")
        file.writelines(f"{number},record {number}\n" for number in range(RECORDS))
    source = {"name": "Inbox", "plugin": "files", "settings": {"format": "csv"}}
    target = {"name": "Shelf", "plugin": "sqlite", "settings": {"path": "shelf.sqlite3", "create_file": True}}
    version = {
        "source": product.call("POST", "connectors/", source)["id"],
        "source_stream": "records.csv",
        "destination": product.call("POST", "connectors/", target)["id"],
        "destination_stream": "records",
        "write_mode": "append",
        "mapping": {"fields": [{"target": "id", "expression": "id", "type": "integer"}], "filter": ""},
    }
    product.call("POST", "integrations/", {"name": name, "version": version})


def logged_batches(page: Page) -> list[int]:
    """The numbers of the batches in the page's log, in its order."""
    return [int(number) for number in re.findall(r"Batch (\d+):", page.locator("#run-log").inner_text())] or [0]
