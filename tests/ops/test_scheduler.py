"""The scheduler's loop goes on after an error and does not make up for missed calls."""

import threading

import pytest
from structlog.testing import capture_logs

from config.scheduler import Job, beside, run_loop

# The loop closes its connection between jobs, which no open transaction of a test may share.
pytestmark = pytest.mark.django_db(transaction=True)


def stop_after(count: int) -> tuple[list[str], threading.Event, Job]:
    """A job that stops the loop at its `count`-th call, and the list of its calls."""
    calls: list[str] = []
    stop = threading.Event()

    def act() -> None:
        calls.append("called")
        if len(calls) == count:
            stop.set()

    return calls, stop, Job("counted", 0.001, act)


def fail() -> None:
    raise RuntimeError("the database is away")


def test_a_job_is_called_again_and_again_until_the_loop_is_stopped() -> None:
    calls, stop, job = stop_after(3)
    run_loop([job], stop)
    assert len(calls) == 3


def test_a_job_that_fails_is_logged_and_stops_no_other() -> None:
    calls, stop, job = stop_after(2)
    with capture_logs() as lines:
        run_loop([Job("broken", 0.0, fail), job], stop)
    assert len(calls) == 2
    assert {(line["log_level"], line["job"]) for line in lines} == {("error", "broken")}


def test_each_job_has_its_own_interval() -> None:
    seldom: list[str] = []
    calls, stop, often = stop_after(5)
    run_loop([Job("seldom", 3600, lambda: seldom.append("called")), often], stop)
    assert (len(seldom), len(calls)) == (1, 5)


def test_a_job_that_takes_long_keeps_no_other_waiting() -> None:
    calls, stop, prompt = stop_after(3)
    may_end = threading.Event()
    with beside([Job("slow", 3600, lambda: may_end.wait(20))], stop):
        run_loop([prompt], stop)
        assert (len(calls), may_end.is_set()) == (3, False)
        may_end.set()


def test_a_loop_that_was_stopped_calls_nothing() -> None:
    calls, stop, job = stop_after(1)
    stop.set()
    run_loop([job], stop)
    assert calls == []
