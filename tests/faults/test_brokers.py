"""A broker that is killed and comes back empty, or whose connections break again and again: runs start all the same."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.product import Product, running_product
from tests.faults.proof import open_folder
from tests.faults.proxy import Proxy, proxied
from tests.rabbitmq import RabbitFolder
from tests.servers import find_binary, free_port, running, wait_until

START_SECONDS = 30
CUTS = 10
FIELDS = [{"target": "id", "expression": "id", "type": "integer", "required": True}]


@dataclass
class Broker:
    """A broker on a port of its own: `run` starts it, leaving the block kills it; `wipe` takes all that it kept."""

    port: int
    url: str
    run: Callable[[], AbstractContextManager[object]]
    wipe: Callable[[], None]


def redis_broker(folder: Path) -> Broker:
    port = free_port()
    command = [find_binary(["redis-server"], package="redis-server"), "--port", str(port), "--bind", "127.0.0.1"]
    command += ["--save", "", "--appendonly", "no", "--dir", str(folder)]
    return Broker(port, f"redis://127.0.0.1:{port}/0", lambda: running(command, port=port, name="Redis"), lambda: None)


def rabbitmq_broker(folder: Path) -> Broker:
    made = RabbitFolder.make(folder)
    return Broker(made.port, made.url, made.running, lambda: shutil.rmtree(folder / "data"))


@pytest.fixture(params=[redis_broker, rabbitmq_broker], ids=["redis", "rabbitmq"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    with open_folder() as folder:
        yield request.param(folder)


def product_on(tmp_path: Path, broker: Broker, proxy: Proxy) -> AbstractContextManager[Product]:
    """The product, whose broker is reached through the proxy."""
    url = broker.url.replace(f":{broker.port}/", f":{proxy.port}/")
    return running_product(tmp_path, BROKER_URL=url, SIGNALBOX_RECONCILE_SECONDS="0.5")


def start_run(product: Product) -> str:
    """Queue a run of an integration of its own."""
    name = f"numbers-{len(product.call('GET', 'integrations/')['results'])}"
    (product.files / "records.csv").write_text("id\n1\n2\n3\n")
    source = product.call("POST", "connectors/", {"name": name, "plugin": "files", "settings": {"format": "csv"}})
    settings = {"path": f"{name}.sqlite3", "create_file": True}
    target = product.call("POST", "connectors/", {"name": f"{name} out", "plugin": "sqlite", "settings": settings})
    version = {
        "source": source["id"], "source_stream": "records.csv", "destination": target["id"],
        "destination_stream": "records", "write_mode": "append", "key": [], "mapping": {"fields": FIELDS, "filter": ""},
    }  # fmt: skip
    made = product.call("POST", "integrations/", {"name": name, "version": version})
    return str(product.call("POST", f"integrations/{made['id']}/runs/", {})["id"])


@pytest.mark.fault("F12", "F13", "F14")
def test_runs_queued_while_the_broker_was_killed_and_wiped_start_after_its_return(
    tmp_path: Path, broker: Broker
) -> None:
    with proxied(broker.port) as proxy, contextlib.ExitStack() as life:
        with broker.run():
            product = life.enter_context(product_on(tmp_path, broker, proxy))
            product.run_until(start_run(product), "succeeded", START_SECONDS)
        queued = [start_run(product) for _ in range(3)]
        broker.wipe()
        with broker.run():
            for run in queued:
                assert product.run_until(run, "succeeded", START_SECONDS)["written"] == 3
            life.close()


@pytest.mark.fault("F15")
def test_a_broker_whose_connections_break_again_and_again_is_used_again(tmp_path: Path, broker: Broker) -> None:
    with broker.run(), proxied(broker.port) as proxy, product_on(tmp_path, broker, proxy) as product:
        first = start_run(product)
        product.run_until(first, "succeeded", START_SECONDS)
        for _ in range(CUTS):
            proxy.cut()
            wait_until(lambda: proxy.open_links, "the worker to connect again", START_SECONDS)
        assert product.run_until(start_run(product), "succeeded", START_SECONDS)["written"] == 3
        assert proxy.cuts == CUTS
