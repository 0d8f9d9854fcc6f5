"""When records of different partitions may arrive in any order, and what becomes of a run by its partitions."""

from __future__ import annotations

import pytest

from integrations.domain.guarantee import WriteMode
from integrations.domain.lifecycle import RunState
from integrations.domain.mapping import Mapping
from integrations.domain.partition import keeps_order, outcome

Q, R, P, S, F, C = (RunState(name) for name in ("queued", "running", "paused", "succeeded", "failed", "cancelled"))
COLUMNS = {"id": "integer", "region": "text", "day": "date"}


@pytest.mark.parametrize(
    ("states", "becomes"),
    [
        ([S, S], S), ([], S), ([S, R], None), ([F, R], None), ([F, Q], None), ([S, F, C], F), ([S, C], C),
        ([S, P], P), ([P, R], None), ([F, P], P),
    ],
)  # fmt: skip
def test_a_run_becomes_what_its_partitions_make_of_it(states: list[RunState], becomes: RunState | None) -> None:
    assert outcome(states) is becomes


def mapping(**expressions: str) -> Mapping:
    kinds = {"key": "integer", "area": "text"}
    fields = [
        {"target": target, "expression": expression, "type": kinds.get(target, "text"), "required": True}
        for target, expression in expressions.items()
    ]
    return Mapping.from_json({"fields": fields, "filter": ""})


@pytest.mark.parametrize(
    ("mode", "source_key", "expressions", "holds"),
    [
        ("append", (), {"key": "id"}, True),
        ("upsert", ("id",), {"key": "id"}, True),
        ("upsert", (), {"key": "id"}, False),
        ("upsert", ("id",), {"key": "id / 10"}, False),
        ("upsert", ("id", "region"), {"key": "id"}, False),
        ("upsert", ("id", "region"), {"key": "id", "area": "region"}, True),
        ("upsert", ("id", "region"), {"key": "id", "area": "upper(region)"}, False),
        ("upsert", ("region",), {"key": "region"}, False),
        ("upsert", ("id",), {"other": "id", "area": "region"}, False),
    ],
    ids=[
        "added", "copied", "no key of the source", "made of the key", "a part of the key", "the whole key",
        "a part is changed", "converted", "not in the destination's key",
    ],
)  # fmt: skip
def test_records_may_arrive_in_any_order_only_where_none_replaces_another(
    mode: str, source_key: tuple[str, ...], expressions: dict[str, str], holds: bool
) -> None:
    key = {"key", "area"}
    assert keeps_order(WriteMode(mode), key, set(source_key), mapping(**expressions), COLUMNS) is holds
