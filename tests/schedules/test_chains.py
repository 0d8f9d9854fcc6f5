"""Chains: a deployment starts after another one's runs, exactly once each, and never in a circle."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from accounts.errors import Conflict, Invalid
from accounts.models import AuditEntry
from accounts.request_context import Actor, acting_as
from integrations.domain.lifecycle import RunState, Trigger
from integrations.models import Chain, ChainStart, Deployment, Event, Run
from integrations.services import chains, integrations
from integrations.services.claims import claim_run, succeed_run
from integrations.services.runs import cancel_run, start_run
from tests.runs.conftest import Bench

MakeBench = Callable[..., Bench]


def another(bench: Bench, name: str) -> Deployment:
    """One more integration that does the same."""
    given = bench.deployment.version
    flow = integrations.Flow(
        given.source, "rows", given.destination, "rows_out", given.mapping, write_mode=given.write_mode
    )
    made = integrations.create_integration(
        workspace=bench.deployment.workspace, name=name, description="", flow=flow, user=None
    )
    return made.deployments.select_related("integration", "version", "workspace").get()


def chain(deployment: Deployment, upstream: Deployment, *, after_warnings: bool = True) -> Chain:
    return chains.add_chain(deployment=deployment, upstream=upstream, after_warnings=after_warnings, user=None)


def succeed(run: Run, *warnings: str) -> None:
    """End a run as the last slice would, without what the worker does after it: as if it had died there."""
    claim = claim_run(run_id=run.pk, worker="test")
    assert claim is not None
    succeed_run(claim, warnings=list(warnings))


def test_a_deployment_starts_after_another_one_s_run_succeeded(bench: Bench) -> None:
    after = another(bench, "after")
    chain(after, bench.deployment)
    run = bench.work(bench.start())
    chained = Run.objects.get(deployment=after)
    assert (run.state, chained.trigger, chained.upstream) == (RunState.SUCCEEDED, Trigger.CHAIN, run)
    assert not ChainStart.objects.exists()


def test_a_start_that_a_dead_worker_owed_is_found_and_done_once(bench: Bench) -> None:
    after = another(bench, "after")
    chain(after, bench.deployment)
    succeed(bench.start())
    assert not Run.objects.filter(deployment=after).exists()
    assert (chains.start_owed(), chains.start_owed()) == (1, 0)


def test_two_upstream_runs_give_two_runs_one_after_the_other(bench: Bench) -> None:
    after = another(bench, "after")
    chain(after, bench.deployment)
    for _ in range(2):
        succeed(bench.start())
    assert (chains.start_owed(), chains.start_owed()) == (1, 0)
    assert Event.objects.filter(kind="chain.waits").count() == 1
    cancel_run(run=Run.objects.get(deployment=after))
    assert (chains.start_owed(), chains.start_owed()) == (1, 0)
    assert Run.objects.filter(deployment=after).values("upstream").distinct().count() == 2


@pytest.mark.parametrize(("after_warnings", "started"), [(True, 1), (False, 0)])
def test_warnings_stop_a_chain_where_a_person_says_so(bench: Bench, after_warnings: bool, started: int) -> None:
    chain(another(bench, "after"), bench.deployment, after_warnings=after_warnings)
    succeed(bench.start(), "Three records were set aside.")
    assert chains.start_owed() == started


def test_a_run_that_was_cancelled_starts_nothing(bench: Bench) -> None:
    chain(another(bench, "after"), bench.deployment)
    cancel_run(run=bench.start())
    assert (chains.start_owed(), ChainStart.objects.count()) == (0, 0)


def test_what_is_switched_off_is_not_started_and_that_is_said(bench: Bench) -> None:
    after = another(bench, "after")
    chain(after, bench.deployment)
    integrations.set_enabled(deployment=after, enabled=False)
    succeed(bench.start())
    assert (chains.start_owed(), ChainStart.objects.count()) == (0, 0)
    assert "switched off" in Event.objects.get(kind="chain.left_out").message


def test_a_partition_starts_nothing(bench: Bench) -> None:
    chain(another(bench, "after"), bench.deployment)
    run = bench.start()
    Run.objects.filter(pk=run.pk).update(state=RunState.CANCELLED)
    part = start_run(deployment=bench.deployment, trigger=Trigger.MANUAL)
    Run.objects.filter(pk=part.pk).update(parent=run)
    succeed(part)
    assert not ChainStart.objects.exists()


def test_a_circle_is_refused_with_the_way_round(bench: Bench) -> None:
    second, third = another(bench, "second"), another(bench, "third")
    chain(second, bench.deployment)
    chain(third, second)
    with pytest.raises(Invalid) as refused:
        chain(bench.deployment, third)
    assert refused.value.fields["upstream"] == "That would be a circle: numbers → second → third → numbers."
    with pytest.raises(Invalid):
        chain(second, second)


def test_a_chain_is_made_once_and_removed(bench: Bench) -> None:
    after = another(bench, "after")
    made = chain(after, bench.deployment)
    with pytest.raises(Conflict):
        chain(after, bench.deployment)
    chains.remove_chain(chain=made)
    assert not Chain.objects.exists()
    actions = AuditEntry.objects.filter(action__startswith="chain.").order_by("id")
    assert list(actions.values_list("action", flat=True)) == ["chain.added", "chain.removed"]


def test_an_integration_follows_so_many_others_at_most(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chains, "MOST_CHAINS", 1)
    after = another(bench, "after")
    chain(after, bench.deployment)
    with pytest.raises(Invalid):
        chain(after, another(bench, "more"))


@pytest.mark.django_db(transaction=True)
def test_ten_processes_that_find_one_owed_start_make_one_run(bench: Bench) -> None:
    after = another(bench, "after")
    chain(after, bench.deployment)
    succeed(bench.start())

    def start(_: int) -> int:
        try:
            with acting_as(Actor(system="test")):
                return chains.start_owed()
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(start, range(10))) == 1
    assert Run.objects.filter(deployment=after).count() == 1
