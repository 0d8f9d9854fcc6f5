"""Pages of credentials: a secret goes in, and no page, log or audit entry gives it back."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from integrations.models import Credential
from integrations.services.credentials import open_credential
from tests.pages.connectors_world import (
    CANARY,
    HTMX,
    XSS,
    make_credential,
    make_rest,
    owner,
    page,
    post,
    stored_texts,
    text_of,
)
from tests.world import World, signed_in

__all__ = ["owner"]
pytestmark = pytest.mark.django_db
NEW = "credentials/new/"


def test_the_list_says_what_is_known_and_that_nobody_reads_a_secret(world: World) -> None:
    credential = make_credential(world)
    connector = make_rest(world, credential, "https://shop.example.org")
    text = page(world.viewer, world.url("credentials/"))
    assert "nobody can read it again" in text
    assert "Bearer token" in text
    assert f"connectors/{connector.pk}/" in text
    assert "never" in text
    assert CANARY not in text


def test_an_empty_list_says_what_a_credential_is(world: World) -> None:
    assert "No credentials yet" in page(world.owner, world.url("credentials/"))


@pytest.mark.parametrize(("query", "is_there"), [({"q": "shop"}, True), ({"kind": "basic"}, False)])
def test_the_address_narrows_the_list(world: World, query: dict[str, Any], is_there: bool) -> None:
    make_credential(world)
    text = page(world.viewer, world.url("credentials/"), **query)
    assert ("Shop key" in text, "No credential fits" in text) == (is_there, not is_there)


def test_a_kind_that_does_not_exist_is_refused(world: World) -> None:
    assert "Clear the filters" in page(world.viewer, world.url("credentials/"), 400, kind="handshake")


def test_the_list_asks_as_often_for_ten_as_for_one(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_rest(world, make_credential(world), "https://shop.example.org")
    client = signed_in(world.viewer)
    client.get(world.url("credentials/"))
    with django_assert_num_queries(5):
        client.get(world.url("credentials/"), **HTMX)
    for number in range(9):
        credential = make_credential(world, f"key {number}")
        make_rest(world, credential, "https://shop.example.org", f"shop {number}")
    with django_assert_num_queries(5):
        client.get(world.url("credentials/"), **HTMX)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("bearer", {"token": CANARY}),
        ("api_key", {"name": "X-Key", "placement": "header", "key": CANARY}),
        ("basic", {"username": "reader", "password": f" {CANARY} "}),
    ],
)
def test_a_credential_is_stored_and_its_secret_is_nowhere_to_be_seen(
    world: World, owner: Client, caplog: pytest.LogCaptureFixture, kind: str, values: dict[str, str]
) -> None:
    form = {"name": "Key", **{f"value-{name}": value for name, value in values.items()}}
    answer = owner.post(world.url(f"{NEW}?kind={kind}"), form, follow=True)
    assert "is stored" in text_of(answer, 200)
    credential = Credential.objects.get()
    assert open_credential(credential) == values
    edit = text_of(owner.get(world.url(f"credentials/{credential.pk}/rotate/")))
    assert CANARY not in text_of(answer) + edit + stored_texts() + caplog.text


def test_a_refused_form_shows_no_secret_again(world: World, owner: Client, caplog: pytest.LogCaptureFixture) -> None:
    form = {"name": "", "value-name": "X-Key", "value-placement": CANARY + "?", "value-key": CANARY}
    text = text_of(post(owner, world.url(f"{NEW}?kind=api_key"), form, 400))
    assert 'value="X-Key"' in text
    assert "enter them once more" in text
    assert CANARY not in text + caplog.text
    assert not Credential.objects.exists()


def test_a_missing_secret_is_asked_for_at_its_field(world: World, owner: Client) -> None:
    text = text_of(post(owner, world.url(f"{NEW}?kind=bearer"), {"name": "Key"}, 400))
    assert "Token is required." in text


def test_a_name_that_is_taken_is_refused_without_the_secret(world: World, owner: Client) -> None:
    make_credential(world, token="another")
    text = text_of(post(owner, world.url(f"{NEW}?kind=bearer"), {"name": "Shop key", "value-token": CANARY}, 400))
    assert "There is already a credential" in text
    assert CANARY not in text


def test_secrets_are_typed_unseen_and_remembered_by_nobody(world: World) -> None:
    text = page(world.builder, world.url(NEW), kind="basic")
    field = next(tag for tag in re.findall(r"<input[^>]*>", text) if 'name="value-password"' in tag)
    assert 'type="password"' in field
    assert 'autocomplete="off"' in field
    assert " value=" not in field


def test_coming_from_a_connector_one_goes_back_with_the_new_one_chosen(world: World, owner: Client) -> None:
    url = world.url(f"{NEW}?plugin=postgres")
    assert "API key" not in text_of(owner.get(url))
    answer = post(owner, url, {"name": "Key", "value-username": "reader", "value-password": CANARY})
    made = Credential.objects.get()
    assert answer["Location"] == world.url(f"connectors/new/?plugin=postgres&credential={made.pk}")
    assert f'<option value="{made.pk}" selected>' in text_of(owner.get(answer["Location"]))


def test_coming_from_a_stored_connector_one_goes_back_to_it(world: World, owner: Client) -> None:
    connector = make_rest(world, make_credential(world), "https://shop.example.org")
    url = world.url(f"{NEW}?plugin=rest_api&connector={connector.pk}")
    answer = post(owner, url, {"name": "Key", "value-token": CANARY})
    made = Credential.objects.get(name="Key")
    assert answer["Location"] == world.url(f"connectors/{connector.pk}/edit/?credential={made.pk}")
    assert f'<option value="{made.pk}" selected>' in text_of(owner.get(answer["Location"]))


def test_the_dialog_gets_the_form_alone_and_then_the_choice(world: World, owner: Client) -> None:
    url = world.url(f"{NEW}?plugin=rest_api")
    assert text_of(owner.get(url, **HTMX)).lstrip().startswith("<div")
    refused = text_of(post(owner, url, {"name": "", "value-token": CANARY}, 200, **HTMX))
    assert "This field is required." in refused
    assert CANARY not in refused
    text = text_of(post(owner, url, {"name": "Key", "value-token": CANARY}, 200, **HTMX))
    assert 'hx-swap-oob="beforeend:#id_credential"' in text
    assert str(Credential.objects.get().pk) in text
    assert CANARY not in text


def test_a_rotation_stores_a_new_version(world: World, owner: Client) -> None:
    credential = make_credential(world, token="the old one")
    url = world.url(f"credentials/{credential.pk}/rotate/")
    answer = owner.post(url, {"value-token": CANARY}, follow=True)
    assert "is at version 2" in text_of(answer, 200)
    credential.refresh_from_db()
    assert open_credential(credential) == {"token": CANARY}
    assert CANARY not in text_of(answer) + stored_texts()


def test_a_rotation_without_a_new_secret_is_refused(world: World, owner: Client) -> None:
    credential = make_credential(world)
    text = text_of(post(owner, world.url(f"credentials/{credential.pk}/rotate/"), {"value-token": ""}, 400))
    assert "Enter the new secret." in text
    credential.refresh_from_db()
    assert credential.current == 1


def test_a_credential_in_use_is_not_deleted(world: World, owner: Client) -> None:
    credential = make_credential(world)
    make_rest(world, credential, "https://shop.example.org")
    url = world.url(f"credentials/{credential.pk}/delete/")
    assert "It is still used" in text_of(owner.get(url))
    assert "is used by Shop" in text_of(post(owner, url, {"confirm": "Shop key"}, 409))
    assert Credential.objects.exists()


def test_a_credential_is_deleted_when_its_name_is_typed(world: World, owner: Client) -> None:
    url = world.url(f"credentials/{make_credential(world).pk}/delete/")
    post(owner, url, {"confirm": "shop"}, 400)
    assert post(owner, url, {"confirm": "Shop key"})["Location"] == world.url("credentials/")
    assert not Credential.objects.exists()


def test_names_are_text_wherever_they_stand(world: World) -> None:
    credential = make_credential(world, XSS)
    for path in ("", f"{credential.pk}/rotate/", f"{credential.pk}/delete/"):
        text = page(world.owner, world.url(f"credentials/{path}"))
        assert XSS not in text
        assert "&lt;script&gt;" in text


def test_a_viewer_reads_the_list_and_no_more(world: World) -> None:
    credential = make_credential(world)
    text = page(world.viewer, world.url("credentials/"))
    assert "Rotate" not in text
    assert "New credential" not in text
    for path in ("new/", f"{credential.pk}/rotate/", f"{credential.pk}/delete/"):
        page(world.viewer, world.url(f"credentials/{path}"), 403)


def test_a_credential_of_another_workspace_is_not_there(world: World) -> None:
    credential = make_credential(world)
    for path in ("rotate/", "delete/"):
        response = signed_in(world.outsider).get(f"/w/{world.other.slug}/credentials/{credential.pk}/{path}")
        assert response.status_code == 404
