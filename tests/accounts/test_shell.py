"""The first admin, and tokens from the shell."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import ApiToken, AuditEntry, User
from accounts.services.bootstrap import ensure_first_admin
from tests.world import World, with_token


def run(world: World, *extra: str, email: str = "operator@example.org", scopes: str = "all") -> str:
    out = StringIO()
    call_command("token", "--email", email, "--workspace", world.workspace.slug, "--scopes", scopes, *extra, stdout=out)
    return out.getvalue()


def test_the_command_prints_a_token_that_works(world: World) -> None:
    line = json.loads(run(world, "--json", scopes="run.read, run.start"))
    assert sorted(line) == ["expires_at", "id", "token"]
    assert with_token(line["token"]).get("/api/v1/me/").json()["scopes"] == ["run.read", "run.start"]


def test_the_commands_token_lives_as_long_as_asked(world: World) -> None:
    run(world, "--days", "7")
    token = ApiToken.objects.get()
    assert (token.expires_at - token.created_at).days in {6, 7}


def test_the_audit_log_names_the_shell(world: World) -> None:
    run(world)
    assert AuditEntry.objects.get(action="token.created").actor_label == "shell"


@pytest.mark.parametrize(
    ("email", "scopes", "message"),
    [
        ("nobody@example.org", "all", "no person"),
        ("outsider@example.org", "all", "not a member"),
        ("viewer@example.org", "run.start", "does not hold"),
    ],
)
def test_the_command_says_what_is_wrong(world: World, email: str, scopes: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run(world, email=email, scopes=scopes)


def test_the_command_needs_a_workspace_that_exists(world: World) -> None:
    with pytest.raises(CommandError, match="no workspace"):
        call_command("token", email=world.owner.email, workspace="nowhere", scopes="all")


def test_the_first_admin_gets_a_one_time_password(db: None) -> None:
    password = ensure_first_admin(email="First@Example.org")
    admin = User.objects.get()
    assert password is not None
    assert (admin.email, admin.is_instance_admin) == ("first@example.org", True)
    assert admin.check_password(password)
    assert AuditEntry.objects.get().actor_label == "first start"


def test_the_first_admins_address_comes_from_the_environment(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_ADMIN_EMAIL", "ops@example.org")
    ensure_first_admin()
    assert User.objects.get().email == "ops@example.org"


def test_a_second_start_makes_nobody(world: World) -> None:
    before = User.objects.count()
    assert ensure_first_admin() is None
    assert User.objects.count() == before


def test_djangos_own_command_makes_an_instance_admin_once(db: None) -> None:
    call_command("createsuperuser", email="Root@Example.org", interactive=False)
    assert User.objects.get_by_natural_key("ROOT@example.org").is_instance_admin
    with pytest.raises(CommandError, match="already taken"):
        call_command("createsuperuser", email="root@example.org", interactive=False)


def test_the_command_speaks_to_people_too(world: World) -> None:
    assert "It is shown this once" in run(world)
