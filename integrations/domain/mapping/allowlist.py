"""What an expression may be made of: everything that is not listed here is refused.

Nothing listed reads a file, the network, a setting or the clock, makes rows, or keeps state; each returns the same
value for the same record, so that a redrive does what the first run did. What each may cost stands in `limits.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from integrations.domain.mapping import limits
from integrations.domain.mapping.limits import MAX_PAD, needle_work, number_of, pattern_flaw, pattern_work, text_of


def _no_flaw(_node: exp.Expr) -> str:
    return ""


def _no_growth(_node: exp.Expr) -> float:
    return 1.0


@dataclass(frozen=True)
class Rule:
    """A function that may be called: its names, the arguments that must be text constants, and its bounds.

    `constants` are sqlglot's argument names (for an anonymous function: positions). `flaw` says what is wrong with a
    call, or nothing. `growth` bounds the bytes that a call makes, or the steps it takes, for each byte it is given.
    """

    names: tuple[str, ...]
    constants: tuple[str | int, ...] = ()
    flaw: Callable[[exp.Expr], str] = _no_flaw
    growth: Callable[[exp.Expr], float] = _no_growth


def _grows(factor: float) -> Callable[[exp.Expr], float]:
    return lambda _node: factor


def _searches(key: str) -> Callable[[exp.Expr], float]:
    return lambda node: needle_work(text_of(node.args.get(key)) or "")


def _pattern(node: exp.Expr) -> str:
    return pattern_flaw(node.args.get("expression"))


def _pattern_growth(node: exp.Expr) -> float:
    return float(pattern_work(text_of(node.args.get("expression")) or ""))


def _one_argument(node: exp.Expr) -> str:
    return "" if all(key == "this" or not value for key, value in node.args.items()) else "It takes one argument."


def _pad_flaw(node: exp.Expr) -> str:
    length = number_of(node.args.get("expression"))
    return "" if length is not None and length <= MAX_PAD else f"The length must be a number of at most {MAX_PAD}."


def _replace_flaw(node: exp.Expr) -> str:
    return "" if text_of(node.args.get("expression")) else "The text to search for cannot be empty."


def _regexp_replace_flaw(node: exp.Expr) -> str:
    modifiers = node.args.get("modifiers")
    known = modifiers is None or set(text_of(modifiers) or "?") <= set("gims")
    return _pattern(node) if known else "The options must be a text in quotes made of the letters g, i, m and s."


def _regexp_extract_flaw(node: exp.Expr) -> str:
    group = node.args.get("group")
    known = group is None or number_of(group) is not None
    return _pattern(node) if known else "The group must be a number."


def _regexp_like_flaw(node: exp.Expr) -> str:
    flag = node.args.get("flag") or node.args.get("options")
    known = flag is None or set(text_of(flag) or "?") <= set("ims")
    return _pattern(node) if known else "The options must be a text in quotes made of the letters i, m and s."


def _json_path_flaw(node: exp.Expr) -> str:
    path = node.args.get("expression")
    text = text_of(path)
    if number_of(path) is not None:
        return ""
    if text is None or len(text) > 200:
        return "The path must be a text in quotes of at most 200 characters, such as '$.customer.name'."
    return "The path may not hold * or '..': name one value." if "*" in text or ".." in text else ""


def _zone_flaw(node: exp.Expr) -> str:
    return "" if text_of(node.args.get("zone")) else "The time zone must be a text in quotes, such as 'Europe/Berlin'."


def _escape_flaw(node: exp.Expr) -> str:
    return "" if len(text_of(node.args.get("expression")) or "") == 1 else "The escape must be one character in quotes."


def _separator_flaw(node: exp.Expr) -> str:
    separator = text_of(node.expressions[0])
    known = separator is not None and len(separator) <= 100
    return "" if known else "The separator must be a text in quotes of at most 100 characters."


def _between_flaw(node: exp.Expr) -> str:
    return "SYMMETRIC is not allowed: write the smaller bound first." if node.args.get("symmetric") else ""


def _struct_flaw(node: exp.Expr) -> str:
    named = all(isinstance(item, exp.PropertyEQ) for item in node.expressions)
    return "" if named else "Every part needs a name, such as {'name': value}."


_FORMAT = ("format",)

RULES: dict[type[exp.Expr], Rule] = {
    # Text
    exp.Upper: Rule(("upper", "ucase"), growth=_grows(3)),
    exp.Lower: Rule(("lower", "lcase"), growth=_grows(3)),
    exp.Trim: Rule(("trim", "ltrim", "rtrim"), ("expression",)),
    exp.Length: Rule(("length", "len")),
    exp.Substring: Rule(("substring", "substr")),
    exp.Left: Rule(("left",)),
    exp.Right: Rule(("right",)),
    exp.Replace: Rule(("replace",), ("expression", "replacement"), _replace_flaw, limits.replace_growth),
    exp.Concat: Rule(("concat",)),
    exp.ConcatWs: Rule(("concat_ws",), (), _separator_flaw),
    exp.StartsWith: Rule(("starts_with",)),
    exp.EndsWith: Rule(("ends_with",)),
    exp.Contains: Rule(("contains",), ("expression",), growth=_searches("expression")),
    exp.StrPosition: Rule(("strpos", "instr", "position"), ("substr",), growth=_searches("substr")),
    exp.SplitPart: Rule(("split_part",), ("delimiter",), growth=_grows(17)),
    exp.Split: Rule(("string_split", "split"), ("expression",), growth=_grows(17)),
    exp.Reverse: Rule(("reverse",)),
    exp.Pad: Rule(("lpad", "rpad"), ("fill_pattern",), _pad_flaw),
    exp.Translate: Rule(("translate",), ("from_", "to")),
    exp.Ascii: Rule(("ascii",)),
    exp.Chr: Rule(("chr",)),
    exp.MD5: Rule(("md5",)),
    exp.SHA2: Rule(("sha256",)),
    exp.Hex: Rule(("hex",), growth=_grows(2)),
    exp.Unhex: Rule(("unhex",)),
    exp.ToBase64: Rule(("to_base64",), growth=_grows(2)),
    exp.FromBase64: Rule(("from_base64",)),
    exp.Encode: Rule(("encode",), ("charset",)),
    exp.Decode: Rule(("decode",), ("charset",)),
    # Patterns, by RE2
    exp.RegexpLike: Rule(("regexp_matches",), (), _regexp_like_flaw, _pattern_growth),
    exp.RegexpFullMatch: Rule(("regexp_full_match",), (), _regexp_like_flaw, _pattern_growth),
    exp.RegexpReplace: Rule(("regexp_replace",), ("replacement",), _regexp_replace_flaw, limits.regexp_replace_growth),
    exp.RegexpExtract: Rule(("regexp_extract",), (), _regexp_extract_flaw, _pattern_growth),
    exp.Like: Rule(("like",), (), limits.like_flaw, _grows(4)),
    exp.ILike: Rule(("ilike",), (), limits.like_flaw, _grows(4)),
    exp.Escape: Rule(("escape",), (), _escape_flaw),
    # Numbers
    exp.Abs: Rule(("abs",)),
    exp.Round: Rule(("round",)),
    exp.Floor: Rule(("floor",), (), _one_argument),
    exp.Ceil: Rule(("ceil", "ceiling"), (), _one_argument),
    exp.Trunc: Rule(("trunc",), (), _one_argument),
    exp.Mod: Rule(("mod",)),
    exp.Sign: Rule(("sign",)),
    exp.Greatest: Rule(("greatest",)),
    exp.Least: Rule(("least",)),
    exp.Pow: Rule(("power", "pow")),
    exp.Sqrt: Rule(("sqrt",)),
    exp.Ln: Rule(("ln",)),
    exp.Exp: Rule(("exp",)),
    exp.IsNan: Rule(("isnan",)),
    exp.IsInf: Rule(("isinf",)),
    # Choice
    exp.Between: Rule(("between",), (), _between_flaw),
    exp.Case: Rule(("case",)),
    exp.If: Rule(("if",)),
    exp.Coalesce: Rule(("coalesce", "ifnull")),
    exp.Nullif: Rule(("nullif",)),
    exp.Try: Rule(("try",)),
    exp.Cast: Rule(("cast",), growth=_grows(6)),
    exp.TryCast: Rule(("try_cast",), growth=_grows(6)),
    # Dates and times
    exp.StrToTime: Rule(("strptime",), _FORMAT),
    exp.TimeToStr: Rule(("strftime",), _FORMAT, growth=_grows(16)),
    exp.TimestampTrunc: Rule(("date_trunc", "datetrunc")),
    exp.DateDiff: Rule(("date_diff", "datediff")),
    exp.Extract: Rule(("extract",)),
    exp.Date: Rule(("date",), (), _one_argument),
    exp.Year: Rule(("year",)),
    exp.Quarter: Rule(("quarter",)),
    exp.Month: Rule(("month",)),
    exp.Week: Rule(("week",)),
    exp.Day: Rule(("day",)),
    exp.Hour: Rule(("hour",)),
    exp.Minute: Rule(("minute",)),
    exp.Second: Rule(("second",)),
    exp.DayOfWeek: Rule(("dayofweek",)),
    exp.DayOfWeekIso: Rule(("isodow",)),
    exp.DayOfYear: Rule(("dayofyear",)),
    exp.Dayname: Rule(("dayname",)),
    exp.Monthname: Rule(("monthname",)),
    exp.LastDay: Rule(("last_day",), (), _one_argument),
    exp.DateFromParts: Rule(("make_date",)),
    exp.TimeFromParts: Rule(("make_time",)),
    exp.TimestampFromParts: Rule(("make_timestamp",)),
    exp.TimeToUnix: Rule(("epoch",)),
    exp.UnixToTime: Rule(("to_timestamp", "epoch_ms")),
    exp.AtTimeZone: Rule(("at time zone",), (), _zone_flaw),
    exp.Interval: Rule(("interval",)),
    # JSON, structs and lists
    exp.JSONExtract: Rule(("json_extract",), (), _json_path_flaw),
    exp.JSONExtractScalar: Rule(("json_extract_string",), (), _json_path_flaw),
    exp.JSONType: Rule(("json_type",)),
    exp.JSONKeys: Rule(("json_keys",), (), _one_argument, _grows(17)),
    exp.JSONObject: Rule(("json_object",), growth=_grows(6)),
    exp.JSONArray: Rule(("json_array",), growth=_grows(6)),
    exp.StructExtract: Rule(("struct_extract",)),
    exp.Struct: Rule(("struct_pack",), (), _struct_flaw),
    exp.Array: Rule(("list_value",)),
    exp.ArraySize: Rule(("array_length",)),
    exp.ArrayContains: Rule(("list_contains", "array_contains")),
    exp.ArrayToString: Rule(
        ("array_to_string",), ("expression",), growth=lambda n: 1.0 + len(text_of(n.args.get("expression")) or "")
    ),
}

# Functions that sqlglot has no node for, and which are pure all the same (docs/decisions/mapping-expressions.md).
ANONYMOUS: dict[str, Rule] = {
    "strlen": Rule(("strlen",)),
    "prefix": Rule(("prefix",)),
    "suffix": Rule(("suffix",)),
    "strip_accents": Rule(("strip_accents",), growth=_grows(3)),
    "nfc_normalize": Rule(("nfc_normalize",), growth=_grows(3)),
    "url_encode": Rule(("url_encode",), growth=_grows(3)),
    "url_decode": Rule(("url_decode",)),
    "base64": Rule(("base64",), growth=_grows(2)),
    "isfinite": Rule(("isfinite",)),
    "round_even": Rule(("round_even",)),
    "try_strptime": Rule(("try_strptime",), (1,)),
    "date_part": Rule(("date_part",), (0,)),
    "datepart": Rule(("datepart",), (0,)),
    "epoch_us": Rule(("epoch_us",)),
    "json_array_length": Rule(("json_array_length",)),
    "json_valid": Rule(("json_valid",)),
    "to_json": Rule(("to_json",), growth=_grows(6)),
    "list_extract": Rule(("list_extract",)),
}

# Operators, constants, and the parts of the nodes above.
PLAIN_NODES: frozenset[type[exp.Expr]] = frozenset(
    {
        exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Neg, exp.Not,
        exp.And, exp.Or, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.DPipe,
        exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ,
        exp.Is, exp.In, exp.Bracket, exp.PropertyEQ, exp.JSONKeyValue, exp.DataType, exp.DataTypeParam, exp.Var,
    }
)  # fmt: skip

CAST_TYPES: frozenset[exp.DType] = frozenset(
    {
        exp.DType.TEXT, exp.DType.VARCHAR, exp.DType.BOOLEAN, exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT,
        exp.DType.BIGINT, exp.DType.INT128, exp.DType.UTINYINT, exp.DType.USMALLINT, exp.DType.UINT, exp.DType.UBIGINT,
        exp.DType.FLOAT, exp.DType.DOUBLE, exp.DType.DECIMAL, exp.DType.DATE, exp.DType.TIME, exp.DType.TIMESTAMP,
        exp.DType.TIMESTAMPNTZ, exp.DType.TIMESTAMPTZ, exp.DType.INTERVAL, exp.DType.UUID, exp.DType.JSON,
        exp.DType.VARBINARY,
    }
)  # fmt: skip

_UNITS = (
    "YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND",
    "DECADE", "CENTURY", "MILLENNIUM",
)  # fmt: skip
_OTHER_PARTS = ("ISODOW", "ISOYEAR", "DOW", "DOY", "DAYOFWEEK", "DAYOFYEAR", "WEEKDAY", "EPOCH")
DATE_PARTS = frozenset([*_UNITS, *(unit + "S" for unit in _UNITS), *_OTHER_PARTS])

_OPERATORS = {"between", "like", "ilike", "escape", "at time zone", "case", "interval"}


def function_names() -> tuple[str, ...]:
    """Every name that an expression may call, in order."""
    rules = [*RULES.values(), *ANONYMOUS.values()]
    return tuple(sorted({name for rule in rules for name in rule.names} - _OPERATORS))
