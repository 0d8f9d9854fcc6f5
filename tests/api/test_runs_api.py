"""REST: runs from the start to their log, and the dead letters that they leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from integrations.models import DeadLetter, Run
from tests.api.conftest import MAPPING, Api, AsPerson, Flow, make_flow, problem, version_body, work
from tests.world import World

pytestmark = pytest.mark.django_db(transaction=True)


def start(api: Api, flow: Flow) -> str:
    return str(api.made(f"integrations/{flow.integration}/runs/", None)["id"])


@pytest.fixture
def worked(api: Api, flow: Flow) -> Run:
    """A run of four records, of which one was set aside."""
    return work(start(api, flow))


def test_a_run_is_started_worked_and_counted(api: Api, flow: Flow) -> None:
    answer = api.post(f"integrations/{flow.integration}/runs/")
    queued = answer.json()
    assert (answer.status_code, queued["state"], queued["trigger"]) == (202, "queued", "api")
    work(queued["id"])
    run = api.client.get(answer["Location"]).json()
    assert (run["state"], run["has_warnings"], run["error"]) == ("succeeded", True, None)
    assert (run["read"], run["written"], run["set_aside"], run["filtered"]) == (4, 3, 1, 0)
    assert run["integration"] == {"id": flow.integration, "name": "orders"}


def test_there_is_one_active_run_at_a_time(api: Api, flow: Flow) -> None:
    first = start(api, flow)
    answer = api.post(f"integrations/{flow.integration}/runs/")
    assert first[-8:] in problem(answer, 409, "state_conflict")["detail"]


def test_a_queued_run_is_cancelled_once(api: Api, flow: Flow) -> None:
    path = f"runs/{start(api, flow)}/cancel/"
    answer = api.post(path)
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    problem(api.post(path), 409, "state_conflict")


def test_a_run_is_paused_and_resumed(api: Api, flow: Flow) -> None:
    path = f"runs/{start(api, flow)}"
    answer = api.post(f"{path}/pause/")
    assert (answer.status_code, answer.json()["state"]) == (202, "paused")
    problem(api.post(f"{path}/pause/"), 409, "state_conflict")
    answer = api.post(f"{path}/resume/")
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")
    problem(api.post(f"{path}/resume/"), 409, "state_conflict")


def test_a_failed_run_says_why_and_goes_on_after_it_was_mended(api: Api, flow: Flow, folder: Path) -> None:
    orders = (folder / "orders.csv").rename(folder / "hidden")
    failed = work(start(api, flow))
    shown = api.get(f"runs/{failed.pk}/").json()
    assert (shown["state"], shown["error"]["code"]) == ("failed", "stream_missing")
    assert shown["error"]["what_to_do"]
    orders.rename(folder / "orders.csv")
    answer = api.post(f"runs/{failed.pk}/retry/")
    again = work(answer.json()["id"])
    assert (answer.status_code, again.trigger, again.continues_id) == (202, "retry", failed.pk)
    assert (again.state, again.written) == ("succeeded", 3)


def test_a_run_that_succeeded_is_not_retried(api: Api, worked: Run) -> None:
    problem(api.post(f"runs/{worked.pk}/retry/"), 409, "state_conflict")


def test_a_run_is_not_continued_where_something_else_is_read_now(api: Api, flow: Flow) -> None:
    run = start(api, flow)
    api.post(f"runs/{run}/cancel/")
    body = version_body(flow.source, flow.destination, source_stream="other.csv")
    api.made(f"integrations/{flow.integration}/versions/", body)
    api.post(f"integrations/{flow.integration}/activate/", {"version": 2})
    assert "something else" in problem(api.post(f"runs/{run}/retry/"), 409, "state_conflict")["detail"]


def test_a_redrive_is_not_continued(api: Api, flow: Flow, worked: Run) -> None:
    run = api.made("dead-letters/redrive/", {"integration": flow.integration, "all": True})["id"]
    api.post(f"runs/{run}/cancel/")
    document = problem(api.post(f"runs/{run}/retry/"), 409, "state_conflict")
    assert "Redrive the dead letters again" in document["what_to_do"]


def test_batches_are_listed_in_order(api: Api, worked: Run) -> None:
    (batch,) = api.get(f"runs/{worked.pk}/batches/").json()["results"]
    assert (batch["number"], batch["state"], batch["written"], batch["set_aside"]) == (1, "committed", 3, 1)
    assert "cursor" not in batch


def test_the_log_goes_on_after_a_number(api: Api, worked: Run) -> None:
    lines = api.get(f"runs/{worked.pk}/events/").json()["results"]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert (lines[0]["kind"], lines[-1]["kind"]) == ("run.queued", "run.succeeded")
    later = api.get(f"runs/{worked.pk}/events/", after=lines[1]["seq"]).json()["results"]
    assert later == lines[2:]
    assert {line["level"] for line in api.get(f"runs/{worked.pk}/events/", level="warning").json()["results"]} == {
        "warning"
    }


@pytest.mark.security("SEC-030")
def test_a_viewer_sees_runs_and_not_their_log(as_person: AsPerson, world: World, worked: Run) -> None:
    viewer = as_person(world.viewer)
    assert viewer.get(f"runs/{worked.pk}/").status_code == 200
    problem(viewer.get(f"runs/{worked.pk}/events/"), 403, "permission_denied")


def test_runs_are_filtered(api: Api, flow: Flow, worked: Run) -> None:
    other = make_flow(api, "others")
    queued = start(api, other)

    def found(**query: object) -> set[str]:
        return {each["id"] for each in api.get("runs/", **query).json()["results"]}

    assert found() == {str(worked.pk), queued}
    assert found(state="queued") == found(integration=other.integration) == found(has_warnings="false") == {queued}
    assert found(state=["succeeded", "failed"]) == {str(worked.pk)}
    assert (
        found(trigger="schedule") == found(since="2100-01-01T00:00:00Z") == found(until="2000-01-01T00:00:00Z") == set()
    )


def test_a_dead_letter_says_why_and_keeps_its_record_apart(api: Api, worked: Run) -> None:
    (letter,) = api.get("dead-letters/").json()["results"]
    assert (letter["code"], letter["field"], letter["run"]) == ("conversion_failed", "amount", str(worked.pk))
    assert "payload" not in letter
    payload = api.get(f"dead-letters/{letter['id']}/payload/").json()["payload"]
    assert payload == {"id": 3, "amount": "twelve", "note": "third"}


@pytest.mark.security("SEC-030")
def test_an_operator_redrives_and_reads_no_payload(as_person: AsPerson, world: World, worked: Run) -> None:
    operator = as_person(world.operator)
    (letter,) = operator.get("dead-letters/").json()["results"]
    problem(operator.get(f"dead-letters/{letter['id']}/payload/"), 403, "permission_denied")
    problem(operator.post("dead-letters/discard/", {"ids": [letter["id"]], "reason": "x"}), 403, "permission_denied")
    body = {"integration": letter["integration"]["id"], "ids": [letter["id"]]}
    assert operator.post("dead-letters/redrive/", body).status_code == 202


def mend(api: Api, flow: Flow) -> None:
    """A version under which “twelve” has no amount."""
    amount = {**MAPPING["fields"][1], "expression": "TRY_CAST(amount AS DECIMAL(12,2))"}
    body = version_body(flow.source, flow.destination, mapping={"fields": [MAPPING["fields"][0], amount]})
    api.made(f"integrations/{flow.integration}/versions/", body)
    assert api.post(f"integrations/{flow.integration}/activate/", {"version": 2}).status_code == 200


@pytest.mark.parametrize("which", ["ids", "all"])
def test_letters_are_redriven_under_the_mended_mapping(api: Api, flow: Flow, worked: Run, which: str) -> None:
    mend(api, flow)
    ids = [str(letter.pk) for letter in DeadLetter.objects.all()]
    chosen: dict[str, Any] = {"ids": ids} if which == "ids" else {"all": True}
    answer = api.post("dead-letters/redrive/", {"integration": flow.integration, **chosen})
    assert (answer.status_code, answer.json()["trigger"]) == (202, "redrive")
    assert api.get("dead-letters/", state="redriving").json()["results"][0]["redrive"] == answer.json()["id"]
    run = work(answer.json()["id"])
    assert (run.state, run.written) == ("succeeded", 1)
    assert api.get(f"dead-letters/{ids[0]}/").json()["state"] == "redriven"


@pytest.mark.parametrize(
    "body",
    [{}, {"all": False}, {"ids": []}, {"ids": ["x"]}, {"all": True, "ids": ["0193f3a0-0000-7000-8000-000000000001"]}],
)
def test_a_redrive_says_which_letters(api: Api, flow: Flow, worked: Run, body: dict[str, object]) -> None:
    problem(api.post("dead-letters/redrive/", {"integration": flow.integration, **body}), 400, "input_invalid")
    assert DeadLetter.objects.filter(state="open").count() == 1


def test_letters_are_discarded_with_a_reason(api: Api, worked: Run) -> None:
    ids = [str(DeadLetter.objects.get().pk)]
    problem(api.post("dead-letters/discard/", {"ids": ids, "reason": ""}), 400, "input_invalid")
    assert api.post("dead-letters/discard/", {"ids": ids, "reason": "A test order."}).json() == {"discarded": 1}
    assert api.post("dead-letters/discard/", {"ids": ids, "reason": "Again."}).json() == {"discarded": 0}


@pytest.mark.security("SEC-020")
def test_one_foreign_letter_and_nothing_is_done(api: Api, elsewhere: Api, worked: Run, flow: Flow) -> None:
    theirs = make_flow(elsewhere)
    work(start(elsewhere, theirs))
    mine, foreign = (DeadLetter.objects.get(integration=UUID(each)) for each in (flow.integration, theirs.integration))
    ids = [str(mine.pk), str(foreign.pk)]
    problem(api.post("dead-letters/discard/", {"ids": ids, "reason": "x"}), 404, "not_found")
    problem(api.post("dead-letters/redrive/", {"integration": flow.integration, "ids": ids}), 404, "not_found")
    problem(api.post("dead-letters/redrive/", {"integration": theirs.integration, "all": True}), 400, "input_invalid")
    assert DeadLetter.objects.filter(state="open").count() == 2


def test_dead_letters_are_filtered(api: Api, worked: Run, flow: Flow) -> None:
    def count(**query: object) -> int:
        return len(api.get("dead-letters/", **query).json()["results"])

    assert count(state="open") == count(integration=flow.integration) == count(run=str(worked.pk)) == 1
    assert count(code="conversion_failed") == 1
    assert count(state="discarded") == count(run=flow.integration) == count(code="other") == 0


def test_a_letter_says_where_it_came_from_and_what_became_of_it(api: Api, worked: Run, flow: Flow) -> None:
    work(api.made("dead-letters/redrive/", {"integration": flow.integration, "all": True})["id"])
    new, old = api.get("dead-letters/", state=["open", "redriven"]).json()["results"]
    assert (old["outcome"], old["became"], new["origin"], new["became"]) == ("set_aside", new["id"], old["id"], None)
    for each in (old, new):
        found = api.get(f"dead-letters/{each['id']}/lineage/").json()
        assert [step["id"] for step in found["letters"]] == [old["id"], new["id"]]
        assert (found["is_cut"], found["letters"][0]["reason"]) == (False, old["reason"])


def test_letters_are_corrected_in_bulk_after_a_look(api: Api, flow: Flow, worked: Run) -> None:
    mended = {"field": "amount", "expression": "CASE amount WHEN 'twelve' THEN '12' ELSE amount END"}
    body = {"integration": flow.integration, "all": True, "code": "conversion_failed", "set": [mended]}
    found = api.post("dead-letters/correct/try/", body).json()
    assert (found["chosen"], found["changed"], found["written"], found["set_aside"]) == (1, 1, 1, 0)
    assert (found["rows"][0]["before"]["amount"], found["rows"][0]["after"]["amount"]) == ("twelve", "12")
    done = api.post("dead-letters/correct/", body).json()
    (letter,) = done.pop("letters")
    assert done == {"changed": 1, "unchanged": 0, "failed": 0, "conflicts": 0}
    assert api.get(f"dead-letters/{letter}/payload/").json()["corrected"]["amount"] == "12"


@pytest.mark.parametrize(
    "setting",
    [{"field": "nothing", "expression": "1"}, {"field": "amount", "expression": "amont"}, {"field": "amount"}],
)
def test_a_correction_that_cannot_be_used_changes_nothing(
    api: Api, flow: Flow, worked: Run, setting: dict[str, str]
) -> None:
    body = {"integration": flow.integration, "all": True, "set": [setting]}
    for path in ("dead-letters/correct/try/", "dead-letters/correct/"):
        problem(api.post(path, body), 400, "input_invalid")
    assert not DeadLetter.objects.exclude(edited="").exists()


def test_an_operator_who_may_not_see_records_corrects_none(
    as_person: AsPerson, world: World, flow: Flow, worked: Run
) -> None:
    operator = as_person(world.operator)
    body = {"integration": flow.integration, "all": True, "set": [{"field": "amount", "expression": "'1'"}]}
    problem(operator.post("dead-letters/correct/", body), 403, "permission_denied")
