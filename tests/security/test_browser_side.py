"""What a browser of somebody else can make ours do: other origins, forged hosts and addresses, markup in names."""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core import mail
from django.core.handlers.asgi import ASGIRequest
from django.db.models import CharField, TextField
from django.test import Client
from pytest_django import Settings

from accounts.client_address import client_ip
from tests.examples import Shelf
from tests.permission_routes import routes
from tests.security.two import fill, look, readable, tenant_models
from tests.world import PASSWORD, World, signed_in

pytestmark = pytest.mark.django_db
READABLE = readable()
LOGIN = "/accounts/login/"
FOREIGN = ["https://evil.example", "null", "http://localhost.evil.example", "http://evillocalhost:8000", "file://"]
FOREIGN += ["http://localhost:8000.evil.example", "http://localhost:8001", "https://localhost:8000@evil.example", "x"]


@pytest.mark.security("SEC-116")
@pytest.mark.parametrize("origin", FOREIGN)
def test_another_origin_changes_nothing_with_the_user_s_cookies(world: World, origin: str) -> None:
    client = Client(enforce_csrf_checks=True, headers={"Origin": origin})
    client.force_login(world.owner)
    token = client.get(world.url("settings/")).context["csrf_token"]
    for url in (world.url("settings/"), "/accounts/logout/", LOGIN, world.url("credentials/new/?kind=bearer")):
        answer = client.post(url, {"name": "taken", "status_page": "public", "csrfmiddlewaretoken": str(token)})
        assert answer.status_code == 403, url
    body: dict[str, Any] = {"content_type": "application/json", "headers": {"X-CSRFToken": str(token)}}
    for method in ("POST", "PATCH", "PUT"):
        assert client.generic(method, world.api_url(""), b'{"name": "taken"}', **body).status_code in (403, 405)
    world.workspace.refresh_from_db()
    assert world.workspace.name == "Acme"


@pytest.mark.security("SEC-116")
@pytest.mark.parametrize("method", ["get", "options", "head"])
def test_no_answer_lets_another_origin_read(world: World, method: str) -> None:
    shelf, client = Shelf(world.workspace, world.owner), signed_in(world.owner)
    for route in [*READABLE[::4], *(route for route in routes() if not route.arguments)]:
        url = route.url(shelf, shelf)
        answer = getattr(client, method)(url, headers={"Origin": "https://evil.example", "Sec-Fetch-Mode": "cors"})
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")], url


@pytest.mark.security("SEC-116")
def test_cookies_stay_with_their_own_site(world: World) -> None:
    client = Client()
    client.post(LOGIN, {"login": "owner@example.org", "password": PASSWORD})
    session = client.cookies[settings.SESSION_COOKIE_NAME]
    assert (session["samesite"], session["httponly"], session["domain"]) == ("Lax", True, "")


@pytest.mark.security("SEC-062")
def test_no_private_answer_is_kept(world: World) -> None:
    shelf, client = Shelf(world.workspace, world.owner), signed_in(world.owner)
    kept = [
        route.path
        for route in routes()
        if route.has_examples and "GET" in route.methods and "stream" not in route.path
        if "no-store" not in client.get(route.url(shelf, shelf)).headers.get("Cache-Control", "")
    ]
    # The probes are everybody's.
    assert [path for path in kept if path not in ("healthz", "readyz", "metrics")] == []


# --- where links lead --------------------------------------------------------------------------------------------
TARGETS = [
    *(
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/%09/evil.example",
    ),
    *(
        "https:evil.example",
        "https:///evil.example",
        "http:/evil.example",
        "hTTps://evil.example",
        "javascript:alert(1)",
    ),
    *(
        "data:text/html,x",
        "https://localhost:8000@evil.example",
        "https://localhost:8000.evil.example",
        "\x00//evil.example",
    ),
    *(
        "//evil.example/..",
        "/\n/evil.example",
        "https://evil.example#localhost",
        "https://evil.example\\@localhost:8000",
    ),
    *(
        "ftp://evil.example",
        "vbscript:x",
        " //evil.example",
        "//[::1]",
        "http://testserver.evil.example",
        ".evil.example",
    ),
]


@pytest.mark.security("SEC-122")
@pytest.mark.parametrize("target", TARGETS)
def test_after_sign_in_and_out_one_stays_on_this_site(world: World, target: str) -> None:
    form = {"login": "owner@example.org", "password": PASSWORD, "next": target}
    for answer in (
        Client().post(LOGIN, form),
        signed_in(world.owner).get(LOGIN, {"next": target}),
        signed_in(world.owner).post("/accounts/logout/", {"next": target}),
        Client().get(world.url("settings/"), headers={"HX-Request": "true", "HX-Current-URL": target}),
    ):
        where = answer.headers.get("Location", answer.headers.get("HX-Redirect", "/"))
        parts = urlsplit(where)
        assert (parts.scheme, parts.netloc) == ("", ""), where
        assert where.startswith("/"), where
        assert not re.match(r"/[/\\\s]", where), where


@pytest.mark.security("SEC-121")
@pytest.mark.parametrize("header", ["X-Forwarded-Host", "Forwarded", "X-Host", "X-Forwarded-Server", "X-Original-Host"])
def test_no_header_says_where_we_are(world: World, settings: Settings, header: str) -> None:
    settings.PUBLIC_BASE_URL = "https://signalbox.example.org"
    headers = {header: "host=evil.example" if header == "Forwarded" else "evil.example"}
    Client(headers=headers).post("/accounts/password/reset/", {"email": "owner@example.org"})
    links = re.findall(r"https?://[^\s/]+", str(mail.outbox[-1].body))
    assert set(links) == {"https://signalbox.example.org"}
    made = signed_in(world.owner).post(
        world.api_url("policies/"), {"name": "p", "rules": {}}, content_type="application/json", headers=headers
    )
    assert made.status_code == 201
    assert "evil" not in made.headers["Location"] + Client(headers=headers).get(world.url()).headers["Location"]


@pytest.mark.security("SEC-121")
@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "localhost@evil.example", "evil.example:80"]
)
def test_a_host_that_is_not_ours_is_refused(world: World, host: str) -> None:
    for path in (LOGIN, world.url(), world.api_url(), "/accounts/password/reset/"):
        assert Client().get(path, headers={"Host": host}, HTTP_HOST=host).status_code == 400
    assert Client().post("/accounts/password/reset/", {"email": "owner@example.org"}, HTTP_HOST=host).status_code == 400
    assert mail.outbox == []


# --- who the client is -------------------------------------------------------------------------------------------
def asked(*headers: tuple[str, str]) -> ASGIRequest:
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers]
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": encoded}
    return ASGIRequest({**scope, "client": ("203.0.113.7", 1)}, BytesIO())


@pytest.mark.security("SEC-110", "SEC-119")
@pytest.mark.parametrize(
    "name", ["X-Forwarded-For", "X_Forwarded_For", "Forwarded", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP"]
)
def test_without_a_trusted_proxy_no_header_names_the_client(settings: Settings, name: str) -> None:
    settings.TRUSTED_PROXY_COUNT = 0
    assert client_ip(asked((name, "198.51.100.1"))) == "203.0.113.7"


@pytest.mark.security("SEC-110", "SEC-119")
@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ([("X-Forwarded-For", "198.51.100.1")], "198.51.100.1"),
        ([("X-Forwarded-For", "6.6.6.6, 198.51.100.1")], "198.51.100.1"),
        ([("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "198.51.100.1")], "198.51.100.1"),
        ([("X_Forwarded_For", "6.6.6.6"), ("X-Forwarded-For", "198.51.100.1")], "198.51.100.1"),
        ([("X-Forwarded-For", "198.51.100.1"), ("X_Forwarded_For", "6.6.6.6")], "198.51.100.1"),
        ([("X_Forwarded_For", "6.6.6.6")], "203.0.113.7"),
        ([("X-Forwarded-For", "not an address")], "203.0.113.7"),
        ([("Forwarded", "for=6.6.6.6"), ("X-Real-IP", "6.6.6.6")], "203.0.113.7"),
    ],
)
def test_behind_one_proxy_its_own_word_counts(settings: Settings, headers: list[tuple[str, str]], client: str) -> None:
    settings.TRUSTED_PROXY_COUNT = 1
    assert client_ip(asked(*headers)) == client


@pytest.mark.security("SEC-110")
def test_limits_sign_in_and_audit_read_the_same_setting() -> None:
    assert settings.REST_FRAMEWORK["NUM_PROXIES"] == settings.TRUSTED_PROXY_COUNT


# --- names that are markup, and templates ------------------------------------------------------------------------
WORDS = {"name", "description", "reason", "note", "object_label", "actor_label", "column", "message"}
MARKUP = "<b id=zx>{{7*7}}${7*7}<%= 7*7 %>#{7*7}{% now 'Y' %}"


@pytest.mark.security("SEC-006", "SEC-124")
def test_a_name_is_text_wherever_it_stands_and_never_a_template(world: World) -> None:
    shelf, client = Shelf(world.workspace, world.owner), signed_in(world.owner)
    fill(shelf)
    for model in tenant_models():
        words = [f for f in model._meta.fields if isinstance(f, CharField | TextField) and f.name in WORDS]
        for row in model._base_manager.filter(workspace=world.workspace):
            values = {f.name: f"{str(row.pk)[-6:]}{MARKUP}"[: f.max_length or 200] for f in words}
            if values and model.__name__ not in {"AuditEntry", "AuditHead"}:
                model._base_manager.filter(pk=row.pk).update(**values)
    world.workspace.name = MARKUP
    world.workspace.save()
    shown = 0
    for route in (route for route in READABLE if not route.is_api):
        status, text = look(client, route.url(shelf, shelf))
        assert status < 500, route.path
        assert "<b id=zx>" not in text, route.path
        assert not re.search(r"(?<!\d)4949|>49\$", text), route.path
        shown += "&lt;b id=zx&gt;{{7*7}}" in text
    assert shown > 30


@pytest.mark.security("SEC-125")
@pytest.mark.parametrize(
    "scheme", ["javascript:alert(1)", "JavaScript:x", "data:text/html,x", "vbscript:x", "file:///etc/passwd"]
)
def test_an_address_of_a_connector_is_http(world: World, scheme: str) -> None:
    streams = [{"name": "items", "path": "/items", "primary_key": ["id"]}]
    body = {"name": "x", "plugin": "rest_api", "settings": {"base_url": scheme, "streams": streams}}
    answer: Any = signed_in(world.owner).post(world.api_url("connectors/"), body, content_type="application/json")
    assert answer.status_code == 400
    assert "base_url" in str(answer.json()["errors"])


@pytest.mark.security("SEC-125")
def test_no_page_links_to_a_script(world: World) -> None:
    shelf, client = Shelf(world.workspace, world.owner), signed_in(world.owner)
    for route in (route for route in READABLE if not route.is_api):
        _, text = look(client, route.url(shelf, shelf))
        assert not re.search(
            r"(href|src|action|formaction)\s*=\s*[\"']?\s*(javascript|data|vbscript):", text, re.IGNORECASE
        )


@pytest.mark.security("SEC-115")
def test_cookies_signed_for_another_purpose_are_no_sessions() -> None:
    assert not getattr(settings, "SIGNED_COOKIE_LEGACY_SALT_FALLBACK", False)
