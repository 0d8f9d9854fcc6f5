"""Writes down, in the transaction that ends a run, which chained deployments are to start after it."""

from __future__ import annotations

from integrations.models import Chain, ChainStart, Run


def owe_starts(run: Run) -> int:
    """Note a start for every chain that follows the run that has just succeeded; return how many.

    A partition has none of its own.
    """
    if run.parent_id is not None:
        return 0
    chains = Chain.objects.filter(upstream=run.deployment_id)
    if run.has_warnings:
        chains = chains.filter(after_warnings=True)
    starts = [ChainStart(chain_id=chain, upstream_run=run) for chain in chains.values_list("pk", flat=True)]
    ChainStart.objects.bulk_create(starts, ignore_conflicts=True)
    return len(starts)
