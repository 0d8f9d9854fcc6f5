"""A run in partitions on real workers, over each broker: several read at once, workers are killed, all is exact."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.e2e.product import Product, running_product
from tests.e2e.test_kill import expected_sums, postgres_connector, start, write_records
from tests.servers import Server, wait_until

KILLS = 3
AT_WORK = "parent_id = %s AND state = 'running' AND lease_until > now()"


@pytest.fixture(params=["redis_server", "rabbitmq_server"])
def product(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    postgres_database: str,
    postgres_server: Server,
) -> Iterator[Product]:
    """State in PostgreSQL, messages in one broker or the other, two workers at once, partitions of a megabyte."""
    broker: Server = request.getfixturevalue(request.param)
    settings = {
        "DATABASE_URL": postgres_database,
        "BROKER_URL": broker.url,
        "SIGNALBOX_LEASE_SECONDS": "2",
        "SIGNALBOX_RECONCILE_SECONDS": "0.5",
        "SIGNALBOX_WORKER_CONCURRENCY": "2",
        "SIGNALBOX_EGRESS_ALLOW": f"127.0.0.1:{postgres_server.port}",
        "SIGNALBOX_EGRESS_OWN": f"127.0.0.1:{postgres_server.port}",
    }
    with running_product(tmp_path_factory.mktemp("partitioned"), **settings) as found:
        cut_small(found)
        yield found


def cut_small(product: Product) -> None:
    """The file, and a policy by which it is cut: partitions of a megabyte, small batches."""
    write_records(product)
    product.shell(
        "from integrations.models import Policy\n"
        "rules = {'partitions.least_megabytes': 1, 'limit.batch_records': 5_000}\n"
        "Policy.objects.create(workspace=workspace, name='small', rules=rules, is_default=True)"
    )


def test_a_partitioned_run_is_exact_where_everything_is_embedded(
    tmp_path_factory: pytest.TempPathFactory, postgres_database: str, postgres_server: Server
) -> None:
    settings = {"SIGNALBOX_EGRESS_ALLOW": f"127.0.0.1:{postgres_server.port}", "SIGNALBOX_WORKER_CONCURRENCY": "2"}
    with running_product(tmp_path_factory.mktemp("embedded"), **settings) as product:
        cut_small(product)
        target = postgres_connector(product, "out", postgres_server, postgres_database)
        run_id = start(product, "numbers", target, "append")
        run = product.run_until(run_id, "succeeded", 120)
        parts = product.call("GET", f"runs/{run_id}/partitions/")["results"]
    with psycopg.connect(postgres_database) as connection:
        found = connection.execute("SELECT count(*), sum(id), sum(floor(amount)) FROM records").fetchone()
    assert found is not None
    assert tuple(map(int, found)) == expected_sums()
    assert (run["written"], [part["state"] for part in parts]) == (expected_sums()[0], ["succeeded"] * 4)


@pytest.mark.fault("F1", "F4", "F7")
def test_a_partitioned_run_survives_kills_of_its_workers(
    product: Product, postgres_database: str, postgres_server: Server
) -> None:
    target = postgres_connector(product, "out", postgres_server, postgres_database)
    run_id = start(product, "numbers", target, "append")
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        most = kill_partition_workers(connection, run_id)
        run = product.run_until(run_id, "succeeded", 120)
        found = connection.execute("SELECT count(*), sum(id), sum(floor(amount)) FROM records").fetchone()
    parts = product.call("GET", f"runs/{run_id}/partitions/")["results"]
    assert found is not None
    assert tuple(map(int, found)) == expected_sums()
    assert (run["read"], run["written"], len(parts)) == (expected_sums()[0], expected_sums()[0], 4)
    assert sum(part["written"] for part in parts) == run["written"]
    assert most >= 2


def kill_partition_workers(connection: psycopg.Connection[Any], run_id: str) -> int:
    """Kill the worker of some partition, each time after batches were committed; return how many worked at once."""
    killed, written, most = 0, -1, 0
    while killed < KILLS:
        at_work: list[str] = []

        def has_moved(at_work: list[str] = at_work, written: int = written) -> bool:
            rows = connection.execute(f"SELECT worker FROM integrations_run WHERE {AT_WORK}", [run_id]).fetchall()
            at_work[:] = [row[0] for row in rows]
            return bool(at_work) and written_of(connection, run_id) > written

        wait_until(has_moved, "a partition to move on", 60)
        most = max(most, len(at_work))
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(at_work[0].rpartition(":")[2]), signal.SIGKILL)
            killed += 1
        written = written_of(connection, run_id)
    return most


def written_of(connection: psycopg.Connection[Any], run_id: str) -> int:
    row = connection.execute("SELECT written FROM integrations_run WHERE id = %s", [run_id]).fetchone()
    return int(row[0]) if row else 0
