"""Role by route by own, foreign and missing object, over every address that the URL resolver knows."""

from __future__ import annotations

import pytest
from django.core.management import get_commands, load_command_class
from django.core.signals import request_finished
from django.db import close_old_connections, transaction
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.access import Access
from accounts.declarations import Reach
from accounts.domain.roles import PERMISSIONS
from accounts.models import User
from accounts.permissions import PUBLIC, SIGNED_IN
from monitoring.routing import websocket_urlpatterns
from tests.examples import MAKERS, THIRD_PARTY, Shelf
from tests.permission_routes import Route, routes
from tests.world import World, signed_in

OUR_APPS = ("accounts", "config", "integrations", "monitoring")
ROUTES = routes()
OURS = [route for route in ROUTES if route.name not in THIRD_PARTY and route.has_examples]
IN_A_WORKSPACE = [route for route in OURS if "workspace" in route.arguments and route.needs(route.methods[0]) != PUBLIC]
WITH_OBJECT = [route for route in IN_A_WORKSPACE if route.object_arguments]
ELSEWHERE = [route for route in OURS if route not in IN_A_WORKSPACE]
REFUSED = {401, 403, 404}
by_route = pytest.mark.parametrize("route", IN_A_WORKSPACE, ids=str)
by_object_route = pytest.mark.parametrize("route", WITH_OBJECT, ids=str)


@pytest.fixture
def own(world: World) -> Shelf:
    return Shelf(world.workspace, world.owner)


@pytest.fixture
def foreign(world: World) -> Shelf:
    return Shelf(world.other, world.outsider)


@pytest.mark.parametrize("route", ROUTES, ids=str)
@pytest.mark.security("SEC-025")
def test_every_address_declares_who_may_use_it(route: Route) -> None:
    if route.name in THIRD_PARTY:
        return
    needed = {method: route.needs(method) for method in route.methods}
    unknown = {method: name for method, name in needed.items() if name not in PERMISSIONS | {SIGNED_IN, PUBLIC}}
    assert not unknown, f"declare a permission or a public reason for {route.path}: {unknown}"


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_every_argument_of_an_address_has_an_example(route: Route) -> None:
    missing = [] if route.name in THIRD_PARTY else [name for name in route.arguments if name not in MAKERS]
    assert route.name, f"{route.path} has no name"
    assert not missing, f"add to tests/examples.py: {missing}"


@by_route
@pytest.mark.security("SEC-011")
def test_nobody_gets_in_without_signing_in(route: Route, own: Shelf) -> None:
    client = Client(raise_request_exception=False)
    seen = {method: status(client, method, route.url(own, own)) for method in route.methods}
    assert seen == dict.fromkeys(route.methods, 401 if route.is_api else 302) | not_allowed(seen, route)


@by_route
def test_an_outsider_finds_nothing_and_learns_nothing(route: Route, own: Shelf, world: World) -> None:
    client = signed_in(world.outsider)
    seen = {method: status(client, method, route.url(own, own)) for method in route.methods}
    assert seen == dict.fromkeys(route.methods, 404) | not_allowed(seen, route)


@by_route
def test_the_instance_admin_reads_no_workspace_without_being_a_member(route: Route, own: Shelf, world: World) -> None:
    client = signed_in(world.instance_admin)
    seen = {method: status(client, method, route.url(own, own)) for method in route.methods}
    assert seen == dict.fromkeys(route.methods, 404) | not_allowed(seen, route)


@by_route
@pytest.mark.security("SEC-025", "SEC-026", "SEC-030", "SEC-038")
def test_a_role_gets_in_exactly_where_the_matrix_says(route: Route, own: Shelf, world: World) -> None:
    for role, user in world.people.items():
        client = signed_in(user)
        for method in route.methods:
            answer = status(client, method, route.url(own, own))
            if answer == 405 and not route.is_api:
                continue
            assert answer < 500, f"{method} {route.path} crashes for a {role}"
            may = may_use(route, method, user, world)
            assert (answer != 403) == may, f"{method} {route.path}: {answer} for a {role}, needs {route.needs(method)}"


@by_object_route
@pytest.mark.security("SEC-021", "SEC-037")
def test_an_object_of_another_workspace_is_not_there(route: Route, own: Shelf, foreign: Shelf, world: World) -> None:
    client = signed_in(world.owner)
    tried = [method for method in route.methods if may_use(route, method, world.owner, world)]
    seen = {method: status(client, method, route.url(own, foreign)) for method in tried}
    assert seen == dict.fromkeys(tried, 404) | not_allowed(seen, route)


@by_object_route
def test_an_object_that_never_was_is_not_there(route: Route, own: Shelf, world: World) -> None:
    client = signed_in(world.owner)
    tried = [method for method in route.methods if may_use(route, method, world.owner, world)]
    seen = {method: status(client, method, route.url(own, None)) for method in tried}
    assert seen == dict.fromkeys(tried, 404) | not_allowed(seen, route)


@by_object_route
def test_the_example_object_is_found_by_somebody(route: Route, own: Shelf, world: World) -> None:
    """Without this, the two tests above would pass for an address that always answers 404."""
    everybody = [signed_in(user) for user in world.people.values()]
    seen = {status(client, method, route.url(own, own)) for client in everybody for method in route.methods}
    assert seen - REFUSED - {405}, f"nobody ever gets an answer from {route.path}"


@pytest.mark.parametrize("route", [r for r in ELSEWHERE if r.needs(r.methods[0]) != PUBLIC], ids=str)
def test_what_is_only_for_the_signed_in_asks_for_it(route: Route, own: Shelf) -> None:
    client = Client(raise_request_exception=False)
    seen = {method: status(client, method, route.url(own, own)) for method in route.methods}
    assert seen == dict.fromkeys(route.methods, 401 if route.is_api else 302) | not_allowed(seen, route)


@pytest.mark.parametrize("name", sorted(n for n, app in get_commands().items() if app in OUR_APPS))
def test_every_command_declares_who_may_run_it(name: str) -> None:
    command = load_command_class(str(get_commands()[name]), name)
    declaration = getattr(command, "declaration", None)
    assert declaration is not None, f"put @shell_command(reason) on the command {name}"
    assert declaration.reach is Reach.SHELL


@pytest.mark.parametrize("pattern", websocket_urlpatterns, ids=lambda pattern: str(pattern.pattern))
def test_every_consumer_declares_who_may_connect(pattern: object) -> None:
    consumer = getattr(getattr(pattern, "callback", None), "consumer_class", None)
    assert getattr(consumer, "declaration", None) is not None


def status(client: Client, method: str, url: str) -> int:
    """The answer's status; whatever the request changed is rolled back."""
    with transaction.atomic():
        response: HttpResponseBase = client.generic(method, url, b"{}", content_type="application/json")
        if response.streaming:
            _close(response)
        transaction.set_rollback(True)
    return response.status_code


def _close(response: HttpResponseBase) -> None:
    """End a stream that nobody reads; Django would close the test's database connection with it."""
    request_finished.disconnect(close_old_connections)
    try:
        response.close()
    finally:
        request_finished.connect(close_old_connections)


def not_allowed(seen: dict[str, int], route: Route) -> dict[str, int]:
    """A page that does not know a method says so to everybody; it must know one of them."""
    found = {} if route.is_api else {method: 405 for method, answer in seen.items() if answer == 405}
    assert len(found) < len(route.methods), f"{route.path} answers no method at all"
    return found


def may_use(route: Route, method: str, user: User, world: World) -> bool:
    needed = route.needs(method) or ""
    return needed == SIGNED_IN or Access(world.membership(user)).allows(needed)
