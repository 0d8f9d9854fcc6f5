"""Each entry of the allow-list, with what it makes of one record."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest
from sqlglot import exp

from integrations.domain.mapping import FieldRule, Mapping
from integrations.domain.mapping.allowlist import ANONYMOUS, PLAIN_NODES, RULES
from integrations.domain.mapping.parse import parse_expression
from integrations.pipeline.mapper import Mapper

RECORD = {
    "t": " Ab,é ", "w": "hello world", "n": 7, "d": -2.5, "z": None, "b": True, "u": "x y&z",
    "at": dt.datetime.fromisoformat("2024-02-29T13:45:30.123456"),
    "day": dt.date(2024, 2, 29), "iso": "2024-02-29T13:45:30+02:00",
    "j": '{"a": {"b": [1, 2]}, "s": "q\'r"}', "s": {"k": 5, "v": {"x": "deep"}}, "l": [3, 1, 2], "raw": b"\x01\xff",
}  # fmt: skip

CASES: list[tuple[str, str, object]] = [
    ("upper(w)", "text", "HELLO WORLD"),
    ("lower('ÀB')", "text", "àb"),
    ("trim(t)", "text", "Ab,é"),
    ("ltrim(w, 'he')", "text", "llo world"),
    ("rtrim(w, 'd')", "text", "hello worl"),
    ("trim(leading 'h' from w)", "text", "ello world"),
    ("length(t)", "integer", 6),
    ("len(w)", "integer", 11),
    ("strlen(t)", "integer", 7),
    ("substring(w, 2, 3)", "text", "ell"),
    ("substr(w, 7)", "text", "world"),
    ("left(w, 2)", "text", "he"),
    ("right(w, 2)", "text", "ld"),
    ("replace(w, 'l', 'LL')", "text", "heLLLLo worLLd"),
    ("concat(w, z, '!')", "text", "hello world!"),
    ("concat_ws('-', w, z, n)", "text", "hello world-7"),
    ("w || '!'", "text", "hello world!"),
    ("starts_with(w, 'he')", "boolean", True),
    ("ends_with(w, 'ld')", "boolean", True),
    ("prefix(w, 'he')", "boolean", True),
    ("suffix(w, 'he')", "boolean", False),
    ("contains(w, 'o w')", "boolean", True),
    ("strpos(w, 'o')", "integer", 5),
    ("instr(w, 'o')", "integer", 5),
    ("position('o' in w)", "integer", 5),
    ("split_part(t, ',', 1)", "text", " Ab"),
    ("string_split(w, ' ')", "json", '["hello","world"]'),
    ("reverse(w)", "text", "dlrow olleh"),
    ("lpad(w, 13, '*')", "text", "**hello world"),
    ("rpad(w, 3, '*')", "text", "hel"),
    ("translate(w, 'lo', '01')", "text", "he001 w1r0d"),
    ("ascii(w)", "integer", 104),
    ("chr(65)", "text", "A"),
    ("md5('a')", "text", "0cc175b9c0f1b6a831c399e269772661"),
    ("sha256('a')", "text", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
    ("hex('a')", "text", "61"),
    ("unhex('6162')", "bytes", b"ab"),
    ("to_base64(raw)", "text", "Af8="),
    ("base64(raw)", "text", "Af8="),
    ("from_base64('Af8=')", "bytes", b"\x01\xff"),
    ("encode(t)", "bytes", " Ab,é ".encode()),
    ("decode(encode(t))", "text", " Ab,é "),
    ("strip_accents(t)", "text", " Ab,e "),
    ("nfc_normalize('e\u0301')", "text", "é"),
    ("url_encode(u)", "text", "x%20y%26z"),
    ("url_decode('x%20y')", "text", "x y"),
    ("regexp_matches(w, 'L+', 'i')", "boolean", True),
    ("regexp_full_match(w, 'hello')", "boolean", False),
    ("regexp_replace(w, '[lo]+', '_', 'g')", "text", "he_ w_r_d"),
    ("regexp_extract(w, '(\\w+) (\\w+)', 2)", "text", "world"),
    ("w LIKE 'hel%'", "boolean", True),
    ("w NOT LIKE 'hel%'", "boolean", False),
    ("w ILIKE '%WOR%'", "boolean", True),
    ("'10%' LIKE '10!%' ESCAPE '!'", "boolean", True),
    ("abs(d)", "float", 2.5),
    ("round(d)", "float", -3.0),
    ("round(2.345, 2)", "decimal(9,2)", Decimal("2.35")),
    ("round_even(2.5, 0)", "float", 2.0),
    ("floor(d)", "integer", -3),
    ("ceil(d)", "integer", -2),
    ("trunc(d)", "integer", -2),
    ("mod(n, 4)", "integer", 3),
    ("n % 4", "integer", 3),
    ("sign(d)", "integer", -1),
    ("greatest(n, 9)", "integer", 9),
    ("least(n, 9)", "integer", 7),
    ("power(n, 2)", "integer", 49),
    ("sqrt(49)", "float", 7.0),
    ("ln(exp(2))", "float", 2.0),
    ("isnan(d)", "boolean", False),
    ("isinf(d)", "boolean", False),
    ("isfinite(d)", "boolean", True),
    ("n + 1 - 2 * 3", "integer", 2),
    ("n / 2", "float", 3.5),
    ("n // 2", "integer", 3),
    ("-n", "integer", -7),
    ("- -n", "integer", 7),
    ("(n + 1) * 2", "integer", 16),
    ("n = 7 AND NOT d > 0 OR b", "boolean", True),
    ("n <> 7", "boolean", False),
    ("n >= 7 AND n <= 7 AND n < 8", "boolean", True),
    ("z IS NULL", "boolean", True),
    ("n IS NOT NULL", "boolean", True),
    ("b IS TRUE", "boolean", True),
    ("z IS DISTINCT FROM n", "boolean", True),
    ("z IS NOT DISTINCT FROM NULL", "boolean", True),
    ("n BETWEEN 1 AND 7", "boolean", True),
    ("n IN (1, 7)", "boolean", True),
    ("n NOT IN (1, 2)", "boolean", True),
    ("CASE WHEN n > 5 THEN 'big' ELSE 'small' END", "text", "big"),
    ("CASE n WHEN 7 THEN 'seven' END", "text", "seven"),
    ("if(b, 1, 2)", "integer", 1),
    ("coalesce(z, 'x')", "text", "x"),
    ("ifnull(z, 'x')", "text", "x"),
    ("nullif(n, 7)", "integer", None),
    ("coalesce(try(CAST(w AS INT)), 0)", "integer", 0),
    ("CAST('12' AS INTEGER) + '3'::BIGINT", "integer", 15),
    ("TRY_CAST(w AS DOUBLE)", "float", None),
    ("CAST('1.005' AS DECIMAL(10, 3))", "decimal(10,3)", Decimal("1.005")),
    ("CAST('2024-01-01 10:00:00' AS TIMESTAMP)", "date", dt.date(2024, 1, 1)),
    ("iso::TIMESTAMPTZ", "timestamp", dt.datetime(2024, 2, 29, 11, 45, 30, tzinfo=dt.UTC)),
    ("DATE '2024-01-01'", "date", dt.date(2024, 1, 1)),
    ("'10:11'::TIME", "time", dt.time(10, 11)),
    ("strptime('29.02.2024', '%d.%m.%Y')", "date", dt.date(2024, 2, 29)),
    ("strptime('2024', ['%d.%m.%Y', '%Y'])", "date", dt.date(2024, 1, 1)),
    ("try_strptime('x', '%Y')", "date", None),
    ("strftime(at, '%d/%m/%Y %H:%M')", "text", "29/02/2024 13:45"),
    ("date_trunc('month', at)", "date", dt.date(2024, 2, 1)),
    ("date_diff('day', day, DATE '2024-03-02')", "integer", 2),
    ("date_part('hour', at)", "integer", 13),
    ("datepart('year', at)", "integer", 2024),
    ("extract(month FROM at)", "integer", 2),
    ("date(at)", "date", dt.date(2024, 2, 29)),
    ("year(at) * 10 + quarter(at)", "integer", 20241),
    ("month(at) * 100 + day(at)", "integer", 229),
    ("hour(at) * 100 + minute(at)", "integer", 1345),
    ("second(at)", "integer", 30),
    ("week(at)", "integer", 9),
    ("dayofweek(at) * 10 + isodow(at)", "integer", 44),
    ("dayofyear(at)", "integer", 60),
    ("dayname(at) || monthname(at)", "text", "ThursdayFebruary"),
    ("last_day(day)", "date", dt.date(2024, 2, 29)),
    ("make_date(2024, n, 1)", "date", dt.date(2024, 7, 1)),
    ("make_time(1, 2, 3)", "time", dt.time(1, 2, 3)),
    ("make_timestamp(2024, 1, 2, 3, 4, 5)", "timestamp", dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC)),
    ("epoch(at)", "integer", 1709214330),
    ("epoch_us(at)", "integer", 1709214330123456),
    ("to_timestamp(0)", "timestamp", dt.datetime(1970, 1, 1, tzinfo=dt.UTC)),
    ("epoch_ms(86400000)", "date", dt.date(1970, 1, 2)),
    ("at AT TIME ZONE 'Europe/Berlin'", "timestamp", dt.datetime(2024, 2, 29, 12, 45, 30, 123456, tzinfo=dt.UTC)),
    ("day + INTERVAL 1 DAY", "date", dt.date(2024, 3, 1)),
    ("day - INTERVAL '2 months'", "date", dt.date(2023, 12, 29)),
    ("json_extract(j, '$.a.b')", "json", "[1,2]"),
    ("json_extract_string(j, '$.s')", "text", "q'r"),
    ("j ->> '$.s' = 'q''r'", "boolean", True),
    ("json_extract_string(j, '$.a.b[1]') = '2' AND b", "boolean", True),
    ("json_extract_string('[4, 5]', 1)", "integer", 5),
    ("json_type(j)", "text", "OBJECT"),
    ("json_keys(j)", "json", '["a","s"]'),
    ("json_valid(w)", "boolean", False),
    ("json_array_length('[1, 2]')", "integer", 2),
    ("json_object('a', n, 'b', w)", "json", '{"a":7,"b":"hello world"}'),
    ("json_array(n, w)", "json", '[7,"hello world"]'),
    ("to_json(l)", "json", "[3,1,2]"),
    ("{'a': n, 'b c': w}", "json", '{"a":7,"b c":"hello world"}'),
    ("struct_pack(a := n)", "json", '{"a":7}'),
    ("[n, 8]", "json", "[7,8]"),
    ("list_value(n, 8)", "json", "[7,8]"),
    ("s.k", "integer", 5),
    ("s.v.x", "text", "deep"),
    ("s['v']['x']", "text", "deep"),
    ("struct_extract(s, 'k')", "integer", 5),
    ("l[1]", "integer", 3),
    ("l[-1]", "integer", 2),
    ("l[n - 5]", "integer", 1),
    ("w[1]", "text", "h"),
    ("list_extract(l, -1)", "integer", 2),
    ("list_contains(l, 2)", "boolean", True),
    ("array_length(l)", "integer", 3),
    ("array_to_string(l, '-')", "text", "3-1-2"),
    ("s", "json", '{"k":5,"v":{"x":"deep"}}'),
    ("NULL", "text", None),
    ("1.5e3", "float", 1500.0),
    ("'it''s {{7*7}} ${x}'", "text", "it's {{7*7}} ${x}"),
    ("raw", "bytes", b"\x01\xff"),
]


@pytest.fixture(scope="module")
def made() -> list[object]:
    """What every case makes, in batches of fields that one mapping may have."""
    batch = pa.RecordBatch.from_pylist([RECORD])
    values: list[object] = []
    for start in range(0, len(CASES), 100):
        rules = [FieldRule.of(f"f{i}", text, kind) for i, (text, kind, _) in enumerate(CASES[start : start + 100])]
        with Mapper(Mapping(tuple(rules)), batch.schema) as mapper:
            mapped = mapper.map(batch)
        assert mapped.rejected == ()
        values += [column[0].as_py() for column in mapped.accepted.columns]
    return values


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case[0] for case in CASES])
def test_an_allowed_expression_makes_its_value(number: int, made: list[object]) -> None:
    expected = CASES[number][2]
    value = made[number]
    if isinstance(expected, float):
        assert value == pytest.approx(expected)
    else:
        assert value == expected


def test_every_entry_of_the_allow_list_is_tried() -> None:
    nodes = [node for text, _, _ in CASES for node in parse_expression(text).walk()]
    assert set(RULES) - {type(node) for node in nodes} == set()
    assert PLAIN_NODES - {type(node) for node in nodes} == set()
    assert set(ANONYMOUS) - {str(node.this).lower() for node in nodes if isinstance(node, exp.Anonymous)} == set()
