"""Reads the product's own source and names what it must not hold."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.index import PROJECT

APPS = ("accounts", "config", "integrations", "monitoring")
# Formats that run code, or expand without end, while they are read; and ways to start another program.
UNSAFE_MODULES = {
    *("pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle", "joblib"),
    *("yaml", "ruamel", "xml", "lxml", "xmltodict", "plistlib"),
    *("code", "codeop", "runpy", "pty", "commands", "multiprocessing", "imp"),
}
UNSAFE_CALLS = frozenset({"eval", "exec", "compile", "__import__", "execfile"})
STARTS_PROGRAM = re.compile(r"os\.(system|popen|exec\w*|spawn\w*|posix_spawnp?|fork|forkpty|startfile)|subprocess\.\w+")
MARKS_SAFE = frozenset({"mark_safe", "SafeText", "html_safe", "__html__"})
CACHES = frozenset({"cache_page", "cache_control", "UpdateCacheMiddleware", "FetchFromCacheMiddleware"})
REQUEST_DATA = re.compile(r"\b(GET|POST|data|query_params|cleaned_data|validated_data)\b")
QUERY_BUILDERS = frozenset(
    {"filter", "exclude", "annotate", "alias", "order_by", "aggregate", "values", "extra", "get"}
)


def modules() -> Iterator[Path]:
    """Every module of the product."""
    for app in APPS:
        yield from sorted((PROJECT / app).rglob("*.py"))


def name_of(path: Path) -> str:
    """A file as the findings call it."""
    return str(path.relative_to(PROJECT))


def imports(tree: ast.AST) -> Iterator[str]:
    """Each module that is imported, whole name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def unsafe_imports(tree: ast.AST) -> list[str]:
    """Imports of modules that run what they read."""
    return [name for name in imports(tree) if name.split(".")[0] in UNSAFE_MODULES]


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Each call."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def code_from_text(tree: ast.AST) -> list[str]:
    """Calls that make code of a text. (`re.compile` is no such call: only the built-in names are.)"""
    return [ast.unparse(call) for call in calls(tree) if ast.unparse(call.func) in UNSAFE_CALLS]


def programs(tree: ast.AST) -> list[str]:
    """Whatever could start a program or a shell."""
    found = [name for name in imports(tree) if STARTS_PROGRAM.fullmatch(name) or name.split(".")[0] == "subprocess"]
    found += [ast.unparse(call) for call in calls(tree) if STARTS_PROGRAM.fullmatch(ast.unparse(call.func))]
    return found + [ast.unparse(call) for call in calls(tree) if "shell" in {word.arg for word in call.keywords}]


def markup(tree: ast.AST) -> list[str]:
    """Texts that are said to be safe markup; `format_html` whose form is not written out in full."""
    found = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in MARKS_SAFE]
    found += [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in MARKS_SAFE]
    for call in calls(tree):
        name, first = ast.unparse(call.func).rpartition(".")[2], next(iter(call.args), None)
        is_form = name in {"format_html", "format_html_join", "SafeString"}
        if is_form and not (isinstance(first, ast.Constant) and isinstance(first.value, str)):
            found.append(ast.unparse(call))
    return found


def shared_caches(tree: ast.AST) -> list[str]:
    """Whatever keeps whole answers."""
    return [name for name in imports(tree) if name.rpartition(".")[2] in CACHES]


def spread_queries(tree: ast.AST) -> list[str]:
    """Query builders that are given names from a request: `rows.filter(**request.GET.dict())`, `order_by(GET["x"])`."""
    found = []
    for call in calls(tree):
        if not isinstance(call.func, ast.Attribute) or call.func.attr not in QUERY_BUILDERS:
            continue
        spread = [word.value for word in call.keywords if word.arg is None]
        spread += call.args if call.func.attr in {"order_by", "values", "extra"} else []
        found += [ast.unparse(call) for value in spread if REQUEST_DATA.search(ast.unparse(value))]
    return found


def string_literals(path: Path) -> Iterator[str]:
    """Each text constant of a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
