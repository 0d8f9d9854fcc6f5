"""The pages about workspaces, people and the audit log."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import include
from django.urls import path as route
from pytest_django import DjangoAssertNumQueries, Settings

from accounts import audit
from accounts.errors import Invalid
from accounts.models import AuditEntry, Membership, StatusPage, User, Workspace
from accounts.request_context import acting_as
from accounts.services import profile, workspaces
from tests.world import World, signed_in, token_text

MARKUP = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def write(world: World, count: int, action: str = "test.done") -> None:
    with acting_as(world.operator), transaction.atomic():
        for _ in range(count):
            audit.record(workspace=world.workspace, action=action, object=world.workspace)


def page(world: World, path: str, user: User | None = None) -> str:
    return signed_in(user or world.owner).get(world.url(path)).content.decode()


def test_one_workspace_is_opened_at_once(world: World) -> None:
    assert signed_in(world.viewer).get("/").headers["Location"] == "/w/acme/"


def test_several_workspaces_are_a_choice(world: World) -> None:
    Membership.objects.create(workspace=world.other, user=world.viewer, role="viewer")
    shown = signed_in(world.viewer).get("/").content.decode()
    assert "/w/acme/" in shown
    assert "/w/acme-2/" in shown


def test_an_instance_admin_without_a_workspace_is_led_to_make_one(world: World) -> None:
    assert "/workspaces/new/" in signed_in(world.instance_admin).get("/").content.decode()


def test_a_person_without_a_workspace_is_told_whom_to_ask(db: None) -> None:
    shown = signed_in(User.objects.create_user("new@example.org")).get("/").content.decode()
    assert "Ask an owner or admin" in shown
    assert "/workspaces/new/" not in shown


def test_an_instance_admin_makes_a_workspace(world: World) -> None:
    signed_in(world.instance_admin).post("/workspaces/new/", {"name": "Payments & Co", "slug": ""})
    made = Workspace.objects.get(slug="payments-co")
    assert made.memberships.get().user == world.instance_admin
    assert AuditEntry.objects.of(made).get().action == "workspace.created"


@pytest.mark.parametrize(
    ("form", "message"), [({"name": "x", "slug": "acme"}, "is in use"), ({"name": "!!!"}, "letter")]
)
def test_a_workspace_needs_a_free_address(world: World, form: dict[str, str], message: str) -> None:
    response = signed_in(world.instance_admin).post("/workspaces/new/", form)
    assert (response.status_code, message in response.content.decode()) == (400, True)


def test_others_do_not_even_find_the_form_for_a_new_workspace(world: World) -> None:
    assert signed_in(world.owner).get("/workspaces/new/").status_code == 404


def test_an_owner_changes_the_settings(world: World) -> None:
    response = signed_in(world.owner).post(world.url("settings/"), {"name": "Zeta", "status_page": "public"})
    world.workspace.refresh_from_db()
    assert (response.status_code, world.workspace.name, world.workspace.has_public_status) == (302, "Zeta", True)


def test_settings_saved_unchanged_leave_no_entry(world: World) -> None:
    signed_in(world.owner).post(world.url("settings/"), {"name": "Acme", "status_page": "members"})
    assert not AuditEntry.objects.filter(action="workspace.updated").exists()


def test_a_viewer_sees_the_settings_and_changes_nothing(world: World) -> None:
    assert "Only an owner" in page(world, "settings/", world.viewer)
    response = signed_in(world.viewer).post(world.url("settings/"), {"name": "Mine", "status_page": "public"})
    world.workspace.refresh_from_db()
    assert (response.status_code, world.workspace.name) == (403, "Acme")


@pytest.mark.parametrize("field", ["slug", "is_demo", "id", "created_at"])
def test_a_form_changes_no_field_that_it_does_not_show(world: World, field: str) -> None:
    before = Workspace.objects.values().get(pk=world.workspace.pk)
    form = {"name": "Acme", "status_page": "members", field: "2001-01-01"}
    signed_in(world.owner).post(world.url("settings/"), form)
    assert Workspace.objects.values().get(pk=world.workspace.pk) == before


def test_people_change_their_name_and_nothing_else(world: World) -> None:
    form = {"name": MARKUP, "email": "x@example.org", "is_instance_admin": "on", "is_active": ""}
    client = signed_in(world.viewer)
    client.post("/profile/", form)
    user = User.objects.get(pk=world.viewer.pk)
    assert (user.name, user.email, user.is_instance_admin) == (MARKUP, "viewer@example.org", False)
    shown = client.get("/profile/").content.decode()
    assert "<script>alert" not in shown
    assert "&lt;script&gt;" in shown


def test_a_workspace_named_with_markup_is_shown_as_text(world: World) -> None:
    Workspace.objects.filter(pk=world.workspace.pk).update(name=MARKUP)
    token_text(world.owner, world.workspace, "run.read")
    for path in ("settings/", "members/", "tokens/", "audit/"):
        shown = page(world, path)
        assert "<script>alert" not in shown
        assert "<img src=x" not in shown


def test_the_403_page_names_the_permission_and_who_holds_it(world: World) -> None:
    response = signed_in(world.viewer).get(world.url("audit/"))
    shown = response.content.decode()
    assert response.status_code == 403
    assert "audit.read" in shown
    assert "owner, admin, auditor" in shown


def test_a_fragment_for_htmx_gets_a_short_refusal(world: World) -> None:
    response = signed_in(world.viewer).get(world.url("audit/"), headers={"HX-Request": "true"})
    assert response.status_code == 403
    assert response.content.decode().strip().startswith('<div class="alert')


def test_an_anonymous_visitor_comes_back_after_sign_in(world: World) -> None:
    response = Client().get(world.url("audit/?action=x"))
    assert response.headers["Location"] == "/accounts/login/?next=%2Fw%2Facme%2Faudit%2F%3Faction%3Dx"


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        ("http://testserver/w/acme/runs/", "/accounts/login/?next=%2Fw%2Facme%2Fruns%2F"),
        ("", "/accounts/login/"),
        ("http://evil.example//evil.example", "/accounts/login/"),
    ],
)
def test_htmx_is_told_to_open_the_sign_in_page(world: World, current: str, expected: str) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": current}
    response = Client().get(world.url("audit/"), headers=headers)
    assert (response.status_code, response.headers["HX-Redirect"]) == (401, expected)


@pytest.mark.parametrize("path", ["/profile/", "/w/acme/members/", "/accounts/login/", "/api/v1/me/", "/nowhere/"])
def test_no_answer_is_kept_by_a_cache(world: World, path: str) -> None:
    assert signed_in(world.owner).get(path).headers["Cache-Control"] == "no-store"


def test_an_unknown_page_says_what_to_do(world: World) -> None:
    response = signed_in(world.owner).get("/nowhere/")
    assert (response.status_code, "Check the address" in response.content.decode()) == (404, True)


# --- the audit log -----------------------------------------------------------------------------------------------
def test_the_audit_log_is_paged_by_number_in_both_directions(world: World) -> None:
    write(world, 120)
    client = signed_in(world.auditor)
    top = AuditEntry.objects.of(world.workspace).count()
    first = client.get(world.url("audit/"))
    older = client.get(world.url(f"audit/?{first.context['older']}"))
    newer = client.get(world.url(f"audit/?{older.context['newer']}"))
    numbers = [[entry.seq for entry in response.context["entries"]] for response in (first, older, newer)]
    assert numbers[0] == list(range(top, top - 50, -1))
    assert numbers[1] == list(range(top - 50, top - 100, -1))
    assert numbers[2] == numbers[0]
    assert first.context["newer"] == ""


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("action=test.", 3),
        ("action=test.other", 1),
        ("action=nothing", 0),
        ("object=Acme", 3),
        ("object=workspace", 3),
        ("object=elsewhere", 0),
        ("since=2000-01-01&until=2999-01-01&object=Acme", 3),
        ("until=2000-01-01", 0),
        ("since=2999-01-01", 0),
    ],
)
def test_the_audit_log_is_narrowed_by_its_filters(world: World, query: str, found: int) -> None:
    write(world, 2)
    write(world, 1, "test.other")
    response = signed_in(world.auditor).get(world.url(f"audit/?{query}"))
    assert len(response.context["entries"]) == found


def test_the_audit_log_is_narrowed_to_a_person(world: World) -> None:
    write(world, 2)
    response = signed_in(world.auditor).get(world.url(f"audit/?actor={world.operator.pk}"))
    assert {entry.actor for entry in response.context["entries"]} == {world.operator}


@pytest.mark.parametrize(
    "query", ["before=x", "after=-1", "since=yesterday", "actor=x", "actor=a'b", "before=" + "9" * 40]
)
def test_a_filter_that_is_none_gets_400_and_no_crash(world: World, query: str) -> None:
    response = signed_in(world.auditor).get(world.url(f"audit/?{query}"))
    assert response.status_code in {200, 400}
    assert not response.context["entries"] or "before" in query


def test_the_audit_log_shows_nothing_of_another_workspace(world: World) -> None:
    with acting_as(world.outsider), transaction.atomic():
        audit.record(workspace=world.other, action="canary.sung", object=world.other)
    assert "canary" not in page(world, "audit/", world.auditor)


def test_the_audit_log_shows_what_changed(world: World) -> None:
    signed_in(world.owner).post(world.url("settings/"), {"name": "Zeta", "status_page": "members"})
    shown = page(world, "audit/", world.auditor)
    assert "name, before" in shown
    assert "Zeta" in shown


def add_members(world: World) -> None:
    for number in range(10):
        user = User.objects.create_user(f"more-{number}@example.org")
        Membership.objects.create(workspace=world.workspace, user=user, role="viewer")


def add_tokens(world: World) -> None:
    for user in (world.owner, world.builder, world.operator):
        token_text(user, world.workspace, "run.read")


def add_entries(world: World) -> None:
    write(world, 20)


# Session, person, membership, where the live tail stands, the other workspaces; then what the page itself reads.
QUERIES = {"members/": 5 + 1, "tokens/": 5 + 1, "audit/": 5 + 2}


@pytest.mark.parametrize(
    ("path", "add"), [("members/", add_members), ("tokens/", add_tokens), ("audit/", add_entries)], ids=list(QUERIES)
)
def test_a_list_asks_the_database_as_often_for_many_rows(
    world: World, path: str, add: object, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    assert callable(add)
    client = signed_in(world.owner)
    with CaptureQueriesContext(connection) as few:
        client.get(world.url(path))
    add(world)
    with django_assert_max_num_queries(QUERIES[path]):
        client.get(world.url(path))
    assert len(few) <= QUERIES[path]


def test_dates_are_days_in_utc(world: World) -> None:
    write(world, 1)
    today = datetime.now(tz=UTC).date().isoformat()
    response = signed_in(world.auditor).get(world.url(f"audit/?since={today}&until={today}&action=test."))
    assert len(response.context["entries"]) == 1


def test_a_name_that_is_too_long_is_refused_by_the_form_and_by_the_service(world: World) -> None:
    assert signed_in(world.viewer).post("/profile/", {"name": "x" * 121}).status_code == 400
    with acting_as(world.viewer), pytest.raises(Invalid):
        profile.rename(user=world.viewer, name="x" * 121)


def test_a_profile_saved_unchanged_leaves_no_entry(world: World) -> None:
    signed_in(world.viewer).post("/profile/", {"name": "Viewer"})
    assert not AuditEntry.objects.filter(action="user.renamed").exists()


def test_a_workspace_keeps_a_name(world: World) -> None:
    with acting_as(world.owner), pytest.raises(Invalid, match="1 to 80"):
        workspaces.update(workspace=world.workspace, name="  ")


def test_the_status_page_is_opened_to_anybody(world: World) -> None:
    with acting_as(world.owner):
        workspaces.set_status_page(workspace=world.workspace, status_page=StatusPage.PUBLIC)
    assert Workspace.objects.get(pk=world.workspace.pk).has_public_status


def test_an_invalid_settings_form_is_shown_again(world: World) -> None:
    response = signed_in(world.owner).post(world.url("settings/"), {"name": "", "status_page": "secret"})
    assert response.status_code == 400
    assert "Select a valid choice" in response.content.decode()


def lost(request: HttpRequest) -> HttpResponse:
    raise BadRequest if request.GET.get("bad") else PermissionDenied


urlpatterns = [route("lost/", lost), route("", include("config.urls"))]
handler400 = "accounts.views.errors.bad_request"
handler403 = "accounts.views.errors.permission_denied"


@pytest.mark.parametrize(
    ("query", "status", "code"), [("?bad=1", 400, "input_invalid"), ("", 403, "permission_denied")]
)
def test_djangos_own_refusals_wear_the_same_page(
    world: World, settings: Settings, query: str, status: int, code: str
) -> None:
    settings.ROOT_URLCONF = __name__
    response = signed_in(world.owner).get(f"/lost/{query}")
    assert (response.status_code, code in response.content.decode()) == (status, True)


def test_a_crash_shows_a_page_that_needs_no_database(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.views.profile.render", None)
    response = signed_in(world.owner).get("/profile/")
    assert response.status_code == 500
    assert "server_error" in response.content.decode()
