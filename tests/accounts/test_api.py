"""REST: people, tokens, the audit log, problem documents and pages of lists."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import transaction
from django.test import Client
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.exceptions import Throttled, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from accounts import audit
from accounts.api.problems import problem_handler
from accounts.errors import INPUT_INVALID, Invalid
from accounts.models import ApiToken, AuditEntry, Membership, User, Workspace
from accounts.permissions import PUBLIC
from accounts.request_context import acting_as
from tests.world import Answer, World, token_text, with_token


def as_person(user: User) -> APIClient:
    client = APIClient(raise_request_exception=False)
    client.force_login(user)
    return client


def test_me_tells_who_and_where(world: World) -> None:
    body = as_person(world.operator).get("/api/v1/me/").json()
    assert body["user"]["email"] == "operator@example.org"
    assert body["memberships"] == [{"workspace": "acme", "role": "operator"}]
    assert body["scopes"] is None


def test_me_tells_a_tokens_scopes(world: World) -> None:
    body = with_token(token_text(world.operator, world.workspace, "run.read")).get("/api/v1/me/").json()
    assert body["scopes"] == ["run.read"]


def test_an_owner_changes_the_workspace(world: World) -> None:
    body = as_person(world.owner).patch(world.api_url(), {"status_page": "public"}, format="json").json()
    assert (body["status_page"], body["name"]) == ("public", "Acme")


@pytest.mark.parametrize("field", ["slug", "is_demo", "id"])
def test_a_change_of_what_is_not_writable_changes_nothing(world: World, field: str) -> None:
    before = Workspace.objects.values().get(pk=world.workspace.pk)
    as_person(world.owner).patch(world.api_url(), {field: "x"}, format="json")
    assert Workspace.objects.values().get(pk=world.workspace.pk) == before


def test_a_member_is_added_promoted_and_removed(world: World) -> None:
    client = as_person(world.admin)
    made = client.post(world.api_url("members/"), {"email": "n@example.org", "role": "viewer"}, format="json")
    assert (made.status_code, len(made.json()["one_time_password"])) == (201, 20)
    url = world.api_url(f"members/{made.json()['id']}/")
    assert client.patch(url, {"role": "builder"}, format="json").json()["role"] == "builder"
    assert client.delete(url).status_code == 204
    assert client.get(url).status_code == 404


def test_an_admin_cannot_make_themselves_an_owner(world: World) -> None:
    url = world.api_url(f"members/{world.membership(world.admin).pk}/")
    response = as_person(world.admin).patch(url, {"role": "owner"}, format="json")
    assert (response.status_code, response.json()["code"]) == (403, "role_above_own")


@pytest.mark.parametrize(("query", "count"), [("", 6), ("?role=viewer", 1), ("?email=VIEWER@example.org", 1)])
def test_members_are_filtered(world: World, query: str, count: int) -> None:
    assert len(as_person(world.owner).get(world.api_url(f"members/{query}")).json()["results"]) == count


def test_a_token_is_made_listed_and_revoked(world: World) -> None:
    client = as_person(world.operator)
    form = {"name": "t", "scopes": ["run.read"]}
    made = client.post(world.api_url("tokens/"), form, format="json").json()
    assert with_token(made["token"]).get("/api/v1/me/").status_code == 200
    listed = client.get(world.api_url("tokens/?revoked=false")).json()["results"]
    assert [row["state"] for row in listed] == ["active"]
    assert "token" not in listed[0]
    assert client.delete(world.api_url(f"tokens/{made['id']}/")).status_code == 204
    assert with_token(made["token"]).get("/api/v1/me/").status_code == 401
    assert client.get(world.api_url("tokens/?revoked=false")).json()["results"] == []
    assert len(client.get(world.api_url("tokens/?revoked=true")).json()["results"]) == 1


def test_a_token_makes_no_tokens(world: World) -> None:
    client = with_token(token_text(world.owner, world.workspace))
    response = client.post(world.api_url("tokens/"), {"name": "t", "scopes": ["run.read"]}, format="json")
    assert response.status_code == 403
    assert ApiToken.objects.count() == 1


def write(world: World, count: int) -> None:
    with acting_as(world.operator), transaction.atomic():
        for number in range(count):
            audit.record(workspace=world.workspace, action=f"test.{number % 2}", object=world.workspace)


def walk(client: APIClient, url: str) -> list[int]:
    numbers: list[int] = []
    while url:
        answer: Answer = client.get(url)
        body = answer.json()
        numbers += [row["seq"] for row in body["results"]]
        url = body["next"]
    return numbers


def test_a_long_list_is_walked_by_cursor_without_gap_or_repeat(world: World) -> None:
    client = with_token(token_text(world.auditor, world.workspace, "audit.read"))
    write(world, 25)
    count = AuditEntry.objects.of(world.workspace).count()
    assert walk(client, world.api_url("audit-entries/?page_size=7")) == list(range(count, 0, -1))


def test_a_list_does_not_shift_while_rows_are_added(world: World) -> None:
    client = with_token(token_text(world.auditor, world.workspace, "audit.read"))
    write(world, 10)
    first = client.get(world.api_url("audit-entries/?page_size=5")).json()
    write(world, 10)
    second = client.get(first["next"]).json()
    assert second["results"][0]["seq"] == first["results"][-1]["seq"] - 1


@pytest.mark.parametrize("cursor", ["x", "cD14", "cj0xJnA9JzsgRFJPUCBUQUJMRQ=="])
def test_a_made_up_cursor_is_not_found(world: World, cursor: str) -> None:
    client = with_token(token_text(world.auditor, world.workspace, "audit.read"))
    assert client.get(world.api_url(f"audit-entries/?cursor={cursor}")).status_code == 404


def test_a_cursor_of_another_list_is_not_found(world: World) -> None:
    client = as_person(world.owner)
    link = client.get(world.api_url("members/?page_size=1")).json()["next"]
    assert client.get(link).status_code == 200
    assert client.get(link.replace("members", "audit-entries")).status_code == 404


@pytest.mark.parametrize(
    ("query", "count"),
    [("action=test.0", 2), ("object_type=workspace&action=test.1", 1), ("since=2999-01-01T00:00:00Z", 0)],
)
def test_audit_entries_are_filtered(world: World, query: str, count: int) -> None:
    write(world, 3)
    assert len(as_person(world.auditor).get(world.api_url(f"audit-entries/?{query}")).json()["results"]) == count


def test_a_filter_by_a_person_who_is_not_there_is_empty(world: World) -> None:
    write(world, 3)
    url = world.api_url(f"audit-entries/?actor={world.outsider.pk}")
    assert as_person(world.auditor).get(url).json()["results"] == []


@pytest.mark.parametrize(("resource", "queries"), [("members/", 3 + 1), ("tokens/", 3 + 1), ("audit-entries/", 3 + 1)])
def test_a_list_asks_the_database_a_fixed_number_of_times(
    world: World, resource: str, queries: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = as_person(world.owner)
    for user in (world.owner, world.builder, world.operator):
        token_text(user, world.workspace, "run.read")
    with django_assert_num_queries(queries):
        client.get(world.api_url(resource))


# --- problem documents -------------------------------------------------------------------------------------------
Ask = Callable[[APIClient, World], Answer]
PROBLEMS: list[tuple[Ask, int, str]] = [
    (lambda _, w: APIClient().get(w.api_url()), 401, "not_signed_in"),
    (lambda c, _: c.get("/api/v1/workspaces/nowhere/"), 404, "not_found"),
    (lambda c, _: c.get("/api/v1/nowhere/"), 404, "not_found"),
    (lambda c, w: c.delete(w.api_url()), 405, "method_not_allowed"),
    (lambda c, w: c.options(w.api_url()), 405, "method_not_allowed"),
    (lambda c, w: c.post(w.api_url("tokens/"), b"{", content_type="application/json"), 400, "input_invalid"),
    (lambda c, w: c.post(w.api_url("tokens/"), "a=b", content_type="text/plain"), 415, "media_type_unsupported"),
    (lambda c, w: c.post(w.api_url("tokens/"), {}, format="json"), 400, "input_invalid"),
]


@pytest.mark.parametrize(("ask", "status", "code"), PROBLEMS)
def test_every_failure_is_a_problem_document(world: World, ask: Ask, status: int, code: str) -> None:
    response = ask(as_person(world.owner), world)
    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/problem+json")
    body = response.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:signalbox:error:{code}")
    assert all(body[name] for name in ("title", "detail", "what_to_do", "trace_id"))


def test_each_wrong_field_has_its_message(world: World) -> None:
    form = {"name": "", "scopes": ["run.fly"], "days": 9999}
    errors = as_person(world.owner).post(world.api_url("tokens/"), form, format="json").json()["errors"]
    assert sorted(errors) == ["days", "name", "scopes.0"]


def test_nested_and_bare_messages_are_flattened() -> None:
    response = problem_handler(ValidationError({"rows": [{"name": ["wrong"]}, {}], "note": "bad"}), {})
    assert response is not None
    assert response.data["errors"] == {"rows.0.name": ["wrong"], "note": ["bad"]}
    bare = problem_handler(ValidationError(["wrong"]), {})
    assert bare is not None
    assert bare.data["errors"] == {"request": ["wrong"]}


def test_a_services_refusal_names_its_fields() -> None:
    response = problem_handler(Invalid(INPUT_INVALID, "No.", fields={"name": "too long"}), {})
    assert response is not None
    assert response.data["errors"] == {"name": ["too long"]}


def test_a_throttled_client_is_told_how_long_to_wait() -> None:
    response = problem_handler(Throttled(wait=1.2), {})
    assert response is not None
    assert (response.status_code, response.headers["Retry-After"], response.data["code"]) == (
        429,
        "2",
        "too_many_requests",
    )


def test_a_crash_is_no_problem_of_the_handler() -> None:
    assert problem_handler(ZeroDivisionError(), {}) is None


class Crashing(APIView):
    permissions = {"get": PUBLIC}

    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF passes it
        raise ZeroDivisionError("the secret is 42")


class Undeclared(APIView):
    def get(self, request: Request) -> Response:  # noqa: ARG002 - DRF passes it
        return Response("in")


class HalfDeclared(Undeclared):
    permissions = {"post": PUBLIC}


urlpatterns = [
    path("api/v1/crash/", Crashing.as_view()),
    path("api/v1/undeclared/", Undeclared.as_view()),
    path("api/v1/half/", HalfDeclared.as_view()),
]
handler404 = "accounts.views.errors.not_found"
handler500 = "accounts.views.errors.server_error"


def test_a_crash_answers_a_problem_without_its_cause(world: World, settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__
    response = Client(raise_request_exception=False).get("/api/v1/crash/")
    assert (response.status_code, response.json()["code"]) == (500, "server_error")
    # The trace id is random, and may hold any digits.
    assert "42" not in str({**response.json(), "trace_id": ""})


@pytest.mark.parametrize("name", ["undeclared", "half"])
def test_what_is_not_declared_is_denied(world: World, settings: Settings, name: str) -> None:
    settings.ROOT_URLCONF = __name__
    client = APIClient()
    client.force_authenticate(world.owner)
    response = client.get(f"/api/v1/{name}/")
    assert (response.status_code, "declares no permission" in response.json()["detail"]) == (403, True)


def test_a_session_without_its_csrf_token_changes_nothing(world: World) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(world.owner)
    assert client.patch(world.api_url(), {"name": "x"}, format="json").status_code == 403
    world.workspace.refresh_from_db()
    assert world.workspace.name == "Acme"


def test_members_of_the_schema_are_described(world: World) -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # untyped package
    operation = schema["paths"]["/api/v1/workspaces/{workspace}/tokens/"]["post"]
    assert operation["responses"]["403"]["content"]["application/problem+json"]
    assert {"apiToken": []} in operation["security"]
    assert "Problem" in schema["components"]["schemas"]


def test_the_outsider_learns_nothing_from_the_list_of_workspaces(world: World) -> None:
    slugs = [row["slug"] for row in as_person(world.outsider).get("/api/v1/workspaces/").json()["results"]]
    assert slugs == ["acme-2"]
    assert Membership.objects.filter(user=world.outsider).count() == 1
