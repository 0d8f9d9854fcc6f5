"""Decides when a run may be cut into partitions, and what becomes of it when they have ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from integrations.domain.guarantee import WriteMode
from integrations.domain.lifecycle import RunState
from integrations.domain.mapping import Mapping as FieldMapping
from integrations.domain.mapping import compile_expression, sql_type

PARTITION_ENDED: frozenset[str] = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED})


def outcome(states: Iterable[str]) -> RunState | None:
    """What a run becomes whose partitions are in these states; None while one still works or waits.

    A failure decides over everything. A pause stands once nothing works any more.
    """
    found = set(states)
    if found & {RunState.QUEUED, RunState.RUNNING}:
        return None
    worst = (RunState.PAUSED, RunState.FAILED, RunState.CANCELLED)
    return next((state for state in worst if state in found), RunState.SUCCEEDED)


def keeps_order(
    mode: WriteMode,
    key: AbstractSet[str],
    source_key: AbstractSet[str],
    mapping: FieldMapping,
    columns: Mapping[str, str],
) -> bool:
    """Say whether it is the same in which order records of different partitions arrive.

    It is for records that are added. Of records that replace each other the last one must hold, so no two partitions
    may have the same: the source keeps its records apart by a key, and all of it is copied into the destination's key.
    """
    if mode is WriteMode.APPEND:
        return True
    return bool(source_key) and source_key <= _copied(key, mapping, columns)


def _copied(key: AbstractSet[str], mapping: FieldMapping, columns: Mapping[str, str]) -> set[str]:
    """The source's columns that stand unchanged in the destination's key."""
    names = list(columns)
    copied = set()
    for rule in mapping.fields:
        if rule.target in key:
            place = compile_expression(rule.expression, sql_type(rule), dict(columns)).source
            if place is not None and columns[names[place]] == rule.type_name:
                copied.add(names[place])
    return copied
