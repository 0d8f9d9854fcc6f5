"""The whole proof: servers of its own, a campaign on each broker, and one verdict over all."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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
MOST_KILLS_A_CAMPAIGN = 250
# A worker's point strikes when it is reached for the n-th time, n up to this.
MOST_REACHED = 4
# As the product is delivered.
PRODUCTION = {"SIGNALBOX_LEASE_SECONDS": "10", "SIGNALBOX_SLICE_SECONDS": "30", "SIGNALBOX_RECONCILE_SECONDS": "1"}
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
    timings: dict[str, str] = field(default_factory=lambda: TIMINGS)
    apart_seconds: float = 0.0
    workers: int = 4
    width: int = 1

    @property
    def turns(self) -> int:
        """How often each broker has a campaign: many of a bounded size, each with its own seed and databases."""
        return -(-self.kills // (len(self.brokers) * MOST_KILLS_A_CAMPAIGN))

    @property
    def kills_each(self) -> int:
        """The kills of one campaign."""
        return -(-self.kills // (len(self.brokers) * self.turns))


@dataclass(frozen=True)
class Ground:
    """What one campaign stands on: a PostgreSQL for control plane and destination, a broker, a hostile destination.

    All are reached through a proxy, which `cut` actions reset.
    """

    folder: Path
    postgres: Server
    control: Proxy
    destination: Proxy
    hostile: Proxy
    broker: Proxy | None
    broker_url: str

    @property
    def proxies(self) -> list[Proxy]:
        """All of them."""
        return [proxy for proxy in (self.control, self.destination, self.hostile, self.broker) if proxy]

    def database(self, name: str) -> str:
        """The address of a new database."""
        with psycopg.connect(self.postgres.url, autocommit=True) as admin:
            admin.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.postgres.url.rpartition("/")[0] + f"/{name}"


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder of our own that the user of PostgreSQL may enter, too."""
    with tempfile.TemporaryDirectory(prefix="signalbox-faults-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@contextlib.contextmanager
def postgres_running(folder: Path) -> Iterator[Server]:
    """One PostgreSQL for all campaigns of a proof."""
    (folder / "postgres").mkdir()
    options = {"synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
    with PostgresFolder.make(folder / "postgres").running(**options) as server:
        yield server


@contextlib.contextmanager
def ground(folder: Path, postgres: Server, broker: str) -> Iterator[Ground]:
    """Start what a campaign needs beside PostgreSQL, until the block ends."""
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(broker_running(broker, folder))
        hostile = stack.enter_context(hostile_running(folder / "hostile.sqlite3"))
        ports = (postgres.port, postgres.port, hostile)
        control, destination, to_hostile = (stack.enter_context(proxied(port)) for port in ports)
        port = urlsplit(url).port
        to_broker = stack.enter_context(proxied(port)) if port else None
        broker_url = url.replace(f":{port}/", f":{to_broker.port}/") if to_broker else url
        yield Ground(folder, postgres, control, destination, to_hostile, to_broker, broker_url)


@contextlib.contextmanager
def hostile_running(store: Path) -> Iterator[int]:
    """The port of a hostile destination in a process of its own."""
    faults = ["--share", str(HOSTILE_SHARE), "--faults", ",".join(HOSTILE)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.hostile", "--store", str(store), *faults],
        cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout as said:
        try:
            yield json.loads(said.readline())["port"]
        finally:
            stop(process, signal.SIGTERM)


@contextlib.contextmanager
def broker_running(name: str, folder: Path) -> Iterator[str]:
    """The address of a broker of this name; the others need none but the embedded one."""
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


def settings_of(made: Ground, wanted: Wanted, broker: str, seed: int) -> tuple[dict[str, Any], str]:
    """What a campaign is told, and the address of its control plane ("" for the embedded SQLite)."""
    name = made.folder.name.replace("-", "_")
    control = made.database(f"control_{name}") if broker != "embedded" else ""
    plan = {
        "seed": seed,
        "points": list(wanted.points),
        "most": MOST_REACHED,
        "actions": wanted.actions,
        "control_ports": [proxy.control_port for proxy in made.proxies],
        "apart_seconds": wanted.apart_seconds,
    }
    settings = {
        "broker": broker,
        "kills": wanted.kills_each,
        "folder": str(made.folder),
        "kinds": list(wanted.kinds),
        "plan": plan,
        "database": made.database(f"destination_{name}"),
        "port": made.destination.port,
        "control": control.replace(f":{made.postgres.port}/", f":{made.control.port}/"),
        "hostile_url": f"http://127.0.0.1:{made.hostile.port}",
        "workers": wanted.workers,
        "width": wanted.width,
        "seconds": wanted.seconds,
    }
    return settings, control


def environment_of(made: Ground, control: str, timings: dict[str, str]) -> dict[str, str]:
    """The product's settings for a campaign's processes."""
    return {
        **{key: value for key, value in os.environ.items() if not key.endswith("_URL")},
        **timings,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SIGNALBOX_DATA": str(made.folder / "data"),
        "SIGNALBOX_EGRESS_ALLOW": ",".join(f"127.0.0.1:{proxy.port}" for proxy in made.proxies),
        "SIGNALBOX_LOG_LEVEL": "WARNING",
        "BROKER_URL": made.broker_url,
        **({"DATABASE_URL": control} if control else {}),
    }


def campaign(made: Ground, wanted: Wanted, broker: str, seed: int) -> dict[str, Any]:
    """Run one campaign in a process of its own; its verdict."""
    settings, control = settings_of(made, wanted, broker, seed)
    with (made.folder / "campaign.log").open("wb") as log:
        command = [sys.executable, "-m", "tests.faults.start", "campaign", json.dumps(settings)]
        environment = environment_of(made, control, wanted.timings)
        done = subprocess.run(command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, stderr=log, check=False)
    if done.returncode:
        raise RuntimeError(f"the campaign on {broker} broke: {(made.folder / 'campaign.log').read_text()[-4000:]}")
    verdict: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return verdict


def prove(folder: Path, wanted: Wanted) -> dict[str, Any]:
    """Run campaigns on each broker in turn; everything as one object."""
    began = time.monotonic()
    verdicts = []
    with postgres_running(folder) as postgres:
        for turn in range(wanted.turns):
            for broker in wanted.brokers:
                place = folder / f"{broker}-{turn}"
                place.mkdir()
                with ground(place, postgres, broker) as made:
                    verdicts.append(campaign(made, wanted, broker, wanted.seed + turn))
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
        "brokers": {
            broker: {name: sum(v[name] for v in verdicts if v["broker"] == broker) for name in ("kills", *COUNTS)}
            for broker in wanted.brokers
        },
        "destinations": {kind: {name: c[name] for name in COUNTS} for kind, c in sorted(destinations.items())},
        "recovery_p95_seconds": round(share(recovery, 0.95), 2),
        "recovery_longest_seconds": round(max(recovery, default=0.0), 2),
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
