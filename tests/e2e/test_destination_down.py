"""A destination that goes away in the middle of runs, or stays away: the run waits, goes on, and loses nothing."""

from __future__ import annotations

import signal

import pytest

from integrations.models import Event, Run
from tests.e2e.line import BATCH, Line

pytestmark = pytest.mark.django_db(transaction=True)
RECORDS = 40 * BATCH
WHOLE = list(range(RECORDS))


@pytest.fixture
def ready(line: Line) -> Line:
    rows = "".join(f"{number},record {number}\n" for number in WHOLE)
    (line.files / "records.csv").write_text(f"id,name\n{rows}")
    line.join(line.connector("in", "files", format="csv"), "records.csv")
    return line


def work_until_down(line: Line, run: Run, after_batches: int, how: signal.Signals) -> Run:
    """Work one slice and stop the server in it, after so many batches; the worker itself would go on."""
    seen: list[int] = []

    def stop_once() -> bool:
        seen.append(1)
        if len(seen) == after_batches:
            line.destination.stop(how)
        return False

    return line.work(run, slices=1, after_batch=stop_once)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["shut down", "crashed"])
def test_a_run_whose_destination_goes_down_waits_and_ends_with_exact_counts(ready: Line, how: signal.Signals) -> None:
    run = work_until_down(ready, ready.start(), 7, how)
    assert (run.state, run.attempt, run.error_code) == ("queued", 1, "unreachable")
    assert run.error_message
    assert run.written == 7 * BATCH
    ready.destination.start()
    run = ready.work(run)
    assert (run.state, run.read, run.written, run.error_code) == ("succeeded", RECORDS, RECORDS, "")
    assert ready.ids() == WHOLE
    assert Event.objects.filter(run_id=run.pk, kind="run.retrying").count() == 1


@pytest.mark.fault("F17")
def test_a_run_whose_destination_goes_down_again_and_again_still_ends_with_exact_counts(ready: Line) -> None:
    run = ready.start()
    for cut in range(1, 6):
        run = work_until_down(ready, run, cut, signal.SIGQUIT)
        assert run.state == "queued"
        ready.destination.start()
    run = ready.work(run)
    assert (run.state, run.read, run.written) == ("succeeded", RECORDS, RECORDS)
    assert ready.ids() == WHOLE


def test_a_destination_that_stays_down_fails_the_run_and_the_next_one_goes_on_from_its_checkpoint(ready: Line) -> None:
    run = ready.work(work_until_down(ready, ready.start(), 5, signal.SIGINT))
    assert (run.state, run.error_code, run.written) == ("failed", "unreachable", 5 * BATCH)
    assert run.error_what_to_do.endswith(".")
    ready.destination.start()
    assert ready.ids() == WHOLE[: 5 * BATCH]
    following = ready.run(continues=run)
    assert (following.state, following.written) == ("succeeded", RECORDS - 5 * BATCH)
    assert ready.ids() == WHOLE
