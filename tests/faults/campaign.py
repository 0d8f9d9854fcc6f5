"""One campaign: keeps runs going while workers are killed, stopped and cut off, lets them end, and has them judged.

    python -m tests.faults.start campaign <settings as JSON>

prints one line of JSON, the verdict.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings as product
from django.core.management import call_command
from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now

from accounts.request_context import Actor, acting_as
from config.lifeline import die_with_parent
from integrations.domain.lifecycle import ACTIVE_STATES, Trigger
from integrations.models import Run
from integrations.services import runs
from tests.faults import history, hook
from tests.faults.judge import judge
from tests.faults.kinds import KINDS, Job
from tests.faults.place import Place
from tests.faults.workers import Crew, crew_of

POLL_SECONDS = 0.2
# A run that nobody works for longer than its lease and this is stuck. Runs may wait for a busy worker for some of it.
BOUND = timedelta(seconds=60)
STOPPED_LEASES = 3.2


@dataclass(frozen=True)
class Settings:
    """What a campaign is told: its broker, how many kills, into which kinds of destinations, and where servers listen.

    `port` is the destination's for connectors, maybe a proxy's; `control` the control plane's address for workers.
    """

    broker: str
    kills: int
    folder: str
    kinds: list[str]
    plan: dict[str, object]
    database: str
    port: int
    control: str = ""
    hostile_url: str = ""
    workers: int = 4
    width: int = 1
    seconds: float = 300.0


@dataclass
class Campaign:
    """A campaign under way: its jobs by run, and the processes that are stopped now."""

    settings: Settings
    place: Place
    jobs: dict[UUID, Job] = field(default_factory=dict)
    last: set[UUID] = field(default_factory=set)
    read_again: set[UUID] = field(default_factory=set)
    stopped: dict[int, float] = field(default_factory=dict)
    seen: int = 0
    begun: Counter[str] = field(default_factory=Counter)
    stuck: set[UUID] = field(default_factory=set)
    ahead: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return Path(self.settings.folder)

    def strike(self, crew: Crew) -> None:
        """Keep as many runs of each kind going as are wanted, until there were enough kills."""
        ends_at = time.monotonic() + self.settings.seconds
        while self.kills() < self.settings.kills and time.monotonic() < ends_at:
            self._read_again()
            active = Counter(self.jobs[run.pk].kind for run in self._active())
            for kind in self.settings.kinds:
                for _ in range(self.settings.width - active[kind]):
                    self._begin(kind)
            self._tend(crew)
            if self.stuck or self._failed():
                return

    def settle(self, crew: Crew) -> None:
        """Strike no more and let every run end, and the last reading of each source that changed."""
        (self.folder / "disarmed").touch()
        self._await_end(crew)
        self._read_again()
        self._await_end(crew)

    def kills(self) -> int:
        """How many have really happened."""
        return sum(line["action"] in hook.DEADLY for line in hook.noted(self.folder))

    def _read_again(self) -> None:
        """Let each changing source be read a last time, once it changes no more: its first run has succeeded."""
        ended = Run.objects.filter(pk__in=list(self.jobs), state="succeeded").values_list("pk", flat=True)
        for run_id in set(ended) - self.read_again:
            self.read_again.add(run_id)
            if self.jobs[run_id].disturb and run_id not in self.last:
                self.last.add(self._start(self.jobs[run_id]))

    def _begin(self, kind: str) -> None:
        self.begun[kind] += 1
        self._start(KINDS[kind](self.place, self.begun[kind]))

    def _start(self, job: Job) -> UUID:
        job.deployment.refresh_from_db()
        run = runs.start_run(deployment=job.deployment, trigger=Trigger.MANUAL)
        self.jobs[run.pk] = job
        return run.pk

    def _active(self) -> list[Run]:
        return list(Run.objects.filter(state__in=ACTIVE_STATES, pk__in=list(self.jobs)))

    def _failed(self) -> bool:
        """Whether a run has ended badly: more of them would tell nothing more."""
        return Run.objects.filter(pk__in=list(self.jobs), state__in=["failed", "cancelled"]).exists()

    def _await_end(self, crew: Crew) -> None:
        while self._active() and not self.stuck:
            self._tend(crew)

    def _tend(self, crew: Crew) -> None:
        crew.tend()
        self._wake()
        for run in self._active():
            job = self.jobs[run.pk]
            if job.disturb and run.pk not in self.last:
                job.disturb()
        late = Now() - BOUND
        stuck = Q(state="queued", next_attempt_at__lt=late) | Q(state="running", lease_until__lt=late)
        self.stuck.update(Run.objects.filter(stuck, pk__in=list(self.jobs)).values_list("pk", flat=True))
        time.sleep(POLL_SECONDS)

    def _wake(self) -> None:
        """Continue the processes that were stopped for long enough."""
        lines = hook.noted(self.folder)
        for line in lines[self.seen :]:
            if line["action"] == "stop":
                self.stopped[line["pid"]] = line["at"] + STOPPED_LEASES * product.LEASE_SECONDS
        self.seen = len(lines)
        for pid in [pid for pid, until in self.stopped.items() if until < time.time()]:
            del self.stopped[pid]
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def main(arguments: list[str]) -> None:
    """Prepare the control plane, run the campaign, print its verdict."""
    settings = Settings(**json.loads(arguments[0]))
    die_with_parent(os.getppid())
    folder = Path(settings.folder)
    hook.Plan(**settings.plan).write(folder)  # type: ignore[arg-type]  # JSON's values
    call_command("migrate", interactive=False, verbosity=0)
    if connection.vendor == "postgresql":
        history.watch(os.environ["DATABASE_URL"])
    with acting_as(Actor(system="faults")):
        campaign = Campaign(settings, Place.make(settings.database, settings.port, settings.hostile_url))
        with crew_of(folder, settings.broker, settings.workers, settings.control) as crew:
            campaign.strike(crew)
            campaign.settle(crew)
        verdict = judge(settings.broker, folder, campaign.jobs, campaign.stuck)
    sys.stdout.write(json.dumps(verdict.as_json()) + "\n")
