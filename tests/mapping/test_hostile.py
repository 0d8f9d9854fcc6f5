"""Hostile expressions: each of hundreds is refused or makes a plain value, and nothing outside is touched."""

# ruff: noqa: E501, RUF001 - a corpus reads best in dense rows, and its odd letters are its point

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator

import duckdb
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from integrations.domain.mapping import FieldRule, FieldType, Mapping, check_mapping, function_names
from integrations.errors import NeedsPerson
from integrations.pipeline.batch import columns_of
from integrations.pipeline.evaluator import Evaluator
from integrations.pipeline.mapper import Mapper

WATCHED = (
    "open",
    "import",
    "exec",
    "compile",
    "os.",
    "subprocess.",
    "socket.",
    "shutil.",
    "ctypes.",
    "marshal.",
    "pickle.",
)
BATCH = pa.record_batch({"a": ["x", "2", None], "n": [1, 2, 3]})

FUNCTIONS = """read_csv read_csv_auto read_parquet read_json read_text read_blob glob sniff_csv parquet_scan getenv getvariable
current_setting current_user current_database current_schema current_query version pg_typeof duckdb_secrets which_secret
duckdb_settings duckdb_tables query query_table sql_auto_complete json_execute_serialized_sql json_serialize_sql
range generate_series repeat list_resize array_resize bar random setseed uuid gen_random_uuid now today current_timestamp
transaction_timestamp get_current_time nextval currval error sleep pg_sleep list_transform list_reduce list_filter apply
list_aggregate list_sum sum count string_agg first arg_max histogram unnest row_number lag printf format hash
write_log checkpoint force_checkpoint add_parquet_key enable_profiling system exec eval import load_extension
in_search_path txid_current pragma_version storage_info seq_scan arrow_scan pandas_scan python_scan_all_frames iceberg_scan
postgres_scan sqlite_scan http_get httpfs __import__ getattr type mro globals""".split()  # noqa: SIM905 - a list to read
ARGUMENTS = ["", "'/etc/passwd'", "a", "1000000000", "'x', 1000000000", "a, n", "'SELECT 1'", "*", "a := 1"]
FRAMES = ["{}", "upper({})", "CASE WHEN n = 1 THEN {} END", "coalesce({}, a)", "a || {}", "[{}][1]", "({})::varchar"]

LITERAL = [
    "().__class__.__mro__", "a.__class__", "a.__globals__", "f'{a}'", "'{0.__class__}'.format(a)", "[x for x in [1]]",
    "(lambda x: x)(1)", "(y := 1)", "ｕｐｐｅｒ(a)", "ｇｅｔｅｎｖ('x')", "get\u200benv('x')", "getenv/**/('x')", "getenv\n('x')", "GeTeNv('x')",
    '"getenv"(\'x\')', "main.getenv('x')", "system.main.getenv('x')", "'x'.getenv()", "a.read_text()", "{{7*7}}", "${7*7}", "<%= 7 %>",
    "#{7}", "a; DROP TABLE records", "a); DROP TABLE records; --", "a) FROM read_csv('/etc/passwd') --", "a FROM records",
    "(FROM read_text('/etc/passwd'))", "(TABLE records)", "(VALUES (1))", "a IN (TABLE records)", "a IN records", "(WITH t AS (SELECT 1) FROM t)",
    "EXISTS(FROM '/etc/passwd')", "'/etc/passwd'", "\"/etc/passwd\"", "ARRAY(SELECT 1)", "ANY(SELECT 1)", "n > ALL (SELECT 1)",
    "COLUMNS('a')", "COLUMNS(*)", "* EXCLUDE (a)", "UNPACK(a)", "a COLLATE nocase", "INSTALL httpfs", "LOAD httpfs", "ATTACH ':memory:'",
    "COPY (SELECT 1) TO '/tmp/x'", "EXPORT DATABASE '/tmp/x'", "IMPORT DATABASE '/tmp/x'", "PRAGMA database_list", "CALL pragma_version()",
    "SET memory_limit='10GB'", "RESET ALL", "CREATE MACRO f() AS 1", "CREATE SECRET x (TYPE s3)", "EXPLAIN a", "PREPARE p AS SELECT 1",
    "EXECUTE p", "$1", "$name", "?", ":a", "@a", "#1", "a::my_type", "a::ENUM('x')", "a::UNION(x INT)", "a::STRUCT(x INT)", "NULL::INT[99999999]",
    "MAP([1], [2])", "x'00'", "e'\\000'", "U&'\\0041'", "$$a$$", "$t$a$t$", "'\x00'", "\x00", "\ufeffa", "a\u202e", "'" * 999, "(" * 999, "[" * 999,
    "{" * 999, "CASE " * 400, "NOT " * 900 + "n", "-" * 900 + "n", "~" * 900 + "n", "a" + "||a" * 1300, "a" + ".a" * 1300, "n" + "::int" * 600,
    "n" + "[1]" * 900, "INTERVAL (n) foo", "INTERVAL '9999999999999' YEAR", "n + INTERVAL 99999999999 DAY", "9" * 4000, "1e999999", "0x1F", "1_000_000",
    "PIVOT records ON a", "DESCRIBE records", "SUMMARIZE records", "SHOW TABLES", "USE x", "VACUUM", "CHECKPOINT", "BEGIN", "n ORDER BY 1", "n LIMIT 1",
    "n GROUP BY 1", "DISTINCT n", "ALL n", "n QUALIFY true", "sum(n) OVER (ORDER BY n)", "sum(n) FILTER (WHERE true)", "first(n ORDER BY n)",
    "n BETWEEN SYMMETRIC (n BETWEEN SYMMETRIC 1 AND 2) AND 3", "a LIKE ANY (['x'])", "power(10, 400)", "CAST(9 AS DECIMAL(99, 9))",
]  # fmt: skip


def payloads() -> list[str]:
    calls = [f"{name}({argument})" for name, argument in itertools.product(FUNCTIONS, ARGUMENTS)]
    return LITERAL + [frame.format(call) for call, frame in zip(calls, itertools.cycle(FRAMES), strict=False)]


@pytest.fixture(scope="module")
def audit() -> Iterator[Callable[[], list[str]]]:
    """What the interpreter's audit hook saw since the last call. A hook cannot be taken away, so it is switched off."""
    seen: list[str] = []
    listening = [True]

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if listening[0] and event.startswith(WATCHED):
            seen.append(f"{event} {str(arguments)[:100]}")

    def take() -> list[str]:
        taken = list(seen)
        seen.clear()
        return taken

    sys.addaudithook(hook)
    yield take
    listening[0] = False


def evaluate(expression: str) -> None:
    try:
        with Mapper(Mapping((FieldRule("x", expression, FieldType.TEXT),)), BATCH.schema, timeout_seconds=5) as mapper:
            mapped = mapper.map(BATCH)
    except NeedsPerson:
        return
    assert mapped.accepted.num_rows + len(mapped.rejected) + mapped.filtered == BATCH.num_rows


@pytest.mark.security("SEC-001")
def test_the_corpus_is_large_and_nearly_all_of_it_is_refused() -> None:
    corpus = payloads()
    allowed = [
        p for p in corpus if not check_mapping(Mapping((FieldRule("x", p, FieldType.TEXT),)), {"a": "", "n": ""})
    ]
    assert len(corpus) > 800
    assert set(allowed) <= {
        "'/etc/passwd'", "@a", "1_000_000", "9" * 4000, "1e999999", "power(10, 400)", "CAST(9 AS DECIMAL(99, 9))", "'\x00'",
        "INTERVAL '9999999999999' YEAR", "n + INTERVAL 99999999999 DAY", "\ufeffa",
        "a.__class__", "a.__globals__",
    }  # fmt: skip


@pytest.mark.security("SEC-001")
def test_no_payload_opens_imports_or_starts_anything(audit: Callable[[], list[str]]) -> None:
    # What is imported or read once, at first use, is no doing of a payload.
    evaluate("upper(a)")
    evaluate("(((")
    audit()
    for payload in payloads():
        evaluate(payload)
        assert audit() == [], payload


def test_the_audit_hook_would_see_it(audit: Callable[[], list[str]]) -> None:
    audit()
    with open(__file__, encoding="utf-8"):  # noqa: PTH123 - the plain call is what is watched for
        pass
    assert any(event.startswith("open") for event in audit())


@pytest.mark.parametrize(
    "sql",
    [
        "(SELECT content FROM read_text('/etc/passwd'))",
        "(SELECT count(*) FROM glob('/*'))",
        "(SELECT * FROM '/etc/passwd')",
        "(SELECT 1 FROM sys)",
    ],
)
@pytest.mark.security("SEC-004")
def test_duckdb_itself_refuses_what_should_never_reach_it(sql: str) -> None:
    with Evaluator() as evaluator, pytest.raises(duckdb.Error):
        evaluator.select([sql], pa.table({"c0": [1]}))


@pytest.mark.parametrize("setting", ["enable_external_access = true", "memory_limit = '10GB'", "threads = 8"])
@pytest.mark.security("SEC-004")
def test_the_settings_are_locked(setting: str) -> None:
    with Evaluator() as evaluator, pytest.raises(duckdb.Error, match="locked"):
        evaluator._connection.execute(f"SET {setting}")


def test_a_statement_that_does_not_end_is_interrupted_while_it_runs() -> None:
    endless = "(SELECT count(*) FROM range(1000000000000))"
    with (
        Evaluator(timeout_seconds=0.2) as evaluator,
        evaluator.time_limit(),
        pytest.raises(NeedsPerson, match="too slow"),
    ):
        evaluator.select([endless], pa.table({"c0": [1]}))


def exhaust(evaluator: Evaluator) -> None:
    for _ in range(100_000):
        evaluator.select(["c0"], pa.table({"c0": [1]}))


def test_after_the_time_limit_no_further_statement_begins() -> None:
    with (
        Evaluator(timeout_seconds=0.001) as evaluator,
        evaluator.time_limit(),
        pytest.raises(NeedsPerson, match="too slow"),
    ):
        exhaust(evaluator)


def test_a_statement_that_needs_too_much_memory_is_stopped() -> None:
    with Evaluator(memory_limit_mb=16) as evaluator, pytest.raises(NeedsPerson, match="needs more than 16 MB"):
        evaluator.select(
            ["(SELECT max(list) FROM (SELECT list(i) AS list FROM range(10000000) t(i)))"], pa.table({"c0": [1]})
        )


LEAVES = st.sampled_from(["a", "n", "s", "l", "s.k", "'x'", "1", "-1", "1.5", "NULL", "true", "'day'", "'%Y'", "'$.k'"])
FORMS = [
    "({} {} {})".format("{}", sign, "{}")
    for sign in ("+", "-", "/", "//", "%", "||", "=", "<", "AND", "OR", "->>", "LIKE")
]
FORMS += [f"{name}({', '.join(['{}'] * count)})" for name in function_names() for count in (1, 2, 3)]
FORMS += [
    "{} IN ({}, {})",
    "CASE WHEN {} THEN {} ELSE {} END",
    "{} BETWEEN {} AND {}",
    "[{}, {}][{}]",
    "CAST({} AS INT)",
    "({})::date",
]


def fill(form: str, parts: list[str]) -> str:
    return form.format(*parts)


expressions = st.recursive(
    LEAVES, lambda inner: st.builds(fill, st.sampled_from(FORMS), st.lists(inner, min_size=3, max_size=3)), max_leaves=6
)


@settings(max_examples=80, deadline=None)
@given(st.lists(expressions, min_size=1, max_size=3), st.sampled_from(FieldType))
def test_any_composition_of_what_is_allowed_maps_each_record_or_is_refused(texts: list[str], kind: FieldType) -> None:
    batch = pa.record_batch({"a": ["x", "2", None], "n": [1, 2, 0], "s": [{"k": 1}] * 3, "l": [[1, 2]] * 3})
    known = columns_of(batch.schema)
    fields = [FieldRule(f"f{i}", text, kind) for i, text in enumerate(texts)]
    sound = tuple(rule for rule in fields if not check_mapping(Mapping((rule,)), known))
    assume(sound)
    try:
        mapper = Mapper(Mapping(sound), batch.schema)
    except NeedsPerson:
        return
    with mapper:
        mapped = mapper.map(batch)
    assert mapped.accepted.num_rows + len(mapped.rejected) == batch.num_rows
