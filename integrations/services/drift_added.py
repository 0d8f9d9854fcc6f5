"""Takes columns that a source has added through to the destination, where the policy says so.

A version with the new columns in its mapping is made by the system. Before it becomes active the destination gets the
columns, so that no run fails for a column that nobody asked for; where it refuses them, or a second person has to
approve, the version waits. The run that finds a column before it has moved anything takes the new version itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import closing
from dataclasses import replace

import pyarrow as pa
from django.db import transaction

from accounts.errors import SignalboxError
from integrations.connectors.base import Connector as Plugin
from integrations.connectors.optional import Widenable
from integrations.domain.drift import ColumnChange, DriftAnswer, DriftKind, DriftState
from integrations.domain.mapping import FieldRule, FieldType, identity_mapping
from integrations.domain.mapping import Mapping as FieldMapping
from integrations.domain.masking import masked_fields, unfit
from integrations.domain.policy import EffectivePolicy
from integrations.errors import NeedsPerson
from integrations.models import Deployment, IntegrationVersion, Run, SchemaChange
from integrations.pipeline.mapper import Mapper
from integrations.services.approval_rules import needs_second_person
from integrations.services.approvals import activate_or_ask
from integrations.services.connectors import open_plugin
from integrations.services.integrations import add_version, flow_of
from integrations.services.masking import masks_of_version
from integrations.services.policy_actions import note_in_run
from integrations.services.policy_places import default_of
from integrations.services.runs import tell

RULE = "drift.added"


def adds_columns(policy: EffectivePolicy) -> bool:
    """Whether a new column at the source becomes one of the destination by itself."""
    return policy.choice(RULE) == DriftAnswer.ADD


def adopt(run: Run, changes: Iterable[ColumnChange], schema: pa.Schema, policy: EffectivePolicy) -> None:
    """Map the columns that are new, and that no version was made for yet. A run that has moved nothing takes it."""
    if not adds_columns(policy):
        return
    base = Deployment.objects.select_related("version").get(pk=run.deployment_id).version
    if (base.source_id, base.source_stream) != (run.version.source_id, run.version.source_stream):
        return
    if base.pk == run.version_id:
        base = run.version
    columns = _unmapped(run, base, changes)
    if columns:
        mapping = _widened(run, base, columns)
        refusal = "" if needs_second_person(run.deployment, base) else _refusal(run, base, mapping, schema)
        _store(run, base, mapping, list(columns), refusal)


def widen(destination: Plugin, stream: str, schema: pa.Schema, policy: EffectivePolicy) -> None:
    """Add to the destination what a run is about to write and it has no column for, where the policy says so."""
    if adds_columns(policy) and isinstance(destination, Widenable):
        destination.add_columns(stream, schema)


def _unmapped(run: Run, base: IntegrationVersion, changes: Iterable[ColumnChange]) -> dict[str, FieldRule]:
    """A field for each new column that no version was made for yet; none where a field has its name already."""
    made = SchemaChange.objects.filter(
        deployment=run.deployment, kind=DriftKind.ADDED, state=DriftState.OPEN, version__isnull=False
    )
    known = set(made.values_list("column", flat=True))
    columns = {
        change.column: change.after
        for change in changes
        if change.kind is DriftKind.ADDED and change.column[:200] not in known
    }
    taken = {rule["target"].casefold() for rule in base.mapping["fields"]}
    fields = dict(zip(columns, identity_mapping(columns).fields, strict=True))
    return {name: rule for name, rule in fields.items() if rule.target.casefold() not in taken}


def _widened(run: Run, base: IntegrationVersion, columns: dict[str, FieldRule]) -> FieldMapping:
    """The mapping with the new fields; what a mask hides is text."""
    mapping, fields = FieldMapping.from_json(base.mapping), tuple(columns.values())
    masks = masks_of_version(base, run.deployment.integration, default_of(run.workspace))
    hidden = unfit(masked_fields(FieldMapping(fields), masks), base.key)
    return FieldMapping((*mapping.fields, *(_as_text(each, hidden) for each in fields)), mapping.filter)


def _as_text(rule: FieldRule, hidden: Collection[str]) -> FieldRule:
    return FieldRule.of(rule.target, rule.expression, FieldType.TEXT.value) if rule.target in hidden else rule


def _refusal(run: Run, base: IntegrationVersion, mapping: FieldMapping, schema: pa.Schema) -> str:
    """Add the columns to the destination; return why it does not take them, or nothing."""
    with Mapper(mapping, schema) as mapper:
        wanted = mapper.schema
    try:
        with closing(open_plugin(base.destination, run.deployment.integration, run=run)) as destination:
            if isinstance(destination, Widenable):
                destination.add_columns(base.destination_stream, wanted)
    except NeedsPerson as error:
        return error.message
    return ""


def _store(run: Run, base: IntegrationVersion, mapping: FieldMapping, columns: Collection[str], refusal: str) -> None:
    names = ", ".join(columns)
    with transaction.atomic():
        deployment = Deployment.objects.select_for_update().get(pk=run.deployment_id)
        if deployment.version_id != base.pk:
            # Somebody has activated another version meanwhile: the next run looks at that one.
            return
        note = f"Made by the policy: the source has a new column, {names}."
        try:
            with transaction.atomic():
                flow = replace(flow_of(base), mapping=mapping.to_json(), note=note[:300])
                version = add_version(integration=run.deployment.integration, flow=flow, user=None)
        except SignalboxError as error:
            tell(run, "run.warning", f"No version could be made: {error.message}", level="warning")
            return
        SchemaChange.objects.filter(
            deployment=deployment, kind=DriftKind.ADDED, column__in=[name[:200] for name in columns],
            state=DriftState.OPEN, version=None,
        ).update(version=version)  # fmt: skip
        _activate(run, base, version, names, refusal)


def _activate(run: Run, base: IntegrationVersion, version: IntegrationVersion, names: str, refusal: str) -> None:
    """Make the version active, or say what it waits for."""
    prepared = f"Version {version.number} is prepared, with {names}"
    if refusal:
        tell(run, "run.version_prepared", f"{prepared}. The destination did not take it: {refusal}", level="warning")
        return
    try:
        with transaction.atomic():
            request = activate_or_ask(deployment=run.deployment, version=version, user=None)
    except SignalboxError as error:
        tell(run, "run.version_prepared", f"{prepared}. It is not active: {error.message}", level="warning")
        return
    if request is not None:
        tell(run, "run.version_prepared", f"{prepared}. It becomes active when a member approves it.")
        return
    note_in_run(run, RULE, f"mapped {names} through, in version {version.number}")
    taken = run.version_id == base.pk and not run.batches and _take(run, version)
    when = "This run takes it" if taken else "The next run takes it"
    tell(run, "run.version_activated", f"Version {version.number} is active, with {names}. {when}.")


def _take(run: Run, version: IntegrationVersion) -> bool:
    """Let a run that has moved nothing go on by the new version."""
    if not Run.objects.filter(pk=run.pk, fence=run.fence, batches=0).update(version=version):
        return False
    run.version = version
    return True
