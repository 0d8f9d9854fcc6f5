"""The event log read in commit order: cursors, frames, and the tail that follows it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.db import transaction

from accounts.models import Workspace
from integrations import events
from monitoring import tail as tail_module
from monitoring.stream import Cursor, StreamEvent, frame, newest, read_after
from monitoring.tail import Tail

PROJECT = Path(__file__).resolve().parents[2]


def workspace(slug: str = "acme") -> Workspace:
    return Workspace.objects.create(slug=slug, name=slug)


def append(place: Workspace, count: int = 1) -> None:
    for _ in range(count):
        with transaction.atomic():
            events.append(workspace=place, topic="run", object_id=uuid4(), kind="run.progress", data={"read": 5})


@pytest.mark.parametrize("text", ["", "1", "1.", ".1", "1.x", "-1.2", "1.2.3", "¹.²", "1" * 60 + ".1"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    assert Cursor.parse(text) is None


def test_a_cursor_survives_its_own_text() -> None:
    assert Cursor.parse(str(Cursor(7, 12))) == Cursor(7, 12)


@pytest.mark.django_db(transaction=True)
def test_an_event_outside_a_transaction_is_a_defect() -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        events.append(workspace=workspace(), topic="run", object_id=uuid4(), kind="run.progress")


@pytest.mark.django_db
def test_reading_goes_on_after_the_cursor_and_stays_in_its_workspace() -> None:
    acme, other = workspace(), workspace("other")
    append(acme, 3)
    append(other, 2)
    first = read_after(Cursor(), acme.pk, limit=2)
    rest = read_after(first[-1].cursor, acme.pk)
    assert (len(first), len(rest)) == (2, 1)
    assert newest() == read_after(Cursor())[-1].cursor


@pytest.mark.django_db
def test_a_stranger_sees_the_topic_and_nothing_else() -> None:
    append(workspace())
    event = read_after(Cursor())[0]
    assert set(json.loads(event.outline)) == {"id", "topic"}
    assert json.loads(event.payload)["data"] == {"read": 5}


def test_a_frame_holds_the_cursor_and_the_events() -> None:
    assert json.loads(frame(Cursor(1, 2), [b'{"id":1}', b'{"id":2}'])) == {
        "cursor": "1.2",
        "events": [{"id": 1}, {"id": 2}],
    }


async def take(follower: AsyncIterator[tuple[Cursor, list[StreamEvent]]], count: int) -> list[StreamEvent]:
    found: list[StreamEvent] = []
    while len(found) < count:
        _, batch = await asyncio.wait_for(anext(follower), 10)
        found += batch
    return found


@pytest.mark.fault("F40")
@pytest.mark.django_db(transaction=True)
async def test_a_follower_gets_what_was_missed_and_what_comes() -> None:
    place = await sync_to_async(workspace)()
    await sync_to_async(append)(place, 3)
    follower = Tail().follow(place.pk, Cursor())
    missed = await take(follower, 3)
    await sync_to_async(append)(place, 2)
    coming = await take(follower, 2)
    assert [event.cursor.id for event in missed + coming] == sorted(event.cursor.id for event in missed + coming)
    assert len({event.cursor for event in missed + coming}) == 5


@pytest.mark.fault("F40")
@pytest.mark.django_db(transaction=True)
async def test_a_slow_follower_reads_from_the_log_what_memory_has_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "KEEP_EVENTS", 4)
    place = await sync_to_async(workspace)()
    tail = Tail()
    slow, quick = tail.follow(place.pk, Cursor()), tail.follow(place.pk, Cursor())
    await sync_to_async(append)(place, 1)
    await take(slow, 1)
    await sync_to_async(append)(place, 12)
    await take(quick, 13)
    assert len(await take(slow, 12)) == 12


@pytest.mark.django_db(transaction=True)
async def test_the_tail_rests_when_nobody_follows() -> None:
    place = await sync_to_async(workspace)()
    tail = Tail()
    follower = tail.follow(place.pk, Cursor())
    pending = asyncio.ensure_future(anext(follower))
    await asyncio.sleep(0)
    pending.cancel()
    with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
        await pending
    if tail._task is not None:
        await asyncio.wait_for(asyncio.shield(tail._task), 10)
        assert tail._task.done()


OUT_OF_ORDER = """
import django
django.setup()
from django.db import connection, connections
from uuid import uuid4
from accounts.models import Workspace
from integrations.models import Event
from monitoring.stream import Cursor, newest, read_after
import threading
place = Workspace.objects.create(slug="acme", name="Acme")
began, may_commit = threading.Event(), threading.Event()
def slow():
    from django.db import transaction
    with transaction.atomic():
        Event.objects.create(workspace=place, topic="run", object_id=uuid4(), kind="early id, late commit")
        began.set()
        may_commit.wait(20)
    connections.close_all()
thread = threading.Thread(target=slow)
thread.start()
began.wait(20)
Event.objects.create(workspace=place, topic="run", object_id=uuid4(), kind="late id, early commit")
before = read_after(Cursor())
cursor = before[-1].cursor if before else newest()
may_commit.set()
thread.join()
after = read_after(cursor)
print(len(before) + len(after))
"""


def test_on_postgresql_an_event_that_commits_late_is_not_missed(postgres_database: str, tmp_path: Path) -> None:
    environment = {**os.environ, "DATABASE_URL": postgres_database, "SIGNALBOX_DATA": str(tmp_path)}
    environment["DJANGO_SETTINGS_MODULE"] = "config.settings"
    for command in (["manage.py", "migrate", "--verbosity", "0"], ["-c", OUT_OF_ORDER]):
        done = subprocess.run(
            [sys.executable, *command], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "2"
