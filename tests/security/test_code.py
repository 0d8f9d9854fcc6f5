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
# The product's own processes are forks: a function in memory, nothing that was pickled, no program.
MAY_FORK = frozenset({"config/forked.py", "config/supervisor.py"})


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
    assert findings(source.unsafe_imports, but=MAY_FORK) == []


@pytest.mark.security("SEC-003", "SEC-007")
def test_no_text_becomes_code() -> None:
    assert findings(source.code_from_text) == []


@pytest.mark.security("SEC-003b", "SEC-009")
def test_no_program_is_ever_started() -> None:
    assert findings(source.programs) == []


@pytest.mark.security("SEC-003b", "SEC-009")
def test_a_process_of_ours_is_a_fork_that_unpickles_nothing() -> None:
    forked = (PROJECT / "config" / "forked.py").read_text()
    assert re.findall(r"get_context\((.*?)\)", forked) == ['"fork"']
    assert not re.search(r"\b(Pipe|Queue|Pool|Manager)\b", forked)


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
