"""What expressions make of dead letters: fields of their records set anew, by the language of mappings."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self, cast

import msgspec
import pyarrow as pa

from accounts.errors import INPUT_INVALID, Invalid
from integrations.domain.mapping import FieldRule, Mapping, MappingProblemsError, compile_mapping
from integrations.domain.mapping.reads import columns_read
from integrations.domain.masking import masked_fields
from integrations.errors import NeedsPerson
from integrations.models import DeadLetter
from integrations.pipeline.batch import columns_of
from integrations.pipeline.mapper import Mapper
from integrations.pipeline.masking import nested_names
from integrations.services.dead_letters import EDITED_BYTES_AT_MOST, record_of
from integrations.services.masking import Sight
from integrations.services.redriven import rows_to_batch

FIELDS_AT_MOST = 20
# Its reason may quote what a policy masks.
_UNFIT = "The record does not fit its columns."
_TOO_LARGE = "The corrected record would be larger than 1 MB."


@dataclass(frozen=True)
class Setting:
    """A field of the record and the expression that makes its new value from the record."""

    field: str
    expression: str


@dataclass(frozen=True)
class Corrected:
    """A letter's record before and after; `problem` says why an expression made nothing of it, and it stays."""

    letter: DeadLetter
    before: dict[str, Any]
    after: dict[str, Any]
    problem: str = ""

    @property
    def is_changed(self) -> bool:
        return self.before != self.after


class Corrector:
    """Settings over the columns of a stream; a context manager. Nothing that a policy masks can be read by them.

    Raises Invalid, with the problem of each setting under `set.<its place>`.
    """

    def __init__(self, schema: pa.Schema, settings: Sequence[Setting], sight: Sight) -> None:
        self._schema, self._sight = schema, sight
        mapping = Mapping(_rules(schema, settings, sight))
        read = {name for each in settings for name in columns_read(each.expression, schema.names)}
        # What is set and not read may well be what does not fit its column.
        self._unread = [each.field for each in settings if each.field not in read]
        self._mapper = _mapper(mapping, schema)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mapper.close()

    def correct(self, letters: Sequence[DeadLetter]) -> list[Corrected]:
        """Each letter with its record as the settings make it, in order; some thousand at most."""
        records = [record_of(letter) for letter in letters]
        readable = [{**record, **dict.fromkeys(self._unread)} for record in records]
        batch, bad = rows_to_batch(readable, self._schema, [str(place) for place in range(len(letters))])
        problems = {int(each.origin): _UNFIT if self._sight.masks else each.reason for each in bad}
        fitting = [place for place in range(len(letters)) if place not in problems]
        mapped = self._mapper.map(batch)
        problems |= {fitting[item.row]: item.reason for item in mapped.rejected}
        rows = cast(list[int], mapped.accepted_rows.to_pylist())
        values = {fitting[row]: made for row, made in zip(rows, mapped.accepted.to_pylist(), strict=True)}
        return [
            self._corrected(letter, records[place], values.get(place, {}), problems.get(place, ""))
            for place, letter in enumerate(letters)
        ]

    def _corrected(
        self, letter: DeadLetter, before: dict[str, Any], values: Dictionary[str, Any], problem: str
    ) -> Corrected:
        if problem:
            return Corrected(letter, before, before, problem)
        made = {name: _plain(value, self._schema.field(name)) for name, value in values.items()}
        after = self._sight.meant(letter, before, {**before, **made})
        if len(msgspec.json.encode(after)) > EDITED_BYTES_AT_MOST:
            return Corrected(letter, before, before, _TOO_LARGE)
        return Corrected(letter, before, after)


def _rules(schema: pa.Schema, settings: Sequence[Setting], sight: Sight) -> tuple[FieldRule, ...]:
    if not settings:
        raise _invalid({"set": "Set at least one field."})
    if len(settings) > FIELDS_AT_MOST:
        raise _invalid({"set": f"Set {FIELDS_AT_MOST} fields at most."})
    columns = columns_of(schema)
    problems = {}
    for place, each in enumerate(settings):
        if each.field not in columns:
            problems[f"set.{place}"] = "The record has no such field. Choose one of its columns."
        elif each.field in [other.field for other in settings[:place]]:
            problems[f"set.{place}"] = "This field is set above already. Set each field once."
        elif _reads_hidden(each, schema, sight):
            problems[f"set.{place}"] = "It reads a field that a policy masks. Correct such a record by hand."
    if problems:
        raise _invalid(problems)
    return tuple(FieldRule.of(each.field, each.expression, columns[each.field]) for each in settings)


def _reads_hidden(setting: Setting, schema: pa.Schema, sight: Sight) -> bool:
    """Whether the expression could tell of a masked value, whatever the field that it sets is called."""
    rule = FieldRule.of("", setting.expression, "text")
    return bool(masked_fields(Mapping((rule,)), sight.masks, nested_names(schema)))


def _mapper(mapping: Mapping, schema: pa.Schema) -> Mapper:
    try:
        compile_mapping(mapping, columns_of(schema))
    except MappingProblemsError as refusal:
        found = {f"set.{each.field}": each.message for each in reversed(refusal.problems)}
        raise _invalid(found) from None
    try:
        return Mapper(mapping, schema)
    except NeedsPerson as error:
        place = next((at for at, rule in enumerate(mapping.fields) if error.message.startswith(f"{rule.target}: ")), 0)
        raise _invalid({f"set.{place}": error.message}) from None


def _invalid(problems: dict[str, str]) -> Invalid:
    return Invalid(INPUT_INVALID, next(iter(problems.values())), fields=problems)


def _plain(value: Any, column: pa.Field[Any]) -> Any:
    """The value as the payload of a letter holds it."""
    if value is not None and pa.types.is_nested(column.type):
        return msgspec.json.decode(value)
    if isinstance(value, datetime) and pa.types.is_timestamp(column.type) and column.type.tz is None:
        value = value.replace(tzinfo=None)
    return msgspec.json.decode(msgspec.json.encode(value, enc_hook=str))
