"""Addresses, parameters and bodies in every odd form: nothing opens, nothing crashes, nothing is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.db import DataError, OperationalError, ProgrammingError, connection, transaction
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from accounts.models import Membership, Workspace
from accounts.permissions import PUBLIC
from tests.examples import THIRD_PARTY, Shelf
from tests.permission_routes import Route, routes
from tests.security.two import fill, lasting
from tests.world import World, signed_in

pytestmark = pytest.mark.django_db
KNOWN = [route for route in routes() if route.has_examples and route.name not in THIRD_PARTY]
PROTECTED = [route for route in KNOWN if route.needs(route.methods[0]) != PUBLIC]
IN_A_WORKSPACE = [route for route in PROTECTED if "workspace" in route.arguments]
READABLE = [route for route in IN_A_WORKSPACE if "GET" in route.methods and "stream" not in route.path]
OPEN_NAMES = ("health", "healthz", "ready", "readyz", "configs", "metrics", "static", "login", "status", "schema")
CANARY = "canary-postgres://root:hunter2@db"


def variants(url: str) -> Iterator[str]:
    """The same address in forms that another reader of it might take for an open one."""
    bare = url.rstrip("/")
    yield from (f"{url}{name}" for name in OPEN_NAMES)
    yield from (
        f"{bare}{end}" for end in (".json", ".", ";", ";/healthz", "%2f", "%2fhealthz", "%00", "%20", "/./", "//")
    )
    yield from (
        f"{start}{url.lstrip('/')}" for start in ("//", "/./", "/static/../", "/static/..%2f", "/healthz/../", "/%2e/")
    )
    yield from (f"{url}?{query}" for query in ("health", "format=json", "_method=GET", "path=/healthz"))
    yield from (url.upper(), url.title(), url.replace("/", "//"), url.replace("/", "%2f"), f"{url}#/healthz")
    yield from (
        f"/static/..{url}",
        f"/accounts/login/..{url}",
        f"/status/..{url}",
        f"{url}..%2f..%2fhealthz",
        f"{url}\\",
    )


@pytest.mark.security("SEC-011")
def test_no_form_of_a_protected_address_is_open(world: World) -> None:
    shelf, client = Shelf(world.workspace, world.owner), Client(raise_request_exception=False)
    opened, tried = [], 0
    # Below the home page stand the addresses that are open on purpose.
    for route in (route for route in PROTECTED if route.path):
        for url in variants(route.url(shelf, shelf)):
            status = client.get(url).status_code
            tried += 1
            if 200 <= status < 300 or status >= 500:
                opened.append(f"{status} {url}")
    assert opened == []
    assert tried >= 40 * (len(PROTECTED) - 1)


@pytest.mark.security("SEC-011")
@pytest.mark.parametrize("header", ["X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-Forwarded-Prefix"])
def test_no_header_changes_which_address_is_meant(world: World, header: str) -> None:
    for value in ("/healthz", "GET", "/static/"):
        answer = Client(headers={header: value}).get(world.api_url("runs/"))
        assert answer.status_code == 401


@pytest.mark.security("SEC-011")
@pytest.mark.parametrize("slug", OPEN_NAMES)
def test_a_workspace_with_an_open_name_is_as_closed_as_any(world: World, slug: str) -> None:
    named = Workspace.objects.create(slug=slug, name=slug)
    Membership.objects.create(workspace=named, user=world.owner, role="owner")
    for path, anonymous in ((f"/w/{slug}/", 302), (f"/api/v1/workspaces/{slug}/", 401), (f"/w/{slug}/runs/", 302)):
        answers = [
            client.get(path).status_code for client in (Client(), signed_in(world.outsider), signed_in(world.owner))
        ]
        assert answers == [anonymous, 404, 200]


# --- what stands where an id should ------------------------------------------------------------------------------
PATHS = ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "/etc/passwd", "file:///etc/passwd", "....//etc/passwd", "C:\\x"]
PATHS += ["a\x00b", "%00", "~root/.ssh/id_rsa", "|id", "$(id)", "`id`", "; id", "' OR 1=1--", '"', "\u202e", "x" * 5000]


@pytest.mark.security("SEC-088")
def test_an_id_in_an_address_is_a_uuid_or_a_number() -> None:
    kinds = {kind for route in KNOWN for kind in ("<str:", "<path:", "<re_path", "(?P<") if kind in route.path}
    assert kinds == set()


@pytest.mark.security("SEC-088", "SEC-009", "SEC-089")
def test_no_text_in_place_of_an_id_is_anything_but_absent(world: World) -> None:
    shelf, client, wrong = shelf_of(world), signed_in(world.owner), []
    for route in (route for route in READABLE if route.object_arguments):
        own = route.url(shelf, shelf)
        for argument in route.object_arguments:
            for text in PATHS[::4]:
                url = own.replace(str(shelf.value(argument)), quote(text, safe=""), 1)
                if url != own and client.get(url).status_code not in (301, 404):
                    wrong.append(url)
    assert wrong == []


# Names that Django's query builder would understand, and that nobody may hand to it.
DUNDER = [
    *("id__in", "pk", "pk__regex", "workspace", "workspace__slug", "name__iregex", "created_by__password__startswith"),
    *(
        "user__password",
        "creator__secret_hash__regex",
        "_connector",
        "_negated",
        "ordering",
        "order_by",
        "sort",
        "fields",
    ),
    *("expand", "unmask", "include", "exclude", "select", "values", "annotate", "limit", "offset"),
]


@pytest.mark.security("SEC-090", "SEC-089", "SEC-051")
def test_no_parameter_reaches_the_query_builder(world: World) -> None:
    """A resource answers as without the parameters, or names them as unknown; a page looks at none of them."""
    shelf, client, wrong = shelf_of(world), signed_in(world.owner), []
    for route in READABLE:
        url = route.url(shelf, shelf)
        plain, fuzzed = client.get(url), client.get(url, dict.fromkeys(DUNDER, "(a+)+$"))
        if fuzzed.status_code == 400 and route.is_api:
            assert {"id__in", "_connector", "ordering", "unmask"} <= fuzzed.json()["errors"].keys(), url
        elif fuzzed.status_code != plain.status_code:
            wrong.append(f"{fuzzed.status_code} {url}")
        elif route.is_api and lasting(fuzzed.content.decode()) != lasting(plain.content.decode()):
            wrong.append(f"another answer of {url}")
    assert wrong == []


@pytest.mark.security("SEC-088", "SEC-089", "SEC-009")
def test_no_value_of_a_known_parameter_crashes(world: World) -> None:
    shelf, client, wrong = shelf_of(world), signed_in(world.owner), []
    names = (
        "q",
        "search",
        "state",
        "integration",
        "run",
        "before",
        "after",
        "cursor",
        "since",
        "window",
        "part",
        "actor",
    )
    for route in (route for route in READABLE if not route.object_arguments):
        for text in PATHS[::3]:
            answer = client.get(route.url(shelf, shelf), dict.fromkeys(names, text))
            if answer.status_code >= 500 or b"root:x:0" in answer.content:
                wrong.append(f"{answer.status_code} {route.path} {text[:20]!r}")
    assert wrong == []


# --- what goes wrong inside --------------------------------------------------------------------------------------
FAILURES: list[Callable[[str], Exception]] = [
    *(OperationalError, ProgrammingError, DataError, ValueError, KeyError, TypeError, RuntimeError, OSError),
    *(RecursionError, MemoryError, LookupError, UnicodeError, AssertionError, NotImplementedError, TimeoutError),
]
# Whoever asks is known before anything fails.
_BEFORE = (
    "session",
    "accounts_user",
    "accounts_membership",
    "accounts_apitoken",
    "SAVEPOINT",
    "sessions",
    "usersession",
)


@contextmanager
def failing(failure: Exception) -> Iterator[None]:
    """Every statement after those that tell who asks raises `failure`."""

    def raise_it(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if any(name in sql for name in _BEFORE):
            return execute(sql, params, many, context)
        raise failure

    with connection.execute_wrapper(raise_it):
        yield


@pytest.mark.security("SEC-054")
@pytest.mark.parametrize("turn", range(3))
def test_a_crash_tells_nothing_but_an_id(world: World, turn: int) -> None:
    """Every page and resource crashes in three ways, and each kind of crash happens in many of them."""
    shelf, client = shelf_of(world), signed_in(world.owner)
    told, crashed = [], set()
    for number, route in enumerate(READABLE):
        failure = FAILURES[(number + 5 * turn) % len(FAILURES)]
        with transaction.atomic(), failing(failure(CANARY)):
            answer = client.get(route.url(shelf, shelf))
            transaction.set_rollback(True)
        text = answer.content.decode()
        if "hunter2" in text or "Traceback" in text or failure.__name__ in text:
            told.append(route.path)
        if answer.status_code == 500:
            crashed.add(failure)
            assert not route.is_api or answer.json()["code"] == "server_error"
            assert not route.is_api or answer.json()["trace_id"]
    assert told == []
    assert crashed == set(FAILURES)


# --- bodies ------------------------------------------------------------------------------------------------------
TAKES_A_BODY = [(r, m) for r in IN_A_WORKSPACE if r.is_api for m in r.methods if m in ("POST", "PUT", "PATCH")]
TYPES = [
    *("text/plain", "text/html", "text/csv", "application/xml", "application/yaml", "application/octet-stream"),
    *("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/x-python-serialize"),
]


@pytest.mark.security("SEC-087")
def test_a_resource_reads_json_and_nothing_else(world: World) -> None:
    shelf, client, wrong, tried = shelf_of(world), signed_in(world.owner), [], 0
    for route, method in TAKES_A_BODY:
        if not reads_a_body(route, method):
            continue
        tried += 1
        for kind in TYPES:
            with transaction.atomic():
                answer = client.generic(method, route.url(shelf, shelf), b"name=x", content_type=kind)
                transaction.set_rollback(True)
            if answer.status_code != 415:
                wrong.append(f"{answer.status_code} {method} {route.path} {kind}")
    assert wrong == []
    assert tried > 25


def reads_a_body(route: Route, method: str) -> bool:
    path = "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.path)
    return "requestBody" in schema()["paths"][path][method.lower()]


@cache
def schema() -> dict[str, Any]:
    document: dict[str, Any] = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]  # no types
    return document


BODIES = {
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"name":' * 50_000 + b"1" + b"}" * 50_000,
    "many keys": b"{" + b",".join(b'"k%d":1' % number for number in range(100_000)) + b"}",
    "a long number": b'{"name": ' + b"9" * 1_000_000 + b"}",
    "an endless number": b'{"name": 1e999999}',
    "a long text": b'{"name": "' + b"a" * 5_000_000 + b'"}',
    "half of a body": b'{"name": "',
    "no utf-8": b'{"name": "\xff\xfe"}',
    "nul": b'{"name": "a\\u0000b"}',
    "a lone surrogate": b'{"name": "\\ud800"}',
}


@pytest.mark.security("SEC-140")
@pytest.mark.parametrize("name", BODIES)
def test_a_body_made_to_cost_much_is_refused(world: World, name: str) -> None:
    client = signed_in(world.owner)
    for path in ("connectors/", "members/", "policies/", "dead-letters/discard/"):
        answer = client.generic("POST", world.api_url(path), BODIES[name], content_type="application/json")
        assert 400 <= answer.status_code < 500, path


@pytest.mark.security("SEC-140")
def test_a_body_over_the_limit_is_refused_unread(world: World, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    client = signed_in(world.owner)
    assert client.post(world.url("settings/"), {"name": "a" * 2000, "status_page": "members"}).status_code == 400
    body = b'{"name": "' + b"a" * 2000
    answer = client.generic("POST", world.api_url("connectors/"), body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.security("SEC-029")
@pytest.mark.parametrize(
    "slug", ["", "%20", "~", "*", "null", "None", "undefined", "0", "acm", "acme%00", "ACME", "acme,acme-2"]
)
def test_without_a_whole_workspace_nothing_is_found(world: World, slug: str) -> None:
    shelf = Shelf(world.workspace, world.owner)
    client = signed_in(world.owner)
    for path in (f"/w/{slug}/connectors/", f"/api/v1/workspaces/{slug}/credentials/", f"/api/v1/workspaces/{slug}/"):
        answer = client.get(path)
        assert answer.status_code in (301, 404) or (path == "/api/v1/workspaces//" and answer.status_code == 404)
    assert client.get(f"/w/{shelf.value('workspace')}/connectors/").status_code == 200


def shelf_of(world: World) -> Shelf:
    shelf = Shelf(world.workspace, world.owner)
    fill(shelf)
    return shelf


def test_a_known_address_with_a_made_up_id_is_absent(world: World) -> None:
    assert signed_in(world.owner).get(world.url(f"runs/{uuid4()}/")).status_code == 404
