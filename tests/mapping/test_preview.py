"""The preview beside the editor: plain values, errors at their field, none hiding another."""

# ruff: noqa: E501 - tables read best in dense rows

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pyarrow as pa
import pytest

from integrations.domain.mapping import FieldRule, Mapping
from integrations.pipeline.batch import columns_of
from integrations.pipeline.preview import plain, sample_preview

field = FieldRule.of
BATCH = pa.record_batch({"id": ["1", "x", None, "4"], "s": [{"k": Decimal("1.50")}] * 4})


def test_each_row_has_its_input_output_and_verdict() -> None:
    mapping = Mapping(
        (field("n", "id", "integer", required=True), field("k", "s.k", "decimal(5,2)")), "id IS DISTINCT FROM '4'"
    )
    rows = sample_preview(mapping, BATCH.schema, BATCH).rows
    assert [row.verdict for row in rows] == ["accepted", "rejected", "rejected", "filtered"]
    assert rows[0].input == {"id": "1", "s": {"k": "1.50"}}
    assert rows[0].output == {"n": 1, "k": "1.50"}
    assert rows[1].errors == {"n": "n: cannot be made into integer from 'x'."}
    assert rows[2].errors == {"n": "n: is required and has no value."}


def test_a_broken_field_does_not_hide_the_others() -> None:
    mapping = Mapping((field("a", "nope", "text"), field("b", "id + 1", "integer"), field("c", "id", "text")))
    preview = sample_preview(mapping, BATCH.schema, BATCH, limit=1)
    assert [(p.field, p.code) for p in preview.problems] == [(0, "unknown_column"), (1, "type_mismatch")]
    assert preview.rows[0].output == {"c": "1"}
    assert set(preview.rows[0].errors) == {"a", "b"}
    assert preview.rows[0].verdict == "rejected"


@pytest.mark.parametrize(("condition", "code"), [("nope", "unknown_column"), ("s", "type_mismatch")])
def test_a_broken_filter_is_a_problem_of_its_own(condition: str, code: str) -> None:
    preview = sample_preview(Mapping((field("a", "id", "text"),), condition), BATCH.schema, BATCH)
    assert [(p.field, p.code) for p in preview.problems] == [("filter", code)]
    assert preview.rows[0].output == {"a": "1"}


def test_a_filter_that_fails_for_a_record_is_shown_there() -> None:
    rows = sample_preview(Mapping((field("a", "id", "text"),), "CAST(id AS INT) > 0"), BATCH.schema, BATCH).rows
    assert [row.verdict for row in rows] == ["accepted", "rejected", "filtered", "accepted"]
    assert rows[1].errors == {"filter": "The filter cannot be evaluated for id = x."}


@pytest.mark.parametrize("place", ["field", "filter"])
def test_an_expression_that_is_too_slow_is_a_problem_and_not_a_crash(place: str) -> None:
    slow = "regexp_matches(a, '(a|b)*a(a|b){500}c')"
    batch = pa.record_batch({"a": ["abbabaaabb" * 10_000] * 20})
    mapping = Mapping((field("x", slow if place == "field" else "a", "text"),), slow if place == "filter" else "")
    preview = sample_preview(mapping, batch.schema, batch, timeout_seconds=0.05)
    assert [p.code for p in preview.problems] == ["too_costly"]


def test_the_preview_is_plain_json() -> None:
    preview = sample_preview(Mapping((field("a", "nope", "text"), field("b", "s", "json"))), BATCH.schema, BATCH)
    assert json.loads(json.dumps(preview.to_json(), allow_nan=False))["rows"][0]["output"] == {"b": '{"k":1.5}'}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (dt.datetime(2024, 1, 1, tzinfo=dt.UTC), "2024-01-01T00:00:00+00:00"),
        (dt.timedelta(seconds=1), "0:00:01"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (b"\x01\xff", "01ff"),
        ([1, b"a"], [1, "61"]),
        ("x" * 2000, "x" * 1000),
        (True, True),
    ],
)
def test_a_value_becomes_plain(value: object, expected: object) -> None:
    assert plain(value) == expected


def test_columns_are_named_by_the_types_of_the_mapping() -> None:
    kinds: dict[str, pa.DataType] = {
        "boolean": pa.bool_(), "integer": pa.uint8(), "float": pa.float32(), "date": pa.date64(), "timestamp": pa.timestamp("ns"),
        "time": pa.time32("s"), "json": pa.list_(pa.int8()), "bytes": pa.large_binary(), "decimal(9,3)": pa.decimal128(9, 3),
    }  # fmt: skip
    as_text: list[pa.DataType] = [
        pa.decimal128(9, -2),
        pa.dictionary(pa.int8(), pa.string()),
        pa.null(),
        pa.large_string(),
    ]
    schema = pa.schema(kinds | {f"text{number}": kind for number, kind in enumerate(as_text)})
    assert list(columns_of(schema).values()) == [*kinds, "text", "text", "text", "text"]
