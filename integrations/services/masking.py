"""The masks that hold for an integration, the key of their hashes, and records as people may see them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from accounts.models import Workspace
from integrations import encryption
from integrations.domain.mapping import FieldRule, FieldType
from integrations.domain.mapping import Mapping as FieldMapping
from integrations.domain.mapping.propose import quoted
from integrations.domain.masking import Masks, masked_fields, masked_text, masked_value, masks_of
from integrations.domain.words import counted
from integrations.models import (
    Connector,
    DeadLetter,
    Deployment,
    Integration,
    IntegrationVersion,
    MaskingKey,
    Policy,
    Run,
)
from integrations.pipeline.mapper import Mapper
from integrations.pipeline.masking import MaskingMapper, Veil
from integrations.services.policy_actions import note_in_run
from integrations.services.policy_places import default_of, laid_over

RULE = "masking.fields"
_KEY_BYTES = 32
_POLICIES = ("integration__policy", "version__source__policy", "version__destination__policy")
HIDDEN_RAW = "[hidden: the text never decoded, so masked fields in it cannot be told apart]"


def masks_of_version(version: IntegrationVersion, integration: Integration, default: Policy | None) -> Masks:
    """The masks that hold when this version runs: what is hidden at one end is hidden in the whole flow."""
    ends = (version.source, version.destination)
    return masks_of(*(laid_over(default, each, integration).items(RULE) for each in ends))


def masks_of_source(source: Connector) -> Masks:
    """Whatever is masked anywhere on the way of what this connector gives: a sample shows nothing of it."""
    default = default_of(source.workspace)
    readers = Deployment.objects.of(source.workspace).filter(version__source=source).select_related(*_POLICIES)
    found = [masks_of_version(each.version, each.integration, default) for each in readers]
    own = masks_of(laid_over(default, source).items(RULE))
    return masks_of(*([{"field": name, "how": how} for name, how in masks.items()] for masks in (own, *found)))


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
    masks = masks_of_version(version, integration, default_of(run.workspace))
    if not masks:
        with Mapper(mapping, schema) as mapper:
            yield mapper
        return
    key = key_of(integration.workspace)
    with MaskingMapper(mapping, schema, masks=masks, key=key, keys=tuple(version.key)) as masking:
        yield masking
    if masking.masked:
        note_in_run(run, RULE, f"hid {counted(masking.masked, 'value')} of {', '.join(masking.hidden)}")


@dataclass(frozen=True)
class Sight:
    """What people may see of the letters of one integration, and what they mean who edit what they see."""

    masks: Masks
    key: bytes = field(repr=False)

    def shown(self, letter: DeadLetter, record: Mapping[str, Any]) -> dict[str, Any]:
        """A letter's record as people may see it."""
        if not self.masks:
            return dict(record)
        if not letter.is_record and set(record) == {"raw"}:
            return {"raw": HIDDEN_RAW}
        return dict(masked_value(record, self.masks, self.key))

    def meant(self, letter: DeadLetter, stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """What somebody means who edited a shown record: a value that was left as it is shown keeps what it hides."""
        shown = self.shown(letter, stored)
        if shown == stored:
            return dict(given)
        return {
            name: stored[name] if name in stored and name in shown and value == shown[name] else value
            for name, value in given.items()
        }


def sight_of(letter: DeadLetter) -> Sight:
    """What people may see of this letter, and of all others of its integration."""
    masks = _masks_of_letter(letter)
    return Sight(masks, key_of(letter.workspace) if masks else b"")


def shown_record(letter: DeadLetter, record: Mapping[str, Any]) -> dict[str, Any]:
    """A letter's record as people may see it."""
    return sight_of(letter).shown(letter, record)


def veil_of(letter: DeadLetter, version: IntegrationVersion, schema: pa.Schema) -> Veil | None:
    """What hides the masked values of a letter's trial by a version; None where nothing is masked."""
    masks = _masks_of_letter(letter)
    if not masks:
        return None
    return Veil.over(FieldMapping.from_json(version.mapping), schema, masks, key_of(letter.workspace))


def meant_record(letter: DeadLetter, stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What somebody means who edited a shown record: a masked value that was left as it was keeps what it hides."""
    return sight_of(letter).meant(letter, stored, given)


def shown_values(deployment: Deployment, column: str, values: Sequence[str]) -> list[str | None]:
    """Values of a source's column or of a field of the mapping, as people may see them."""
    version = deployment.version
    masks = masks_of_version(version, deployment.integration, default_of(deployment.workspace))
    if not masks:
        return list(values)
    # As if the column were passed on; a field of that name tells what it reads.
    rules = [each for each in FieldMapping.from_json(version.mapping).fields if each.target == column]
    veil = masked_fields(FieldMapping((*rules, FieldRule(column, quoted(column), FieldType.TEXT))), masks)
    key = key_of(deployment.workspace)
    whole = [each.how for each in veil if not each.inside]
    if whole:
        how = max(whole, key=lambda each: each.strength)
        return [masked_text(value, how, key) for value in values]
    return [masked_value({column: value}, masks, key)[column] for value in values]


def _masks_of_letter(letter: DeadLetter) -> Masks:
    rows = Deployment.objects.filter(runs=letter.run_id).select_related(*_POLICIES)
    deployment = rows.first()
    if deployment is None:
        return {}
    return masks_of_version(deployment.version, deployment.integration, default_of(letter.workspace))


def _binding(row: MaskingKey) -> str:
    return encryption.associated_data(workspace=row.workspace_id, table="masking_key", row=row.pk, field="ciphertext")
