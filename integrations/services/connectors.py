"""Changes of connectors, their connection test, and the context in which a plugin works."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from accounts import audit
from accounts.errors import INPUT_INVALID, NAME_TAKEN, STATE_CONFLICT, Conflict, Invalid, SignalboxError
from accounts.models import Workspace
from integrations import events
from integrations.connectors import registry
from integrations.connectors.base import CheckResult, Context, Stream
from integrations.connectors.base import Connector as Plugin
from integrations.domain.settings import clean_settings
from integrations.models import Connector, Credential, Deployment, Integration, Policy, Run
from integrations.models.connector import CheckState
from integrations.services.addresses import address_problems
from integrations.services.approval_rules import refuse_other_policy
from integrations.services.credentials import open_credential
from integrations.services.gate import open_gate
from integrations.services.policies import awaited, effective_policy, limits_of
from integrations.services.secret_use import record_use

CHECK_FIELDS = ["check_state", "check_message", "check_what_to_do", "check_ms", "checked_at", "check_state_since"]
_TESTED = ("plugin", "settings", "credential_id", "policy_id")


@dataclass(frozen=True)
class ConnectorInput:
    """What a person says of a connector."""

    name: str
    plugin: str
    settings: Mapping[str, Any]
    environment: str = "production"
    credential: Credential | None = None
    policy: Policy | None = None


@dataclass(frozen=True)
class Verdict:
    """What a connection test said, and how long it took."""

    result: CheckResult
    milliseconds: int


def save_connector(*, workspace: Workspace, connector: Connector | None, given: ConnectorInput) -> Connector:
    """Create a connector, or change the given one; its settings are checked against the plugin's declaration."""
    clean, problems = _checked_settings(given)
    if not given.name.strip():
        problems = {"name": "Enter a name.", **problems}
    if problems:
        raise Invalid(INPUT_INVALID, "The connector cannot be saved.", fields=problems)
    if connector and (given.policy.pk if given.policy else None) != connector.policy_id:
        refuse_other_policy(Deployment.objects.filter(Q(version__source=connector) | Q(version__destination=connector)))
    before = _as_values(connector) if connector else None
    changed = connector or Connector(workspace=workspace)
    tested = _what_is_tested(changed)
    changed.name, changed.plugin, changed.settings = given.name.strip(), given.plugin, clean
    changed.environment, changed.credential, changed.policy = given.environment, given.credential, given.policy
    if tested != _what_is_tested(changed):
        _forget_verdict(changed)
    try:
        with transaction.atomic():
            changed.save()
            _tell(
                changed,
                "connector.changed" if before else "connector.created",
                before=before,
                after=_as_values(changed),
            )
    except IntegrityError as error:
        raise Conflict(NAME_TAKEN, f"There is already a connector “{given.name}”.") from error
    return changed


def delete_connector(*, connector: Connector) -> None:
    """Delete a connector that no integration version reads or writes."""
    users = Integration.objects.filter(versions__source=connector) | Integration.objects.filter(
        versions__destination=connector
    )
    names = sorted(set(users.values_list("name", flat=True)))[:5]
    if names:
        raise Conflict(
            STATE_CONFLICT,
            f"“{connector.name}” is used by {', '.join(names)}.",
            what_to_do="Delete these integrations first.",
        )
    with transaction.atomic():
        _tell(connector, "connector.deleted", before=_as_values(connector))
        connector.delete()


def check_connector(*, connector: Connector) -> CheckResult:
    """Test a connector now and store the verdict."""
    verdict = _tested(connector)
    store_check(connector=connector, result=verdict.result, milliseconds=verdict.milliseconds)
    return verdict.result


def check_input(*, workspace: Workspace, given: ConnectorInput) -> Verdict:
    """Test what a person says of a connector before it is saved; nothing is stored but who sent which credential where.

    Raises Invalid where the settings do not fit the plugin's declaration.
    """
    clean, problems = _checked_settings(given)
    if problems:
        raise Invalid(INPUT_INVALID, "The connector cannot be tested.", fields=problems)
    if given.credential:
        with transaction.atomic():
            sent = {"plugin": given.plugin, "settings": clean}
            audit.record(workspace=workspace, action="credential.tried", object=given.credential, after=sent)
    unsaved = Connector(
        workspace=workspace, plugin=given.plugin, settings=clean, credential=given.credential, policy=given.policy
    )
    return _tested(unsaved)


def _tested(connector: Connector) -> Verdict:
    started = time.monotonic()
    try:
        with closing(open_plugin(connector, is_awaited=True)) as plugin:
            result = plugin.check()
    except SignalboxError as error:
        result = CheckResult(ok=False, message=error.message, what_to_do=error.what_to_do, code=error.code)
    return Verdict(result, int((time.monotonic() - started) * 1000))


def store_check(*, connector: Connector, result: CheckResult, milliseconds: int | None) -> None:
    """Store a verdict, unless the connector was changed meanwhile; `check_state_since` moves with the state."""
    state = CheckState.OK if result.ok else CheckState.FAILED
    with transaction.atomic():
        current = Connector.objects.select_for_update().get(pk=connector.pk)
        if _what_is_tested(current) != _what_is_tested(connector):
            return
        now = timezone.now()
        if current.check_state != state:
            current.check_state_since = now
        current.check_state, current.checked_at, current.check_ms = state, now, milliseconds
        current.check_message, current.check_what_to_do = result.message[:500], result.what_to_do[:500]
        current.save(update_fields=CHECK_FIELDS)
        events.append(
            workspace=current.workspace_id,
            topic="connector",
            object_id=current.pk,
            kind="connector.checked",
            message=result.message,
            level="info" if result.ok else "error",
        )
    connector.refresh_from_db()


def note_use(*, connector: Connector) -> None:
    """A run that succeeded is as good as a test: a connector that was not tested, or failed, is healthy from now on."""
    if connector.check_state != CheckState.OK:
        store_check(
            connector=connector, result=CheckResult(ok=True, message="A run used it, and it worked."), milliseconds=None
        )


def streams_of(*, connector: Connector) -> list[Stream]:
    """The streams that a connector offers now. Raises the plugin's error where it cannot tell."""
    with closing(open_plugin(connector, is_awaited=True)) as plugin:
        return list(plugin.discover())


def open_plugin(
    connector: Connector, integration: Integration | None = None, *, run: Run | None = None, is_awaited: bool = False
) -> Plugin:
    """Build the plugin with settings, opened credential, limits and gate; the caller closes it.

    `run`, as its claim left it, is whose slots are taken. `is_awaited` tightens the limits to what somebody who waits
    for the answer can bear.
    """
    policy = effective_policy(workspace=connector.workspace, connector=connector, integration=integration)
    credential = connector.credential
    if run is not None and credential is not None:
        record_use(run, credential)
    context = Context(
        settings=connector.settings,
        credential=open_credential(credential) if credential else {},
        credential_kind=credential.kind if credential else "",
        limits=awaited(limits_of(policy)) if is_awaited else limits_of(policy),
        egress_allow=tuple(settings.EGRESS_ALLOW),
        file_root=str(file_root_of(connector.workspace)),
        gate=open_gate(connector, policy, run=run, scope_id=integration.pk if integration else connector.pk),
    )
    return registry.get(connector.plugin)(context)


def file_root_of(workspace: Workspace) -> Path:
    """The only folder that a workspace's connectors may touch: no workspace reaches the files of another."""
    folder = Path(settings.FILE_ROOT) / workspace.slug
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    return folder


def _what_is_tested(connector: Connector) -> list[object]:
    return [getattr(connector, name) for name in _TESTED]


def _forget_verdict(connector: Connector) -> None:
    """What was tested is not what is stored now."""
    connector.check_state, connector.check_message, connector.check_what_to_do = CheckState.UNKNOWN, "", ""
    connector.check_ms = connector.checked_at = connector.check_state_since = None


def _checked_settings(given: ConnectorInput) -> tuple[dict[str, Any], dict[str, str]]:
    spec = registry.get(given.plugin).spec
    clean, problems = clean_settings(spec.settings, given.settings)
    problems = {**address_problems(spec, clean), **problems}
    if spec.credential_required and given.credential is None:
        problems["credential"] = f"{spec.label} needs a credential."
    if given.credential and given.credential.kind not in spec.credential_kinds:
        problems["credential"] = (
            f"{spec.label} takes {', '.join(spec.credential_kinds) or 'no credential'}, not {given.credential.kind}."
        )
    return clean, problems


def _as_values(connector: Connector) -> dict[str, object]:
    return {
        "name": connector.name,
        "plugin": connector.plugin,
        "environment": connector.environment,
        "settings": connector.settings,
        "credential": connector.credential.name if connector.credential else None,
        "policy": connector.policy.name if connector.policy else None,
    }


def _tell(
    connector: Connector,
    action: str,
    *,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    audit.record(workspace=connector.workspace, action=action, object=connector, before=before, after=after)
    events.append(workspace=connector.workspace, topic="connector", object_id=connector.pk, kind=action)
