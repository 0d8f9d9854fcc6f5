"""API tokens: made, used, bounded, ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.domain import token_format
from accounts.errors import Invalid, NotFound
from accounts.models import ApiToken, AuditEntry, Membership, User
from accounts.request_context import Actor, acting_as
from accounts.services import members, tokens
from tests.world import Answer, World, signed_in, token_text, with_token


def ask(text: str, url: str) -> Answer:
    answer: Answer = with_token(text).get(url)
    return answer


def test_a_token_reads_what_its_scopes_list(world: World) -> None:
    assert ask(token_text(world.owner, world.workspace, "workspace.read"), world.api_url()).status_code == 200


def test_a_token_does_not_read_what_its_scopes_leave_out(world: World) -> None:
    text = token_text(world.owner, world.workspace, "run.read")
    response = ask(text, world.api_url("audit-entries/"))
    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")


@pytest.mark.security("SEC-027")
def test_a_token_may_no_more_than_its_creators_present_role(world: World) -> None:
    text = token_text(world.admin, world.workspace, "audit.read")
    assert ask(text, world.api_url("audit-entries/")).status_code == 200
    Membership.objects.filter(user=world.admin).update(role="viewer")
    assert ask(text, world.api_url("audit-entries/")).status_code == 403


def test_a_token_knows_no_other_workspace_of_its_creator(world: World) -> None:
    Membership.objects.create(workspace=world.other, user=world.owner, role="owner")
    text = token_text(world.owner, world.workspace)
    assert ask(text, f"/api/v1/workspaces/{world.other.slug}/").status_code == 404
    assert [row["slug"] for row in ask(text, "/api/v1/workspaces/").json()["results"]] == ["acme"]


def test_the_secret_is_stored_as_a_keyed_hash_only(world: World) -> None:
    parts = token_format.parse(token_text(world.owner, world.workspace, "run.read"))
    assert parts is not None
    row = ApiToken.objects.get(key_id=parts.key_id)
    assert row.secret_hash == token_format.digest(settings.TOKEN_PEPPER, parts.secret)
    assert parts.secret not in str(ApiToken.objects.values().get(pk=row.pk))
    assert parts.secret not in str(list(AuditEntry.objects.values()))


def end_by_revoking(world: World, token: ApiToken) -> None:
    with acting_as(world.owner):
        tokens.revoke(token=token)


def end_by_time(world: World, token: ApiToken) -> None:
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now())


def end_by_removal(world: World, token: ApiToken) -> None:
    with acting_as(world.owner):
        members.remove(membership=world.membership(world.operator), by=None)


def end_by_lost_membership(world: World, token: ApiToken) -> None:
    Membership.objects.filter(user=world.operator).delete()


def end_by_closing_the_account(world: World, token: ApiToken) -> None:
    User.objects.filter(pk=world.operator.pk).update(is_active=False)


def end_by_another_pepper(world: World, token: ApiToken) -> None:
    ApiToken.objects.filter(pk=token.pk).update(secret_hash=token_format.digest("another", "x"))


@pytest.mark.parametrize(
    "end",
    [
        end_by_revoking,
        end_by_time,
        end_by_removal,
        end_by_lost_membership,
        end_by_closing_the_account,
        end_by_another_pepper,
    ],
    ids=lambda end: end.__name__,
)
@pytest.mark.security("SEC-027")
def test_an_ended_token_gets_401(world: World, end: Callable[[World, ApiToken], None]) -> None:
    text = token_text(world.operator, world.workspace)
    assert ask(text, world.api_url()).status_code == 200
    end(world, ApiToken.objects.get())
    response = ask(text, world.api_url())
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, 'Bearer realm="api"')


@pytest.mark.parametrize("text", ["", "x", "sbx_" + "a" * 60, "\xff", token_format.make(bytes(8), bytes(32)).text])
def test_a_wrong_token_gets_the_one_answer(world: World, text: str) -> None:
    response = ask(text, world.api_url())
    assert response.status_code == 401
    assert response.json()["detail"].startswith("The token is unknown")


def test_another_scheme_is_not_taken_for_a_token(world: World) -> None:
    client = with_token("x")
    client.credentials(HTTP_AUTHORIZATION="Basic eDp5")
    assert client.get(world.api_url()).status_code == 401


def test_a_use_is_noted_once_a_minute(world: World) -> None:
    text = token_text(world.owner, world.workspace)
    ask(text, world.api_url())
    first = ApiToken.objects.get().last_used_at
    ask(text, world.api_url())
    assert first is not None
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(minutes=2))
    ask(text, world.api_url())
    assert ApiToken.objects.get().last_used_at > first - timedelta(minutes=1)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("scopes", "days", "code"),
    [
        ([], 90, "token_scope_unknown"),
        (["run.fly"], 90, "token_scope_unknown"),
        (["member.manage"], 90, "token_scope_unknown"),
        (["audit.read"], 90, "token_scope_not_held"),
        (["run.read"], 0, "token_expiry_invalid"),
        (["run.read"], 366, "token_expiry_invalid"),
    ],
)
def test_what_a_token_may_not_be_is_refused_with_its_code(
    world: World, scopes: list[str], days: int, code: str
) -> None:
    with acting_as(world.operator), pytest.raises(Invalid) as refused:
        tokens.create(workspace=world.workspace, creator=world.operator, name="t", scopes=scopes, days=days)
    assert refused.value.code == code


def test_nobody_makes_a_token_for_a_workspace_of_others(world: World) -> None:
    with acting_as(world.outsider), pytest.raises(NotFound):
        tokens.create(workspace=world.workspace, creator=world.outsider, name="t", scopes=["run.read"])


def test_all_scopes_are_those_of_the_role(world: World) -> None:
    token_text(world.viewer, world.workspace)
    assert set(ApiToken.objects.get().scopes) == set(tokens.grantable_scopes(world.membership(world.viewer)))


def test_revoking_twice_leaves_one_entry(world: World) -> None:
    token_text(world.owner, world.workspace)
    with acting_as(world.owner):
        tokens.revoke(token=ApiToken.objects.get())
        tokens.revoke(token=ApiToken.objects.get())
    assert AuditEntry.objects.filter(action="token.revoked").count() == 1


def test_the_page_shows_a_new_token_once(world: World) -> None:
    client = signed_in(world.operator)
    form = {"name": "nightly <b>", "days": "30", "scopes": ["run.read"]}
    shown = client.post(world.url("tokens/new/"), form).content.decode()
    text = shown.split('class="secret">')[1].split("<")[0]
    assert ask(text, "/api/v1/me/").json()["scopes"] == ["run.read"]
    listed = client.get(world.url("tokens/")).content.decode()
    assert "nightly &lt;b&gt;" in listed
    assert text not in listed


def test_the_form_offers_only_what_the_role_holds(world: World) -> None:
    shown = signed_in(world.operator).get(world.url("tokens/new/")).content.decode()
    assert 'value="run.start"' in shown
    assert 'value="connector.manage"' not in shown


def test_a_forged_scope_is_refused_by_the_form(world: World) -> None:
    form = {"name": "t", "days": "30", "scopes": ["audit.read"]}
    assert signed_in(world.operator).post(world.url("tokens/new/"), form).status_code == 400
    assert not ApiToken.objects.exists()


def test_people_see_their_own_tokens_and_admins_all(world: World) -> None:
    token_text(world.builder, world.workspace, "run.read")
    assert "builder@example.org" not in signed_in(world.operator).get(world.url("tokens/")).content.decode()
    assert "builder@example.org" in signed_in(world.admin).get(world.url("tokens/")).content.decode()


def test_nobody_revokes_a_colleagues_token_but_an_admin(world: World) -> None:
    token_text(world.builder, world.workspace, "run.read")
    url = world.url(f"tokens/{ApiToken.objects.get().pk}/revoke/")
    assert signed_in(world.operator).post(url).status_code == 404
    assert signed_in(world.admin).post(url).status_code == 302
    assert ApiToken.objects.get().state(timezone.now()) == "revoked"


def test_an_entry_made_through_a_token_names_it(world: World) -> None:
    token_text(world.owner, world.workspace, "run.read")
    token = ApiToken.objects.get()
    with acting_as(Actor(user=world.owner, token=token)), transaction.atomic():
        entry = audit.record(workspace=world.workspace, action="test.done", object=world.workspace)
    assert entry.token == token
    assert entry.actor_label == f"owner@example.org (token {token.key_id})"
