"""What the mapper does with batches: accepted, rejected and filtered records always add up to those read."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.domain.mapping import FieldRule, Mapping, identity_mapping
from integrations.errors import NeedsPerson
from integrations.pipeline.batch import columns_of
from integrations.pipeline.evaluator import Evaluator
from integrations.pipeline.mapper import Mapped, Mapper

field = FieldRule.of


def run(mapping: Mapping, batch: pa.RecordBatch, **limits: float) -> Mapped:
    with Mapper(mapping, batch.schema, **limits) as mapper:  # type: ignore[arg-type]  # plain numbers of either kind
        return mapper.map(batch)


def test_each_record_goes_one_way_and_says_why() -> None:
    batch = pa.record_batch({"id": ["1", "x", None, "4", "5"], "at": ["2024-01-01", "", "2024-01-01", None, "bad"]})
    mapped = run(Mapping((field("id", "id", "integer", required=True), field("at", "at", "date"))), batch)
    assert mapped.accepted_rows.to_pylist() == [0, 3]
    assert [(r.row, r.field, r.code) for r in mapped.rejected] == [
        (1, "id", "conversion_failed"),
        (2, "id", "required_missing"),
        (4, "at", "conversion_failed"),
    ]
    assert mapped.rejected[0].reason == "id: cannot be made into integer from 'x'."


def test_a_null_that_the_expression_says_is_no_failure() -> None:
    batch = pa.record_batch({"t": ["1", "", "x", None]})
    mapped = run(Mapping((field("n", "nullif(t, '')", "integer"),)), batch)
    assert mapped.accepted.column(0).to_pylist() == [1, None, None]
    assert [(r.row, r.reason) for r in mapped.rejected] == [(2, "n: cannot be made into integer from 'x'.")]


def test_an_expression_that_fails_shows_what_it_read() -> None:
    batch = pa.record_batch({"day": ["01.02.2024", "2024"], "n": [1, 2]})
    mapped = run(Mapping((field("day", "strptime(day, '%d.%m.%Y')", "date"),)), batch)
    assert mapped.rejected[0].reason == "day: cannot be made into date from day = 2024."


def test_a_constant_that_cannot_be_converted_rejects_each_record() -> None:
    mapped = run(
        Mapping((field("n", "'abc'", "integer"), field("t", "try('x')", "text"))), pa.record_batch({"a": [1, 2]})
    )
    assert [r.reason for r in mapped.rejected] == ["n: cannot be made into integer from 'abc'."] * 2


def test_the_filter_keeps_what_is_true_and_rejects_what_it_cannot_judge() -> None:
    batch = pa.record_batch({"n": ["5", "0", None, "x", "9"]})
    mapped = run(Mapping((field("n", "n", "integer"),), "CAST(n AS INT) > 1"), batch)
    assert (mapped.accepted_rows.to_pylist(), mapped.filtered) == ([0, 4], 2)
    assert [(r.row, r.field, r.code, r.reason) for r in mapped.rejected] == [
        (3, "filter", "filter_failed", "The filter cannot be evaluated for n = x.")
    ]


def test_a_filtered_record_is_not_asked_for_its_fields() -> None:
    batch = pa.record_batch({"n": ["x", "2"]})
    assert run(Mapping((field("n", "n", "integer"),), "n <> 'x'"), batch).rejected == ()


def test_columns_of_any_name_are_reached() -> None:
    names = ["Order ID", 'we"ird', "a.b", "größe", "a", "A", "select", "🚂", "c0", "'; DROP TABLE records; --", "f0"]
    batch = pa.record_batch({name: [index] for index, name in enumerate(names)})
    mapped = run(identity_mapping(columns_of(batch.schema)), batch)
    assert [column[0].as_py() for column in mapped.accepted.columns] == list(range(len(names)))


def test_the_output_has_exactly_the_declared_types() -> None:
    kinds = [
        "text",
        "integer",
        "decimal(10,2)",
        "decimal",
        "float",
        "boolean",
        "date",
        "timestamp",
        "time",
        "json",
        "bytes",
    ]
    batch = pa.record_batch({"a": pa.array([None], pa.string())})
    mapped = run(Mapping(tuple(field(f"f{i}", "a", kind) for i, kind in enumerate(kinds))), batch)
    expected = [
        pa.string(), pa.int64(), pa.decimal128(10, 2), pa.decimal128(38, 9), pa.float64(), pa.bool_(), pa.date32(),
        pa.timestamp("us", tz="UTC"), pa.time64("us"), pa.string(), pa.binary(),
    ]  # fmt: skip
    assert mapped.accepted.schema.types == expected
    assert mapped.accepted.num_rows == 1


def test_required_and_type_stand_in_the_schema() -> None:
    with Mapper(Mapping((field("j", "a", "json", required=True),)), pa.schema({"a": pa.string()})) as mapper:
        assert mapper.schema.field("j").metadata == {b"signalbox.type": b"json"}
        assert not mapper.schema.field("j").nullable


def test_text_that_is_no_json_is_rejected() -> None:
    mapped = run(Mapping((field("j", "a", "json"),)), pa.record_batch({"a": ['{"x":1}', "{"]}))
    assert (mapped.accepted.column(0).to_pylist(), len(mapped.rejected)) == (['{"x":1}'], 1)


def test_a_decimal_that_does_not_fit_is_rejected_not_cut() -> None:
    mapped = run(Mapping((field("d", "a", "decimal(4,2)"),)), pa.record_batch({"a": ["12.34", "123.45"]}))
    assert (mapped.accepted.column(0).to_pylist(), len(mapped.rejected)) == ([Decimal("12.34")], 1)


def test_an_excerpt_is_short_and_holds_no_control_characters() -> None:
    mapped = run(Mapping((field("n", "a", "integer"),)), pa.record_batch({"a": ["x\n\x1b[31m" + "y" * 10_000]}))
    reason = mapped.rejected[0].reason
    assert len(reason) < 140
    assert reason.isprintable()


@pytest.mark.parametrize(
    "expressions",
    [
        ["CAST(t AS INT) + n", "(CAST(t AS INT) + n) * 2"],
        ["n IN (CAST(t AS INT), n + 5)", "t"],
        ["n IN (t, '7')", "n NOT IN (t, t)"],
    ],
)
def test_one_bad_value_never_fails_the_batch(expressions: list[str]) -> None:
    batch = pa.record_batch({"t": ["x", "2"], "n": [1, 2]})
    fields = tuple(field(f"f{i}", expression, "text") for i, expression in enumerate(expressions))
    mapped = run(Mapping(fields), batch)
    assert (mapped.accepted_rows.to_pylist(), [r.row for r in mapped.rejected]) == ([1], [0])


def test_what_duckdb_refuses_only_at_work_stops_the_run_with_its_words() -> None:
    batch = pa.record_batch({"a": ["x"]})
    with Mapper(Mapping((field("x", "a", "text"),)), batch.schema) as mapper:
        mapper._evaluator.close()
        with pytest.raises(NeedsPerson, match="cannot be mapped") as caught:
            mapper.map(batch)
    assert caught.value.code == "mapping_invalid"


def test_empty_batches_and_slices_of_batches_keep_their_rows() -> None:
    batch = pa.record_batch({"a": ["1", "x", "3", None]})
    mapping = Mapping((field("n", "a", "integer"),))
    with Mapper(mapping, batch.schema) as mapper:
        assert mapper.map(batch.slice(0, 0)).accepted.num_rows == 0
        mapped = mapper.map(batch.slice(1))
    assert (mapped.accepted_rows.to_pylist(), [r.row for r in mapped.rejected]) == ([1, 2], [0])


def test_a_batch_of_other_columns_is_refused() -> None:
    mapping = Mapping((field("a", "a", "text"),))
    with Mapper(mapping, pa.schema({"a": pa.string()})) as mapper, pytest.raises(NeedsPerson) as caught:
        mapper.map(pa.record_batch({"a": [1]}))
    assert caught.value.code == "schema_changed"


@pytest.mark.parametrize(
    ("expression", "condition", "word"),
    [
        ("nope", "", "nope"),
        ("a", "nope", "filter: There is no column"),
        ("a + 1", "", "No function matches"),
        ("regexp_matches(a, '(')", "", "missing )"),
        ("a", "s", "filter: A structure"),
        ("s.k", "", "A number is no date"),
        ("s", "", "A structure or list cannot be made into date"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused_before_the_first_record(
    expression: str, condition: str, word: str
) -> None:
    mapping = Mapping((field("x", expression, "date"),), condition)
    with pytest.raises(NeedsPerson) as caught:
        Mapper(mapping, pa.record_batch({"a": ["x"], "s": [{"k": 1}]}).schema)
    assert caught.value.code == "mapping_invalid"
    assert word in caught.value.message


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(NeedsPerson, match="same name"):
        Mapper(Mapping((field("x", "a", "text"),)), pa.schema([pa.field("a", pa.string()), pa.field("a", pa.string())]))


def test_a_slow_expression_is_interrupted() -> None:
    batch = pa.record_batch({"a": ["abbabaaabb" * 400] * 5000})
    with pytest.raises(NeedsPerson, match="too slow") as caught:
        run(Mapping((field("x", "regexp_matches(a, '(a|b)*a(a|b){500}c')", "boolean"),)), batch, timeout_seconds=0.2)
    assert caught.value.code == "mapping_invalid"


def test_values_that_grow_are_stopped_at_the_memory_limit() -> None:
    batch = pa.record_batch({"a": ["a" * 1000] * 2000})
    with pytest.raises(NeedsPerson, match="needs more than 64 MB"):
        run(Mapping((field("x", f"replace(a, 'a', '{'b' * 90}')", "text"),)), batch, memory_limit_mb=64)


def test_a_record_that_alone_is_too_large_is_set_aside() -> None:
    batch = pa.record_batch({"a": ["a", "a" * 2_000_000, "a"]})
    mapped = run(Mapping((field("x", f"replace(a, 'a', '{'b' * 90}')", "text"),)), batch, memory_limit_mb=64)
    assert [(r.row, r.code) for r in mapped.rejected] == [(1, "value_too_large")]
    assert mapped.accepted_rows.to_pylist() == [0, 2]


def test_a_batch_evaluated_in_pieces_is_the_same() -> None:
    batch = pa.record_batch({"a": [str(i) if i % 3 else "x" * 50 for i in range(5000)]})
    mapping = Mapping((field("n", "replace(a, 'zz', 'zzzzzzzzzz')", "integer"),))
    small, large = run(mapping, batch, memory_limit_mb=16), run(mapping, batch, memory_limit_mb=256)
    assert small.accepted.equals(large.accepted)
    assert small.rejected == large.rejected


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.text(max_size=6)), st.one_of(st.none(), st.integers(-3, 3))), max_size=30
    ),
    st.sampled_from(["", "n > 0", "CAST(t AS INT) > 0", "t IS NOT NULL"]),
    st.booleans(),
)
def test_read_is_always_accepted_and_rejected_and_filtered(
    rows: list[tuple[str | None, int | None]], condition: str, required: bool
) -> None:
    table = {"t": pa.array([t for t, _ in rows], pa.string()), "n": pa.array([n for _, n in rows], pa.int64())}
    batch = pa.record_batch(table)
    fields = (
        field("i", "t", "integer", required=required),
        field("d", "6 // n", "float"),
        field("s", "t || n", "text"),
    )
    mapped = run(Mapping(fields, condition), batch)
    seen = mapped.accepted_rows.to_pylist() + [r.row for r in mapped.rejected]
    assert len(seen) == len(set(seen))
    assert len(seen) + mapped.filtered == len(rows)
    assert mapped.accepted.num_rows == len(mapped.accepted_rows)


def test_a_database_is_used_again_unless_it_had_to_be_interrupted() -> None:
    with Evaluator() as first:
        database = first._database
    with Evaluator() as again, Evaluator() as beside:
        assert again._database is database
        assert beside._database is not database
        again.close()
    with Evaluator() as late:
        late._was_late = True
    with Evaluator() as fresh:
        assert fresh._database is not late._database
