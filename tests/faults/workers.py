"""The processes that work a campaign's runs: the product's worker and scheduler on a broker, or a nursery without."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from integrations import faultpoints
from tests.faults import hook
from tests.ops.processes import descendants, is_alive
from tests.servers import stop, wait_until

PROJECT = Path(__file__).resolve().parents[2]
DIRECT = "direct"


@dataclass
class Crew:
    """Processes that are started again when they end, as a supervisor does; each writes a log of its own."""

    folder: Path
    commands: dict[str, Sequence[str]]
    environment: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    restarts: int = 0

    def start(self, name: str) -> None:
        """Start one of the processes."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                self.commands[name], cwd=PROJECT, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def tend(self) -> None:
        """Start again what has ended."""
        for name, process in list(self.processes.items()):
            if process.poll() is not None:
                self.restarts += 1
                self.start(name)

    def end(self) -> None:
        """End everything that was started, by its own ids."""
        below = set().union(*(descendants(process.pid) for process in self.processes.values()))
        for process in self.processes.values():
            stop(process, signal.SIGKILL)
        for pid in below:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, below)), "every worker to end")


@contextlib.contextmanager
def crew_of(
    folder: Path, broker: str, workers: int, database: str, environment: Mapping[str, str] | None = None
) -> Iterator[Crew]:
    """The workers of a broker until the block ends; `database` is their control plane, maybe through a proxy.

    Workers follow the plan of the folder, where it has one; `environment` is added to that of this process.
    """
    armed = {hook.FOLDER: str(folder)} if (folder / "plan.json").exists() else {}
    control = {"DATABASE_URL": database} if database else {}
    hooked = {faultpoints.VARIABLE: "tests.faults.hook:reach", "SIGNALBOX_LOG_LEVEL": "WARNING"}
    crew = Crew(folder, _commands(broker, workers), {**os.environ, **(environment or {}), **hooked, **armed, **control})
    try:
        for name in crew.commands:
            crew.start(name)
        yield crew
    finally:
        crew.end()


def _commands(broker: str, workers: int) -> dict[str, Sequence[str]]:
    if broker == DIRECT:
        return {"nursery": [sys.executable, "-m", "tests.faults.start", "nursery", str(workers)]}
    manage = [sys.executable, "-m", "tests.faults.start", "product", str(os.getpid())]
    return {
        "worker": [*manage, "worker", "--concurrency", str(workers)],
        "scheduler": [*manage, "scheduler"],
    }
