"""Finds changes of a source's columns, keeps them for review, and stops the run where the policy says so.

What is known of a stream stands on the deployment. A run compares what it finds when it begins and again at each later
slice; a change stays known as a change until a person has resolved it. `drift_added` maps new columns through.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

import msgspec
import pyarrow as pa
import structlog
from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now

from accounts import audit
from accounts.errors import STATE_CONFLICT, Conflict, SignalboxError
from accounts.models import User
from integrations import encryption, events
from integrations.connectors.base import Connector as Plugin
from integrations.connectors.base import ReadRequest
from integrations.domain.drift import ColumnChange, DriftAnswer, DriftKind, DriftState, column_changes, stops
from integrations.domain.lifecycle import RunState, Trigger
from integrations.domain.mapping.reads import columns_read
from integrations.domain.policy import EffectivePolicy
from integrations.errors import CONVERSION_FAILED, RECORD_REFUSED, SCHEMA_DRIFTED, VALUE_TOO_LARGE, NeedsPerson
from integrations.models import DeadLetter, Deployment, IntegrationVersion, Run, SchemaChange
from integrations.pipeline.batch import columns_of, excerpt
from integrations.services.dead_letters import payload_of
from integrations.services.drift_added import adopt
from integrations.services.masking import shown_values
from integrations.services.policy_actions import note_in_run
from integrations.services.runs import tell

log = structlog.get_logger(__name__)
SAMPLE_VALUES = 3
_SAMPLE_RECORDS = 50
_MISFITS = (CONVERSION_FAILED, RECORD_REFUSED, VALUE_TOO_LARGE)
# Runs that read the stream itself, and not a part of it or letters.
_WATCHED = frozenset(Trigger) - {Trigger.REDRIVE, Trigger.PARTITION}


def look(run: Run, source: Plugin, schema: pa.Schema, policy: EffectivePolicy) -> None:
    """Compare the columns that a run begins with to those that are known. Raises NeedsPerson where the policy stops."""
    if run.trigger not in _WATCHED:
        return
    found = columns_of(schema)
    known = Deployment.objects.values_list("source_columns", flat=True).get(pk=run.deployment_id)
    if known is None:
        Deployment.objects.filter(pk=run.deployment_id, source_columns__isnull=True).update(source_columns=found)
        return
    changes = column_changes(known, found)
    _meet(run, changes, policy, lambda wanted: _samples(source, run, schema, wanted))
    adopt(run, changes, schema, policy)


def look_again(run: Run, source: Plugin, pinned: pa.Schema, policy: EffectivePolicy) -> None:
    """Ask the source anew in the middle of a run, and compare to what the run began with."""
    if run.trigger not in _WATCHED:
        return
    schema = source.describe(run.version.source_stream).schema
    if schema is not None and not schema.equals(pinned):
        changes = column_changes(columns_of(pinned), columns_of(schema))
        _meet(run, changes, policy, lambda wanted: _samples(source, run, schema, wanted))
        adopt(run, changes, schema, policy)


def look_at_misfits(run: Run, policy: EffectivePolicy) -> None:
    """Find columns whose values no longer fit: fields that set records aside, and never did before."""
    if run.trigger not in _WATCHED or not run.set_aside:
        return
    fields = _misfits(run)
    before = Run.objects.filter(deployment=run.deployment, state=RunState.SUCCEEDED, pk__lt=run.pk, parent=None)
    last = before.order_by("-id").first()
    new = sorted(set(fields) - set(_misfits(last))) if last else []
    changes = [ColumnChange(DriftKind.OUT_OF_RANGE, field) for field in new]
    _meet(run, changes, policy, lambda wanted: {change.column: _letter_sample(run, change.column) for change in wanted})


def resolve(*, change: SchemaChange, note: str, user: User | None) -> SchemaChange:
    """Mark a change as seen: from now on the column is known as it is now. Raises Conflict where somebody has."""
    with transaction.atomic():
        resolved = SchemaChange.objects.filter(pk=change.pk, state=DriftState.OPEN).update(
            state=DriftState.RESOLVED, note=note[:300], resolved_by=user, resolved_at=Now()
        )
        if not resolved:
            raise Conflict(STATE_CONFLICT, "The change was marked as seen already.")
        _learn(change)
        audit.record(
            workspace=change.workspace, action="schema_change.resolved", object=change,
            after={"change": change.change.sentence, "note": note[:300]},
        )  # fmt: skip
        _tell(change.deployment, "schema.resolved", change.change.sentence)
    change.refresh_from_db()
    return change


def sample_of(change: SchemaChange) -> list[str]:
    """Up to three values of the column, as text and as people may see them."""
    if not change.sample:
        return []
    found: list[str] = msgspec.json.decode(encryption.decrypt(change.sample, bound_to=_binding(change)))
    return [value for value in shown_values(change.deployment, change.column, found) if value is not None]


def touched(version: IntegrationVersion, column: str) -> list[str]:
    """The fields of a version's mapping that read a column, and “filter” where its filter does."""
    rules = [(rule["target"], rule["expression"]) for rule in version.mapping.get("fields", [])]
    condition = version.mapping.get("filter", "")
    rules += [("filter", condition)] if condition else []
    return [name for name, expression in rules if column in columns_read(expression, [column])]


def _meet(run: Run, changes: Sequence[ColumnChange], policy: EffectivePolicy, samples: Any) -> None:
    """Keep the changes for review, and stop where one of them has to."""
    answers = {change: DriftAnswer(policy.choice(f"drift.{change.kind.value}")) for change in changes}
    touches = {change: _touches(run.version, change) for change in changes}
    deadly = [change for change in changes if stops(change, answers[change], _read(change, touches[change]))]
    new = [change for change in changes if not _seen_before(run, change)]
    values = samples(new) if new else {}
    for change in new:
        _keep(run, change, touches[change], values.get(change.column, []), stopped=change in deadly)
    if deadly:
        rule = f"drift.{deadly[0].kind.value}"
        raise NeedsPerson(SCHEMA_DRIFTED, " ".join(change.sentence for change in deadly), rule=rule)


def _touches(version: IntegrationVersion, change: ColumnChange) -> list[str]:
    # Misfits are told by the field of the mapping, all else by the column of the source.
    return [change.column] if change.kind is DriftKind.OUT_OF_RANGE else touched(version, change.column)


def _read(change: ColumnChange, touches: Sequence[str]) -> frozenset[str]:
    return frozenset({change.column} if touches else ())


def _seen_before(run: Run, change: ColumnChange) -> bool:
    return bool(
        SchemaChange.objects.filter(
            deployment=run.deployment, kind=change.kind, column=change.column[:200], after=change.after[:60],
            state=DriftState.OPEN,
        ).update(seen_at=Now(), run=run)
    )  # fmt: skip


def _keep(run: Run, change: ColumnChange, touches: Sequence[str], values: Sequence[Any], *, stopped: bool) -> None:
    row = SchemaChange(
        workspace=run.workspace, deployment=run.deployment, run=run, kind=change.kind, column=change.column[:200],
        before=change.before[:60], after=change.after[:60], touches=list(touches), stopped=stopped, seen_at=Now(),
    )  # fmt: skip
    row.sample = encryption.encrypt(msgspec.json.encode(list(values)), bound_to=_binding(row)) if values else ""
    try:
        with transaction.atomic():
            row.save()
            fields = f" It is read by {', '.join(touches)}." if touches else " The mapping does not read it."
            tell(run, "run.schema_changed", change.sentence + fields, level="warning", data={"change": str(row.pk)})
            _tell(run.deployment, "schema.changed", change.sentence, level="warning")
            note_in_run(run, f"drift.{change.kind.value}", f"noted for review: {change.sentence}")
    except IntegrityError:
        log.info("schema_change_kept_by_another", run=str(run.pk), column=change.column)


def _learn(change: SchemaChange) -> None:
    deployment = Deployment.objects.select_for_update().get(pk=change.deployment_id)
    columns: dict[str, str] = dict(deployment.source_columns or {})
    if change.kind == DriftKind.DROPPED:
        columns.pop(change.column, None)
    elif change.kind != DriftKind.OUT_OF_RANGE:
        columns[change.column] = change.after
    Deployment.objects.filter(pk=deployment.pk).update(source_columns=columns)


def _samples(source: Plugin, run: Run, schema: pa.Schema, changes: Iterable[ColumnChange]) -> Mapping[str, list[str]]:
    """A few values of each changed column, read from the stream's beginning; none where it cannot be read."""
    wanted = [change.column for change in changes if change.kind in (DriftKind.ADDED, DriftKind.RETYPED)]
    if not wanted:
        return {}
    request = ReadRequest(run.version.source_stream, schema=schema, batch_records=_SAMPLE_RECORDS)
    try:
        # A generator, closed after its first batch.
        with closing(source.read(request)) as batches:  # type: ignore[type-var]
            batch = next(iter(batches), None)
    except SignalboxError as error:
        log.info("drift_sample_not_read", run=str(run.pk), code=error.code)
        return {}
    if batch is None:
        return {}
    rows = batch.records.to_pylist()
    return {name: [excerpt(row[name]) for row in rows if row[name] is not None][:SAMPLE_VALUES] for name in wanted}


def _letters(run: Run) -> QuerySet[DeadLetter]:
    """What did not fit in a run; those of a run that was cut are its partitions'."""
    return DeadLetter.objects.filter(Q(run=run) | Q(run__parent=run), code__in=_MISFITS)


def _misfits(run: Run) -> list[str]:
    rows = _letters(run).exclude(field="").values("field")
    return [row["field"] for row in rows.annotate(count=Count("id")).order_by("field")]


def _letter_sample(run: Run, field: str) -> list[str]:
    """Values that did not fit, from the letters of the run."""
    rules = {rule["target"]: rule["expression"] for rule in run.version.mapping.get("fields", [])}
    values = []
    for letter in _letters(run).filter(field=field).order_by("id")[:SAMPLE_VALUES]:
        record = payload_of(letter)
        values += [excerpt(record[name]) for name in sorted(columns_read(rules.get(field, ""), record))][:1]
    return values


def _binding(change: SchemaChange) -> str:
    return encryption.associated_data(
        workspace=change.workspace_id, table="schema_change", row=change.pk, field="sample"
    )


def _tell(deployment: Deployment, kind: str, message: str, level: str = "info") -> None:
    events.append(
        workspace=deployment.workspace_id, topic="integration", object_id=deployment.integration_id, kind=kind,
        message=message, level=level,
    )  # fmt: skip
