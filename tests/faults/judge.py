"""Collects what the oracle needs from the control plane, the destinations and the log of faults."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection

from integrations import encryption
from integrations.domain.lifecycle import RunState
from integrations.models import DeadLetter, Event, Run, RunBatch, UncertainBatch
from integrations.services.run_progress import letter_binding
from tests.faults import history, hook
from tests.faults.kinds import Job
from tests.faults.oracle import COUNTS, Compared, Verdict, compare, replay_problems

MOST_PROBLEMS = 20
# A batch was committed, or the run has ended.
MOVED_ON = ("run.progress", "run.succeeded")


def judge(broker: str, folder: Path, jobs: Mapping[UUID, Job], stuck: Iterable[UUID]) -> Verdict:
    """The verdict on all jobs of a campaign."""
    verdict = Verdict(broker)
    for line in hook.noted(folder):
        if line["action"] in hook.DEADLY:
            verdict.kills[line["point"]] += 1
        verdict.stops += line["action"] == "stop"
        verdict.cuts += line["action"] == "cut"
    for run_id in stuck:
        _count_stuck(verdict, jobs[run_id].kind, run_id)
    for job, run_ids in _by_deployment(jobs).values():
        compared = compare(job.expected(), job.found(), _set_aside(run_ids))
        marked = _uncertain(run_ids, compared)
        verdict.count(job.kind, compared, marked, _marked_records(run_ids))
        for run in Run.objects.filter(pk__in=run_ids):
            verdict.problems += [f"{job.kind} {run.pk}: {problem}" for problem in _problems(run)]
        if not replace(compared, doubled=tuple(set(compared.doubled) - marked)).is_whole:
            verdict.problems.append(f"{job.kind} {', '.join(map(str, run_ids))}: {compared}")
    if connection.vendor == "postgresql":
        verdict.problems += history.foreign(history.changes(os.environ["DATABASE_URL"]))
    verdict.recovery_seconds = recoveries(hook.noted(folder))
    del verdict.problems[MOST_PROBLEMS:]
    return verdict


def _by_deployment(jobs: Mapping[UUID, Job]) -> dict[UUID, tuple[Job, list[UUID]]]:
    found: dict[UUID, tuple[Job, list[UUID]]] = {}
    for run_id, job in jobs.items():
        found.setdefault(job.deployment.pk, (job, []))[1].append(run_id)
    return found


def _count_stuck(verdict: Verdict, kind: str, run_id: UUID) -> None:
    verdict.by_kind.setdefault(kind, Counter())["stuck"] += 1
    verdict.problems.append(f"{kind} {run_id} is stuck: {Run.objects.values().get(pk=run_id)}")


def _set_aside(run_ids: list[UUID]) -> list[int]:
    """The numbers of the records that wait in the dead letters."""
    letters = DeadLetter.objects.filter(run__in=run_ids, is_record=True)
    payloads = (encryption.decrypt(letter.payload, bound_to=letter_binding(letter)) for letter in letters)
    return [int(msgspec.json.decode(payload)["id"]) for payload in payloads]


def _uncertain(run_ids: list[UUID], compared: Compared) -> set[int]:
    """The numbers of the records in batches that are marked as maybe doubled, as many as each mark is for.

    Files are read in the order of their numbers, so that a batch's counts say which records it held.
    """
    found: set[int] = set()
    first = min(compared.numbers, default=0)
    for run_id in run_ids:
        marks = {mark.number: mark.records for mark in UncertainBatch.objects.filter(run=run_id)}
        read = first
        for number, count in RunBatch.objects.filter(run=run_id).order_by("number").values_list("number", "read"):
            doubled = [record for record in range(read, read + count) if record in compared.doubled]
            found.update(doubled[: marks.get(number, 0)])
            read += count
    return found


def _marked_records(run_ids: list[UUID]) -> int:
    return sum(UncertainBatch.objects.filter(run__in=run_ids).values_list("records", flat=True))


def _problems(run: Run) -> list[str]:
    values: dict[str, Any] = {"state": run.state, **{name: getattr(run, name) for name in COUNTS}}
    events = list(Event.objects.filter(run_id=run.pk).order_by("seq").values("seq", "kind", "data"))
    found = replay_problems(events, values)
    if run.state != RunState.SUCCEEDED:
        found.append(f"it {run.state}: {run.error_code} {run.error_message}")
    if run.set_aside:
        found.append(f"{run.set_aside} good records were set aside")
    if RunBatch.objects.filter(run=run).exclude(state="committed").exists():
        found.append("a batch of it was never committed")
    return found


def recoveries(lines: list[dict[str, Any]]) -> list[float]:
    """For each kill of a worker that held a run: the seconds until the run moved on by another one."""
    found = []
    claims = list(Event.objects.filter(kind="run.claimed").order_by("id").values("run_id", "at", "data"))
    by_run: dict[Any, list[float]] = {}
    for event in Event.objects.filter(kind__in=MOVED_ON).order_by("at").values("run_id", "at"):
        by_run.setdefault(event["run_id"], []).append(event["at"].timestamp())
    for line in lines:
        if line["action"] not in hook.DEADLY:
            continue
        mine = [
            c for c in claims if c["data"]["worker"].endswith(f":{line['pid']}") and c["at"].timestamp() < line["at"]
        ]
        if mine:
            after = [at for at in by_run.get(mine[-1]["run_id"], []) if at > line["at"]]
            found += [after[0] - line["at"]] if after else []
    return found
