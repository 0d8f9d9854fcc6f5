"""Changes of integrations: versions are added and activated, never edited."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.db.models.functions import Now

from accounts import audit
from accounts.audit import Values
from accounts.errors import INPUT_INVALID, NAME_TAKEN, STATE_CONFLICT, Conflict, Invalid
from accounts.models import User, Workspace
from integrations import events
from integrations.connectors import registry
from integrations.domain.drift import DriftState
from integrations.domain.guarantee import WriteMode
from integrations.domain.lifecycle import ACTIVE_STATES
from integrations.domain.mapping import Mapping, check_mapping
from integrations.errors import MAPPING_INVALID
from integrations.models import (
    ApprovalRequest,
    Connector,
    Deployment,
    Integration,
    IntegrationVersion,
    Policy,
    Run,
    SchemaChange,
)
from integrations.models.integration import ReadMode
from integrations.services.approval_asking import ask
from integrations.services.approval_rules import needs_second_person, refuse_other_policy, refuse_unapproved
from integrations.services.schedules import count_anew

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ACTIVATED = ["version", "is_approved", "cursor", "cursor_at", "epoch", "source_columns", "updated_at"]
NAME_RULE = "Use lower-case letters, digits and hyphens, e.g. orders-to-warehouse."


@dataclass(frozen=True)
class Flow:
    """What an integration version does; `mapping` is `domain.mapping` as plain values."""

    source: Connector
    source_stream: str
    destination: Connector
    destination_stream: str
    mapping: dict[str, Any]
    read_mode: str = ReadMode.FULL
    cursor_field: str = ""
    primary_key: tuple[str, ...] = ()
    write_mode: str = WriteMode.UPSERT
    key: tuple[str, ...] = ()
    note: str = ""


def create_integration(
    *, workspace: Workspace, name: str, description: str, flow: Flow, user: User | None, policy: Policy | None = None
) -> Integration:
    """Create an integration with its first version, active in the destination's environment.

    Where the policy asks for a second person there, the version waits for the approval that this asks for.
    """
    _check_name(name)
    check_flow(flow)
    try:
        with transaction.atomic():
            integration = Integration.objects.create(
                workspace=workspace, name=name, description=description, policy=policy, created_by=user
            )
            version = _add_version(integration, flow, number=1, user=user)
            deployment = Deployment(
                workspace=workspace, integration=integration, version=version, environment=flow.destination.environment
            )
            deployment.is_approved = not needs_second_person(deployment)
            deployment.save()
            _tell(integration, "integration.created", after={"name": name, "version": 1, "flow": flow_values(version)})
            if not deployment.is_approved:
                ask(deployment=deployment, version=version, user=user)
    except IntegrityError as error:
        raise Conflict(NAME_TAKEN, f"There is already an integration “{name}”.", fields={"name": "Taken."}) from error
    return integration


def add_version(*, integration: Integration, flow: Flow, user: User | None) -> IntegrationVersion:
    """Add an immutable version; it does nothing until it is activated."""
    check_flow(flow)
    with transaction.atomic():
        Integration.objects.select_for_update().get(pk=integration.pk)
        number = (integration.versions.aggregate(last=Max("number"))["last"] or 0) + 1
        version = _add_version(integration, flow, number=number, user=user)
        _tell(integration, "integration.version_added", after={"version": number, "flow": flow_values(version)})
    return version


def activate_version(
    *, deployment: Deployment, version: IntegrationVersion, approval: ApprovalRequest | None = None
) -> Deployment:
    """Make a version of the same integration the active one; a run that is under way keeps its own.

    Raises Conflict (`approval_needed`) where the policy asks for a second person and `approval` is not theirs.

    Where what they read differs (source, stream, read mode, cursor field, primary key), the stored cursor means nothing
    any more and is reset. Then it raises Conflict while a run is active, which would go on under the new checkpoint and
    store its old place there.
    """
    if version.integration_id != deployment.integration_id:
        raise Invalid(INPUT_INVALID, "The version belongs to another integration.")
    refuse_unapproved(deployment, version, approval)
    with transaction.atomic():
        locked = Deployment.objects.select_for_update().select_related("version").get(pk=deployment.pk)
        before, was_approved = locked.version, locked.is_approved
        if before.reads != version.reads:
            _refuse_active(locked)
            locked.cursor, locked.cursor_at, locked.epoch = None, None, locked.epoch + 1
        if (before.source_id, before.source_stream) != (version.source_id, version.source_stream):
            _forget_columns(locked)
        locked.version, locked.is_approved = version, True
        locked.save(update_fields=_ACTIVATED)
        if not was_approved:
            count_anew(locked)
        _tell(
            locked.integration,
            "integration.version_activated",
            before={"version": before.number if was_approved else None},
            after={"version": version.number, "environment": locked.environment},
        )
    return locked


def set_enabled(*, deployment: Deployment, enabled: bool) -> None:
    """Switch a deployment's schedule on or off; a run under way goes on."""
    with transaction.atomic():
        switched = Deployment.objects.filter(pk=deployment.pk, enabled=not enabled).update(enabled=enabled)
        if switched and enabled:
            count_anew(deployment)
        action = "integration.enabled" if enabled else "integration.disabled"
        _tell(deployment.integration, action, after={"environment": deployment.environment})
    deployment.enabled = enabled


def reset_checkpoint(*, deployment: Deployment, reason: str) -> None:
    """Forget the cursor, so that the next run reads the stream from its start. Refused while a run is active."""
    if not reason.strip():
        raise Invalid(INPUT_INVALID, "Say why.", fields={"reason": "A reason is required; it stands in the audit log."})
    with transaction.atomic():
        locked = Deployment.objects.select_for_update().get(pk=deployment.pk)
        _refuse_active(locked)
        before = locked.cursor
        locked.cursor, locked.cursor_at, locked.epoch = None, None, locked.epoch + 1
        locked.save(update_fields=["cursor", "cursor_at", "epoch", "updated_at"])
        _tell(locked.integration, "checkpoint.reset", before={"cursor": before}, after={"reason": reason})


def change_integration(*, integration: Integration, description: str, policy: Policy | None) -> Integration:
    """Change what is not versioned: the description and the policy."""
    if (policy.pk if policy else None) != integration.policy_id:
        refuse_other_policy(integration.deployments.all())
    before = {"description": integration.description, "policy": _name_of(integration.policy)}
    integration.description, integration.policy = description, policy
    with transaction.atomic():
        integration.save(update_fields=["description", "policy", "updated_at"])
        after = {"description": description, "policy": _name_of(policy)}
        _tell(integration, "integration.changed", before=before, after=after)
    return integration


def delete_integration(*, integration: Integration) -> None:
    """Delete an integration with its versions, runs and dead letters. Refused while a run is active."""
    with transaction.atomic():
        # Nothing starts between the question and the deletion: a start waits for these locks.
        for deployment in Deployment.objects.select_for_update().filter(integration=integration).order_by("pk"):
            _refuse_active(deployment)
        _tell(integration, "integration.deleted", before={"name": integration.name})
        Run.objects.filter(deployment__integration=integration).delete()
        Deployment.objects.filter(integration=integration).delete()
        integration.delete()


def check_flow(flow: Flow) -> None:
    """Refuse a flow that cannot run, naming each field."""
    problems: dict[str, str] = {}
    source, destination = registry.get(flow.source.plugin).spec, registry.get(flow.destination.plugin).spec
    if flow.source.workspace_id != flow.destination.workspace_id:
        problems["destination"] = "Source and destination are in different workspaces."
    if not source.reads:
        problems["source"] = f"{source.label} cannot be read."
    if not destination.writes:
        problems["destination"] = f"{destination.label} cannot be written."
    for name in ("source_stream", "destination_stream"):
        if not getattr(flow, name).strip():
            problems[name] = "Choose a stream."
    if flow.read_mode == ReadMode.INCREMENTAL and not flow.cursor_field and flow.source.plugin != "files":
        problems["cursor_field"] = "An incremental read needs the field that orders the stream."
    problems.update(_mapping_problems(flow))
    if problems:
        code = MAPPING_INVALID if set(problems) == {"mapping"} else INPUT_INVALID
        raise Invalid(code, "The integration cannot be saved.", fields=problems)


def _mapping_problems(flow: Flow) -> dict[str, str]:
    try:
        mapping = Mapping.from_json(flow.mapping)
    except ValueError as error:
        return {"mapping": str(error)}
    found = check_mapping(mapping, None)
    problems = {"mapping": found[0].message} if found else {}
    targets = {rule.target for rule in mapping.fields}
    missing = [name for name in flow.key if name not in targets]
    if flow.write_mode == WriteMode.UPSERT and not flow.key:
        problems["key"] = "Upsert needs key columns to match records by."
    elif missing:
        problems["key"] = f"The mapping makes no column {', '.join(missing)}."
    return problems


def flow_of(version: IntegrationVersion) -> Flow:
    """What a version does, without its note."""
    values = {part.name: getattr(version, part.name) for part in fields(Flow)}
    values |= {"primary_key": tuple(version.primary_key), "key": tuple(version.key), "note": ""}
    return Flow(**values)


def flow_values(version: IntegrationVersion) -> dict[str, Any]:
    """A version as plain values, for the audit log, the API and the difference of versions."""
    return {
        "source": version.source.name,
        "source_stream": version.source_stream,
        "read_mode": version.read_mode,
        "cursor_field": version.cursor_field,
        "primary_key": list(version.primary_key),
        "destination": version.destination.name,
        "destination_stream": version.destination_stream,
        "write_mode": version.write_mode,
        "key": list(version.key),
        "mapping": version.mapping,
    }


def _add_version(integration: Integration, flow: Flow, *, number: int, user: User | None) -> IntegrationVersion:
    values = {part.name: getattr(flow, part.name) for part in fields(flow)}
    values |= {"primary_key": list(flow.primary_key), "key": list(flow.key)}
    return IntegrationVersion.objects.create(integration=integration, number=number, created_by=user, **values)


def _forget_columns(deployment: Deployment) -> None:
    """The columns of another stream are no change of this one's: nobody needs to look at what is open, either."""
    deployment.source_columns = None
    SchemaChange.objects.filter(deployment=deployment, state=DriftState.OPEN).update(
        state=DriftState.RESOLVED, note="Another stream is read since.", resolved_at=Now()
    )


def _refuse_active(deployment: Deployment) -> None:
    """Raise Conflict while a run is active; the caller has locked the deployment, so none starts meanwhile."""
    if Run.objects.filter(deployment=deployment, state__in=ACTIVE_STATES).exists():
        raise Conflict(STATE_CONFLICT, "A run is active.", what_to_do="Wait for it to end, or cancel it.")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Invalid(INPUT_INVALID, "The name cannot be used.", fields={"name": NAME_RULE})


def _name_of(policy: Policy | None) -> str | None:
    return policy.name if policy else None


def _tell(
    integration: Integration,
    action: str,
    *,
    before: Values | None = None,
    after: Values | None = None,
) -> None:
    audit.record(workspace=integration.workspace, action=action, object=integration, before=before, after=after)
    events.append(workspace=integration.workspace, topic="integration", object_id=integration.pk, kind=action)
