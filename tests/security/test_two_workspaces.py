"""Nothing that a member is shown, by any page or resource, tells of another workspace."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.db.models import Model, QuerySet
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from accounts import audit
from accounts.models import AuditEntry
from accounts.request_context import Actor, acting_as
from integrations.models import Event
from integrations.models.base import WorkspaceManager
from tests.examples import Shelf
from tests.security.two import CANARY, brand, fill, first_difference, lasting, look, readable, tenant_models, traces
from tests.world import World, signed_in

pytestmark = pytest.mark.django_db
READABLE = readable()
# Every parameter of a list that names an object, and whose id may stand there. The schema says when one is missing.
FILTERS = [
    ("api/audit-entries/", "actor", "member_id"),
    ("api/audit-entries/", "object_id", "integration_id"),
    ("api/dead-letters/", "integration", "integration_id"),
    ("api/dead-letters/", "run", "run_id"),
    ("api/integrations/", "source", "connector_id"),
    ("api/integrations/", "destination", "connector_id"),
    ("api/integrations/", "policy", "policy_id"),
    ("api/policies/effective/", "connector", "connector_id"),
    ("api/policies/effective/", "integration", "integration_id"),
    ("api/runs/", "integration", "integration_id"),
    ("api/schema-changes/", "integration", "integration_id"),
    ("api/tokens/", "creator", "member_id"),
    ("api/uncertain-batches/", "integration", "integration_id"),
    ("api/uncertain-batches/", "run", "run_id"),
    ("audit/", "actor", "member_id"),
    ("connectors/new/?plugin=rest_api&", "credential", "credential_id"),
    ("credentials/new/", "connector", "connector_id"),
    ("dead-letters/", "integration", "integration_id"),
    ("dead-letters/", "run", "run_id"),
    ("dead-letters/", "before", "letter_id"),
    ("dead-letters/", "after", "letter_id"),
    ("integrations/", "connector", "connector_id"),
    ("integrations/new/", "source", "connector_id"),
    ("policies/effective/", "connector", "connector_id"),
    ("policies/effective/", "integration", "integration_id"),
    ("runs/", "integration", "integration_id"),
    ("runs/", "before", "run_id"),
    ("runs/", "after", "run_id"),
    ("uncertain-batches/", "integration", "integration_id"),
    ("uncertain-batches/", "run", "run_id"),
]


@pytest.fixture
def own(world: World) -> Shelf:
    shelf = Shelf(world.workspace, world.owner)
    fill(shelf)
    return shelf


@pytest.fixture
def foreign(world: World) -> Shelf:
    shelf = Shelf(world.other, world.outsider)
    fill(shelf)
    brand(world.other)
    return shelf


def seen(client: Client, own: Shelf) -> dict[str, tuple[int, str]]:
    return {route.path: look(client, route.url(own, own)) for route in READABLE}


def leaks(answers: dict[str, tuple[int, str]], marks: list[str]) -> list[str]:
    return [f"{path}: {mark}" for path, (_, text) in answers.items() for mark in marks if mark in text]


@pytest.mark.security("SEC-023", "SEC-036", "SEC-037", "SEC-038")
def test_no_answer_holds_a_name_or_an_id_of_another_workspace(own: Shelf, foreign: Shelf, world: World) -> None:
    answers = seen(signed_in(world.owner), own)
    assert sum(status == 200 for status, _ in answers.values()) > 50
    assert leaks(answers, traces(world.other)) == []


@pytest.mark.security("SEC-023")
def test_a_manager_that_forgets_the_workspace_is_noticed(
    own: Shelf, foreign: Shelf, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def everything(manager: WorkspaceManager, workspace: object) -> QuerySet:  # type: ignore[type-arg]
        return manager.all()

    monkeypatch.setattr(WorkspaceManager, "of", everything)
    assert len(leaks(seen(signed_in(world.owner), own), traces(world.other))) > 10


@pytest.mark.security("SEC-023", "SEC-036")
def test_no_count_nor_aggregate_moves_when_another_workspace_fills(own: Shelf, world: World) -> None:
    client = signed_in(world.owner)
    before = seen(client, own)
    fill(Shelf(world.other, world.outsider))
    after = seen(client, own)
    moved = {
        path: first_difference(lasting(before[path][1]), lasting(after[path][1]))
        for path in before
        if lasting(before[path][1]) != lasting(after[path][1])
    }
    assert moved == {}


@pytest.mark.security("SEC-022")
def test_a_foreign_id_in_a_filter_finds_what_an_unknown_one_finds(own: Shelf, foreign: Shelf, world: World) -> None:
    client, told_apart = signed_in(world.owner), []
    for path, name, argument in FILTERS:
        theirs, unknown = str(foreign.value(argument)), str(uuid4())
        with_theirs, with_unknown = (filtered(client, world, path, name, each) for each in (theirs, unknown))
        if with_theirs != with_unknown:
            told_apart.append(f"{path}{name}: {first_difference(with_theirs[1], with_unknown[1])}")
    assert told_apart == []


def test_a_filter_that_looked_elsewhere_would_be_noticed(own: Shelf, world: World) -> None:
    """An id of one's own finds something that an unknown one does not: the comparison above can fail."""
    client = signed_in(world.owner)
    found = filtered(client, world, "api/runs/", "integration", str(own.value("integration_id")))
    assert found != filtered(client, world, "api/runs/", "integration", str(uuid4()))


def filtered(client: Client, world: World, path: str, name: str, value: str) -> tuple[int, str]:
    url = world.api_url(path.removeprefix("api/")) if path.startswith("api/") else world.url(path)
    status, text = look(client, f"{url}{'' if '?' in url else '?'}{name}={value}")
    assert status in (200, 400, 404), f"{url} answers {status}"
    return status, lasting(text).replace(value, "~").replace(value[-8:], "~")


def test_every_filter_of_the_api_that_takes_an_id_is_tried() -> None:
    tried = {(path, name) for path, name, _ in FILTERS}
    paths = SchemaGenerator().get_schema(public=True)["paths"]  # type: ignore[no-untyped-call]  # untyped package
    declared = {
        (f"api/{path.partition('{workspace}/')[2]}", parameter["name"])
        for path, operations in paths.items()
        for parameter in operations.get("get", {}).get("parameters", [])
        if parameter["in"] == "query" and parameter["schema"].get("format") == "uuid"
    }
    assert declared - tried == set()


@pytest.mark.security("SEC-036")
def test_a_search_for_a_foreign_name_finds_nothing(own: Shelf, foreign: Shelf, world: World) -> None:
    client, marks = signed_in(world.owner), [mark for mark in traces(world.other) if mark != CANARY]
    searched = [route for route in READABLE if not route.object_arguments]
    answers = {
        f"{route.path}?{name}": look(client, route.url(own, own), {name: CANARY})
        for route in searched
        for name in (("search", "q") if route.is_api else ("q",))
    }
    assert leaks(answers, marks) == []


@pytest.mark.security("SEC-024")
@pytest.mark.parametrize("model", tenant_models(), ids=lambda model: model.__name__)
def test_every_row_of_a_tenant_has_a_workspace(model: type[Model]) -> None:
    assert model is AuditEntry or not model._meta.get_field("workspace").null


@pytest.mark.security("SEC-024")
def test_the_instances_own_log_is_of_no_workspace(world: World) -> None:
    with acting_as(Actor(system="test")), transaction.atomic():
        audit.record(workspace=None, action="example.made", object=world.owner)
    assert AuditEntry.objects.filter(workspace=None).exists()
    assert not any(AuditEntry.objects.of(each).filter(workspace=None) for each in (world.workspace, world.other))


@pytest.mark.security("SEC-024")
@pytest.mark.parametrize("model", [m for m in tenant_models() if m is not Event], ids=lambda model: model.__name__)
def test_every_manager_starts_at_the_workspace(model: Any, world: World) -> None:
    assert f'"workspace_id" = {world.workspace.pk.hex}' in str(model._default_manager.of(world.workspace).query)
