"""What an armed worker does at fault points: each process draws a point, and there it dies, stops, or loses its lines.

Named by `SIGNALBOX_FAULTPOINTS=tests.faults.hook:reach`. What happens is written down before it happens, in a
line of JSON; `SIGNALBOX_FAULTS` names the folder of the plan and of that log.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.proxy import ask

FOLDER = "SIGNALBOX_FAULTS"
# A process draws among so many of the points that were hit least.
LEAST_HIT = 4
# These are reached so seldom that the first time counts.
ONCE_A_SLICE = frozenset({"after_claim", "before_yield", "before_finish", "after_finish"})
# `kill` ends the process, `fell` the worker whose child it is, too, so that nobody is left who could see it die.
DEADLY = frozenset({"kill", "fell"})


@dataclass(frozen=True)
class Plan:
    """What processes may draw: points, how often one is reached before it strikes, and the weight of each action.

    No two strikes come within `apart_seconds`, where the recovery from each is measured.
    """

    seed: int
    points: list[str]
    most: int
    actions: dict[str, float]
    control_ports: list[int] = field(default_factory=list)
    apart_seconds: float = 0.0

    def write(self, folder: Path) -> None:
        """Leave the plan for the workers."""
        (folder / "plan.json").write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, folder: Path) -> Plan:
        """The plan of this folder."""
        return cls(**json.loads((folder / "plan.json").read_text()))


class Fate:
    """One process's draw: strike when the point is reached for the n-th time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan = Plan.read(folder)
        self.draw()

    def draw(self) -> None:
        """Choose a point, a countdown and an action, from what was hit so far."""
        struck = struck_points(self.folder)
        chance = random.Random(f"{self.plan.seed}:{sum(struck.values())}:{os.getpid()}")
        least = sorted(self.plan.points, key=lambda name: (struck.get(name, 0), chance.random()))[:LEAST_HIT]
        self.point = chance.choice(least)
        self.countdown = chance.randint(1, 1 if self.point in ONCE_A_SLICE else self.plan.most)
        actions = self.plan.actions
        self.action = chance.choices(list(actions), list(actions.values()))[0]

    def _is_too_soon(self) -> bool:
        log = self.folder / "log.jsonl"
        return log.exists() and time.time() - log.stat().st_mtime < self.plan.apart_seconds

    def reach(self, name: str) -> None:
        """Strike when it is time."""
        if name != self.point:
            return
        self.countdown -= 1
        if self.countdown > 0 or (self.folder / "disarmed").exists() or self._is_too_soon():
            return
        action = self.action
        note(self.folder, point=name, action=action, pid=os.getpid(), at=time.time(), name=os.environ["PGAPPNAME"])
        self.draw()
        _strike(action, self.plan)


def _strike(action: str, plan: Plan) -> None:
    if action in DEADLY:
        if action == "fell":
            os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    else:
        for port in plan.control_ports:
            ask(port, None)


def note(folder: Path, **line: Any) -> None:
    """Append one line, whole, to the log of what happened."""
    handle = os.open(folder / "log.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, json.dumps(line).encode() + b"\n")
    finally:
        os.close(handle)


def noted(folder: Path) -> list[dict[str, Any]]:
    """Everything that was written down."""
    path = folder / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def struck_points(folder: Path) -> dict[str, int]:
    """How often each point was struck; counted without parsing, since every process does it once."""
    path = folder / "log.jsonl"
    text = path.read_bytes() if path.exists() else b""
    return {name: text.count(b'"point": "%s"' % name.encode()) for name in Plan.read(folder).points}


def reach(name: str) -> None:
    """Called by `integrations.faultpoints` at every point; the process that forks workers has no fate."""
    if _fate is not None:
        _fate.reach(name)


def born() -> None:
    """Give a new worker a name of its own, which PostgreSQL hears with each connection, and a fate."""
    global _fate  # noqa: PLW0603 - one process, one fate
    os.environ["PGAPPNAME"] = f"worker {os.getpid()} {time.monotonic_ns()}"
    folder = os.environ.get(FOLDER)
    _fate = Fate(Path(folder)) if folder else None


_fate: Fate | None = None
os.register_at_fork(after_in_child=born)
