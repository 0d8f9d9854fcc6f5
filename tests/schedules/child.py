"""A scheduler of the product as a process of its own, which counts its ticks, and whose own clock may be wrong.

python -m tests.schedules.child scheduler <file of ticks> <seconds that Python's clock is off>
python -m tests.schedules.child make <plans as JSON>
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta

import django
from django.core.management import call_command

django.setup()

from django.utils import timezone  # noqa: E402 - Django is set up before its parts are imported

from accounts.models import Workspace  # noqa: E402
from accounts.request_context import Actor, acting_as  # noqa: E402
from integrations.domain.blackout import blackout_of  # noqa: E402
from integrations.domain.misfire import Misfire, Plan  # noqa: E402
from integrations.domain.schedule import ScheduleKind, Timetable  # noqa: E402
from integrations.services import integrations, schedules, ticking  # noqa: E402
from integrations.services.connectors import ConnectorInput, save_connector  # noqa: E402

MAPPING = {"fields": [{"target": "id", "expression": "id", "type": "integer", "required": True}], "filter": ""}


def run_scheduler(ticks: str, off_seconds: float) -> None:
    """Tick until killed. Whoever asks Python for the time is told a wrong one."""
    tick, now = ticking.tick, time.time
    out = os.open(ticks, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def counted() -> int:
        started = tick()
        os.write(out, b".")
        return started

    if off_seconds:
        time.time = lambda: now() + off_seconds
        timezone.now = lambda: datetime.now(UTC) + timedelta(seconds=off_seconds)
    ticking.tick = counted
    call_command("scheduler")


def make(plans: str) -> None:
    """Write a deployment with a schedule for each plan."""
    with acting_as(Actor(system="test")):
        workspace = Workspace.objects.create(slug="acme", name="Acme")
        files = save_connector(
            workspace=workspace, connector=None, given=ConnectorInput("files", "files", {"path": "."})
        )
        for given in json.loads(plans):
            flow = integrations.Flow(files, "in.csv", files, "out.csv", MAPPING, write_mode="append")
            made = integrations.create_integration(
                workspace=workspace, name=given["name"], description="", flow=flow, user=None
            )
            table = Timetable(
                ScheduleKind.CRON if "cron" in given else ScheduleKind.INTERVAL,
                given.get("cron", ""), given.get("every", 0), given.get("zone", "UTC"),
            )  # fmt: skip
            plan = Plan(table, Misfire(given.get("misfire", "all")), 1000, blackout_of(given.get("blackout", {})))
            schedules.set_plan(deployment=made.deployments.get(), plan=plan)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2])
    else:
        run_scheduler(sys.argv[2], float(sys.argv[3]))
