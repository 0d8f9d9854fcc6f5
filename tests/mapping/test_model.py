"""The stored form of a mapping, the proposal, and the difference of two versions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.domain.mapping import (
    FieldRule,
    FieldType,
    Mapping,
    MappingFormatError,
    check_mapping,
    diff_mappings,
    identity_mapping,
    parse_type,
)

FIELD = {"target": "t", "expression": "a", "type": "text"}

rules = st.builds(
    FieldRule,
    target=st.text(min_size=1, max_size=10),
    expression=st.text(max_size=20),
    type=st.sampled_from(FieldType),
    required=st.booleans(),
)


@given(st.builds(Mapping, fields=st.lists(rules, max_size=4).map(tuple), filter=st.text(max_size=20)))
def test_a_mapping_survives_storage(mapping: Mapping) -> None:
    assert Mapping.from_json(mapping.to_json()) == mapping


def test_a_decimal_is_stored_with_its_digits() -> None:
    stored = {"fields": [{**FIELD, "type": "decimal(18, 2)", "required": True}], "filter": "a > 1"}
    mapping = Mapping.from_json(stored)
    assert mapping.fields == (FieldRule("t", "a", FieldType.DECIMAL, True, 18, 2),)
    assert mapping.to_json()["fields"][0]["type"] == "decimal(18,2)"
    assert parse_type("decimal") == (FieldType.DECIMAL, 38, 9)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ([], "object"),
        ({}, "fields"),
        ({"fields": {}}, "list"),
        ({"fields": [], "extra": 1}, "extra"),
        ({"fields": [], "filter": 1}, "filter"),
        ({"fields": [1]}, "Field 1"),
        ({"fields": [FIELD, {"target": "x"}]}, "Field 2"),
        ({"fields": [{**FIELD, "default": 1}]}, "default"),
        ({"fields": [{**FIELD, "target": 1}]}, "target"),
        ({"fields": [{**FIELD, "type": "varchar"}]}, "varchar"),
        ({"fields": [{**FIELD, "type": "decimal(50,2)"}]}, "decimal(50,2)"),
        ({"fields": [{**FIELD, "type": "decimal(5,9)"}]}, "decimal(5,9)"),
        ({"fields": [{**FIELD, "required": "yes"}]}, "required"),
    ],
)
def test_a_wrong_form_is_refused_by_name(value: object, word: str) -> None:
    with pytest.raises(MappingFormatError, match=r".") as caught:
        Mapping.from_json(value)
    assert word in str(caught.value)


def test_the_proposal_takes_every_column_and_passes_the_check() -> None:
    columns = {
        "id": "integer",
        "Order ID": "text",
        'we"ird': "json",
        "select": "text",
        "ID": "decimal(10,2)",
        "\n": "text",
    }
    proposal = identity_mapping(columns)
    assert [rule.target for rule in proposal.fields] == ["id", "Order ID", "we_ird", "select", "ID_2", "_"]
    assert [rule.expression for rule in proposal.fields[:4]] == ["id", '"Order ID"', '"we""ird"', '"select"']
    assert check_mapping(proposal, columns) == ()


@given(st.dictionaries(st.text(min_size=1), st.just("text"), min_size=1, max_size=5))
def test_the_proposal_for_any_names_passes_the_check(columns: dict[str, str]) -> None:
    assert {p.code for p in check_mapping(identity_mapping(columns), columns)} <= {"too_long"}


def test_the_difference_names_what_was_added_removed_and_changed() -> None:
    a, b, c = (FieldRule(name, name, FieldType.TEXT) for name in "abc")
    changed = FieldRule("b", "upper(b)", FieldType.INTEGER, True)
    difference = diff_mappings(Mapping((a, b), "a > 1"), Mapping((changed, c)))
    assert (difference.added, difference.removed, difference.filter) == ((c,), (a,), ("a > 1", ""))
    assert [(change.after, change.changed) for change in difference.changed] == [
        (changed, ("expression", "type", "required"))
    ]
    assert not difference.is_empty


def test_equal_mappings_do_not_differ_and_a_new_order_is_seen() -> None:
    a, b = (FieldRule(name, name, FieldType.TEXT) for name in "ab")
    assert diff_mappings(Mapping((a, b)), Mapping((a, b))).is_empty
    assert diff_mappings(Mapping((a, b)), Mapping((b, a))).reordered
