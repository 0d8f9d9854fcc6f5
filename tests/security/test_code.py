"""What the product's own source must not hold: no code from text, no shell, no unsafe format, no text marked safe."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

import pytest
from django.apps import apps
from django.conf import settings

from tests.index import PROJECT
from tests.security import source

Scan = Callable[[ast.AST], list[str]]
# The supervisor starts the product's own processes; nothing of a user reaches their arguments.
MAY_START_PROGRAMS = frozenset({"config/supervisor.py"})


def findings(scan: Scan, *, but: frozenset[str] = frozenset()) -> list[str]:
    """What a scan finds in the whole product."""
    return [
        f"{source.name_of(path)}: {found}"
        for path in source.modules()
        if source.name_of(path) not in but
        for found in scan(ast.parse(path.read_text()))
    ]


def written(folder: str, pattern: str, forbidden: str) -> list[str]:
    """The files that hold what is forbidden."""
    files = sorted((PROJECT / folder).rglob(pattern))
    assert len(files) > 10
    return [str(path.relative_to(PROJECT)) for path in files if re.search(forbidden, path.read_text())]


@pytest.mark.parametrize(
    ("scan", "text"),
    [
        (source.unsafe_imports, "import pickle"),
        (source.unsafe_imports, "from yaml import load"),
        (source.unsafe_imports, "import xml.etree.ElementTree as tree"),
        (source.unsafe_imports, "def late():\n    from marshal import loads"),
        (source.code_from_text, "eval(text)"),
        (source.code_from_text, "exec(compile(text, 'x', 'exec'))"),
        (source.programs, "import os\nos.system(text)"),
        (source.programs, "from os import execvp"),
        (source.programs, "import subprocess"),
        (source.programs, "run(['a'], shell=True)"),
        (source.markup, "from django.utils.safestring import mark_safe\nmark_safe(text)"),
        (source.markup, "safestring.mark_safe(text)"),
        (source.markup, "format_html(f'<b>{name}</b>')"),
        (source.markup, "SafeString(text)"),
        (source.shared_caches, "from django.views.decorators.cache import cache_page"),
        (source.spread_queries, "rows.filter(**request.GET.dict())"),
        (source.spread_queries, "rows.order_by(request.GET['sort'])"),
        (source.spread_queries, "rows.annotate(**form.cleaned_data)"),
    ],
)
def test_a_scan_finds_what_it_looks_for(scan: Scan, text: str) -> None:
    assert scan(ast.parse(text)) != []


@pytest.mark.security("SEC-007", "SEC-094", "SEC-095")
def test_no_module_reads_a_format_that_runs_code_or_expands() -> None:
    assert findings(source.unsafe_imports) == []


@pytest.mark.security("SEC-003", "SEC-007")
def test_no_text_becomes_code() -> None:
    assert findings(source.code_from_text) == []


@pytest.mark.security("SEC-003b", "SEC-009")
def test_only_the_supervisor_starts_programs() -> None:
    assert findings(source.programs, but=MAY_START_PROGRAMS) == []


@pytest.mark.security("SEC-003b", "SEC-009")
def test_the_supervisor_starts_a_list_of_words_and_no_shell() -> None:
    tree = ast.parse((PROJECT / "config" / "supervisor.py").read_text())
    started = [call for call in source.calls(tree) if "subprocess." in ast.unparse(call.func)]
    assert [ast.unparse(call.func) for call in started] == ["subprocess.Popen"]
    assert all("shell" not in {word.arg for word in call.keywords} for call in started)


@pytest.mark.security("SEC-124")
def test_no_text_is_marked_as_safe_markup() -> None:
    assert findings(source.markup) == []


@pytest.mark.security("SEC-124")
def test_no_template_switches_escaping_off() -> None:
    assert written("templates", "*.html", r"\|\s*(safe|safeseq)\b|autoescape\s+off") == []


@pytest.mark.security("SEC-124")
def test_no_script_makes_markup_or_code_of_text() -> None:
    markup = r"\.(inner|outer)HTML\s*\+?=|insertAdjacentHTML|document\.write|createContextualFragment"
    assert written("static/app/js", "*.js", rf"{markup}|\beval\(|new Function") == []


@pytest.mark.security("SEC-062")
def test_no_whole_answer_is_kept_in_a_cache() -> None:
    assert findings(source.shared_caches) == []
    assert not [name for name in settings.MIDDLEWARE if "cache" in name.lower()]


@pytest.mark.security("SEC-090")
def test_no_name_of_a_request_reaches_the_query_builder() -> None:
    assert findings(source.spread_queries) == []


@pytest.mark.security("SEC-033", "SEC-093", "SEC-128")
@pytest.mark.parametrize("name", ["django.contrib.admin", "django.contrib.gis", "flower", "django_celery_results"])
def test_what_is_not_needed_is_not_installed(name: str) -> None:
    assert name not in {app.name for app in apps.get_app_configs()}
    locked = (PROJECT / "deploy" / "requirements" / "run.txt").read_text().lower()
    assert not re.search(rf"^{re.escape(name.replace('_', '-'))}==", locked, re.MULTILINE)
