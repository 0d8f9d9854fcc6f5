"""Defects of a batch's way: prepare, write, commit, resume; of counts, dead letters, and of writing to PostgreSQL."""

from __future__ import annotations

from tests.faults.mutants.seed import Seed

PROGRESS = "integrations/services/run_progress.py"
RUNNER = "integrations/pipeline/runner.py"
WRITER = "integrations/connectors/postgres/writer.py"
OWNERSHIP = "tests/faults/test_ownership.py"
WORK = "tests/runs/test_execution.py"
LEFT = "tests/faults/test_leftovers.py"
POSTGRES = "tests/connectors/test_postgres_conformance.py"
WRITING = "tests/connectors/test_postgres_write.py"
DIES = f"{WORK}::test_a_worker_that_dies_around_the_write_loses_and_doubles_nothing"
REFUSED = f"{WORK}::test_a_record_that_the_destination_refuses_is_found_and_the_others_arrive"

SEEDS = (
    Seed(
        "a batch is committed before it is written", RUNNER,
        '    reach("before_send")\n    try:\n        writer.write(records, commit)\n',
        '    log.commit(number)\n    log.commit = lambda _: None\n    try:\n        writer.write(records, commit)\n',
        (DIES,),
    ),
    Seed(
        "a batch is prepared after it is written", RUNNER,
        '    log.prepare(_prepared(number, batch, records, aside))\n    reach("before_send")\n    try:\n'
        "        writer.write(records, commit)\n",
        "    try:\n        writer.write(records, commit)\n"
        '        reach("before_send")\n        log.prepare(_prepared(number, batch, records, aside))\n',
        (DIES,),
    ),
    Seed(
        "half of what the search has left is forgotten", RUNNER,
        "pending += [(start + half, length - half), (start, half)]", "pending += [(start, half)]", (REFUSED,),
    ),
    Seed(
        "what the destination refused is not set aside", RUNNER,
        "log.prepare(_prepared(number, batch, records, aside + refused_aside))",
        "log.prepare(_prepared(number, batch, records, aside))", (REFUSED,),
    ),
    Seed(
        "what is filtered is not counted", RUNNER, "filtered=mapped.filtered,", "filtered=0,",
        (f"{WORK}::test_what_the_filter_drops_is_counted",),
    ),
    Seed(
        "the run begins at the start again", RUNNER, "number, cursor = plan.start.batch_number, plan.start.cursor",
        "number, cursor = 0, plan.start.cursor", (f"{WORK}::test_a_busy_source_is_tried_again_from_the_checkpoint",),
    ),
    Seed(
        "an error of a stage ends the stream in order", "integrations/pipeline/stages.py",
        "self._put(_Failure(error))", "self._put(_Done())",
        (f"{WORK}::test_a_busy_source_is_tried_again_from_the_checkpoint",),
    ),
    Seed(
        "a commit does not move the cursor", PROGRESS,
        "                cursor=batch.cursor,\n                batches=number,", "                batches=number,",
        (f"{WORK}::test_what_a_person_must_mend_fails_the_run_at_once",),
    ),
    Seed(
        "a confirmed batch is counted again", PROGRESS, "if stored.batch_number > self._run.batches:",
        "if stored.batch_number >= self._run.batches:",
        (f"{OWNERSHIP}::test_the_worker_that_took_over_counts_once_what_the_destination_has",),
    ),
    Seed(
        "a run resumes from our cursor", PROGRESS,
        "        if stored is None or stored.run != str(self._run.pk):\n",
        "        if self._run:\n            return Position(self._run.batches, self._run.cursor)\n"
        "        if stored is None or stored.run != str(self._run.pk):\n",
        (DIES,),
    ),
    Seed(
        "a prepared batch is not forgotten", PROGRESS,
        "            RunBatch.objects.filter(run=self._run, number__gt=number).delete()\n", "",
        (f"{OWNERSHIP}::test_the_worker_that_took_over_forgets_what_the_destination_has_not",),
    ),
    Seed(
        "dead letters of a forgotten batch stay", PROGRESS,
        "            DeadLetter.objects.filter(run=self._run, batch_number__gt=number).delete()\n", "",
        (f"{OWNERSHIP}::test_the_worker_that_took_over_forgets_what_the_destination_has_not",),
    ),
    Seed(
        "dead letters of a batch that is prepared again are doubled", PROGRESS,
        "        DeadLetter.objects.filter(run=self._run, batch_number=batch.number).delete()\n", "",
        (f"{OWNERSHIP}::test_a_batch_that_is_prepared_again_has_its_dead_letters_once",),
    ),
    Seed(
        "a batch counts only what was written as read", PROGRESS, 'read=F("read") + batch.read,',
        'read=F("read") + batch.written,', (f"{WORK}::test_what_cannot_be_converted_is_set_aside_with_its_reason",),
    ),
    Seed(
        "a redrive settles no letter", PROGRESS, "            note_redriven(batch)\n", "",
        (f"{WORK}::test_redrive_sends_the_dead_letters_again_and_settles_them",),
    ),
    Seed(
        "a cancel is ignored by the worker", PROGRESS, "if self._asked.to_cancel:", "if False:",
        (f"{OWNERSHIP}::test_what_people_ask_for_stops_a_worker_before_its_next_batch",),
    ),
    Seed(
        "a worker without a lease goes on", PROGRESS, "if self._lost or too_old:", "if self._lost:",
        (f"{OWNERSHIP}::test_a_worker_that_could_not_extend_its_lease_stops_itself",),
    ),
    Seed(
        "what an ended run left is not settled", PROGRESS, "leftovers.settle(self._run, self._owner, stored)",
        "self._guard()", ("tests/faults/test_leftovers.py",),
    ),
    Seed(
        "what an ended redrive left is not settled", PROGRESS, "leftovers.settle(self._run, owner, stored)",
        "self._guard()", ("tests/faults/test_leftovers.py",),
    ),
    Seed(
        "what an ended run left is forgotten though it arrived", "integrations/services/leftovers.py",
        "            _count(batch)\n", "            _forget(batch)\n", ("tests/faults/test_leftovers.py",),
    ),
    Seed(
        "a commit there asks for no fence", WRITER, "AND stream = {stream} AND fence <= {fence} RETURNING",
        "AND stream = {stream} RETURNING", (f"{POSTGRES}::TestPostgres::test_a_stale_worker_cannot_write_or_finish",
         f"{POSTGRES}::TestPostgres::test_a_paused_worker_cannot_write_after_its_successor_looked"),
    ),
    Seed(
        "an older worker may open the table", WRITER, "WHERE c.fence <= EXCLUDED.fence RETURNING run", "RETURNING run",
        (f"{POSTGRES}::TestPostgres::test_a_stale_worker_cannot_write_or_finish",
         f"{POSTGRES}::TestPostgres::test_a_paused_worker_cannot_write_after_its_successor_looked"),
    ),
    Seed(
        "the checkpoint is stored before the records", WRITER,
        "        with self._session.transaction():\n            self._session.load(STAGE, staged)\n"
        "            self._store_commit(self._session, commit)\n",
        "        with self._session.transaction():\n            self._store_commit(self._session, commit)\n"
        "        with self._session.transaction():\n            self._session.load(STAGE, staged)\n",
        (f"{WRITING}::test_a_batch_that_is_refused_moves_no_checkpoint",),
    ),
    Seed(
        "a plain insert has no savepoint", "integrations/connectors/postgres/inserting.py",
        "        session.run(_SAVEPOINT)\n", "",
        (f"{WRITING}::test_keys_that_are_there_are_replaced_and_the_others_inserted_batch_after_batch",),
    ),
    Seed(
        "a lane keeps the batch before", "integrations/connectors/postgres/lanes.py",
        '                session.run(sql.SQL("TRUNCATE pg_temp.{}").format(sql.Identifier(self._stage)))\n', "",
        (f"{WRITING}::test_keys_that_are_there_are_replaced_and_the_others_inserted_batch_after_batch",
         f"{WRITING}::test_a_refused_batch_that_was_staged_ahead_is_mended_and_written",
         f"{POSTGRES}::TestPostgres::test_batches_that_are_staged_ahead_arrive_once_each"),
    ),
    Seed(
        "an answer that is no JSON is an empty page", "integrations/connectors/rest_api/answer.py",
        '        raise NeedsPerson(ANSWER_UNDECODABLE, f"The answer for {where} is not valid JSON: {_reason(error)}.")'
        " from None\n",
        "        return Page([], {}, answer.headers, 0)\n",
        ("tests/connectors/test_rest_api_strict.py::test_an_answer_that_is_not_the_list_is_refused",),
    ),
    Seed(
        "a continuation asks only the run before it", PROGRESS, "stored.run in map(str, continued(self._run))",
        "stored.run == str(self._run.continues_id)",
        (f"{LEFT}::test_a_run_that_continues_a_continuation_goes_on_from_what_the_first_one_brought",),
    ),
)  # fmt: skip
