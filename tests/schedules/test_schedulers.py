"""Three scheduler processes, killed and stopped, with clocks an hour off: exactly the right runs are started."""

from __future__ import annotations

import json
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from tests.schedules.crew import HOUR, Ask, Crew, at_work, end_runs, environment_for, make, migrate
from tests.servers import PostgresFolder, wait_until

pytestmark = [pytest.mark.fault("F33"), pytest.mark.fault("F34")]
# Which library lets a process live at another time; it is preloaded.
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
BERLIN = ZoneInfo("Europe/Berlin")
SPRING = "2026-03-29"
NIGHT = {"windows": [{"from": "{day}T00:40", "to": "{day}T01:20"}], "time_zone": "Europe/Berlin"}
SPEED = 320
# So long the schedulers may take for their 1,000 ticks.
SECONDS_AT_MOST = 600
SPAN = timedelta(hours=3)


def every_minute(begin: datetime, end: datetime) -> list[datetime]:
    """Each minute after `begin` and before `end`."""
    first = begin.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return [first + timedelta(minutes=number) for number in range(int((end - first).total_seconds()) // 60 + 1)]


def plans_of(day: str) -> list[dict[str, Any]]:
    """What runs in the night of a clock change in Berlin."""
    night = json.loads(json.dumps(NIGHT).replace("{day}", day))
    return [
        {"name": "quarters", "cron": "*/15 * * * *", "zone": "Europe/Berlin"},
        {"name": "at-half-past-two", "cron": "30 2 * * *", "zone": "Europe/Berlin"},
        {"name": "in-the-second-hour", "cron": "*/20 2 * * *", "zone": "Europe/Berlin"},
        {"name": "ten-minutes", "every": 600},
        {"name": "not-at-night", "cron": "*/10 * * * *", "zone": "Europe/Berlin", "blackout": night},
        {"name": "one-for-all", "every": 300, "misfire": "one"},
        {"name": "or-never", "every": 300, "misfire": "skip"},
    ]


def expected(name: str, minutes: list[datetime], day: str) -> set[datetime]:
    """The due times among these minutes, told minute by minute from the clock on the wall."""
    local = {minute: minute.astimezone(BERLIN) for minute in minutes}
    dark = {minute for minute, wall in local.items() if f"{day}T00:40" <= f"{wall:%Y-%m-%dT%H:%M}" < f"{day}T01:20"}
    half_past_two = {minute for minute, wall in local.items() if (wall.hour, wall.minute, wall.fold) == (2, 30, 0)}
    if day == SPRING:
        # There is no such minute that night: the first one after the gap stands in for it.
        half_past_two |= {datetime(2026, 3, 29, 1, 0, tzinfo=UTC)}
    rules: dict[str, set[datetime]] = {
        "quarters": {minute for minute, wall in local.items() if wall.minute % 15 == 0},
        "at-half-past-two": half_past_two,
        "in-the-second-hour": {m for m, wall in local.items() if wall.hour == 2 and wall.minute % 20 == 0},
        "ten-minutes": {minute for minute in minutes if minute.minute % 10 == 0},
        "not-at-night": {m for m, wall in local.items() if wall.minute % 10 == 0} - dark,
    }
    return rules.get(name, {minute for minute in minutes if minute.minute % 5 == 0})


def asking(url: str) -> Ask:
    def ask(statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    return ask


@contextmanager
def migrated_postgres(environment: dict[str, str], moment: str) -> Iterator[str]:
    """A PostgreSQL with our tables, whose clock starts at a moment and runs fast; the address of its database."""
    with tempfile.TemporaryDirectory(prefix="signalbox-time-") as folder, pytest.MonkeyPatch.context() as patch:
        place = PostgresFolder.make(Path(folder))
        environment["DATABASE_URL"] = place.url
        with place.running():
            migrate(environment)
        for name, value in faked(f"@{moment} x{SPEED}").items():
            patch.setenv(name, value)
        with place.running():
            patch.undo()
            yield place.url


def slowly() -> dict[str, str]:
    """The bounds of transactions, which the fast clock of the server shortens."""
    bounds = {"LOCK_TIMEOUT": 5, "STATEMENT_TIMEOUT": 30, "IDLE_TRANSACTION": 5}
    return {f"SIGNALBOX_{name}_SECONDS": str(seconds * SPEED) for name, seconds in bounds.items()}


def faked(spec: str) -> dict[str, str]:
    return {"LD_PRELOAD": str(FAKETIME), "FAKETIME": spec, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "TZ": "UTC"}


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed: apt-get install faketime")
@pytest.mark.parametrize(("eve", "day"), [("2026-03-28 22:50:00", "2026-03-29"), ("2026-10-24 22:50:00", "2026-10-25")])
def test_three_schedulers_start_exactly_what_is_due_in_the_night_of_a_clock_change(
    eve: str, day: str, tmp_path: Path
) -> None:
    environment = environment_for(tmp_path, "") | slowly()
    with migrated_postgres(environment, eve) as url:
        ask, begin = asking(url), datetime.fromisoformat(eve).replace(tzinfo=UTC)
        make(environment, json.dumps(plans_of(day)))
        first = {name: due.astimezone(UTC) for name, due in ask(NEXT)}
        crew = Crew(tmp_path, environment, ({}, faked("+1h"), faked("-1h")), (0, 0, 0))
        with at_work(crew):
            ends_at = time.monotonic() + SECONDS_AT_MOST
            while ask("SELECT clock_timestamp()")[0][0] < begin + SPAN or crew.ticks < 1000:
                assert time.monotonic() < ends_at, crew.ticks
                end_runs(ask)
                if crew.dice.random() < 0.15:
                    crew.strike()
            ask("UPDATE integrations_schedule SET enabled = false")
        report = {"ticks": crew.ticks, "kills": crew.kills, "pauses": crew.pauses}
        assert report["ticks"] >= 1000, report
        assert min(report["kills"], report["pauses"]) >= 3, report
        judge(ask, begin, first, day)


NEXT = (
    "SELECT i.name, s.next_due_at FROM integrations_schedule s JOIN integrations_deployment d ON d.id = s.deployment_id"
    " JOIN integrations_integration i ON i.id = d.integration_id"
)
STARTED = (
    "SELECT i.name, r.due_at FROM integrations_run r JOIN integrations_deployment d ON d.id = r.deployment_id"
    " JOIN integrations_integration i ON i.id = d.integration_id"
)
LEFT_OUT = (
    "SELECT i.name, e.data FROM integrations_event e JOIN integrations_integration i ON i.id = e.object_id"
    " WHERE e.kind IN ('schedule.left_out', 'schedule.bounded')"
)


def judge(ask: Ask, begin: datetime, first: dict[str, datetime], day: str) -> None:
    """Every due time before the next one of its schedule has its run, or is among those that were said left out."""
    for name, following in ask(NEXT):
        due = set(expected(name, every_minute(begin, following.astimezone(UTC)), day))
        due = {minute for minute in due if first[name] <= minute < following}
        started = [each.astimezone(UTC) for who, each in ask(STARTED) if who == name]
        left_out = [data for who, data in ask(LEFT_OUT) if who == name]
        silent = {
            minute
            for data in left_out
            for minute in due
            if datetime.fromisoformat(data["first"]) <= minute <= datetime.fromisoformat(data["last"])
        }
        assert len(started) == len(set(started)), name
        odd = sorted((set(started) | silent) ^ due)
        assert not odd, f"{name}, next at {following}: {odd}, of {sorted(started)}"
        assert not set(started) & silent, name
        assert sum(data["count"] for data in left_out) == len(silent), name
        if name not in {"one-for-all", "or-never"}:
            assert not silent, name


def test_three_schedulers_on_sqlite_catch_up_every_missed_time_once(tmp_path: Path) -> None:
    file = tmp_path / "control.sqlite3"
    environment = environment_for(tmp_path, f"sqlite:///{file}")
    migrate(environment)
    make(environment, json.dumps([{"name": f"every-{number}", "every": 60} for number in range(4)]))

    def ask(statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as connection:
            return connection.execute(statement).fetchall()

    ask("UPDATE integrations_schedule SET next_due_at = datetime(next_due_at, '-25 minutes')")
    first = moment(ask("SELECT min(next_due_at) FROM integrations_schedule")[0][0])
    crew = Crew(tmp_path, environment, ({}, {}, {}), (0, HOUR, -HOUR))
    with at_work(crew):
        wait_until(lambda: caught_up(ask, crew), "every due time to be started, in 1,000 ticks", 180)
        ask("UPDATE integrations_schedule SET enabled = false")
    following = moment(ask("SELECT min(next_due_at) FROM integrations_schedule")[0][0])
    due = [first + timedelta(minutes=number) for number in range(int((following - first).total_seconds()) // 60)]
    runs = ask("SELECT deployment_id, due_at FROM integrations_run")
    for deployment in {deployment for deployment, _ in runs}:
        assert sorted(moment(due_at) for each, due_at in runs if each == deployment)[: len(due)] == due
    assert min(crew.kills, crew.pauses) >= 3
    assert len(runs) >= 4 * 25


def caught_up(ask: Ask, crew: Crew) -> bool:
    """End what was started, strike, and say whether nothing is behind."""
    end_runs(ask)
    if crew.dice.random() < 0.2:
        crew.strike()
    behind = ask("SELECT count(*) FROM integrations_schedule WHERE next_due_at < strftime('%Y-%m-%d %H:%M:%f', 'now')")
    return behind[0][0] == 0 and crew.ticks >= 1000 and min(crew.kills, crew.pauses) >= 3


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
