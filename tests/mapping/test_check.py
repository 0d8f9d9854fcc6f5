"""What a mapping refuses, and how it says so."""

# ruff: noqa: E501 - tables of words read best in dense rows

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.domain.mapping import (
    ExpressionError,
    FieldRule,
    FieldType,
    Mapping,
    Problem,
    check_mapping,
    compile_expression,
    function_names,
)

COLUMNS = {"name": "text", "amount": "decimal(18,2)", "Total": "float", "a": "text", "A": "text", "x.y": "text"}


def problems_of(expression: str) -> tuple[Problem, ...]:
    return check_mapping(Mapping((FieldRule("t", expression, FieldType.TEXT),)), COLUMNS)


REFUSED = [
    ("", "empty"),
    ("   ", "empty"),
    ("-- only a comment", "empty"),
    ("name +", "syntax"),
    ("upper(name", "syntax"),
    ("'open", "syntax"),
    ("name amount name", "syntax"),
    ("upper(name, name, name)", "syntax"),
    ("name /* x */", "forbidden_syntax"),
    ("name -- x", "forbidden_syntax"),
    ("name; name", "forbidden_syntax"),
    ("name;", "forbidden_syntax"),
    ("name AS other", "forbidden_syntax"),
    ("name ~ 'x'", "forbidden_syntax"),
    ("*", "forbidden_syntax"),
    ("name.*", "forbidden_syntax"),
    ("COLUMNS(*)", "forbidden_syntax"),
    ("?", "forbidden_syntax"),
    ("$1", "forbidden_syntax"),
    ("(SELECT 1)", "forbidden_syntax"),
    ("SELECT 1", "forbidden_syntax"),
    ("EXISTS (SELECT 1)", "forbidden_syntax"),
    ("name IN (SELECT 1)", "forbidden_syntax"),
    ("DROP TABLE x", "forbidden_syntax"),
    ("ATTACH 'x.db'", "forbidden_syntax"),
    ("COPY x TO 'y'", "forbidden_syntax"),
    ("PRAGMA version", "forbidden_syntax"),
    ("SET threads = 8", "forbidden_syntax"),
    ("row_number() OVER ()", "forbidden_syntax"),
    ("[x for x in [1]]", "forbidden_syntax"),
    ("name COLLATE nocase", "forbidden_function"),
    ("name::foo", "forbidden_syntax"),
    ("name::int[]", "forbidden_syntax"),
    ("NULL::int[100000000]", "forbidden_syntax"),
    ("(name, amount)", "forbidden_syntax"),
    ("MAP {'a': 1}", "forbidden_function"),
    ("name SIMILAR TO 'x'", "forbidden_syntax"),
    ("name GLOB 'x'", "forbidden_syntax"),
    ("e'\\x41'", "forbidden_syntax"),
    ("$$x$$", "forbidden_syntax"),
    ("amount & 1", "forbidden_syntax"),
    ("1 << 62", "forbidden_syntax"),
    ("coalesce(name -> '$.a', 'x')", "forbidden_syntax"),
    ("CURRENT_DATE", "forbidden_function"),
    ("now()", "forbidden_function"),
    ("random()", "forbidden_function"),
    ("uuid()", "forbidden_function"),
    ("getenv('HOME')", "forbidden_function"),
    ("current_setting('threads')", "forbidden_function"),
    ("read_csv('/etc/passwd')", "forbidden_function"),
    ("read_text('/etc/passwd')", "forbidden_function"),
    ("glob('*')", "forbidden_function"),
    ("sum(amount)", "forbidden_function"),
    ("unnest([1])", "forbidden_function"),
    ("range(100000000)", "forbidden_function"),
    ("generate_series(1, 100000000)", "forbidden_function"),
    ("repeat('x', 1000000000)", "forbidden_function"),
    ("list_resize([1], 100000000)", "forbidden_function"),
    ("list_transform([1], x -> x)", "forbidden_function"),
    ("format('{:1000000000}', 1)", "forbidden_function"),
    ("printf('%1000000000d', 1)", "forbidden_function"),
    ("levenshtein(name, name)", "forbidden_function"),
    ("nextval('s')", "forbidden_function"),
    ("error('x')", "forbidden_function"),
    ("name.upper()", "forbidden_function"),
    ("lpad(name, 100000000, 'x')", "bad_argument"),
    ("lpad(name, amount, 'x')", "bad_argument"),
    ("replace(name, name, 'x')", "bad_argument"),
    ("replace(name, '', 'x')", "bad_argument"),
    ("replace(name, 'x', name)", "bad_argument"),
    ("contains(name, name)", "bad_argument"),
    ("regexp_matches(name, name)", "bad_argument"),
    ("regexp_matches(name, '((a{99}){99}){99}')", "bad_argument"),
    ("regexp_matches(name, 'a{1001,}')", "bad_argument"),
    ("regexp_matches(name, 'a', 'x')", "bad_argument"),
    ("regexp_replace(name, 'a', 'b', name)", "bad_argument"),
    ("regexp_extract(name, 'a', ['x'])", "bad_argument"),
    ("name LIKE name", "bad_argument"),
    ("name LIKE '%a_%a_%b'", "bad_argument"),
    ("name ILIKE ANY ('x')", "bad_argument"),
    ("name LIKE 'x' ESCAPE 'ab'", "bad_argument"),
    ("strftime(now, name)", "bad_argument"),
    ("strptime(name, [name])", "bad_argument"),
    ("date_trunc('bogus', name)", "bad_argument"),
    ("date_part(name, name)", "bad_argument"),
    ("json_extract(name, name)", "bad_argument"),
    ("json_extract(name, '$..*')", "bad_argument"),
    ("concat_ws(name, name)", "bad_argument"),
    ("name AT TIME ZONE name", "bad_argument"),
    ("amount BETWEEN SYMMETRIC 2 AND 1", "bad_argument"),
    ("{{7*7}}", "bad_argument"),
    ("upper(x := name)", "forbidden_syntax"),
    ("floor(amount, 2)", "bad_argument"),
    ("nam", "unknown_column"),
    ("x.y.z", "unknown_column"),
    ("rowid", "unknown_column"),
    ("c0", "unknown_column"),
    ("'x' || \"a b\"", "unknown_column"),
    ("(" * 50 + "name" + ")" * 50, "too_complex"),
    ("-" * 1500 + "amount", "empty"),
    ("- " * 1500 + "amount", "too_complex"),
    ("upper(" * 25 + "name" + ")" * 25, "too_complex"),
    ("name" + " || name" * 220, "too_complex"),
    ("'" + "x" * 5000 + "'", "too_long"),
    ("'" + "é" * 2100 + "'", "too_long"),
    (
        "replace(replace(replace(name, 'a', '" + "b" * 99 + "'), 'b', '" + "c" * 99 + "'), 'c', '" + "d" * 99 + "')",
        "too_costly",
    ),
]


@pytest.mark.parametrize(("expression", "code"), REFUSED, ids=[text[:60] for text, _ in REFUSED])
def test_an_expression_is_refused_with_its_code(expression: str, code: str) -> None:
    assert code in {problem.code for problem in problems_of(expression)}


def test_a_problem_stands_where_the_fault_is() -> None:
    (problem,) = problems_of("upper(name) || nam")
    assert (problem.field, problem.position) == (0, 15)
    assert problem.message == "There is no column 'nam' in the source. Did you mean 'name'?"


def test_a_syntax_error_stands_at_the_word_that_cannot_be_read() -> None:
    (problem,) = problems_of("name\n amount )")
    assert problem.position == len("name\n amount ")


def test_a_column_is_found_in_another_case_unless_two_differ_by_it() -> None:
    assert problems_of("total") == ()
    assert problems_of('"a"') == ()


def test_an_ambiguous_column_is_refused() -> None:
    mapping = Mapping((FieldRule("t", "NAME", FieldType.TEXT),))
    (problem,) = check_mapping(mapping, {"name": "text", "Name": "text"})
    assert problem.code == "ambiguous_column"


def test_without_known_columns_any_name_will_do() -> None:
    assert check_mapping(Mapping((FieldRule("t", "anything.at_all", FieldType.TEXT),)), None) == ()


def test_all_problems_of_all_fields_are_told_at_once() -> None:
    rules = tuple(FieldRule(t, e, FieldType.TEXT) for t, e in [("x", "nam"), ("X", "name"), ("", "sum(nam)")])
    found = check_mapping(Mapping(rules, "getenv('x') = 1"), COLUMNS)
    assert {(p.field, p.code) for p in found} == {
        (0, "unknown_column"),
        (0, "duplicate_target"),
        (1, "duplicate_target"),
        (2, "bad_target"),
        (2, "forbidden_function"),
        (2, "unknown_column"),
        ("filter", "forbidden_function"),
    }


@pytest.mark.parametrize("target", ["", " x", 'a"b', "a`b", "a\\b", "a\nb", "a\u202eb", "x" * 64, "é" * 32])
def test_a_bad_target_is_refused(target: str) -> None:
    (problem,) = check_mapping(Mapping((FieldRule(target, "name", FieldType.TEXT),)), COLUMNS)
    assert problem.code == "bad_target"


@pytest.mark.parametrize("target", ["Order ID", "größe", "a.b", "x" * 63, "select"])
def test_a_plain_target_is_allowed(target: str) -> None:
    assert check_mapping(Mapping((FieldRule(target, "name", FieldType.TEXT),)), COLUMNS) == ()


@pytest.mark.parametrize(("count", "code"), [(0, "no_fields"), (201, "too_many_fields")])
def test_the_number_of_fields_is_bounded(count: int, code: str) -> None:
    (problem,) = check_mapping(Mapping(tuple(FieldRule(f"f{i}", "a", FieldType.TEXT) for i in range(count))), None)
    assert (problem.field, problem.code) == ("mapping", code)


def test_an_expression_with_a_flaw_is_not_compiled() -> None:
    with pytest.raises(ExpressionError, match="no column 'nam'") as caught:
        compile_expression("nam", "VARCHAR", COLUMNS)
    assert caught.value.flaw.position == 0


def test_long_chains_and_shared_limits_still_pass() -> None:
    assert problems_of("name" + " || name" * 80) == ()
    assert problems_of("regexp_matches(name, '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}')") == ()


def test_the_list_of_functions_names_only_what_can_be_called() -> None:
    assert {"upper", "strptime", "json_extract_string"} <= set(function_names())
    assert not {"like", "between", "repeat"} & set(function_names())


def test_the_howto_names_every_function_and_type() -> None:
    text = (Path(__file__).parents[2] / "docs" / "howto" / "write-a-mapping.md").read_text(encoding="utf-8").lower()
    words = set(re.findall(r"\w+", text))
    synonyms = {
        "ucase",
        "lcase",
        "len",
        "substr",
        "split",
        "ceiling",
        "pow",
        "datetrunc",
        "datediff",
        "datepart",
        "array_contains",
    }
    assert set(function_names()) - synonyms - words == set()
    assert {kind.value for kind in FieldType} <= words


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_judged_and_nothing_crashes(text: str) -> None:
    assert all(problem.message for problem in problems_of(text))


PIECES = ["name", "amount", "(", ")", "[", "]", "{", "}", ",", "'x'", "1", "*", "-", "||", "->", "::", "int", "select", "case",
          "when", "then", "end", "in", "like", "not", "is", "null", "interval", "over", ".", ":=", "lambda", "$1", "?", "\"", "upper",
          "getenv", "read_csv", "from", "date", "at time zone", "escape", "any", "@", "#", "!", "~", ";", "--", "extract"]  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25))
def test_any_row_of_sql_words_is_judged_and_nothing_crashes(words: list[str]) -> None:
    assert all(problem.message for problem in problems_of(" ".join(words)))
