"""The masks that hold for an integration, the key of their hashes, and records as people may see them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from accounts.models import Workspace
from integrations import encryption
from integrations.domain.mapping import Mapping as FieldMapping
from integrations.domain.masking import Masks, masked_value, masks_of
from integrations.models import Connector, DeadLetter, Deployment, Integration, IntegrationVersion, MaskingKey, Run
from integrations.pipeline.mapper import Mapper
from integrations.pipeline.masking import MaskingMapper
from integrations.services.policies import effective_policy
from integrations.services.policy_actions import note_in_run

RULE = "masking.fields"
_KEY_BYTES = 32
HIDDEN_RAW = "[hidden: the text never decoded, so masked fields in it cannot be told apart]"


def masks_for(*, integration: Integration | None, connectors: list[Connector], workspace: Workspace) -> Masks:
    """The masks of all ends together: what is hidden at one of them is hidden in the whole flow."""
    policies = [effective_policy(workspace=workspace, connector=each, integration=integration) for each in connectors]
    return masks_of(*(policy.items(RULE) for policy in policies))


def masks_of_version(version: IntegrationVersion, integration: Integration) -> Masks:
    """The masks that hold when this version of the integration runs."""
    return masks_for(
        integration=integration, connectors=[version.source, version.destination], workspace=integration.workspace
    )


def key_of(workspace: Workspace) -> bytes:
    """The workspace's key for hashes, made at its first use."""
    row, made = MaskingKey.objects.get_or_create(workspace=workspace, defaults={"ciphertext": ""})
    if made or not row.ciphertext:
        fresh = encryption.encrypt(os.urandom(_KEY_BYTES), bound_to=_binding(row))
        MaskingKey.objects.filter(pk=row.pk, ciphertext="").update(ciphertext=fresh)
        row.refresh_from_db(fields=["ciphertext"])
    return encryption.decrypt(row.ciphertext, bound_to=_binding(row))


@contextmanager
def mapper_for(run: Run, schema: pa.Schema) -> Iterator[Mapper]:
    """The mapper of a run's version, with its masks where there are any; that they acted is written down."""
    version, integration = run.version, run.deployment.integration
    mapping = FieldMapping.from_json(version.mapping)
    masks = masks_of_version(version, integration)
    if not masks:
        with Mapper(mapping, schema) as mapper:
            yield mapper
        return
    key = key_of(integration.workspace)
    with MaskingMapper(mapping, schema, masks=masks, key=key, keys=tuple(version.key)) as masking:
        yield masking
    if masking.masked:
        note_in_run(run, RULE, f"hid {masking.masked:,} values of {', '.join(masking.hidden)}")


def shown_record(letter: DeadLetter, record: Mapping[str, Any]) -> dict[str, Any]:
    """A letter's record as people may see it."""
    masks = _masks_of_letter(letter)
    if not masks:
        return dict(record)
    if not letter.is_record and set(record) == {"raw"}:
        return {"raw": HIDDEN_RAW}
    return dict(masked_value(record, masks, key_of(letter.workspace)))


def meant_record(letter: DeadLetter, stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What somebody means who edited a shown record: a masked value that was left as it was keeps what it hides."""
    shown = shown_record(letter, stored)
    return {
        name: stored[name] if name in stored and name in shown and value == shown[name] else value
        for name, value in given.items()
    }


def _masks_of_letter(letter: DeadLetter) -> Masks:
    deployment = (
        Deployment.objects.filter(integration=letter.integration_id)
        .select_related(
            "integration__policy",
            "integration__workspace",
            "version__source__policy",
            "version__destination__policy",
        )
        .first()
    )
    return masks_of_version(deployment.version, deployment.integration) if deployment else {}


def _binding(row: MaskingKey) -> str:
    return encryption.associated_data(workspace=row.workspace_id, table="masking_key", row=row.pk, field="ciphertext")
