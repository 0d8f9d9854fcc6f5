"""Defects of what outlasts a run: the order among runs, what an ended run left, letters that are set aside again."""

from __future__ import annotations

from tests.faults.mutants.seed import Seed

OWNERS = "integrations/services/owners.py"
REPEATED = "integrations/services/repeated.py"
CLOCKS = "tests/runs/test_clocks.py"
LEFT = "tests/faults/test_leftovers.py"
TAKEN = "tests/faults/test_remote_takeover.py"
AGAIN = "tests/runs/test_repeated.py"

SEEDS = (
    Seed(
        "lasting: runs are ordered by the machine's clock", "integrations/services/runs.py",
        "                id=id_by_database_clock(),\n", "", (CLOCKS,),
    ),
    Seed(
        "lasting: a redrive settles the stream", OWNERS, 'return goes_on & ~Q(**{f"{prefix}trigger": Trigger.REDRIVE})',
        "return goes_on", (CLOCKS,),
    ),
    Seed(
        "lasting: workers of before a reset are let in", OWNERS,
        '{_of_stream(run, epoch, "") for epoch in whole}', '{_of_stream(run, run.epoch, "") for _ in whole}',
        (LEFT,),
    ),
    Seed(
        "lasting: a run of before a reset is continued", "integrations/services/continuation.py",
        "if run.epoch != deployment.epoch and moves_the_stream(run):", "if False:", (LEFT,),
    ),
    Seed(
        "lasting: what nobody asks of stays", "integrations/services/run_progress.py",
        "        if not self._run.batches:\n            leftovers.close(self._run)", "        pass", (LEFT, TAKEN),
    ),
    Seed(
        "lasting: what may be there twice is not marked", "integrations/services/leftovers.py",
        "        elif intent and (records := _may_be_there(batch, intent)):", "        elif (records := 0):", (TAKEN,),
    ),
    Seed(
        "lasting: a batch is counted by each who finds it", "integrations/services/leftovers.py",
        "    if not prepared.update(state=BatchState.COMMITTED, committed_at=Now()):\n        return\n",
        "    prepared.update(state=BatchState.COMMITTED, committed_at=Now())\n", (LEFT,),
    ),
    Seed(
        "lasting: a letter takes every sighting of a run", REPEATED, "        .exclude(last_run=seen)\n", "", (AGAIN,),
    ),
    Seed(
        "lasting: a letter takes equal ones of its own run", REPEATED, "        .exclude(run=seen)\n", "", (AGAIN,),
    ),
    Seed(
        "lasting: a letter that may be forgotten takes sightings", REPEATED,
        "        .exclude(in_unsettled_batch())\n", "", (AGAIN,),
    ),
    Seed(
        "lasting: a redrive's letters are folded", REPEATED, "    if run.trigger == Trigger.REDRIVE:\n        return\n",
        "", (AGAIN,),
    ),
    Seed(
        "lasting: what a later run counts is not folded", "integrations/services/leftovers.py",
        "    fold(run, batch.number)\n", "", (AGAIN,),
    ),
    Seed(
        "lasting: a letter that is held stops the run", REPEATED, "select_for_update(skip_locked=True)",
        "select_for_update()", ("tests/runs/test_repeated_locks.py",),
    ),
)  # fmt: skip
