"""Pages of policies: lists, the form by sections, and what holds where."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.request_context import Actor, acting_as
from integrations.domain.policy import RULES
from integrations.models import Connector, Integration, Policy
from integrations.services.policies import save_policy
from tests.pages.connectors_world import HTMX, XSS, make_files, make_policy, owner, page, post, text_of, use
from tests.world import World, signed_in

__all__ = ["owner"]
pytestmark = pytest.mark.django_db


def form(**changes: object) -> dict[str, object]:
    given = {name.replace("__", "."): value for name, value in changes.items()}
    return {"name": "Patient", "description": "", **given}


def test_the_list_says_what_each_policy_sets_and_where(world: World) -> None:
    make_policy(world, "House rules", is_default=True, retry__attempts=8)
    policy = make_policy(world, limit__pages=10, retry__attempts=2, timeout__read_seconds=2.5, limit__batch_records=7)
    Connector.objects.filter(pk=make_files(world).pk).update(policy=policy)
    text = page(world.viewer, world.url("policies/"))
    assert "default" in text
    assert "Attempts 2, Read 2.5 s, Pages in a slice 10 and 1 more" in " ".join(text.split())
    assert f'policies/{policy.pk}/#applies">1</a>' in text


def test_an_empty_list_says_what_a_policy_is(world: World) -> None:
    assert "No policies yet" in page(world.owner, world.url("policies/"))
    assert "No policy fits" in page(world.owner, world.url("policies/"), q="nothing")


def test_a_filter_that_is_too_long_is_refused(world: World) -> None:
    assert "Clear the filters" in page(world.viewer, world.url("policies/"), 400, q="x" * 81)


def test_the_list_asks_as_often_for_ten_as_for_one(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_policy(world)
    client = signed_in(world.viewer)
    client.get(world.url("policies/"))
    with django_assert_num_queries(6):
        client.get(world.url("policies/"), **HTMX)
    for number in range(9):
        make_policy(world, f"policy {number}")
    with django_assert_num_queries(6):
        client.get(world.url("policies/"), **HTMX)


def test_the_form_shows_each_rule_with_what_it_would_inherit(world: World) -> None:
    make_policy(world, "House rules", is_default=True, retry__attempts=8)
    text = page(world.admin, world.url("policies/new/"))
    for name, rule in RULES.items():
        assert f'name="{name}"' in text
        assert rule.help.replace("'", "&#x27;") in text
    assert "inherits 8 from “House rules”" in text
    assert "inherits 30 from the instance" in text


def test_the_default_policy_inherits_from_the_instance_alone(world: World) -> None:
    policy = make_policy(world, "House rules", is_default=True, retry__attempts=8)
    assert "inherits 5 from the instance" in page(world.admin, world.url(f"policies/{policy.pk}/"))


def test_only_what_is_filled_in_is_stored(world: World, owner: Client) -> None:
    answer = post(owner, world.url("policies/new/"), form(retry__attempts="3", timeout__read_seconds="2.5"))
    policy = Policy.objects.get()
    assert policy.rules == {"retry.attempts": 3, "timeout.read_seconds": 2.5}
    assert answer["Location"] == world.url(f"policies/{policy.pk}/")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "This field is required."),
        ({"retry__attempts": "0"}, "Attempts is between 1 and 50."),
        ({"retry__attempts": "2.5"}, "Attempts is a whole number."),
        ({"retry__attempts": "9" * 500}, "Attempts is between 1 and 50."),
        ({"timeout__read_seconds": "soon"}, "Read is a number."),
        ({"timeout__read_seconds": "nan"}, "Read is a number."),
        ({"timeout__read_seconds": "1e400"}, "Read is a number."),
        ({"tolerance__set_aside_percent": "101"}, "between 0 and 100 %."),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused_at_its_field(
    world: World, owner: Client, change: dict[str, object], message: str
) -> None:
    assert message in text_of(post(owner, world.url("policies/new/"), form(**change), 400))
    assert not Policy.objects.exists()


def test_a_name_that_is_taken_is_refused(world: World, owner: Client) -> None:
    make_policy(world)
    assert "There is already a policy" in text_of(post(owner, world.url("policies/new/"), form(), 400))


def test_a_new_default_takes_the_place_of_the_old_one(world: World, owner: Client) -> None:
    old = make_policy(world, "House rules", is_default=True)
    policy = make_policy(world)
    post(owner, world.url(f"policies/{policy.pk}/"), form(is_default="on", retry__attempts="4"))
    old.refresh_from_db()
    policy.refresh_from_db()
    assert (old.is_default, policy.is_default, policy.rules) == (False, True, {"retry.attempts": 4})


def test_an_emptied_field_is_inherited_again(world: World, owner: Client) -> None:
    policy = make_policy(world, retry__attempts=3)
    assert 'value="3"' in page(world.owner, world.url(f"policies/{policy.pk}/"))
    post(owner, world.url(f"policies/{policy.pk}/"), form(retry__attempts=""))
    policy.refresh_from_db()
    assert policy.rules == {}


def test_a_viewer_reads_what_a_policy_sets(world: World, owner: Client) -> None:
    policy = make_policy(world, retry__attempts=3)
    text = page(world.viewer, world.url(f"policies/{policy.pk}/"))
    assert "How often a run is tried" in text
    assert "Save policy" not in text
    post(signed_in(world.builder), world.url(f"policies/{policy.pk}/"), form(), 403)
    page(world.builder, world.url("policies/new/"), 403)


def test_what_holds_where_says_where_each_value_came_from(world: World) -> None:
    make_policy(world, "House rules", is_default=True, retry__attempts=8)
    connector, policy = make_files(world), make_policy(world, retry__attempts=3)
    Connector.objects.update(policy=policy)
    use(world, connector)
    with acting_as(Actor(user=world.owner)):
        own = save_policy(
            workspace=world.workspace, policy=None, name="Own", description="", rules={"retry.attempts": 2}
        )
    Integration.objects.update(policy=own)
    integration = Integration.objects.get()
    text = page(world.viewer, world.url("policies/effective/"), connector=connector.pk, integration=integration.pk)
    assert "Order files in orders-copy" in text
    assert "3 (connector), 8 (workspace), 5 (instance)" in " ".join(text.split())
    assert f"policies/{own.pk}/" in text


@pytest.mark.parametrize("query", [{"connector": str(uuid4())}, {"integration": "nonsense"}])
def test_what_holds_for_nothing_there_is_is_refused(world: World, query: dict[str, str]) -> None:
    assert "Start again" in page(world.viewer, world.url("policies/effective/"), 400, **query)


def test_a_connector_of_another_workspace_has_no_policy_here(world: World) -> None:
    connector = make_files(world)
    url = f"/w/{world.other.slug}/policies/effective/?connector={connector.pk}"
    assert signed_in(world.outsider).get(url).status_code == 400


def test_without_a_choice_the_workspace_is_shown(world: World) -> None:
    assert "What holds where neither" in page(world.viewer, world.url("policies/effective/"))


def test_a_policy_in_use_is_not_deleted(world: World, owner: Client) -> None:
    policy = make_policy(world)
    use(world, make_files(world))
    Connector.objects.update(policy=policy)
    Integration.objects.update(policy=policy)
    url = world.url(f"policies/{policy.pk}/delete/")
    assert "orders-copy" in text_of(owner.get(url))
    assert "applies to Order files, orders-copy" in text_of(post(owner, url, {"confirm": "Patient"}, 409))
    assert "orders-copy" in page(world.viewer, world.url(f"policies/{policy.pk}/"))


@pytest.mark.parametrize("is_default", [True, False])
def test_a_policy_is_deleted_when_its_name_is_typed(world: World, owner: Client, is_default: bool) -> None:
    url = world.url(f"policies/{make_policy(world, is_default=is_default).pk}/delete/")
    post(owner, url, {"confirm": "x"}, 400)
    assert post(owner, url, {"confirm": "Patient"})["Location"] == world.url("policies/")
    assert not Policy.objects.exists()


def test_names_are_text_wherever_they_stand(world: World) -> None:
    policy = make_policy(world, XSS, is_default=True, retry__attempts=3)
    for path in ("", "new/", "effective/", f"{policy.pk}/", f"{policy.pk}/delete/"):
        text = page(world.owner, world.url(f"policies/{path}"))
        assert XSS not in text
        assert "&lt;script&gt;" in text


def test_a_policy_of_another_workspace_is_not_there(world: World) -> None:
    policy = make_policy(world)
    for path in ("", "delete/"):
        response = signed_in(world.outsider).get(f"/w/{world.other.slug}/policies/{policy.pk}/{path}")
        assert response.status_code == 404


def test_a_form_is_tried_before_it_is_saved(world: World, owner: Client) -> None:
    connector = make_files(world)
    use(world, connector)
    policy = make_policy(world, retry__attempts=3)
    Connector.objects.update(policy=policy)
    url = world.url(f"policies/{policy.pk}/")
    tried = form(action="simulate", timeout__read_seconds="5", retry__attempts="2")
    part = text_of(owner.post(url, tried, **HTMX), 200)
    assert "Not known from stored runs: how long each answer took" in " ".join(part.split())
    assert "<html" not in part
    assert "Before you save" in text_of(owner.post(url, tried), 200)
    policy.refresh_from_db()
    assert policy.rules == {"retry.attempts": 3}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"retry__attempts": "x"}, "Attempts is a whole number."),
        ({"retry__first_delay_seconds": "999"}, "one of them would do nothing"),
        ({}, "No value changes for any integration"),
    ],
)
def test_what_could_not_be_saved_is_said_at_once(
    world: World, owner: Client, change: dict[str, object], words: str
) -> None:
    answer = text_of(owner.post(world.url("policies/new/"), form(action="simulate", **change), **HTMX), 200)
    assert words in " ".join(answer.split())
    assert not Policy.objects.exists()


def test_lists_limits_and_choices_are_saved_as_the_form_says(world: World, owner: Client) -> None:
    given = {
        "masking.fields": "email: hash\r\nphone: drop",
        "masking.fields:limit": "on",
        "retry.attempts": "3",
        "volume.zero": "warn",
    }
    post(owner, world.url("policies/new/"), {**form(), **given})
    policy = Policy.objects.get()
    assert policy.rules == {
        "masking.fields": [{"field": "email", "how": "hash"}, {"field": "phone", "how": "drop"}],
        "retry.attempts": 3,
        "volume.zero": "warn",
    }
    assert policy.limits == ["masking.fields"]
    text = page(world.owner, world.url(f"policies/{policy.pk}/"))
    assert "email: hash\nphone: drop</textarea>" in text
    assert "limit</span>" in page(world.viewer, world.url(f"policies/{policy.pk}/")).replace("badge", "")


def test_a_list_that_cannot_be_read_is_refused_at_its_line(world: World, owner: Client) -> None:
    given = {**form(), "masking.fields": "email: hash\nphone"}
    assert "Line 2: Write field: way" in text_of(post(owner, world.url("policies/new/"), given, 400))


def test_none_is_an_empty_list_and_not_an_inherited_one(world: World, owner: Client) -> None:
    post(owner, world.url("policies/new/"), {**form(), "masking.fields": "none"})
    policy = Policy.objects.get()
    assert policy.rules == {"masking.fields": []}
    assert ">\nnone</textarea>" in page(world.owner, world.url(f"policies/{policy.pk}/"))


def test_a_limit_is_refused_where_it_is_loosened_and_shown_where_it_holds(world: World, owner: Client) -> None:
    given = {**form(name="House"), "retry.attempts": "4", "retry.attempts:limit": "on", "is_default": "on"}
    post(owner, world.url("policies/new/"), given)
    assert "limits attempts to 4" in text_of(post(owner, world.url("policies/new/"), form(retry__attempts="5"), 400))
    connector = make_files(world)
    lower = make_policy(world, retry__attempts=3)
    Connector.objects.update(policy=lower)
    shown = page(world.viewer, world.url("policies/effective/"), connector=connector.pk)
    assert "within 4, the limit of the workspace" in " ".join(shown.split())
    Policy.objects.filter(name="House").update(rules={"retry.attempts": 2})
    shown = page(world.viewer, world.url("policies/effective/"), connector=connector.pk)
    assert "asks for 3; the limit 2 of the workspace holds" in " ".join(shown.split())
