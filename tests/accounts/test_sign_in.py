"""Sign-in, sign-out and passwords, through allauth's pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from accounts.models import AuditEntry, User, Workspace
from tests.world import PASSWORD, Answer, World, signed_in

LOGIN = "/accounts/login/"


@pytest.fixture(autouse=True)
def _no_attempts_counted() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def sign_in(client: Client, email: str, password: str = PASSWORD, **extra: Any) -> Answer:  # entries of META
    return client.post(f"{LOGIN}?next=/profile/", {"login": email, "password": password}, **extra)


def actions(world: World) -> list[str]:
    return list(AuditEntry.objects.of(world.workspace).order_by("seq").values_list("action", flat=True))


def test_the_right_password_signs_in_whatever_the_case_of_the_address(world: World) -> None:
    response = sign_in(Client(), "Owner@Example.org")
    assert (response.status_code, response.headers["Location"]) == (302, "/profile/")


@pytest.mark.security("SEC-115")
def test_the_session_gets_a_new_key_at_sign_in(world: World) -> None:
    client = Client()
    client.get(LOGIN)
    session = client.session
    session["planted"] = True
    session.save()
    before = session.session_key
    client.cookies["signalbox_session"] = str(before)
    sign_in(client, "owner@example.org")
    assert client.session.session_key != before


def test_sign_in_failure_and_sign_out_are_in_the_audit_log(world: World) -> None:
    client = Client()
    sign_in(client, "owner@example.org", "wrong password", REMOTE_ADDR="203.0.113.9")
    sign_in(client, "owner@example.org")
    client.post("/accounts/logout/")
    assert actions(world) == ["session.sign_in_failed", "session.signed_in", "session.signed_out"]
    failed = AuditEntry.objects.get(action="session.sign_in_failed")
    assert (failed.actor_label, failed.object_label, failed.ip) == ("anonymous", "owner@example.org", "203.0.113.9")


def test_an_unknown_address_is_noted_in_the_instances_log(world: World) -> None:
    Workspace.objects.create(slug="empty", name="Without members")
    sign_in(Client(), "nobody@example.org")
    entry = AuditEntry.objects.get(action="session.sign_in_failed")
    assert (entry.workspace, entry.object_id, entry.object_label) == (None, "", "nobody@example.org")


def test_known_and_unknown_addresses_get_the_same_answer(world: World) -> None:
    answers = [
        sign_in(Client(), f"{who}@example.org", "wrong password").content.decode() for who in ("owner", "nobody")
    ]
    changing = re.compile(r"(owner|nobody)@example\.org|csrfmiddlewaretoken.*")
    assert len({changing.sub("", answer) for answer in answers}) == 1
    assert "not correct" in answers[0]


def test_guessing_is_slowed_down(world: World) -> None:
    answers = [sign_in(Client(), "owner@example.org", f"wrong {n}") for n in range(12)]
    assert "Too many" in answers[-1].content.decode()
    assert AuditEntry.objects.filter(action="session.sign_in_failed").count() <= 10


@pytest.mark.parametrize("header", ["HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_FORWARDED"])
@pytest.mark.security("SEC-110")
def test_a_header_of_the_client_does_not_reset_the_count(world: World, header: str) -> None:
    for number in range(30):
        sign_in(Client(), f"user{number}@example.org", "wrong", **{header: f"198.51.100.{number}"})
    assert AuditEntry.objects.filter(action="session.sign_in_failed").count() < 30


@pytest.mark.parametrize("target", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:x"])
@pytest.mark.security("SEC-122")
def test_nobody_is_sent_to_another_site_after_sign_in(world: World, target: str) -> None:
    form = {"login": "owner@example.org", "password": PASSWORD, "next": target}
    assert Client().post(LOGIN, form).headers["Location"] == "/"


def test_nobody_signs_themselves_up(world: World) -> None:
    form = {"email": "new@example.org", "password1": PASSWORD, "password2": PASSWORD}
    assert "Accounts are made by admins" in Client().post("/accounts/signup/", form).content.decode()
    assert not User.objects.filter(email="new@example.org").exists()


@pytest.mark.parametrize("path", ["email/", "confirm-email/"])
def test_addresses_are_not_added_by_their_users(world: World, path: str) -> None:
    assert signed_in(world.owner).get(f"/accounts/{path}").status_code == 404


def reset_link(email: str, **extra: Any) -> str:
    Client().post("/accounts/password/reset/", {"email": email}, **extra)
    found = re.search(r"https?://\S+", str(mail.outbox[-1].body))
    assert found is not None
    return found[0]


@pytest.mark.security("SEC-121")
def test_a_forgotten_password_is_reset_by_mail(world: World, settings: Settings) -> None:
    settings.PUBLIC_BASE_URL = "https://signalbox.example.org"
    link = reset_link("owner@example.org", SERVER_NAME="localhost")
    assert link.startswith("https://signalbox.example.org/accounts/password/reset/key/")
    assert mail.outbox[-1].subject == "[Signalbox] Reset your password"
    client = Client()
    form_url = client.get(link.removeprefix("https://signalbox.example.org")).headers["Location"]
    client.post(form_url, {"password1": "another long passphrase", "password2": "another long passphrase"})
    world.owner.refresh_from_db()
    assert world.owner.check_password("another long passphrase")
    assert "user.password_reset" in actions(world)


def test_a_used_link_does_not_work_twice(world: World) -> None:
    link = reset_link("owner@example.org")
    world.owner.set_password("changed in the meantime")
    world.owner.save()
    path = "/" + link.split("/", 3)[3]
    assert "does not work any more" in Client().get(path, follow=True).content.decode()


def test_an_unknown_address_gets_a_mail_that_offers_no_account(world: World) -> None:
    Client().post("/accounts/password/reset/", {"email": "nobody@example.org"})
    assert "There is no account under this address" in mail.outbox[-1].body
    assert "signup" not in mail.outbox[-1].body


def test_a_changed_password_ends_the_other_sessions(world: World) -> None:
    here, elsewhere = signed_in(world.owner), signed_in(world.owner)
    form = {"oldpassword": PASSWORD, "password1": "another long passphrase", "password2": "another long passphrase"}
    assert here.post("/accounts/password/change/", form).status_code == 302
    assert here.get("/profile/").status_code == 200
    assert elsewhere.get("/profile/").status_code == 302
    assert "user.password_changed" in actions(world)


def test_a_short_password_is_refused(world: World) -> None:
    form = {"oldpassword": PASSWORD, "password1": "short", "password2": "short"}
    shown = signed_in(world.owner).post("/accounts/password/change/", form).content.decode()
    assert "at least 12 characters" in shown


PAGES = [
    "login/", "logout/", "password/reset/", "password/reset/done/", "password/reset/key/done/", "password/change/",
    "inactive/", "signup/",
]  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_every_page_of_sign_in_wears_the_products_mark(world: World, path: str) -> None:
    client = Client() if path in {"login/", "signup/"} else signed_in(world.owner)
    response = client.get(f"/accounts/{path}")
    assert response.status_code == 200
    assert 'class="entrance-card"' in response.content.decode()


def test_sign_in_asks_for_the_csrf_token(world: World) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(LOGIN, {"login": "owner@example.org", "password": PASSWORD}).status_code == 403


def test_without_a_known_address_nobody_tries_passwords(world: World) -> None:
    assert sign_in(Client(), "owner@example.org", REMOTE_ADDR="").status_code == 403
