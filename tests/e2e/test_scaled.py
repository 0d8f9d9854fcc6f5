"""The same product on PostgreSQL, with Redis and with RabbitMQ: three addresses are the only difference."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import psycopg
import pytest

from tests.e2e.product import Product, running_product
from tests.servers import Server

ROWS = 20_000
FIELDS = [
    {"target": "id", "expression": "id", "type": "integer", "required": True},
    {"target": "amount", "expression": "amount", "type": "decimal(12,2)", "required": True},
]


@pytest.fixture(params=["redis_server", "rabbitmq_server"])
def product(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgres_database: str,
    redis_server: Server,
) -> Iterator[Product]:
    """State in PostgreSQL, messages in one broker or the other, and counts of requests in Redis."""
    broker: Server = request.getfixturevalue(request.param)
    settings = {
        "DATABASE_URL": postgres_database,
        "BROKER_URL": broker.url,
        "CACHE_URL": redis_server.url.replace("redis://", "rediscache://").removesuffix("/0") + "/1",
    }
    with running_product(tmp_path_factory.mktemp("scaled"), **settings) as found:
        yield found


def test_a_run_on_postgresql_and_a_broker_moves_every_record(product: Product, postgres_database: str) -> None:
    lines = "".join(f"{number},{number % 100}.5\n" for number in range(ROWS)) + "20000,a lot\n"
    (product.files / "records.csv").write_text("id,amount\n" + lines)
    source = product.call("POST", "connectors/", {"name": "in", "plugin": "files", "settings": {"format": "csv"}})
    settings = {"path": "out.sqlite3", "create_file": True}
    target = product.call("POST", "connectors/", {"name": "out", "plugin": "sqlite", "settings": settings})
    version = {
        "source": source["id"],
        "source_stream": "records.csv",
        "destination": target["id"],
        "destination_stream": "records",
        "write_mode": "upsert",
        "key": ["id"],
        "mapping": {"fields": FIELDS, "filter": "id >= 10"},
    }
    integration = product.call("POST", "integrations/", {"name": "numbers", "version": version})
    started = product.call("POST", f"integrations/{integration['id']}/runs/", {})
    run = product.run_until(started["id"], "succeeded")
    assert (run["read"], run["written"], run["set_aside"], run["filtered"]) == (ROWS + 1, ROWS - 10, 1, 10)
    with psycopg.connect(postgres_database) as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT tx) > 1, min(tx) > 0 FROM integrations_event"
        ).fetchone()
    assert found is not None
    assert found[0] > 5
    assert found[1:] == (True, True)


def test_readiness_names_the_database_that_is_used(product: Product) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{product.port}/readyz", timeout=5) as answer:
        findings = json.load(answer)["findings"]
    assert findings["database"]["message"] == "postgresql answers."
