"""How expensive a constant makes a function: patterns, replacements and paddings, judged before anything is evaluated.

DuckDB cannot be interrupted inside one call, and strings that grow inside a call are not counted against its memory
limit (both measured). So what can grow or take long must be bounded by looking at the tree.
"""

from __future__ import annotations

import re

from sqlglot import exp

MAX_PATTERN = 500
MAX_REPEATS = 1000
MAX_PAD = 1000

_COUNTED = re.compile(r"(\)?)\{(\d+)(,(\d*))?\}")


def text_of(node: exp.Expr | None) -> str | None:
    """The value of a text constant, or None for anything else."""
    return str(node.this) if isinstance(node, exp.Literal) and node.is_string else None


def number_of(node: exp.Expr | None) -> int | None:
    """The value of a small whole-number constant, or None for anything else."""
    if isinstance(node, exp.Literal) and not node.is_string and re.fullmatch(r"\d{1,9}", str(node.this)):
        return int(node.this)
    return None


def like_flaw(node: exp.Expr) -> str:
    """DuckDB matches LIKE by going back: each inner % multiplies the work by the length (3,000 letters took 15 s)."""
    pattern = text_of(node.args.get("expression"))
    if pattern is None or len(pattern) > MAX_PATTERN:
        return f"The pattern of LIKE must be a text in quotes of at most {MAX_PATTERN} characters."
    if pattern.rstrip("%").count("%") > 1:
        return "LIKE may hold one % at its start or inside, not both, and one at its end. Use regexp_matches."
    return ""


def pattern_flaw(pattern: exp.Expr | None) -> str:
    """RE2 runs in linear time, times the size of the pattern's program, which counted repeats multiply."""
    text = text_of(pattern)
    if text is None or len(text) > MAX_PATTERN:
        return f"The pattern must be a text in quotes of at most {MAX_PATTERN} characters."
    if pattern_work(text) > MAX_REPEATS:
        return f"The counted repeats in the pattern come to more than {MAX_REPEATS}. Use + or * in place of some."
    return ""


def pattern_work(pattern: str) -> int:
    """An upper bound for the copies of a part that counted repeats make: repeats of groups multiply, others add up."""
    plain, groups = 1, 1
    for group, low, ranged, high in _COUNTED.findall(pattern):
        count = max(int(low), int(high or 0), 1) if ranged else max(int(low), 1)
        if group:
            groups *= count
        else:
            plain += count
    return plain * groups


def replace_growth(node: exp.Expr) -> float:
    """How much longer `replace` can make a text: the replacement's length over the searched one's."""
    search, replacement = text_of(node.args.get("expression")) or "", text_of(node.args.get("replacement")) or ""
    return max(1.0, len(replacement.encode()) / max(1, len(search.encode()))) * needle_work(search)


def regexp_replace_growth(node: exp.Expr) -> float:
    """A pattern can match between any two characters, and a replacement can repeat what was matched."""
    pattern, replacement = text_of(node.args.get("expression")) or "", text_of(node.args.get("replacement")) or ""
    return (1.0 + len(replacement.encode())) * pattern_work(pattern)


def needle_work(needle: str) -> float:
    """Comparisons that a search for a constant can need for each character, in units of a vector step."""
    return 1.0 + len(needle) // 16
