"""Hides masked fields in mapped batches, column by column, and in the reasons of what was set aside."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

import pyarrow as pa
import pyarrow.compute as pc

from integrations.domain.mapping import Mapping
from integrations.domain.masking import (
    MaskedField,
    MaskHow,
    Masks,
    masked_fields,
    masked_json,
    masked_text,
    masked_value,
    may_show,
    quiet_names,
    unfit,
)
from integrations.errors import MASK_UNFIT, NeedsPerson
from integrations.pipeline.mapper import Mapped, Mapper, Rejection
from integrations.pipeline.preview import PreviewRow

Column: TypeAlias = "pa.Array[Any]"


class MaskingMapper(Mapper):
    """A mapper whose accepted records carry no masked value. `masked` counts the values that it has hidden.

    Raises NeedsPerson (`mask_unfit`) where a field cannot hold its mask.
    """

    def __init__(self, mapping: Mapping, source_schema: pa.Schema, *, masks: Masks, key: bytes, keys: tuple[str, ...]):
        fields = masked_fields(mapping, masks, nested_names(source_schema))
        problems = unfit(fields, keys)
        if problems:
            raise NeedsPerson(MASK_UNFIT, " ".join(problems.values()), field=next(iter(problems)))
        super().__init__(mapping, source_schema)
        self._fields, self._masks, self._key = fields, masks, key
        self._quiet_names = quiet_names(mapping, fields, masks)
        self.masked = 0

    @property
    def hidden(self) -> list[str]:
        """The names of the fields that masks hold for."""
        return [field.rule.target for field in self._fields]

    def map(self, records: pa.RecordBatch) -> Mapped:
        """Map one batch and hide what is masked."""
        mapped = super().map(records)
        accepted = mapped.accepted
        for field in self._fields:
            place = accepted.schema.get_field_index(field.rule.target)
            column = accepted.column(place)
            self.masked += len(column) - column.null_count
            hidden = mask_column(column, field, self._key)
            accepted = accepted.set_column(place, accepted.schema.field(place), hidden)
        return replace(mapped, accepted=accepted, rejected=tuple(self._quiet(item) for item in mapped.rejected))

    def _quiet(self, item: Rejection) -> Rejection:
        if item.field in self._quiet_names or may_show(item.reason, self._masks):
            return replace(item, reason=quiet_reason(item.field))
        return item


def quiet_reason(field: str) -> str:
    """The reason of a record that was set aside for a field that nobody may see."""
    return f"{field}: cannot be used. Its value is masked by a policy, so it is not shown."


def mask_column(column: Column, field: MaskedField, key: bytes) -> Column:
    """The column under its mask, of the same type and length; what is missing stays missing."""
    if field.how is MaskHow.DROP and not field.inside:
        return cast(Column, pa.nulls(len(column), column.type))
    if field.inside:
        return _by_value(column, lambda text: masked_json(text, field.within, key))
    return _by_value(column, lambda text: masked_text(text, field.how, key))


def nested_names(schema: pa.Schema) -> dict[str, frozenset[str]]:
    """By folded column name, the folded names inside structured columns."""
    return {field.name.casefold(): names for field in schema if (names := frozenset(_members(field.type)))}


def _by_value(column: Column, mask: Callable[[str], str | None]) -> Column:
    """Each different value is masked once; most columns repeat theirs."""
    encoded = column.dictionary_encode()
    values = [None if text is None else mask(text) for text in encoded.dictionary.to_pylist()]
    return cast(Column, pc.take(pa.array(values, column.type), encoded.indices))


def _members(kind: pa.DataType) -> list[str]:
    names: list[str] = []
    todo = [kind]
    while todo:
        kind = todo.pop()
        if pa.types.is_struct(kind):
            names += [member.name.casefold() for member in kind]
        if pa.types.is_nested(kind):
            todo += [kind.field(place).type for place in range(kind.num_fields)]
    return names


@dataclass(frozen=True)
class Veil:
    """Hides masked values in what people see of a mapping's work: records, outputs, reasons."""

    masks: Masks
    key: bytes
    fields: Dictionary[str, MaskedField]
    quiet: frozenset[str]

    @classmethod
    def over(cls, mapping: Mapping, source_schema: pa.Schema, masks: Masks, key: bytes) -> Veil:
        """The veil over one mapping of a source."""
        fields = {field.rule.target: field for field in masked_fields(mapping, masks, nested_names(source_schema))}
        return cls(masks, key, fields, quiet_names(mapping, fields.values(), masks))

    def record(self, record: Dictionary[str, Any]) -> dict[str, Any]:
        """What was read."""
        return dict(masked_value(record, self.masks, self.key))

    def output(self, output: Dictionary[str, Any]) -> dict[str, Any]:
        """What the mapping made."""
        return {name: _hidden(value, self.fields.get(name), self.masks, self.key) for name, value in output.items()}

    def reason(self, field: str, reason: str) -> str:
        """Why a field failed; what it failed with may be what nobody shall see."""
        return quiet_reason(field) if field in self.quiet or may_show(reason, self.masks) else reason


def hide_rows(rows: Iterable[PreviewRow], veil: Veil) -> tuple[PreviewRow, ...]:
    """The rows of a preview behind the veil."""
    return tuple(
        replace(
            row,
            input=veil.record(row.input),
            output=veil.output(row.output),
            errors={name: veil.reason(name, reason) for name, reason in row.errors.items()},
        )
        for row in rows
    )


def _hidden(value: Any, field: MaskedField | None, masks: Masks, key: bytes) -> Any:
    if value is None:
        return None
    if field is None or field.inside:
        return masked_value(value, {**masks, **(field.within if field else {})}, key)
    return masked_text(str(value), field.how, key)
