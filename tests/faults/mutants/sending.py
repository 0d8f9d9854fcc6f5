"""Defects of remote destinations: stored intents, keys, uncertain batches."""

from __future__ import annotations

from tests.faults.mutants.seed import Seed

PROGRESS = "integrations/services/run_progress.py"
INTENTS = "integrations/services/intents.py"
DELIVERY = "integrations/pipeline/delivery.py"
REMOTE = "tests/faults/test_remote_destinations.py"
TAKEOVER = "tests/faults/test_remote_takeover.py"
DIES = f"{REMOTE}::test_a_worker_that_dies_anywhere_loses_nothing_and_doubles_nothing_unmarked"
DIES_WITH_A_KEY = f"{DIES}[idempotency_key-after_write-1]"
DIES_WITHOUT = f"{DIES}[append_only-after_write-1]"
CHANGES = f"{REMOTE}::test_what_changed_in_the_source_meanwhile_does_not_change_what_is_sent_again"
UNANSWERED = f"{REMOTE}::test_an_answer_that_does_not_come_is_asked_for_again_with_the_same_bytes"
ANSWERS = "tests/faults/test_remote_answers.py"
LATE = f"{REMOTE}::test_a_worker_that_wakes_late_cannot_replace_newer_values_or_double"

SEEDS = (
    Seed(
        "the intent that is left is not sent again", PROGRESS,
        "pending = intents.pending_of(self._run) or intents.take_over(self._run, self._owner)",
        "pending = intents.take_over(self._run, self._owner)", (CHANGES, DIES_WITH_A_KEY),
    ),
    Seed(
        "the batch of an ended run is not taken over", PROGRESS,
        "pending = intents.pending_of(self._run) or intents.take_over(self._run, self._owner)",
        "pending = intents.pending_of(self._run)", (f"{TAKEOVER}::test_a_continued_run_sends_it_first",),
    ),
    Seed(
        "a batch that is sent again is not marked", INTENTS, "if found.begun > part:", "if found.begun < 0:",
        (UNANSWERED,),
    ),
    Seed(
        "that a part is sent is not stored before", PROGRESS, "if self._guarantee is Guarantee.APPEND_ONLY:",
        "if self._guarantee is None:", (DIES_WITHOUT,),
    ),
    Seed(
        "an answer that did not come means that nothing arrived", DELIVERY, "return error.may_have_arrived",
        "return False", (UNANSWERED,),
    ),
    Seed(
        "the answers that came are forgotten", DELIVERY,
        "refused, done = list(parcel.refused), parcel.done", "refused, done = [], parcel.done", (ANSWERS,),
    ),
    Seed(
        "what the destination refused is counted as written", PROGRESS,
        "            batch.written -= len(letters)\n            batch.set_aside += len(letters)\n", "", (ANSWERS,),
    ),
    Seed(
        "the key names the run alone", "integrations/connectors/rest_api/compose.py",
        '{commit.run}:{commit.batch_number}"', '{commit.run}"', (DIES_WITH_A_KEY,),
    ),
    Seed(
        "a batch is sent without an intent", PROGRESS,
        "            if parcel is not None:\n                intents.store(",
        "            if parcel is None:\n                intents.store(", (CHANGES,),
    ),
    Seed(
        "the stamp does not follow the fence", "integrations/connectors/rest_api/compose.py",
        "((request.fence << BATCH_BITS) + commit.batch_number)", "commit.batch_number", (LATE,),
    ),
    Seed(
        "the intent of a batch that is committed stays", PROGRESS, "intents.drop(batch)", "intents.letters_of(batch)",
        (f"{REMOTE}::test_what_is_stored_before_it_is_sent_is_encrypted_and_gone_when_it_is_committed",),
    ),
)  # fmt: skip
