"""A worker that is told to stop, as at every deploy: its run goes on elsewhere at once, nothing lost or doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.product import PROJECT, Product, running_product
from tests.e2e.test_kill import ROWS, expected_sums, start, sums_of_sqlite, worker_of
from tests.ops.processes import descendants
from tests.servers import stop, wait_until

STOPS = 3
# Far longer than a hand-over may take: a run that goes on sooner has not waited for it.
LEASE_SECONDS = 60
HANDED_OVER_SECONDS = 15


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    """One worker process of one slice, and batches so small that a run has hundreds of them."""
    settings = {"SIGNALBOX_LEASE_SECONDS": str(LEASE_SECONDS), "SIGNALBOX_WORKER_CONCURRENCY": "1"}
    with running_product(tmp_path, **settings) as found:
        with (found.files / "records.csv").open("w") as file:
            file.write("id,name,amount\n")
            file.writelines(f"{number},record {number},{number % 1000}.25\n" for number in range(ROWS))
        found.shell("""
from integrations.services.policies import save_policy
rules = {"limit.batch_records": 4000}
save_policy(workspace=workspace, policy=None, name="Small", description="", rules=rules, is_default=True)
""")
        yield found


@pytest.fixture
def second_worker(product: Product) -> Iterator[subprocess.Popen[bytes]]:
    """Another worker of the same instance, as on another machine."""
    process = subprocess.Popen([sys.executable, "manage.py", "worker"], cwd=PROJECT, env=product.environment)
    yield process
    stop(process)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def hand_over(product: Product, run_id: str, *, is_killed: bool = False) -> float:
    """Stop the worker that has the run, or kill its process; return the seconds until another has committed a batch."""
    child = worker_of(product, run_id)
    before = time.monotonic()
    if is_killed:
        os.kill(child, signal.SIGKILL)
    else:
        os.kill(parent_of(child), signal.SIGTERM)
    written: list[int] = []

    def goes_on() -> bool:
        run: dict[str, Any] = product.call("GET", f"runs/{run_id}/")
        if worker_of(product, run_id) == child:
            return False
        written.append(run["written"])
        return bool(run["state"] == "succeeded" or run["written"] > written[0])

    wait_until(goes_on, "another worker to go on", LEASE_SECONDS)
    return time.monotonic() - before


def start_run(product: Product) -> str:
    settings = {"path": "out.sqlite3", "create_file": True}
    target = product.call("POST", "connectors/", {"name": "out", "plugin": "sqlite", "settings": settings})
    return start(product, "numbers", target["id"], "append")


@pytest.mark.fault("F7")
def test_a_run_whose_process_was_killed_goes_on_without_waiting_for_its_lease(product: Product) -> None:
    run_id = start_run(product)
    wait_until(lambda: product.call("GET", f"runs/{run_id}/")["written"], "the run to move")
    assert hand_over(product, run_id, is_killed=True) < HANDED_OVER_SECONDS
    run = product.run_until(run_id, "succeeded", 120)
    assert (run["read"], run["written"]) == (ROWS, ROWS)
    assert sums_of_sqlite(product.files / "out.sqlite3") == expected_sums()


@pytest.mark.fault("F41")
def test_a_run_survives_rolling_restarts_of_its_workers(
    product: Product, second_worker: subprocess.Popen[bytes]
) -> None:
    wait_until(lambda: descendants(second_worker.pid), "the second worker's pool")
    run_id = start_run(product)
    took = []
    for _ in range(STOPS):
        wait_until(lambda: product.call("GET", f"runs/{run_id}/")["written"], "the run to move")
        if product.call("GET", f"runs/{run_id}/")["state"] != "running":
            break
        took.append(hand_over(product, run_id))
    run = product.run_until(run_id, "succeeded", 120)
    assert (len(took) >= 2, max(took) < HANDED_OVER_SECONDS) == (True, True), took
    assert (run["read"], run["written"], run["set_aside"]) == (ROWS, ROWS, 0)
    assert sums_of_sqlite(product.files / "out.sqlite3") == expected_sums()
