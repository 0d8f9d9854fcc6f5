"""Uncertain batches: listed, narrowed, judged by a person with a note, on the page and through the API."""

from __future__ import annotations

from uuid import uuid4

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.errors import Conflict, Invalid
from accounts.models import AuditEntry, Workspace
from accounts.request_context import Actor, acting_as
from integrations.connectors.base import WriteMode
from integrations.domain.guarantee import Guarantee, Verdict, effective_guarantee
from integrations.models import Connector, Deployment, Event, IntegrationVersion, UncertainBatch
from integrations.services import uncertain
from integrations.services.connectors import ConnectorInput, save_connector
from integrations.services.guarantees import guarantee_of
from tests.pages.integration_pages import make, outside, run_of
from tests.world import World, signed_in

__all__ = ["outside"]
pytestmark = pytest.mark.usefixtures("outside")
# As on every page: session, person, membership, the live tail's end, other workspaces. Then rows, filters.
LIST_QUERIES = 5 + 2


@pytest.fixture
def deployment(world: World) -> Deployment:
    return make(world.workspace)


def mark(deployment: Deployment, number: int = 1, **changes: object) -> UncertainBatch:
    run = run_of(deployment, "succeeded", written=9)
    return UncertainBatch.objects.create(
        workspace=deployment.workspace,
        integration=deployment.integration,
        run=run,
        number=number,
        records=3,
        reason="It was sent again.",
        **changes,
    )


def text(world: World, path: str = "") -> str:
    answer = signed_in(world.owner).get(world.url(f"uncertain-batches/{path}"))
    assert answer.status_code == 200
    return answer.content.decode()


def judge(batch: UncertainBatch, note: str = "Looked at order 7.") -> UncertainBatch:
    with acting_as(Actor(system="test")):
        return uncertain.resolve(batch=batch, verdict=Verdict.TWICE, note=note, user=None)


def test_without_any_the_page_says_what_would_stand_there(world: World) -> None:
    assert "No uncertain batches" in text(world)


def test_the_open_ones_are_listed_and_the_resolved_ones_on_demand(world: World, deployment: Deployment) -> None:
    mark(deployment, 4)
    judge(mark(deployment, 5))
    assert ("Batch 4" in text(world), "Batch 5" in text(world)) == (True, False)
    assert ("Batch 4" in text(world, "?state=resolved"), "Batch 5" in text(world, "?state=resolved")) == (False, True)
    assert "It arrived twice" in text(world, "?state=any")


def test_the_list_is_narrowed_to_a_run_and_an_integration(world: World, deployment: Deployment) -> None:
    first, second = mark(deployment, 4), mark(deployment, 5)
    assert "Batch 5" not in text(world, f"?run={first.run_id}")
    assert "Batch 5" in text(world, f"?integration={second.integration_id}")
    assert "No uncertain batch fits" in text(world, f"?run={uuid4()}")


def test_a_filter_that_nobody_knows_is_refused(world: World) -> None:
    answer = signed_in(world.owner).get(world.url("uncertain-batches/?run=nonsense"))
    assert (answer.status_code, "cannot be used" in answer.content.decode()) == (400, True)


def test_the_live_page_asks_for_the_rows_alone(world: World, deployment: Deployment) -> None:
    mark(deployment)
    headers = {"HX-Request": "true", "HX-Target": "uncertain", "HX-Trigger": "uncertain"}
    answer = signed_in(world.owner).get(world.url("uncertain-batches/"), headers=headers).content.decode()
    assert ("Batch 1" in answer, "<html" in answer) == (True, False)


def test_the_list_asks_the_database_the_same_however_many_there_are(
    world: World, deployment: Deployment, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(5):
        mark(deployment, number)
    client = signed_in(world.owner)
    with django_assert_num_queries(LIST_QUERIES):
        client.get(world.url("uncertain-batches/"))


def test_a_run_says_how_many_of_its_records_may_be_there_twice(world: World, deployment: Deployment) -> None:
    batch = mark(deployment)
    page = signed_in(world.owner).get(world.url(f"runs/{batch.run_id}/")).content.decode()
    assert "3 records in 1 batch" in page
    assert f"/w/acme/uncertain-batches/?run={batch.run_id}" in page
    assert "uncertain-batches/" in signed_in(world.owner).get(world.url("runs/")).content.decode()


def test_a_person_says_what_was_found_and_it_is_audited(world: World, deployment: Deployment) -> None:
    batch = mark(deployment)
    client, url = signed_in(world.operator), world.url(f"uncertain-batches/{batch.pk}/")
    assert "Look at the destination" in client.get(url).content.decode()
    answer = client.post(url, {"verdict": "cleaned_up", "note": "Deleted three orders."})
    batch.refresh_from_db()
    assert (answer.status_code, batch.verdict, batch.resolved_by) == (302, "cleaned_up", world.operator)
    entry = AuditEntry.objects.get(action="uncertain_batch.resolved")
    assert entry.after is not None
    assert entry.after["note"] == "Deleted three orders."
    assert Event.objects.filter(run_id=batch.run_id, kind="run.uncertain_resolved").exists()
    assert "Deleted three orders." in client.get(url).content.decode()


@pytest.mark.parametrize(
    "given", [{}, {"verdict": "once"}, {"verdict": "once", "note": " "}, {"verdict": "?", "note": "x"}]
)
def test_a_verdict_without_a_note_is_refused(world: World, deployment: Deployment, given: dict[str, str]) -> None:
    batch = mark(deployment)
    answer = signed_in(world.owner).post(world.url(f"uncertain-batches/{batch.pk}/"), given)
    batch.refresh_from_db()
    assert (answer.status_code, batch.is_open) == (400, True)


def test_who_only_reads_cannot_judge(world: World, deployment: Deployment) -> None:
    batch = mark(deployment)
    answer = signed_in(world.viewer).post(world.url(f"uncertain-batches/{batch.pk}/"), {"verdict": "once", "note": "x"})
    assert answer.status_code == 403


def test_the_second_of_two_people_is_told(world: World, deployment: Deployment) -> None:
    batch = mark(deployment)
    seen_before = UncertainBatch.objects.select_related("workspace", "run").get(pk=batch.pk)
    judge(batch)
    with pytest.raises(Conflict, match="in the meantime"):
        judge(seen_before)
    url = world.url(f"uncertain-batches/{batch.pk}/")
    assert signed_in(world.owner).post(url, {"verdict": "once", "note": "x"}).status_code == 302


def test_a_note_of_spaces_is_no_note(deployment: Deployment) -> None:
    with pytest.raises(Invalid):
        judge(mark(deployment), note="  ")


def api(world: World) -> APIClient:
    client = APIClient()
    client.force_login(world.owner)
    return client


def test_the_api_lists_filters_and_resolves(world: World, deployment: Deployment) -> None:
    batch = mark(deployment)
    judge(mark(deployment, 2))
    listed = api(world).get(world.api_url("uncertain-batches/"), {"resolved": "false"}).json()["results"]
    assert [(row["id"], row["number"], row["records"]) for row in listed] == [(str(batch.pk), 1, 3)]
    assert len(api(world).get(world.api_url("uncertain-batches/"), {"resolved": "true"}).json()["results"]) == 1
    url = world.api_url(f"uncertain-batches/{batch.pk}/")
    answer = api(world).post(url + "resolve/", {"verdict": "once", "note": "Counted them."}, format="json")
    assert (answer.status_code, answer.json()["verdict"]) == (200, "once")
    assert api(world).get(url).json()["note"] == "Counted them."
    again = api(world).post(url + "resolve/", {"verdict": "once", "note": "Again."}, format="json")
    assert again.status_code == 409


def rest(workspace: Workspace, **write: object) -> Connector:
    stream = {"name": "items", "path": "/items", "read": False, "write": write}
    settings = {"base_url": "https://api.example.com", "streams": [stream]}
    return save_connector(workspace=workspace, connector=None, given=ConnectorInput("shop", "rest_api", settings))


@pytest.mark.parametrize(
    ("declared", "mode", "found"),
    [
        ("idempotency_key", "append", Guarantee.IDEMPOTENCY_KEY),
        ("upsert_versioned", "upsert", Guarantee.UPSERT_VERSIONED),
        ("upsert_versioned", "append", Guarantee.APPEND_ONLY),
        ("append_only", "append", Guarantee.APPEND_ONLY),
    ],
)
def test_the_guarantee_follows_from_the_connector_its_stream_and_the_mode(
    world: World, declared: str, mode: str, found: Guarantee
) -> None:
    shop = rest(world.workspace, guarantee=declared, version_field="version")
    key = ("id",) if mode == "upsert" else ()
    deployment = make(world.workspace, destination=shop, destination_stream="items", write_mode=mode, key=key)
    version = IntegrationVersion.objects.select_related("destination").get(pk=deployment.version_id)
    assert guarantee_of(version) is found
    page = signed_in(world.owner).get(world.url(f"integrations/{deployment.integration_id}/")).content.decode()
    assert found.value.replace("_", " ") in page
    shown = api(world).get(world.api_url(f"integrations/{deployment.integration_id}/versions/1/")).json()
    assert shown["guarantee"]["name"] == found.value


@pytest.mark.parametrize(
    ("plugin", "stream", "mode", "found"),
    [
        (None, None, WriteMode.APPEND, Guarantee.APPEND_ONLY),
        (Guarantee.TRANSACTIONAL, None, WriteMode.UPSERT, Guarantee.TRANSACTIONAL),
        (Guarantee.APPEND_ONLY, Guarantee.IDEMPOTENCY_KEY, WriteMode.UPSERT, Guarantee.IDEMPOTENCY_KEY),
        (Guarantee.APPEND_ONLY, Guarantee.UPSERT_VERSIONED, WriteMode.APPEND, Guarantee.APPEND_ONLY),
    ],
)
def test_what_a_stream_declares_counts_before_its_plugin(
    plugin: Guarantee | None, stream: Guarantee | None, mode: WriteMode, found: Guarantee
) -> None:
    assert effective_guarantee(plugin, stream, mode) is found
