"""Role by route by own, foreign and missing object, over every address that the URL resolver knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from django.core.cache import cache
from django.core.management import get_commands, load_command_class
from django.core.signals import request_finished
from django.db import close_old_connections, transaction
from django.http.response import HttpResponseBase
from django.test import Client
from pytest_django import DjangoDbBlocker

from accounts.access import Access
from accounts.declarations import Reach
from accounts.domain.roles import PERMISSIONS
from accounts.models import User
from accounts.permissions import PUBLIC, SIGNED_IN
from monitoring.routing import websocket_urlpatterns
from tests.examples import MAKERS, THIRD_PARTY, Shelf
from tests.permission_routes import Route, routes
from tests.world import World, build_world, signed_in

OUR_APPS = ("accounts", "config", "integrations", "monitoring")
ROUTES = routes()
OURS = [route for route in ROUTES if route.name not in THIRD_PARTY and route.has_examples]
IN_A_WORKSPACE = [route for route in OURS if "workspace" in route.arguments and route.needs(route.methods[0]) != PUBLIC]
WITH_OBJECT = [route for route in IN_A_WORKSPACE if route.object_arguments]
ELSEWHERE = [route for route in OURS if route not in IN_A_WORKSPACE]
REFUSED = {401, 403, 404}
by_route = pytest.mark.parametrize("route", IN_A_WORKSPACE, ids=str)
by_object_route = pytest.mark.parametrize("route", WITH_OBJECT, ids=str)


@dataclass(frozen=True)
class Stage:
    """The world with its example objects, and everybody signed in."""

    world: World
    own: Shelf
    foreign: Shelf
    nobody: Client = field(default_factory=lambda: Client(raise_request_exception=False))
    clients: dict[User, Client] = field(default_factory=dict)

    def client(self, user: User) -> Client:
        """The browser of this person."""
        if user not in self.clients:
            self.clients[user] = signed_in(user)
        return self.clients[user]


@pytest.fixture(scope="module")
def db(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """In place of a transaction for each test, one for all of them; what a request changes is rolled back."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def made_once(db: None) -> Stage:
    world = build_world()
    return Stage(world, Shelf(world.workspace, world.owner), Shelf(world.other, world.outsider))


@pytest.fixture
def stage(made_once: Stage) -> Stage:
    """The stage, for somebody who has asked for nothing yet: the limits of requests count anew."""
    cache.clear()
    return made_once


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
def test_nobody_gets_in_without_signing_in(route: Route, stage: Stage) -> None:
    seen = answers(stage.nobody, route, route.url(stage.own, stage.own))
    assert seen == dict.fromkeys(route.methods, 401 if route.is_api else 302) | not_allowed(seen, route)


@by_route
def test_an_outsider_finds_nothing_and_learns_nothing(route: Route, stage: Stage) -> None:
    seen = answers(stage.client(stage.world.outsider), route, route.url(stage.own, stage.own))
    assert seen == dict.fromkeys(route.methods, 404) | not_allowed(seen, route)


@by_route
def test_the_instance_admin_reads_no_workspace_without_being_a_member(route: Route, stage: Stage) -> None:
    seen = answers(stage.client(stage.world.instance_admin), route, route.url(stage.own, stage.own))
    assert seen == dict.fromkeys(route.methods, 404) | not_allowed(seen, route)


@by_route
@pytest.mark.security("SEC-025", "SEC-026", "SEC-030", "SEC-038")
def test_a_role_gets_in_exactly_where_the_matrix_says(route: Route, stage: Stage) -> None:
    everything: set[int] = set()
    for role, user in stage.world.people.items():
        seen = answers(stage.client(user), route, route.url(stage.own, stage.own))
        everything.update(seen.values())
        for method, answer in seen.items():
            if answer == 405 and not route.is_api:
                continue
            assert answer < 500, f"{method} {route.path} crashes for a {role}"
            may = may_use(route, method, user, stage.world)
            assert (answer != 403) == may, f"{method} {route.path}: {answer} for a {role}, needs {route.needs(method)}"
    # Without this, the two tests below would pass for an address that always answers 404.
    assert everything - REFUSED - {405}, f"nobody ever gets an answer from {route.path}"


@by_object_route
@pytest.mark.security("SEC-021", "SEC-037")
def test_an_object_of_another_workspace_is_not_there(route: Route, stage: Stage) -> None:
    assert_not_there(route, route.url(stage.own, stage.foreign), stage)


@by_object_route
def test_an_object_that_never_was_is_not_there(route: Route, stage: Stage) -> None:
    assert_not_there(route, route.url(stage.own, None), stage)


@pytest.mark.parametrize("route", [r for r in ELSEWHERE if r.needs(r.methods[0]) != PUBLIC], ids=str)
def test_what_is_only_for_the_signed_in_asks_for_it(route: Route, stage: Stage) -> None:
    seen = answers(stage.nobody, route, route.url(stage.own, stage.own))
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


def assert_not_there(route: Route, url: str, stage: Stage) -> None:
    """Somebody who may do everything with the objects of the workspace is told that there is none."""
    owner = stage.world.owner
    tried = [method for method in route.methods if may_use(route, method, owner, stage.world)]
    seen = {method: status(stage.client(owner), method, url) for method in tried}
    assert seen == dict.fromkeys(tried, 404) | not_allowed(seen, route)


def answers(client: Client, route: Route, url: str) -> dict[str, int]:
    """The status of each method that the route knows."""
    return {method: status(client, method, url) for method in route.methods}


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
