"""Executes one slice of a run: claim it, open both ends, move batches, and decide what an error means."""

from __future__ import annotations

import random
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from uuid import UUID

import pyarrow as pa
import structlog
from django.conf import settings
from django.db import InterfaceError, InternalError, OperationalError, connection

from accounts.errors import SignalboxError
from integrations.connectors.base import Connector as Plugin
from integrations.connectors.base import Range, ReadRequest, WriteMode, WriteRequest
from integrations.connectors.ranged import RangedSource
from integrations.domain.isolation import Isolation
from integrations.domain.lifecycle import RunState, Trigger
from integrations.domain.policy import EffectivePolicy, FlowPolicy
from integrations.domain.retry import RetryRule, backoff_seconds
from integrations.domain.scope import scope_of
from integrations.domain.words import counted
from integrations.errors import (
    INTERNAL_ERROR,
    LEASE_LOST,
    RUN_CANCELLED,
    RUN_PAUSED,
    SOURCE_CHANGED,
    NeedsPerson,
    RetryLater,
    StopRun,
)
from integrations.faultpoints import reach
from integrations.models import Connector, Run
from integrations.models.integration import ReadMode
from integrations.pipeline.careful import run_carefully
from integrations.pipeline.delivery import deliver
from integrations.pipeline.ports import Position, SliceEnd
from integrations.pipeline.runner import SlicePlan, run_slice
from integrations.services import claims, drift
from integrations.services.chains import start_owed
from integrations.services.claims import Asked, Claim
from integrations.services.connectors import note_use, open_plugin
from integrations.services.cutting import cut_run, may_be_cut, partition_of, resume_partitions
from integrations.services.drift_added import widen
from integrations.services.isolating import isolate
from integrations.services.masking import mapper_for
from integrations.services.owners import former_owners, owner_of
from integrations.services.policy_actions import note_in_run, note_wait
from integrations.services.policy_ends import end_of, policy_of_run
from integrations.services.policy_places import read_once
from integrations.services.redriven import RedrivenRecords, decode_schema
from integrations.services.run_progress import COUNTED, Bounds, DatabaseRunLog, Heartbeat
from integrations.services.verdict import (
    refuse_emptied,
    refuse_found_behind,
    refuse_regressed,
    refuse_too_many_rejected,
    warnings_of,
)
from integrations.services.waiting import loses_no_attempt, wait_or_fail

log = structlog.get_logger(__name__)
# Errors of the control database that say nothing of the run: it is away, too slow, or ended our transaction.
OUTAGES = (OperationalError, InterfaceError, InternalError)
_ASK_AGAIN_SECONDS = 0.5


def execute_slice(*, run_id: UUID, worker: str, draining: Callable[[], bool] = lambda: False) -> RunState | None:
    """Work on a run for at most a slice. Return its state after, or None where it was not this worker's to take."""
    claim = claims.claim_run(run_id=run_id, worker=worker)
    return work_slice(claim, draining) if claim else None


def work_slice(claim: Claim, draining: Callable[[], bool]) -> RunState | None:
    """Work on a claimed run for at most a slice. Return its state after; None where this worker had to let go of it."""
    try:
        reach("after_claim")
        run = _load(claim.run_id)
        # A worker that slept since its claim would load its successor's fence.
        run.fence = claim.fence
        with read_once():
            try:
                flow = policy_of_run(run)
            except SignalboxError as error:
                claims.fail_run(claim, error)
                return RunState.FAILED
            return _work(run, claim, flow, draining)
    except StopRun as error:
        # The run was taken over while this worker was about to say how it ended.
        return _stopped(claim, error)
    except OUTAGES as error:
        log.warning("control_database_failed", run=str(claim.run_id), reason=str(error))
        _let_go(claim)
        return None


def _work(run: Run, claim: Claim, flow: FlowPolicy, draining: Callable[[], bool]) -> RunState | None:
    policy = flow.whole
    try:
        with Heartbeat(claim, _asked(run)) as heartbeat:
            heartbeat.check()
            bounds = Bounds(float(policy.value("timeout.run_seconds")), int(policy.value("limit.batch_records")))
            isolation = isolate(run, claim, bounds.batch_records)
            run_log = DatabaseRunLog(run, claim, heartbeat, draining, bounds)
            end = _partitioned(run, claim, policy) or _move(run, run_log, isolation, bounds, policy)
        return _ended(run, claim, end, policy)
    except StopRun as error:
        return _stopped(claim, error)
    except RetryLater as error:
        return _wait_or_retry(run, claim, error, flow.at(end_of(run.version, error)))
    except SignalboxError as error:
        if error.code == SOURCE_CHANGED:
            _keep_change(run, policy)
        claims.fail_run(claim, error)
        return RunState.FAILED
    except OUTAGES:
        raise
    except Exception as error:
        log.exception("slice_crashed", run=str(run.pk))
        claims.fail_run(claim, NeedsPerson(INTERNAL_ERROR, f"A defect stopped the run: {type(error).__name__}."))
        raise


def _asked(run: Run) -> Asked:
    """What people have asked of a run that was just loaded; a partition is asked through its run."""
    if run.parent_id is not None:
        return claims.asked_of(run.pk)
    return Asked(to_cancel=run.cancel_requested, to_pause=run.pause_requested)


def _stopped(claim: Claim, error: StopRun) -> RunState | None:
    """What becomes of a run that this worker may not go on with."""
    if error.code == RUN_CANCELLED:
        claims.end_cancelled(claim)
        return RunState.CANCELLED
    if error.code == RUN_PAUSED:
        claims.end_paused(claim)
        return RunState.PAUSED
    log.warning("slice_stopped", run=str(claim.run_id), code=error.code, reason=error.message)
    if error.code == LEASE_LOST:
        _let_go(claim)
        return None
    claims.fail_run(claim, error)
    return RunState.FAILED


def _let_go(claim: Claim) -> None:
    """Say that this worker lives, so that its claim counts as no death; wait up to a lease for the database."""
    claims.remember_survivor(claim)
    waits_until = time.monotonic() + settings.LEASE_SECONDS
    while True:
        try:
            return claims.hand_back_survivors()
        except OUTAGES as error:
            # A connection that broke stays broken; the next try opens a new one.
            connection.close()
            if time.monotonic() > waits_until:
                log.warning("claim_kept_for_later", run=str(claim.run_id), reason=str(error))
                return None
            time.sleep(_ASK_AGAIN_SECONDS)


def _load(run_id: UUID) -> Run:
    """A run with all that a slice asks of it; a parent, and what it continues, have few."""
    run = Run.objects.select_related(
        "workspace",
        "deployment__integration__policy",
        "version__source__credential",
        "version__source__policy",
        "version__destination__credential",
        "version__destination__policy",
    ).get(pk=run_id)
    version = run.version
    # Nothing refers across workspaces.
    version.source.workspace = version.destination.workspace = run.workspace
    return run


def _partitioned(run: Run, claim: Claim, policy: EffectivePolicy) -> SliceEnd | None:
    """Cut a run that may be cut, or see after the partitions of one that was; None where it is moved in one piece."""
    if run.partition_count:
        return SliceEnd.FINISHED if resume_partitions(run, claim) else SliceEnd.WAITING
    if not may_be_cut(run):
        return None
    with closing(_source(run)) as source:
        schema = _pinned_schema(run, source, policy)
        return SliceEnd.WAITING if schema is not None and cut_run(run, claim, source, schema, policy) else None


def _move(run: Run, run_log: DatabaseRunLog, isolation: Isolation, bounds: Bounds, policy: EffectivePolicy) -> SliceEnd:
    with (
        closing(_source(run)) as source,
        closing(open_plugin(run.version.destination, run.deployment.integration, run=run)) as destination,
    ):
        schema = _pinned_schema(run, source, policy)
        if schema is None:
            refuse_emptied(run, source, policy)
            return SliceEnd.FINISHED
        with mapper_for(run, schema) as mapper:
            request = _write_request(run, mapper.schema)
            if not run.batches:
                widen(destination, request.stream, request.schema, policy)
            for owner in former_owners(run):
                with destination.open_writer(replace(request, owner=owner)) as former:
                    run_log.keep_out(former, owner)
            with destination.open_writer(request) as writer:
                start = run_log.position(writer, request.owner)
                while start.pending is not None:
                    deliver(start.pending, writer, run_log)
                    if run_log.should_yield():
                        return SliceEnd.YIELDED
                    start = run_log.position(writer, request.owner)
                most = min(isolation.records or bounds.batch_records, writer.batch_records or sys.maxsize)
                read = _read_request(run, schema, start, most)
                refuse_regressed(run, source, read, policy)
                plan = SlicePlan(str(run.pk), start, read, request)
                if isolation.is_careful:
                    end = run_carefully(plan, isolation.condemned, source, mapper, writer, run_log)
                else:
                    end = run_slice(plan, source, mapper, writer, run_log)
                refuse_found_behind(end, source, read, policy)
                return end


def _read_request(run: Run, schema: pa.Schema, start: Position, batch_records: int) -> ReadRequest:
    version = run.version
    return ReadRequest(
        stream=version.source_stream,
        cursor=start.cursor,
        cursor_field=version.cursor_field if version.read_mode == ReadMode.INCREMENTAL else "",
        primary_key=tuple(version.primary_key),
        schema=schema,
        partition=partition_of(run),
        batch_records=batch_records,
    )


def _write_request(run: Run, schema: pa.Schema) -> WriteRequest:
    version = run.version
    return WriteRequest(
        stream=version.destination_stream,
        schema=schema,
        mode=WriteMode(version.write_mode),
        key=tuple(version.key),
        owner=owner_of(run),
        fence=run.fence,
    )


def _keep_change(run: Run, policy: EffectivePolicy) -> None:
    """Keep for review what changed under a run that has failed for it; the run's own error says that it failed."""
    with suppress(SignalboxError), closing(_source(run)) as source:
        drift.look_again(run, source, decode_schema(run.schema), policy)


def _source(run: Run) -> Plugin:
    if run.trigger == Trigger.REDRIVE:
        return RedrivenRecords(run)
    source = open_plugin(run.version.source, run.deployment.integration, run=run)
    scope = scope_of(run.scope)
    return RangedSource(source, Range(scope.field, scope.low, scope.high)) if scope and scope.is_range else source


def _pinned_schema(run: Run, source: Plugin, policy: EffectivePolicy) -> pa.Schema | None:
    """The stream's columns and types, found once in a run and kept for all its slices; None for an empty stream.

    Changes of the columns are looked for here, at the first slice and at each later one.
    """
    if run.schema:
        pinned = decode_schema(run.schema)
        if run.batches:
            drift.look_again(run, source, pinned, policy)
        return pinned
    schema = source.describe(run.version.source_stream).schema
    if schema is not None:
        drift.look(run, source, schema, policy)
        run.schema = b64encode(schema.serialize().to_pybytes()).decode()
        Run.objects.filter(pk=run.pk, fence=run.fence).update(schema=run.schema)
    return schema


def _ended(run: Run, claim: Claim, end: SliceEnd, policy: EffectivePolicy) -> RunState:
    run.refresh_from_db(fields=COUNTED)
    if end is SliceEnd.WAITING:
        return RunState.RUNNING
    drift.look_at_misfits(run, policy)
    if run.parent_id is None:
        refuse_too_many_rejected(run, policy)
    if end is SliceEnd.YIELDED:
        reach("before_yield")
        claims.yield_run(claim)
        return RunState.RUNNING
    warnings = warnings_of(run, policy)
    reach("before_finish")
    owed = claims.succeed_run(claim, warnings=warnings)
    if run.batches > 1:
        note_in_run(
            run,
            "limit.batch_records",
            f"cut {counted(run.read, 'record')} into {counted(run.batches, 'batch', 'batches')}",
        )
    reach("after_finish")
    if owed:
        start_owed(upstream_run=run.pk)
    for connector in _used(run):
        note_use(connector=connector)
    return RunState.SUCCEEDED


def _used(run: Run) -> list[Connector]:
    """The connectors that the run has really spoken to."""
    destination = [run.version.destination] if run.schema else []
    return destination if run.trigger == Trigger.REDRIVE else [run.version.source, *destination]


def _wait_or_retry(run: Run, claim: Claim, error: RetryLater, policy: EffectivePolicy) -> RunState:
    if not loses_no_attempt(error):
        return _retry_or_fail(run, claim, error, policy)
    longest, run_seconds = (
        float(policy.value(name)) for name in ("retry.longest_retry_after_seconds", "timeout.run_seconds")
    )
    return wait_or_fail(run, claim, error, longest_seconds=longest, run_seconds=run_seconds)


def _retry_or_fail(run: Run, claim: Claim, error: RetryLater, policy: EffectivePolicy) -> RunState:
    rule = RetryRule(
        attempts=int(policy.value("retry.attempts")),
        initial_seconds=float(policy.value("retry.first_delay_seconds")),
        max_seconds=float(policy.value("retry.longest_delay_seconds")),
        retry_after_max_seconds=float(policy.value("retry.longest_retry_after_seconds")),
    )
    run.refresh_from_db(fields=["attempt"])
    if run.attempt + 1 >= rule.attempts:
        error.detail["is_exhausted"] = True
        claims.fail_run(claim, error)
        return RunState.FAILED
    delay, decided_by = _wait(error, run.attempt + 1, rule)
    claims.retry_run(claim, error=error, delay_seconds=delay)
    note_wait(run, error, delay_seconds=delay, decided_by=decided_by)
    return RunState.QUEUED


def _wait(error: RetryLater, attempt: int, rule: RetryRule) -> tuple[float, str]:
    """How long to wait, and the name of the policy's rule that decided it."""
    asked = error.retry_after_seconds
    if asked is None:
        seconds = backoff_seconds(attempt, rule, random.random())  # noqa: S311 - jitter, not a secret
        is_cut = rule.initial_seconds * 2.0 ** min(attempt - 1, 60) > rule.max_seconds
        return seconds, "retry.longest_delay_seconds" if is_cut else "retry.first_delay_seconds"
    return min(asked, rule.retry_after_max_seconds), "retry.longest_retry_after_seconds"
