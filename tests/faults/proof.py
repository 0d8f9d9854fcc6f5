"""The whole proof: servers of its own, a campaign on each broker, and one verdict over all."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from integrations.faultpoints import NAMES
from tests.faults.oracle import share
from tests.faults.proxy import Proxy, proxied
from tests.rabbitmq import RabbitFolder
from tests.servers import PostgresFolder, Server, find_binary, free_port, running, stop

PROJECT = Path(__file__).resolve().parents[2]
KINDS = ("postgres_append", "postgres_upsert", "sqlite_append", "idempotency_key", "upsert_versioned", "append_only")
# What the hostile destination does of itself, beside what is done to the workers.
HOSTILE = ("500_before", "500_after", "close_before", "close_after", "delay")
HOSTILE_SHARE = 0.02
TIMINGS = {
    "SIGNALBOX_LEASE_SECONDS": "1",
    "SIGNALBOX_SLICE_SECONDS": "1",
    "SIGNALBOX_SLICE_LIMIT_SECONDS": "20",
    "SIGNALBOX_RECONCILE_SECONDS": "0.2",
    "SIGNALBOX_IDLE_TRANSACTION_SECONDS": "2",
    "SIGNALBOX_LOCK_TIMEOUT_SECONDS": "2",
    "SIGNALBOX_SHUTDOWN_SECONDS": "2",
}
# Two brokers, the embedded set-up (its own broker, SQLite as control plane), and workers that wait for no message.
BROKERS = ("redis", "rabbitmq", "embedded", "direct")
COUNTS = ("records", "lost", "doubled", "stuck", "stale", "uncertain", "uncertain_doubled")


@dataclass(frozen=True)
class Wanted:
    """What is asked for: how many kills in all, on which brokers and into which kinds of destinations."""

    kills: int
    seed: int = 1
    brokers: tuple[str, ...] = BROKERS
    kinds: tuple[str, ...] = KINDS
    actions: dict[str, float] = field(default_factory=lambda: {"kill": 0.9, "stop": 0.05, "cut": 0.05})
    points: tuple[str, ...] = tuple(sorted(NAMES))
    seconds: float = 300.0

    @property
    def kills_each(self) -> int:
        """The kills of one broker's campaign."""
        return -(-self.kills // len(self.brokers))


@dataclass
class Ground:
    """The servers of a proof: one PostgreSQL for control planes and destinations, and proxies before it."""

    folder: Path
    postgres: Server
    to_control: Proxy
    to_destination: Proxy
    to_hostile: Proxy

    @property
    def proxies(self) -> tuple[Proxy, ...]:
        """All of them."""
        return self.to_control, self.to_destination, self.to_hostile

    def database(self, name: str) -> str:
        """The address of a new database."""
        with psycopg.connect(self.postgres.url, autocommit=True) as admin:
            admin.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.postgres.url.rpartition("/")[0] + f"/{name}"


@contextlib.contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """Start the servers, until the block ends."""
    (folder / "postgres").mkdir()
    options = {"synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
    with contextlib.ExitStack() as stack:
        postgres = stack.enter_context(PostgresFolder.make(folder / "postgres").running(**options))
        hostile = stack.enter_context(hostile_running(folder / "hostile.sqlite3"))
        proxies = [stack.enter_context(proxied(port)) for port in (postgres.port, postgres.port, hostile)]
        yield Ground(folder, postgres, *proxies)


@contextlib.contextmanager
def hostile_running(store: Path) -> Iterator[int]:
    """The port of a hostile destination in a process of its own."""
    faults = ["--share", str(HOSTILE_SHARE), "--faults", ",".join(HOSTILE)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.hostile", "--store", str(store), *faults],
        cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["port"]
    finally:
        stop(process, signal.SIGTERM)


@contextlib.contextmanager
def broker_running(name: str, folder: Path) -> Iterator[str]:
    """The address of a broker of this name; direct campaigns have none but the embedded one, which nobody reads."""
    if name == "redis":
        port = free_port()
        command = [find_binary(["redis-server"], package="redis-server"), "--port", str(port), "--bind", "127.0.0.1"]
        with running([*command, "--save", "", "--appendonly", "no"], port=port, name="Redis"):
            yield f"redis://127.0.0.1:{port}/0"
    elif name == "rabbitmq":
        (folder / "rabbitmq").mkdir()
        with RabbitFolder.make(folder / "rabbitmq").running() as server:
            yield server.url
    else:
        yield "signalbox-fs://"


def campaign(ground: Ground, wanted: Wanted, broker: str, url: str) -> dict[str, Any]:
    """Run one campaign in a process of its own; its verdict."""
    folder = ground.folder / f"{broker}-{time.monotonic_ns()}"
    folder.mkdir()
    name = folder.name.replace("-", "_")
    destination = ground.database(f"destination_{name}")
    control = ground.database(f"control_{name}") if broker != "embedded" else ""
    plan = {
        "seed": wanted.seed,
        "points": list(wanted.points),
        "most": 6,
        "actions": wanted.actions,
        "control_ports": [proxy.control_port for proxy in ground.proxies],
    }
    settings = {
        "broker": broker,
        "kills": wanted.kills_each,
        "folder": str(folder),
        "kinds": list(wanted.kinds),
        "plan": plan,
        "database": destination,
        "port": ground.to_destination.port,
        "control": control.replace(f":{ground.postgres.port}/", f":{ground.to_control.port}/"),
        "hostile_url": f"http://127.0.0.1:{ground.to_hostile.port}",
        "seconds": wanted.seconds,
    }
    environment = {
        **{key: value for key, value in os.environ.items() if not key.endswith("_URL")},
        **TIMINGS,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SIGNALBOX_DATA": str(folder / "data"),
        "SIGNALBOX_EGRESS_ALLOW": ",".join(f"127.0.0.1:{proxy.port}" for proxy in ground.proxies),
        "SIGNALBOX_LOG_LEVEL": "WARNING",
        **({"DATABASE_URL": control} if control else {}),
        "BROKER_URL": url,
    }
    with (folder / "campaign.log").open("wb") as log:
        done = subprocess.run(
            [sys.executable, "-m", "tests.faults.start", "campaign", json.dumps(settings)],
            cwd=PROJECT, env=environment, stdout=subprocess.PIPE, stderr=log, check=False,
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the campaign on {broker} broke: {(folder / 'campaign.log').read_text()[-4000:]}")
    verdict: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return verdict


def prove(folder: Path, wanted: Wanted) -> dict[str, Any]:
    """Run a campaign on each broker; everything as one object."""
    began = time.monotonic()
    verdicts = []
    with ground(folder) as made:
        for broker in wanted.brokers:
            with broker_running(broker, folder) as url:
                verdicts.append(campaign(made, wanted, broker, url))
    return {**merged(verdicts, wanted), "seconds": round(time.monotonic() - began, 1)}


def merged(verdicts: list[dict[str, Any]], wanted: Wanted) -> dict[str, Any]:
    """All campaigns as one: sums, and the same by broker and by class of destination."""
    points: Counter[str] = Counter()
    destinations: dict[str, Counter[str]] = {}
    recovery: list[float] = []
    for verdict in verdicts:
        points.update(verdict["points"])
        recovery += verdict["recovery_seconds"]
        for kind, counted in verdict["destinations"].items():
            destinations.setdefault(kind, Counter()).update(counted)
    return {
        **{name: sum(verdict[name] for verdict in verdicts) for name in ("kills", "stops", "cuts", *COUNTS)},
        "points": {name: points[name] for name in wanted.points},
        "brokers": {v["broker"]: {name: v[name] for name in ("kills", *COUNTS)} for v in verdicts},
        "destinations": {kind: {name: c[name] for name in COUNTS} for kind, c in sorted(destinations.items())},
        "recovery_p95_seconds": round(share(recovery, 0.95), 2),
        "problems": [f"{v['broker']}: {problem}" for v in verdicts for problem in v["problems"]],
    }


def failures(result: dict[str, Any], wanted: Wanted) -> list[str]:
    """Why the proof does not stand; nothing where it does."""
    found = [f"{result[name]} {name}" for name in ("lost", "doubled", "stuck", "stale") if result[name]]
    found += result["problems"]
    if result["kills"] < wanted.kills:
        found.append(f"only {result['kills']} of {wanted.kills} kills happened")
    least = wanted.kills // len(wanted.points) // 2
    found += [f"only {n} kills at {name}, {least} are wanted" for name, n in result["points"].items() if n < least]
    return found
