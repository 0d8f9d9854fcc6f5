"""Pages of budgets and circuit breakers: what is shared and by whose rule, and the hand that opens and closes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import AuditEntry
from accounts.request_context import Actor, acting_as
from integrations.domain.lifecycle import RunState
from integrations.models import Breaker, Budget, BudgetSlot, Connector, Deployment, Event, Policy, Run
from integrations.services import breakers
from integrations.services.connectors import ConnectorInput, save_connector
from integrations.services.credentials import create_credential
from monitoring.services.status import status_of
from tests.pages.connectors_world import HTMX, XSS, make_files, page, post, text_of, use
from tests.world import World, signed_in, token_text, with_token

pytestmark = pytest.mark.django_db
STREAMS = [{"name": "orders", "path": "orders"}]


def make_shop(world: World, name: str = "shop", *, rules: dict[str, Any] | None = None, secret: str = "") -> Connector:
    """A connector that calls a host; with a credential of that name where one is given."""
    with acting_as(Actor(user=world.owner)):
        policy = Policy.objects.create(workspace=world.workspace, name=f"for {name}", rules=rules) if rules else None
        login = None
        if secret:
            login = create_credential(
                workspace=world.workspace, name=secret, kind="bearer", values={"token": "x"}, user=world.owner
            )
        settings = {"base_url": "https://shop.example.org", "streams": STREAMS}
        given = ConnectorInput(name, "rest_api", settings, credential=login, policy=policy)
        return save_connector(workspace=world.workspace, connector=None, given=given)


def open_breaker(world: World, connector: Connector) -> Breaker:
    with acting_as(Actor(user=world.owner)):
        return breakers.trip(connector=connector)


def make_held(world: World, seconds: int = 600) -> Budget:
    return Budget.objects.create(
        workspace=world.workspace,
        host="shop.example.org:443",
        held_until=timezone.now() + timedelta(seconds=seconds),
        hold_seconds=seconds,
        hold_reason="GET https://shop.example.org/orders answered 429: too many requests.",
    )


def test_a_budget_says_what_holds_and_by_whose_policy(world: World) -> None:
    make_shop(world, "loose", rules={"budget.requests_per_minute": 600})
    make_shop(world, "tight", rules={"budget.requests_per_minute": 60, "budget.concurrent": 2})
    text = page(world.viewer, world.url("limits/"))
    assert "by “for tight” on tight" in text
    assert "shop.example.org:443" in text
    assert '0 <span class="muted">of 2</span>' in text
    assert 'data-live="connector policy credential"' in text


def test_a_run_that_holds_a_slot_is_named(world: World) -> None:
    connector = make_shop(world, rules={"budget.concurrent": 2})
    use(world, make_files(world))
    place = Deployment.objects.get()
    now = timezone.now()
    run = Run.objects.create(
        workspace=world.workspace, deployment=place, version=place.version, trigger="manual", fence=1,
        state=RunState.RUNNING, next_attempt_at=now, lease_until=now + timedelta(minutes=1),
    )  # fmt: skip
    budget = Budget.objects.create(workspace=world.workspace, host="shop.example.org:443")
    BudgetSlot.objects.create(budget=budget, run=run, fence=1)
    BudgetSlot.objects.create(budget=budget, run=run, fence=0)
    text = page(world.viewer, world.url("limits/"))
    assert f"/runs/{run.pk}/" in text
    assert "1 at work" in text
    assert connector.name in text


def test_a_workspace_whose_connectors_call_nobody_is_told_what_this_is(world: World) -> None:
    make_files(world)
    assert "Nothing is shared yet" in page(world.viewer, world.url("limits/"))


def test_htmx_gets_the_live_part_alone(world: World) -> None:
    make_shop(world)
    text = text_of(signed_in(world.viewer).get(world.url("limits/?part=live"), **HTMX))
    assert text.lstrip().startswith('<div class="stack limits" id="limits"')


def test_the_page_asks_as_often_for_ten_connectors_as_for_one(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_shop(world, "first", rules={"budget.concurrent": 2})
    client = signed_in(world.viewer)
    client.get(world.url("limits/"))
    with django_assert_num_queries(10):
        client.get(world.url("limits/?part=live"), **HTMX)
    for number in range(9):
        make_shop(world, f"shop {number}", secret=f"login {number}")
    with django_assert_num_queries(10):
        client.get(world.url("limits/?part=live"), **HTMX)


def test_names_and_failures_are_text(world: World) -> None:
    open_breaker(world, make_shop(world, XSS))
    Breaker.objects.update(
        last_failures=[{"at": timezone.now().isoformat(), "code": "server_failed", "message": XSS}], reason=XSS
    )
    assert XSS not in page(world.owner, world.url("limits/"))


def test_who_may_only_read_sees_no_buttons_and_may_not_act(world: World) -> None:
    connector = make_shop(world)
    breaker, budget = open_breaker(world, connector), make_held(world)
    text = page(world.viewer, world.url("limits/"))
    assert "open by hand" in text
    assert "/reset/" not in text
    for path in (f"limits/breakers/{breaker.pk}/reset/", f"limits/budgets/{budget.pk}/release/"):
        assert signed_in(world.viewer).post(world.url(path)).status_code == 403


def test_objects_of_another_workspace_are_not_found(world: World) -> None:
    breaker, budget = open_breaker(world, make_shop(world)), make_held(world)
    there = f"/w/{world.other.slug}/"
    for path in (f"limits/breakers/{breaker.pk}/reset/", f"limits/budgets/{budget.pk}/release/"):
        assert signed_in(world.outsider).post(there + path).status_code == 404


def test_a_breaker_opens_by_the_typed_name_of_its_host(world: World) -> None:
    connector = make_shop(world)
    path = world.url(f"connectors/{connector.pk}/breaker/")
    assert "Type <code>shop.example.org:443</code>" in page(world.owner, path)
    wrong = signed_in(world.owner).post(path, {"confirm": "shop"})
    assert (wrong.status_code, Breaker.objects.count()) == (400, 0)
    post(signed_in(world.owner), path, {"confirm": "shop.example.org:443"})
    assert Breaker.objects.get().is_by_hand
    assert AuditEntry.objects.filter(action="breaker.tripped").count() == 1
    assert Event.objects.filter(kind="breaker.tripped", object_id=connector.pk).count() == 1


def test_what_cannot_be_done_is_said_with_what_to_do(world: World) -> None:
    files, shop = make_files(world), make_shop(world)
    answer = signed_in(world.owner).post(world.url(f"connectors/{files.pk}/breaker/"), {"confirm": files.name})
    assert answer.status_code == 409
    assert "calls no host" in text_of(answer)
    breaker = open_breaker(world, shop)
    again = signed_in(world.owner).post(
        world.url(f"connectors/{shop.pk}/breaker/"), {"confirm": "shop.example.org:443"}
    )
    assert "open by hand already" in text_of(again)
    path = world.url(f"limits/breakers/{breaker.pk}/reset/")
    post(signed_in(world.owner), path, {})
    assert signed_in(world.owner).post(path).status_code == 409


def test_closing_a_breaker_and_ending_a_pause_are_in_the_audit_log(world: World) -> None:
    breaker, budget = open_breaker(world, make_shop(world)), make_held(world)
    assert "circuit open" in page(world.viewer, world.url("connectors/"))
    post(signed_in(world.owner), world.url(f"limits/breakers/{breaker.pk}/reset/"), {})
    post(signed_in(world.owner), world.url(f"limits/budgets/{budget.pk}/release/"), {})
    breaker.refresh_from_db()
    budget.refresh_from_db()
    assert (breaker.state, budget.held_until) == ("closed", None)
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"breaker.reset", "budget.released"} <= actions


def test_an_open_breaker_stands_on_the_connectors_page_and_on_the_status_page(world: World) -> None:
    connector = make_shop(world)
    open_breaker(world, connector)
    text = page(world.viewer, world.url(f"connectors/{connector.pk}/"))
    assert "The circuit breaker of shop.example.org:443 is open" in text
    assert "circuit tripped" in text
    line = status_of(world.workspace).connectors[0]
    assert (line.state, line.word) == ("bad", "circuit open")


def test_the_api_shows_and_does_what_the_page_does(world: World) -> None:
    connector = make_shop(world, rules={"budget.requests_per_minute": 60})
    client = with_token(token_text(world.owner, world.workspace))
    assert client.post(world.api_url(f"connectors/{connector.pk}/trip-breaker/")).status_code == 204
    [breaker] = client.get(world.api_url("breakers/")).json()
    assert (breaker["host"], breaker["state"], breaker["probe_at"]) == ("shop.example.org:443", "open", None)
    assert client.post(world.api_url(f"breakers/{breaker['id']}/reset/")).status_code == 204
    budget = make_held(world)
    [shown] = client.get(world.api_url("budgets/")).json()
    assert shown["requests_per_minute"] == {
        "value": 60, "level": "connector", "policy": "for shop", "connector": "shop", "integration": "",
    }  # fmt: skip
    assert shown["held_until"] is not None
    assert client.post(world.api_url(f"budgets/{budget.pk}/release/")).status_code == 204
    assert client.get(world.api_url("budgets/")).json()[0]["held_until"] is None
