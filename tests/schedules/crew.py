"""Three schedulers of the product as processes, killed and stopped at random, over one control-plane database."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
HOUR = 3600
PAUSE_SECONDS = 0.4
# A member works so many ticks before it is struck again.
TICKS_BETWEEN = 20
# Takes a statement, runs it, and gives the rows, if it has any.
Ask = Callable[[str], list[tuple[Any, ...]]]


@dataclass
class Crew:
    """Schedulers under way; each place has a clock that is off in its own way."""

    folder: Path
    environment: dict[str, str]
    clocks: tuple[dict[str, str], ...]
    off_seconds: tuple[int, ...]
    dice: random.Random = field(default_factory=lambda: random.Random(3))
    members: list[subprocess.Popen[bytes]] = field(default_factory=list)
    seen: dict[int, int] = field(default_factory=dict)
    kills: int = 0
    pauses: int = 0

    def start(self) -> None:
        self.members = [self._start(place) for place in range(len(self.clocks))]

    def strike(self) -> None:
        """Kill one and start another in its place, or stop one for a while."""
        place = self.dice.randrange(len(self.members))
        if self._ticks_at(place) < self.seen.get(place, 0) + TICKS_BETWEEN:
            return  # it has hardly begun
        self.seen[place] = self._ticks_at(place)
        member = self.members[place]
        if self.dice.random() < 0.5:
            member.kill()
            member.wait()
            self.members[place] = self._start(place)
            self.kills += 1
        else:
            member.send_signal(signal.SIGSTOP)
            time.sleep(PAUSE_SECONDS)
            member.send_signal(signal.SIGCONT)
            self.pauses += 1

    def stop(self) -> None:
        for member in self.members:
            member.kill()
            member.wait()

    @property
    def ticks(self) -> int:
        return sum(self._ticks_at(place) for place in range(len(self.clocks)))

    def _ticks_at(self, place: int) -> int:
        path = self.folder / f"ticks-{place}"
        return path.stat().st_size if path.exists() else 0

    def _start(self, place: int) -> subprocess.Popen[bytes]:
        arguments = ["scheduler", str(self.folder / f"ticks-{place}"), str(self.off_seconds[place])]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.schedules.child", *arguments],
                cwd=PROJECT,
                env=self.environment | self.clocks[place],
                stdout=log,
                stderr=subprocess.STDOUT,
            )


def environment_for(folder: Path, database_url: str) -> dict[str, str]:
    """The settings of the product's processes over one database, ticking as fast as they can."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    return kept | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": database_url,
        "SIGNALBOX_DATA": str(folder / "data"),
        "SIGNALBOX_TICK_SECONDS": "0.02",
        "SIGNALBOX_RECONCILE_SECONDS": "600",
        "TZ": "UTC",
    }


def migrate(environment: dict[str, str]) -> None:
    """Make the database."""
    _python(environment, "manage.py", "migrate", "-v0")


def make(environment: dict[str, str], plans: str) -> None:
    """Make the schedules; their first due times are counted from now, by the database's clock."""
    _python(environment, "-m", "tests.schedules.child", "make", plans)


def _python(environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@contextlib.contextmanager
def at_work(crew: Crew) -> Iterator[Crew]:
    """The schedulers tick until the block ends."""
    crew.start()
    try:
        yield crew
    finally:
        crew.stop()


def end_runs(ask: Ask) -> None:
    """End what was started, as a worker would."""
    ask("UPDATE integrations_run SET state = 'succeeded' WHERE state = 'queued'")
