"""Defects of claim, lease, fence, and of what ends a run."""

from __future__ import annotations

from tests.faults.mutants.seed import Seed

CLAIMS = "integrations/services/claims.py"
PICKING = "integrations/services/picking.py"
RUNS = "integrations/services/runs.py"
EXECUTION = "integrations/services/execution.py"
ROWS = "integrations/models/run.py"
OWNERSHIP = "tests/faults/test_ownership.py"
TABLES = "tests/faults/test_rows.py"
WORK = "tests/runs/test_execution.py"
RECONCILING = "tests/runs/test_reconciling.py"
SERVICES = "tests/runs/test_services.py"

SEEDS = (
    Seed(
        "the guard asks for no fence", CLAIMS,
        "filter(pk=claim.run_id, fence=claim.fence, state=RunState.RUNNING).update(**changes)",
        "filter(pk=claim.run_id, state=RunState.RUNNING).update(**changes)",
        (f"{OWNERSHIP}::test_a_worker_whose_run_was_taken_over_changes_no_row",),
    ),
    Seed(
        "a claim does not look at the lease", CLAIMS,
        "Q(state=RunState.RUNNING, lease_until__lt=Now())", "Q(state=RunState.RUNNING)",
        (f"{OWNERSHIP}::test_a_lease_that_runs_is_nobody_elses_and_each_claim_has_a_higher_fence",),
    ),
    Seed(
        "what is not due yet is claimed", CLAIMS, "DUE = Q(next_attempt_at__lte=Now()) & (", "DUE = (",
        ("tests/runs/test_picking.py::test_what_is_not_due_is_not_claimed",),
    ),
    Seed(
        "a claim does not raise the fence", CLAIMS, '.update(fence=F("fence") + 1)', '.update(fence=F("fence"))',
        (f"{OWNERSHIP}::test_a_lease_that_runs_is_nobody_elses_and_each_claim_has_a_higher_fence",),
    ),
    Seed(
        "each run counts its own fences", CLAIMS,
        "fence = run.deployment.fence",
        'fence = Run.objects.values_list("fence", flat=True).get(pk=run_id) + 1',
        (f"{OWNERSHIP}::test_a_lease_that_runs_is_nobody_elses_and_each_claim_has_a_higher_fence",),
    ),
    Seed(
        "a worker hands back what another one holds", CLAIMS,
        "if run.filter(fence=claim.fence).update(lease_until=Now()", "if run.update(lease_until=Now()",
        (f"{OWNERSHIP}::test_a_worker_whose_run_was_taken_over_hands_nothing_back",),
    ),
    Seed(
        "a slice that ends keeps its lease", CLAIMS,
        "guarded(claim, lease_until=Now(), next_attempt_at=Now(),", "guarded(claim, next_attempt_at=Now(),",
        (f"{WORK}::test_a_slice_hands_the_run_back_and_the_next_one_goes_on",),
    ),
    Seed(
        "letters of a run that failed stay taken", CLAIMS,
        "        reopen_letters(run)\n        tell(run, kind, error.message",
        "        tell(run, kind, error.message",
        (f"{WORK}::test_letters_of_a_redrive_that_fails_are_open_again",),
    ),
    Seed(
        "a cancel is not stored", RUNS, ".update(cancel_requested=True)", ".update(cancel_requested=False)",
        (f"{OWNERSHIP}::test_a_cancel_reaches_the_worker_with_its_next_heartbeat",),
    ),
    Seed(
        "events of a run share a number", RUNS, "SET seq = seq + 1 WHERE", "SET seq = seq WHERE",
        (f"{WORK}::test_events_of_a_run_are_numbered_without_a_gap",),
    ),
    Seed(
        "the wait that was asked for is not kept", EXECUTION,
        "return min(asked, rule.retry_after_max_seconds),", "return min(0.0, rule.retry_after_max_seconds),",
        (f"{WORK}::test_the_wait_that_the_other_side_asked_for_is_kept",),
    ),
    Seed(
        "attempts are never used up", EXECUTION, "if run.attempt + 1 >= rule.attempts:", "if run.attempt < 0:",
        (f"{WORK}::test_a_run_gives_up_after_the_attempts_of_its_policy",),
    ),
    Seed(
        "however much is set aside, the run succeeds", EXECUTION, "    refuse_too_many_rejected(run, policy)\n", "",
        (f"{WORK}::test_all_records_bad_is_never_green",
         f"{WORK}::test_a_run_fails_when_more_is_set_aside_than_the_policy_allows"),
    ),
    Seed(
        "the reconciler hints nothing", PICKING,
        "    due = _due(rooms)\n    return _hint(", "    due = _due(rooms).none()\n    return _hint(",
        (f"{RECONCILING}::test_a_run_whose_message_was_lost_is_hinted_and_then_left_alone",),
    ),
    Seed(
        "a lease that ran out is not hinted at once", PICKING, 'hinted_at__lt=F("lease_until")',
        'hinted_at=F("lease_until")',
        (f"{RECONCILING}::test_a_lease_that_ran_out_is_hinted_at_once_though_the_run_was_hinted_a_moment_ago",),
    ),
    Seed(
        "messages are acknowledged late", "config/celery.py", '"task_acks_late": False', '"task_acks_late": True',
        ("tests/ops/test_celery.py::test_messages_are_json_acknowledged_early_and_leave_no_result",),
    ),
    Seed(
        "a deployment may have two active runs", ROWS, "parent__isnull=True),\n                name=\"one_active",
        "parent__isnull=True, pk=None),\n                name=\"one_active",
        (f"{TABLES}::test_a_second_active_run_of_a_deployment_is_refused",),
    ),
    Seed(
        "a due time may have two runs", ROWS, 'models.UniqueConstraint(fields=["deployment", "due_at"]',
        'models.UniqueConstraint(fields=["deployment", "due_at", "id"]',
        (f"{TABLES}::test_a_second_run_of_a_due_time_is_refused",),
    ),
    Seed(
        "counts need not add up", ROWS, 'condition=Q(read=F("written") + F("set_aside") + F("filtered"))',
        'condition=Q(read__gte=0)', (f"{TABLES}::test_counts_that_do_not_add_up_are_refused",),
    ),
    Seed(
        "a number may have two batches", ROWS, 'models.UniqueConstraint(fields=["run", "number"]',
        'models.UniqueConstraint(fields=["run", "number", "id"]',
        (f"{TABLES}::test_a_second_batch_of_a_number_is_refused",),
    ),
    Seed(
        "a tick does not ask who was first", "integrations/services/ticking.py",
        "filter(pk=schedule.pk, next_due_at=due_at,", "filter(pk=schedule.pk,",
        ("tests/faults/test_ticks.py",),
    ),
    Seed(
        "a record that kills workers is blamed at once", "integrations/domain/isolation.py",
        "if self.crashes >= CRASHES_OF_A_RECORD", "if self.crashes >= 1",
        ("tests/runs/test_isolation.py::test_a_record_is_not_blamed_for_the_deaths_of_others",),
    ),
    Seed(
        "a run starts from a cursor that was reset meanwhile", RUNS, "            _refuse_moved(deployment)\n", "",
        (f"{SERVICES}::test_a_run_is_not_started_from_a_cursor_that_was_reset_since_it_was_read",),
    ),
    Seed(
        "a version of another stream becomes active under a run", "integrations/services/integrations.py",
        "            _refuse_active(locked)\n            locked.cursor", "            locked.cursor",
        (f"{SERVICES}::test_no_version_of_another_stream_becomes_active_under_a_run_that_would_store_its_old_place",),
    ),
)  # fmt: skip
