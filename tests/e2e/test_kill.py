"""A worker that is killed in the middle of a run: another one goes on, and every record is there exactly once."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.product import Product, running_product
from tests.servers import Server, wait_until

ROWS = 400_000
KILLS = 3
FIELDS = [
    {"target": "id", "expression": "id", "type": "integer", "required": True},
    {"target": "name", "expression": "upper(name)", "type": "text", "required": False},
    {"target": "amount", "expression": "amount", "type": "decimal(12,2)", "required": True},
]


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, postgres_server: Server) -> Iterator[Product]:
    """With short leases and small batches, so that a kill hits the middle of a run and is noticed soon."""
    settings = {
        "SIGNALBOX_LEASE_SECONDS": "2",
        "SIGNALBOX_RECONCILE_SECONDS": "0.5",
        "SIGNALBOX_EGRESS_ALLOW": f"127.0.0.1:{postgres_server.port}",
    }
    with running_product(tmp_path_factory.mktemp("kill"), **settings) as found:
        write_records(found)
        yield found


def write_records(product: Product) -> None:
    """The file that is read, about ten megabytes."""
    with (product.files / "records.csv").open("w") as file:
        file.write("id,name,amount\n")
        file.writelines(f"{number},record {number},{number % 1000}.25\n" for number in range(ROWS))


def start(product: Product, name: str, target: str, mode: str) -> str:
    """Make source and integration by the API, and start a run into the connector of that id."""
    source = product.call(
        "POST", "connectors/", {"name": f"{name} in", "plugin": "files", "settings": {"format": "csv"}}
    )
    integration = product.call(
        "POST",
        "integrations/",
        {
            "name": name,
            "version": {
                "source": source["id"],
                "source_stream": "records.csv",
                "destination": target,
                "destination_stream": "records",
                "write_mode": mode,
                "key": ["id"] if mode == "upsert" else [],
                "mapping": {"fields": FIELDS, "filter": ""},
            },
        },
    )
    return str(product.call("POST", f"integrations/{integration['id']}/runs/", {})["id"])


def postgres_connector(product: Product, name: str, server: Server, url: str) -> str:
    """The id of a connector with a credential, made by the owner: no token may use a credential."""
    settings = {"host": "127.0.0.1", "port": server.port, "database": url.rpartition("/")[2]}
    return product.shell(
        f"""
login = create_credential(
    workspace=workspace, name={name!r}, kind="basic", values={{"username": "signalbox", "password": "-"}}, user=owner
)
given = ConnectorInput({name!r}, "postgres", {settings!r}, credential=login)
print(save_connector(workspace=workspace, connector=None, given=given).pk)
"""
    ).splitlines()[-1]


def kill_workers_of(product: Product, run_id: str, kills: int) -> int:
    """Kill the process that works the run, each time after it has committed something more; return how often."""
    killed, committed = 0, 0
    while killed < kills:
        run: dict[str, Any] = {}

        def has_moved(run: dict[str, Any] = run, committed: int = committed) -> bool:
            run.update(product.call("GET", f"runs/{run_id}/"))
            return bool(run["state"] == "succeeded" or (run["state"] == "running" and run["written"] > committed))

        wait_until(has_moved, "the run to move on", 30)
        if run["state"] == "succeeded":
            break
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker_of(product, run_id), signal.SIGKILL)
            killed += 1
        committed = run["written"]
    return killed


def worker_of(product: Product, run_id: str) -> int:
    """The process that holds the run, as the instance's own database says."""
    uri = f"file:{product.data / 'signalbox.sqlite3'}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=5)) as database:
        row = database.execute("SELECT worker FROM integrations_run WHERE id = ?", [run_id.replace("-", "")]).fetchone()
    return int(row[0].rpartition(":")[2])


def expected_sums() -> tuple[int, int, int]:
    return ROWS, ROWS * (ROWS - 1) // 2, sum(number % 1000 for number in range(ROWS))


@pytest.mark.fault("F1", "F2", "F4")
@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_a_run_into_postgresql_survives_kills_of_its_worker(
    product: Product, postgres_database: str, postgres_server: Server, mode: str
) -> None:
    target = postgres_connector(product, f"out {mode}", postgres_server, postgres_database)
    run_id = start(product, f"postgres-{mode}", target, mode)
    killed = kill_workers_of(product, run_id, KILLS)
    run = product.run_until(run_id, "succeeded")
    assert killed >= 2
    assert (run["read"], run["written"], run["set_aside"]) == (ROWS, ROWS, 0)
    with psycopg.connect(postgres_database) as connection:
        found = connection.execute("SELECT count(*), sum(id), sum(floor(amount)) FROM records").fetchone()
    assert found is not None
    assert tuple(map(int, found)) == expected_sums()


@pytest.mark.fault("F1", "F2", "F4")
def test_a_run_into_sqlite_survives_kills_of_its_worker(product: Product) -> None:
    settings = {"path": "out.sqlite3", "create_file": True}
    target = product.call("POST", "connectors/", {"name": "out", "plugin": "sqlite", "settings": settings})
    run_id = start(product, "sqlite-append", target["id"], "append")
    killed = kill_workers_of(product, run_id, KILLS)
    product.run_until(run_id, "succeeded")
    assert killed >= 2
    assert sums_of_sqlite(product.files / "out.sqlite3") == expected_sums()


def sums_of_sqlite(path: Path) -> tuple[int, ...]:
    with contextlib.closing(sqlite3.connect(path)) as database:
        row = database.execute(
            "SELECT count(*), sum(id), sum(CAST(CAST(amount AS REAL) AS INTEGER)) FROM records"
        ).fetchone()
    return tuple(row)
